using System.Globalization;
using Gatehouse.AuthTokens;
using Gatehouse.Crypto;
using Gatehouse.Database;
using Gatehouse.Http;
using Gatehouse.OAuth.Clients;
using Gatehouse.Users;

namespace Gatehouse.Administration;

/// <summary>The values of a form, checked with the words of Django's forms; and what differs from before.</summary>
internal sealed class FormCheck(ILookup<string, string> values)
{
    public const string Required = "This field is required.";

    private readonly List<ModelError> errors = [];
    private readonly List<string> changed = [];

    public IReadOnlyList<ModelError> Errors => errors;

    /// <summary>Labels of the fields that are not as they were.</summary>
    public IReadOnlyList<string> Changed => changed;

    public void Fail(string field, string message) => errors.Add(new(field, message));

    public string Raw(string field) => values[field].LastOrDefault() ?? "";

    public bool Checked(string field) => values[field].LastOrDefault() is { } box && box is not ("False" or "false");

    /// <summary>A text without white space around it.</summary>
    public string Text(string field, int most, bool required = false)
    {
        var text = PythonText.Strip(Raw(field));
        var length = text.EnumerateRunes().Count();
        if (text.Length == 0 && required) Fail(field, Required);
        else if (text.Contains('\0')) Fail(field, "Null characters are not allowed.");
        else if (length > most) Fail(field, $"Ensure this value has at most {most} characters (it has {length}).");
        return text;
    }

    public void Compare(string label, object? before, object? now)
    {
        if (!Equals(before, now)) changed.Add(label);
    }

    /// <summary>Numbers that a field with several values names, each of which must be one of those there are.</summary>
    public HashSet<long> Many(string field, IReadOnlySet<long> known)
    {
        var chosen = new HashSet<long>();
        foreach (var text in values[field])
        {
            if (!long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var id)) Fail(field, $"“{text}” is not a valid value.");
            else if (!known.Contains(id)) Fail(field, $"Select a valid choice. {text} is not one of the available choices.");
            else chosen.Add(id);
        }
        return chosen;
    }
}

/// <summary>Users (Django's <c>UserAdmin</c>).</summary>
internal sealed class UserForms(Db db, AdminDatabase database, UserAccounts accounts, AdminOperations operations)
{
    private const int LongestName = 150;
    private const string NameTaken = "A user with that username already exists.";
    private const string PasswordsDiffer = "The two password fields didn’t match.";

    public async Task<Saved?> AddAsync(Staff by, Model model, ILookup<string, string> values, CancellationToken ct)
    {
        var form = new FormCheck(values);
        var username = await UsernameAsync(form, self: null, ct);
        var password = Password(form, username, "", "", "");
        if (form.Errors.Count > 0) return Saved.Wrong(form.Errors);

        var entry = await operations.EntryAsync(by, model, "", username, AdminLog.Addition, AdminLog.Added, ct);
        var user = await accounts.CreateAsync(
            username, "", password, isStaff: false, isSuperuser: false,
            (tx, id, _) => AdminLog.WriteAsync(tx, entry with { Key = id.ToString() }), ct);
        return user is null ? Saved.Wrong([new("username", NameTaken)]) : Saved.As(user.Id.ToString(), user.Username);
    }

