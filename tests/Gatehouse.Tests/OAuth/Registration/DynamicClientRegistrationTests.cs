using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;
using Gatehouse.OAuth.Clients;
using Gatehouse.OAuth.Tokens;
using Gatehouse.Permissions;
using Gatehouse.Tests.Database;
using Microsoft.AspNetCore.Builder;
using Xunit;

namespace Gatehouse.Tests.OAuth.Registration;

/// <summary>RFC 7591 and 7592. Statuses and texts were taken from the real stack.</summary>
public sealed class DynamicClientRegistrationTests : GatehouseTest
{
    private const string Path = "/o/register/";
    private const string Good = """{"redirect_uris":["https://a.example/cb"]}""";

    protected override void Configure(GatehouseOptions options)
    {
        options.OAuth.DcrEnabled = true;
        options.OAuth.DcrRegistrationPermissionClasses = ["oauth2_provider.dcr.AllowAllDCRPermission"];
    }

    protected override void Map(WebApplication app) => app.MapWho("/who/").WithSchemes(typeof(OAuth2Authentication)).RequirePermission(new AllowAny());

    private Task<HttpResponseMessage> PostAsync(string json, TestServer? server = null) => (server ?? Server).Http.PostTextAsync(Path, json);

    private async Task<JsonNode> RegisterAsync(string json = Good, TestServer? server = null)
    {
        var response = await PostAsync(json, server);
        await response.ShouldBeAsync(201);
        return await response.JsonAsync();
    }

    private Task<HttpResponseMessage> ManageAsync(JsonNode client, string method = "GET", string? json = null, string? token = null) => Http.AskAsync(
        new Uri((string)client["registration_client_uri"]!).PathAndQuery, method, json is null ? null : new StringContent(json, Encoding.UTF8, "application/json"),
        ("Authorization", $"Bearer {token ?? (string)client["registration_access_token"]!}"));

    [Trait(TestDatabase.SqliteOnly, "yes")]
    [Fact]
    public async Task A_client_registers_itself()
    {
        var response = await PostAsync("""{"redirect_uris":["https://a.example/cb https://b.example/cb"],"client_name":"My App"}""");
        await response.ShouldBeAsync(201);
        var client = await response.JsonAsync();

        Assert.Equal("no-store", response.Header("Cache-Control"));
        var (id, secret, token) = ((string)client["client_id"]!, (string)client["client_secret"]!, (string)client["registration_access_token"]!);
        Assert.Equal((40, 128, 128), (id.Length, secret.Length, token.Length));
        Assert.True(JsonNode.DeepEquals(client, new JsonObject
        {
            ["client_id"] = id,
            ["redirect_uris"] = new JsonArray("https://a.example/cb", "https://b.example/cb"),
            ["grant_types"] = new JsonArray("authorization_code", "refresh_token"),
            ["token_endpoint_auth_method"] = "client_secret_basic",
            ["registration_access_token"] = token,
            ["registration_client_uri"] = $"{Server.Address}o/register/{id}/",
            ["client_name"] = "My App",
            ["client_secret"] = secret,
            ["client_secret_expires_at"] = 0,
        }));
        Assert.Equal(
            [$"{id}||https://a.example/cb https://b.example/cb||confidential|authorization-code|1|My App|0|||dcr|NULL"],
            Database.Rows("""
                SELECT client_id, COALESCE(user_id, ''), redirect_uris, post_logout_redirect_uris, client_type, authorization_grant_type, hash_client_secret, name, skip_authorization,
                    algorithm, allowed_origins, registration_source, cimd_expires_at FROM oauth2_provider_application
                """));
        Assert.True(await Server.Get<ClientSecrets>().CheckAsync((await Server.Get<ClientStore>().FindAsync(id, Ct))!, secret, Ct));
        // As the stack's token at rest: only what it is found by.
        Assert.Equal(
            [$"|{TokenText.Checksum(token)}|9999-12-31 23:59:59|oauth2_provider:registration|NULL|[]"],
            Database.Rows("SELECT token, token_checksum, expires, scope, user_id, resource FROM oauth2_provider_accesstoken"));
        Assert.DoesNotContain(token, Encoding.Latin1.GetString(await File.ReadAllBytesAsync(SqliteFile.Path, Ct)), StringComparison.Ordinal);
    }

