using Gatehouse.Users;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.Jwt;

/// <summary>What a hook at a token endpoint sees and may change, once all checks have passed (a serializer of your own in simplejwt).</summary>
public sealed class JwtSerializer
{
    internal JwtSerializer(HttpContext http, User? user, JwtToken? token, JwtClaims? claims)
    {
        HttpContext = http;
        User = user;
        Token = token;
        Claims = claims;
    }

    /// <summary>The request.</summary>
    public HttpContext HttpContext { get; }

    /// <summary>Whose token it is; null where the endpoint asks no user (verify, blacklist) or the token names none.</summary>
    public User? User { get; }

    /// <summary>The token that was sent; null at obtain.</summary>
    public JwtToken? Token { get; }

    /// <summary>
    /// The claims of the token that is being made; null at verify and blacklist. At obtain they go into both tokens of the pair and into
    /// all that are made from them; at refresh into both new tokens.
    /// </summary>
    public JwtClaims? Claims { get; }

    /// <summary>More members of the answer, after those of simplejwt; one of the same name takes its place.</summary>
    public IDictionary<string, object?> Response { get; } = new Dictionary<string, object?>();
}
