using Gatehouse.Audit;
using Gatehouse.Database;
using Gatehouse.Users;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Gatehouse.Jwt;

/// <summary>
/// The tokens that were given out and those that are dead (simplejwt's <c>token_blacklist</c> app). In a Django project without that app its
/// tables are not there: then nothing is recorded, as in simplejwt.
/// </summary>
public sealed class TokenBlacklist
{
    private readonly Db db;
    private readonly GatehouseOptions root;
    private readonly JwtOptions options;
    private readonly IServiceProvider services;
    private readonly UserAccounts accounts;
    private readonly AuditTrail audit;
    private readonly TimeProvider clock;
    private readonly ILogger log;

    internal TokenBlacklist(Db db, GatehouseOptions root, UserAccounts accounts, AuditTrail audit, IServiceProvider services, TimeProvider clock, ILogger<TokenBlacklist> log)
    {
        this.db = db;
        this.root = root;
        this.accounts = accounts;
        this.audit = audit;
        this.services = services;
        this.clock = clock;
        this.log = log;
        options = root.Jwt;
        TracksFamilies = options.BlacklistAfterRotation && (options.ReuseEndsFamily ?? (options.RefreshRetryWindow > TimeSpan.Zero || root.Profile == Profile.Strict));
    }

    /// <summary>Whether the database has the tables; known once the server has started.</summary>
    public bool IsInstalled { get; private set; } = true;

    private bool TracksFamilies { get; }

    /// <summary>Whether a refresh needs nothing but the statement that rotates: the host has no say in it.</summary>
    internal bool RotatesUnseen =>
        RotatesTogether && options is { RotateRefreshTokens: true, TokenRefreshSerializer: null, UserAuthenticationRule: null, CheckRevokeToken: false };

    private bool RotatesTogether => IsInstalled && options.BlacklistAfterRotation && !TracksFamilies;

    /// <exception cref="SettingException">The settings want what the database has no tables for.</exception>
    internal async Task PrepareAsync(CancellationToken ct)
    {
        IsInstalled = await db.FirstAsync(Tables, ct) is not null;
        if (IsInstalled && (options.PasswordChangeEndsTokens ?? root.Profile != Profile.Django)) accounts.AlsoWithEachNewPassword.Add(EndAllAsync);
        if (!IsInstalled && options.PasswordChangeEndsTokens is true)
            throw new SettingException("SIMPLE_JWT: PasswordChangeEndsTokens is on, but the database has no tables of rest_framework_simplejwt.token_blacklist; take it out, or add that app.");
        if (IsInstalled || !options.BlacklistAfterRotation) return;
        if (root.Profile != Profile.Django || TracksFamilies)
            throw new SettingException(
                "SIMPLE_JWT: BLACKLIST_AFTER_ROTATION is on, but the database has no tables of rest_framework_simplejwt.token_blacklist, so rotated tokens "
                + "would stay alive. Add that app to the Django project and run \"python manage.py migrate\", or take the setting out.");
        log.BlacklistNotInstalled();
    }

    /// <summary>
    /// Logs a user out everywhere: all refresh and sliding tokens that were recorded are dead when this returns, and so is what a refresh
    /// under way would have made. Access tokens live on until they expire.
    /// </summary>
    /// <returns>How many tokens were ended.</returns>
    public async Task<int> LogOutEverywhereAsync(UserId user, CancellationToken ct = default)
    {
        if (!IsInstalled) throw new InvalidOperationException("The database has no tables of rest_framework_simplejwt.token_blacklist.");
        var now = clock.GetUtcNow();
        var entry = audit.Of(AuditEvent.TokensEnded);
        if (entry is not null) entry = entry with { About = (await accounts.FindAsync(user, ct))?.Username ?? "", Detail = "JSON Web Tokens" };
        return await db.WriteAsync(
            async tx =>
            {
                await AuditTrail.WriteAsync(tx, entry);
                return await EndAllAsync(tx, user, now);
            },
            ct);
    }

