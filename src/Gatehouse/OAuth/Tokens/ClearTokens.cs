using System.Diagnostics;
using Gatehouse.Database;

namespace Gatehouse.OAuth.Tokens;

/// <summary>Deletes what nobody can use any more (DOT's <c>clear_expired</c>, <c>cleartokens</c>), and our own tables' rows whose time is over.</summary>
internal sealed class ClearTokens(Db db, OAuthOptions options, TimeProvider clock)
{
    // Rows in one transaction: the writes of requests come in between, whatever CLEAR_EXPIRED_TOKENS_BATCH_SIZE is.
    private const int Slice = 500;

    // A device that asks a little late is still told that its time is over.
    private static readonly TimeSpan DevicesStay = TimeSpan.FromDays(1);

    /// <summary>Looks for dead rows while others write, and deletes each if it is still dead then.</summary>
    /// <param name="progress">Told after each transaction how many are gone.</param>
    /// <param name="ct">Stops between two transactions.</param>
    /// <returns>How many rows were deleted.</returns>
    public async Task<int> RunAsync(IProgress<int>? progress, CancellationToken ct)
    {
        var now = clock.GetUtcNow();
        var state = new Run { Progress = progress };
        DateTimeOffset? idle = options.RefreshTokenExpireSeconds is { } life and > 0 ? now.AddSeconds(-life) : null;
        // Revoked tokens are what a replay is known by: with reuse protection they stay until they expire.
        DateTimeOffset? revoked = options.RefreshTokenReuseProtection == true ? idle : now.AddSeconds(-options.RefreshTokenGracePeriodSeconds);

        if (revoked is { } before) await SweepAsync(RevokedRefresh, before, state, ct);
        await SweepAsync(OrphanedRefresh, now, state, ct);
        if (idle is { } longAgo) await SweepAsync(ExpiredRefresh, longAgo, state, ct);
        await SweepAsync(ExpiredAccess, now, state, ct);
        await SweepAsync(ExpiredIdTokens, now, state, ct);
        await SweepAsync(ExpiredCodes, now, state, ct);
        await SweepAsync(ExpiredDevices, now - DevicesStay, state, ct);
        foreach (var statement in ExpiredOwn) await SweepAsync(statement, (now - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond, state, ct);
        return state.Deleted;
    }

    private async Task SweepAsync(Sweep sweep, DateTimeOffset before, Run run, CancellationToken ct)
    {
        var after = 0L;
        while (true)
        {
            var ids = await db.AllAsync(sweep.Find, ct, ("after", after), ("before", before), ("most", Slice));
            if (ids.Count == 0) return;
            after = ids[^1];
            await DeleteAsync(
                async tx =>
                {
                    var deleted = 0;
                    foreach (var id in ids)
                    {
                        if (await tx.RunAsync(sweep.Delete, ("id", id), ("before", before)) == 0) continue;
                        if (sweep.Detach is not null) await tx.RunAsync(sweep.Detach, ("id", id));
                        deleted++;
                    }
                    return deleted;
                },
                run, ct);
        }
    }

    private async Task SweepAsync(Sql statement, long before, Run run, CancellationToken ct)
    {
        while (await DeleteAsync(tx => tx.RunAsync(statement, ("before", before), ("most", Slice)), run, ct) == Slice) ;
    }

    private async Task<int> DeleteAsync(Func<Tx, Task<int>> work, Run run, CancellationToken ct)
    {
        var began = Stopwatch.GetTimestamp();
        var deleted = await db.WriteAsync(work, ct);
        if (deleted == 0) return 0;
        run.Deleted += deleted;
        run.Progress?.Report(run.Deleted);

        // Another process that waits for the file's lock gets as long as we had it.
        var pause = Stopwatch.GetElapsedTime(began);
        if (options.ClearExpiredTokensBatchInterval > 0 && (run.SinceInterval += deleted) >= options.ClearExpiredTokensBatchSize)
        {
            run.SinceInterval = 0;
            pause = TimeSpan.FromSeconds(options.ClearExpiredTokensBatchInterval);
        }
        await Task.Delay(pause, ct);
        return deleted;
    }

    private const string IsRevoked = "revoked <= @before";
    private const string IsOrphaned = "revoked IS NULL AND access_token_id IS NULL";
    private const string IsIdle = "revoked IS NULL AND access_token_id IN (SELECT id FROM oauth2_provider_accesstoken WHERE expires <= @before)";

    // What came of it does not need to know where it came from.
    private static readonly Sql ForgetSource = new("UPDATE oauth2_provider_accesstoken SET source_refresh_token_id = NULL WHERE source_refresh_token_id = @id");

    private static readonly Sweep RevokedRefresh = new("oauth2_provider_refreshtoken", IsRevoked, ForgetSource);
    private static readonly Sweep OrphanedRefresh = new("oauth2_provider_refreshtoken", IsOrphaned + " AND created <= @before", ForgetSource);
    private static readonly Sweep ExpiredRefresh = new("oauth2_provider_refreshtoken", IsIdle, ForgetSource);

    // An access token whose refresh token lives is what that one's scopes are read from.
    private static readonly Sweep ExpiredAccess = new(
        "oauth2_provider_accesstoken",
        "expires < @before AND NOT EXISTS (SELECT 1 FROM oauth2_provider_refreshtoken r WHERE r.access_token_id = oauth2_provider_accesstoken.id)");

    private static readonly Sweep ExpiredIdTokens = new(
        "oauth2_provider_idtoken",
        "expires < @before AND NOT EXISTS (SELECT 1 FROM oauth2_provider_accesstoken t WHERE t.id_token_id = oauth2_provider_idtoken.id)");

    private static readonly Sweep ExpiredCodes = new("oauth2_provider_grant", "expires < @before");
    private static readonly Sweep ExpiredDevices = new("oauth2_provider_devicegrant", "expires < @before");

    private static readonly Sql[] ExpiredOwn =
    [
        new("""
            DELETE FROM gatehouse_oauth_used_code WHERE code_checksum IN
                (SELECT code_checksum FROM gatehouse_oauth_used_code WHERE expires < @before LIMIT @most)
            """),
        new("""
            DELETE FROM gatehouse_oauth_assertion WHERE (client_id, jti) IN
                (SELECT client_id, jti FROM gatehouse_oauth_assertion WHERE expires < @before LIMIT @most)
            """),
        new("""
            DELETE FROM gatehouse_oauth_pushed_request WHERE request_uri IN
                (SELECT request_uri FROM gatehouse_oauth_pushed_request WHERE expires < @before LIMIT @most)
            """),
    ];

    /// <summary>Rows of a table that are dead by some condition on <c>@before</c>.</summary>
    private sealed record Sweep(Sql<long> Find, Sql Delete, Sql? Detach)
    {
        public Sweep(string table, string isDead, Sql? detach = null)
            : this(
                new Sql<long>($"SELECT id FROM {table} WHERE id > @after AND {isDead} ORDER BY id LIMIT @most", row => row.Int(0)),
                new Sql($"DELETE FROM {table} WHERE id = @id AND {isDead}"), detach)
        {
        }
    }

    private sealed class Run
    {
        public IProgress<int>? Progress { get; init; }
        public int Deleted { get; set; }
        public int SinceInterval { get; set; }
    }
}