    public async Task<Saved?> ChangeAsync(Staff by, ModelRow row, ILookup<string, string> values, CancellationToken ct)
    {
        var id = new UserId((long)AdminOperations.Stored(row));
        if (!await operations.MayManageAsync(by, id, ct)) return null;
        var form = new FormCheck(values);
        var username = await UsernameAsync(form, id, ct);
        var first = form.Text("first_name", LongestName);
        var last = form.Text("last_name", LongestName);
        var email = form.Text("email", EmailAddress.MaxLength);
        if (email.Length > 0 && EmailAddress.Check(email) is { } wrong) form.Fail("email", wrong);
        var (active, staff) = (form.Checked("is_active"), form.Checked("is_staff"));
        // Only superusers make superusers; from others the field is not taken, as if it were not in the form.
        var superuser = by.User.IsSuperuser ? form.Checked("is_superuser") : row["is_superuser"] is true;

        var groups = await ManyChange.OfAsync(database, row, "groups", form, (await database.ChoicesAsync(AllModels.Find("auth.group")!, int.MaxValue, ct)).Select(Id).ToHashSet(), ct);
        var all = await database.PermissionsAsync(ct);
        var permissions = await ManyChange.OfAsync(database, row, "user_permissions", form, all.Select(one => long.Parse(one.Key, CultureInfo.InvariantCulture)).ToHashSet(), ct);
        if (!by.User.IsSuperuser)
        {
            foreach (var group in groups.Added)
                if (!by.HasAll(await operations.PermissionsOfGroupAsync(group, ct))) form.Fail("groups", "You cannot put somebody into a group with permissions that you do not have.");
            RefuseMore(by, form, "user_permissions", permissions, all);
        }

        form.Compare("Username", row.Text("username"), username);
        form.Compare("First name", row.Text("first_name"), first);
        form.Compare("Last name", row.Text("last_name"), last);
        form.Compare("Email address", row.Text("email"), email);
        form.Compare("Active", row["is_active"], active);
        form.Compare("Staff status", row["is_staff"], staff);
        form.Compare("Superuser status", row["is_superuser"], superuser);
        form.Compare("Groups", true, groups.IsEmpty);
        form.Compare("User permissions", true, permissions.IsEmpty);
        if (form.Errors.Count > 0) return Saved.Wrong(form.Errors);

        var entry = await operations.EntryAsync(by, row.Model, row.Key, username, AdminLog.Change, AdminLog.Changed(form.Changed), ct);
        var names = (await database.ChoicesAsync(AllModels.Find("auth.group")!, int.MaxValue, ct)).ToDictionary(Id, one => $"group {one.Title}");
        entry = entry with
        {
            More = string.Join(", ", new[]
            {
                row["is_superuser"] is true == superuser ? "" : superuser ? "+superuser" : "-superuser", row["is_staff"] is true == staff ? "" : staff ? "+staff" : "-staff",
                row["is_active"] is true == active ? "" : active ? "+active" : "-active", groups.Words(names), permissions.Words(NamesOf(all)),
            }.Where(words => words.Length > 0)),
        };
        return await db.WriteAsync<Saved?>(
            async tx =>
            {
                var won = await tx.RunAsync(
                    Update, ("username", username), ("first", first), ("last", last), ("email", email), ("active", active), ("staff", staff), ("superuser", superuser), ("id", id));
                if (won != 1) return await tx.FirstAsync(Exists, ("id", id)) is null ? null : Saved.Wrong([new("username", NameTaken)]);
                await groups.WriteAsync(tx, id.Number);
                await permissions.WriteAsync(tx, id.Number);
                await AdminLog.WriteAsync(tx, entry);
                return Saved.As(row.Key, username);
            },
            ct);
    }

    private static readonly Sql Update = new("""
        UPDATE auth_user SET username = @username, first_name = @first, last_name = @last, email = @email, is_active = @active, is_staff = @staff, is_superuser = @superuser
        WHERE id = @id AND NOT EXISTS (SELECT 1 FROM auth_user other WHERE other.username = @username AND other.id <> @id)
        """);

    private static readonly Sql<string> Exists = new("SELECT username FROM auth_user WHERE id = @id", row => row.Text(0));

    public async Task<Saved?> SetPasswordAsync(Staff by, ModelRow row, ILookup<string, string> values, CancellationToken ct)
    {
        var id = new UserId((long)AdminOperations.Stored(row));
        if (!await operations.MayManageAsync(by, id, ct)) return null;
        var form = new FormCheck(values);
        var password = Password(form, row.Text("username"), row.Text("email"), row.Text("first_name"), row.Text("last_name"));
        if (form.Errors.Count > 0) return Saved.Wrong(form.Errors);

        var entry = await operations.EntryAsync(by, row.Model, row.Key, row.Title, AdminLog.Change, AdminLog.Changed(["password"]), ct);
        return await accounts.SetPasswordAsync(id, password, tx => AdminLog.WriteAsync(tx, entry), ct) ? Saved.As(row.Key, row.Title) : null;
    }

