using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using Gatehouse.Crypto;
using Gatehouse.Http;

namespace Gatehouse.OAuth.OpenId;

/// <summary>
/// The keys that the program makes for itself: <c>oidc-keys.json</c> in <see cref="GatehouseOptions.DataFolder"/>, its owner's alone. Servers
/// that share the folder share the keys: the file comes to be whole, once, and is replaced whole.
/// </summary>
internal sealed class OidcKeyFile(GatehouseOptions options, TimeProvider clock)
{
    private static readonly string[] Algorithms = ["RS256", "ES256"];

    private readonly string path = Path.GetFullPath(Path.Combine(options.DataFolder, "oidc-keys.json"));

    /// <summary>The keys, and when the file was written; null: as it was at <paramref name="known"/>.</summary>
    /// <exception cref="SettingException">The file is open to others, or is none of ours.</exception>
    public (IReadOnlyList<OidcKey>? Keys, DateTime Stamp) ReadOrMake(DateTime known)
    {
        if (!File.Exists(path))
        {
            // One that is taken away from under a running server is not replaced by others.
            if (known != default) return (null, known);
            DataFolder.Make(options.DataFolder);
            DataFolder.TryCreate(path, Write([.. Algorithms.Select(algorithm => (algorithm, DateTimeOffset.UnixEpoch, Make(algorithm)))]));
        }
        var stamp = File.GetLastWriteTimeUtc(path);
        return stamp == known ? (null, known) : ([.. Read().Select(Parse)], stamp);
    }

    /// <summary>Those of the keys of which a token may live, each with its end: its successor's beginning and the life of a token.</summary>
    public IReadOnlyList<OidcKey> Live(IReadOnlyList<OidcKey> keys, DateTimeOffset now) =>
        [.. keys.Select(key => key with { Until = EndOf(key.Key.Algorithm, key.SignsFrom, keys.Select(one => (one.Key.Algorithm, one.SignsFrom))) }).Where(key => !(key.Until <= now))];

    /// <summary>
    /// Makes keys that sign from then on when nobody holds a list of keys without them, or at once; those that no token lives of are dropped.
    /// Keys that wait already are left to it.
    /// </summary>
    /// <returns>When the new ones begin to sign, and whether they were made just now.</returns>
    public (DateTimeOffset SignsFrom, bool AreNew) Rotate(bool atOnce)
    {
        ReadOrMake(default);
        using var alone = new FileStream(path + ".lock", FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        var now = clock.GetUtcNow();
        var keys = Read();
        var areNew = !keys.Exists(key => key.SignsFrom > now);
        if (!areNew && !atOnce) return (keys.Max(key => key.SignsFrom), false);

        var from = atOnce ? now : now.AddSeconds(options.OAuth.OidcJwksMaxAgeSeconds);
        keys = areNew
            ? [.. keys, .. Algorithms.Select(algorithm => (algorithm, from, Make(algorithm)))]
            : [.. keys.Select(key => key.SignsFrom > now ? (key.Algorithm, now, key.Pem) : key)];
        keys.RemoveAll(key => EndOf(key.Algorithm, key.SignsFrom, keys.Select(one => (one.Algorithm, (DateTimeOffset?)one.SignsFrom))) <= now);
        DataFolder.Replace(path, Write(keys));
        return (from, areNew);
    }

    private DateTimeOffset? EndOf(string algorithm, DateTimeOffset? signsFrom, IEnumerable<(string Algorithm, DateTimeOffset? SignsFrom)> all) =>
        all.Where(one => one.Algorithm == algorithm && one.SignsFrom > signsFrom).Min(one => one.SignsFrom)?.AddSeconds(options.OAuth.IdTokenExpireSeconds);

    private List<(string Algorithm, DateTimeOffset SignsFrom, string Pem)> Read()
    {
        DataFolder.RequirePrivate("The file of the signing keys", path);
        try
        {
            using var json = JsonDocument.Parse(File.ReadAllBytes(path));
            return [.. json.RootElement.GetProperty("keys").EnumerateArray().Select(key =>
                (key.GetProperty("alg").GetString()!, key.GetProperty("signs_from").GetDateTimeOffset(), key.GetProperty("pem").GetString()!))];
        }
        catch (Exception error) when (error is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw Broken(error);
        }
    }

    private OidcKey Parse((string Algorithm, DateTimeOffset SignsFrom, string Pem) key)
    {
        try
        {
            return new OidcKey(SigningKey.Parse(key.Algorithm, key.Pem), key.SignsFrom);
        }
        catch (ArgumentException error)
        {
            throw Broken(error);
        }
    }

    private SettingException Broken(Exception error) =>
        new($"The file of the signing keys {path} cannot be read. Restore it from a backup, or delete it: then new keys are made, and ID tokens of the old ones end.", error);

    private static byte[] Write(IEnumerable<(string Algorithm, DateTimeOffset SignsFrom, string Pem)> keys) => ApiJson.Bytes(json =>
    {
        json.WriteStartObject();
        json.WriteStartArray("keys");
        foreach (var (algorithm, from, pem) in keys)
        {
            json.WriteStartObject();
            json.WriteString("alg", algorithm);
            json.WriteString("signs_from", from.UtcDateTime.ToString("O", CultureInfo.InvariantCulture));
            json.WriteString("pem", pem);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }).ToArray();

    private static string Make(string algorithm)
    {
        if (algorithm == "ES256")
        {
            using var ec = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            return ec.ExportPkcs8PrivateKeyPem();
        }
        using var rsa = RSA.Create(2048);
        return rsa.ExportPkcs8PrivateKeyPem();
    }
}
