using Gatehouse.Tests.Clients;
using Gatehouse.Tests.Jwt;
using Xunit;

namespace Gatehouse.Tests.Database;

/// <summary>Rows are not cached between requests: what Django, <c>sqlite3</c> or <c>psql</c> writes counts at the next request.</summary>
public sealed class NoStaleAnswersTests : JwtTest
{
    private const string Profile = "/api/accounts/profile/";

    [Fact]
    public async Task What_happens_to_a_user_outside_counts_at_the_next_request()
    {
        var alice = await Users.CreateAsync("alice");
        var token = "Token " + await Users.TokenAsync(alice);
        var browser = await NewBrowser().LogInAsync("alice");
        var access = (await ObtainAsync("alice")).Access;
        async Task EveryoneAsync(int status, string? basic = null)
        {
            await Http.AskAsync(Profile, token).ShouldBeAsync(status);
            await browser.GetAsync(Profile).ShouldBeAsync(status);
            Assert.Equal(status, await StatusAsync(access));
            await Http.AskAsync(Profile, basic ?? Answers.Basic("alice")).ShouldBeAsync(status);
        }
        await EveryoneAsync(200);

        Database.Execute("UPDATE auth_user SET is_active = 0");
        await EveryoneAsync(401);
        Database.Execute("UPDATE auth_user SET is_active = 1");
        await EveryoneAsync(200);

        Database.Execute("UPDATE auth_user SET username = 'alicia', email = 'a@example.com', is_staff = 1");
        await EveryoneAsync(200, Answers.Basic("alicia", TestUsers.PasswordOf("alice")));
        var json = await (await Http.AskAsync(Profile, token)).JsonAsync();
        Assert.Equal(("alicia", "a@example.com", true), ((string)json["username"]!, (string)json["email"]!, (bool)json["is_staff"]!));
        await Http.AskAsync("/api/accounts/users/", token).ShouldBeAsync(200);

        // The password: sessions made with the old one end, and it is no password any more, remembered or not.
        await Users.SetPasswordAsync(alice, "set-from-outside-Horse-1");
        await Http.AskAsync(Profile, Answers.Basic("alicia", TestUsers.PasswordOf("alice"))).ShouldBeAsync(401);
        await Http.AskAsync(Profile, Answers.Basic("alicia", "set-from-outside-Horse-1")).ShouldBeAsync(200);
        await browser.GetAsync(Profile).ShouldBeAsync(401);
        await Http.AskAsync(Profile, token).ShouldBeAsync(200);
    }

    [Fact]
    public async Task What_happens_to_a_token_or_session_outside_counts_at_the_next_request()
    {
        var (alice, bob) = (await Users.CreateAsync("alice"), await Users.CreateAsync("bob"));
        var key = await Users.TokenAsync(alice);
        var browser = await NewBrowser().LogInAsync("alice");
        await Http.AskAsync(Profile, "Token " + key).ShouldBeAsync(200);

        Database.Execute($"UPDATE authtoken_token SET user_id = {bob.Id}");
        Assert.Equal("bob", (string)(await (await Http.AskAsync(Profile, "Token " + key)).JsonAsync())["username"]!);
        Database.Execute("DELETE FROM authtoken_token");
        await Http.AskAsync(Profile, "Token " + key).ShouldBeAsync(401);

        await browser.GetAsync(Profile).ShouldBeAsync(200);
        Database.Execute("UPDATE django_session SET expire_date = '2020-01-01 00:00:00'");
        await browser.GetAsync(Profile).ShouldBeAsync(401);

        var (_, refresh) = await ObtainAsync("alice");
        await RefreshAsync(refresh).ShouldBeAsync(200);
        Database.Execute("INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id) SELECT '2026-01-01 00:00:00', id FROM token_blacklist_outstandingtoken");
        await RefreshAsync(refresh).ShouldBeAsync(401);
    }

    [Fact]
    public async Task What_happens_to_a_client_or_its_tokens_outside_counts_at_the_next_request()
    {
        var clients = new TestClients(Database, Secrets);
        await clients.CreateAsync("app", "client-credentials", "first-secret-of-the-app");
        Task<HttpResponseMessage> GetAsync(string secret) => Http.PostAsync(
            "/o/token/", new FormUrlEncodedContent([new("grant_type", "client_credentials"), new("client_id", "app"), new("client_secret", secret)]), Ct);
        var first = (string)(await (await GetAsync("first-secret-of-the-app")).JsonAsync())["access_token"]!;
        Secrets.Add("other-secret-of-the-app");

        Database.Execute($"UPDATE oauth2_provider_application SET client_secret = '{TestUsers.Encode("other-secret-of-the-app")}'");
        await GetAsync("first-secret-of-the-app").ShouldBeAsync(401);
        await GetAsync("other-secret-of-the-app").ShouldBeAsync(200);

        async Task<bool> IsActiveAsync() => (bool)(await (await Http.PostAsync(
            "/o/introspect/", new FormUrlEncodedContent([new("token", first), new("client_id", "app"), new("client_secret", "other-secret-of-the-app")]), Ct)).JsonAsync())["active"]!;
        Assert.True(await IsActiveAsync());
        Database.Execute("UPDATE oauth2_provider_accesstoken SET expires = '2020-01-01 00:00:00'");
        Assert.False(await IsActiveAsync());

        Database.Execute("DELETE FROM oauth2_provider_accesstoken");
        Database.Execute("DELETE FROM oauth2_provider_application");
        await GetAsync("other-secret-of-the-app").ShouldBeAsync(401);
    }
}
