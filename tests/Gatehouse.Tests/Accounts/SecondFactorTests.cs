using System.Text.RegularExpressions;
using OtpNet;
using Xunit;

namespace Gatehouse.Tests.Accounts;

public sealed partial class SecondFactorTests : GatehouseTest
{
    private const string Api = "/api/accounts/second_factor/";

    [Fact]
    public async Task It_is_off_until_a_user_turns_it_on_with_password_and_code()
    {
        var alice = await Users.CreateAsync("alice");
        var token = await Users.TokenAsync(alice);
        await AskAsync(token, "GET").ShouldBeAsync(200, """{"enabled":false,"passkeys":0}""");
        await AskAsync(token, "POST", new { current_password = "not-the-password" }).ShouldBeAsync(400, """{"current_password":["Invalid password."]}""");
        var begun = await (await AskAsync(token, "POST", new { current_password = TestUsers.PasswordOf("alice") })).JsonAsync();
        var (secret, step) = ((string)begun["secret"]!, (string)begun["second_factor"]!);
        Secrets.Add(secret);
        Assert.Equal($"otpauth://totp/Gatehouse:alice?secret={secret}&issuer=Gatehouse&digits=6&period=30", (string)begun["otpauth_uri"]!);

        await AskAsync(token, "POST", new { current_password = TestUsers.PasswordOf("alice"), second_factor = step, otp = "000000" }).ShouldBeAsync(400, """{"otp":["Invalid one-time code."]}""");
        var on = await (await AskAsync(token, "POST", new { current_password = TestUsers.PasswordOf("alice"), second_factor = step, otp = CodeOf(secret) })).JsonAsync();

        Assert.Equal(10, on["recovery_codes"]!.AsArray().Count);
        await AskAsync(token, "GET").ShouldBeAsync(200, """{"enabled":true,"passkeys":0,"recovery_codes":10}""");
        var stored = string.Join('\n', Database.Rows("SELECT secret FROM gatehouse_totp").Concat(Database.Rows("SELECT checksum FROM gatehouse_recovery_code")));
        Assert.DoesNotContain(secret, stored, StringComparison.Ordinal);
        foreach (var code in on["recovery_codes"]!.AsArray()) Assert.DoesNotContain((string)code!, stored, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("someone else's step")]
    [InlineData("old step")]
    [InlineData("step of another password")]
    [InlineData("garbage")]
    public async Task A_secret_is_taken_only_from_a_step_of_ours(string wrong)
    {
        var alice = await Users.CreateAsync("alice");
        var token = await Users.TokenAsync(alice);
        var owner = wrong == "someone else's step" ? await Users.TokenAsync(await Users.CreateAsync("mallory")) : token;
        var begun = await (await AskAsync(owner, "POST", new { current_password = TestUsers.PasswordOf(owner == token ? "alice" : "mallory") })).JsonAsync();
        var step = wrong == "garbage" ? "x:y:z" : (string)begun["second_factor"]!;
        var password = TestUsers.PasswordOf("alice");
        if (wrong == "old step") Clock.Advance(TimeSpan.FromMinutes(11));
        if (wrong == "step of another password") await Users.SetPasswordAsync(alice, password = "another-password-of-alice");

        await AskAsync(token, "POST", new { current_password = password, second_factor = step, otp = CodeOf((string)begun["secret"]!) })
            .ShouldBeAsync(400, """{"second_factor":["Invalid value"]}""");
    }

    [Fact]
    public async Task Each_door_of_an_API_asks_for_the_code()
    {
        var secret = await EnableAsync("alice");
        var (username, password) = ("alice", TestUsers.PasswordOf("alice"));
        AddApplication();

        foreach (var path in new[] { "/api/accounts/login/", "/api-token-auth/", "/api/token/", "/api/token/sliding/" })
        {
            await Http.AskAsync(path, null, "POST", new { username, password }).ShouldBeAsync(400, """{"otp":["A one-time code is required."]}""");
            await Http.AskAsync(path, null, "POST", new { username, password, otp = "000000" }).ShouldBeAsync(400, """{"otp":["Invalid one-time code."]}""");
            Clock.Advance(TimeSpan.FromMinutes(1));
            await Http.AskAsync(path, null, "POST", new { username, password, otp = CodeOf(secret) }).ShouldBeAsync(200);
        }
        await GrantAsync(null).ShouldBeAsync(400, """{"error":"invalid_grant","error_description":"A one-time code is required: send it as otp."}""");
        await GrantAsync("000000").ShouldBeAsync(400, """{"error":"invalid_grant","error_description":"Invalid one-time code."}""");
        Clock.Advance(TimeSpan.FromMinutes(1));
        await GrantAsync(CodeOf(secret)).ShouldBeAsync(200);
        for (var n = 0; n < 2; n++)
            await Http.AskAsync("/api/accounts/profile/", Answers.Basic("alice")).ShouldBeAsync(401, """{"detail":"This account has a second factor and cannot use Basic: get a token."}""");
    }

    [Theory]
    [InlineData("no base64!")]
    [InlineData("c2hvcnQ=")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    public async Task A_stored_secret_that_is_none_of_ours_lets_nobody_in(string stored)
    {
        var secret = await EnableAsync("alice");
        Database.Execute($"UPDATE gatehouse_totp SET secret = '{stored}'");
        Clock.Advance(TimeSpan.FromMinutes(1));

        await Http.AskAsync("/api/token/", null, "POST", new { username = "alice", password = TestUsers.PasswordOf("alice"), otp = CodeOf(secret) })
            .ShouldBeAsync(400, """{"otp":["Invalid one-time code."]}""");
    }

    [Fact]
    public async Task A_password_that_Basic_remembers_is_refused_once_there_is_a_second_factor()
    {
        await Users.CreateAsync("alice");
        await Http.AskAsync("/api/accounts/profile/", Answers.Basic("alice")).ShouldBeAsync(200);

        await EnableAsync("alice", create: false);

        await Http.AskAsync("/api/accounts/profile/", Answers.Basic("alice")).ShouldBeAsync(401);
        Assert.Null(await Server.Get<Gatehouse.Users.UserAccounts>().AuthenticateAsync("alice", TestUsers.PasswordOf("alice"), remember: true, Ct));
    }

    [Fact]
    public async Task Without_the_password_nobody_learns_that_there_is_one()
    {
        await EnableAsync("alice");

        await Http.AskAsync("/api/accounts/login/", null, "POST", new { username = "alice", password = "wrong-password", otp = "123456" }).ShouldBeAsync(400, """{"error":"Invalid credentials"}""");
    }

    [Fact]
    public async Task A_code_is_good_once_also_for_many_at_once()
    {
        var secret = await EnableAsync("alice");
        Clock.Advance(TimeSpan.FromMinutes(1));
        var body = new { username = "alice", password = TestUsers.PasswordOf("alice"), otp = CodeOf(secret) };

        var answers = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => Http.AskAsync("/api/token/", null, "POST", body)));

        Assert.Single(answers, answer => (int)answer.StatusCode == 200);
        await Http.AskAsync("/api/token/", null, "POST", body).ShouldBeAsync(400);
    }

