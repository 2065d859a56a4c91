using Microsoft.Extensions.DependencyInjection;

namespace Gatehouse.Testing;

/// <summary>
/// Does for an <see cref="HttpClient"/> what a browser and a page's script do: keeps cookies, and sends the CSRF token of its cookie in the header.
/// <c>factory.CreateDefaultClient(new TestBrowser(factory.Services))</c>.
/// </summary>
/// <param name="services">Those of the application under test: its settings name the cookies and the header.</param>
public sealed class TestBrowser(IServiceProvider services) : DelegatingHandler
{
    private readonly GatehouseOptions options = services.GetRequiredService<GatehouseOptions>();
    private readonly Dictionary<string, string> cookies = [];

    /// <summary>Whether the CSRF token is sent. False: a request as another site would make one. Default true.</summary>
    public bool SendsCsrfToken { get; set; } = true;

    internal void Keep(IEnumerable<string?> setCookies)
    {
        foreach (var header in setCookies)
        {
            if (header!.Split(';')[0].Split('=', 2) is not [var name, var value]) continue;
            if (value is "" or "\"\"") cookies.Remove(name);
            else cookies[name] = value;
        }
    }

    /// <inheritdoc/>
    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        if (cookies.Count > 0) request.Headers.TryAddWithoutValidation("Cookie", string.Join("; ", cookies.Select(cookie => $"{cookie.Key}={cookie.Value}")));
        if (SendsCsrfToken && cookies.TryGetValue(options.Csrf.CookieName, out var token))
        {
            request.Headers.TryAddWithoutValidation(options.Csrf.HeaderName, token);
            // Over HTTPS Django's check wants to know the page too.
            request.Headers.Referrer ??= request.RequestUri;
        }

        var response = await base.SendAsync(request, cancellationToken);
        if (response.Headers.TryGetValues("Set-Cookie", out var headers)) Keep(headers);
        return response;
    }
}