    internal static Task<int> EndAllAsync(Tx tx, UserId user, DateTimeOffset now)
    {
        tx.Lock(UserAccounts.LockOf(user));
        return tx.RunAsync(EndAllOfUser, ("now", now), ("user", user));
    }

    // Of what rotates a family's live end, and what ends the family.
    private static string LockOf(string family) => $"JWT family {family}";

    /// <summary>Deletes recorded tokens whose time is over (simplejwt's <c>flushexpiredtokens</c>), in small transactions between the writes of requests.</summary>
    /// <param name="progress">Told after each transaction how many are gone.</param>
    /// <param name="ct">Stops between two transactions.</param>
    /// <returns>How many were deleted.</returns>
    public Task<int> FlushExpiredAsync(IProgress<int>? progress = null, CancellationToken ct = default) =>
        services.GetRequiredService<Sweeper>().RunAsync([services.GetRequiredService<FlushExpired>()], progress, ct);

    internal async ValueTask<bool> HasAsync(string jti, CancellationToken ct) =>
        IsInstalled && await db.FindAsync(IsBlacklisted, ct, ("jti", jti)) is not null;

    /// <summary>Records the first token of a login, unless the user's password or standing has changed since it was checked.</summary>
    internal async Task<bool> RecordAsync(User user, NewToken token, DateTimeOffset now, CancellationToken ct)
    {
        var entry = Entry(AuditEvent.TokenIssued, token, user);
        if (!IsInstalled && !options.UpdateLastLogin)
        {
            await audit.NoteAsync(entry);
            return true;
        }
        return await db.WriteAsync(
            async tx =>
            {
                tx.Lock(UserAccounts.LockOf(user.Id), shared: true);
                // First: who has the row to change it waits for nobody who has it to look at.
                if (options.UpdateLastLogin && await tx.RunAsync(SetLastLogin, ("now", now), ("user", user.Id), ("password", user.Password)) != 1) return false;
                if (IsInstalled && await tx.RunAsync(
                    RecordForLogin, ("token", token.Text), ("now", now), ("expires", token.Expires), ("jti", token.Jti), ("user", user.Id), ("password", user.Password)) != 1)
                    return false;
                await AuditTrail.WriteAsync(tx, entry);
                return true;
            },
            ct);
    }

    private AuditEntry? Entry(AuditEvent what, NewToken token, User? user) => audit.Of(what, by: user) is { } entry ? entry with { Detail = $"JSON Web Token {token.Jti}" } : null;

    /// <summary>
    /// Ends a token by hand. One statement decides: of this, a rotation and another such call, each with the same token, one succeeds.
    /// </summary>
    /// <returns>False when it was dead already.</returns>
    internal Task<bool> EndAsync(NewToken token, User? user, DateTimeOffset now, CancellationToken ct)
    {
        var entry = Entry(AuditEvent.TokenRevoked, token, user);
        return db.WriteAsync(
            async tx =>
            {
                if (await tx.RunAsync(End, ("now", now), ("jti", token.Jti)) != 1)
                {
                    await tx.RunAsync(Record, ("token", token.Text), ("now", now), ("expires", token.Expires), ("jti", token.Jti), ("user", user?.Id));
                    if (await tx.RunAsync(End, ("now", now), ("jti", token.Jti)) != 1) return false;
                }
                await AuditTrail.WriteAsync(tx, entry);
                return true;
            },
            ct);
    }

    /// <summary>Ends a recorded token by the key of its row.</summary>
    /// <returns>False when it was dead already.</returns>
    internal static async Task<bool> EndAsync(Tx tx, long id, DateTimeOffset now) => await tx.RunAsync(EndById, ("now", now), ("id", id)) == 1;

    private static readonly Sql EndById = new("""
        INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id)
        SELECT @now, id FROM token_blacklist_outstandingtoken WHERE id = @id ON CONFLICT (token_id) DO NOTHING
        """);

