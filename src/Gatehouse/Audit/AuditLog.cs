using System.Globalization;
using Gatehouse.Database;
using Gatehouse.Users;

namespace Gatehouse.Audit;

/// <summary>Reads and checks the audit log: <c>gatehouse audit verify</c>, and a page of the admin site.</summary>
public sealed class AuditLog : ISweep
{
    private const int Page = 1000;
    private const int Window = 10_000;
    private const int MostLooked = 200_000;
    internal const int MostFindings = 20;

    private readonly Db db;
    private readonly AuditSeal seal;
    private readonly AuditTrail trail;
    private readonly GatehouseOptions options;

    internal AuditLog(Db db, AuditSeal seal, AuditTrail trail, GatehouseOptions options)
    {
        this.db = db;
        this.trail = trail;
        this.seal = seal;
        this.options = options;
    }

    /// <summary>Whether it is kept (<c>Audit:Enabled</c>).</summary>
    public bool IsEnabled => options.Audit.Enabled;

    /// <summary>What its rows tell of: <c>login</c>, <c>token_issued</c> …</summary>
    public static IReadOnlyList<string> Events => AuditTrail.Names;

    /// <summary>
    /// Rows, the newest first. However long the log is, so many are looked at for one answer, and where the next goes on is told: words are
    /// looked for in row after row, since an index for that would cost more at each login than a search now and then.
    /// </summary>
    public async Task<AuditFound> ReadAsync(AuditQuery query, CancellationToken ct)
    {
        var since = query.Since is { } time ? Micros(time) : 0;
        var isRare = query.Event.Length > 0 && query.Event != AuditTrail.NameOf(AuditEvent.TokenIssued) && query.Event != AuditTrail.NameOf(AuditEvent.TokenRefreshed);
        var from = query.Before ?? AuditPoint.Newest;
        List<AuditRow> found = [];
        for (var looked = 0; looked < MostLooked; looked += Window)
        {
            var end = isRare
                ? await db.FirstAsync(EndOfRareWindow, ct, ("at", from.Micros), ("id", from.Id), ("since", since), ("window", Window - 1L), ("event", query.Event))
                : await db.FirstAsync(EndOfWindow, ct, ("at", from.Micros), ("id", from.Id), ("since", since), ("window", Window - 1L));
            found.AddRange(await db.AllAsync(
                isRare ? FoundOfRare : Found, ct,
                ("at", from.Micros), ("id", from.Id), ("end", end?.Micros ?? since), ("end_id", end?.Id ?? 0L), ("event", query.Event),
                ("words", query.Search.Length == 0 ? "" : Pattern(query.Search)), ("most", (long)(query.Size - found.Count))));
            if (found.Count == query.Size) return new AuditFound(found, found[^1].Point);
            if (end is null) return new AuditFound(found, null);
            from = end;
        }
        return new AuditFound(found, from);
    }

    private static string Pattern(string text) => "%" + text.Replace("\\", @"\\", StringComparison.Ordinal).Replace("%", "\\%", StringComparison.Ordinal).Replace("_", "\\_", StringComparison.Ordinal) + "%";

    // Of rows of one moment the one with the higher number is the newer.
    private const string IsOlder = "at <= @at AND (at < @at OR id < @id)";

    private const string IsWithin = $"{IsOlder} AND at >= @end AND (at > @end OR id >= @end_id)";

    // As the index has it, which leaves out what there is most of.
    private const string IsRare = "event = @event AND event NOT IN ('token_issued', 'token_refreshed')";

    private const string Fits = @"(@words = '' OR LOWER(username || ' ' || about || ' ' || client || ' ' || address || ' ' || detail) LIKE LOWER(@words) ESCAPE '\')";

    private const string NewestFirst = "ORDER BY at DESC, id DESC";

    private static readonly Sql<AuditRow> Found = new(
        $"SELECT {AuditRow.Columns} FROM gatehouse_audit WHERE {IsWithin} AND (@event = '' OR event = @event) AND {Fits} {NewestFirst} LIMIT @most", AuditRow.Read);

    private static readonly Sql<AuditRow> FoundOfRare = new(
        $"SELECT {AuditRow.Columns} FROM gatehouse_audit WHERE {IsWithin} AND {IsRare} AND {Fits} {NewestFirst} LIMIT @most", AuditRow.Read);

    private static readonly Sql<AuditPoint> EndOfWindow = new(
        $"SELECT at, id FROM gatehouse_audit WHERE {IsOlder} AND at >= @since {NewestFirst} LIMIT 1 OFFSET @window", AuditPoint.Read);

