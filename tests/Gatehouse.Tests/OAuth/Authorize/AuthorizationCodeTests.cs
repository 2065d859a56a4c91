using Xunit;

namespace Gatehouse.Tests.OAuth.Authorize;

/// <summary>Codes for tokens: once, by whom it was for, with the proof that was promised.</summary>
public sealed class AuthorizationCodeTests : AuthorizeTest
{
    private const string InvalidGrant = """{"error": "invalid_grant"}""";

    [Fact]
    public async Task A_code_gives_tokens()
    {
        Client("web");
        var tokens = await TokensAsync(ExchangeAsync("web", await CodeAsync("web", ("scope", "read"))));

        Assert.Equal(["access_token", "expires_in", "refresh_token", "scope", "token_type"], tokens.AsObject().Select(member => member.Key).Order());
        Assert.Equal(("read", "Bearer", 36_000), ((string?)tokens["scope"], (string?)tokens["token_type"], (int)tokens["expires_in"]!));
        Assert.Equal([$"{AliceId}|web"], Database.Rows("SELECT t.user_id, a.client_id FROM oauth2_provider_accesstoken t JOIN oauth2_provider_application a ON a.id = t.application_id"));
        Assert.Equal(0, Count("oauth2_provider_grant"));
        await TokenAsync("web", "refresh_token", [("refresh_token", (string?)tokens["refresh_token"])]).ShouldBeAsync(200);
    }

    // A14
    [Fact]
    public async Task Using_a_code_again_ends_what_it_gave()
    {
        Client("web");
        Client("other");
        var code = await CodeAsync("web");
        var tokens = await TokensAsync(ExchangeAsync("web", code));
        var next = await TokensAsync(TokenAsync("web", "refresh_token", [("refresh_token", (string?)tokens["refresh_token"])]));

        // Somebody else's attempt is none.
        await ExchangeAsync("other", code).ShouldBeAsync(400, InvalidGrant);
        Assert.Equal(1, Count("oauth2_provider_accesstoken"));

        Clock.Advance(TimeSpan.FromSeconds(30));
        await ExchangeAsync("web", code).ShouldBeAsync(400, InvalidGrant);
        Assert.Equal(0, Count("oauth2_provider_accesstoken"));
        Assert.Equal(0, Count("oauth2_provider_refreshtoken WHERE revoked IS NULL"));
        await TokenAsync("web", "refresh_token", [("refresh_token", (string?)next["refresh_token"])]).ShouldBeAsync(400);
        Assert.Equal(0, Count("gatehouse_oauth_used_code"));
    }

    [Fact]
    public async Task The_real_stack_only_refuses_it()
    {
        Client("web");
        var server = await StartServerAsync(options => options.OAuth.RevokeOnCodeReuse = false);
        var code = await CodeAsync("web");
        var form = new Dictionary<string, string>
        {
            ["grant_type"] = "authorization_code",
            ["code"] = code,
            ["client_id"] = "web",
            ["client_secret"] = SecretOf("web"),
            ["redirect_uri"] = Callback,
            ["code_verifier"] = Verifier,
        };
        await server.Http.PostAsync("/o/token/", new FormUrlEncodedContent(form), Ct).ShouldBeAsync(200);
        await server.Http.PostAsync("/o/token/", new FormUrlEncodedContent(form), Ct).ShouldBeAsync(400, InvalidGrant);
        Assert.Equal(1, Count("oauth2_provider_accesstoken"));
    }

    // A14, R9
    [Fact]
    public async Task Of_64_callers_at_once_one_gets_tokens()
    {
        Client("web");
        for (var round = 0; round < Jwt.JwtTest.RoundsOr(5); round++)
        {
            var code = await CodeAsync("web");
            var answers = await Task.WhenAll(Enumerable.Range(0, 64).Select(_ => ExchangeAsync("web", code)));

            Assert.Single(answers, answer => (int)answer.StatusCode == 200);
            Assert.All(answers, answer => Assert.True((int)answer.StatusCode is 200 or 400, $"{answer.StatusCode}"));
            // The others came second: what the first got is over.
            Assert.Equal(0, Count("oauth2_provider_accesstoken"));
            Assert.Equal(0, Count("oauth2_provider_refreshtoken WHERE revoked IS NULL"));
        }
    }

