using Gatehouse.Users;
using Xunit;

namespace Gatehouse.Tests.OAuth.OpenId;

/// <summary>/o/logout/: whom it logs out, whom it asks first, and where it leads. A22; oidcc-rp-initiated-logout-*.</summary>
public sealed class RPInitiatedLogoutTests : OpenIdTest
{
    private const string BadToken = "The ID Token is expired, revoked, malformed, or otherwise invalid.";

    [Fact]
    public async Task It_asks_and_then_ends_the_session_and_the_tokens()
    {
        var (alice, browser) = await LoggedInAsync("alice");
        AddClient();
        AddClient("device", grant: "urn:ietf:params:oauth:grant-type:device_code");
        var hint = await NewIdTokenAsync(alice);
        var (access, refresh) = AddTokens(alice);
        var ofDevice = AddTokens(alice, "device").Access;
        var path = $"/o/logout/?id_token_hint={hint}&post_logout_redirect_uri={Uri.EscapeDataString(Bye)}&state=a%20b%26c";

        var page = await browser.GetAsync(path);
        await page.ShouldBeAsync(200);
        Assert.Contains("Confirm Logout requested by <bdi>Client web</bdi>", await page.TextAsync(), StringComparison.Ordinal);
        // The client's page may lead on, and Chromium holds the form's policy against those redirects too.
        Assert.DoesNotContain("form-action", page.Header("Content-Security-Policy"), StringComparison.Ordinal);
        Assert.EndsWith("form-action 'self'", (await browser.GetAsync("/o/logout/")).Header("Content-Security-Policy"), StringComparison.Ordinal);

        var denied = await browser.SubmitAsync(path);
        await denied.ShouldBeAsync(400);
        Assert.Contains("<h2>Error: logout_denied</h2>\n<p>Logout has been refused by the user.</p>", await denied.TextAsync(), StringComparison.Ordinal);
        Assert.NotNull(browser.SessionKey);

        var left = await browser.SubmitAsync(path, ("allow", "Logout"));
        await left.ShouldBeAsync(302);
        Assert.Equal(Bye + "?state=a%20b%26c", left.Header("Location"));
        Assert.Null(browser.SessionKey);
        await Http.AskAsync("/oauth/", "Bearer " + access).ShouldBeAsync(401);
        await RefreshAsync(refresh).ShouldBeAsync(400);
        await Http.AskAsync("/oauth/", "Bearer " + ofDevice).ShouldBeAsync(200);
        Assert.Empty(Database.Rows("SELECT jti FROM oauth2_provider_idtoken"));
        await ShouldBeErrorAsync(browser.GetAsync($"/o/logout/?id_token_hint={hint}"), BadToken);
    }

    [Fact]
    public async Task Hints_that_are_modified_foreign_or_not_ours_lead_nowhere()
    {
        var (alice, browser) = await LoggedInAsync("alice");
        AddClient();
        AddClient("other");
        var hint = await NewIdTokenAsync(alice);
        var stranger = await StartServerAsync(options => options.OAuth.OidcRsaPrivateKey = NewRsa());
        var elsewhere = await StartServerAsync(options => options.OAuth.OidcIssEndpoint = "https://elsewhere.example");
        var redirect = $"&post_logout_redirect_uri={Uri.EscapeDataString(Bye)}&state=s";

        foreach (var wrong in (string[])[.. IdTokenTests.Wrong(hint), "x", "a.b.c", "\0", new string('e', 7_000), await NewIdTokenAsync(alice, server: stranger), await NewIdTokenAsync(alice, server: elsewhere)])
            await ShouldBeErrorAsync(browser.GetAsync($"/o/logout/?id_token_hint={Uri.EscapeDataString(wrong)}{redirect}"), BadToken);
        await ShouldBeErrorAsync(
            browser.GetAsync($"/o/logout/?id_token_hint={hint}&client_id=other{redirect}"), "Mismatch between the Client ID of the ID Token and the Client ID that was provided.");
        Assert.NotNull(browser.SessionKey);
    }

    [Theory]
    [InlineData("https://evil.example/bye", "This client does not have this redirect uri registered.")]
    [InlineData("https://client.example/bye/", "This client does not have this redirect uri registered.")]
    [InlineData("https://client.example/bye?x=1", "This client does not have this redirect uri registered.")]
    [InlineData("https://client.example/bye#x", "This client does not have this redirect uri registered.")]
    [InlineData("https://client.example@evil.example/bye", "This client does not have this redirect uri registered.")]
    [InlineData("https://client.example\\@evil.example/bye", "This client does not have this redirect uri registered.")]
    [InlineData("//client.example/bye", "A Scheme is required for the redirect URI.")]
    [InlineData("javascript:alert(1)", "Redirect to scheme \"javascript\" is not permitted.")]
    [InlineData("data:text/html,x", "Redirect to scheme \"data\" is not permitted.")]
    public async Task Nobody_is_led_where_the_client_has_not_registered(string uri, string why)
    {
        var (alice, browser) = await LoggedInAsync("alice");
        AddClient();
        var hint = await NewIdTokenAsync(alice);

        await ShouldBeErrorAsync(browser.GetAsync($"/o/logout/?id_token_hint={hint}&post_logout_redirect_uri={Uri.EscapeDataString(uri)}"), why);
        await ShouldBeErrorAsync(Http.GetAsync($"/o/logout/?client_id=web&post_logout_redirect_uri={Uri.EscapeDataString(uri)}", Ct), why);
    }

