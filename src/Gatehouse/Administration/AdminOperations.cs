using System.Globalization;
using Gatehouse.Audit;
using Gatehouse.Database;
using Gatehouse.Jwt;
using Gatehouse.OAuth.Clients;
using Gatehouse.OAuth.Tokens;
using Gatehouse.Sessions;
using Gatehouse.Users;

namespace Gatehouse.Administration;

/// <summary>
/// What staff do to objects. Each operation asks whether they may, is the one that every other door uses, and is noted in
/// <c>django_admin_log</c> in its own transaction.
/// </summary>
public sealed class AdminOperations
{
    private readonly Db db;
    private readonly AdminDatabase database;
    private readonly UserAccounts accounts;
    private readonly SessionStore sessions;
    private readonly AuditTrail audit;
    private readonly GatehouseOptions options;
    private readonly TimeProvider clock;
    private readonly UserForms users;
    private readonly GroupForm groups;
    private readonly TokenForm tokens;
    private readonly ApplicationForm applications;

    internal AdminOperations(
        Db db, AdminDatabase database, UserAccounts accounts, SessionStore sessions, ClientRegistration clients, ClientSecrets secrets, AuditTrail audit,
        GatehouseOptions options, TimeProvider clock)
    {
        this.db = db;
        this.database = database;
        this.accounts = accounts;
        this.sessions = sessions;
        this.audit = audit;
        this.options = options;
        this.clock = clock;
        users = new UserForms(db, database, accounts, this);
        groups = new GroupForm(db, database, this);
        tokens = new TokenForm(db, this);
        applications = new ApplicationForm(db, clients, secrets, this);
    }

    /// <summary>Somebody as the admin site knows them; null for who is no active staff.</summary>
    public async Task<Staff?> FindStaffAsync(User user, CancellationToken ct) =>
        user is { IsStaff: true, IsActive: true } ? new Staff(user, user.IsSuperuser ? new HashSet<string>() : await PermissionsOfAsync(user.Id, ct)) : null;

    /// <summary>
    /// Whether somebody may change, delete or act for a user. Nobody may get at more than they have by way of another: who is no superuser
    /// only manages users without permissions that they lack. (Django lets whoever may change users make superusers.)
    /// </summary>
    public async Task<bool> MayManageAsync(Staff by, UserId target, CancellationToken ct)
    {
        if (by.User.IsSuperuser) return true;
        return await accounts.FindAsync(target, ct) is { IsSuperuser: false } && by.HasAll(await PermissionsOfAsync(target, ct));
    }

    /// <summary>How an application's ID tokens may be signed, and how people read it.</summary>
    public IReadOnlyList<(string Value, string Label)> SigningAlgorithms => ClientChoices.Algorithms(options);

    /// <summary>What the form for a new object proposes, by field.</summary>
    public IReadOnlyDictionary<string, string> Proposal(Model model) =>
        model.ToString() == "oauth2_provider.application" ? applications.Proposal() : new Dictionary<string, string>();

    /// <summary>Whether an application's secret is kept as a hash, so that nobody can see it any more.</summary>
    public Task<bool> IsSecretHashedAsync(ModelRow application, CancellationToken ct) => applications.IsHashedAsync(application, ct);

    /// <summary>Adds or changes an object.</summary>
    /// <param name="by">Who does it.</param>
    /// <param name="model">What it is.</param>
    /// <param name="row">As it is now; null: a new one.</param>
    /// <param name="values">The fields of the form, by the names that Django's have.</param>
    /// <param name="ct">Nothing is changed when it comes in time.</param>
    /// <returns>Null: they may not, or it is gone.</returns>
    /// <exception cref="Http.OverloadedException">Too many passwords are being hashed.</exception>
    public async Task<Saved?> SaveAsync(Staff by, Model model, ModelRow? row, ILookup<string, string> values, CancellationToken ct)
    {
        if (!by.May(row is null ? "add" : "change", model)) return null;
        return (model.ToString(), row) switch
        {
            ("auth.user", null) => await users.AddAsync(by, model, values, ct),
            ("auth.user", _) => await users.ChangeAsync(by, row, values, ct),
            ("auth.group", _) => await groups.SaveAsync(by, model, row, values, ct),
            ("authtoken.tokenproxy", null) => await tokens.AddAsync(by, model, values, ct),
            ("oauth2_provider.application", _) => await applications.SaveAsync(by, model, row, values, ct),
            _ => null,
        };
    }

