using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using Gatehouse.Http;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.Sessions;

/// <summary>Cross-site request forgery protection as Django's <c>CsrfViewMiddleware</c>: cookie, masks, header, form field, Origin, Referer.</summary>
internal sealed class Csrf(GatehouseOptions options, TimeProvider clock)
{
    private const string Alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    private static readonly SearchValues<char> Letters = SearchValues.Create(Alphabet);
    private const int SecretLength = 32;
    private const string IncorrectLength = "has incorrect length";
    private const string InvalidCharacters = "has invalid characters";

    private readonly TrustedOrigins trusted = new(options.Csrf.TrustedOrigins);

    /// <summary>A new mask over the visitor's secret, which is made if there is none.</summary>
    public string Token(HttpContext http)
    {
        var state = State(http);
        state.Secret ??= NewSecret();
        SendCookie(http, state);

        Span<char> token = stackalloc char[2 * SecretLength];
        RandomNumberGenerator.GetItems(Alphabet, token[..SecretLength]);
        for (var i = 0; i < SecretLength; i++)
            token[SecretLength + i] = Alphabet[(Alphabet.IndexOf(state.Secret[i]) + Alphabet.IndexOf(token[i])) % Alphabet.Length];
        return token.ToString();
    }

    /// <summary>A new secret, as at each login.</summary>
    public void Rotate(HttpContext http)
    {
        var state = State(http);
        state.Secret = NewSecret();
        SendCookie(http, state);
    }

    /// <summary>A cookie that cannot be ours is replaced, whatever the request.</summary>
    public void LookAtCookie(HttpContext http)
    {
        if (http.Request.Headers.Cookie.Count == 0 || Cookies.Read(http, options.Csrf.CookieName) is not { } cookie) return;
        if (WrongFormat(cookie) is not null) Rotate(http);
    }

    /// <summary>Why the request is refused, in Django's words; null when it may pass. Methods that change nothing pass.</summary>
    /// <param name="http">The request.</param>
    /// <param name="readsAllBodies">In a view of DRF's, where looking for the field reads any body; a page of Django's reads forms.</param>
    public async ValueTask<CsrfVerdict> RefuseAsync(HttpContext http, bool readsAllBodies)
    {
        if (http.Request.Method is "GET" or "HEAD" or "OPTIONS" or "TRACE") return default;
        return RefuseOrigin(http) is { } reason ? new(reason) : await RefuseTokenAsync(http, readsAllBodies);
    }

    /// <summary>The part of the check that looks where the request comes from; what a browser sends it cannot forge.</summary>
    public string? RefuseOrigin(HttpContext http)
    {
        if (http.Request.Headers.Origin is { Count: > 0 } header)
        {
            var origin = header.ToString();
            return IsOurs(http, origin) || trusted.Allows(origin) ? null : $"Origin checking failed - {origin} does not match any trusted origins.";
        }
        return RequestHost.IsSecure(http, options) ? RefuseReferer(http) : null;
    }

    private bool IsOurs(HttpContext http, string origin) => origin == RequestHost.Origin(http, options);

    private string? RefuseReferer(HttpContext http)
    {
        var referer = http.Request.Headers.Referer.ToString();
        if (referer.Length == 0) return "Referer checking failed - no Referer.";
        if (!Uri.TryCreate(referer, UriKind.Absolute, out var uri) || uri.Host.Length == 0) return "Referer checking failed - Referer is malformed.";
        if (uri.Scheme != Uri.UriSchemeHttps) return "Referer checking failed - Referer is insecure while host is secure.";

        var host = uri.IsDefaultPort ? uri.Host : $"{uri.Host}:{uri.Port}";
        var good = options.Csrf.CookieDomain is { Length: > 0 } domain ? domain : RequestHost.Of(http, options);
        return host == good || good.StartsWith('.') && RequestHost.IsSubdomain(host, good) || trusted.AllowsHost(host)
            ? null
            : $"Referer checking failed - {referer} does not match any trusted origins.";
    }

