using System.Collections.Concurrent;
using Microsoft.Data.Sqlite;

namespace Gatehouse.Database;

internal static class DbDefaults
{
    /// <summary>How long another program's lock is waited for before the answer is 503.</summary>
    public const int LockTimeoutSeconds = 20;
}

/// <summary>
/// The database: reads on a few open connections, writes through the one <see cref="Writer"/>. No ORM, see
/// docs/decisions/0001-no-orm.md.
/// </summary>
internal sealed class Db : IDisposable
{
    private readonly string path;
    private readonly ConcurrentBag<SqliteSession> idle = [];
    private readonly Lazy<Writer> writer;
    private readonly Lock checkpointing = new();
    private SqliteSession? checkpointer;
    private bool made;
    private bool disposed;

    /// <param name="url">As in <see cref="GatehouseOptions.Database"/>: <c>sqlite:///file.db</c>.</param>
    public Db(string url)
    {
        path = DatabaseUrl.SqlitePath(url);
        writer = new Lazy<Writer>(() => new Writer(path));
    }

    public string Path => path;

    /// <summary>The first row, or null (default) when there is none.</summary>
    /// <exception cref="DatabaseUnavailableException">Locked for too long, disk full, file gone.</exception>
    public Task<T?> FirstAsync<T>(Sql<T> sql, CancellationToken ct, params ReadOnlySpan<(string Name, object? Value)> parameters)
    {
        if (ct.IsCancellationRequested) return Task.FromCanceled<T?>(ct);
        SqliteSession? session = null;
        try
        {
            session = Rent();
            var row = session.First(sql, parameters);
            Return(session);
            return Task.FromResult(row);
        }
        catch (Exception error)
        {
            session?.Dispose();
            return Task.FromException<T?>(Translate(error));
        }
    }

    /// <summary>All rows, in the statement's order.</summary>
    public Task<List<T>> AllAsync<T>(Sql<T> sql, CancellationToken ct, params ReadOnlySpan<(string Name, object? Value)> parameters)
    {
        if (ct.IsCancellationRequested) return Task.FromCanceled<List<T>>(ct);
        SqliteSession? session = null;
        try
        {
            session = Rent();
            var rows = session.All(sql, parameters);
            Return(session);
            return Task.FromResult(rows);
        }
        catch (Exception error)
        {
            session?.Dispose();
            return Task.FromException<List<T>>(Translate(error));
        }
    }

    /// <summary>Does <paramref name="work"/> in one transaction: all of it or nothing, and on disk before this returns.</summary>
    public Task<T> WriteAsync<T>(Func<Tx, Task<T>> work, CancellationToken ct) => Open().RunAsync(work, durable: true, ct);

    /// <summary>As <see cref="WriteAsync"/>, but a power cut (not the end of the process) may lose it: for counters.</summary>
    public Task<T> WriteRelaxedAsync<T>(Func<Tx, Task<T>> work, CancellationToken ct) => Open().RunAsync(work, durable: false, ct);

    /// <summary>Whether a write could begin just now; changes nothing.</summary>
    public async Task<bool> CanWriteAsync(TimeSpan wait, CancellationToken ct)
    {
        try
        {
            await WriteRelaxedAsync(_ => Task.FromResult(true), ct).WaitAsync(wait, ct);
            return true;
        }
        catch (Exception error) when (error is DatabaseUnavailableException or TimeoutException)
        {
            return false;
        }
    }

    /// <summary>
    /// Brings what was committed from the write-ahead log into the database file, while others read and write: otherwise the commit that fills
    /// the log does it, and its request waits.
    /// </summary>
    public void Checkpoint()
    {
        lock (checkpointing)
        {
            if (disposed) return;
            try
            {
                checkpointer ??= new SqliteSession(path, readOnly: false);
                checkpointer.Execute("PRAGMA wal_checkpoint(PASSIVE)");
            }
            catch (SqliteException)
            {
                // Somebody else is at it, or the disk is full: the next one does it.
                checkpointer?.Dispose();
                checkpointer = null;
            }
        }
    }

    public void Dispose()
    {
        lock (checkpointing)
        {
            if (disposed) return;
            disposed = true;
            checkpointer?.Dispose();
        }
        if (writer.IsValueCreated) writer.Value.Dispose();
        while (idle.TryTake(out var session)) session.Dispose();
    }

    internal static Exception Translate(Exception error) => error switch
    {
        // busy, locked, read-only, interrupted, I/O, corrupt, full, cannot open, locking protocol, not a database
        SqliteException { SqliteErrorCode: 5 or 6 or 8 or 9 or 10 or 11 or 13 or 14 or 15 or 26 } =>
            new DatabaseUnavailableException(error.Message, error),
        _ => error,
    };

    private Writer Open()
    {
        MakeFile();
        return writer.Value;
    }

    private SqliteSession Rent()
    {
        if (disposed) throw new DatabaseUnavailableException("The server is stopping.");
        if (idle.TryTake(out var session)) return session;
        MakeFile();
        return new SqliteSession(path, readOnly: true);
    }

    /// <summary>A new database is its owner's alone, as are the files that SQLite puts beside it: it holds hashes and tokens.</summary>
    private void MakeFile()
    {
        // Once: a file that is taken away from under a running server is not replaced by an empty one.
        if (made) return;
        try
        {
            if (File.Exists(path))
            {
                made = true;
                return;
            }
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            using var file = new FileStream(path, options);
            made = true;
        }
        catch (IOException) when (File.Exists(path))
        {
            // Another process made it.
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new DatabaseUnavailableException($"The database {path} cannot be made: {error.Message}", error);
        }
    }

    private void Return(SqliteSession session)
    {
        idle.Add(session);
        if (disposed && idle.TryTake(out var late)) late.Dispose();
    }
}

/// <summary>The database cannot be used just now. Answered with 503; readiness is false until it can.</summary>
public sealed class DatabaseUnavailableException : Exception
{
    /// <summary>Says why, for the log.</summary>
    public DatabaseUnavailableException(string message, Exception? inner = null) : base(message, inner)
    {
    }
}
