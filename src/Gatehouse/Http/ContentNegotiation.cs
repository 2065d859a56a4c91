using Microsoft.AspNetCore.Http;

namespace Gatehouse.Http;

/// <summary>Which form an answer takes (DRF <c>DefaultContentNegotiation</c>).</summary>
internal static class ContentNegotiation
{
    public enum Form
    {
        Json,
        Html,
        UnknownFormat,
        NotAcceptable,
    }

    /// <param name="http">Looked at: <c>?format=</c> and <c>Accept</c>.</param>
    /// <param name="hasHtml">Whether the view can be shown as a page.</param>
    public static Form Choose(HttpContext http, bool hasHtml)
    {
        var (json, html) = (true, hasHtml);
        if (http.Request.QueryString.HasValue && http.Request.Query["format"] is { Count: > 0 } format && format[^1] is { Length: > 0 } wanted)
        {
            (json, html) = (wanted == "json", hasHtml && wanted == "api");
            if (!json && !html) return Form.UnknownFormat;
        }

        var accept = http.Request.Headers.Accept;
        if (accept.Count == 0 || accept.Count == 1 && accept[0] is "*/*") return json ? Form.Json : Form.Html;

        // The most specific type wins, whatever its quality; of two alike the view's own order decides.
        var (jsonRank, htmlRank) = (-1, -1);
        foreach (var header in accept)
        {
            foreach (var text in (header ?? "").Split(','))
            {
                var type = MediaType.Parse(text);
                if (json && type.Is("application", "json")) jsonRank = Math.Max(jsonRank, type.Precedence);
                if (html && type.Is("text", "html")) htmlRank = Math.Max(htmlRank, type.Precedence);
            }
        }
        return jsonRank < 0 && htmlRank < 0 ? Form.NotAcceptable : jsonRank >= htmlRank ? Form.Json : Form.Html;
    }
}

/// <summary>Set on requests whose JSON is to be shown as a page.</summary>
/// <param name="Prepare">Before cookies are written.</param>
/// <param name="Send">Instead of the JSON.</param>
internal sealed record HtmlRendering(Action<HttpContext> Prepare, Func<HttpContext, int, ReadOnlyMemory<byte>, Task> Send);
