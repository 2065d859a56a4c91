namespace Gatehouse.Database;

/// <summary>One SQL statement, written out beside the operation that needs it and prepared once on each connection.</summary>
/// <remarks>Compared by reference: keep each in a <c>static readonly</c> field. Parameters are named, <c>@like_this</c>.</remarks>
internal class Sql(string text)
{
    public string Text { get; } = text;
}

/// <summary>A statement that returns rows, and how to read one.</summary>
internal sealed class Sql<T>(string text, Func<Row, T> read) : Sql(text)
{
    public Func<Row, T> Read { get; } = read;
}
