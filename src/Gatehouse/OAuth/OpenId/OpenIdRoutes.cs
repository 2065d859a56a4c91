using Gatehouse.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Gatehouse.OAuth.OpenId;

internal static class OpenIdRoutes
{
    public static void MapOpenId(this IEndpointRouteBuilder routes, GatehouseOptions options)
    {
        var path = options.OAuth.Path;
        var metadata = routes.ServiceProvider.GetRequiredService<ServerMetadata>();

        // Each with what may stand behind it: an issuer's or a resource's path, or a slash.
        foreach (var prefix in (string[])["/", path])
        {
            routes.MapDocument(prefix + ".well-known/oauth-authorization-server/{**issuer}", metadata.AuthorizationServer);
            routes.MapDocument(prefix + ".well-known/oauth-protected-resource/{**resource}", metadata.ProtectedResource);
        }
        // At the root the real stack has none of these two.
        foreach (var prefix in options.Profile == Profile.Django ? (string[])[path] : ["/", path])
        {
            routes.MapDocument(prefix + ".well-known/openid-configuration/{**issuer}", metadata.OpenId);
            routes.MapDocument(prefix + ".well-known/jwks.json", metadata.Jwks);
        }

        var userInfo = routes.ServiceProvider.GetRequiredService<UserInfo>();
        routes.MapOAuthEndpoint(path + "userinfo/", "GET, POST, HEAD", userInfo.HandleAsync, first: userInfo.AllowPages);
        routes.MapPage(path + "logout/", routes.ServiceProvider.GetRequiredService<RPInitiatedLogout>().HandleAsync);
    }

    private static void MapDocument(this IEndpointRouteBuilder routes, string path, Func<HttpContext, IResult?> document)
    {
        const string allow = "GET, HEAD, OPTIONS";
        routes.MapPage(path, http => Task.FromResult(http.Request.Method switch
        {
            "GET" or "HEAD" => document(http) ?? HtmlPage.NotFound(),
            "OPTIONS" => NeverCache.Options(http, allow),
            _ => NeverCache.MethodNotAllowed(http, allow),
        }));
    }
}