    /// <summary>Those whom somebody who is no superuser would give more than they have.</summary>
    internal static void RefuseMore(Staff by, FormCheck form, string field, ManyChange permissions, IReadOnlyList<PermissionRow> all)
    {
        if (by.User.IsSuperuser) return;
        foreach (var one in all)
            if (permissions.Added.Contains(long.Parse(one.Key, CultureInfo.InvariantCulture)) && !by.Has($"{one.App}.{one.Codename}"))
                form.Fail(field, $"You cannot give a permission that you do not have: {one.Name}.");
    }

    private async Task<string> UsernameAsync(FormCheck form, UserId? self, CancellationToken ct)
    {
        var username = form.Text("username", Username.MaxLength, required: true);
        if (username.Length is 0 or > Username.MaxLength) return username;
        if (Username.Check(username) is { } wrong)
        {
            form.Fail("username", wrong);
            return username;
        }
        username = Username.Normalise(username);
        if (await accounts.FindAsync(username, ct) is { } other && other.Id != self) form.Fail("username", NameTaken);
        return username;
    }

    /// <summary>The new password; null: none, the user is to log in some other way.</summary>
    private string? Password(FormCheck form, string username, string email, string first, string last)
    {
        if (form.Raw("usable_password") == "false") return null;
        var (one, two) = (form.Raw("password1"), form.Raw("password2"));
        if (one.Length == 0) form.Fail("password1", FormCheck.Required);
        if (two.Length == 0) form.Fail("password2", FormCheck.Required);
        if (one.Length == 0 || two.Length == 0) return "";
        if (one != two) form.Fail("password2", PasswordsDiffer);
        else if (one.Contains('\0')) form.Fail("password2", "Null characters are not allowed.");
        else if (one.Length > PasswordHashes.MaxPasswordLength)
            form.Fail("password2", $"Ensure this value has at most {PasswordHashes.MaxPasswordLength} characters (it has {one.Length}).");
        else foreach (var weak in accounts.CheckPassword(one, username, email, first, last)) form.Fail("password2", weak);
        return one;
    }

    /// <summary>Permissions as code names them, by their keys.</summary>
    internal static Dictionary<long, string> NamesOf(IReadOnlyList<PermissionRow> all) =>
        all.ToDictionary(one => long.Parse(one.Key, CultureInfo.InvariantCulture), one => $"{one.App}.{one.Codename}");

    private static long Id(ModelReference reference) => long.Parse(reference.Key, CultureInfo.InvariantCulture);
}

/// <summary>A many-to-many field as it is to be.</summary>
internal sealed record ManyChange(FixtureJoin Join, IReadOnlyCollection<long> Added, IReadOnlyCollection<long> Removed)
{
    public bool IsEmpty => Added.Count + Removed.Count == 0;

    /// <summary>What is given and what is taken, for the audit log.</summary>
    public string Words(IReadOnlyDictionary<long, string> names) =>
        string.Join(", ", [.. Added.Select(id => "+" + names.GetValueOrDefault(id, "?")), .. Removed.Select(id => "-" + names.GetValueOrDefault(id, "?"))]);

    /// <param name="database">Where it is read.</param>
    /// <param name="row">Of what; null: it is new.</param>
    /// <param name="field">Which.</param>
    /// <param name="form">What was chosen.</param>
    /// <param name="known">What may be chosen.</param>
    /// <param name="ct">Ends the reading.</param>
    public static async Task<ManyChange> OfAsync(AdminDatabase database, ModelRow row, string field, FormCheck form, IReadOnlySet<long> known, CancellationToken ct)
    {
        var many = row.Model.Field(field)!;
        var before = (await database.RelatedAsync(row, many, ct)).Select(one => long.Parse(one.Key, CultureInfo.InvariantCulture)).ToHashSet();
        var now = form.Many(field, known);
        return new ManyChange(many.Join!, [.. now.Except(before)], [.. before.Except(now)]);
    }

