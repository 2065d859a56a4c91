using System.Diagnostics;

namespace Gatehouse.Database;

/// <summary>The sweeper inside the server: clears rows whose time is over, in small transactions with pauses between them.</summary>
public sealed class SweeperOptions
{
    /// <summary>
    /// Whether servers clear dead rows by themselves. Null, the default: yes; under the profile Django only those of Gatehouse's own tables,
    /// since there Django's stay until <c>clearsessions</c>, <c>flushexpiredtokens</c> or <c>cleartokens</c> is run.
    /// </summary>
    public bool? Enabled { get; set; }

    /// <summary>How often, all servers of one database together. From a second to 30 days; default an hour.</summary>
    public TimeSpan Interval { get; set; } = TimeSpan.FromHours(1);

    /// <summary>Rows deleted in one transaction, by the verbs too. From 1 to 10,000; default 40.</summary>
    public int Batch { get; set; } = 40;
}

/// <summary>What a feature wants cleared. Listed in <see cref="GatehouseServices"/>; a verb clears the same by hand.</summary>
internal interface ISweep
{
    /// <summary>What is dead at that moment.</summary>
    Task<IReadOnlyList<Due>> DueAsync(DateTimeOffset now, CancellationToken ct);

    /// <summary>A longer pause behind so many rows, where a setting asks for one.</summary>
    (int Rows, TimeSpan Pause) Rest => default;
}

/// <summary>Rows of a table that are dead by its condition on <c>@before</c>, and that moment in the table's own spelling.</summary>
internal readonly record struct Due(DeadRows Rows, object Before);

/// <summary>
/// Deletes dead rows in small transactions with pauses between them. Each statement asks again whether the row is dead, so neither what a
/// request does meanwhile nor another sweep at the same time can make it delete what lives.
/// </summary>
internal sealed class Sweeper(Db db, GatehouseOptions options, TimeProvider clock)
{
    // Rows looked at in one go. There are tables that Django gave no index on their time.
    private const int Page = 1000;

    // A fifth of the time at the most: requests in this process, and other processes that wait for the file's lock, have the rest.
    private const int PauseFactor = 4;

    // A checkpoint flushes twice, and what several transactions change is written once. The more it writes, the longer a commit beside it takes.
    private const int TransactionsToACheckpoint = 2;

    /// <param name="sweeps">What to clear.</param>
    /// <param name="progress">Told after each transaction how many rows are gone.</param>
    /// <param name="lease">Held meanwhile; whoever loses it stops.</param>
    /// <param name="onlyOwn">Leave Django's tables alone.</param>
    /// <param name="ct">Stops between two transactions.</param>
    /// <returns>How many rows were deleted.</returns>
    public async Task<int> RunAsync(IEnumerable<ISweep> sweeps, IProgress<int>? progress, CancellationToken ct, Lease? lease = null, bool onlyOwn = false)
    {
        var now = clock.GetUtcNow();
        var run = new Run { Progress = progress, Lease = lease };
        foreach (var sweep in sweeps)
        {
            (run.Rest, run.SinceRest) = (sweep.Rest, 0);
            foreach (var due in await sweep.DueAsync(now, ct))
            {
                if (onlyOwn && !due.Rows.IsOwn) continue;
                if (due.Rows.Delete is null) await ByIdAsync(due, run, ct);
                else await ByExpiryAsync(due, run, ct);
                if (run.LostLease) return run.Deleted;
            }
        }
        return run.Deleted;
    }

    private async Task ByIdAsync(Due due, Run run, CancellationToken ct)
    {
        var (rows, before, after) = (due.Rows, due.Before, 0L);
        while (!run.LostLease)
        {
            var began = Stopwatch.GetTimestamp();
            if (await db.FirstAsync(rows.LastOfPage, ct, ("after", after), ("most", Page)) is not { } last) return;
            var dead = await db.AllAsync(rows.DeadInPage, ct, ("after", after), ("last", last), ("before", before));
            var pause = PauseAfter(began);
            await Task.Delay(pause, ct);
            foreach (var slice in dead.Chunk(options.Sweeper.Batch))
            {
                await WriteAsync(
                    async tx =>
                    {
                        foreach (var statement in rows.First) await tx.RunAsync(statement, ("after", slice[0] - 1), ("last", slice[^1]), ("before", before));
                        return await tx.RunAsync(rows.DeleteInPage, ("after", slice[0] - 1), ("last", slice[^1]), ("before", before));
                    },
                    run, ct);
                if (run.LostLease) return;
            }
            // A table of live rows is long to look through.
            if (dead.Count == 0 && run.Lease is { } lease && !await lease.KeepAsync(ct)) run.LostLease = true;
            after = last;
        }
    }

