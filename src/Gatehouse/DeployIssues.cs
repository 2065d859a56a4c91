using Gatehouse.OAuth;

namespace Gatehouse;

/// <summary>What a public server should not leave as it is: <c>gatehouse check --deploy</c>, and the start page of the admin site.</summary>
internal static class DeployIssues
{
    /// <summary>Warnings, each with its number and what to do.</summary>
    public static IEnumerable<string> Of(GatehouseOptions options) => [.. OfSettings(options), .. OAuthIssues.Warnings(options.OAuth)];

    /// <summary>Django's own warnings where the setting is the same, then ours.</summary>
    private static IEnumerable<string> OfSettings(GatehouseOptions options)
    {
        if (options.Secure.HstsSeconds == 0)
            yield return "(security.W004) SECURE_HSTS_SECONDS is not set: browsers may be led to plain HTTP. Set it once the site is HTTPS only.";
        if (!options.Secure.SslRedirect && options.Secure.ProxySslHeader.Count == 0)
            yield return "(security.W008) SECURE_SSL_REDIRECT is not true. Unless a proxy redirects, set it; behind a proxy set SECURE_PROXY_SSL_HEADER too.";
        if (options.SecretKey.StartsWith("django-insecure-", StringComparison.Ordinal) || options.SecretKey.Length < 50 || options.SecretKey.Distinct().Count() < 5)
            yield return "(security.W009) SECRET_KEY has less than 50 characters, less than 5 different ones, or is Django's sample. Make one with: openssl rand -base64 48";
        if (!options.Session.CookieSecure) yield return "(security.W012) SESSION_COOKIE_SECURE is not true: the session cookie also goes over plain HTTP.";
        if (!options.Csrf.CookieSecure) yield return "(security.W016) CSRF_COOKIE_SECURE is not true: the CSRF cookie also goes over plain HTTP.";
        if (options.AllowedHosts.Count == 0) yield return "(security.W020) ALLOWED_HOSTS is empty: only this machine's own names are served.";
        if (options.AllowedHosts.Contains("*")) yield return "(gatehouse.W002) ALLOWED_HOSTS allows every name. List those that are yours.";
        if (options.Profile == Profile.Django) yield return "(gatehouse.W003) The profile is Django: the stack's open doors are open. docs/deviations.md lists them.";
        if (options.RestFramework.DefaultPermissionClasses.Any(name => name.EndsWith("AllowAny", StringComparison.Ordinal)))
            yield return "(gatehouse.W004) DEFAULT_PERMISSION_CLASSES allows anyone: a view that forgets to ask is open. Write IsAuthenticated.";
        if (options.RestFramework.DefaultThrottleClasses.Count == 0)
            yield return "(gatehouse.W005) DEFAULT_THROTTLE_CLASSES is empty: passwords may be guessed at full speed. Add AnonRateThrottle with a rate.";
        if (options.PasswordHashers.Any(name => name.Contains("MD5", StringComparison.OrdinalIgnoreCase)))
            yield return "(gatehouse.W006) PASSWORD_HASHERS names MD5, which is for test data only.";
        if (options.AuthPasswordValidators is { Count: 0 }) yield return "(gatehouse.W007) AUTH_PASSWORD_VALIDATORS is empty: every password is accepted.";
    }
}
