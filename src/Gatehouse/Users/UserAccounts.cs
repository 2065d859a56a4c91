using Gatehouse.Audit;
using Gatehouse.Crypto;
using Gatehouse.Database;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Gatehouse.Users;

/// <summary>Finding, checking and making users: one method each, whichever door is used (Django <c>ModelBackend</c>, <c>UserManager</c>).</summary>
public sealed class UserAccounts
{
    private readonly Db db;
    private readonly UserModel model;
    private readonly PasswordHashes hashes;
    private readonly PasswordWork work;
    private readonly PasswordPolicy policy;
    private readonly GatehouseOptions options;
    private readonly AuditTrail audit;
    private readonly IServiceProvider services;
    private readonly TimeProvider clock;
    private readonly ILogger log;
    private readonly RememberedPasswords remembered = new();

    internal UserAccounts(
        Db db, UserModel model, PasswordHashes hashes, PasswordWork work, PasswordPolicy policy, GatehouseOptions options, AuditTrail audit, IServiceProvider services,
        TimeProvider clock, ILogger<UserAccounts> log)
    {
        this.db = db;
        this.model = model;
        this.hashes = hashes;
        this.work = work;
        this.policy = policy;
        this.options = options;
        this.audit = audit;
        this.services = services;
        this.clock = clock;
        this.log = log;
    }

    /// <summary>What else a door asks.</summary>
    internal Logins Logins => services.GetRequiredService<Logins>();

    /// <summary>What features write in the transaction that makes a user.</summary>
    internal IList<Func<Tx, UserId, DateTimeOffset, Task>> AlsoWithEachUser { get; } = [];

    /// <summary>What features write in the transaction that sets a password: when its answer is there, so is all of it.</summary>
    internal IList<Func<Tx, UserId, DateTimeOffset, Task>> AlsoWithEachNewPassword { get; } = [];

    /// <summary>What features delete in the transaction that deletes a user: tables of their own, which Django knows nothing of.</summary>
    internal IList<Func<Tx, UserId, Task>> AlsoWithEachDeletedUser { get; } = [];

    /// <summary>What makes tokens for a user shares this lock; what ends all of them has it alone, so that none comes to be meanwhile.</summary>
    internal static string LockOf(UserId id) => $"user {id}";

    private static readonly Sql<User> ByName = new($"SELECT {User.Columns} FROM auth_user u WHERE u.username = @username", User.Read);
    private static readonly Sql<User> ById = new($"SELECT {User.Columns} FROM auth_user u WHERE u.id = @id", User.Read);

    /// <summary>The user of exactly that name, active or not.</summary>
    public async Task<User?> FindAsync(string username, CancellationToken ct) =>
        username.Length > Username.MaxStoredLength ? null : await db.FindAsync(ByName, ct, ("username", username));

    /// <summary>The user with that key, active or not.</summary>
    public Task<User?> FindAsync(UserId id, CancellationToken ct) =>
        model.CanBe(id) ? db.FindAsync(ById, ct, ("id", id)) : Task.FromResult<User?>(null);

    /// <summary>Whether there is any user at all.</summary>
    internal async Task<bool> AnyAsync(CancellationToken ct) => await db.FirstAsync(One, ct) is not null;

    private static readonly Sql<string> One = new("SELECT u.username FROM auth_user u LIMIT 1", row => row.Text(0));

    /// <summary>
    /// The active user whose password this is; null for all else: unknown, wrong, inactive and without a password cost the same work. Null,
    /// too, after too many failures, and for who has a second factor: no code can be given here. An older hash is replaced on success.
    /// </summary>
    /// <param name="username">As it was sent: not normalised, as in Django.</param>
    /// <param name="password">At most 4,096 characters; a longer one is wrong and costs nothing.</param>
    /// <param name="remember">Whether a password that was right before may skip the hash while user and hash are the same.</param>
    /// <param name="ct">Ends the wait for the hash.</param>
    /// <exception cref="Http.OverloadedException">Too many passwords are being checked.</exception>
    public async Task<User?> AuthenticateAsync(string username, string password, bool remember, CancellationToken ct) =>
        (await Logins.CheckAsync(http: null, username, password, FactorAnswer.None, remember, ct)).Admitted;

    /// <summary>Whether this was the user's password a moment ago, for who asks with each request.</summary>
    internal bool Remembers(User user, string password) => user.IsActive && remembered.Knows(user.Id.Hash, user.Password, password);

