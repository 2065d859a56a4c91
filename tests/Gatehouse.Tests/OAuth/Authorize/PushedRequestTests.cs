using Xunit;

namespace Gatehouse.Tests.OAuth.Authorize;

/// <summary>RFC 9126.</summary>
public sealed class PushedRequestTests : AuthorizeTest
{
    [Fact]
    public async Task A_pushed_request_is_shown_and_answered()
    {
        Client("web");
        var url = await PushAsync("web", ("scope", "read"), ("state", "pushed"));

        // The user logs in on the way, and reads; what else stands in the address does not count.
        Assert.StartsWith("/accounts/login/?next=", (await Http.GetAsync(url, Ct)).Header("Location"), StringComparison.Ordinal);
        Clock.Advance(TimeSpan.FromSeconds(300));
        var fields = FieldsOf(await (await Alice.GetAsync(url + "&scope=write&state=x&redirect_uri=https%3A%2F%2Fevil.example%2F")).TextAsync());
        Assert.Equal(("read", "pushed", Callback), (fields["scope"], fields["state"], fields["redirect_uri"]));

        var given = Returned(await PostAsync(url, fields.Append(new("allow", "Authorize"))));
        Assert.Equal("pushed", given["state"]);
        await ExchangeAsync("web", given["code"]).ShouldBeAsync(200);
        Assert.Equal(0, Count("gatehouse_oauth_pushed_request"));
    }

    // A21
    [Fact]
    public async Task It_is_used_once_by_its_client_in_its_time()
    {
        Client("web");
        Client("other");
        Client("house", skips: true);

        var url = await PushAsync("house");
        await ShouldBeUnknownAsync(url.Replace("client_id=house", "client_id=other", StringComparison.Ordinal));
        await ShouldBeUnknownAsync(url.Replace("client_id=house&", "", StringComparison.Ordinal));
        await ShouldBeUnknownAsync(url + "0");
        await ShouldBeUnknownAsync(url[..^1] + (url[^1] == '0' ? '1' : '0'));
        Returned(await Alice.GetAsync(url)).ContainsCode();
        await ShouldBeUnknownAsync(url);

        var denied = await PushAsync("web");
        var fields = FieldsOf(await (await Alice.GetAsync(denied)).TextAsync());
        Assert.Equal("access_denied", Returned(await PostAsync(denied, fields))["error"]);
        await ShouldBeUnknownAsync(denied);
        await ShouldBeErrorPageAsync(await PostAsync(denied, fields.Append(new("allow", "Authorize"))), "The request_uri is unknown, has expired or was used.", "invalid_request_uri");

        var late = await PushAsync("web");
        Clock.Advance(TimeSpan.FromSeconds(60));
        await ShouldBeUnknownAsync(late);

        var slow = await PushAsync("web");
        await (await Alice.GetAsync(slow)).ShouldBeAsync(200);
        Clock.Advance(TimeSpan.FromMinutes(10));
        await ShouldBeUnknownAsync(slow);

        async Task ShouldBeUnknownAsync(string asked) =>
            await ShouldBeErrorPageAsync(await Alice.GetAsync(asked), "The request_uri is unknown, has expired or was used.", "invalid_request_uri");
    }

    // A21
    [Fact]
    public async Task Of_64_browsers_at_once_one_gets_a_code()
    {
        Client("house", skips: true);
        for (var round = 0; round < Jwt.JwtTest.RoundsOr(3); round++)
        {
            var url = await PushAsync("house");
            var answers = await Task.WhenAll(Enumerable.Range(0, 64).Select(_ => Alice.GetAsync(url)));
            Returned(Assert.Single(answers, answer => (int)answer.StatusCode == 302)).ContainsCode();
            Assert.All(answers, answer => Assert.True((int)answer.StatusCode is 302 or 400));
            Assert.Equal(round + 1, Count("oauth2_provider_grant"));
        }
    }

    [Theory]
    [InlineData("redirect_uri", "https://evil.example/", "invalid_request", "Mismatching redirect URI.")]
    [InlineData("response_type", "token", "unauthorized_client", null)]
    [InlineData("scope", "nosuch", "invalid_scope", null)]
    [InlineData("code_challenge", null, "invalid_request", "Code challenge required.")]
    [InlineData("client_id", "other", "invalid_client", null)]
    [InlineData("client_secret", "wrong-secret", "invalid_client", null)]
    [InlineData("request_uri", "urn:ietf:params:oauth:request_uri:x", "invalid_request", "A request_uri cannot be pushed.")]
    [InlineData("request", "x.y.z", "request_not_supported", "Request objects are not supported.")]
    [InlineData("resource", "x", "invalid_target", "The resource 'x' is not a valid resource indicator: it must be an absolute URI with a scheme and host.")]
    public async Task What_could_not_be_authorized_is_not_kept(string name, string? value, string error, string? description)
    {
        Client("web");
        Client("other");
        var answer = await SendAsync("web", (name, value));
        await answer.ShouldBeAsync(error == "invalid_client" ? 401 : 400);
        var body = await answer.JsonAsync();
        Assert.Equal((error, description), ((string?)body["error"], (string?)body["error_description"]));
        Assert.Null(body["state"]);
        Assert.Equal(0, Count("gatehouse_oauth_pushed_request"));
    }

