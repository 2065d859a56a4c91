using System.Net.Http.Headers;
using Xunit;

namespace Gatehouse.Tests.OAuth;

/// <summary>The device flow, RFC 8628, under Safe.</summary>
public sealed class DeviceTests : OAuthPagesTest
{
    protected override void Configure(GatehouseOptions options) => options.OAuth.OidcEnabled = false;

    [Fact]
    public async Task A_device_gets_tokens_when_its_user_has_said_yes()
    {
        await Users.CreateAsync("alice");
        AddClient("tv");
        var answer = await PostFormAsync("/o/device-authorization/", null, ("client_id", "tv"), ("scope", "read"));
        await answer.ShouldBeAsync(200);
        var json = await answer.JsonAsync();
        var (device, user) = ((string)json["device_code"]!, (string)json["user_code"]!);

        Assert.Equal((1800, 5), ((int)json["expires_in"]!, (int)json["interval"]!));
        Assert.Equal(new Uri(Server.Address, "/o/device/").ToString(), (string)json["verification_uri"]!);
        await ErrorAsync(PollAsync(device), 400, "authorization_pending");

        var browser = await NewBrowser().LogInAsync("alice");
        var page = await browser.GetAsync("/o/device/?user_code=" + user);
        Assert.Contains($"value=\"{user}\"", await page.TextAsync(), StringComparison.Ordinal);
        var entered = await browser.SubmitAsync("/o/device/", ("user_code", user));
        var confirm = await (await browser.GetAsync(entered.Header("Location")!)).TextAsync();
        Assert.Contains("<bdi>The tv</bdi> requests access", confirm, StringComparison.Ordinal);
        Assert.Contains("<li>Reading scope</li>", confirm, StringComparison.Ordinal);
        Assert.Contains(user, confirm, StringComparison.Ordinal);
        var decided = await browser.SubmitAsync(entered.Header("Location")!, ("action", "accept"));

        await PollAsync(device).ShouldBeAsync(200);
        // The page that the user comes to is there, however fast the device was.
        Assert.Contains("Device Authorized", await (await browser.GetAsync(decided.Header("Location")!)).TextAsync(), StringComparison.Ordinal);
        Assert.Equal("read|1", One("SELECT scope, user_id FROM oauth2_provider_accesstoken"));
        await ErrorAsync(PollAsync(device), 400, "invalid_grant");
    }

    // D5
    [Fact]
    public async Task Of_64_redemptions_at_once_by_two_servers_one_succeeds()
    {
        await Users.CreateAsync("alice");
        AddClient("tv");
        var browser = await NewBrowser().LogInAsync("alice");
        var other = await StartServerAsync();
        for (var round = 0; round < 5; round++)
        {
            var (device, user) = await NewDeviceAsync();
            await DecideAsync(browser, user);

            var answers = await Task.WhenAll(Enumerable.Range(0, 64).Select(i => PollAsync(device, http: i % 2 == 0 ? Http : other.Http)));

            Assert.Single(answers, answer => (int)answer.StatusCode == 200);
            Assert.All(answers, answer => Assert.Contains((int)answer.StatusCode, new[] { 200, 400 }));
            Assert.Equal($"{round + 1}|{round + 1}", One("SELECT (SELECT count(*) FROM oauth2_provider_accesstoken), (SELECT count(*) FROM oauth2_provider_refreshtoken)"));
        }
    }

