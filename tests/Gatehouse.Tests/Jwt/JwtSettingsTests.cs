using System.Security.Cryptography;
using System.Text.Json;
using Gatehouse.Jwt;
using Gatehouse.Server;
using Xunit;

namespace Gatehouse.Tests.Jwt;

public sealed class JwtSettingsTests : JwtTest
{
    protected override Task StartAsync() => Task.CompletedTask;

    private async Task<string> RefusalAsync(Action<GatehouseOptions> configure) => (await Assert.ThrowsAsync<SettingException>(() => StartServerAsync(configure))).Message;

    // J18
    [Fact]
    public async Task A_weak_key_stops_the_start()
    {
        using var rsa = RSA.Create(1024);
        var pem = rsa.ExportPkcs8PrivateKeyPem();

        Assert.Contains("SIGNING_KEY the secret has 16 bytes", await RefusalAsync(options => options.Jwt.SigningKey = "0123456789abcdef"), StringComparison.Ordinal);
        Assert.Contains("1024 bits", await RefusalAsync(options => (options.Jwt.Algorithm, options.Jwt.SigningKey) = ("RS256", pem)), StringComparison.Ordinal);
        Assert.Contains("PEM", await RefusalAsync(options => options.Jwt.SigningKey = pem), StringComparison.Ordinal);
        Assert.Contains("SIGNING_KEY is missing", await RefusalAsync(options => options.Jwt.Algorithm = "ES256"), StringComparison.Ordinal);
    }

