using Gatehouse.Database;

namespace Gatehouse.Jwt;

/// <summary>Recorded refresh and sliding tokens, by <c>created_at</c>. Access tokens are recorded nowhere: <c>TokensNotBefore</c> ends them.</summary>
internal sealed class IssuedJwts(TokenBlacklist blacklist) : IIssued
{
    public async Task<IReadOnlyList<(string What, int Count)>> EndBeforeAsync(Tx tx, DateTimeOffset before, DateTimeOffset now) =>
        blacklist.IsInstalled ? [("recorded JSON Web Tokens", await tx.RunAsync(End, ("now", now), ("before", before)))] : [];

    private static readonly Sql End = new("""
        INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id)
        SELECT @now, id FROM token_blacklist_outstandingtoken WHERE (created_at < @before OR created_at IS NULL) AND expires_at > @now
        ON CONFLICT (token_id) DO NOTHING
        """);
}
