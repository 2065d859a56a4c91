namespace Gatehouse.Sessions;

/// <summary>Protection from cross-site request forgery (<c>CSRF_*</c>).</summary>
public sealed class CsrfOptions
{
    /// <summary>Default <c>csrftoken</c> (<c>CSRF_COOKIE_NAME</c>).</summary>
    public string CookieName { get; set; } = "csrftoken";

    /// <summary>Default one year of 52 weeks (<c>CSRF_COOKIE_AGE</c>).</summary>
    public TimeSpan CookieAge { get; set; } = TimeSpan.FromSeconds(31_449_600);

    /// <summary>Default none (<c>CSRF_COOKIE_DOMAIN</c>).</summary>
    public string? CookieDomain { get; set; }

    /// <summary>Default <c>/</c> (<c>CSRF_COOKIE_PATH</c>).</summary>
    public string CookiePath { get; set; } = "/";

    /// <summary>Send it over HTTPS only. Default false (<c>CSRF_COOKIE_SECURE</c>).</summary>
    public bool CookieSecure { get; set; }

    /// <summary>Hide it from scripts. Default false: scripts send it back (<c>CSRF_COOKIE_HTTPONLY</c>).</summary>
    public bool CookieHttpOnly { get; set; }

    /// <summary><c>Lax</c> (default), <c>Strict</c>, <c>None</c>, or empty to leave it out (<c>CSRF_COOKIE_SAMESITE</c>).</summary>
    public string CookieSameSite { get; set; } = "Lax";

    /// <summary>Where the token may come in. Default <c>X-CSRFToken</c> (<c>CSRF_HEADER_NAME</c>).</summary>
    public string HeaderName { get; set; } = "X-CSRFToken";

    /// <summary>Origins besides our own, <c>https://*.example.com</c> (<c>CSRF_TRUSTED_ORIGINS</c>).</summary>
    public IList<string> TrustedOrigins { get; set; } = [];
}
