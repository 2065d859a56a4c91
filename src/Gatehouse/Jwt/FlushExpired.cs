using Gatehouse.Database;

namespace Gatehouse.Jwt;

/// <summary>Recorded tokens whose time is over, and what is known of their rotation (simplejwt's <c>flushexpiredtokens</c>).</summary>
internal sealed class FlushExpired(TokenBlacklist blacklist, GatehouseOptions root) : ISweep
{
    // A token whose row is gone is no longer known to be dead: kept until no clock of ours could take it for alive.
    private static readonly TimeSpan ClockMargin = TimeSpan.FromDays(1);

    public Task<IReadOnlyList<Due>> DueAsync(DateTimeOffset now, CancellationToken ct)
    {
        var until = now - root.Jwt.Leeway - (root.Profile == Profile.Django ? TimeSpan.Zero : ClockMargin);
        var rotations = new Due(Rotations, (until - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond);
        return Task.FromResult<IReadOnlyList<Due>>(blacklist.IsInstalled ? [new(Expired, until), rotations] : [rotations]);
    }

    private static readonly DeadRows Expired = DeadRows.ById(
        "token_blacklist_outstandingtoken", "expires_at <= @before", "DELETE FROM token_blacklist_blacklistedtoken WHERE token_id IN ({dead})");

    private static readonly DeadRows Rotations = DeadRows.ByExpiry("gatehouse_jwt_rotation", "jti", "expires");
}
