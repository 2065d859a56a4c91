using Gatehouse.Accounts;
using Gatehouse.Http;
using Gatehouse.Sessions;
using Gatehouse.Users;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Gatehouse;

/// <summary>Logging in and out as pages (Django's <c>LoginView</c> and <c>LogoutView</c>): plain forms, and a script for passkeys.</summary>
public static class LoginPages
{
    /// <summary>Maps a login page.</summary>
    public static IEndpointConventionBuilder MapLoginPage(this IEndpointRouteBuilder routes, string path, LoginPageOptions? options = null)
    {
        var services = routes.ServiceProvider;
        var page = new LoginPage(
            options ?? new LoginPageOptions(), services.GetRequiredService<SecondFactors>(), services.GetRequiredService<SecondFactorStep>(), services.GetRequiredService<Passkeys>(),
            services.GetRequiredService<SessionLogin>(), services.GetRequiredService<GatehouseOptions>());
        return routes.MapPage(path, page.HandleAsync);
    }

    /// <summary>Maps a logout page: POST ends the session and leads to <c>next</c> or <c>LOGOUT_REDIRECT_URL</c>.</summary>
    public static IEndpointConventionBuilder MapLogoutPage(this IEndpointRouteBuilder routes, string path) => routes.MapPage(path, LogoutPage.HandleAsync);

    /// <summary>What <see cref="MapLogoutPage"/> answers, for a page of your own.</summary>
    public static Task<IResult> LogoutPageAsync(this HttpContext http) => LogoutPage.HandleAsync(http);

    /// <summary>Sends the visitor to log in and then back here (<c>login_required</c>).</summary>
    /// <param name="http">The request.</param>
    /// <param name="loginUrl">Null: <c>LOGIN_URL</c>.</param>
    public static IResult RedirectToLogin(this HttpContext http, string? loginUrl = null)
    {
        var options = http.RequestServices.GetRequiredService<GatehouseOptions>();
        var here = http.Request.Path.ToUriComponent() + (http.Request.QueryString.Value is { Length: > 1 } query ? query : "");
        return new DjangoRedirect((loginUrl ?? options.LoginUrl) + "?next=" + Uri.EscapeDataString(here).Replace("%2F", "/", StringComparison.Ordinal));
    }

    /// <summary>A page in the look of the login page, with its content security policy: no script.</summary>
    /// <param name="http">The request.</param>
    /// <param name="title">Text.</param>
    /// <param name="body">HTML, with all that is not yours encoded.</param>
    public static IResult Page(this HttpContext http, string title, string body) => new HtmlPage(StatusCodes.Status200OK, title, body);

    /// <summary>As <see cref="Page(HttpContext, string, string)"/>, with more to say about it.</summary>
    public static IResult Page(this HttpContext http, string title, string body, PageOptions options) =>
        new HtmlPage(options.Status, title, body) { IsWhole = options.IsWhole, Script = options.Script };

    /// <summary>A redirect as Django sends it.</summary>
    public static IResult RedirectPage(this HttpContext http, string location) => new DjangoRedirect(location);

    /// <summary>Django's Not Found page.</summary>
    public static IResult NotFoundPage(this HttpContext http) => HtmlPage.NotFound();

    /// <summary>A 403 page (<c>PermissionDenied</c> in a plain view).</summary>
    public static IResult ForbiddenPage(this HttpContext http) => HtmlPage.Forbidden();
}

/// <summary>What a page may have of its own.</summary>
public sealed class PageOptions
{
    /// <summary>Of the answer. Default 200.</summary>
    public int Status { get; init; } = StatusCodes.Status200OK;

    /// <summary>Whether the body is all of the page. Default false: it stands in the card of the login page.</summary>
    public bool IsWhole { get; init; }

    /// <summary>The address of a script on this server, which must not be needed. Default: none, and no script runs.</summary>
    public string? Script { get; init; }
}

