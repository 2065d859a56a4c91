using System.Net.Http.Headers;
using Gatehouse.Database;
using Gatehouse.Statistics;
using Gatehouse.Tests.Admin;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Gatehouse.Tests.Statistics;

/// <summary>What servers count for the start page of the admin site, and what it shows of that.</summary>
public sealed class CountersTests : AdminTest
{
    private Task<HttpResponseMessage> SendAsync(string path, TestServer? server = null, AuthenticationHeaderValue? authorization = null, params (string, string)[] form)
    {
        var request = new HttpRequestMessage(form.Length > 0 ? HttpMethod.Post : HttpMethod.Get, path);
        if (form.Length > 0) request.Content = new FormUrlEncodedContent(form.Select(one => KeyValuePair.Create(one.Item1, one.Item2)));
        request.Headers.Authorization = authorization;
        return (server ?? Server).Http.SendAsync(request, Ct);
    }

    private Task<HttpResponseMessage> LogInAsync(string username, string password, TestServer? server = null) =>
        SendAsync("/api/token/", server, null, ("username", username), ("password", password));

    [Fact]
    public async Task The_start_page_counts_logins_failures_tokens_and_refusals()
    {
        var root = await RootAsync();
        await Users.CreateAsync("ada");
        await LogInAsync("ada", TestUsers.PasswordOf("ada"));
        await LogInAsync("ada", "wrong");
        await SendAsync("/api-token-auth/", form: [("username", "ada"), ("password", TestUsers.PasswordOf("ada"))]);
        // The same token again is no new one.
        await SendAsync("/api-token-auth/", form: [("username", "ada"), ("password", TestUsers.PasswordOf("ada"))]);
        await SendAsync("/api/accounts/profile/");
        await SendAsync("/o/token/", form: [("grant_type", "nonsense")]);
        // Each request by Basic has a password: only the wrong ones are failures.
        foreach (var password in new[] { TestUsers.PasswordOf("ada"), "wrong" })
            await SendAsync("/api/accounts/profile/", authorization: new("Basic", Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes($"ada:{password}"))));

        var html = await HtmlAsync(root, "/admin/");

