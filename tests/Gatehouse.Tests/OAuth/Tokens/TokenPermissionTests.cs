using Gatehouse.OAuth.Tokens;
using Gatehouse.Permissions;
using Gatehouse.Users;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Gatehouse.Tests.OAuth.Tokens;

/// <summary>Protecting an API: scopes as permissions, throttles by client, resources.</summary>
public sealed class TokenPermissionTests : OAuthPagesTest
{
    private User alice = null!;
    private long client;
    private RequestPermission? wrong;

    protected override void Map(WebApplication app)
    {
        if (wrong is not null) app.MapWho("/wrong/").RequirePermission(wrong);
        app.MapWho("/has/").RequirePermission(new TokenHasScope("read", "profile"));
        app.MapWho("/required/").RequirePermission(new TokenHasScope()).RequiredScopes("profile");
        app.MapWho("/read-write/").RequirePermission(new TokenHasReadWriteScope());
        app.MapWho("/groups/").RequirePermission(new TokenHasResourceScope("groups"));
        app.MapWho("/browse/").RequirePermission(new IsAuthenticatedOrTokenHasScope("read"));
        app.MapWho("/oas/").RequirePermission(new TokenMatchesOASRequirements(new() { ["GET"] = [["read"]], ["POST"] = [["create"], ["read", "write"]] }));
        app.MapWho("/both/").RequirePermission(new IsAdminUser() | new TokenHasScope("read"));
        app.MapWho("/by-client/").RequirePermission(new AllowAny()).Throttle(new OAuth2ClientRateThrottle("2/min"));
        app.MapWho("/by-user/").RequirePermission(new AllowAny()).Throttle(new OAuth2UserOrClientRateThrottle("2/min"));
        app.MapWho("/api/v1/").RequirePermission(new IsAuthenticated());
        app.MapProtectedResource("/page/", (_, token) => Task.FromResult<IResult>(Results.Text(token.User!.Username)), "read");
        app.MapReadWriteProtectedResource("/rw-page/", (_, token) => Task.FromResult<IResult>(Results.Text(token.User!.Username)));
    }

    protected override async Task StartAsync()
    {
        await base.StartAsync();
        alice = await Users.CreateAsync("alice");
        client = AddClient("app");
    }

    [Theory]
    [InlineData("/has/", "GET", "read profile", 200)]
    [InlineData("/has/", "GET", "read profile more", 200)]
    [InlineData("/has/", "GET", "read", 403)]
    [InlineData("/has/", "GET", "", 403)]
    [InlineData("/has/", "GET", "READ profile", 403)]
    [InlineData("/has/", "GET", "readprofile", 403)]
    [InlineData("/required/", "GET", "profile", 200)]
    [InlineData("/required/", "GET", "read write", 403)]
    [InlineData("/read-write/", "GET", "read", 200)]
    [InlineData("/read-write/", "HEAD", "read", 200)]
    [InlineData("/read-write/", "POST", "read", 403)]
    [InlineData("/read-write/", "POST", "write", 200)]
    [InlineData("/read-write/", "DELETE", "write", 200)]
    [InlineData("/read-write/", "GET", "write", 403)]
    [InlineData("/groups/", "GET", "groups:read", 200)]
    [InlineData("/groups/", "PUT", "groups:read", 403)]
    [InlineData("/groups/", "PUT", "groups:write", 200)]
    [InlineData("/groups/", "GET", "read", 403)]
    [InlineData("/browse/", "GET", "read", 200)]
    [InlineData("/browse/", "GET", "write", 403)]
    [InlineData("/oas/", "GET", "read", 200)]
    [InlineData("/oas/", "POST", "create", 200)]
    [InlineData("/oas/", "POST", "read write", 200)]
    [InlineData("/oas/", "POST", "read", 403)]
    [InlineData("/oas/", "DELETE", "create read write", 403)]
    [InlineData("/both/", "GET", "read", 200)]
    [InlineData("/both/", "GET", "write", 403)]
    [InlineData("/page/", "GET", "read", 200)]
    [InlineData("/page/", "GET", "write", 403)]
    [InlineData("/rw-page/", "GET", "read", 200)]
    [InlineData("/rw-page/", "GET", "write", 403)]
    public async Task Scopes_open_what_they_name(string path, string method, string scope, int status)
    {
        AddAccessToken(client, alice, "access-of-alice", scope: scope);

        await Http.AskAsync(path, "Bearer access-of-alice", method).ShouldBeAsync(status);
    }

