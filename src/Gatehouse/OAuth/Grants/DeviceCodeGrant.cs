using Gatehouse.Database;
using Gatehouse.OAuth.Clients;
using Gatehouse.OAuth.Device;
using Gatehouse.OAuth.Tokens;
using Gatehouse.Users;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.OAuth.Grants;

/// <summary>A device whose user has typed its code elsewhere, RFC 8628 §3.4 (DOT's <c>TokenView.device_flow_token_response</c>).</summary>
internal sealed class DeviceCodeGrant(Db db, Scopes scopes, OAuthOptions options, TimeProvider clock) : IGrant
{
    public const string Name = "urn:ietf:params:oauth:grant-type:device_code";

    // RFC 8628 §3.5. The real stack's answer to a code that it does not know has no name in any RFC.
    private static readonly OAuthError NotFound = new("device_not_found", Status: StatusCodes.Status404NotFound);
    private static readonly OAuthError AuthorizationPending = new("authorization_pending");
    private static readonly OAuthError SlowDown = new("slow_down");
    private static readonly OAuthError AccessDenied = new("access_denied");
    private static readonly OAuthError ExpiredToken = new("expired_token");

    public string GrantType => Name;

    public IReadOnlyList<string> AllowedTo { get; } = [GrantTypes.DeviceCode];

    public OAuthError? Check(OAuthParameters parameters) =>
        parameters["device_code"] is null ? OAuthError.InvalidRequest("Missing device_code parameter.") : null;

    /// <summary>The real stack tells anybody how a device is doing, and any client of this grant gets its tokens, again and again.</summary>
    public async ValueTask<OAuthError?> CheckBeforeClientAsync(HttpContext http, OAuthParameters parameters)
    {
        if (options.DeviceCodeOnce == true) return null;
        return await FindAsync(parameters, http.RequestAborted) is { } found ? Refuse(found.Grant) : NotFound;
    }

    public OAuthError Dress(OAuthError error) => error with { IsPlain = true, HasChallenge = options.DeviceCodeOnce == true };

    public async Task<(Granted? Granted, OAuthError? Error)> GrantAsync(TokenRequest request)
    {
        var once = options.DeviceCodeOnce == true;
        if (await FindAsync(request.Parameters, request.Http.RequestAborted) is not { } found || once && found.Grant.ClientId != request.Client.ClientId)
            return (null, OAuthError.InvalidGrant());
        var refused = Refuse(found.Grant);
        if (refused == AuthorizationPending && once && await IsTooFastAsync(found.Grant)) refused = SlowDown;
        if (refused is not null) return (null, refused);
        if (found.User is not { } user || options.RefuseInactiveUsers == true && !user.IsActive) return (null, OAuthError.InvalidGrant());

        var granted = TokenText.Words(found.Grant.Scope);
        if (granted.Count > 0 && scopes.Refuse(request.Client, granted) is { } beyond) return (null, beyond);
        return (new Granted
        {
            User = user,
            Scopes = granted.Count > 0 ? granted : null,
            WithRefreshToken = true,
            // The real stack gives devices none.
            IdToken = once ? new IdTokenRequest(Nonce: null) : null,
            Consume = once ? (tx, tokens) => RedeemAsync(tx, found, request.Parameters["device_code"]!, tokens.Now) : null,
        }, null);
    }

    private OAuthError? Refuse(DeviceGrant grant) => grant.StatusAt(clock.GetUtcNow()) switch
    {
        DeviceGrant.Authorized => null,
        DeviceGrant.Pending => AuthorizationPending,
        DeviceGrant.Denied => AccessDenied,
        _ => ExpiredToken,
    };

    /// <summary>
    /// The code that gave tokens is no code any more. The row stays: the user's page tells of it, and nobody may be given the same user code.
    /// </summary>
    private async Task<bool> RedeemAsync(Tx tx, Found found, string deviceCode, DateTimeOffset now) =>
        await tx.RunAsync(
            Redeem, ("spent", TokenText.New()), ("now", now), ("id", found.Grant.Id), ("device_code", deviceCode), ("user", found.User!.Id),
            ("any", options.RefuseInactiveUsers != true)) == 1;

    /// <summary>Whether the last poll is less than the interval ago, save a fifth of it: what the network may add or take.</summary>
    private async Task<bool> IsTooFastAsync(DeviceGrant grant)
    {
        var now = clock.GetUtcNow();
        return await db.WriteRelaxedAsync(
            tx => tx.RunAsync(
                Poll, ("now", now), ("id", grant.Id), ("earliest", now - TimeSpan.FromSeconds(grant.Interval * 0.8))),
            CancellationToken.None) == 0;
    }

    private Task<Found?> FindAsync(OAuthParameters parameters, CancellationToken ct) =>
        parameters["device_code"] is { Length: > 0 and <= DeviceGrant.LongestCode } code
            ? db.FirstAsync(ByDeviceCode, ct, ("device_code", code))
            : Task.FromResult<Found?>(null);

    private static readonly Sql<Found> ByDeviceCode = new(
        $"""
        SELECT {DeviceGrant.Columns}, {User.Columns} FROM oauth2_provider_devicegrant d LEFT JOIN auth_user u ON u.id = d.user_id
        WHERE d.device_code = @device_code
        """,
        row => new Found(DeviceGrant.Read(row), row.IsNull(DeviceGrant.ColumnCount) ? null : User.Read(row, DeviceGrant.ColumnCount)));

    private static readonly Sql Redeem = new(
        $"""
        UPDATE oauth2_provider_devicegrant SET device_code = @spent, last_checked = @now
        WHERE id = @id AND device_code = @device_code AND status = '{DeviceGrant.Authorized}' AND expires > @now
            AND user_id = (SELECT u.id FROM auth_user u WHERE u.id = @user AND (u.is_active OR @any))
        """);

    private static readonly Sql Poll = new("UPDATE oauth2_provider_devicegrant SET last_checked = @now WHERE id = @id AND last_checked <= @earliest");

    private sealed record Found(DeviceGrant Grant, User? User);
}
