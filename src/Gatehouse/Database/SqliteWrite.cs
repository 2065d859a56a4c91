using System.Text;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Gatehouse.Database;

/// <summary>
/// A write, prepared on one connection. A <see cref="SqliteCommand"/> looks for each parameter by its name in each statement whenever it runs, and makes a
/// reader; this looks once, and reads nothing.
/// </summary>
internal sealed class SqliteWrite : IDisposable
{
    private readonly sqlite3 connection;
    private readonly string[] names;
    private readonly List<(sqlite3_stmt Statement, int[] Places)> statements = [];

    /// <param name="connection">Where it is prepared.</param>
    /// <param name="text">One statement or several.</param>
    /// <param name="parameters">Whose names all runs keep, in this order.</param>
    /// <exception cref="SqliteException">It cannot be prepared.</exception>
    /// <exception cref="ArgumentException">It needs a parameter that is not there.</exception>
    public SqliteWrite(sqlite3 connection, string text, ReadOnlySpan<(string Name, object? Value)> parameters)
    {
        this.connection = connection;
        names = new string[parameters.Length];
        for (var i = 0; i < names.Length; i++) names[i] = parameters[i].Name;
        while (text.Trim().Length > 0)
        {
            Check(raw.sqlite3_prepare_v3(connection, text, raw.SQLITE_PREPARE_PERSISTENT, out var statement, out text));
            var places = Array.ConvertAll(names, name => raw.sqlite3_bind_parameter_index(statement, "@" + name));
            statements.Add((statement, places));
            for (var place = raw.sqlite3_bind_parameter_count(statement); place > 0; place--)
                if (!places.Contains(place))
                    throw new ArgumentException($"The statement's parameter '{raw.sqlite3_bind_parameter_name(statement, place).utf8_to_string()}' was not given.", nameof(parameters));
        }
    }

    /// <returns>How many rows were changed.</returns>
    /// <exception cref="SqliteException">It failed. What earlier ones of several statements did is still there, until its transaction is rolled back.</exception>
    public int Run(ReadOnlySpan<(string Name, object? Value)> parameters)
    {
        for (var i = 0; i < names.Length; i++)
            if (parameters.Length != names.Length || parameters[i].Name != names[i])
                throw new ArgumentException($"A statement is given the same parameters in the same order each time: {string.Join(", ", names)}.", nameof(parameters));

        var changed = 0;
        foreach (var (statement, places) in statements)
        {
            for (var i = 0; i < places.Length; i++)
                if (places[i] > 0)
                    Check(Bind(statement, places[i], parameters[i].Value));
            var result = raw.sqlite3_step(statement);
            while (result == raw.SQLITE_ROW) result = raw.sqlite3_step(statement);
            raw.sqlite3_reset(statement);
            if (result != raw.SQLITE_DONE) Check(result);
            if (raw.sqlite3_stmt_readonly(statement) == 0) changed += raw.sqlite3_changes(connection);
        }
        return changed;
    }

    public void Dispose()
    {
        foreach (var (statement, _) in statements) statement.Dispose();
    }

    private void Check(int result) => SqliteException.ThrowExceptionForRC(result, connection);

    private static int Bind(sqlite3_stmt statement, int place, object? value) => SqliteSession.Spell(value) switch
    {
        DBNull => raw.sqlite3_bind_null(statement, place),
        string text => BindText(statement, place, text),
        long number => raw.sqlite3_bind_int64(statement, place, number),
        int number => raw.sqlite3_bind_int64(statement, place, number),
        double number => raw.sqlite3_bind_double(statement, place, number),
        byte[] bytes => raw.sqlite3_bind_blob(statement, place, bytes),
        var other => throw new ArgumentException($"SQLite has no {other.GetType().Name}.", nameof(value)),
    };

    private static int BindText(sqlite3_stmt statement, int place, string text)
    {
        if (text.Length > 512) return raw.sqlite3_bind_text(statement, place, Encoding.UTF8.GetBytes(text));
        Span<byte> bytes = stackalloc byte[3 * 512];
        return raw.sqlite3_bind_text(statement, place, bytes[..Encoding.UTF8.GetBytes(text, bytes)]);
    }
}
