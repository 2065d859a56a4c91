using System.Text.RegularExpressions;
using Gatehouse.Database;

namespace Gatehouse.Users;

/// <summary>
/// Where the users are (<c>AUTH_USER_MODEL</c>). SQL is written for Django's own model, with <c>u</c> as the alias of <c>auth_user</c> and its
/// columns qualified by it; for a project's own model the text is put into that model's words when it is prepared.
/// </summary>
internal sealed partial class UserModel
{
    // Of Django's AbstractUser, and what stands for a column that a project's model does not have. Null: there is no user without it.
    private static readonly Dictionary<string, string?> Fields = new()
    {
        ["id"] = null,
        ["password"] = null,
        ["last_login"] = null,
        ["username"] = null,
        ["email"] = "''",
        ["first_name"] = "''",
        ["last_name"] = "''",
        ["is_staff"] = "FALSE",
        ["is_active"] = "TRUE",
        ["is_superuser"] = "FALSE",
        ["date_joined"] = "NULL",
    };

    // Those of AbstractBaseUser, which a SET cannot qualify; UsernameField and EmailField name the others.
    private static readonly string[] NeverRenamed = ["password", "last_login", "username", "email"];

    private readonly UserModelOptions options;
    private readonly bool registrationIsOpen;
    private readonly Db db;
    // By field: the column, or the expression that stands for it.
    private readonly Dictionary<string, (string Text, bool IsColumn)> mapped = [];
    private readonly List<(string Column, string Literal)> extra = [];
    // The fields that the database compares whatever their case, if what they are compared with is of that type too.
    private string[] anyCase = [];
    private string? cannotInsert;

    public UserModel(GatehouseOptions root, Db db)
    {
        options = root.UserModel;
        registrationIsOpen = root.Accounts.RegistrationOpen;
        this.db = db;
        if (IsDjangosOwn) return;

        (Table, Member) = Check(options);
        db.Texts.Respell = Respell;
    }

    /// <returns>The table, and the column of groups and permissions that names the user.</returns>
    /// <exception cref="SettingException">A name is none.</exception>
    public static (string Table, string Member) Check(UserModelOptions options)
    {
        var words = options.Model.Split('.');
        if (words is not [var app, var model] || !Name().IsMatch(app) || !Name().IsMatch(model))
            throw new SettingException($"AUTH_USER_MODEL is '{options.Model}'; write app_label.ModelName, such as accounts.User.");
        var table = options.Table.Length > 0 ? options.Table : $"{app}_{model}".ToLowerInvariant();
        foreach (var name in options.Columns.Values.Concat(options.Defaults.Keys).Append(table).Append(options.UsernameField).Append(options.EmailField))
            if (!Name().IsMatch(name)) throw new SettingException($"UserModel: '{name}' is no name of a table or column; write letters, digits and underscores.");
        if (options.Columns.Keys.FirstOrDefault(field => !Fields.ContainsKey(field) || NeverRenamed.Contains(field)) is { } unknown)
            throw new SettingException($"UserModel: Columns names the field '{unknown}'; write some of {string.Join(", ", Fields.Keys.Except(NeverRenamed))}.");
        return (table, model.ToLowerInvariant() + "_id");
    }

    /// <summary><c>app.Model</c>.</summary>
    public string Label => options.Model;

    /// <summary>Whether it is <c>auth.User</c>.</summary>
    public bool IsDjangosOwn => options.IsDjangosOwn;

    public string Table { get; } = "auth_user";

    /// <summary>Whether users have UUIDs; known once <see cref="PrepareAsync"/> is done.</summary>
    public bool HasUuids { get; private set; }

    // The column of groups and permissions that names the user.
    private string Member { get; } = "user_id";

    /// <summary>Whether such a key can be that of a user at all: a database would refuse to compare a number with a UUID.</summary>
    public bool CanBe(UserId id) => id.Uuid is not null == HasUuids;

    /// <summary>Whether users have that field of Django's. Known once <see cref="ReadTableAsync"/> is done.</summary>
    public bool Has(string field) => IsDjangosOwn || mapped.TryGetValue(field, out var at) && at.IsColumn;

