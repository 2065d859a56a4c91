using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Gatehouse.Http;

/// <summary>What strangers sent, made fit for a log: one line, no terminal escapes, not long.</summary>
internal static class LogText
{
    private const int MaxLength = 200;

    /// <summary>The path of a request; where a part of it is a token, as in links that are mailed, the route in its place.</summary>
    public static string PathOf(HttpContext http) =>
        http.GetEndpoint() is RouteEndpoint route && route.RoutePattern.GetParameter("token") is not null ? route.RoutePattern.RawText ?? "" : Clean(http.Request.Path);

    public static string Clean(string text)
    {
        if (text.Length > MaxLength) text = text[..MaxLength] + "…";
        return text.Any(char.IsControl) ? string.Concat(text.Select(c => char.IsControl(c) ? '\uFFFD' : c)) : text;
    }
}
