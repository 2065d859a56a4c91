using Gatehouse.AuthTokens;
using Microsoft.AspNetCore.Builder;
using Xunit;

namespace Gatehouse.Tests.AuthTokens;

public sealed class ObtainAuthTokenTests : GatehouseTest
{
    private const string Path = "/api-token-auth/";
    private const string Refused = """{"non_field_errors":["Unable to log in with provided credentials."]}""";

    protected override void Map(WebApplication app) => app.MapWho("/token/").WithSchemes(typeof(TokenAuthentication));

    [Fact]
    public async Task A_password_is_traded_for_a_token_that_stays_the_same()
    {
        await Users.CreateAsync("alice");

        var first = await AskAsync("alice");
        var second = await AskAsync("alice");

        Assert.Matches("^[0-9a-f]{40}$", first);
        Assert.Equal(first, second);
        await Http.AskAsync("/token/", "Token " + first).ShouldBeAsync(200, """{"user":"alice","scheme":"TokenAuthentication","auth":"AuthToken"}""");
        Assert.Equal([$"{first}|2026-07-01 12:00:00.123456|1"], Database.Rows("SELECT key, created, user_id || '' FROM authtoken_token"));
    }

    [Fact]
    public async Task All_who_ask_at_once_get_the_same_token()
    {
        await Users.CreateAsync("alice");
        var other = await StartServerAsync();

        var tokens = await Task.WhenAll(Enumerable.Range(0, 32).Select(i => AskAsync("alice", i % 2 == 0 ? Server : other)));

        Assert.Single(tokens.Distinct());
        Assert.Single(Database.Rows("SELECT key FROM authtoken_token"));
    }

    [Theory]
    [InlineData("alice", "wrong-password")]
    [InlineData("nobody", "wrong-password")]
    [InlineData("idle", "Correct-horse-idle")]
    [InlineData("unusable", "!unusable")]
    public async Task Unknown_wrong_inactive_and_unusable_get_the_same_answer(string username, string password)
    {
        await Users.CreateAsync("alice");
        await Users.CreateAsync("idle", isActive: false);
        await Users.CreateAsync("unusable", encoded: "!unusable");

        await Http.AskAsync(Path, null, "POST", new { username, password }).ShouldBeAsync(400, Refused);
    }

    [Fact]
    public async Task A_token_ends_with_its_row_its_user_or_its_users_activity()
    {
        var alice = await Users.CreateAsync("alice");
        var bob = await Users.CreateAsync("bob");
        var carol = await Users.CreateAsync("carol");
        var (a, b, c) = (await Users.TokenAsync(alice), await Users.TokenAsync(bob), await Users.TokenAsync(carol));
        foreach (var token in new[] { a, b, c }) await Http.AskAsync("/token/", "Token " + token).ShouldBeAsync(200);

        Database.Execute("DELETE FROM authtoken_token WHERE user_id = 1");
        await Users.DeactivateAsync(bob);
        await Users.DeleteAsync(carol);

        await Http.AskAsync("/token/", "Token " + a).ShouldBeAsync(401, """{"detail":"Invalid token."}""");
        await Http.AskAsync("/token/", "Token " + b).ShouldBeAsync(401, """{"detail":"User inactive or deleted."}""");
        await Http.AskAsync("/token/", "Token " + c).ShouldBeAsync(401, """{"detail":"Invalid token."}""");
    }

    [Fact]
    public async Task A_renewed_token_kills_the_old_one()
    {
        var alice = await Users.CreateAsync("alice");
        var old = await Users.TokenAsync(alice);

        var renewed = await Server.Get<TokenStore>().RenewAsync(alice.Id, Ct);
        Secrets.Add(renewed);

        await Http.AskAsync("/token/", "Token " + old).ShouldBeAsync(401);
        await Http.AskAsync("/token/", "Token " + renewed).ShouldBeAsync(200);
    }

    [Fact]
    public async Task Tokens_are_compared_to_the_letter()
    {
        var token = await Users.TokenAsync(await Users.CreateAsync("alice"));

        await Http.AskAsync("/token/", "Token " + token[..39]).ShouldBeAsync(401);
        await Http.AskAsync("/token/", "Token " + token[..39] + "_").ShouldBeAsync(401);
        await Http.AskAsync("/token/", "Token " + token[..39] + "%").ShouldBeAsync(401);
    }

    [Theory]
    [InlineData("{}", """{"username":["This field is required."],"password":["This field is required."]}""")]
    [InlineData("""{"username":"alice"}""", """{"password":["This field is required."]}""")]
    [InlineData("""{"username":"","password":""}""", """{"username":["This field may not be blank."],"password":["This field may not be blank."]}""")]
    [InlineData("""{"username":null,"password":["x"]}""", """{"username":["This field may not be null."],"password":["Not a valid string."]}""")]
    [InlineData("[]", """{"non_field_errors":["Invalid data. Expected a dictionary, but got list."]}""")]
    public async Task What_is_missing_or_of_a_wrong_type_is_named(string body, string errors)
    {
        await Http.PostTextAsync(Path, body).ShouldBeAsync(400, errors);
    }

    [Fact]
    public async Task Forms_and_multipart_are_read_too()
    {
        await Users.CreateAsync("alice");
        var fields = new Dictionary<string, string> { ["username"] = "alice", ["password"] = TestUsers.PasswordOf("alice") };
        using var form = new FormUrlEncodedContent(fields);
        using var multipart = new MultipartFormDataContent();
        foreach (var (name, value) in fields) multipart.Add(new StringContent(value), name);

        await Http.AskAsync(Path, "POST", form).ShouldBeAsync(200);
        await Http.AskAsync(Path, "POST", multipart).ShouldBeAsync(200);
    }

    private async Task<string> AskAsync(string username, TestServer? server = null)
    {
        var response = await (server ?? Server).Http.AskAsync(Path, null, "POST", new { username, password = TestUsers.PasswordOf(username) });
        await response.ShouldBeAsync(200);
        return (await response.JsonAsync())["token"]!.GetValue<string>();
    }
}
