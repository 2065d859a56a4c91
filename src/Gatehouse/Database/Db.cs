namespace Gatehouse.Database;

internal static class DbDefaults
{
    /// <summary>How long another program's lock, or the database server's answer, is waited for before the answer is 503.</summary>
    public const int LockTimeoutSeconds = 20;
}

/// <summary>
/// The database, SQLite or PostgreSQL: reads on a few open connections, writes each in a transaction. No ORM, see
/// docs/decisions/0001-no-orm.md.
/// </summary>
internal abstract class Db : IDisposable
{
    /// <param name="url">As in <see cref="GatehouseOptions.Database"/>.</param>
    /// <exception cref="ArgumentException">It is no such address; the message says what to write instead, and holds no password.</exception>
    public static Db Open(string url) => DatabaseUrl.IsPostgres(url) ? new PostgresDb(url) : new SqliteDb(url);

    /// <summary>What messages call it. Never holds a password.</summary>
    public abstract string Name { get; }

    /// <summary>Whether there is anything to ask: a SQLite file that is not there yet would be made.</summary>
    public virtual bool IsThere => true;

    /// <summary>The statements in this database's words.</summary>
    public abstract SqlTexts Texts { get; }

    /// <summary>The first row, or null (default) when there is none.</summary>
    /// <exception cref="DatabaseUnavailableException">Locked for too long, disk full, file or server gone.</exception>
    public abstract Task<T?> FirstAsync<T>(Sql<T> sql, CancellationToken ct, params ReadOnlySpan<(string Name, object? Value)> parameters);

    /// <summary>
    /// As <see cref="FirstAsync"/>, for what requests look up by an index all the time. PostgreSQL is asked for those of several requests in one
    /// round trip, so a slow statement would make others wait.
    /// </summary>
    public virtual Task<T?> FindAsync<T>(Sql<T> sql, CancellationToken ct, params ReadOnlySpan<(string Name, object? Value)> parameters) => FirstAsync(sql, ct, parameters);

    /// <summary>All rows, in the statement's order.</summary>
    public abstract Task<List<T>> AllAsync<T>(Sql<T> sql, CancellationToken ct, params ReadOnlySpan<(string Name, object? Value)> parameters);

    /// <summary>Reads several things as of one moment; the work writes nothing.</summary>
    public abstract Task<T> ReadAsync<T>(Func<Tx, Task<T>> work, CancellationToken ct);

    /// <summary>The columns of a table, whose name may have its schema before a dot; empty when it is not there.</summary>
    public Task<List<Column>> ColumnsAsync(string table, CancellationToken ct) => AllAsync(ColumnsOf, ct, ("table", table));

    /// <summary>The schemas of PostgreSQL that have such a table and are not looked into (<c>search_path</c>).</summary>
    public Task<List<string>> OtherSchemasWithAsync(string table, CancellationToken ct) => AllAsync(OtherSchemasWith, ct, ("table", table));

    private static readonly Sql<Column> ColumnsOf = new(
        "SELECT name, type, \"notnull\", CASE WHEN dflt_value IS NULL THEN 0 ELSE 1 END, pk FROM pragma_table_info(@table)",
        row => new Column(row.Text(0), row.Text(1), KindOf(row.Text(1).ToLowerInvariant()), row.Int(2) == 0, row.Int(3) != 0, row.Int(4) > 0),
        postgres: """
        SELECT a.attname, format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN 1 ELSE 0 END,
            CASE WHEN a.atthasdef OR a.attidentity <> '' THEN 1 ELSE 0 END,
            CASE WHEN EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisprimary AND a.attnum = ANY(i.indkey)) THEN 1 ELSE 0 END
        FROM pg_attribute a WHERE a.attrelid = to_regclass('"' || replace(@table, '.', '"."') || '"') AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
        """);

    private static readonly Sql<string> OtherSchemasWith = new("SELECT @table WHERE FALSE", row => row.Text(0), postgres: """
        SELECT n.nspname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relname = @table AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname <> ALL (current_schemas(TRUE)) ORDER BY n.nspname
        """);

    private static ColumnKind KindOf(string type) => type switch
    {
        "char(32)" or "uuid" => ColumnKind.Uuid,
        "bool" or "boolean" => ColumnKind.Bool,
        "datetime" or "timestamp with time zone" => ColumnKind.Time,
        "citext" => ColumnKind.AnyCase,
        // "integer unsigned", too.
        _ => type.Split(' ', '(')[0] is "integer" or "bigint" or "smallint" ? ColumnKind.Integer : ColumnKind.Other,
    };