    // D1
    [Fact]
    public async Task A_code_that_somebody_has_typed_is_nobody_elses()
    {
        await Users.CreateAsync("alice");
        await Users.CreateAsync("mallory");
        AddClient("tv");
        var (device, user) = await NewDeviceAsync();
        var (alice, mallory) = (await NewBrowser().LogInAsync("alice"), await NewBrowser().LogInAsync("mallory"));
        var entered = await alice.SubmitAsync("/o/device/", ("user_code", user));
        var confirm = entered.Header("Location")!;
        var status = confirm.Replace("device-confirm", "device-grant-status", StringComparison.Ordinal);

        await mallory.GetAsync(confirm).ShouldBeAsync(404);
        await mallory.GetAsync(status).ShouldBeAsync(404);
        await mallory.SendAsync(HttpMethod.Post, confirm, Form("action=accept")).ShouldBeAsync(404);
        Assert.Contains("Incorrect user code", await (await mallory.SubmitAsync("/o/device/", ("user_code", user))).TextAsync(), StringComparison.Ordinal);
        await alice.GetAsync(status).ShouldBeAsync(200);
        await ErrorAsync(PollAsync(device), 400, "authorization_pending");
    }

    // D2
    [Fact]
    public async Task Guesses_of_user_codes_are_limited_by_user_and_by_address()
    {
        await Users.CreateAsync("mallory");
        await Users.CreateAsync("second");
        AddClient("tv");
        var browser = await NewBrowser().LogInAsync("mallory");
        for (var i = 0; i < 10; i++) await browser.SubmitAsync("/o/device/", ("user_code", $"NOSUCH{i}")).ShouldBeAsync(200);
        var (_, right) = await NewDeviceAsync();

        var refused = await browser.SubmitAsync("/o/device/", ("user_code", right));
        await refused.ShouldBeAsync(429);
        Assert.NotNull(refused.Header("Retry-After"));
        await (await NewBrowser().LogInAsync("second")).SubmitAsync("/o/device/", ("user_code", right)).ShouldBeAsync(429);

        Clock.Advance(TimeSpan.FromMinutes(1));
        await browser.SubmitAsync("/o/device/", ("user_code", right)).ShouldBeAsync(302);
    }

    // D2: 40 bits of the system's randomness.
    [Fact]
    public async Task User_codes_have_eight_letters_of_32()
    {
        AddClient("tv");
        var codes = new List<string>();
        for (var i = 0; i < 200; i++) codes.Add((await NewDeviceAsync()).User);

        Assert.Equal(200, codes.Distinct().Count());
        Assert.All(codes, code => Assert.Matches("^[0-9A-V]{8}$", code));
        Assert.Equal(32, string.Concat(codes).Distinct().Count());
    }

    // D3
    [Fact]
    public async Task Polling_too_fast_is_told_to_slow_down()
    {
        AddClient("tv");
        var (device, _) = await NewDeviceAsync();

        await ErrorAsync(PollAsync(device), 400, "authorization_pending");
        await ErrorAsync(PollAsync(device), 400, "slow_down");
        Clock.Advance(TimeSpan.FromSeconds(2));
        await ErrorAsync(PollAsync(device), 400, "slow_down");
        Clock.Advance(TimeSpan.FromSeconds(3));
        await ErrorAsync(PollAsync(device), 400, "authorization_pending");
    }

    // D3
    [Theory]
    [InlineData("accept")]
    [InlineData("deny")]
    [InlineData("")]
    public async Task A_code_ends_with_its_time(string decision)
    {
        await Users.CreateAsync("alice");
        AddClient("tv");
        var (device, user) = await NewDeviceAsync();
        var browser = await NewBrowser().LogInAsync("alice");
        if (decision.Length > 0) await DecideAsync(browser, user, decision);

        if (decision == "deny") await ErrorAsync(PollAsync(device), 400, "access_denied");
        Clock.Advance(TimeSpan.FromMinutes(30));

        await ErrorAsync(PollAsync(device), 400, decision == "deny" ? "access_denied" : "expired_token");
        var words = decision == "deny" ? "User code has already been used" : "Expired user code";
        Assert.Contains(words, await (await browser.SubmitAsync("/o/device/", ("user_code", user))).TextAsync(), StringComparison.Ordinal);
        Assert.Equal("0", One("SELECT count(*) FROM oauth2_provider_accesstoken"));
    }