    /// <summary>What stands behind SET, of the fields that users have: a SET names columns without their table.</summary>
    public string Set(params IEnumerable<(string Field, string Value)> all) =>
        string.Join(", ", all.Where(one => Has(one.Field)).Select(one => $"{(IsDjangosOwn ? one.Field : Quote(mapped[one.Field].Text))} = {one.Value}"));

    /// <summary>A condition: the address <c>@new</c> is not another's than <c>@user</c>'s. In Django's own model many may share one; of others that is not known.</summary>
    public string AddressIsFree => IsDjangosOwn ? "TRUE" : "NOT EXISTS (SELECT 1 FROM auth_user u WHERE u.email = @new AND u.id <> @user)";

    /// <summary>Looks at the table, and whether new users can have a row there if people may register.</summary>
    /// <exception cref="SettingException">It is not there, or no user of it can be served; the message says what was found.</exception>
    public async Task PrepareAsync(CancellationToken ct)
    {
        await ReadTableAsync(ct);
        if (!IsDjangosOwn && registrationIsOpen) InsertText();
    }

    /// <summary>Looks at the table.</summary>
    /// <exception cref="SettingException">It is not there, or no user of it can be served; the message says what was found.</exception>
    public async Task ReadTableAsync(CancellationToken ct)
    {
        if (IsDjangosOwn) return;
        var columns = await db.ColumnsAsync(Table, ct);
        if (columns.Count == 0)
        {
            var elsewhere = await db.OtherSchemasWithAsync(Table.Split('.')[^1], ct);
            throw new SettingException($"AUTH_USER_MODEL is {options.Model}, but the database has no table {Table}"
                + (elsewhere.Count == 0 ? ". If its db_table is another, write that as UserModel:Table."
                : $" where its search_path leads; there is one in the schema {string.Join(", ", elsewhere)}. If that is it, write {elsewhere[0]}.{Table.Split('.')[^1]} as UserModel:Table, or lead there: options=-c search_path=… in the address."));
        }

        foreach (var (field, instead) in Fields)
        {
            var name = options.Columns.TryGetValue(field, out var own) ? own : field switch
            {
                "id" => columns.Find(column => column.IsKey)?.Name ?? "id",
                "username" => options.UsernameField,
                "email" => options.EmailField,
                _ => field,
            };
            var isThere = columns.Exists(column => column.Name == name);
            if (!isThere && (instead is null || options.Columns.ContainsKey(field)))
                throw new SettingException(
                    $"The table {Table} of {options.Model} has no column {name}; it has {string.Join(", ", columns.Select(column => column.Name))}. "
                    + (field == "username" ? "Write the model's USERNAME_FIELD as UserModel:UsernameField." : $"Write how '{field}' is called there as UserModel:Columns:{field}."));
            mapped[field] = isThere ? (name, true) : (instead!, false);
        }

        var key = columns.Find(column => column.Name == mapped["id"].Text)!;
        HasUuids = key.Kind == ColumnKind.Uuid;
        if (key.Kind is not (ColumnKind.Integer or ColumnKind.Uuid))
            throw new SettingException($"The key {key.Name} of {Table} is {key.Type}; users with a number or a UUID as their key can be served, others cannot.");

        anyCase = [.. mapped.Where(one => one.Value.IsColumn && columns.Exists(column => column.Name == one.Value.Text && column.Kind == ColumnKind.AnyCase)).Select(one => one.Key)];

        foreach (var column in columns.Where(column => column is { IsNullable: false, HasDefault: false } && !mapped.Values.Contains((column.Name, true))))
        {
            if (options.Defaults.TryGetValue(column.Name, out var value)) extra.Add((column.Name, Literal(value, column)));
            else cannotInsert = cannotInsert is null ? column.Name : $"{cannotInsert}, {column.Name}";
        }
        foreach (var (name, value) in options.Defaults)
        {
            if (columns.Find(column => column.Name == name) is not { } column)
                throw new SettingException($"UserModel: Defaults names the column '{name}', which {Table} does not have.");
            if (extra.Exists(one => one.Column == name)) continue;
            if (mapped.Values.Contains((name, true))) throw new SettingException($"UserModel: Defaults names the column '{name}', which Gatehouse fills in itself; take it out.");
            extra.Add((name, Literal(value, column)));
        }
    }

