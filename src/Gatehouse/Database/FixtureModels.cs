using System.Security.Cryptography;
using System.Text;

namespace Gatehouse.Database;

/// <summary>The models that fixtures hold, in the order Django dumps them, each field in Django's order.</summary>
internal static class FixtureModels
{
    private const string ByPermission = """
        JOIN auth_permission p ON p.id = j.permission_id JOIN django_content_type c ON c.id = p.content_type_id
        ORDER BY c.app_label, c.model, p.codename
        """;

    public static readonly IReadOnlyList<FixtureModel> All =
    [
        new("admin.LogEntry", "django_admin_log",
            Time("action_time").OrNow(), To("user", "auth.user"), To("content_type", "contenttypes.contenttype").OrNull(),
            Text("object_id").OrNull(), Text("object_repr"), Int("action_flag"), Text("change_message").Or("")),

        new("auth.Permission", "auth_permission",
            Text("name"), To("content_type", "contenttypes.contenttype"), Text("codename"))
        { NaturalKey = ["codename", "content_type"] },

        new("auth.Group", "auth_group",
            Text("name"), Many("permissions", "auth.permission", "auth_group_permissions", "group_id", "permission_id", ByPermission))
        { NaturalKey = ["name"] },

        new("auth.User", "auth_user",
            Text("password").Or(""), Time("last_login").OrNull(), Bool("is_superuser").Or(false), Text("username"),
            Text("first_name").Or(""), Text("last_name").Or(""), Text("email").Or(""), Bool("is_staff").Or(false),
            Bool("is_active").Or(true), Time("date_joined").OrNow(),
            Many("groups", "auth.group", "auth_user_groups", "user_id", "group_id", "ORDER BY j.group_id"),
            Many("user_permissions", "auth.permission", "auth_user_user_permissions", "user_id", "permission_id", ByPermission))
        { NaturalKey = ["username"] },

        new("contenttypes.ContentType", "django_content_type", Text("app_label"), Text("model"))
        { NaturalKey = ["app_label", "model"] },

        new("sessions.Session", "django_session", Text("session_data"), Time("expire_date")) { Key = Text("session_key") },

        new("authtoken.Token", "authtoken_token", To("user", "auth.user"), Time("created").OrNow()) { Key = Text("key") },

        new("token_blacklist.OutstandingToken", "token_blacklist_outstandingtoken",
            To("user", "auth.user").OrNull(), Text("jti"), Text("token"), Time("created_at").OrNull(), Time("expires_at")),

        new("token_blacklist.BlacklistedToken", "token_blacklist_blacklistedtoken",
            To("token", "token_blacklist.outstandingtoken"), Time("blacklisted_at").OrNow()),

        new("oauth2_provider.Application", "oauth2_provider_application",
            Text("client_id").Or(() => RandomText(40)), To("user", "auth.user").OrNull(), Text("redirect_uris").Or(""),
            Text("post_logout_redirect_uris").Or(""), Text("client_type"), Text("authorization_grant_type"),
            Text("client_secret").Or(() => RandomText(128)), Bool("hash_client_secret").Or(true), Text("name").Or(""),
            Bool("skip_authorization").Or(false), Time("created").OrNow(), Time("updated").OrNow(), Text("algorithm").Or(""),
            Text("allowed_origins").Or(""), Text("registration_source").Or("manual"), Time("cimd_expires_at").OrNull())
        { NaturalKey = ["client_id"] },

        new("oauth2_provider.Grant", "oauth2_provider_grant",
            To("user", "auth.user"), Text("code"), To("application", "oauth2_provider.application"), Time("expires"),
            Text("redirect_uri"), Text("scope").Or(""), Time("created").OrNow(), Time("updated").OrNow(),
            Text("code_challenge").Or(""), Text("code_challenge_method").Or(""), Text("nonce").Or(""), Text("claims").Or(""),
            Json("resource").Or(new JsonText("[]"))),

        new("oauth2_provider.AccessToken", "oauth2_provider_accesstoken",
            To("user", "auth.user").OrNull(), To("source_refresh_token", "oauth2_provider.refreshtoken").OrNull(), Text("token"),
            Text("token_checksum").OrChecksumOf("token"), To("id_token", "oauth2_provider.idtoken").OrNull(),
            To("application", "oauth2_provider.application").OrNull(), Time("expires"), Text("scope").Or(""), Json("resource").Or(new JsonText("[]")),
            Time("created").OrNow(), Time("updated").OrNow()),

        new("oauth2_provider.RefreshToken", "oauth2_provider_refreshtoken",
            To("user", "auth.user"), Text("token"), Text("token_checksum").OrChecksumOf("token"),
            To("application", "oauth2_provider.application"), To("access_token", "oauth2_provider.accesstoken").OrNull(),
            Uuid("token_family").OrNull(), Json("resource").Or(new JsonText("[]")), Time("created").OrNow(), Time("updated").OrNow(),
            Time("revoked").OrNull()),

        new("oauth2_provider.IDToken", "oauth2_provider_idtoken",
            To("user", "auth.user").OrNull(), Uuid("jti").Or(() => Guid.NewGuid()),
            To("application", "oauth2_provider.application").OrNull(), Time("expires"), Text("scope").Or(""),
            Time("created").OrNow(), Time("updated").OrNow()),

        new("oauth2_provider.DeviceGrant", "oauth2_provider_devicegrant",
            To("user", "auth.user").OrNull(), Text("device_code"), Text("user_code"), Text("scope").Or(""), Int("interval").Or(5L),
            Time("expires"), Text("status").Or("authorization-pending"), Text("client_id"), Time("last_checked").OrNow()),
    ];

