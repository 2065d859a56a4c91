using System.Text.Json;
using Gatehouse.Authentication;
using Gatehouse.AuthTokens;
using Gatehouse.Http;
using Gatehouse.Jwt;
using Gatehouse.OAuth.OpenId;
using Gatehouse.OAuth.Tokens;
using Gatehouse.Permissions;
using Gatehouse.Sessions;
using Gatehouse.Throttling;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Gatehouse.ParityHost;

/// <summary>The probe endpoints, by the library's public API alone.</summary>
internal static class Probes
{
    private static readonly Dictionary<string, Type> SchemesByName = new()
    {
        ["session"] = typeof(SessionAuthentication),
        ["basic"] = typeof(BasicAuthentication),
        ["token"] = typeof(TokenAuthentication),
        ["jwt"] = typeof(JWTAuthentication),
        ["oauth"] = typeof(OAuth2Authentication),
        ["jwtstateless"] = typeof(JWTStatelessUserAuthentication),
    };

    private static readonly Type[] EchoSchemes =
        [typeof(TokenAuthentication), typeof(BasicAuthentication), typeof(SessionAuthentication), typeof(JWTAuthentication), typeof(OAuth2Authentication)];

    private static readonly Type[] TokenThenBasic = [typeof(TokenAuthentication), typeof(BasicAuthentication)];

    public static void Map(WebApplication app)
    {
        MapViews(app);
        MapPages(app);
    }

    private static void MapViews(IEndpointRouteBuilder app)
    {
        Who(app, "/probe/echo/", "Echo", "GET and the write methods all answer with who the request was taken to be.")
            .WithSchemes(EchoSchemes).RequirePermission(new AllowAny());

        foreach (var names in Orders(SchemesByName.Keys))
        {
            var schemes = names.Select(name => SchemesByName[name]).ToArray();
            Who(app, $"/probe/scheme/{string.Join('-', names)}/", "Scheme").WithSchemes(schemes).RequirePermission(new IsAuthenticated());
            Who(app, $"/probe/open/{string.Join('-', names)}/", "Scheme").WithSchemes(schemes).RequirePermission(new AllowAny());
        }

        Permitted(app, "allow-any", new AllowAny());
        Permitted(app, "is-authenticated", new IsAuthenticated());
        Permitted(app, "is-admin", new IsAdminUser());
        Permitted(app, "authenticated-or-read-only", new IsAuthenticatedOrReadOnly());
        Permitted(app, "seed-is-admin", new SeedIsAdmin());
        Permitted(app, "model", new DjangoModelPermissions("auth.group"));
        Permitted(app, "model-or-anon-read-only", new DjangoModelPermissionsOrAnonReadOnly("auth.group"));
        Permitted(app, "admin-and-model", new IsAdminUser() & new DjangoModelPermissions("auth.group"));
        Permitted(app, "admin-or-read-only", new IsAdminUser() | new IsAuthenticatedOrReadOnly());
        Permitted(app, "not-admin", new IsAuthenticated() & !new IsAdminUser());

        Scoped(app, "read", new TokenHasScope("read"));
        Scoped(app, "groups", new TokenHasScope("groups:read", "groups:write"));
        Scoped(app, "read-write", new TokenHasReadWriteScope());
        Scoped(app, "read-write-plus", new TokenHasReadWriteScope("groups:read"));
        Scoped(app, "resource", new TokenHasResourceScope("groups"));
        Scoped(app, "oas", new TokenMatchesOASRequirements(new()
        {
            ["GET"] = [["read"], ["groups:read", "introspection"]],
            ["POST"] = [["write", "groups:write"]],
        }));
        Scoped(app, "any-or-read", new IsAuthenticatedOrTokenHasScope("read")).WithSchemes(EchoSchemes);
        Scoped(app, "jwt-first", new TokenHasScope("read")).WithSchemes(typeof(JWTAuthentication));

        Throttled(app, "anon", new AnonRateThrottle());
        Throttled(app, "user", new UserRateThrottle());
        Throttled(app, "scoped", new ScopedRateThrottle()).ThrottleScope("uploads");
        Throttled(app, "scoped-twin", new ScopedRateThrottle()).ThrottleScope("uploads");
        Throttled(app, "scoped-daily", new ScopedRateThrottle()).ThrottleScope("daily");
        Throttled(app, "unscoped", new ScopedRateThrottle());
        Throttled(app, "hourly", new AnonRateThrottle("2/hour"));
        Throttled(app, "both", new AnonRateThrottle("3/min"), new UserRateThrottle("2/min"));
        Throttled(app, "guarded", new AnonRateThrottle("3/min")).RequirePermission(new IsAuthenticated());

        Says(app, "/probe/secure-api/", "Secure Api", _ => "You are authenticated", isFunction: true).RequirePermission(new IsAuthenticated());
        Says(app, "/probe/admin-only/", "Admin Only", _ => "Admin Access Only", isFunction: true).RequirePermission(new IsAdminUser());
        Says(app, "/probe/my-token/", "My Token", _ => "Hello, token user!").WithSchemes(typeof(TokenAuthentication)).RequirePermission(new AllowAny());
        Says(app, "/probe/my-jwt/", "My JWT", _ => "Hello, JWT user!").WithSchemes(typeof(JWTAuthentication)).RequirePermission(new AllowAny());
        Says(app, "/probe/hello-token/", "Hello Token", http => $"Hello, {http.GetUser()}! You are authenticated with Token.")
            .WithSchemes(typeof(TokenAuthentication)).RequirePermission(new IsAuthenticated());

        app.MapView("/probe/add-data/", "Add Data", view =>
        {
            view.IsFunction = true;
            view.Get(async _ => ApiJson.Empty()).Post(async _ => ApiJson.Empty());
        }).WithSchemes(TokenThenBasic).RequirePermission(new AllowAny());
        app.MapView("/probe/parse/", "Parse", view => view.Post(ParseAsync).Put(ParseAsync).Patch(ParseAsync)).WithSchemes().RequirePermission(new AllowAny());
    }

