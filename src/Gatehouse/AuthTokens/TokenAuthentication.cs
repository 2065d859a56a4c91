using Gatehouse.Audit;
using Gatehouse.Authentication;
using Gatehouse.Database;
using Gatehouse.Statistics;
using Gatehouse.Users;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.AuthTokens;

/// <summary>
/// Opaque database tokens, <c>Authorization: Token 9944b091…</c> (DRF <c>TokenAuthentication</c>). For another keyword derive:
/// <c>class BearerToken(TokenStore tokens) : TokenAuthentication(tokens, "Bearer");</c>
/// </summary>
/// <param name="tokens">Where tokens are kept.</param>
/// <param name="keyword">The first word of the header, and the challenge.</param>
public class TokenAuthentication(TokenStore tokens, string keyword = "Token") : HeaderAuthentication(keyword)
{
    /// <inheritdoc/>
    protected override async ValueTask<Outcome> AuthenticateAsync(HttpContext http, string value) =>
        await tokens.FindUserAsync(value, http.RequestAborted) switch
        {
            null => Outcome.Fail("Invalid token."),
            { IsActive: false } => Outcome.Fail("User inactive or deleted."),
            var user => Outcome.Succeed(user, auth: new AuthToken(user.Id)),
        };
}

/// <summary>The tokens of <c>authtoken_token</c>: one for each user who has one.</summary>
public sealed class TokenStore
{
    private const int MaxKeyLength = 40;

    private readonly Db db;
    private readonly Counters counters;
    private readonly AuditTrail audit;
    private readonly TimeProvider clock;

    internal TokenStore(Db db, Counters counters, AuditTrail audit, TimeProvider clock)
    {
        this.db = db;
        this.counters = counters;
        this.audit = audit;
        this.clock = clock;
    }

    /// <summary>The user of a token, active or not; null when nobody has it.</summary>
    public Task<User?> FindUserAsync(string key, CancellationToken ct) =>
        key.Length > MaxKeyLength ? Task.FromResult<User?>(null) : db.FindAsync(UserOfKey, ct, ("key", key));

    private static readonly Sql<User> UserOfKey = new(
        $"SELECT {User.Columns} FROM authtoken_token t JOIN auth_user u ON u.id = t.user_id WHERE t.key = @key", User.Read);

    /// <summary>The user's token, made if there is none (DRF <c>Token.objects.get_or_create</c>): all who ask at once get the same.</summary>
    public async Task<string> GetOrCreateAsync(UserId user, CancellationToken ct)
    {
        if (await db.FirstAsync(KeyOfUser, ct, ("user", user)) is { } known) return known;

        var now = clock.GetUtcNow();
        var key = AuthToken.NewKey();
        var entry = await EntryAsync(AuditEvent.TokenIssued, user, ct);
        var token = (await db.WriteAsync(
            async tx =>
            {
                var there = await tx.FirstAsync(InsertOrFind, ("key", key), ("now", now), ("user", user));
                if (there == key) await AuditTrail.WriteAsync(tx, entry);
                return there;
            },
            ct))!;
        if (token == key) counters.Count(Counted.ApiToken);
        return token;
    }

    /// <summary>A new token in place of the user's old one, which is dead from then on (<c>drf_create_token -r</c>).</summary>
    public async Task<string> RenewAsync(UserId user, CancellationToken ct)
    {
        var now = clock.GetUtcNow();
        var key = AuthToken.NewKey();
        var entry = await EntryAsync(AuditEvent.TokenIssued, user, ct);
        await db.WriteAsync(
            async tx =>
            {
                await AuditTrail.WriteAsync(tx, entry);
                return await tx.RunAsync(Renew, ("key", key), ("now", now), ("user", user));
            },
            ct);
        counters.Count(Counted.ApiToken);
        return key;
    }

    /// <summary>Ends the user's token.</summary>
    /// <returns>False when there was none.</returns>
    internal async Task<bool> DeleteAsync(UserId user, CancellationToken ct)
    {
        var entry = await EntryAsync(AuditEvent.TokenRevoked, user, ct);
        return await db.WriteAsync(
            async tx =>
            {
                if (await tx.RunAsync(DeleteOfUser, ("user", user)) == 0) return false;
                await AuditTrail.WriteAsync(tx, entry);
                return true;
            },
            ct);
    }

    /// <summary>When the user's token was made; null when there is none.</summary>
    internal Task<DateTimeOffset?> CreatedAsync(UserId user, CancellationToken ct) => db.FirstAsync(CreatedOfUser, ct, ("user", user));

    private static readonly Sql DeleteOfUser = new("DELETE FROM authtoken_token WHERE user_id = @user");

    private static readonly Sql<DateTimeOffset?> CreatedOfUser = new("SELECT created FROM authtoken_token WHERE user_id = @user", row => row.Time(0));

    private async Task<AuditEntry?> EntryAsync(AuditEvent what, UserId user, CancellationToken ct) => audit.Of(what) is { } entry
        ? entry with { About = await db.FirstAsync(NameOfUser, ct, ("user", user)) ?? "", Detail = "API token" }
        : null;

    private static readonly Sql<string> NameOfUser = new("SELECT u.username FROM auth_user u WHERE u.id = @user", row => row.Text(0));

    private static readonly Sql<string> KeyOfUser = new("SELECT key FROM authtoken_token WHERE user_id = @user", row => row.Text(0));

    // Changes nothing in a row that is there: a statement that did nothing would return nothing.
    private static readonly Sql<string> InsertOrFind = new(
        """
        INSERT INTO authtoken_token (key, created, user_id) VALUES (@key, @now, @user)
        ON CONFLICT (user_id) DO UPDATE SET user_id = excluded.user_id RETURNING key
        """,
        row => row.Text(0));

    internal static readonly Sql InsertIfNone = new(
        "INSERT INTO authtoken_token (key, created, user_id) VALUES (@key, @now, @user) ON CONFLICT (user_id) DO NOTHING");

    private static readonly Sql Renew = new("""
        INSERT INTO authtoken_token (key, created, user_id) VALUES (@key, @now, @user)
        ON CONFLICT (user_id) DO UPDATE SET key = excluded.key, created = excluded.created
        """);
}