    private static readonly Dictionary<string, FixtureModel> ByLabel =
        All.ToDictionary(model => model.Label, StringComparer.OrdinalIgnoreCase);

    /// <summary>The model of <c>app.model</c>, in any case, or null.</summary>
    public static FixtureModel? Find(string label) => ByLabel.GetValueOrDefault(label);

    private static FixtureField Text(string name) => new(name, name, FieldKind.Text);
    private static FixtureField Int(string name) => new(name, name, FieldKind.Int);
    private static FixtureField Bool(string name) => new(name, name, FieldKind.Bool);
    private static FixtureField Time(string name) => new(name, name, FieldKind.Time);
    private static FixtureField Uuid(string name) => new(name, name, FieldKind.Uuid);
    private static FixtureField Json(string name) => new(name, name, FieldKind.Json);
    private static FixtureField To(string name, string target) => new(name, name + "_id", FieldKind.Reference) { TargetLabel = target };

    private static FixtureField Many(string name, string target, string join, string own, string other, string ordered) =>
        new(name, "", FieldKind.Many) { TargetLabel = target, Join = new FixtureJoin(join, own, other, ordered) };

    private static string RandomText(int length) =>
        RandomNumberGenerator.GetString("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", length);
}

internal enum FieldKind
{
    Text,
    Int,
    Bool,
    Time,
    Uuid,

    /// <summary>A list of texts, kept as JSON (DOT's ResourceJSONField).</summary>
    Json,

    /// <summary>A foreign key.</summary>
    Reference,

    /// <summary>A many-to-many relation.</summary>
    Many,
}

/// <summary>One field of a model, and what it is when a fixture leaves it out.</summary>
internal sealed record FixtureField(string Name, string Column, FieldKind Kind)
{
    public bool Nullable { get; private init; }

    /// <summary>The default, from the object's other fields and the time; null when the field is required.</summary>
    public Func<Func<string, object?>, DateTimeOffset, object?>? Default { get; private init; }

    public string? TargetLabel { get; init; }

    public FixtureModel Target => FixtureModels.Find(TargetLabel!)!;

    public FixtureJoin? Join { get; init; }

    /// <summary>What a column of this kind holds: the same type on each database.</summary>
    public object? Read(Row row, int column) => row.IsNull(column) ? null : Kind switch
    {
        FieldKind.Bool => row.Bool(column),
        FieldKind.Time => row.Time(column),
        FieldKind.Uuid => row.Uuid(column),
        FieldKind.Text or FieldKind.Json => row.Text(column),
        _ => row.Value(column),
    };

