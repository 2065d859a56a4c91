using System.Net;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.Http;

/// <summary>A small page: server-rendered, no script, one style sheet inline by hash, framing denied.</summary>
internal sealed class HtmlPage(int status, string title, string body, bool wide = false) : IResult
{
    private const string Style =
        "body{font:1rem/1.5 system-ui,sans-serif;color:#1b1f24;background:#f6f7f9;margin:0;padding:2rem 1rem}"
        + "main{max-width:26rem;margin:8vh auto;background:#fff;border:1px solid #d5dae1;border-radius:.5rem;padding:1.5rem}"
        + "main.wide{max-width:60rem}pre{overflow-x:auto;margin:0}"
        + "h1{overflow-wrap:anywhere;font-size:1.4rem;margin:0 0 1rem}label{display:block;margin:.75rem 0 .25rem}"
        + "input:not([type=hidden],[type=submit]),select,textarea{font:inherit;width:100%;box-sizing:border-box;padding:.5rem;border:1px solid #8590a0;border-radius:.25rem}"
        + "input:is([type=checkbox],[type=radio]){width:auto;margin-right:.5rem}small{display:block}.links a{margin-right:1rem}"
        + "dt{font-weight:600;margin-top:.75rem}dd{margin:0;overflow-wrap:anywhere}"
        + "button,input[type=submit]{font:inherit;width:auto;margin-top:1.25rem;padding:.5rem 1.25rem;border:0;border-radius:.25rem;background:#0b5cad;color:#fff}"
        + "button.plain{background:none;color:inherit;box-shadow:inset 0 0 0 1px #8590a0}input[type=submit]{margin-right:.75rem}input[type=submit].quiet{background:#5b6675}"
        + "h2{font-size:1.2rem;margin:0 0 1rem}.host{overflow-wrap:anywhere;font-size:1.6rem;font-weight:600;margin:0 0 1rem}.warning{border-left:.3rem solid #f0a500;padding-left:.75rem}"
        + ":focus-visible{outline:3px solid #f0a500;outline-offset:2px}ul.errorlist{color:#a40e26;margin:0 0 .5rem;padding-left:1.2rem}"
        + "@media(prefers-color-scheme:dark){body{color:#e6e9ee;background:#14171b}main{background:#1d2127;border-color:#39414c}"
        + "input:not([type=hidden],[type=submit]),select,textarea{background:#14171b;color:inherit}ul.errorlist{color:#ff9aa8}a{color:#7db7f5}}";

    private static readonly string Policy =
        $"default-src 'none'; style-src 'sha256-{Convert.ToBase64String(System.Security.Cryptography.SHA256.HashData(Encoding.UTF8.GetBytes(Style)))}'; "
        + "frame-ancestors 'none'; base-uri 'none'";

    private TimeSpan? RetryAfter { get; init; }

    /// <summary>Where forms of the page may lead, redirects included: sources of a content security policy. Null: anywhere.</summary>
    public string? FormAction { get; init; } = "'self'";

    /// <summary>Text for HTML, quotes included.</summary>
    public static string Escape(string text) => WebUtility.HtmlEncode(text);

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
            + $"<title>{Escape(title)}</title>\n<style>{Style}</style>\n</head>\n<body>\n<main{(wide ? " class=\"wide\"" : "")}>\n{body}\n</main>\n</body>\n</html>\n");
        var response = httpContext.Response;
        response.StatusCode = status;
        response.ContentType = "text/html; charset=utf-8";
        response.ContentLength = html.Length;
        response.Headers.ContentSecurityPolicy = FormAction is null ? Policy : $"{Policy}; form-action {FormAction}";
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
