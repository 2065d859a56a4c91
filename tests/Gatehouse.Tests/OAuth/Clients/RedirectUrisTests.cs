using Gatehouse.OAuth.Clients;
using Xunit;

namespace Gatehouse.Tests.OAuth.Clients;

public sealed class RedirectUrisTests
{
    private static readonly RedirectUriRules AsByDefault = new();
    private static readonly RedirectUriRules Lenient = new(AllowWildcards: true, AllowLocalhostLoopback: true);
    private static readonly RedirectUriRules Exact = new(AllowWildcards: true, Exact: true);

    private static bool Allows(string registered, string asked, RedirectUriRules? rules = null) =>
        RedirectUris.IsAllowed(asked, registered.Split(' ', StringSplitOptions.RemoveEmptyEntries), rules ?? AsByDefault);

    [Theory]
    [InlineData("https://app.example.com/cb")]
    [InlineData("https://app.example.com")]
    [InlineData("https://app.example.com/")]
    [InlineData("https://app.example.com:8443/cb")]
    [InlineData("https://app.example.com:443/cb")]
    [InlineData("https://app.example.com/cb?tenant=1&x=%20")]
    [InlineData("https://app.example.com/cb?")]
    [InlineData("https://app.example.com/cb?a[]=1")]
    [InlineData("https://app.example.com/a;v=1/b,c/%7Euser/%2F")]
    [InlineData("https://xn--exmple-cua.com/cb")]
    [InlineData("https://under_score.example.com/cb")]
    [InlineData("https://192.0.2.7/cb")]
    [InlineData("https://[2001:db8::1]:8443/cb")]
    [InlineData("http://localhost:3000/cb")]
    [InlineData("http://127.0.0.1/cb")]
    [InlineData("http://[::1]/cb")]
    [InlineData("com.example.app:/oauth2redirect")]
    [InlineData("com.example.app://callback")]
    [InlineData("com.example.app://callback/x?y=1")]
    [InlineData("com.example.app://login/cb")]
    [InlineData("exp://192.168.1.5:8081/--/cb")]
    [InlineData("urn:ietf:wg:oauth:2.0:oob")]
    public void What_is_registered_is_allowed_as_it_is(string uri)
    {
        Assert.True(Allows(uri, uri));
        Assert.True(Allows(uri, uri, Exact));
        Assert.True(Allows($"https://other.example.com/ {uri}", uri, Lenient));
        Assert.False(Allows("", uri));
        Assert.False(Allows("https://other.example.com/cb", uri, Lenient));
    }