    /// <summary>The password alone: <see cref="Logins"/> asks the rest.</summary>
    internal async Task<User?> CheckAsync(string username, string password, bool remember, CancellationToken ct)
    {
        var user = await FindAsync(username, ct);
        var (isCorrect, upgraded) = await work.RunAsync(
            () =>
            {
                if (user is null)
                {
                    hashes.SpendWork(password);
                    return (false, null);
                }
                var check = hashes.Verify(password, user.Password, user.Id.ToString());
                return (check.IsCorrect, check is { IsCorrect: true, MustUpdate: true } ? hashes.Make(password) : null);
            },
            ct);
        if (user is null || !isCorrect) return null;

        if (upgraded is not null)
        {
            // Only while it is still the hash that was checked: a password changed meanwhile stays changed.
            var current = user;
            var won = await db.WriteAsync(
                tx => tx.RunAsync(Upgrade, ("new", upgraded), ("id", current.Id), ("old", current.Password)), ct);
            user = won == 1 ? user.WithPassword(upgraded) : await FindAsync(user.Id, ct);
            // Somebody else wrote another hash: of the same password, at a login beside this one, or of a new one, and then this one is wrong.
            if (won != 1 && user is { } now && !await work.RunAsync(() => hashes.Verify(password, now.Password, now.Id.ToString()).IsCorrect, ct)) return null;
        }
        if (user is not { IsActive: true }) return null;
        if (remember) remembered.Remember(user.Id.Hash, user.Password, password);
        return user;
    }

    private static readonly Sql Upgrade = new("UPDATE auth_user AS u SET password = @new WHERE u.id = @id AND u.password = @old");

    /// <summary>What is wrong with a new password for such a user, in the words of the validators; empty when nothing is.</summary>
    public IReadOnlyList<string> CheckPassword(string password, string username, string email = "", string firstName = "", string lastName = "") =>
        policy.Check(password, username, email, firstName, lastName);

    /// <summary>Makes a user (Django <c>create_user</c>): the name in NFKC, the domain of the address in lower case.</summary>
    /// <returns>Null when the name is taken: of several callers with one name, one gets the user.</returns>
    public Task<User?> CreateAsync(
        string username, string email, string? password, bool isStaff = false, bool isSuperuser = false, CancellationToken ct = default) =>
        CreateAsync(username, email, password, isStaff, isSuperuser, also: null, ct);

    /// <summary>The same, with something that is done in the same transaction.</summary>
    internal async Task<User?> CreateAsync(
        string username, string email, string? password, bool isStaff, bool isSuperuser, Func<Tx, UserId, DateTimeOffset, Task>? also, CancellationToken ct)
    {
        username = options.UserModel.IsNamedByAddress ? EmailAddress.Normalise(username) : Username.Normalise(username);
        email = EmailAddress.Normalise(email);
        if (await FindAsync(username, ct) is not null) return null;

        var encoded = password is null ? PasswordHashes.MakeUnusable() : await work.RunAsync(() => hashes.Make(password), ct);
        var now = clock.GetUtcNow();
        var entry = audit.Of(AuditEvent.UserCreated);
        if (entry is not null) entry = entry with { About = username, Detail = isSuperuser ? "Superuser" : isStaff ? "Staff" : "" };
        var id = await db.WriteAsync(
            async tx =>
            {
                var key = await InsertAsync(tx, encoded, isSuperuser, username, email, isStaff, now);
                if (key is { } made)
                {
                    await AuditTrail.WriteAsync(tx, entry);
                    foreach (var step in AlsoWithEachUser) await step(tx, made, now);
                    if (also is not null) await also(tx, made, now);
                }
                return key;
            },
            ct);
        if (id is null) return null;

        var user = (await FindAsync(id.Value, ct))!;
        await TellAsync(options.Events.Created, new UserEvent(user, services));
        return user;
    }

    private Task<UserId?> InsertAsync(Tx tx, string encoded, bool isSuperuser, string username, string email, bool isStaff, DateTimeOffset now)
    {
        if (model.IsDjangosOwn)
            return tx.FirstAsync(
                Insert, ("password", encoded), ("is_superuser", isSuperuser), ("username", username), ("email", email), ("is_staff", isStaff), ("now", now));
        (string, object?)[] parameters =
            [("password", encoded), ("is_superuser", isSuperuser), ("username", username), ("email", email), ("is_staff", isStaff), ("now", now)];
        // Django draws UUIDs in Python, so the column has no default.
        return tx.FirstAsync(insertOwn ??= new(model.InsertText(), row => row.UserId(0)), model.HasUuids ? [.. parameters, ("id", Guid.NewGuid())] : parameters);
    }

    private Sql<UserId?>? insertOwn;

    private static readonly Sql<UserId?> Insert = new(
        """
        INSERT INTO auth_user (password, last_login, is_superuser, username, last_name, email, is_staff, is_active, date_joined, first_name)
        VALUES (@password, NULL, @is_superuser, @username, '', @email, @is_staff, TRUE, @now, '')
        ON CONFLICT (username) DO NOTHING
        RETURNING id
        """,
        row => row.UserId(0));

    /// <summary>
    /// Sets a password without asking for the old one. Sessions made with the old one end, and recorded JSON Web Tokens, unless settings say
    /// otherwise (<c>Jwt:PasswordChangeEndsTokens</c>).
    /// </summary>
    /// <returns>False when there is no such user any more.</returns>
    public Task<bool> SetPasswordAsync(UserId id, string password, CancellationToken ct) => SetPasswordAsync(id, password, also: null, ct);

