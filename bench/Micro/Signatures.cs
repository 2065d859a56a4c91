using System.Buffers.Text;
using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Gatehouse.Crypto;

namespace Gatehouse.Bench;

/// <summary>
/// Signing and verifying JSON Web Tokens beside what cannot be left out: the primitive itself over the same bytes, with a key that is ready;
/// for verifying also <c>JsonDocument.Parse</c> of the claims, decoded beforehand. One thread, in turn, medians.
/// </summary>
internal static class Signatures
{
    private const int Repeats = 9;

    // As simplejwt makes them.
    private static readonly byte[] Claims = Encoding.UTF8.GetBytes(
        $$"""{"token_type":"access","exp":4102444800,"iat":1767225600,"jti":"{{new string('a', 32)}}","user_id":"1001"}""");

    public static void Run()
    {
        using var rsa = RSA.Create(2048);
        var results = new List<Result>();
        foreach (var algorithm in new[] { "HS256", "HS384", "HS512", "RS256", "PS256", "ES256", "ES384", "ES512" })
        {
            using var ec = algorithm[0] == 'E' ? ECDsa.Create(Curve(algorithm)) : null;
            var secret = RandomNumberGenerator.GetHexString(64);
            var key = algorithm[0] switch { 'H' => secret, 'E' => ec!.ExportPkcs8PrivateKeyPem(), _ => rsa.ExportPkcs8PrivateKeyPem() };
            results.Add(Measure(algorithm, key, Bare(algorithm, Encoding.UTF8.GetBytes(secret), rsa, ec)));
        }
        Console.WriteLine(JsonSerializer.Serialize(results, JsonSerializerOptions.Web));
    }

    private static Result Measure(string algorithm, string key, (Func<byte[], byte[]> Sign, Func<byte[], byte[], bool> Verify) bare)
    {
        var codec = new JwtCodec(new SigningKeys([SigningKey.Parse(algorithm, key)]), remembered: 0);
        var remembering = new JwtCodec(new SigningKeys([SigningKey.Parse(algorithm, key)]));
        var token = codec.Write(Claims);
        var end = token.LastIndexOf('.');
        var (signed, signature) = (Encoding.ASCII.GetBytes(token[..end]), Base64Url.DecodeFromChars(token.AsSpan(end + 1)));

        var times = InTurn(
            () => Check(codec.Write(Claims).Length > 0),
            () => Check(bare.Sign(signed).Length > 0),
            () => Check(codec.Read(token) is not null),
            () =>
            {
                using var claims = JsonDocument.Parse(Claims);
                Check(bare.Verify(signed, signature) && claims.RootElement.ValueKind == JsonValueKind.Object);
            },
            () => Check(remembering.Read(token) is not null));
        return new Result(algorithm, times[0], times[1], times[2], times[3], algorithm[0] == 'H' ? null : times[4]);
    }

    private static (Func<byte[], byte[]>, Func<byte[], byte[], bool>) Bare(string algorithm, byte[] secret, RSA rsa, ECDsa? ec)
    {
        var hash = algorithm[2..] switch { "256" => HashAlgorithmName.SHA256, "384" => HashAlgorithmName.SHA384, _ => HashAlgorithmName.SHA512 };
        if (ec is not null) return (data => ec.SignData(data, hash), (data, signature) => ec.VerifyData(data, signature, hash));
        if (algorithm[0] != 'H')
        {
            var padding = algorithm[0] == 'P' ? RSASignaturePadding.Pss : RSASignaturePadding.Pkcs1;
            return (data => rsa.SignData(data, hash, padding), (data, signature) => rsa.VerifyData(data, signature, hash, padding));
        }
        Func<byte[], byte[]> mac = algorithm switch
        {
            "HS256" => data => HMACSHA256.HashData(secret, data),
            "HS384" => data => HMACSHA384.HashData(secret, data),
            _ => data => HMACSHA512.HashData(secret, data),
        };
        return (mac, (data, signature) => CryptographicOperations.FixedTimeEquals(mac(data), signature));
    }

    /// <summary>Median µs of each, a round of all after the other, so that what happens to the machine happens to all.</summary>
    private static double[] InTurn(params Action[] all)
    {
        var rounds = all.Select(one =>
        {
            var clock = Stopwatch.StartNew();
            var count = 0;
            // Until it is compiled well, and to know how many fill 30 ms.
            for (; clock.ElapsedMilliseconds < 400; count++) one();
            return Math.Max(1, (int)(count * 30 / clock.Elapsed.TotalMilliseconds));
        }).ToArray();
        var times = all.Select(_ => new List<double>()).ToArray();
        for (var repeat = 0; repeat < Repeats; repeat++)
        {
            for (var i = 0; i < all.Length; i++)
            {
                var clock = Stopwatch.StartNew();
                for (var round = 0; round < rounds[i]; round++) all[i]();
                times[i].Add(clock.Elapsed.TotalMicroseconds / rounds[i]);
            }
        }
        return [.. times.Select(each => Math.Round(each.Order().ElementAt(Repeats / 2), 3))];
    }

    private static ECCurve Curve(string algorithm) => algorithm switch
    {
        "ES256" => ECCurve.NamedCurves.nistP256,
        "ES384" => ECCurve.NamedCurves.nistP384,
        _ => ECCurve.NamedCurves.nistP521,
    };

    private static void Check(bool isGood)
    {
        if (!isGood) throw new InvalidOperationException("What was measured is wrong.");
    }

    private sealed record Result(string Algorithm, double Sign, double BareSign, double Verify, double BareVerify, double? Remembered);
}