        Assert.Contains("Logins over the last hour: Logins 4, Failures 2. At most 6 in a minute.", html, StringComparison.Ordinal);
        Assert.Contains("Tokens issued over the last hour: OAuth access tokens 0, JSON Web Tokens 1, API tokens 1, ID tokens 0.", html, StringComparison.Ordinal);
        Assert.Contains("Requests refused over the last hour: Credentials missing or wrong (401) 3, Not permitted (403) 0, Too many (429) 0, Not understood (400, 413, 415) 1,", html, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Counts_are_those_of_all_servers_and_a_stop_loses_none()
    {
        var root = await RootAsync();
        var other = await StartServerAsync();
        await LogInAsync("nobody", "wrong");
        await LogInAsync("nobody", "wrong", other);
        Assert.Empty(Database.Rows("SELECT name FROM gatehouse_counter"));

        await other.StopAsync();

        Assert.Equal(["LoginFailure|1", "Unauthenticated|1"], Database.Rows("SELECT name, count FROM gatehouse_counter WHERE seconds = 60 ORDER BY name"));
        Assert.Contains("Failures 2.", await HtmlAsync(root, "/admin/"), StringComparison.Ordinal);
        // Those that one server writes at once are one row with those of another.
        Assert.Equal(["LoginFailure|60|2", "LoginFailure|900|2", "LoginFailure|7200|2"], Database.Rows("SELECT name, seconds, count FROM gatehouse_counter WHERE name = 'LoginFailure' ORDER BY seconds"));
    }

    [Fact]
    public async Task An_hour_later_the_hour_is_empty_and_the_day_has_it()
    {
        var root = await RootAsync();
        await LogInAsync("nobody", "wrong");
        await Server.Get<Counters>().FlushAsync(Ct);
        Clock.Advance(TimeSpan.FromMinutes(60));

        Assert.Contains("Failures 0.", await HtmlAsync(root, "/admin/?last=hour"), StringComparison.Ordinal);
        Assert.Contains("Failures 1. At most 2 in a quarter of an hour.", await HtmlAsync(root, "/admin/?last=day"), StringComparison.Ordinal);
        Assert.Contains("Failures 1. At most 2 in two hours.", await HtmlAsync(root, "/admin/?last=week"), StringComparison.Ordinal);
        // What nobody knows is the hour.
        Assert.Contains("over the last hour", await HtmlAsync(root, "/admin/?last=%3Cscript%3E"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Buckets_that_no_plot_shows_are_swept_away()
    {
        var sweep = async () => await Server.Get<Sweeper>().RunAsync([Server.Get<Counters>()], null, Ct);
        await LogInAsync("nobody", "wrong");
        await Server.Get<Counters>().FlushAsync(Ct);

        Clock.Advance(TimeSpan.FromMinutes(62));
        Assert.Equal(2, await sweep());
        Assert.Equal(["900", "7200"], Database.Rows("SELECT DISTINCT seconds FROM gatehouse_counter ORDER BY seconds"));
        Clock.Advance(TimeSpan.FromDays(7) + TimeSpan.FromHours(4));
        Assert.Equal(4, await sweep());
        Assert.Empty(Database.Rows("SELECT name FROM gatehouse_counter"));
    }

    [Fact]
    public async Task Sessions_are_counted_once_a_minute_whoever_does_it()
    {
        var root = await RootAsync();
        var (counters, other) = (Server.Get<Counters>(), new Counters(Server.Get<Db>(), Clock));
        await counters.SampleAsync(Ct);
        await NewBrowser().LogInAsync("root");
        await other.SampleAsync(Ct);
        Assert.Equal(["60|1", "900|1", "7200|1"], Database.Rows("SELECT seconds, count FROM gatehouse_counter WHERE name = 'Sessions' ORDER BY seconds"));

        Clock.Advance(TimeSpan.FromMinutes(1));
        await other.SampleAsync(Ct);

        Assert.Contains("Active sessions over the last hour: now 2, at most 2.", await HtmlAsync(root, "/admin/"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Many_servers_may_count_at_once()
    {
        var all = Enumerable.Range(0, 8).Select(_ => new Counters(Server.Get<Db>(), Clock)).ToList();

        await Task.WhenAll(all.Select(async counters =>
        {
            for (var i = 0; i < 20; i++)
            {
                foreach (var what in Enum.GetValues<Counted>()) counters.Count(what);
                await counters.FlushAsync(Ct);
            }
        }));

        Assert.Equal(["160"], Database.Rows("SELECT DISTINCT count FROM gatehouse_counter"));
    }

    [Fact]
    public async Task The_start_page_says_how_the_server_is()
    {
        var root = await RootAsync();
        var swept = await StartServerAsync(options => options.Sweeper.Enabled = null);
        Database.Execute($"INSERT INTO gatehouse_lease (name, holder, expires) VALUES ('sweeper', '', {(Clock.Now.AddMinutes(-2) - DateTimeOffset.UnixEpoch).Ticks / 10})");
        var there = await NewBrowser(swept).LogInAsync("root");

        var html = await HtmlAsync(root, "/admin/");
        Assert.Contains(TestDatabaseKind + ", ", html, StringComparison.Ordinal);
        Assert.Contains(" MB, up to date", html, StringComparison.Ordinal);
        Assert.Contains("off here (Sweeper:Enabled)", html, StringComparison.Ordinal);
        Assert.Contains("(security.W012) SESSION_COOKIE_SECURE is not true", html, StringComparison.Ordinal);
        Assert.Contains("on, next turn at 2026-07-01 11:58", await HtmlAsync(there, "/admin/"), StringComparison.Ordinal);

        // Nobody has swept when somebody should have.
        Clock.Advance(TimeSpan.FromMinutes(5));
        Assert.Contains("Look:</strong> its turn was at 2026-07-01 11:58", await HtmlAsync(there, "/admin/"), StringComparison.Ordinal);
    }

    private static string TestDatabaseKind => Tests.Database.TestDatabase.IsPostgres ? "PostgreSQL" : "SQLite";

    [Fact]
    public async Task Staff_who_are_no_superusers_see_nothing_of_it()
    {
        var html = await HtmlAsync(await StaffAsync("editor", "view_user"), "/admin/");

        Assert.Contains("/admin/auth/user/", html, StringComparison.Ordinal);
        Assert.DoesNotContain("<svg", html, StringComparison.Ordinal);
        Assert.DoesNotContain("check --deploy", html, StringComparison.Ordinal);
    }
}
