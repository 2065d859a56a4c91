using System.Net;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using OtpNet;
using Xunit;

namespace Gatehouse.Tests.Accounts;

/// <summary>Passkeys, with an authenticator that does whatever an attacker's would (docs/security-tests.md, U29).</summary>
public sealed partial class PasskeyTests : GatehouseTest
{
    private const string Api = "/api/accounts/passkeys/";
    private const string Invalid = """{"passkey":["Invalid passkey."]}""";
    private static readonly string[] Doors = ["/api/accounts/login/", "/api-token-auth/", "/api/token/"];

    private readonly List<SoftwareAuthenticator> made = [];
    private string token = "";

    protected override void Configure(GatehouseOptions options) => options.Accounts.BaseUrl = "https://auth.example.com";

    public override async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        foreach (var authenticator in made) authenticator.Dispose();
        await base.DisposeAsync();
    }

    [Fact]
    public async Task One_is_added_by_password_listed_and_deleted_by_password_and_passkey()
    {
        var phone = await AddAsync("alice");
        var options = JsonNode.Parse(await (await AskAsync("GET", "/api/accounts/login/passkey/")).TextAsync())!["options"]!;
        Assert.Equal("auth.example.com", (string)options["rpId"]!);
        Assert.Equal("required", (string)options["userVerification"]!);
        await AskAsync("GET", "/api/accounts/second_factor/").ShouldBeAsync(200, """{"enabled":false,"passkeys":1,"recovery_codes":10}""");
        var passkey = (await (await AskAsync("GET", Api)).JsonAsync())[0]!;
        Assert.Equal("my phone", (string)passkey["name"]!);
        Assert.Null((string?)passkey["last_used"]);

        var password = TestUsers.PasswordOf("alice");
        var one = $"{Api}{passkey["id"]}/";
        await AskAsync("DELETE", one, new { current_password = password }).ShouldBeAsync(400, """{"passkey":["A passkey is required."]}""");
        await AskAsync("DELETE", one, new { current_password = "wrong-password", passkey = phone.Use(await ChallengeAsync()) }).ShouldBeAsync(400, """{"current_password":["Invalid password."]}""");
        await AskAsync("DELETE", one, new { current_password = password, passkey = phone.Use(await ChallengeAsync()) }).ShouldBeAsync(204);
        await AskAsync("DELETE", one, new { current_password = password }).ShouldBeAsync(404);

        await NewBrowser().LogInAsync("alice");
        Assert.Empty(Database.Rows("SELECT checksum FROM gatehouse_recovery_code"));
        Assert.Equal(
            ["passkey_added|alice|alice|my phone", "passkey_used|alice|alice|my phone", "passkey_removed|alice|alice|my phone"],
            Database.Rows("SELECT event, username, about, detail FROM gatehouse_audit WHERE event LIKE 'passkey%' ORDER BY id"));
    }

    [Fact]
    public async Task Each_door_of_an_API_asks_for_it()
    {
        var phone = await AddAsync("alice");
        var (username, password) = ("alice", TestUsers.PasswordOf("alice"));
        AddApplication();

        foreach (var path in Doors)
        {
            await Http.AskAsync(path, null, "POST", new { username, password }).ShouldBeAsync(400, """{"passkey":["A passkey is required."]}""");
            await Http.AskAsync(path, null, "POST", new { username, password, otp = "123456" }).ShouldBeAsync(400, """{"otp":["Invalid one-time code."]}""");
            await Http.AskAsync(path, null, "POST", new { username, password, passkey = phone.Use(await ChallengeAsync()) }).ShouldBeAsync(200);
            // In a form it is its text.
            await Http.AskAsync(path, "POST", Form(("username", username), ("password", password), ("passkey", phone.Use(await ChallengeAsync()).ToJsonString()))).ShouldBeAsync(200);
            await Http.AskAsync(path, null, "POST", new { username, password = "wrong-password", passkey = phone.Use(await ChallengeAsync()) }).ShouldBeAsync(path == "/api/token/" ? 401 : 400);
        }
        await GrantAsync(null).ShouldBeAsync(400, """{"error":"invalid_grant","error_description":"A passkey is required: send what a browser made of it as passkey."}""");
        await GrantAsync("{}").ShouldBeAsync(400, """{"error":"invalid_grant","error_description":"Invalid passkey."}""");
        await GrantAsync(phone.Use(await ChallengeAsync()).ToJsonString()).ShouldBeAsync(200);
        await Http.AskAsync("/api/accounts/profile/", Answers.Basic("alice")).ShouldBeAsync(401, """{"detail":"This account has a second factor and cannot use Basic: get a token."}""");
        Assert.Null(await Server.Get<Gatehouse.Users.UserAccounts>().AuthenticateAsync("alice", password, remember: true, Ct));
    }

    [Fact]
    public async Task A_recovery_code_does_in_its_place_and_so_does_an_app()
    {
        var phone = await AddAsync("alice");
        var (username, password) = ("alice", TestUsers.PasswordOf("alice"));
        await Http.AskAsync("/api/token/", null, "POST", new { username, password, otp = recovery[0] }).ShouldBeAsync(200);

        var begun = await (await AskAsync("POST", "/api/accounts/second_factor/", new { current_password = password })).JsonAsync();
        var (secret, second_factor) = ((string)begun["secret"]!, (string)begun["second_factor"]!);
        Secrets.Add(secret);
        string Code() => new Totp(Base32Encoding.ToBytes(secret)).ComputeTotp(Clock.Now.UtcDateTime);
        await AskAsync("POST", "/api/accounts/second_factor/", new { current_password = password, second_factor, otp = Code() }).ShouldBeAsync(400, """{"passkey":["A passkey is required."]}""");
        var on = await AskAsync("POST", "/api/accounts/second_factor/", new { current_password = password, second_factor, otp = Code(), passkey = phone.Use(await ChallengeAsync()) });
        await on.ShouldBeAsync(200);
        KeepRecovery(await on.JsonAsync());
        Clock.Advance(TimeSpan.FromMinutes(1));

        await Http.AskAsync("/api/token/", null, "POST", new { username, password }).ShouldBeAsync(400, """{"otp":["A one-time code is required."]}""");
        await Http.AskAsync("/api/token/", null, "POST", new { username, password, otp = Code() }).ShouldBeAsync(200);
        await Http.AskAsync("/api/token/", null, "POST", new { username, password, passkey = phone.Use(await ChallengeAsync()) }).ShouldBeAsync(200);
        // Recovery codes stay until the last factor goes.
        await AskAsync("DELETE", "/api/accounts/second_factor/", new { current_password = password, passkey = phone.Use(await ChallengeAsync()) }).ShouldBeAsync(204);
        await AskAsync("GET", "/api/accounts/second_factor/").ShouldBeAsync(200, """{"enabled":false,"passkeys":1,"recovery_codes":10}""");
    }

    [Fact]
    public async Task Alone_it_begins_a_session_by_API_and_by_page()
    {
        var phone = await AddAsync("alice");

        var browser = NewBrowser();
        await browser.PostAsync("/api/accounts/login/", new { passkey = phone.Use(await ChallengeAsync()) }).ShouldBeAsync(200, """{"message":"Login successful"}""");
        await browser.GetAsync("/api/accounts/profile/").ShouldBeAsync(200);

        browser = NewBrowser();
        var html = await (await browser.GetAsync("/accounts/login/?next=/accounts/passkeys/")).TextAsync();
        var done = await SendAsync(browser, "/accounts/login/", html, ("passkey", phone.Use(ChallengeIn(html)).ToJsonString()));
        await done.ShouldBeAsync(302);
        Assert.Equal("/accounts/passkeys/", done.Header("Location"));
        await browser.GetAsync("/api/accounts/profile/").ShouldBeAsync(200);

        browser = NewBrowser();
        html = await (await browser.GetAsync("/admin/login/")).TextAsync();
        var refused = await SendAsync(browser, "/admin/login/", html, ("passkey", phone.Use(ChallengeIn(html)).ToJsonString()));
        Assert.Contains("not one of a staff account", await refused.TextAsync(), StringComparison.Ordinal);
        Assert.Null(browser.SessionKey);
    }

    [Fact]
    public async Task The_pages_add_ask_and_delete()
    {
        await Users.CreateAsync("alice", isStaff: true);
        var browser = await NewBrowser().LogInAsync("alice");
        var password = TestUsers.PasswordOf("alice");
        var phone = New();
        var html = await (await browser.GetAsync("/accounts/passkeys/")).TextAsync();
        var wrong = await (await SendAsync(browser, "/accounts/passkeys/", html, ("name", "<b>phone</b>"), ("password", "wrong-password"))).TextAsync();
        Assert.DoesNotContain("data-passkey", wrong, StringComparison.Ordinal);
        html = await (await SendAsync(browser, "/accounts/passkeys/", html, ("name", "<b>phone</b>"), ("password", password))).TextAsync();
        html = await (await SendAsync(browser, "/accounts/passkeys/add/", html, ("passkey", phone.Make(ChallengeIn(html)).ToJsonString()))).TextAsync();
        Assert.Equal(10, html.Split("<li><code>").Length - 1);
        html = await (await browser.GetAsync("/accounts/passkeys/")).TextAsync();
        Assert.Contains("<strong>&lt;b&gt;phone&lt;/b&gt;</strong>", html, StringComparison.Ordinal);

        foreach (var path in new[] { "/accounts/login/", "/admin/login/" })
        {
            var other = NewBrowser();
            html = await (await other.SubmitAsync(path, ("username", "alice"), ("password", password))).TextAsync();
            Assert.Null(other.SessionKey);
            var again = await (await SendAsync(other, path, html, ("passkey", "{}"))).TextAsync();
            Assert.Contains("Invalid passkey.", again, StringComparison.Ordinal);
            await SendAsync(other, path, again, ("passkey", phone.Use(ChallengeIn(again)).ToJsonString())).ShouldBeAsync(302);
            await other.GetAsync("/api/accounts/profile/").ShouldBeAsync(200);
        }

        var page = Regex.Match(await (await browser.GetAsync("/accounts/passkeys/")).TextAsync(), "/accounts/passkeys/[0-9]+/delete/").Value;
        html = await (await browser.GetAsync(page)).TextAsync();
        html = await (await SendAsync(browser, page, html, ("password", password), ("otp", "123456"))).TextAsync();
        Assert.Contains("Invalid one-time code.", html, StringComparison.Ordinal);
        await SendAsync(browser, page, html, ("password", password), ("passkey", phone.Use(ChallengeIn(html)).ToJsonString())).ShouldBeAsync(302);
        Assert.Empty(Database.Rows("SELECT user_id FROM gatehouse_passkey"));
        await browser.GetAsync(page).ShouldBeAsync(404);
    }

    [Theory]
    [InlineData("another origin")]
    [InlineData("another origin that begins alike")]
    [InlineData("a frame")]
    [InlineData("another relying party")]
    [InlineData("an old challenge")]
    [InlineData("a challenge of its own")]
    [InlineData("another challenge")]
    [InlineData("a challenge for making")]
    [InlineData("nobody present")]
    [InlineData("nobody verified")]
    [InlineData("counter back")]
    [InlineData("counter the same")]
    [InlineData("backed up all at once")]
    [InlineData("another key")]
    [InlineData("unknown")]
    [InlineData("another user's handle")]
    [InlineData("no handle")]
    [InlineData("of the wrong type")]
    [InlineData("deactivated")]
    public async Task What_is_not_right_in_every_part_lets_nobody_in(string wrong)
    {
        var phone = await AddAsync("alice");
        var mallory = await Users.CreateAsync("mallory");
        phone.Counter = 100;
        var codesUsed = 0;
        await Http.AskAsync("/api/accounts/login/", null, "POST", new { passkey = phone.Use(await ChallengeAsync()) }).ShouldBeAsync(200);

        var bad = await WrongAsync();
        await Http.AskAsync("/api/accounts/login/", null, "POST", new { passkey = bad }).ShouldBeAsync(400, Invalid);
        Assert.Empty(Database.Rows("SELECT event FROM gatehouse_audit WHERE event = 'login' AND id > (SELECT MAX(id) FROM gatehouse_audit WHERE event = 'login_failed')"));
        // Alone the handle says who it is; beside a password and a challenge of anybody's it is asked for in the same way.
        foreach (var door in Doors)
        {
            var answer = await Http.AskAsync(door, null, "POST", new { username = "alice", password = TestUsers.PasswordOf("alice"), passkey = await WrongAsync() });
            if (wrong == "deactivated") Assert.True((int)answer.StatusCode is 400 or 401);
            else await answer.ShouldBeAsync(400, Invalid);
        }

        async Task<JsonObject> WrongAsync()
        {
            var challenge = await ChallengeAsync();
            switch (wrong)
            {
                case "another origin": phone.Origin = "https://auth.example.com.evil.example"; break;
                case "another origin that begins alike": phone.Origin = "https://auth.example.com:8443"; break;
                case "a frame": phone.IsCrossOrigin = true; break;
                case "another relying party": phone.RpId = "evil.example"; break;
                case "a challenge of its own": challenge["options"]!["challenge"] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"; break;
                case "another challenge": challenge["state"] = (await ChallengeAsync())["state"]!.DeepClone(); break;
                case "a challenge for making": challenge = await BeginAsync(recovery[codesUsed++]); break;
                case "nobody present": phone.IsPresent = false; break;
                case "nobody verified": phone.IsVerified = false; break;
                case "counter back": phone.Counter = 50; break;
                case "counter the same": phone.Step = 0; break;
                case "backed up all at once": phone.IsEligible = phone.IsBackedUp = true; break;
                case "unknown": phone.Id = new byte[32]; break;
                case "another user's handle": phone.UserHandle = System.Buffers.Text.Base64Url.EncodeToString(System.Text.Encoding.UTF8.GetBytes(mallory.Id.ToString())); break;
                case "no handle": phone.UserHandle = null; break;
                case "deactivated": Database.Execute("UPDATE auth_user SET is_active = FALSE WHERE username = 'alice'"); break;
            }
            if (wrong == "another key")
            {
                var other = New();
                (other.Id, other.UserHandle, other.Counter) = (phone.Id, phone.UserHandle, 1000);
                return other.Use(challenge);
            }
            var used = phone.Use(challenge, wrong == "of the wrong type" ? "webauthn.create" : "webauthn.get");
            if (wrong == "an old challenge") Clock.Advance(TimeSpan.FromMinutes(11));
            return used;
        }
    }

    [Theory]
    [InlineData("another origin")]
    [InlineData("another relying party")]
    [InlineData("an old challenge")]
    [InlineData("a challenge of its own")]
    [InlineData("somebody else's challenge")]
    [InlineData("a challenge of the old password")]
    [InlineData("a challenge for using")]
    [InlineData("nobody verified")]
    [InlineData("nobody present")]
    [InlineData("unknown algorithm")]
    [InlineData("an id that is somebody's")]
    [InlineData("an id that is too long")]
    [InlineData("of the wrong type")]
    [InlineData("begun before there was a second factor")]
    public async Task What_is_made_in_any_other_way_is_not_kept(string wrong)
    {
        var alice = await Users.CreateAsync("alice");
        token = await Users.TokenAsync(alice);
        var phone = New();
        var challenge = await BeginAsync();
        switch (wrong)
        {
            case "another origin": phone.Origin = "http://auth.example.com"; break;
            case "another relying party": phone.RpId = "example.com"; break;
            case "a challenge of its own": challenge["options"]!["challenge"] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"; break;
            case "a challenge for using": challenge["state"] = (await ChallengeAsync())["state"]!.DeepClone(); break;
            case "a challenge of the old password": await Users.SetPasswordAsync(alice, "another-password-of-alice"); break;
            case "nobody verified": phone.IsVerified = false; break;
            case "nobody present": phone.IsPresent = false; break;
            case "unknown algorithm": phone.Algorithm = -65535; break;
            case "an id that is too long": phone.Id = new byte[1024]; break;
            case "begun before there was a second factor": await FinishAsync(New(), await BeginAsync()); break;
            case "somebody else's challenge" or "an id that is somebody's":
                var (mine, others) = (token, await AddAsync("mallory"));
                if (wrong == "an id that is somebody's") phone.Id = others.Id;
                else challenge = await BeginAsync(recovery[0]);
                token = mine;
                break;
        }
        var passkey = phone.Make(challenge, wrong == "of the wrong type" ? "webauthn.get" : "webauthn.create");
        if (wrong == "an old challenge") Clock.Advance(TimeSpan.FromMinutes(11));

        await AskAsync("POST", Api + "finish/", new { name = "my phone", passkey }).ShouldBeAsync(400, Invalid);

        Assert.Equal(wrong == "begun before there was a second factor" ? 1 : 0, (await (await AskAsync("GET", Api)).JsonAsync()).AsArray().Count);
    }

    [Theory]
    [InlineData("""{"username":"alice","password":"Correct-horse-alice","passkey":PASSKEY}""", "/api/accounts/login/")]
    [InlineData("""{"username":"alice","password":"Correct-horse-alice","passkey":PASSKEY}""", "/api/token/")]
    [InlineData("""{"passkey":PASSKEY}""", "/api/accounts/login/")]
    [InlineData("""{"name":"x","passkey":PASSKEY}""", "/api/accounts/passkeys/finish/")]
    public async Task Whatever_else_is_sent_is_refused_with_400(string body, string path)
    {
        var phone = await AddAsync("alice");
        var good = phone.Use(await ChallengeAsync());
        var state = good["state"]!.ToJsonString();
        foreach (var sent in (string[])
        [
            "{}", "\"\"", "\"{}\"", "1", "[]", "null", "true", """{"state":1,"credential":{}}""", """{"state":"x","credential":{}}""", """{"state":STATE,"credential":{}}""",
            """{"state":STATE,"credential":null}""", """{"state":STATE,"credential":{"id":"!","type":"public-key","response":{}}}""",
            """{"state":STATE,"credential":{"id":"\ud800","\ud800":1}}""", """{"state":"\ud800","credential":{}}""",
            """{"state":STATE,"credential":{"id":"AA","rawId":"AA","type":"public-key","clientExtensionResults":{},"response":{"clientDataJSON":"e30","authenticatorData":"AA","signature":"AA"}}}""",
            """{"state":STATE,"credential":{"id":"AA","rawId":"AA","type":"public-key","clientExtensionResults":{},"response":{"clientDataJSON":"e30","attestationObject":"_____w"}}}""",
            new JsonObject { ["state"] = new string('x', 40_000), ["credential"] = new JsonObject() }.ToJsonString(),
            "{\"state\":STATE,\"credential\":" + string.Concat(Enumerable.Repeat("{\"id\":", 60)) + "1" + new string('}', 61),
            good.ToJsonString().Replace("\"type\":\"public-key\"", "\"type\":\"password\"", StringComparison.Ordinal),
        ])
        {
            var answer = await Http.AskAsync(path, "POST", new StringContent(body.Replace("PASSKEY", sent.Replace("STATE", state, StringComparison.Ordinal), StringComparison.Ordinal), null, "application/json"), ("Authorization", "Token " + token));

            Assert.True((int)answer.StatusCode is 400 or 429, $"{(int)answer.StatusCode} for {sent[..Math.Min(100, sent.Length)]}");
            Database.Execute("DELETE FROM gatehouse_login_failure");
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(0)]
    public async Task Of_64_who_show_one_answer_to_two_servers_one_gets_in(int step)
    {
        var phone = await AddAsync("alice", step: (uint)step);
        var other = await StartServerAsync();
        var passkey = phone.Use(await ChallengeAsync());

        var answers = await Task.WhenAll(Enumerable.Range(0, 64).Select(n => (n % 2 == 0 ? Server : other).Http.AskAsync("/api/accounts/login/", null, "POST", new { passkey })));

        Assert.Single(answers, answer => (int)answer.StatusCode == 200);
        Assert.DoesNotContain(answers, answer => (int)answer.StatusCode >= 500);
        Database.Execute("DELETE FROM gatehouse_login_failure");
        await Http.AskAsync("/api/accounts/login/", null, "POST", new { passkey }).ShouldBeAsync(400, Invalid);
        await Http.AskAsync("/api/accounts/login/", null, "POST", new { passkey = phone.Use(await ChallengeAsync()) }).ShouldBeAsync(200);
    }

    [Fact]
    public async Task A_challenge_is_answered_once_whoever_made_it_and_however_it_is_spelled()
    {
        var phone = await AddAsync("alice", step: 0);
        var tablet = New();
        var begun = await BeginAsync(recovery[0]);
        await FinishAsync(tablet, begun);
        await AskAsync("POST", Api + "finish/", new { name = "again", passkey = New().Make(begun) }).ShouldBeAsync(400, Invalid);

        var challenge = await ChallengeAsync();
        await Http.AskAsync("/api/accounts/login/", null, "POST", new { passkey = phone.Use(challenge) }).ShouldBeAsync(200);
        await Http.AskAsync("/api/accounts/login/", null, "POST", new { passkey = tablet.Use(challenge) }).ShouldBeAsync(400, Invalid);

        // Forgotten only when they are too old anyway.
        Clock.Advance(TimeSpan.FromMinutes(30));
        await Http.AskAsync("/api/accounts/login/", null, "POST", new { passkey = phone.Use(await ChallengeAsync()) }).ShouldBeAsync(200);
        Assert.Single(Database.Rows("SELECT checksum FROM gatehouse_passkey_challenge"));
    }

    [Fact]
    public async Task Wrong_ones_count_as_failed_logins()
    {
        var phone = await AddAsync("alice");
        phone.IsVerified = false;
        for (var n = 0; n < 10; n++) await Http.AskAsync("/api/accounts/login/", null, "POST", new { passkey = phone.Use(await ChallengeAsync()) }).ShouldBeAsync(400, Invalid);
        phone.IsVerified = true;

        await Http.AskAsync("/api/accounts/login/", null, "POST", new { passkey = phone.Use(await ChallengeAsync()) }).ShouldBeAsync(429);
        await Http.AskAsync("/api/token/", null, "POST", new { username = "alice", password = TestUsers.PasswordOf("alice") }).ShouldBeAsync(429);
        Assert.Equal(["login_failed|alice|Wrong passkey"], Database.Rows("SELECT DISTINCT event, about, detail FROM gatehouse_audit WHERE event = 'login_failed'"));
        Clock.Advance(TimeSpan.FromSeconds(31));
        await Http.AskAsync("/api/accounts/login/", null, "POST", new { passkey = phone.Use(await ChallengeAsync()) }).ShouldBeAsync(200);
    }

    [Fact]
    public async Task Staff_who_must_have_a_second_factor_may_have_a_passkey()
    {
        var phone = await AddAsync("root", isStaff: true);
        var server = await StartServerAsync(options => options.Accounts.SecondFactorForStaff = true);

        await server.Http.AskAsync("/api/token/", null, "POST", new { username = "root", password = TestUsers.PasswordOf("root"), passkey = phone.Use(await ChallengeAsync()) }).ShouldBeAsync(200);
        var browser = NewBrowser(server);
        var html = await (await browser.GetAsync("/admin/login/")).TextAsync();
        await SendAsync(browser, "/admin/login/", html, ("passkey", phone.Use(ChallengeIn(html)).ToJsonString())).ShouldBeAsync(302);
        await browser.GetAsync("/admin/").ShouldBeAsync(200);
    }

    [Fact]
    public async Task Who_began_to_set_up_an_app_before_there_was_a_passkey_does_not_get_round_it()
    {
        var server = await StartServerAsync(options => options.Accounts.SecondFactorForStaff = true);
        await Users.CreateAsync("root", isStaff: true);
        var browser = NewBrowser(server);
        var html = await (await browser.SubmitAsync("/accounts/login/", ("username", "root"), ("password", TestUsers.PasswordOf("root")))).TextAsync();
        var secret = Regex.Match(html, "<p>Key: <code>([A-Z2-7 ]+)</code></p>").Groups[1].Value.Replace(" ", "", StringComparison.Ordinal);
        Secrets.Add(secret);
        await AddAsync("root", create: false);

        await SendAsync(browser, "/accounts/login/", html, ("otp", new Totp(Base32Encoding.ToBytes(secret)).ComputeTotp(Clock.Now.UtcDateTime))).ShouldBeAsync(200);

        Assert.Null(browser.SessionKey);
        Assert.Empty(Database.Rows("SELECT user_id FROM gatehouse_totp"));
    }

    [Fact]
    public async Task They_go_with_the_account()
    {
        var phone = await AddAsync("alice");
        var current_password = TestUsers.PasswordOf("alice");

        await AskAsync("POST", "/api/accounts/me/delete/", new { current_password }).ShouldBeAsync(400, """{"passkey":["A passkey is required."]}""");
        await AskAsync("POST", "/api/accounts/me/delete/", new { current_password, passkey = phone.Use(await ChallengeAsync()) }).ShouldBeAsync(204);

        Assert.Empty(Database.Rows("SELECT user_id FROM gatehouse_passkey"));
        Assert.Empty(Database.Rows("SELECT user_id FROM gatehouse_recovery_code"));
        await Http.AskAsync("/api/accounts/login/", null, "POST", new { passkey = phone.Use(await ChallengeAsync()) }).ShouldBeAsync(400, Invalid);
    }

    [Fact]
    public async Task Nobody_deletes_another_users()
    {
        await AddAsync("alice");
        var id = Database.Rows("SELECT id || '' FROM gatehouse_passkey").Single();
        var phone = await AddAsync("mallory");

        await AskAsync("DELETE", $"{Api}{id}/", new { current_password = TestUsers.PasswordOf("mallory"), passkey = phone.Use(await ChallengeAsync()) }).ShouldBeAsync(404);
        foreach (var none in new[] { "0", "x", "99999999999999999999", "-1" }) await AskAsync("DELETE", $"{Api}{none}/", new { current_password = TestUsers.PasswordOf("mallory") }).ShouldBeAsync(404);

        Assert.Equal(2, Database.Rows("SELECT id FROM gatehouse_passkey").Count);
    }

    [Fact]
    public async Task An_account_has_20_at_most_also_for_many_at_once()
    {
        var phone = await AddAsync("alice", step: 0);
        for (var n = 1; n < 18; n++) await FinishAsync(New(), await BeginAsync(phone));
        var begun = new List<JsonNode>();
        for (var n = 0; n < 6; n++) begun.Add(await BeginAsync(phone));

        var answers = await Task.WhenAll(begun.Select(challenge => AskAsync("POST", Api + "finish/", new { name = "one more", passkey = New().Make(challenge) })));

        Assert.Equal(2, answers.Count(answer => (int)answer.StatusCode == 201));
        Assert.Equal(["20"], Database.Rows("SELECT COUNT(*) || '' FROM gatehouse_passkey"));
        await AskAsync("POST", Api + "begin/", new { current_password = TestUsers.PasswordOf("alice"), passkey = phone.Use(await ChallengeAsync()) }).ShouldBeAsync(400);
    }

    [Fact]
    public async Task Without_a_configured_address_they_belong_to_the_host_that_was_asked_for_if_it_is_allowed()
    {
        var server = await StartServerAsync(options => (options.Accounts.BaseUrl, options.AllowedHosts) = ("", ["localhost", "127.0.0.1", "auth.example.com"]));
        const string NotHere = """{"non_field_errors":["Passkeys need HTTPS and a host name; this address is none that browsers have them for."]}""";
        async Task<HttpResponseMessage> FromAsync(string host) => await server.Http.AskAsync("/api/accounts/login/passkey/", "GET", null, ("Host", host));

        var challenge = await (await FromAsync("localhost:8000")).JsonAsync();
        Assert.Equal("localhost", (string)challenge["options"]!["rpId"]!);
        await FromAsync("127.0.0.1").ShouldBeAsync(400, NotHere);
        await FromAsync("auth.example.com").ShouldBeAsync(400, NotHere);
        await FromAsync("evil.example").ShouldBeAsync(400);

        var phone = New();
        (phone.RpId, phone.Origin) = ("localhost", "http://localhost:8000");
        token = await Users.TokenAsync(await Users.CreateAsync("alice"));
        var begun = await (await server.Http.AskAsync(Api + "begin/", "POST", Json(new { current_password = TestUsers.PasswordOf("alice") }), ("Host", "localhost:8000"), ("Authorization", "Token " + token))).JsonAsync();
        KeepRecovery(await (await server.Http.AskAsync(
            Api + "finish/", "POST", Json(new { name = "x", passkey = phone.Make(begun) }), ("Host", "localhost:8000"), ("Authorization", "Token " + token))).JsonAsync());
        await server.Http.AskAsync("/api/accounts/login/", "POST", Json(new { passkey = phone.Use(challenge) }), ("Host", "localhost:9000")).ShouldBeAsync(400, Invalid);
        await server.Http.AskAsync("/api/accounts/login/", "POST", Json(new { passkey = phone.Use(challenge) }), ("Host", "localhost:8000")).ShouldBeAsync(200);
    }

    private IReadOnlyList<string> recovery = [];

    private SoftwareAuthenticator New()
    {
        made.Add(new SoftwareAuthenticator());
        return made[^1];
    }

    /// <summary>A user with a passkey, whose token is that of the test from then on.</summary>
    private async Task<SoftwareAuthenticator> AddAsync(string username, bool create = true, bool isStaff = false, uint step = 1)
    {
        var user = create ? await Users.CreateAsync(username, isStaff: isStaff) : (await Server.Get<Gatehouse.Users.UserAccounts>().FindAsync(username, Ct))!;
        token = await Users.TokenAsync(user);
        owner = username;
        var authenticator = New();
        authenticator.Step = step;
        await FinishAsync(authenticator, await BeginAsync());
        return authenticator;
    }

    private string owner = "alice";

    private async Task<JsonNode> BeginAsync(string? otp = null) => await BeginAsync(new { current_password = TestUsers.PasswordOf(owner), otp });

    private async Task<JsonNode> BeginAsync(SoftwareAuthenticator phone) =>
        await BeginAsync(new { current_password = TestUsers.PasswordOf(owner), passkey = phone.Use(await ChallengeAsync()) });

    private async Task<JsonNode> BeginAsync(object body)
    {
        var answer = await AskAsync("POST", Api + "begin/", body);
        await answer.ShouldBeAsync(200);
        return await answer.JsonAsync();
    }

    private async Task FinishAsync(SoftwareAuthenticator authenticator, JsonNode challenge)
    {
        var answer = await AskAsync("POST", Api + "finish/", new { name = "my phone", passkey = authenticator.Make(challenge) });
        await answer.ShouldBeAsync(201);
        KeepRecovery(await answer.JsonAsync());
    }

    private void KeepRecovery(JsonNode answer)
    {
        if (answer["recovery_codes"] is not JsonArray codes) return;
        recovery = [.. codes.Select(code => (string)code!)];
        foreach (var code in recovery) Secrets.Add(code);
    }

    private async Task<JsonNode> ChallengeAsync() => await (await Http.AskAsync("/api/accounts/login/passkey/")).JsonAsync();

    /// <summary>What the script of a page finds.</summary>
    private static JsonNode ChallengeIn(string html) => JsonNode.Parse(WebUtility.HtmlDecode(Part().Match(html).Groups[1].Value))!;

    private Task<HttpResponseMessage> AskAsync(string method, string path, object? body = null) => Http.AskAsync(path, "Token " + token, method, body);

    private static StringContent Json(object body) => new(System.Text.Json.JsonSerializer.Serialize(body), null, "application/json");

    private static FormUrlEncodedContent Form(params (string Name, string Value)[] fields) => new(fields.Select(field => KeyValuePair.Create(field.Name, field.Value)));

    private Task<HttpResponseMessage> GrantAsync(string? passkey) => Http.AskAsync("/o/token/", "POST", Form(
        [("grant_type", "password"), ("client_id", "app"), ("username", "alice"), ("password", TestUsers.PasswordOf("alice")), .. passkey is null ? [] : new[] { ("passkey", passkey) }]));

    private void AddApplication() => Database.Execute(
        """
        INSERT INTO oauth2_provider_application (redirect_uris, client_type, authorization_grant_type, client_secret, name, user_id, skip_authorization, created, updated, algorithm,
            post_logout_redirect_uris, hash_client_secret, allowed_origins, registration_source, client_id)
        VALUES ('', 'public', 'password', '', 'app', NULL, FALSE, '2026-01-01 00:00:00', '2026-01-01 00:00:00', '', '', FALSE, '', 'manual', 'app')
        """);

    /// <summary>Sends the form of a page that came as an answer.</summary>
    private static Task<HttpResponseMessage> SendAsync(Browser browser, string path, string html, params (string Name, string Value)[] fields)
    {
        var form = new Dictionary<string, string>();
        foreach (Match match in Hidden().Matches(html)) form[match.Groups[1].Value] = WebUtility.HtmlDecode(match.Groups[2].Value);
        foreach (var (name, value) in fields) form[name] = value;
        return browser.SendAsync(HttpMethod.Post, path, new FormUrlEncodedContent(form), csrf: false);
    }

    [GeneratedRegex("""<input type="hidden" name="([^"]+)" value="([^"]*)">""")]
    private static partial Regex Hidden();

    [GeneratedRegex("data-passkey=\"([^\"]*)\"")]
    private static partial Regex Part();
}
