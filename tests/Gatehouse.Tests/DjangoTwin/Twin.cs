using Gatehouse.Tests.Database;
using Xunit;

namespace Gatehouse.Tests.DjangoTwin;

/// <summary>Which of the two serves a request.</summary>
public enum Side
{
    Django,
    Gatehouse,
}

/// <summary>A user model of tests/DjangoTwin/user-models, and what Gatehouse has to be told of it.</summary>
internal sealed record OwnUserModel(string App, string Model, (string Name, string Value)[] Settings);

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
    private ObedientProcess? verbs;
    private HttpClient? toDjango, toGatehouse;

    /// <summary>Why there is none; null when there is.</summary>
    public string? Missing { get; private set; } = ChrootFolder.Missing;

    internal DjangoProcess Django => django!;

    internal TwinDatabase Database { get; private set; } = null!;

    /// <summary>Something of every kind in the database, which <see cref="DatabaseTwinTests"/> makes once.</summary>
    internal (string Username, string Token)? Filled { get; set; }

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
        var answer = await verbs!.TellAsync(new
        {
            arguments = (string[])[.. arguments, "--settings", settings ?? folder!.Settings, "--database", (database ?? Database).Gatehouse],
            input,
            environment = environment.ToDictionary(one => one.Name, one => one.Value),
        });
        Assert.True((int)answer["code"]! == 0, $"gatehouse {arguments[0]}: {answer["errors"]}{answer["output"]}");
        return (string)answer["output"]!;
    }

    /// <summary>Makes an empty database; it goes with the twin.</summary>
    internal abstract Task<TwinDatabase> NewDatabaseAsync();

    /// <summary>A client without cookies and redirects. Bodies go with their length: WSGI has no chunks.</summary>
    private static HttpClient Client(Uri address) =>
        new(new WithLength(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false })) { BaseAddress = address };

    public async ValueTask InitializeAsync()
    {
        Missing ??= await PrepareAsync();
        if (Missing is not null) return;

        folder = ChrootFolder.Make(UserModel?.Model);
        Database = await NewDatabaseAsync();
        var environment = Environment.Concat(UserModel?.Settings ?? []).ToArray();
        verbs = new ObedientProcess(GatehouseProcess.StartInfo(folder.Outside, ["obey"], environment, "ParityHost"));
        django = await DjangoProcess.StartAsync(folder, Database.Django);
        if (UserModel is not null) await django.RunAsync("call_command('makemigrations', given, verbosity=0)", UserModel.App);
        await django.RunAsync("call_command('migrate', verbosity=0)");
        gatehouse = GatehouseProcess.Serve(
            folder.Outside, ["--settings", folder.Settings, "--database", Database.Gatehouse], environment, "ParityHost");
        toDjango = Client(django.Address);
        toGatehouse = Client(await gatehouse.AddressAsync());
    }

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        toDjango?.Dispose();
        toGatehouse?.Dispose();
        if (verbs is not null) await verbs.DisposeAsync();
        if (gatehouse is not null) await gatehouse.DisposeAsync();
        if (django is not null) await django.DisposeAsync();
        await CleanAsync();
        folder?.Dispose();
    }

    /// <summary>The project's own user model; null: Django's.</summary>
    private protected virtual OwnUserModel? UserModel => null;

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

/// <summary>In the PostgreSQL cluster of the run.</summary>
public class PostgresTwin : Twin
{
    private readonly List<PostgresDatabase> databases = [];

    internal sealed override Task<TwinDatabase> NewDatabaseAsync()
    {
        var database = new PostgresDatabase();
        database.MakeEmpty();
        databases.Add(database);
        return Task.FromResult(new TwinDatabase(database.Url, database.Url));
    }

    private protected override Task<string?> PrepareAsync() =>
        Task.FromResult(PostgresCluster.IsInstalled ? null : "PostgreSQL is not installed. On Debian: apt-get install postgresql");

    private protected override Task CleanAsync()
    {
        foreach (var database in databases) database.Dispose();
        return Task.CompletedTask;
    }
}

// Both are in the run on SQLite, and neither is there a second time when the suite runs on PostgreSQL.
[CollectionDefinition(Name)]
public sealed class OnPostgres : ICollectionFixture<PostgresTwin>
{
    public const string Name = "twin on PostgreSQL";
}

/// <summary>The same with a user model of the project's own: another table, UUIDs, an address to log in with, columns that nobody else knows.</summary>
public sealed class MembersTwin : PostgresTwin
{
    private protected override OwnUserModel UserModel { get; } = new("people", "people.Member",
    [
        ("Gatehouse__UserModel__Table", "members"), ("Gatehouse__UserModel__UsernameField", "email"),
        ("Gatehouse__UserModel__Defaults__name", "new"), ("Gatehouse__UserModel__Defaults__phone", "none"), ("Gatehouse__UserModel__Defaults__points", "0"), ("Gatehouse__UserModel__Defaults__joined", "now"),
    ]);
}

[CollectionDefinition(Name)]
public sealed class OnMembers : ICollectionFixture<MembersTwin>
{
    public const string Name = "twin with a user model of its own";
}
