using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Gatehouse.Tests.Clients;
using Gatehouse.Tests.OAuth.OpenId;
using Microsoft.Playwright;
using Xunit;

namespace Gatehouse.Tests.Pages;

/// <summary>The pages of the OAuth provider, as people meet them.</summary>
public sealed class OAuthPagesTests(Chromium chromium) : PagesTest(chromium)
{
    private const string Secret = "the-secret-of-the-photo-album";

    // RFC 7636, appendix B.
    private const string Verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

    private static string Challenge => Base64Url.EncodeToString(SHA256.HashData(Encoding.ASCII.GetBytes(Verifier)));

    protected override void Configure(GatehouseOptions options)
    {
        options.OAuth.Scopes = new Dictionary<string, string>
        {
            ["read"] = "See your photos",
            ["write"] = "Upload photos and change those that are there",
            ["openid"] = "Know who you are",
        };
        options.OAuth.OidcEnabled = true;
        options.OAuth.OidcRsaPrivateKey = OpenIdTest.RsaPem;
        options.OAuth.OidcRpInitiatedLogoutEnabled = true;
    }

    [Theory]
    [MemberData(nameof(Screens))]
    public async Task A_person_logs_in_consents_and_is_back_at_the_client(string screen)
    {
        await CreateAsync();
        var page = await NewPageAsync(screen);

        await page.GotoAsync(AuthorizeAddress());
        await LogInAsync(page, "alice");
        await Assertions.Expect(page.Locator("body")).ToContainTextAsync("Photo album");
        await Assertions.Expect(page.Locator("body")).ToContainTextAsync("photos.example");
        await Assertions.Expect(page.Locator("li")).ToHaveTextAsync(["See your photos", "Upload photos and change those that are there"]);
        await LookAsync(page, "consent");
        await page.Locator("[name=allow]").ClickAsync();

        await Assertions.Expect(page.Locator("h1")).ToHaveTextAsync("Back");
        Assert.StartsWith($"{Callback}?", page.Url);
        Assert.Contains("code=", page.Url);
        Assert.Contains("state=xyz", page.Url);
    }

    // Chromium holds every redirect that follows a form to its page's form-action: also those that the client answers with, to wherever.
    [Fact]
    public async Task A_callback_may_lead_on_to_another_origin()
    {
        await CreateAsync();
        var page = await NewPageAsync("desktop");
        await page.GotoAsync(AuthorizeAddress().Replace(Uri.EscapeDataString(Callback), Uri.EscapeDataString(Onward), StringComparison.Ordinal));
        await LogInAsync(page, "alice");

        await page.Locator("[name=allow]").ClickAsync();

        await Assertions.Expect(page.Locator("h1")).ToHaveTextAsync("Back");
        Assert.StartsWith($"{Elsewhere}?", page.Url);
        Assert.Contains("code=", page.Url);

        await page.GotoAsync($"/o/logout/?client_id=photos&post_logout_redirect_uri={Uri.EscapeDataString(Onward)}");
        await page.Locator("[name=allow]").ClickAsync();
        await Assertions.Expect(page.Locator("h1")).ToHaveTextAsync("Back");
        Assert.StartsWith(Elsewhere, page.Url);
    }

    // A10
    [Fact]
    public async Task A_page_in_a_frame_stays_empty()
    {
        await CreateAsync();
        var page = await NewPageAsync("desktop");
        await page.GotoAsync("/accounts/login/");
        await LogInAsync(page, "alice");
        var framed = await page.Context.NewPageAsync();

        await framed.GotoAsync(Callback.Replace("/callback", "/frame?", StringComparison.Ordinal) + Uri.EscapeDataString(new Uri(Server.Address, AuthorizeAddress()).ToString()));

        await Assertions.Expect(framed.Locator("h1")).ToHaveTextAsync("Framed");
        var inside = framed.Frames.Single(frame => frame != framed.MainFrame);
        Assert.Equal(0, await inside.Locator("[name=allow]").CountAsync());
    }

    [Fact]
    public async Task Who_cancels_is_back_at_the_client_with_access_denied()
    {
        await CreateAsync();
        var page = await NewPageAsync("desktop");
        await page.GotoAsync(AuthorizeAddress());
        await LogInAsync(page, "alice");

        await page.Locator("form:has([name=allow]) [type=submit]:not([name=allow])").ClickAsync();

        await Assertions.Expect(page.Locator("h1")).ToHaveTextAsync("Back");
        Assert.Contains("error=access_denied", page.Url);
        Assert.Contains("state=xyz", page.Url);
    }