    // J18
    [Theory]
    [InlineData("HS384", 47, 48)]
    [InlineData("HS512", 63, 64)]
    public async Task A_key_shorter_than_its_hash_is_told_in_the_log_and_refused_under_Strict(string algorithm, int bytes, int wanted)
    {
        var told = $"SIMPLE_JWT: SIGNING_KEY has {bytes} bytes; for {algorithm} it should have at least {wanted}";
        void Configure(GatehouseOptions options, int length) => (options.Jwt.Algorithm, options.Jwt.SigningKey) = (algorithm, (SecretKey + SecretKey)[..length]);

        await StartServerAsync(options => Configure(options, wanted));
        Assert.DoesNotContain(Log.Lines, line => line.Contains("SIGNING_KEY", StringComparison.Ordinal));
        var server = await StartServerAsync(options => Configure(options, bytes));
        Assert.Single(Log.Lines, line => line.StartsWith("Warning", StringComparison.Ordinal) && line.Contains(told, StringComparison.Ordinal));
        await Users.CreateAsync("alice");
        await RefreshAsync((await ObtainAsync("alice", server)).Refresh, server).ShouldBeAsync(200);

        Assert.StartsWith(told, await RefusalAsync(options =>
        {
            Configure(options, bytes);
            options.Profile = Profile.Strict;
        }), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"ALGORITHM":"none"}""", "ALGORITHM")]
    [InlineData("""{"REMEMBERED_SIGNATURES":-1}""", "RememberedSignatures")]
    [InlineData("""{"ACCESS_TOKEN_LIFETIME":0}""", "ACCESS_TOKEN_LIFETIME")]
    [InlineData("""{"AUTH_HEADER_TYPES":[]}""", "AUTH_HEADER_TYPES")]
    [InlineData("""{"USER_ID_FIELD":"uuid"}""", "USER_ID_FIELD")]
    [InlineData("""{"TOKEN_TYPE_CLAIM":null}""", "TOKEN_TYPE_CLAIM")]
    [InlineData("""{"JTI_CLAIM":null}""", "JTI_CLAIM")]
    [InlineData("""{"AUTH_TOKEN_CLASSES":["app.tokens.Mine"]}""", "AUTH_TOKEN_CLASSES")]
    [InlineData("""{"JWK_URL":"http://id.example.com/jwks"}""", "JWK_URL")]
    [InlineData("""{"TOKEN_OBTAIN_SERIALIZER":"app.Mine"}""", "TOKEN_OBTAIN_SERIALIZER")]
    [InlineData("""{"USER_AUTHENTICATION_RULE":"app.rule"}""", "USER_AUTHENTICATION_RULE")]
    [InlineData("""{"JSON_ENCODER":"app.Encoder"}""", "JSON_ENCODER")]
    [InlineData("""{"SECRET_KEY":"x"}""", "SECRET_KEY")]
    [InlineData("""{"NO_SUCH_THING":1}""", "NO_SUCH_THING")]
    public async Task A_setting_that_cannot_work_stops_the_start_with_its_name(string section, string name) =>
        Assert.Contains(name, await RefusalAsync(options => SimpleJwt.Apply(JsonElement.Parse(section), options.Jwt)), StringComparison.Ordinal);

    [Fact]
    public async Task All_36_settings_of_simplejwt_are_read()
    {
        const string P = "rest_framework_simplejwt.";
        var section = JsonSerializer.SerializeToElement(new Dictionary<string, object?>
        {
            ["ACCESS_TOKEN_LIFETIME"] = 60,
            ["REFRESH_TOKEN_LIFETIME"] = "01:00:00",
            ["ROTATE_REFRESH_TOKENS"] = true,
            ["BLACKLIST_AFTER_ROTATION"] = true,
            ["UPDATE_LAST_LOGIN"] = true,
            ["ALGORITHM"] = "HS512",
            ["SIGNING_KEY"] = SecretKey + SecretKey,
            ["VERIFYING_KEY"] = "",
            ["AUDIENCE"] = "shop",
            ["ISSUER"] = "us",
            ["JSON_ENCODER"] = null,
            ["JWK_URL"] = null,
            ["LEEWAY"] = 5,
            ["AUTH_HEADER_TYPES"] = new[] { "JWT", "Bearer" },
            ["AUTH_HEADER_NAME"] = "HTTP_X_ACCESS_TOKEN",
            ["USER_ID_FIELD"] = "username",
            ["USER_ID_CLAIM"] = "uid",
            ["USER_AUTHENTICATION_RULE"] = P + "authentication.default_user_authentication_rule",
            ["ON_LOGIN_SUCCESS"] = P + "serializers.default_on_login_success",
            ["ON_LOGIN_FAILED"] = P + "serializers.default_on_login_failed",
            ["AUTH_TOKEN_CLASSES"] = new[] { P + "tokens.AccessToken" },
            ["TOKEN_TYPE_CLAIM"] = "typ",
            ["JTI_CLAIM"] = "id",
            ["TOKEN_USER_CLASS"] = P + "models.TokenUser",
            ["SLIDING_TOKEN_REFRESH_EXP_CLAIM"] = "rexp",
            ["SLIDING_TOKEN_LIFETIME"] = 60,
            ["SLIDING_TOKEN_REFRESH_LIFETIME"] = 120,
            ["TOKEN_OBTAIN_SERIALIZER"] = P + "serializers.TokenObtainPairSerializer",
            ["TOKEN_REFRESH_SERIALIZER"] = P + "serializers.TokenRefreshSerializer",
            ["TOKEN_VERIFY_SERIALIZER"] = P + "serializers.TokenVerifySerializer",
            ["TOKEN_BLACKLIST_SERIALIZER"] = P + "serializers.TokenBlacklistSerializer",
            ["SLIDING_TOKEN_OBTAIN_SERIALIZER"] = P + "serializers.TokenObtainSlidingSerializer",
            ["SLIDING_TOKEN_REFRESH_SERIALIZER"] = P + "serializers.TokenRefreshSlidingSerializer",
            ["CHECK_REVOKE_TOKEN"] = true,
            ["REVOKE_TOKEN_CLAIM"] = "pw",
            ["CHECK_USER_IS_ACTIVE"] = true,
        });
        Assert.Equal(36, section.EnumerateObject().Count());
        var server = await StartServerAsync(options => SimpleJwt.Apply(section, options.Jwt));
        await Users.CreateAsync("alice");

        var (access, refresh) = await ObtainAsync("alice", server);

        Assert.Equal(Encode("""{"alg":"HS512","typ":"JWT"}"""), access.Split('.')[0]);
        Assert.Equal(["typ", "exp", "iat", "id", "uid", "pw", "aud", "iss"], ClaimsOf(access).EnumerateObject().Select(claim => claim.Name));
        Assert.Equal((Second + 60, Second + 3600, "alice"), (
            ClaimsOf(access).GetProperty("exp").GetInt64(), ClaimsOf(refresh).GetProperty("exp").GetInt64(), ClaimsOf(access).GetProperty("uid").GetString()));
        await server.Http.AskAsync("/jwt/", "GET", null, ("X-Access-Token", "JWT " + access)).ShouldBeAsync(200);
        await server.Http.AskAsync("/jwt/", "GET", null, ("X-Access-Token", "Bearer " + access)).ShouldBeAsync(200);
        Assert.Equal("JWT realm=\"api\"", (await server.Http.AskAsync("/jwt/", "Bearer " + access)).Header("WWW-Authenticate"));
        Assert.Equal(["2026-07-01 12:00:00.123456"], Database.Rows("SELECT last_login FROM auth_user"));
        await RefreshAsync(refresh, server).ShouldBeAsync(200);
    }

    [Fact]
    public async Task Hooks_add_claims_and_members_and_have_their_say()
    {
        var failed = new List<string>();
        var server = await StartServerAsync(options =>
        {
            options.Jwt.TokenObtainSerializer = made =>
            {
                made.Claims!["name"] = made.User!.Username;
                made.Claims["roles"] = new[] { "a", "b" };
                made.Response["lifetime"] = 300;
                return Task.CompletedTask;
            };
            options.Jwt.UserAuthenticationRule = user => user.Username != "bob";
            options.Jwt.OnLoginFailed = failure => { failed.Add(failure.Username); return Task.CompletedTask; };
        });
        await Users.CreateAsync("alice");
        await Users.CreateAsync("bob");

        var answer = await PostAsync("/api/token/", new { username = "alice", password = TestUsers.PasswordOf("alice") }, server);

        Assert.Equal(300, (int)(await answer.JsonAsync())["lifetime"]!);
        var (access, _) = await PairAsync(answer);
        Assert.Equal("""{"name":"alice","roles":["a","b"]}""", JsonSerializer.Serialize(new { name = ClaimsOf(access).GetProperty("name"), roles = ClaimsOf(access).GetProperty("roles") }));
        await PostAsync("/api/token/", new { username = "bob", password = TestUsers.PasswordOf("bob") }, server)
            .ShouldBeAsync(401, """{"detail":"No active account found with the given credentials"}""");
        Assert.Equal(["bob"], failed);
    }

    [Fact]
    public async Task A_key_can_be_changed_without_logging_anyone_out()
    {
        using var ec = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        await Users.CreateAsync("alice");
        var before = await StartServerAsync();
        var old = await ObtainAsync("alice", before);
        var after = await StartServerAsync(options =>
        {
            options.Jwt.Algorithm = "ES256";
            options.Jwt.SigningKey = ec.ExportPkcs8PrivateKeyPem();
            options.Jwt.VerifyingKeys = [new JwtKeyOptions { Algorithm = "HS256", Key = SecretKey }];
        });

        await after.Http.AskAsync("/jwt/", "Bearer " + old.Access).ShouldBeAsync(200);
        var answer = await RefreshAsync(old.Refresh, after);
        await answer.ShouldBeAsync(200);
        var access = (string)(await answer.JsonAsync())["access"]!;
        Assert.Contains("\"kid\":", System.Text.Encoding.UTF8.GetString(System.Buffers.Text.Base64Url.DecodeFromChars(access.Split('.')[0])), StringComparison.Ordinal);
        await after.Http.AskAsync("/jwt/", "Bearer " + access).ShouldBeAsync(200);
        await before.Http.AskAsync("/jwt/", "Bearer " + access).ShouldBeAsync(401);
    }

    // R20
    [Fact]
    public async Task Tokens_issued_before_a_moment_are_refused_and_those_after_it_are_taken()
    {
        var alice = await Users.CreateAsync("alice");
        var first = await StartServerAsync();
        var before = await ObtainAsync("alice", first);
        var sliding = (string)(await (await PostAsync("/api/token/sliding/", new { username = "alice", password = TestUsers.PasswordOf("alice") }, first)).JsonAsync())["token"]!;
        Clock.Advance(TimeSpan.FromSeconds(1));
        var moment = Clock.Now;
        var server = await StartServerAsync(options => options.TokensNotBefore = moment);

        const string Invalid = """{"detail":"Token is invalid","code":"token_not_valid"}""";
        await RefreshAsync(before.Refresh, server).ShouldBeAsync(401, Invalid);
        await PostAsync("/api/token/sliding/refresh/", new { token = sliding }, server).ShouldBeAsync(401, Invalid);
        await PostAsync("/api/token/verify/", new { token = before.Access }, server).ShouldBeAsync(401, Invalid);
        await server.Http.AskAsync("/jwt/", "Bearer " + before.Access).ShouldBeAsync(401);
        await server.Http.AskAsync("/stateless/", "Bearer " + before.Access).ShouldBeAsync(401);
        var ageless = Access(alice);
        ageless.Remove("iat");
        await server.Http.AskAsync("/jwt/", "Bearer " + Sign(ageless)).ShouldBeAsync(401);
        await first.Http.AskAsync("/jwt/", "Bearer " + Sign(ageless)).ShouldBeAsync(200);

        // A token says the second in which it was made: one of the moment's own second may be older than it.
        Clock.Advance(TimeSpan.FromSeconds(1));
        var after = await ObtainAsync("alice", server);
        await server.Http.AskAsync("/jwt/", "Bearer " + after.Access).ShouldBeAsync(200);
        await RefreshAsync(after.Refresh, server).ShouldBeAsync(200);
    }

    [Theory]
    [InlineData("\"2026-07-01T12:00:00Z\"", "2026-07-01T12:00:00.0000000+00:00")]
    [InlineData("\"2026-07-01T14:00:00.25+02:00\"", "2026-07-01T12:00:00.2500000+00:00")]
    [InlineData("\"2026-07-01T12:00:00\"", null)]
    [InlineData("\"2026-07-01\"", null)]
    [InlineData("\"1/7/2026 12:00\"", null)]
    [InlineData("1782907200", null)]
    public void A_moment_has_its_zone(string json, string? moment)
    {
        var options = new GatehouseOptions();
        void Set() => OptionsMapper.Set(options, "TokensNotBefore", JsonElement.Parse(json), "TokensNotBefore");

        if (moment is null) Assert.Contains("a moment in UTC such as", Assert.Throws<SettingException>(Set).Message, StringComparison.Ordinal);
        else Set();
        Assert.Equal(moment, options.TokensNotBefore?.ToString("O"));
    }

    [Fact]
    public async Task A_moment_to_come_stops_the_start() =>
        Assert.Contains("TokensNotBefore is still to come", await RefusalAsync(options => options.TokensNotBefore = Clock.Now + TimeSpan.FromSeconds(1)), StringComparison.Ordinal);

    [Fact]
    public async Task Without_the_tables_of_the_blacklist_tokens_work_and_rotation_with_blacklisting_is_refused()
    {
        Database.Execute("DROP TABLE token_blacklist_blacklistedtoken; DROP TABLE token_blacklist_outstandingtoken; DELETE FROM django_migrations WHERE app = 'token_blacklist'");
        await Users.CreateAsync("alice");

        var server = await StartServerAsync(options => options.Jwt.RotateRefreshTokens = false);
        var (_, refresh) = await ObtainAsync("alice", server);
        await RefreshAsync(refresh, server).ShouldBeAsync(200);
        await PostAsync("/api/token/blacklist/", new { refresh }, server).ShouldBeAsync(404);
        Assert.Contains("PasswordChangeEndsTokens", await RefusalAsync(options => options.Jwt.PasswordChangeEndsTokens = true), StringComparison.Ordinal);
        Assert.Contains("BLACKLIST_AFTER_ROTATION", await RefusalAsync(options => options.Jwt.RotateRefreshTokens = options.Jwt.BlacklistAfterRotation = true), StringComparison.Ordinal);
    }

    [Fact]
    public async Task In_the_cookie_mode_no_script_sees_the_refresh_token_and_no_other_site_can_use_it()
    {
        var server = await StartServerAsync(options =>
        {
            options.Jwt.RefreshCookie.Enabled = true;
            options.Jwt.RotateRefreshTokens = options.Jwt.BlacklistAfterRotation = true;
        });
        await Users.CreateAsync("alice");
        var origin = server.Address.ToString().TrimEnd('/');
        Task<HttpResponseMessage> Send(string path, string? cookie, string? from) => server.Http.AskAsync(
            path, "POST", System.Net.Http.Json.JsonContent.Create(new { username = "alice", password = TestUsers.PasswordOf("alice") }),
            [.. cookie is null ? [] : new[] { ("Cookie", cookie) }, .. from is null ? [] : new[] { ("Origin", from) }]);

        var answer = await Send("/api/token/", null, origin);
        Assert.Null((await answer.JsonAsync())["refresh"]);
        var set = answer.SetCookie("__Secure-refresh")!;
        Assert.Contains("; HttpOnly; Max-Age=86399; Path=/api/token/; SameSite=Strict; Secure", set, StringComparison.Ordinal);
        var cookie = set.Split(';')[0];

        await Send("/api/token/refresh/", cookie, null).ShouldBeAsync(403);
        await Send("/api/token/refresh/", cookie, "null").ShouldBeAsync(403);
        await Send("/api/token/refresh/", cookie, "https://evil.example").ShouldBeAsync(403);
        var next = (await Send("/api/token/refresh/", cookie, origin)).SetCookie("__Secure-refresh")!.Split(';')[0];
        Assert.NotEqual(cookie, next);
        await Send("/api/token/refresh/", cookie, origin).ShouldBeAsync(401, Blacklisted);
        var gone = await Send("/api/token/blacklist/", next, origin);
        Assert.Contains("Max-Age=0", gone.SetCookie("__Secure-refresh")!, StringComparison.Ordinal);
    }
}
