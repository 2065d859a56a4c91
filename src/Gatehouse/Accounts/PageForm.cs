using System.Globalization;
using System.Net;
using System.Text;
using Gatehouse.Http;
using Gatehouse.Sessions;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.Accounts;

/// <summary>A form of a page (Django's <c>Form</c>): what was posted, what is wrong with it, and its HTML.</summary>
internal sealed class PageForm
{
    public const string Required = "This field is required.";

    private readonly HttpContext http;
    private readonly RequestData? posted;
    private readonly List<(string Field, string Message)> errors = [];

    private PageForm(HttpContext http, RequestData? posted)
    {
        this.http = http;
        this.posted = posted;
    }

    /// <summary>Whether it was sent, rather than asked for.</summary>
    public bool IsPosted => posted is not null;

    public bool IsValid => errors.Count == 0;

    /// <returns>The form, or what to answer when the body cannot be one.</returns>
    public static async Task<(PageForm Form, IResult? Error)> ReadAsync(HttpContext http)
    {
        if (http.Request.Method is "GET" or "HEAD") return (new PageForm(http, null), null);
        var data = await RequestData.ReadAsync(http);
        return (new PageForm(http, data), data.Error);
    }

    /// <summary>What was typed; empty when nothing was.</summary>
    public string Value(string field) => posted?.Form?.GetValueOrDefault(field) ?? "";

    public void Fail(string field, params IEnumerable<string> messages) => errors.AddRange(messages.Select(message => (field, message)));

    /// <summary>A text field (Django's <c>CharField</c>). What is wrong with it is kept; the text comes back all the same.</summary>
    /// <param name="field">Its name.</param>
    /// <param name="maxLength">In UTF-16 units.</param>
    /// <param name="required">Whether it may not be empty.</param>
    /// <param name="strip">Leave out outer white space; not of passwords.</param>
    /// <param name="check">The message for a text that is none, or null.</param>
    public string Text(string field, int maxLength, bool required = true, bool strip = true, Func<string, string?>? check = null)
    {
        var text = Value(field);
        if (strip) text = PythonText.Strip(text);
        if (text.Length == 0)
        {
            if (required) Fail(field, Required);
        }
        // Length before content.
        else if (text.Length > maxLength) Fail(field, $"Ensure this value has at most {maxLength} characters (it has {text.Length}).");
        else if (text.Contains('\0')) Fail(field, "Null characters are not allowed.");
        else if (check?.Invoke(text) is { } wrong) Fail(field, wrong);
        return text;
    }

    /// <summary>A password as it was typed.</summary>
    public string Password(string field) => Text(field, Crypto.PasswordHashes.MaxPasswordLength, strip: false);

    /// <summary>The whole form: errors of no field, fields, button.</summary>
    public string Html(string button, params IEnumerable<string> fields) => $"<form method=\"post\">\n{Inside(fields)}<button type=\"submit\">{Encode(button)}</button>\n</form>\n";

    /// <summary>A form that is sent to another page, and by a script: without a button of its own.</summary>
    public string ScriptHtml(string action, params IEnumerable<string> fields) => $"<form method=\"post\" action=\"{Encode(action)}\">\n{Inside(fields)}</form>\n";

    private string Inside(IEnumerable<string> fields) => $"{CsrfField(http)}\n{ErrorList("")}{string.Concat(fields)}";

    /// <summary>Label, errors, input and help.</summary>
    /// <param name="field">Its name.</param>
    /// <param name="label">Text.</param>
    /// <param name="type">Of the input. What was typed into a password field is not sent back.</param>
    /// <param name="autocomplete">What browsers may fill in.</param>
    /// <param name="maxLength">Null for none.</param>
    /// <param name="required">Whether it may not be empty.</param>
    /// <param name="value">What stands there before anything was typed.</param>
    /// <param name="help">Text.</param>
    /// <param name="more">Attributes.</param>
    public string Input(
        string field, string label, string type = "text", string autocomplete = "off", int? maxLength = null, bool required = true, string value = "", string help = "", string more = "")
    {
        var wrong = errors.Exists(error => error.Field == field);
        var described = string.Join(' ', new[] { wrong ? $"id_{field}_error" : "", help.Length > 0 ? $"id_{field}_help" : "" }.Where(id => id.Length > 0));
        var shown = type == "password" ? "" : IsPosted ? Value(field) : value;
        var html = new StringBuilder();
        html.Append(CultureInfo.InvariantCulture, $"<label for=\"id_{field}\">{Encode(label)}</label>\n{ErrorList(field)}<input type=\"{type}\" name=\"{field}\" id=\"id_{field}\" autocomplete=\"{autocomplete}\"");
        if (shown.Length > 0) html.Append(CultureInfo.InvariantCulture, $" value=\"{Encode(shown)}\"");
        if (maxLength is { } most) html.Append(CultureInfo.InvariantCulture, $" maxlength=\"{most}\"");
        if (described.Length > 0) html.Append(CultureInfo.InvariantCulture, $" aria-describedby=\"{described}\"");
        if (wrong) html.Append(" aria-invalid=\"true\"");
        if (required) html.Append(" required");
        html.Append(more.Length > 0 ? " " + more + ">\n" : ">\n");
        if (help.Length > 0) html.Append(CultureInfo.InvariantCulture, $"<small id=\"id_{field}_help\">{Encode(help)}</small>\n");
        return html.ToString();
    }

    /// <summary>A hidden field.</summary>
    public static string Hidden(string field, string value) => $"<input type=\"hidden\" name=\"{field}\" value=\"{Encode(value)}\">\n";

    /// <summary>The hidden field without which no form is taken.</summary>
    public static string CsrfField(HttpContext http) => $"<input type=\"hidden\" name=\"csrfmiddlewaretoken\" value=\"{http.GetCsrfToken()}\">";

    private string ErrorList(string field)
    {
        var items = string.Concat(errors.Where(error => error.Field == field).Select(error => $"<li>{Encode(error.Message)}</li>"));
        return items.Length == 0 ? ""
            : field.Length == 0 ? $"<div role=\"alert\"><ul class=\"errorlist nonfield\">{items}</ul></div>\n"
            : $"<div role=\"alert\"><ul class=\"errorlist\" id=\"id_{field}_error\">{items}</ul></div>\n";
    }

    private static string Encode(string text) => WebUtility.HtmlEncode(text);
}
