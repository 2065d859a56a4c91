using Gatehouse.Authentication;
using Gatehouse.Http;
using Gatehouse.Permissions;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Gatehouse.OAuth.Tokens;

/// <summary>What the permissions of an endpoint ask of its tokens (a view's <c>required_scopes</c>).</summary>
internal sealed record RequiredScopesMetadata(string[] Scopes);

/// <summary>
/// The caller came with an OAuth 2 token that has all of these scopes (DOT <c>TokenHasScope</c>). Callers of other schemes are refused.
/// </summary>
/// <param name="scopes">None: those of the endpoint, <c>RequiredScopes("read")</c>.</param>
public class TokenHasScope(params string[] scopes) : RequestPermission
{
    /// <summary>The scopes that a request needs.</summary>
    protected virtual IReadOnlyList<string> ScopesFor(HttpContext http) => OwnScopes(http);

    /// <inheritdoc/>
    public override ValueTask<bool> AllowsAsync(HttpContext http) => new(http.GetIdentity().Auth is AccessToken token && token.AllowsScopes(ScopesFor(http)));

    private protected virtual bool NeedsScopes => true;

    private protected IReadOnlyList<string> OwnScopes(HttpContext http) =>
        scopes.Length > 0 ? scopes : http.GetEndpoint()?.Metadata.GetMetadata<RequiredScopesMetadata>()?.Scopes ?? [];

    private protected static string ReadOrWrite(HttpContext http) =>
        http.RequestServices.GetRequiredService<OAuthOptions>() is var options && http.IsReadOnly() ? options.ReadScope : options.WriteScope;

    internal override ApiError Refusal(HttpContext http)
    {
        // ERROR_RESPONSE_WITH_SCOPES: to who has a token, and not enough of it.
        if (!http.RequestServices.GetRequiredService<OAuthOptions>().ErrorResponseWithScopes || http.GetIdentity().Auth is not AccessToken || ScopesFor(http) is not { Count: > 0 } wanted)
            return base.Refusal(http);
        return ApiError.PermissionDenied(json =>
        {
            json.WriteStartArray("required_scopes");
            foreach (var scope in wanted) json.WriteStringValue(scope);
            json.WriteEndArray();
        });
    }

    internal override void Check(EndpointMetadataCollection metadata)
    {
        if (NeedsScopes && scopes.Length == 0 && metadata.GetMetadata<RequiredScopesMetadata>() is null)
            throw new ArgumentException($"{GetType().Name} requires the view to define its scopes: map it with RequiredScopes(\"read\"), or write new {GetType().Name}(\"read\").");
    }
}

/// <summary>As <see cref="TokenHasScope"/>, and <c>read</c> for GET, HEAD and OPTIONS, <c>write</c> for the others (DOT <c>TokenHasReadWriteScope</c>).</summary>
/// <param name="scopes">Besides; none: those of the endpoint, if it has any.</param>
public sealed class TokenHasReadWriteScope(params string[] scopes) : TokenHasScope(scopes)
{
    /// <inheritdoc/>
    protected override IReadOnlyList<string> ScopesFor(HttpContext http) => [.. OwnScopes(http), ReadOrWrite(http)];

    private protected override bool NeedsScopes => false;
}

/// <summary>
/// A scope for each resource and kind of method: <c>groups:read</c>, <c>groups:write</c> for <c>groups</c> (DOT <c>TokenHasResourceScope</c>).
/// </summary>
/// <param name="resources">None: the scopes of the endpoint, if it has any.</param>
public sealed class TokenHasResourceScope(params string[] resources) : TokenHasScope(resources)
{
    /// <inheritdoc/>
    protected override IReadOnlyList<string> ScopesFor(HttpContext http) => [.. OwnScopes(http).Select(resource => $"{resource}:{ReadOrWrite(http)}")];

    private protected override bool NeedsScopes => false;
}

/// <summary>
/// Users of any scheme but OAuth 2, and tokens that have the scopes (DOT <c>IsAuthenticatedOrTokenHasScope</c>): for an API that people browse.
/// </summary>
/// <param name="scopes">None: those of the endpoint, <c>RequiredScopes("read")</c>.</param>
public sealed class IsAuthenticatedOrTokenHasScope(params string[] scopes) : RequestPermission
{
    private readonly TokenHasScope token = new(scopes);

    /// <inheritdoc/>
    public override ValueTask<bool> AllowsAsync(HttpContext http) =>
        http.GetIdentity() is { IsAuthenticated: true, Scheme: not OAuth2Authentication } ? new(true) : token.AllowsAsync(http);

    internal override void Check(EndpointMetadataCollection metadata) => token.Check(metadata);
}

/// <summary>
/// For each method alternatives of scopes, one of which the token must have: the security requirements of an OpenAPI description (DOT
/// <c>TokenMatchesOASRequirements</c>). A method that is not named is refused.
/// </summary>
/// <param name="alternatives"><c>new() { ["GET"] = [["read"]], ["POST"] = [["create"], ["read", "write"]] }</c>.</param>
public sealed class TokenMatchesOASRequirements(Dictionary<string, string[][]> alternatives) : RequestPermission
{
    /// <inheritdoc/>
    public override ValueTask<bool> AllowsAsync(HttpContext http) =>
        new(http.GetIdentity().Auth is AccessToken token && alternatives.TryGetValue(http.Request.Method, out var any) && any.Any(token.AllowsScopes));
}
