using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using Gatehouse.Crypto;
using Gatehouse.Database;
using Gatehouse.Sessions;
using Gatehouse.Users;

namespace Gatehouse.Administration;

/// <summary>Reading the rows of all models: lists, objects, and what people did to them. Who may see what is asked before (<see cref="Staff"/>).</summary>
public sealed class AdminDatabase
{
    /// <summary>Where counting stops, so that lists of millions stay fast.</summary>
    public const int MostCounted = 10_000;

    private const int MostWords = 6;

    private readonly Db db;
    private readonly SessionStore sessions;
    private readonly OpaqueKey opaque;
    // Statements are kept by their shape: their number is that of the fields and orders, not of the questions.
    private readonly ConcurrentDictionary<string, Sql<ModelRow>> lists = new();
    private readonly ConcurrentDictionary<string, Sql<long>> counts = new();
    private readonly ConcurrentDictionary<string, Sql<ModelReference>> references = new();
    private Dictionary<string, long>? contentTypes;

    internal AdminDatabase(Db db, SessionStore sessions, GatehouseOptions options)
    {
        this.db = db;
        this.sessions = sessions;
        opaque = new OpaqueKey(options.SecretKey, "gatehouse.admin");
    }

    /// <summary>The models that the database has, in the order of the index. A Django project need not have all apps.</summary>
    public async Task<IReadOnlyList<Model>> ModelsAsync(CancellationToken ct)
    {
        var known = await ContentTypesAsync(ct);
        return [.. AllModels.List.Where(model => model.IsListed && known.ContainsKey(model.ToString()))];
    }

    /// <summary>The model of that name; null when there is none.</summary>
    public async Task<Model?> FindModelAsync(string app, string name, CancellationToken ct) =>
        (await ModelsAsync(ct)).FirstOrDefault(model => model.App == app && model.Name == name);

    /// <summary>One page of a list.</summary>
    /// <exception cref="ArgumentException">A field is not known, or secret, or a value cannot be one of its.</exception>
    public async Task<ModelPage> ListAsync(ModelQuery query, CancellationToken ct)
    {
        var (where, parameters) = Where(query);
        var order = Order(query);
        var model = query.Model;
        var sql = lists.GetOrAdd($"{model}|{where}|{order}", _ => new Sql<ModelRow>(
            $"""
            SELECT {Columns(model)}
            FROM (SELECT t.{model.KeyColumn} AS pk FROM {model.Table} t WHERE {where} ORDER BY {order} LIMIT @most OFFSET @skip) page
            JOIN {model.Table} t ON t.{model.KeyColumn} = page.pk {Joins(model)} ORDER BY {order}
            """,
            row => Read(row, model)));
        var rows = await db.AllAsync(sql, ct, [.. parameters, ("most", query.Size + 1), ("skip", query.Skip)]);
        var hasMore = rows.Count > query.Size;
        if (hasMore) rows.RemoveAt(query.Size);
        await FinishAsync(rows, ct);

        if (!hasMore && (rows.Count > 0 || query.Skip == 0)) return new ModelPage(rows, query.Skip + rows.Count, false);
        var count = counts.GetOrAdd($"{model}|{where}", _ => new Sql<long>(
            $"SELECT COUNT(*) FROM (SELECT 1 FROM {model.Table} t WHERE {where} LIMIT {MostCounted + 1}) counted", row => row.Int(0)));
        var counted = (int)await db.FirstAsync(count, ct, [.. parameters]);
        return new ModelPage(rows, Math.Min(counted, MostCounted), counted > MostCounted);
    }

    /// <summary>The object of that key; null when there is none.</summary>
    public async Task<ModelRow?> FindAsync(Model model, string key, CancellationToken ct)
    {
        if (KeyOf(model, key) is not { } stored) return null;
        var sql = lists.GetOrAdd($"{model}|key", _ => new Sql<ModelRow>(
            $"SELECT {Columns(model)} FROM {model.Table} t {Joins(model)} WHERE t.{model.KeyColumn} = @key", row => Read(row, model)));
        if (await db.FirstAsync(sql, ct, ("key", stored)) is not { } found) return null;
        await FinishAsync([found], ct);
        return found;
    }

