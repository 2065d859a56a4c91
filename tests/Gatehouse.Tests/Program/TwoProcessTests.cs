using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Json;
using Gatehouse.Tests.Database;
using Gatehouse.Tests.Jwt;
using Gatehouse.Tests.OAuth.Authorize;
using Xunit;

namespace Gatehouse.Tests.Program;

/// <summary>
/// Two processes on one database: what may happen once happens once, whoever of 64 callers asks whom. The exchange of codes, and retries of
/// refreshes, are in their own classes. R1, R16, U2, D5, A21.
/// </summary>
/// <remarks>How many rounds: <c>GATEHOUSE_TEST_ROUNDS</c>; the counts stand in bench/RESULTS.md.</remarks>
public sealed class TwoProcessTests(TwoProcesses two) : IClassFixture<TwoProcesses>
{
    private const string Password = "violet-Kettle-42";
    private const string Callback = "https://client.example/cb";

    private static readonly int Rounds = JwtTest.RoundsOr(3);

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private TestDatabase Database => two.Database;

    [Fact]
    public Task A_name_is_registered_once() => RaceAsync(
        "registrations of one name",
        round => Task.FromResult($"user-{round}"),
        (http, name) => RegisterAsync(http, name),
        won: 201, lost: 400,
        (_, name) => Assert.Equal(["1"], Database.Rows($"SELECT count(*) || '' FROM auth_user WHERE username = '{name}'")));

    [Fact]
    public async Task All_who_fetch_a_first_token_get_the_same()
    {
        await RegisterAsync(two.Clients[0], "first").ShouldBeAsync(201);
        for (var round = 0; round < Rounds; round++)
        {
            Database.Execute("DELETE FROM authtoken_token");
            var answers = await AtOnceAsync(http => http.PostAsJsonAsync("/api-token-auth/", new { username = "first", password = Password }, Ct));
            var tokens = new HashSet<string>();
            foreach (var answer in answers)
            {
                await answer.ShouldBeAsync(200);
                tokens.Add((string)(await answer.JsonAsync())["token"]!);
            }
            Assert.Equal([Assert.Single(tokens)], Database.Rows("SELECT key FROM authtoken_token"));
        }
        Print("first DRF tokens of one user", "one token in each round, given to all");
    }

    [Fact]
    public async Task A_JSON_Web_Token_is_refreshed_once()
    {
        await RegisterAsync(two.Clients[0], "jwt").ShouldBeAsync(201);
        await RaceAsync(
            "refreshes of one JSON Web Token",
            async _ => (string)(await (await two.Clients[0].PostAsJsonAsync("/api/token/", new { username = "jwt", password = Password }, Ct)).JsonAsync())["refresh"]!,
            (http, refresh) => http.PostAsJsonAsync("/api/token/refresh/", new { refresh }, Ct),
            won: 200, lost: 401,
            (round, _) => Assert.Equal(
                [$"{2 * (round + 1)}|{round + 1}"],
                Database.Rows("SELECT (SELECT count(*) FROM token_blacklist_outstandingtoken) || '|' || (SELECT count(*) FROM token_blacklist_blacklistedtoken)")));
    }

    [Fact]
    public async Task A_refresh_token_of_OAuth_is_rotated_once()
    {
        await RegisterAsync(two.Clients[0], "web").ShouldBeAsync(201);
        Database.Execute(AuthorizeTest.ClientRow("web"));
        const string ofWeb = "application_id = (SELECT id FROM oauth2_provider_application WHERE client_id = 'web')";
        await RaceAsync(
            "refreshes of one OAuth token",
            round =>
            {
                var token = $"refresh-token-{round}";
                Database.Execute(
                    $"""
                    INSERT INTO oauth2_provider_accesstoken (token, token_checksum, expires, scope, application_id, user_id, created, updated, resource)
                    SELECT 'access{token}', 'access{token}', '2199-01-01 00:00:00', 'read', a.id, u.id, '2026-01-01 00:00:00', '2026-01-01 00:00:00', '[]'
                    FROM oauth2_provider_application a, auth_user u WHERE a.client_id = 'web' AND u.username = 'web'
                    """);
                Database.Execute(
                    $"""
                    INSERT INTO oauth2_provider_refreshtoken (token, token_checksum, application_id, user_id, created, updated, token_family, access_token_id, resource)
                    SELECT '{token}', '{Gatehouse.OAuth.Tokens.TokenText.Checksum(token)}', application_id, user_id, '2026-01-01 00:00:00', '2026-01-01 00:00:00', '{Guid.NewGuid():N}', id, '[]'
                    FROM oauth2_provider_accesstoken WHERE token = 'access{token}'
                    """);
                return Task.FromResult(token);
            },
            (http, token) => PostFormAsync(http, "/o/token/", ("grant_type", "refresh_token"), ("client_id", "web"), ("client_secret", "secret-of-web"), ("refresh_token", token)),
            won: 200, lost: 400,
            (round, _) => Assert.Equal(
                [$"{round + 1}|{round + 1}"],
                Database.Rows($"SELECT (SELECT count(*) FROM oauth2_provider_refreshtoken WHERE revoked IS NULL AND {ofWeb}) || '|' || (SELECT count(*) FROM oauth2_provider_accesstoken WHERE {ofWeb})")));
    }

