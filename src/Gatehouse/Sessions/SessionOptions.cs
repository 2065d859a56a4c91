namespace Gatehouse.Sessions;

/// <summary>Sessions and their cookie (<c>SESSION_*</c>).</summary>
public sealed class SessionOptions
{
    /// <summary>Default <c>sessionid</c> (<c>SESSION_COOKIE_NAME</c>).</summary>
    public string CookieName { get; set; } = "sessionid";

    /// <summary>How long a session lives after it was last changed. Default two weeks (<c>SESSION_COOKIE_AGE</c>).</summary>
    public TimeSpan CookieAge { get; set; } = TimeSpan.FromDays(14);

    /// <summary>Default none: the host that was asked (<c>SESSION_COOKIE_DOMAIN</c>).</summary>
    public string? CookieDomain { get; set; }

    /// <summary>Default <c>/</c> (<c>SESSION_COOKIE_PATH</c>).</summary>
    public string CookiePath { get; set; } = "/";

    /// <summary>Send it over HTTPS only. Default false, as in Django; <c>check --deploy</c> asks for it (<c>SESSION_COOKIE_SECURE</c>).</summary>
    public bool CookieSecure { get; set; }

    /// <summary>Hide it from scripts. Default true (<c>SESSION_COOKIE_HTTPONLY</c>).</summary>
    public bool CookieHttpOnly { get; set; } = true;

    /// <summary><c>Lax</c> (default), <c>Strict</c>, <c>None</c>, or empty to leave it out (<c>SESSION_COOKIE_SAMESITE</c>).</summary>
    public string CookieSameSite { get; set; } = "Lax";

    /// <summary>The cookie ends with the browser. Default false (<c>SESSION_EXPIRE_AT_BROWSER_CLOSE</c>).</summary>
    public bool ExpireAtBrowserClose { get; set; }

    /// <summary>Write the session at each request, so that its age starts anew. Default false (<c>SESSION_SAVE_EVERY_REQUEST</c>).</summary>
    public bool SaveEveryRequest { get; set; }
}