    /// <summary>The column of a field of Django's own model, once the table is read; null: this model has none.</summary>
    public string? ColumnOf(string field) => mapped[field] is (var column, true) ? column : null;

    /// <summary>The fields of Django's own model that this one does not have.</summary>
    public IEnumerable<string> Absent => mapped.Where(one => !one.Value.IsColumn).Select(one => one.Key);

    /// <summary>What makes a user: parameters <c>password</c>, <c>is_superuser</c>, <c>username</c>, <c>email</c>, <c>is_staff</c>, <c>now</c>, and <c>id</c> where keys are UUIDs.</summary>
    /// <exception cref="SettingException">A new user would need values that nobody told.</exception>
    public string InsertText()
    {
        if (cannotInsert is not null)
            throw new SettingException(
                $"New users need values for these columns of {Table}: {cannotInsert}. Write what they have at first as UserModel:Defaults, or set Accounts:RegistrationOpen to false and make users in Django.");
        List<(string Column, string Value)> values =
        [
            .. Columns(("password", "@password"), ("last_login", "NULL"), ("is_superuser", "@is_superuser"), ("username", "@username"), ("last_name", "''"),
                ("email", "@email"), ("is_staff", "@is_staff"), ("is_active", "TRUE"), ("date_joined", "@now"), ("first_name", "''")),
            .. HasUuids ? Columns(("id", "@id")) : [],
            .. extra,
        ];
        // A name that stands for two fields, as where the address is what one logs in with, is written once.
        values = [.. values.DistinctBy(one => one.Column)];
        return $"""
            INSERT INTO {Quote(Table)} ({string.Join(", ", values.Select(one => Quote(one.Column)))})
            VALUES ({string.Join(", ", values.Select(one => one.Value))}) ON CONFLICT DO NOTHING RETURNING {Quote(mapped["id"].Text)}
            """;

        IEnumerable<(string, string)> Columns(params (string Field, string Value)[] all) =>
            all.Where(one => mapped[one.Field].IsColumn).Select(one => (mapped[one.Field].Text, one.Value));
    }

    /// <summary>The statement in the words of the project's model.</summary>
    private string Respell(string sql)
    {
        if (!sql.Contains("auth_user", StringComparison.Ordinal)) return sql;
        if (HasUuids) sql = sql.Replace("CAST(@user AS bigint)", "CAST(@user AS uuid)", StringComparison.Ordinal);
        foreach (var field in anyCase) sql = sql.Replace($"u.{field} = @{field}", $"u.{field} = CAST(@{field} AS citext)", StringComparison.Ordinal);
        // Its target cannot be qualified.
        if (sql.StartsWith("INSERT INTO auth_user_", StringComparison.Ordinal)) sql = sql.Replace("user_id", Quote(Member), StringComparison.Ordinal);
        return Word().Replace(sql, word => word.Value switch
        {
            "auth_user" => Quote(Table),
            "auth_user_groups" => Quote(Table + "_groups"),
            "auth_user_user_permissions" => Quote(Table + "_user_permissions"),
            "ug.user_id" => "ug." + Quote(Member),
            "up.user_id" => "up." + Quote(Member),
            ['u', '.', .. var field] when mapped.TryGetValue(field, out var at) => at.IsColumn ? "u." + Quote(at.Text) : at.Text,
            var other => other,
        });
    }

    private static string Quote(string name) => string.Join('.', name.Split('.').Select(part => $"\"{part}\""));

    private static string Literal(string value, Column column) => value switch
    {
        "now" when column.Kind == ColumnKind.Time => "@now",
        // SQLite knows no truth values but 0 and 1.
        "true" or "True" when column.Kind == ColumnKind.Bool => "TRUE",
        "false" or "False" when column.Kind == ColumnKind.Bool => "FALSE",
        _ => $"'{value.Replace("'", "''", StringComparison.Ordinal)}'",
    };

    [GeneratedRegex(@"\b(?:auth_user\w*|(?:u|ug|up)\.\w+)\b")]
    private static partial Regex Word();

    [GeneratedRegex(@"\A[A-Za-z_][A-Za-z0-9_]{0,62}(?:\.[A-Za-z_][A-Za-z0-9_]{0,62})?\z")]
    private static partial Regex Name();
}
