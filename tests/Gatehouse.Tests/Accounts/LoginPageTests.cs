using Xunit;

namespace Gatehouse.Tests.Accounts;

public sealed class LoginPageTests : GatehouseTest
{
    private const string Path = "/accounts/login/";

    [Theory]
    [InlineData(Path)]
    [InlineData("/api-auth/login/")]
    [InlineData("/admin/login/")]
    public async Task The_page_works_without_script_and_may_not_be_framed(string path)
    {
        var response = await Http.AskAsync(path);
        var html = await response.TextAsync();

        await response.ShouldBeAsync(200);
        Assert.Equal("DENY", response.Header("X-Frame-Options"));
        Assert.Equal("nosniff", response.Header("X-Content-Type-Options"));
        Assert.Equal("same-origin", response.Header("Referrer-Policy"));
        var policy = response.Header("Content-Security-Policy")!;
        Assert.Contains("default-src 'none'", policy, StringComparison.Ordinal);
        Assert.Contains("frame-ancestors 'none'", policy, StringComparison.Ordinal);
        Assert.DoesNotContain("unsafe", policy, StringComparison.Ordinal);
        Assert.Contains("no-store", response.Header("Cache-Control"), StringComparison.Ordinal);
        foreach (var active in new[] { "<script", "javascript:", " on", "<iframe", "http://", "https://", "src=" })
            Assert.DoesNotContain(active, html.Replace("one", "", StringComparison.Ordinal), StringComparison.OrdinalIgnoreCase);
        Assert.Contains("<html lang=\"en\">", html, StringComparison.Ordinal);
        Assert.Contains("<label for=\"id_username\">", html, StringComparison.Ordinal);
        Assert.Contains("autocomplete=\"current-password\"", html, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_form_logs_in_and_leads_on()
    {
        await Users.CreateAsync("alice");
        var browser = NewBrowser();

        var response = await browser.SubmitAsync(Path, ("username", "alice"), ("password", TestUsers.PasswordOf("alice")));

        await response.ShouldBeAsync(302);
        Assert.Equal("/accounts/profile/", response.Header("Location"));
        Assert.Contains("alice", await (await browser.GetAsync("/accounts/profile/")).TextAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_refusal_names_no_field_and_keeps_the_password_to_itself()
    {
        await Users.CreateAsync("alice");

        var response = await NewBrowser().SubmitAsync(Path + "?next=/admin/", ("username", "alice"), ("password", "wrong-password-of-alice"));
        var html = await response.TextAsync();

        await response.ShouldBeAsync(200);
        Assert.Contains("Please enter a correct username and password.", html, StringComparison.Ordinal);
        Assert.Contains("value=\"alice\"", html, StringComparison.Ordinal);
        Assert.Contains("name=\"next\" value=\"/admin/\"", html, StringComparison.Ordinal);
        Assert.DoesNotContain("wrong-password-of-alice", html, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_its_token_the_form_is_refused()
    {
        await Users.CreateAsync("alice");
        var browser = NewBrowser();
        await browser.GetAsync(Path);

        var response = await browser.SendAsync(
            HttpMethod.Post, Path, new FormUrlEncodedContent([new("username", "alice"), new("password", TestUsers.PasswordOf("alice"))]), csrf: false);

        await response.ShouldBeAsync(403);
        Assert.Null(browser.SessionKey);
    }

    [Fact]
    public async Task The_admins_door_is_for_staff()
    {
        await Users.CreateAsync("alice");
        await Users.CreateAsync("root", isStaff: true);

        var user = await NewBrowser().SubmitAsync("/admin/login/", ("username", "alice"), ("password", TestUsers.PasswordOf("alice")));
        var staff = await NewBrowser().SubmitAsync("/admin/login/", ("username", "root"), ("password", TestUsers.PasswordOf("root")));

        await user.ShouldBeAsync(200);
        Assert.Contains("for a staff account", await user.TextAsync(), StringComparison.Ordinal);
        await staff.ShouldBeAsync(302);
        Assert.Equal("/admin/", staff.Header("Location"));
    }

    [Theory]
    [InlineData("GET")]
    [InlineData("HEAD")]
    [InlineData("PUT")]
    [InlineData("DELETE")]
    public async Task Logging_out_is_no_matter_of_following_a_link(string method)
    {
        await Users.CreateAsync("alice");
        var browser = await NewBrowser().LogInAsync("alice");

        var response = await browser.SendAsync(new HttpMethod(method), "/accounts/logout/");

        Assert.Equal(405, (int)response.StatusCode);
        Assert.Equal("POST, OPTIONS", response.Header("Allow"));
        await browser.GetAsync("/api/accounts/profile/").ShouldBeAsync(200);
    }

    [Fact]
    public async Task Logging_out_from_another_site_is_refused()
    {
        await Users.CreateAsync("alice");
        var browser = await NewBrowser().LogInAsync("alice");

        await browser.SendAsync(HttpMethod.Post, "/accounts/logout/", null, csrf: false).ShouldBeAsync(403);
        await browser.SendAsync(HttpMethod.Post, "/accounts/logout/", null, true, ("Origin", "https://evil.example")).ShouldBeAsync(403);
        await browser.SendAsync(HttpMethod.Post, "/api/accounts/logout/", null, true, ("Origin", "https://evil.example")).ShouldBeAsync(403);
        await browser.GetAsync("/api/accounts/logout/").ShouldBeAsync(405);
        await browser.GetAsync("/api/accounts/profile/").ShouldBeAsync(200);
    }

    [Fact]
    public async Task Logging_out_leads_to_the_login_page()
    {
        await Users.CreateAsync("alice");
        var browser = await NewBrowser().LogInAsync("alice");
        var key = browser.SessionKey;

        var response = await browser.SendAsync(HttpMethod.Post, "/accounts/logout/?next=//evil.example");

        await response.ShouldBeAsync(302);
        Assert.Equal(Path, response.Header("Location"));
        await Http.AskAsync("/api/accounts/profile/", "GET", null, ("Cookie", "sessionid=" + key)).ShouldBeAsync(401);
    }

    public static TheoryData<string> Unsafe => new(Nexts().Distinct());

    private static IEnumerable<string> Nexts()
    {
        string[] hosts = ["evil.example", "evil.example/", "evil.example:80", "user@evil.example", "HOST@evil.example", "HOST.evil.example", "evil.example?HOST", "[::1]"];
        string[] starts = ["//", "///", "////", "/\\", "\\\\", "\\/", "//\\", "/\\/", "\\", "http://", "https://", "http:/\\", "http:///", "https:", "http:\\\\", "ftp://"];
        foreach (var start in starts)
            foreach (var host in hosts.Take(start.Length < 3 ? 5 : 3))
                // "\evil" is /evil: a path of ours. "https:evil" stays ours in no browser.
                if (start != "\\") yield return start + host;
        string[] others =
        [
            "javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\tscript:alert(1)", "\tjavascript:alert(1)", " javascript:alert(1)", "\u0001javascript:alert(1)",
            "data:text/html,x", "vbscript:x", "file:///etc/passwd", "mailto:a@b", "about:blank", "blob:x", "/\t/evil.example", "/\n/evil.example", "/\r\n/evil.example",
            "\t//evil.example", " //evil.example", "//\tevil.example", "\0//evil.example", "h\nttp://evil.example", "http:evil.example", "://evil.example".Insert(0, "x"),
            "//HOST@evil.example/", "https://HOST@evil.example", "//evil.example\\@HOST", "http://HOST:80@evil.example", "//%65vil.example@x", "/\u2028/evil.example".Replace("\u2028", "\u0085", StringComparison.Ordinal),
            "//", "///", "http://", "https:///", "http:", "a:b",
        ];
        foreach (var other in others) yield return other;
    }

    [Theory]
    [MemberData(nameof(Unsafe))]
    public async Task A_next_that_leads_away_is_forgotten(string next)
    {
        next = next.Replace("HOST", Server.Address.Authority, StringComparison.Ordinal);
        await Users.CreateAsync("alice");

        var byQuery = await NewBrowser().SubmitAsync(Path + "?next=" + Uri.EscapeDataString(next), ("username", "alice"), ("password", TestUsers.PasswordOf("alice")));
        var byField = await NewBrowser().SubmitAsync(Path, ("username", "alice"), ("password", TestUsers.PasswordOf("alice")), ("next", next));

        await byQuery.ShouldBeAsync(302);
        Assert.Equal("/accounts/profile/", byQuery.Header("Location"));
        Assert.Equal("/accounts/profile/", byField.Header("Location"));
    }

    [Theory]
    [InlineData("/")]
    [InlineData("/admin/?a=b&c=//d#e")]
    [InlineData("relative/path")]
    [InlineData("?page=2")]
    [InlineData("/a:b")]
    [InlineData("/http://evil.example")]
    [InlineData("http://HOST/back/")]
    [InlineData("//HOST/back/")]
    public async Task A_next_that_stays_here_is_followed(string next)
    {
        next = next.Replace("HOST", Server.Address.Authority, StringComparison.Ordinal);
        await Users.CreateAsync("alice");

        var response = await NewBrowser().SubmitAsync(Path, ("username", "alice"), ("password", TestUsers.PasswordOf("alice")), ("next", next));

        Assert.Equal(next, response.Header("Location"));
    }

    [Fact]
    public void There_are_80_ways_to_lead_away()
    {
        Assert.InRange(Unsafe.Count, 80, 200);
    }

    [Fact]
    public async Task A_next_cannot_split_the_answer()
    {
        await Users.CreateAsync("alice");

        var response = await NewBrowser().SubmitAsync(
            Path, ("username", "alice"), ("password", TestUsers.PasswordOf("alice")), ("next", "/ok\r\nSet-Cookie: owned=1"));

        await response.ShouldBeAsync(302);
        Assert.Null(response.SetCookie("owned"));
        Assert.Equal("/accounts/profile/", response.Header("Location"));
    }

    [Theory]
    [InlineData("\"><script>alert(1)</script>")]
    [InlineData("'onfocus='alert(1)")]
    [InlineData("</form><form action=//evil.example>")]
    public async Task What_is_typed_is_shown_as_text(string text)
    {
        var response = await NewBrowser().SubmitAsync(Path + "?next=/" + Uri.EscapeDataString(text), ("username", text), ("password", "wrong-password"));
        var html = await response.TextAsync();

        Assert.DoesNotContain(text, html, StringComparison.Ordinal);
        Assert.Contains(System.Net.WebUtility.HtmlEncode(text), html, StringComparison.Ordinal);
    }
}
