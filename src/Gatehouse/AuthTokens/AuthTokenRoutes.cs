using Gatehouse.Permissions;
using Gatehouse.Views;
using Microsoft.AspNetCore.Routing;

namespace Gatehouse.AuthTokens;

internal static class AuthTokenRoutes
{
    public static void MapAuthTokens(this IEndpointRouteBuilder routes, GatehouseOptions options) =>
        routes.MapView(options.AuthToken.Path, "Obtain Auth Token", Describe).RequirePermission(new AllowAny()).Throttle();

    private static void Describe(ApiView view)
    {
        view.Post(ObtainAuthToken.HandleAsync);
        view.Renders = ["application/json"];
        view.Parses = ["application/x-www-form-urlencoded", "multipart/form-data", "application/json"];
        view.PostFields =
        [
            new("username", "string", "Username", Required: true),
            new("password", "string", "Password", Required: true),
            new("token", "string", "Token", ReadOnly: true),
        ];
    }
}
