using System.Collections;
using System.Globalization;
using System.Text.RegularExpressions;

namespace Gatehouse.Tests.Docs;

/// <summary>The tables of docs/settings.md: names, types and defaults are those of the options, meanings are written by hand.</summary>
internal static partial class SettingsPage
{
    private const string Header = "| .NET name | Django name | type | default | meaning |";

    /// <summary>Every option with its type and its default, as the page says them.</summary>
    public static IReadOnlyDictionary<string, (string Type, string Default)> Options { get; } = Of(new GatehouseOptions(), "").ToDictionary(one => one.Name, one => (one.Type, one.Default));

    /// <summary>The page with the columns for type and default filled in. A default may be explained behind a colon: that is kept.</summary>
    public static string Complete(string text)
    {
        var lines = text.Split('\n');
        var columns = Array.Empty<string>();
        for (var i = 0; i < lines.Length; i++)
        {
            if (!lines[i].StartsWith('|')) columns = [];
            else if (lines[i].StartsWith("| .NET name |", StringComparison.Ordinal))
            {
                columns = Cells(lines[i]);
                lines[i] = Header;
                lines[i + 1] = "| --- | --- | --- | --- | --- |";
            }
            else if (columns.Length > 0 && Name().Match(lines[i]) is { Success: true } name && Options.TryGetValue(name.Groups[1].Value, out var option))
            {
                var cells = Cells(lines[i]);
                var said = Array.IndexOf(columns, "default") is >= 0 and var at ? cells[at] : "";
                var given = said == option.Default || said.StartsWith(option.Default + ": ", StringComparison.Ordinal) ? said
                    : said.Length == 0 || columns.Contains("type") ? option.Default
                    : $"{option.Default}: {said}";
                lines[i] = $"| {cells[0]} | {cells[1]} | {option.Type} | {given} | {cells[columns.Length - 1]} |";
            }
        }
        return string.Join('\n', lines);
    }

    /// <summary>The options that have no row.</summary>
    public static IEnumerable<string> MissingIn(string text) => Options.Keys.Except(text.Split('\n').Select(line => Name().Match(line).Groups[1].Value));

    /// <summary>The options whose meaning is not told.</summary>
    public static IEnumerable<string> UnexplainedIn(string text) =>
        text.Split('\n').Where(line => Name().Match(line) is { Success: true } name && Options.ContainsKey(name.Groups[1].Value) && Cells(line)[^1].Length == 0);

    private static string[] Cells(string row) => [.. row.Trim().Trim('|').Split('|').Select(cell => cell.Trim())];

    private static IEnumerable<(string Name, string Type, string Default)> Of(object group, string prefix)
    {
        foreach (var property in group.GetType().GetProperties())
        {
            var value = property.GetValue(group);
            if (property.PropertyType == typeof(GatehouseEvents)) yield return (property.Name, "code", "none");
            else if (property.SetMethod is not null) yield return (prefix + property.Name, TypeOf(property.PropertyType), DefaultOf(value, property.PropertyType));
            else foreach (var inner in Of(value!, prefix + property.Name + ":")) yield return inner;
        }
    }

    private static string TypeOf(Type type) =>
        Nullable.GetUnderlyingType(type) is { } inner ? TypeOf(inner)
        : type == typeof(string) ? "text"
        : type == typeof(bool) ? "true, false"
        : type == typeof(int) || type == typeof(long) ? "number"
        : type == typeof(TimeSpan) ? "duration"
        : type == typeof(DateTimeOffset) ? "moment"
        : type.IsEnum ? string.Join(", ", Enum.GetNames(type))
        : type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IDictionary<,>) ? "names and texts"
        : type.IsGenericType && type.IsAssignableTo(typeof(IEnumerable)) ? "list"
        : "code";

    private static string DefaultOf(object? value, Type type) => value switch
    {
        null => TypeOf(type) == "code" ? "none" : "null",
        "" => "empty",
        string or Enum => $"`{value}`",
        bool truth => truth ? "true" : "false",
        TimeSpan time => time == TimeSpan.Zero ? "0" : $"`{time.ToString("c", CultureInfo.InvariantCulture)}`",
        IDictionary<string, string> texts => Listed(texts.Select(one => one.Key)),
        IEnumerable<string> texts => Listed(texts),
        IEnumerable items => Listed(items.Cast<object>().Select(one => one.ToString()!)),
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        _ => "none",
    };

    private static string Listed(IEnumerable<string> items) => items.Any() ? string.Join(", ", items.Select(item => $"`{item}`")) : "none";

    [GeneratedRegex(@"^\| `([A-Za-z0-9:]+)` \|")]
    private static partial Regex Name();
}
