using Gatehouse.Http;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.Jwt;

/// <summary>POST /api/token/blacklist/ ends a refresh token (simplejwt <c>TokenBlacklistView</c>). 200 means that this request ended it.</summary>
internal static class BlacklistToken
{
    public static async Task<IResult> HandleAsync(HttpContext http, JwtEndpoints jwt)
    {
        if (jwt.Cookie.Refuse(http) is { } crossSite) return crossSite;
        // simplejwt answers 200 and does nothing, without its tables.
        if (!jwt.Blacklist.IsInstalled && jwt.Root.Profile != Profile.Django) return ApiError.NotFound();
        var (text, wrong) = await jwt.Cookie.ReadAsync(http, jwt);
        if (text is null) return wrong!;

        var (token, error) = await jwt.ReadAsync(text, TokenClass.Refresh, http.RequestAborted);
        if (error is not null) return jwt.Refuse(JwtError.InvalidToken(error));
        if (jwt.Blacklist.IsInstalled)
        {
            var (user, _) = token!.Claims.TryGetProperty(jwt.Options.UserIdClaim, out var id) ? ((await jwt.Users.FindAsync(id, http.RequestAborted)).User, id) : default;
            if (!await jwt.Blacklist.EndAsync(jwt.Recorded(token, text), user, jwt.Now, http.RequestAborted))
                return jwt.Refuse(JwtError.InvalidToken(JwtTokens.Blacklisted));
        }

        jwt.Cookie.Delete(http);
        var serializer = new JwtSerializer(http, user: null, token, claims: null);
        if (jwt.Options.TokenBlacklistSerializer is { } hook) await hook(serializer);
        return JwtEndpoints.Ok(serializer);
    }
}