    // A1. Lenient too: no opt-in opens any of these.
    public static TheoryData<string> NotTheRegisteredOne =>
    [
        // another query, parameters, a fragment
        "https://app.example.com/cb?x=1", "https://app.example.com/cb?", "https://app.example.com/cb;x=1", "https://app.example.com/cb;", "https://app.example.com/cb&x=1",
        "https://app.example.com/cb#x", "https://app.example.com/cb#", "https://app.example.com/cb?#", "https://app.example.com/cb%23x", "https://app.example.com/cb%3Fx=1",
        // user information
        "https://evil.com@app.example.com/cb", "https://app.example.com@evil.com/cb", "https://@app.example.com/cb", "https://:@app.example.com/cb", "https://app.example.com:@evil.com/cb",
        "https://app.example.com:443@evil.com/cb", "https://app.example.com%40evil.com/cb", "https://evil.com%40app.example.com/cb", "https://evil.com\\@app.example.com/cb",
        "https://app.example.com\\@evil.com/cb", "https://app.example.com&@evil.com/cb", "https://evil.com/@app.example.com/cb", "https://app.example.com,evil.com/cb",
        "https://app.example.com;@evil.com/cb", "https://app.example.com?@evil.com/cb", "https://evil.com#@app.example.com/cb", "https://evil.com?@app.example.com/cb",
        // another port, and odd ones
        "https://app.example.com:443/cb", "https://app.example.com:8443/cb", "https://app.example.com:/cb", "https://app.example.com:0/cb", "https://app.example.com:0443/cb",
        "https://app.example.com:65536/cb", "https://app.example.com:99999999999/cb", "https://app.example.com:-1/cb", "https://app.example.com:+443/cb", "https://app.example.com: 443/cb",
        "https://app.example.com:４４３/cb", "https://app.example.com:443:443/cb", "https://app.example.com:x/cb",
        // another path
        "https://app.example.com/cb/", "https://app.example.com", "https://app.example.com/", "https://app.example.com//cb", "https://app.example.com/CB", "https://app.example.com/Cb",
        "https://app.example.com/cb/x", "https://app.example.com/cbx", "https://app.example.com/c%62", "https://app.example.com/%63b", "https://app.example.com/cb%00", "https://app.example.com/cb%0a",
        "https://app.example.com/cb%2f", "https://app.example.com/cb%", "https://app.example.com/cb%2", "https://app.example.com/cb%zz", "https://app.example.com/cb.", "https://app.example.com/cb%20",
        // up and down again
        "https://app.example.com/x/../cb", "https://app.example.com/./cb", "https://app.example.com/cb/.", "https://app.example.com/cb/..", "https://app.example.com/cb/x/..",
        "https://app.example.com/x/%2e%2e/cb", "https://app.example.com/%2e/cb", "https://app.example.com/x/.%2E/cb", "https://app.example.com/x/%2E./cb", "https://app.example.com/cb/%2e%2e/evil",
        "https://app.example.com/..;/cb", "https://app.example.com/x/..%2fcb", "https://app.example.com/x/..\\cb",
        // what browsers repair
        "https:\\\\app.example.com\\cb", "https://app.example.com\\cb", "https:/\\app.example.com/cb", "https:/app.example.com/cb", "https:app.example.com/cb", "https:///app.example.com/cb",
        "//app.example.com/cb", "/cb", "\\\\app.example.com\\cb", "https//app.example.com/cb", "://app.example.com/cb", "https://app.example.com\\.evil.com/cb", "https:// app.example.com/cb",
        " https://app.example.com/cb", "https://app.example.com/cb ", "https://app.example.com/ cb", "\thttps://app.example.com/cb", "ht\ttps://app.example.com/cb",
        "https://app.exa\tmple.com/cb", "https://app.example.com/c\tb", "https://app.example.com/cb\t", "https://app.exa\nmple.com/cb", "https://app.example.com/cb\r\nX: y",
        "https://app.example.com/cb\n", "\u0000https://app.example.com/cb", "https://app.example.com\u0000.evil.com/cb", "https://app.example.com/cb\u0000", "\u0001https://app.example.com/cb",
        "https://app.example.com/cb\u007f", "\u00a0https://app.example.com/cb", "\ufeffhttps://app.example.com/cb", "https://app.example.com/cb\u2028", "https://app.example.com/cb\ud800",
        // look-alikes, and what NFKC makes of them
        "https://app.ex\u0430mple.com/cb", "https://ａpp.example.com/cb", "https://app\uff0eexample.com/cb", "https://app。example.com/cb", "https://app.example.com／cb",
        "https://app.example.com\u2100/cb", "https://evil.com\u2044app.example.com/cb", "https://app.example.c\u24de\u24dc/cb", "https://app.exam\u00adple.com/cb", "https://app.example\u200b.com/cb",
        "https://app.example.com\uff20evil.com/cb", "https://app.example.com\uff1f.evil.com/cb", "https://xn--app-.example.com/cb", "https://app.example.com\u0338/cb", "hſtps://app.example.com/cb",
        "httpſ://app.example.com/cb", "https：//app.example.com/cb", "https://app.example.ſom/cb",
        // another host
        "https://app.example.com.evil.com/cb", "https://app.example.com./cb", "https://.app.example.com/cb", "https://app..example.com/cb", "https://evilapp.example.com/cb", "https://x.app.example.com/cb",
        "https://example.com/cb", "https://APP.example.org/cb", "https://app.example.com%00.evil.com/cb", "https://app.example.com%2eevil.com/cb", "https://app%2eexample.com/cb", "https://%61pp.example.com/cb",
        "https://app.example.com%2f.evil.com/cb", "https://[app.example.com]/cb", "https://app.example.com[/cb", "https://app.example.com]/cb", "https://[::1]app.example.com/cb", "https://*.example.com/cb",
        "https://app.example.com^/cb", "https://app.example.com|/cb", "https://app.example.com`/cb", "https://{app.example.com}/cb", "https://app.example.com'/cb", "https://app.example.com\"/cb",
        "https://<app.example.com>/cb", "https://app.example.com*/cb", "https://app.example.com$/cb", "https://app.example.com!/cb",
        // another scheme
        "http://app.example.com/cb", "ftp://app.example.com/cb", "javascript:alert(1)//app.example.com/cb", "javascript://app.example.com/cb", "data:text/html,<script>", "data://app.example.com/cb",
        "view-source:https://app.example.com/cb", "blob:https://app.example.com/cb", "https+x://app.example.com/cb", "x-https://app.example.com/cb", "file://app.example.com/cb",
        // nothing, and a great deal
        "", "https:", "https://", "https:///", "https://:443/cb", "https://?/cb", "https://#/cb", ":", "?", "#", "null", "undefined",
    ];

