using System.Net;
using System.Net.Http.Json;
using Gatehouse.Tests.OAuth.Authorize;
using Microsoft.Data.Sqlite;
using Xunit;

namespace Gatehouse.Tests.Program;

/// <summary>Copies of a living database, their way back, and what ends then.</summary>
public sealed class BackupTests : IDisposable
{
    private const string Password = "violet-Kettle-42";

    private static readonly (string, string)[] Settings =
        [("Gatehouse__PasswordHashers__0", "md5"), ("Gatehouse__Jwt__RotateRefreshTokens", "true"), ("Gatehouse__Jwt__BlacklistAfterRotation", "true")];

    private readonly TempFolder folder = new();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public void Dispose() => folder.Dispose();

    [Fact]
    public async Task A_backup_of_a_server_at_work_is_whole_private_and_replaces_nothing()
    {
        await using var gatehouse = GatehouseProcess.Serve(folder.Path, environment: Settings);
        using var http = new HttpClient { BaseAddress = await gatehouse.AddressAsync() };
        await RegisterAsync(http, "first");
        using var stop = new CancellationTokenSource();
        var registering = Task.Run(async () =>
        {
            for (var i = 0; !stop.IsCancellationRequested; i++) await RegisterAsync(http, $"user-{i}");
        }, Ct);

        var made = await RunAsync("backup", "copy.db");
        var again = await RunAsync("backup", "copy.db");
        await stop.CancelAsync();
        await registering;

        Assert.Equal(0, made.Code);
        Assert.Equal(1, again.Code);
        Assert.Contains("is there already", again.Errors, StringComparison.Ordinal);
        if (!OperatingSystem.IsWindows()) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(folder["copy.db"]));
        Assert.Equal(["copy.db", "gatehouse-data"], Directory.EnumerateFileSystemEntries(folder.Path).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.Equal(["ok"], Rows("copy.db", "PRAGMA integrity_check"));
        Assert.Contains("first", Rows("copy.db", "SELECT username FROM auth_user"));
    }