    /// <summary>Does <paramref name="work"/> in one transaction: all of it or nothing, and on disk before this returns.</summary>
    /// <param name="work">
    /// May run again when another transaction came in between; it awaits nothing but its own statements. What may happen once only is one
    /// statement whose row count decides; where several must see nothing come in between, <see cref="Tx.Lock"/> goes first.
    /// </param>
    /// <param name="ct">Gives up a write that has not begun. One that has begun is completed.</param>
    public abstract Task<T> WriteAsync<T>(Func<Tx, Task<T>> work, CancellationToken ct);

    /// <summary>As <see cref="WriteAsync"/>, but a power cut (not the end of the process) may lose it: for counters.</summary>
    public abstract Task<T> WriteRelaxedAsync<T>(Func<Tx, Task<T>> work, CancellationToken ct);

    /// <summary>
    /// Tries a write of one statement, which changes a row of its table and all that belongs to it, or nothing. PostgreSQL commits those of
    /// several requests together, so it should wait for nobody's lock (<c>SKIP LOCKED</c>, <c>pg_try_advisory_xact_lock</c>).
    /// </summary>
    /// <returns>
    /// True: it changed a row, and that is on disk. False: it changed none. Null: its end is not known (PostgreSQL); then <see cref="WriteAsync"/>
    /// does it, or finds it done.
    /// </returns>
    public abstract Task<bool?> TryTogetherAsync(Sql sql, CancellationToken ct, params ReadOnlySpan<(string Name, object? Value)> parameters);

    /// <summary>Whether a write could begin just now; changes nothing.</summary>
    public async Task<bool> CanWriteAsync(TimeSpan wait, CancellationToken ct)
    {
        try
        {
            return await TryWriteAsync(ct).WaitAsync(wait, ct);
        }
        catch (Exception error) when (error is DatabaseUnavailableException or TimeoutException)
        {
            return false;
        }
    }

    /// <summary>
    /// SQLite: brings what was committed from the write-ahead log into the database file, while others read and write: otherwise the commit
    /// that fills the log does it, and its request waits. PostgreSQL does so by itself.
    /// </summary>
    public virtual void Checkpoint()
    {
    }

    /// <summary>SQLite: copies the database as of one moment into one file of its owner's, while others read and write (online backup).</summary>
    /// <exception cref="IOException">The file is there already; or the disk is full.</exception>
    /// <exception cref="NotSupportedException">PostgreSQL has pg_dump.</exception>
    public virtual void Backup(string file) => throw new NotSupportedException("PostgreSQL has a backup of its own: pg_dump --format=custom.");

    protected abstract Task<bool> TryWriteAsync(CancellationToken ct);

    public abstract void Dispose();
}

/// <summary>What a write may do, inside its transaction.</summary>
internal abstract class Tx
{
    /// <returns>How many rows were changed: the count that decides what may happen once only.</returns>
    public abstract Task<int> RunAsync(Sql sql, params ReadOnlySpan<(string Name, object? Value)> parameters);

    /// <summary>
    /// Runs a statement whose outcome decides nothing and that reads nothing back. PostgreSQL: sent along with the next statement, or with the
    /// commit, so that nobody waits for its answer alone.
    /// </summary>
    public abstract void Also(Sql sql, params ReadOnlySpan<(string Name, object? Value)> parameters);

    public abstract Task<T?> FirstAsync<T>(Sql<T> sql, params ReadOnlySpan<(string Name, object? Value)> parameters);

    public abstract Task<List<T>> AllAsync<T>(Sql<T> sql, params ReadOnlySpan<(string Name, object? Value)> parameters);

    /// <summary>Runs a script of several statements: schema only, since nothing of it is kept prepared.</summary>
    public abstract Task ScriptAsync(string script);

    /// <summary>
    /// From the next statement on until the end of the transaction, nobody else is in a transaction that has locked the same name. SQLite has
    /// one writer, so there it does nothing. PostgreSQL: an advisory lock, sent along with the next statement.
    /// </summary>
    /// <param name="name">What it is about, such as <c>family 1234…</c>. Those who lock several do it in the same order.</param>
    /// <param name="shared">Others may share it, so that only those who do not are kept out.</param>
    public abstract void Lock(string name, bool shared = false);
}

/// <summary>The database cannot be used just now. Answered with 503; readiness is false until it can.</summary>
public sealed class DatabaseUnavailableException : Exception
{
    /// <summary>Says why, for the log.</summary>
    public DatabaseUnavailableException(string message, Exception? inner = null) : base(message, inner)
    {
    }
}
