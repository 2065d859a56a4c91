using Microsoft.AspNetCore.Http;

namespace Gatehouse.Jwt;

/// <summary>POST /api/token/sliding/refresh/ gives a sliding token a new time (simplejwt <c>TokenRefreshSlidingView</c>).</summary>
internal static class RefreshSliding
{
    public static async Task<IResult> HandleAsync(HttpContext http, JwtEndpoints jwt)
    {
        var (form, error) = await jwt.FormAsync(http);
        if (error is not null) return error;
        var text = form.Text("token");
        if (form.Error is { } wrong) return wrong;

        var (token, reason) = await jwt.ReadAsync(text!, TokenClass.Sliding, http.RequestAborted);
        reason ??= jwt.Tokens.RefuseExpired(token!.Claims, jwt.Options.SlidingTokenRefreshExpClaim);
        if (reason is not null) return jwt.Refuse(JwtError.InvalidToken(reason));

        var (user, refused) = jwt.Tokens.ChecksEveryRefresh ? await jwt.UserOfAsync(token!, http.RequestAborted) : default;
        if (refused is not null) return jwt.Refuse(refused);

        var last = jwt.Tokens.ChecksEveryRefresh ? JwtTokens.Seconds(token!.Claims.GetProperty(jwt.Options.SlidingTokenRefreshExpClaim)) : null;
        var claims = jwt.Tokens.Slide(token!.Claims, jwt.Now, last);
        var serializer = new JwtSerializer(http, user, token, claims);
        if (jwt.Options.SlidingTokenRefreshSerializer is { } hook) await hook(serializer);
        return jwt.Give(serializer, ("token", jwt.Tokens.Write(claims)));
    }
}
