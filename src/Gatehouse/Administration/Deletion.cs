using System.Collections.Concurrent;
using System.Globalization;
using Gatehouse.Database;

namespace Gatehouse.Administration;

/// <summary>
/// What is deleted with an object, as Django's <c>Collector</c> finds it: Django's tables have no <c>ON DELETE</c>. Each step is one statement,
/// however many rows there are.
/// </summary>
internal sealed class Deletion
{
    private static readonly ConcurrentDictionary<Model, Deletion> Known = new();

    private Deletion(Model model)
    {
        var steps = new List<Step>();
        var counted = new List<Related>();
        Follow(model, $"{model.KeyColumn} = @key", steps, counted);
        steps.Add(new(new($"DELETE FROM {model.Table} WHERE {model.KeyColumn} = @key"), model.StoredLabel));
        Steps = steps;
        Counted = counted;
    }

    /// <summary>In order; the last deletes the object itself.</summary>
    public IReadOnlyList<Step> Steps { get; }

    /// <summary>The objects that go with it.</summary>
    public IReadOnlyList<Related> Counted { get; }

    public static Deletion Of(Model model) => Known.GetOrAdd(model, one => new Deletion(one));

    /// <returns>Whether the object was there.</returns>
    public async Task<bool> RunAsync(Tx tx, object key, IReadOnlyDictionary<string, long> contentTypes)
    {
        var last = 0;
        // Tables of apps that the project does not have are not there.
        foreach (var step in Steps.Where(step => contentTypes.ContainsKey(step.Label))) last = await tx.RunAsync(step.Sql, ("key", key));
        return last == 1;
    }

    private static void Follow(Model model, string where, List<Step> steps, List<Related> counted)
    {
        // A proxy's rows are referred to by their own key, which nothing does.
        if (model.KeyColumn != "id") return;
        var ids = $"SELECT id FROM {model.Table} WHERE {where}";
        foreach (var child in AllModels.List)
        {
            foreach (var field in child.Fields)
            {
                if (field.TargetLabel != model.StoredLabel) continue;
                if (field.Join is { } join)
                {
                    steps.Add(new(new($"DELETE FROM {join.Table} WHERE {join.Other} IN ({ids})"), child.StoredLabel));
                }
                else if (field.EndsWithTarget)
                {
                    var theirs = $"{field.Column} IN ({ids})";
                    Follow(child, theirs, steps, counted);
                    steps.Add(new(new($"DELETE FROM {child.Table} WHERE {theirs}"), child.StoredLabel));
                    counted.Add(Related.Of(child, theirs));
                }
                else
                {
                    steps.Add(new(new($"UPDATE {child.Table} SET {field.Column} = NULL WHERE {field.Column} IN ({ids})"), child.StoredLabel));
                }
            }
        }
        foreach (var own in model.Fields)
            if (own.Join is { } join) steps.Add(new(new($"DELETE FROM {join.Table} WHERE {join.Own} IN ({ids})"), model.StoredLabel));
    }

    internal sealed record Step(Sql Sql, string Label);

    /// <summary>Objects of one model that go with another: how many, and the first of them.</summary>
    internal sealed record Related(Model Model, Sql<long> Count, Sql<string> First)
    {
        public const int MostNamed = 20;

        public static Related Of(Model model, string where) => new(
            model,
            new($"SELECT COUNT(*) FROM (SELECT 1 FROM {model.Table} WHERE {where} LIMIT {AdminDatabase.MostCounted + 1}) counted", row => row.Int(0)),
            new(
                model.TitleSql is { } title
                    ? $"SELECT {string.Format(CultureInfo.InvariantCulture, title, "t")} FROM {model.Table} t WHERE t.{where} ORDER BY t.id LIMIT {MostNamed}"
                    : $"SELECT '{model.VerboseName} ' || CAST(t.{model.KeyColumn} AS text) FROM {model.Table} t WHERE t.{where} ORDER BY t.{model.KeyColumn} LIMIT {MostNamed}",
                row => row.Text(0)));
    }
}

/// <summary>Objects that go with those that are deleted.</summary>
/// <param name="Model">What they are.</param>
/// <param name="Count">How many, at most <see cref="AdminDatabase.MostCounted"/> and one.</param>
/// <param name="Titles">The first of them.</param>
public sealed record Doomed(Model Model, long Count, IReadOnlyList<string> Titles);
