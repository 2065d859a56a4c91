using Xunit;

namespace Gatehouse.Tests.DjangoTwin;

/// <summary>Which of the two serves a request.</summary>
public enum Side
{
    Django,
    Gatehouse,
}

/// <summary>One database, as each of the two calls it.</summary>
internal sealed record TwinDatabase(string Django, string Gatehouse);

/// <summary>Django and Gatehouse, each a process of its own with the same settings, serving one database that Django made.</summary>
public abstract class Twin : IAsyncLifetime
{
    // ParityHost has the profile Django if nothing is said; this is about what people run.
    private static readonly (string Name, string Value)[] Environment = [("Gatehouse__Profile", "Safe"), ("Gatehouse__OAuth__DeviceFlowInterval", "1")];

    private ChrootFolder? folder;
    private DjangoProcess? django;
    private GatehouseProcess? gatehouse;
    private HttpClient? toDjango, toGatehouse;

    /// <summary>Why there is none; null when there is.</summary>
    public string? Missing { get; private set; } = ChrootFolder.Missing;

    internal DjangoProcess Django => django!;

    internal TwinDatabase Database { get; private set; } = null!;

    private protected ChrootFolder Folder => folder!;

    public HttpClient Http(Side side) => side == Side.Django ? toDjango! : toGatehouse!;

    /// <summary>A file of the test's, which both sides can read.</summary>
    internal string File(string name) => Path.Combine(folder!.Outside, name);

    /// <summary>The same file as Django calls it.</summary>
    internal string FileInside(string name) => $"{folder!.Inside}/{name}";

    /// <summary>Runs a verb of Gatehouse's command line.</summary>
    /// <param name="arguments">The verb and what goes with it.</param>
    /// <param name="input">What it reads; null: nothing.</param>
    /// <param name="settings">Another file of settings than the two sides have.</param>
    /// <param name="database">Another database than theirs.</param>
    /// <param name="environment">Variables to set.</param>
    internal async Task<string> RunAsync(
        string[] arguments, string? input = null, string? settings = null, TwinDatabase? database = null, params (string Name, string Value)[] environment)
    {
        var (code, output, errors) = await GatehouseProcess.RunAsync(
            folder!.Outside, [.. arguments, "--settings", settings ?? folder.Settings, "--database", (database ?? Database).Gatehouse], input, [.. Environment, .. environment], "ParityHost");
        Assert.True(code == 0, $"gatehouse {arguments[0]}: {errors}{output}");
        return output;
    }

    /// <summary>Starts one more Django on a database.</summary>
    internal Task<DjangoProcess> StartDjangoAsync(TwinDatabase database, bool serves = false) => DjangoProcess.StartAsync(folder!, database.Django, serves);

    /// <summary>Makes an empty database; it goes with the twin.</summary>
    internal abstract Task<TwinDatabase> NewDatabaseAsync();

    /// <summary>A client without cookies and redirects. Bodies go with their length: WSGI has no chunks.</summary>
    internal static HttpClient Client(Uri address) =>
        new(new WithLength(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false })) { BaseAddress = address };

    public async ValueTask InitializeAsync()
    {
        Missing ??= await PrepareAsync();
        if (Missing is not null) return;

        folder = ChrootFolder.Make();
        Database = await NewDatabaseAsync();
        django = await StartDjangoAsync(Database, serves: true);
        await django.RunAsync("call_command('migrate', verbosity=0)");
        gatehouse = GatehouseProcess.Serve(
            folder.Outside, ["--settings", folder.Settings, "--database", Database.Gatehouse], Environment, "ParityHost");
        toDjango = Client(django.Address!);
        toGatehouse = Client(await gatehouse.AddressAsync());
    }

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        toDjango?.Dispose();
        toGatehouse?.Dispose();
        if (gatehouse is not null) await gatehouse.DisposeAsync();
        if (django is not null) await django.DisposeAsync();
        await CleanAsync();
        folder?.Dispose();
    }

    /// <summary>Starts what the databases need.</summary>
    /// <returns>Why there can be none here; null when there can.</returns>
    private protected virtual Task<string?> PrepareAsync() => Task.FromResult<string?>(null);

    private protected virtual Task CleanAsync() => Task.CompletedTask;

    private sealed class WithLength(HttpMessageHandler inner) : DelegatingHandler(inner)
    {
        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            if (request.Content is not null) await request.Content.LoadIntoBufferAsync(cancellationToken);
            return await base.SendAsync(request, cancellationToken);
        }
    }
}

/// <summary>On SQLite files.</summary>
public sealed class SqliteTwin : Twin
{
    internal override Task<TwinDatabase> NewDatabaseAsync()
    {
        var file = Guid.NewGuid().ToString("N") + ".sqlite3";
        return Task.FromResult(new TwinDatabase($"sqlite://{FileInside(file)}", $"sqlite:///{File(file)}"));
    }
}

[CollectionDefinition(Name)]
public sealed class OnSqlite : ICollectionFixture<SqliteTwin>
{
    public const string Name = "twin on SQLite";
}
