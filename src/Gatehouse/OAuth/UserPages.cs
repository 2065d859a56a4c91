using Gatehouse.Http;
using Gatehouse.OAuth.Device;
using Gatehouse.Sessions;
using Gatehouse.Users;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Gatehouse.OAuth;

/// <summary>Pages for people who are logged in (Django's <c>LoginRequiredMixin</c> on its class views).</summary>
internal static class UserPages
{
    public const string FormMethods = "GET, POST, PUT, HEAD, OPTIONS";
    public const string DeleteMethods = "GET, POST, DELETE, HEAD, OPTIONS";
    public const string ReadMethods = "GET, HEAD, OPTIONS";

    /// <summary>A page; who is not logged in is sent to do so, whatever the method.</summary>
    /// <param name="routes">The application.</param>
    /// <param name="path">What varies in it is a slug, as in DOT's <c>urls.py</c>.</param>
    /// <param name="methods">Those that it answers, and OPTIONS.</param>
    /// <param name="handler">Answers the others.</param>
    public static void MapUserPage(this IEndpointRouteBuilder routes, string path, string methods, Func<HttpContext, User, Task<IResult>> handler)
    {
        var allowed = methods.Split(", ");
        routes.MapPage(path, async http =>
        {
            if (http.Request.RouteValues.Values.Any(value => value is not string text || !DeviceGrant.IsSlug(text))) return HtmlPage.NotFound();
            if (await http.GetSessionUserAsync() is not { } user) return http.RedirectToLogin();
            if (http.Request.Method == "OPTIONS") return NeverCache.Options(http, methods);
            return allowed.Contains(http.Request.Method) ? await handler(http, user) : NeverCache.MethodNotAllowed(http, methods);
        });
    }

    /// <summary>A part of the address.</summary>
    public static string Route(this HttpContext http, string name) => (string)http.Request.RouteValues[name]!;

    /// <summary>The hidden field without which no form is taken.</summary>
    public static string CsrfField(this HttpContext http) => $"<input type=\"hidden\" name=\"csrfmiddlewaretoken\" value=\"{http.GetCsrfToken()}\">";

    /// <summary>The errors of a field, or of the whole form (Django's <c>ErrorList</c>).</summary>
    public static string ErrorList(IEnumerable<string> errors, string field = "")
    {
        var items = string.Concat(errors.Select(error => $"<li>{HtmlPage.Escape(error)}</li>"));
        return items.Length == 0 ? ""
            : field.Length == 0 ? $"<div role=\"alert\"><ul class=\"errorlist nonfield\">{items}</ul></div>\n"
            : $"<div role=\"alert\"><ul class=\"errorlist\" id=\"id_{field}_error\">{items}</ul></div>\n";
    }
}