    [Theory]
    [InlineData(-2, false)]
    [InlineData(-1, true)]
    [InlineData(0, true)]
    [InlineData(1, true)]
    [InlineData(2, false)]
    public async Task A_code_may_be_one_step_early_or_late(int steps, bool isTaken)
    {
        var secret = await EnableAsync("alice");
        Clock.Advance(TimeSpan.FromMinutes(5));

        await Http.AskAsync("/api/token/", null, "POST", new { username = "alice", password = TestUsers.PasswordOf("alice"), otp = CodeOf(secret, steps) }).ShouldBeAsync(isTaken ? 200 : 400);
    }

    [Fact]
    public async Task A_recovery_code_lets_in_once_also_for_many_at_once()
    {
        await EnableAsync("alice");
        var code = recovery[3];
        var body = new { username = "alice", password = TestUsers.PasswordOf("alice"), otp = $"{code[..5].ToUpperInvariant()}-{code[5..]}" };

        var answers = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => Http.AskAsync("/api/token/", null, "POST", body)));

        Assert.Single(answers, answer => (int)answer.StatusCode == 200);
        Assert.Equal(["9"], Database.Rows("SELECT COUNT(*) || '' FROM gatehouse_recovery_code"));
    }

    [Fact]
    public async Task Guesses_of_codes_are_limited_and_a_right_password_does_not_clear_the_count()
    {
        var secret = await EnableAsync("alice");
        var (username, password) = ("alice", TestUsers.PasswordOf("alice"));
        for (var n = 0; n < 10; n++)
        {
            await Http.AskAsync("/api/token/", null, "POST", new { username, password, otp = $"{n:000000}" }).ShouldBeAsync(400);
            if (n < 9) await Http.AskAsync("/api/token/", null, "POST", new { username, password }).ShouldBeAsync(400);
        }
        Clock.Advance(TimeSpan.FromSeconds(20));

        await Http.AskAsync("/api/token/", null, "POST", new { username, password, otp = CodeOf(secret) }).ShouldBeAsync(429);
    }

    // The password is right each time: that must not forget the wrong codes.
    [Theory]
    [InlineData("DELETE", Api)]
    [InlineData("POST", Api + "recovery_codes/")]
    [InlineData("POST", "/api/accounts/me/delete/")]
    public async Task Codes_are_not_guessed_without_end_by_who_is_logged_in_and_knows_the_password(string method, string path)
    {
        var secret = await EnableAsync("alice");
        var token = "Token " + await Users.TokenAsync((await Server.Get<Gatehouse.Users.UserAccounts>().FindAsync("alice", Ct))!);
        var current_password = TestUsers.PasswordOf("alice");
        var statuses = new List<int>();
        for (var n = 0; n < 30; n++)
        {
            statuses.Add((int)(await Http.AskAsync(path, token, method, new { current_password, otp = $"{n:000000}" })).StatusCode);
            // Something that takes the password alone.
            await Http.AskAsync("/api/accounts/me/", token, "PATCH", new { current_password, email = $"a{n}@example.com" });
        }

        Assert.InRange(statuses.Count(status => status == 400), 1, 10);
        Clock.Advance(TimeSpan.FromSeconds(20));
        await Http.AskAsync(path, token, method, new { current_password, otp = CodeOf(secret) }).ShouldBeAsync(429);
        Assert.Single(Database.Rows("SELECT user_id FROM gatehouse_totp"));
        Assert.Single(Database.Rows("SELECT username FROM auth_user"));
    }

    [Fact]
    public async Task Codes_are_not_guessed_without_end_at_the_second_step_of_a_login()
    {
        var secret = await EnableAsync("alice");
        Clock.Advance(TimeSpan.FromMinutes(1));
        var browser = NewBrowser();
        string html = "";
        for (var n = 0; n < 12; n++)
        {
            // Anew each time, which the password alone is enough for.
            html = await (await browser.SubmitAsync("/accounts/login/", ("username", "alice"), ("password", TestUsers.PasswordOf("alice")))).TextAsync();
            if (Step().IsMatch(html)) html = await (await PostAsync(browser, "/accounts/login/", html, ("otp", $"{n:000000}"))).TextAsync();
        }

        Assert.Contains("Too many failed attempts.", html, StringComparison.Ordinal);
        await Http.AskAsync("/api/token/", null, "POST", new { username = "alice", password = TestUsers.PasswordOf("alice"), otp = CodeOf(secret) }).ShouldBeAsync(429);
        Assert.Null(browser.SessionKey);
    }

    [Theory]
    [InlineData("12345")]
    [InlineData("1234567")]
    [InlineData("\u0661\u0662\u0663\u0664\u0665\u0666")]
    [InlineData("' OR 1=1")]
    [InlineData("abcdefghjk")]
    public async Task What_is_no_code_is_wrong(string otp)
    {
        await EnableAsync("alice");

        await Http.AskAsync("/api/token/", null, "POST", new { username = "alice", password = TestUsers.PasswordOf("alice"), otp }).ShouldBeAsync(400);
        await Http.AskAsync("/api/token/", null, "POST", new { username = "alice", password = TestUsers.PasswordOf("alice"), otp = new string('1', 100_000) }).ShouldBeAsync(400);
    }

    [Theory]
    [InlineData("/accounts/login/")]
    [InlineData("/api-auth/login/")]
    [InlineData("/admin/login/")]
    public async Task The_login_pages_ask_in_a_second_step(string path)
    {
        var secret = await EnableAsync("alice", isStaff: true);
        Clock.Advance(TimeSpan.FromMinutes(1));
        var browser = NewBrowser();

        var second = await browser.SubmitAsync(path + "?next=/accounts/password_change/", ("username", "alice"), ("password", TestUsers.PasswordOf("alice")));
        var html = await second.TextAsync();
        await second.ShouldBeAsync(200);
        Assert.Contains("autocomplete=\"one-time-code\"", html, StringComparison.Ordinal);
        Assert.Null(browser.SessionKey);
        var wrong = await PostAsync(browser, path, html, ("otp", "000000"));
        Assert.Contains("Invalid one-time code.", await wrong.TextAsync(), StringComparison.Ordinal);
        Assert.Null(browser.SessionKey);
        var done = await PostAsync(browser, path, html, ("otp", CodeOf(secret)));

        await done.ShouldBeAsync(302);
        Assert.Equal("/accounts/password_change/", done.Header("Location"));
        await browser.GetAsync("/api/accounts/profile/").ShouldBeAsync(200);
    }

    [Theory]
    [InlineData("late")]
    [InlineData("password changed")]
    [InlineData("deactivated")]
    [InlineData("another purpose")]
    public async Task The_second_step_is_no_way_around_the_first(string how)
    {
        var secret = await EnableAsync("alice");
        Clock.Advance(TimeSpan.FromMinutes(1));
        var alice = (await Server.Get<Gatehouse.Users.UserAccounts>().FindAsync("alice", Ct))!;
        var browser = NewBrowser();
        var html = await (await browser.SubmitAsync("/accounts/login/", ("username", "alice"), ("password", TestUsers.PasswordOf("alice")))).TextAsync();
        switch (how)
        {
            case "late": Clock.Advance(TimeSpan.FromMinutes(11)); break;
            case "password changed": await Users.SetPasswordAsync(alice, "another-password-of-alice"); break;
            case "deactivated": await Users.DeactivateAsync(alice); break;
            default: html = Step().Replace(html, $"name=\"second_factor\" value=\"{Server.Get<Gatehouse.Accounts.SecondFactorStep>().Write("set-up", alice)}\""); break;
        }

        var answer = await PostAsync(browser, "/accounts/login/", html, ("otp", CodeOf(secret)));

        await answer.ShouldBeAsync(200);
        Assert.Contains("That took too long.", await answer.TextAsync(), StringComparison.Ordinal);
        Assert.Null(browser.SessionKey);
    }

    [Fact]
    public async Task Staff_can_be_made_to_have_one()
    {
        var server = await StartServerAsync(options => options.Accounts.SecondFactorForStaff = true);
        await Users.CreateAsync("root", isStaff: true);
        await Users.CreateAsync("alice");
        await server.Http.AskAsync("/api/token/", null, "POST", new { username = "alice", password = TestUsers.PasswordOf("alice") }).ShouldBeAsync(200);
        await server.Http.AskAsync("/api/token/", null, "POST", new { username = "root", password = TestUsers.PasswordOf("root") }).ShouldBeAsync(400);
        await server.Http.AskAsync("/api/accounts/profile/", Answers.Basic("root")).ShouldBeAsync(401);
        var browser = NewBrowser(server);

        var html = await (await browser.SubmitAsync("/admin/login/", ("username", "root"), ("password", TestUsers.PasswordOf("root")))).TextAsync();
        Assert.Contains("<svg", html, StringComparison.Ordinal);
        Assert.Null(browser.SessionKey);
        var secret = Key().Match(html).Groups[1].Value.Replace(" ", "", StringComparison.Ordinal);
        var refused = await PostAsync(browser, "/admin/login/", html, ("otp", "000000"));
        Assert.Null(browser.SessionKey);
        var done = await PostAsync(browser, "/admin/login/", await refused.TextAsync(), ("otp", CodeOf(secret)));

        Assert.Contains("Recovery codes", await done.TextAsync(), StringComparison.Ordinal);
        await browser.GetAsync("/admin/").ShouldBeAsync(200);
    }

    [Fact]
    public async Task Turning_it_off_takes_password_and_code()
    {
        var secret = await EnableAsync("alice");
        var token = await Users.TokenAsync((await Server.Get<Gatehouse.Users.UserAccounts>().FindAsync("alice", Ct))!);
        Clock.Advance(TimeSpan.FromMinutes(1));

        await AskAsync(token, "DELETE", new { current_password = TestUsers.PasswordOf("alice") }).ShouldBeAsync(400, """{"otp":["A one-time code is required."]}""");
        await AskAsync(token, "DELETE", new { current_password = "wrong-password", otp = CodeOf(secret) }).ShouldBeAsync(400);
        await AskAsync(token, "DELETE", new { current_password = TestUsers.PasswordOf("alice"), otp = CodeOf(secret) }).ShouldBeAsync(204);

        await NewBrowser().LogInAsync("alice");
        Assert.Empty(Database.Rows("SELECT checksum FROM gatehouse_recovery_code"));
    }

    [Fact]
    public async Task The_page_turns_it_on_renews_recovery_codes_and_turns_it_off()
    {
        await Users.CreateAsync("alice");
        var browser = await NewBrowser().LogInAsync("alice");
        const string Page = "/accounts/second_factor/";
        var html = await (await browser.GetAsync(Page)).TextAsync();
        var secret = Key().Match(html).Groups[1].Value.Replace(" ", "", StringComparison.Ordinal);
        Secrets.Add(secret);

        var wrong = await (await PostAsync(browser, Page, html, ("otp", "000000"), ("password", TestUsers.PasswordOf("alice")))).TextAsync();
        Assert.Contains("Invalid one-time code.", wrong, StringComparison.Ordinal);
        Assert.Contains(Key().Match(html).Value, wrong, StringComparison.Ordinal);
        var on = await (await PostAsync(browser, Page, wrong, ("otp", CodeOf(secret)), ("password", TestUsers.PasswordOf("alice")))).TextAsync();
        Assert.Equal(10, on.Split("<li><code>").Length - 1);
        Clock.Advance(TimeSpan.FromMinutes(1));
        html = await (await browser.GetAsync(Page)).TextAsync();
        Assert.Contains("10 recovery codes are left", html, StringComparison.Ordinal);
        var renewed = await (await PostAsync(browser, Page, html, ("otp", CodeOf(secret)), ("password", TestUsers.PasswordOf("alice")), ("action", "recovery_codes"))).TextAsync();
        Assert.Equal(10, renewed.Split("<li><code>").Length - 1);
        Clock.Advance(TimeSpan.FromMinutes(1));
        await PostAsync(browser, Page, html, ("otp", CodeOf(secret)), ("password", TestUsers.PasswordOf("alice"))).ShouldBeAsync(302);

        Assert.Empty(Database.Rows("SELECT secret FROM gatehouse_totp"));
    }

    [Fact]
    public async Task A_secret_that_was_sealed_under_a_former_key_opens_and_one_of_another_user_does_not()
    {
        var secret = await EnableAsync("alice");
        var server = await StartServerAsync(options => (options.SecretKey, options.SecretKeyFallbacks) = ("a-new-key-of-the-tests-0123456789-abcdefghijklmnopq", [SecretKey]));
        Clock.Advance(TimeSpan.FromMinutes(1));
        await server.Http.AskAsync("/api/token/", null, "POST", new { username = "alice", password = TestUsers.PasswordOf("alice"), otp = CodeOf(secret) }).ShouldBeAsync(200);

        await Users.CreateAsync("mallory");
        Database.Execute("INSERT INTO gatehouse_totp (user_id, secret, last_step, created) SELECT 2, secret, 0, created FROM gatehouse_totp");
        await Http.AskAsync("/api/token/", null, "POST", new { username = "mallory", password = TestUsers.PasswordOf("mallory"), otp = CodeOf(secret) }).ShouldBeAsync(400);
    }

    private IReadOnlyList<string> recovery = [];

    /// <returns>The secret, as an app has it.</returns>
    private async Task<string> EnableAsync(string username, bool create = true, bool isStaff = false)
    {
        var user = create ? await Users.CreateAsync(username, isStaff: isStaff) : (await Server.Get<Gatehouse.Users.UserAccounts>().FindAsync(username, Ct))!;
        var secret = Gatehouse.Users.SecondFactors.NewSecret();
        var base32 = Gatehouse.Users.SecondFactors.Base32(secret);
        Secrets.Add(base32);
        recovery = (await Server.Get<Gatehouse.Users.SecondFactors>().EnableAsync(user, secret, CodeOf(base32), isFirst: true, Ct))!;
        foreach (var code in recovery) Secrets.Add(code);
        return base32;
    }

    private string CodeOf(string secret, int steps = 0) => new Totp(Base32Encoding.ToBytes(secret)).ComputeTotp(Clock.Now.UtcDateTime.AddSeconds(30 * steps));

    private Task<HttpResponseMessage> AskAsync(string token, string method, object? body = null) => Http.AskAsync(Api, "Token " + token, method, body);

    private Task<HttpResponseMessage> GrantAsync(string? otp)
    {
        var form = new Dictionary<string, string> { ["grant_type"] = "password", ["client_id"] = "app", ["username"] = "alice", ["password"] = TestUsers.PasswordOf("alice") };
        if (otp is not null) form["otp"] = otp;
        return Http.PostAsync("/o/token/", new FormUrlEncodedContent(form), Ct);
    }

    private void AddApplication() => Database.Execute(
        """
        INSERT INTO oauth2_provider_application (redirect_uris, client_type, authorization_grant_type, client_secret, name, user_id, skip_authorization, created, updated, algorithm,
            post_logout_redirect_uris, hash_client_secret, allowed_origins, registration_source, client_id)
        VALUES ('', 'public', 'password', '', 'app', NULL, FALSE, '2026-01-01 00:00:00', '2026-01-01 00:00:00', '', '', FALSE, '', 'manual', 'app')
        """);

    /// <summary>Sends the form of a page that came as an answer.</summary>
    private static Task<HttpResponseMessage> PostAsync(Browser browser, string path, string html, params (string Name, string Value)[] fields)
    {
        var form = Hidden().Matches(html).ToDictionary(match => match.Groups[1].Value, match => System.Net.WebUtility.HtmlDecode(match.Groups[2].Value));
        foreach (var (name, value) in fields) form[name] = value;
        return browser.SendAsync(HttpMethod.Post, path, new FormUrlEncodedContent(form), csrf: false);
    }

    [GeneratedRegex("""<input type="hidden" name="([^"]+)" value="([^"]*)">""")]
    private static partial Regex Hidden();

    [GeneratedRegex("name=\"second_factor\" value=\"[^\"]*\"")]
    private static partial Regex Step();

    [GeneratedRegex("<p>Key: <code>([A-Z2-7 ]+)</code></p>")]
    private static partial Regex Key();
}