    private static readonly Sql<AuditPoint> EndOfRareWindow = new(
        $"SELECT at, id FROM gatehouse_audit WHERE {IsOlder} AND at >= @since AND {IsRare} {NewestFirst} LIMIT 1 OFFSET @window", AuditPoint.Read);

    /// <summary>Goes through the whole chain, from the oldest row that there is.</summary>
    /// <param name="head">What an earlier check printed as its head, kept elsewhere: <c>POSITION:HASH</c>. That row must still be there, and the same. Null: none.</param>
    /// <param name="progress">Told every 1,000 rows how many were looked at.</param>
    /// <param name="ct">Ends it.</param>
    /// <exception cref="FormatException">The head is not so written.</exception>
    public async Task<AuditCheck> VerifyAsync(string? head, IProgress<int>? progress, CancellationToken ct)
    {
        var (known, hash) = head is null ? (0, "") : Parse(head);
        List<string> findings = [];
        AuditRow? first = null, last = null;
        var count = 0L;
        while (findings.Count < MostFindings && await db.AllAsync(Sealed, ct, ("after", last?.Position ?? 0L), ("most", Page)) is { Count: > 0 } rows)
        {
            foreach (var row in rows)
            {
                var position = row.Position!.Value;
                if (last is not null && position != last.Position + 1) findings.Add($"{Places(last.Position!.Value + 1, position - 1)} missing, behind {last.Moment}.");
                else if (last is not null && row.Previous != last.Hash) findings.Add($"Place {position} ({row.Moment}) does not follow the row before it.");
                if (!seal.Fits(row)) findings.Add($"Place {position} ({row.Moment}, {row.Event}) was changed, or was sealed with a key that is neither SECRET_KEY nor one of SECRET_KEY_FALLBACKS.");
                if (position == known && row.Hash != hash) findings.Add($"Place {position} ({row.Moment}) is not the row that the given head names.");
                first ??= row;
                last = row;
                count++;
            }
            progress?.Report((int)count);
        }
        if (known > 0 && findings.Count < MostFindings && (last is null || known > last.Position)) findings.Add($"The log ends before place {known}, which the given head names: its last rows are missing.");
        var waiting = await db.FirstAsync(Waiting, ct);
        return new AuditCheck(count, first, last, waiting, findings);

        static string Places(long from, long to) => from == to ? $"Place {from} is" : $"Places {from} to {to} are";
    }

