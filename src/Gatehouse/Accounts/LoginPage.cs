using System.Text;
using Gatehouse.Http;
using Gatehouse.Sessions;
using Gatehouse.Users;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Gatehouse;

/// <summary>Logging in and out as pages (Django's <c>LoginView</c> and <c>LogoutView</c>): plain forms, no script.</summary>
public static class LoginPages
{
    /// <summary>Maps a login page.</summary>
    /// <param name="routes">The application.</param>
    /// <param name="path">With its trailing slash.</param>
    /// <param name="title">Heading of the page.</param>
    /// <param name="staffOnly">Refuse others than staff, as the admin site does.</param>
    /// <param name="leadsTo">Where it leads without a <c>next</c>; null: <c>LOGIN_REDIRECT_URL</c>.</param>
    public static IEndpointConventionBuilder MapLoginPage(
        this IEndpointRouteBuilder routes, string path, string title = "Log in", bool staffOnly = false, string? leadsTo = null)
    {
        var page = new LoginPage(title, staffOnly, leadsTo);
        return routes.MapPage(path, page.HandleAsync);
    }

    /// <summary>Maps a logout page: POST ends the session and leads to <c>next</c> or <c>LOGOUT_REDIRECT_URL</c>.</summary>
    public static IEndpointConventionBuilder MapLogoutPage(this IEndpointRouteBuilder routes, string path, string? leadsTo = null) =>
        routes.MapPage(path, (HttpContext http, SessionLogin login, GatehouseOptions options) => LogoutPage.HandleAsync(http, login, options, leadsTo));

    /// <summary>Sends the visitor to log in and then back here (<c>login_required</c>).</summary>
    /// <param name="http">The request.</param>
    /// <param name="loginUrl">Null: <c>LOGIN_URL</c>.</param>
    public static IResult RedirectToLogin(this HttpContext http, string? loginUrl = null)
    {
        var options = (GatehouseOptions)http.RequestServices.GetService(typeof(GatehouseOptions))!;
        var here = http.Request.Path.ToUriComponent() + http.Request.QueryString.ToUriComponent();
        return new DjangoRedirect((loginUrl ?? options.LoginUrl) + "?next=" + Uri.EscapeDataString(here).Replace("%2F", "/", StringComparison.Ordinal));
    }

    /// <summary>A page in the look of the login page, with its content security policy: no script.</summary>
    /// <param name="http">The request.</param>
    /// <param name="title">Text.</param>
    /// <param name="body">HTML, with all that is not yours encoded.</param>
    public static IResult Page(this HttpContext http, string title, string body) => new HtmlPage(StatusCodes.Status200OK, title, body);

    /// <summary>A 403 page (<c>PermissionDenied</c> in a plain view).</summary>
    public static IResult ForbiddenPage(this HttpContext http) => HtmlPage.Forbidden();
}

internal sealed class LoginPage(string title, bool staffOnly, string? leadsTo)
{
    public async Task<IResult> HandleAsync(HttpContext http, UserAccounts accounts, SessionLogin login, GatehouseOptions options)
    {
        NeverCache.Set(http);
        if (http.Request.Method is not ("GET" or "HEAD" or "POST" or "OPTIONS" or "PUT")) return NeverCache.MethodNotAllowed(http, "GET, POST, PUT, HEAD, OPTIONS");
        if (http.Request.Method == "OPTIONS") return NeverCache.Options(http, "GET, POST, PUT, HEAD, OPTIONS");

        var posted = http.Request.Method == "POST" ? await RequestData.ReadAsync(http) : null;
        if (posted?.Error is { } error) return error;
        string Field(string name) => posted?.Form?.GetValueOrDefault(name) ?? "";

        var next = posted?.Form?.GetValueOrDefault("next") ?? http.Request.Query["next"].LastOrDefault() ?? "";
        if (!SafeUrl.IsSafe(next, http, options)) next = "";
        if (posted is null) return await PageAsync(http, next, "", []);

        var username = Field("username").Trim();
        var password = Field("password");
        var errors = new List<(string Field, string Message)>();
        if (username.Length == 0) errors.Add(("username", "This field is required."));
        else if (username.Length > Username.MaxLength) errors.Add(("username", $"Ensure this value has at most {Username.MaxLength} characters (it has {username.Length})."));
        else if (username.Contains('\0')) errors.Add(("username", "Null characters are not allowed."));
        if (password.Length == 0) errors.Add(("password", "This field is required."));
        else if (password.Contains('\0')) errors.Add(("password", "Null characters are not allowed."));
        if (errors.Count > 0) return await PageAsync(http, next, username, errors);

        var user = await accounts.AuthenticateAsync(Username.Normalise(username), password, remember: false, http.RequestAborted);
        if (user is null || staffOnly && !user.IsStaff)
        {
            var text = staffOnly
                ? "Please enter the correct username and password for a staff account. Note that both fields may be case-sensitive."
                : "Please enter a correct username and password. Note that both fields may be case-sensitive.";
            return await PageAsync(http, next, username, [("", text)]);
        }

        await login.LogInAsync(http, user);
        return new DjangoRedirect(next.Length > 0 ? next : leadsTo ?? options.LoginRedirectUrl);
    }