    /// <summary>The objects that a <see cref="ModelFieldKind.Many"/> field of an object holds, by title.</summary>
    public Task<List<ModelReference>> RelatedAsync(ModelRow row, ModelField many, CancellationToken ct)
    {
        var (target, join) = (many.Target!, many.Join!);
        var sql = references.GetOrAdd($"{row.Model}.{many.Name}", _ => new Sql<ModelReference>(
            $"SELECT t.id, {Title(target, "t")} FROM {join.Table} j JOIN {target.Table} t ON t.id = j.{join.Other} WHERE j.{join.Own} = @own ORDER BY 2, 1",
            read => new ModelReference(target, Invariant(read.Int(0)), read.Text(1))));
        return db.AllAsync(sql, ct, ("own", long.Parse(row.Key, CultureInfo.InvariantCulture)));
    }

    /// <summary>The first objects of a model, by title: what a filter or a form lets choose from.</summary>
    public Task<List<ModelReference>> ChoicesAsync(Model model, int most, CancellationToken ct)
    {
        var sql = references.GetOrAdd($"{model}|all", _ => new Sql<ModelReference>(
            $"SELECT t.id, {Title(model, "t")} FROM {model.Table} t ORDER BY 2, 1 LIMIT @most", read => new ModelReference(model, Invariant(read.Int(0)), read.Text(1))));
        return db.AllAsync(sql, ct, ("most", most));
    }

    /// <summary>All permissions there are, by app, model and codename.</summary>
    public Task<List<PermissionRow>> PermissionsAsync(CancellationToken ct) => db.AllAsync(AllPermissions, ct);

    private static readonly Sql<PermissionRow> AllPermissions = new(
        """
        SELECT p.id, c.app_label, c.model, p.codename, p.name FROM auth_permission p JOIN django_content_type c ON c.id = p.content_type_id
        ORDER BY c.app_label, c.model, p.codename
        """,
        row => new PermissionRow(Invariant(row.Int(0)), row.Text(1), row.Text(2), row.Text(3), row.Text(4)));

    /// <summary>What was done to an object, oldest first: at most the last 200 things.</summary>
    public async Task<IReadOnlyList<LogLine>> HistoryAsync(Model model, string key, CancellationToken ct)
    {
        if (!(await ContentTypesAsync(ct)).TryGetValue(model.ToString(), out var type) || !await HasLogAsync(ct)) return [];
        var lines = await db.AllAsync(OfObject, ct, ("type", type), ("key", key));
        lines.Reverse();
        return lines;
    }

    /// <summary>What somebody did last, latest first.</summary>
    public async Task<IReadOnlyList<LogLine>> RecentAsync(User by, int most, CancellationToken ct) =>
        await HasLogAsync(ct) ? await db.AllAsync(OfUser, ct, ("user", by.Id), ("most", most)) : [];

    private const string LogColumns =
        "l.action_time, u.username, l.action_flag, l.object_id, l.object_repr, l.change_message, c.app_label, c.model "
        + "FROM django_admin_log l JOIN auth_user u ON u.id = l.user_id LEFT JOIN django_content_type c ON c.id = l.content_type_id";

    private static readonly Sql<LogLine> OfObject = new(
        $"SELECT {LogColumns} WHERE l.content_type_id = @type AND l.object_id = @key ORDER BY l.id DESC LIMIT 200", LogLine.Read);

    private static readonly Sql<LogLine> OfUser = new($"SELECT {LogColumns} WHERE l.user_id = @user ORDER BY l.id DESC LIMIT @most", LogLine.Read);

    internal async Task<bool> HasLogAsync(CancellationToken ct) => (await ContentTypesAsync(ct)).ContainsKey("admin.logentry");

    internal async Task<bool> HasAsync(Model model, CancellationToken ct) => (await ContentTypesAsync(ct)).ContainsKey(model.StoredLabel);

