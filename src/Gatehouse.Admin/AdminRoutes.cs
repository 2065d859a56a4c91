using System.Reflection;
using Gatehouse.Administration;
using Gatehouse.Sessions;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Gatehouse.Admin;

/// <summary>The admin site, at the addresses of Django's: what staff may see and do with users, applications, tokens and sessions.</summary>
public static class AdminRoutes
{
    private const string Index = "/admin/";
    private const string Login = "/admin/login/";
    private const string Logout = "/admin/logout/";

    /// <summary>Maps <c>/admin/</c> and all below it: who is no staff is sent to log in, whatever is asked for.</summary>
    public static void MapGatehouseAdmin(this IEndpointRouteBuilder routes)
    {
        routes.MapLoginPage(Login, new LoginPageOptions { Title = "Gatehouse administration", StaffOnly = true, DefaultNext = Index });
        routes.MapPage(Logout, LogOutAsync);
        routes.MapPage(AdminPage.Script, http => Task.FromResult(Results.Text(Script.Value, "text/javascript", System.Text.Encoding.UTF8)));

        if (!routes.ServiceProvider.GetRequiredService<GatehouseOptions>().UserModel.Model.Equals("auth.User", StringComparison.OrdinalIgnoreCase))
        {
            // Lists and forms are those of Django's own user.
            routes.MapPage(Index, ShowNotServedAsync);
            routes.MapPage("/admin/{**path}", ShowNotServedAsync);
            return;
        }
        routes.MapAdmin(Index, IndexPage.ShowAsync);
        routes.MapAdmin(SigningKeysPage.Url, SigningKeysPage.HandleAsync);
        routes.MapAdmin(AuditPage.Url, AuditPage.HandleAsync);
        routes.MapAdmin("/admin/{app}/", IndexPage.ShowAppAsync);
        routes.MapModel("/admin/{app}/{model}/", ListPage.HandleAsync);
        routes.MapModel("/admin/{app}/{model}/add/", FormPage.AddAsync);
        routes.MapModel("/admin/{app}/{model}/{id}/", (site, model) => Task.FromResult(site.Redirect(AdminPage.Url(model, $"{Uri.EscapeDataString(site.Route("id"))}/change/"))));
        routes.MapObject("/admin/{app}/{model}/{id}/change/", FormPage.ChangeAsync);
        routes.MapObject("/admin/{app}/{model}/{id}/password/", PasswordPage.HandleAsync);
        routes.MapObject("/admin/{app}/{model}/{id}/delete/", DeletePage.HandleAsync);
        routes.MapObject("/admin/{app}/{model}/{id}/history/", HistoryPage.ShowAsync);
        routes.MapAdmin("/admin/{**path}", site => Task.FromResult(site.NotFound()));
    }

    /// <summary>A page for staff; others are sent to log in.</summary>
    private static void MapAdmin(this IEndpointRouteBuilder routes, string path, Func<AdminPage, Task<IResult>> handler)
    {
        var database = routes.ServiceProvider.GetRequiredService<AdminDatabase>();
        var operations = routes.ServiceProvider.GetRequiredService<AdminOperations>();
        // Only below the index: without its slash that is no path of the admin's yet.
        if (path == Index) routes.MapPage(path, AnswerAsync);
        else routes.MapGuardedPage(path, AnswerAsync);

        async Task<IResult> AnswerAsync(HttpContext http)
        {
            NeverCache(http);
            if (await http.GetSessionUserAsync() is not { } user || await operations.FindStaffAsync(user, http.RequestAborted) is not { } staff) return http.RedirectToLogin(Login);
            // APPEND_SLASH, once it is known who asks.
            return http.Request.Path.Value!.EndsWith('/') || path.EndsWith("**path}", StringComparison.Ordinal)
                ? await handler(new AdminPage(http, staff, database, operations))
                : Results.Redirect(http.Request.PathBase + http.Request.Path.ToUriComponent() + "/" + http.Request.QueryString.ToUriComponent(), permanent: true);
        }
    }

    /// <summary>A page about a model; one that the staff member may do nothing with is not there.</summary>
    private static void MapModel(this IEndpointRouteBuilder routes, string path, Func<AdminPage, Model, Task<IResult>> handler) => routes.MapAdmin(path, async site =>
        await site.Database.FindModelAsync(site.Route("app"), site.Route("model"), site.Ct) is not { } model ? site.NotFound()
        : site.Staff.SeesAnything(model) ? await handler(site, model)
        : site.Forbidden());

    /// <summary>A page about an object.</summary>
    private static void MapObject(this IEndpointRouteBuilder routes, string path, Func<AdminPage, ModelRow, Task<IResult>> handler) => routes.MapModel(path, async (site, model) =>
    {
        if (!site.Staff.May("view", model) && !site.Staff.May("delete", model)) return site.Forbidden();
        return await site.Database.FindAsync(model, site.Route("id"), site.Ct) is { } row ? await handler(site, row) : await site.GoneAsync(model);
    });

    private static async Task<IResult> ShowNotServedAsync(HttpContext http)
    {
        NeverCache(http);
        return await http.GetSessionUserAsync() is { IsStaff: true }
            ? http.Page(
                "Gatehouse administration",
                "<h1>Gatehouse administration</h1>\n<p>This admin site knows Django's own users only, and the project has a user model of its own (<code>AUTH_USER_MODEL</code>). "
                + "Use the admin site of the Django project.</p>")
            : http.RedirectToLogin(Login);
    }

    // Django's admin sends a stranger who logs out to the index, by any method.
    private static async Task<IResult> LogOutAsync(HttpContext http)
    {
        if (await http.GetSessionUserAsync() is { IsStaff: true }) return await http.LogoutPageAsync();
        NeverCache(http);
        return http.RedirectPage(Index);
    }

    private static void NeverCache(HttpContext http) =>
        http.Response.Headers.CacheControl = "max-age=0, no-cache, no-store, must-revalidate, private";

    private static readonly Lazy<string> Script = new(() =>
    {
        using var reader = new StreamReader(Assembly.GetExecutingAssembly().GetManifestResourceStream("Gatehouse.Admin.admin.js")!);
        return reader.ReadToEnd();
    });
}