    public FixtureField OrNull() => this with { Nullable = true, Default = (_, _) => null };

    public FixtureField Or(object value) => this with { Default = (_, _) => value };

    public FixtureField Or(Func<object> make) => this with { Default = (_, _) => make() };

    public FixtureField OrNow() => this with { Default = (_, now) => now };

    /// <summary>The lower-case hex SHA-256 of another field (DOT's TokenChecksumField).</summary>
    public FixtureField OrChecksumOf(string field) => this with
    {
        Default = (other, _) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes((string)other(field)!))),
    };
}

/// <summary>The table of a many-to-many relation, and its statements.</summary>
internal sealed class FixtureJoin(string table, string own, string other, string ordered)
{
    public string Table => table;

    public string Own => own;

    public string Other => other;

    public Sql Clear { get; } = new($"DELETE FROM {table} WHERE {own} = @own");

    public Sql Add { get; } = new($"INSERT INTO {table} ({own}, {other}) VALUES (@own, @other) ON CONFLICT ({own}, {other}) DO NOTHING");

    public Sql Remove { get; } = new($"DELETE FROM {table} WHERE {own} = @own AND {other} = @other");

    /// <summary>All pairs, in the order Django lists the related objects.</summary>
    public Sql<(long Own, long Other)> Pairs { get; } =
        new($"SELECT j.{own}, j.{other} FROM {table} j {ordered}", row => (row.Int(0), row.Int(1)));
}

/// <summary>One model: its label, table, fields and statements.</summary>
internal sealed class FixtureModel
{
    public FixtureModel(string djangoLabel, string table, params FixtureField[] fields)
    {
        (DjangoLabel, Table) = (djangoLabel, table);
        Label = djangoLabel.ToLowerInvariant();
        Columns = [.. fields.Where(field => field.Kind != FieldKind.Many)];
        Relations = [.. fields.Where(field => field.Kind == FieldKind.Many)];
    }

    /// <summary>As messages name it, <c>auth.User</c>.</summary>
    public string DjangoLabel { get; }

    /// <summary>As fixtures name it, <c>auth.user</c>.</summary>
    public string Label { get; }

    public string App => Label[..Label.IndexOf('.', StringComparison.Ordinal)];

    public string Table { get; }

    /// <summary>The primary key: a number that the database gives, unless the model says otherwise.</summary>
    public FixtureField Key { get; init; } = new("id", "id", FieldKind.Int);

    /// <summary>The fields that together name an object without its key; a reference among them stands for its own.</summary>
    public IReadOnlyList<string> NaturalKey { get; init; } = [];

    public bool HasNaturalKey => NaturalKey.Count > 0;

    /// <summary>All fields but the key and the many-to-many relations.</summary>
    public IReadOnlyList<FixtureField> Columns { get; }

    public IReadOnlyList<FixtureField> Relations { get; }

    /// <summary>Where a name of a fixture is in <see cref="Columns"/>; a reference may be named by its column, as in Django.</summary>
    public int ColumnAt(string name) => At(Columns, name);

    public int RelationAt(string name) => At(Relations, name);

    public IEnumerable<FixtureField> NaturalFields => NaturalKey.Select(name => Columns[ColumnAt(name)]);

    /// <summary>The models that must come before this one when references are natural keys (Django's sort_dependencies).</summary>
    public IEnumerable<FixtureModel> Dependencies =>
        Columns.Where(column => column.Kind == FieldKind.Reference).Concat(Relations)
            .Select(reference => reference.Target).Where(model => model.HasNaturalKey);

    /// <summary>The first objects: the key first, then <see cref="Columns"/>.</summary>
    public Sql<object?[]> Select => field ??= new(
        $"SELECT {Key.Column}, {List(column => column)} FROM {Table} ORDER BY {Key.Column} LIMIT @most", ReadAll);

    /// <summary>Those behind a key.</summary>
    public Sql<object?[]> SelectAfter => field ??= new(
        $"SELECT {Key.Column}, {List(column => column)} FROM {Table} WHERE {Key.Column} > @after ORDER BY {Key.Column} LIMIT @most", ReadAll);