    /// <summary>The ids of <c>django_content_type</c>, by <c>app.model</c>: which apps the database has.</summary>
    internal async ValueTask<IReadOnlyDictionary<string, long>> ContentTypesAsync(CancellationToken ct) =>
        contentTypes ??= (await db.AllAsync(ContentTypes, ct)).ToDictionary(type => type.Label, type => type.Id);

    private static readonly Sql<(string Label, long Id)> ContentTypes = new(
        "SELECT app_label, model, id FROM django_content_type", row => ($"{row.Text(0)}.{row.Text(1)}", row.Int(2)));

    /// <summary>The key as the table has it; null when it can be none.</summary>
    internal object? KeyOf(Model model, string key) =>
        model.HasSecretKey ? opaque.Open(key)
        : long.TryParse(key, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number
        : null;

    // ── statements ──

    private static string Columns(Model model)
    {
        var columns = new StringBuilder($"t.{model.KeyColumn}");
        foreach (var (field, at) in Stored(model))
        {
            columns.Append(CultureInfo.InvariantCulture, $", t.{field.Column}");
            if (field.Target?.TitleSql is { } title) columns.Append(CultureInfo.InvariantCulture, $", {string.Format(CultureInfo.InvariantCulture, title, $"r{at}")}");
        }
        return columns.ToString();
    }

    private static string Joins(Model model) => string.Concat(Stored(model).Where(one => one.Field.Target?.TitleSql is not null)
        .Select(one => $" LEFT JOIN {one.Field.Target!.Table} r{one.At} ON r{one.At}.id = t.{one.Field.Column}"));

    private static IEnumerable<(ModelField Field, int At)> Stored(Model model) =>
        model.Fields.Where(field => field.Kind != ModelFieldKind.Many).Select((field, at) => (field, at));

    private static string Title(Model model, string alias) =>
        string.Format(CultureInfo.InvariantCulture, model.TitleSql ?? throw new ArgumentException($"{model} has no title in SQL.", nameof(model)), alias);

    private static string Order(ModelQuery query)
    {
        var direction = query.IsDescending ? " DESC" : "";
        var key = $"t.{query.Model.KeyColumn}{direction}";
        if (query.OrderBy.Length == 0) return key;
        var column = Open(query.Model, query.OrderBy).Column;
        return column == query.Model.KeyColumn ? key : $"t.{column}{direction}, {key}";
    }

    /// <summary>The field of that name, if it may be asked about.</summary>
    private static ModelField Open(Model model, string name) =>
        model.Field(name) is { IsSecret: false } field ? field : throw new ArgumentException($"{model} has no field '{name}' that may be asked about.", nameof(name));

    private static (string Sql, List<(string Name, object? Value)> Parameters) Where(ModelQuery query)
    {
        var conditions = new List<string>();
        var parameters = new List<(string Name, object? Value)>();
        foreach (var (name, lookup, text) in query.Filters)
        {
            var field = Open(query.Model, name);
            var parameter = $"f{parameters.Count}";
            var value = lookup == ModelLookup.IsNull ? null : Parse(field, text);
            switch (lookup)
            {
                case ModelLookup.IsNull: conditions.Add($"t.{field.Column} IS {(text == "0" ? "NOT " : "")}NULL"); break;
                case ModelLookup.Exact when field.Join is { } join: conditions.Add($"t.id IN (SELECT j.{join.Own} FROM {join.Table} j WHERE j.{join.Other} = @{parameter})"); break;
                case ModelLookup.Exact: conditions.Add($"t.{field.Column} = @{parameter}"); break;
                case ModelLookup.AtLeast: conditions.Add($"t.{field.Column} >= @{parameter}"); break;
                case ModelLookup.Below: conditions.Add($"t.{field.Column} < @{parameter}"); break;
            }
            if (value is not null) parameters.Add((parameter, value));
        }

        var words = query.Search.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        foreach (var word in words.Take(query.SearchFields.Count == 0 ? 0 : MostWords))
        {
            // No text of a database has one.
            if (word.Contains('\0'))
            {
                conditions.Add("FALSE");
                continue;
            }
            var parameter = $"f{parameters.Count}";
            parameters.Add((parameter, "%" + word.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("%", "\\%", StringComparison.Ordinal).Replace("_", "\\_", StringComparison.Ordinal) + "%"));
            // Each word anywhere, in any of the fields (Django's icontains).
            conditions.Add("(" + string.Join(" OR ", query.SearchFields.GroupBy(path => path.Contains('.') ? path[..path.IndexOf('.', StringComparison.Ordinal)] : "")
                .Select(fields => Matches(query.Model, fields.Key, fields, parameter))) + ")");
        }
        if (conditions.Count == 0) return ("TRUE", parameters);

        var where = string.Join(" AND ", conditions);
        // Rows in the order of an index lie scattered, and looking at a million of them one by one takes seconds: what the condition leaves is found
        // first, in the order of the table, and no more of it than is shown.
        var order = query.OrderBy.Length == 0 ? query.Model.KeyColumn : Open(query.Model, query.OrderBy).Column;
        var fitsOrder = order == query.Model.KeyColumn || words.Length == 0 && query.Filters.All(filter => Open(query.Model, filter.Field).Column == order);
        var key = $"t.{query.Model.KeyColumn}";
        return (fitsOrder ? where : $"{key} IN (SELECT {key} FROM {query.Model.Table} t WHERE {where} LIMIT {MostCounted + 1})", parameters);
    }

    // One comparison for all columns of a table: no word has the blank between them. What is referred to is looked up by itself, and the reference has an index.
    private static string Matches(Model model, string reference, IEnumerable<string> paths, string parameter)
    {
        if (reference.Length == 0) return Like("t", paths.Select(path => Open(model, path)));
        var field = Open(model, reference);
        return $"t.{field.Column} IN (SELECT r.id FROM {field.Target!.Table} r WHERE {Like("r", paths.Select(path => Open(field.Target, path[(reference.Length + 1)..])))})";

        string Like(string table, IEnumerable<ModelField> fields) =>
            $"LOWER({string.Join(" || ' ' || ", fields.Select(one => $"{table}.{one.Column}"))}) LIKE LOWER(@{parameter}) ESCAPE '\\'";
    }

    private static object Parse(ModelField field, string text) => field.Kind switch
    {
        ModelFieldKind.Boolean => text switch { "1" or "True" or "true" => true, "0" or "False" or "false" => false, _ => throw Wrong() },
        ModelFieldKind.Number or ModelFieldKind.Reference or ModelFieldKind.Many =>
            long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) ? number : throw Wrong(),
        ModelFieldKind.Time => DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) ? time : throw Wrong(),
        ModelFieldKind.Uuid => Guid.TryParse(text, out var id) ? id : throw Wrong(),
        _ when text.Contains('\0') => throw Wrong(),
        _ => text,
    };

    private static ArgumentException Wrong() => new("A field cannot have that value.");

    // ── rows ──

    private ModelRow Read(Row row, Model model)
    {
        var values = new Dictionary<string, object?>();
        string? sessionData = null;
        var at = 1;
        foreach (var (field, _) in Stored(model))
        {
            object? value = null;
            if (!row.IsNull(at))
            {
                value = field.Kind switch
                {
                    _ when field.IsSecret => ModelRow.Mask(row.Text(at)),
                    ModelFieldKind.Boolean => row.Bool(at),
                    ModelFieldKind.Number or ModelFieldKind.Reference => row.Int(at),
                    ModelFieldKind.Time => row.Time(at),
                    ModelFieldKind.Uuid => row.Uuid(at).ToString("N"),
                    _ => row.Text(at),
                };
                if (field.Name == "session_data") sessionData = row.Text(at);
            }
            at++;
            if (field.Target is { } target)
            {
                var title = target.TitleSql is null ? null : row.TextOrNull(at++);
                // A session's or token's user may be gone.
                if (value is long id) value = new ModelReference(target, Invariant(id), title ?? $"{target.VerboseName} {Invariant(id)}");
            }
            values[field.Name] = value;
        }
        var secretKey = model.HasSecretKey ? row.Text(0) : null;
        return new ModelRow(model, secretKey is null ? Invariant(row.Int(0)) : opaque.Seal(secretKey), values) { SecretKey = secretKey, SessionData = sessionData };
    }

    /// <summary>Whose a session is stands inside it, signed.</summary>
    private async Task FinishAsync(List<ModelRow> rows, CancellationToken ct)
    {
        var user = AllModels.Find("auth.user")!;
        foreach (var row in rows)
        {
            if (row.SessionData is not { } data) continue;
            row.Set("session_data", "…");
            row.Set("user", sessions.UserOf(data) is { } id && await db.FirstAsync(NameOf, ct, ("id", id)) is { } name ? new ModelReference(user, id.ToString(), name) : null);
        }
    }

    private static readonly Sql<string> NameOf = new("SELECT username FROM auth_user WHERE id = @id", row => row.Text(0));

    private static string Invariant(long number) => number.ToString(CultureInfo.InvariantCulture);
}

