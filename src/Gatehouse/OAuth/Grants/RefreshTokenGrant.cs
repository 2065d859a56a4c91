using Gatehouse.Database;
using Gatehouse.OAuth.Clients;
using Gatehouse.OAuth.Tokens;
using Gatehouse.Users;

namespace Gatehouse.OAuth.Grants;

/// <summary>
/// A refresh token for new tokens, RFC 6749 §6 (DOT's <c>validate_refresh_token</c>). It is used up by one conditional statement, in the
/// transaction that writes its successors: of any number of callers one gets them.
/// </summary>
internal sealed class RefreshTokenGrant(Db db, OAuthOptions options, TimeProvider clock) : IGrant
{
    public const string Name = "refresh_token";

    public string GrantType => Name;

    public IReadOnlyList<string> AllowedTo { get; } =
        [GrantTypes.AuthorizationCode, GrantTypes.DeviceCode, GrantTypes.Password, GrantTypes.ClientCredentials, GrantTypes.OpenIdHybrid];

    public bool AnswersPages => true;

    public OAuthError? Check(OAuthParameters parameters) =>
        parameters["refresh_token"] is null ? OAuthError.InvalidRequest("Missing refresh token parameter.") : null;

    public async Task<(Granted? Granted, OAuthError? Error)> GrantAsync(TokenRequest request)
    {
        var (presented, client) = (request.Parameters["refresh_token"]!, request.Client);
        if (presented.Length > TokenText.Longest || await FindAsync(presented, request) is not { } found) return (null, OAuthError.InvalidGrant());
        var now = clock.GetUtcNow();

        // The owner first: nobody else's replay may end a family.
        if (found.ClientId != client.Id) return (null, OAuthError.InvalidGrant());
        if (found.Revoked is { } revoked)
        {
            // Superseded a moment ago: an honest client that missed the answer. Revoked on purpose, or older: never.
            if (revoked > now.AddSeconds(-options.RefreshTokenGracePeriodSeconds) && found.Successor is not null) return Again(found, request, now);
            await EndFamilyAsync(found, now);
            return (null, OAuthError.InvalidGrant());
        }
        if (found.AccessTokenId is null || found.AccessExpires is not { } end) return (null, OAuthError.InvalidGrant());
        if (options.RefreshTokenExpireSeconds is { } life && life > 0 && end.AddSeconds(life) <= now) return (null, OAuthError.InvalidGrant());
        if (options.RefuseInactiveUsers == true && !found.User.IsActive) return (null, OAuthError.InvalidGrant());

        var (scopes, beyond) = Narrow(request.Parameters["scope"], found.Scope);
        if (beyond is not null) return (null, beyond);
        var rotates = options.RotateRefreshToken;
        return (new Granted
        {
            User = found.User,
            Scopes = scopes,
            Resource = found.Resource,
            WithRefreshToken = true,
            Previous = rotates ? (found.Id, found.Family) : null,
            Kept = rotates ? null : (found.AccessTokenId.Value, presented),
            Consume = rotates ? (tx, tokens) => RotateAsync(tx, found, tokens.Now) : (tx, _) => IsStillGoodAsync(tx, found),
            Lost = () => LateAsync(request),
            IdToken = new IdTokenRequest(Nonce: null),
        }, null);
    }

    private static async Task<bool> RotateAsync(Tx tx, Found found, DateTimeOffset now)
    {
        if (await tx.RunAsync(Rotate, ("now", now), ("id", found.Id), ("access", found.AccessTokenId)) == 0) return false;
        await tx.RunAsync(OAuthTokens.DeleteAccess, ("id", found.AccessTokenId));
        return true;
    }

    private static async Task<bool> IsStillGoodAsync(Tx tx, Found found) =>
        await tx.FirstAsync(StillGood, ("id", found.Id), ("access", found.AccessTokenId)) is not null;

    /// <summary>Somebody else was first: what they left decides, once.</summary>
    private async Task<(TokenAnswer? Answer, OAuthError? Error)> LateAsync(TokenRequest request)
    {
        var now = clock.GetUtcNow();
        if (await FindAsync(request.Parameters["refresh_token"]!, request) is not { Revoked: { } revoked } found) return (null, OAuthError.InvalidGrant());
        if (revoked <= now.AddSeconds(-options.RefreshTokenGracePeriodSeconds) || found.Successor is null)
        {
            await EndFamilyAsync(found, now);
            return (null, OAuthError.InvalidGrant());
        }
        var (granted, error) = Again(found, request, now);
        return (granted?.Again, error);
    }

