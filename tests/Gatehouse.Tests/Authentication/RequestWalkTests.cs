using Gatehouse.Authentication;
using Gatehouse.AuthTokens;
using Gatehouse.Permissions;
using Gatehouse.Sessions;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Xunit;
using static Gatehouse.Tests.Answers;

namespace Gatehouse.Tests.Authentication;

public sealed class RequestWalkTests : GatehouseTest
{
    protected override void Configure(GatehouseOptions options) => options.RestFramework.DefaultAuthenticationClasses = ["BasicAuthentication"];

    protected override void AddServices(IServiceCollection services) => services.AddAuthenticationScheme<DoorCode>();

    protected override void Map(WebApplication app)
    {
        app.MapWho("/default/");
        app.MapWho("/token-basic/").WithSchemes(typeof(TokenAuthentication), typeof(BasicAuthentication));
        app.MapWho("/session-basic/").WithSchemes(typeof(SessionAuthentication), typeof(BasicAuthentication));
        app.MapWho("/session-token/").WithSchemes(typeof(SessionAuthentication), typeof(TokenAuthentication)).RequirePermission(new IsAuthenticated());
        app.MapWho("/basic-session/").WithSchemes(typeof(BasicAuthentication), typeof(SessionAuthentication)).RequirePermission(new IsAuthenticated());
        app.MapWho("/open/").WithSchemes(typeof(TokenAuthentication), typeof(BasicAuthentication)).RequirePermission(new AllowAny());
        app.MapWho("/nobody/").WithSchemes().RequirePermission(new AllowAny());
        app.MapWho("/nobody-closed/").WithSchemes().RequirePermission(new IsAuthenticated());
        app.MapWho("/bearer/").WithSchemes(typeof(BearerToken));
        app.MapWho("/door/").WithSchemes(typeof(DoorCode), typeof(BasicAuthentication));
        app.MapWho("/machine/").WithSchemes(typeof(DoorCode)).RequirePermission(new AllowAny());

        var group = app.MapGroup("/group").WithSchemes(typeof(TokenAuthentication));
        group.MapWho("/inherits/");
        group.MapWho("/own/").WithSchemes(typeof(BasicAuthentication));
    }

    [Fact]
    public async Task The_first_scheme_that_knows_the_caller_ends_the_walk()
    {
        var alice = await Users.CreateAsync("alice");
        await Users.CreateAsync("bob");
        var token = await Users.TokenAsync(alice);

        await Http.AskAsync("/token-basic/", "Token " + token).ShouldBeAsync(200, """{"user":"alice","scheme":"TokenAuthentication","auth":"AuthToken"}""");
        await Http.AskAsync("/token-basic/", Basic("bob")).ShouldBeAsync(200, """{"user":"bob","scheme":"BasicAuthentication","auth":null}""");
    }

    [Fact]
    public async Task A_session_that_comes_first_wins_over_a_header()
    {
        await Users.CreateAsync("alice");
        var bob = await Users.CreateAsync("bob");
        var token = await Users.TokenAsync(bob);
        var browser = await NewBrowser().LogInAsync("alice");

        var first = await browser.SendAsync(HttpMethod.Get, "/session-token/", null, false, ("Authorization", "Token " + token));
        var last = await browser.SendAsync(HttpMethod.Get, "/basic-session/", null, false, ("Authorization", Basic("bob")));

        await first.ShouldBeAsync(200, """{"user":"alice","scheme":"SessionAuthentication","auth":null}""");
        await last.ShouldBeAsync(200, """{"user":"bob","scheme":"BasicAuthentication","auth":null}""");
    }

    [Fact]
    public async Task A_failure_ends_the_walk_even_where_a_later_scheme_would_succeed_or_anyone_is_allowed()
    {
        await Users.CreateAsync("alice");
        var browser = await NewBrowser().LogInAsync("alice");

        var response = await browser.SendAsync(HttpMethod.Get, "/basic-session/", null, false, ("Authorization", Basic("alice", "wrong-password")));

        await response.ShouldBeAsync(401, """{"detail":"Invalid username/password."}""");
        await Http.AskAsync("/open/").ShouldBeAsync(200, """{"user":null,"scheme":null,"auth":null}""");
        await Http.AskAsync("/open/", "Token 0123456789abcdef").ShouldBeAsync(401, """{"detail":"Invalid token."}""");
    }

    [Theory]
    [InlineData("/token-basic/", 401, "Token")]
    [InlineData("/basic-session/", 401, "Basic realm=\"api\"")]
    [InlineData("/session-token/", 403, null)]
    [InlineData("/nobody-closed/", 403, null)]
    public async Task The_first_scheme_of_the_list_decides_between_401_and_403(string path, int status, string? challenge)
    {
        var response = await Http.AskAsync(path);

        await response.ShouldBeAsync(status, path == "/nobody-closed/"
            ? """{"detail":"You do not have permission to perform this action."}"""
            : """{"detail":"Authentication credentials were not provided."}""");
        Assert.Equal(challenge, response.Header("WWW-Authenticate"));
    }

