using System.Text.RegularExpressions;
using Gatehouse.Tests.Database;
using Xunit;

namespace Gatehouse.Tests.OAuth.Authorize;

/// <summary>The page that asks, and what its form can and cannot do.</summary>
public sealed class ConsentTests : AuthorizeTest
{
    protected override void Configure(GatehouseOptions options)
    {
        base.Configure(options);
        options.OAuth.Scopes = new Dictionary<string, string> { ["read"] = "Reading scope", ["write"] = "Writing <scope>", ["admin"] = "Everything" };
        options.OAuth.DefaultScopes = ["read"];
    }

    [Fact]
    public async Task The_page_says_who_asks_where_the_answer_goes_and_what_for()
    {
        Client("web", name: "Photo Printer");
        var page = await (await Alice.GetAsync(Url("web", ("scope", "read write"), ("resource", "https://api.example/v1")))).TextAsync();

        Assert.Contains("<h1>Authorize <bdi>Photo Printer</bdi>?</h1>", page, StringComparison.Ordinal);
        Assert.Contains("<p class=\"host\">client.example</p>", page, StringComparison.Ordinal);
        Assert.Contains("<li>Reading scope</li>\n<li>Writing &lt;scope&gt;</li>", page, StringComparison.Ordinal);
        Assert.Contains("<li>https://api.example/v1</li>", page, StringComparison.Ordinal);
        Assert.Contains("<bdi>alice</bdi>", page, StringComparison.Ordinal);
        Assert.Contains("<input type=\"submit\" name=\"allow\" value=\"Authorize\">", page, StringComparison.Ordinal);
        Assert.DoesNotContain("Unverified", page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_form_has_the_fields_of_the_real_stack()
    {
        Client("web");
        var fields = FieldsOf(await (await Alice.GetAsync(Url("web"))).TextAsync());

        Assert.Equal(
            ["claims", "client_id", "code_challenge", "code_challenge_method", "consent", "csrfmiddlewaretoken", "nonce", "redirect_uri", "resource", "response_type", "scope", "state"],
            fields.Keys.Order());
        Assert.Equal((Callback, "read", "web", "st-1", "code", Challenge, "S256"), (
            fields["redirect_uri"], fields["scope"], fields["client_id"], fields["state"], fields["response_type"], fields["code_challenge"], fields["code_challenge_method"]));
    }

    // C7
    [Theory]
    [InlineData("<img src=x onerror=alert(1)>", "&lt;img src=x onerror=alert(1)&gt;")]
    [InlineData("Bank\u202eknab", "Bank\uFFFDknab")]
    [InlineData("a\u0000b\u200bc\u2066d", "a\uFFFDb\uFFFDc\uFFFDd")]
    [InlineData("'\"&", "&#39;&quot;&amp;")]
    public async Task A_name_is_text_and_only_text(string name, string shown)
    {
        // PostgreSQL holds no NUL.
        if (TestDatabase.IsPostgres) (name, shown) = (name.Replace("\0", "", StringComparison.Ordinal), shown.Replace("a\uFFFDb", "ab", StringComparison.Ordinal));
        Client("web", name: name.Replace("\0", "", StringComparison.Ordinal));
        if (name.Contains('\0')) Database.Execute("UPDATE oauth2_provider_application SET name = 'a' || char(0) || 'b\u200bc\u2066d'");
        Assert.Contains($"<bdi>{shown}</bdi>", await (await Alice.GetAsync(Url("web"))).TextAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("dcr")]
    [InlineData("cimd")]
    public async Task Clients_that_registered_themselves_are_said_to_be_unverified(string source)
    {
        Client("web", name: "Gatehouse", source: source);
        var page = await (await Alice.GetAsync(Url("web"))).TextAsync();
        Assert.Contains("<strong>Unverified:</strong>", page, StringComparison.Ordinal);
        Assert.Contains("<p class=\"host\">client.example</p>", page, StringComparison.Ordinal);
    }

    // A10, A11
    [Fact]
    public async Task The_page_is_not_framed_runs_nothing_and_loads_nothing()
    {
        Client("web");
        var answer = await Alice.GetAsync(Url("web"));
        Assert.Equal("DENY", answer.Header("X-Frame-Options"));
        Assert.Equal("same-origin", answer.Header("Referrer-Policy"));
        var policy = answer.Header("Content-Security-Policy")!;
        Assert.StartsWith("default-src 'none'; style-src 'self'; ", policy, StringComparison.Ordinal);
        Assert.Contains("frame-ancestors 'none'", policy, StringComparison.Ordinal);
        // Nobody knows where a callback leads on to, and Chromium holds those redirects to it too.
        Assert.DoesNotContain("form-action", policy, StringComparison.Ordinal);
        // Nothing but our own style sheet.
        Assert.Empty(Regex.Matches(await answer.TextAsync(), "<script|src=|href=(?!\"/[a-z/.]+\\.css\\?v=)|@import|url\\("));
    }

    // A9
    [Fact]
    public async Task The_form_is_answered_by_a_redirect_that_no_browser_posts_again()
    {
        Client("web");
        Assert.Equal(302, (int)(await AllowAsync(Url("web"))).StatusCode);
        var denied = await PostAsync(Url("web"), FieldsOf(await (await Alice.GetAsync(Url("web"))).TextAsync()));
        var told = Returned(denied);
        Assert.Equal("access_denied", told["error"]);
        Assert.Equal("st-1", told["state"]);
    }

    // A12
    [Fact]
    public async Task A_form_from_elsewhere_grants_nothing()
    {
        Client("web");
        var fields = FieldsOf(await (await Alice.GetAsync(Url("web"))).TextAsync());
        fields["allow"] = "Authorize";
        await Users.CreateAsync("mallory");
        var mallory = await NewBrowser().LogInAsync("mallory");
        var theirs = FieldsOf(await (await mallory.GetAsync(Url("web"))).TextAsync())["csrfmiddlewaretoken"];

        foreach (var token in new[] { null, "", theirs, new string('a', 64), fields["csrfmiddlewaretoken"][..32] })
        {
            var forged = new Dictionary<string, string>(fields);
            if (token is null) forged.Remove("csrfmiddlewaretoken");
            else forged["csrfmiddlewaretoken"] = token;
            await PostAsync(Url("web"), forged).ShouldBeAsync(403);
        }
        var crossSite = await Alice.SendAsync(HttpMethod.Post, Url("web"), new FormUrlEncodedContent(fields), csrf: false, ("Origin", "https://evil.example"));
        await crossSite.ShouldBeAsync(403);
        // A token from before the login, which changes it.
        var before = fields["csrfmiddlewaretoken"];
        await Alice.LogInAsync("alice");
        await PostAsync(Url("web"), new Dictionary<string, string>(fields) { ["csrfmiddlewaretoken"] = before }).ShouldBeAsync(403);
        Assert.Equal(0, Count("oauth2_provider_grant"));
    }

    [Theory]
    [InlineData("scope", "read write")]
    [InlineData("scope", "admin")]
    [InlineData("client_id", "other")]
    [InlineData("response_type", "token")]
    [InlineData("code_challenge", "x")]
    [InlineData("code_challenge_method", "plain")]
    [InlineData("nonce", "n")]
    [InlineData("claims", "{}")]
    [InlineData("resource", "https://api.example/")]
    [InlineData("redirect_uri", "https://client.example/other")]
    public async Task The_form_cannot_ask_for_more_than_was_shown(string field, string value)
    {
        Client("web", $"{Callback} https://client.example/other");
        Client("other");
        var fields = FieldsOf(await (await Alice.GetAsync(Url("web"))).TextAsync());
        fields["allow"] = "Authorize";
        fields[field] = value;

        foreach (var path in new[] { Url("web"), "/o/authorize/", Url("other") }) await PostAsync(path, fields).ShouldBeAsync(400);
        fields.Remove("consent");
        await PostAsync(Url("web"), fields).ShouldBeAsync(400);
        Assert.Equal(0, Count("oauth2_provider_grant"));
    }

    [Fact]
    public async Task A_program_may_post_the_fields_of_the_real_stack_to_the_address_that_it_asked_at()
    {
        Client("web");
        var csrf = FieldsOf(await (await Alice.GetAsync(Url("web"))).TextAsync())["csrfmiddlewaretoken"];
        var fields = new Dictionary<string, string>
        {
            ["csrfmiddlewaretoken"] = csrf,
            ["client_id"] = "web",
            ["redirect_uri"] = Callback,
            ["response_type"] = "code",
            ["scope"] = "read",
            ["state"] = "st-1",
            ["allow"] = "Authorize",
            ["code_challenge"] = Challenge,
            ["code_challenge_method"] = "S256",
        };
        await ExchangeAsync("web", Returned(await PostAsync(Url("web"), fields))["code"]).ShouldBeAsync(200);
        await ShouldBeErrorPageAsync(await PostAsync("/o/authorize/", fields), "The form belongs to no authorization request.");
    }

    [Fact]
    public async Task The_fields_of_the_page_are_enough_without_its_address()
    {
        Client("web");
        var fields = FieldsOf(await (await Alice.GetAsync(Url("web"))).TextAsync());
        fields["allow"] = "Authorize";
        Returned(await PostAsync("/o/authorize/", fields)).ContainsCode();

        // Another user's page is not this user's.
        await Users.CreateAsync("mallory");
        var mallory = await NewBrowser().LogInAsync("mallory");
        fields["csrfmiddlewaretoken"] = FieldsOf(await (await mallory.GetAsync(Url("web"))).TextAsync())["csrfmiddlewaretoken"];
        await PostAsync("/o/authorize/", fields, mallory).ShouldBeAsync(400);
    }

    [Fact]
    public async Task A_user_may_agree_to_less()
    {
        Client("web");
        var url = Url("web", ("scope", "read write"));
        var fields = FieldsOf(await (await Alice.GetAsync(url)).TextAsync());
        fields["allow"] = "Authorize";
        fields["scope"] = "read";
        var tokens = await TokensAsync(ExchangeAsync("web", Returned(await PostAsync(url, fields))["code"]));
        Assert.Equal("read", (string?)tokens["scope"]);
    }

    [Theory]
    [InlineData("Authorize", true)]
    [InlineData("true", true)]
    [InlineData("0", true)]
    [InlineData("false", false)]
    [InlineData("FALSE", false)]
    [InlineData("", false)]
    public async Task Allow_is_read_as_Django_reads_a_checkbox(string allow, bool agreed)
    {
        Client("web");
        var fields = FieldsOf(await (await Alice.GetAsync(Url("web"))).TextAsync());
        fields["allow"] = allow;
        Assert.Equal(agreed, Returned(await PostAsync(Url("web"), fields)).ContainsKey("code"));
    }

    [Fact]
    public async Task An_incomplete_form_is_shown_again()
    {
        Client("web");
        var fields = FieldsOf(await (await Alice.GetAsync(Url("web"))).TextAsync());
        fields["allow"] = "Authorize";
        fields["scope"] = " ";
        fields["state"] = "a\0b";
        var answer = await PostAsync(Url("web"), fields);
        await answer.ShouldBeAsync(200);
        var page = await answer.TextAsync();
        Assert.Contains("<ul class=\"errorlist\"><li>scope: This field is required.</li></ul>", page, StringComparison.Ordinal);
        Assert.Contains("<ul class=\"errorlist\"><li>state: Null characters are not allowed.</li></ul>", page, StringComparison.Ordinal);
    }

    // A13
    [Fact]
    public async Task Whoever_agreed_is_asked_again_for_more()
    {
        Client("web");
        var auto = ("approval_prompt", (string?)"auto");
        var resource = ("resource", (string?)"https://api.example/v1");
        await ExchangeAsync("web", await CodeAsync("web", ("scope", "read"), resource)).ShouldBeAsync(200);

        Returned(await Alice.GetAsync(Url("web", auto, ("scope", "read"), resource))).ContainsCode();
        await (await Alice.GetAsync(Url("web", auto, ("scope", "read write"), resource))).ShouldBeAsync(200);
        await (await Alice.GetAsync(Url("web", auto, ("scope", "read"), ("resource", "https://other.example/")))).ShouldBeAsync(200);
        await (await Alice.GetAsync(Url("web", auto, ("scope", "read")))).ShouldBeAsync(200);
        await (await Alice.GetAsync(Url("web", auto, ("scope", "read"), resource, ("prompt", "consent")))).ShouldBeAsync(200);
        await (await Alice.GetAsync(Url("web", ("scope", "read"), resource))).ShouldBeAsync(200);

        Client("other");
        await (await Alice.GetAsync(Url("other", auto, ("scope", "read"), resource))).ShouldBeAsync(200);
        Clock.Advance(TimeSpan.FromDays(1));
        await (await Alice.GetAsync(Url("web", auto, ("scope", "read"), resource))).ShouldBeAsync(200);
    }
}
