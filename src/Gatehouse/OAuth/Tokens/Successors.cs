using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace Gatehouse.OAuth.Tokens;

/// <summary>
/// Where tokens are kept as checksums alone (RFC 9700 §4.14), a pair cannot be read again for a client that missed the answer. So that a grace period
/// works there too, the pair is made of the refresh token that it replaces, by a MAC under the server's secret: who presents that token again gets the
/// same pair, and neither the database nor the token alone gives it.
/// </summary>
internal sealed class Successors(GatehouseOptions root)
{
    private readonly bool isOn = root.OAuth is
    {
        CompliantBcpRfc9700TokenStorage: true, RefreshTokenGracePeriodSeconds: > 0, AccessTokenGenerator: null, RefreshTokenGenerator: null,
    };

    private readonly byte[] key = SHA256.HashData(Encoding.UTF8.GetBytes("gatehouse.oauth.successors" + root.SecretKey));

    /// <summary>Null: tokens are drawn at random, and kept as they are or not given twice.</summary>
    public (string Access, string? Refresh)? Of(string refreshToken) => isOn ? (Derive("access", refreshToken), Derive("refresh", refreshToken)) : null;

    private string Derive(string kind, string refreshToken) =>
        Base64Url.EncodeToString(HMACSHA256.HashData(key, Encoding.UTF8.GetBytes($"{kind}:{refreshToken}")));
}
