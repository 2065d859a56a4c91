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
        resources.FirstOrDefault(one => !ResourceIndicators.IsValid(one)) is { } wrong
            ? OAuthError.InvalidTarget($"The resource '{wrong}' is not a valid resource indicator: it must be an absolute URI with a scheme and host.")
            : null;
}
