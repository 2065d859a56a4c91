using Microsoft.AspNetCore.Http;

namespace Gatehouse.Http;

/// <summary>Whether a <c>next</c> stays here (Django <c>url_has_allowed_host_and_scheme</c>), read as browsers read it.</summary>
internal static class SafeUrl
{
    public static bool IsSafe(string url, HttpContext http, GatehouseOptions options)
    {
        url = url.Trim();
        if (url.Length is 0 or > 2048) return false;
        // Browsers treat \ as /, and Django checks both readings.
        return IsSafeAsRead(url, http, options) && IsSafeAsRead(url.Replace('\\', '/'), http, options);
    }

    private static bool IsSafeAsRead(string url, HttpContext http, GatehouseOptions options)
    {
        if (url.StartsWith("///", StringComparison.Ordinal) || url.Any(char.IsControl)) return false;

        var colon = url.IndexOf(':');
        var slash = url.IndexOfAny(['/', '?', '#']);
        var hasScheme = colon > 0 && (slash < 0 || colon < slash);
        var rest = hasScheme ? url[(colon + 1)..] : url;
        if (!rest.StartsWith("//", StringComparison.Ordinal)) return !hasScheme;

        // https:///evil and ///evil are read as //evil by browsers.
        var end = rest.IndexOfAny(['/', '?', '#'], 2);
        var host = end < 0 ? rest[2..] : rest[2..end];
        if (host.Length == 0 || host != RequestHost.Of(http, options)) return false;
        var scheme = hasScheme ? url[..colon] : "http";
        return RequestHost.IsSecure(http, options) ? scheme == "https" || !hasScheme : scheme is "http" or "https";
    }
}
