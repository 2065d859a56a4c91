using Microsoft.AspNetCore.Http;

namespace Gatehouse.Jwt;

/// <summary>POST /api/token/ trades a user name and password for a pair of tokens (simplejwt <c>TokenObtainPairView</c>).</summary>
internal static class ObtainPair
{
    public static async Task<IResult> HandleAsync(HttpContext http, JwtEndpoints jwt)
    {
        if (jwt.Cookie.Refuse(http) is { } crossSite) return crossSite;
        var (user, error) = await jwt.LogInAsync(http);
        if (user is null) return error!;

        var now = jwt.Now;
        var claims = jwt.Tokens.For(user, TokenClass.Refresh, now);
        var serializer = new JwtSerializer(http, user, token: null, claims);
        if (jwt.Options.TokenObtainSerializer is { } hook) await hook(serializer);

        var access = jwt.Tokens.Write(jwt.Tokens.AccessOf(claims, now));
        var refresh = jwt.Sign(claims);
        return await jwt.RecordAsync(http, user, refresh, now)
            ? jwt.Give(serializer, ("refresh", jwt.Cookie.Keep(http, refresh, now)), ("access", access))
            : jwt.Refuse(JwtError.NoAccountForCredentials);
    }
}
