using System.Net;
using System.Net.Sockets;

namespace Gatehouse.OAuth.Clients;

/// <summary>
/// Which URIs a client may register, with DOT's messages (<c>AllowedURIValidator</c>). What could never be matched later, because parsers
/// differ about it, is refused here already.
/// </summary>
/// <param name="Schemes">Those allowed, in lower case. <c>javascript</c> and its like are refused even if they are among them.</param>
/// <param name="Name">How messages name the URI: <c>redirect uri</c>.</param>
/// <param name="AllowPath">Whether there may be a path.</param>
/// <param name="AllowQuery">Whether there may be a query.</param>
/// <param name="AllowHostnameWildcard">Whether the host may begin with <c>*</c>.</param>
internal sealed record AllowedUriValidator(
    IReadOnlyCollection<string> Schemes, string Name, bool AllowPath = false, bool AllowQuery = false, bool AllowHostnameWildcard = false)
{
    /// <summary>One message for each URI that is wrong, of a list with white space between.</summary>
    public IEnumerable<string> ErrorsOf(string uris) =>
        uris.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Select(ErrorOf).OfType<string>();

    /// <returns>The message, or null when all is well.</returns>
    public string? ErrorOf(string value)
    {
        var (scheme, netloc, path) = Split(value);
        if (BracketError(netloc) is { } wrong) return Error(wrong);
        if (!Schemes.Contains(scheme) || StrictUri.IsDangerous(scheme)) return $"{Name} URI Validation error. invalid_scheme: {value}";
        if (!AllowQuery && value.Split('#')[0].Contains('?')) return Error("query string not allowed");
        if (value.Contains('#')) return Error("fragment not allowed");
        if (path.Length > 0 && !AllowPath) return Error("path not allowed");

        if (netloc.Length == 0)
        {
            if (StrictUri.NeedsAuthority(scheme)) return Error("missing host");
            // RFC 8252 §7.1: com.example.app:/oauth2redirect
            return path.StartsWith('/') && !value[(scheme.Length + 1)..].StartsWith("//", StringComparison.Ordinal) && IsSound(value) ? null : Error("invalid URI");
        }

        var host = netloc;
        if (AllowHostnameWildcard && netloc.Contains('*'))
        {
            if (netloc.Count(c => c == '*') > 1) return Error("only one wildcard is allowed in the hostname");
            if (netloc[0] != '*') return Error("wildcards must be at the beginning of the hostname");
            if (netloc.Count(c => c == '.') < 2) return Error("wildcards cannot be in the top level or second level domain");

            host = netloc.StartsWith("*.", StringComparison.Ordinal) ? netloc[2..] : netloc[1..];
            // *--site.netlify.app
            host = host.StartsWith("--", StringComparison.Ordinal) ? host[2..] : host.StartsWith('-') ? host[1..] : host;
        }
        var startsWell = host is [var first, ..] && (char.IsAsciiLetterOrDigit(first) || first == '[');
        return startsWell && IsSound($"{scheme}://{host}{value[(scheme.Length + 3 + netloc.Length)..]}") ? null : Error("['Enter a valid URL.']");

        string Error(string cause) => $"{Name} URI validation error. {cause}: {value}";
    }

    private static bool IsSound(string uri) => StrictUri.Read(uri) is { HasDotSegments: false };

    // As Python's urlsplit, so that each mistake gets the stack's own message.
    private static (string Scheme, string Netloc, string Path) Split(string value)
    {
        var colon = value.IndexOf(':');
        var hasScheme = colon > 0 && char.IsAsciiLetter(value[0]) && value[..colon].All(c => char.IsAsciiLetterOrDigit(c) || c is '+' or '-' or '.');
        var scheme = hasScheme ? value[..colon].ToLowerInvariant() : "";
        var rest = hasScheme ? value[(colon + 1)..] : value;
        var netloc = "";
        if (rest.StartsWith("//", StringComparison.Ordinal))
        {
            var end = rest.IndexOfAny(['/', '?', '#'], 2) is > 0 and var at ? at : rest.Length;
            netloc = rest[2..end];
            rest = rest[end..];
        }
        return (scheme, netloc, rest.Split('#')[0].Split('?')[0]);
    }

    private static string? BracketError(string netloc)
    {
        if (!netloc.Contains('[') && !netloc.Contains(']')) return null;

        var host = netloc[(netloc.LastIndexOf('@') + 1)..];
        var end = host.IndexOf(']');
        if (!host.StartsWith('[') || end < 0 || host.Length > end + 1 && host[end + 1] != ':') return "Invalid IPv6 URL";
        var address = host[1..end];
        if (address.StartsWith('v') || address.StartsWith('V')) return "IPvFuture address is invalid";
        if (!IPAddress.TryParse(address, out var ip)) return $"'{address}' does not appear to be an IPv4 or IPv6 address";
        return ip.AddressFamily == AddressFamily.InterNetworkV6 ? null : "An IPv4 address cannot be in brackets";
    }
}