    /// <summary>Writes an object over the one with its key, or as a new one; the row is its key.</summary>
    public Sql<object?> SaveByKey => field ??= new(
        $"""
        INSERT INTO {Table} ({Key.Column}, {List(column => column)}) VALUES (@{Key.Column}, {List(column => $"@{column}")})
        ON CONFLICT ({Key.Column}) DO UPDATE SET {List(column => $"{column} = excluded.{column}")} RETURNING {Key.Column}
        """,
        row => row.Value(0));

    /// <summary>Writes an object without a key over the one with its natural key, if it has one, or as a new one; the row is its key.</summary>
    public Sql<object?> Save => field ??= new(
        $"""
        INSERT INTO {Table} ({List(column => column)}) VALUES ({List(column => $"@{column}")})
        {(HasNaturalKey ? $"ON CONFLICT ({string.Join(", ", NaturalFields.Select(part => part.Column))}) DO UPDATE SET {List(column => $"{column} = excluded.{column}")}" : "")}
        RETURNING {Key.Column}
        """,
        row => row.Value(0));

    /// <summary>PostgreSQL: the next key is one more than the highest, as Django sets it after <c>loaddata</c>.</summary>
    public Sql ResetSequence => field ??= new(
        "SELECT 1",
        postgres: $"SELECT setval(pg_get_serial_sequence('{Table}', '{Key.Column}'), COALESCE(MAX({Key.Column}), 1), MAX({Key.Column}) IS NOT NULL) FROM {Table}");

    /// <summary>For each reference, also those of the many-to-many tables: where it stands, and a row of which the target is missing.</summary>
    public IEnumerable<FixtureReference> References => field ??=
    [
        .. Columns.Where(column => column.Kind == FieldKind.Reference).Select(column => new FixtureReference(Table, Key.Column, column.Column, column.Target)),
        .. Relations.SelectMany(relation => new[]
        {
            new FixtureReference(relation.Join!.Table, relation.Join.Own, relation.Join.Own, this),
            new FixtureReference(relation.Join.Table, relation.Join.Own, relation.Join.Other, relation.Target),
        }),
    ];

    public Sql<object?> FindByNaturalKey => field ??= new(
        $"SELECT {Key.Column} FROM {Table} WHERE {string.Join(" AND ", NaturalFields.Select(part => $"{part.Column} = @{part.Column}"))}",
        row => row.Value(0));

    public Sql<object?[]> NaturalKeyOf => field ??= new(
        $"SELECT {string.Join(", ", NaturalFields.Select(part => part.Column))} FROM {Table} WHERE {Key.Column} = @key",
        row => [.. Enumerable.Range(0, NaturalKey.Count).Select(row.Value)]);

    private static int At(IReadOnlyList<FixtureField> fields, string name)
    {
        for (var i = 0; i < fields.Count; i++)
            if (fields[i].Name == name || fields[i].Column == name) return i;
        return -1;
    }

    private string List(Func<string, string> write) => string.Join(", ", Columns.Select(column => write(column.Column)));

    private object?[] ReadAll(Row row)
    {
        var values = new object?[Columns.Count + 1];
        values[0] = row.Value(0);
        for (var i = 0; i < Columns.Count; i++) values[i + 1] = Columns[i].Read(row, i + 1);
        return values;
    }
}

/// <summary>A column that refers to another table, and how to find a row whose reference is broken.</summary>
/// <param name="Table">Where the column is.</param>
/// <param name="Named">The column that tells of which object the row is.</param>
/// <param name="Column">The reference.</param>
/// <param name="Target">What it refers to.</param>
internal sealed record FixtureReference(string Table, string Named, string Column, FixtureModel Target)
{
    public Sql<(object? Named, object? Value)?> Broken { get; } = new(
        $"""
        SELECT {Named}, {Column} FROM {Table}
        WHERE {Column} IS NOT NULL AND NOT EXISTS (SELECT 1 FROM {Target.Table} target WHERE target.{Target.Key.Column} = {Table}.{Column}) LIMIT 1
        """,
        row => (row.Value(0), row.Value(1)));
}
