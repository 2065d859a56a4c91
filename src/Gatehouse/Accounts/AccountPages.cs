using Gatehouse.Http;
using Gatehouse.Sessions;
using Gatehouse.Users;
using Gatehouse.Views;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Gatehouse.Accounts;

/// <summary>What the pages below /accounts/ have in common: never cached, GET and POST, and the way to log in.</summary>
internal static class AccountPages
{
    private const string FormMethods = "GET, POST, PUT, HEAD, OPTIONS";
    private const string ReadMethods = "GET, HEAD, OPTIONS";

    /// <summary>A page for whoever is logged in (<c>login_required</c>).</summary>
    /// <param name="routes">The application.</param>
    /// <param name="path">With its trailing slash.</param>
    /// <param name="handler">Answers.</param>
    /// <param name="hasForm">Whether something can be posted to it.</param>
    public static void MapAccountPage(this IEndpointRouteBuilder routes, string path, Func<HttpContext, User, Task<IResult>> handler, bool hasForm = true) =>
        routes.MapOpenPage(path, async http => await http.GetSessionUserAsync() is { } user ? await handler(http, user) : http.RedirectToLogin(), hasForm);

    /// <summary>A page for anybody.</summary>
    public static void MapOpenPage(this IEndpointRouteBuilder routes, string path, Func<HttpContext, Task<IResult>> handler, bool hasForm = true)
    {
        var methods = hasForm ? FormMethods : ReadMethods;
        var allowed = methods.Split(", ");
        routes.MapPage(path, async http =>
        {
            NeverCache.Set(http);
            if (http.Request.Method == "OPTIONS") return NeverCache.Options(http, methods);
            return allowed.Contains(http.Request.Method) ? await handler(http) : NeverCache.MethodNotAllowed(http, methods);
        });
    }

    /// <summary>A page with a heading.</summary>
    /// <param name="title">Text.</param>
    /// <param name="body">HTML.</param>
    public static HtmlPage Page(string title, string body) => new(StatusCodes.Status200OK, title, $"<h1>{HtmlPage.Escape(title)}</h1>\n{body}") { Script = ScriptOf(body) };

    /// <summary>Where a passkey can be made or shown, a script is needed; else none may run.</summary>
    public static string? ScriptOf(string body) => body.Contains(" data-passkey=\"", StringComparison.Ordinal) ? ViewAssets.PasskeyScript : null;

    /// <summary>A page that says one thing, with a link to go on.</summary>
    public static HtmlPage Notice(string title, string text, string href, string link) =>
        Page(title, $"<p>{HtmlPage.Escape(text)}</p>\n<p><a href=\"{HtmlPage.Escape(href)}\">{HtmlPage.Escape(link)}</a></p>");

    /// <summary>429 as a page.</summary>
    public static HtmlPage TooMany(TimeSpan? wait)
    {
        var minutes = (int)Math.Ceiling((wait ?? TimeSpan.FromMinutes(1)).TotalMinutes);
        return new HtmlPage(
            StatusCodes.Status429TooManyRequests, "Too many requests",
            $"<h1>Too many requests</h1>\n<p>Please try again in {(minutes <= 1 ? "a minute" : $"{minutes} minutes")}.</p>")
        {
            RetryAfter = wait,
        };
    }

    /// <summary>The user's own password, asked for before something that the wrong person must not do.</summary>
    public static async Task CheckPasswordAsync(HttpContext http, PageForm form, User user, string field, string password, string wrong)
    {
        if (!form.IsValid) return;
        switch ((await http.GetLogins().CheckOwnPasswordAsync(http, user, password, http.RequestAborted)).Refusal)
        {
            case LoginRefusal.None: break;
            case LoginRefusal.TooMany: form.Fail(field, TooManyFailures); break;
            default: form.Fail(field, wrong); break;
        }
    }

    /// <summary>The same for the API, as <c>current_password</c>; null when it is right.</summary>
    public static async Task<IResult?> PasswordErrorAsync(HttpContext http, User user, ApiForm form)
    {
        var password = form.Text("current_password", trim: false, maxLength: Crypto.PasswordHashes.MaxPasswordLength);
        if (form.Error is { } error) return error;
        var outcome = await http.GetLogins().CheckOwnPasswordAsync(http, user, password!, http.RequestAborted);
        return outcome.ApiRefusal ?? (outcome.Admitted is null ? ApiError.Validation("current_password", "Invalid password.") : null);
    }

    /// <summary>The user's second factor, for the same.</summary>
    public static async Task CheckFactorAsync(HttpContext http, PageForm form, User user, FactorAnswer answer)
    {
        if (!form.IsValid) return;
        Fail(form, (await http.GetLogins().CheckFactorAsync(http, user, answer, http.RequestAborted)).Refusal);
    }

    /// <summary>Says in a form why a second factor was refused, if it was.</summary>
    public static void Fail(PageForm form, LoginRefusal refusal)
    {
        switch (refusal)
        {
            case LoginRefusal.None: break;
            case LoginRefusal.TooMany: form.Fail("otp", TooManyFailures); break;
            case LoginRefusal.PasskeyMissing: form.Fail("", LoginOutcome.PasskeyRequired); break;
            case LoginRefusal.PasskeyWrong: form.Fail("", Passkeys.Invalid); break;
            default: form.Fail("otp", LoginOutcome.CodeInvalid); break;
        }
    }

    /// <summary>Password, and second factor where there is one, for the API; null when they are right.</summary>
    public static async Task<IResult?> ProofErrorAsync(HttpContext http, User user, ApiForm form, FactorStatus? status) =>
        await PasswordErrorAsync(http, user, form) is { } wrong ? wrong
        : status is null ? null
        : (await http.GetLogins().CheckFactorAsync(http, user, FactorAnswer.Of(form), http.RequestAborted)).ApiRefusal;

    public const string TooManyFailures = "Too many failed attempts. Please try again later.";
}
