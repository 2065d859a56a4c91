using System.Text.Encodings.Web;
using Gatehouse.Sessions;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Gatehouse.Admin;

/// <summary>The admin site: signing in as staff, and what there is of it in this version.</summary>
public static class AdminRoutes
{
    private const string Login = "/admin/login/";

    /// <summary>Maps <c>/admin/</c>.</summary>
    public static void MapGatehouseAdmin(this IEndpointRouteBuilder routes)
    {
        routes.MapPage("/admin/", IndexAsync);
        routes.MapLoginPage(Login, "Gatehouse administration", staffOnly: true, leadsTo: "/admin/");
        routes.MapLogoutPage("/admin/logout/", leadsTo: Login);
    }

    private static async Task<IResult> IndexAsync(HttpContext http)
    {
        http.Response.Headers.CacheControl = "max-age=0, no-cache, no-store, must-revalidate, private";
        if (await http.GetSessionUserAsync() is not { IsStaff: true } user) return http.RedirectToLogin(Login);

        var name = HtmlEncoder.Default.Encode(user.Username);
        return http.Page(
            "Gatehouse administration",
            $"<h1>Gatehouse administration</h1>\n<p>Welcome, {name}. This version administers users, tokens and sessions from the command line: "
            + "<code>gatehouse --help</code> lists the verbs.</p>\n"
            + $"<form method=\"post\" action=\"/admin/logout/\">\n<input type=\"hidden\" name=\"csrfmiddlewaretoken\" value=\"{http.GetCsrfToken()}\">\n"
            + "<button type=\"submit\">Log out</button>\n</form>");
    }
}
