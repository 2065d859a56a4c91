using Gatehouse.Http;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.Jwt;

/// <summary>
/// The refresh token in a cookie that scripts cannot read and that goes to the token paths alone (docs/jwt.md). A browser says in
/// <c>Origin</c> which site sends a POST, and no page can change that: only our own origin and the trusted ones pass.
/// </summary>
internal sealed class RefreshCookie(GatehouseOptions options)
{
    private readonly RefreshCookieOptions cookie = options.Jwt.RefreshCookie;
    private readonly TrustedOrigins trusted = new(options.Csrf.TrustedOrigins);

    /// <summary>Refuses what does not say that it comes from a page of ours; null without the cookie mode.</summary>
    public IResult? Refuse(HttpContext http)
    {
        if (!cookie.Enabled) return null;
        var origin = http.Request.Headers.Origin.ToString();
        return origin.Length > 0 && (origin == RequestHost.Origin(http, options) || trusted.Allows(origin))
            ? null
            : ApiError.PermissionDenied($"CSRF Failed: Origin checking failed - {(origin.Length > 0 ? LogText.Clean(origin) : "none")} does not match any trusted origins.");
    }

    /// <summary>The token that the request brings: in the cookie, or in the field <c>refresh</c>.</summary>
    public async Task<(string? Token, IResult? Error)> ReadAsync(HttpContext http, JwtEndpoints jwt)
    {
        if (cookie.Enabled && Cookies.Read(http, cookie.Name) is { Length: > 0 } kept) return (kept, null);
        var (form, error) = await jwt.FormAsync(http);
        if (error is not null) return (null, error);
        var text = form.Text("refresh");
        return form.Error is { } wrong ? (null, wrong) : (text, null);
    }

    /// <returns>What to put into the answer's body: the token, or null when it went into the cookie.</returns>
    public string? Keep(HttpContext http, NewToken refresh, DateTimeOffset now)
    {
        if (!cookie.Enabled) return refresh.Text;
        Cookies.Append(
            http, cookie.Name, refresh.Text, refresh.Expires - now, now, domain: null, options.Jwt.Path, cookie.Secure, httpOnly: true, cookie.SameSite);
        http.Response.Headers.CacheControl = "no-store";
        return null;
    }

    public void Delete(HttpContext http)
    {
        if (cookie.Enabled) Cookies.Delete(http, cookie.Name, domain: null, options.Jwt.Path, cookie.SameSite);
    }
}