/// <summary>What a login page may have of its own.</summary>
public sealed class LoginPageOptions
{
    /// <summary>Heading.</summary>
    public string Title { get; init; } = "Log in";

    /// <summary>Refuse others than staff, and send staff who are logged in on to <see cref="DefaultNext"/>, as the admin site does.</summary>
    public bool StaffOnly { get; init; }

    /// <summary>The <c>next</c> that the form has when the address has none. Default: none, which leads to <c>LOGIN_REDIRECT_URL</c>.</summary>
    public string DefaultNext { get; init; } = "";

    /// <summary>Give the button the name <c>submit</c>, as REST framework's page does.</summary>
    public bool NamesSubmit { get; init; }
}

internal sealed class LoginPage(
    LoginPageOptions page, SecondFactors factors, SecondFactorStep steps, Passkeys passkeys, SessionLogin login, GatehouseOptions options)
{
    private const string Code = "login";
    private const string SetUp = "login-set-up";
    private const string Allow = "GET, POST, PUT, HEAD, OPTIONS";

    public async Task<IResult> HandleAsync(HttpContext http)
    {
        NeverCache.Set(http);
        var visitor = page.StaffOnly ? await login.UserAsync(http) : null;
        switch (http.Request.Method)
        {
            case "OPTIONS": return NeverCache.Options(http, Allow);
            case "GET" or "HEAD" when visitor is { IsStaff: true }: return new DjangoRedirect(page.DefaultNext);
            case "GET" or "HEAD" or "POST" or "PUT": break;
            default: return NeverCache.MethodNotAllowed(http, Allow);
        }

        var posted = http.Request.Method is "GET" or "HEAD" ? null : await RequestData.ReadAsync(http);
        if (posted?.Error is { } error) return error;
        string Field(string name) => posted?.Form?.GetValueOrDefault(name) ?? "";

        var asked = posted?.Form?.GetValueOrDefault("next") ?? http.Request.Query["next"].LastOrDefault();
        var next = asked is not null && SafeUrl.IsSafe(asked, http, options) ? asked : "";
        var shown = asked is null ? page.DefaultNext : next;
        if (posted is null) return await ShowAsync(http, shown, visitor, "", []);
        if (Field(SecondFactorStep.Field).Length > 0) return await SecondStepAsync(http, next, Field(SecondFactorStep.Field));
        if (Field(Passkeys.Field).Length > 0)
        {
            var shownBy = await http.GetLogins().CheckPasskeyAsync(http, Field(Passkeys.Field), http.RequestAborted);
            if (shownBy.Admitted is { } owner && (owner.IsStaff || !page.StaffOnly))
            {
                await login.LogInAsync(http, owner);
                return new DjangoRedirect(Target(next));
            }
            return await ShowAsync(http, shown, visitor, "", [("", shownBy.Refusal == LoginRefusal.TooMany ? AccountPages.TooManyFailures
                : shownBy.Admitted is not null ? "This passkey is not one of a staff account." : "This passkey was not accepted, or that took too long. Please try again.")]);
        }

        var username = PythonText.Strip(Field("username"));
        var password = Field("password");
        var errors = new List<(string Field, string Message)>();
        if (username.Length == 0) errors.Add(("username", "This field is required."));
        else if (username.Length > options.UserModel.LongestName) errors.Add(("username", $"Ensure this value has at most {options.UserModel.LongestName} characters (it has {username.Length})."));
        else if (username.Contains('\0')) errors.Add(("username", "Null characters are not allowed."));
        if (password.Length == 0) errors.Add(("password", "This field is required."));
        else if (password.Contains('\0')) errors.Add(("password", "Null characters are not allowed."));
        if (errors.Count > 0) return await ShowAsync(http, shown, visitor, Field("username"), errors);

        var outcome = await http.GetLogins().CheckAsync(http, Username.Normalise(username), password, FactorAnswer.None, remember: false, http.RequestAborted);
        if (outcome.Refusal == LoginRefusal.TooMany) return await ShowAsync(http, shown, visitor, Field("username"), [("", AccountPages.TooManyFailures)]);
        if (outcome.User is not { } user || page.StaffOnly && !user.IsStaff)
        {
            var account = page.StaffOnly ? "the correct username and password for a staff account" : "a correct username and password";
            return await ShowAsync(http, shown, visitor, Field("username"), [("", $"Please enter {account}. Note that both fields may be case-sensitive.")]);
        }

        if (outcome.Refusal is LoginRefusal.CodeMissing or LoginRefusal.PasskeyMissing) return await AskForFactorAsync(http, (await PageForm.ReadAsync(http)).Form, next, user);
        if (outcome.Refusal == LoginRefusal.MustSetUp) return LetSetUp((await PageForm.ReadAsync(http)).Form, next, user, SecondFactors.NewSecret());
        await login.LogInAsync(http, user);
        return new DjangoRedirect(Target(next));
    }

    private string Target(string next) => next.Length > 0 ? next : options.LoginRedirectUrl;

    /// <summary>The password was right: now the code, or the app that gives one.</summary>
    private async Task<IResult> SecondStepAsync(HttpContext http, string next, string step)
    {
        var ct = http.RequestAborted;
        var (form, _) = await PageForm.ReadAsync(http);
        var answer = SecondFactorStep.Answer(form);
        if (await steps.ReadAsync(Code, step, ct) is { User: { } user })
        {
            if (page.StaffOnly && !user.IsStaff) return new DjangoRedirect(http.Request.Path);
            if (form.IsValid)
            {
                var outcome = await http.GetLogins().CheckFactorAsync(http, user, answer, ct);
                if (outcome.Admitted is { } admitted)
                {
                    await login.LogInAsync(http, admitted);
                    return new DjangoRedirect(Target(next));
                }
                AccountPages.Fail(form, outcome.Refusal);
            }
            return await AskForFactorAsync(http, form, next, user);
        }
        if (await steps.ReadAsync(SetUp, step, ct) is { User: { } beginner, Secret: { } secret })
        {
            if (form.IsValid && await factors.EnableAsync(beginner, secret, answer.Code, isFirst: true, ct) is { } codes)
            {
                await login.LogInAsync(http, beginner);
                return AccountPages.Page(
                    "Recovery codes", SecondFactorStep.RecoveryHtml(codes) + $"<p><a href=\"{HtmlPage.Escape(Target(next))}\">I have kept them: go on</a></p>");
            }
            if (form.IsValid) form.Fail("otp", LoginOutcome.CodeInvalid);
            return LetSetUp(form, next, beginner, secret);
        }
        return await ShowAsync(http, next, null, "", [("", "That took too long. Please log in again.")]);
    }

    private async Task<HtmlPage> AskForFactorAsync(HttpContext http, PageForm form, string next, User user)
    {
        // Somebody may have taken the last one away meanwhile: then any code is refused, and the login begins anew.
        var status = await factors.StatusAsync(user.Id, http.RequestAborted) ?? new FactorStatus(null, 0, 0);
        var body = "<h1>Second factor</h1>\n" + form.Html(
            "Log in",
            PageForm.Hidden("next", next), PageForm.Hidden(SecondFactorStep.Field, steps.Write(Code, user)), await steps.InputAsync(http, form, user, status, submits: true));
        return new HtmlPage(StatusCodes.Status200OK, "Second factor", body) { FormAction = FormAction(next), Script = AccountPages.ScriptOf(body) };
    }

    private HtmlPage LetSetUp(PageForm form, string next, User user, byte[] secret) => AccountPages.Page(
        "Set up your second factor",
        "<p>Your account must have one.</p>\n" + steps.SetUpHtml(user, secret)
        + form.Html("Turn it on and log in", PageForm.Hidden("next", next), PageForm.Hidden(SecondFactorStep.Field, steps.Write(SetUp, user, secret)), SecondFactorStep.CodeInput(form)));

    // Browsers hold every redirect that follows a form to the policy of its page, so also the one from the authorization endpoint to a
    // client that needs no consent. Which client that is only that endpoint knows.
    private string? FormAction(string next) => next.Contains(options.OAuth.Path + "authorize/", StringComparison.Ordinal) ? null : "'self'";

    private async Task<HtmlPage> ShowAsync(HttpContext http, string next, User? visitor, string username, List<(string Field, string Message)> errors)
    {
        string Errors(string field) => string.Concat(errors.Where(error => error.Field == field).Select(error =>
            $"<div role=\"alert\"><ul class=\"errorlist{(field.Length == 0 ? " nonfield" : "")}\"><li>{HtmlPage.Escape(error.Message)}</li></ul></div>\n"));

        var stranger = visitor is null ? "" :
            $"<p>You are authenticated as {HtmlPage.Escape(visitor.Username)}, but are not authorized to access this page. Would you like to login to a different account?</p>\n";
        var passkey = await passkeys.AskAsync(http, user: null) is not { } challenge ? "" :
            $"<form method=\"post\">\n{PageForm.CsrfField(http)}\n{PageForm.Hidden("next", next)}{SecondFactorStep.PasskeyPart(challenge, "Log in with a passkey", SecondFactorStep.ThenSubmit, isPlain: true)}</form>\n";
        return new HtmlPage(
            StatusCodes.Status200OK, page.Title,
            $"""
            <h1>{HtmlPage.Escape(page.Title)}</h1>
            {stranger}<form method="post">
            <input type="hidden" name="csrfmiddlewaretoken" value="{http.GetCsrfToken()}">
            <input type="hidden" name="next" value="{HtmlPage.Escape(next)}">
            {Errors("")}<label for="id_username">Username</label>
            {Errors("username")}<input type="text" name="username" id="id_username"{(username.Length > 0 ? $" value=\"{HtmlPage.Escape(username)}\"" : "")} maxlength="{options.UserModel.LongestName}" autocapitalize="none" autocomplete="username" autofocus required>
            <label for="id_password">Password</label>
            {Errors("password")}<input type="password" name="password" id="id_password" autocomplete="current-password" required>
            {(page.NamesSubmit ? "<input type=\"submit\" name=\"submit\" value=\"Log in\">" : "<button type=\"submit\">Log in</button>")}
            </form>
            {passkey}{(options.Accounts.BaseUrl.Length > 0 ? "<p><a href=\"/accounts/password_reset/\">Forgotten your password?</a></p>" : "")}
            {(options.Accounts.RegistrationOpen && !page.StaffOnly ? "<p><a href=\"/accounts/register/\">Sign up</a></p>" : "")}
            """)
        {
            FormAction = FormAction(next),
            Script = AccountPages.ScriptOf(passkey),
        };
    }
}

internal static class LogoutPage
{
    public static async Task<IResult> HandleAsync(HttpContext http)
    {
        var login = http.RequestServices.GetRequiredService<SessionLogin>();
        var options = http.RequestServices.GetRequiredService<GatehouseOptions>();
        NeverCache.Set(http);
        if (http.Request.Method == "OPTIONS") return NeverCache.Options(http, "POST, OPTIONS");
        if (http.Request.Method != "POST") return NeverCache.MethodNotAllowed(http, "POST, OPTIONS");

        var next = await RequestData.FormFieldAsync(http, "next") ?? http.Request.Query["next"].LastOrDefault() ?? "";
        await login.LogOutAsync(http);
        var target = next.Length > 0 && SafeUrl.IsSafe(next, http, options) ? next : options.LogoutRedirectUrl;
        // Leading here again would go round in a circle.
        return target == http.Request.Path
            ? new HtmlPage(StatusCodes.Status200OK, "Logged out", "<h1>Logged out</h1>\n<p>Thanks for spending some quality time with the web site today.</p>")
            : new DjangoRedirect(target);
    }
}
