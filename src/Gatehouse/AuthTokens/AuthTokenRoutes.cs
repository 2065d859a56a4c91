using Gatehouse.Permissions;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Gatehouse.AuthTokens;

internal static class AuthTokenRoutes
{
    public static void MapAuthTokens(this IEndpointRouteBuilder routes, GatehouseOptions options)
    {
        var tokens = routes.ServiceProvider.GetRequiredService<TokenStore>();
        routes.MapView(options.AuthToken.Path, "Obtain Auth Token", view =>
        {
            view.Post(http => ObtainAuthToken.HandleAsync(http, tokens, options));
            view.Renders = ["application/json"];
            view.Parses = ["application/x-www-form-urlencoded", "multipart/form-data", "application/json"];
            view.PostFields =
            [
                new("username", "string", "Username", Required: true),
                new("password", "string", "Password", Required: true),
                new("token", "string", "Token", ReadOnly: true),
            ];
        }).RequirePermission(new AllowAny()).Throttle();
    }
}
