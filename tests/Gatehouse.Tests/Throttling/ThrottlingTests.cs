using System.Net;
using Gatehouse.Authentication;
using Gatehouse.Http;
using Gatehouse.Permissions;
using Gatehouse.Throttling;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Xunit;
using static Gatehouse.Tests.Answers;

namespace Gatehouse.Tests.Throttling;

public sealed class ThrottlingTests : GatehouseTest
{
    protected override void Configure(GatehouseOptions options)
    {
        options.RestFramework.DefaultThrottleRates = new Dictionary<string, string?>
        {
            ["anon"] = "3/min",
            ["user"] = "10/min",
            ["uploads"] = "2/day",
            ["free"] = null,
        };
    }

    protected override void Map(WebApplication app)
    {
        var open = app.MapGroup("").WithSchemes(typeof(BasicAuthentication)).RequirePermission(new AllowAny());
        open.MapWho("/anon/").Throttle(new AnonRateThrottle());
        open.MapWho("/user/").Throttle(new UserRateThrottle());
        open.MapWho("/upload/").Throttle(new ScopedRateThrottle()).ThrottleScope("uploads");
        open.MapWho("/upload-too/").Throttle(new ScopedRateThrottle()).ThrottleScope("uploads");
        open.MapWho("/free/").Throttle(new ScopedRateThrottle()).ThrottleScope("free");
        open.MapWho("/unscoped/").Throttle(new ScopedRateThrottle());
        open.MapWho("/second/").Throttle(new AnonRateThrottle("1/second"));
        open.MapWho("/hour/").Throttle(new AnonRateThrottle("2/hour"));
        open.MapWho("/both/").Throttle(new AnonRateThrottle("5/min"), new UserRateThrottle("2/day"));
        open.MapWho("/zero/").Throttle(new AnonRateThrottle("0/min"));
        open.MapWho("/agent/").Throttle(new ByAgent());
        app.MapWho("/guarded/").WithSchemes(typeof(BasicAuthentication)).RequirePermission(new IsAuthenticated()).Throttle(new AnonRateThrottle());
    }

    [Fact]
    public async Task The_request_too_many_is_told_when_to_come_back_and_may_then()
    {
        await TimesAsync(3, "/anon/", 200);
        Clock.Advance(TimeSpan.FromSeconds(10.4));

        var response = await Http.AskAsync("/anon/");

        await response.ShouldBeAsync(429, """{"detail":"Request was throttled. Expected available in 50 seconds."}""");
        Assert.Equal("50", response.Header("Retry-After"));
        Clock.Advance(TimeSpan.FromSeconds(49.5));
        await Http.AskAsync("/anon/").ShouldBeAsync(429, """{"detail":"Request was throttled. Expected available in 1 second."}""");
        Clock.Advance(TimeSpan.FromSeconds(0.2));
        await Http.AskAsync("/anon/").ShouldBeAsync(200);
    }

    [Theory]
    [InlineData("/second/", 1, 1)]
    [InlineData("/hour/", 2, 3600)]
    public async Task Each_period_has_its_length(string path, int allowed, int seconds)
    {
        await TimesAsync(allowed, path, 200);
        await TimesAsync(1, path, 429);
        Clock.Advance(TimeSpan.FromSeconds(seconds));
        await TimesAsync(allowed, path, 200);
        await TimesAsync(1, path, 429);
    }

    [Fact]
    public async Task A_refused_request_is_not_counted()
    {
        await TimesAsync(3, "/anon/", 200);
        Clock.Advance(TimeSpan.FromSeconds(30));
        await TimesAsync(20, "/anon/", 429);
        Clock.Advance(TimeSpan.FromSeconds(31));

        await TimesAsync(3, "/anon/", 200);
    }

    [Fact]
    public async Task The_window_slides()
    {
        await TimesAsync(2, "/anon/", 200);
        Clock.Advance(TimeSpan.FromSeconds(40));
        await TimesAsync(1, "/anon/", 200);
        Clock.Advance(TimeSpan.FromSeconds(21));

        await TimesAsync(2, "/anon/", 200);
        await TimesAsync(1, "/anon/", 429);
    }

