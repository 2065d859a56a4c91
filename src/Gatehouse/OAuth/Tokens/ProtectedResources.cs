using Gatehouse.Http;
using Gatehouse.OAuth;
using Gatehouse.OAuth.Tokens;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Gatehouse;

/// <summary>Protecting endpoints with OAuth 2 tokens.</summary>
public static class ProtectedResources
{
    /// <summary>The scopes that <see cref="TokenHasScope"/> and its like ask for where they name none (a view's <c>required_scopes</c>).</summary>
    public static TBuilder RequiredScopes<TBuilder>(this TBuilder builder, params string[] scopes) where TBuilder : IEndpointConventionBuilder =>
        builder.WithMetadata(new RequiredScopesMetadata(scopes));

    /// <summary>
    /// Maps a plain page that needs a token with these scopes and asks nothing else (DOT <c>@protected_resource</c>): without, 403 and no body. For
    /// an API a view with <see cref="OAuth2Authentication"/> says more.
    /// </summary>
    public static IEndpointConventionBuilder MapProtectedResource(
        this IEndpointRouteBuilder routes, string path, Func<HttpContext, AccessToken, Task<IResult>> handler, params string[] scopes) =>
        routes.Map(path, handler, _ => scopes);

    /// <summary>The same, and <c>read</c> for GET, HEAD and OPTIONS, <c>write</c> for the others (DOT <c>@rw_protected_resource</c>).</summary>
    public static IEndpointConventionBuilder MapReadWriteProtectedResource(
        this IEndpointRouteBuilder routes, string path, Func<HttpContext, AccessToken, Task<IResult>> handler, params string[] scopes)
    {
        var (options, all) = (routes.ServiceProvider.GetRequiredService<OAuthOptions>(), routes.ServiceProvider.GetRequiredService<Scopes>().All);
        if (!all.ContainsKey(options.ReadScope) || !all.ContainsKey(options.WriteScope))
            throw new ArgumentException($"A read-write resource needs the scopes '{options.ReadScope}' and '{options.WriteScope}' in SCOPES.");
        string[] read = [.. scopes, options.ReadScope];
        string[] write = [.. scopes, options.WriteScope];
        return routes.Map(path, handler, http => Permissions.PermissionExtensions.IsReadOnly(http) ? read : write);
    }

    private static IEndpointConventionBuilder Map(
        this IEndpointRouteBuilder routes, string path, Func<HttpContext, AccessToken, Task<IResult>> handler, Func<HttpContext, string[]> scopesFor)
    {
        var bearers = routes.ServiceProvider.GetRequiredService<BearerTokens>();
        return routes.MapPage(path, async http =>
        {
            var bearer = await bearers.VerifyAsync(http, scopesFor(http));
            return bearer.Answer ?? (bearer.Token is { } token ? await handler(http, token) : new EmptyPage(StatusCodes.Status403Forbidden));
        });
    }
}
