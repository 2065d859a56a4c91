using System.Data.Common;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Gatehouse.Users;
using Microsoft.Data.Sqlite;
using Npgsql;

namespace Gatehouse.Database;

/// <summary>Django's JSON fixtures: <c>loaddata</c> and <c>dumpdata</c> for the models of <see cref="FixtureModels"/>.</summary>
internal sealed partial class Fixtures(Db db, TimeProvider clock, UserModel? users = null)
{
    private const int ProgressEvery = 1000;

    /// <summary>Writes every object of a fixture over the one with its key, or as a new one: all of them or none.</summary>
    /// <param name="json">A list of objects as <c>dumpdata</c> prints them, with or without natural keys.</param>
    /// <param name="name">What messages call the fixture: the file's name.</param>
    /// <param name="progress">Told every 1,000 objects how many have been written.</param>
    /// <param name="also">Done in the same transaction, with the number of objects; null: nothing.</param>
    /// <param name="ct">Gives up while the fixture is read; once the writing has begun it is completed.</param>
    /// <returns>How many objects were written.</returns>
    /// <exception cref="FixtureException">Something in the fixture is wrong; nothing was written.</exception>
    public async Task<int> LoadAsync(Stream json, string name, IProgress<int>? progress, Func<Tx, int, Task>? also, CancellationToken ct)
    {
        RequireDjangosUsers();
        var objects = await ReadAsync(json, name, ct);
        return await db.WriteAsync(async tx =>
        {
            await SaveAsync(tx, objects, name, progress);
            foreach (var item in objects) await RelateAsync(tx, item, name);
            await CheckReferencesAsync(tx, objects, name);
            foreach (var model in objects.Select(item => item.Model).Distinct().Where(model => model.Key.Kind == FieldKind.Int)) await tx.RunAsync(model.ResetSequence);
            if (also is not null) await also(tx, objects.Count);
            return objects.Count;
        }, ct);
    }

    /// <summary>Writes what the database holds as <c>dumpdata</c> prints it, as of one moment.</summary>
    /// <param name="to">Where it is written, as UTF-8.</param>
    /// <param name="labels">Apps (<c>auth</c>) and models (<c>auth.user</c>); empty for everything.</param>
    /// <param name="indent">Spaces for each level; null or 0 puts everything on one line.</param>
    /// <param name="naturalForeign">Whether references are natural keys where the model has one.</param>
    /// <param name="naturalPrimary">Whether primary keys are left out where the model has a natural key.</param>
    /// <param name="ct">Gives up between two objects.</param>
    /// <returns>How many objects were written.</returns>
    /// <exception cref="FixtureException">A label is unknown.</exception>
    public async Task<int> DumpAsync(
        Stream to, IReadOnlyCollection<string> labels, int? indent, bool naturalForeign, bool naturalPrimary, CancellationToken ct)
    {
        RequireDjangosUsers();
        if (indent == 0) indent = null;
        var models = Chosen(labels);
        if (naturalForeign) models = InOrderOfDependence(models);

        return await db.ReadAsync(tx => DumpAsync(tx, to, models, indent, naturalForeign, naturalPrimary, ct), ct);
    }

