using Microsoft.AspNetCore.Http;

namespace Gatehouse.Http;

/// <summary>Which form an answer takes (DRF <c>DefaultContentNegotiation</c>). JSON is the one there is.</summary>
internal static class ContentNegotiation
{
    /// <returns>Null when JSON will do; else 404 for an unknown <c>?format=</c>, 406 for an <c>Accept</c> without it.</returns>
    public static ApiError? Refuse(HttpContext http)
    {
        if (http.Request.QueryString.HasValue && http.Request.Query["format"] is { Count: > 0 } format && format[^1] is { Length: > 0 } wanted && wanted != "json")
            return ApiError.NotFound();

        var accept = http.Request.Headers.Accept;
        if (accept.Count == 0) return null;
        if (accept.Count == 1 && accept[0] is "*/*" or "application/json") return null;

        foreach (var header in accept)
            foreach (var type in (header ?? "").Split(','))
                if (MediaType.Parse(type).Is("application", "json"))
                    return null;
        return ApiError.NotAcceptable();
    }
}