    // R20
    [Fact]
    public async Task What_a_restored_backup_revives_ends_with_notbefore()
    {
        string refresh, access, drf, session;
        await using (var gatehouse = GatehouseProcess.Serve(folder.Path, environment: Settings))
        {
            using var http = new HttpClient(new SocketsHttpHandler { UseCookies = false }) { BaseAddress = await gatehouse.AddressAsync() };
            await RegisterAsync(http, "alice");
            var pair = await (await http.PostAsJsonAsync("/api/token/", new { username = "alice", password = Password }, Ct)).JsonAsync();
            (refresh, access) = ((string)pair["refresh"]!, (string)pair["access"]!);
            drf = (string)(await (await http.PostAsJsonAsync("/api-token-auth/", new { username = "alice", password = Password }, Ct)).JsonAsync())["token"]!;
            session = (await new Browser(http).LogInAsync("alice", Password)).SessionKey!;
            Execute(AuthorizeTest.ClientRow("web"));
            Execute(
                """
                INSERT INTO oauth2_provider_accesstoken (id, token, token_checksum, expires, scope, application_id, user_id, created, updated, resource)
                    SELECT 1, 'a', 'a', '2199-01-01', 'read', id, 1, '2026-01-01', '2026-01-01', '[]' FROM oauth2_provider_application;
                INSERT INTO oauth2_provider_refreshtoken (token, token_checksum, application_id, user_id, created, updated, access_token_id, resource)
                    SELECT 'r', 'r', id, 1, '2026-01-01', '2026-01-01', 1, '[]' FROM oauth2_provider_application;
                """);
            Assert.Equal(0, (await RunAsync("backup", "copy.db")).Code);
            // All this ends, and the backup does not know.
            await http.PostAsJsonAsync("/api/token/refresh/", new { refresh }, Ct).ShouldBeAsync(200);
            await http.PostAsJsonAsync("/api/token/refresh/", new { refresh }, Ct).ShouldBeAsync(401);
        }

        // The restore of docs/database.md.
        foreach (var file in Directory.GetFiles(folder["gatehouse-data"], "gatehouse.db*")) File.Delete(file);
        File.Move(folder["copy.db"], folder["gatehouse-data/gatehouse.db"]);
        var moment = DateTimeOffset.UtcNow.AddSeconds(1);
        await Wait.UntilAsync(() => DateTimeOffset.UtcNow > moment, "A second");
        var future = await RunAsync("notbefore", "2199-01-01T00:00:00Z");
        var nonsense = await RunAsync("notbefore", "yesterday");
        var ended = await RunAsync("notbefore", "now");

        Assert.Equal((1, 1, 0), (future.Code, nonsense.Code, ended.Code));
        foreach (var line in new[] { "1 sessions ended.", "1 DRF tokens ended.", "1 recorded JSON Web Tokens ended.", "1 OAuth refresh tokens ended.", "1 OAuth access tokens ended." })
            Assert.Contains(line, ended.Output, StringComparison.Ordinal);
        var notBefore = ended.Output.Split("TokensNotBefore set to ")[1].TrimEnd('.');
        Assert.Empty(Rows("gatehouse-data/gatehouse.db", "SELECT \"table\" FROM pragma_foreign_key_check"));

        await using var restored = GatehouseProcess.Serve(folder.Path, environment: [.. Settings, ("Gatehouse__TokensNotBefore", notBefore)]);
        using var client = new HttpClient(new SocketsHttpHandler { UseCookies = false }) { BaseAddress = await restored.AddressAsync() };
        await client.PostAsJsonAsync("/api/token/refresh/", new { refresh }, Ct).ShouldBeAsync(401);
        Assert.Equal(HttpStatusCode.Unauthorized, await ProfileAsync(("Authorization", $"Bearer {access}")));
        Assert.Equal(HttpStatusCode.Unauthorized, await ProfileAsync(("Authorization", $"Token {drf}")));
        Assert.Equal(HttpStatusCode.Unauthorized, await ProfileAsync(("Cookie", $"sessionid={session}")));
        // What is issued from now on is good.
        var next = await (await client.PostAsJsonAsync("/api/token/", new { username = "alice", password = Password }, Ct)).JsonAsync();
        Assert.Equal(HttpStatusCode.OK, await ProfileAsync(("Authorization", $"Bearer {next["access"]}")));

        async Task<HttpStatusCode> ProfileAsync((string Name, string Value) header)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "/api/accounts/profile/");
            request.Headers.TryAddWithoutValidation(header.Name, header.Value);
            return (await client.SendAsync(request, Ct)).StatusCode;
        }
    }

    // O4
    [Fact]
    public async Task A_backup_that_is_killed_leaves_no_file_of_that_name_or_a_whole_one()
    {
        Assert.Equal(0, (await RunAsync("migrate")).Code);
        Execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000) INSERT INTO django_session SELECT 'key' || i, hex(randomblob(100)), '2199-01-01' FROM n");
        var random = new Random(20261125);
        for (var round = 0; round < 3; round++)
        {
            await using var backup = GatehouseProcess.Start(folder.Path, ["backup", $"copy-{round}.db"], environment: Settings);
            var least = random.Next(1, 20) * 1_000_000L;
            await Wait.UntilAsync(() => Directory.GetFiles(folder.Path, $"copy-{round}.db*").Any(file => new FileInfo(file).Length > least), "The copy");
            backup.Kill();
            await backup.EndAsync();

            if (File.Exists(folder[$"copy-{round}.db"])) Assert.Equal(["200000"], Rows($"copy-{round}.db", "SELECT count(*) || '' FROM django_session"));
        }
        Assert.Equal(["ok"], Rows("gatehouse-data/gatehouse.db", "PRAGMA integrity_check"));
    }

    private static async Task RegisterAsync(HttpClient http, string username) =>
        await http.PostAsJsonAsync("/api/accounts/register/", new { username, password = Password }, Ct).ShouldBeAsync(201);

    private Task<(int Code, string Output, string Errors)> RunAsync(params string[] arguments) => GatehouseProcess.RunAsync(folder.Path, arguments, environment: Settings);

    private void Execute(string sql) => Rows("gatehouse-data/gatehouse.db", sql);

    private List<string> Rows(string file, string sql)
    {
        using var connection = new SqliteConnection($"Data Source={folder[file]};Pooling=False;Default Timeout=60");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        using var reader = command.ExecuteReader();
        var rows = new List<string>();
        do
        {
            while (reader.Read()) rows.Add(reader.GetString(0));
        }
        while (reader.NextResult());
        return rows;
    }
}
