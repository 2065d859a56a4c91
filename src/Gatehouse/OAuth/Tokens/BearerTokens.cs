using System.Text.RegularExpressions;
using Gatehouse.Authentication;
using Gatehouse.Http;
using Gatehouse.OAuth.OpenId;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.OAuth.Tokens;

/// <summary>The token that a request carries, if it is good here and now (oauthlib <c>verify_request</c>, DOT <c>validate_bearer_token</c>).</summary>
internal sealed class BearerTokens(OAuthApp app, OAuthTokens tokens, IdTokens idTokens, RemoteIntrospection elsewhere, GatehouseOptions options, TimeProvider clock)
{
    /// <param name="http">The request.</param>
    /// <param name="scopes">What the token must allow; none: anything.</param>
    /// <param name="body">Where in a body it may stand.</param>
    public async ValueTask<Bearer> VerifyAsync(HttpContext http, IReadOnlyList<string> scopes, BearerBody body = BearerBody.OfPost)
    {
        if (!app.IsInstalled) return default;
        var given = await BearerToken.FindAsync(http, options, body);
        if (given.Answer is not null || given.Refused) return new Bearer(null, null, given.Answer);
        if (given.Token is not { Length: > 0 } text) return default;

        var token = await tokens.FindAsync(text, http.RequestAborted);
        // What is shaped like an ID token and is none of ours may be for the next scheme: it is no error (oauthlib's JWTToken).
        if (token is null && idTokens.LooksLikeOne(text))
            return await idTokens.FindBearerAsync(text, http.RequestAborted) is { } idToken && idToken.AllowsScopes(scopes) ? new Bearer(idToken) : default;
        // Of a client of ours we know best; all others may be known to the server that gives tokens for this API.
        var now = clock.GetUtcNow();
        if (elsewhere.IsOn && (token is null || token.Client is null && now >= token.Expires)) token = await elsewhere.AskAsync(text, http.RequestAborted);
        return BearerError.Of(token, http, scopes, options, now) is { } error ? new Bearer(null, error) : new Bearer(token);
    }
}

/// <summary>What came of it.</summary>
/// <param name="Token">Null: there is none, or it is not good.</param>
/// <param name="Error">Why it is not good; null also where none was sent.</param>
/// <param name="Answer">What to answer when the request could not be read.</param>
internal readonly record struct Bearer(AccessToken? Token, BearerError? Error = null, IResult? Answer = null);

/// <summary>Why a bearer token is not good, RFC 6750 §3.1.</summary>
internal sealed record BearerError(string Code, string Description)
{
    public static BearerError? Of(AccessToken? token, HttpContext http, GatehouseOptions options, DateTimeOffset now) => Of(token, http, [], options, now);

    public static BearerError? Of(AccessToken? token, HttpContext http, IReadOnlyList<string> scopes, GatehouseOptions options, DateTimeOffset now)
    {
        if (token is null) return new("invalid_token", "The access token is invalid.");
        if (now >= token.Expires) return new("invalid_token", "The access token has expired.");
        if (!token.AllowsScopes(scopes)) return new("insufficient_scope", "The access token is valid but does not have enough scope.");
        // A registration access token is for the client's own registration, and for nothing that its user may do.
        if (options.Profile != Profile.Django && token.Scopes.Contains(options.OAuth.DcrRegistrationScope)) return new("invalid_token", "The access token is invalid.");
        if (options.OAuth.RefuseInactiveUsers == true && token.User is { IsActive: false }) return new("invalid_token", "The access token is invalid.");
        if (token.Resource.Count > 0 && !IsFor(token, http, options)) return new("invalid_token", "The access token is not valid for this resource.");
        return null;
    }

    private static bool IsFor(AccessToken token, HttpContext http, GatehouseOptions options)
    {
        var address = RequestHost.Origin(http, options) + http.Request.PathBase.ToUriComponent() + http.Request.Path.ToUriComponent();
        return options.OAuth.ResourceServerTokenResourceValidator is { } own
            ? own(address, token.Resource)
            : ResourceIndicators.CoverByPrefix(address, token.Resource);
    }
}

/// <summary>Where a request carries its token (oauthlib <c>get_token_from_header</c>): in the header, or, without one, as <c>access_token</c>.</summary>
internal readonly partial record struct BearerToken(string? Token, IResult? Answer = null, bool Refused = false)
{
    public static async ValueTask<BearerToken> FindAsync(HttpContext http, GatehouseOptions options, BearerBody body = BearerBody.OfPost)
    {
        // oauthlib's "Invalid hex encoding in query string."
        if (body != BearerBody.None && http.Request.QueryString.HasValue && BadEscape().IsMatch(http.Request.QueryString.Value!)) return new(null, new SuspiciousRequest());
        // The real stack reads the body, whatever it is, before it knows that there is no token in it.
        if (body == BearerBody.OfView && HasBody(http.Request) && (await RequestData.ReadAsync(http)).Error is { } unreadable) return new(null, unreadable);

        var inAddress = http.Request.QueryString.HasValue && http.Request.Query.ContainsKey("access_token");
        if (inAddress && options.OAuth.CompliantBcpRfc9700AccessTokenTransport == true) return new(null, Refused: true);

        var headers = http.Request.Headers.Authorization;
        if (headers.Count > 0)
        {
            var words = new HeaderWords(headers.Count == 1 ? headers[0] : string.Join(',', headers.ToArray()));
            return new(words.Count == 2 && words.First.Equals("Bearer", StringComparison.OrdinalIgnoreCase) ? words.Second.ToString() : null);
        }
        var readsForm = body == BearerBody.OfView || body == BearerBody.OfPost && HttpMethods.IsPost(http.Request.Method);
        if (readsForm && RequestData.IsForm(http.Request) && HasBody(http.Request))
        {
            var data = await RequestData.ReadAsync(http);
            if (data.Error is { } error) return new(null, error);
            if (data.Form?.GetValueOrDefault("access_token") is { } inBody) return new(inBody);
        }
        return new(inAddress ? http.Request.Query["access_token"][^1] : null);
    }

    [GeneratedRegex("%[^0-9A-Fa-f]|%[0-9A-Fa-f][^0-9A-Fa-f]")]
    private static partial Regex BadEscape();

    private static bool HasBody(HttpRequest request) => request.ContentLength > 0 || request.Headers.TransferEncoding.Count > 0;
}

/// <summary>Whose body a token may stand in, as <c>access_token</c> (RFC 6750 §2.2).</summary>
internal enum BearerBody
{
    /// <summary>The form of a POST, as Django reads it.</summary>
    OfPost,

    /// <summary>The form of any method, as DRF reads it; all other bodies are read too, and must be readable.</summary>
    OfView,

    /// <summary>None: what reads the body is not ours, and wants it whole.</summary>
    None,
}
