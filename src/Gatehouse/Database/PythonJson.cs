using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Gatehouse.Database;

/// <summary>JSON byte for byte as Python's <c>json.dumps</c> writes it, for files that are compared with Django's.</summary>
internal static class PythonJson
{
    /// <param name="to">Where it is written.</param>
    /// <param name="value">
    /// Null, text, number, truth value, <see cref="JsonElement"/>, a list of these, or an object as (name, value) pairs.
    /// </param>
    /// <param name="indent">Spaces for each level, or null for one line.</param>
    /// <param name="ascii">Whether other characters are escaped (<c>ensure_ascii</c>).</param>
    public static StringBuilder Write(StringBuilder to, object? value, int? indent = null, bool ascii = false)
    {
        Write(value, 0);
        return to;

        void Write(object? value, int level)
        {
            switch (value)
            {
                case null:
                    to.Append("null");
                    break;
                case string text:
                    WriteText(to, text, ascii);
                    break;
                case bool truth:
                    to.Append(truth ? "true" : "false");
                    break;
                case long number:
                    to.Append(CultureInfo.InvariantCulture, $"{number}");
                    break;
                case JsonElement element:
                    Write(Plain(element), level);
                    break;
                case JsonNumber number:
                    to.Append(number.Text);
                    break;
                case IReadOnlyList<(string Name, object? Value)> members:
                    WriteAll('{', members, '}', level, member =>
                    {
                        WriteText(to, member.Name, ascii);
                        to.Append(": ");
                        Write(member.Value, level + 1);
                    });
                    break;
                case IReadOnlyList<object?> items:
                    WriteAll('[', items, ']', level, item => Write(item, level + 1));
                    break;
                default:
                    throw new ArgumentException($"{value.GetType()} has no JSON form here.", nameof(value));
            }
        }

        void WriteAll<T>(char open, IReadOnlyList<T> items, char close, int level, Action<T> write)
        {
            to.Append(open);
            for (var i = 0; i < items.Count; i++)
            {
                if (i > 0) to.Append(indent is null ? ", " : ",");
                NewLine(level + 1);
                write(items[i]);
            }
            if (items.Count > 0) NewLine(level);
            to.Append(close);
        }

        void NewLine(int level)
        {
            if (indent is { } spaces) to.Append('\n').Append(' ', spaces * level);
        }
    }

    private static object? Plain(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object => element.EnumerateObject().Select(member => (member.Name, (object?)member.Value)).ToList(),
        JsonValueKind.Array => element.EnumerateArray().Select(item => (object?)item).ToList(),
        JsonValueKind.String => element.GetString(),
        JsonValueKind.Number => new JsonNumber(element.GetRawText()),
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => null,
    };

    private static void WriteText(StringBuilder to, string text, bool ascii)
    {
        to.Append('"');
        foreach (var c in text)
        {
            _ = c switch
            {
                '"' => to.Append("\\\""),
                '\\' => to.Append("\\\\"),
                '\n' => to.Append("\\n"),
                '\r' => to.Append("\\r"),
                '\t' => to.Append("\\t"),
                '\b' => to.Append("\\b"),
                '\f' => to.Append("\\f"),
                < ' ' => to.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"),
                > '~' when ascii => to.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"),
                _ => to.Append(c),
            };
        }
        to.Append('"');
    }

    private sealed record JsonNumber(string Text);
}
