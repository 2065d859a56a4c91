using Gatehouse.Audit;
using Gatehouse.Database;
using Gatehouse.OAuth.Clients;
using Gatehouse.OAuth.Tokens;
using Gatehouse.Users;

namespace Gatehouse.OAuth.Grants;

/// <summary>
/// A code for tokens, RFC 6749 §4.1.3 (DOT's <c>validate_code</c>). It is used up by one conditional statement in the transaction that writes
/// the tokens; whoever comes second ends what the first was given (§4.1.2).
/// </summary>
internal sealed class AuthorizationCodeGrant(Db db, OAuthOptions options, AuditTrail audit, TimeProvider clock) : IGrant
{
    private const int LongestCode = 255;

    // As long as a code that was seen by others could be tried; the tokens' own lives are longer or shorter.
    private static readonly TimeSpan RememberedAtLeast = TimeSpan.FromDays(1);

    public string GrantType => "authorization_code";

    public IReadOnlyList<string> AllowedTo { get; } = [GrantTypes.AuthorizationCode, GrantTypes.OpenIdHybrid];

    public bool AnswersPages => true;

    public OAuthError? Check(OAuthParameters parameters) => parameters["code"] is null ? OAuthError.InvalidRequest("Missing code parameter.") : null;

    public async Task<(Granted? Granted, OAuthError? Error)> GrantAsync(TokenRequest request)
    {
        var (parameters, client, ct) = (request.Parameters, request.Client, request.Http.RequestAborted);
        var code = parameters["code"]!;
        if (code.Length is 0 or > LongestCode) return Refuse(OAuthError.InvalidGrant());
        if (await db.FirstAsync(ByCode, ct, ("code", code), ("client", client.Id)) is not { } found) return Refuse(await ReusedAsync(code, client));
        if (found.Expires <= clock.GetUtcNow()) return Refuse(OAuthError.InvalidGrant());

        if (CheckProof(found, parameters["code_verifier"], client) is { } unproved) return Refuse(unproved);
        if (CheckRedirectUri(found, parameters["redirect_uri"], client) is { } elsewhere) return Refuse(elsewhere);
        if (options.RefuseInactiveUsers == true && !found.User.IsActive) return Refuse(OAuthError.InvalidGrant());

        return (new Granted
        {
            User = found.User,
            Scopes = found.Scope.Split(' '),
            Resource = found.Resource,
            WithRefreshToken = true,
            Consume = (tx, tokens) => UseAsync(tx, found.Id, code, client, tokens),
            Lost = async () => (null, await ReusedAsync(code, client)),
            IdToken = new IdTokenRequest(found.Nonce.Length > 0 ? found.Nonce : null, found.Claims is "{}" ? "" : found.Claims),
        }, null);

        static (Granted?, OAuthError?) Refuse(OAuthError error) => (null, error);
    }

    private OAuthError? CheckProof(Found found, string? verifier, Client client)
    {
        if (found.CodeChallenge.Length == 0)
        {
            // RFC 9700 §4.8.2: who brings a verifier asked with a challenge, which somebody took away.
            if (verifier is not null && options.StrictPkce == true) return OAuthError.InvalidGrant();
            if (!Pkce.IsRequired(client, options)) return null;
            return verifier is null ? OAuthError.InvalidRequest("Code verifier required.") : OAuthError.InvalidGrant("Challenge not found");
        }
        if (verifier is null) return OAuthError.InvalidRequest("Code verifier required.");
        return found.CodeChallengeMethod switch
        {
            "" => OAuthError.InvalidGrant("Challenge method not found"),
            Pkce.S256 or Pkce.Plain => (options.StrictPkce != true || Pkce.IsWellFormedVerifier(verifier)) && Pkce.Matches(verifier, found.CodeChallenge, found.CodeChallengeMethod)
                ? null
                : OAuthError.InvalidGrant(),
            var other => new("server_error", $"code_challenge_method {other} is not supported."),
        };
    }

    /// <summary>The very text of the authorization request, RFC 6749 §4.1.3; left out, the client's only one.</summary>
    private static OAuthError? CheckRedirectUri(Found found, string? redirectUri, Client client)
    {
        if (redirectUri is null && client.RedirectUris.Count != 1) return OAuthError.InvalidRequest("Missing redirect URI.");
        return (redirectUri ?? client.RedirectUris[0]) == found.RedirectUri ? null : OAuthError.InvalidRequest("Mismatching redirect URI.");
    }