    [Fact]
    public async Task What_was_granted_is_not_asked_again_but_more_scopes_are()
    {
        await CreateAsync();
        var page = await NewPageAsync("desktop");
        await GrantAsync(page, "read");

        await page.GotoAsync(AuthorizeAddress("read") + "&approval_prompt=auto");
        await Assertions.Expect(page.Locator("h1")).ToHaveTextAsync("Back");

        await page.GotoAsync(AuthorizeAddress("read write") + "&approval_prompt=auto");
        await Assertions.Expect(page.Locator("[name=allow]")).ToBeVisibleAsync();
    }

    // Browsers hold each redirect that follows a form, also the second, to the form's page: its policy must let the client be reached.
    [Fact]
    public async Task A_client_that_asks_for_no_consent_is_reached_straight_from_the_login()
    {
        await CreateAsync(skipAuthorization: true);
        var page = await NewPageAsync("desktop");
        await page.GotoAsync(AuthorizeAddress());

        await LogInAsync(page, "alice");

        await Assertions.Expect(page.Locator("h1")).ToHaveTextAsync("Back");
        Assert.Contains("code=", page.Url);
    }

    [Theory]
    [MemberData(nameof(Screens))]
    public async Task A_request_that_leads_nowhere_is_explained(string screen)
    {
        await CreateAsync();
        var page = await NewPageAsync(screen);
        await page.GotoAsync(AuthorizeAddress().Replace("client_id=photos", "client_id=nobody", StringComparison.Ordinal));
        await LogInAsync(page, "alice");

        await Assertions.Expect(page.Locator("h2")).ToHaveTextAsync("Error: invalid_request");
        await LookAsync(page, "consent-error", complaint: "400");
    }

    [Theory]
    [MemberData(nameof(Screens))]
    public async Task A_person_enters_the_code_of_a_device_and_accepts(string screen)
    {
        await CreateAsync();
        var (_, userCode) = await NewDeviceAsync();
        var page = await NewPageAsync(screen);

        await page.GotoAsync("/o/device/");
        await LogInAsync(page, "alice");
        await LookAsync(page, "device");
        await page.Locator("[name=user_code]").FillAsync("NOT-IT");
        await page.Locator("form:has([name=user_code]) [type=submit]").ClickAsync();
        await Assertions.Expect(page.Locator("ul.errorlist")).ToHaveTextAsync("Incorrect user code");
        await LookAsync(page, "device-refused");

        await page.Locator("[name=user_code]").FillAsync(userCode);
        await page.Locator("form:has([name=user_code]) [type=submit]").ClickAsync();
        await Assertions.Expect(page.Locator("body")).ToContainTextAsync("Television");
        await Assertions.Expect(page.Locator("li")).ToHaveTextAsync(["See your photos"]);
        await LookAsync(page, "device-confirm");
        await page.Locator("[name=action][value=accept]").ClickAsync();
        await Assertions.Expect(page.Locator("body")).ToContainTextAsync("Authorized");
        await LookAsync(page, "device-status");
    }

    [Theory]
    [MemberData(nameof(Screens))]
    public async Task A_person_registers_an_application_sees_its_secret_once_changes_and_deletes_it(string screen)
    {
        await CreateAsync();
        var page = await NewPageAsync(screen);

        await page.GotoAsync("/o/applications/");
        await LogInAsync(page, "alice");
        await LookAsync(page, "applications-none");
        await page.GotoAsync("/o/applications/register/");
        await LookAsync(page, "application-register");
        await page.Locator("[name=name]").FillAsync("An application with a name that goes on and on until it fits on no telephone");
        await page.Locator("[name=client_type]").SelectOptionAsync("confidential");
        await page.Locator("[name=authorization_grant_type]").SelectOptionAsync("authorization-code");
        await page.Locator("[name=redirect_uris]").FillAsync("not-a-uri");
        await page.Locator("form:has([name=redirect_uris]) [type=submit]").ClickAsync();
        await Assertions.Expect(page.Locator("ul.errorlist").First).ToBeVisibleAsync();
        await LookAsync(page, "application-register-refused");

        await page.Locator("[name=redirect_uris]").FillAsync("https://photos.example/callback https://photos.example/a/very/long/address/that/goes/on/and/on/until/it/fits/on/no/telephone");
        var secret = await page.Locator("[name=client_secret]").InputValueAsync();
        Assert.True(secret.Length >= 43, $"A secret of {secret.Length} characters");
        Secrets.Add(secret);
        await page.Locator("form:has([name=redirect_uris]) [type=submit]").ClickAsync();
        await Assertions.Expect(page.Locator("body")).ToContainTextAsync("An application with a name");
        await LookAsync(page, "application");
        await page.ReloadAsync();
        Assert.DoesNotContain(secret, await page.ContentAsync());

        await page.GotoAsync("/o/applications/");
        await Assertions.Expect(page.Locator("li").Filter(new LocatorFilterOptions { HasText = "An application with a name" })).ToBeVisibleAsync();
        await LookAsync(page, "applications");
        await page.GetByRole(AriaRole.Link, new PageGetByRoleOptions { Name = "An application with a name" }).ClickAsync();
        var address = page.Url;
        await page.GotoAsync(address + "update/");
        await LookAsync(page, "application-update");
        await page.Locator("[name=name]").FillAsync("Renamed");
        await page.Locator("form:has([name=redirect_uris]) [type=submit]").ClickAsync();
        await Assertions.Expect(page.Locator("body")).ToContainTextAsync("Renamed");

        await page.GotoAsync(address + "delete/");
        await LookAsync(page, "application-delete");
        await page.Locator("form[method=post] [type=submit][name=allow], form[method=post] button[type=submit]").Last.ClickAsync();
        await Assertions.Expect(page.Locator("body")).Not.ToContainTextAsync("Renamed");
    }