    private static void MapPages(IEndpointRouteBuilder app)
    {
        var accounts = app.ServiceProvider.GetRequiredService<Users.UserAccounts>();
        app.MapPage("/probe/csrf/", async http => ApiJson.Ok(new { csrftoken = http.GetCsrfToken() }));
        app.MapPage("/probe/plain/", async http =>
            ApiJson.Ok(new { method = http.Request.Method, user = (await http.GetSessionUserAsync())?.Username ?? "" }));
        app.MapPage("/probe/needs-login/", async http =>
            await http.GetSessionUserAsync() is { } user ? ApiJson.Ok(new { user = user.Username }) : http.RedirectToLogin());
        app.MapPage("/probe/needs-perm/", async http =>
            await http.GetSessionUserAsync() is { } user && await accounts.HasPermAsync(user, "auth.add_group", http.RequestAborted)
                ? ApiJson.Ok(new { user = user.Username })
                : http.ForbiddenPage());
        app.MapProtectedResource("/probe/plain-protected/", async (_, token) => ApiJson.Ok(new { user = token.User?.Username }), "read");
        app.MapReadWriteProtectedResource("/probe/plain-rw-protected/", async (_, token) => ApiJson.Ok(new { user = token.User?.Username }), "groups:read");
        app.MapPage("/probe/session/", async http =>
        {
            var user = await http.GetSessionUserAsync();
            return ApiJson.Ok(new { user = user?.Username ?? "", keys = (await http.GetSessionAsync()).Keys.Order(StringComparer.Ordinal).ToArray() });
        });
        app.MapPage("/probe/session/set/", async http =>
        {
            (await http.GetSessionAsync()).Set("colour", http.Request.Query["colour"].LastOrDefault() ?? "green");
            return ApiJson.Ok(new { ok = true });
        });
    }

