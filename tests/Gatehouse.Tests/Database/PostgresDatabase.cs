using System.Globalization;
using System.Text.RegularExpressions;
using Gatehouse.Database;
using Npgsql;

namespace Gatehouse.Tests.Database;

/// <summary>A database in the run's own cluster, copied from one that is migrated.</summary>
internal sealed partial class PostgresDatabase : TestDatabase
{
    private static readonly Lazy<Task> Template = new(MakeTemplateAsync);
    private static int count;

    private readonly string name = $"test_{Interlocked.Increment(ref count)}";
    private NpgsqlDataSource? source;

    public override string Url => PostgresCluster.Shared.Url(name);

    public override async Task MakeAsync()
    {
        await Template.Value;
        PostgresCluster.Shared.Execute($"CREATE DATABASE {name} TEMPLATE migrated");
    }

    /// <summary>Makes it with nothing in it.</summary>
    public void MakeEmpty() => PostgresCluster.Shared.Execute($"CREATE DATABASE {name} TEMPLATE template0");

    public override object? Scalar(string sql, params (string Name, object? Value)[] parameters)
    {
        // The longest first: $user is the beginning of $username.
        foreach (var (parameter, _) in parameters.OrderByDescending(one => one.Name.Length)) sql = sql.Replace(parameter, "@" + parameter[1..], StringComparison.Ordinal);
        using var command = Connect().CreateCommand(ForPostgres(sql));
        foreach (var (parameter, given) in parameters) command.Parameters.AddWithValue(parameter.TrimStart('$'), given ?? DBNull.Value);
        var value = command.ExecuteScalar();
        return value is int number ? (long)number : value;
    }

    public override List<string> Rows(string sql)
    {
        using var command = Connect().CreateCommand(ForPostgres(sql));
        using var reader = command.ExecuteReader();
        var rows = new List<string>();
        while (reader.Read())
            rows.Add(string.Join('|', Enumerable.Range(0, reader.FieldCount).Select(i => reader.IsDBNull(i) ? "NULL" : Text(reader.GetValue(i)))));
        return rows;
    }

    protected override void Drop()
    {
        source?.Dispose();
        PostgresCluster.Shared.Execute($"DROP DATABASE IF EXISTS {name} WITH (FORCE)");
    }

    private NpgsqlDataSource Connect() => source ??= NpgsqlDataSource.Create(PostgresCluster.Shared.Npgsql(name) + ";Maximum Pool Size=8");

    // What tests write for SQLite: numbers for truth values, text made of anything.
    private static string ForPostgres(string sql)
    {
        sql = sql.Replace(" || ''", "", StringComparison.Ordinal);
        return Truth().Replace(sql, match => $"{match.Groups[1].Value} = {(match.Groups[2].Value == "1" ? "TRUE" : "FALSE")}");
    }

    private static string Text(object value) => value switch
    {
        bool truth => truth ? "1" : "0",
        DateTime time => Row.FormatTime(time),
        Guid id => id.ToString("N"),
        _ => Convert.ToString(value, CultureInfo.InvariantCulture)!,
    };

    private static async Task MakeTemplateAsync()
    {
        PostgresCluster.Shared.Execute("CREATE DATABASE migrated");
        using var db = Db.Open(PostgresCluster.Shared.Url("migrated"));
        await new Migrations(db, TimeProvider.System).ApplyAsync(CancellationToken.None);
    }

    [GeneratedRegex(@"\b(is_active|is_staff|is_superuser|hash_client_secret|skip_authorization|started) = ([01])\b")]
    private static partial Regex Truth();
}