    private async Task<bool> UseAsync(Tx tx, long id, string code, Client client, NewTokens tokens)
    {
        if (await tx.RunAsync(Use, ("id", id), ("now", tokens.Now)) == 0) return false;
        if (options.RevokeOnCodeReuse != true) return true;

        await tx.RunAsync(Forget, ("now", tokens.Now.ToUnixTimeMilliseconds() * 1000));
        var lifetime = TimeSpan.FromSeconds(options.AccessTokenExpireSeconds);
        await tx.RunAsync(
            Remember, ("code", TokenText.Checksum(code)), ("client", client.Id), ("token", TokenText.Checksum(tokens.AccessToken)), ("family", tokens.Family),
            ("expires", (tokens.Now + (lifetime > RememberedAtLeast ? lifetime : RememberedAtLeast)).ToUnixTimeMilliseconds() * 1000));
        return true;
    }

    /// <summary>The code is not there: where it was, what it gave ends. Only its own client can do that.</summary>
    private async Task<OAuthError> ReusedAsync(string code, Client client)
    {
        var checksum = TokenText.Checksum(code);
        if (options.RevokeOnCodeReuse != true || await db.FirstAsync(ByUsedCode, CancellationToken.None, ("code", checksum), ("client", client.Id)) is null) return OAuthError.InvalidGrant();
        // Whoever sends it is not known to be its user.
        var entry = audit.Of(AuditEvent.CodeReused);
        await db.WriteAsync(
            async tx =>
            {
                if (await tx.FirstAsync(ByUsedCode, ("code", checksum), ("client", client.Id)) is not { } used) return false;
                await tx.RunAsync(ForgetOne, ("code", checksum));
                var access = await tx.FirstAsync(AccessOf, ("token", used.Token));
                var name = access?.Username ?? (used.Family is { } known ? await tx.FirstAsync(UserOfFamily, ("family", known)) : null);
                if (access is not null) await OAuthTokens.RevokeAccessAsync(tx, access.Id, clock.GetUtcNow());
                if (used.Family is { } family) await OAuthTokens.RevokeFamilyAsync(tx, family, clock.GetUtcNow());
                await AuditTrail.WriteAsync(tx, entry is null ? null : entry with { About = name ?? "", Client = client.ClientId });
                return true;
            },
            CancellationToken.None);
        return OAuthError.InvalidGrant();
    }

    private static readonly Sql<Found> ByCode = new(
        $"""
        SELECT g.id, g.expires, g.redirect_uri, g.scope, g.code_challenge, g.code_challenge_method, g.nonce, g.claims, g.resource, {User.Columns}
        FROM oauth2_provider_grant g JOIN auth_user u ON u.id = g.user_id WHERE g.code = @code AND g.application_id = @client
        """,
        row => new Found(
            row.Int(0), row.Time(1), row.Text(2), row.Text(3), row.Text(4), row.Text(5), row.Text(6), row.Text(7), TokenText.Resources(row.Text(8)),
            User.Read(row, 9)));

    private static readonly Sql Use = new("DELETE FROM oauth2_provider_grant WHERE id = @id AND expires > @now");

    private static readonly Sql Remember = new(
        """
        INSERT INTO gatehouse_oauth_used_code (code_checksum, application_id, token_checksum, token_family, expires) VALUES (@code, @client, @token, @family, @expires)
        ON CONFLICT (code_checksum) DO NOTHING
        """);

    private static readonly Sql Forget = new("DELETE FROM gatehouse_oauth_used_code WHERE code_checksum IN (SELECT code_checksum FROM gatehouse_oauth_used_code WHERE expires < @now LIMIT 100)");

    private static readonly Sql ForgetOne = new("DELETE FROM gatehouse_oauth_used_code WHERE code_checksum = @code");

    private static readonly Sql<Used> ByUsedCode = new(
        "SELECT token_checksum, token_family FROM gatehouse_oauth_used_code WHERE code_checksum = @code AND application_id = @client",
        row => new Used(row.Text(0), row.IsNull(1) ? null : Guid.Parse(row.Text(1))));

    private static readonly Sql<Access> AccessOf = new(
        "SELECT t.id, u.username FROM oauth2_provider_accesstoken t LEFT JOIN auth_user u ON u.id = t.user_id WHERE t.token_checksum = @token",
        row => new Access(row.Int(0), row.TextOrNull(1)));

    private static readonly Sql<string> UserOfFamily = new(
        "SELECT u.username FROM oauth2_provider_refreshtoken r JOIN auth_user u ON u.id = r.user_id WHERE r.token_family = @family LIMIT 1", row => row.Text(0));

    private sealed record Found(
        long Id, DateTimeOffset Expires, string RedirectUri, string Scope, string CodeChallenge, string CodeChallengeMethod, string Nonce, string Claims,
        IReadOnlyList<string> Resource, User User);

    private sealed record Used(string Token, Guid? Family);

    private sealed record Access(long Id, string? Username);
}
