using Gatehouse.Http;
using Gatehouse.OAuth.Clients;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.OAuth.Tokens;

/// <summary>
/// GET and POST /o/introspect/: what a token is good for, RFC 7662 (DOT's <c>IntrospectTokenView</c>). Asked by a client with its credentials, or
/// with an access token that has the scope <c>introspection</c>.
/// </summary>
internal sealed class IntrospectToken(
    ClientAuthentication clients, BearerTokens bearers, OAuthTokens tokens, Scopes scopes, GatehouseOptions root, TimeProvider clock)
{
    private const string Scope = "introspection";

    private static readonly IResult Inactive = ApiJson.Write(StatusCodes.Status200OK, json =>
    {
        json.WriteStartObject();
        json.WriteBoolean("active", false);
        json.WriteEndObject();
    });

    private static readonly IResult NoToken = ApiJson.Write(StatusCodes.Status400BadRequest, json =>
    {
        json.WriteStartObject();
        json.WriteString("error", "invalid_request");
        json.WriteString("error_description", "Token parameter is missing.");
        json.WriteEndObject();
    });

    private readonly OAuthOptions options = root.OAuth;

    public async Task<IResult> HandleAsync(HttpContext http)
    {
        if (options.LimitIntrospection == true) OAuthError.NoStore(http.Response);
        var isPost = HttpMethods.IsPost(http.Request.Method);
        var (form, unreadable) = isPost ? await OAuthParameters.FromFormAsync(http) : (OAuthParameters.Of([]), null);
        if (unreadable is not null) return unreadable;
        if (options.RefuseAmbiguousRequests == true && (form.RefuseRepeated() ?? clients.RefuseAmbiguous(http, form)) is { } ambiguous) return ambiguous;

        // 1. Who asks?
        var client = await clients.AuthenticateAsync(http, Credentials(http, form));
        if (client is { IsPublic: true } && options.LimitPublicClients == true) client = null;
        if (client is null)
        {
            var bearer = await bearers.VerifyAsync(http, [Scope]);
            if (bearer.Answer is { } answer) return answer;
            if (bearer.Token is null) return new EmptyPage(StatusCodes.Status403Forbidden);
        }
        if (!isPost && !HttpMethods.IsGet(http.Request.Method) && !HttpMethods.IsHead(http.Request.Method)) return NeverCache.MethodNotAllowed(http, "GET, POST, HEAD, OPTIONS");

        // 2. About which token?
        var text = isPost ? form["token"] : OAuthParameters.FromQuery(http)["token"];
        if (text is null) return NoToken;
        if (text.Length == 0 || await tokens.FindAsync(text, http.RequestAborted) is not { } token) return Inactive;

        // 3. What is it good for, as far as the asker may know?
        if (clock.GetUtcNow() >= token.Expires || options.RefuseInactiveUsers == true && token.User is { IsActive: false } || !MaySee(client, token)) return Inactive;
        return ApiJson.Write(StatusCodes.Status200OK, json =>
        {
            json.WriteStartObject();
            json.WriteBoolean("active", true);
            json.WriteString("scope", token.Scope);
            json.WriteNumber("exp", token.Expires.ToUnixTimeSeconds());
            if (token.Client is { } holder) json.WriteString("client_id", holder.ClientId);
            if (token.User is { } user) json.WriteString("username", user.Username);
            if (token.Resource.Count > 0)
            {
                json.WriteStartArray("aud");
                foreach (var one in token.Resource) json.WriteStringValue(one);
                json.WriteEndArray();
            }
            json.WriteEndObject();
        });
    }

    // To the real stack the address is as good as the body; a secret has no place there.
    private OAuthParameters Credentials(HttpContext http, OAuthParameters form) => options.LimitIntrospection == true
        ? form
        : OAuthParameters.Over(OAuthParameters.FromQuery(http), form.Names.Select(name => (name, form[name]!)));

    /// <summary>
    /// By its credentials a client learns what it could learn by a token: of its own tokens, and of all if it acts for itself and may have the scope
    /// (RFC 7662 §4).
    /// </summary>
    private bool MaySee(Client? asker, AccessToken token) =>
        asker is null || options.LimitIntrospection != true || token.Client?.Id == asker.Id
        || asker.AuthorizationGrantType == GrantTypes.ClientCredentials && scopes.Refuse(asker, [Scope]) is null;
}
