using Gatehouse.Database;
using Gatehouse.OAuth.Clients;
using Gatehouse.Users;

namespace Gatehouse.OAuth.Tokens;

/// <summary>Finding and ending tokens.</summary>
internal sealed class OAuthTokens(Db db, GatehouseOptions options)
{
    /// <summary>What was written before this counts no more (<see cref="GatehouseOptions.TokensNotBefore"/>).</summary>
    public DateTimeOffset NotBefore { get; } = options.TokensNotBefore ?? DateTimeOffset.UnixEpoch;

    /// <summary>The token with its user and client, whatever its state; null when there is none.</summary>
    public Task<AccessToken?> FindAsync(string token, CancellationToken ct) =>
        token.Length > TokenText.Longest ? Task.FromResult<AccessToken?>(null) : db.FindAsync(ByChecksum, ct, ("checksum", TokenText.Checksum(token)), ("since", NotBefore));

    private static readonly Sql<AccessToken> ByChecksum = new(
        $"""
        SELECT t.id, t.scope, t.expires, t.resource, {User.Columns}, {Client.PublicColumns} FROM oauth2_provider_accesstoken t
        LEFT JOIN auth_user u ON u.id = t.user_id LEFT JOIN oauth2_provider_application a ON a.id = t.application_id
        WHERE t.token_checksum = @checksum AND t.created >= @since AND (t.user_id IS NULL OR u.id IS NOT NULL)
        """,
        row => new AccessToken
        {
            Id = row.Int(0),
            Scope = row.Text(1),
            Scopes = TokenText.Words(row.Text(1)),
            Expires = row.Time(2),
            Resource = TokenText.Resources(row.Text(3)),
            User = row.IsNull(4) ? null : User.Read(row, 4),
            Client = row.IsNull(4 + User.ColumnCount) ? null : Client.ReadPublic(row, 4 + User.ColumnCount),
        });

    /// <summary>Ends every token of a family (DOT <c>revoke_family</c>): three statements, however many there are, and one when all are dead.</summary>
    /// <returns>False when it was dead.</returns>
    public static async Task<bool> RevokeFamilyAsync(Tx tx, Guid family, DateTimeOffset now)
    {
        tx.Lock(LockOf(family));
        if (await tx.FirstAsync(NewestOfFamily, ("family", family)) is not { IsLive: true }) return false;
        await tx.RunAsync(DeleteFamilysAccess, ("family", family));
        await tx.RunAsync(RevokeFamily, ("now", now), ("family", family));
        return true;
    }

    /// <summary>What rotates and what ends a family lock: its newest token must be seen by who ends it, however fast it changes.</summary>
    public static string LockOf(Guid family) => $"OAuth family {family:N}";

    /// <summary>Whether any token of the family can still be used. Its newest is the live one, if one is: each comes to be when the one before it ends.</summary>
    public static async Task<bool> IsFamilyLiveAsync(Db db, Guid family) =>
        await db.FirstAsync(NewestOfFamily, CancellationToken.None, ("family", family)) is { IsLive: true };

    private static readonly Sql<Member> NewestOfFamily = new(
        "SELECT revoked IS NULL OR access_token_id IS NOT NULL FROM oauth2_provider_refreshtoken WHERE token_family = @family ORDER BY id DESC LIMIT 1",
        row => new Member(row.Bool(0)));

    private sealed record Member(bool IsLive);

    private static readonly Sql DeleteFamilysAccess = new(
        """
        DELETE FROM oauth2_provider_accesstoken WHERE id IN
            (SELECT access_token_id FROM oauth2_provider_refreshtoken WHERE token_family = @family AND access_token_id IS NOT NULL)
        """);

    private static readonly Sql RevokeFamily = new(
        """
        UPDATE oauth2_provider_refreshtoken SET revoked = COALESCE(revoked, @now), updated = @now, access_token_id = NULL
        WHERE token_family = @family AND (revoked IS NULL OR access_token_id IS NOT NULL)
        """);

    /// <summary>Ends all tokens of a user, and the codes that would give more.</summary>
    public static async Task RevokeAllAsync(Tx tx, UserId user, DateTimeOffset now)
    {
        tx.Lock(UserAccounts.LockOf(user));
        await tx.RunAsync(DeleteCodes, ("user", user));
        await tx.RunAsync(RevokeUsersRefresh, ("now", now), ("user", user));
        await tx.RunAsync(DeleteUsersAccess, ("user", user));
    }

    private static readonly Sql DeleteCodes = new("DELETE FROM oauth2_provider_grant WHERE user_id = @user");

    private static readonly Sql RevokeUsersRefresh = new(
        """
        UPDATE oauth2_provider_refreshtoken SET revoked = COALESCE(revoked, @now), updated = @now, access_token_id = NULL
        WHERE user_id = @user AND (revoked IS NULL OR access_token_id IS NOT NULL)
        """);

    private static readonly Sql DeleteUsersAccess = new("DELETE FROM oauth2_provider_accesstoken WHERE user_id = @user");

    /// <summary>Ends an access token and the refresh token that would replace it (DOT <c>revoke_access_token</c>).</summary>
    /// <returns>False when it was gone: ended, or replaced by a refresh that came first.</returns>
    public static async Task<bool> RevokeAccessAsync(Tx tx, long id, DateTimeOffset now)
    {
        await tx.RunAsync(RevokeItsRefresh, ("now", now), ("id", id));
        return await tx.RunAsync(DeleteAccess, ("id", id)) == 1;
    }

    /// <summary>Ends a refresh token and the access token beside it (DOT <c>RefreshToken.revoke</c>).</summary>
    /// <param name="tx">Where.</param>
    /// <param name="id">The refresh token's key.</param>
    /// <param name="endsFamily">Also what came of it: a refresh that was faster by a moment must not outlive this.</param>
    /// <param name="now">When.</param>
    /// <returns>False when there is no such token.</returns>
    public static async Task<bool> RevokeRefreshAsync(Tx tx, long id, bool endsFamily, DateTimeOffset now)
    {
        if (await tx.FirstAsync(RefreshById, ("id", id)) is not { } token) return false;
        if (token.AccessTokenId is { } access) await tx.RunAsync(DeleteAccess, ("id", access));
        await tx.RunAsync(RevokeRefresh, ("now", now), ("id", id));
        if (endsFamily && token.Family is { } family) await RevokeFamilyAsync(tx, family, now);
        return true;
    }

    private static readonly Sql<Refresh> RefreshById = new(
        "SELECT access_token_id, token_family FROM oauth2_provider_refreshtoken WHERE id = @id",
        row => new Refresh(row.IntOrNull(0), row.UuidOrNull(1)));

    private static readonly Sql RevokeRefresh = new(
        "UPDATE oauth2_provider_refreshtoken SET revoked = @now, updated = @now, access_token_id = NULL WHERE id = @id AND revoked IS NULL");

    private sealed record Refresh(long? AccessTokenId, Guid? Family);

    private static readonly Sql RevokeItsRefresh = new(
        "UPDATE oauth2_provider_refreshtoken SET revoked = COALESCE(revoked, @now), updated = @now, access_token_id = NULL WHERE access_token_id = @id");

    internal static readonly Sql DeleteAccess = new("DELETE FROM oauth2_provider_accesstoken WHERE id = @id");
}
