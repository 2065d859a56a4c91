namespace Gatehouse.Database;

/// <summary>A column of a table that is not Gatehouse's own.</summary>
internal sealed record Column(string Name, string Type, ColumnKind Kind, bool IsNullable, bool HasDefault, bool IsKey);

/// <summary>What a column holds, as Django's fields are kept (django-schema/FORMATS.md).</summary>
internal enum ColumnKind
{
    Other,
    Integer,
    Uuid,
    Bool,
    Time,

    /// <summary>Text of PostgreSQL's extension citext, as of Django's former <c>CIEmailField</c>: capital or small letters are the same.</summary>
    AnyCase,
}