    private async Task<IResult> PageAsync(HttpContext http, string next, string username, List<(string Field, string Message)> errors)
    {
        await http.GetSessionAsync();
        var shownNext = next.Length > 0 ? next : leadsTo ?? "";
        var form = new StringBuilder();
        form.Append($"<h1>{HtmlPage.Escape(title)}</h1>\n<form method=\"post\">\n");
        form.Append($"<input type=\"hidden\" name=\"csrfmiddlewaretoken\" value=\"{http.GetCsrfToken()}\">\n");
        form.Append($"<input type=\"hidden\" name=\"next\" value=\"{HtmlPage.Escape(shownNext)}\">\n");
        Errors("");
        form.Append("<label for=\"id_username\">Username</label>\n");
        Errors("username");
        form.Append($"<input type=\"text\" name=\"username\" id=\"id_username\"{(username.Length > 0 ? $" value=\"{HtmlPage.Escape(username)}\"" : "")} maxlength=\"150\" autocapitalize=\"none\" autocomplete=\"username\" autofocus required>\n");
        form.Append("<label for=\"id_password\">Password</label>\n");
        Errors("password");
        form.Append("<input type=\"password\" name=\"password\" id=\"id_password\" autocomplete=\"current-password\" required>\n");
        form.Append("<button type=\"submit\">Log in</button>\n</form>");
        return new HtmlPage(StatusCodes.Status200OK, title, form.ToString());

        void Errors(string field)
        {
            foreach (var (of, message) in errors)
                if (of == field)
                    form.Append($"<ul class=\"errorlist{(field.Length == 0 ? " nonfield" : "")}\" role=\"alert\"><li>{HtmlPage.Escape(message)}</li></ul>\n");
        }
    }
}

internal static class LogoutPage
{
    public static async Task<IResult> HandleAsync(HttpContext http, SessionLogin login, GatehouseOptions options, string? leadsTo)
    {
        NeverCache.Set(http);
        if (http.Request.Method == "OPTIONS") return NeverCache.Options(http, "POST, OPTIONS");
        if (http.Request.Method != "POST") return NeverCache.MethodNotAllowed(http, "POST, OPTIONS");

        var next = await RequestData.FormFieldAsync(http, "next") ?? http.Request.Query["next"].LastOrDefault() ?? "";
        await login.LogOutAsync(http);
        return new DjangoRedirect(next.Length > 0 && SafeUrl.IsSafe(next, http, options) ? next : leadsTo ?? options.LogoutRedirectUrl);
    }
}

/// <summary>GET /accounts/profile/: where the login page leads when nothing else is asked for.</summary>
internal static class ProfilePage
{
    public static async Task<IResult> HandleAsync(HttpContext http)
    {
        if (await http.GetSessionUserAsync() is not { } user) return http.RedirectToLogin();
        NeverCache.Set(http);
        return new HtmlPage(
            StatusCodes.Status200OK, "Your account",
            $"<h1>{HtmlPage.Escape(user.Username)}</h1>\n<p>You are logged in{(user.Email.Length > 0 ? $" as {HtmlPage.Escape(user.Email)}" : "")}.</p>\n"
            + $"<form method=\"post\" action=\"/accounts/logout/\">\n<input type=\"hidden\" name=\"csrfmiddlewaretoken\" value=\"{http.GetCsrfToken()}\">\n"
            + "<button type=\"submit\">Log out</button>\n</form>");
    }
}

/// <summary>Django's <c>never_cache</c>, and what its class views answer to other methods.</summary>
internal static class NeverCache
{
    public static void Set(HttpContext http) => http.Response.Headers.CacheControl = "max-age=0, no-cache, no-store, must-revalidate, private";

    public static IResult MethodNotAllowed(HttpContext http, string allow)
    {
        http.Response.Headers.Allow = allow;
        return new EmptyPage(StatusCodes.Status405MethodNotAllowed);
    }

    public static IResult Options(HttpContext http, string allow)
    {
        http.Response.Headers.Allow = allow;
        return new EmptyPage(StatusCodes.Status200OK);
    }
}

internal sealed class EmptyPage(int status) : IResult
{
    public async Task ExecuteAsync(HttpContext httpContext)
    {
        await BeforeResponse.RunAsync(httpContext);
        httpContext.Response.StatusCode = status;
        httpContext.Response.ContentType = "text/html; charset=utf-8";
        httpContext.Response.ContentLength = 0;
    }
}
