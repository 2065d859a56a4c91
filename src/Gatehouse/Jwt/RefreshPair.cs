using Gatehouse.Users;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.Jwt;

/// <summary>POST /api/token/refresh/ trades a refresh token for an access token, and a new refresh token when they rotate (simplejwt <c>TokenRefreshView</c>).</summary>
internal static class RefreshPair
{
    public static async Task<IResult> HandleAsync(HttpContext http, JwtEndpoints jwt)
    {
        if (jwt.Cookie.Refuse(http) is { } crossSite) return crossSite;
        var (text, unreadable) = await jwt.Cookie.ReadAsync(http, jwt);
        if (text is null) return unreadable!;

        var reading = await jwt.Tokens.ReadAsync(text);
        if (reading.Error is { } invalid) return jwt.Refuse(JwtError.InvalidToken(invalid));
        var token = new JwtToken(TokenClass.Refresh, reading.Claims);
        var wrong = jwt.Tokens.Refuse(token.Claims, TokenClass.Refresh);
        if (wrong is null && await RotateUnseenAsync(http, jwt, token, text) is { } rotated) return rotated;

        var (isDead, user, refused) = await jwt.LookUpAsync(token, http.RequestAborted);
        if (isDead) return await AgainAsync(http, jwt, token, user, refused);
        if (wrong is not null) return jwt.Refuse(JwtError.InvalidToken(wrong));
        if (refused is not null) return jwt.Refuse(refused);

        var now = jwt.Now;
        var claims = jwt.Options.RotateRefreshTokens ? jwt.Tokens.Rotate(token.Claims, now) : JwtClaims.Of(token.Claims);
        var serializer = new JwtSerializer(http, user, token, claims);
        if (jwt.Options.TokenRefreshSerializer is { } hook) await hook(serializer);
        var access = jwt.Tokens.Write(jwt.Tokens.AccessOf(claims, now));
        if (!jwt.Options.RotateRefreshTokens) return jwt.Give(serializer, ("access", access));

        var next = jwt.Sign(claims);
        return await jwt.Blacklist.RotateAsync(jwt.Recorded(token, text), next, user, now, http.RequestAborted) switch
        {
            Rotation.Done => jwt.Give(serializer, ("access", access), ("refresh", jwt.Cookie.Keep(http, next, now))),
            Rotation.UserChanged => jwt.Refuse(JwtError.NoAccountForToken),
            _ => await AgainAsync(http, jwt, token, user, refused),
        };
    }

    /// <summary>
    /// The statement that rotates asks for the blacklist and the user by itself: where nobody else wants to see them, nothing is looked up
    /// before. Null when it is not so, or did not succeed; then what is looked up tells why.
    /// </summary>
    private static async Task<IResult?> RotateUnseenAsync(HttpContext http, JwtEndpoints jwt, JwtToken token, string text)
    {
        if (!jwt.Blacklist.RotatesUnseen || jwt.KeyOfUser(token) is not { } user) return null;
        var now = jwt.Now;
        var claims = jwt.Tokens.Rotate(token.Claims, now);
        var access = jwt.Tokens.Write(jwt.Tokens.AccessOf(claims, now));
        var next = jwt.Sign(claims);
        return await jwt.Blacklist.RotateUnseenAsync(jwt.Recorded(token, text), next, user, now, http.RequestAborted)
            ? jwt.Give(null, ("access", access), ("refresh", jwt.Cookie.Keep(http, next, now)))
            : null;
    }

    /// <summary>The token is dead: an honest client may be trying again because it did not get our answer.</summary>
    private static async Task<IResult> AgainAsync(HttpContext http, JwtEndpoints jwt, JwtToken token, User? user, JwtError? refused)
    {
        if (await jwt.Blacklist.RetryAsync(jwt.Tokens.Id(token.Claims)!, user, http.RequestAborted) is { } same && refused is null
            && await jwt.ReadAsync(same, TokenClass.Refresh, http.RequestAborted) is { Token: { } successor, Error: null })
        {
            var now = jwt.Now;
            var claims = JwtClaims.Of(successor.Claims);
            var serializer = new JwtSerializer(http, user, token, claims);
            if (jwt.Options.TokenRefreshSerializer is { } hook) await hook(serializer);
            var access = jwt.Tokens.Write(jwt.Tokens.AccessOf(claims, now));
            return jwt.Give(serializer, ("access", access), ("refresh", jwt.Cookie.Keep(http, jwt.Recorded(successor, same), now)));
        }
        return jwt.Refuse(JwtError.InvalidToken(JwtTokens.Blacklisted));
    }
}
