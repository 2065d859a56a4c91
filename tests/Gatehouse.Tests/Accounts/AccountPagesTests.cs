using Gatehouse.Tests.Mail;
using Xunit;

namespace Gatehouse.Tests.Accounts;

public sealed class ProfileTests : MailTest
{
    private const string Api = "/api/accounts/me/";

    [Fact]
    public async Task A_user_changes_names_and_nothing_else_that_is_sent_along()
    {
        var alice = await Users.CreateAsync("alice", email: "alice@example.com");
        await Users.CreateAsync("bob");
        var token = await Users.TokenAsync(alice);

        var answer = await AskAsync(token, "PATCH", new
        {
            first_name = "Alice",
            last_name = "Liddell",
            username = "root",
            is_staff = true,
            is_superuser = true,
            is_active = false,
            id = 2,
            pk = 2,
            groups = new[] { 1 },
            user_permissions = new[] { 1 },
            password = "md5$x$y",
            last_login = "2020-01-01",
            email_verified = true,
            __proto__ = new { is_staff = true },
        });

        await answer.ShouldBeAsync(
            200, """{"id":1,"username":"alice","email":"alice@example.com","email_verified":false,"first_name":"Alice","last_name":"Liddell","is_staff":false}""");
        Assert.Equal(
            [$"1|alice|{alice.Password}|0|0|1|Alice", $"2|bob|{TestUsers.Encode(TestUsers.PasswordOf("bob"))}|0|0|1|"],
            Database.Rows("SELECT id || '', username, password, is_staff || '', is_superuser || '', is_active || '', first_name FROM auth_user ORDER BY id"));
        Assert.Empty(Database.Rows("SELECT user_id || '' FROM auth_user_groups"));
    }

    [Theory]
    [InlineData("""{"first_name":["x"]}""", "first_name")]
    [InlineData("""{"last_name":null}""", "last_name")]
    [InlineData("""{"email":"no address"}""", "email")]
    [InlineData("""{"email":"a@example.com\nBcc: evil@example.com"}""", "email")]
    [InlineData("""{"email":"new@example.com"}""", "current_password")]
    [InlineData("""{"email":"new@example.com","current_password":"wrong-password"}""", "current_password")]
    public async Task What_is_wrong_is_told_and_nothing_changes(string body, string field)
    {
        var token = await Users.TokenAsync(await Users.CreateAsync("alice", email: "alice@example.com"));
        var answer = await Http.AskAsync(Api, "PATCH", new StringContent(body, System.Text.Encoding.UTF8, "application/json"), ("Authorization", "Token " + token));

        await answer.ShouldBeAsync(400);
        Assert.NotNull((await answer.JsonAsync())[field]);
        Assert.Equal(["alice@example.com"], Database.Rows("SELECT email FROM auth_user"));
        Assert.Empty(Mailbox.Messages);
    }