    [Fact]
    public async Task The_answer_is_201_and_says_how_long()
    {
        Client("app", type: "public");
        var answer = await SendAsync("app", ("client_secret", null));
        await answer.ShouldBeAsync(201);
        Assert.Equal("no-store", answer.Header("Cache-Control"));
        var body = (await answer.JsonAsync()).AsObject();
        Assert.Equal(60, (int)body["expires_in"]!);
        Assert.Matches("^urn:ietf:params:oauth:request_uri:[0-9a-f]{64}$", (string)body["request_uri"]!);
        Assert.DoesNotContain(Database.Rows("SELECT request_uri || parameters FROM gatehouse_oauth_pushed_request").Single(), (string)body["request_uri"]!, StringComparison.Ordinal);

        await Http.AskAsync("/o/par/", method: "GET").ShouldBeAsync(405);
        await (await SendAsync("app", ("client_secret", null), ("state", new string('s', 70_000)))).ShouldBeAsync(413);
        await Http.PostAsync("/o/par/?a=b", new FormUrlEncodedContent([]), Ct).ShouldBeAsync(400);
    }

    [Fact]
    public async Task A_secret_is_not_kept_and_a_header_will_do()
    {
        Client("web");
        await PushAsync("web");
        Assert.DoesNotContain(SecretOf("web"), Database.Rows("SELECT parameters FROM gatehouse_oauth_pushed_request").Single(), StringComparison.Ordinal);

        var basic = "Basic " + Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes($"web:{SecretOf("web")}"));
        var form = Form("web", ("client_secret", null), ("client_id", null));
        await Http.AskAsync("/o/par/", "POST", new FormUrlEncodedContent(form), ("Authorization", basic)).ShouldBeAsync(201);
        form = Form("web", ("client_secret", null), ("client_id", "other"));
        await Http.AskAsync("/o/par/", "POST", new FormUrlEncodedContent(form), ("Authorization", basic)).ShouldBeAsync(400);
    }

    [Fact]
    public async Task A_pushed_prompt_is_heeded_once()
    {
        Client("house", skips: true);
        var url = await PushAsync("house", ("prompt", "login"));
        var next = System.Web.HttpUtility.ParseQueryString(new Uri(Server.Address, (await Alice.GetAsync(url)).Header("Location")).Query)["next"]!;
        Returned(await Alice.GetAsync(next)).ContainsCode();
    }

    [Fact]
    public async Task They_can_be_required_and_turned_off()
    {
        Client("house", skips: true);
        var strict = await StartServerAsync(options => options.OAuth.RequirePushedAuthorizationRequests = true);
        var alice = await NewBrowser(strict).LogInAsync("alice");
        Assert.Equal("Pushed authorization request required.", Returned(await alice.GetAsync(Url("house")))["error_description"]);
        Returned(await alice.GetAsync(await PushAsync("house"))).ContainsCode();

        var off = await StartServerAsync(options => options.OAuth.ParEnabled = false);
        await off.Http.PostAsync("/o/par/", new FormUrlEncodedContent([]), Ct).ShouldBeAsync(404);
    }

    private async Task<string> PushAsync(string client, params (string Name, string? Value)[] changes)
    {
        var answer = await SendAsync(client, changes);
        await answer.ShouldBeAsync(201);
        return $"/o/authorize/?client_id={client}&request_uri={Uri.EscapeDataString((string)(await answer.JsonAsync())["request_uri"]!)}";
    }

    private Task<HttpResponseMessage> SendAsync(string client, params (string Name, string? Value)[] changes) =>
        Http.PostAsync("/o/par/", new FormUrlEncodedContent(Form(client, changes)), Ct);

    private static Dictionary<string, string> Form(string client, params (string Name, string? Value)[] changes)
    {
        var form = new Dictionary<string, string?>
        {
            ["client_id"] = client,
            ["client_secret"] = SecretOf(client),
            ["response_type"] = "code",
            ["redirect_uri"] = Callback,
            ["state"] = "st-1",
            ["code_challenge"] = Challenge,
            ["code_challenge_method"] = "S256",
        };
        foreach (var (name, value) in changes) form[name] = value;
        return form.Where(one => one.Value is not null).ToDictionary(one => one.Key, one => one.Value!);
    }
}
