using System.Net.Http.Json;
using Gatehouse.Jwt;
using Xunit;

namespace Gatehouse.Tests.Jwt;

/// <summary>The refresh token in a cookie, for browser applications that keep none.</summary>
public sealed class RefreshCookieTests : JwtTest
{
    protected override Task StartAsync() => Task.CompletedTask;

    private static string OriginOf(TestServer server) => server.Address.ToString().TrimEnd('/');

    private Task<TestServer> StartAsync(Action<GatehouseOptions>? configure = null) => StartServerAsync(options =>
    {
        options.Jwt.RefreshCookie.Enabled = true;
        options.Jwt.RotateRefreshTokens = options.Jwt.BlacklistAfterRotation = true;
        configure?.Invoke(options);
    });

    private static Task<HttpResponseMessage> SendAsync(TestServer server, string path, string? cookie, string? from) => server.Http.AskAsync(
        path, "POST", JsonContent.Create(new { username = "alice", password = TestUsers.PasswordOf("alice") }),
        [.. cookie is null ? [] : new[] { ("Cookie", cookie) }, .. from is null ? [] : new[] { ("Origin", from) }]);

    [Fact]
    public async Task No_script_sees_the_refresh_token_and_no_other_site_can_use_it()
    {
        var server = await StartAsync();
        await Users.CreateAsync("alice");
        var origin = OriginOf(server);

        var answer = await SendAsync(server, "/api/token/", null, origin);
        await answer.ShouldBeAsync(200);
        Assert.Equal(["access"], (await answer.JsonAsync()).AsObject().Select(member => member.Key));
        Assert.Equal("no-store", answer.Header("Cache-Control"));
        var set = answer.SetCookie("__Secure-refresh")!;
        Assert.Contains("; HttpOnly; Max-Age=86399; Path=/api/token/; SameSite=Strict; Secure", set, StringComparison.Ordinal);
        Assert.DoesNotContain("Domain", set, StringComparison.OrdinalIgnoreCase);
        var cookie = set.Split(';')[0];

        foreach (var path in new[] { "/api/token/", "/api/token/refresh/", "/api/token/blacklist/" })
            foreach (var from in new[] { null, "null", "https://evil.example", origin + ".evil.example", origin.Replace("http:", "https:", StringComparison.Ordinal), origin + "/", $"{origin}, {origin}" })
            {
                var refused = await SendAsync(server, path, cookie, from);
                await refused.ShouldBeAsync(403);
                Assert.Empty(refused.SetCookies());
            }

        var refreshed = await SendAsync(server, "/api/token/refresh/", cookie, origin);
        Assert.Equal(["access"], (await refreshed.JsonAsync()).AsObject().Select(member => member.Key));
        Assert.Equal("no-store", refreshed.Header("Cache-Control"));
        var next = refreshed.SetCookie("__Secure-refresh")!.Split(';')[0];
        Assert.NotEqual(cookie, next);
        // Another tab, a moment too late: what it is told must not take away the cookie that the first one was given.
        var late = await SendAsync(server, "/api/token/refresh/", cookie, origin);
        await late.ShouldBeAsync(401, Blacklisted);
        Assert.Empty(late.SetCookies());

        var gone = await SendAsync(server, "/api/token/blacklist/", next, origin);
        await gone.ShouldBeAsync(200, "{}");
        Assert.Contains("__Secure-refresh=\"\"; expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/api/token/; SameSite=Strict; Secure", gone.SetCookie("__Secure-refresh")!, StringComparison.Ordinal);
        await SendAsync(server, "/api/token/refresh/", next, origin).ShouldBeAsync(401, Blacklisted);
    }

    [Fact]
    public async Task Trusted_origins_are_those_of_CSRF_with_their_subdomains()
    {
        var server = await StartAsync(options => options.Csrf.TrustedOrigins = ["https://app.example.com", "https://*.shop.example"]);
        await Users.CreateAsync("alice");

        foreach (var from in new[] { "https://app.example.com", "https://a.shop.example", "https://a.b.shop.example" })
            await SendAsync(server, "/api/token/", null, from).ShouldBeAsync(200);
        foreach (var from in new[] { "http://app.example.com", "https://evil-shop.example", "https://shop.example.evil", "https://app.example.com:8443" })
            await SendAsync(server, "/api/token/", null, from).ShouldBeAsync(403);
    }

    [Fact]
    public async Task A_client_whose_answer_was_lost_gets_the_same_cookie_again()
    {
        var server = await StartAsync(options => options.Jwt.RefreshRetryWindow = TimeSpan.FromSeconds(10));
        await Users.CreateAsync("alice");
        var origin = OriginOf(server);
        var cookie = (await SendAsync(server, "/api/token/", null, origin)).SetCookie("__Secure-refresh")!.Split(';')[0];

        var first = (await SendAsync(server, "/api/token/refresh/", cookie, origin)).SetCookie("__Secure-refresh")!.Split(';')[0];
        Clock.Advance(TimeSpan.FromSeconds(5));
        var again = (await SendAsync(server, "/api/token/refresh/", cookie, origin)).SetCookie("__Secure-refresh")!;

        Assert.Equal(first, again.Split(';')[0]);
        Assert.Contains("Max-Age=86394", again, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_the_mode_there_is_no_cookie_and_none_is_read()
    {
        var server = await StartServerAsync();
        await Users.CreateAsync("alice");
        var answer = await SendAsync(server, "/api/token/", null, "https://evil.example");
        await answer.ShouldBeAsync(200);
        Assert.Empty(answer.SetCookies());

        await SendAsync(server, "/api/token/refresh/", $"__Secure-refresh={(await PairAsync(answer)).Refresh}", OriginOf(server))
            .ShouldBeAsync(400, """{"refresh":["This field is required."]}""");
    }

    [Fact]
    public async Task A_cookie_that_could_not_be_kept_stops_the_start()
    {
        async Task RefusedAsync(string setting, Action<RefreshCookieOptions> configure) => Assert.StartsWith(
            $"SIMPLE_JWT: RefreshCookie: {setting}", (await Assert.ThrowsAsync<SettingException>(() => StartAsync(options => configure(options.Jwt.RefreshCookie)))).Message, StringComparison.Ordinal);

        await RefusedAsync("SameSite", cookie => cookie.SameSite = "Laxly");
        await RefusedAsync("Secure", cookie => cookie.Secure = false);
        await RefusedAsync("Secure", cookie => (cookie.Name, cookie.Secure, cookie.SameSite) = ("refresh", false, "None"));
        await RefusedAsync("Name", cookie => cookie.Name = "__Host-refresh");
        await RefusedAsync("Name", cookie => cookie.Name = "two words");
        var server = await StartAsync(options => (options.Jwt.RefreshCookie.Name, options.Jwt.RefreshCookie.Secure, options.Jwt.RefreshCookie.SameSite) = ("refresh", false, "Lax"));
        await Users.CreateAsync("alice");
        Assert.EndsWith("; HttpOnly; Max-Age=86399; Path=/api/token/; SameSite=Lax", (await SendAsync(server, "/api/token/", null, OriginOf(server))).SetCookie("refresh")!, StringComparison.Ordinal);
    }
}
