using Gatehouse.Authentication;
using Gatehouse.Http;
using Gatehouse.OAuth.OpenId;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.OAuth.Tokens;

/// <summary>
/// OAuth 2 access tokens, <c>Authorization: Bearer …</c>, RFC 6750 (DOT's <c>OAuth2Authentication</c>). A token that is not known is passed on
/// to the next scheme.
/// </summary>
public class OAuth2Authentication : BaseAuthentication
{
    private readonly OAuthTokens tokens;
    private readonly IdTokens idTokens;
    private readonly GatehouseOptions options;
    private readonly TimeProvider clock;

    internal OAuth2Authentication(OAuthTokens tokens, IdTokens idTokens, GatehouseOptions options, TimeProvider clock)
    {
        this.tokens = tokens;
        this.idTokens = idTokens;
        this.options = options;
        this.clock = clock;
    }

    /// <inheritdoc/>
    public override string? Challenge => "Bearer realm=\"api\"";

    /// <inheritdoc/>
    public override string? ChallengeFor(HttpContext http) =>
        http.Features.Get<BearerError>() is { } error
            ? $"Bearer realm=\"api\",error=\"{error.Code}\"" + (error.Description.Length > 0 ? $",error_description=\"{error.Description}\"" : "")
            : Challenge;

    /// <inheritdoc/>
    public override async ValueTask<Outcome> AuthenticateAsync(HttpContext http)
    {
        var given = await BearerToken.FindAsync(http, options);
        if (given.Answer is { } answer) return Outcome.Answer(answer);
        if (given.Refused) return Outcome.NotMine;
        var token = string.IsNullOrEmpty(given.Token) ? null : await tokens.FindAsync(given.Token, http.RequestAborted);
        // What is shaped like an ID token and is none of ours may be for the next scheme: it is no error (oauthlib's JWTToken).
        if (token is null && idTokens.LooksLikeOne(given.Token))
            return await idTokens.FindBearerAsync(given.Token!, http.RequestAborted) is { } idToken ? Outcome.Succeed(idToken.User, idToken) : Outcome.NotMine;
        if (given.Token is { Length: > 0 } && BearerError.Of(token, http, options, clock.GetUtcNow()) is { } error)
        {
            http.Features.Set(error);
            return Outcome.NotMine;
        }
        return token is null ? Outcome.NotMine : Outcome.Succeed(token.User, token);
    }
}

/// <summary>Why a bearer token is not good, RFC 6750 §3.1.</summary>
internal sealed record BearerError(string Code, string Description)
{
    public static BearerError? Of(AccessToken? token, HttpContext http, GatehouseOptions options, DateTimeOffset now)
    {
        if (token is null) return new("invalid_token", "The access token is invalid.");
        if (now >= token.Expires) return new("invalid_token", "The access token has expired.");
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
internal readonly record struct BearerToken(string? Token, IResult? Answer = null, bool Refused = false)
{
    public static async ValueTask<BearerToken> FindAsync(HttpContext http, GatehouseOptions options)
    {
        var inAddress = http.Request.QueryString.HasValue && http.Request.Query.ContainsKey("access_token");
        if (inAddress && options.OAuth.CompliantBcpRfc9700AccessTokenTransport == true) return new(null, Refused: true);

        var headers = http.Request.Headers.Authorization;
        if (headers.Count > 0)
        {
            var words = new HeaderWords(headers.Count == 1 ? headers[0] : string.Join(',', headers.ToArray()));
            return new(words.Count == 2 && words.First.Equals("Bearer", StringComparison.OrdinalIgnoreCase) ? words.Second.ToString() : null);
        }
        // The real stack reads the form of every method before it knows that there is no token in it.
        if (RequestData.IsForm(http.Request) && http.Request.ContentLength != 0)
        {
            var data = await RequestData.ReadAsync(http);
            if (data.Error is { } error) return new(null, error);
            if (data.Form?.GetValueOrDefault("access_token") is { } inBody) return new(inBody);
        }
        return new(inAddress ? http.Request.Query["access_token"][^1] : null);
    }
}
