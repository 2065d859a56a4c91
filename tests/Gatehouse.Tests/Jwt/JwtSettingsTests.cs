using System.Security.Cryptography;
using System.Text.Json;
using Gatehouse.Jwt;
using Gatehouse.Server;
using Gatehouse.Users;
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
    [InlineData("""{"REFRESH_TOKEN_LIFETIME":-1}""", "REFRESH_TOKEN_LIFETIME")]
    [InlineData("""{"SLIDING_TOKEN_LIFETIME":"a while"}""", "SLIDING_TOKEN_LIFETIME")]
    [InlineData("""{"SLIDING_TOKEN_REFRESH_LIFETIME":0.5}""", "SLIDING_TOKEN_REFRESH_LIFETIME")]
    [InlineData("""{"ROTATE_REFRESH_TOKENS":"perhaps"}""", "ROTATE_REFRESH_TOKENS")]
    [InlineData("""{"BLACKLIST_AFTER_ROTATION":null}""", "BLACKLIST_AFTER_ROTATION")]
    [InlineData("""{"UPDATE_LAST_LOGIN":2}""", "UPDATE_LAST_LOGIN")]
    [InlineData("""{"SIGNING_KEY":"short"}""", "SIGNING_KEY")]
    [InlineData("""{"VERIFYING_KEY":"another-secret-0123456789-abcdefghij"}""", "VERIFYING_KEY")]
    [InlineData("""{"AUDIENCE":[""]}""", "AUDIENCE")]
    [InlineData("""{"ISSUER":["us"]}""", "ISSUER")]
    [InlineData("""{"LEEWAY":-1}""", "LEEWAY")]
    [InlineData("""{"JWK_URL":"https://id.example.com/jwks"}""", "JWK_URL")]
    [InlineData("""{"AUTH_HEADER_TYPES":["Bearer "]}""", "AUTH_HEADER_TYPES")]
    [InlineData("""{"AUTH_HEADER_NAME":5}""", "AUTH_HEADER_NAME")]
    [InlineData("""{"AUTH_HEADER_NAME":"HTTP_X ACCESS"}""", "AUTH_HEADER_NAME")]
    [InlineData("""{"USER_ID_CLAIM":""}""", "USER_ID_CLAIM")]
    [InlineData("""{"USER_ID_CLAIM":"jti"}""", "USER_ID_CLAIM")]
    [InlineData("""{"SLIDING_TOKEN_REFRESH_EXP_CLAIM":"exp"}""", "SLIDING_TOKEN_REFRESH_EXP_CLAIM")]
    [InlineData("""{"REVOKE_TOKEN_CLAIM":"iat"}""", "REVOKE_TOKEN_CLAIM")]
    [InlineData("""{"CHECK_REVOKE_TOKEN":"often"}""", "CHECK_REVOKE_TOKEN")]
    [InlineData("""{"CHECK_USER_IS_ACTIVE":null}""", "CHECK_USER_IS_ACTIVE")]
    [InlineData("""{"AUTH_TOKEN_CLASSES":["app.tokens.AccessToken"]}""", "AUTH_TOKEN_CLASSES")]
    [InlineData("""{"AUTH_TOKEN_CLASSES":"rest_framework_simplejwt.tokens.AccessToken"}""", "AUTH_TOKEN_CLASSES")]
    [InlineData("""{"AUTH_HEADER_TYPE":"Bearer"}""", "AUTH_HEADER_TYPE")]
    [InlineData("""{"AUTH_TOKEN_CLASS":"x"}""", "AUTH_TOKEN_CLASS")]
    [InlineData("""{"TOKEN_BACKEND_CLASS":"x"}""", "TOKEN_BACKEND_CLASS")]
    [InlineData("""{"SECRET_KEY":"x"}""", "SECRET_KEY")]
    [InlineData("""{"NO_SUCH_THING":1}""", "NO_SUCH_THING")]
    public async Task A_setting_that_cannot_work_stops_the_start_with_its_name(string section, string name) =>
        Assert.Contains(name, await RefusalAsync(options => SimpleJwt.Apply(JsonElement.Parse(section), options.Jwt)), StringComparison.Ordinal);

    public static TheoryData<string> Code { get; } =
    [
        "USER_AUTHENTICATION_RULE", "ON_LOGIN_SUCCESS", "ON_LOGIN_FAILED", "TOKEN_USER_CLASS", "JSON_ENCODER", "TOKEN_OBTAIN_SERIALIZER", "TOKEN_REFRESH_SERIALIZER",
        "TOKEN_VERIFY_SERIALIZER", "TOKEN_BLACKLIST_SERIALIZER", "SLIDING_TOKEN_OBTAIN_SERIALIZER", "SLIDING_TOKEN_REFRESH_SERIALIZER",
    ];

    [Theory, MemberData(nameof(Code))]
    public void Python_code_needs_the_hook_of_its_name(string name)
    {
        var section = JsonSerializer.SerializeToElement(new Dictionary<string, string> { [name] = "app.code.mine" });
        var jwt = new JwtOptions();
        var refusal = Assert.Throws<SettingException>(() => SimpleJwt.Apply(section, jwt)).Message;
        Assert.StartsWith($"SIMPLE_JWT: {name} names Python code", refusal, StringComparison.Ordinal);

        var hook = typeof(JwtOptions).GetProperties().Single(property => property.Name.Equals(name.Replace("_", "", StringComparison.Ordinal), StringComparison.OrdinalIgnoreCase));
        hook.SetValue(jwt, hook.PropertyType == typeof(JsonSerializerOptions) ? new JsonSerializerOptions() : Hook(hook.PropertyType));
        SimpleJwt.Apply(section, jwt);
    }

    // Any function of that type: none is called here.
    private static Delegate Hook(Type type)
    {
        var parameters = type.GetMethod("Invoke")!.GetParameters().Select(one => System.Linq.Expressions.Expression.Parameter(one.ParameterType));
        return System.Linq.Expressions.Expression.Lambda(type, System.Linq.Expressions.Expression.Default(type.GetMethod("Invoke")!.ReturnType), parameters).Compile();
    }

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
    public async Task Each_endpoint_has_a_hook_of_its_own()
    {
        var server = await StartServerAsync(options =>
        {
            options.Jwt.RotateRefreshTokens = options.Jwt.BlacklistAfterRotation = true;
            options.Jwt.RefreshRetryWindow = TimeSpan.FromSeconds(10);
            options.Jwt.TokenRefreshSerializer = Hook("refreshed");
            options.Jwt.TokenVerifySerializer = Hook("verified");
            options.Jwt.TokenBlacklistSerializer = Hook("ended");
            options.Jwt.SlidingTokenObtainSerializer = Hook("slides");
            options.Jwt.SlidingTokenRefreshSerializer = Hook("slid");
        });
        static Func<JwtSerializer, Task> Hook(string name) => made =>
        {
            made.Response[name] = made.User?.Username ?? "";
            if (made.Claims is { } claims) claims[name] = made.Token is null ? "first" : made.Token.TokenClass;
            return Task.CompletedTask;
        };
        await Users.CreateAsync("alice");
        var (plain, first) = await ObtainAsync("alice", server);
        Assert.DoesNotContain(ClaimsOf(plain).EnumerateObject(), claim => claim.Value.ToString() is "first" or "RefreshToken");

        // The second time as a client whose answer was lost: it misses nothing of it.
        for (var i = 0; i < 2; i++)
        {
            var refreshed = await RefreshAsync(first, server);
            Assert.Equal("alice", (string)(await refreshed.JsonAsync())["refreshed"]!);
            var (access, refresh) = await PairAsync(refreshed);
            foreach (var token in new[] { access, refresh }) Assert.Equal("RefreshToken", ClaimsOf(token).GetProperty("refreshed").GetString());
            if (i == 0) continue;
            await PostAsync("/api/token/verify/", new { token = access }, server).ShouldBeAsync(200, """{"verified":""}""");
            await PostAsync("/api/token/blacklist/", new { refresh }, server).ShouldBeAsync(200, """{"ended":""}""");
        }
        var sliding = await (await PostAsync("/api/token/sliding/", new { username = "alice", password = TestUsers.PasswordOf("alice") }, server)).JsonAsync();
        Assert.Equal(("alice", "first"), ((string)sliding["slides"]!, ClaimsOf((string)sliding["token"]!).GetProperty("slides").GetString()));
        var slid = await (await PostAsync("/api/token/sliding/refresh/", new { token = (string)sliding["token"]! }, server)).JsonAsync();
        Assert.Equal(("alice", "SlidingToken"), ((string)slid["slid"]!, ClaimsOf((string)slid["token"]!).GetProperty("slid").GetString()));
    }

    [Fact]
    public async Task What_a_hook_puts_into_an_answer_takes_the_place_of_a_member_of_that_name()
    {
        var server = await StartServerAsync(options => options.Jwt.TokenObtainSerializer = made => { made.Response["refresh"] = "kept back"; return Task.CompletedTask; });
        await Users.CreateAsync("alice");

        var answer = await (await PostAsync("/api/token/", new { username = "alice", password = TestUsers.PasswordOf("alice") }, server)).TextAsync();

        Assert.Matches("""^\{"access":"[^"]+","refresh":"kept back"\}$""", answer);
    }

    [Fact]
    public async Task A_login_is_told_when_it_has_given_a_token()
    {
        var told = new List<string>();
        var server = await StartServerAsync(options =>
        {
            options.Jwt.OnLoginSuccess = login => { told.Add(login.User.Username); return Task.CompletedTask; };
            options.Jwt.OnLoginFailed = _ => throw new InvalidOperationException("A failing hook fails alone.");
        });
        await Users.CreateAsync("alice");

        await ObtainAsync("alice", server);
        await PostAsync("/api/token/", new { username = "alice", password = "wrong" }, server).ShouldBeAsync(401);
        await PostAsync("/api/token/sliding/", new { username = "alice", password = TestUsers.PasswordOf("alice") }, server).ShouldBeAsync(200);

        Assert.Equal(["alice", "alice"], told);
    }

    [Fact]
    public async Task A_stateless_caller_can_be_of_a_class_of_ones_own()
    {
        var server = await StartServerAsync(options => options.Jwt.TokenUserClass = token => new TokenUser { Id = "0", Username = $"{token.TokenClass} of {token.GetString("user_id")}" });

        await server.Http.AskAsync("/stateless/", "Bearer " + Sign(Access(new User { Id = new UserId(77), Username = "" })))
            .ShouldBeAsync(200, """{"id":"0","username":"AccessToken of 77","is_staff":false}""");
    }

    [Fact]
    public async Task The_encoder_writes_claims_of_ones_own()
    {
        var server = await StartServerAsync(options =>
        {
            options.Jwt.JsonEncoder = new JsonSerializerOptions { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };
            options.Jwt.TokenObtainSerializer = made => { made.Claims!["shop"] = new { FirstFloor = true }; return Task.CompletedTask; };
        });
        await Users.CreateAsync("alice");

        Assert.Equal("""{"first_floor":true}""", ClaimsOf((await ObtainAsync("alice", server)).Access).GetProperty("shop").GetRawText());
    }

    [Theory]
    [InlineData("id", "1")]
    [InlineData("pk", "1")]
    [InlineData("username", "alice")]
    [InlineData("email", "alice@example.com")]
    public async Task A_user_is_named_by_the_field_that_is_set(string field, string name)
    {
        var server = await StartServerAsync(options => options.Jwt.UserIdField = field);
        await Users.CreateAsync("alice", email: "alice@example.com");
        var (access, refresh) = await ObtainAsync("alice", server);

        Assert.Equal(name, ClaimsOf(access).GetProperty("user_id").GetString());
        await server.Http.AskAsync("/jwt/", "Bearer " + access).ShouldBeAsync(200, """{"user":"alice","scheme":"JWTAuthentication","auth":"JwtToken"}""");
        await RefreshAsync(refresh, server).ShouldBeAsync(200);
        if (field != "email") return;
        // An address of two is nobody's name.
        await Users.CreateAsync("other", email: "alice@example.com");
        await server.Http.AskAsync("/jwt/", "Bearer " + access).ShouldBeAsync(401);
        await RefreshAsync(refresh, server).ShouldBeAsync(401);
    }

    [Fact]
    public async Task Inactive_users_keep_their_tokens_where_a_setting_or_a_rule_says_so()
    {
        var alice = await Users.CreateAsync("alice");
        foreach (var (isChecked, rule, used, refreshed) in new (bool, Func<User, bool>?, int, int)[] { (true, null, 401, 401), (false, null, 200, 200), (true, _ => true, 401, 200), (false, user => user.IsActive, 200, 401) })
            foreach (var ends in new[] { true, false })
            {
                Database.Execute("UPDATE auth_user SET is_active = 1");
                var server = await StartServerAsync(options =>
                {
                    options.Jwt.CheckUserIsActive = isChecked;
                    options.Jwt.UserAuthenticationRule = rule;
                    options.Jwt.RotateRefreshTokens = true;
                    options.Jwt.BlacklistAfterRotation = ends;
                });
                var (access, refresh) = await ObtainAsync("alice", server);
                await Users.DeactivateAsync(alice);

                await server.Http.AskAsync("/jwt/", "Bearer " + access).ShouldBeAsync(used);
                await RefreshAsync(refresh, server).ShouldBeAsync(refreshed);
            }
    }

    [Fact]
    public async Task Sliding_tokens_have_the_times_and_the_claim_that_are_set()
    {
        var server = await StartServerAsync(options =>
        {
            options.Jwt.SlidingTokenLifetime = TimeSpan.FromSeconds(60);
            options.Jwt.SlidingTokenRefreshLifetime = TimeSpan.FromSeconds(90);
            options.Jwt.SlidingTokenRefreshExpClaim = "until";
            options.Jwt.AuthTokenClasses = ["rest_framework_simplejwt.tokens.SlidingToken"];
            options.Jwt.SlidingPath = "/slide/";
        });
        await Users.CreateAsync("alice");
        var began = Second;

        var token = (string)(await (await PostAsync("/slide/", new { username = "alice", password = TestUsers.PasswordOf("alice") }, server)).JsonAsync())["token"]!;

        Assert.Equal((began + 60, began + 90), (ClaimsOf(token).GetProperty("exp").GetInt64(), ClaimsOf(token).GetProperty("until").GetInt64()));
        await server.Http.AskAsync("/jwt/", "Bearer " + token).ShouldBeAsync(200);
        Clock.Advance(TimeSpan.FromSeconds(59));
        var slid = (string)(await (await PostAsync("/slide/refresh/", new { token }, server)).JsonAsync())["token"]!;
        Assert.Equal((began + 90, began + 90), (ClaimsOf(slid).GetProperty("exp").GetInt64(), ClaimsOf(slid).GetProperty("until").GetInt64()));
        Clock.Advance(TimeSpan.FromSeconds(31));
        await server.Http.AskAsync("/jwt/", "Bearer " + slid).ShouldBeAsync(401);
        await server.Http.AskAsync("/jwt/", "Bearer " + Sign(Access(await Users.CreateAsync("bob")))).ShouldBeAsync(
            401, """{"detail":"Given token not valid for any token type","code":"token_not_valid","messages":[{"token_class":"SlidingToken","token_type":"sliding","message":"Token has wrong type"}]}""");
    }

    [Fact]
    public async Task Where_tokens_of_any_kind_are_let_in_dead_ones_are_not()
    {
        await Users.CreateAsync("alice");
        foreach (var profile in new[] { Profile.Safe, Profile.Django })
        {
            var server = await StartServerAsync(options => (options.Profile, options.Jwt.AuthTokenClasses) = (profile, ["UntypedToken"]));
            var (access, refresh) = await ObtainAsync("alice", server);
            await server.Http.AskAsync("/jwt/", "Bearer " + access).ShouldBeAsync(200);
            await server.Http.AskAsync("/jwt/", "Bearer " + refresh).ShouldBeAsync(200);
            await PostAsync("/api/token/blacklist/", new { refresh }, server).ShouldBeAsync(200);

            var answer = await server.Http.AskAsync("/jwt/", "Bearer " + refresh);
            if (profile == Profile.Django) await answer.ShouldBeAsync(200);
            else await answer.ShouldBeAsync(
                401, """{"detail":"Given token not valid for any token type","code":"token_not_valid","messages":[{"token_class":"UntypedToken","token_type":"untyped","message":"Token is blacklisted"}]}""");
            await server.Http.AskAsync("/jwt/", "Bearer " + access).ShouldBeAsync(200);
        }
    }

    [Fact]
    public async Task A_server_with_a_verifying_key_alone_takes_tokens_and_gives_none()
    {
        using var rsa = RSA.Create(2048);
        using var other = RSA.Create(2048);
        void Signs(GatehouseOptions options) => (options.Jwt.Algorithm, options.Jwt.SigningKey) = ("RS256", rsa.ExportPkcs8PrivateKeyPem());
        await Users.CreateAsync("alice");
        var (access, refresh) = await ObtainAsync("alice", await StartServerAsync(Signs));

        var server = await StartServerAsync(options => (options.Jwt.Algorithm, options.Jwt.VerifyingKey) = ("RS256", rsa.ExportSubjectPublicKeyInfoPem()));
        await server.Http.AskAsync("/jwt/", "Bearer " + access).ShouldBeAsync(200);
        await PostAsync("/api/token/verify/", new { token = refresh }, server).ShouldBeAsync(200);
        foreach (var path in new[] { "/api/token/", "/api/token/refresh/", "/api/token/sliding/" })
            await PostAsync(path, new { username = "alice", password = TestUsers.PasswordOf("alice"), refresh }, server).ShouldBeAsync(404);
        await PostAsync("/api/token/blacklist/", new { refresh }, server).ShouldBeAsync(200);

        Assert.Contains("VERIFYING_KEY does not belong to SIGNING_KEY", await RefusalAsync(options =>
        {
            Signs(options);
            options.Jwt.VerifyingKey = other.ExportSubjectPublicKeyInfoPem();
        }), StringComparison.Ordinal);
        Assert.Contains("SIGNING_KEY is a public key", await RefusalAsync(options => (options.Jwt.Algorithm, options.Jwt.SigningKey) = ("RS256", rsa.ExportSubjectPublicKeyInfoPem())), StringComparison.Ordinal);
        Assert.Contains("VERIFYING_KEY has no effect beside JWK_URL", await RefusalAsync(options =>
        {
            Signs(options);
            (options.Jwt.VerifyingKey, options.Jwt.JwkUrl) = (rsa.ExportSubjectPublicKeyInfoPem(), "https://id.example.com/jwks");
        }), StringComparison.Ordinal);
        Assert.Contains("VerifyingKeys have no effect beside JWK_URL", await RefusalAsync(options =>
        {
            Signs(options);
            (options.Jwt.VerifyingKeys, options.Jwt.JwkUrl) = ([new JwtKeyOptions { Key = other.ExportSubjectPublicKeyInfoPem() }], "https://id.example.com/jwks");
        }), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Paths_are_paths_of_their_own()
    {
        Assert.Contains("Jwt:Path", await RefusalAsync(options => options.Jwt.Path = "/api/{token}/"), StringComparison.Ordinal);
        Assert.Contains("Jwt:SlidingPath", await RefusalAsync(options => options.Jwt.SlidingPath = "/slide"), StringComparison.Ordinal);
        Assert.Contains("Jwt:SlidingPath", await RefusalAsync(options => options.Jwt.SlidingPath = options.Jwt.Path), StringComparison.Ordinal);
        var server = await StartServerAsync(options => (options.Jwt.Path, options.Jwt.SlidingPath) = ("/jwt-tokens/", ""));
        await Users.CreateAsync("alice");

        await PostAsync("/jwt-tokens/", new { username = "alice", password = TestUsers.PasswordOf("alice") }, server).ShouldBeAsync(200);
        await PostAsync("/api/token/", new { username = "alice", password = TestUsers.PasswordOf("alice") }, server).ShouldBeAsync(404);
        await PostAsync("/api/token/sliding/", new { username = "alice", password = TestUsers.PasswordOf("alice") }, server).ShouldBeAsync(404);
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
}
