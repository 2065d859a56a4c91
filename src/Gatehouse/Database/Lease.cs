using System.Security.Cryptography;

namespace Gatehouse.Database;

/// <summary>
/// What one process does for all that share a database: a row says who, and until when nobody else may. One statement takes it; when its
/// holder has died, it is free a minute later. Between two turns nobody holds it, and its time is that of the next turn.
/// </summary>
internal sealed class Lease(Db db, string name, TimeProvider clock)
{
    private static readonly TimeSpan Length = TimeSpan.FromMinutes(1);

    private readonly string holder = RandomNumberGenerator.GetHexString(32, lowercase: true);
    private long kept;

    /// <param name="longest">No lease is longer than that: a row that says so was written by a clock that was wrong.</param>
    /// <param name="ct">Gives up what has not begun.</param>
    public async Task<bool> TryTakeAsync(TimeSpan longest, CancellationToken ct)
    {
        var now = Now;
        var latest = now + Micros(longest > Length ? longest : Length);
        // Asked before the writer is.
        if (await db.FirstAsync(Look, ct, ("name", name)) is { } until && until > now && until <= latest) return false;
        var end = now + Micros(Length);
        var won = await db.WriteRelaxedAsync(tx => tx.RunAsync(Take, ("name", name), ("holder", holder), ("expires", end), ("now", now), ("latest", latest)), ct) == 1;
        if (won) kept = end;
        return won;
    }

    /// <summary>Renews it inside a write that is only to happen under it; false: somebody else has it.</summary>
    public async Task<bool> HoldAsync(Tx tx)
    {
        var end = Now + Micros(Length);
        if (await tx.RunAsync(Renew, ("expires", end), ("name", name), ("holder", holder)) != 1) return false;
        kept = end;
        return true;
    }

    /// <summary>Renews it when a third of its time is over.</summary>
    public async Task<bool> KeepAsync(CancellationToken ct) => kept - Now > Micros(Length) * 2 / 3 || await db.WriteRelaxedAsync(HoldAsync, ct);

    /// <summary>Gives it back: the next turn, anybody's, is so much later.</summary>
    public Task<int> ReleaseAsync(TimeSpan rest, CancellationToken ct) =>
        db.WriteRelaxedAsync(tx => tx.RunAsync(Renew, ("expires", Now + Micros(rest)), ("name", name), ("holder", holder)), ct);

    private long Now => Micros(clock.GetUtcNow() - DateTimeOffset.UnixEpoch);

    private static long Micros(TimeSpan time) => time.Ticks / TimeSpan.TicksPerMicrosecond;

    private static readonly Sql<long?> Look = new("SELECT expires FROM gatehouse_lease WHERE name = @name", row => row.Int(0));

    private static readonly Sql Take = new(
        """
        INSERT INTO gatehouse_lease (name, holder, expires) VALUES (@name, @holder, @expires)
        ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires = excluded.expires
        WHERE gatehouse_lease.expires <= @now OR gatehouse_lease.expires > @latest
        """);

    private static readonly Sql Renew = new("UPDATE gatehouse_lease SET expires = @expires WHERE name = @name AND holder = @holder");
}
