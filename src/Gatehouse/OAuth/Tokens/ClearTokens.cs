using Gatehouse.Database;

namespace Gatehouse.OAuth.Tokens;

/// <summary>What nobody can use any more (DOT's <c>clear_expired</c>, <c>cleartokens</c>), and our own tables' rows whose time is over.</summary>
internal sealed class ClearTokens(OAuthApp app, OAuthOptions options) : ISweep
{
    // A device that asks a little late is still told that its time is over.
    private static readonly TimeSpan DevicesStay = TimeSpan.FromDays(1);

    public (int Rows, TimeSpan Pause) Rest => (options.ClearExpiredTokensBatchSize, TimeSpan.FromSeconds(options.ClearExpiredTokensBatchInterval));

    public Task<IReadOnlyList<Due>> DueAsync(DateTimeOffset now, CancellationToken ct)
    {
        var micros = (now - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond;
        Due[] own = [new(UsedCodes, micros), new(Assertions, micros), new(PushedRequests, micros)];
        if (!app.IsInstalled) return Task.FromResult<IReadOnlyList<Due>>(own);

        DateTimeOffset? idle = options.RefreshTokenExpireSeconds is { } life and > 0 ? now.AddSeconds(-life) : null;
        // Revoked tokens are what a replay is known by: with reuse protection they stay until they expire.
        DateTimeOffset? revoked = options.RefreshTokenReuseProtection == true ? idle : now.AddSeconds(-options.RefreshTokenGracePeriodSeconds);
        return Task.FromResult<IReadOnlyList<Due>>(
        [
            .. revoked is { } before ? [new Due(RevokedRefresh, before)] : Array.Empty<Due>(),
            new(OrphanedRefresh, now),
            .. idle is { } longAgo ? [new Due(ExpiredRefresh, longAgo)] : Array.Empty<Due>(),
            new(ExpiredAccess, now),
            new(ExpiredIdTokens, now),
            new(ExpiredCodes, now),
            new(ExpiredDevices, now - DevicesStay),
            .. own,
        ]);
    }

    // What came of it does not need to know where it came from.
    private const string ForgetSource = "UPDATE oauth2_provider_accesstoken SET source_refresh_token_id = NULL WHERE source_refresh_token_id IN ({dead})";

    private static readonly DeadRows RevokedRefresh = DeadRows.ById("oauth2_provider_refreshtoken", "revoked <= @before", ForgetSource);

    private static readonly DeadRows OrphanedRefresh = DeadRows.ById(
        "oauth2_provider_refreshtoken", "revoked IS NULL AND access_token_id IS NULL AND created <= @before", ForgetSource);

    private static readonly DeadRows ExpiredRefresh = DeadRows.ById(
        "oauth2_provider_refreshtoken",
        """
        revoked IS NULL AND EXISTS (
            SELECT 1 FROM oauth2_provider_accesstoken t WHERE t.id = oauth2_provider_refreshtoken.access_token_id AND t.expires <= @before)
        """,
        ForgetSource);

    // An access token whose refresh token lives is what that one's scopes are read from.
    private static readonly DeadRows ExpiredAccess = DeadRows.ById(
        "oauth2_provider_accesstoken",
        "expires < @before AND NOT EXISTS (SELECT 1 FROM oauth2_provider_refreshtoken r WHERE r.access_token_id = oauth2_provider_accesstoken.id)");

    private static readonly DeadRows ExpiredIdTokens = DeadRows.ById(
        "oauth2_provider_idtoken",
        "expires < @before AND NOT EXISTS (SELECT 1 FROM oauth2_provider_accesstoken t WHERE t.id_token_id = oauth2_provider_idtoken.id)");

    private static readonly DeadRows ExpiredCodes = DeadRows.ById("oauth2_provider_grant", "expires < @before");
    private static readonly DeadRows ExpiredDevices = DeadRows.ById("oauth2_provider_devicegrant", "expires < @before");

    private static readonly DeadRows UsedCodes = DeadRows.ByExpiry("gatehouse_oauth_used_code", "code_checksum", "expires");
    private static readonly DeadRows Assertions = DeadRows.ByExpiry("gatehouse_oauth_assertion", "client_id, jti", "expires");
    private static readonly DeadRows PushedRequests = DeadRows.ByExpiry("gatehouse_oauth_pushed_request", "request_uri", "expires");
}
