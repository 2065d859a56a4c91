using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Json;
using Gatehouse.Tests.Database;
using Xunit;

namespace Gatehouse.Tests.Program;

/// <summary>Several processes, and their sudden end.</summary>
public sealed class KillTests : IDisposable
{
    private const int Rounds = 10;

    private static readonly (string, string)[] Cheap = [("Gatehouse__PasswordHashers__0", "md5")];

    private readonly TempFolder folder = new();
    private readonly TestDatabase database;

    public KillTests() => database = TestDatabase.Of(folder);

    public void Dispose()
    {
        database.Dispose();
        folder.Dispose();
    }

    [Fact]
    public async Task Every_acknowledged_user_survives_kill_9_and_none_is_half_there()
    {
        var acknowledged = new ConcurrentBag<string>();
        var random = new Random(20260701);
        (string, string)[] settings = [.. Cheap, ("Gatehouse__AuthToken__CreateForNewUsers", "true")];
        for (var round = 0; round < Rounds; round++)
        {
            await using var gatehouse = GatehouseProcess.Serve(folder.Path, environment: [.. settings, .. database.Settings]);
            using var http = new HttpClient { BaseAddress = await gatehouse.AddressAsync() };
            var before = acknowledged.Count;
            var most = random.Next(1, 150);
            var callers = Enumerable.Range(0, 8).Select(async caller =>
            {
                for (var i = 0; ; i++)
                {
                    var username = $"user-{round}-{caller}-{i}";
                    try
                    {
                        using var response = await http.PostAsJsonAsync("/api/accounts/register/", new { username, password = "violet-Kettle-42" });
                        if (response.StatusCode == HttpStatusCode.Created) acknowledged.Add(username);
                    }
                    catch (HttpRequestException)
                    {
                        return;
                    }
                    // In the midst of the others' requests.
                    if (acknowledged.Count - before >= most) gatehouse.Kill();
                }
            });
            await Task.WhenAll(callers);
            await gatehouse.EndAsync();
        }

        await using var last = GatehouseProcess.Serve(folder.Path, environment: [.. settings, .. database.Settings]);
        using var client = new HttpClient(new SocketsHttpHandler { UseCookies = false }) { BaseAddress = await last.AddressAsync() };
        foreach (var username in acknowledged.Take(5).Concat(acknowledged.TakeLast(5)))
            Assert.Equal(HttpStatusCode.OK, (await client.PostAsJsonAsync("/api/accounts/login/", new { username, password = "violet-Kettle-42" }, TestContext.Current.CancellationToken)).StatusCode);

        Assert.NotEmpty(acknowledged);
        Assert.Empty(acknowledged.Except(Rows("SELECT username FROM auth_user")));
        Assert.Empty(Rows("SELECT username FROM auth_user u WHERE password NOT LIKE 'md5$%' OR NOT EXISTS (SELECT 1 FROM authtoken_token t WHERE t.user_id = u.id)"));
        Assert.Empty(database.BrokenReferences());
    }

    [Fact]
    public async Task Two_servers_that_start_on_an_empty_folder_share_one_database_and_one_key()
    {
        await using var one = GatehouseProcess.Serve(folder.Path, environment: [.. Cheap, .. database.Settings]);
        await using var other = GatehouseProcess.Serve(folder.Path, environment: [.. Cheap, .. database.Settings]);
        using var http = new HttpClient { BaseAddress = await one.AddressAsync() };
        using var otherHttp = new HttpClient { BaseAddress = await other.AddressAsync() };

        Assert.Equal(HttpStatusCode.Created, (await http.PostAsJsonAsync("/api/accounts/register/", new { username = "alice", password = "violet-Kettle-42" }, TestContext.Current.CancellationToken)).StatusCode);
        var browser = await new Browser(otherHttp).LogInAsync("alice", "violet-Kettle-42");

        // What one signed the other reads.
        await new Browser(http) { SessionKey = browser.SessionKey }.GetAsync("/api/accounts/profile/").ShouldBeAsync(200);
        Assert.Empty(database.BrokenReferences());
    }

    [Theory]
    [InlineData("INT")]
    [InlineData("TERM")]
    public async Task A_signal_lets_what_is_in_flight_finish(string signal)
    {
        (string, string)[] slow = [("Gatehouse__PasswordHashers__0", "pbkdf2_sha256"), ("Gatehouse__PasswordWork__MaxConcurrent", "1")];
        await using var gatehouse = GatehouseProcess.Serve(folder.Path, environment: [.. slow, .. database.Settings]);
        using var http = new HttpClient { BaseAddress = await gatehouse.AddressAsync() };
        using var raw = new System.Net.Sockets.TcpClient();
        await raw.ConnectAsync(http.BaseAddress.Host, http.BaseAddress.Port, TestContext.Current.CancellationToken);
        var body = """{"username":"late","password":"violet-Kettle-42"}"""u8.ToArray();
        var head = $"POST /api/accounts/register/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\nExpect: 100-continue\r\n\r\n";
        var stream = raw.GetStream();
        await stream.WriteAsync(System.Text.Encoding.ASCII.GetBytes(head), TestContext.Current.CancellationToken);
        // The server asks for the body: so the request is being worked on.
        using var reader = new StreamReader(stream, System.Text.Encoding.Latin1, leaveOpen: true);
        Assert.Equal("HTTP/1.1 100 Continue", await reader.ReadLineAsync(TestContext.Current.CancellationToken));

        await gatehouse.SignalAsync(signal);
        await Wait.UntilAsync(async () => await IsClosedAsync(http.BaseAddress), "Closing the door");
        await stream.WriteAsync(body, TestContext.Current.CancellationToken);
        var answer = await reader.ReadToEndAsync(TestContext.Current.CancellationToken);

        Assert.Contains("HTTP/1.1 201", answer, StringComparison.Ordinal);
        Assert.Equal(0, await gatehouse.EndAsync());
        Assert.Equal(["late"], Rows("SELECT username FROM auth_user"));
        Assert.DoesNotContain("fail", gatehouse.Errors, StringComparison.OrdinalIgnoreCase);
    }

    private static async Task<bool> IsClosedAsync(Uri address)
    {
        using var probe = new System.Net.Sockets.TcpClient();
        try
        {
            await probe.ConnectAsync(address.Host, address.Port);
            return false;
        }
        catch (System.Net.Sockets.SocketException)
        {
            return true;
        }
    }

    private List<string> Rows(string sql) => database.Rows(sql);
}