    [Theory]
    [MemberData(nameof(NotTheRegisteredOne))]
    public void Nothing_else_is_allowed(string asked)
    {
        const string Registered = "https://app.example.com/cb https://app.example.com/other com.example.app:/cb";

        Assert.False(Allows(Registered, asked));
        Assert.False(Allows(Registered, asked, Lenient));
        Assert.False(Allows(Registered, asked, Exact));
    }

    [Fact]
    public void A_great_deal_is_not_looked_at()
    {
        Assert.False(Allows("https://app.example.com/cb", "https://app.example.com/cb?" + new string('x', 10_000_000)));
        var longest = "https://app.example.com/" + new string('x', StrictUri.MaxLength - 24);
        Assert.True(Allows(longest, longest));
        Assert.False(Allows(longest + "x", longest + "x"));
    }

    // Even registered to the letter, by an older version or by hand: parsers differ about where they lead.
    [Theory]
    [InlineData("https://127.1/cb")]
    [InlineData("https://2130706433/cb")]
    [InlineData("https://0x7f.1/cb")]
    [InlineData("https://0177.0.0.1/cb")]
    [InlineData("https://127.0.0.1./cb")]
    [InlineData("https://1.2.3.4.5/cb")]
    [InlineData("https://256.0.0.1/cb")]
    [InlineData("https://example.0x/cb")]
    [InlineData("https://[::1%25eth0]/cb")]
    [InlineData("https://[fe80::1%eth0]/cb")]
    [InlineData("https://[v1.x]/cb")]
    [InlineData("https://[127.0.0.1]/cb")]
    [InlineData("https://[:::1]/cb")]
    [InlineData("https://[::1/cb")]
    [InlineData("https://exämple.com/cb")]
    [InlineData("https://app.example.com/ä")]
    [InlineData("https://app.example.com/x/../cb")]
    [InlineData("https://user@app.example.com/cb")]
    [InlineData("https://app.example.com/cb#")]
    [InlineData("https://app.example.com:/cb")]
    [InlineData("https:/app.example.com/cb")]
    [InlineData("com.example.app:///cb")]
    [InlineData("javascript:alert(1)")]
    [InlineData("JavaScript:/x")]
    [InlineData("data:text/html,x")]
    [InlineData("vbscript:x")]
    [InlineData("file:///etc/passwd")]
    [InlineData("not a uri")]
    public void What_parsers_differ_about_authorises_nothing(string uri)
    {
        Assert.False(RedirectUris.IsAllowed(uri, [uri], Lenient));
        Assert.False(RedirectUris.IsAllowed(uri, [uri], Exact));
    }

