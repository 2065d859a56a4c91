using Gatehouse.Database;
using Microsoft.Data.Sqlite;
using Xunit;

namespace Gatehouse.Tests.Database;

public sealed class WriterTests : IAsyncLifetime
{
    private static readonly Sql InsertGroup = new("INSERT INTO auth_group (name) VALUES (@name)");
    private static readonly Sql InsertToken = new("INSERT INTO authtoken_token VALUES (@key, '2026-01-01 00:00:00', @user)");
    private static readonly Sql MakeLarge = new("CREATE TABLE large (bytes)");
    private static readonly Sql InsertLarge = new("INSERT INTO large VALUES (zeroblob(20000))");
    private static readonly Sql<long> CountGroups = new("SELECT count(*) FROM auth_group", row => row.Int(0));
    private readonly DatabaseFile file = new();
    private readonly Db db;
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public WriterTests() => db = file.Open();

    public async ValueTask InitializeAsync() => await new Migrations(db, TimeProvider.System).ApplyAsync(Ct);

    public ValueTask DisposeAsync()
    {
        file.Dispose();
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task Of_writes_in_one_commit_only_the_one_that_fails_is_failed()
    {
        var writes = Together(Enumerable.Range(0, 64).Select(i => Insert(i == 40 ? "group 39" : $"group {i}")));

        var failure = await Assert.ThrowsAsync<SqliteException>(() => writes[40]);
        await Task.WhenAll(writes.Where((_, i) => i != 40));

        Assert.Equal(19, failure.SqliteErrorCode);
        Assert.Equal(63, await db.FirstAsync(CountGroups, Ct));
    }

    [Fact]
    public async Task What_a_failing_write_did_before_is_undone()
    {
        var writes = Together([
            Insert("before"),
            async tx => await tx.RunAsync(InsertGroup, ("name", "half")) + await tx.RunAsync(InsertGroup, ("name", "half")),
            Insert("after"),
        ]);

        await Assert.ThrowsAsync<SqliteException>(() => writes[1]);
        await Task.WhenAll(writes[0], writes[2]);

        Assert.Equal(["after", "before"], file.Rows("SELECT name FROM auth_group ORDER BY name"));
    }

    [Fact]
    public async Task A_reference_to_nothing_fails_at_the_commit_and_only_its_own_write()
    {
        var writes = Together(Enumerable.Range(0, 16).Select(i => i == 7
            ? tx => tx.RunAsync(InsertToken, ("key", "k"), ("user", 999))
            : Insert($"group {i}")));

        var failure = await Assert.ThrowsAsync<SqliteException>(() => writes[7]);
        await Task.WhenAll(writes.Where((_, i) => i != 7));

        Assert.Contains("FOREIGN KEY", failure.Message, StringComparison.Ordinal);
        Assert.Equal(15, await db.FirstAsync(CountGroups, Ct));
        Assert.Empty(file.Rows("SELECT * FROM authtoken_token"));
    }

    [Fact]
    public async Task Another_programs_lock_is_waited_for()
    {
        using var other = file.Connect();
        await using var holding = other.BeginTransaction(deferred: false);

        var write = db.WriteAsync(Insert("patient"), Ct);
        await Task.Delay(300, Ct);
        var early = write.IsCompleted;
        var reads = await db.FirstAsync(CountGroups, Ct);
        await holding.CommitAsync(Ct);

        Assert.False(early);
        Assert.Equal(0, reads);
        Assert.Equal(1, await write);
    }

    [Fact]
    public async Task What_is_written_shows_in_another_process_at_once()
    {
        using var second = file.Open();
        Assert.Equal(0, await second.FirstAsync(CountGroups, Ct));

        await db.WriteRelaxedAsync(Insert("relaxed"), Ct);
        Assert.Equal(1, await second.FirstAsync(CountGroups, Ct));

        await second.WriteAsync(Insert("durable"), Ct);
        Assert.Equal(2, await db.FirstAsync(CountGroups, Ct));
    }

    [Fact]
    public async Task Two_writers_take_turns()
    {
        using var second = file.Open();

        await Task.WhenAll(Enumerable.Range(0, 200).Select(i => Task.Run(() => (i % 2 == 0 ? db : second).WriteAsync(Insert($"group {i}"), Ct), Ct)));

        Assert.Equal(200, await db.FirstAsync(CountGroups, Ct));
    }

    [Fact]
    public async Task A_write_that_has_not_begun_can_be_given_up()
    {
        using var giveUp = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        using var gate = new ManualResetEventSlim();
        using var begun = new ManualResetEventSlim();
        var blocking = db.WriteAsync(
            tx =>
            {
                begun.Set();
                return Wait(gate, tx);
            },
            Ct);
        // Otherwise both may be taken at once.
        begun.Wait(Ct);
        var write = db.WriteAsync(Insert("given up"), giveUp.Token);

        await giveUp.CancelAsync();
        gate.Set();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => write);
        await blocking;
        Assert.Equal(0, await db.FirstAsync(CountGroups, Ct));
    }

