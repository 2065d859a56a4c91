using System.Text.Encodings.Web;
using Gatehouse.Sessions;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Gatehouse.Admin;

/// <summary>The admin site: signing in as staff, and what there is of it in this version.</summary>
public static class AdminRoutes
{
    private const string Index = "/admin/";
    private const string Login = "/admin/login/";
    private const string Logout = "/admin/logout/";

    /// <summary>Maps <c>/admin/</c> and all below it: who is no staff is sent to log in, whatever is asked for.</summary>
    public static void MapGatehouseAdmin(this IEndpointRouteBuilder routes)
    {
        routes.MapPage(Index, ShowIndexAsync);
        routes.MapLoginPage(Login, new LoginPageOptions { Title = "Gatehouse administration", StaffOnly = true, DefaultNext = Index });
        routes.MapPage(Logout, LogOutAsync);
        routes.MapPage("/admin/{**path}", NoSuchPageAsync);
    }

    private static async Task<IResult> ShowIndexAsync(HttpContext http)
    {
        if (await RefuseAsync(http) is { } refusal) return refusal;
        NeverCache(http);

        var name = HtmlEncoder.Default.Encode((await http.GetSessionUserAsync())!.Username);
        return http.Page(
            "Gatehouse administration",
            $"""
            <h1>Gatehouse administration</h1>
            <p>Welcome, {name}. This version administers users, tokens and sessions from the command line: <code>gatehouse --help</code> lists the verbs.</p>
            <form method="post" action="{Logout}">
            <input type="hidden" name="csrfmiddlewaretoken" value="{http.GetCsrfToken()}">
            <button type="submit">Log out</button>
            </form>
            """);
    }

    private static async Task<IResult> NoSuchPageAsync(HttpContext http) => await RefuseAsync(http) ?? http.NotFoundPage();

    // Django's admin sends a stranger who logs out to the index, by any method.
    private static async Task<IResult> LogOutAsync(HttpContext http)
    {
        if (await http.GetSessionUserAsync() is { IsStaff: true }) return await http.LogoutPageAsync();
        NeverCache(http);
        return http.RedirectPage(Index);
    }

    private static void NeverCache(HttpContext http) =>
        http.Response.Headers.CacheControl = "max-age=0, no-cache, no-store, must-revalidate, private";

    private static async Task<IResult?> RefuseAsync(HttpContext http)
    {
        if (await http.GetSessionUserAsync() is { IsStaff: true }) return null;
        NeverCache(http);
        return http.RedirectToLogin(Login);
    }
}