    /// <summary>Sets a user's password, or takes it away, as <c>gatehouse changepassword</c> does: sessions and tokens end by the same settings.</summary>
    /// <param name="by">Who does it.</param>
    /// <param name="row">Whose.</param>
    /// <param name="values"><c>password1</c>, <c>password2</c>, and <c>usable_password</c>: <c>false</c> takes it away.</param>
    /// <param name="ct">Nothing is changed when it comes in time.</param>
    /// <returns>Null: they may not, or the user is gone.</returns>
    /// <exception cref="Http.OverloadedException">Too many passwords are being hashed.</exception>
    public async Task<Saved?> SetPasswordAsync(Staff by, ModelRow row, ILookup<string, string> values, CancellationToken ct) =>
        by.May("change", row.Model) ? await users.SetPasswordAsync(by, row, values, ct) : null;

    /// <summary>What would be deleted with these objects.</summary>
    public async Task<DeletionPlan> PlanDeletionAsync(Staff by, IReadOnlyList<ModelRow> rows, CancellationToken ct)
    {
        var doomed = new Dictionary<Model, (long Count, List<string> Titles)>();
        var known = await database.ContentTypesAsync(ct);
        foreach (var row in rows)
        {
            foreach (var related in Deletion.Of(row.Model).Counted)
            {
                if (!known.ContainsKey(related.Model.StoredLabel)) continue;
                var key = Stored(row);
                var count = await db.FirstAsync(related.Count, ct, ("key", key));
                if (count == 0) continue;
                var (before, titles) = doomed.GetValueOrDefault(related.Model, (0, []));
                foreach (var title in await db.AllAsync(related.First, ct, ("key", key)))
                    if (titles.Count < Deletion.Related.MostNamed && !titles.Contains(title)) titles.Add(title);
                // By two ways to the same rows: the longer one has them all.
                doomed[related.Model] = (rows.Count == 1 ? Math.Max(before, count) : before + count, titles);
            }
        }
        return new DeletionPlan(
            [.. doomed.Select(one => new Doomed(one.Key, one.Value.Count, one.Value.Titles))],
            [.. doomed.Keys.Where(model => model.CanDelete && !by.Has(model.Permission("delete"))).Select(model => model.VerboseName).Distinct()]);
    }

    /// <summary>Deletes objects and what goes with them.</summary>
    /// <returns>How many; null: they may not.</returns>
    public async Task<int?> DeleteAsync(Staff by, Model model, IReadOnlyList<ModelRow> rows, CancellationToken ct)
    {
        if (!by.May("delete", model) || !await MayManageAllAsync(by, model, rows, ct) || (await PlanDeletionAsync(by, rows, ct)).Missing.Count > 0) return null;
        var known = await database.ContentTypesAsync(ct);
        List<AdminLogEntry> entries = [];
        foreach (var row in rows) entries.Add(await EntryAsync(by, row.Model, row.Key, row.Title, AdminLog.Deletion, "", ct));
        return await db.WriteAsync(
            async tx =>
            {
                var count = 0;
                for (var i = 0; i < rows.Count; i++)
                {
                    // Before: who deletes themselves takes their log with them.
                    await AdminLog.WriteAsync(tx, entries[i]);
                    if (await DeleteOneAsync(tx, rows[i], known)) count++;
                }
                return count;
            },
            ct);
    }

    private async Task<bool> DeleteOneAsync(Tx tx, ModelRow row, IReadOnlyDictionary<string, long> known)
    {
        var key = Stored(row);
        switch (row.Model.ToString())
        {
            case "oauth2_provider.application":
                return await ClientStore.DeleteAsync(tx, (long)key);
            case "auth.user":
                return await DeleteUserAsync(tx, new UserId((long)key), known);
            default:
                return await Deletion.Of(row.Model).RunAsync(tx, key, known);
        }
    }

    private async Task<bool> DeleteUserAsync(Tx tx, UserId user, IReadOnlyDictionary<string, long> known)
    {
        if (known.ContainsKey("oauth2_provider.application"))
            foreach (var client in await tx.AllAsync(ClientsOf, ("user", user))) await ClientStore.DeleteAsync(tx, client);
        foreach (var step in accounts.AlsoWithEachDeletedUser) await step(tx, user);
        return await Deletion.Of(AllModels.Find("auth.user")!).RunAsync(tx, user.Number, known);
    }

