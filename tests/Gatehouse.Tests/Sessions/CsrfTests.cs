using System.Net.Http.Json;
using System.Text.Json;
using Gatehouse.Authentication;
using Gatehouse.AuthTokens;
using Gatehouse.Permissions;
using Gatehouse.Sessions;
using Gatehouse.Tests.Database;
using Microsoft.AspNetCore.Builder;
using Xunit;
using static Gatehouse.Tests.Answers;

namespace Gatehouse.Tests.Sessions;

/// <summary>Each rule of Django's CsrfViewMiddleware and of DRF's SessionAuthentication.</summary>
public sealed class CsrfTests : GatehouseTest
{
    private const string Secret = "abcdefghijklmnopqrstuvwxyzABCDEF";
    private const string Other = "FEDCBAzyxwvutsrqponmlkjihgfedcba";

    protected override void Map(WebApplication app)
    {
        app.MapCsrfPage("/page/");
        app.MapWho("/who/").WithSchemes(typeof(SessionAuthentication), typeof(TokenAuthentication), typeof(BasicAuthentication)).RequirePermission(new AllowAny());
    }

    [Fact]
    public async Task Methods_that_change_nothing_need_no_token()
    {
        await Users.CreateAsync("alice");
        var browser = await NewBrowser().LogInAsync("alice");

        foreach (var method in new[] { HttpMethod.Get, HttpMethod.Head, HttpMethod.Options })
            Assert.Equal(200, (int)(await browser.SendAsync(method, "/who/", csrf: false)).StatusCode);
    }

    [Theory]
    [InlineData("POST")]
    [InlineData("PUT")]
    [InlineData("PATCH")]
    [InlineData("DELETE")]
    public async Task A_session_needs_a_token_to_write_and_no_other_scheme_does(string method)
    {
        var alice = await Users.CreateAsync("alice");
        var token = await Users.TokenAsync(alice);
        var browser = await NewBrowser().LogInAsync("alice");

        var without = await browser.SendAsync(new HttpMethod(method), "/who/", csrf: false);
        var with = await browser.SendAsync(new HttpMethod(method), "/who/");

        await without.ShouldBeAsync(403, """{"detail":"CSRF Failed: CSRF token missing."}""");
        await with.ShouldBeAsync(200);
        await Http.AskAsync("/who/", method).ShouldBeAsync(200);
        await Http.AskAsync("/who/", "Token " + token, method).ShouldBeAsync(200);
        await Http.AskAsync("/who/", Basic("alice"), method).ShouldBeAsync(200);
    }

    [Theory]
    [InlineData(null, Secret, "CSRF cookie not set.")]
    [InlineData("short", Secret, "CSRF cookie has incorrect length.")]
    [InlineData("abcdefghijklmnopqrstuvwxyzABCDE!", Secret, "CSRF cookie has invalid characters.")]
    [InlineData(Secret, null, "CSRF token missing.")]
    [InlineData(Secret, "short", "CSRF token from the 'X-Csrftoken' HTTP header has incorrect length.")]
    [InlineData(Secret, "abcdefghijklmnopqrstuvwxyzABCDE!", "CSRF token from the 'X-Csrftoken' HTTP header has invalid characters.")]
    [InlineData(Secret, Other, "CSRF token from the 'X-Csrftoken' HTTP header incorrect.")]
    [InlineData(Secret, Other + Other, "CSRF token from the 'X-Csrftoken' HTTP header incorrect.")]
    [InlineData(Secret, "ABCDEFghijklmnopqrstuvwxyzABCDEF", "CSRF token from the 'X-Csrftoken' HTTP header incorrect.")]
    public async Task What_is_wrong_is_told_in_Djangos_words(string? cookie, string? token, string reason)
    {
        await Users.CreateAsync("alice");
        var browser = await NewBrowser().LogInAsync("alice");
        browser.Cookies.Remove("csrftoken");
        if (cookie is not null) browser.Cookies["csrftoken"] = cookie;

        var response = await browser.SendAsync(HttpMethod.Post, "/who/", null, false, token is null ? [] : [("X-CSRFToken", token)]);

        await response.ShouldBeAsync(403, $$"""{"detail":"CSRF Failed: {{reason}}"}""");
    }