    [Fact]
    public async Task A_code_is_good_for_its_client_its_address_and_its_time()
    {
        Client("web");
        Client("other");
        Client("app", type: "public");
        var code = await CodeAsync("web");
        await ExchangeAsync("other", code).ShouldBeAsync(400, InvalidGrant);
        await ExchangeAsync("app", code, ("client_secret", null)).ShouldBeAsync(400, InvalidGrant);
        await ExchangeAsync("web", code, ("client_secret", "wrong-secret-of-web")).ShouldBeAsync(401);
        await ExchangeAsync("web", code, ("redirect_uri", "https://client.example/else")).ShouldBeAsync(400, """{"error": "invalid_request", "error_description": "Mismatching redirect URI."}""");
        foreach (var wrong in new[] { "", " ", code.ToUpperInvariant(), code + " ", new string('x', 5000), "é", "\0" }) await ExchangeAsync("web", wrong).ShouldBeAsync(400, InvalidGrant);
        await ExchangeAsync("web", code, ("code", null)).ShouldBeAsync(400, """{"error": "invalid_request", "error_description": "Missing code parameter."}""");
        await ExchangeAsync("web", code).ShouldBeAsync(200);

        var late = await CodeAsync("web");
        Clock.Advance(TimeSpan.FromSeconds(60));
        await ExchangeAsync("web", late).ShouldBeAsync(400, InvalidGrant);
        await ExchangeAsync("web", late).ShouldBeAsync(400, InvalidGrant);
    }

