using Gatehouse.Tests.Jwt;
using Microsoft.Data.Sqlite;
using Xunit;

namespace Gatehouse.Tests.OAuth.Grants;

/// <summary>Refresh by several processes, and at their sudden end.</summary>
public sealed class RefreshProcessTests : IDisposable
{
    private static readonly (string, string)[] Settings =
        [("Gatehouse__PasswordHashers__0", "md5"), ("Gatehouse__OAuth__RefreshTokenGracePeriodSeconds", "3600")];

    private readonly TempFolder folder = new();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public void Dispose() => folder.Dispose();

    // R1, R16
    [Fact]
    public async Task Of_64_refreshes_at_once_by_two_processes_one_rotates_and_all_get_its_pair()
    {
        await using var one = GatehouseProcess.Serve(folder.Path, environment: Settings);
        await using var other = GatehouseProcess.Serve(folder.Path, environment: Settings);
        using var http = new HttpClient { BaseAddress = await one.AddressAsync() };
        using var otherHttp = new HttpClient { BaseAddress = await other.AddressAsync() };
        await PrepareAsync(http);
        var refresh = await ObtainAsync(http);
        for (var round = 1; round <= JwtTest.RoundsOr(5); round++)
        {
            var answers = await Task.WhenAll(Enumerable.Range(0, 64).Select(i => RefreshAsync(i % 2 == 0 ? http : otherHttp, refresh)));
            var next = await Task.WhenAll(answers.Select(RefreshOfAsync));
            refresh = Assert.Single(next.Distinct());
            Assert.Equal(["1|1"], Rows(Live));
        }
    }

    // R7: a client that got no answer asks again and goes on.
    [Fact]
    public async Task After_kill_9_every_client_goes_on_with_one_live_token()
    {
        const int clients = 8;
        var random = new Random(20260704);
        var tokens = new string[clients];
        var rounds = Math.Max(3, JwtTest.RoundsOr(0) / 10);
        for (var round = 0; round <= rounds; round++)
        {
            await using var gatehouse = GatehouseProcess.Serve(folder.Path, environment: Settings);
            using var http = new HttpClient { BaseAddress = await gatehouse.AddressAsync() };
            if (round == 0) await PrepareAsync(http);
            for (var i = 0; i < clients; i++) tokens[i] = round == 0 ? await ObtainAsync(http) : await RefreshOfAsync(await RefreshAsync(http, tokens[i]));
            Assert.Equal([$"{clients}|{clients}"], Rows(Live));
            if (round == rounds) break;

            var left = random.Next(1, 100);
            await Task.WhenAll(Enumerable.Range(0, clients).Select(async i =>
            {
                while (true)
                {
                    try
                    {
                        tokens[i] = await RefreshOfAsync(await RefreshAsync(http, tokens[i]));
                    }
                    catch (HttpRequestException)
                    {
                        return;
                    }
                    if (Interlocked.Decrement(ref left) == 0) gatehouse.Kill();
                }
            }));
            await gatehouse.EndAsync();
            Assert.Equal([$"{clients}|{clients}"], Rows(Live));
            Assert.Equal(["ok"], Rows("PRAGMA integrity_check"));
            Assert.Empty(Rows("SELECT \"table\" FROM pragma_foreign_key_check"));
        }
    }

    private const string Live =
        "SELECT (SELECT count(*) FROM oauth2_provider_refreshtoken WHERE revoked IS NULL) || '|' || (SELECT count(*) FROM oauth2_provider_accesstoken)";

    private async Task PrepareAsync(HttpClient http)
    {
        Rows(
            """
            INSERT INTO oauth2_provider_application (client_id, client_secret, hash_client_secret, client_type, authorization_grant_type, name, redirect_uris, post_logout_redirect_uris,
                allowed_origins, skip_authorization, algorithm, registration_source, created, updated)
            VALUES ('app', '', 1, 'public', 'password', '', '', '', '', 0, '', 'manual', '2026-01-01', '2026-01-01')
            """);
        using var form = new FormUrlEncodedContent(new Dictionary<string, string> { ["username"] = "alice", ["password"] = TestUsers.PasswordOf("alice") });
        await http.PostAsync("/api/accounts/register/", form, Ct).ShouldBeAsync(201);
    }

    private static async Task<string> ObtainAsync(HttpClient http)
    {
        using var form = new FormUrlEncodedContent(new Dictionary<string, string>
        {
            ["grant_type"] = "password",
            ["client_id"] = "app",
            ["username"] = "alice",
            ["password"] = TestUsers.PasswordOf("alice"),
        });
        return await RefreshOfAsync(await http.PostAsync("/o/token/", form, Ct));
    }

    private static Task<HttpResponseMessage> RefreshAsync(HttpClient http, string refresh) => http.PostAsync(
        "/o/token/", new FormUrlEncodedContent(new Dictionary<string, string> { ["grant_type"] = "refresh_token", ["client_id"] = "app", ["refresh_token"] = refresh }), Ct);

    private static async Task<string> RefreshOfAsync(HttpResponseMessage answer)
    {
        await answer.ShouldBeAsync(200);
        return (string)(await answer.JsonAsync())["refresh_token"]!;
    }

    private List<string> Rows(string sql)
    {
        using var connection = new SqliteConnection($"Data Source={folder["gatehouse-data/gatehouse.db"]};Pooling=False;Default Timeout=60");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        using var reader = command.ExecuteReader();
        var rows = new List<string>();
        while (reader.Read()) rows.Add(reader.GetString(0));
        return rows;
    }
}