    [Fact]
    public async Task A_masked_token_a_bare_secret_and_a_masked_cookie_are_all_good()
    {
        await Users.CreateAsync("alice");
        using var vectors = JsonDocument.Parse(DatabaseFile.Parity("django-schema/vectors.json"));
        var csrf = vectors.RootElement.GetProperty("csrf");
        var masked = csrf.GetProperty("masked_token").GetString()!;
        Assert.Equal(Secret, csrf.GetProperty("cookie").GetString());
        var browser = await NewBrowser().LogInAsync("alice");

        foreach (var (cookie, token) in new[] { (Secret, Secret), (Secret, masked), (masked, Secret), (masked, masked) })
        {
            browser.Cookies["csrftoken"] = cookie;
            await browser.SendAsync(HttpMethod.Post, "/who/", null, false, ("X-CSRFToken", token)).ShouldBeAsync(200);
        }
    }

    [Fact]
    public async Task A_pages_token_is_masked_anew_each_time_and_good()
    {
        var browser = NewBrowser();
        var first = (await (await browser.GetAsync("/page/")).JsonAsync())["csrftoken"]!.GetValue<string>();
        var second = (await (await browser.GetAsync("/page/")).JsonAsync())["csrftoken"]!.GetValue<string>();

        Assert.NotEqual(first, second);
        Assert.Matches("^[A-Za-z0-9]{64}$", first);
        foreach (var token in new[] { first, second })
            await browser.SendAsync(HttpMethod.Post, "/page/", null, false, ("X-CSRFToken", token)).ShouldBeAsync(200);
    }

    [Fact]
    public async Task The_form_field_comes_before_the_header_and_only_for_POST()
    {
        var browser = NewBrowser();
        await browser.GetAsync("/page/");
        var good = browser.CsrfToken!;
        FormUrlEncodedContent Form(string token) => new([KeyValuePair.Create("csrfmiddlewaretoken", token)]);

        await browser.SendAsync(HttpMethod.Post, "/page/", Form(good), csrf: false).ShouldBeAsync(200);
        await browser.SendAsync(HttpMethod.Post, "/page/", Form(Other), csrf: true).ShouldBeAsync(403);
        await browser.SendAsync(HttpMethod.Post, "/page/", Form(""), csrf: true).ShouldBeAsync(200);
        await browser.SendAsync(HttpMethod.Put, "/page/", Form(good), csrf: false).ShouldBeAsync(403);
        using var multipart = new MultipartFormDataContent { { new StringContent(good), "csrfmiddlewaretoken" } };
        await browser.SendAsync(HttpMethod.Post, "/page/", multipart, csrf: false).ShouldBeAsync(200);
    }

