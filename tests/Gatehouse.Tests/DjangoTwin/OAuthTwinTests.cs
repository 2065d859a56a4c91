using System.Buffers.Text;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using System.Web;
using Gatehouse.Tests.Database;
using Xunit;

namespace Gatehouse.Tests.DjangoTwin;

/// <summary>OAuth begun on one side and finished on the other: applications, codes, tokens, devices, logout.</summary>
public abstract partial class OAuthTwinTests(Twin twin) : TwinTest(twin)
{
    private const string Callback = "https://client.example/cb";
    private const string Bye = "https://client.example/bye";
    private const string Secret = "a-secret-that-both-sides-know";
    private const string Verifier = "a-code-verifier-that-is-long-enough-0123456789-abcdefghij";
    private const string DeviceGrant = "urn:ietf:params:oauth:grant-type:device_code";

    private static readonly Side[] Sides = [Side.Django, Side.Gatehouse];

    [Theory, MemberData(nameof(BothWays))]
    public async Task An_application_made_there_proves_its_hashed_secret_here(Side there, Side here)
    {
        var client = await CreateAsync(there, "client-credentials");

        var answer = await FormAsync(here, "/o/token/", 200, ("grant_type", "client_credentials"), ("client_id", client), ("client_secret", Secret), ("scope", "read"));
        Assert.Equal("read", (string)answer["scope"]!);
        await FormAsync(here, "/o/token/", 401, ("grant_type", "client_credentials"), ("client_id", client), ("client_secret", Secret + "x"));
        foreach (var side in Sides) Assert.Equal(200, await ScopeAsync(side, (string)answer["access_token"]!));
        Assert.StartsWith("md5$", (string?)await DjangoAsync("result = Application.objects.get(client_id=given).client_secret", client), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_secret_that_Gatehouse_made_is_taken_by_Django()
    {
        var client = Name("made");
        var output = await GatehouseAsync("createapplication", "confidential", "client-credentials", "--client-id", client);
        var secret = MadeSecret().Match(output).Groups[1].Value;

        await FormAsync(Side.Django, "/o/token/", 200, ("grant_type", "client_credentials"), ("client_id", client), ("client_secret", secret), ("scope", "read"));
    }

    [Theory, MemberData(nameof(BothWays))]
    public async Task An_application_registered_by_page_there_is_listed_changed_and_deleted_here(Side there, Side here)
    {
        var session = await LogInAsync(there, await RegisterAsync(there));
        var client = Name("page");
        var registered = await session.SubmitFormAsync("/o/applications/register/",
            ("name", "Photos"), ("client_id", client), ("client_secret", Secret), ("hash_client_secret", "on"), ("client_type", "confidential"), ("authorization_grant_type", "client-credentials"),
            ("redirect_uris", ""), ("post_logout_redirect_uris", ""), ("allowed_origins", ""), ("algorithm", ""));
        await registered.ShouldBeAsync(302);
        var page = registered.Header("Location")!;
        var elsewhere = NewBrowser(here, session);

        Assert.Contains("Photos", await (await elsewhere.GetAsync("/o/applications/")).TextAsync(), StringComparison.Ordinal);
        Assert.Contains(client, await (await elsewhere.GetAsync(page)).TextAsync(), StringComparison.Ordinal);
        await FormAsync(here, "/o/token/", 200, ("grant_type", "client_credentials"), ("client_id", client), ("client_secret", Secret));

        await elsewhere.SubmitFormAsync(page + "delete/").ShouldBeAsync(302);
        await session.GetAsync(page).ShouldBeAsync(404);
        await FormAsync(there, "/o/token/", 401, ("grant_type", "client_credentials"), ("client_id", client), ("client_secret", Secret));
    }

    [Theory, MemberData(nameof(BothWays))]
    public async Task A_code_given_there_is_redeemed_here_once(Side there, Side here)
    {
        var (client, alice) = (await CreateAsync(there, "authorization-code", "RS256"), await RegisterAsync(there));
        var code = await CodeAsync(there, await LogInAsync(there, alice), client);

        // Whoever does not know the verifier does not use the code up.
        await RedeemAsync(here, client, code, 400, verifier: Verifier + "x");
        if (here == Side.Django) code = await CodeAsync(there, await LogInAsync(there, alice), client); // There it does.
        var tokens = await RedeemAsync(here, client, code);

        foreach (var side in Sides)
        {
            Assert.Equal(200, await ScopeAsync(side, (string)tokens["access_token"]!));
            Assert.Equal(alice, await WhoAsync(side, $"Bearer {tokens["access_token"]}"));
        }
        await RedeemAsync(there, client, code, 400);
        await RedeemAsync(here, client, code, 400);
    }

    [Theory, MemberData(nameof(BothWays))]
    public async Task An_id_token_of_there_is_signed_with_the_key_that_is_published_here(Side there, Side here)
    {
        var (client, alice) = (await CreateAsync(there, "authorization-code", "RS256"), await RegisterAsync(there));
        var session = await LogInAsync(there, alice);
        var tokens = await RedeemAsync(there, client, await CodeAsync(there, session, client, ("nonce", "n-1")));
        var idToken = (string)tokens["id_token"]!;

        var keys = (await (await Http(here).GetAsync("/o/.well-known/jwks.json", Ct)).JsonAsync())["keys"]!.AsArray();
        var parts = idToken.Split('.');
        var key = keys.Single(one => (string?)one!["kid"] == (string?)JsonNode.Parse(Base64Url.DecodeFromChars(parts[0]))!["kid"])!;
        using var rsa = RSA.Create(new RSAParameters { Modulus = Base64Url.DecodeFromChars((string)key["n"]!), Exponent = Base64Url.DecodeFromChars((string)key["e"]!) });
        Assert.True(rsa.VerifyData(Encoding.ASCII.GetBytes($"{parts[0]}.{parts[1]}"), Base64Url.DecodeFromChars(parts[2]), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1));
        var claims = JsonNode.Parse(Base64Url.DecodeFromChars(parts[1]))!;
        Assert.Equal("n-1", (string?)claims["nonce"]);

        // userinfo knows whose access token it is.
        var info = await Http(here).AskAsync("/o/userinfo/", $"Bearer {tokens["access_token"]}");
        await info.ShouldBeAsync(200);
        Assert.Equal(alice, (string?)(await info.JsonAsync())["preferred_username"]);
        Assert.Equal((string?)claims["sub"], (string?)(await info.JsonAsync())["sub"]);
    }

    [Theory, MemberData(nameof(BothWays))]
    public async Task A_refresh_token_of_there_is_rotated_here_and_dead_there(Side there, Side here)
    {
        var (client, alice) = (await CreateAsync(there, "password"), await RegisterAsync(there));
        var first = await PasswordAsync(there, client, alice);

        var second = await RefreshAsync(here, client, first);

        foreach (var side in Sides)
        {
            await RefreshAsync(side, client, first, 400);
            Assert.Equal(401, await ScopeAsync(side, (string)first["access_token"]!));
            Assert.Equal(200, await ScopeAsync(side, (string)second["access_token"]!));
        }
        var third = await RefreshAsync(there, client, second);
        await RefreshAsync(here, client, third);
        Assert.Equal("[4,1,3]", (await DjangoAsync("""
            tokens = RefreshToken.objects.filter(user__username=given)
            result = [tokens.count(), len(set(tokens.values_list('token_family', flat=True))), tokens.exclude(revoked=None).count()]
            """, alice))!.ToJsonString());
    }

    [Theory, MemberData(nameof(BothWays))]
    public async Task Tokens_revoked_there_are_dead_here(Side there, Side here)
    {
        var (client, alice) = (await CreateAsync(here, "password"), await RegisterAsync(here));
        var (byAccess, byRefresh) = (await PasswordAsync(here, client, alice), await PasswordAsync(here, client, alice));

        await FormAsync(there, "/o/revoke_token/", 200, ("token", (string)byAccess["access_token"]!), ("client_id", client), ("client_secret", Secret));
        await FormAsync(there, "/o/revoke_token/", 200, ("token", (string)byRefresh["refresh_token"]!), ("client_id", client), ("client_secret", Secret));

        Assert.Equal(401, await ScopeAsync(here, (string)byAccess["access_token"]!));
        Assert.Equal(401, await ScopeAsync(here, (string)byRefresh["access_token"]!));
        await RefreshAsync(here, client, byRefresh, 400);
    }

    [Theory, MemberData(nameof(BothWays))]
    public async Task A_token_of_there_is_introspected_here(Side there, Side here)
    {
        var (client, alice) = (await CreateAsync(there, "password"), await RegisterAsync(there));
        var machine = await CreateAsync(here, "client-credentials");
        var tokens = await PasswordAsync(there, client, alice);
        var asking = await FormAsync(there, "/o/token/", 200, ("grant_type", "client_credentials"), ("client_id", machine), ("client_secret", Secret), ("scope", "introspection"));

        var seen = await IntrospectAsync();

        Assert.True((bool)seen["active"]!);
        Assert.Equal((alice, client, "read"), ((string)seen["username"]!, (string)seen["client_id"]!, (string)seen["scope"]!));
        await FormAsync(there, "/o/revoke_token/", 200, ("token", (string)tokens["access_token"]!), ("client_id", client), ("client_secret", Secret));
        Assert.False((bool)(await IntrospectAsync())["active"]!);

        async Task<JsonNode> IntrospectAsync()
        {
            using var form = new FormUrlEncodedContent([KeyValuePair.Create("token", (string)tokens["access_token"]!)]);
            var answer = await Http(here).AskAsync("/o/introspect/", "POST", form, ("Authorization", $"Bearer {asking["access_token"]}"));
            await answer.ShouldBeAsync(200);
            return await answer.JsonAsync();
        }
    }

    public static TheoryData<Side, Side, Side> DeviceWays { get; } = new()
    {
        { Side.Django, Side.Gatehouse, Side.Django }, { Side.Gatehouse, Side.Django, Side.Gatehouse }, { Side.Django, Side.Django, Side.Gatehouse }, { Side.Gatehouse, Side.Gatehouse, Side.Django },
    };

    [Theory, MemberData(nameof(DeviceWays))]
    public async Task A_device_begins_on_one_side_is_approved_on_another_and_polls_a_third(Side begins, Side approves, Side polls)
    {
        var client = await CreateAsync(begins, DeviceGrant, type: "public");
        var alice = await RegisterAsync(approves);
        var codes = await FormAsync(begins, "/o/device-authorization/", 200, ("client_id", client), ("scope", "read"));
        var user = await LogInAsync(approves, alice);

        var entered = await user.SubmitFormAsync("/o/device/", ("user_code", (string)codes["user_code"]!));
        await entered.ShouldBeAsync(302);
        await user.SubmitFormAsync(entered.Header("Location")!, ("action", "accept")).ShouldBeAsync(302);
        var tokens = await FormAsync(polls, "/o/token/", 200, ("grant_type", DeviceGrant), ("client_id", client), ("device_code", (string)codes["device_code"]!));

        foreach (var side in Sides) Assert.Equal(alice, await WhoAsync(side, $"Bearer {tokens["access_token"]}"));
        // What Gatehouse has given it gives no second time.
        if (polls == Side.Gatehouse)
            await FormAsync(polls, "/o/token/", 400, ("grant_type", DeviceGrant), ("client_id", client), ("device_code", (string)codes["device_code"]!));
    }

    [Theory, MemberData(nameof(BothWays))]
    public async Task A_device_denied_there_is_refused_here(Side there, Side here)
    {
        var client = await CreateAsync(here, DeviceGrant, type: "public");
        var codes = await FormAsync(here, "/o/device-authorization/", 200, ("client_id", client), ("scope", "read"));
        var user = await LogInAsync(there, await RegisterAsync(there));

        var entered = await user.SubmitFormAsync("/o/device/", ("user_code", (string)codes["user_code"]!));
        await user.SubmitFormAsync(entered.Header("Location")!, ("action", "deny"));

        var refused = await FormAsync(here, "/o/token/", 400, ("grant_type", DeviceGrant), ("client_id", client), ("device_code", (string)codes["device_code"]!));
        Assert.Equal("access_denied", (string)refused["error"]!);
    }

    [Theory, MemberData(nameof(BothWays))]
    public async Task A_user_sees_and_revokes_there_what_was_given_here(Side there, Side here)
    {
        var (client, alice) = (await CreateAsync(here, "password"), await RegisterAsync(here));
        var tokens = await PasswordAsync(here, client, alice);
        var user = await LogInAsync(there, alice);

        var list = await (await user.GetAsync("/o/authorized_tokens/")).TextAsync();
        Assert.Contains("read", list, StringComparison.OrdinalIgnoreCase);
        var revoke = RevokeLink().Match(list).Groups[1].Value;
        await user.SubmitFormAsync(revoke).ShouldBeAsync(302);

        foreach (var side in Sides) Assert.Equal(401, await ScopeAsync(side, (string)tokens["access_token"]!));
    }

    [Theory, MemberData(nameof(BothWays))]
    public async Task An_application_deleted_there_takes_its_tokens_with_it(Side there, Side here)
    {
        var alice = await RegisterAsync(here);
        var owner = (int)(await DjangoAsync("result = User.objects.get(username=given).id", alice))!;
        var client = Name("gone");
        await GatehouseAsync("createapplication", "confidential", "password", "--client-id", client, "--client-secret", Secret, "--user", $"{owner}");
        var tokens = await PasswordAsync(here, client, alice);
        var id = (int)(await DjangoAsync("result = Application.objects.get(client_id=given).id", client))!;

        if (there == Side.Django) await DjangoAsync("Application.objects.get(client_id=given).delete()", client);
        else await (await LogInAsync(there, alice)).SubmitFormAsync($"/o/applications/{id}/delete/").ShouldBeAsync(302);

        foreach (var side in Sides) Assert.Equal(401, await ScopeAsync(side, (string)tokens["access_token"]!));
        Assert.Equal(0, (int)(await DjangoAsync("result = AccessToken.objects.filter(application_id=given).count() + RefreshToken.objects.filter(application_id=given).count()", id))!);
    }

    [Theory, MemberData(nameof(BothWays))]
    public async Task Logging_out_there_by_an_id_token_of_here_ends_the_session_of_both(Side there, Side here)
    {
        var (client, alice) = (await CreateAsync(here, "authorization-code", "RS256"), await RegisterAsync(here));
        var session = await LogInAsync(here, alice);
        var tokens = await RedeemAsync(here, client, await CodeAsync(here, session, client));
        var elsewhere = NewBrowser(there, session);

        var path = $"/o/logout/?id_token_hint={tokens["id_token"]}&client_id={client}&post_logout_redirect_uri={Uri.EscapeDataString(Bye)}";
        var answer = await elsewhere.GetAsync(path);
        if ((int)answer.StatusCode == 200) answer = await elsewhere.SubmitFormAsync(path, ("allow", "Logout"));

        await answer.ShouldBeAsync(302);
        Assert.StartsWith(Bye, answer.Header("Location"), StringComparison.Ordinal);
        Assert.Null(await WhoAsync(session));
    }

    [Theory, MemberData(nameof(EachSide))]
    public async Task Clearing_tokens_on_one_side_leaves_the_live_ones_of_both(Side sweeper)
    {
        var (client, alice) = (await CreateAsync(Side.Django, "password"), await RegisterAsync(Side.Django));
        JsonNode[] live = [await PasswordAsync(Side.Django, client, alice), await PasswordAsync(Side.Gatehouse, client, alice)];
        var dead = await PasswordAsync(Side.Gatehouse, client, alice);
        await DjangoAsync("""
            RefreshToken.objects.filter(token=given[1]).update(revoked='2020-01-01T00:00:00Z')
            AccessToken.objects.filter(token=given[0]).update(expires='2020-01-01T00:00:00Z')
            """, new[] { (string)dead["access_token"]!, (string)dead["refresh_token"]! });

        if (sweeper == Side.Django) await DjangoAsync("call_command('cleartokens')");
        else await GatehouseAsync("cleartokens");

        foreach (var tokens in live)
        {
            foreach (var side in Sides) Assert.Equal(200, await ScopeAsync(side, (string)tokens["access_token"]!));
            await RefreshAsync(sweeper, client, tokens);
        }
        await RefreshAsync(sweeper, client, dead, 400);
    }

    /// <summary>A confidential application with <see cref="Secret"/>, or a public one, made as that side's people make it.</summary>
    private async Task<string> CreateAsync(Side side, string grant, string algorithm = "", string type = "confidential")
    {
        var client = Name("client" + Guid.NewGuid().ToString("N")[..4]);
        if (side == Side.Gatehouse)
            await GatehouseAsync(
            [
                "createapplication", type, grant, "--client-id", client, "--redirect-uris", Callback, "--post-logout-redirect-uris", Bye,
                .. algorithm.Length == 0 ? Array.Empty<string>() : ["--algorithm", algorithm], .. type == "public" ? Array.Empty<string>() : ["--client-secret", Secret],
            ]);
        else
            await DjangoAsync("""
                Application.objects.create(client_id=given[0], client_secret=given[1], client_type=given[2], authorization_grant_type=given[3], algorithm=given[4],
                    redirect_uris=given[5], post_logout_redirect_uris=given[6])
                """, new[] { client, type == "confidential" ? Secret : "", type, grant, algorithm, Callback, Bye });
        return client;
    }

    private async Task<string> CodeAsync(Side side, Browser session, string client, params (string Name, string Value)[] more)
    {
        var browser = NewBrowser(side, session);
        (string Name, string Value)[] request =
        [
            ("response_type", "code"), ("client_id", client), ("redirect_uri", Callback), ("scope", "openid read profile"), ("state", "st-1"), ("code_challenge_method", "S256"),
            ("code_challenge", Base64Url.EncodeToString(SHA256.HashData(Encoding.ASCII.GetBytes(Verifier)))), .. more,
        ];
        var allowed = await browser.SubmitFormAsync("/o/authorize/?" + string.Join('&', request.Select(one => $"{one.Name}={Uri.EscapeDataString(one.Value)}")), ("allow", "Authorize"));
        await allowed.ShouldBeAsync(302);
        var answer = HttpUtility.ParseQueryString(new Uri(allowed.Header("Location")!).Query);
        Assert.Equal("st-1", answer["state"]);
        return answer["code"]!;
    }

    private Task<JsonNode> RedeemAsync(Side side, string client, string code, int status = 200, string verifier = Verifier) => FormAsync(side, "/o/token/", status,
        ("grant_type", "authorization_code"), ("client_id", client), ("client_secret", Secret), ("code", code), ("redirect_uri", Callback), ("code_verifier", verifier));

    private Task<JsonNode> PasswordAsync(Side side, string client, string user) => FormAsync(side, "/o/token/", 200,
        ("grant_type", "password"), ("client_id", client), ("client_secret", Secret), ("username", user), ("password", TestUsers.PasswordOf(user)), ("scope", "read"));

    private Task<JsonNode> RefreshAsync(Side side, string client, JsonNode tokens, int status = 200) => FormAsync(side, "/o/token/", status,
        ("grant_type", "refresh_token"), ("client_id", client), ("client_secret", Secret), ("refresh_token", (string)tokens["refresh_token"]!));

    private async Task<int> ScopeAsync(Side side, string token) => (int)(await Http(side).AskAsync("/probe/scope/read/", "Bearer " + token)).StatusCode;

    [GeneratedRegex(@"client_secret: (\S+)")]
    private static partial Regex MadeSecret();

    [GeneratedRegex("""href="(/o/authorized_tokens/\d+/delete/)""")]
    private static partial Regex RevokeLink();
}

/// <summary>Sending forms as either side writes them.</summary>
internal static partial class TwinForms
{
    /// <summary>Opens a page and sends its form with these fields and its own hidden ones.</summary>
    public static async Task<HttpResponseMessage> SubmitFormAsync(this Browser browser, string path, params (string Name, string Value)[] fields)
    {
        var opened = await browser.GetAsync(path);
        await opened.ShouldBeAsync(200);
        var form = Hidden().Matches(await opened.TextAsync()).ToDictionary(match => match.Groups[1].Value, match => WebUtility.HtmlDecode(match.Groups[2].Value));
        foreach (var (name, value) in fields) form[name] = value;
        return await browser.SendAsync(HttpMethod.Post, path, new FormUrlEncodedContent(form), csrf: false);
    }

    [GeneratedRegex("""<input type="hidden" name="([^"]+)"(?: value="([^"]*)")?[^>]*>""")]
    private static partial Regex Hidden();
}

[Collection(OnSqlite.Name), Trait(TestDatabase.SqliteOnly, "yes")]
public sealed class OAuthTwinTestsOnSqlite(SqliteTwin twin) : OAuthTwinTests(twin);

[Collection(OnPostgres.Name), Trait(TestDatabase.SqliteOnly, "yes")]
public sealed class OAuthTwinTestsOnPostgres(PostgresTwin twin) : OAuthTwinTests(twin);
