using Gatehouse.Tests.Mail;
using Gatehouse.Tests.OAuth.Authorize;
using Gatehouse.Tests.OAuth.OpenId;
using OtpNet;
using Xunit;

namespace Gatehouse.Tests.Audit;

/// <summary>What people do to their own accounts.</summary>
public sealed class AccountAuditTests : MailTest
{
    [Fact]
    public async Task A_second_factor_that_is_turned_on_renewed_used_and_turned_off_is_noted()
    {
        var password = TestUsers.PasswordOf("ada");
        var token = "Token " + await Users.TokenAsync(await Users.CreateAsync("ada"));
        const string Path = "/api/accounts/second_factor/";
        var begun = await (await Http.AskAsync(Path, token, "POST", new { current_password = password })).JsonAsync();
        var secret = (string)begun["secret"]!;
        string Code() => new Totp(Base32Encoding.ToBytes(secret)).ComputeTotp(Clock.Now.UtcDateTime);
        var on = await (await Http.AskAsync(Path, token, "POST", new { current_password = password, second_factor = (string)begun["second_factor"]!, otp = Code() })).JsonAsync();
        var recovery = (string)on["recovery_codes"]![0]!;
        foreach (var text in on["recovery_codes"]!.AsArray()) Secrets.Add((string?)text);
        Secrets.Add(secret);
        await Http.AskAsync("/api-token-auth/", null, "POST", new { username = "ada", password, otp = recovery }).ShouldBeAsync(200);
        await Http.AskAsync("/api-token-auth/", null, "POST", new { username = "ada", password, otp = recovery }).ShouldBeAsync(400);
        Clock.Advance(TimeSpan.FromMinutes(1));
        await Http.AskAsync(Path + "recovery_codes/", token, "POST", new { current_password = password, otp = Code() }).ShouldBeAsync(200);
        Clock.Advance(TimeSpan.FromMinutes(1));
        await Http.AskAsync(Path, token, "DELETE", new { current_password = password, otp = Code() }).ShouldBeAsync(204);

        Assert.Equal(
            ["second_factor_on|ada|||127.0.0.1|", "recovery_code_used|ada|||127.0.0.1|", "login_failed||ada||127.0.0.1|Wrong one-time code", "recovery_codes_renewed|ada|||127.0.0.1|", "second_factor_off|ada|||127.0.0.1|"],
            Database.AuditRows());
    }

    [Fact]
    public async Task One_that_is_set_up_at_the_login_is_noted_of_its_user()
    {
        var server = await StartServerAsync(options => options.Accounts.SecondFactorForStaff = true);
        await Users.CreateAsync("root", isStaff: true);
        var browser = NewBrowser(server);
        var html = await (await browser.SubmitAsync("/accounts/login/", ("username", "root"), ("password", TestUsers.PasswordOf("root")))).TextAsync();
        var secret = System.Text.RegularExpressions.Regex.Match(html, "<code>([A-Z2-7 ]+)</code>").Groups[1].Value.Replace(" ", "", StringComparison.Ordinal);
        var step = System.Text.RegularExpressions.Regex.Match(html, "name=\"second_factor\" value=\"([^\"]+)\"").Groups[1].Value;
        await browser.SubmitAsync("/accounts/login/", ("second_factor", step), ("next", ""), ("otp", new Totp(Base32Encoding.ToBytes(secret)).ComputeTotp(Clock.Now.UtcDateTime))).ShouldBeAsync(200);

        Assert.Equal(["second_factor_on|root|||127.0.0.1|", "login|root|||127.0.0.1|"], Database.AuditRows());
    }

    [Fact]
    public async Task Tokens_and_sessions_that_their_user_makes_and_ends_are_noted()
    {
        await Users.CreateAsync("ada");
        var here = await NewBrowser().LogInAsync("ada");
        var there = await NewBrowser().LogInAsync("ada");
        await here.PostAsync("/api/accounts/token/", new { current_password = TestUsers.PasswordOf("ada") }).ShouldBeAsync(200);
        await here.SendAsync(HttpMethod.Delete, "/api/accounts/token/").ShouldBeAsync(204);
        // There is none any more.
        await here.SendAsync(HttpMethod.Delete, "/api/accounts/token/").ShouldBeAsync(404);
        await here.SubmitAsync("/accounts/tokens/", ("password", TestUsers.PasswordOf("ada"))).ShouldBeAsync(200);
        await here.SubmitAsync("/accounts/tokens/", ("action", "delete")).ShouldBeAsync(302);
        var other = (await (await here.GetAsync("/api/accounts/sessions/")).JsonAsync()).AsArray().Single(one => !(bool)one!["current"]!)!;
        await here.SendAsync(HttpMethod.Delete, $"/api/accounts/sessions/{(string)other["id"]!}/").ShouldBeAsync(204);
        await there.LogInAsync("ada");
        await here.PostAsync("/api/accounts/sessions/end_others/", new { current_password = TestUsers.PasswordOf("ada") }).ShouldBeAsync(200);

        Assert.Equal(
            [
                "login|ada|||127.0.0.1|", "login|ada|||127.0.0.1|",
                "token_issued|ada|ada||127.0.0.1|API token", "token_revoked|ada|ada||127.0.0.1|API token", "token_issued|ada|ada||127.0.0.1|API token", "token_revoked|ada|ada||127.0.0.1|API token",
                "session_ended|ada|||127.0.0.1|One", "login|ada|||127.0.0.1|", "session_ended|ada|||127.0.0.1|All others",
            ],
            Database.AuditRows());
    }