    [Fact]
    public async Task A_page_refuses_with_a_page_that_says_little()
    {
        var response = await Http.AskAsync("/page/", method: "POST");

        await response.ShouldBeAsync(403);
        Assert.Equal("text/html; charset=utf-8", response.Header("Content-Type"));
        Assert.Contains("CSRF verification failed. Request aborted.", await response.TextAsync(), StringComparison.Ordinal);
        Assert.Contains(Log.Lines, line => line.Contains("Forbidden (CSRF cookie not set.): /page/", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("http://evil.example", false)]
    [InlineData("null", false)]
    [InlineData("", false)]
    [InlineData("https://HOST", false)]
    [InlineData("http://HOST.evil.example", false)]
    [InlineData("http://evil.example/http://HOST", false)]
    [InlineData("http://HOST@evil.example", false)]
    [InlineData("http://HOST", true)]
    [InlineData("https://app.example.org", true)]
    [InlineData("http://app.example.org", false)]
    [InlineData("https://app.example.org:444", false)]
    [InlineData("https://a.trusted.example", true)]
    [InlineData("https://a.b.trusted.example", true)]
    [InlineData("https://trusted.example", true)]
    [InlineData("https://eviltrusted.example", false)]
    public async Task An_origin_must_be_ours_or_trusted(string origin, bool allowed)
    {
        var server = await StartServerAsync(options => options.Csrf.TrustedOrigins = ["https://app.example.org", "https://*.trusted.example"]);
        origin = origin.Replace("HOST", server.Address.Authority, StringComparison.Ordinal);
        await Users.CreateAsync("alice");
        var browser = await NewBrowser(server).LogInAsync("alice");

        var response = await browser.SendAsync(HttpMethod.Post, "/who/", null, true, ("Origin", origin));

        if (allowed) await response.ShouldBeAsync(200);
        else await response.ShouldBeAsync(403, $$"""{"detail":"CSRF Failed: Origin checking failed - {{origin}} does not match any trusted origins."}""");
    }

    [Theory]
    [InlineData(null, "Referer checking failed - no Referer.")]
    [InlineData("nonsense", "Referer checking failed - Referer is malformed.")]
    [InlineData("http://HOST/page/", "Referer checking failed - Referer is insecure while host is secure.")]
    [InlineData("https://evil.example/", "Referer checking failed - https://evil.example/ does not match any trusted origins.")]
    [InlineData("https://HOST/page/", null)]
    [InlineData("https://app.example.org/deep/link", null)]
    public async Task Over_HTTPS_without_an_origin_the_referer_is_looked_at(string? referer, string? reason)
    {
        var server = await StartServerAsync(options =>
        {
            options.Secure.ProxySslHeader = ["X-Forwarded-Proto", "https"];
            options.Csrf.TrustedOrigins = ["https://app.example.org"];
        });
        referer = referer?.Replace("HOST", server.Address.Authority, StringComparison.Ordinal);
        await Users.CreateAsync("alice");
        var browser = await NewBrowser(server).LogInAsync("alice");
        (string, string)[] headers = referer is null ? [("X-Forwarded-Proto", "https")] : [("X-Forwarded-Proto", "https"), ("Referer", referer)];

        var response = await browser.SendAsync(HttpMethod.Post, "/who/", null, true, headers);

        if (reason is null) await response.ShouldBeAsync(200);
        else await response.ShouldBeAsync(403, $$"""{"detail":"CSRF Failed: {{reason}}"}""");
    }

    [Fact]
    public async Task Login_gives_a_new_secret_and_the_old_token_is_worthless()
    {
        await Users.CreateAsync("alice");
        var browser = NewBrowser();
        var before = (await (await browser.GetAsync("/page/")).JsonAsync())["csrftoken"]!.GetValue<string>();
        var cookie = browser.CsrfToken;

        await browser.LogInAsync("alice");

        Assert.NotEqual(cookie, browser.CsrfToken);
        await browser.SendAsync(HttpMethod.Post, "/who/", null, false, ("X-CSRFToken", before)).ShouldBeAsync(403);
    }

    [Fact]
    public async Task A_cookie_that_cannot_be_ours_is_replaced()
    {
        var browser = NewBrowser();
        browser.Cookies["csrftoken"] = "nonsense";

        await browser.GetAsync("/who/");

        Assert.Matches("^[A-Za-z0-9]{32}$", browser.CsrfToken);
    }

    [Fact]
    public async Task Another_visitors_token_is_worthless()
    {
        await Users.CreateAsync("alice");
        await Users.CreateAsync("mallory");
        var alice = await NewBrowser().LogInAsync("alice");
        var mallory = await NewBrowser().LogInAsync("mallory");

        await alice.SendAsync(HttpMethod.Post, "/who/", null, false, ("X-CSRFToken", mallory.CsrfToken!)).ShouldBeAsync(403);
    }

    [Fact]
    public async Task Header_and_cookie_names_are_settings()
    {
        var server = await StartServerAsync(options => { options.Csrf.HeaderName = "X-XSRF-Token"; options.Csrf.CookieName = "xsrf"; });
        await Users.CreateAsync("alice");
        var browser = await NewBrowser(server).LogInAsync("alice");

        await browser.SendAsync(HttpMethod.Post, "/who/", null, false, ("X-XSRF-Token", browser.Cookies["xsrf"])).ShouldBeAsync(200);
        await browser.SendAsync(HttpMethod.Post, "/who/", null, false, ("X-CSRFToken", browser.Cookies["xsrf"]))
            .ShouldBeAsync(403, """{"detail":"CSRF Failed: CSRF token missing."}""");
    }

    [Fact]
    public async Task JSON_that_a_form_of_another_site_can_send_does_not_pass()
    {
        await Users.CreateAsync("alice");
        var browser = await NewBrowser().LogInAsync("alice");

        var asText = await browser.SendAsync(HttpMethod.Post, "/api/accounts/logout/", new StringContent("{}", null, "text/plain"), csrf: false);

        // As in the stack: the body is read for its token, and this one cannot be.
        await asText.ShouldBeAsync(415);
        await browser.GetAsync("/api/accounts/profile/").ShouldBeAsync(200);
        using var json = JsonContent.Create(new { });
        await browser.SendAsync(HttpMethod.Post, "/api/accounts/logout/", json).ShouldBeAsync(200);
    }
}