    /// <summary>
    /// Puts <paramref name="next"/> in the place of <paramref name="old"/>, where <see cref="RotatesUnseen"/>, without a look at the user before.
    /// </summary>
    /// <returns>False when it is not done: the token is dead or was never recorded, the user is not there or not active, or somebody is at their rows.</returns>
    internal async Task<bool> RotateUnseenAsync(NewToken old, NewToken next, UserId id, DateTimeOffset now, CancellationToken ct)
    {
        var entry = Entry(AuditEvent.TokenRefreshed, next, null);
        if (entry is not null) entry = entry with { UserId = id.ToString(), Username = "" };
        if (await RotateTogetherAsync(old, next, id, options.CheckUserIsActive, "", entry, now, ct) is { } isDone) return isDone;
        // Nobody told. If it is done, the old token is dead by our own doing.
        return await accounts.FindAsync(id, ct) is { } user && (user.IsActive || !options.CheckUserIsActive)
            && await RotateAloneAsync(old, next, user, now, ct) == Rotation.Done;
    }

    // All of a rotation in one statement; what it would have to wait for, or to tell apart, is left to RotateAloneAsync.
    private Task<bool?> RotateTogetherAsync(
        NewToken old, NewToken next, UserId user, bool mustBeActive, string password, AuditEntry? entry, DateTimeOffset now, CancellationToken ct) => db.TryTogetherAsync(
        RotateTogether, ct,
        [
            ("lock", PostgresTx.KeyOf(UserAccounts.LockOf(user))), ("now", now), ("jti", old.Jti), ("user", user), ("active", mustBeActive), ("same", options.CheckRevokeToken),
            ("password", password), ("token", next.Text), ("expires", next.Expires), ("next", next.Jti), ("audit", entry is not null),
            .. AuditTrail.ValuesOf(entry ?? AuditEntry.None)
        ]);

    /// <summary>
    /// Puts <paramref name="next"/> in the place of <paramref name="old"/>. One statement decides: it ends the old token, if it is alive and
    /// its user is who was asked for; all else is in the same transaction.
    /// </summary>
    internal async Task<Rotation> RotateAsync(NewToken old, NewToken next, User? user, DateTimeOffset now, CancellationToken ct)
    {
        if (!IsInstalled) return Rotation.Done;
        // Unseen, it has been tried before.
        return RotatesTogether && !RotatesUnseen && user is not null
            && await RotateTogetherAsync(old, next, user.Id, MustBeActive(user), user.Password, Entry(AuditEvent.TokenRefreshed, next, user), now, ct) is true
            ? Rotation.Done
            : await RotateAloneAsync(old, next, user, now, ct);
    }

    // An inactive user who got here has been let in by a setting or by the host's own rule; an active one must still be active.
    private bool MustBeActive(User? user) => user is { IsActive: true } && (options.CheckUserIsActive || options.UserAuthenticationRule is not null);

