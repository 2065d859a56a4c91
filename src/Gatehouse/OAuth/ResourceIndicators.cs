using Gatehouse.OAuth.Clients;

namespace Gatehouse.OAuth;

/// <summary>Which API a token is for, RFC 8707.</summary>
internal static class ResourceIndicators
{
    // A request's own address may be as long as a request line.
    private const int MaxLength = 8192;

    /// <summary>Whether a <c>resource</c> is an absolute URI with a host, without user information and fragment (DOT <c>is_valid_resource_uri</c>).</summary>
    public static bool IsValid(string uri) => Read(uri) is not null;

    /// <summary>Whether a token for <paramref name="audiences"/> is good for a request (DOT <c>validate_resource_as_url_prefix</c>): at or below one of them.</summary>
    /// <param name="requestUri">Absolute, without its query.</param>
    /// <param name="audiences">None: the token is good everywhere.</param>
    public static bool CoverByPrefix(string requestUri, IReadOnlyList<string> audiences)
    {
        if (audiences.Count == 0) return true;
        if (Read(requestUri) is not { } request) return false;
        return audiences.Any(audience => Read(audience) is { } allowed && request.Where == allowed.Where && request.Path.StartsWith(allowed.Path, StringComparison.Ordinal));
    }

    private static ((string Scheme, string Host, int? Port) Where, string Path)? Read(string text)
    {
        if (StrictUri.Read(text, MaxLength) is not { Host: { } host } uri) return null;

        var port = uri.Port ?? (uri.Scheme switch { "http" => 80, "https" => 443, _ => (int?)null });
        return ((uri.Scheme, host, port), Normal(uri.Path));
    }

    // posixpath.normpath, with a slash behind, so that /foo is no prefix of /food; %2e is a dot, as it is to whoever serves the request.
    private static string Normal(string path)
    {
        var segments = new List<string>();
        foreach (var segment in path.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            var dots = StrictUri.Dots(segment);
            if (dots == 0) segments.Add(segment);
            else if (dots == 2 && segments.Count > 0) segments.RemoveAt(segments.Count - 1);
        }
        if (segments.Count == 0) return "/";
        // POSIX keeps two slashes at the start, and makes one of more.
        var start = path.StartsWith("//", StringComparison.Ordinal) && !path.StartsWith("///", StringComparison.Ordinal) ? "//" : "/";
        return $"{start}{string.Join('/', segments)}/";
    }
}
