using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.Http;

/// <summary>Cookies as Django reads and writes them (<c>django.http.cookie</c>, <c>HttpResponse.set_cookie</c>).</summary>
internal static class Cookies
{
    /// <summary>The value of the last cookie of that name, or null. Malformed neighbours do no harm.</summary>
    public static string? Read(HttpContext http, string name)
    {
        string? found = null;
        foreach (var header in http.Request.Headers.Cookie)
        {
            foreach (var range in header.AsSpan().Split(';'))
            {
                var chunk = header.AsSpan()[range];
                var equals = chunk.IndexOf('=');
                var key = equals < 0 ? [] : chunk[..equals].Trim();
                if (key.SequenceEqual(name)) found = Unquote(chunk[(equals + 1)..].Trim());
            }
        }
        return found;
    }

    public static void Append(
        HttpContext http, string name, string value, TimeSpan? age, DateTimeOffset now, string? domain, string path, bool secure, bool httpOnly, string sameSite)
    {
        var cookie = new StringBuilder(160).Append(name).Append('=').Append(value.Length == 0 ? "\"\"" : value);
        if (!string.IsNullOrEmpty(domain)) cookie.Append("; Domain=").Append(domain);
        if (age is { } a)
        {
            var expires = a == TimeSpan.Zero ? DateTimeOffset.UnixEpoch : now + a;
            cookie.Append("; expires=").Append(expires.ToString("r", CultureInfo.InvariantCulture));
        }
        if (httpOnly) cookie.Append("; HttpOnly");
        if (age is { } seconds) cookie.Append("; Max-Age=").Append((long)seconds.TotalSeconds);
        cookie.Append("; Path=").Append(path);
        if (sameSite.Length > 0) cookie.Append("; SameSite=").Append(sameSite);
        if (secure) cookie.Append("; Secure");
        http.Response.Headers.Append("Set-Cookie", cookie.ToString());
    }

    public static void Delete(HttpContext http, string name, string? domain, string path, string sameSite)
    {
        // Browsers ignore the deletion of a Secure-only cookie that is not itself Secure (Django delete_cookie).
        var secure = name.StartsWith("__Secure-", StringComparison.Ordinal) || name.StartsWith("__Host-", StringComparison.Ordinal)
            || sameSite.Equals("none", StringComparison.OrdinalIgnoreCase);
        Append(http, name, "", TimeSpan.Zero, default, domain, path, secure, httpOnly: false, sameSite);
    }

    /// <summary>Adds <c>Cookie</c> to <c>Vary</c>: the answer depends on who sent it.</summary>
    public static void Vary(HttpContext http)
    {
        var headers = http.Response.Headers;
        var vary = headers.Vary.ToString();
        if (vary.Length == 0) headers.Vary = "Cookie";
        else if (vary == "Accept") headers.Vary = "Accept, Cookie";
        else if (!vary.Contains("Cookie", StringComparison.OrdinalIgnoreCase)) headers.Vary = vary + ", Cookie";
    }

    // Python's http.cookies._unquote, without its octal escapes: no cookie of ours has them.
    private static string Unquote(ReadOnlySpan<char> value) =>
        value.Length >= 2 && value[0] == '"' && value[^1] == '"'
            ? Utf8(value[1..^1].ToString().Replace("\\\"", "\"", StringComparison.Ordinal).Replace("\\\\", "\\", StringComparison.Ordinal))
            : Utf8(value.ToString());

    // Headers come as bytes in Latin-1; Django reads cookies as UTF-8.
    private static string Utf8(string value) => Ascii.IsValid(value) ? value : Encoding.UTF8.GetString(Encoding.Latin1.GetBytes(value));
}