    [Fact]
    public async Task Of_64_callers_at_once_exactly_as_many_pass_as_the_rate_allows()
    {
        await Users.CreateAsync("alice");
        await Http.AskAsync("/anon/", Basic("alice")).ShouldBeAsync(200);

        var answers = await Task.WhenAll(Enumerable.Range(0, 64).Select(_ => Http.AskAsync("/user/", Basic("alice"))));

        Assert.Equal(10, answers.Count(answer => answer.StatusCode == HttpStatusCode.OK));
        Assert.Equal(54, answers.Count(answer => answer.StatusCode == HttpStatusCode.TooManyRequests));
    }

    [Fact]
    public async Task Two_servers_on_one_database_count_together()
    {
        var other = await StartServerAsync();
        await Users.CreateAsync("alice");

        var answers = await Task.WhenAll(Enumerable.Range(0, 40).Select(i => (i % 2 == 0 ? Http : other.Http).AskAsync("/user/", Basic("alice"))));

        Assert.Equal(10, answers.Count(answer => answer.StatusCode == HttpStatusCode.OK));
    }

    [Fact]
    public async Task Counts_survive_a_restart()
    {
        await TimesAsync(3, "/anon/", 200);
        await Server.StopAsync();
        var again = await StartServerAsync();

        await again.Http.AskAsync("/anon/").ShouldBeAsync(429);
    }

    [Fact]
    public async Task Users_count_apart_and_anonymous_visitors_by_address()
    {
        await Users.CreateAsync("alice");
        await Users.CreateAsync("bob");
        for (var i = 0; i < 10; i++) await Http.AskAsync("/user/", Basic("alice")).ShouldBeAsync(200);

        await Http.AskAsync("/user/", Basic("alice")).ShouldBeAsync(429);
        await Http.AskAsync("/user/", Basic("bob")).ShouldBeAsync(200);
        await Http.AskAsync("/user/").ShouldBeAsync(200);
        for (var i = 0; i < 5; i++) await Http.AskAsync("/anon/", Basic("alice")).ShouldBeAsync(200);
    }

    [Fact]
    public async Task A_scope_is_one_count_for_all_its_endpoints()
    {
        await TimesAsync(1, "/upload/", 200);
        await TimesAsync(1, "/upload-too/", 200);
        await TimesAsync(1, "/upload/", 429);
        await TimesAsync(5, "/unscoped/", 200);
        await TimesAsync(5, "/free/", 200);
    }

    [Fact]
    public async Task Of_several_throttles_the_longest_wait_is_told()
    {
        await TimesAsync(2, "/both/", 200);

        var response = await Http.AskAsync("/both/");

        Assert.Equal("86400", response.Header("Retry-After"));
    }

    [Fact]
    public async Task A_rate_of_nothing_lets_nobody_in()
    {
        var response = await Http.AskAsync("/zero/");

        await response.ShouldBeAsync(429);
    }

    [Fact]
    public async Task Who_is_refused_before_is_not_counted()
    {
        for (var i = 0; i < 5; i++) await Http.AskAsync("/guarded/").ShouldBeAsync(401);
        await TimesAsync(3, "/anon/", 200);
    }

    [Fact]
    public async Task A_throttle_of_ones_own_is_one_class()
    {
        await Http.AskAsync("/agent/", "GET", null, ("User-Agent", "one")).ShouldBeAsync(200);
        await Http.AskAsync("/agent/", "GET", null, ("User-Agent", "one")).ShouldBeAsync(429);
        await Http.AskAsync("/agent/", "GET", null, ("User-Agent", "two")).ShouldBeAsync(200);
        for (var i = 0; i < 3; i++) await Http.AskAsync("/agent/").ShouldBeAsync(200);
    }

    [Theory]
    [InlineData("X-Forwarded-For")]
    [InlineData("X-Real-IP")]
    [InlineData("Forwarded")]
    [InlineData("True-Client-IP")]
    public async Task A_spoofed_address_does_not_give_a_fresh_count(string header)
    {
        for (var i = 0; i < 3; i++) await Http.AskAsync("/anon/", "GET", null, (header, $"203.0.113.{i}")).ShouldBeAsync(200);

        await Http.AskAsync("/anon/", "GET", null, (header, "203.0.113.99")).ShouldBeAsync(429);
    }