    [Fact]
    public async Task A_device_code_gives_tokens_once()
    {
        await RegisterAsync(two.Clients[0], "tv").ShouldBeAsync(201);
        Database.Execute(AuthorizeTest.ClientRow("tv", grantType: "urn:ietf:params:oauth:grant-type:device_code", type: "public"));
        await RaceAsync(
            "redemptions of one device code",
            round =>
            {
                var code = $"device-code-{round}";
                Database.Execute(
                    $"""
                    INSERT INTO oauth2_provider_devicegrant (device_code, user_code, "interval", expires, status, client_id, last_checked, user_id, scope)
                    SELECT '{code}', '{code}', 5, '2099-01-01 00:00:00', 'authorized', 'tv', '2026-01-01 00:00:00', id, 'read' FROM auth_user WHERE username = 'tv'
                    """);
                return Task.FromResult(code);
            },
            (http, code) => PostFormAsync(http, "/o/token/", ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"), ("client_id", "tv"), ("device_code", code)),
            won: 200, lost: 400,
            (round, _) => Assert.Equal(
                [$"{round + 1}"],
                Database.Rows("SELECT count(*) || '' FROM oauth2_provider_accesstoken WHERE application_id = (SELECT id FROM oauth2_provider_application WHERE client_id = 'tv')")));
    }

    [Fact]
    public async Task A_pushed_request_gives_one_code()
    {
        await RegisterAsync(two.Clients[0], "house").ShouldBeAsync(201);
        Database.Execute(AuthorizeTest.ClientRow("house", skips: true));
        var session = (await new Browser(two.Clients[0]).LogInAsync("house", Password)).SessionKey;
        await RaceAsync(
            "browsers with one pushed request",
            async _ =>
            {
                var pushed = await PostFormAsync(
                    two.Clients[0], "/o/par/", ("client_id", "house"), ("client_secret", "secret-of-house"), ("response_type", "code"), ("redirect_uri", Callback), ("scope", "read"),
                    ("code_challenge", new string('c', 43)), ("code_challenge_method", "S256"));
                await pushed.ShouldBeAsync(201);
                return $"/o/authorize/?client_id=house&request_uri={Uri.EscapeDataString((string)(await pushed.JsonAsync())["request_uri"]!)}";
            },
            async (http, url) =>
            {
                using var request = new HttpRequestMessage(HttpMethod.Get, url);
                request.Headers.Add("Cookie", $"sessionid={session}");
                return await http.SendAsync(request, Ct);
            },
            won: 302, lost: 400,
            (round, _) => Assert.Equal([$"{round + 1}"], Database.Rows("SELECT count(*) || '' FROM oauth2_provider_grant")));
    }

    [Fact]
    public async Task When_either_is_killed_the_other_goes_on_and_nothing_acknowledged_is_lost()
    {
        await using var mortal = new TwoProcesses();
        await mortal.InitializeAsync();
        var acknowledged = new ConcurrentBag<string>();
        var random = new Random(20261125);
        var kills = Math.Max(3, JwtTest.RoundsOr(0) / 10);
        for (var round = 0; round < kills; round++)
        {
            var (victim, at, count) = (random.Next(2), random.Next(5, 100), 0);
            await Task.WhenAll(Enumerable.Range(0, 8).Select(async caller =>
            {
                // The other serves on, past what a lock of the dead one could have held up.
                for (var i = 0; Volatile.Read(ref count) < at + 50; i++)
                {
                    var username = $"user-{round}-{caller}-{i}";
                    try
                    {
                        using var answer = await RegisterAsync(mortal.Clients[caller % 2], username);
                        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
                    }
                    catch (HttpRequestException) when (caller % 2 == victim && Volatile.Read(ref count) >= at)
                    {
                        return;
                    }
                    acknowledged.Add(username);
                    if (Interlocked.Increment(ref count) == at) mortal.Kill(victim);
                }
            }));
            await mortal.ReplaceAsync(victim);
        }

        Assert.Empty(acknowledged.Except(mortal.Database.Rows("SELECT username FROM auth_user")));
        Assert.Empty(mortal.Database.BrokenReferences());
        TestContext.Current.TestOutputHelper!.WriteLine($"kill -9 of one of two processes on {Where}: {kills} kills amid {acknowledged.Count} acknowledged registrations: none lost");
    }

    /// <summary>In each round 64 callers, 32 of each server, ask for the same; one gets it.</summary>
    private async Task RaceAsync(
        string what, Func<int, Task<string>> prepare, Func<HttpClient, string, Task<HttpResponseMessage>> call, int won, int lost, Action<int, string> check)
    {
        for (var round = 0; round < Rounds; round++)
        {
            var thing = await prepare(round);
            var answers = await AtOnceAsync(http => call(http, thing));
            Assert.Equal([(won, 1), (lost, 63)], answers.GroupBy(answer => (int)answer.StatusCode).Select(group => (group.Key, group.Count())).OrderBy(group => group.Item2));
            check(round, thing);
        }
        Print(what, "one winner in each round");
    }

    private async Task<HttpResponseMessage[]> AtOnceAsync(Func<HttpClient, Task<HttpResponseMessage>> call) =>
        await Task.WhenAll(Enumerable.Range(0, 64).Select(i => call(two.Clients[i % 2])));

    private static Task<HttpResponseMessage> RegisterAsync(HttpClient http, string username) =>
        http.PostAsJsonAsync("/api/accounts/register/", new { username, password = Password }, Ct);

    private static Task<HttpResponseMessage> PostFormAsync(HttpClient http, string path, params (string Name, string Value)[] fields) =>
        http.PostAsync(path, new FormUrlEncodedContent(fields.Select(field => KeyValuePair.Create(field.Name, field.Value))), Ct);

    private static void Print(string what, string result) =>
        TestContext.Current.TestOutputHelper!.WriteLine($"{what}, two processes on {Where}: {Rounds} rounds, {64 * Rounds} calls: {result}");

    private static string Where => TestDatabase.IsPostgres ? "PostgreSQL" : "SQLite";
}