    private static IEndpointConventionBuilder Permitted(IEndpointRouteBuilder app, string name, RequestPermission permission) =>
        Who(app, $"/probe/perm/{name}/", "Permitted").WithSchemes(TokenThenBasic).RequirePermission(permission);

    private static IEndpointConventionBuilder Scoped(IEndpointRouteBuilder app, string name, RequestPermission permission) =>
        Who(app, $"/probe/scope/{name}/", "Scoped").WithSchemes(typeof(OAuth2Authentication)).RequirePermission(permission);

    private static IEndpointConventionBuilder Throttled(IEndpointRouteBuilder app, string name, params RequestThrottle[] throttles) =>
        Who(app, $"/probe/throttle/{name}/", "Throttled").WithSchemes(TokenThenBasic).RequirePermission(new AllowAny()).Throttle(throttles);

    private static IEndpointConventionBuilder Who(IEndpointRouteBuilder app, string path, string name, string description = "") =>
        app.MapView(path, name, view =>
        {
            view.Description = description;
            view.Get(WhoAsync).Post(WhoAsync).Put(WhoAsync).Patch(WhoAsync).Delete(WhoAsync);
        });

    private static Task<IResult> WhoAsync(HttpContext http)
    {
        var identity = http.GetIdentity();
        var anonymous = identity.Scheme is null;
        return Task.FromResult<IResult>(ApiJson.Ok(new
        {
            user = identity.User?.Username ?? identity.TokenUser?.Username ?? (anonymous ? "" : null),
            user_id = (object?)identity.User?.Id ?? identity.TokenUser?.Id,
            user_class = identity.User is not null ? "User" : identity.TokenUser is not null ? "TokenUser" : anonymous ? "AnonymousUser" : null,
            authenticated = identity.IsAuthenticated,
            is_staff = identity.User?.IsStaff ?? identity.TokenUser?.IsStaff ?? false,
            auth = identity.Auth is AuthToken ? "Token" : identity.Auth is IDToken ? "IDToken" : identity.Auth is AccessToken ? "AccessToken" : (identity.Auth as JwtToken)?.TokenClass,
            scheme = identity.Scheme?.GetType().Name,
        }));
    }

    private static IEndpointConventionBuilder Says(IEndpointRouteBuilder app, string path, string name, Func<HttpContext, string> text, bool isFunction = false) =>
        app.MapView(path, name, view =>
        {
            view.IsFunction = isFunction;
            view.Get(async http => ApiJson.Ok(new { message = text(http) }));
        });

    private static async Task<IResult> ParseAsync(HttpContext http)
    {
        var data = await RequestData.ReadAsync(http);
        if (data.Error is { } error) return error;
        try
        {
            return data.Form is { } form ? ApiJson.Ok(new { type = data.TypeName, data = form }) : ApiJson.Ok(new { type = data.TypeName, data = data.Json });
        }
        catch (Exception invalid) when (invalid is ArgumentException or JsonException)
        {
            // A lone surrogate can be written in JSON's escapes but not in UTF-8. The real stack fails here with 500.
            return ApiError.Detail(StatusCodes.Status400BadRequest, "The body holds text that is not Unicode.");
        }
    }

    /// <summary>Every order of every choice of names: the paths of <c>/probe/scheme/</c>.</summary>
    private static IEnumerable<string[]> Orders(IReadOnlyCollection<string> names)
    {
        foreach (var first in names)
        {
            yield return [first];
            yield return [first, first];
            foreach (var rest in Orders([.. names.Where(name => name != first)])) yield return [first, .. rest];
        }
    }
}

/// <summary>Tutorial D's permission class: three lines.</summary>
internal sealed class SeedIsAdmin : RequestPermission
{
    public override ValueTask<bool> AllowsAsync(HttpContext http) => new(http.GetUser() is { IsStaff: true });
}
