using Gatehouse.Http;
using Gatehouse.OAuth.Tokens;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.OAuth.OpenId;

/// <summary>GET and POST /o/userinfo/: what an access token with <c>openid</c> may know about its user, OpenID Connect Core §5.3 (DOT's <c>UserInfoView</c>).</summary>
internal sealed class UserInfo(OAuthTokens tokens, IdTokens claims, GatehouseOptions options, TimeProvider clock)
{
    private static readonly OAuthError InvalidToken = new(
        "invalid_token", "The access token provided is expired, revoked, malformed, or invalid for other reasons.", StatusCodes.Status401Unauthorized)
    { IsBare = true };

    private readonly bool answersPages = options.OAuth.OidcUserinfoCorsEnabled && options.Profile != Profile.Django;

    public async Task<IResult> HandleAsync(HttpContext http)
    {
        if (!options.OAuth.OidcEnabled) return new EmptyPage(StatusCodes.Status404NotFound);
        var given = await BearerToken.FindAsync(http, options);
        if (given.Answer is { } answer) return answer;
        if (given.Refused || string.IsNullOrEmpty(given.Token)) return InvalidToken;
        // One answer for all that is wrong, want of scope included, as there.
        if (await tokens.FindAsync(given.Token, http.RequestAborted) is not { User: { } user } token
            || BearerError.Of(token, http, options, clock.GetUtcNow()) is not null || !token.Scopes.Contains("openid")) return InvalidToken;
        return new ApiJson(StatusCodes.Status200OK, IdTokens.Write(claims.ClaimsOf(user, token.Client, token.Scopes)));
    }

    /// <summary>Any web page may ask: the claims are told to who has the token, never to who has a cookie.</summary>
    public void AllowPages(HttpContext http)
    {
        if (!answersPages || !options.OAuth.OidcEnabled) return;
        var headers = http.Response.Headers;
        headers.AccessControlAllowOrigin = "*";
        if (http.Request.Method != "OPTIONS") return;
        headers.AccessControlAllowMethods = "GET, POST";
        headers.AccessControlAllowHeaders = "Authorization";
    }
}
