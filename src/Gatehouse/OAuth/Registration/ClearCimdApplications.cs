using Gatehouse.Database;
using Gatehouse.OAuth.Clients;

namespace Gatehouse.OAuth.Registration;

/// <summary>
/// Deletes clients of metadata documents that have grown old and have nothing that is still good (DOT's <c>clearcimdapplications</c>); the next
/// request brings them back.
/// </summary>
internal static class ClearCimdApplications
{
    /// <summary>In batches, so that the writes of requests come in between.</summary>
    /// <param name="db">Whose clients.</param>
    /// <param name="clock">What the time is.</param>
    /// <param name="batch">Clients in one transaction.</param>
    /// <param name="progress">Told after each batch how many are gone.</param>
    /// <param name="ct">Stops between two batches.</param>
    /// <returns>How many were deleted.</returns>
    public static async Task<int> RunAsync(Db db, TimeProvider clock, int batch, IProgress<int>? progress, CancellationToken ct)
    {
        var now = clock.GetUtcNow();
        var (total, last) = (0, 0L);
        while (true)
        {
            // Found without a lock, a page behind the other: those with live tokens are passed over once.
            var page = await db.AllAsync(Old, ct, ("now", now), ("last", last), ("most", batch));
            if (page.Count == 0) return total;
            last = page[^1]!.Value;
            total += await db.WriteAsync(
                async tx =>
                {
                    var deleted = 0;
                    foreach (var id in page)
                        if (await tx.FirstAsync(IsStillUnused, ("id", id), ("now", now)) is not null && await ClientStore.DeleteAsync(tx, id!.Value)) deleted++;
                    return deleted;
                },
                ct);
            progress?.Report(total);
        }
    }

    private static readonly Sql<long?> Old = new(
        "SELECT id FROM oauth2_provider_application WHERE registration_source = 'cimd' AND cimd_expires_at < @now AND id > @last ORDER BY id LIMIT @most", row => row.Int(0));

    // In the transaction that deletes: a token of a moment ago is seen.
    private static readonly Sql<long?> IsStillUnused = new(
        """
        SELECT id FROM oauth2_provider_application WHERE id = @id AND registration_source = 'cimd' AND cimd_expires_at < @now
            AND NOT EXISTS (SELECT 1 FROM oauth2_provider_accesstoken WHERE application_id = @id AND expires > @now)
            AND NOT EXISTS (SELECT 1 FROM oauth2_provider_idtoken WHERE application_id = @id AND expires > @now)
            AND NOT EXISTS (SELECT 1 FROM oauth2_provider_grant WHERE application_id = @id AND expires > @now)
            AND NOT EXISTS (SELECT 1 FROM oauth2_provider_refreshtoken WHERE application_id = @id AND revoked IS NULL)
        """,
        row => row.Int(0));
}
