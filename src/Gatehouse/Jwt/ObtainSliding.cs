using Microsoft.AspNetCore.Http;

namespace Gatehouse.Jwt;

/// <summary>POST /api/token/sliding/ trades a user name and password for a sliding token (simplejwt <c>TokenObtainSlidingView</c>).</summary>
internal static class ObtainSliding
{
    public static async Task<IResult> HandleAsync(HttpContext http, JwtEndpoints jwt)
    {
        var (user, error) = await jwt.LogInAsync(http);
        if (user is null) return error!;

        var now = jwt.Now;
        var claims = jwt.Tokens.For(user, TokenClass.Sliding, now);
        var serializer = new JwtSerializer(http, user, token: null, claims);
        if (jwt.Options.SlidingTokenObtainSerializer is { } hook) await hook(serializer);

        var token = jwt.Sign(claims);
        // Recorded until it can be refreshed no more: with its own short time, a flush would bring a blacklisted one back to life.
        var recorded = jwt.Tokens.ChecksEveryRefresh ? token with { Expires = now + jwt.Options.SlidingTokenRefreshLifetime } : token;
        return await jwt.RecordAsync(http, user, recorded, now) ? jwt.Give(serializer, ("token", token.Text)) : jwt.Refuse(JwtError.NoAccountForCredentials);
    }
}