    // RFC 8252 §7.3
    [Theory]
    [InlineData("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb", true)]
    [InlineData("http://127.0.0.1:8080/cb", "http://127.0.0.1:51004/cb", true)]
    [InlineData("http://127.0.0.1:8080/cb", "http://127.0.0.1/cb", true)]
    [InlineData("http://[::1]/cb", "http://[::1]:51004/cb", true)]
    [InlineData("http://127.0.0.1/cb", "http://[::1]:51004/cb", false)]
    [InlineData("http://127.0.0.1/cb", "http://localhost:51004/cb", false)]
    [InlineData("http://127.0.0.1/cb", "http://127.0.0.2:51004/cb", false)]
    [InlineData("http://127.0.0.2/cb", "http://127.0.0.2:51004/cb", false)]
    [InlineData("http://127.0.0.1/cb", "http://127.0.0.1:51004/other", false)]
    [InlineData("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb?x=1", false)]
    [InlineData("http://127.0.0.1/cb", "http://127.0.0.1:0/cb", false)]
    [InlineData("https://127.0.0.1/cb", "https://127.0.0.1:51004/cb", false)]
    [InlineData("http://[::1]/cb", "http://[0:0:0:0:0:0:0:1]:51004/cb", false)]
    [InlineData("http://app.example.com/cb", "http://app.example.com:51004/cb", false)]
    public void A_loopback_address_may_have_any_port(string registered, string asked, bool allowed)
    {
        Assert.Equal(allowed, Allows(registered, asked));
        Assert.Equal(allowed, Allows(registered, asked, Exact));
    }

    [Fact]
    public void Localhost_may_too_where_that_is_allowed()
    {
        Assert.False(Allows("http://localhost/cb", "http://localhost:51004/cb"));
        Assert.True(Allows("http://localhost/cb", "http://localhost:51004/cb", Lenient));
        Assert.True(Allows("http://localhost/cb", "http://localhost:51004/cb", new(AllowLocalhostLoopback: true, Exact: true)));
        Assert.False(Allows("http://localhost/cb", "http://127.0.0.1:51004/cb", Lenient));
        Assert.False(Allows("http://localhost/cb", "http://localhost.evil.com:51004/cb", Lenient));
        Assert.False(Allows("https://localhost/cb", "https://localhost:51004/cb", Lenient));
    }

    [Theory]
    [InlineData("https://*.example.com/cb", "https://a.example.com/cb", true)]
    [InlineData("https://*.example.com/cb", "https://a.b.example.com/cb", true)]
    [InlineData("https://*-app.example.com/cb", "https://pr1-app.example.com/cb", true)]
    [InlineData("https://*--site.netlify.app/cb", "https://pr1--site.netlify.app/cb", true)]
    [InlineData("https://*.example.com/cb", "https://example.com/cb", false)]
    [InlineData("https://*.example.com/cb", "https://.example.com/cb", false)]
    [InlineData("https://*.example.com/cb", "https://evilexample.com/cb", false)]
    [InlineData("https://*.example.com/cb", "https://a.example.com.evil.com/cb", false)]
    [InlineData("https://*.example.com/cb", "https://a.example.com/other", false)]
    [InlineData("https://*.example.com/cb", "http://a.example.com/cb", false)]
    [InlineData("https://*.example.com/cb", "https://a.example.com:8443/cb", false)]
    [InlineData("https://*.example.com/cb", "https://*.example.com/cb", false)]
    [InlineData("https://*.com/cb", "https://evil.com/cb", false)]
    [InlineData("https://*/cb", "https://evil.com/cb", false)]
    [InlineData("https://a.*.example.com/cb", "https://a.b.example.com/cb", false)]
    [InlineData("https://*.*.example.com/cb", "https://a.b.example.com/cb", false)]
    [InlineData("https://app.example.com/*", "https://app.example.com/cb", false)]
    [InlineData("https://*.example.com/://*", "https://a.example.com/://w", false)]
    public void A_star_stands_for_the_beginning_of_a_host_where_that_is_allowed(string registered, string asked, bool allowed)
    {
        Assert.Equal(allowed, Allows(registered, asked, Lenient));
        Assert.False(Allows(registered, asked));
        Assert.False(Allows(registered, asked, Exact));
    }

    [Fact]
    public void Scheme_and_host_have_no_case_unless_the_match_is_exact()
    {
        Assert.True(Allows("https://app.example.com/cb", "HTTPS://App.Example.COM/cb"));
        Assert.True(Allows("HTTPS://App.Example.COM/cb", "https://app.example.com/cb"));
        Assert.False(Allows("https://app.example.com/cb", "HTTPS://App.Example.COM/cb", Exact));
    }
}
