using Gatehouse.Audit;
using Gatehouse.Database;
using Gatehouse.OAuth.Clients;
using Gatehouse.OAuth.Grants;
using Gatehouse.OAuth.OpenId;
using Gatehouse.Statistics;
using Gatehouse.Users;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.OAuth.Tokens;

/// <summary>Makes tokens and writes them (DOT's <c>save_bearer_token</c>): what was used up for them, and they, in one transaction.</summary>
internal sealed class TokenIssuer(Db db, IdTokens idTokens, Successors successors, OAuthOptions options, Counters counters, AuditTrail audit, TimeProvider clock)
{
    /// <summary>The tokens; null when <see cref="Granted.Consume"/> found that somebody else was first.</summary>
    public async Task<TokenAnswer?> IssueAsync(
        HttpContext http, Client client, Granted granted, IReadOnlyList<string> scopes, IReadOnlyList<string> resource)
    {
        var now = clock.GetUtcNow();
        var (access, refresh) = granted.Previous is { } before && successors.Of(before.Text) is { } derived
            ? derived
            : (NewAccessToken(), granted.Kept?.RefreshToken ?? (granted.WithRefreshToken ? NewRefreshToken() : null));
        var tokens = new NewTokens(access, refresh, !granted.WithRefreshToken ? null : granted.Previous is { } previous ? previous.Family : TokenText.NewUuid(), now);
        var scope = string.Join(' ', scopes);
        var expires = now.AddSeconds(options.AccessTokenExpireSeconds);
        // Signed before the writer is asked for: it takes a millisecond.
        var idToken = granted is { IdToken: { } asked, User: { } user } ? await idTokens.MakeAsync(http, client, user, scopes, asked, access) : null;
        var entry = audit.Of(granted.Previous is null && granted.Kept is null ? AuditEvent.TokenIssued : AuditEvent.TokenRefreshed, by: granted.User);
        if (entry is not null) entry = entry with { Client = client.ClientId, Detail = $"OAuth, scope {scope}" };

        var won = await db.WriteAsync(
            async tx =>
            {
                if (granted.User is { } owner) tx.Lock(UserAccounts.LockOf(owner.Id), shared: true);
                if (granted.Previous?.Family is { } family) tx.Lock(OAuthTokens.LockOf(family));
                if (granted.Consume is { } consume && !await consume(tx, tokens)) return false;
                await AuditTrail.WriteAsync(tx, entry);
                var idTokenId = idToken is null ? null : await IdTokens.SaveAsync(tx, idToken, now);
                if (granted.Kept is { } kept)
                {
                    return await tx.RunAsync(
                        Refill, ("token", Stored(access)), ("checksum", TokenText.Checksum(access)), ("expires", expires), ("scope", scope),
                        ("user", granted.User?.Id), ("resource", TokenText.Resources(resource)), ("now", now), ("id", kept.AccessTokenId)) == 1;
                }

                var id = await tx.FirstAsync(
                    InsertAccess, ("token", Stored(access)), ("checksum", TokenText.Checksum(access)), ("expires", expires), ("scope", scope), ("client", client.Id),
                    ("user", granted.User?.Id), ("now", now), ("source", granted.Previous?.Id), ("id_token", idTokenId), ("resource", TokenText.Resources(resource)));
                if (refresh is not null)
                {
                    tx.Also(
                        InsertRefresh, ("token", Stored(refresh)), ("checksum", TokenText.Checksum(refresh)), ("access", id), ("client", client.Id),
                        ("user", granted.User!.Id), ("began", granted.Previous?.Began ?? now), ("now", now), ("family", tokens.Family), ("resource", TokenText.Resources(resource)));
                }
                return true;
            },
            http.RequestAborted);
        if (won) counters.Count(Counted.OAuthToken);
        if (won && idToken is not null) counters.Count(Counted.IdToken);
        return won
            ? new TokenAnswer { AccessToken = access, ExpiresIn = options.AccessTokenExpireSeconds, Scope = scope, RefreshToken = refresh, IdToken = idToken?.Text }
            : null;
    }

    public string NewAccessToken() => options.AccessTokenGenerator?.Invoke() ?? TokenText.New();

    private string NewRefreshToken() => (options.RefreshTokenGenerator ?? options.AccessTokenGenerator)?.Invoke() ?? TokenText.New();

    /// <summary>Tokens are found by their checksum. The text stands beside it as in the real stack, unless the setting says otherwise.</summary>
    private string Stored(string token) => options.CompliantBcpRfc9700TokenStorage == true ? "" : token;

    private static readonly Sql<long?> InsertAccess = new(
        """
        INSERT INTO oauth2_provider_accesstoken
            (token, token_checksum, expires, scope, application_id, user_id, created, updated, source_refresh_token_id, id_token_id, resource)
        VALUES (@token, @checksum, @expires, @scope, @client, @user, @now, @now, @source, @id_token, @resource)
        RETURNING id
        """,
        row => row.Int(0));

    private static readonly Sql InsertRefresh = new(
        """
        INSERT INTO oauth2_provider_refreshtoken (token, token_checksum, access_token_id, application_id, user_id, created, updated, revoked, token_family, resource)
        VALUES (@token, @checksum, @access, @client, @user, @began, @now, NULL, @family, @resource)
        """);

    private static readonly Sql Refill = new(
        """
        UPDATE oauth2_provider_accesstoken SET token = @token, token_checksum = @checksum, expires = @expires, scope = @scope, user_id = @user,
            resource = @resource, updated = @now
        WHERE id = @id
        """);
}