    // A15
    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("short")]
    [InlineData("a-code-verifier-that-is-long-enough-0123456789-abcdefghijx")]
    [InlineData("A-CODE-VERIFIER-THAT-IS-LONG-ENOUGH-0123456789-ABCDEFGHIJ")]
    public async Task Who_does_not_know_the_verifier_gets_nothing(string? verifier)
    {
        Client("web");
        var code = await CodeAsync("web");
        await ExchangeAsync("web", code, ("code_verifier", verifier)).ShouldBeAsync(400, verifier is null ? """{"error": "invalid_request", "error_description": "Code verifier required."}""" : InvalidGrant);
        await ExchangeAsync("web", code, ("code_verifier", Challenge)).ShouldBeAsync(400, InvalidGrant);
        await ExchangeAsync("web", code).ShouldBeAsync(200);
    }

    // A15
    [Fact]
    public async Task Challenges_are_what_RFC_7636_says()
    {
        Client("web");
        Client("nopkce", skips: true);
        async Task<string> RefusalAsync(params (string, string?)[] changes) => Returned(await Alice.GetAsync(Url("web", changes)))["error_description"];

        Assert.Equal("Code challenge required.", await RefusalAsync(("code_challenge", null)));
        Assert.Equal("Transform algorithm not supported.", await RefusalAsync(("code_challenge_method", "S512")));
        Assert.Equal("Transform algorithm not supported.", await RefusalAsync(("code_challenge_method", "s256")));
        foreach (var malformed in new[] { "", "x", Challenge[..42], Challenge + "=", Challenge + "x", new string('é', 43) }) Assert.Equal("Malformed code_challenge.", await RefusalAsync(("code_challenge", malformed)));
        foreach (var malformed in new[] { new string('x', 42), new string('x', 129), new string('!', 43) })
            Assert.Equal("Malformed code_challenge.", await RefusalAsync(("code_challenge", malformed), ("code_challenge_method", "plain")));

        // Verifiers of these lengths, by their right challenges.
        foreach (var (verifier, status) in new[] { (new string('x', 43), 200), (new string('x', 128), 200), (new string('x', 42), 400), (new string('x', 129), 400), (new string('é', 50), 400) })
            await ExchangeAsync("web", await CodeAsync("web", ("code_challenge", S256(verifier))), ("code_verifier", verifier)).ShouldBeAsync(status);

        // Nobody was challenged: somebody took the challenge away.
        var unchallenged = Returned(await Alice.GetAsync(Url("nopkce", ("code_challenge", null), ("code_challenge_method", null))))["code"];
        await ExchangeAsync("nopkce", unchallenged).ShouldBeAsync(400, InvalidGrant);
        await ExchangeAsync("nopkce", unchallenged, ("code_verifier", null)).ShouldBeAsync(200);
    }

    [Fact]
    public async Task Plain_works_until_it_is_refused()
    {
        Client("web");
        var plain = new (string, string?)[] { ("code_challenge", Verifier), ("code_challenge_method", null) };
        await ExchangeAsync("web", await CodeAsync("web", plain)).ShouldBeAsync(200);

        var server = await StartServerAsync(options => options.OAuth.CompliantBcpRfc9700PkceMethod = true);
        var alice = await NewBrowser(server).LogInAsync("alice");
        Assert.Equal("Unsupported \"plain\" code_challenge_method; use \"S256\".", Returned(await alice.GetAsync(Url("web", plain)))["error_description"]);
    }

    [Fact]
    public async Task Inactive_users_get_no_tokens()
    {
        Client("web");
        var code = await CodeAsync("web");
        Database.Execute("UPDATE auth_user SET is_active = 0");
        await ExchangeAsync("web", code).ShouldBeAsync(400, InvalidGrant);
        Database.Execute("UPDATE auth_user SET is_active = 1");
        await ExchangeAsync("web", code).ShouldBeAsync(200);
    }

    [Fact]
    public async Task Resources_can_be_narrowed()
    {
        Client("web");
        var url = Url("web") + "&resource=https%3A%2F%2Fa.example%2F&resource=https%3A%2F%2Fb.example%2F";
        var code = Returned(await AllowAsync(url))["code"];
        await ExchangeAsync("web", code, ("resource", "https://c.example/")).ShouldBeAsync(400);
        await ExchangeAsync("web", code, ("resource", "https://b.example/")).ShouldBeAsync(200);
        Assert.Equal(["[\"https://b.example/\"]"], Database.Rows("SELECT resource FROM oauth2_provider_accesstoken"));
        Assert.Equal("invalid_target", Returned(await Alice.GetAsync(Url("web", ("resource", "x"))))["error"]);

        var all = Returned(await AllowAsync(url))["code"];
        await ExchangeAsync("web", all).ShouldBeAsync(200);
        Assert.Equal(["[\"https://a.example/\", \"https://b.example/\"]"], Database.Rows("SELECT resource FROM oauth2_provider_accesstoken ORDER BY id DESC LIMIT 1"));
    }

    [Theory]
    [InlineData("https://spa.example", true)]
    [InlineData("https://evil.example", false)]
    [InlineData("http://spa.example", false)]
    [InlineData("null", false)]
    [InlineData("https://spa.example.evil.example", false)]
    public async Task Pages_of_allowed_origins_read_the_answer(string origin, bool allowed)
    {
        Client("app", type: "public", origins: "https://spa.example");
        (string, string) header = ("Origin", origin);
        var answer = await TokenAsync(
            "app", "authorization_code", [("client_secret", null), ("code", await CodeAsync("app")), ("redirect_uri", Callback), ("code_verifier", Verifier)], header);
        await answer.ShouldBeAsync(200);
        Assert.Equal(allowed ? origin : null, answer.Header("Access-Control-Allow-Origin"));

        var refresh = (string?)(await answer.JsonAsync())["refresh_token"];
        Assert.Equal(allowed ? origin : null, (await TokenAsync("app", "refresh_token", [("client_secret", null), ("refresh_token", refresh)], header)).Header("Access-Control-Allow-Origin"));
        Assert.Null((await TokenAsync("app", "refresh_token", [("client_secret", null), ("refresh_token", "nosuch")], header)).Header("Access-Control-Allow-Origin"));
    }
}