    // D4
    [Fact]
    public async Task A_user_who_was_deactivated_meanwhile_gives_no_tokens()
    {
        var alice = await Users.CreateAsync("alice");
        AddClient("tv");
        var (device, user) = await NewDeviceAsync();
        await DecideAsync(await NewBrowser().LogInAsync("alice"), user);
        await Users.DeactivateAsync(alice);

        await ErrorAsync(PollAsync(device), 400, "invalid_grant");
        Assert.Equal("0", One("SELECT count(*) FROM oauth2_provider_accesstoken"));
    }

    [Fact]
    public async Task A_device_code_is_its_own_clients()
    {
        await Users.CreateAsync("alice");
        AddClient("tv");
        AddClient("other");
        AddClient("web", grant: "authorization-code");
        AddClient("safe", "confidential", secret: "wonderful-secret");
        var (device, user) = await NewDeviceAsync();
        await DecideAsync(await NewBrowser().LogInAsync("alice"), user);

        await ErrorAsync(PollAsync(device, "other"), 400, "invalid_grant");
        await ErrorAsync(PollAsync(device, "web"), 400, "unauthorized_client");
        await ErrorAsync(PollAsync(device, "safe"), 401, "invalid_client");
        await ErrorAsync(PollAsync(device, "nosuch"), 401, "invalid_client");
        await PollAsync(device).ShouldBeAsync(200);
    }

    [Fact]
    public async Task Only_clients_of_the_grant_get_codes_for_scopes_that_there_are()
    {
        AddClient("tv");
        AddClient("web", grant: "authorization-code");
        AddClient("safe", "confidential", secret: "wonderful-secret");

        await ErrorAsync(StartingAsync(("client_id", "web")), 400, "unauthorized_client");
        await ErrorAsync(StartingAsync(("client_id", "tv"), ("scope", "nosuch")), 400, "invalid_scope");
        await ErrorAsync(StartingAsync(("client_id", "tv"), ("scope", new string('x', 10_000))), 400, "invalid_scope");
        await ErrorAsync(StartingAsync(("client_id", "safe")), 401, "invalid_client");
        await ErrorAsync(StartingAsync(("client_id", "nosuch")), 400, "invalid_request");
        await ErrorAsync(StartingAsync(("client_id", "tv"), ("client_id", "tv")), 400, "invalid_request");
        await ErrorAsync(StartingAsync(), 400, "invalid_request");
        await StartingAsync(("client_id", "safe"), ("client_secret", "wonderful-secret")).ShouldBeAsync(200);
        Assert.Equal("1", One("SELECT count(*) FROM oauth2_provider_devicegrant"));

        Task<HttpResponseMessage> StartingAsync(params (string, string)[] form) => PostFormAsync("/o/device-authorization/", null, form);
    }

    // Real clients say which letters they use.
    [Fact]
    public async Task The_content_type_may_have_a_charset()
    {
        AddClient("tv");
        using var content = Form("client_id=tv");
        content.Headers.ContentType = MediaTypeHeaderValue.Parse("application/x-www-form-urlencoded;charset=UTF-8");

        await Http.PostAsync("/o/device-authorization/", content, Ct).ShouldBeAsync(200);
    }

    [Theory]
    [InlineData("lower")]
    [InlineData("dash")]
    public async Task A_user_code_is_found_as_people_type_it(string how)
    {
        await Users.CreateAsync("alice");
        AddClient("tv");
        var (_, user) = await NewDeviceAsync();
        var typed = how == "lower" ? user.ToLowerInvariant() : $" {user[..4]}-{user[4..]} ";

        await (await NewBrowser().LogInAsync("alice")).SubmitAsync("/o/device/", ("user_code", typed)).ShouldBeAsync(302);
    }

