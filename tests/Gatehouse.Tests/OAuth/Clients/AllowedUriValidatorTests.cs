using Gatehouse.OAuth.Clients;
using Xunit;

namespace Gatehouse.Tests.OAuth.Clients;

public sealed class AllowedUriValidatorTests
{
    private static readonly AllowedUriValidator Redirect = new(["http", "https", "com.example.app"], "redirect uri", AllowPath: true, AllowQuery: true);
    private static readonly AllowedUriValidator Wild = Redirect with { AllowHostnameWildcard = true };
    private static readonly AllowedUriValidator Origin = new(["https"], "allowed origin");

    [Theory]
    [InlineData("https://example.com")]
    [InlineData("https://example.com/cb?x=1")]
    [InlineData("HTTPS://Example.com:8443/cb")]
    [InlineData("http://localhost:3000/cb")]
    [InlineData("http://dotless/cb")]
    [InlineData("http://127.0.0.1:8000/cb")]
    [InlineData("http://[::1]:8000/cb")]
    [InlineData("com.example.app:/cb")]
    [InlineData("com.example.app://cb")]
    public void A_redirect_uri_may_be(string uri) => Assert.Null(Redirect.ErrorOf(uri));

    // The messages are the real stack's.
    [Theory]
    [InlineData("ftp://example.com/", "redirect uri URI Validation error. invalid_scheme: ftp://example.com/")]
    [InlineData("example.com/cb", "redirect uri URI Validation error. invalid_scheme: example.com/cb")]
    [InlineData("https://example.com/#x", "redirect uri URI validation error. fragment not allowed: https://example.com/#x")]
    [InlineData("https://example.com/#", "redirect uri URI validation error. fragment not allowed: https://example.com/#")]
    [InlineData("https:/example.com/", "redirect uri URI validation error. missing host: https:/example.com/")]
    [InlineData("https:", "redirect uri URI validation error. missing host: https:")]
    [InlineData("https:///cb", "redirect uri URI validation error. missing host: https:///cb")]
    [InlineData("com.example.app:cb", "redirect uri URI validation error. invalid URI: com.example.app:cb")]
    [InlineData("com.example.app:///cb", "redirect uri URI validation error. invalid URI: com.example.app:///cb")]
    [InlineData("https://-example.com/", "redirect uri URI validation error. ['Enter a valid URL.']: https://-example.com/")]
    [InlineData("https://*.example.com/", "redirect uri URI validation error. ['Enter a valid URL.']: https://*.example.com/")]
    [InlineData("https://[::1/", "redirect uri URI validation error. Invalid IPv6 URL: https://[::1/")]
    [InlineData("https://[zz]/", "redirect uri URI validation error. 'zz' does not appear to be an IPv4 or IPv6 address: https://[zz]/")]
    [InlineData("https://[127.0.0.1]/", "redirect uri URI validation error. An IPv4 address cannot be in brackets: https://[127.0.0.1]/")]
    public void A_redirect_uri_may_not_be(string uri, string message) => Assert.Equal(message, Redirect.ErrorOf(uri));

    [Theory]
    [InlineData("https://example.com", null)]
    [InlineData("https://example.com:8443", null)]
    [InlineData("http://example.com", "allowed origin URI Validation error. invalid_scheme: http://example.com")]
    [InlineData("https://example.com/", "allowed origin URI validation error. path not allowed: https://example.com/")]
    [InlineData("https://example.com?x", "allowed origin URI validation error. query string not allowed: https://example.com?x")]
    [InlineData("https://example.com?", "allowed origin URI validation error. query string not allowed: https://example.com?")]
    [InlineData("https://example.com#?", "allowed origin URI validation error. fragment not allowed: https://example.com#?")]
    public void An_origin_is_scheme_and_host(string uri, string? message) => Assert.Equal(message, Origin.ErrorOf(uri));

    [Theory]
    [InlineData("https://*.example.com/cb", null)]
    [InlineData("https://*-app.example.com/cb", null)]
    [InlineData("https://*--site.netlify.app/cb", null)]
    [InlineData("https://*---site.netlify.app/cb", "redirect uri URI validation error. ['Enter a valid URL.']: https://*---site.netlify.app/cb")]
    [InlineData("https://*.*.example.com/cb", "redirect uri URI validation error. only one wildcard is allowed in the hostname: https://*.*.example.com/cb")]
    [InlineData("https://a.*.example.com/cb", "redirect uri URI validation error. wildcards must be at the beginning of the hostname: https://a.*.example.com/cb")]
    [InlineData("https://*.com/cb", "redirect uri URI validation error. wildcards cannot be in the top level or second level domain: https://*.com/cb")]
    [InlineData("https://*/cb", "redirect uri URI validation error. wildcards cannot be in the top level or second level domain: https://*/cb")]
    public void Wildcards_are_for_subdomains(string uri, string? message) => Assert.Equal(message, Wild.ErrorOf(uri));

    // A19
    [Theory]
    [InlineData("javascript:alert(1)")]
    [InlineData("javascript://example.com/%0aalert(1)")]
    [InlineData("JaVaScRiPt:alert(1)")]
    [InlineData("data:text/html,x")]
    [InlineData("vbscript:x")]
    [InlineData("file:///etc/passwd")]
    public void Schemes_that_run_or_read_are_refused_even_if_they_are_allowed(string uri)
    {
        var all = Redirect with { Schemes = ["javascript", "data", "vbscript", "file"] };

        Assert.Equal($"redirect uri URI Validation error. invalid_scheme: {uri}", all.ErrorOf(uri));
    }

    // The real stack lets these in, and then either never matches them or sends browsers elsewhere than it thinks.
    [Theory]
    [InlineData("https://user:password@example.com/cb")]
    [InlineData("https://example.com\\@evil.com/cb")]
    [InlineData("https://example.com:99999/cb")]
    [InlineData("https://example.com:x/cb")]
    [InlineData("https://127.1/cb")]
    [InlineData("https://ex%61mple.com/cb")]
    [InlineData("https://ｅxample.com/cb")]
    [InlineData("https://example.com/x/../cb")]
    [InlineData("https://example.com/x/%2e%2E/cb")]
    [InlineData("https://example.com/\u0000")]
    public void What_could_never_be_matched_is_refused_at_once(string uri) =>
        Assert.Equal($"redirect uri URI validation error. ['Enter a valid URL.']: {uri}", Redirect.ErrorOf(uri));

    [Fact]
    public void Each_of_a_list_has_its_message()
    {
        Assert.Empty(Redirect.ErrorsOf(" https://a.example/\n  https://b.example/ "));
        Assert.Equal(["redirect uri URI Validation error. invalid_scheme: x", "redirect uri URI validation error. missing host: https:"], Redirect.ErrorsOf("x https://a.example/ https:"));
    }

    [Theory]
    [InlineData("https://app.example.com", true)]
    [InlineData("https://app.example.com:8443", true)]
    [InlineData("https://app.example.com:443", false)]
    [InlineData("https://app.example.com/", false)]
    [InlineData("http://app.example.com", false)]
    [InlineData("https://app.example.com.evil.com", false)]
    [InlineData("https://evilapp.example.com", false)]
    [InlineData("https://x@app.example.com", false)]
    [InlineData("https://a.wild.example.com", false)]
    [InlineData("null", false)]
    [InlineData("", false)]
    public void Origins_are_matched_whole(string origin, bool allowed) =>
        Assert.Equal(allowed, AllowedOrigins.IsAllowed(origin, ["https://app.example.com", "https://app.example.com:8443", "http://app.example.com", "https://*.wild.example.com"], ["https"]));
}
