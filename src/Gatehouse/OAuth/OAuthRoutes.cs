using Gatehouse.Database;
using Gatehouse.Http;
using Gatehouse.OAuth.Authorize;
using Gatehouse.OAuth.Grants;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Gatehouse.OAuth;

internal static class OAuthRoutes
{
    public static void MapOAuth(this IEndpointRouteBuilder routes, GatehouseOptions options)
    {
        var path = options.OAuth.Path;
        var services = routes.ServiceProvider;

        // authorization
        routes.MapPage(path + "authorize/", services.GetRequiredService<AuthorizeEndpoint>().HandleAsync);

        // tokens
        routes.MapOAuthEndpoint(path + "token/", "POST", services.GetRequiredService<TokenEndpoint>().HandleAsync);

        // devices

        // OpenID Connect and metadata

        // registration

        // pages for people
    }

    /// <summary>An endpoint for programs: one method and OPTIONS, no cookies, no CSRF protection; what fails is told as JSON.</summary>
    public static void MapOAuthEndpoint(this IEndpointRouteBuilder routes, string path, string methods, Func<HttpContext, Task<IResult>> handler)
    {
        var allow = methods + ", OPTIONS";
        var allowed = methods.Split(", ");
        routes.MapCsrfExemptPage(path, async http =>
        {
            if (http.Request.Method == "OPTIONS") return NeverCache.Options(http, allow);
            if (!allowed.Contains(http.Request.Method)) return NeverCache.MethodNotAllowed(http, allow);
            try
            {
                return await handler(http);
            }
            catch (Exception error) when (error is OverloadedException or DatabaseUnavailableException)
            {
                http.Response.Headers.RetryAfter = error is OverloadedException busy ? ((int)Math.Ceiling(busy.RetryAfter.TotalSeconds)).ToString(System.Globalization.CultureInfo.InvariantCulture) : "1";
                return new OAuthError("temporarily_unavailable", Status: StatusCodes.Status503ServiceUnavailable);
            }
        });
    }
}