    // The stack tells less, and openid-client then refuses the answer.
    [Fact]
    public async Task As_in_the_stack_nothing_is_said_of_expiry_in_the_profile_Django()
    {
        var client = await RegisterAsync(server: await StartServerAsync(options => options.Profile = Profile.Django));

        Assert.Equal(
            ["client_id", "client_secret", "grant_types", "redirect_uris", "registration_access_token", "registration_client_uri", "token_endpoint_auth_method"],
            client.AsObject().Select(member => member.Key).Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("""{"grant_types":["client_credentials"]}""", "client_credentials", "client_secret_basic", "confidential|client-credentials")]
    [InlineData("""{"grant_types":["password","refresh_token"],"token_endpoint_auth_method":"client_secret_post"}""", "password", "client_secret_basic", "confidential|password")]
    [InlineData("""{"grant_types":["urn:ietf:params:oauth:grant-type:device_code"],"token_endpoint_auth_method":"none"}""", "urn:ietf:params:oauth:grant-type:device_code", "none",
        "public|urn:ietf:params:oauth:grant-type:device_code")]
    [InlineData("""{"grant_types":["implicit"],"redirect_uris":["http://127.0.0.1/cb"],"token_endpoint_auth_method":"none"}""", "implicit", "none", "public|implicit")]
    public async Task Each_grant_has_its_name(string json, string grantTypes, string method, string row)
    {
        var client = await RegisterAsync(json);

        Assert.Equal([grantTypes], client["grant_types"]!.AsArray().Select(type => (string)type!));
        Assert.Equal(method, (string)client["token_endpoint_auth_method"]!);
        Assert.Equal(method == "none", client["client_secret"] is null);
        Assert.Equal([row], Database.Rows("SELECT client_type, authorization_grant_type FROM oauth2_provider_application"));
    }

    [Theory]
    [InlineData("", "Request body must be valid JSON")]
    [InlineData("{", "Request body must be valid JSON")]
    [InlineData("[]", "Request body must be a JSON object")]
    [InlineData("\"x\"", "Request body must be a JSON object")]
    [InlineData("null", "Request body must be a JSON object")]
    [InlineData("{}", "redirect_uris is required for grant type 'authorization_code'")]
    [InlineData("""{"redirect_uris":"x"}""", "redirect_uris must be an array")]
    [InlineData("""{"redirect_uris":null}""", "redirect_uris must be an array")]
    [InlineData("""{"redirect_uris":[1]}""", "Each redirect_uri must be a string")]
    [InlineData("""{"redirect_uris":[]}""", "redirect_uris is required for grant type 'authorization_code'")]
    [InlineData("""{"redirect_uris":["https://a.example/cb"],"grant_types":"x"}""", "grant_types must be an array")]
    [InlineData("""{"redirect_uris":["https://a.example/cb"],"grant_types":[1]}""", "Each grant_type must be a string")]
    [InlineData("""{"redirect_uris":["https://a.example/cb"],"grant_types":[]}""", "grant_types must not be empty")]
    [InlineData("""{"redirect_uris":["https://a.example/cb"],"grant_types":["refresh_token"]}""", "grant_types must contain at least one grant type other than refresh_token")]
    [InlineData("""{"redirect_uris":["https://a.example/cb"],"grant_types":["authorization_code","implicit"]}""",
        "DOT only supports one grant type per application; multiple non-refresh_token grant types are not supported")]
    [InlineData("""{"redirect_uris":["https://a.example/cb"],"grant_types":["x'y\n\u00e9\u202e"]}""", "Unsupported grant_type: \"x'y\\né\\u202e\"")]
    [InlineData("""{"grant_types":["implicit"]}""", "redirect_uris is required for grant type 'implicit'")]
    [InlineData("""{"redirect_uris":["https://a.example/cb"],"token_endpoint_auth_method":"private_key_jwt"}""",
        "Unsupported token_endpoint_auth_method: 'private_key_jwt'. Supported values: none, client_secret_basic, client_secret_post")]
    [InlineData("""{"redirect_uris":["https://a.example/cb"],"token_endpoint_auth_method":null}""",
        "Unsupported token_endpoint_auth_method: None. Supported values: none, client_secret_basic, client_secret_post")]
    [InlineData("""{"redirect_uris":["https://a.example/cb"],"token_endpoint_auth_method":true}""",
        "Unsupported token_endpoint_auth_method: True. Supported values: none, client_secret_basic, client_secret_post")]
    [InlineData("""{"redirect_uris":["https://a.example/cb"],"token_endpoint_auth_method":7}""",
        "Unsupported token_endpoint_auth_method: 7. Supported values: none, client_secret_basic, client_secret_post")]
    [InlineData("""{"redirect_uris":["javascript:alert(1)","https://a.example/#x","https:"]}""",
        "redirect_uris: redirect uri URI Validation error. invalid_scheme: javascript:alert(1) redirect uri URI validation error. fragment not allowed: https://a.example/#x "
        + "redirect uri URI validation error. missing host: https:")]
    [InlineData("""{"redirect_uris":[""]}""", "redirect_uris: redirect_uris cannot be empty with grant_type authorization-code")]
    // Where the stack fails with 500, or takes what nobody should.
    [InlineData("""{"redirect_uris":["https://a.example/cb"],"client_name":null}""", "client_name must be a string")]
    [InlineData("""{"redirect_uris":["https://a.example/cb"],"client_name":["x"]}""", "client_name must be a string")]
    [InlineData("""{"redirect_uris":["https://a.example/cb"],"client_name":"Bank\u202etxt"}""", "client_name must not contain control characters")]
    [InlineData("""{"redirect_uris":["https://a.example/cb"],"client_name":"a\u0000b"}""", "client_name must not contain control characters")]
    [InlineData("""{"redirect_uris":["https://a.example/cb"],"client_name":"\ud800"}""", "Request body must be valid JSON")]
    [InlineData("""{"redirect_uris":["https://a.example/cb"],"redirect_uris":["https://b.example/cb"]}""", "Request body must be valid JSON")]
    public async Task Metadata_that_is_wrong_is_refused(string json, string description)
    {
        var response = await PostAsync(json);

        await response.ShouldBeAsync(400, new JsonObject { ["error"] = "invalid_client_metadata", ["error_description"] = description }.ToJsonString());
        Assert.Empty(Database.Rows("SELECT id FROM oauth2_provider_application"));
    }

    [Fact]
    public async Task Lengths_are_limited()
    {
        var longName = new JsonObject { ["redirect_uris"] = new JsonArray("https://a.example/cb"), ["client_name"] = new string('n', 300) };
        Assert.Equal("name: Ensure this value has at most 255 characters (it has 300).", (string)(await (await PostAsync(longName.ToJsonString())).JsonAsync())["error_description"]!);
        await (await PostAsync(new string(' ', 64 * 1024) + Good)).ShouldBeAsync(400);
        await (await PostAsync(new string('[', 60_000))).ShouldBeAsync(400);
    }

    // C5, CVE-2026-41427
    [Fact]
    public async Task A_client_chooses_neither_its_rights_nor_its_id()
    {
        var alice = await Users.CreateAsync("alice", isSuperuser: true);
        var client = await RegisterAsync($$"""
            {"redirect_uris":["https://a.example/cb"],"scope":"admin write","skip_authorization":true,"user":{{alice.Id}},"user_id":{{alice.Id}},"registration_source":"manual",
             "client_id":"chosen","client_secret":"chosen-secret","hash_client_secret":false,"id":77,"algorithm":"HS256","allowed_origins":"https://evil.example",
             "post_logout_redirect_uris":["https://evil.example"],"cimd_expires_at":"2000-01-01T00:00:00Z","client_type":"public","authorization_grant_type":"password"}
            """);

        Assert.Equal(40, ((string)client["client_id"]!).Length);
        Assert.NotEqual("chosen-secret", (string)client["client_secret"]!);
        Assert.Equal(
            ["NULL|0||dcr|NULL|1|confidential|authorization-code||"],
            Database.Rows("""
                SELECT user_id, skip_authorization, algorithm, registration_source, cimd_expires_at, hash_client_secret, client_type, authorization_grant_type, allowed_origins,
                    post_logout_redirect_uris FROM oauth2_provider_application WHERE id <> 77
                """));
    }

    [Fact]
    public async Task It_is_off_unless_it_is_turned_on()
    {
        var server = await StartServerAsync(options => options.OAuth.DcrEnabled = false);

        foreach (var (method, path) in new[] { ("POST", Path), ("OPTIONS", Path), ("GET", Path + "x/"), ("DELETE", Path + "x/") })
            await (await server.Http.AskAsync(path, method: method)).ShouldBeAsync(404, """{"error":"not_found"}""");
    }

    [Fact]
    public async Task Other_methods_are_told_what_there_is()
    {
        foreach (var (method, path, status, allow) in new[]
        {
            ("GET", Path, 405, "POST, OPTIONS"), ("OPTIONS", Path, 200, "POST, OPTIONS"), ("POST", Path + "x/", 405, "GET, PUT, DELETE, HEAD, OPTIONS"),
            ("OPTIONS", Path + "x/", 200, "GET, PUT, DELETE, HEAD, OPTIONS"),
        })
        {
            var response = await Http.AskAsync(path, method: method);
            await response.ShouldBeAsync(status);
            Assert.Equal(allow, response.Header("Allow"));
        }
    }

    [Fact]
    public async Task By_default_people_register_clients_with_their_session()
    {
        var server = await StartServerAsync(options => options.OAuth.DcrRegistrationPermissionClasses = ["IsAuthenticatedDCRPermission"]);
        var alice = await Users.CreateAsync("alice");
        var browser = await NewBrowser(server).LogInAsync("alice");

        var anonymous = await PostAsync(Good, server);
        await anonymous.ShouldBeAsync(401, """{"error":"access_denied","error_description":"Authentication required to register a client"}""");
        Assert.Equal("Bearer", anonymous.Header("WWW-Authenticate"));
        await (await server.Http.AskAsync(Path, "POST", new StringContent(Good), ("Authorization", Answers.Basic("alice")))).ShouldBeAsync(401);
        await (await server.Http.AskAsync(Path, "POST", new StringContent(Good), ("Authorization", "Bearer nonsense"))).ShouldBeAsync(401);
        // A session alone may have been sent by another site's page.
        await (await browser.SendAsync(HttpMethod.Post, Path, JsonContent.Create(JsonNode.Parse(Good)), csrf: false)).ShouldBeAsync(401);
        Assert.Empty(Database.Rows("SELECT id FROM oauth2_provider_application"));

        await (await browser.SendAsync(HttpMethod.Post, Path, JsonContent.Create(JsonNode.Parse(Good)))).ShouldBeAsync(201);
        await (await browser.SendAsync(HttpMethod.Post, Path, JsonContent.Create(JsonNode.Parse(Good)), csrf: false, ("Authorization", "bearer x"))).ShouldBeAsync(201);
        Assert.Equal([$"{alice.Id}", $"{alice.Id}"], Database.Rows("SELECT user_id FROM oauth2_provider_application"));
        Assert.Equal([$"{alice.Id}", $"{alice.Id}"], Database.Rows("SELECT user_id FROM oauth2_provider_accesstoken"));
    }

    [Fact]
    public async Task Without_a_permission_class_nobody_registers_and_a_hook_has_its_say()
    {
        await (await PostAsync(Good, await StartServerAsync(options => options.OAuth.DcrRegistrationPermissionClasses = []))).ShouldBeAsync(401);
        var server = await StartServerAsync(options =>
        {
            options.OAuth.DcrRegistrationPermissionClasses = ["myproject.permissions.Invited"];
            options.OAuth.DcrRegistrationPermission = http => new(http.Request.Headers["X-Invitation"] == "yes");
        });
        await (await PostAsync(Good, server)).ShouldBeAsync(401);
        await (await server.Http.AskAsync(Path, "POST", new StringContent(Good), ("X-Invitation", "yes"))).ShouldBeAsync(201);

        var error = await Assert.ThrowsAsync<SettingException>(() => StartServerAsync(options => options.OAuth.DcrRegistrationPermissionClasses = ["myproject.permissions.Invited"]));
        Assert.Contains("DcrRegistrationPermission", error.Message, StringComparison.Ordinal);
    }

    // C6
    [Fact]
    public async Task One_address_registers_so_many_clients_and_no_more()
    {
        var answers = await Task.WhenAll(Enumerable.Range(0, 40).Select(_ => PostAsync(Good)));

        Assert.Equal(20, answers.Count(answer => (int)answer.StatusCode == 201));
        var refused = answers.First(answer => (int)answer.StatusCode == 429);
        await refused.ShouldBeAsync(429, """{"error":"temporarily_unavailable","error_description":"Too many clients were registered from this address."}""");
        Assert.Equal("3600", refused.Header("Retry-After"));
        Assert.Equal(["20"], Database.Rows("SELECT COUNT(*) FROM oauth2_provider_application"));
        Clock.Advance(TimeSpan.FromHours(1) + TimeSpan.FromSeconds(1));
        await RegisterAsync();
        var free = await StartServerAsync(options => options.OAuth.DcrThrottleRate = "");
        for (var i = 0; i < 25; i++) await RegisterAsync(server: free);
    }

    [Fact]
    public async Task A_client_reads_changes_and_deletes_its_registration()
    {
        var client = await RegisterAsync("""{"redirect_uris":["https://a.example/cb"],"client_name":"Old"}""");
        var id = (string)client["client_id"]!;

        var read = await ManageAsync(client);
        await read.ShouldBeAsync(200);
        var shown = client.DeepClone().AsObject();
        shown.Remove("client_secret");
        shown.Remove("client_secret_expires_at");
        Assert.True(JsonNode.DeepEquals(shown, await read.JsonAsync()));
        Assert.Equal("no-store", read.Header("Cache-Control"));

        Clock.Advance(TimeSpan.FromMinutes(1));
        await (await ManageAsync(client, "PUT", "{}")).ShouldBeAsync(400);
        var update = await ManageAsync(client, "PUT", """{"redirect_uris":["https://b.example/"],"token_endpoint_auth_method":"none"}""");
        await update.ShouldBeAsync(200);
        var updated = await update.JsonAsync();
        Assert.Equal(("none", null), ((string?)updated["token_endpoint_auth_method"], updated["client_name"]));
        Assert.NotEqual((string)client["registration_access_token"]!, (string)updated["registration_access_token"]!);
        Assert.Equal([$"{id}||https://b.example/|public|dcr"], Database.Rows("SELECT client_id, name, redirect_uris, client_type, registration_source FROM oauth2_provider_application"));
        Assert.Equal(["1"], Database.Rows("SELECT updated > created FROM oauth2_provider_application"));

        // Rotated: the former token is dead.
        await (await ManageAsync(client)).ShouldBeAsync(401, """{"error":"invalid_token","error_description":"Invalid registration access token"}""");
        await (await ManageAsync(client, "DELETE")).ShouldBeAsync(401);
        await (await ManageAsync(updated)).ShouldBeAsync(200);

        var deleted = await ManageAsync(updated, "DELETE");
        await deleted.ShouldBeAsync(204);
        Assert.Equal(["0|0"], Database.Rows("SELECT (SELECT COUNT(*) FROM oauth2_provider_application), (SELECT COUNT(*) FROM oauth2_provider_accesstoken)"));
        await (await ManageAsync(updated)).ShouldBeAsync(401);
    }

    [Fact]
    public async Task Of_many_updates_with_one_token_one_rotates_it()
    {
        var client = await RegisterAsync();

        var answers = await Task.WhenAll(Enumerable.Range(0, 32).Select(i => ManageAsync(client, "PUT", $$"""{"redirect_uris":["https://b.example/{{i}}"]}""")));

        Assert.Single(answers, answer => (int)answer.StatusCode == 200);
        Assert.Equal(31, answers.Count(answer => (int)answer.StatusCode == 401));
        Assert.Equal(["1"], Database.Rows("SELECT COUNT(*) FROM oauth2_provider_accesstoken"));
    }

    [Fact]
    public async Task A_token_that_is_not_rotated_lives_on_until_it_expires()
    {
        var server = await StartServerAsync(options =>
        {
            options.OAuth.DcrRotateRegistrationTokenOnUpdate = false;
            options.OAuth.DcrRegistrationTokenExpireSeconds = 60;
        });
        var client = await RegisterAsync(server: server);
        var token = (string)client["registration_access_token"]!;
        var path = new Uri((string)client["registration_client_uri"]!).AbsolutePath;

        var update = await server.Http.AskAsync(path, "PUT", new StringContent(Good), ("Authorization", $"Bearer {token}"));
        Assert.Equal(token, (string)(await update.JsonAsync())["registration_access_token"]!);
        Clock.Advance(TimeSpan.FromSeconds(60));
        await (await server.Http.AskAsync(path, $"Bearer {token}")).ShouldBeAsync(401, """{"error":"invalid_token","error_description":"Registration access token is expired or invalid"}""");
    }

    // C8
    [Fact]
    public async Task A_registration_is_its_own_clients_alone()
    {
        var (mine, other) = (await RegisterAsync(), await RegisterAsync());
        var token = (string)other["registration_access_token"]!;
        var path = new Uri((string)mine["registration_client_uri"]!).AbsolutePath;

        foreach (var method in new[] { "GET", "PUT", "DELETE" })
        {
            var stranger = await ManageAsync(mine, method, Good, token);
            await stranger.ShouldBeAsync(401, """{"error":"invalid_token","error_description":"Token does not match client_id"}""");
            Assert.Equal("Bearer error=\"invalid_token\", error_description=\"Token does not match client_id\"", stranger.Header("WWW-Authenticate"));
        }
        await (await Http.AskAsync("/o/register/unknown/", $"Bearer {token}")).ShouldBeAsync(401, """{"error":"invalid_token","error_description":"Token does not match client_id"}""");
        var own = (string)mine["registration_access_token"]!;
        foreach (var authorization in new[] { null, "", "Bearer", "Bearer ", $"Token {own}", own, $"Bearer {own} x", Answers.Basic("x", own) })
            await (await Http.AskAsync(path, authorization)).ShouldBeAsync(401, """{"error":"invalid_token","error_description":"Registration access token required"}""");
        await (await Http.AskAsync(path, "Bearer " + new string('x', 20_000))).ShouldBeAsync(401, """{"error":"invalid_token","error_description":"Invalid registration access token"}""");
        Assert.Equal(["2"], Database.Rows("SELECT COUNT(*) FROM oauth2_provider_application"));
        await (await Http.AskAsync(path, $"bearer   {own}")).ShouldBeAsync(200);

        // One that the framework's log of requests may show.
        Database.Execute($"UPDATE oauth2_provider_accesstoken SET token_checksum = '{TokenText.Checksum("in-the-url")}' WHERE token_checksum = '{TokenText.Checksum(own)}'");
        await (await Http.AskAsync($"{path}?access_token=in-the-url")).ShouldBeAsync(401);
    }

    [Theory]
    [InlineData("manual")]
    [InlineData("cimd")]
    public async Task Clients_that_were_not_registered_so_are_not_managed_so(string source)
    {
        var client = await RegisterAsync();
        Database.Execute($"UPDATE oauth2_provider_application SET registration_source = '{source}'");

        foreach (var method in new[] { "GET", "PUT", "DELETE" })
            await (await ManageAsync(client, method, Good)).ShouldBeAsync(401, """{"error":"invalid_token","error_description":"Token was not issued by the registration endpoint"}""");
    }

    [Fact]
    public async Task An_ordinary_token_manages_nothing()
    {
        var client = await RegisterAsync();
        Database.Execute("UPDATE oauth2_provider_accesstoken SET scope = 'read write'");
        await (await ManageAsync(client, "DELETE")).ShouldBeAsync(401, """{"error":"invalid_token","error_description":"Registration access token is expired or invalid"}""");
    }

    // It stands for the client's registration, not for its user.
    [Fact]
    public async Task A_registration_token_opens_no_API()
    {
        var alice = await Users.CreateAsync("alice");
        var client = await RegisterAsync();
        Database.Execute($"UPDATE oauth2_provider_accesstoken SET user_id = {alice.Id}");
        var bearer = $"Bearer {(string)client["registration_access_token"]!}";

        Assert.Null((string?)(await (await Http.AskAsync("/who/", bearer)).JsonAsync())["user"]);
        await (await ManageAsync(client)).ShouldBeAsync(200);
        await Users.DeactivateAsync(alice);
        await (await ManageAsync(client)).ShouldBeAsync(401);
    }

    [Fact]
    public async Task What_a_deleted_client_was_given_goes_with_it()
    {
        var alice = await Users.CreateAsync("alice");
        var (client, other) = (await RegisterAsync(), await RegisterAsync());
        var ids = Database.Rows("SELECT id FROM oauth2_provider_application ORDER BY id");
        foreach (var (id, letter) in ids.Zip("ab"))
        {
            Database.Execute($"""
                INSERT INTO oauth2_provider_idtoken (id, jti, expires, scope, created, updated, application_id, user_id) VALUES ({id}, '{new string(letter, 32)}', '2030-01-01', '', '2026-01-01', '2026-01-01', {id}, {alice.Id});
                INSERT INTO oauth2_provider_refreshtoken (token, token_checksum, access_token_id, application_id, user_id, created, updated, resource)
                    SELECT '{letter}', '{letter}', id, {id}, {alice.Id}, '2026-01-01', '2026-01-01', '[]' FROM oauth2_provider_accesstoken WHERE application_id = {id};
                UPDATE oauth2_provider_accesstoken SET id_token_id = {id} WHERE application_id = {id};
                INSERT INTO oauth2_provider_grant (code, expires, redirect_uri, scope, application_id, user_id, created, updated, code_challenge, code_challenge_method, nonce, claims, resource)
                    VALUES ('{letter}', '2030-01-01', '', '', {id}, {alice.Id}, '2026-01-01', '2026-01-01', '', '', '', '', '[]');
                INSERT INTO gatehouse_oauth_client (application_id, auth_method, jwks, jwks_uri) VALUES ({id}, 'x', '', '');
                """);
        }

        await (await ManageAsync(client, "DELETE")).ShouldBeAsync(204);

        foreach (var table in new[] { "oauth2_provider_idtoken", "oauth2_provider_refreshtoken", "oauth2_provider_accesstoken", "oauth2_provider_grant", "gatehouse_oauth_client" })
            Assert.Equal([ids[1]], Database.Rows($"SELECT application_id FROM {table}"));
        await (await ManageAsync(other)).ShouldBeAsync(200);
    }
}
