using Gatehouse.OAuth.Clients;
using Gatehouse.OAuth.Tokens;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.OAuth.Grants;

/// <summary>POST /o/token/: tokens for a grant (DOT's <c>TokenView</c>, RFC 6749 §3.2).</summary>
internal sealed class TokenEndpoint(
    IEnumerable<IGrant> grants, ClientAuthentication clients, Scopes scopes, TokenIssuer issuer, OAuthOptions options)
{
    private readonly Dictionary<string, IGrant> grants = grants.ToDictionary(grant => grant.GrantType, StringComparer.Ordinal);

    public async Task<IResult> HandleAsync(HttpContext http)
    {
        // 1. What is asked?
        var (parameters, unreadable) = await OAuthParameters.FromFormAsync(http);
        if (unreadable is not null) return unreadable;
        var state = parameters["state"];
        if (http.Request.QueryString.HasValue && http.Request.QueryString.Value!.Length > 1)
            return OAuthError.InvalidRequest("URL query parameters are not allowed") with { IsBare = true, State = state };
        return await AnswerAsync(http, parameters) switch
        {
            OAuthError error => error with { State = state },
            var answer => answer,
        };
    }

    private async Task<IResult> AnswerAsync(HttpContext http, OAuthParameters parameters)
    {
        if (options.RefuseAmbiguousRequests == true && parameters.RefuseRepeated() is { } repeated) return repeated;
        if (!grants.TryGetValue(parameters["grant_type"] ?? "", out var grant)) return OAuthError.UnsupportedGrantType;
        return await AnswerAsync(http, parameters, grant) switch
        {
            OAuthError error => grant.Dress(error),
            var answer => answer,
        };
    }

    private async Task<IResult> AnswerAsync(HttpContext http, OAuthParameters parameters, IGrant grant)
    {
        if (grant.Check(parameters) is { } wrong) return wrong;
        if (await grant.CheckBeforeClientAsync(http, parameters) is { } early) return early;

        // 2. Who asks?
        var (client, stranger) = grant.NeedsSecret ? await clients.RequireAsync(http, parameters) : await clients.IdentifyAsync(http, parameters);
        if (client is null) return stranger!;

        // 3. May it ask for this?
        var mayNot = !grant.AllowedTo.Contains(client.AuthorizationGrantType);
        if (mayNot && !grant.AnswersFirst) return OAuthError.UnauthorizedClient;

        // 4. Does it get it?
        var (granted, refused) = await grant.GrantAsync(new TokenRequest(http, parameters, client));
        if (granted is null) return refused!;
        if (mayNot) return OAuthError.UnauthorizedClient;
        if (granted.Again is { } again) return Allow(again);

        // 5. For which scopes and resources?
        var chosen = granted.Scopes;
        if (chosen is null)
        {
            (chosen, var beyond) = scopes.Choose(client, parameters["scope"]);
            if (beyond is not null) return beyond;
        }
        var (resource, misdirected) = Resources.Choose(parameters.All("resource"), granted.Resource, isRefresh: grant.GrantType == RefreshTokenGrant.Name);
        if (misdirected is not null) return misdirected;

        // 6. The answer.
        if (await issuer.IssueAsync(http, client, granted, chosen, resource) is { } tokens) return Allow(tokens);
        var (late, error) = granted.Lost is { } lost ? await lost() : (null, OAuthError.InvalidGrant());
        return late is null ? error! : Allow(late);

        // For web pages that fetch their own tokens (oauthlib's _create_cors_headers).
        TokenAnswer Allow(TokenAnswer answer)
        {
            var origin = http.Request.Headers.Origin.ToString();
            if (grant.AnswersPages && origin.StartsWith("https://", StringComparison.OrdinalIgnoreCase)
                && AllowedOrigins.IsAllowed(origin, client.AllowedOrigins, [.. options.AllowedSchemes]))
                http.Response.Headers.AccessControlAllowOrigin = origin;
            return answer;
        }
    }
}
