using System.Data.Common;
using System.Globalization;
using Gatehouse.Users;
using Npgsql;

namespace Gatehouse.Database;

/// <summary>A row of a result, and how each database spells times, truth values and UUIDs (django-schema/FORMATS.md).</summary>
internal readonly struct Row(DbDataReader reader)
{
    public bool IsNull(int column) => reader.IsDBNull(column);

    public long Int(int column) => reader.GetInt64(column);

    public long? IntOrNull(int column) => reader.IsDBNull(column) ? null : reader.GetInt64(column);

    public string Text(int column) => reader.GetString(column);

    /// <summary>Of a column that is NULL in some projects' own models, where Django's has the empty text.</summary>
    public string TextOrEmpty(int column) => reader.IsDBNull(column) ? "" : reader.GetString(column);

    public string? TextOrNull(int column) => reader.IsDBNull(column) ? null : reader.GetString(column);

    /// <summary>The key of a user: a number, or a UUID.</summary>
    public UserId UserId(int column)
    {
        var type = reader.GetFieldType(column);
        return type == typeof(string) ? new(Guid.ParseExact(reader.GetString(column), "N"))
            : type == typeof(Guid) ? new(reader.GetGuid(column))
            : new(reader.GetInt64(column));
    }

    public bool Bool(int column) => reader is NpgsqlDataReader ? reader.GetBoolean(column) : reader.GetInt64(column) != 0;

    public DateTimeOffset Time(int column) => reader is NpgsqlDataReader
        ? new DateTimeOffset(reader.GetDateTime(column), TimeSpan.Zero)
        : ParseTime(reader.GetString(column));

    public DateTimeOffset? TimeOrNull(int column) => reader.IsDBNull(column) ? null : Time(column);

    /// <summary>Of a column of UUIDs: hex without dashes on SQLite.</summary>
    public Guid Uuid(int column) => reader is NpgsqlDataReader ? reader.GetGuid(column) : Guid.Parse(reader.GetString(column));

    public Guid? UuidOrNull(int column) => reader.IsDBNull(column) ? null : Uuid(column);

    /// <summary>What the column holds, as the driver gives it, whole numbers as <see cref="long"/>: for code that copies rows of any table.</summary>
    public object? Value(int column) => reader.IsDBNull(column) ? null : reader.GetValue(column) switch
    {
        int number => (long)number,
        short number => (long)number,
        var value => value,
    };

    /// <summary>Django's text of a time on SQLite: UTC, no zone, microseconds left out when they are zero.</summary>
    public static string FormatTime(DateTimeOffset time)
    {
        var utc = time.UtcDateTime;
        return utc.Ticks % TimeSpan.TicksPerSecond / TimeSpan.TicksPerMicrosecond == 0
            ? utc.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture)
            : utc.ToString("yyyy-MM-dd HH:mm:ss.ffffff", CultureInfo.InvariantCulture);
    }

    public static DateTimeOffset ParseTime(string text) =>
        DateTimeOffset.Parse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal);
}
