using System.Globalization;
using System.Net;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.Http;

/// <summary>A page: server-rendered, one style sheet, nothing inline, framing denied.</summary>
internal sealed class HtmlPage(int status, string title, string body, bool wide = false) : IResult
{
    private const string Policy = "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'";

    /// <summary>For the <c>Retry-After</c> header.</summary>
    public TimeSpan? RetryAfter { get; init; }

    /// <summary>Where forms of the page may lead, redirects included: sources of a content security policy. Null: anywhere.</summary>
    public string? FormAction { get; init; } = "'self'";

    /// <summary>The address of a script of ours that makes the page handier; null: there is none, and none would run.</summary>
    public string? Script { get; init; }

    /// <summary>Whether the body is all of the page, and not the card in its middle.</summary>
    public bool IsWhole { get; init; }

    /// <summary>Text for HTML, quotes included.</summary>
    public static string Escape(string text) => WebUtility.HtmlEncode(text);

    /// <summary>
    /// Text for HTML that strangers chose to be called by, without what would turn, hide or break the text around it: controls, marks of
    /// direction, broken halves of characters. It belongs into <c>bdi</c>.
    /// </summary>
    public static string EscapeName(string text)
    {
        var plain = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            var isPlain = Rune.GetUnicodeCategory(rune) is not (UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator
                or UnicodeCategory.ParagraphSeparator or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned);
            plain.Append(isPlain ? rune.ToString() : "\uFFFD");
        }
        return Escape(plain.ToString());
    }

    public static HtmlPage NotFound() => new(404, "Not Found", "<h1>Not Found</h1>\n<p>The requested resource was not found on this server.</p>");

    public static HtmlPage BadRequest() => new(400, "Bad Request (400)", "<h1>Bad Request (400)</h1>");

    public static HtmlPage Forbidden() => new(403, "403 Forbidden", "<h1>403 Forbidden</h1>");

    public static HtmlPage ServerError(string id) => new(
        500, "Server Error (500)", $"<h1>Server Error (500)</h1>\n<p>The server's log has the details under {Escape(id)}.</p>");

    public static HtmlPage Unavailable(TimeSpan retryAfter) =>
        new(503, "Unavailable (503)", "<h1>Unavailable (503)</h1>\n<p>Please try again in a moment.</p>") { RetryAfter = retryAfter };

    public static HtmlPage CsrfFailure(bool noReferer) => new(
        403, "403 Forbidden",
        "<h1>Forbidden <span>(403)</span></h1>\n<p>CSRF verification failed. Request aborted.</p>\n"
        + (noReferer
            ? "<p>This site requires a “Referer header” to be sent by your web browser, but none was sent. It is needed to make sure "
              + "that your browser is not being misled by others.</p>"
            : "<p>This page was left open for too long, or another site sent you here. Go back, reload the page and try again.</p>"));

    public async Task ExecuteAsync(HttpContext httpContext)
    {
        await BeforeResponse.RunAsync(httpContext);
        var html = Encoding.UTF8.GetBytes(
            $"<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
            + $"<title>{Escape(title)}</title>\n{StyleSheet.Link}\n{(Script is null ? "" : $"<script src=\"{Script}\" defer></script>\n")}</head>\n"
            + (IsWhole ? $"<body class=\"whole\">\n{body}\n" : $"<body>\n<main{(wide ? " class=\"wide\"" : "")}>\n{body}\n</main>\n") + "</body>\n</html>\n");
        var response = httpContext.Response;
        response.StatusCode = status;
        response.ContentType = "text/html; charset=utf-8";
        response.ContentLength = html.Length;
        response.Headers.ContentSecurityPolicy = Policy + (Script is null ? "" : "; script-src 'self'") + (FormAction is null ? "" : $"; form-action {FormAction}");
        if (RetryAfter is { } wait)
            response.Headers.RetryAfter = Math.Max(1, (long)Math.Ceiling(wait.TotalSeconds)).ToString(System.Globalization.CultureInfo.InvariantCulture);
        await response.Body.WriteAsync(html, httpContext.RequestAborted);
    }
}

/// <summary>Django's <c>SuspiciousOperation</c>: a 400 page, whatever the view would have said.</summary>
internal sealed class SuspiciousRequest : IResult
{
    public Task ExecuteAsync(HttpContext httpContext)
    {
        httpContext.Response.Headers.Remove("Allow");
        httpContext.Response.Headers.Remove("Vary");
        return HtmlPage.BadRequest().ExecuteAsync(httpContext);
    }
}

/// <summary>A redirect as Django sends it: an empty page.</summary>
internal sealed class DjangoRedirect(string location, int status = StatusCodes.Status302Found) : IResult
{
    public async Task ExecuteAsync(HttpContext httpContext)
    {
        await BeforeResponse.RunAsync(httpContext);
        var response = httpContext.Response;
        response.StatusCode = status;
        response.ContentType = "text/html; charset=utf-8";
        response.ContentLength = 0;
        response.Headers.Location = IriToUri(location);
    }
    /// <summary>Django's <c>iri_to_uri</c>: what cannot stand in a header is percent-encoded, what is encoded stays.</summary>
    private static string IriToUri(string iri)
    {
        const string safe = "/#%[]=:;$&()+,!?*@'~-._";
        if (iri.All(c => char.IsAsciiLetterOrDigit(c) || safe.Contains(c))) return iri;

        var uri = new StringBuilder(iri.Length + 16);
        foreach (var octet in Encoding.UTF8.GetBytes(iri))
        {
            if (char.IsAsciiLetterOrDigit((char)octet) || safe.Contains((char)octet)) uri.Append((char)octet);
            else uri.Append('%').Append(octet.ToString("X2", System.Globalization.CultureInfo.InvariantCulture));
        }
        return uri.ToString();
    }
}
