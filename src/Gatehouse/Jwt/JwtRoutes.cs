using Gatehouse.Permissions;
using Gatehouse.Views;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Gatehouse.Jwt;

internal static class JwtRoutes
{
    public static void MapJwt(this IEndpointRouteBuilder routes, GatehouseOptions options)
    {
        var jwt = ActivatorUtilities.CreateInstance<JwtEndpoints>(routes.ServiceProvider);
        var path = options.Jwt.Path.TrimEnd('/');
        var sliding = options.Jwt.SlidingPath.TrimEnd('/');
        var username = options.UserModel.UsernameField;
        var label = char.ToUpperInvariant(username[0]) + username[1..].Replace('_', ' ');

        Map(path + "/verify/", "Token Verify", "Takes a token and indicates if it is valid.  This view provides no\ninformation about a token's fitness for a particular use.",
            http => VerifyToken.HandleAsync(http, jwt), Text("token", "Token"));
        Map(path + "/blacklist/", "Token Blacklist", "Takes a token and blacklists it. Must be used with the\n`rest_framework_simplejwt.token_blacklist` app installed.",
            http => BlacklistToken.HandleAsync(http, jwt), Text("refresh", "Refresh"));
        // A server that only verifies has nothing to give out.
        if (!jwt.Tokens.CanSign) return;

        Map(path + "/", "Token Obtain Pair", "Takes a set of user credentials and returns an access and refresh JSON web\ntoken pair to prove the authentication of those credentials.",
            http => ObtainPair.HandleAsync(http, jwt), Text(username, label), Text("password", "Password"), ViewField.OneTimeCode);
        Map(path + "/refresh/", "Token Refresh", "Takes a refresh type JSON web token and returns an access type JSON web\ntoken if the refresh token is valid.",
            http => RefreshPair.HandleAsync(http, jwt), Text("refresh", "Refresh"), new("access", "string", "Access", ReadOnly: true));
        if (sliding.Length == 0) return;

        Map(sliding + "/", "Token Obtain Sliding", "Takes a set of user credentials and returns a sliding JSON web token to\nprove the authentication of those credentials.",
            http => ObtainSliding.HandleAsync(http, jwt), Text(username, label), Text("password", "Password"), ViewField.OneTimeCode);
        Map(sliding + "/refresh/", "Token Refresh Sliding", "Takes a sliding JSON web token and returns a new, refreshed version if the\ntoken's refresh period has not expired.",
            http => RefreshSliding.HandleAsync(http, jwt), Text("token", "Token"));

        void Map(string at, string name, string description, Func<HttpContext, Task<IResult>> handler, params ViewField[] fields) => routes.MapView(at, name, view =>
        {
            view.Description = description;
            // simplejwt has no such field, so OPTIONS does not tell it.
            view.Post(handler).PostFields = [.. fields.Where(field => field != ViewField.OneTimeCode)];
            view.FormFields = fields;
        }).WithSchemes().RequirePermission(new AllowAny());

        static ViewField Text(string field, string label) => new(field, "string", label, Required: true);
    }
}
