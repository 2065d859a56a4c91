using OtpNet;
using Xunit;

namespace Gatehouse.Tests.Accounts;

/// <summary>Users delete their own accounts.</summary>
public sealed class DeleteAccountTests : GatehouseTest
{
    private const string Api = "/api/accounts/me/delete/";

    [Fact]
    public async Task What_belongs_to_the_user_goes_with_the_account_and_nothing_else()
    {
        var (alice, bob) = (await Users.CreateAsync("alice"), await Users.CreateAsync("bob"));
        var (token, other) = (await Users.TokenAsync(alice), await Users.TokenAsync(bob));
        AddApplication("hers", alice.Id.ToString());
        AddApplication("his", bob.Id.ToString());
        await Http.AskAsync("/api/token/", null, "POST", new { username = "alice", password = TestUsers.PasswordOf("alice") }).ShouldBeAsync(200);

        await AskAsync(token, new { current_password = "not-the-password" }).ShouldBeAsync(400, """{"current_password":["Invalid password."]}""");
        await AskAsync(token, new { }).ShouldBeAsync(400, """{"current_password":["This field is required."]}""");
        Assert.Equal(2, Database.Rows("SELECT username FROM auth_user").Count);
        await AskAsync(token, new { current_password = TestUsers.PasswordOf("alice") }).ShouldBeAsync(204);

        Assert.Equal(["bob"], Database.Rows("SELECT username FROM auth_user"));
        Assert.Equal([other], Database.Rows("SELECT key FROM authtoken_token"));
        Assert.Equal(["his"], Database.Rows("SELECT client_id FROM oauth2_provider_application"));
        await Http.AskAsync("/api/accounts/profile/", $"Token {token}").ShouldBeAsync(401);
        await Http.AskAsync("/api/accounts/profile/", $"Token {other}").ShouldBeAsync(200);
        Assert.Equal([$"deleted|{alice.Id}|alice|auth.user {alice.Id} alice"], Database.Rows("SELECT event, user_id, username, about FROM gatehouse_audit WHERE event = 'deleted'"));
    }

    [Fact]
    public async Task The_page_takes_the_password_and_ends_the_session()
    {
        await Users.CreateAsync("alice");
        var browser = await NewBrowser().LogInAsync("alice");

        await browser.SubmitAsync("/accounts/delete/", ("password", "not-the-password")).ShouldBeAsync(200);
        Assert.Equal(["alice"], Database.Rows("SELECT username FROM auth_user"));
        var answer = await browser.SubmitAsync("/accounts/delete/", ("password", TestUsers.PasswordOf("alice")));

        Assert.Contains("Account deleted", await answer.TextAsync(), StringComparison.Ordinal);
        Assert.Empty(Database.Rows("SELECT username FROM auth_user"));
        Assert.Empty(Database.Rows("SELECT session_key FROM django_session"));
        Assert.Equal(302, (int)(await browser.GetAsync("/accounts/delete/")).StatusCode);
    }

    [Fact]
    public async Task Where_there_is_a_second_factor_its_code_is_needed_too()
    {
        var token = await Users.TokenAsync(await Users.CreateAsync("alice"));
        var password = TestUsers.PasswordOf("alice");
        var begun = await (await Http.AskAsync("/api/accounts/second_factor/", $"Token {token}", "POST", new { current_password = password })).JsonAsync();
        var secret = (string)begun["secret"]!;
        Secrets.Add(secret);
        string Code() => new Totp(Base32Encoding.ToBytes(secret)).ComputeTotp(Clock.Now.UtcDateTime);
        await Http.AskAsync("/api/accounts/second_factor/", $"Token {token}", "POST", new { current_password = password, second_factor = (string)begun["second_factor"]!, otp = Code() }).ShouldBeAsync(200);
        Clock.Advance(TimeSpan.FromMinutes(1));

        await AskAsync(token, new { current_password = password }).ShouldBeAsync(400, """{"otp":["A one-time code is required."]}""");
        await AskAsync(token, new { current_password = password, otp = "000000" }).ShouldBeAsync(400, """{"otp":["Invalid one-time code."]}""");
        await AskAsync(token, new { current_password = password, otp = Code() }).ShouldBeAsync(204);

        Assert.Empty(Database.Rows("SELECT username FROM auth_user"));
        Assert.Empty(Database.Rows("SELECT user_id FROM gatehouse_totp"));
        Assert.Empty(Database.Rows("SELECT user_id FROM gatehouse_recovery_code"));
    }

    [Fact]
    public async Task Of_the_last_two_superusers_who_go_at_once_one_stays()
    {
        var tokens = new List<(string Token, string Name)>();
        foreach (var name in new[] { "one", "two" }) tokens.Add((await Users.TokenAsync(await Users.CreateAsync(name, isSuperuser: true)), name));

        var answers = await Task.WhenAll(tokens.Select(one => AskAsync(one.Token, new { current_password = TestUsers.PasswordOf(one.Name) })));

        Assert.Equal([204, 400], answers.Select(answer => (int)answer.StatusCode).Order());
        Assert.Equal("""{"non_field_errors":["You are the last superuser. Make somebody else one first."]}""", await answers.Single(answer => (int)answer.StatusCode == 400).TextAsync());
        Assert.Single(Database.Rows("SELECT username FROM auth_user"));
    }

    [Fact]
    public async Task Of_64_requests_at_once_one_deletes_the_account()
    {
        var token = await Users.TokenAsync(await Users.CreateAsync("alice"));

        var answers = await Task.WhenAll(Enumerable.Range(0, 64).Select(_ => AskAsync(token, new { current_password = TestUsers.PasswordOf("alice") })));

        Assert.Single(answers, answer => (int)answer.StatusCode == 204);
        // Late: before the password was looked at, or after it.
        Assert.All(answers, answer => Assert.Contains((int)answer.StatusCode, new[] { 204, 400, 401, 404 }));
        Assert.Single(Database.Rows("SELECT event FROM gatehouse_audit WHERE event = 'deleted'"));
    }

    [Fact]
    public async Task No_application_deletes_the_account_of_who_it_acts_for()
    {
        await Users.CreateAsync("alice");
        AddApplication("app", "NULL");
        var form = new Dictionary<string, string> { ["grant_type"] = "password", ["client_id"] = "app", ["username"] = "alice", ["password"] = TestUsers.PasswordOf("alice") };
        var granted = await (await Http.PostAsync("/o/token/", new FormUrlEncodedContent(form), Ct)).JsonAsync();
        var token = (string)granted["access_token"]!;

        await Http.AskAsync(Api, $"Bearer {token}", "POST", new { current_password = TestUsers.PasswordOf("alice") }).ShouldBeAsync(403);
        Assert.Equal(["alice"], Database.Rows("SELECT username FROM auth_user"));
    }

    private void AddApplication(string client, string owner) => Database.Execute(
        $"""
        INSERT INTO oauth2_provider_application (redirect_uris, client_type, authorization_grant_type, client_secret, name, user_id, skip_authorization, created, updated, algorithm,
            post_logout_redirect_uris, hash_client_secret, allowed_origins, registration_source, client_id)
        VALUES ('', 'public', 'password', '', '', {owner}, FALSE, '2026-01-01 00:00:00', '2026-01-01 00:00:00', '', '', FALSE, '', 'manual', '{client}')
        """);

    private Task<HttpResponseMessage> AskAsync(string token, object body) => Http.AskAsync(Api, $"Token {token}", "POST", body);
}
