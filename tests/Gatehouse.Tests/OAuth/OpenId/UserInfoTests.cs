using Xunit;

namespace Gatehouse.Tests.OAuth.OpenId;

/// <summary>/o/userinfo/: for whom, about whom, and how it is asked.</summary>
public sealed class UserInfoTests : OpenIdTest
{
    private const string Path = "/o/userinfo/";

    // oidcc-userinfo-get, -post-header, -post-body, -scope-*
    [Fact]
    public async Task It_tells_what_the_scopes_allow_however_the_token_comes()
    {
        var alice = await Users.CreateAsync("alice", email: "alice@example.org");
        AddClient();
        var all = AddTokens(alice).Access;
        var little = AddTokens(alice, scope: "openid").Access;
        var claims = $$"""{"sub":"{{alice.Id}}","preferred_username":"alice","email":"alice@example.org","department":"navigation"}""";

        await Http.AskAsync(Path, "Bearer " + all).ShouldBeAsync(200, claims);
        await Http.AskAsync(Path, "bearer  " + all, "POST").ShouldBeAsync(200, claims);
        await Http.PostAsync(Path, new FormUrlEncodedContent([KeyValuePair.Create("access_token", all)]), Ct).ShouldBeAsync(200, claims);
        await Http.AskAsync(Path, "Bearer " + little).ShouldBeAsync(200, $$"""{"sub":"{{alice.Id}}","department":"navigation"}""");
    }

    [Fact]
    public async Task Whatever_is_wrong_the_answer_is_one()
    {
        var alice = await Users.CreateAsync("alice");
        var former = await Users.CreateAsync("former");
        AddClient();
        var (profile, ofFormer, expired) = (AddTokens(alice, scope: "profile").Access, AddTokens(former).Access, AddTokens(alice).Access);
        await Users.DeactivateAsync(former);
        var ofNobody = AddTokens(alice).Access;
        Database.Execute($"UPDATE oauth2_provider_accesstoken SET user_id = NULL WHERE token = '{ofNobody}'; UPDATE oauth2_provider_accesstoken SET expires = '2020-01-01 00:00:00' WHERE token = '{expired}'");

        foreach (var authorization in (string?[])[null, "Bearer", "Bearer nosuch", "Bearer " + profile, "Bearer " + ofFormer, "Bearer " + expired, "Bearer " + ofNobody, "Basic YTpi", "Bearer a b", "Bearer " + new string('x', 20_000)])
        {
            var answer = await Http.AskAsync(Path, authorization);
            await answer.ShouldBeAsync(401);
            Assert.Equal(
                "Bearer error=\"invalid_token\", error_description=\"The access token provided is expired, revoked, malformed, or invalid for other reasons.\"", answer.Header("WWW-Authenticate"));
            Assert.Contains("\"error\": \"invalid_token\"", await answer.TextAsync(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Web_pages_may_ask_unless_a_setting_says_otherwise()
    {
        var preflight = await Http.AskAsync(Path, "OPTIONS", null, ("Origin", "https://spa.example"), ("Access-Control-Request-Method", "GET"));
        Assert.Equal(("*", "GET, POST", "Authorization"),
            (preflight.Header("Access-Control-Allow-Origin"), preflight.Header("Access-Control-Allow-Methods"), preflight.Header("Access-Control-Allow-Headers")));
        var refused = await Http.AskAsync(Path, "GET", null, ("Origin", "https://spa.example"));
        Assert.Equal((401, "*", null), ((int)refused.StatusCode, refused.Header("Access-Control-Allow-Origin"), refused.Header("Access-Control-Allow-Credentials")));

        var closed = await StartServerAsync(options => options.OAuth.OidcUserinfoCorsEnabled = false);
        Assert.Null((await closed.Http.AskAsync(Path, "OPTIONS", null, ("Origin", "https://spa.example"))).Header("Access-Control-Allow-Origin"));
        // The release that the Django profile mirrors knows nothing of it.
        var django = await StartServerAsync(options => options.Profile = Profile.Django);
        Assert.Null((await django.Http.AskAsync(Path, "GET", null, ("Origin", "https://spa.example"))).Header("Access-Control-Allow-Origin"));
    }
}