    public async Task WriteAsync(Tx tx, long own)
    {
        foreach (var other in Removed) await tx.RunAsync(Join.Remove, ("own", own), ("other", other));
        foreach (var other in Added) await tx.RunAsync(Join.Add, ("own", own), ("other", other));
    }
}

/// <summary>Groups (Django's <c>GroupAdmin</c>).</summary>
internal sealed class GroupForm(Db db, AdminDatabase database, AdminOperations operations)
{
    private const int LongestName = 150;
    private const string NameTaken = "Group with this Name already exists.";

    public async Task<Saved?> SaveAsync(Staff by, Model model, ModelRow? row, ILookup<string, string> values, CancellationToken ct)
    {
        var form = new FormCheck(values);
        var name = form.Text("name", LongestName, required: true);
        var all = await database.PermissionsAsync(ct);
        var known = all.Select(one => long.Parse(one.Key, CultureInfo.InvariantCulture)).ToHashSet();
        var permissions = row is null
            ? new ManyChange(model.Field("permissions")!.Join!, form.Many("permissions", known), [])
            : await ManyChange.OfAsync(database, row, "permissions", form, known, ct);
        UserForms.RefuseMore(by, form, "permissions", permissions, all);
        if (form.Errors.Count == 0 && await db.FirstAsync(Other, ct, ("name", name), ("id", row is null ? -1L : AdminOperations.Stored(row))) is not null) form.Fail("name", NameTaken);
        if (form.Errors.Count > 0) return Saved.Wrong(form.Errors);

        form.Compare("Name", row?.Text("name"), name);
        form.Compare("Permissions", true, permissions.IsEmpty);
        var entry = row is null
            ? await operations.EntryAsync(by, model, "", name, AdminLog.Addition, AdminLog.Added, ct)
            : await operations.EntryAsync(by, model, row.Key, name, AdminLog.Change, AdminLog.Changed(form.Changed), ct);
        entry = entry with { More = permissions.Words(UserForms.NamesOf(all)) };
        return await db.WriteAsync<Saved?>(
            async tx =>
            {
                var id = row is null
                    ? await tx.FirstAsync(Insert, ("name", name))
                    : await tx.FirstAsync(Update, ("name", name), ("id", AdminOperations.Stored(row)));
                if (id is not { } own) return await tx.FirstAsync(Other, ("name", name), ("id", -1L)) is null ? null : Saved.Wrong([new("name", NameTaken)]);
                await permissions.WriteAsync(tx, own);
                var key = own.ToString(CultureInfo.InvariantCulture);
                await AdminLog.WriteAsync(tx, entry with { Key = key });
                return Saved.As(key, name);
            },
            ct);
    }

    private static readonly Sql<string> Other = new("SELECT name FROM auth_group WHERE name = @name AND id <> @id", row => row.Text(0));

    private static readonly Sql<long?> Insert = new("INSERT INTO auth_group (name) VALUES (@name) ON CONFLICT (name) DO NOTHING RETURNING id", row => row.Int(0));

    private static readonly Sql<long?> Update = new(
        "UPDATE auth_group SET name = @name WHERE id = @id AND NOT EXISTS (SELECT 1 FROM auth_group other WHERE other.name = @name AND other.id <> @id) RETURNING id",
        row => row.Int(0));
}