/// <summary>What a list is to show.</summary>
/// <param name="Model">Of what.</param>
public sealed record ModelQuery(Model Model)
{
    /// <summary>Words that each must be in one of <see cref="SearchFields"/>; the first six count.</summary>
    public string Search { get; init; } = "";

    /// <summary>Fields of the model, or of what it refers to: <c>user.username</c>.</summary>
    public IReadOnlyList<string> SearchFields { get; init; } = [];

    /// <summary>All must hold.</summary>
    public IReadOnlyList<ModelFilter> Filters { get; init; } = [];

    /// <summary>A field; empty: the key.</summary>
    public string OrderBy { get; init; } = "";

    /// <summary>Whether the last comes first.</summary>
    public bool IsDescending { get; init; }

    /// <summary>How many rows are before the page.</summary>
    public int Skip { get; init; }

    /// <summary>How many rows a page has. Default 100.</summary>
    public int Size { get; init; } = 100;
}

/// <summary>A condition of a list.</summary>
/// <param name="Field">By its name.</param>
/// <param name="Lookup">How it is compared.</param>
/// <param name="Value">As an address has it.</param>
public sealed record ModelFilter(string Field, ModelLookup Lookup, string Value);

/// <summary>How a filter compares.</summary>
public enum ModelLookup
{
    /// <summary>The same.</summary>
    Exact,

