using Gatehouse.Audit;
using Gatehouse.Database;
using Gatehouse.Http;
using Gatehouse.OAuth.Clients;
using Gatehouse.OAuth.Tokens;
using Gatehouse.Users;
using Microsoft.Extensions.Logging;

namespace Gatehouse.OAuth.Grants;

/// <summary>
/// A refresh token for new tokens, RFC 6749 §6 (DOT's <c>validate_refresh_token</c>). It is used up by one conditional statement, in the
/// transaction that writes its successors: of any number of callers one gets them.
/// </summary>
internal sealed class RefreshTokenGrant(
    Db db, OAuthTokens tokens, Successors successors, UserAccounts accounts, AuditTrail audit, GatehouseOptions root, IServiceProvider services, TimeProvider clock, ILogger<RefreshTokenGrant> log) : IGrant
{
    public const string Name = "refresh_token";

    private readonly OAuthOptions options = root.OAuth;

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
            if (IsInGrace(revoked, now) && found.Successor is not null) return Again(found, request, now);
            await EndFamilyAsync(found, client, now);
            return (null, OAuthError.InvalidGrant());
        }
        if (found.AccessTokenId is null || found.AccessExpires is not { } end) return (null, OAuthError.InvalidGrant());
        if (options.RefreshTokenExpireSeconds is { } life && life > 0 && end.AddSeconds(life) <= now) return (null, OAuthError.InvalidGrant());
        if (options.RefreshTokenMaxAgeSeconds is { } most && found.Created.AddSeconds(most) <= now) return (null, OAuthError.InvalidGrant());
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
            Previous = rotates ? new PreviousToken(found.Id, found.Family, presented, options.RefreshTokenMaxAgeSeconds is null ? null : found.Created) : null,
            Kept = rotates ? null : (found.AccessTokenId.Value, presented),
            Consume = rotates ? (tx, next) => RotateAsync(tx, found, next.Now) : (tx, _) => IsStillGoodAsync(tx, found),
            Lost = () => LateAsync(request),
            IdToken = new IdTokenRequest(Nonce: null),
        }, null);
    }

    // Either way: a wall clock that was set back must not open the window again.
    private bool IsInGrace(DateTimeOffset revoked, DateTimeOffset now) => (now - revoked).Duration() < TimeSpan.FromSeconds(options.RefreshTokenGracePeriodSeconds);

    private async Task<bool> RotateAsync(Tx tx, Found found, DateTimeOffset now)
    {
        if (await tx.RunAsync(Rotate, ("now", now), ("id", found.Id), ("access", found.AccessTokenId), ("anybody", options.RefuseInactiveUsers != true)) == 0) return false;
        tx.Also(OAuthTokens.DeleteAccess, ("id", found.AccessTokenId));
        return true;
    }

    private async Task<bool> IsStillGoodAsync(Tx tx, Found found) =>
        await tx.FirstAsync(StillGood, ("id", found.Id), ("access", found.AccessTokenId), ("anybody", options.RefuseInactiveUsers != true)) is not null;

    /// <summary>Somebody else was first: what they left decides, once.</summary>
    private async Task<(TokenAnswer? Answer, OAuthError? Error)> LateAsync(TokenRequest request)
    {
        var now = clock.GetUtcNow();
        if (await FindAsync(request.Parameters["refresh_token"]!, request) is not { Revoked: { } revoked } found) return (null, OAuthError.InvalidGrant());
        if (!IsInGrace(revoked, now) || found.Successor is null)
        {
            await EndFamilyAsync(found, request.Client, now);
            return (null, OAuthError.InvalidGrant());
        }
        var (granted, error) = Again(found, request, now);
        return (granted?.Again, error);
    }

    private (Granted? Granted, OAuthError? Error) Again(Found found, TokenRequest request, DateTimeOffset now)
    {
        var successor = found.Successor!;
        var (access, refresh) = (successor.AccessToken, successor.RefreshToken);
        // Of a pair that is kept as checksums: that which is made of this token, if it is the one.
        if (access.Length == 0 && successors.Of(request.Parameters["refresh_token"]!) is { } derived
            && TokenText.Checksum(derived.Access) == successor.AccessChecksum && TokenText.Checksum(derived.Refresh!) == successor.RefreshChecksum) (access, refresh) = derived;
        if (access.Length == 0 || refresh is not { Length: > 0 }) return (null, OAuthError.InvalidGrant());
        if (options.RefuseInactiveUsers == true && !found.User.IsActive) return (null, OAuthError.InvalidGrant());
        var (_, beyond) = Narrow(request.Parameters["scope"], successor.Scope);
        if (beyond is not null) return (null, beyond);
        return (new Granted
        {
            Again = new TokenAnswer
            {
                AccessToken = access,
                ExpiresIn = Math.Max(1, (int)Math.Ceiling((successor.Expires - now).TotalSeconds)),
                Scope = successor.Scope,
                RefreshToken = refresh,
            },
        }, null);
    }

    /// <summary>It is in two hands: nobody knows which is the right one (RFC 9700 §4.14.2). However often it is sent, that is done and told once.</summary>
    private async Task EndFamilyAsync(Found found, Client client, DateTimeOffset now)
    {
        if (options.RefreshTokenReuseProtection != true || found.Family is not { } family) return;
        // Asked before the writer is: a dead family, of any size, costs one look.
        if (!await OAuthTokens.IsFamilyLiveAsync(db, family)) return;
        var entry = audit.Of(AuditEvent.TokenReused);
        if (entry is not null) entry = entry with { About = found.User.Username, Client = client.ClientId, Detail = "OAuth" };
        var ended = await db.WriteAsync(
            async tx =>
            {
                if (!await OAuthTokens.RevokeFamilyAsync(tx, family, now)) return false;
                await AuditTrail.WriteAsync(tx, entry);
                return true;
            },
            CancellationToken.None);
        if (!ended) return;
        log.RefreshTokenReused(LogText.Clean(client.ClientId), found.User.Id.ToString());
        await accounts.TellAsync(root.Events.RefreshTokenWasReused, new UserEvent(found.User, services));
    }

    private static (IReadOnlyList<string> Scopes, OAuthError? Error) Narrow(string? asked, string original)
    {
        var granted = original.Length == 0 ? [] : Scopes.Split(original)!;
        if (string.IsNullOrEmpty(asked)) return (granted, null);
        var scopes = Scopes.Split(asked)!;
        return scopes.All(granted.Contains) ? (scopes, null) : ([], OAuthError.InvalidScope);
    }

    private Task<Found?> FindAsync(string token, TokenRequest request) =>
        db.FindAsync(ByChecksum, request.Http.RequestAborted, ("checksum", TokenText.Checksum(token)), ("since", tokens.NotBefore));

    // Several rows may share a checksum: the live one, or else the one that was revoked last.
    private static readonly Sql<Found> ByChecksum = new(
        $"""
        SELECT r.id, r.application_id, r.revoked, r.access_token_id, r.token_family, r.resource, r.created, own.expires, COALESCE(own.scope, next.scope, ''),
            next.token, next.token_checksum, next.expires, next.scope, successor.token, successor.token_checksum, {User.Columns}
        FROM oauth2_provider_refreshtoken r JOIN auth_user u ON u.id = r.user_id
        LEFT JOIN oauth2_provider_accesstoken own ON own.id = r.access_token_id
        LEFT JOIN oauth2_provider_accesstoken next ON next.source_refresh_token_id = r.id
        LEFT JOIN oauth2_provider_refreshtoken successor ON successor.access_token_id = next.id
        WHERE r.token_checksum = @checksum AND r.created >= @since ORDER BY r.revoked IS NOT NULL, r.revoked DESC LIMIT 1
        """,
        row => new Found(
            row.Int(0), row.Int(1), row.TimeOrNull(2), row.IntOrNull(3), row.UuidOrNull(4),
            TokenText.Resources(row.Text(5)), row.Time(6), row.TimeOrNull(7), row.Text(8),
            row.IsNull(9) ? null : new Successor(row.Text(9), row.Text(10), row.Time(11), row.Text(12), row.TextOrNull(13), row.TextOrNull(14)), User.Read(row, 15)));

    private const string Good = "id = @id AND revoked IS NULL AND access_token_id = @access AND (@anybody OR EXISTS (SELECT 1 FROM auth_user u WHERE u.id = user_id AND u.is_active))";

    // PostgreSQL: whoever deactivates the user, Django too, does so before or after the whole transaction.
    private const string StaysGood =
        "id = @id AND revoked IS NULL AND access_token_id = @access AND (@anybody OR EXISTS (SELECT 1 FROM auth_user u WHERE u.id = user_id AND u.is_active FOR SHARE))";

    private const string RotateIf = "UPDATE oauth2_provider_refreshtoken SET revoked = @now, updated = @now, access_token_id = NULL WHERE ";

    private static readonly Sql Rotate = new(RotateIf + Good, postgres: RotateIf + StaysGood);

    private const string FindIf = "SELECT 'yes' FROM oauth2_provider_refreshtoken WHERE ";

    private static readonly Sql<string> StillGood = new(FindIf + Good, row => row.Text(0), postgres: FindIf + StaysGood);

    private sealed record Found(
        long Id, long ClientId, DateTimeOffset? Revoked, long? AccessTokenId, Guid? Family, IReadOnlyList<string> Resource, DateTimeOffset Created, DateTimeOffset? AccessExpires,
        string Scope, Successor? Successor, User User);

    private sealed record Successor(string AccessToken, string AccessChecksum, DateTimeOffset Expires, string Scope, string? RefreshToken, string? RefreshChecksum);
}

internal static partial class OAuthLog
{
    [LoggerMessage(1601, LogLevel.Warning, "A rotated refresh token of client {ClientId} and user {UserId} was sent again: its family is ended")]
    public static partial void RefreshTokenReused(this ILogger logger, string clientId, string userId);
}
