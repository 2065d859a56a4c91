using Gatehouse.Authentication;
using Gatehouse.Http;
using Gatehouse.Views;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Gatehouse.OAuth.Tokens;

/// <summary>
/// OAuth 2 access tokens, <c>Authorization: Bearer …</c>, RFC 6750 (DOT's <c>OAuth2Authentication</c>). A token that is not known is passed on
/// to the next scheme.
/// </summary>
public class OAuth2Authentication : BaseAuthentication
{
    private protected const string Realm = "api";

    private readonly BearerTokens bearers;

    internal OAuth2Authentication(BearerTokens bearers) => this.bearers = bearers;

    /// <inheritdoc/>
    public override string? Challenge => $"Bearer realm=\"{Realm}\"";

    /// <inheritdoc/>
    public override string? ChallengeFor(HttpContext http) =>
        http.Features.Get<BearerError>() is { } error
            ? $"{Challenge},error=\"{error.Code}\"" + (error.Description.Length > 0 ? $",error_description=\"{error.Description}\"" : "")
            : Challenge;

    /// <inheritdoc/>
    public override async ValueTask<Outcome> AuthenticateAsync(HttpContext http)
    {
        var bearer = await bearers.VerifyAsync(http, [], http.GetEndpoint()?.Metadata.GetMetadata<ApiView>() is null ? BearerBody.None : BearerBody.OfView);
        if (bearer.Answer is { } answer) return Outcome.Answer(answer);
        if (bearer.Error is { } error) http.Features.Set(error);
        return bearer.Token is { } token ? Outcome.Succeed(token.User, token) : Outcome.NotMine;
    }
}

/// <summary>
/// As <see cref="OAuth2Authentication"/>, and a refused caller is told where it can read which server gives tokens for this API: RFC 9728 §5.1
/// (DOT's <c>OAuth2ProtectedResourceAuthentication</c>).
/// </summary>
public class OAuth2ProtectedResourceAuthentication : OAuth2Authentication
{
    private readonly GatehouseOptions options;

    /// <param name="services">Those of the application.</param>
    public OAuth2ProtectedResourceAuthentication(IServiceProvider services) : base(services.GetRequiredService<BearerTokens>()) =>
        options = services.GetRequiredService<GatehouseOptions>();

    /// <inheritdoc/>
    public override string? ChallengeFor(HttpContext http) =>
        base.ChallengeFor(http) + (ResourceMetadataUrl(http) is { } url ? $",resource_metadata=\"{Quote(url)}\"" : "");

    /// <summary>
    /// Where the metadata of this API is (<c>get_resource_metadata_url</c>); null: nothing is told. Default: that of the whole server, which is what
    /// its tokens are good for; in the Django profile that below <see cref="OAuthOptions.Path"/>.
    /// </summary>
    protected virtual string? ResourceMetadataUrl(HttpContext http) =>
        RequestHost.Origin(http, options) + http.Request.PathBase.ToUriComponent()
        + (options.Profile == Profile.Django ? options.OAuth.Path : "/") + ".well-known/oauth-protected-resource";

    // RFC 9110 §5.6.4; nothing may end the header.
    private static string Quote(string text) => string.Concat(text.Where(c => !char.IsControl(c))).Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal);
}