    /// <summary>The same, with something that is done in the same transaction. No password: nothing matches it.</summary>
    internal async Task<bool> SetPasswordAsync(UserId id, string? password, Func<Tx, Task>? also, CancellationToken ct) =>
        await SetPasswordAsync(id, old: null, password, AuditEvent.PasswordChanged, also, ct) is not null;

    /// <summary>As <see cref="SetPasswordAsync(UserId, string, CancellationToken)"/>, if the user's password is still the one that was looked at.</summary>
    /// <returns>The user with the new password; null when somebody else has set one meanwhile.</returns>
    internal async Task<User?> ReplacePasswordAsync(User user, string password, CancellationToken ct) =>
        await SetPasswordAsync(user.Id, user.Password, password, AuditEvent.PasswordChanged, also: null, ct) is { } encoded ? user.WithPassword(encoded) : null;

    /// <summary>The same password, hashed anew: sessions and tokens end as with another one.</summary>
    /// <returns>As that of <see cref="ReplacePasswordAsync"/>.</returns>
    internal async Task<User?> HashAnewAsync(User user, string password, CancellationToken ct) =>
        await SetPasswordAsync(user.Id, user.Password, password, AuditEvent.SessionEnded, also: null, ct) is { } encoded ? user.WithPassword(encoded) : null;

    private async Task<string?> SetPasswordAsync(UserId id, string? old, string? password, AuditEvent what, Func<Tx, Task>? also, CancellationToken ct)
    {
        var encoded = password is null ? PasswordHashes.MakeUnusable() : await work.RunAsync(() => hashes.Make(password), ct);
        var now = clock.GetUtcNow();
        var entry = audit.Of(what);
        if (entry is not null)
        {
            entry = what == AuditEvent.SessionEnded
                ? entry with { Detail = "All others" }
                : entry with { About = (await FindAsync(id, ct))?.Username ?? "", Detail = password is null ? "Taken away" : "" };
        }
        return await db.WriteAsync(
            async tx =>
            {
                tx.Lock(LockOf(id));
                if (await tx.RunAsync(SetPassword, ("password", encoded), ("id", id), ("old", old)) != 1) return null;
                await AuditTrail.WriteAsync(tx, entry);
                foreach (var step in AlsoWithEachNewPassword) await step(tx, id, now);
                if (also is not null) await also(tx);
                return encoded;
            },
            ct);
    }

    private static readonly Sql SetPassword = new("UPDATE auth_user AS u SET password = @password WHERE u.id = @id AND u.password = COALESCE(@old, u.password)");

    /// <summary>Whether it is this user's password (Django's <c>check_password</c>).</summary>
    /// <exception cref="Http.OverloadedException">Too many passwords are being checked.</exception>
    internal Task<bool> IsPasswordAsync(User user, string password, CancellationToken ct) => password.Length > PasswordHashes.MaxPasswordLength
        ? Task.FromResult(false)
        : work.RunAsync(() => hashes.Verify(password, user.Password, user.Id.ToString()).IsCorrect, ct);

    /// <summary>Whether a user has a permission, <c>app.codename</c>, of their own or by a group. Inactive users have none.</summary>
    public async ValueTask<bool> HasPermAsync(User user, string permission, CancellationToken ct)
    {
        if (!user.IsActive) return false;
        if (user.IsSuperuser) return true;
        if (permission.Split('.', 2) is not [var app, var codename]) return false;
        return await db.FirstAsync(HasPerm, ct, ("user", user.Id), ("app", app), ("codename", codename)) is not null;
    }

    private static readonly Sql<string> HasPerm = new(
        """
        SELECT p.codename FROM auth_permission p JOIN django_content_type c ON c.id = p.content_type_id
        WHERE c.app_label = @app AND p.codename = @codename AND (
            EXISTS (SELECT 1 FROM auth_user_user_permissions up WHERE up.permission_id = p.id AND up.user_id = @user)
            OR EXISTS (SELECT 1 FROM auth_group_permissions gp JOIN auth_user_groups ug ON ug.group_id = gp.group_id
                       WHERE gp.permission_id = p.id AND ug.user_id = @user))
        """,
        row => row.Text(0));

    /// <summary>Tells host code; its faults are its own.</summary>
    internal async Task TellAsync<T>(Func<T, Task>? subscribers, T what)
    {
        if (subscribers is null) return;
        foreach (var subscriber in subscribers.GetInvocationList().Cast<Func<T, Task>>())
        {
            try
            {
                await subscriber(what);
            }
            catch (Exception error)
            {
                log.EventHandlerFailed(typeof(T).Name, error);
            }
        }
    }
}

internal static partial class UsersLog
{
    [LoggerMessage(1103, LogLevel.Error, "A handler of {Event} failed; the request went on")]
    public static partial void EventHandlerFailed(this ILogger logger, string @event, Exception error);
}