    /// <summary>Deletes a user at their own wish, and what goes with them.</summary>
    internal async Task<OwnDeletion> DeleteOwnAsync(User user, CancellationToken ct)
    {
        var known = await database.ContentTypesAsync(ct);
        var entry = audit.Of(AuditEvent.Deleted, by: user);
        return await db.WriteAsync(
            async tx =>
            {
                // Of the last two, who go at the same time, one stays.
                if (user.IsSuperuser) tx.Lock("superusers");
                if (user.IsSuperuser && await tx.FirstAsync(OtherSuperuser, ("id", user.Id)) is null) return OwnDeletion.LastSuperuser;
                if (!await DeleteUserAsync(tx, user.Id, known)) return OwnDeletion.Gone;
                await AuditTrail.WriteAsync(tx, entry is null ? null : entry with { About = $"auth.user {user.Id} {user.Username}", Detail = "Their own account." });
                return OwnDeletion.Done;
            },
            ct);
    }

    private static readonly Sql<UserId?> OtherSuperuser = new(
        "SELECT u.id FROM auth_user u WHERE u.is_superuser AND u.is_active AND u.id <> @id LIMIT 1", row => row.UserId(0));

    private static readonly Sql<long> ClientsOf = new("SELECT id FROM oauth2_provider_application WHERE user_id = @user", row => row.Int(0));

    /// <summary>Does something to several objects.</summary>
    /// <returns>How many were changed; null: they may not.</returns>
    public async Task<int?> RunAsync(Staff by, Model model, ModelAction action, IReadOnlyList<ModelRow> rows, CancellationToken ct)
    {
        if (!by.Has(action.Permission) || !await MayManageAllAsync(by, model, rows, ct)) return null;
        var known = await database.ContentTypesAsync(ct);
        var message = (model.ToString(), action.Name) switch
        {
            ("auth.user", "activate" or "deactivate") => AdminLog.Changed(["Active"]),
            ("auth.user", _) => "Logged out everywhere.",
            (_, "blacklist") => "Blacklisted.",
            _ => "Revoked.",
        };
        List<(ModelRow Row, AdminLogEntry Entry, IReadOnlyCollection<string> Sessions)> work = [];
        foreach (var row in rows)
        {
            var entry = await EntryAsync(by, row.Model, row.Key, row.Title, AdminLog.Change, message, ct);
            var theirs = action.Name == "log_out" ? await sessions.OfUserAsync(new UserId((long)Stored(row)), ct) : [];
            work.Add((row, entry, theirs));
        }
        var now = clock.GetUtcNow();
        return await db.WriteAsync(
            async tx =>
            {
                var count = 0;
                foreach (var (row, entry, theirs) in work)
                {
                    if (!await RunOneAsync(tx, action.Name, row, theirs, known, now)) continue;
                    await AdminLog.WriteAsync(tx, entry);
                    count++;
                }
                return count;
            },
            ct);
    }

    private async Task<bool> RunOneAsync(Tx tx, string action, ModelRow row, IReadOnlyCollection<string> theirs, IReadOnlyDictionary<string, long> known, DateTimeOffset now)
    {
        var key = (long)Stored(row);
        switch (row.Model.ToString(), action)
        {
            case ("auth.user", "activate"): return await tx.RunAsync(SetActive, ("active", true), ("id", key)) == 1;
            case ("auth.user", "deactivate"): return await tx.RunAsync(SetActive, ("active", false), ("id", key)) == 1;
            case ("auth.user", "log_out"):
                var user = new UserId(key);
                await SessionStore.DeleteAsync(tx, theirs);
                await tx.RunAsync(DeleteToken, ("user", key));
                if (known.ContainsKey("token_blacklist.outstandingtoken")) await TokenBlacklist.EndAllAsync(tx, user, now);
                if (known.ContainsKey("oauth2_provider.accesstoken")) await OAuthTokens.RevokeAllAsync(tx, user, now);
                return true;
            case ("oauth2_provider.accesstoken", "revoke_tokens"):
                return await OAuthTokens.RevokeAccessAsync(tx, key, now);
            case ("oauth2_provider.refreshtoken", "revoke_tokens"):
                return await OAuthTokens.RevokeRefreshAsync(tx, key, options.OAuth.RevocationEndsFamily == true, now);
            case ("token_blacklist.outstandingtoken", "blacklist"):
                return await TokenBlacklist.EndAsync(tx, key, now);
            default:
                return false;
        }
    }

    // One that was so before is not counted.
    private static readonly Sql SetActive = new("UPDATE auth_user SET is_active = @active WHERE id = @id AND is_active <> @active");

