namespace Gatehouse.OAuth.Clients;

/// <summary>How the redirect URI of a request may differ from the registered one.</summary>
/// <param name="AllowWildcards">Whether a registered host may begin with <c>*</c> (<c>ALLOW_URI_WILDCARDS</c>).</param>
/// <param name="AllowLocalhostLoopback">Whether <c>http://localhost</c> may have any port, as the loopback addresses may (<c>ALLOW_LOCALHOST_LOOPBACK</c>).</param>
/// <param name="Exact">Whether it must be the registered text, save for a loopback port: no wildcards, no other case (RFC 9700 §2.1).</param>
internal sealed record RedirectUriRules(bool AllowWildcards = false, bool AllowLocalhostLoopback = false, bool Exact = false);

/// <summary>Where a client may have its users sent (DOT <c>redirect_to_uri_allowed</c>), for logins and for logouts.</summary>
internal static class RedirectUris
{
    /// <param name="uri">What the request names, in any length and shape.</param>
    /// <param name="registered">The client's own; one that not all parsers read alike authorises nothing.</param>
    /// <param name="rules">What else is the same.</param>
    public static bool IsAllowed(string uri, IReadOnlyList<string> registered, RedirectUriRules rules) =>
        StrictUri.Read(uri) is { HasDotSegments: false } asked && registered.Any(text => Matches(uri, asked, text, rules));

    private static bool Matches(string uri, StrictUri asked, string text, RedirectUriRules rules)
    {
        // Read as if one letter stood in place of the star.
        var colon = text.IndexOf(':');
        var isWildcard = rules is { AllowWildcards: true, Exact: false } && colon > 0 && text.AsSpan(colon).StartsWith("://*");
        if (StrictUri.Read(isWildcard ? $"{text[..colon]}://w{text[(colon + 4)..]}" : text) is not { } allowed) return false;

        // RFC 8252 §7.3: a native application listens on whatever port is free.
        var anyPort = allowed.Scheme == "http" && (allowed.Host is "127.0.0.1" or "::1" || rules.AllowLocalhostLoopback && allowed.Host == "localhost");
        if (rules.Exact) return anyPort ? asked.WithoutPort == allowed.WithoutPort : uri == text;

        return asked.Scheme == allowed.Scheme
            && (isWildcard ? EndsWith(asked.Host, allowed.Host![1..]) : asked.Host == allowed.Host)
            && (anyPort || asked.Port == allowed.Port)
            && asked.Path == allowed.Path
            && asked.Query == allowed.Query;
    }

    // Never a whole top or second level, whoever registered it: *.com is everybody's.
    private static bool EndsWith(string? host, string suffix) =>
        host is not null && suffix.Count(c => c == '.') >= 2 && host.Length > suffix.Length && host.EndsWith(suffix, StringComparison.Ordinal);
}
