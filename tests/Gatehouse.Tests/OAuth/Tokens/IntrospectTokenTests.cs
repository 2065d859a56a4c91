using System.Text;
using Gatehouse.Users;
using Xunit;

namespace Gatehouse.Tests.OAuth.Tokens;

/// <summary>Introspection (RFC 7662) and revocation (RFC 7009): who may ask, and what they learn. C4, R19 of the attack list.</summary>
public sealed class IntrospectTokenTests : OAuthPagesTest
{
    private const string Inactive = """{"active":false}""";

    private User alice = null!;
    private long web;
    private long other;
    private long api;

    protected override void Configure(GatehouseOptions options) =>
        options.OAuth.Scopes = new Dictionary<string, string> { ["read"] = "Read", ["write"] = "Write", ["introspection"] = "Introspect" };

    protected override async Task StartAsync()
    {
        await base.StartAsync();
        alice = await Users.CreateAsync("alice");
        web = AddClient("web", "confidential", "password", TestUsers.Encode("secret-of-web"));
        other = AddClient("other", "confidential", "password", TestUsers.Encode("secret-of-other"));
        api = AddClient("api", "confidential", "client-credentials", TestUsers.Encode("secret-of-api"));
        foreach (var client in new[] { "web", "other", "api" }) Secrets.Add($"secret-of-{client}");
        AddAccessToken(web, alice, "access-of-alice", scope: "read write");
    }

    [Fact]
    public async Task A_client_learns_about_its_own_tokens_and_an_API_about_all()
    {
        var active = $$"""{"active":true,"scope":"read write","exp":{{Clock.Now.AddHours(1).ToUnixTimeSeconds()}},"client_id":"web","username":"alice"}""";

        await AskAsync("web", "access-of-alice").ShouldBeAsync(200, active);
        await AskAsync("api", "access-of-alice").ShouldBeAsync(200, active);
        // It exists, and is none of its business: as if it did not.
        await AskAsync("other", "access-of-alice").ShouldBeAsync(200, Inactive);
        foreach (var token in new[] { "nobodys", "", "\0", new string('a', 20_000), "' OR 1=1 --" }) await AskAsync("api", token).ShouldBeAsync(200, Inactive);
    }

    [Fact]
    public async Task Without_the_scope_an_API_asks_in_vain()
    {
        var server = await StartServerAsync(options => options.OAuth.Scopes.Remove("introspection"));

        await AskAsync("api", "access-of-alice", server).ShouldBeAsync(200, Inactive);
    }

    [Fact]
    public async Task A_token_with_the_scope_may_ask_too()
    {
        AddAccessToken(api, null, "access-of-api", scope: "introspection");
        AddAccessToken(other, alice, "access-of-other", scope: "read");

        async Task<int> ByTokenAsync(string token) =>
            (int)(await Http.AskAsync("/o/introspect/", "POST", Form("token=access-of-alice"), ("Authorization", "Bearer " + token))).StatusCode;
        Assert.Equal(200, await ByTokenAsync("access-of-api"));
        Assert.Equal(403, await ByTokenAsync("access-of-other"));
        Assert.Equal(403, await ByTokenAsync("nobodys"));
        await PostFormAsync("/o/introspect/", null, ("token", "access-of-alice")).ShouldBeAsync(403);
        await Http.GetAsync("/o/introspect/?token=access-of-alice", Ct).ShouldBeAsync(403);
    }

    [Fact]
    public async Task What_is_not_good_any_more_is_not_active()
    {
        var bob = await Users.CreateAsync("bob");
        AddAccessToken(web, bob, "access-of-bob");
        await Users.DeactivateAsync(bob);
        await AskAsync("web", "access-of-bob").ShouldBeAsync(200, Inactive);

        Clock.Advance(TimeSpan.FromHours(1));
        await AskAsync("web", "access-of-alice").ShouldBeAsync(200, Inactive);
    }

    [Fact]
    public async Task The_answer_is_not_kept() =>
        Assert.Equal("no-store", (await AskAsync("web", "access-of-alice")).Header("Cache-Control"));

    // R19
    [Fact]
    public async Task Nobody_revokes_what_is_anothers()
    {
        var access = AddAccessToken(web, alice, "access-2");
        AddRefreshToken(web, alice, "refresh-2", access);

        foreach (var token in new[] { "access-2", "refresh-2", "nobodys", "\0", new string('a', 20_000) })
            foreach (var hint in new[] { "", "access_token", "refresh_token", "nonsense" })
                await RevokeAsync("other", token, hint).ShouldBeAsync(200);

        Assert.Equal("2|1", One("SELECT (SELECT count(*) FROM oauth2_provider_accesstoken) || '|' || (SELECT count(*) FROM oauth2_provider_refreshtoken WHERE revoked IS NULL)"));
        await ErrorAsync(PostFormAsync("/o/revoke_token/", null, ("token", "access-2")), 401, "invalid_client");
        await ErrorAsync(PostFormAsync("/o/revoke_token/", null, ("token", "access-2"), ("client_id", "web")), 401, "invalid_client");
        await ErrorAsync(RevokeAsync("other", "", ""), 400, "invalid_request");
    }

    // R18
    [Theory]
    [InlineData("access-2", "")]
    [InlineData("access-2", "access_token")]
    [InlineData("access-2", "refresh_token")]
    [InlineData("refresh-2", "")]
    [InlineData("refresh-2", "access_token")]
    [InlineData("refresh-2", "refresh_token")]
    public async Task Either_of_a_pair_ends_both(string token, string hint)
    {
        AddRefreshToken(web, alice, "refresh-2", AddAccessToken(web, alice, "access-2"));

        await RevokeAsync("web", token, hint).ShouldBeAsync(200);

        await AskAsync("web", "access-2").ShouldBeAsync(200, Inactive);
        Assert.Equal("0", One("SELECT count(*) FROM oauth2_provider_refreshtoken WHERE revoked IS NULL"));
    }

    private Task<HttpResponseMessage> AskAsync(string client, string token, TestServer? server = null) => SendAsync(client, "/o/introspect/", server, ("token", token));

    private Task<HttpResponseMessage> RevokeAsync(string client, string token, string hint) => SendAsync(client, "/o/revoke_token/", null, ("token", token), ("token_type_hint", hint));

    private async Task<HttpResponseMessage> SendAsync(string client, string path, TestServer? server, params (string Name, string Value)[] form)
    {
        using var content = new FormUrlEncodedContent(form.Select(field => KeyValuePair.Create(field.Name, field.Value)));
        return await (server ?? Server).Http.AskAsync(
            path, "POST", content, ("Authorization", "Basic " + Convert.ToBase64String(Encoding.ASCII.GetBytes($"{client}:secret-of-{client}"))));
    }
}