    private async Task<Rotation> RotateAloneAsync(NewToken old, NewToken next, User? user, DateTimeOffset now, CancellationToken ct)
    {
        var userId = user?.Id;
        var mustBeActive = MustBeActive(user);
        var entry = Entry(AuditEvent.TokenRefreshed, next, user);
        var family = TracksFamilies ? await db.FindAsync(FamilyOf, ct, ("jti", old.Jti)) ?? old.Jti : null;
        return await db.WriteAsync(
            async tx =>
            {
                if (user is not null) tx.Lock(UserAccounts.LockOf(user.Id), shared: true);
                if (family is not null) tx.Lock(LockOf(family));
                var won = options.BlacklistAfterRotation ? await EndIfGoodAsync(tx) : await IsGoodAsync(tx);
                // It may be ours that did it, when the connection broke and nobody told.
                if (!won && await tx.FirstAsync(IsRecorded, ("jti", next.Jti)) is not null) return Rotation.Done;
                if (!won) return await tx.FirstAsync(IsBlacklisted, ("jti", old.Jti)) is not null ? Rotation.WasDead : Rotation.UserChanged;

                tx.Also(Record, ("token", next.Text), ("now", now), ("expires", next.Expires), ("jti", next.Jti), ("user", userId));
                if (TracksFamilies)
                {
                    tx.Also(NoteRotated, ("jti", old.Jti), ("successor", next.Jti), ("rotated", Micros(now)), ("expires", Micros(next.Expires)));
                    tx.Also(NoteSuccessor, ("jti", next.Jti), ("old", old.Jti), ("expires", Micros(next.Expires)));
                }
                await AuditTrail.WriteAsync(tx, entry);
                return Rotation.Done;
            },
            ct);

        async Task<bool> EndIfGoodAsync(Tx tx)
        {
            if (await EndOnceAsync(tx)) return true;
            // Made by another server with the same key, or before there were such tables: recorded first, as simplejwt does.
            return await tx.RunAsync(Record, ("token", old.Text), ("now", now), ("expires", old.Expires), ("jti", old.Jti), ("user", userId)) == 1 && await EndOnceAsync(tx);
        }

        async Task<bool> EndOnceAsync(Tx tx) => await tx.RunAsync(
            EndForRotation, ("now", now), ("jti", old.Jti), ("user", userId), ("active", mustBeActive), ("same", options.CheckRevokeToken), ("password", user?.Password)) == 1;

        async Task<bool> IsGoodAsync(Tx tx) => await tx.FirstAsync(
            GoodForRotation, ("jti", old.Jti), ("user", userId), ("active", mustBeActive), ("same", options.CheckRevokeToken), ("password", user?.Password)) is not null;
    }

    /// <summary>
    /// For a token that was sent although it is dead: its successor, when the client may simply not have got our answer. Anything else that
    /// was rotated before is in the wrong hands, or was: its family ends.
    /// </summary>
    internal async Task<string?> RetryAsync(string jti, User? user, CancellationToken ct)
    {
        if (!TracksFamilies || !IsInstalled || await db.FindAsync(RotationOf, ct, ("jti", jti)) is not { } rotated) return null;

        var now = clock.GetUtcNow();
        // Whichever way it points: the other server's clock, which wrote that time, may be a little ahead.
        var since = Math.Abs(Micros(now) - rotated.At);
        var window = (long)options.RefreshRetryWindow.TotalMicroseconds;
        if (window > 0 && since <= window && await db.FirstAsync(LiveSuccessor, ct, ("jti", rotated.Successor)) is { } same)
            return same;

        // Whoever sends it is not known to be its user.
        var entry = audit.Of(AuditEvent.TokenReused);
        if (entry is not null) entry = entry with { About = user?.Username ?? "", Detail = $"JSON Web Token {jti}" };
        var ended = await db.WriteAsync(
            async tx =>
            {
                tx.Lock(LockOf(rotated.Family));
                var count = await tx.RunAsync(EndFamily, ("now", now), ("family", rotated.Family));
                await AuditTrail.WriteAsync(tx, entry);
                return count;
            },
            ct);
        log.RotatedTokenReused(jti, user?.Id.ToString() ?? "nobody", ended);
        if (user is not null) await accounts.TellAsync(root.Events.RefreshTokenWasReused, new UserEvent(user, services));
        return null;
    }

