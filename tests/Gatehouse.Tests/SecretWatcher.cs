using System.Text;
using System.Text.RegularExpressions;

namespace Gatehouse.Tests;

/// <summary>Notes each secret that passes: what the client sends to prove who it is, and what the server hands out.</summary>
internal sealed partial class SecretWatcher(Secrets secrets) : DelegatingHandler
{
    private const int MostLookedAt = 100_000;

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        if (request.Headers.TryGetValues("Authorization", out var authorization))
            foreach (var header in authorization) Header(header);
        if (request.Content is { Headers.ContentLength: < MostLookedAt } sent)
        {
            var text = await sent.ReadAsStringAsync(cancellationToken);
            foreach (Match match in Passwords().Matches(text)) secrets.Add(match.Groups[1].Value + match.Groups[2].Value);
        }

        var response = await base.SendAsync(request, cancellationToken);

        if (response.Headers.TryGetValues("Set-Cookie", out var cookies))
            foreach (var cookie in cookies) secrets.Add(cookie.Split(';')[0].Split('=', 2)[1]);
        if (response.Content.Headers.ContentType?.MediaType is "application/json" or "text/html")
        {
            var text = await response.Content.ReadAsStringAsync(cancellationToken);
            foreach (Match match in Tokens().Matches(text)) secrets.Add(match.Groups[1].Value);
        }
        return response;
    }

    private void Header(string header)
    {
        if (header.Split(' ') is not [var scheme, var value]) return;
        secrets.Add(value);
        var raw = new byte[value.Length];
        if (scheme != "Basic" || !Convert.TryFromBase64String(value, raw, out var length)) return;
        var text = Encoding.UTF8.GetString(raw, 0, length);
        secrets.Add(text[(text.IndexOf(':') + 1)..]);
    }

    [GeneratedRegex("""
        "password"\s*:\s*"([^"\\]+)"|(?:^|&)password=([^&%+]+)
        """)]
    private static partial Regex Passwords();

    [GeneratedRegex("""(?:"(?:registration_access_)?token":"|"client_secret":"|"csrftoken":"|csrfmiddlewaretoken" value=")([A-Za-z0-9]+)""")]
    private static partial Regex Tokens();
}
