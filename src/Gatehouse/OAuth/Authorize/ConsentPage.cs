using System.Globalization;
using System.Text;
using Gatehouse.Http;
using Gatehouse.Users;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.OAuth.Authorize;

/// <summary>
/// The page that asks the user (DOT's <c>AllowForm</c> and <c>authorize.html</c>), with its names and values of fields: who asks, where the answer
/// goes, and what for.
/// </summary>
internal static class ConsentPage
{
    /// <summary>The form's fields, in their order, without <c>allow</c>.</summary>
    public static readonly string[] Fields =
        ["redirect_uri", "scope", "nonce", "client_id", "state", "response_type", "code_challenge", "code_challenge_method", "claims", "resource"];

    private static readonly string[] Required = ["redirect_uri", "scope", "client_id", "response_type"];

    /// <summary>What the form holds for a request (DOT <c>get_initial</c>).</summary>
    public static string? Initial(AuthorizationRequest request, string field) => field switch
    {
        "redirect_uri" => request.RedirectUri,
        "scope" => string.Join(' ', request.Scopes),
        "nonce" => request.IsOpenId ? request.Nonce : null,
        "client_id" => request.Client.ClientId,
        "state" => request.State,
        "response_type" => request.ResponseType,
        "code_challenge" => request.CodeChallenge,
        "code_challenge_method" => request.CodeChallengeMethod,
        "claims" => request.IsOpenId ? request.Claims : null,
        "resource" => string.Join(' ', request.Resource),
        _ => null,
    };

    /// <summary>What is wrong with a form that came back, in Django's words.</summary>
    public static IReadOnlyList<(string Field, string Message)> Errors(IReadOnlyDictionary<string, string?> posted)
    {
        var errors = new List<(string, string)>();
        foreach (var field in Fields)
        {
            var value = PythonText.Strip(posted.GetValueOrDefault(field) ?? "");
            if (value.Contains('\0')) errors.Add((field, "Null characters are not allowed."));
            else if (value.Length == 0 && Required.Contains(field)) errors.Add((field, "This field is required."));
        }
        return errors;
    }

    /// <param name="http">The request.</param>
    /// <param name="request">What is asked.</param>
    /// <param name="user">Who is asked.</param>
    /// <param name="scopes">How scopes are said to people.</param>
    /// <param name="binding">What binds the form to the request; null: nothing.</param>
    public static IResult Show(HttpContext http, AuthorizationRequest request, User user, IReadOnlyDictionary<string, string> scopes, string? binding)
    {
        var client = request.Client;
        var target = new Uri(request.RedirectUri);
        var isWeb = target.Scheme is "http" or "https";
        var html = new StringBuilder()
            .Append(CultureInfo.InvariantCulture, $"<h1>Authorize <bdi>{HtmlPage.EscapeName(client.ToString())}</bdi>?</h1>\n")
            .Append(isWeb
                ? $"<p>You will be sent to</p>\n<p class=\"host\">{HtmlPage.Escape(Host(target))}</p>\n"
                : $"<p>You will be sent to the application that opens</p>\n<p class=\"host\">{HtmlPage.Escape(target.Scheme)}:</p>\n");
        if (isWeb && target.IsLoopback) html.Append("<p>That is a program on your own device.</p>\n");
        if (client.RegistrationSource is "dcr" or "cimd") html.Append("<p class=\"warning\"><strong>Unverified:</strong> this application registered itself. Go on only if you trust the address above.</p>\n");
        html.Append(CultureInfo.InvariantCulture, $"<p>You are logged in as <bdi>{HtmlPage.EscapeName(user.Username)}</bdi>.</p>\n");

        html.Append("<form id=\"authorizationForm\" method=\"post\">\n");
        AppendFields(html, http, field => Initial(request, field));
        if (binding is not null) AppendHidden(html, "consent", binding);
        html.Append("<p>Application requires the following permissions</p>\n<ul>\n");
        foreach (var scope in request.Scopes) html.Append(CultureInfo.InvariantCulture, $"<li>{HtmlPage.Escape(scopes.GetValueOrDefault(scope) ?? scope)}</li>\n");
        html.Append("</ul>\n");
        if (request.Resource.Count > 0)
        {
            html.Append("<p>for</p>\n<ul>\n");
            foreach (var resource in request.Resource) html.Append(CultureInfo.InvariantCulture, $"<li>{HtmlPage.Escape(resource)}</li>\n");
            html.Append("</ul>\n");
        }
        AppendButtons(html);
        // Chromium holds every redirect that follows a form to its page's policy, and a client's callback may lead on to anywhere: another host of the
        // client's, the application on the phone. No list is right, so there is none; the form has no address of its own, and posts here.
        return new HtmlPage(StatusCodes.Status200OK, "Authorize", html.ToString()) { FormAction = null };
    }

    /// <summary>A form that came back incomplete (Django's <c>form_invalid</c>): there is nothing in it that could be shown as a request.</summary>
    public static IResult ShowAgain(HttpContext http, IReadOnlyDictionary<string, string?> posted, IReadOnlyList<(string Field, string Message)> errors)
    {
        var html = new StringBuilder("<h1>Authorize?</h1>\n<form id=\"authorizationForm\" method=\"post\">\n");
        AppendFields(html, http, field => posted.GetValueOrDefault(field));
        foreach (var (field, message) in errors) html.Append(CultureInfo.InvariantCulture, $"<ul class=\"errorlist\"><li>{field}: {message}</li></ul>\n");
        AppendButtons(html);
        return new HtmlPage(StatusCodes.Status200OK, "Authorize", html.ToString());
    }

    private static void AppendFields(StringBuilder html, HttpContext http, Func<string, string?> value)
    {
        html.Append(http.CsrfField()).Append('\n');
        foreach (var field in Fields) AppendHidden(html, field, value(field));
    }

    private static void AppendHidden(StringBuilder html, string name, string? value) =>
        html.Append(CultureInfo.InvariantCulture, $"<input type=\"hidden\" name=\"{name}\"{(string.IsNullOrEmpty(value) ? "" : $" value=\"{HtmlPage.Escape(value)}\"")}>\n");

    // The first button is the one that the enter key presses.
    private static void AppendButtons(StringBuilder html) =>
        html.Append("<input type=\"submit\" class=\"quiet\" value=\"Cancel\">\n<input type=\"submit\" name=\"allow\" value=\"Authorize\">\n</form>");

    private static string Host(Uri target) => target.IsDefaultPort ? target.Host : $"{target.Host}:{target.Port}";
}