/// <summary>DRF's tokens (its <c>TokenAdmin</c>): one for a user, made here and shown once.</summary>
internal sealed class TokenForm(Db db, AdminOperations operations)
{
    public async Task<Saved?> AddAsync(Staff by, Model model, ILookup<string, string> values, CancellationToken ct)
    {
        var form = new FormCheck(values);
        var user = await UserField.ReadAsync(db, form, required: true, ct);
        if (user is null) return Saved.Wrong(form.Errors);
        // A token is its user to every API: nobody makes one for more than they are.
        if (!await operations.MayManageAsync(by, user.Value.Id, ct))
            return Saved.Wrong([new("user", "You cannot make a token for a user with permissions that you do not have.")]);

        var key = AuthToken.NewKey();
        var title = $"Token of {user.Value.Name} ({ModelRow.Mask(key)})";
        var entry = await operations.EntryAsync(by, model, user.Value.Id.ToString(), title, AdminLog.Addition, AdminLog.Added, ct);
        return await db.WriteAsync(
            async tx =>
            {
                if (await tx.RunAsync(TokenStore.InsertIfNone, ("key", key), ("now", entry.Now), ("user", user.Value.Id)) != 1)
                    return Saved.Wrong([new("user", "Token with this User already exists.")]);
                await AdminLog.WriteAsync(tx, entry);
                return Saved.As(user.Value.Id.ToString(), title, ("Key", key));
            },
            ct);
    }
}

/// <summary>OAuth clients (DOT's <c>ApplicationAdmin</c>).</summary>
internal sealed class ApplicationForm(Db db, ClientRegistration registration, ClientSecrets secrets, AdminOperations operations)
{
    public IReadOnlyDictionary<string, string> Proposal()
    {
        var draft = registration.NewDraft();
        return new Dictionary<string, string> { ["client_id"] = draft.ClientId, ["client_secret"] = draft.ClientSecret, ["hash_client_secret"] = "on" };
    }

    public async Task<Saved?> SaveAsync(Staff by, Model model, ModelRow? row, ILookup<string, string> values, CancellationToken ct)
    {
        var form = new FormCheck(values);
        var user = await UserField.ReadAsync(db, form, required: false, ct);
        var stored = row is null ? null : await db.FirstAsync(ById, ct, ("id", AdminOperations.Stored(row)));
        if (row is not null && stored is null) return null;
        var draft = new ClientDraft
        {
            Name = form.Text("name", 255),
            ClientId = PythonText.Strip(form.Raw("client_id")),
            ClientSecret = PythonText.Strip(form.Raw("client_secret")),
            HashClientSecret = form.Checked("hash_client_secret"),
            ClientType = form.Raw("client_type"),
            AuthorizationGrantType = form.Raw("authorization_grant_type"),
            RedirectUris = PythonText.Strip(form.Raw("redirect_uris")),
            PostLogoutRedirectUris = PythonText.Strip(form.Raw("post_logout_redirect_uris")),
            AllowedOrigins = PythonText.Strip(form.Raw("allowed_origins")),
            Algorithm = form.Raw("algorithm"),
            SkipAuthorization = form.Checked("skip_authorization"),
            UserId = user?.Id,
        };
        // An empty field keeps what it does not show.
        var hasNewSecret = draft.ClientSecret.Length > 0;
        if (stored is not null && !hasNewSecret) draft.ClientSecret = stored.ClientSecret;
        if (form.Errors.Count > 0) return Saved.Wrong([.. form.Errors, .. registration.Check(draft).Where(error => error.Field != "name").Select(Told)]);

        if (stored is null)
        {
            var added = await operations.EntryAsync(by, model, "", draft.ToClient("").ToString(), AdminLog.Addition, AdminLog.Added, ct);
            var (id, wrong) = await registration.CreateAsync(draft, (tx, key) => AdminLog.WriteAsync(tx, added with { Key = Text(key) }), ct);
            return id is not { } made ? Saved.Wrong([.. wrong.Select(Told)])
                : hasNewSecret ? Saved.As(Text(made), draft.ToClient("").ToString(), ("Client id", draft.ClientId), ("Client secret", draft.ClientSecret))
                : Saved.As(Text(made), draft.ToClient("").ToString());
        }

        form.Compare("Client id", stored.ClientId, draft.ClientId);
        form.Compare("User", stored.UserId, draft.UserId);
        form.Compare("Redirect uris", string.Join(' ', stored.RedirectUris), string.Join(' ', draft.ToClient("").RedirectUris));
        form.Compare("Post logout redirect uris", string.Join(' ', stored.PostLogoutRedirectUris), string.Join(' ', draft.ToClient("").PostLogoutRedirectUris));
        form.Compare("Client type", stored.ClientType, draft.ClientType);
        form.Compare("Authorization grant type", stored.AuthorizationGrantType, draft.AuthorizationGrantType);
        form.Compare("Client secret", false, hasNewSecret);
        form.Compare("Hash client secret", stored.HashClientSecret, draft.HashClientSecret);
        form.Compare("Name", stored.Name, draft.Name);
        form.Compare("Skip authorization", stored.SkipAuthorization, draft.SkipAuthorization);
        form.Compare("Algorithm", stored.Algorithm, draft.Algorithm);
        form.Compare("Allowed origins", string.Join(' ', stored.AllowedOrigins), string.Join(' ', draft.ToClient("").AllowedOrigins));
        var entry = await operations.EntryAsync(by, model, row!.Key, draft.ToClient("").ToString(), AdminLog.Change, AdminLog.Changed(form.Changed), ct);
        var errors = await registration.UpdateAsync(
            stored.Id, draft,
            async tx =>
            {
                await tx.RunAsync(SetOwner, ("user", draft.UserId), ("skip", draft.SkipAuthorization), ("id", stored.Id));
                await AdminLog.WriteAsync(tx, entry);
            },
            ct);
        return errors is null ? null : errors.Count > 0 ? Saved.Wrong([.. errors.Select(Told)]) : Saved.As(row.Key, draft.ToClient("").ToString());
    }

