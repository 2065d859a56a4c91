using System.Net.Http.Json;
using Microsoft.AspNetCore.Builder;
using Xunit;

namespace Gatehouse.Tests.OAuth;

/// <summary>The server as it comes, with no section <c>REST_FRAMEWORK</c>: every scheme at every endpoint.</summary>
public sealed class DefaultSchemesTests : OAuthPagesTest
{
    private const string Profile = "/api/accounts/profile/";

    protected override void Map(WebApplication app) => app.MapWho("/who/");

    [Fact]
    public async Task Each_scheme_knows_its_own_credentials()
    {
        var alice = await Users.CreateAsync("alice");
        AddAccessToken(AddClient("app"), alice, "access-of-alice");
        var jwt = await JwtAsync("alice");
        var browser = await NewBrowser().LogInAsync("alice");

        foreach (var path in (string[])[Profile, "/who/"])
        {
            await IsAsync(Http.AskAsync(path, "Bearer access-of-alice"), "OAuth2Authentication");
            await IsAsync(Http.AskAsync(path, "Bearer " + jwt), "JWTAuthentication");
            await IsAsync(Http.AskAsync(path, "Token " + await Users.TokenAsync(await Users.CreateAsync("alice" + path.Length))), "TokenAuthentication");
            await IsAsync(Http.AskAsync(path, Answers.Basic("alice")), "BasicAuthentication");
            await IsAsync(browser.GetAsync(path), "SessionAuthentication");
        }
    }

    [Fact]
    public async Task Who_has_no_credentials_is_challenged_by_OAuth()
    {
        var answer = await Http.AskAsync(Profile);

        await answer.ShouldBeAsync(401, """{"detail":"Authentication credentials were not provided."}""");
        Assert.Equal("Bearer realm=\"api\"", answer.Header("WWW-Authenticate"));
    }

    [Fact]
    public async Task A_bearer_token_that_nobody_knows_is_refused_and_the_challenge_says_why()
    {
        var answer = await Http.AskAsync(Profile, "Bearer nobodys-token");

        await answer.ShouldBeAsync(401);
        Assert.Equal("token_not_valid", (string?)(await answer.JsonAsync())["code"]);
        Assert.Equal("Bearer realm=\"api\",error=\"invalid_token\",error_description=\"The access token is invalid.\"", answer.Header("WWW-Authenticate"));
    }

    [Fact]
    public async Task An_OAuth_token_that_has_expired_is_refused()
    {
        AddAccessToken(AddClient("app"), await Users.CreateAsync("alice"), "access-of-alice");
        Clock.Advance(TimeSpan.FromHours(2));

        var answer = await Http.AskAsync(Profile, "Bearer access-of-alice");

        await answer.ShouldBeAsync(401);
        Assert.Equal("Bearer realm=\"api\",error=\"invalid_token\",error_description=\"The access token has expired.\"", answer.Header("WWW-Authenticate"));
    }

    // As in DRF: who it is, is known; a user it is not.
    [Fact]
    public async Task A_client_that_acts_for_itself_is_no_user()
    {
        AddAccessToken(AddClient("robot", "confidential", "client-credentials", "secret-of-robot"), null, "access-of-robot");

        await Http.AskAsync(Profile, "Bearer access-of-robot").ShouldBeAsync(403);
    }

    private async Task<string> JwtAsync(string username)
    {
        var answer = await Http.PostAsJsonAsync("/api/token/", new { username, password = TestUsers.PasswordOf(username) }, Ct);
        return (string)(await answer.JsonAsync())["access"]!;
    }

    private static async Task IsAsync(Task<HttpResponseMessage> asked, string scheme)
    {
        var answer = await asked;
        await answer.ShouldBeAsync(200);
        var json = await answer.JsonAsync();
        if (json["scheme"] is { } used) Assert.Equal(scheme, (string?)used);
        else Assert.StartsWith("alice", (string?)json["username"], StringComparison.Ordinal);
    }
}
