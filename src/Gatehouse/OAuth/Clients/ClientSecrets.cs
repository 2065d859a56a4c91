using System.Security.Cryptography;
using System.Text;
using Gatehouse.Crypto;

namespace Gatehouse.OAuth.Clients;

/// <summary>Client secrets: made, kept as Django keeps passwords or plain, checked (DOT's <c>ClientSecretField</c>, <c>_check_secret</c>).</summary>
internal sealed class ClientSecrets(PasswordHashes hashes, PasswordWork work, OAuthOptions options)
{
    private const string Letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

    // Fewer rounds than take longer than handing the work to another thread.
    private const int CheapRounds = 1_000;

    private readonly RememberedPasswords remembered = new();

    public string NewId() => options.ClientIdGenerator?.Invoke() ?? RandomNumberGenerator.GetString(Letters, 40);

    public string NewSecret() => options.ClientSecretGenerator?.Invoke() ?? RandomNumberGenerator.GetString(Letters, options.ClientSecretGeneratorLength);

    /// <summary>
    /// The stored form of a secret that we made ourselves. It has 128 bits and more, so that more rounds than one protect nothing; Django
    /// verifies it like any other. <c>CLIENT_SECRET_HASHER</c> says otherwise.
    /// </summary>
    public string HashGenerated(string secret)
    {
        if (options.ClientSecretHasher != "default" || Encoding.UTF8.GetByteCount(secret) < 22) return hashes.Make(secret, options.ClientSecretHasher);
        var hash = new Pbkdf2Sha256(1);
        var cheap = hash.Make(secret, hash.NewSalt());
        // Where PASSWORD_HASHERS does not name it, it would be no hash to us.
        return IsHashed(cheap) ? cheap : hashes.Make(secret, options.ClientSecretHasher);
    }

    /// <summary>The stored form of a secret that somebody chose.</summary>
    /// <exception cref="Http.OverloadedException">Too many passwords are being hashed.</exception>
    public Task<string> HashAsync(string secret, CancellationToken ct) => work.RunAsync(() => hashes.Make(secret, options.ClientSecretHasher), ct);

    /// <summary>Whether a stored secret is a hash (Django's <c>identify_hasher</c>).</summary>
    public bool IsHashed(string stored) => hashes.Identifies(stored);

    /// <summary>Whether it is the client's secret. A hash is computed once for each secret that was right, as for Basic passwords.</summary>
    /// <exception cref="Http.OverloadedException">Too many passwords are being checked.</exception>
    public async ValueTask<bool> CheckAsync(Client client, string secret, CancellationToken ct)
    {
        if (secret.Length > PasswordHashes.MaxPasswordLength) return false;
        var stored = client.ClientSecret;
        if (!IsHashed(stored)) return CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(secret), Encoding.UTF8.GetBytes(stored));
        if (remembered.Knows(client.Id, stored, secret)) return true;

        var isCorrect = IsCheap(stored) ? hashes.Verify(secret, stored).IsCorrect : await work.RunAsync(() => hashes.Verify(secret, stored).IsCorrect, ct);
        if (isCorrect) remembered.Remember(client.Id, stored, secret);
        return isCorrect;
    }

    private static bool IsCheap(string stored) =>
        stored.Split('$', 3) is ["pbkdf2_sha256", var rounds, _] && int.TryParse(rounds, out var count) && count is > 0 and <= CheapRounds;
}