    private static (long Position, string Hash) Parse(string head) =>
        head.Split(':') is [var position, { Length: 43 } hash] && long.TryParse(position, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0
            ? (number, hash)
            : throw new FormatException("A head is written POSITION:HASH, as gatehouse audit verify prints it.");

    private static readonly Sql<AuditRow> Sealed = new(
        $"SELECT {AuditRow.Columns} FROM gatehouse_audit WHERE position > @after ORDER BY position LIMIT @most", AuditRow.Read);

    private static readonly Sql<long> Waiting = new("SELECT COUNT(*) FROM gatehouse_audit WHERE position IS NULL", row => row.Int(0));

    /// <summary>Notes that somebody takes rows away.</summary>
    /// <param name="by">Who.</param>
    /// <param name="query">Which, as the page's address has it.</param>
    /// <param name="format">For people.</param>
    public Task NoteExportAsync(User by, string query, string format) =>
        trail.NoteAsync(trail.Of(AuditEvent.Exported, by) is { } entry ? entry with { About = "audit log", Detail = $"{format}, {query}" } : null);

    /// <summary>The last row that is sealed; null when none is.</summary>
    public Task<AuditRow?> HeadAsync(CancellationToken ct) => db.FirstAsync(AuditSeal.Head, ct);

    // By place, without a gap: what is left is a chain. The newest of the old ones stays, so that numbers are never given twice.
    async Task<IReadOnlyList<Due>> ISweep.DueAsync(DateTimeOffset now, CancellationToken ct) =>
        options.Audit.RetentionDays > 0 && await db.FirstAsync(LastOld, ct, ("before", Micros(now.AddDays(-options.Audit.RetentionDays)))) is { } position ? [new(Old, position)] : [];

    private static readonly Sql<long?> LastOld = new(
        "SELECT position FROM gatehouse_audit WHERE at < @before AND position IS NOT NULL ORDER BY at DESC LIMIT 1", row => row.Int(0));

    private static readonly DeadRows Old = DeadRows.ByExpiry("gatehouse_audit", "id", "position");

    private static long Micros(DateTimeOffset time) => (time - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond;
}

/// <summary>What is asked of the audit log.</summary>
public sealed record AuditQuery
{
    /// <summary>One of <see cref="AuditLog.Events"/>; empty: all.</summary>
    public string Event { get; init; } = "";

    /// <summary>A text that user, object, application, address or detail has; empty: any.</summary>
    public string Search { get; init; } = "";

    /// <summary>Null: from the beginning.</summary>
    public DateTimeOffset? Since { get; init; }

    /// <summary>Older rows than this one only; null: from the newest.</summary>
    public AuditPoint? Before { get; init; }

    /// <summary>How many rows. Default 100.</summary>
    public int Size { get; init; } = 100;
}

/// <summary>What was found in the audit log.</summary>
/// <param name="Rows">The newest first.</param>
/// <param name="Next">Where it goes on; null: that is all. Perhaps there were no rows so far.</param>
public sealed record AuditFound(IReadOnlyList<AuditRow> Rows, AuditPoint? Next);

/// <summary>Where a row stands among the others: by its time, and of one moment by its number.</summary>
/// <param name="Micros"><see cref="AuditRow.Micros"/></param>
/// <param name="Id"><see cref="AuditRow.Id"/></param>
public sealed record AuditPoint(long Micros, long Id)
{
    // The end of the year 9999, in microseconds.
    private const long LatestMicros = 253_402_300_799_999_999;

    internal static AuditPoint Newest { get; } = new(LatestMicros, long.MaxValue);

    /// <summary>When it was.</summary>
    public DateTimeOffset Time => DateTimeOffset.UnixEpoch.AddMicroseconds(Micros);

    /// <summary>As <see cref="ToString"/> writes it; null: it is none.</summary>
    public static AuditPoint? Parse(string text) =>
        text.Split('-') is [var micros, var id] && long.TryParse(micros, NumberStyles.None, CultureInfo.InvariantCulture, out var at) && at <= LatestMicros && long.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? new AuditPoint(at, number)
            : null;

    /// <summary>For an address: <c>1790000000000000-17</c>.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Micros}-{Id}");

    internal static AuditPoint Read(Row row) => new(row.Int(0), row.Int(1));
}

/// <summary>A row of the audit log. No text is longer than 201 characters, and none has control characters.</summary>
/// <param name="Id">Of the row: the later, the higher, among those of one server.</param>
/// <param name="Micros">When, in microseconds since 1970.</param>
/// <param name="Event">One of <see cref="AuditLog.Events"/>.</param>
/// <param name="UserId">Of who did it; empty: nobody known.</param>
/// <param name="Username">Of who did it, as it was.</param>
/// <param name="About">Whom or what it was done to; empty: themselves.</param>
/// <param name="Client">The application that has the tokens.</param>
/// <param name="Address">From where, as throttles count; empty: the command line, or code of the host.</param>
/// <param name="Detail">More, in words.</param>
/// <param name="Position">Its place in the chain, from 1; null: not sealed yet.</param>
/// <param name="Previous">The hash of the row before it.</param>
/// <param name="Hash">Its own.</param>
public sealed record AuditRow(
    long Id, long Micros, string Event, string UserId, string Username, string About, string Client, string Address, string Detail, long? Position, string? Previous, string? Hash)
{
    internal const string Columns = "id, at, event, user_id, username, about, client, address, detail, position, previous, hash";

    /// <summary>When it was.</summary>
    public DateTimeOffset Time => DateTimeOffset.UnixEpoch.AddMicroseconds(Micros);

    /// <summary>Where it stands.</summary>
    public AuditPoint Point => new(Micros, Id);

    internal string Moment => Time.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);

    internal static AuditRow Read(Row row) => new(
        row.Int(0), row.Int(1), row.Text(2), row.Text(3), row.Text(4), row.Text(5), row.Text(6), row.Text(7), row.Text(8), row.IntOrNull(9), row.TextOrNull(10), row.TextOrNull(11));
}

/// <summary>What a check of the audit log found.</summary>
/// <param name="Count">Sealed rows that were looked at.</param>
/// <param name="First">The oldest; null: there is none.</param>
/// <param name="Last">The newest: the head, to be kept elsewhere.</param>
/// <param name="Waiting">Rows that are not sealed yet.</param>
/// <param name="Findings">What is wrong, at most 20 things; empty: nothing.</param>
public sealed record AuditCheck(long Count, AuditRow? First, AuditRow? Last, long Waiting, IReadOnlyList<string> Findings);