    [Fact]
    public async Task Without_a_client_there_is_no_redirect()
    {
        AddClient();
        const string unknown = "The client is unknown or no client has been included.";

        await ShouldBeErrorAsync(Http.GetAsync($"/o/logout/?post_logout_redirect_uri={Uri.EscapeDataString(Bye)}", Ct), unknown);
        await ShouldBeErrorAsync(Http.GetAsync("/o/logout/?client_id=nosuch", Ct), unknown);
        await ShouldBeErrorAsync(Http.GetAsync($"/o/logout/?client_id={new string('x', 5_000)}", Ct), unknown);

        // With a state alone, or nothing, home; who is logged in is asked.
        var home = await Http.GetAsync("/o/logout/?state=s", Ct);
        Assert.Equal((302, Server.Address.ToString()), ((int)home.StatusCode, home.Header("Location")));
        var (_, browser) = await LoggedInAsync("alice");
        await browser.GetAsync("/o/logout/?state=s").ShouldBeAsync(200);
        var page = await (await browser.GetAsync("/o/logout/?state=%22%3E%3Cscript%3E")).TextAsync();
        Assert.Contains("value=\"&quot;&gt;&lt;script&gt;\"", page, StringComparison.Ordinal);
        await browser.SendAsync(HttpMethod.Post, "/o/logout/", new FormUrlEncodedContent([KeyValuePair.Create("allow", "Logout")]), csrf: false).ShouldBeAsync(403);
        Assert.NotNull(browser.SessionKey);
    }

    [Fact]
    public async Task Somebody_elses_token_is_asked_about_even_where_ones_own_is_not()
    {
        var server = await StartServerAsync(options => options.OAuth.OidcRpInitiatedLogoutAlwaysPrompt = false);
        var alice = await Users.CreateAsync("alice");
        var bob = await Users.CreateAsync("bob");
        AddClient();
        var browser = await NewBrowser(server).LogInAsync("alice");
        var (own, others) = (await NewIdTokenAsync(alice, server: server), await NewIdTokenAsync(bob, server: server));

        await browser.GetAsync("/o/logout/").ShouldBeAsync(200);
        await browser.GetAsync("/o/logout/?client_id=web").ShouldBeAsync(200);
        await browser.GetAsync($"/o/logout/?id_token_hint={others}").ShouldBeAsync(200);
        var left = await browser.GetAsync($"/o/logout/?id_token_hint={own}&post_logout_redirect_uri={Uri.EscapeDataString(Bye)}");

        Assert.Equal((302, Bye), ((int)left.StatusCode, left.Header("Location")));
        Assert.Null(browser.SessionKey);
    }

    [Fact]
    public async Task Settings_decide_about_expired_tokens_plain_http_and_what_is_deleted()
    {
        var strict = await StartServerAsync(options =>
        {
            options.OAuth.OidcRpInitiatedLogoutAcceptExpiredTokens = false;
            options.OAuth.OidcRpInitiatedLogoutStrictRedirectUris = true;
            options.OAuth.OidcRpInitiatedLogoutDeleteTokens = false;
        });
        var alice = await Users.CreateAsync("alice");
        AddClient();
        AddClient("spa", type: "public", logoutUris: "http://spa.example/bye");
        var hint = await NewIdTokenAsync(alice);
        var kept = AddTokens(alice).Access;

        await ShouldBeErrorAsync(strict.Http.GetAsync("/o/logout/?client_id=spa&post_logout_redirect_uri=http://spa.example/bye", Ct), "http is only allowed with confidential clients.");
        await Http.GetAsync("/o/logout/?client_id=spa&post_logout_redirect_uri=http://spa.example/bye", Ct).ShouldBeAsync(302);
        var browser = await NewBrowser(strict).LogInAsync("alice");
        await browser.SubmitAsync("/o/logout/", ("allow", "Logout")).ShouldBeAsync(302);
        await Http.AskAsync("/oauth/", "Bearer " + kept).ShouldBeAsync(200);

        Clock.Advance(TimeSpan.FromSeconds(36_000 + 61));
        await Http.GetAsync($"/o/logout/?id_token_hint={hint}", Ct).ShouldBeAsync(302);
        await ShouldBeErrorAsync(strict.Http.GetAsync($"/o/logout/?id_token_hint={hint}", Ct), BadToken);
    }

    private async Task<(User User, Browser Browser)> LoggedInAsync(string username)
    {
        var user = await Users.CreateAsync(username);
        return (user, await NewBrowser().LogInAsync(username));
    }

    private static async Task ShouldBeErrorAsync(Task<HttpResponseMessage> asking, string description)
    {
        var answer = await asking;
        await answer.ShouldBeAsync(400);
        Assert.Contains($"<h2>Error: invalid_request</h2>\n<p>{System.Net.WebUtility.HtmlEncode(description)}</p>", await answer.TextAsync(), StringComparison.Ordinal);
        Assert.Null(answer.Header("Location"));
    }
}