    private static async Task<int> DumpAsync(Tx tx, Stream to, List<FixtureModel> models, int? indent, bool naturalForeign, bool naturalPrimary, CancellationToken ct)
    {
        var tables = (await tx.AllAsync(Migrations.Tables)).ToHashSet();
        await using var writer = new StreamWriter(to, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), leaveOpen: true);
        var natural = new NaturalKeys(tx);
        var count = 0;
        foreach (var model in models)
        {
            // An app that the Django project does not use has no tables.
            if (!tables.Contains(model.Table)) continue;

            var related = new List<ILookup<long, long>>();
            foreach (var relation in model.Relations) related.Add((await tx.AllAsync(relation.Join!.Pairs)).ToLookup(pair => pair.Own, pair => pair.Other));
            var page = await tx.AllAsync(model.Select, ("most", PageSize));
            while (page.Count > 0)
            {
                foreach (var row in page)
                {
                    ct.ThrowIfCancellationRequested();
                    var line = new StringBuilder(count == 0 ? "[" : indent is null ? ", " : ",");
                    if (indent is not null) line.Append('\n');
                    await writer.WriteAsync(PythonJson.Write(line, await DescribeAsync(model, row, related), indent), ct);
                    count++;
                }
                page = page.Count < PageSize ? [] : await tx.AllAsync(model.SelectAfter, ("after", page[^1][0]), ("most", PageSize));
            }
        }
        await writer.WriteAsync((count == 0 ? "[" : "") + (indent is null ? "]" : "\n]\n"));
        return count;

        async ValueTask<List<(string, object?)>> DescribeAsync(FixtureModel model, object?[] row, List<ILookup<long, long>> related)
        {
            var fields = new List<(string, object?)>();
            for (var i = 0; i < model.Columns.Count; i++) fields.Add((model.Columns[i].Name, await ShownAsync(model.Columns[i], row[i + 1])));
            for (var i = 0; i < model.Relations.Count; i++)
            {
                var keys = new List<object?>();
                foreach (var key in related[i][(long)row[0]!]) keys.Add(await ReferenceAsync(model.Relations[i].Target, key));
                fields.Add((model.Relations[i].Name, keys));
            }
            return naturalPrimary && model.HasNaturalKey
                ? [("model", model.Label), ("fields", fields)]
                : [("model", model.Label), ("pk", row[0]), ("fields", fields)];
        }

        async ValueTask<object?> ShownAsync(FixtureField field, object? value) => value is null ? null : field.Kind switch
        {
            FieldKind.Time => FormatTime((DateTimeOffset)value),
            FieldKind.Uuid => ((Guid)value).ToString(),
            FieldKind.Json => JsonElement.Parse((string)value),
            FieldKind.Reference => await ReferenceAsync(field.Target, (long)value),
            _ => value,
        };

