using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Gatehouse.OAuth.OpenId;
using Xunit;

namespace Gatehouse.Tests.OAuth.OpenId;

/// <summary>What stands in an ID token, when there is one, and what signs it.</summary>
public sealed class IdTokenTests : OpenIdTest
{
    // OpenID Connect Core, appendices A.3, A.4 and A.6
    [Theory]
    [InlineData("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y", "77QmUPtjPfzWtF2AnpK9RQ")]
    [InlineData("Qcb0Orv1zh30vL1MPRsbm-diHiMwcLyZvn1arpZv-Jxf_11jnpEX3Tgfvk", "LDktKdoQak3Pk0cnXxCltA")]
    public void Half_a_hash_ties_it_to_a_token_or_a_code(string value, string hash) => Assert.Equal(hash, IdTokens.Hash(value));

    [Fact]
    public async Task It_says_who_and_is_signed_with_the_published_key()
    {
        var alice = await Users.CreateAsync("alice", email: "alice@example.org");
        Database.Execute("UPDATE auth_user SET last_login = '2026-06-30 12:00:00.500000' WHERE username = 'alice'");
        AddClient();

        var tokens = await NewTokensAsync(alice);

        var token = (string)tokens["id_token"]!;
        var keys = await JwksAsync();
        Assert.True(IsSignedBy(keys, token));
        Assert.Equal($$"""{"alg":"RS256","kid":"{{keys[0]!["kid"]}}","typ":"JWT"}""", Encoding.UTF8.GetString(Base64Url.DecodeFromChars(token.Split('.')[0])));
        var claims = ClaimsOf(token);
        var second = Clock.Now.ToUnixTimeSeconds();
        Assert.True(
            JsonNode.DeepEquals(
                new JsonObject
                {
                    ["aud"] = "web",
                    ["iat"] = second,
                    ["at_hash"] = IdTokens.Hash((string)tokens["access_token"]!),
                    ["sub"] = alice.Id.ToString(),
                    ["preferred_username"] = "alice",
                    ["email"] = "alice@example.org",
                    ["department"] = "navigation",
                    ["iss"] = Issuer,
                    ["exp"] = second + 36_000,
                    ["auth_time"] = new DateTimeOffset(2026, 6, 30, 12, 0, 0, TimeSpan.Zero).ToUnixTimeSeconds(),
                    ["jti"] = (string?)claims["jti"],
                },
                claims),
            claims.ToJsonString());
        Assert.Equal(
            [$"{Guid.Parse((string)claims["jti"]!):N}|openid profile email|{alice.Id}|web|2026-07-01 22:00:00.123456"],
            Database.Rows(
                """
                SELECT i.jti, i.scope, i.user_id, a.client_id, i.expires FROM oauth2_provider_idtoken i JOIN oauth2_provider_application a ON a.id = i.application_id
                JOIN oauth2_provider_accesstoken t ON t.id_token_id = i.id
                """));
    }

    [Theory]
    [InlineData("openid", "aud iat at_hash sub department iss exp auth_time jti")]
    [InlineData("openid email", "aud iat at_hash sub email department iss exp auth_time jti")]
    [InlineData("openid profile", "aud iat at_hash sub preferred_username department iss exp auth_time jti")]
    public async Task A_standard_claim_needs_its_scope(string scope, string claims)
    {
        var alice = await Users.CreateAsync("alice");
        AddClient();

        var token = (string)(await NewTokensAsync(alice, scope: scope))["id_token"]!;

        Assert.Equal(claims, string.Join(' ', ClaimsOf(token).AsObject().Select(claim => claim.Key)));
    }

    [Fact]
    public async Task HS256_signs_with_the_clients_own_secret()
    {
        var alice = await Users.CreateAsync("alice");
        AddClient(algorithm: "HS256");

        var token = await NewIdTokenAsync(alice);

        Assert.Equal("""{"alg":"HS256","typ":"JWT"}""", Encoding.UTF8.GetString(Base64Url.DecodeFromChars(token.Split('.')[0])));
        var signed = token[..token.LastIndexOf('.')];
        Assert.Equal(Base64Url.EncodeToString(HMACSHA256.HashData(Encoding.UTF8.GetBytes(ClientSecret), Encoding.ASCII.GetBytes(signed))), token[(signed.Length + 1)..]);
    }

    [Fact]
    public async Task ES256_signs_when_the_given_key_is_of_P256_and_both_may_be_given()
    {
        var alice = await Users.CreateAsync("alice");
        AddClient("ec", "ES256");
        AddClient("rsa", "RS256");
        var server = await StartServerAsync(options => options.OAuth.OidcRsaPrivateKey = RsaPem + "\n" + NewP256());

        var (ec, rsa) = (await NewIdTokenAsync(alice, "ec", server), await NewIdTokenAsync(alice, "rsa", server));

        var keys = await JwksAsync(server);
        Assert.Equal(2, keys.Count);
        Assert.True(IsSignedBy(keys, ec) && IsSignedBy(keys, rsa));
        Assert.Equal(["alg", "use", "kid", "crv", "kty", "x", "y"], keys.Single(key => (string?)key!["kty"] == "EC")!.AsObject().Select(member => member.Key));
    }

