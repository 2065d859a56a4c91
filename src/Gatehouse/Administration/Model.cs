using Gatehouse.Database;

namespace Gatehouse.Administration;

/// <summary>A table as people administer it (Django's model and its <c>_meta</c>). All SQL about it is made from this description.</summary>
public sealed class Model
{
    private readonly FixtureModel stored;

    /// <param name="label">Of the stored model, <c>auth.user</c>.</param>
    /// <param name="appTitle">What the index calls its app.</param>
    /// <param name="verboseName">For people, in lower case.</param>
    /// <param name="title">What an object is called (<c>__str__</c>).</param>
    internal Model(string label, string appTitle, string verboseName, Func<ModelRow, string> title)
    {
        stored = FixtureModels.Find(label)!;
        AppTitle = appTitle;
        VerboseName = verboseName;
        VerboseNamePlural = verboseName + "s";
        TitleOf = title;
        App = stored.App;
        Name = label[(App.Length + 1)..];
        Fields = [.. stored.Columns.Select(column => new ModelField(column)), .. stored.Relations.Select(relation => new ModelField(relation))];
        KeyColumn = stored.Key.Column;
    }

    /// <summary>The app's label, <c>auth</c>.</summary>
    public string App { get; }

    /// <summary>In addresses, <c>user</c>.</summary>
    public string Name { get; internal init; }

    /// <summary>For people, <c>Authentication and Authorization</c>.</summary>
    public string AppTitle { get; }

    /// <summary>For people, in lower case.</summary>
    public string VerboseName { get; }

    /// <summary>For people, in lower case.</summary>
    public string VerboseNamePlural { get; internal init; }

    /// <summary>All but the key, in Django's order.</summary>
    public IReadOnlyList<ModelField> Fields { get; internal init; }

    /// <summary>Whether objects may be made by hand.</summary>
    public bool CanAdd { get; internal init; }

    /// <summary>Whether objects may be changed by hand.</summary>
    public bool CanChange { get; internal init; }

    /// <summary>Whether objects may be deleted by hand.</summary>
    public bool CanDelete { get; internal init; }

    /// <summary>Whether the index shows it; others are only named by those that do.</summary>
    public bool IsListed { get; internal init; } = true;

    /// <summary>What may be done to several objects at once, deleting aside.</summary>
    public IReadOnlyList<ModelAction> Actions { get; internal init; } = [];

    /// <summary>The field of that name, or null.</summary>
    public ModelField? Field(string name)
    {
        foreach (var field in Fields)
            if (field.Name == name) return field;
        return null;
    }

    /// <summary>The codename that <c>auth_permission</c> has for it, with the app: <c>auth.change_user</c>.</summary>
    /// <param name="action"><c>view</c>, <c>add</c>, <c>change</c> or <c>delete</c>.</param>
    public string Permission(string action) => $"{App}.{action}_{Name}";

    /// <inheritdoc/>
    public override string ToString() => $"{App}.{Name}";

    internal string Table => stored.Table;

    /// <summary>What addresses name an object by: unique, and no secret unless <see cref="HasSecretKey"/>.</summary>
    internal string KeyColumn { get; init; }

    /// <summary>The key is a credential: addresses have it sealed.</summary>
    internal bool HasSecretKey { get; init; }

    /// <summary>SQL of what an object is called, for those that refer to it, with {0} for the table; null: it is called by its number.</summary>
    internal string? TitleSql { get; init; }

    internal Func<ModelRow, string> TitleOf { get; }

    /// <summary>What the stored rows of this are called in references: proxies share theirs.</summary>
    internal string StoredLabel => stored.Label;
}

/// <summary>One field of a model.</summary>
public sealed class ModelField
{
    internal ModelField(FixtureField stored)
    {
        Name = stored.Name;
        Column = stored.Column;
        VerboseName = stored.Name.Replace('_', ' ');
        Kind = (ModelFieldKind)stored.Kind;
        IsNullable = stored.Nullable;
        TargetLabel = stored.TargetLabel;
        Join = stored.Join;
    }

    private ModelField(ModelField other)
    {
        Name = other.Name;
        Column = other.Column;
        VerboseName = other.VerboseName;
        Kind = other.Kind;
        IsNullable = other.IsNullable;
        TargetLabel = other.TargetLabel;
        Join = other.Join;
        IsSecret = other.IsSecret;
        EndsWithTarget = other.EndsWithTarget;
        Choices = other.Choices;
    }

    /// <summary>As Django names it, <c>is_staff</c>.</summary>
    public string Name { get; }

