using Gatehouse.Tests.Database;
using Xunit;

namespace Gatehouse.Tests.Program;

/// <summary>Two servers on one database, and a client for each.</summary>
public sealed class TwoProcesses : IAsyncLifetime
{
    private static readonly (string, string)[] Cheap =
    [
        ("Gatehouse__PasswordHashers__0", "md5"), ("Gatehouse__PasswordWork__MaxWaiting", "1000"),
        ("Gatehouse__Jwt__RotateRefreshTokens", "true"), ("Gatehouse__Jwt__BlacklistAfterRotation", "true"),
    ];

    private readonly TempFolder folder = new();
    private readonly GatehouseProcess[] processes = new GatehouseProcess[2];

    internal TestDatabase Database { get; }

    internal HttpClient[] Clients { get; } = new HttpClient[2];

    public TwoProcesses() => Database = TestDatabase.Of(folder);

    // Both on an empty database, at once: one migrates (O6).
    public async ValueTask InitializeAsync()
    {
        for (var i = 0; i < 2; i++) Start(i);
        for (var i = 0; i < 2; i++) await ConnectAsync(i);
    }

    internal void Kill(int i) => processes[i].Kill();

    /// <summary>Starts another in the place of one that was killed.</summary>
    internal async Task ReplaceAsync(int i)
    {
        await processes[i].DisposeAsync();
        Clients[i].Dispose();
        Start(i);
        await ConnectAsync(i);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var client in Clients) client?.Dispose();
        foreach (var process in processes) await process.DisposeAsync();
        Database.Dispose();
        folder.Dispose();
    }

    private void Start(int i) => processes[i] = GatehouseProcess.Serve(folder.Path, environment: [.. Cheap, .. Database.Settings]);

    private async Task ConnectAsync(int i) =>
        Clients[i] = new HttpClient(new SocketsHttpHandler { UseCookies = false, AllowAutoRedirect = false }) { BaseAddress = await processes[i].AddressAsync() };
}