    [Fact]
    public async Task A_write_that_awaits_something_else_is_refused()
    {
        await Assert.ThrowsAsync<InvalidOperationException>(() => db.WriteAsync(async tx =>
        {
            await tx.RunAsync(InsertGroup, ("name", "slow"));
            await Task.Delay(10, Ct);
            return 0;
        }, Ct));

        Assert.Equal(0, await db.FirstAsync(CountGroups, Ct));
    }

    [Fact]
    public async Task The_log_begins_anew_although_writes_go_on()
    {
        await db.WriteAsync(tx => tx.RunAsync(MakeLarge), Ct);
        var before = LogNumber();

        // Each some five pages, of which a log has a few ten thousand at most.
        var count = 0;
        while (LogNumber() == before)
        {
            Assert.True(count < 6_000, "the log is never begun anew");
            await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => db.WriteAsync(tx => tx.RunAsync(InsertLarge), Ct)));
            count += 8;
        }

        // Not only when SQLite does it by itself.
        Assert.InRange(new FileInfo(file.Path + "-wal").Length, 48_000_000, 110_000_000);
        Assert.Equal([$"{count}"], file.Rows("SELECT count(*) FROM large"));
    }

    // Its header counts the checkpoints (sqlite.org/fileformat2.html#walformat).
    private uint LogNumber()
    {
        using var log = new FileStream(file.Path + "-wal", FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        var header = new byte[16];
        log.ReadExactly(header);
        return System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(header.AsSpan(12));
    }

    [Fact]
    public async Task Stopping_completes_what_was_accepted_and_refuses_the_rest()
    {
        var writes = Enumerable.Range(0, 100).Select(i => db.WriteAsync(Insert($"group {i}"), Ct)).ToList();

        db.Dispose();

        await Task.WhenAll(writes);
        Assert.Equal(["100"], file.Rows("SELECT count(*) FROM auth_group"));
        await Assert.ThrowsAsync<DatabaseUnavailableException>(() => db.WriteAsync(Insert("late"), Ct));
        await Assert.ThrowsAsync<DatabaseUnavailableException>(() => db.FirstAsync(CountGroups, Ct));
    }

    [Fact]
    public async Task What_was_answered_survives_a_kill()
    {
        using var killed = new DatabaseFile();
        using var process = Child.Start(nameof(Child.Write_until_killed), killed.Path);
        var answers = new FileInfo(killed.Path + ".answered");
        while ((!answers.Exists || answers.Length < 500) && !process.HasExited)
        {
            await Task.Delay(5, Ct);
            answers.Refresh();
        }
        process.Kill();
        await process.WaitForExitAsync(Ct);

        var text = await File.ReadAllTextAsync(answers.FullName, Ct);
        var answered = text[..(text.LastIndexOf('\n') + 1)].Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.InRange(answered.Length, 100, int.MaxValue);
        Assert.Empty(answered.Except(killed.Rows("SELECT id FROM auth_group")));
        Assert.Equal(["ok"], killed.Rows("PRAGMA integrity_check"));
    }

    private static Func<Tx, Task<int>> Insert(string name) => tx => tx.RunAsync(InsertGroup, ("name", name));

    // The writer is held until all are waiting, so that one commit takes them.
    private List<Task<int>> Together(IEnumerable<Func<Tx, Task<int>>> writes)
    {
        using var gate = new ManualResetEventSlim();
        var blocking = db.WriteAsync(tx => Wait(gate, tx), Ct);
        var waiting = writes.Select(write => db.WriteAsync(write, Ct)).ToList();
        gate.Set();
        blocking.Wait(Ct);
        return waiting;
    }

    private static Task<int> Wait(ManualResetEventSlim gate, Tx tx)
    {
        _ = tx;
        gate.Wait();
        return Task.FromResult(0);
    }
}
