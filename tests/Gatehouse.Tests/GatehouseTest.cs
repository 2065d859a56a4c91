using Gatehouse.Tests.Database;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Gatehouse.Tests;

/// <summary>
/// A test against the real server: in this process, on Kestrel with the program's own settings, on SQLite (or PostgreSQL, see
/// <see cref="TestDatabase"/>), with a clock that the test moves. When it ends, no password, token, session key or CSRF secret that went over the wire may stand in the log.
/// </summary>
public abstract class GatehouseTest : IAsyncLifetime
{
    public const string SecretKey = "key-of-the-tests-0123456789-abcdefghijklmnopqrstuvwxyz";

    private readonly List<TestServer> servers = [];

    protected GatehouseTest()
    {
        Secrets.Add(SecretKey);
        Secrets.Add(PostgresCluster.Password);
        Users = new TestUsers(Database, Secrets);
    }

    protected static CancellationToken Ct => TestContext.Current.CancellationToken;

    protected TestClock Clock { get; } = new();
    protected TestLog Log { get; } = new();
    protected Secrets Secrets { get; } = new();
    protected TestUsers Users { get; }
    protected TestServer Server => servers[0];

    /// <summary>No cookies, no redirects.</summary>
    protected HttpClient Http => Server.Http;

    private protected TestDatabase Database { get; } = TestDatabase.New();

    /// <summary>Of a test with the trait <see cref="TestDatabase.SqliteOnly"/>.</summary>
    private protected DatabaseFile SqliteFile => (DatabaseFile)Database;

    protected virtual void Configure(GatehouseOptions options)
    {
    }

    protected virtual void AddServices(IServiceCollection services)
    {
    }

    protected virtual void Map(WebApplication app)
    {
    }

    /// <summary>A client with a cookie jar, which sends the CSRF token that it was given.</summary>
    protected Browser NewBrowser(TestServer? server = null) => new((server ?? Server).Http);

    /// <summary>Starts one more server on the test's database.</summary>
    protected async Task<TestServer> StartServerAsync(Action<GatehouseOptions>? configure = null, Action<IServiceCollection>? services = null)
    {
        var server = await TestServer.StartAsync(
            options =>
            {
                options.Database = Database.Url;
                options.DataFolder = Database.Folder;
                options.SecretKey = SecretKey;
                // What a test has put there stays until the test clears it.
                options.Sweeper.Enabled = false;
                // Cheap: what a hash costs is not what these tests are about.
                options.PasswordHashers = ["md5", "pbkdf2_sha256", "pbkdf2_sha1", "argon2", "bcrypt_sha256", "scrypt"];
                Configure(options);
                configure?.Invoke(options);
            },
            added =>
            {
                AddServices(added);
                services?.Invoke(added);
            },
            Map, Clock, Log, Secrets);
        servers.Add(server);
        return server;
    }

    public async ValueTask InitializeAsync()
    {
        await Database.MakeAsync();
        await StartAsync();
    }

    /// <summary>Starts the server of the test; a class whose tests start their own leaves it out.</summary>
    protected virtual async Task StartAsync() => await StartServerAsync();

    public virtual async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        foreach (var server in servers) await server.DisposeAsync();
        var audit = Database.AuditRows();
        Database.Dispose();
        Assert.Empty(Secrets.FoundIn(Log.Lines));
        Assert.Empty(Secrets.FoundIn(audit));
    }
}