    [Fact]
    public async Task Callers_of_other_schemes_have_no_scopes()
    {
        await Users.CreateAsync("root", isStaff: true, isSuperuser: true);
        foreach (var path in new[] { "/has/", "/required/", "/read-write/", "/groups/", "/oas/", "/page/" })
            await Http.AskAsync(path, Answers.Basic("root")).ShouldBeAsync(403);

        await Http.AskAsync("/browse/", Answers.Basic("alice")).ShouldBeAsync(200);
        await Http.AskAsync("/both/", Answers.Basic("root")).ShouldBeAsync(200);
        await Http.AskAsync("/browse/").ShouldBeAsync(401);
        await Http.AskAsync("/has/").ShouldBeAsync(401);
    }

    [Fact]
    public async Task A_refusal_says_what_was_wanted_where_the_setting_is_on()
    {
        AddAccessToken(client, alice, "access-of-alice", scope: "read");
        var server = await StartServerAsync(options => options.OAuth.ErrorResponseWithScopes = true);

        await Http.AskAsync("/has/", "Bearer access-of-alice").ShouldBeAsync(403, """{"detail":"You do not have permission to perform this action."}""");
        var told = await (await server.Http.AskAsync("/has/", "Bearer access-of-alice")).JsonAsync();
        Assert.Equal(["read", "profile"], told["required_scopes"]!.AsArray().Select(one => (string)one!));
    }

    [Fact]
    public async Task A_client_has_one_count_whoever_its_tokens_are_for()
    {
        AddAccessToken(client, alice, "access-1");
        AddAccessToken(client, await Users.CreateAsync("bob"), "access-2");
        AddAccessToken(AddClient("another"), alice, "access-3");

        await Http.AskAsync("/by-client/", "Bearer access-1").ShouldBeAsync(200);
        await Http.AskAsync("/by-client/", "Bearer access-2").ShouldBeAsync(200);
        await Http.AskAsync("/by-client/", "Bearer access-1").ShouldBeAsync(429);
        await Http.AskAsync("/by-client/", "Bearer access-3").ShouldBeAsync(200);
        for (var time = 0; time < 3; time++) await Http.AskAsync("/by-client/", Answers.Basic("alice")).ShouldBeAsync(200);
    }

    [Fact]
    public async Task Users_have_their_own_counts_and_so_has_a_client_without_one()
    {
        AddAccessToken(client, alice, "access-1");
        AddAccessToken(client, await Users.CreateAsync("bob"), "access-2");
        AddAccessToken(client, null, "access-3");

        for (var time = 0; time < 2; time++)
            foreach (var token in new[] { "access-1", "access-2", "access-3" })
                await Http.AskAsync("/by-user/", "Bearer " + token).ShouldBeAsync(200);
        foreach (var token in new[] { "access-1", "access-2", "access-3" })
            await Http.AskAsync("/by-user/", "Bearer " + token).ShouldBeAsync(429);
        await Http.AskAsync("/by-user/", Answers.Basic("alice")).ShouldBeAsync(429);
        await Http.AskAsync("/by-user/").ShouldBeAsync(200);
    }

    // RFC 8707
    [Fact]
    public async Task A_token_for_one_API_opens_no_other()
    {
        var origin = Server.Address.GetLeftPart(UriPartial.Authority);
        async Task<int> AskAsync(string resource)
        {
            var token = $"access-{Guid.NewGuid():N}";
            var id = AddAccessToken(client, alice, token);
            Database.Execute($"UPDATE oauth2_provider_accesstoken SET resource = '[\"{resource}\"]' WHERE id = {id}");
            return (int)(await Http.AskAsync("/api/v1/", "Bearer " + token)).StatusCode;
        }

        Assert.Equal(200, await AskAsync(origin));
        Assert.Equal(200, await AskAsync(origin + "/api/v1"));
        Assert.Equal(200, await AskAsync(origin + "/api/"));
        Assert.Equal(401, await AskAsync(origin + "/api/v2"));
        Assert.Equal(401, await AskAsync(origin + "/ap"));
        Assert.Equal(401, await AskAsync("https://other.example/api/v1"));
    }

    [Fact]
    public async Task A_permission_that_has_no_scopes_to_ask_for_stops_the_start()
    {
        wrong = new TokenHasScope();
        var error = await Assert.ThrowsAnyAsync<Exception>(() => StartServerAsync());

        Assert.Contains("requires the view to define its scopes", error.Message, StringComparison.Ordinal);
    }
}