    private static long Micros(DateTimeOffset time) => (time - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond;

    private static readonly Sql<string> Tables = new(
        "SELECT name FROM sqlite_master WHERE name = 'token_blacklist_blacklistedtoken'", row => row.Text(0),
        postgres: "SELECT 'yes' WHERE to_regclass('token_blacklist_blacklistedtoken') IS NOT NULL");

    private static readonly Sql<string> IsBlacklisted = new(
        """
        SELECT o.jti FROM token_blacklist_outstandingtoken o JOIN token_blacklist_blacklistedtoken b ON b.token_id = o.id WHERE o.jti = @jti
        """,
        row => row.Text(0));

    private static readonly Sql<string> IsRecorded = new("SELECT jti FROM token_blacklist_outstandingtoken WHERE jti = @jti", row => row.Text(0));

    private const string InsertForLogin = """
        INSERT INTO token_blacklist_outstandingtoken (token, created_at, expires_at, jti, user_id)
        SELECT @token, @now, @expires, @jti, u.id FROM auth_user u WHERE u.id = @user AND u.is_active AND u.password = @password
        """;

    // PostgreSQL: whoever changes the user, Django too, does so before or after the whole transaction.
    private static readonly Sql RecordForLogin = new(InsertForLogin, postgres: InsertForLogin + " FOR SHARE");

    private static readonly Sql SetLastLogin = new("UPDATE auth_user AS u SET last_login = @now WHERE u.id = @user AND u.is_active AND u.password = @password");

    private static readonly Sql Record = new("""
        INSERT INTO token_blacklist_outstandingtoken (token, created_at, expires_at, jti, user_id)
        VALUES (@token, @now, @expires, @jti, (SELECT u.id FROM auth_user u WHERE u.id = @user)) ON CONFLICT (jti) DO NOTHING
        """);

    private static readonly Sql End = new("""
        INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id)
        SELECT @now, id FROM token_blacklist_outstandingtoken WHERE jti = @jti ON CONFLICT (token_id) DO NOTHING
        """);

    private const string UserIsAsAsked =
        "(CAST(@user AS bigint) IS NULL OR EXISTS (SELECT 1 FROM auth_user u WHERE u.id = @user AND (u.is_active OR NOT @active) AND (u.password = @password OR NOT @same)))";

    private const string UserStaysAsAsked =
        "(CAST(@user AS bigint) IS NULL OR EXISTS (SELECT 1 FROM auth_user u WHERE u.id = @user AND (u.is_active OR NOT @active) AND (u.password = @password OR NOT @same) FOR SHARE))";

    private static readonly Sql EndForRotation = new(EndIf(UserIsAsAsked), postgres: EndIf(UserStaysAsAsked));

    private static string EndIf(string userIsGood) => $"""
        INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id)
        SELECT @now, o.id FROM token_blacklist_outstandingtoken o WHERE o.jti = @jti AND {userIsGood} ON CONFLICT (token_id) DO NOTHING
        """;

    // SQLite has no regular expressions: a name that LogText.Clean would change is left to it.
    private const string NameIsClean = "(@username <> '' OR u.username NOT GLOB '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*' AND length(u.username) <= 200)";

    // As LogText.Clean writes it.
    private const string NameOfUser = @"(SELECT regexp_replace(left(u.username, 200), '[\u0001-\u001F\u007F-\u009F]', '�', 'g') FROM auth_user u WHERE u.id = @user)";

    // To try the lock is enough: a logout everywhere that was there first has ended this token, which the row of the blacklist tells.
    private static readonly Sql RotateTogether = new(
        $"""
        INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id)
        SELECT @now, o.id FROM token_blacklist_outstandingtoken o WHERE o.jti = @jti AND EXISTS (
            SELECT 1 FROM auth_user u WHERE u.id = @user AND (u.is_active OR NOT @active) AND (u.password = @password OR NOT @same) AND {NameIsClean})
        ON CONFLICT (token_id) DO NOTHING;
        INSERT INTO token_blacklist_outstandingtoken (token, created_at, expires_at, jti, user_id) SELECT @token, @now, @expires, @next, @user WHERE changes() = 1;
        INSERT INTO gatehouse_audit ({AuditTrail.Columns})
        SELECT {AuditTrail.ValuesWith("COALESCE(NULLIF(@username, ''), (SELECT u.username FROM auth_user u WHERE u.id = @user))")} WHERE @audit AND changes() = 1
        """,
        postgres: $"""
        WITH ended AS (
            INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id)
            SELECT @now, o.id FROM token_blacklist_outstandingtoken o
            WHERE o.jti = @jti AND pg_try_advisory_xact_lock_shared(@lock) AND EXISTS (
                SELECT 1 FROM auth_user u WHERE u.id = @user AND (u.is_active OR NOT @active) AND (u.password = @password OR NOT @same) FOR SHARE SKIP LOCKED)
            ON CONFLICT (token_id) DO NOTHING RETURNING token_id),
        told AS (INSERT INTO gatehouse_audit ({AuditTrail.Columns}) SELECT {AuditTrail.ValuesWith("COALESCE(NULLIF(@username, ''), " + NameOfUser + ")")} FROM ended WHERE @audit)
        INSERT INTO token_blacklist_outstandingtoken (token, created_at, expires_at, jti, user_id)
        SELECT @token, @now, @expires, @next, @user FROM ended
        """);

    private static readonly Sql<long?> GoodForRotation = new(GoodIf(UserIsAsAsked), row => row.Int(0), postgres: GoodIf(UserStaysAsAsked));

    private static string GoodIf(string userIsGood) => $"""
        SELECT 1 WHERE {userIsGood} AND NOT EXISTS (
            SELECT 1 FROM token_blacklist_outstandingtoken o JOIN token_blacklist_blacklistedtoken b ON b.token_id = o.id WHERE o.jti = @jti)
        """;

    // PostgreSQL: what a sweep is about to delete is waited for, and then it is gone; otherwise the whole would fail for want of it.
    private static readonly Sql EndAllOfUser = new(EndAll(""), postgres: EndAll(" ORDER BY id FOR KEY SHARE"));

    private static string EndAll(string locked) => $"""
        INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id)
        SELECT @now, id FROM token_blacklist_outstandingtoken WHERE user_id = @user{locked} ON CONFLICT (token_id) DO NOTHING
        """;

    // The first rotation of a token that has no row yet begins a family with its name.
    private static readonly Sql NoteRotated = new("""
        INSERT INTO gatehouse_jwt_rotation (jti, family, successor, rotated, expires) VALUES (@jti, @jti, @successor, @rotated, @expires)
        ON CONFLICT (jti) DO UPDATE SET successor = excluded.successor, rotated = excluded.rotated, expires = excluded.expires
        """);

    private static readonly Sql NoteSuccessor = new("""
        INSERT INTO gatehouse_jwt_rotation (jti, family, successor, rotated, expires)
        SELECT @jti, r.family, NULL, NULL, @expires FROM gatehouse_jwt_rotation r WHERE r.jti = @old
        """);

    private static readonly Sql<string> FamilyOf = new("SELECT family FROM gatehouse_jwt_rotation WHERE jti = @jti", row => row.Text(0));

    private static readonly Sql<Rotated> RotationOf = new(
        "SELECT family, successor, rotated FROM gatehouse_jwt_rotation WHERE jti = @jti AND successor IS NOT NULL",
        row => new Rotated(row.Text(0), row.Text(1), row.Int(2)));

    private static readonly Sql<string> LiveSuccessor = new(
        """
        SELECT o.token FROM token_blacklist_outstandingtoken o
        WHERE o.jti = @jti AND NOT EXISTS (SELECT 1 FROM token_blacklist_blacklistedtoken b WHERE b.token_id = o.id)
        """,
        row => row.Text(0));

    private static readonly Sql EndFamily = new("""
        INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id)
        SELECT @now, o.id FROM gatehouse_jwt_rotation r JOIN token_blacklist_outstandingtoken o ON o.jti = r.jti
        WHERE r.family = @family AND r.successor IS NULL ON CONFLICT (token_id) DO NOTHING
        """);

    private sealed record Rotated(string Family, string Successor, long At);
}

/// <summary>A token as it is recorded.</summary>
internal readonly record struct NewToken(string Text, string Jti, DateTimeOffset Expires);

/// <summary>How a rotation ended.</summary>
internal enum Rotation
{
    Done,
    WasDead,
    UserChanged,
}
