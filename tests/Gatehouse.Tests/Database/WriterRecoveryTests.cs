using Gatehouse.Database;
using Xunit;

namespace Gatehouse.Tests.Database;

/// <summary>What is in the way of the first write goes away, and the server, which was not restarted, writes.</summary>
public sealed class WriterRecoveryTests : GatehouseTest
{
    private static readonly Sql InsertGroup = new("INSERT INTO auth_group (name) VALUES (@name)");

    // As Django leaves a file that nobody has tuned; at a start nothing is written when nothing is to be migrated.
    protected override async Task StartAsync()
    {
        Database.Execute("PRAGMA journal_mode = DELETE");
        await StartServerAsync();
    }

    [Fact]
    public async Task A_lock_at_the_first_write_is_told_by_readiness_and_forgotten_once_released()
    {
        await Users.CreateAsync("alice");
        Assert.Equal(["delete"], Database.Rows("PRAGMA journal_mode"));
        using var other = SqliteFile.Connect();
        await using var holding = other.BeginTransaction(deferred: false);

        var login = NewBrowser().LogInAsync("alice");
        await Http.AskAsync("/health/ready").ShouldBeAsync(503, """{"status":"database locked or not writable"}""");
        await Http.AskAsync("/health/live").ShouldBeAsync(200);
        Assert.False(login.IsCompleted);
        await holding.CommitAsync(Ct);

        await (await login).GetAsync("/api/accounts/profile/").ShouldBeAsync(200);
        await Http.AskAsync("/health/ready").ShouldBeAsync(200, """{"status":"ready"}""");
        await NewBrowser().LogInAsync("alice");
        Assert.Equal(["wal"], Database.Rows("PRAGMA journal_mode"));
    }

    [Fact]
    public async Task A_lock_that_comes_later_is_told_and_forgotten_too()
    {
        await Users.CreateAsync("alice");
        await NewBrowser().LogInAsync("alice");
        await Http.AskAsync("/health/ready").ShouldBeAsync(200);
        using var other = SqliteFile.Connect();
        await using var holding = other.BeginTransaction(deferred: false);

        await Http.AskAsync("/health/ready").ShouldBeAsync(503);
        await holding.CommitAsync(Ct);

        await Http.AskAsync("/health/ready").ShouldBeAsync(200);
        await NewBrowser().LogInAsync("alice");
    }

    [Fact]
    public async Task An_opening_that_failed_is_tried_again_at_the_next_write()
    {
        var good = await File.ReadAllBytesAsync(SqliteFile.Path, Ct);
        using var file = new DatabaseFile();
        var db = file.Open();
        await File.WriteAllTextAsync(file.Path, new string('x', good.Length), Ct);

        await Assert.ThrowsAsync<DatabaseUnavailableException>(() => db.WriteAsync(Insert("first"), Ct));
        Assert.False(await db.CanWriteAsync(TimeSpan.FromSeconds(60), Ct));
        await File.WriteAllBytesAsync(file.Path, good, Ct);

        Assert.Equal(1, await db.WriteAsync(Insert("second"), Ct));
        Assert.True(await db.CanWriteAsync(TimeSpan.FromSeconds(60), Ct));
        Assert.Equal(["second"], file.Rows("SELECT name FROM auth_group"));
    }

    private static Func<Tx, Task<int>> Insert(string name) => tx => tx.RunAsync(InsertGroup, ("name", name));
}
