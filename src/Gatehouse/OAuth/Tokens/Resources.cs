namespace Gatehouse.OAuth.Tokens;

/// <summary>What tokens are good for, RFC 8707 (DOT's <c>_check_and_set_request_resource</c>).</summary>
internal static class Resources
{
    private const int Most = 100;

    /// <param name="asked">As the token request names them; empty: all that was granted.</param>
    /// <param name="granted">What the grant allows at the most; empty: anything.</param>
    /// <param name="isRefresh">For the words of the error.</param>
    public static (IReadOnlyList<string> Resource, OAuthError? Error) Choose(IReadOnlyList<string> asked, IReadOnlyList<string> granted, bool isRefresh)
    {
        if (asked is [var only] && string.IsNullOrWhiteSpace(only)) asked = [];
        if (asked.Count > Most) return ([], OAuthError.InvalidTarget("There are too many resources."));
        var resource = asked.Count > 0 ? asked : granted;
        if (Refuse(resource) is { } error) return ([], error);
        if (granted.Count > 0 && asked.FirstOrDefault(one => !granted.Contains(one)) is { } beyond)
        {
            return ([], OAuthError.InvalidTarget($"The requested resource '{beyond}' is not allowed. " + (isRefresh
                ? "Token refresh cannot request resources beyond the original refresh token scope"
                : "Token request cannot escalate resource permissions beyond the original authorization grant")));
        }
        return (resource, null);
    }

    /// <summary>An error when one of these is no address with a scheme and a host.</summary>
    public static OAuthError? Refuse(IReadOnlyList<string> resources) =>
        resources.FirstOrDefault(one => !IsValid(one)) is { } wrong
            ? OAuthError.InvalidTarget($"The resource '{wrong}' is not a valid resource indicator: it must be an absolute URI with a scheme and host.")
            : null;

    // Read strictly; what two parsers could read differently is refused by the characters.
    private static bool IsValid(string uri) =>
        uri.Length <= 2048 && !uri.Contains('#') && !uri.Contains('@') && !uri.Contains('\\') && uri.All(c => c is > ' ' and < '\u007f')
        && Uri.TryCreate(uri, UriKind.Absolute, out var parsed) && parsed.Host.Length > 0 && uri.StartsWith(parsed.Scheme + "://", StringComparison.OrdinalIgnoreCase);

    /// <summary>Whether an address lies at or below a resource (DOT's <c>validate_resource_as_url_prefix</c>).</summary>
    public static bool Covers(string resource, string address)
    {
        if (!IsValid(resource) || !IsValid(address)) return false;
        var (wanted, given) = (new Uri(resource), new Uri(address));
        if (wanted.Scheme != given.Scheme || wanted.Host != given.Host || wanted.Port != given.Port) return false;
        return (given.AbsolutePath.TrimEnd('/') + "/").StartsWith(wanted.AbsolutePath.TrimEnd('/') + "/", StringComparison.Ordinal);
    }
}