    [Fact]
    public async Task An_address_that_is_changed_or_verified_is_noted_when_it_counts()
    {
        var token = "Token " + await Users.TokenAsync(await Users.CreateAsync("ada", email: "ada@example.com"));
        var read = new List<string>();
        async Task<string> LinkAsync(int mails)
        {
            var link = (await Mailbox.WaitAsync(mails)).Where(mail => mail.Contains("/accounts/verify_email/", StringComparison.Ordinal)).Select(mail => MailFolder.LinkOf(mail, BaseUrl)).Single(one => !read.Contains(one));
            read.Add(link);
            return link;
        }
        await Http.AskAsync("/api/accounts/me/", token, "PATCH", new { email = "new@example.com", current_password = TestUsers.PasswordOf("ada") }).ShouldBeAsync(200);
        var link = await LinkAsync(1);
        Assert.Empty(Database.AuditRows());
        await NewBrowser().SubmitAsync(link).ShouldBeAsync(200);
        await NewBrowser().SubmitAsync(link);
        await Mailbox.WaitAsync(2);
        Database.Execute("DELETE FROM gatehouse_verified_email");
        var browser = await NewBrowser().LogInAsync("ada");
        await browser.SubmitAsync("/accounts/profile/").ShouldBeAsync(200);
        await NewBrowser().SubmitAsync(await LinkAsync(3)).ShouldBeAsync(200);
        var bare = await StartServerAsync(options => options.Accounts.BaseUrl = "");
        await bare.Http.AskAsync("/api/accounts/me/", token, "PATCH", new { email = "third@example.com", first_name = "Ada", current_password = TestUsers.PasswordOf("ada") }).ShouldBeAsync(200);
        await bare.Http.AskAsync("/api/accounts/me/", token, "PATCH", new { first_name = "Countess" }).ShouldBeAsync(200);

        Assert.Equal(
            [
                "email_changed||ada||127.0.0.1|By a link mailed to the new address", "login|ada|||127.0.0.1|", "email_verified||ada||127.0.0.1|", "email_changed|ada|||127.0.0.1|",
            ],
            Database.AuditRows());
    }
}

/// <summary>What people let applications do, and what becomes of applications.</summary>
public sealed class OAuthAuditTests : AuthorizeTest
{
    private const string From = "127.0.0.1";

    protected override void Configure(GatehouseOptions options)
    {
        base.Configure(options);
        options.OAuth.OidcEnabled = true;
        options.OAuth.OidcRsaPrivateKey = OpenIdTest.RsaPem;
        options.OAuth.OidcRpInitiatedLogoutEnabled = true;
        options.OAuth.DcrEnabled = true;
        options.OAuth.DcrRegistrationPermissionClasses = ["oauth2_provider.dcr.AllowAllDCRPermission"];
    }

    /// <summary>Without the login that each of these tests begins with.</summary>
    private List<string> Told() => Database.AuditRows()[1..];

    [Fact]
    public async Task Consent_is_noted_when_it_is_asked_for_and_given_refused_or_taken_back()
    {
        Client("web");
        Client("ours", skips: true);
        await PostAsync(Url("web", ("scope", "read")), FieldsOf(await (await Alice.GetAsync(Url("web", ("scope", "read")))).TextAsync())).ShouldBeAsync(302);
        await TokensAsync(ExchangeAsync("web", await CodeAsync("web", ("scope", "read"))));
        // Nobody is asked: neither the second time, nor by an application of the house.
        Returned(await Alice.GetAsync(Url("web", ("scope", "read"), ("approval_prompt", "auto"))));
        Returned(await Alice.GetAsync(Url("ours")));
        var token = Database.Rows("SELECT id || '' FROM oauth2_provider_accesstoken").Single();
        await Alice.SubmitAsync($"/o/authorized_tokens/{token}/delete/").ShouldBeAsync(302);

        Assert.Equal(
            [
                $"consent_refused|alice||web|{From}|", $"consent_given|alice||web|{From}|Scope read", $"token_issued|alice||web|{From}|OAuth, scope read",
                $"token_revoked|alice|||{From}|OAuth, of web",
            ],
            Told());
    }