    private async Task ByExpiryAsync(Due due, Run run, CancellationToken ct)
    {
        var most = options.Sweeper.Batch;
        // Asked before the writer is.
        while (!run.LostLease && await db.FirstAsync(due.Rows.Any, ct, ("before", due.Before)) is not null)
            if (await WriteAsync(tx => tx.RunAsync(due.Rows.Delete!, ("before", due.Before), ("most", most)), run, ct) < most) return;
    }

    private async Task<int> WriteAsync(Func<Tx, Task<int>> work, Run run, CancellationToken ct)
    {
        var pause = TimeSpan.Zero;
        // A power cut may lose it: then the rows are swept again.
        var deleted = await db.WriteRelaxedAsync(
            async tx =>
            {
                var began = Stopwatch.GetTimestamp();
                var count = run.Lease is null || await run.Lease.HoldAsync(tx) ? await work(tx) : -1;
                pause = PauseAfter(began);
                return count;
            },
            ct);
        if (deleted < 0)
        {
            run.LostLease = true;
            return 0;
        }
        run.Deleted += deleted;
        if (deleted > 0) run.Progress?.Report(run.Deleted);

        // Many pages were changed: what a request's commit would have to do for them in the end is done here.
        if (++run.Transactions % TransactionsToACheckpoint == 0) db.Checkpoint();
        if (run.Rest.Pause > TimeSpan.Zero && (run.SinceRest += deleted) >= run.Rest.Rows)
        {
            run.SinceRest = 0;
            pause = run.Rest.Pause;
        }
        await Task.Delay(pause, ct);
        return deleted;
    }

    private static TimeSpan PauseAfter(long began)
    {
        var pause = PauseFactor * Stopwatch.GetElapsedTime(began);
        return pause < TimeSpan.FromMilliseconds(1) ? TimeSpan.FromMilliseconds(1) : pause;
    }

    private sealed class Run
    {
        public IProgress<int>? Progress { get; init; }
        public Lease? Lease { get; init; }
        public bool LostLease { get; set; }
        public int Deleted { get; set; }
        public int Transactions { get; set; }
        public (int Rows, TimeSpan Pause) Rest { get; set; }
        public int SinceRest { get; set; }
    }
}

/// <summary>How the dead rows of one table are found and deleted. Made once, since its statements are prepared.</summary>
internal sealed class DeadRows
{
    private DeadRows(string table) => IsOwn = table.StartsWith("gatehouse_", StringComparison.Ordinal);

    /// <summary>Of a table with no index on its time: looked through by <c>id</c>, a page at a time.</summary>
    /// <param name="table">With a column <c>id</c>.</param>
    /// <param name="isDead">The condition, on <c>@before</c>.</param>
    /// <param name="first">
    /// Statements that run before the rows are deleted, in their transaction; <c>{dead}</c> in them stands for the ids of those rows.
    /// </param>
    public static DeadRows ById(string table, string isDead, params string[] first)
    {
        var inPage = $"id > @after AND id <= @last AND {isDead}";
        return new DeadRows(table)
        {
            LastOfPage = new($"SELECT MAX(id) FROM (SELECT id FROM {table} WHERE id > @after ORDER BY id LIMIT @most) AS page", row => row.IsNull(0) ? null : row.Int(0)),
            DeadInPage = new($"SELECT id FROM {table} WHERE {inPage} ORDER BY id", row => row.Int(0)),
            First = [.. first.Select(text => new Sql(text.Replace("{dead}", $"SELECT id FROM {table} WHERE {inPage}", StringComparison.Ordinal)))],
            DeleteInPage = new($"DELETE FROM {table} WHERE {inPage}"),
        };
    }

    /// <summary>Of a table whose time is indexed.</summary>
    /// <param name="table">The table.</param>
    /// <param name="key">Its key's columns.</param>
    /// <param name="expires">The column that <c>@before</c> is compared with.</param>
    public static DeadRows ByExpiry(string table, string key, string expires) => new(table)
    {
        Any = new($"SELECT 1 FROM {table} WHERE {expires} < @before LIMIT 1", row => row.Int(0)),
        Delete = new($"DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM {table} WHERE {expires} < @before ORDER BY {expires} LIMIT @most)"),
    };

    /// <summary>Whether the table is Gatehouse's own.</summary>
    public bool IsOwn { get; }

    public Sql<long?> LastOfPage { get; private init; } = null!;
    public Sql<long> DeadInPage { get; private init; } = null!;
    public Sql[] First { get; private init; } = [];
    public Sql DeleteInPage { get; private init; } = null!;

    public Sql<long?> Any { get; private init; } = null!;

    /// <summary>Null for a table that is looked through by <c>id</c>.</summary>
    public Sql? Delete { get; private init; }
}
