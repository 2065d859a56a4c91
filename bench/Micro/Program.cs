// Micro hash own|openssl SECONDS THREADS   hashes a second of a default password hash, on so many threads at once
// Micro lookup DATABASE TOKEN              µs of the token's look-up, through Microsoft.Data.Sqlite and without it
// Micro signatures                         µs of signing and verifying a JSON Web Token, by algorithm, and of the bare primitives
// Micro commits DATABASE SECONDS CALLERS   durable commits a second, by so many callers at once
using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using Gatehouse.Bench;
using Gatehouse.Crypto;

switch (args)
{
    case ["hash", "own" or "openssl", var seconds, var threads]:
        var perSecond = Hash(args[1] == "own", double.Parse(seconds, CultureInfo.InvariantCulture), int.Parse(threads, CultureInfo.InvariantCulture));
        Console.WriteLine(perSecond.ToString("0.000", CultureInfo.InvariantCulture));
        return 0;
    case ["lookup", var database, var token]:
        Lookups.Run(database, token);
        return 0;
    case ["signatures"]:
        Signatures.Run();
        return 0;
    case ["commits", var database, var seconds, var callers]:
        var commits = await Commits.RunAsync(database, double.Parse(seconds, CultureInfo.InvariantCulture), int.Parse(callers, CultureInfo.InvariantCulture));
        Console.WriteLine(commits.ToString("0.0", CultureInfo.InvariantCulture));
        return 0;
    default:
        Console.Error.WriteLine("Usage: Micro hash own|openssl SECONDS THREADS | lookup DATABASE TOKEN | signatures | commits DATABASE SECONDS CALLERS");
        return 2;
}

// own: what the server calls, and so its loop. openssl: PKCS5_PBKDF2_HMAC, which is what Rfc2898DeriveBytes calls on Linux.
static double Hash(bool own, double seconds, int threads)
{
    const int Rounds = 1_000_000;
    var hashes = new PasswordHashes();
    var salt = RandomNumberGenerator.GetBytes(22);
    var rounds = int.Parse(hashes.Make("warm up").Split('$')[1], CultureInfo.InvariantCulture);
    if (rounds != Rounds) throw new InvalidOperationException($"The default has {rounds} rounds, not {Rounds}.");

    var clock = Stopwatch.StartNew();
    var rates = new double[threads];
    var workers = Enumerable.Range(0, threads).Select(n => new Thread(() =>
    {
        var count = 0;
        do
        {
            if (own) hashes.Make("correct horse battery staple");
            else Rfc2898DeriveBytes.Pbkdf2("correct horse battery staple", salt, Rounds, HashAlgorithmName.SHA256, 32);
            count++;
        }
        while (clock.Elapsed.TotalSeconds < seconds);
        rates[n] = count / clock.Elapsed.TotalSeconds;
    })).ToList();
    workers.ForEach(worker => worker.Start());
    workers.ForEach(worker => worker.Join());
    return rates.Sum();
}