        async ValueTask<object?> ReferenceAsync(FixtureModel target, long key) =>
            naturalForeign && target.HasNaturalKey ? await natural.OfAsync(target, key) : key;
    }

    // DjangoJSONEncoder: ISO 8601, microseconds cut to milliseconds, and left out when they are zero.
    private static string FormatTime(DateTimeOffset time) => time.ToString(
        time.Ticks % TimeSpan.TicksPerSecond == 0 ? "yyyy-MM-dd'T'HH:mm:ss'Z'" : "yyyy-MM-dd'T'HH:mm:ss.fff'Z'",
        CultureInfo.InvariantCulture);

    private static List<FixtureModel> Chosen(IReadOnlyCollection<string> labels)
    {
        if (labels.Count == 0) return [.. FixtureModels.All];

        // As Django: the apps in the order they are first named, and within an app all its models, or those named.
        var chosen = new List<(string App, List<FixtureModel> Models)>();
        foreach (var label in labels)
        {
            var app = label.Split('.')[0];
            var models = FixtureModels.All.Where(model => model.App == app).ToList();
            if (models.Count == 0) throw new FixtureException($"No installed app with label '{app}'.");

            var named = label.Contains('.', StringComparison.Ordinal);
            if (named)
                models = [FixtureModels.Find(label) ?? throw new FixtureException($"Unknown model: {label}")];
            var at = chosen.FindIndex(entry => entry.App == app);
            if (at < 0) chosen.Add((app, models));
            else if (!named) chosen[at] = (app, models);
            else chosen[at] = (app, [.. chosen[at].Models.Union(models)]);
        }
        return [.. chosen.SelectMany(entry => entry.Models)];
    }

    private static List<FixtureModel> InOrderOfDependence(List<FixtureModel> models)
    {
        var ordered = new List<FixtureModel>();
        var waiting = models;
        while (waiting.Count > 0)
        {
            var skipped = new List<FixtureModel>();
            foreach (var model in waiting)
            {
                if (model.Dependencies.All(needed => !models.Contains(needed) || ordered.Contains(needed))) ordered.Add(model);
                else skipped.Add(model);
            }
            // Django's loop takes from the end, so each pass goes the other way.
            skipped.Reverse();
            waiting = skipped;
        }
        return ordered;
    }

    private async Task<List<FixtureObject>> ReadAsync(Stream json, string name, CancellationToken ct)
    {
        var objects = new List<FixtureObject>();
        try
        {
            await foreach (var item in JsonSerializer.DeserializeAsyncEnumerable<JsonElement>(json, cancellationToken: ct))
                objects.Add(Read(item, objects.Count + 1, name));
        }
        catch (JsonException error)
        {
            throw new FixtureException($"Problem installing fixture '{name}': it is not a JSON list: {error.Message}", error);
        }
        return objects;
    }

    private FixtureObject Read(JsonElement json, int number, string name)
    {
        if (json.ValueKind != JsonValueKind.Object
            || !json.TryGetProperty("model", out var label) || label.ValueKind != JsonValueKind.String)
            throw new FixtureException($"Problem installing fixture '{name}': object {number}: it is not an object with a \"model\".");

        var model = FixtureModels.Find(label.GetString()!) ?? throw new FixtureException(
            $"Problem installing fixture '{name}': object {number}: Invalid model identifier: {label.GetString()}");
        json.TryGetProperty("pk", out var given);
        var item = new FixtureObject(number, model, $"{model.Label} (pk={(given.ValueKind == JsonValueKind.Undefined ? "None" : given)})");
        item.Key = Converted(model.Key, given);
        if (!json.TryGetProperty("fields", out var fields) || fields.ValueKind != JsonValueKind.Object)
            throw item.Error(name, "it has no \"fields\".");

        foreach (var member in fields.EnumerateObject())
        {
            if (member.Name == model.Key.Name) item.Key = Converted(model.Key, member.Value);
            else if (model.ColumnAt(member.Name) is >= 0 and var at) item.Values[at] = Converted(model.Columns[at], member.Value);
            else if (model.RelationAt(member.Name) is >= 0 and var relation)
                item.Related[relation] = Related(model.Relations[relation], member.Value);
            else throw item.Error(name, $"{model.DjangoLabel.Split('.')[1]} has no field named '{member.Name}'");
        }

        for (var i = 0; i < model.Columns.Count; i++)
        {
            var field = model.Columns[i];
            if (item.Values[i] is not FixtureObject.Absent) continue;

            if (field.Default is null) throw item.Error(name, $"field '{field.Name}': This field is required.");
            item.Values[i] = field.Default(other => item.Values[model.ColumnAt(other)], clock.GetUtcNow());
        }
        if (item.Key is null && model.Key.Kind != FieldKind.Int)
            throw item.Error(name, $"field '{model.Key.Name}': This field is required.");
        return item;

        object? Converted(FixtureField field, JsonElement value)
        {
            if (value.ValueKind is JsonValueKind.Undefined) return null;
            if (value.ValueKind is JsonValueKind.Null && (field.Nullable || field == model.Key)) return null;
            if (value.ValueKind is JsonValueKind.Null) throw item.Error(name, $"field '{field.Name}': This field cannot be null.");

            return Convert(field, value, out var complaint) ?? throw item.Error(name, $"field '{field.Name}': {complaint}");
        }

        object[] Related(FixtureField field, JsonElement value) => value.ValueKind == JsonValueKind.Array
            ? [.. value.EnumerateArray().Select(key => Converted(field, key)!)]
            : throw item.Error(name, $"field '{field.Name}': “{Python(value)}” value must be a list of keys.");
    }

    /// <summary>A value as its column keeps it, or null and Django's complaint.</summary>
    private static object? Convert(FixtureField field, JsonElement value, out string complaint)
    {
        string? text = null;
        try
        {
            if (value.ValueKind is JsonValueKind.String) text = value.GetString();
        }
        catch (InvalidOperationException)
        {
            complaint = "it is not valid Unicode text.";
            return null;
        }

        switch (field.Kind)
        {
            case FieldKind.Text:
                complaint = $"“{Python(value)}” value must be a string.";
                return text ?? (value.ValueKind is JsonValueKind.Number ? value.GetRawText() : null);

            case FieldKind.Int:
                complaint = $"“{Python(value)}” value must be an integer.";
                return Integer(value, text);

            case FieldKind.Bool:
                complaint = $"“{Python(value)}” value must be either True or False.";
                return (value.ValueKind, text ?? value.GetRawText()) switch
                {
                    (JsonValueKind.True, _) or (JsonValueKind.Number, "1") or (JsonValueKind.String, "t" or "True" or "1") => true,
                    (JsonValueKind.False, _) or (JsonValueKind.Number, "0") or (JsonValueKind.String, "f" or "False" or "0") => false,
                    _ => null,
                };

            case FieldKind.Time:
                complaint = $"“{Python(value)}” value has an invalid format. It must be in YYYY-MM-DD HH:MM[:ss[.uuuuuu]][TZ] format.";
                const DateTimeStyles utc = DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal;
                return text is not null && TimeForm.IsMatch(text)
                    && DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, utc, out var time) ? time : null;

            case FieldKind.Uuid:
                complaint = $"“{Python(value)}” is not a valid UUID.";
                return Guid.TryParse(text, out var uuid) ? uuid : null;

            case FieldKind.Json:
                complaint = "Resource must be a list of URI strings";
                return value.ValueKind is JsonValueKind.Array
                    && value.EnumerateArray().All(entry => entry.ValueKind is JsonValueKind.String)
                    ? new JsonText(PythonJson.Write(new StringBuilder(), value, ascii: true).ToString())
                    : null;

            case FieldKind.Reference or FieldKind.Many when value.ValueKind is JsonValueKind.Array:
                var parts = FixtureObject.PartsOf(field.Target);
                complaint = field.Target.HasNaturalKey
                    ? $"“{Python(value)}” is not a natural key of {field.Target.DjangoLabel}, which has {parts} parts."
                    : $"{field.Target.DjangoLabel} has no natural key.";
                return field.Target.HasNaturalKey && value.GetArrayLength() == parts
                    && value.EnumerateArray().All(part => part.ValueKind is JsonValueKind.String)
                    ? new NaturalReference([.. value.EnumerateArray().Select(part => part.GetString()!)])
                    : null;

            default:
                complaint = $"“{Python(value)}” value must be an integer.";
                return Integer(value, text);
        }

        static object? Integer(JsonElement value, string? text) =>
            value.ValueKind is JsonValueKind.Number && value.TryGetInt64(out var number) ? number
            : long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out number) ? number
            : null;
    }

    // As Django's messages show a value: texts bare, the rest as Python writes it.
    private static string Python(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.True => "True",
        JsonValueKind.False => "False",
        JsonValueKind.String => value.GetString()!,
        _ => value.GetRawText(),
    };

    private static async Task SaveAsync(Tx tx, List<FixtureObject> objects, string name, IProgress<int>? progress)
    {
        var done = 0;
        var waiting = objects;
        while (waiting.Count > 0)
        {
            var later = new List<FixtureObject>();
            foreach (var item in waiting)
            {
                // A natural key may name an object further down: those that do so go once more.
                if (!await TrySaveAsync(tx, item, name)) later.Add(item);
                else if (++done % ProgressEvery == 0) progress?.Report(done);
            }
            if (later.Count == waiting.Count) throw later[0].Error(name, await UnresolvedAsync(tx, later[0]));
            waiting = later;
        }
    }

    private static async Task<bool> TrySaveAsync(Tx tx, FixtureObject item, string name)
    {
        var model = item.Model;
        var parameters = new List<(string Name, object? Value)>(model.Columns.Count + 1);
        if (item.Key is not null) parameters.Add((model.Key.Column, item.Key));
        for (var i = 0; i < model.Columns.Count; i++)
        {
            var value = item.Values[i];
            if (value is NaturalReference natural)
            {
                value = await FindAsync(tx, model.Columns[i].Target, natural);
                if (value is null) return false;
            }
            parameters.Add((model.Columns[i].Column, value));
        }

        try
        {
            item.SavedKey = await tx.FirstAsync(item.Key is null ? model.Save : model.SaveByKey, CollectionsMarshal.AsSpan(parameters));
            return true;
        }
        catch (DbException error) when (Reason(error) is { } reason)
        {
            throw item.Error(name, $"Could not load {model.DjangoLabel}(pk={item.Key ?? "None"}): {reason}", error);
        }
    }

    private static async Task RelateAsync(Tx tx, FixtureObject item, string name)
    {
        for (var i = 0; i < item.Related.Length; i++)
        {
            if (item.Related[i] is not { } related) continue;

            var relation = item.Model.Relations[i];
            await tx.RunAsync(relation.Join!.Clear, ("own", item.SavedKey));
            foreach (var target in related)
            {
                var key = target is NaturalReference natural
                    ? await FindAsync(tx, relation.Target, natural)
                        ?? throw item.Error(name, $"field '{relation.Name}': {NoSuch(relation.Target, natural)}")
                    : target;
                await tx.RunAsync(relation.Join.Add, ("own", item.SavedKey), ("other", key));
            }
        }
    }

    private static async Task CheckReferencesAsync(Tx tx, List<FixtureObject> objects, string name)
    {
        var tables = (await tx.AllAsync(Migrations.Tables)).ToHashSet();
        foreach (var model in objects.Select(item => item.Model).Distinct())
        {
            foreach (var reference in model.References)
            {
                // Tables of apps that the project does not have are empty, as it were.
                if (!tables.Contains(reference.Table) || !tables.Contains(reference.Target.Table)) continue;
                if (await tx.FirstAsync(reference.Broken) is not var (key, value)) continue;

                var table = reference.Table;
                var text = $"The row in table '{table}' with {(table == model.Table ? "primary key" : reference.Named)} '{key}' has an invalid "
                    + $"foreign key: {table}.{reference.Column} contains a value '{value}' that does not have a corresponding value "
                    + $"in {reference.Target.Table}.{reference.Target.Key.Column}.";
                throw objects.Find(item => item.Model == model && Equals(item.SavedKey, key))?.Error(name, text)
                    ?? new FixtureException($"Problem installing fixtures: {text}");
            }
        }
    }

    /// <summary>The key of the object that a natural key names, or null.</summary>
    private static async Task<object?> FindAsync(Tx tx, FixtureModel model, NaturalReference natural)
    {
        var parts = natural.Parts.AsMemory();
        var parameters = new List<(string Name, object? Value)>();
        foreach (var field in model.NaturalFields)
        {
            var length = field.Kind == FieldKind.Reference ? FixtureObject.PartsOf(field.Target) : 1;
            object? value = field.Kind == FieldKind.Reference
                ? await FindAsync(tx, field.Target, new NaturalReference(parts[..length].ToArray()))
                : parts.Span[0];
            if (value is null) return null;
            parameters.Add((field.Column, value));
            parts = parts[length..];
        }
        return await tx.FirstAsync(model.FindByNaturalKey, [.. parameters]);
    }

    private static async Task<string> UnresolvedAsync(Tx tx, FixtureObject item)
    {
        for (var i = 0; i < item.Values.Length; i++)
        {
            if (item.Values[i] is NaturalReference natural && await FindAsync(tx, item.Model.Columns[i].Target, natural) is null)
                return $"field '{item.Model.Columns[i].Name}': {NoSuch(item.Model.Columns[i].Target, natural)}";
        }
        return "its references form a circle.";
    }

    private static string NoSuch(FixtureModel model, NaturalReference natural) =>
        $"{model.DjangoLabel.Split('.')[1]} matching query does not exist: {string.Join(", ", natural.Parts)}";

    /// <summary>What is wrong with the object rather than with the database; else null.</summary>
    private static string? Reason(DbException error) => error switch
    {
        SqliteException { SqliteErrorCode: ConstraintFailed or NoSuchTable } => error.Message.Split('\'', 2) is [_, var reason] ? reason.TrimEnd('.', '\'') : error.Message,
        // Of the data, of integrity, of a table that is not there.
        PostgresException { SqlState: ['2', '2' or '3', ..] or PostgresErrorCodes.UndefinedTable } postgres => postgres.MessageText,
        _ => null,
    };

    private const int NoSuchTable = 1;
    private const int ConstraintFailed = 19;
    private const int PageSize = 1000;

    [GeneratedRegex(@"^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d{1,9})?)?( ?(Z|[+-]\d\d:\d\d))?)?$", RegexOptions.CultureInvariant)]
    private static partial Regex TimeForm { get; }

    private void RequireDjangosUsers()
    {
        if (users is { IsDjangosOwn: false })
            throw new FixtureException($"Fixtures of {users.Label} hold fields that only the Django project knows: use \"python manage.py dumpdata\" and loaddata there.");
    }

    /// <summary>A reference by natural key, its parts as the fixture lists them.</summary>
    private sealed record NaturalReference(string[] Parts);

    /// <summary>One object of a fixture, its values as the columns keep them.</summary>
    private sealed class FixtureObject(int number, FixtureModel model, string called)
    {
        public FixtureModel Model => model;

        public object? Key { get; set; }

        /// <summary>The key it has in the database, once it is there.</summary>
        public object? SavedKey { get; set; }

        public object?[] Values { get; } = [.. Enumerable.Repeat(Absent.Value, model.Columns.Count)];

        /// <summary>Null where the fixture leaves the relation as it is.</summary>
        public object[]?[] Related { get; } = new object[]?[model.Relations.Count];

        public FixtureException Error(string name, string text, Exception? inner = null) =>
            new($"Problem installing fixture '{name}': object {number}, {called}: {text}", inner);

        /// <summary>How many texts a natural key of the model has.</summary>
        public static int PartsOf(FixtureModel model) =>
            model.NaturalFields.Sum(field => field.Kind == FieldKind.Reference ? PartsOf(field.Target) : 1);

        public sealed class Absent
        {
            public static readonly object Value = new Absent();
        }
    }

    /// <summary>Natural keys by key, each read once.</summary>
    private sealed class NaturalKeys(Tx tx)
    {
        private readonly Dictionary<(FixtureModel, long), List<object?>?> known = [];

        public async ValueTask<List<object?>?> OfAsync(FixtureModel model, long key)
        {
            if (known.TryGetValue((model, key), out var parts)) return parts;

            if (await tx.FirstAsync(model.NaturalKeyOf, ("key", key)) is { } row)
            {
                parts = [];
                foreach (var (field, value) in model.NaturalFields.Zip(row))
                    parts.AddRange(field.Kind == FieldKind.Reference ? await OfAsync(field.Target, (long)value!) ?? [] : [value]);
            }
            known.Add((model, key), parts);
            return parts;
        }
    }
}

/// <summary>A fixture cannot be loaded, or a label cannot be dumped. The message says which object and field, and why.</summary>
public sealed class FixtureException : Exception
{
    /// <summary>Says which object and field, and why.</summary>
    public FixtureException(string message, Exception? inner = null) : base(message, inner)
    {
    }
}
