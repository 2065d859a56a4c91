using System.Collections.Concurrent;
using Microsoft.Data.Sqlite;

namespace Gatehouse.Database;

/// <summary>A SQLite file: reads on a few open connections, synchronous since they take microseconds; writes through the one <see cref="Writer"/>.</summary>
internal sealed class SqliteDb : Db
{
    private readonly string path;
    private readonly ConcurrentBag<SqliteSession> idle = [];
    private readonly Lazy<Writer> writer;
    private readonly Lock checkpointing = new();
    private SqliteSession? checkpointer;
    private readonly bool isOnlyRead;
    private bool made;
    private bool disposed;

    /// <param name="url"><c>sqlite:///file.db</c>.</param>
    /// <param name="isOnlyRead">Leaves the file, and what is beside it, as it is.</param>
    public SqliteDb(string url, bool isOnlyRead = false)
    {
        this.isOnlyRead = isOnlyRead;
        path = DatabaseUrl.SqlitePath(url);
        writer = new Lazy<Writer>(() => new Writer(path, Texts, Checkpoint));
    }

    public override SqlTexts Texts { get; } = new(isPostgres: false);

    public override string Name => path;

    public override bool IsThere => File.Exists(path);

    public override Task<T?> FirstAsync<T>(Sql<T> sql, CancellationToken ct, params ReadOnlySpan<(string Name, object? Value)> parameters) where T : default
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

    public override Task<List<T>> AllAsync<T>(Sql<T> sql, CancellationToken ct, params ReadOnlySpan<(string Name, object? Value)> parameters)
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

    public override async Task<T> ReadAsync<T>(Func<Tx, Task<T>> work, CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();
        try
        {
            MakeFile();
            using var session = new SqliteSession(path, readOnly: true, Texts);
            session.Execute("BEGIN");
            return await work(new SqliteTx(session));
        }
        catch (SqliteException error)
        {
            throw Translate(error);
        }
    }

    public override Task<T> WriteAsync<T>(Func<Tx, Task<T>> work, CancellationToken ct) => Open().RunAsync(work, durable: true, ct);

    public override Task<T> WriteRelaxedAsync<T>(Func<Tx, Task<T>> work, CancellationToken ct) => Open().RunAsync(work, durable: false, ct);

    public override Task<bool?> TryTogetherAsync(Sql sql, CancellationToken ct, params ReadOnlySpan<(string Name, object? Value)> parameters)
    {
        var values = parameters.ToArray();
        return WriteAsync<bool?>(async tx => await tx.RunAsync(sql, values) > 0, ct);
    }

    protected override Task<bool> TryWriteAsync(CancellationToken ct) => WriteRelaxedAsync(_ => Task.FromResult(true), ct);

    public override void Backup(string file)
    {
        // Under another name first: whoever finds that file has a whole one.
        var half = $"{file}.{System.Security.Cryptography.RandomNumberGenerator.GetHexString(12, lowercase: true)}.part";
        try
        {
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            new FileStream(half, options).Dispose();
            using (var source = new SqliteSession(path, readOnly: true, Texts)) source.CopyTo(half);
            File.Move(half, file, overwrite: false);
        }
        catch (SqliteException error)
        {
            throw new DatabaseUnavailableException($"The backup was not made: {error.Message}", error);
        }
        finally
        {
            File.Delete(half);
        }
    }

    public override void Checkpoint()
    {
        // Whoever is at it does it.
        if (!checkpointing.TryEnter()) return;
        try
        {
            if (disposed) return;
            checkpointer ??= new SqliteSession(path, readOnly: false, Texts);
            checkpointer.Execute("PRAGMA wal_checkpoint(PASSIVE)");
        }
        catch (SqliteException)
        {
            // Another program is at it, or the disk is full: the next one does it.
            checkpointer?.Dispose();
            checkpointer = null;
        }
        finally
        {
            checkpointing.Exit();
        }
    }

    public override void Dispose()
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
        if (isOnlyRead) throw new InvalidOperationException("This database is only read.");
        MakeFile();
        return writer.Value;
    }

    private SqliteSession Rent()
    {
        if (disposed) throw new DatabaseUnavailableException("The server is stopping.");
        if (idle.TryTake(out var session)) return session;
        MakeFile();
        return new SqliteSession(path, readOnly: true, Texts, leavesAll: isOnlyRead);
    }

    /// <summary>A new database is its owner's alone, as are the files that SQLite puts beside it: it holds hashes and tokens.</summary>
    private void MakeFile()
    {
        // Once: a file that is taken away from under a running server is not replaced by an empty one.
        if (made || isOnlyRead) return;
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

/// <summary>A transaction on SQLite: nothing in it ever waits.</summary>
internal sealed class SqliteTx(SqliteSession session) : Tx
{
    public override Task<int> RunAsync(Sql sql, params ReadOnlySpan<(string Name, object? Value)> parameters) =>
        Task.FromResult(session.Run(sql, parameters));

    public override void Also(Sql sql, params ReadOnlySpan<(string Name, object? Value)> parameters) => session.Run(sql, parameters);

    public override Task<T?> FirstAsync<T>(Sql<T> sql, params ReadOnlySpan<(string Name, object? Value)> parameters) where T : default =>
        Task.FromResult(session.First(sql, parameters));

    public override Task<List<T>> AllAsync<T>(Sql<T> sql, params ReadOnlySpan<(string Name, object? Value)> parameters) =>
        Task.FromResult(session.All(sql, parameters));

    public override Task ScriptAsync(string script)
    {
        session.Execute(script);
        return Task.CompletedTask;
    }

    public override void Lock(string name, bool shared = false)
    {
    }
}