    /// <summary>For people, in lower case.</summary>
    public string VerboseName { get; private init; }

    /// <summary>Above columns and fields: the verbose name with a capital (<c>capfirst</c>).</summary>
    public string Label => char.ToUpperInvariant(VerboseName[0]) + VerboseName[1..];

    /// <summary>What it holds.</summary>
    public ModelFieldKind Kind { get; }

    /// <summary>Whether it may hold nothing.</summary>
    public bool IsNullable { get; }

    /// <summary>Shown masked, and never searched, filtered or sorted by.</summary>
    public bool IsSecret { get; private init; }

    /// <summary>What a reference refers to.</summary>
    public Model? Target => TargetLabel is null ? null : AllModels.Find(TargetLabel);

    /// <summary>The values that it can have and what people call them; empty: any.</summary>
    public IReadOnlyList<(string Value, string Label)> Choices { get; private init; } = [];

    internal string Column { get; }

    internal string? TargetLabel { get; }

    internal FixtureJoin? Join { get; }

    /// <summary>Whether an object that refers is deleted with what it refers to (Django's CASCADE); else it loses the reference (SET_NULL).</summary>
    internal bool EndsWithTarget { get; private init; } = true;

    internal ModelField Called(string verboseName) => new(this) { VerboseName = verboseName };

    internal ModelField Secret() => new(this) { IsSecret = true };

    internal ModelField SetNull() => new(this) { EndsWithTarget = false };

    internal ModelField With(IReadOnlyList<(string Value, string Label)> choices) => new(this) { Choices = choices };
}

/// <summary>What a field holds.</summary>
public enum ModelFieldKind
{
    /// <summary>Text.</summary>
    Text = FieldKind.Text,

    /// <summary>A whole number.</summary>
    Number = FieldKind.Int,

    /// <summary>Yes or no.</summary>
    Boolean = FieldKind.Bool,

    /// <summary>A moment.</summary>
    Time = FieldKind.Time,

    /// <summary>A UUID.</summary>
    Uuid = FieldKind.Uuid,

    /// <summary>A list of texts.</summary>
    Json = FieldKind.Json,

    /// <summary>Another object.</summary>
    Reference = FieldKind.Reference,

    /// <summary>Other objects; not among a row's values.</summary>
    Many = FieldKind.Many,
}

/// <summary>Something to do to several objects at once.</summary>
/// <param name="Name">In the form, <c>revoke_tokens</c>.</param>
/// <param name="Label">In the list of actions.</param>
/// <param name="Question">What is asked before it is done.</param>
/// <param name="Permission">Who may: <c>app.codename</c>.</param>
/// <param name="Done">What is told after, with {0} for the number.</param>
public sealed record ModelAction(string Name, string Label, string Question, string Permission, string Done);

/// <summary>An object as it is shown: secrets are masked.</summary>
public sealed class ModelRow
{
    private readonly Dictionary<string, object?> values;

    internal ModelRow(Model model, string key, Dictionary<string, object?> values)
    {
        Model = model;
        Key = key;
        this.values = values;
    }

    /// <summary>What it is.</summary>
    public Model Model { get; }

    /// <summary>What its address names it by.</summary>
    public string Key { get; }

    /// <summary>What it is called (<c>__str__</c>).</summary>
    public string Title => Model.TitleOf(this);

    /// <summary>
    /// The value of a field: a text, a <see cref="long"/>, a <see cref="bool"/>, a <see cref="DateTimeOffset"/>, a <see cref="ModelReference"/>,
    /// or null.
    /// </summary>
    public object? this[string field] => values.GetValueOrDefault(field);

    /// <summary>The value as text; empty for nothing.</summary>
    public string Text(string field) => this[field]?.ToString() ?? "";

    /// <summary>What the database has for the key of the table, where that is not <see cref="Key"/>.</summary>
    internal string? SecretKey { get; init; }

    /// <summary>Of a session only: what tells its user.</summary>
    internal string? SessionData { get; init; }

    internal void Set(string field, object? value) => values[field] = value;

    /// <summary>A credential as the admin shows it (DOT's <c>mask_credential</c>): the end of a long one, nothing of a short one.</summary>
    internal static string Mask(string secret) => secret.Length == 0 ? "" : secret.Length < 16 ? "…" : "…" + secret[^4..];
}

/// <summary>An object that another refers to.</summary>
/// <param name="Model">What it is.</param>
/// <param name="Key">What its address names it by.</param>
/// <param name="Title">What it is called.</param>
public sealed record ModelReference(Model Model, string Key, string Title)
{
    /// <inheritdoc/>
    public override string ToString() => Title;
}