    [Fact]
    public async Task Consent_to_a_request_that_was_pushed_is_noted_once_however_often_it_is_sent()
    {
        Client("web");
        async Task<string> PushAsync() => Url("web", ("request_uri", (string)(await (await Http.PostAsync("/o/par/", new FormUrlEncodedContent(new Dictionary<string, string>
        {
            ["client_id"] = "web",
            ["client_secret"] = SecretOf("web"),
            ["response_type"] = "code",
            ["redirect_uri"] = Callback,
            ["scope"] = "read",
            ["code_challenge"] = Challenge,
            ["code_challenge_method"] = "S256",
        }), Ct)).JsonAsync())["request_uri"]!));
        var given = await PushAsync();
        var fields = FieldsOf(await (await Alice.GetAsync(given)).TextAsync()).Append(new("allow", "Authorize")).ToList();
        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => PostAsync(given, fields)));
        Assert.Single(answers, answer => (int)answer.StatusCode == 302);
        var refused = await PushAsync();
        var form = FieldsOf(await (await Alice.GetAsync(refused)).TextAsync());
        await PostAsync(refused, form).ShouldBeAsync(302);
        await PostAsync(refused, form);

        Assert.Equal([$"consent_given|alice||web|{From}|Scope read", $"consent_refused|alice||web|{From}|"], Told());
    }

    [Fact]
    public async Task A_device_that_is_let_in_or_not_is_noted()
    {
        Client("tv", "", "urn:ietf:params:oauth:grant-type:device_code", "public");
        foreach (var action in new[] { "accept", "deny" })
        {
            var device = await (await Http.PostAsync("/o/device-authorization/", new FormUrlEncodedContent([new("client_id", "tv"), new("scope", "read")]), Ct)).JsonAsync();
            Secrets.Add((string)device["device_code"]!);
            var entered = await Alice.SubmitAsync("/o/device/", ("user_code", (string)device["user_code"]!));
            await Alice.SubmitAsync(entered.Header("Location")!, ("action", action)).ShouldBeAsync(302);
            await Alice.SubmitAsync(entered.Header("Location")!, ("action", action));
        }

        Assert.Equal([$"consent_given|alice||tv|{From}|A device, scope read", $"consent_refused|alice||tv|{From}|A device, scope read"], Told());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_code_that_comes_again_is_noted_once_with_whose_tokens_ended(bool refreshed)
    {
        Client("web");
        var code = await CodeAsync("web", ("scope", "read"));
        var tokens = await TokensAsync(ExchangeAsync("web", code));
        if (refreshed) await TokensAsync(TokenAsync("web", "refresh_token", [("refresh_token", (string)tokens["refresh_token"]!)]));
        for (var n = 0; n < 3; n++) await ExchangeAsync("web", code).ShouldBeAsync(400);
        // A code that never was.
        await ExchangeAsync("web", "no-code-of-ours").ShouldBeAsync(400);

        Assert.Equal([$"code_reused||alice|web|{From}|"], Told().Where(row => row.StartsWith("code_", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Applications_of_ones_own_are_noted_when_they_are_made_changed_and_deleted()
    {
        (string, string)[] With(string secret, string uris) =>
        [
            ("name", "Mine"), ("client_id", "mine"), ("client_secret", secret), ("hash_client_secret", "on"), ("client_type", "confidential"), ("authorization_grant_type", "authorization-code"),
            ("redirect_uris", uris), ("post_logout_redirect_uris", ""), ("allowed_origins", ""), ("algorithm", ""),
        ];
        foreach (var secret in new[] { "a-secret-of-the-owner", "another-secret-of-the-owner" }) Secrets.Add(secret);
        // What is refused is not noted.
        await Alice.SubmitAsync("/o/applications/register/", With("a-secret-of-the-owner", "")).ShouldBeAsync(200);
        var where = (await Alice.SubmitAsync("/o/applications/register/", With("a-secret-of-the-owner", "https://a.example/cb"))).Header("Location")!;
        await Alice.SubmitAsync(where + "update/", With("", "https://a.example/cb")).ShouldBeAsync(302);
        await Alice.SubmitAsync(where + "update/", With("another-secret-of-the-owner", "https://b.example/cb")).ShouldBeAsync(302);
        await Alice.SubmitAsync(where + "delete/").ShouldBeAsync(302);

        var about = $"oauth2_provider.application {where.Split('/')[^2]} Mine";
        Assert.Equal(
            [
                $"added|alice|{about}|mine|{From}|", $"changed|alice|{about}|mine|{From}|No fields changed.", $"changed|alice|{about}|mine|{From}|Changed client secret, redirect URIs.",
                $"deleted|alice|{about}|mine|{From}|",
            ],
            Told());
    }

    [Fact]
    public async Task Clients_that_look_after_themselves_are_noted()
    {
        var client = await (await Http.PostTextAsync("/o/register/", """{"redirect_uris":["https://a.example/cb"],"client_name":"Own"}""")).JsonAsync();
        var id = (string)client["client_id"]!;
        var path = new Uri((string)client["registration_client_uri"]!).PathAndQuery;
        async Task<HttpResponseMessage> ManageAsync(string method, string? json) => await Http.AskAsync(
            path, method, json is null ? null : new StringContent(json, System.Text.Encoding.UTF8, "application/json"), ("Authorization", $"Bearer {(string)client["registration_access_token"]!}"));
        await ManageAsync("PUT", """{"redirect_uris":["javascript:alert(1)"]}""").ShouldBeAsync(400);
        client = await (await ManageAsync("PUT", """{"redirect_uris":["https://b.example/cb"],"client_name":"Own"}""")).JsonAsync();
        await ManageAsync("DELETE", null).ShouldBeAsync(204);
        await ManageAsync("DELETE", null).ShouldBeAsync(401);

        var about = Told().Select(row => row.Split('|')[2]).Distinct().Single();
        Assert.Matches("^oauth2_provider\\.application [0-9]+ Own$", about);
        Assert.Equal(
            [$"added||{about}|{id}|{From}|It registered itself.", $"changed||{about}|{id}|{From}|By its registration token.", $"deleted||{about}|{id}|{From}|By its registration token."], Told());
    }

    [Fact]
    public async Task A_logout_that_ends_tokens_says_so()
    {
        Client("web");
        await TokensAsync(ExchangeAsync("web", await CodeAsync("web")));
        await Alice.SubmitAsync("/o/logout/?client_id=web", ("allow", "Logout")).ShouldBeAsync(302);

        Assert.Equal([$"tokens_ended|alice|alice|web|{From}|OAuth, by logout", $"logout|alice|||{From}|"], Told()[^2..]);
    }
}

/// <summary>What operators do by the command line: from nowhere, and by nobody that the program knows.</summary>
public sealed class CommandAuditTests : GatehouseTest
{
    [Fact]
    public async Task Verbs_that_change_users_keys_or_clients_are_noted()
    {
        Secrets.Add("violet-Kettle-42");
        async Task<string> RunAsync(string[] arguments, string? input = null)
        {
            var ran = await GatehouseProcess.RunAsync(
                Database.Folder, arguments, input, [.. Database.Settings, ("Gatehouse__SecretKey", SecretKey), ("DJANGO_SUPERUSER_PASSWORD", "violet-Kettle-42")]);
            Assert.True(ran.Code == 0, ran.Errors);
            return ran.Output;
        }
        await RunAsync(["createsuperuser", "--noinput", "--username", "root", "--email", "root@example.com"]);
        await RunAsync(["changepassword", "root"], "violet-Kettle-43\nviolet-Kettle-43\n");
        await RunAsync(["drf_create_token", "root"]);
        await RunAsync(["logoutuser", "root"]);
        var made = await RunAsync(["createapplication", "confidential", "client-credentials", "--client-id", "robot", "--name", "Robot"]);
        Secrets.Add(made.Split("client_secret: ")[1].Trim());
        await RunAsync(["rotatekeys"]);
        // Keys that wait already are left alone.
        await RunAsync(["rotatekeys"]);
        await RunAsync(["rotatekeys", "--now"]);
        await File.WriteAllTextAsync(Path.Combine(Database.Folder, "more.json"), """[{"model":"auth.group","pk":1,"fields":{"name":"crew","permissions":[]}}]""", Ct);
        await RunAsync(["loaddata", "more.json"]);
        await RunAsync(["notbefore", "2026-01-01T00:00:00Z"]);

        var told = Database.AuditRows();
        Assert.Equal(
            [
                "user_created||root|||Superuser", "password_changed||root|||", "token_issued||root|||API token", "tokens_ended||root|||JSON Web Tokens",
                "added||oauth2_provider.application 1 Robot|robot||", "changed||gatehouse.signingkey Signing keys|||Rotated.", "changed||gatehouse.signingkey Signing keys|||Rotated, to sign at once.",
                "loaded||more.json|||1 object(s)",
            ],
            told[..^1]);
        Assert.Matches(@"^tokens_ended\|\|everybody\|\|\|Issued before 2026-01-01T00:00:00Z: \d+ .+, \d+ .+$", told[^1]);
    }
}