    [Fact]
    public async Task Under_the_profile_Django_the_header_is_believed_as_DRF_does()
    {
        var faithful = await StartServerAsync(options => options.Profile = Profile.Django);

        for (var i = 0; i < 9; i++) await faithful.Http.AskAsync("/anon/", "GET", null, ("X-Forwarded-For", $"203.0.113.{i}")).ShouldBeAsync(200);
    }

    [Fact]
    public async Task With_proxies_named_the_address_that_the_outermost_of_them_saw_counts()
    {
        var proxied = await StartServerAsync(options => options.RestFramework.NumProxies = 2);
        Task<HttpResponseMessage> From(string forwarded) => proxied.Http.AskAsync("/anon/", "GET", null, ("X-Forwarded-For", forwarded));

        // Whatever a client puts in front, the proxies' own two entries are the last.
        for (var i = 0; i < 3; i++) await From($"6.6.6.{i}, 198.51.100.7, 10.0.0.1").ShouldBeAsync(200);

        await From("6.6.6.9, 198.51.100.7, 10.0.0.1").ShouldBeAsync(429);
        await From("198.51.100.7, 10.0.0.1").ShouldBeAsync(429);
        await From("198.51.100.8, 10.0.0.1").ShouldBeAsync(200);
    }

    [Fact]
    public async Task With_no_proxies_named_zero_the_connection_counts()
    {
        var direct = await StartServerAsync(options => { options.Profile = Profile.Django; options.RestFramework.NumProxies = 0; });

        for (var i = 0; i < 3; i++) await direct.Http.AskAsync("/anon/", "GET", null, ("X-Forwarded-For", $"203.0.113.{i}")).ShouldBeAsync(200);
        await direct.Http.AskAsync("/anon/", "GET", null, ("X-Forwarded-For", "203.0.113.9")).ShouldBeAsync(429);
    }

    [Theory]
    [InlineData("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true)]
    [InlineData("2001:db8:1:2::1", "2001:db8:1:3::1", false)]
    [InlineData("::ffff:192.0.2.1", "192.0.2.1", true)]
    [InlineData("192.0.2.1", "192.0.2.2", false)]
    public void One_64_of_IPv6_is_one_address(string one, string other, bool same)
    {
        string Ident(string address) =>
            ClientAddress.Of(new DefaultHttpContext { Connection = { RemoteIpAddress = IPAddress.Parse(address) } }, new GatehouseOptions());

        Assert.Equal(same, Ident(one) == Ident(other));
    }

    [Theory]
    [InlineData("100/fortnight")]
    [InlineData("many/day")]
    [InlineData("-1/day")]
    [InlineData("100")]
    [InlineData("100/")]
    public async Task A_rate_that_is_none_stops_the_start(string rate)
    {
        var error = await Assert.ThrowsAsync<SettingException>(() => StartServerAsync(options => options.RestFramework.DefaultThrottleRates["anon"] = rate));

        Assert.Contains($"DEFAULT_THROTTLE_RATES['anon']: '{rate}' is no rate", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_rate_that_is_missing_stops_the_start()
    {
        var error = await Assert.ThrowsAsync<SettingException>(() => StartServerAsync(options => options.RestFramework.DefaultThrottleRates.Remove("uploads")));

        Assert.Contains("No default throttle rate set for 'uploads' scope", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Rows_of_periods_that_are_over_are_swept()
    {
        var store = Server.Get<ThrottleStore>();
        for (var i = 0; i < 300; i++) await store.CountAsync($"throttle_anon_{i}", new Rate(1, TimeSpan.FromSeconds(1)), Ct);
        Clock.Advance(TimeSpan.FromHours(1));

        for (var i = 0; i < 256; i++) await store.CountAsync("throttle_anon_new", new Rate(1, TimeSpan.FromDays(1)), Ct);

        Assert.Equal(["1"], Database.Rows("SELECT COUNT(*) || '' FROM gatehouse_throttle"));
    }

    private async Task TimesAsync(int times, string path, int status)
    {
        for (var i = 0; i < times; i++) await Http.AskAsync(path).ShouldBeAsync(status);
    }

    private sealed class ByAgent() : SimpleRateThrottle("agent", "1/min")
    {
        protected override string? IdentOf(HttpContext http) => http.Request.Headers.UserAgent is { Count: > 0 } agent ? agent.ToString() : null;
    }
}
