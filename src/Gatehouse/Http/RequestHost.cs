using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.Http;

/// <summary>Under which name and scheme we were asked (Django <c>get_host</c>, <c>is_secure</c>).</summary>
internal static partial class RequestHost
{
    private static readonly string[] OwnMachine = [".localhost", "127.0.0.1", "[::1]"];

    /// <summary>Host and port as they were sent.</summary>
    public static string Of(HttpContext http, GatehouseOptions options)
    {
        if (options.Secure.UseXForwardedHost && http.Request.Headers["X-Forwarded-Host"].ToString() is { Length: > 0 } forwarded) return forwarded;
        return http.Request.Headers.Host.ToString();
    }

    public static string Origin(HttpContext http, GatehouseOptions options) =>
        (IsSecure(http, options) ? "https://" : "http://") + Of(http, options);

    public static bool IsSecure(HttpContext http, GatehouseOptions options) =>
        options.Secure.ProxySslHeader is [var header, var value] && http.Request.Headers.TryGetValue(header, out var given)
            ? given.ToString().Split(',')[0].Trim() == value
            : http.Request.IsHttps;

    /// <summary>Whether <paramref name="host"/>, as sent, is one of ours (<c>ALLOWED_HOSTS</c>).</summary>
    public static bool IsAllowed(string host, IList<string> allowed)
    {
        var lower = host.ToLowerInvariant();
        if (lower.Length > 300 || HostPattern().Match(lower) is not { Success: true } match) return false;

        var domain = match.Groups[1].Value;
        if (domain.EndsWith('.')) domain = domain[..^1];
        foreach (var pattern in allowed.Count == 0 ? OwnMachine : allowed)
            if (pattern == "*" || domain.Equals(pattern, StringComparison.OrdinalIgnoreCase) || pattern.StartsWith('.') && IsSubdomain(domain, pattern))
                return true;
        return false;
    }

    /// <summary><c>.example.com</c> covers itself and all below it.</summary>
    public static bool IsSubdomain(string host, string pattern) =>
        host.Equals(pattern[1..], StringComparison.OrdinalIgnoreCase) || host.EndsWith(pattern, StringComparison.OrdinalIgnoreCase);

    [GeneratedRegex("""^([a-z0-9.-]+|\[[a-f0-9]*:[a-f0-9\.:]+\])(?::([0-9]+))?\z""", RegexOptions.CultureInvariant)]
    private static partial Regex HostPattern();
}