    /// <summary>Whether the secret of an application is kept as a hash, so that nobody can see it any more.</summary>
    public async Task<bool> IsHashedAsync(ModelRow row, CancellationToken ct) =>
        await db.FirstAsync(ById, ct, ("id", AdminOperations.Stored(row))) is { } client && secrets.IsHashed(client.ClientSecret);

    private static ModelError Told(ClientError error) => new(error.Field, ApplicationPages.WordsOf(error));

    private static string Text(long id) => id.ToString(CultureInfo.InvariantCulture);

    private static readonly Sql<Client> ById = new($"SELECT {Client.Columns} FROM oauth2_provider_application a WHERE a.id = @id", Client.Read);

    private static readonly Sql SetOwner = new("UPDATE oauth2_provider_application SET user_id = @user, skip_authorization = @skip WHERE id = @id");
}

/// <summary>A field that names a user by number, as Django's raw id field does, or by name.</summary>
internal static class UserField
{
    public static async Task<(UserId Id, string Name)?> ReadAsync(Db db, FormCheck form, bool required, CancellationToken ct)
    {
        var text = PythonText.Strip(form.Raw("user"));
        if (text.Length == 0)
        {
            if (required) form.Fail("user", FormCheck.Required);
            return null;
        }
        var found = long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var id) ? await db.FirstAsync(ById, ct, ("id", id)) : null;
        found ??= text.Length > Username.MaxStoredLength || text.Contains('\0') ? null : await db.FirstAsync(ByName, ct, ("name", text));
        if (found is null) form.Fail("user", "Select a valid choice. That choice is not one of the available choices.");
        return found is null ? null : (found.Id, found.Name);
    }

    private static readonly Sql<Found> ById = new("SELECT id, username FROM auth_user WHERE id = @id", Found.Read);

    private static readonly Sql<Found> ByName = new("SELECT id, username FROM auth_user WHERE username = @name", Found.Read);

    private sealed record Found(UserId Id, string Name)
    {
        public static Found Read(Row row) => new(new UserId(row.Int(0)), row.Text(1));
    }
}
