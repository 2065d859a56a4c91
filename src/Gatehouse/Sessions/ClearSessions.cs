using Gatehouse.Database;

namespace Gatehouse.Sessions;

/// <summary>Deletes the sessions whose time is over (Django's <c>clearsessions</c>).</summary>
internal static class ClearSessions
{
    private const int Batch = 1000;

    /// <summary>In batches, so that the writes of requests come in between.</summary>
    /// <param name="db">Whose sessions.</param>
    /// <param name="clock">What the time is.</param>
    /// <param name="progress">Told after each batch how many are gone.</param>
    /// <param name="ct">Stops between two batches.</param>
    /// <returns>How many were deleted.</returns>
    public static async Task<int> RunAsync(Db db, TimeProvider clock, IProgress<int>? progress, CancellationToken ct)
    {
        var now = clock.GetUtcNow();
        var total = 0;
        while (true)
        {
            var deleted = await db.WriteAsync(tx => tx.RunAsync(DeleteExpired, ("now", now), ("most", Batch)), ct);
            total += deleted;
            if (deleted > 0) progress?.Report(total);
            if (deleted < Batch) return total;
        }
    }

    private static readonly Sql DeleteExpired = new("""
        DELETE FROM django_session WHERE session_key IN
            (SELECT session_key FROM django_session WHERE expire_date < @now LIMIT @most)
        """);
}
