namespace Gatehouse.Http;

/// <summary>Security headers and what is believed of a proxy (Django's <c>SecurityMiddleware</c>).</summary>
public sealed class SecurityOptions
{
    /// <summary>Default <c>DENY</c>; empty leaves it out (<c>X_FRAME_OPTIONS</c>).</summary>
    public string FrameOptions { get; set; } = "DENY";

    /// <summary>Default true (<c>SECURE_CONTENT_TYPE_NOSNIFF</c>).</summary>
    public bool ContentTypeNosniff { get; set; } = true;

    /// <summary>Default <c>same-origin</c>; empty leaves it out (<c>SECURE_REFERRER_POLICY</c>).</summary>
    public string ReferrerPolicy { get; set; } = "same-origin";

    /// <summary>Default <c>same-origin</c>; empty leaves it out (<c>SECURE_CROSS_ORIGIN_OPENER_POLICY</c>).</summary>
    public string CrossOriginOpenerPolicy { get; set; } = "same-origin";

    /// <summary>Seconds of <c>Strict-Transport-Security</c>; 0, the default, sends none (<c>SECURE_HSTS_SECONDS</c>).</summary>
    public int HstsSeconds { get; set; }

    /// <summary>Default false (<c>SECURE_HSTS_INCLUDE_SUBDOMAINS</c>).</summary>
    public bool HstsIncludeSubdomains { get; set; }

    /// <summary>Default false (<c>SECURE_HSTS_PRELOAD</c>).</summary>
    public bool HstsPreload { get; set; }

    /// <summary>Send plain HTTP requests to HTTPS. Default false (<c>SECURE_SSL_REDIRECT</c>).</summary>
    public bool SslRedirect { get; set; }

    /// <summary>
    /// Header and value by which a proxy says that the request came by HTTPS, <c>X-Forwarded-Proto</c> and <c>https</c>
    /// (<c>SECURE_PROXY_SSL_HEADER</c>). Empty, the default: no header is believed. Only behind a proxy that always sets it.
    /// </summary>
    public IList<string> ProxySslHeader { get; set; } = [];

    /// <summary>Believe <c>X-Forwarded-Host</c>. Default false (<c>USE_X_FORWARDED_HOST</c>).</summary>
    public bool UseXForwardedHost { get; set; }
}
