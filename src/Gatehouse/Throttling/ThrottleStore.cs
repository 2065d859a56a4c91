using Gatehouse.Database;

namespace Gatehouse.Throttling;

/// <summary>
/// The counts of throttles: a row for each counted request in <c>gatehouse_throttle</c>. Written without a flush of its own: a power cut may
/// forget the last of them, the end of the process does not.
/// </summary>
internal sealed class ThrottleStore(Db db, TimeProvider clock) : ISweep
{
    private const int SweepEvery = 256;
    private int counted;

    /// <summary>Counts a request unless <paramref name="rate"/> is used up; of many at once, no more than it allows.</summary>
    public async ValueTask<Verdict> CountAsync(string key, Rate rate, CancellationToken ct)
    {
        var now = (clock.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond;
        var period = rate.Period.Ticks / TimeSpan.TicksPerMicrosecond;
        var sweep = Interlocked.Increment(ref counted) % SweepEvery == 0;
        return await db.WriteRelaxedAsync(
            async tx =>
            {
                if (sweep) await tx.RunAsync(Sweep, ("now", now));
                // Of many who count at once, each sees those before it.
                tx.Lock("throttle " + key);
                if (await tx.RunAsync(Count, ("key", key), ("now", now), ("expires", now + period), ("since", now - period), ("limit", rate.Requests)) == 1)
                    return new Verdict(true);

                // As DRF tells it: the oldest of the period must leave it. A limit that others overran cannot be waited for.
                var (requests, oldest) = (await tx.FirstAsync(Look, ("key", key), ("since", now - period)))!;
                var free = rate.Requests - requests + 1;
                return new Verdict(false, free <= 0 ? null : TimeSpan.FromMicroseconds((period - (now - oldest)) / free));
            },
            ct);
    }

    public Task<IReadOnlyList<Due>> DueAsync(DateTimeOffset now, CancellationToken ct) =>
        Task.FromResult<IReadOnlyList<Due>>([new(Expired, (now - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond)]);

    private static readonly DeadRows Expired = DeadRows.ByExpiry("gatehouse_throttle", "id", "expires");

    private static readonly Sql Count = new(
        """
        INSERT INTO gatehouse_throttle (key, at, expires)
        SELECT @key, @now, @expires
        WHERE (SELECT COUNT(*) FROM gatehouse_throttle WHERE key = @key AND at > @since) < @limit
        """);

    private static readonly Sql<Seen> Look = new(
        "SELECT COUNT(*), COALESCE(MIN(at), 0) FROM gatehouse_throttle WHERE key = @key AND at > @since", row => new Seen(row.Int(0), row.Int(1)));

    // Here as well: callers with a new name each time must not fill the table until the sweeper comes.
    private static readonly Sql Sweep = new(
        "DELETE FROM gatehouse_throttle WHERE id IN (SELECT id FROM gatehouse_throttle WHERE expires < @now LIMIT 512)",
        postgres: "DELETE FROM gatehouse_throttle WHERE id IN (SELECT id FROM gatehouse_throttle WHERE expires < @now LIMIT 512 FOR UPDATE SKIP LOCKED)");

    private sealed record Seen(long Requests, long Oldest);
}