    [Fact]
    public async Task A_new_address_counts_once_its_owner_confirms_it_and_the_old_one_is_told()
    {
        var token = await Users.TokenAsync(await Users.CreateAsync("alice", email: "alice@example.com"));
        await AskAsync(token, "PATCH", new { email = "New@Example.com", current_password = TestUsers.PasswordOf("alice") }).ShouldBeAsync(200);
        Assert.Equal(["alice@example.com"], Database.Rows("SELECT email FROM auth_user"));
        var mail = (await Mailbox.WaitAsync(1))[0];
        Assert.Equal("New@example.com", MailFolder.HeaderOf(mail, "To"));
        var link = MailFolder.LinkOf(mail, BaseUrl);

        await Http.AskAsync(link).ShouldBeAsync(200);
        Assert.Equal(["alice@example.com"], Database.Rows("SELECT email FROM auth_user"));
        await NewBrowser().SubmitAsync(link).ShouldBeAsync(200);

        Assert.Equal(["New@example.com"], Database.Rows("SELECT email FROM auth_user"));
        Assert.True((bool)(await (await AskAsync(token, "GET")).JsonAsync())["email_verified"]!);
        var told = (await Mailbox.WaitAsync(2)).Single(message => message != mail);
        Assert.Equal("alice@example.com", MailFolder.HeaderOf(told, "To"));
        Assert.Contains("was changed", MailFolder.HeaderOf(told, "Subject"), StringComparison.Ordinal);
        Assert.Contains("This link is no good", await (await NewBrowser().GetAsync(link)).TextAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Of_two_changes_one_wins_and_no_link_brings_an_old_address_back()
    {
        var token = await Users.TokenAsync(await Users.CreateAsync("alice", email: "alice@example.com"));
        foreach (var email in new[] { "b@example.com", "c@example.com" })
            await AskAsync(token, "PATCH", new { email, current_password = TestUsers.PasswordOf("alice") }).ShouldBeAsync(200);
        var links = (await Mailbox.WaitAsync(2)).Select(mail => MailFolder.LinkOf(mail, BaseUrl)).ToList();

        await Task.WhenAll(links.Select(async link => await NewBrowser().SubmitAsync(link)));

        var winner = Assert.Single(Database.Rows("SELECT email FROM auth_user"));
        Assert.Contains(winner, new[] { "b@example.com", "c@example.com" });
        Assert.Equal([winner], Database.Rows("SELECT email FROM gatehouse_verified_email"));
        foreach (var link in links) await NewBrowser().SubmitAsync(link);
        Assert.Equal([winner], Database.Rows("SELECT email FROM auth_user"));
    }

    [Theory]
    [InlineData("late")]
    [InlineData("one letter")]
    [InlineData("deactivated")]
    public async Task A_link_that_is_no_good_changes_nothing(string how)
    {
        var alice = await Users.CreateAsync("alice", email: "alice@example.com");
        var token = await Users.TokenAsync(alice);
        await AskAsync(token, "PATCH", new { email = "new@example.com", current_password = TestUsers.PasswordOf("alice") }).ShouldBeAsync(200);
        var link = MailFolder.LinkOf((await Mailbox.WaitAsync(1))[0], BaseUrl);
        if (how == "late") Clock.Advance(TimeSpan.FromDays(4));
        if (how == "one letter") link = link[..^5] + (link[^5] == 'a' ? 'b' : 'a') + link[^4..];
        if (how == "deactivated") await Users.DeactivateAsync(alice);

        var browser = NewBrowser();
        Assert.Contains("This link is no good", await (await browser.GetAsync(link)).TextAsync(), StringComparison.Ordinal);
        await browser.GetAsync("/accounts/login/");
        Assert.Contains("This link is no good", await (await browser.PostAsync(link)).TextAsync(), StringComparison.Ordinal);
        Assert.Equal(["alice@example.com"], Database.Rows("SELECT email FROM auth_user"));
    }

    [Fact]
    public async Task Who_registers_with_an_address_gets_a_link_to_verify_it()
    {
        await Http.AskAsync("/api/accounts/register/", null, "POST", new { username = "carol", email = "carol@example.com", password = "a-fine-phrase" }).ShouldBeAsync(201);

        await NewBrowser().SubmitAsync(MailFolder.LinkOf((await Mailbox.WaitAsync(1))[0], BaseUrl)).ShouldBeAsync(200);

        Assert.Equal(["carol@example.com"], Database.Rows("SELECT email FROM gatehouse_verified_email"));
    }

    [Fact]
    public async Task Until_it_is_confirmed_a_new_address_gets_no_reset_and_the_old_one_does()
    {
        var token = await Users.TokenAsync(await Users.CreateAsync("alice", email: "alice@example.com"));
        await AskAsync(token, "PATCH", new { email = "new@example.com", current_password = TestUsers.PasswordOf("alice") }).ShouldBeAsync(200);
        var link = MailFolder.LinkOf((await Mailbox.WaitAsync(1))[0], BaseUrl);

        foreach (var email in new[] { "new@example.com", "alice@example.com" }) await Http.AskAsync("/api/accounts/password/reset/", null, "POST", new { email }).ShouldBeAsync(200);
        var mail = Assert.Single(await Mailbox.WaitAsync(2), message => message.Contains("/accounts/reset/", StringComparison.Ordinal));
        Assert.Equal("alice@example.com", MailFolder.HeaderOf(mail, "To"));

        // A reset asked for at the old address ends with it.
        var reset = MailFolder.LinkOf(mail, BaseUrl);
        await NewBrowser().SubmitAsync(link).ShouldBeAsync(200);
        Assert.Contains("Password reset unsuccessful", await (await NewBrowser().GetAsync(reset)).TextAsync(), StringComparison.Ordinal);
        // It would begin with the name: addresses let nobody in here, verified or not.
        await Http.AskAsync("/api/accounts/login/", null, "POST", new { username = "new@example.com", password = TestUsers.PasswordOf("alice") }).ShouldBeAsync(400);
    }

    [Fact]
    public async Task Many_accounts_do_not_fill_somebody_elses_mailbox()
    {
        for (var n = 0; n < 8; n++)
            await Http.AskAsync("/api/accounts/register/", null, "POST", new { username = $"user{n}", email = n % 2 == 0 ? "Victim@example.com" : "victim@EXAMPLE.com", password = "a-fine-phrase" }).ShouldBeAsync(201);
        await Server.StopAsync();

        Assert.Equal(5, Mailbox.Messages.Count);
        Assert.DoesNotContain(Database.Rows("SELECT key FROM gatehouse_throttle"), key => key.Contains("ictim", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Without_a_base_address_an_address_changes_at_once()
    {
        var server = await StartServerAsync(options => options.Accounts.BaseUrl = "");
        var token = await Users.TokenAsync(await Users.CreateAsync("alice", email: "alice@example.com"));

        await server.Http.AskAsync(Api, "Token " + token, "PATCH", new { email = "new@example.com", current_password = TestUsers.PasswordOf("alice") }).ShouldBeAsync(200);

        Assert.Equal(["new@example.com"], Database.Rows("SELECT email FROM auth_user"));
        Assert.Empty(Mailbox.Messages);
    }

    private Task<HttpResponseMessage> AskAsync(string token, string method, object? body = null) => Http.AskAsync(Api, "Token " + token, method, body);
}

public sealed class SignUpPageTests : GatehouseTest
{
    private const string Page = "/accounts/register/";

    [Fact]
    public async Task Signing_up_makes_a_plain_user_and_logs_in()
    {
        var browser = NewBrowser();

        var done = await browser.SubmitAsync(
            Page, ("username", "carol"), ("email", "carol@EXAMPLE.com"), ("password1", "a-fine-phrase"), ("password2", "a-fine-phrase"), ("is_staff", "on"), ("is_superuser", "1"), ("id", "99"));

        await done.ShouldBeAsync(302);
        Assert.Equal("/accounts/profile/", done.Header("Location"));
        Assert.Equal(["1|carol|carol@example.com|0|0"], Database.Rows("SELECT id || '', username, email, is_staff || '', is_superuser || '' FROM auth_user"));
        await browser.GetAsync("/api/accounts/profile/").ShouldBeAsync(200);
    }

    [Theory]
    [InlineData("alice", "a-fine-phrase", "a-fine-phrase", "A user with that username already exists.")]
    [InlineData("carol", "a-fine-phrase", "another-phrase", "The two password fields didn’t match.")]
    [InlineData("carol", "12345", "12345", "This password is too common.")]
    [InlineData("carol", "carol-12", "carol-12", "The password is too similar to the username.")]
    [InlineData("ca rol", "a-fine-phrase", "a-fine-phrase", "Enter a valid username.")]
    [InlineData("", "", "", "This field is required.")]
    public async Task What_is_wrong_is_told_beside_the_field(string username, string first, string second, string error)
    {
        await Users.CreateAsync("alice");

        var page = await NewBrowser().SubmitAsync(Page, ("username", username), ("password1", first), ("password2", second));

        await page.ShouldBeAsync(200);
        Assert.Contains(error, System.Net.WebUtility.HtmlDecode(await page.TextAsync()), StringComparison.Ordinal);
        Assert.Equal(["alice"], Database.Rows("SELECT username FROM auth_user"));
    }

    [Fact]
    public async Task Closed_registration_has_no_form()
    {
        var closed = await StartServerAsync(options => options.Accounts.RegistrationOpen = false);

        await closed.Http.AskAsync(Page).ShouldBeAsync(403);
        Assert.DoesNotContain("Sign up", await (await closed.Http.AskAsync("/accounts/login/")).TextAsync(), StringComparison.Ordinal);
    }
}

public sealed class SessionPagesTests : GatehouseTest
{
    private const string Api = "/api/accounts/sessions/";

    [Fact]
    public async Task A_user_sees_where_they_are_logged_in_and_ends_one()
    {
        await Users.CreateAsync("alice");
        var here = await NewBrowser().LogInAsync("alice");
        var phone = NewBrowser();
        await phone.SendAsync(
            HttpMethod.Post, "/api/accounts/login/", System.Net.Http.Json.JsonContent.Create(new { username = "alice", password = TestUsers.PasswordOf("alice") }), headers: ("User-Agent", "Mozilla/5.0 (iPhone) Safari/1"));

        var list = (await (await here.GetAsync(Api)).JsonAsync()).AsArray();

        Assert.Equal(2, list.Count);
        Assert.True((bool)list.Single(one => (string)one!["user_agent"]! == "")!["current"]!);
        var other = list.Single(one => !(bool)one!["current"]!)!;
        Assert.Equal("Mozilla/5.0 (iPhone) Safari/1", (string)other["user_agent"]!);
        Assert.Equal("127.0.0.1", (string)other["address"]!);
        Assert.DoesNotContain(phone.SessionKey!, list.ToJsonString(), StringComparison.Ordinal);
        await here.SendAsync(HttpMethod.Delete, $"{Api}{(string)other["id"]!}/").ShouldBeAsync(204);
        await phone.GetAsync("/api/accounts/profile/").ShouldBeAsync(401);
        await here.GetAsync("/api/accounts/profile/").ShouldBeAsync(200);
    }

    [Fact]
    public async Task Nobody_sees_or_ends_the_sessions_of_others()
    {
        await Users.CreateAsync("alice");
        await Users.CreateAsync("mallory");
        var alice = await NewBrowser().LogInAsync("alice");
        var mallory = await NewBrowser().LogInAsync("mallory");
        var id = (string)(await (await alice.GetAsync(Api)).JsonAsync())[0]!["id"]!;

        Assert.Single((await (await mallory.GetAsync(Api)).JsonAsync()).AsArray());
        await mallory.SendAsync(HttpMethod.Delete, $"{Api}{id}/").ShouldBeAsync(404);
        await mallory.SubmitAsync("/accounts/sessions/", ("session", id)).ShouldBeAsync(404);
        await Http.AskAsync(Api).ShouldBeAsync(401);
        await alice.GetAsync("/api/accounts/profile/").ShouldBeAsync(200);
    }

    [Fact]
    public async Task Signing_out_everywhere_else_takes_the_password_and_ends_every_other_session()
    {
        await Users.CreateAsync("alice");
        var here = await NewBrowser().LogInAsync("alice");
        var there = await NewBrowser().LogInAsync("alice");
        // As if Django had begun it.
        Database.Execute($"DELETE FROM gatehouse_session WHERE session_key = '{there.SessionKey}'");

        await here.PostAsync(Api + "end_others/", new { current_password = "wrong-password" }).ShouldBeAsync(400);
        await there.GetAsync("/api/accounts/profile/").ShouldBeAsync(200);
        await here.PostAsync(Api + "end_others/", new { current_password = TestUsers.PasswordOf("alice") }).ShouldBeAsync(200, """{"detail":"All other sessions have ended."}""");

        await here.GetAsync("/api/accounts/profile/").ShouldBeAsync(200);
        await there.GetAsync("/api/accounts/profile/").ShouldBeAsync(401);
        await NewBrowser().LogInAsync("alice");
    }

    [Fact]
    public async Task The_page_does_the_same()
    {
        await Users.CreateAsync("alice");
        var here = await NewBrowser().LogInAsync("alice");
        var there = await NewBrowser().LogInAsync("alice");

        Assert.Contains("(this one)", await (await here.GetAsync("/accounts/sessions/")).TextAsync(), StringComparison.Ordinal);
        await here.SubmitAsync("/accounts/sessions/", ("session", ""), ("password", TestUsers.PasswordOf("alice"))).ShouldBeAsync(200);

        await here.GetAsync("/api/accounts/profile/").ShouldBeAsync(200);
        await there.GetAsync("/api/accounts/profile/").ShouldBeAsync(401);
    }

    [Fact]
    public async Task A_session_in_use_is_noted_every_ten_minutes_and_not_at_each_request()
    {
        await Users.CreateAsync("alice");
        var browser = await NewBrowser().LogInAsync("alice");
        var begun = Seen();
        Clock.Advance(TimeSpan.FromMinutes(9));
        for (var n = 0; n < 5; n++) await browser.GetAsync("/api/accounts/profile/").ShouldBeAsync(200);
        Assert.Equal(begun, Seen());
        Clock.Advance(TimeSpan.FromMinutes(2));

        await browser.GetAsync("/api/accounts/profile/").ShouldBeAsync(200);

        await Wait.UntilAsync(() => Seen() != begun, "A new time of last use");
        string Seen() => Database.Rows("SELECT last_seen FROM gatehouse_session").Single();
    }

    [Fact]
    public async Task What_a_browser_calls_itself_is_data()
    {
        await Users.CreateAsync("alice");
        var browser = NewBrowser();
        await browser.SendAsync(
            HttpMethod.Post, "/api/accounts/login/", System.Net.Http.Json.JsonContent.Create(new { username = "alice", password = TestUsers.PasswordOf("alice") }), headers: ("User-Agent", "<script>alert(1)</script>" + new string('x', 5000)));

        var html = await (await browser.GetAsync("/accounts/sessions/")).TextAsync();

        Assert.DoesNotContain("<script", html, StringComparison.Ordinal);
        Assert.True(Database.Rows("SELECT user_agent FROM gatehouse_session").Single().Length <= 301);
    }
}

public sealed class TokenPagesTests : GatehouseTest
{
    [Theory]
    [InlineData("GET", "/api/accounts/me/")]
    [InlineData("PATCH", "/api/accounts/me/")]
    [InlineData("GET", "/api/accounts/sessions/")]
    [InlineData("POST", "/api/accounts/sessions/end_others/")]
    [InlineData("DELETE", "/api/accounts/sessions/x/")]
    [InlineData("POST", "/api/accounts/token/")]
    [InlineData("DELETE", "/api/accounts/token/")]
    [InlineData("POST", "/api/accounts/token/end_jwt/")]
    [InlineData("GET", "/api/accounts/second_factor/")]
    [InlineData("POST", "/api/accounts/second_factor/")]
    [InlineData("DELETE", "/api/accounts/second_factor/")]
    [InlineData("POST", "/api/accounts/second_factor/recovery_codes/")]
    [InlineData("POST", "/api/accounts/password/change/")]
    public async Task An_application_that_acts_for_a_user_does_not_manage_the_account(string method, string path)
    {
        var token = await Users.TokenAsync(await Users.CreateAsync("alice"));
        const string Access = "access-token-of-an-application";
        var checksum = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(Access)));
        Database.Execute(
            $"""
            INSERT INTO oauth2_provider_accesstoken (token, expires, scope, user_id, created, updated, token_checksum, resource)
            VALUES ('{Access}', '2030-01-01 00:00:00', 'read write', 1, '2026-01-01 00:00:00', '2026-01-01 00:00:00', '{checksum}', '[]')
            """);
        Secrets.Add(Access);
        await Http.AskAsync("/api/accounts/profile/", "Bearer " + Access).ShouldBeAsync(200);

        await Http.AskAsync(path, "Bearer " + Access, method, method == "GET" ? null : new { }).ShouldBeAsync(
            403, """{"detail":"You do not have permission to perform this action."}""");
        await Http.AskAsync(path, null, method, method == "GET" ? null : new { }).ShouldBeAsync(401);

        await Http.AskAsync("/api/accounts/profile/", "Token " + token).ShouldBeAsync(200);
    }

    [Fact]
    public async Task A_new_token_takes_the_password_and_ends_the_old_one()
    {
        var old = await Users.TokenAsync(await Users.CreateAsync("alice"));
        var browser = await NewBrowser().LogInAsync("alice");

        await browser.PostAsync("/api/accounts/token/", new { current_password = "wrong-password" }).ShouldBeAsync(400);
        var made = (string)(await (await browser.PostAsync("/api/accounts/token/", new { current_password = TestUsers.PasswordOf("alice") })).JsonAsync())["token"]!;

        await Http.AskAsync("/api/accounts/profile/", "Token " + old).ShouldBeAsync(401);
        await Http.AskAsync("/api/accounts/profile/", "Token " + made).ShouldBeAsync(200);
        await browser.SendAsync(HttpMethod.Delete, "/api/accounts/token/").ShouldBeAsync(204);
        await browser.SendAsync(HttpMethod.Delete, "/api/accounts/token/").ShouldBeAsync(404);
        await Http.AskAsync("/api/accounts/profile/", "Token " + made).ShouldBeAsync(401);
    }

    [Fact]
    public async Task All_refresh_tokens_end()
    {
        await Users.CreateAsync("alice");
        var body = new { username = "alice", password = TestUsers.PasswordOf("alice") };
        var refresh = (string)(await (await Http.AskAsync("/api/token/", null, "POST", body)).JsonAsync())["refresh"]!;
        var browser = await NewBrowser().LogInAsync("alice");

        await browser.PostAsync("/api/accounts/token/end_jwt/").ShouldBeAsync(200, """{"ended":1}""");

        await Http.AskAsync("/api/token/refresh/", null, "POST", new { refresh }).ShouldBeAsync(401);
    }

    [Fact]
    public async Task The_page_shows_a_new_token_once()
    {
        var old = await Users.TokenAsync(await Users.CreateAsync("alice"));
        var browser = await NewBrowser().LogInAsync("alice");

        var page = await browser.SubmitAsync("/accounts/tokens/", ("password", TestUsers.PasswordOf("alice")));

        var key = Database.Rows("SELECT key FROM authtoken_token").Single();
        Secrets.Add(key);
        Assert.NotEqual(old, key);
        Assert.Contains(key, await page.TextAsync(), StringComparison.Ordinal);
        Assert.DoesNotContain(key, await (await browser.GetAsync("/accounts/tokens/")).TextAsync(), StringComparison.Ordinal);
        await browser.SubmitAsync("/accounts/tokens/", ("action", "delete")).ShouldBeAsync(302);
        Assert.Empty(Database.Rows("SELECT key FROM authtoken_token"));
    }
}