    private async ValueTask<CsrfVerdict> RefuseTokenAsync(HttpContext http, bool readsAllBodies)
    {
        var cookie = Cookies.Read(http, options.Csrf.CookieName);
        if (cookie is null) return new("CSRF cookie not set.");
        if (WrongFormat(cookie) is { } wrong) return new($"CSRF cookie {wrong}.");
        var secret = SecretOf(cookie);

        var source = "POST";
        string? token = null;
        if (HttpMethods.IsPost(http.Request.Method) && (readsAllBodies || RequestData.IsForm(http.Request)))
        {
            var data = await RequestData.ReadAsync(http);
            if (data.Error is { } error) return new(null, error);
            token = data.Form?.GetValueOrDefault("csrfmiddlewaretoken");
        }
        if (string.IsNullOrEmpty(token))
        {
            if (!http.Request.Headers.TryGetValue(options.Csrf.HeaderName, out var header)) return new("CSRF token missing.");
            token = header.ToString();
            source = $"the '{PythonTitle(options.Csrf.HeaderName)}' HTTP header";
        }
        if (WrongFormat(token) is { } reason) return new($"CSRF token from {source} {reason}.");
        return CryptographicOperations.FixedTimeEquals(Encoding.ASCII.GetBytes(SecretOf(token)), Encoding.ASCII.GetBytes(secret))
            ? default
            : new($"CSRF token from {source} incorrect.");
    }

    private static string? WrongFormat(string token) =>
        token.Length is not (SecretLength or 2 * SecretLength) ? IncorrectLength
        : token.AsSpan().ContainsAnyExcept(Letters) ? InvalidCharacters
        : null;

    /// <summary>Takes the mask off; a bare secret is its own.</summary>
    private static string SecretOf(string token)
    {
        if (token.Length == SecretLength) return token;
        return string.Create(SecretLength, token, static (secret, masked) =>
        {
            for (var i = 0; i < SecretLength; i++)
            {
                var difference = Alphabet.IndexOf(masked[SecretLength + i]) - Alphabet.IndexOf(masked[i]);
                secret[i] = Alphabet[(difference + Alphabet.Length) % Alphabet.Length];
            }
        });
    }

    private CsrfState State(HttpContext http)
    {
        if (http.Features.Get<CsrfState>() is { } known) return known;

        var state = new CsrfState();
        if (Cookies.Read(http, options.Csrf.CookieName) is { } cookie && WrongFormat(cookie) is null) state.Secret = SecretOf(cookie);
        http.Features.Set(state);
        return state;
    }

    private void SendCookie(HttpContext http, CsrfState state)
    {
        if (state.Sending) return;
        state.Sending = true;
        BeforeResponse.Add(http, _ =>
        {
            var csrf = options.Csrf;
            Cookies.Append(
                http, csrf.CookieName, state.Secret!, csrf.CookieAge, clock.GetUtcNow(), csrf.CookieDomain, csrf.CookiePath, csrf.CookieSecure,
                csrf.CookieHttpOnly, csrf.CookieSameSite);
            Cookies.Vary(http);
            return Task.CompletedTask;
        });
    }

    private static string NewSecret() => RandomNumberGenerator.GetString(Alphabet, SecretLength);

    // X-CSRFToken is shown as X-Csrftoken: Django rebuilds the name from the WSGI environment.
    private static string PythonTitle(string header) =>
        string.Join('-', header.Split('-').Select(word => word.Length == 0 ? word : char.ToUpperInvariant(word[0]) + word[1..].ToLowerInvariant()));

    private sealed class CsrfState
    {
        public string? Secret { get; set; }
        public bool Sending { get; set; }
    }
}

/// <summary>Why a request is refused, or that its body could not be read; neither when it may pass.</summary>
internal readonly record struct CsrfVerdict(string? Reason, IResult? Unreadable = null);
