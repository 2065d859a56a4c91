using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Json;
using Npgsql;
using Xunit;

namespace Gatehouse.Tests.Database;

/// <summary>A PostgreSQL server that crashes, hangs or has no connection left: 503, readiness false, and back by itself with nothing lost.</summary>
public sealed class PostgresOutageTests : IDisposable
{
    private static readonly (string, string)[] Cheap = [("Gatehouse__PasswordHashers__0", "md5"), ("Gatehouse__AuthToken__CreateForNewUsers", "true")];
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(60);

    private readonly TempFolder folder = new();
    private readonly PostgresCluster cluster;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public PostgresOutageTests()
    {
        PostgresCluster.Require();
        cluster = PostgresCluster.Private();
        cluster.Execute("CREATE DATABASE app");
    }

    public void Dispose()
    {
        cluster.End();
        folder.Dispose();
    }

    [Fact]
    public async Task A_crash_loses_no_acknowledged_write_and_the_server_goes_on_by_itself()
    {
        await using var gatehouse = Serve("");
        using var http = new HttpClient { BaseAddress = await gatehouse.AddressAsync() };
        var acknowledged = new ConcurrentBag<string>();
        var statuses = new ConcurrentDictionary<HttpStatusCode, int>();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var callers = Enumerable.Range(0, 8).Select(async caller =>
        {
            for (var i = 0; !stop.IsCancellationRequested; i++)
            {
                var username = $"user-{caller}-{i}";
                using var response = await http.PostAsJsonAsync("/api/accounts/register/", new { username, password = "violet-Kettle-42" }, Ct);
                statuses.AddOrUpdate(response.StatusCode, 1, (_, n) => n + 1);
                if (response.StatusCode == HttpStatusCode.Created) acknowledged.Add(username);
                else Assert.NotNull(response.Headers.RetryAfter);
            }
        }).ToList();

        for (var round = 1; round <= 2; round++)
        {
            var before = acknowledged.Count;
            await Wait.UntilAsync(() => acknowledged.Count >= before + 40, "40 registrations");
            cluster.Crash();
            await Wait.UntilAsync(async () => (await http.GetAsync("/health/ready", Ct)).StatusCode == HttpStatusCode.ServiceUnavailable, "unreadiness");
            Assert.Equal(HttpStatusCode.OK, (await http.GetAsync("/health/live", Ct)).StatusCode);
            cluster.StartAgain();
            await Wait.UntilAsync(async () => (await http.GetAsync("/health/ready", Ct)).StatusCode == HttpStatusCode.OK, "recovery");
        }
        await stop.CancelAsync();
        await Task.WhenAll(callers);

        Assert.Equal([HttpStatusCode.Created, HttpStatusCode.ServiceUnavailable], statuses.Keys.Order());
        Assert.Empty(acknowledged.Except(Rows("SELECT username FROM auth_user")));
        Assert.Equal(["0"], Rows("SELECT count(*)::text FROM auth_user u WHERE NOT EXISTS (SELECT 1 FROM authtoken_token t WHERE t.user_id = u.id)"));
        Assert.DoesNotContain(PostgresCluster.Password, gatehouse.Output + gatehouse.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_that_hangs_hangs_nobody_for_ever()
    {
        await using var gatehouse = Serve("?connect_timeout=2&Command%20Timeout=2");
        using var http = new HttpClient { BaseAddress = await gatehouse.AddressAsync(), Timeout = Long };
        var token = await RegisterAsync(http);
        await ProfileAsync(http, token, HttpStatusCode.OK);

        cluster.Signal("STOP");
        try
        {
            var answers = await Task.WhenAll(Enumerable.Range(0, 64).Select(_ => SendAsync(http, token)));
            Assert.All(answers, status => Assert.Equal(HttpStatusCode.ServiceUnavailable, status));
            Assert.Equal(HttpStatusCode.ServiceUnavailable, (await http.GetAsync("/health/ready", Ct)).StatusCode);
        }
        finally
        {
            cluster.Signal("CONT");
        }

        await Wait.UntilAsync(async () => (await http.GetAsync("/health/ready", Ct)).StatusCode == HttpStatusCode.OK, "recovery");
        await ProfileAsync(http, token, HttpStatusCode.OK);
    }

    [Fact]
    public async Task Connections_are_limited_and_who_gets_none_is_told_so()
    {
        await using var gatehouse = Serve("?Maximum%20Pool%20Size=3&connect_timeout=1&Command%20Timeout=5");
        using var http = new HttpClient { BaseAddress = await gatehouse.AddressAsync(), Timeout = Long };
        var token = await RegisterAsync(http);

        await using (var other = new NpgsqlConnection(cluster.Npgsql("app")))
        {
            await other.OpenAsync(Ct);
            await using var transaction = await other.BeginTransactionAsync(Ct);
            await using var command = new NpgsqlCommand("LOCK TABLE authtoken_token IN ACCESS EXCLUSIVE MODE", other);
            await command.ExecuteNonQueryAsync(Ct);
            var waiting = Enumerable.Range(0, 12).Select(_ => SendAsync(http, token)).ToList();

            Assert.All(await Task.WhenAll(waiting), status => Assert.Equal(HttpStatusCode.ServiceUnavailable, status));
            Assert.True(long.Parse(Rows("SELECT count(*)::text FROM pg_stat_activity WHERE application_name = 'gatehouse'").Single()) <= 3);
        }

        await Wait.UntilAsync(async () => await SendAsync(http, token) == HttpStatusCode.OK, "recovery");
    }

    private GatehouseProcess Serve(string query) => GatehouseProcess.Serve(folder.Path, ["--database", cluster.Url("app") + query], Cheap);

    private async Task<string> RegisterAsync(HttpClient http)
    {
        using var response = await http.PostAsJsonAsync("/api/accounts/register/", new { username = "alice", password = "violet-Kettle-42" }, Ct);
        Assert.Equal(HttpStatusCode.Created, response.StatusCode);
        return Rows("SELECT key FROM authtoken_token").Single();
    }

    private static async Task ProfileAsync(HttpClient http, string token, HttpStatusCode status) => Assert.Equal(status, await SendAsync(http, token));

    private static async Task<HttpStatusCode> SendAsync(HttpClient http, string token)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/accounts/profile/") { Headers = { { "Authorization", "Token " + token } } };
        using var response = await http.SendAsync(request, Ct);
        return response.StatusCode;
    }

    private List<string> Rows(string sql)
    {
        using var source = NpgsqlDataSource.Create(cluster.Npgsql("app"));
        using var command = source.CreateCommand(sql);
        using var reader = command.ExecuteReader();
        var rows = new List<string>();
        while (reader.Read()) rows.Add(reader.GetString(0));
        return rows;
    }
}