    private (Granted? Granted, OAuthError? Error) Again(Found found, TokenRequest request, DateTimeOffset now)
    {
        var successor = found.Successor!;
        // A pair that is kept as checksums cannot be given again.
        if (successor.AccessToken.Length == 0 || successor.RefreshToken is not { Length: > 0 } refresh) return (null, OAuthError.InvalidGrant());
        if (options.RefuseInactiveUsers == true && !found.User.IsActive) return (null, OAuthError.InvalidGrant());
        var (_, beyond) = Narrow(request.Parameters["scope"], successor.Scope);
        if (beyond is not null) return (null, beyond);
        return (new Granted
        {
            Again = new TokenAnswer
            {
                AccessToken = successor.AccessToken,
                ExpiresIn = Math.Max(1, (int)Math.Ceiling((successor.Expires - now).TotalSeconds)),
                Scope = successor.Scope,
                RefreshToken = refresh,
            },
        }, null);
    }

    private async Task EndFamilyAsync(Found found, DateTimeOffset now)
    {
        if (options.RefreshTokenReuseProtection != true || found.Family == Guid.Empty) return;
        await db.WriteAsync(
            async tx =>
            {
                await OAuthTokens.RevokeFamilyAsync(tx, found.Family, now);
                return true;
            },
            CancellationToken.None);
    }

    private static (IReadOnlyList<string> Scopes, OAuthError? Error) Narrow(string? asked, string original)
    {
        var granted = original.Length == 0 ? [] : Scopes.Split(original)!;
        if (string.IsNullOrEmpty(asked)) return (granted, null);
        var scopes = Scopes.Split(asked)!;
        return scopes.All(granted.Contains) ? (scopes, null) : ([], OAuthError.InvalidScope);
    }

    private Task<Found?> FindAsync(string token, TokenRequest request) =>
        db.FirstAsync(ByChecksum, request.Http.RequestAborted, ("checksum", TokenText.Checksum(token)));

    // Several rows may share a checksum: the live one, or else the one that was revoked last.
    private static readonly Sql<Found> ByChecksum = new(
        $"""
        SELECT r.id, r.application_id, r.revoked, r.access_token_id, r.token_family, r.resource, own.expires, COALESCE(own.scope, next.scope, ''),
            next.token, next.expires, next.scope, successor.token, {User.Columns}
        FROM oauth2_provider_refreshtoken r JOIN auth_user u ON u.id = r.user_id
        LEFT JOIN oauth2_provider_accesstoken own ON own.id = r.access_token_id
        LEFT JOIN oauth2_provider_accesstoken next ON next.source_refresh_token_id = r.id
        LEFT JOIN oauth2_provider_refreshtoken successor ON successor.access_token_id = next.id
        WHERE r.token_checksum = @checksum ORDER BY r.revoked IS NOT NULL, r.revoked DESC LIMIT 1
        """,
        row => new Found(
            row.Int(0), row.Int(1), row.TimeOrNull(2), row.IsNull(3) ? null : row.Int(3), row.IsNull(4) ? Guid.Empty : Guid.Parse(row.Text(4)),
            TokenText.Resources(row.Text(5)), row.TimeOrNull(6), row.Text(7),
            row.IsNull(8) ? null : new Successor(row.Text(8), row.Time(9), row.Text(10), row.TextOrNull(11)), User.Read(row, 12)));

    private static readonly Sql Rotate = new(
        """
        UPDATE oauth2_provider_refreshtoken SET revoked = @now, updated = @now, access_token_id = NULL
        WHERE id = @id AND revoked IS NULL AND access_token_id = @access
        """);

    private static readonly Sql<string> StillGood = new(
        "SELECT 'yes' FROM oauth2_provider_refreshtoken WHERE id = @id AND revoked IS NULL AND access_token_id = @access", row => row.Text(0));

    private sealed record Found(
        long Id, long ClientId, DateTimeOffset? Revoked, long? AccessTokenId, Guid Family, IReadOnlyList<string> Resource, DateTimeOffset? AccessExpires,
        string Scope, Successor? Successor, User User);

    private sealed record Successor(string AccessToken, DateTimeOffset Expires, string Scope, string? RefreshToken);
}
