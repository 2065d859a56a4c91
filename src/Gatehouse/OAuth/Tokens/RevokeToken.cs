using Gatehouse.Audit;
using Gatehouse.Database;
using Gatehouse.Http;
using Gatehouse.OAuth.Clients;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.OAuth.Tokens;

/// <summary>
/// POST /o/revoke_token/: a client ends a token of its own, RFC 7009 (oauthlib's <c>RevocationEndpoint</c>, DOT's <c>revoke_token</c>). A token that
/// is not known, or another client's, is answered alike: what was wanted is so.
/// </summary>
internal sealed class RevokeToken(Db db, ClientAuthentication clients, OAuthOptions options, AuditTrail audit, TimeProvider clock)
{
    public async Task<IResult> HandleAsync(HttpContext http)
    {
        var (parameters, unreadable) = await OAuthParameters.FromFormAsync(http);
        if (unreadable is not null) return unreadable;
        if (await RefuseAsync(http, parameters) is { } error) return error with { State = parameters["state"] };
        return new EmptyPage(StatusCodes.Status200OK);
    }

    private async Task<OAuthError?> RefuseAsync(HttpContext http, OAuthParameters parameters)
    {
        if (http.Request.QueryString is { HasValue: true, Value.Length: > 1 }) return OAuthError.InvalidRequest("URL query parameters are not allowed");
        if (options.RefuseAmbiguousRequests == true && parameters.RefuseRepeated() is { } repeated) return repeated;
        if (parameters["token"] is not { Length: > 0 } token) return OAuthError.InvalidRequest("Missing token parameter.");
        var (client, stranger) = await clients.IdentifyAsync(http, parameters);
        if (client is null) return stranger;

        // Length before content: what is longer is no token of ours.
        if (token.Length <= TokenText.Longest) await RevokeAsync(TokenText.Checksum(token), isRefreshFirst: parameters["token_type_hint"] == "refresh_token", client);
        return null;
    }

    /// <summary>Looks among the tokens of the hinted kind first; once it has begun it is done, though the client may leave.</summary>
    private Task<bool> RevokeAsync(string checksum, bool isRefreshFirst, Client client)
    {
        var entry = audit.Of(AuditEvent.TokenRevoked);
        if (entry is not null) entry = entry with { Client = client.ClientId, Detail = "OAuth, by the application" };
        return db.WriteAsync(
            async tx =>
            {
                var ended = isRefreshFirst
                    ? await RevokeRefreshAsync(tx, checksum, client) || await RevokeAccessAsync(tx, checksum, client)
                    : await RevokeAccessAsync(tx, checksum, client) || await RevokeRefreshAsync(tx, checksum, client);
                if (ended) await AuditTrail.WriteAsync(tx, entry);
                return ended;
            },
            CancellationToken.None);
    }

    private async Task<bool> RevokeAccessAsync(Tx tx, string checksum, Client client)
    {
        var found = await tx.AllAsync(AccessTokens, ("checksum", checksum), ("client", client.Id));
        var ended = false;
        foreach (var id in found) ended |= await OAuthTokens.RevokeAccessAsync(tx, id, clock.GetUtcNow());
        return ended;
    }

    private async Task<bool> RevokeRefreshAsync(Tx tx, string checksum, Client client)
    {
        var now = clock.GetUtcNow();
        var found = await tx.AllAsync(RefreshTokens, ("checksum", checksum), ("client", client.Id));
        foreach (var id in found) await OAuthTokens.RevokeRefreshAsync(tx, id, options.RevocationEndsFamily == true, now);
        return found.Count > 0;
    }

    private static readonly Sql<long> AccessTokens = new(
        "SELECT id FROM oauth2_provider_accesstoken WHERE token_checksum = @checksum AND application_id = @client", row => row.Int(0));

    // Several rows may share a checksum, of which one at most is live. The plus keeps SQLite from going through all tokens of the client, by that
    // column's index.
    private static readonly Sql<long> RefreshTokens = new(
        "SELECT id FROM oauth2_provider_refreshtoken WHERE token_checksum = @checksum AND +application_id = @client", row => row.Int(0));
}
