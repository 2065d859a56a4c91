using System.Text;

namespace Gatehouse.Database;

/// <summary>One SQL statement, written out beside the operation that needs it and prepared once on each connection.</summary>
/// <param name="text">As both databases take it, or SQLite alone where <paramref name="postgres"/> is given.</param>
/// <param name="postgres">PostgreSQL's text, where it must be another; the parameters are the same.</param>
/// <remarks>
/// Compared by reference: keep each in a <c>static readonly</c> field. Parameters are named, <c>@like_this</c>. SQLite, which writes nothing inside
/// WITH, may be given several with a <c>;</c> between, each of which looks at what the one before did (<c>changes()</c>).
/// </remarks>
internal class Sql(string text, string? postgres = null)
{
    public string Text { get; } = text;

    public string Postgres { get; } = postgres ?? text;
}

/// <summary>A statement that returns rows, and how to read one.</summary>
internal sealed class Sql<T>(string text, Func<Row, T> read, string? postgres = null) : Sql(text, postgres)
{
    public Func<Row, T> Read { get; } = read;
}

/// <summary>JSON that goes into a column of that type.</summary>
internal readonly record struct JsonText(string Text);

/// <summary>
/// Statements as one database wants them. The one place where a text is made ready: whatever must be rewritten for a database (names of tables
/// or columns, parameters) is rewritten here, once for each statement.
/// </summary>
internal sealed class SqlTexts(bool isPostgres)
{
    /// <summary>Puts a text into the words of the project's own user model; null: they are those in which it is written.</summary>
    public Func<string, string>? Respell { get; set; }

    /// <param name="sql">Its parameters have names.</param>
    /// <param name="parameters">In the order in which they are given: PostgreSQL's have numbers.</param>
    public string Of(Sql sql, ReadOnlySpan<(string Name, object? Value)> parameters)
    {
        var text = isPostgres ? sql.Postgres : sql.Text;
        if (Respell is not null) text = Respell(text);
        return isPostgres ? Numbered(text, parameters) : text;
    }

    private static string Numbered(string text, ReadOnlySpan<(string Name, object? Value)> parameters)
    {
        var made = new StringBuilder(text.Length);
        for (var at = 0; at < text.Length;)
        {
            if (text[at] == '\'')
            {
                var end = text.IndexOf('\'', at + 1) + 1;
                made.Append(text, at, end - at);
                at = end;
            }
            else if (text[at] == '@')
            {
                var end = at + 1;
                while (end < text.Length && (char.IsAsciiLetterOrDigit(text[end]) || text[end] == '_')) end++;
                made.Append('$').Append(IndexOf(text.AsSpan(at + 1, end - at - 1), parameters) + 1);
                at = end;
            }
            else
            {
                made.Append(text[at++]);
            }
        }
        return made.ToString();

        static int IndexOf(ReadOnlySpan<char> name, ReadOnlySpan<(string Name, object? Value)> parameters)
        {
            for (var i = 0; i < parameters.Length; i++)
                if (name.SequenceEqual(parameters[i].Name)) return i;
            throw new ArgumentException($"The statement's parameter '{name}' was not given.", nameof(parameters));
        }
    }
}
