using System.Buffers;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Gatehouse.OAuth.Clients;

namespace Gatehouse.OAuth.Grants;

/// <summary>Proof that whoever brings a code is who asked for it, RFC 7636.</summary>
internal static class Pkce
{
    public const string S256 = "S256";
    public const string Plain = "plain";

    private static readonly SearchValues<char> Unreserved = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~");

    public static bool IsRequired(Client client, OAuthOptions options) => options.PkceRequiredFor?.Invoke(client.ClientId) ?? options.PkceRequired;

    /// <summary>Whether a challenge is one that RFC 7636 §4.2 knows: 43 to 128 characters, of a SHA-256 exactly 43.</summary>
    public static bool IsWellFormed(string challenge, string method) =>
        IsWellFormedVerifier(challenge) && (method != S256 || challenge.Length == 43 && !challenge.Contains('.') && !challenge.Contains('~'));

    /// <summary>RFC 7636 §4.1: 43 to 128 unreserved characters.</summary>
    public static bool IsWellFormedVerifier(string verifier) => verifier.Length is >= 43 and <= 128 && !verifier.AsSpan().ContainsAnyExcept(Unreserved);

    /// <summary>RFC 7636 §4.6.</summary>
    /// <returns>False for any verifier but the right one; never throws.</returns>
    public static bool Matches(string verifier, string challenge, string method)
    {
        var bytes = Encoding.UTF8.GetBytes(verifier);
        var shown = method == S256 ? Encoding.ASCII.GetBytes(Base64Url.EncodeToString(SHA256.HashData(bytes))) : bytes;
        return CryptographicOperations.FixedTimeEquals(shown, Encoding.UTF8.GetBytes(challenge));
    }
}
