using Gatehouse.Database;

namespace Gatehouse.AuthTokens;

/// <summary>DRF's tokens, by <c>created</c>.</summary>
internal sealed class IssuedAuthTokens : IIssued
{
    public async Task<IReadOnlyList<(string What, int Count)>> EndBeforeAsync(Tx tx, DateTimeOffset before, DateTimeOffset now) =>
        [("DRF tokens", await tx.RunAsync(Delete, ("before", before)))];

    private static readonly Sql Delete = new("DELETE FROM authtoken_token WHERE created < @before");
}