    [Fact]
    public async Task There_is_none_without_openid_an_algorithm_or_a_key_for_it()
    {
        var alice = await Users.CreateAsync("alice");
        AddClient("web");
        AddClient("none", algorithm: "");
        AddClient("hashed", algorithm: "HS256", secret: TestUsers.Encode(ClientSecret));
        AddClient("es", algorithm: "ES256");

        Assert.Null((await NewTokensAsync(alice, scope: "profile email"))["id_token"]);
        foreach (var client in (string[])["none", "hashed", "es"]) Assert.Null((await NewTokensAsync(alice, client))["id_token"]);
        Assert.Equal("NULL", Assert.Single(Database.Rows("SELECT max(id) FROM oauth2_provider_idtoken")));
        Assert.Contains(Log.Lines, line => line.Contains("The client hashed gets no ID token", StringComparison.Ordinal));

        var off = await StartServerAsync(options => options.OAuth.OidcEnabled = false);
        Assert.Null((await NewTokensAsync(alice, server: off))["id_token"]);
    }

    [Fact]
    public async Task Of_64_refreshes_at_once_one_writes_an_ID_token()
    {
        var alice = await Users.CreateAsync("alice");
        AddClient();
        var refresh = AddTokens(alice).Refresh;

        var answers = await Task.WhenAll(Enumerable.Range(0, 64).Select(_ => RefreshAsync(refresh)));

        var won = Assert.Single(answers, answer => (int)answer.StatusCode == 200);
        Assert.NotNull((await won.JsonAsync())["id_token"]);
        Assert.Equal(["1|1"], Database.Rows("SELECT (SELECT count(*) FROM oauth2_provider_idtoken) || '|' || (SELECT count(*) FROM oauth2_provider_accesstoken WHERE id_token_id IS NOT NULL)"));
    }

    [Fact]
    public async Task Without_rotation_it_is_written_all_the_same()
    {
        var alice = await Users.CreateAsync("alice");
        AddClient();
        var server = await StartServerAsync(options => options.OAuth.RotateRefreshToken = false);

        var tokens = await NewTokensAsync(alice, server: server);

        Assert.NotNull(tokens["id_token"]);
        Assert.Equal(["1"], Database.Rows("SELECT count(*) || '' FROM oauth2_provider_idtoken"));
    }

    [Fact]
    public async Task As_a_bearer_token_it_is_refused()
    {
        var alice = await Users.CreateAsync("alice");
        AddClient();
        var token = await NewIdTokenAsync(alice);

        var answer = await Http.AskAsync("/oauth/", "Bearer " + token);

        await answer.ShouldBeAsync(401);
        Assert.Equal("Bearer realm=\"api\"", answer.Header("WWW-Authenticate"));
    }

    [Fact]
    public async Task As_a_bearer_token_it_passes_in_the_Django_profile_while_it_lives()
    {
        var alice = await Users.CreateAsync("alice");
        AddClient();
        var server = await StartServerAsync(options => options.Profile = Profile.Django);
        var token = await NewIdTokenAsync(alice, server: server);

        await server.Http.AskAsync("/oauth/", "Bearer " + token).ShouldBeAsync(200, """{"user":"alice","scheme":"OAuth2Authentication","auth":"IDToken"}""");
        foreach (var wrong in Wrong(token)) await server.Http.AskAsync("/oauth/", "Bearer " + wrong).ShouldBeAsync(401);
        Clock.Advance(TimeSpan.FromSeconds(36_000 + 61));
        await server.Http.AskAsync("/oauth/", "Bearer " + token).ShouldBeAsync(401);
    }

    /// <summary>What is not the token: changed, unsigned, signed by who knows only what is published.</summary>
    internal static IEnumerable<string> Wrong(string token)
    {
        var (header, payload, signature) = token.Split('.') is [var h, var p, var s] ? (h, p, s) : throw new ArgumentException(token);
        var claims = ClaimsOf(token);
        claims["sub"] = "999";
        string Encode(JsonNode json) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(json.ToJsonString()));
        yield return $"{header}.{Encode(claims)}.{signature}";
        yield return $"{header}.{payload}.{(signature[0] == 'A' ? 'B' : 'A')}{signature[1..]}";
        yield return $"{header}.{payload}.";
        yield return $"{Encode(new JsonObject { ["alg"] = "none", ["typ"] = "JWT" })}.{payload}.";
        var confused = $"{Encode(new JsonObject { ["alg"] = "HS256", ["typ"] = "JWT" })}.{payload}";
        yield return $"{confused}.{Base64Url.EncodeToString(HMACSHA256.HashData(Encoding.UTF8.GetBytes(RsaPem), Encoding.ASCII.GetBytes(confused)))}";
        yield return "ey.ey.ey";
        yield return "ey" + new string('.', 2);
        yield return $"{header}.{Base64Url.EncodeToString("[]"u8)}.{signature}";
        yield return $"{header}.{Base64Url.EncodeToString("{\"jti\":5,\"aud\":{}}"u8)}.{signature}";
    }
}
