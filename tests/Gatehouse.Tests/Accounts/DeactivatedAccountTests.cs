using Gatehouse.Tests.OAuth.Authorize;
using Xunit;

namespace Gatehouse.Tests.Accounts;

/// <summary>Somebody is locked out by hand (<c>is_active</c>), whatever they had before.</summary>
public sealed class DeactivatedAccountTests : AuthorizeTest
{
    private const string Device = "urn:ietf:params:oauth:grant-type:device_code";

    [Fact]
    public async Task Whoever_is_deactivated_is_refused_at_every_door_with_whatever_they_have()
    {
        Client("web");
        Client("robot", "", "password");
        Client("tv", "", Device, "public");
        var (username, password) = ("alice", TestUsers.PasswordOf("alice"));
        var alice = (await Server.Get<Gatehouse.Users.UserAccounts>().FindAsync(username, Ct))!;
        var token = await Users.TokenAsync(alice);
        var jwt = await (await Http.AskAsync("/api/token/", null, "POST", new { username, password })).JsonAsync();
        var sliding = await (await Http.AskAsync("/api/token/sliding/", null, "POST", new { username, password })).JsonAsync();
        var oauth = await TokensAsync(ExchangeAsync("web", await CodeAsync("web")));
        var code = await CodeAsync("web");
        var device = await (await Http.PostAsync("/o/device-authorization/", new FormUrlEncodedContent([new("client_id", "tv"), new("scope", "read")]), Ct)).JsonAsync();
        var entered = await Alice.SubmitAsync("/o/device/", ("user_code", (string)device["user_code"]!));
        await Alice.SubmitAsync(entered.Header("Location")!, ("action", "accept")).ShouldBeAsync(302);
        const string Profile = "/api/accounts/profile/";
        foreach (var header in new[] { "Token " + token, "Bearer " + jwt["access"], "Bearer " + oauth["access_token"], Answers.Basic(username) }) await Http.AskAsync(Profile, header).ShouldBeAsync(200);

        await Users.DeactivateAsync(alice);

        Task<HttpResponseMessage> JsonAsync(string path, object body) => Http.AskAsync(path, null, "POST", body);
        var refused = new Dictionary<string, Task<HttpResponseMessage>>
        {
            ["login"] = JsonAsync("/api/accounts/login/", new { username, password }),
            ["token"] = JsonAsync("/api-token-auth/", new { username, password }),
            ["jwt"] = JsonAsync("/api/token/", new { username, password }),
            ["sliding"] = JsonAsync("/api/token/sliding/", new { username, password }),
            ["jwt refresh"] = JsonAsync("/api/token/refresh/", new { refresh = (string)jwt["refresh"]! }),
            ["sliding refresh"] = JsonAsync("/api/token/sliding/refresh/", new { token = (string)sliding["token"]! }),
            ["basic"] = Http.AskAsync(Profile, Answers.Basic(username)),
            ["API token"] = Http.AskAsync(Profile, "Token " + token),
            ["access token"] = Http.AskAsync(Profile, "Bearer " + jwt["access"]),
            ["sliding token"] = Http.AskAsync(Profile, "Bearer " + sliding["token"]),
            ["OAuth access token"] = Http.AskAsync(Profile, "Bearer " + oauth["access_token"]),
            ["OAuth refresh token"] = TokenAsync("web", "refresh_token", [("refresh_token", (string)oauth["refresh_token"]!)]),
            ["code"] = ExchangeAsync("web", code),
            ["password grant"] = TokenAsync("robot", "password", [("username", username), ("password", password)]),
            ["device"] = Http.PostAsync("/o/token/", new FormUrlEncodedContent([new("grant_type", Device), new("client_id", "tv"), new("device_code", (string)device["device_code"]!)]), Ct),
            ["session"] = Alice.GetAsync(Profile),
            ["own password"] = Alice.PostAsync("/api/accounts/password/change/", new { old_password = password, new_password1 = "a-new-fine-phrase", new_password2 = "a-new-fine-phrase" }),
        };
        foreach (var (door, answer) in refused) Assert.True((int)(await answer).StatusCode is 400 or 401 or 403, $"{door}: {(int)(await answer).StatusCode}");
        foreach (var path in new[] { "/accounts/login/", "/api-auth/login/", "/admin/login/" })
        {
            var browser = NewBrowser();
            await browser.SubmitAsync(path, ("username", username), ("password", password)).ShouldBeAsync(200);
            Assert.Null(browser.SessionKey);
        }
        foreach (var path in new[] { Url("web"), "/accounts/profile/", "/o/device/", "/o/applications/" })
            Assert.StartsWith("/accounts/login/?next=", (await Alice.GetAsync(path)).Header("Location"), StringComparison.Ordinal);
        // Introspection says so too, to whoever may ask.
        using var asked = new FormUrlEncodedContent([new("client_id", "web"), new("client_secret", SecretOf("web")), new("token", (string)oauth["access_token"]!)]);
        await Http.PostAsync("/o/introspect/", asked, Ct).ShouldBeAsync(200, """{"active":false}""");
    }
}