    [Fact]
    public async Task Of_a_yes_and_a_no_at_once_one_counts()
    {
        await Users.CreateAsync("alice");
        AddClient("tv");
        var (device, user) = await NewDeviceAsync();
        var browser = await NewBrowser().LogInAsync("alice");
        var confirm = (await browser.SubmitAsync("/o/device/", ("user_code", user))).Header("Location")!;

        var answers = await Task.WhenAll(Enumerable.Range(0, 16).Select(i =>
            browser.SendAsync(HttpMethod.Post, confirm, Form(i % 2 == 0 ? "action=accept" : "action=deny"))));

        Assert.Single(answers, answer => (int)answer.StatusCode == 302);
        Assert.All(answers, answer => Assert.Contains((int)answer.StatusCode, new[] { 302, 404 }));
        Assert.Contains((int)(await PollAsync(device)).StatusCode, new[] { 200, 400 });
    }

    [Theory]
    [InlineData("/o/device/")]
    [InlineData("/o/device-confirm/tv/ABCD1234")]
    [InlineData("/o/device-grant-status/tv/ABCD1234")]
    public async Task Pages_are_for_users_who_are_logged_in(string path)
    {
        var answer = await Http.AskAsync(path);

        await answer.ShouldBeAsync(302);
        Assert.Equal("/accounts/login/?next=" + path, answer.Header("Location"));
    }

    [Fact]
    public async Task Forms_need_their_CSRF_token()
    {
        await Users.CreateAsync("alice");
        AddClient("tv");
        var (_, user) = await NewDeviceAsync();
        var browser = await NewBrowser().LogInAsync("alice");

        await browser.SendAsync(HttpMethod.Post, "/o/device/", Form("user_code=" + user), csrf: false).ShouldBeAsync(403);
        var confirm = (await browser.SubmitAsync("/o/device/", ("user_code", user))).Header("Location")!;
        await browser.SendAsync(HttpMethod.Post, confirm, Form("action=accept"), csrf: false).ShouldBeAsync(403);
    }

    // A metadata document's address is a client id, too.
    [Fact]
    public async Task A_client_id_that_is_no_slug_has_its_pages()
    {
        await Users.CreateAsync("alice");
        AddClient("https://tv.example/client.json");
        var (device, user) = await NewDeviceAsync("https://tv.example/client.json");

        await DecideAsync(await NewBrowser().LogInAsync("alice"), user);

        await PollAsync(device, "https://tv.example/client.json").ShouldBeAsync(200);
    }

    [Fact]
    public async Task Two_devices_never_wait_with_one_user_code()
    {
        var codes = new Queue<string>(["AAAA", "AAAA", "BBBB", .. Enumerable.Repeat("AAAA", 8)]);
        var server = await StartServerAsync(options => options.OAuth.OAuthDeviceUserCodeGenerator = codes.Dequeue);
        AddClient("tv");

        var answers = new List<HttpResponseMessage>();
        for (var i = 0; i < 3; i++) answers.Add(await PostFormAsync("/o/device-authorization/", server.Http, ("client_id", "tv")));

        Assert.Equal([200, 200, 503], answers.Select(answer => (int)answer.StatusCode));
        Assert.Equal(["AAAA", "BBBB"], Database.Rows("SELECT user_code FROM oauth2_provider_devicegrant ORDER BY id"));
    }

    [Theory]
    [InlineData("grant_type=urn:ietf:params:oauth:grant-type:device_code&client_id=tv")]
    [InlineData("grant_type=urn:ietf:params:oauth:grant-type:device_code&client_id=tv&device_code=")]
    [InlineData("grant_type=urn:ietf:params:oauth:grant-type:device_code&client_id=tv&device_code=%00")]
    [InlineData("grant_type=urn:ietf:params:oauth:grant-type:device_code&client_id=tv&device_code=%ff%fe")]
    [InlineData("grant_type=urn:ietf:params:oauth:grant-type:device_code&client_id=tv&device_code=a&device_code=b")]
    public async Task Odd_polls_are_refused(string body)
    {
        AddClient("tv");
        using var content = Form(body);

        await Http.PostAsync("/o/token/", content, Ct).ShouldBeAsync(400);
    }
}