    private static readonly Sql DeleteToken = new("DELETE FROM authtoken_token WHERE user_id = @user");

    private async Task<bool> MayManageAllAsync(Staff by, Model model, IReadOnlyList<ModelRow> rows, CancellationToken ct)
    {
        if (model.ToString() != "auth.user") return true;
        foreach (var row in rows)
            if (!await MayManageAsync(by, new UserId((long)Stored(row)), ct)) return false;
        return true;
    }

    /// <summary>The line of the logs for something that is about to be done.</summary>
    internal async Task<AdminLogEntry> EntryAsync(Staff by, Model model, string key, string title, int flag, string message, CancellationToken ct) =>
        new(clock.GetUtcNow(), by.User.Id, (await database.ContentTypesAsync(ct)).TryGetValue(model.ToString(), out var type) ? type : null, key, title, flag, message)
        {
            IsLogged = await database.HasLogAsync(ct),
            Model = model.ToString(),
            Audit = audit.Of(AuditEvent.Changed, by.User),
        };

    /// <summary>The server's time.</summary>
    public DateTimeOffset Now => clock.GetUtcNow();

    internal async Task<HashSet<string>> PermissionsOfAsync(UserId user, CancellationToken ct) => [.. await db.AllAsync(PermissionsOf, ct, ("user", user))];

    /// <summary>The permissions that a group gives.</summary>
    internal async Task<List<string>> PermissionsOfGroupAsync(long group, CancellationToken ct) => await db.AllAsync(PermissionsOfGroup, ct, ("group", group));

    private static readonly Sql<string> PermissionsOf = new(
        """
        SELECT c.app_label, p.codename FROM auth_permission p JOIN django_content_type c ON c.id = p.content_type_id
        WHERE p.id IN (SELECT up.permission_id FROM auth_user_user_permissions up WHERE up.user_id = @user)
            OR p.id IN (SELECT gp.permission_id FROM auth_group_permissions gp JOIN auth_user_groups ug ON ug.group_id = gp.group_id WHERE ug.user_id = @user)
        """,
        row => $"{row.Text(0)}.{row.Text(1)}");

    private static readonly Sql<string> PermissionsOfGroup = new(
        """
        SELECT c.app_label, p.codename FROM auth_permission p JOIN django_content_type c ON c.id = p.content_type_id
        JOIN auth_group_permissions gp ON gp.permission_id = p.id WHERE gp.group_id = @group
        """,
        row => $"{row.Text(0)}.{row.Text(1)}");

    internal static object Stored(ModelRow row) => row.SecretKey is { } secret ? secret : long.Parse(row.Key, CultureInfo.InvariantCulture);
}

/// <summary>How saving ended.</summary>
/// <param name="Row">What was saved, as it is named from now on; null when something is wrong.</param>
/// <param name="Title">What it is called.</param>
/// <param name="Errors">What is wrong, field by field; an empty field name is the whole form.</param>
/// <param name="Secrets">To be shown this once: what they are called, and what they are.</param>
public sealed record Saved(string? Row, string Title, IReadOnlyList<ModelError> Errors, IReadOnlyList<(string Label, string Value)> Secrets)
{
    internal static Saved Wrong(IReadOnlyList<ModelError> errors) => new(null, "", errors, []);

    internal static Saved As(string key, string title, params IReadOnlyList<(string Label, string Value)> secrets) => new(key, title, [], secrets);

    // Secrets stay out of logs.
    private bool PrintMembers(System.Text.StringBuilder text)
    {
        text.Append(CultureInfo.InvariantCulture, $"Row = {Row}, Errors = {Errors.Count}");
        return true;
    }
}

/// <summary>What is wrong with a field, in Django's words.</summary>
/// <param name="Field">Its name; empty: the whole form.</param>
/// <param name="Message">For a person.</param>
public sealed record ModelError(string Field, string Message);

/// <summary>What deleting would take with it.</summary>
/// <param name="Related">Objects that go too.</param>
/// <param name="Missing">What of these they may not delete: then nothing may be deleted.</param>
public sealed record DeletionPlan(IReadOnlyList<Doomed> Related, IReadOnlyList<string> Missing);

/// <summary>What came of a user's wish to be deleted.</summary>
internal enum OwnDeletion
{
    Done,

    /// <summary>Somebody was faster: the same request, or the admin site.</summary>
    Gone,

    /// <summary>They are the last active superuser, and nothing is deleted.</summary>
    LastSuperuser,
}