    [Fact]
    public async Task The_challenge_is_the_first_schemes_whichever_failed()
    {
        await Users.CreateAsync("alice");

        var basicFailed = await Http.AskAsync("/token-basic/", Basic("alice", "wrong-password"));
        var basicFailedBehindSession = await Http.AskAsync("/session-basic/", Basic("alice", "wrong-password"));

        await basicFailed.ShouldBeAsync(401, """{"detail":"Invalid username/password."}""");
        Assert.Equal("Token", basicFailed.Header("WWW-Authenticate"));
        await basicFailedBehindSession.ShouldBeAsync(403, """{"detail":"Invalid username/password."}""");
        Assert.Null(basicFailedBehindSession.Header("WWW-Authenticate"));
    }

    [Fact]
    public async Task Schemes_come_from_the_endpoint_else_its_group_else_the_settings()
    {
        var alice = await Users.CreateAsync("alice");
        var token = "Token " + await Users.TokenAsync(alice);

        await Http.AskAsync("/default/", Basic("alice")).ShouldBeAsync(200);
        await Http.AskAsync("/default/", token).ShouldBeAsync(401);
        await Http.AskAsync("/group/inherits/", token).ShouldBeAsync(200);
        await Http.AskAsync("/group/inherits/", Basic("alice")).ShouldBeAsync(401);
        await Http.AskAsync("/group/own/", Basic("alice")).ShouldBeAsync(200);
        await Http.AskAsync("/group/own/", token).ShouldBeAsync(401);
    }

    [Fact]
    public async Task Where_nobody_is_asked_credentials_are_not_looked_at()
    {
        await Http.AskAsync("/nobody/", "Token 0123456789abcdef").ShouldBeAsync(200, """{"user":null,"scheme":null,"auth":null}""");
        await Http.AskAsync("/nobody/", Basic("nobody", "wrong-password")).ShouldBeAsync(200);
    }

    [Fact]
    public async Task A_subclass_gives_tokens_another_keyword()
    {
        var alice = await Users.CreateAsync("alice");
        var token = await Users.TokenAsync(alice);

        await Http.AskAsync("/bearer/", "Bearer " + token).ShouldBeAsync(200, """{"user":"alice","scheme":"BearerToken","auth":"AuthToken"}""");
        var response = await Http.AskAsync("/bearer/", "Token " + token);

        await response.ShouldBeAsync(401, """{"detail":"Authentication credentials were not provided."}""");
        Assert.Equal("Bearer", response.Header("WWW-Authenticate"));
    }

    [Fact]
    public async Task A_scheme_of_ones_own_is_one_class()
    {
        await Users.CreateAsync("alice");

        await Http.AskAsync("/door/", "Door open-sesame").ShouldBeAsync(200, """{"user":"alice","scheme":"DoorCode","auth":"String"}""");
        await Http.AskAsync("/door/", "Door knock").ShouldBeAsync(401, """{"detail":"No such door code."}""");
        await Http.AskAsync("/door/", "Door barred").ShouldBeAsync(403, """{"detail":"Not through this door."}""");
        await Http.AskAsync("/door/", Basic("alice")).ShouldBeAsync(200);
        // A client that acts for itself is no user, and yet no anonymous visitor.
        await Http.AskAsync("/machine/", "Door machine").ShouldBeAsync(200, """{"user":null,"scheme":"DoorCode","auth":"String"}""");
        await Http.AskAsync("/door/", "Door machine").ShouldBeAsync(403, """{"detail":"You do not have permission to perform this action."}""");
    }

    [Fact]
    public async Task Settings_may_name_a_scheme_of_ones_own()
    {
        await Users.CreateAsync("alice");
        var server = await StartServerAsync(options => options.RestFramework.DefaultAuthenticationClasses = ["project.auth.DoorCode"]);

        await server.Http.AskAsync("/default/", "Door open-sesame").ShouldBeAsync(200);
    }

    [Fact]
    public async Task Settings_that_name_an_unknown_scheme_stop_the_start()
    {
        var error = await Assert.ThrowsAsync<SettingException>(
            () => StartServerAsync(options => options.RestFramework.DefaultAuthenticationClasses = ["project.auth.Nonsense"]));

        Assert.Contains("DEFAULT_AUTHENTICATION_CLASSES names 'project.auth.Nonsense'", error.Message, StringComparison.Ordinal);
        Assert.Contains("TokenAuthentication", error.Message, StringComparison.Ordinal);
    }

    private sealed class BearerToken(TokenStore tokens) : TokenAuthentication(tokens, "Bearer");

    private sealed class DoorCode(Gatehouse.Users.UserAccounts accounts) : HeaderAuthentication("Door")
    {
        protected override async ValueTask<Outcome> AuthenticateAsync(HttpContext http, string value) => value switch
        {
            "open-sesame" => Outcome.Succeed(await accounts.FindAsync("alice", http.RequestAborted), auth: value),
            "machine" => Outcome.Succeed(null, auth: value),
            "barred" => Outcome.Deny("Not through this door."),
            _ => Outcome.Fail("No such door code."),
        };
    }
}
