using Gatehouse.Http;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.Jwt;

/// <summary>POST /api/token/verify/ says whether a token of any kind is valid (simplejwt <c>TokenVerifyView</c>).</summary>
internal static class VerifyToken
{
    public static async Task<IResult> HandleAsync(HttpContext http, JwtEndpoints jwt)
    {
        var (form, error) = await jwt.FormAsync(http);
        if (error is not null) return error;
        var text = form.Text("token");
        if (form.Error is { } wrong) return wrong;

        var (token, reason) = await jwt.ReadAsync(text!, TokenClass.Untyped, http.RequestAborted);
        if (token is null) return jwt.Refuse(JwtError.InvalidToken(reason!));
        if ((jwt.Options.BlacklistAfterRotation || jwt.Tokens.ChecksEveryRefresh) && await jwt.Blacklist.HasAsync(jwt.Tokens.Id(token.Claims)!, http.RequestAborted))
            return ApiError.Validation(jwt.Root.RestFramework.NonFieldErrorsKey, JwtTokens.Blacklisted);

        var serializer = new JwtSerializer(http, user: null, token, claims: null);
        if (jwt.Options.TokenVerifySerializer is { } hook) await hook(serializer);
        return JwtEndpoints.Ok(serializer);
    }
}