    /// <summary>Nothing there; with the value 0: something there.</summary>
    IsNull,

    /// <summary>That or more.</summary>
    AtLeast,

    /// <summary>Less.</summary>
    Below,
}

/// <summary>A page of a list.</summary>
/// <param name="Rows">In order.</param>
/// <param name="Count">Of all pages, at most <see cref="AdminDatabase.MostCounted"/>.</param>
/// <param name="HasMore">Whether there are more than were counted.</param>
public sealed record ModelPage(IReadOnlyList<ModelRow> Rows, int Count, bool HasMore);

/// <summary>A row of <c>auth_permission</c>.</summary>
/// <param name="Key">Its id.</param>
/// <param name="App">Of its model.</param>
/// <param name="Model">Its model.</param>
/// <param name="Codename"><c>change_user</c>.</param>
/// <param name="Name">For people.</param>
public sealed record PermissionRow(string Key, string App, string Model, string Codename, string Name);

/// <summary>A row of <c>django_admin_log</c>.</summary>
/// <param name="Time">When.</param>
/// <param name="By">Who.</param>
/// <param name="Flag">1 added, 2 changed, 3 deleted.</param>
/// <param name="Key">Of the object.</param>
/// <param name="Title">What the object was called.</param>
/// <param name="Message">What was done, in Django's words.</param>
/// <param name="App">Of the object's model; empty when it is gone.</param>
/// <param name="Model">The object's model; empty when it is gone.</param>
public sealed record LogLine(DateTimeOffset Time, string By, int Flag, string Key, string Title, string Message, string App, string Model)
{
    internal static LogLine Read(Row row) => new(
        row.Time(0), row.Text(1), (int)row.Int(2), row.TextOrNull(3) ?? "", row.Text(4), AdminLog.Words(row.Text(5), (int)row.Int(2)), row.TextOrNull(6) ?? "", row.TextOrNull(7) ?? "");
}
