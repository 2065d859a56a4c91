using System.Net.Http.Json;
using Gatehouse.Tests.Database;
using Xunit;

namespace Gatehouse.Tests.Jwt;

/// <summary>Rotation by several processes, and at their sudden end.</summary>
public sealed class RotationProcessTests : IDisposable
{
    private const string Password = "violet-Kettle-42";

    private static readonly (string, string)[] Rotating =
    [
        ("Gatehouse__PasswordHashers__0", "md5"), ("Gatehouse__Jwt__RotateRefreshTokens", "true"), ("Gatehouse__Jwt__BlacklistAfterRotation", "true"),
    ];

    private readonly TempFolder folder = new();
    private readonly TestDatabase database;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public RotationProcessTests() => database = TestDatabase.Of(folder);

    public void Dispose()
    {
        database.Dispose();
        folder.Dispose();
    }

    // R1, R16
    [Fact]
    public async Task Of_64_refreshes_at_once_by_two_processes_one_gets_the_new_pair()
    {
        await using var one = GatehouseProcess.Serve(folder.Path, environment: [.. Rotating, .. database.Settings]);
        await using var other = GatehouseProcess.Serve(folder.Path, environment: [.. Rotating, .. database.Settings]);
        using var http = new HttpClient { BaseAddress = await one.AddressAsync() };
        using var otherHttp = new HttpClient { BaseAddress = await other.AddressAsync() };
        await RegisterAsync(http, "alice");
        var rounds = JwtTest.RoundsOr(5);
        for (var round = 1; round <= rounds; round++)
        {
            var refresh = await ObtainAsync(http, "alice");
            var answers = await Task.WhenAll(Enumerable.Range(0, 64).Select(i => RefreshAsync(i % 2 == 0 ? http : otherHttp, refresh)));

            var next = await RefreshOfAsync(Assert.Single(answers, answer => (int)answer.StatusCode == 200));
            Assert.All(answers, answer => Assert.True((int)answer.StatusCode is 200 or 401, $"{(int)answer.StatusCode}"));
            Assert.Equal([next], Rows($"SELECT token FROM token_blacklist_outstandingtoken WHERE id NOT IN ({Dead}) ORDER BY id DESC LIMIT 1"));
            Assert.Equal([$"{round}|{round}"], Rows($"SELECT (SELECT count(*) FROM token_blacklist_outstandingtoken WHERE id NOT IN ({Dead})) || '|' || (SELECT count(*) FROM token_blacklist_blacklistedtoken)"));
        }
    }

    // R7. Whatever moment it is, each login has exactly one live token: its last, or that one's successor, whose answer was lost.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task After_kill_9_no_token_has_two_live_successors(bool retries)
    {
        // Longer than any machine takes to start again.
        (string, string)[] settings = retries ? [.. Rotating, ("Gatehouse__Jwt__RefreshRetryWindow", "01:00:00")] : Rotating;
        var clients = Enumerable.Range(0, 8).Select(i => new Client($"user-{i}")).ToList();
        var random = new Random(20260702);
        // A kill comes after some fifty rotations.
        var rounds = Math.Max(3, JwtTest.RoundsOr(0) / 10);
        var lost = 0;
        for (var round = 0; round <= rounds; round++)
        {
            await using var gatehouse = GatehouseProcess.Serve(folder.Path, environment: [.. settings, .. database.Settings]);
            using var http = new HttpClient { BaseAddress = await gatehouse.AddressAsync() };
            foreach (var client in clients)
            {
                if (client.Refresh is null) await RegisterAsync(http, client.Name);
                else if (await GoOnAsync(http, client)) continue;
                Assert.True(client.Refresh is null || !retries, "A client whose answer was lost could not go on.");
                client.Refresh = await ObtainAsync(http, client.Name);
                client.Logins++;
            }
            AssertConsistent();
            if (round == rounds) break;

            var left = random.Next(1, 100);
            await Task.WhenAll(clients.Select(async client =>
            {
                while (await TryRefreshAsync(client) is { } next)
                {
                    client.Refresh = next;
                    // In the midst of the others' rotations.
                    if (Interlocked.Decrement(ref left) == 0) gatehouse.Kill();
                }
            }));
            await gatehouse.EndAsync();
            AssertConsistent();

            async Task<string?> TryRefreshAsync(Client client)
            {
                try
                {
                    using var answer = await RefreshAsync(http, client.Refresh!);
                    await answer.ShouldBeAsync(200);
                    return await RefreshOfAsync(answer);
                }
                catch (HttpRequestException)
                {
                    return null;
                }
            }
        }
        TestContext.Current.TestOutputHelper!.WriteLine($"{rounds} kills, {Rows("SELECT token_id || '' FROM token_blacklist_blacklistedtoken").Count} rotations, {lost} of them without an answer");

        async Task<bool> GoOnAsync(HttpClient http, Client client)
        {
            var wasRotated = Rows($"SELECT token FROM token_blacklist_outstandingtoken WHERE id IN ({Dead}) AND token = '{client.Refresh}'").Count == 1;
            if (wasRotated) lost++;
            var successor = Rows($"SELECT token FROM token_blacklist_outstandingtoken WHERE id NOT IN ({Dead}) AND user_id = (SELECT id FROM auth_user WHERE username = '{client.Name}') ORDER BY id DESC LIMIT 1").Single();
            var answer = await RefreshAsync(http, client.Refresh!);
            Assert.Equal(wasRotated && !retries ? 401 : 200, (int)answer.StatusCode);
            if ((int)answer.StatusCode != 200) return false;
            client.Refresh = await RefreshOfAsync(answer);
            if (wasRotated) Assert.Equal(successor, client.Refresh);
            return true;
        }

        void AssertConsistent()
        {
            foreach (var client in clients)
                Assert.Equal([$"{client.Logins}"], Rows($"SELECT count(*) || '' FROM token_blacklist_outstandingtoken o JOIN auth_user u ON u.id = o.user_id WHERE u.username = '{client.Name}' AND o.id NOT IN ({Dead})"));
            if (retries)
            {
                Assert.Empty(Rows("SELECT family FROM gatehouse_jwt_rotation WHERE successor IS NULL GROUP BY family HAVING count(*) > 1"));
                Assert.Empty(Rows($"SELECT jti FROM gatehouse_jwt_rotation r WHERE (r.successor IS NULL) <> EXISTS (SELECT 1 FROM token_blacklist_outstandingtoken o WHERE o.jti = r.jti AND o.id NOT IN ({Dead}))"));
            }
            Assert.Empty(database.BrokenReferences());
        }
    }

    private sealed class Client(string name)
    {
        public string Name => name;
        public string? Refresh { get; set; }
        public int Logins { get; set; }
    }

    private const string Dead = "SELECT token_id FROM token_blacklist_blacklistedtoken";

    private static Task RegisterAsync(HttpClient http, string username) =>
        http.PostAsJsonAsync("/api/accounts/register/", new { username, password = Password }, Ct).ShouldBeAsync(201);

    private static async Task<string> ObtainAsync(HttpClient http, string username)
    {
        var answer = await http.PostAsJsonAsync("/api/token/", new { username, password = Password }, Ct);
        await answer.ShouldBeAsync(200);
        return await RefreshOfAsync(answer);
    }

    private static Task<HttpResponseMessage> RefreshAsync(HttpClient http, string refresh) => http.PostAsJsonAsync("/api/token/refresh/", new { refresh }, Ct);

    private static async Task<string> RefreshOfAsync(HttpResponseMessage answer) => (string)(await answer.JsonAsync())["refresh"]!;

    private List<string> Rows(string sql) => database.Rows(sql);
}