    [Theory]
    [MemberData(nameof(Screens))]
    public async Task A_person_sees_who_has_access_and_ends_it(string screen)
    {
        await CreateAsync();
        var page = await NewPageAsync(screen);
        await GrantAsync(page, "read write");

        await page.GotoAsync("/o/authorized_tokens/");
        await Assertions.Expect(page.Locator("body")).ToContainTextAsync("Photo album");
        await LookAsync(page, "authorized-tokens");
        await page.GetByRole(AriaRole.Link, new PageGetByRoleOptions { Name = "revoke" }).ClickAsync();
        await LookAsync(page, "authorized-token-delete");
        await page.Locator("form[method=post] [type=submit]").ClickAsync();

        await Assertions.Expect(page.Locator("body")).Not.ToContainTextAsync("Photo album");
        await LookAsync(page, "authorized-tokens-none");
    }

    [Theory]
    [MemberData(nameof(Screens))]
    public async Task A_person_is_asked_before_a_client_logs_them_out(string screen)
    {
        await CreateAsync();
        var page = await NewPageAsync(screen);
        await page.GotoAsync("/accounts/login/");
        await LogInAsync(page, "alice");

        var bye = Callback.Replace("/callback", "/bye", StringComparison.Ordinal);
        await page.GotoAsync($"/o/logout/?client_id=photos&post_logout_redirect_uri={Uri.EscapeDataString(bye)}&state=s");
        await Assertions.Expect(page.Locator("body")).ToContainTextAsync("Photo album");
        await LookAsync(page, "logout");
        await page.Locator("[name=allow]").ClickAsync();

        await Assertions.Expect(page.Locator("h1")).ToHaveTextAsync("Bye");
        Assert.Equal($"{bye}?state=s", page.Url);
    }

    private async Task CreateAsync(bool skipAuthorization = false)
    {
        await Users.CreateAsync("alice", email: "alice@example.com");
        var clients = new TestClients(Database, Secrets);
        await clients.CreateAsync(
            "photos", "authorization-code", Secret, name: "Photo album", redirectUris: $"{Callback} {Onward}",
            postLogoutRedirectUris: $"{Callback.Replace("/callback", "/bye", StringComparison.Ordinal)} {Onward}", skipAuthorization: skipAuthorization);
        await clients.CreateAsync("television", "urn:ietf:params:oauth:grant-type:device_code", null, name: "Television");
    }

    private string AuthorizeAddress(string scope = "read write") =>
        $"/o/authorize/?response_type=code&client_id=photos&redirect_uri={Uri.EscapeDataString(Callback)}&scope={Uri.EscapeDataString(scope)}&state=xyz"
        + $"&code_challenge={Challenge}&code_challenge_method=S256";

    /// <summary>Logs in, consents, and does what the client would do with the code.</summary>
    private async Task GrantAsync(IPage page, string scope)
    {
        await page.GotoAsync(AuthorizeAddress(scope));
        await LogInAsync(page, "alice");
        await page.Locator("[name=allow]").ClickAsync();
        var code = System.Web.HttpUtility.ParseQueryString(new Uri(page.Url).Query)["code"]!;
        var form = new FormUrlEncodedContent(new Dictionary<string, string>
        {
            ["grant_type"] = "authorization_code",
            ["code"] = code,
            ["redirect_uri"] = Callback,
            ["code_verifier"] = Verifier,
        });
        await Http.AskAsync("/o/token/", "POST", form, ("Authorization", Answers.Basic("photos", Secret))).ShouldBeAsync(200);
    }

    private async Task<(string DeviceCode, string UserCode)> NewDeviceAsync()
    {
        var form = new FormUrlEncodedContent(new Dictionary<string, string> { ["client_id"] = "television", ["scope"] = "read" });
        var response = await Http.PostAsync("/o/device-authorization/", form, Ct);
        await response.ShouldBeAsync(200);
        var json = await response.JsonAsync();
        return (json["device_code"]!.GetValue<string>(), json["user_code"]!.GetValue<string>());
    }
}
