using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Gatehouse.Database;
using Gatehouse.OAuth.Clients;
using Gatehouse.Users;

namespace Gatehouse.OAuth.Tokens;

/// <summary>What a caller authenticated with: a row of <c>oauth2_provider_accesstoken</c> (DOT's <c>AccessToken</c>).</summary>
public class AccessToken
{
    internal AccessToken()
    {
    }

    internal long Id { get; init; }

    /// <summary>As it stands in its row.</summary>
    internal string Scope { get; init; } = "";

    /// <summary>Split at white space.</summary>
    public IReadOnlyList<string> Scopes { get; init; } = [];

    /// <summary>When it ends.</summary>
    public DateTimeOffset Expires { get; init; }

    /// <summary>What it is good for, RFC 8707; empty: everything.</summary>
    public IReadOnlyList<string> Resource { get; init; } = [];

    /// <summary>Whose it is; null where the client acts for itself.</summary>
    public User? User { get; init; }

    /// <summary>Who holds it; null for a token of another server.</summary>
    public Client? Client { get; init; }

    /// <summary>Whether it has all of these (DOT <c>allow_scopes</c>).</summary>
    public bool AllowsScopes(IEnumerable<string> scopes) => scopes.All(Scopes.Contains);
}

/// <summary>How tokens stand in the database.</summary>
internal static class TokenText
{
    private const string Letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

    /// <summary>Longer ones are nobody's.</summary>
    public const int Longest = 16 * 1024;

    /// <summary>30 letters and digits, 178 bits (oauthlib <c>generate_token</c>).</summary>
    public static string New() => RandomNumberGenerator.GetString(Letters, 30);

    /// <summary>A random UUID, RFC 9562 §5.4.</summary>
    public static Guid NewUuid()
    {
        Span<byte> bytes = stackalloc byte[16];
        RandomNumberGenerator.Fill(bytes);
        bytes[6] = (byte)(bytes[6] & 0x0F | 0x40);
        bytes[8] = (byte)(bytes[8] & 0x3F | 0x80);
        return new Guid(bytes, bigEndian: true);
    }

    /// <summary>What tokens are found by: SHA-256 in hexadecimal (DOT <c>TokenChecksumField</c>).</summary>
    public static string Checksum(string token)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes(token), hash);
        return Convert.ToHexStringLower(hash);
    }

    public static IReadOnlyList<string> Words(string scope) => scope.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);

    /// <summary>A list of addresses as Django's <c>JSONField</c> keeps it.</summary>
    public static JsonText Resources(IReadOnlyList<string> resources) =>
        new(resources.Count == 0 ? "[]" : PythonJson.Write(new StringBuilder(), resources.Cast<object?>().ToList(), ascii: true).ToString());

    public static IReadOnlyList<string> Resources(string json)
    {
        if (json is "[]" or "null") return [];
        using var list = JsonDocument.Parse(json);
        return list.RootElement.ValueKind == JsonValueKind.Array ? [.. list.RootElement.EnumerateArray().Select(one => one.ToString())] : [];
    }
}
