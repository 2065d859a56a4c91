using Gatehouse.Database;

namespace Gatehouse.OAuth.Tokens;

/// <summary>
/// OAuth tokens and codes, by <c>created</c>; what was pushed and what devices were given has no such time, lives for minutes, and is ended whole.
/// </summary>
internal sealed class IssuedOAuthTokens : IIssued
{
    public async Task<IReadOnlyList<(string What, int Count)>> EndBeforeAsync(Tx tx, DateTimeOffset before, DateTimeOffset now)
    {
        if (await tx.FirstAsync(IsInstalled) is null) return [];
        var refresh = await tx.RunAsync(RevokeRefresh, ("now", now), ("before", before));
        var access = await tx.RunAsync(DeleteAccess, ("before", before));
        await tx.RunAsync(ForgetIdTokens, ("before", before));
        return
        [
            ("OAuth refresh tokens", refresh),
            ("OAuth access tokens", access),
            ("ID tokens", await tx.RunAsync(DeleteIdTokens, ("before", before))),
            ("authorization codes", await tx.RunAsync(DeleteCodes, ("before", before))),
            ("device codes", await tx.RunAsync(DeleteDevices)),
            ("pushed authorization requests", await tx.RunAsync(DeletePushed)),
        ];
    }

    private static readonly Sql<string> IsInstalled = new("SELECT name FROM django_migrations WHERE app = 'oauth2_provider' LIMIT 1", row => row.Text(0));

    // With the access token that it would replace, a refresh token is as old as the older of them.
    private static readonly Sql RevokeRefresh = new(
        """
        UPDATE oauth2_provider_refreshtoken SET revoked = COALESCE(revoked, @now), updated = @now, access_token_id = NULL
        WHERE (revoked IS NULL OR access_token_id IS NOT NULL)
            AND (created < @before OR access_token_id IN (SELECT id FROM oauth2_provider_accesstoken WHERE created < @before))
        """);

    private static readonly Sql DeleteAccess = new("DELETE FROM oauth2_provider_accesstoken WHERE created < @before");

    private static readonly Sql ForgetIdTokens = new(
        "UPDATE oauth2_provider_accesstoken SET id_token_id = NULL WHERE id_token_id IN (SELECT id FROM oauth2_provider_idtoken WHERE created < @before)");

    private static readonly Sql DeleteIdTokens = new("DELETE FROM oauth2_provider_idtoken WHERE created < @before");
    private static readonly Sql DeleteCodes = new("DELETE FROM oauth2_provider_grant WHERE created < @before");
    private static readonly Sql DeleteDevices = new("DELETE FROM oauth2_provider_devicegrant");
    private static readonly Sql DeletePushed = new("DELETE FROM gatehouse_oauth_pushed_request");
}
