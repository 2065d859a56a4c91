namespace Gatehouse.OAuth.Clients;

/// <summary>Which web pages may call the token endpoint for a client (DOT <c>is_origin_allowed</c>), for CORS.</summary>
internal static class AllowedOrigins
{
    /// <param name="origin">The header <c>Origin</c>, in any length and shape.</param>
    /// <param name="registered">The client's own.</param>
    /// <param name="schemes"><c>ALLOWED_SCHEMES</c>.</param>
    public static bool IsAllowed(string origin, IReadOnlyList<string> registered, IReadOnlyCollection<string> schemes) =>
        StrictUri.Read(origin) is { Host: not null, Path: "", Query: null } asked && schemes.Contains(asked.Scheme)
        && registered.Any(text => StrictUri.Read(text) is { } allowed && allowed.Scheme == asked.Scheme && allowed.Authority == asked.Authority);
}
