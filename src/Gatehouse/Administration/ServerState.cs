using System.Globalization;
using Gatehouse.Database;

namespace Gatehouse.Administration;

/// <summary>How the server is, as an operator asks: sweeper, keys, database, and what <c>gatehouse check --deploy</c> still finds.</summary>
public sealed class ServerState
{
    // A turn may be late by as long as a dead holder keeps the lease.
    private static readonly TimeSpan Late = TimeSpan.FromMinutes(3);
    private static readonly TimeSpan Wait = TimeSpan.FromSeconds(2);

    private readonly Db db;
    private readonly Migrations migrations;
    private readonly SigningKeyList keys;
    private readonly GatehouseOptions options;
    private readonly TimeProvider clock;

    internal ServerState(Db db, Migrations migrations, SigningKeyList keys, GatehouseOptions options, TimeProvider clock)
    {
        this.db = db;
        this.migrations = migrations;
        this.keys = keys;
        this.options = options;
        this.clock = clock;
    }

    /// <summary>What <c>gatehouse check --deploy</c> warns of, each with its number and what to do. Nothing secret is in it.</summary>
    public IReadOnlyList<string> DeployIssues => [.. Gatehouse.DeployIssues.Of(options)];

    /// <summary>A line for each part of the server.</summary>
    public async Task<IReadOnlyList<StateLine>> ReadAsync(CancellationToken ct) =>
    [
        await DatabaseAsync(ct), await SweeperAsync(ct), new StateLine("Key of JSON Web Tokens", options.Jwt.Algorithm, IsGood: true), IdTokenKeys(),
        .. FormerKeys(),
    ];

    private async Task<StateLine> DatabaseAsync(CancellationToken ct)
    {
        var kind = DatabaseUrl.IsPostgres(options.Database) ? "PostgreSQL" : "SQLite";
        var megabytes = (await db.FirstAsync(Size, ct) / 1e6).ToString("N1", CultureInfo.InvariantCulture);
        var (state, isGood) = !await migrations.IsCurrentAsync(ct) ? ("not up to date: run gatehouse migrate", false)
            : !await db.CanWriteAsync(Wait, ct) ? ("locked or not writable", false)
            : ("up to date", true);
        return new StateLine("Database", $"{kind}, {megabytes} MB, {state}", isGood);
    }

    private static readonly Sql<long> Size = new(
        "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()", row => row.Int(0), postgres: "SELECT pg_database_size(current_database())");

    private async Task<StateLine> SweeperAsync(CancellationToken ct)
    {
        const string Name = "Sweeper";
        if (options.Sweeper.Enabled == false) return new StateLine(Name, "off here (Sweeper:Enabled)", IsGood: true);
        if (await db.FirstAsync(NextSweep, ct) is not { } micros) return new StateLine(Name, "has not run yet", IsGood: true);
        var next = DateTimeOffset.UnixEpoch.AddMicroseconds(micros);
        var time = next.UtcDateTime.ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture);
        return next + Late < clock.GetUtcNow() ? new StateLine(Name, $"its turn was at {time}", IsGood: false) : new StateLine(Name, $"on, next turn at {time}", IsGood: true);
    }

    private static readonly Sql<long?> NextSweep = new("SELECT expires FROM gatehouse_lease WHERE name = 'sweeper'", row => row.Int(0));

    private StateLine IdTokenKeys()
    {
        const string Name = "Keys of ID tokens";
        if (!keys.IsEnabled) return new StateLine(Name, "none, OpenID Connect is off", IsGood: true);
        var all = keys.All();
        var signing = all.Where(key => key.State == "signs").Select(key => key.Algorithm).Distinct().Order(StringComparer.Ordinal).ToList();
        return new StateLine(Name, signing.Count == 0 ? "none signs" : $"{string.Join(" and ", signing)} sign, {all.Count} published", signing.Count > 0);
    }

    private IEnumerable<StateLine> FormerKeys()
    {
        if (options.SecretKeyFallbacks.Count > 0) yield return new StateLine("Former secret keys", $"{options.SecretKeyFallbacks.Count} still verify (SECRET_KEY_FALLBACKS)", IsGood: true);
    }
}

/// <summary>How a part of the server is.</summary>
/// <param name="Name">Of the part.</param>
/// <param name="Text">For people; times are UTC.</param>
/// <param name="IsGood">Whether nobody needs to look.</param>
public sealed record StateLine(string Name, string Text, bool IsGood);
