using Gatehouse.Users;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Gatehouse.Database;

/// <summary>One open SQLite connection with the statements prepared on it. Used by one thread at a time.</summary>
internal sealed class SqliteSession : IDisposable
{
    // In which SQLite looks four times.
    private const int BriefMilliseconds = 8;

    private readonly SqliteConnection connection;
    private readonly SqlTexts texts;
    private readonly Dictionary<Sql, SqliteCommand> prepared = [];
    private readonly Dictionary<Sql, SqliteWrite> writes = [];

    /// <param name="path">The file.</param>
    /// <param name="readOnly">Writes nothing by its statements.</param>
    /// <param name="texts">How SQL is spelled.</param>
    /// <param name="leavesAll">And leaves the file, its log and the folder as they are, whatever it finds there.</param>
    public SqliteSession(string path, bool readOnly, SqlTexts texts, bool leavesAll = false)
    {
        this.texts = texts;
        connection = new SqliteConnection(new SqliteConnectionStringBuilder
        {
            DataSource = leavesAll ? Unchanged(path) : path,
            Mode = leavesAll ? SqliteOpenMode.ReadOnly : SqliteOpenMode.ReadWrite,
            Pooling = false,
            DefaultTimeout = DbDefaults.LockTimeoutSeconds,
        }.ToString());
        connection.Open();
        // The last to leave a database would bring its log into the file.
        if (leavesAll) raw.sqlite3_db_config(connection.Handle, raw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, out _);

        // busy_timeout first: each of the others may meet another program's lock.
        Execute($"PRAGMA busy_timeout = {DbDefaults.LockTimeoutSeconds * 1000}");
        // WAL is kept in the file, so only the writer turns it on: a file that is merely read stays as it is.
        if (!readOnly)
        {
            Execute("PRAGMA journal_mode = WAL");
            // Pages. The writer sees to it before (Writer.KeepLogShort), unless somebody has read one state for all that time.
            Execute("PRAGMA wal_autocheckpoint = 32000");
            // KiB: what many writes together change, with room for the pages that the next will change.
            Execute("PRAGMA cache_size = -16384");
        }
        Execute("PRAGMA synchronous = FULL");
        Execute("PRAGMA foreign_keys = ON");
        if (readOnly)
        {
            Execute("PRAGMA query_only = ON");
            // KiB of pages. There is a connection for each thread that has ever read; the system caches the file for all of them.
            Execute("PRAGMA cache_size = -512");
        }
    }

    /// <summary>Whether a transaction is open: SQLite may end one by itself when something grave happens.</summary>
    public bool InTransaction => raw.sqlite3_get_autocommit(connection.Handle) == 0;

    /// <summary>How many pages this connection has put into the log since it was asked last.</summary>
    public int TakePagesWritten()
    {
        raw.sqlite3_db_status(connection.Handle, raw.SQLITE_DBSTATUS_CACHE_WRITE, out var pages, out _, resetFlg: 1);
        return pages;
    }

    /// <summary>Begins a write.</summary>
    /// <returns>False when another program has had the lock for some milliseconds.</returns>
    public bool TryBegin()
    {
        raw.sqlite3_busy_timeout(connection.Handle, BriefMilliseconds);
        var result = raw.sqlite3_exec(connection.Handle, "BEGIN IMMEDIATE");
        raw.sqlite3_busy_timeout(connection.Handle, DbDefaults.LockTimeoutSeconds * 1000);
        if (result == raw.SQLITE_BUSY) return false;
        SqliteException.ThrowExceptionForRC(result, connection.Handle);
        return true;
    }

    /// <summary>Runs text that is not worth preparing: pragmas, transactions, schema.</summary>
    public void Execute(string text)
    {
        using var command = connection.CreateCommand();
        command.CommandText = text;
        command.ExecuteNonQuery();
    }

    public int Run(Sql sql, ReadOnlySpan<(string Name, object? Value)> parameters)
    {
        if (!writes.TryGetValue(sql, out var write)) writes.Add(sql, write = new SqliteWrite(connection.Handle!, texts.Of(sql, parameters), parameters));
        return write.Run(parameters);
    }

    public T? First<T>(Sql<T> sql, ReadOnlySpan<(string Name, object? Value)> parameters)
    {
        using var reader = Bind(sql, parameters).ExecuteReader();
        return reader.Read() ? sql.Read(new Row(reader)) : default;
    }

    public List<T> All<T>(Sql<T> sql, ReadOnlySpan<(string Name, object? Value)> parameters)
    {
        using var reader = Bind(sql, parameters).ExecuteReader();
        var rows = new List<T>();
        while (reader.Read()) rows.Add(sql.Read(new Row(reader)));
        return rows;
    }

    /// <summary>Copies the whole database, as it is now, into another file, which stands for itself then: no log beside it.</summary>
    public void CopyTo(string file)
    {
        using var copy = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = file, Mode = SqliteOpenMode.ReadWrite, Pooling = false }.ToString());
        copy.Open();
        connection.BackupDatabase(copy);
        using var command = copy.CreateCommand();
        command.CommandText = "PRAGMA journal_mode = DELETE";
        command.ExecuteNonQuery();
        command.CommandText = "PRAGMA quick_check(1)";
        if (command.ExecuteScalar() is not "ok" and var wrong) throw new DatabaseUnavailableException($"The copy is not whole: {wrong}");
    }

    // To read a file in WAL mode that has no log beside it, SQLite would put one there.
    private static string Unchanged(string path)
    {
        if (File.Exists(path + "-wal")) return path;
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        Span<byte> header = stackalloc byte[20];
        return file.ReadAtLeast(header, header.Length, throwOnEndOfStream: false) == header.Length && header[19] == 2 ? new Uri(path).AbsoluteUri + "?immutable=1" : path;
    }

    public void Dispose()
    {
        foreach (var command in prepared.Values) command.Dispose();
        foreach (var write in writes.Values) write.Dispose();
        connection.Dispose();
    }

    private SqliteCommand Bind(Sql sql, ReadOnlySpan<(string Name, object? Value)> parameters)
    {
        if (!prepared.TryGetValue(sql, out var command))
        {
            command = connection.CreateCommand();
            command.CommandText = texts.Of(sql, parameters);
            foreach (var (name, _) in parameters) command.Parameters.Add(new SqliteParameter { ParameterName = "@" + name });
            command.Prepare();
            prepared.Add(sql, command);
        }
        for (var i = 0; i < parameters.Length; i++)
        {
            var parameter = command.Parameters[i];
            if (!parameter.ParameterName.AsSpan(1).SequenceEqual(parameters[i].Name))
                throw new ArgumentException($"The parameters of a statement keep their order; '{parameters[i].Name}' came at {i}.", nameof(parameters));
            parameter.Value = Spell(parameters[i].Value);
        }
        return command;
    }

    internal static object Spell(object? value) => value switch
    {
        null => DBNull.Value,
        DateTimeOffset time => Row.FormatTime(time),
        bool truth => truth ? 1L : 0L,
        Guid id => id.ToString("N"),
        UserId { Uuid: { } id } => id.ToString("N"),
        UserId id => id.Number,
        JsonText json => json.Text,
        _ => value,
    };
}
