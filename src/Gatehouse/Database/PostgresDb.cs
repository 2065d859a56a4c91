using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using System.Security.Cryptography;
using System.Text;
using Gatehouse.Users;
using Microsoft.AspNetCore.Http;
using Npgsql;
using NpgsqlTypes;

namespace Gatehouse.Database;

/// <summary>
/// A PostgreSQL database: pooled connections, statements that Npgsql prepares on each, and a transaction of its own for each write, READ
/// COMMITTED, which runs again when another came in between.
/// </summary>
internal sealed class PostgresDb : Db
{
    private const int MostAttempts = 6;
    // Look-ups and commits.
    private const int ForGathered = 2 * RoundTrips<IAsked>.MostAtATime;

    private static readonly Sql<string> ReadOnly = new("SELECT current_setting('transaction_read_only')", row => row.Text(0));

    private readonly NpgsqlDataSource source, gathered;
    private readonly LookUps lookUps;
    private readonly GroupCommit groupCommit;
    private readonly ConcurrentDictionary<Sql, Statement> statements = [];

    public PostgresDb(string url)
    {
        var settings = DatabaseUrl.Postgres(url);
        Name = $"PostgreSQL database {settings.Database} on {settings.Host}";
        // The pool hands out its connections in turn, so with many each is cold: what gathers has a few to itself.
        if (settings.MaxPoolSize >= 2 * ForGathered)
        {
            var few = new NpgsqlConnectionStringBuilder(settings.ToString()) { MinPoolSize = 0, MaxPoolSize = ForGathered };
            settings.MaxPoolSize -= ForGathered;
            settings.MinPoolSize = Math.Min(settings.MinPoolSize, settings.MaxPoolSize);
            (source, gathered) = (Build(settings), Build(few));
        }
        else
        {
            source = gathered = Build(settings);
        }
        lookUps = new LookUps(gathered, (command, read) => ReadAsync(
            Again(command),
            async reader =>
            {
                await read(reader);
                return true;
            },
            CancellationToken.None));
        groupCommit = new GroupCommit(gathered);
    }

    public override string Name { get; }

    public override SqlTexts Texts { get; } = new(isPostgres: true);

    public override Task<T?> FirstAsync<T>(Sql<T> sql, CancellationToken ct, params ReadOnlySpan<(string Name, object? Value)> parameters) where T : default =>
        ReadAsync(Bind(sql, parameters), reader => FirstAsync(reader, sql.Read, ct), ct);

    public override Task<T?> FindAsync<T>(Sql<T> sql, CancellationToken ct, params ReadOnlySpan<(string Name, object? Value)> parameters) where T : default =>
        lookUps.FindAsync(Bind(sql, parameters), sql.Read, ct);

    public override Task<List<T>> AllAsync<T>(Sql<T> sql, CancellationToken ct, params ReadOnlySpan<(string Name, object? Value)> parameters) =>
        ReadAsync(Bind(sql, parameters), reader => AllAsync(reader, sql.Read, ct), ct);

    public override async Task<T> ReadAsync<T>(Func<Tx, Task<T>> work, CancellationToken ct)
    {
        try
        {
            await using var connection = await source.OpenConnectionAsync(ct);
            // With its connection it ends.
            return await work(new PostgresTx(this, connection, PostgresTx.BeginSnapshot));
        }
        catch (Exception error) when (Translate(error) is { } unavailable)
        {
            throw unavailable;
        }
    }

    public override Task<T> WriteAsync<T>(Func<Tx, Task<T>> work, CancellationToken ct) => WriteAsync(work, isDurable: true, ct);

    public override Task<T> WriteRelaxedAsync<T>(Func<Tx, Task<T>> work, CancellationToken ct) => WriteAsync(work, isDurable: false, ct);

    public override Task<bool?> TryTogetherAsync(Sql sql, CancellationToken ct, params ReadOnlySpan<(string Name, object? Value)> parameters) =>
        groupCommit.TryAsync(Bind(sql, parameters), ct);

    protected override async Task<bool> TryWriteAsync(CancellationToken ct) => await FirstAsync(ReadOnly, ct) == "off";

    public override void Dispose()
    {
        source.Dispose();
        gathered.Dispose();
    }

    /// <summary>A statement with its parameters, ready to be sent.</summary>
    internal NpgsqlBatchCommand Bind(Sql sql, ReadOnlySpan<(string Name, object? Value)> parameters)
    {
        if (!statements.TryGetValue(sql, out var statement))
        {
            statement = new Statement(Texts.Of(sql, parameters), [.. NamesOf(parameters)]);
            statements.TryAdd(sql, statement);
        }
        if (parameters.Length != statement.Names.Length)
            throw new ArgumentException($"The statement has {statement.Names.Length} parameters, and {parameters.Length} were given.", nameof(parameters));
        var command = new NpgsqlBatchCommand(statement.Text);
        for (var i = 0; i < parameters.Length; i++)
        {
            if (parameters[i].Name != statement.Names[i])
                throw new ArgumentException($"The parameters of a statement keep their order; '{parameters[i].Name}' came at {i}.", nameof(parameters));
            var (value, type) = Spell(parameters[i].Value);
            var parameter = new NpgsqlParameter { Value = value };
            // A null says nothing about its type, and a statement is prepared for types: what came before it tells, or else the server.
            if (value is not DBNull) statement.Types[i] = type;
            if (statement.Types[i] is var known and not NpgsqlDbType.Unknown) parameter.NpgsqlDbType = known;
            command.Parameters.Add(parameter);
        }
        return command;

        static List<string> NamesOf(ReadOnlySpan<(string Name, object? Value)> parameters)
        {
            var names = new List<string>();
            foreach (var (name, _) in parameters) names.Add(name);
            return names;
        }
    }

    internal static async Task<T?> FirstAsync<T>(NpgsqlDataReader reader, Func<Row, T> read, CancellationToken ct) =>
        await reader.ReadAsync(ct) ? read(new Row(reader)) : default;

    internal static async Task<List<T>> AllAsync<T>(NpgsqlDataReader reader, Func<Row, T> read, CancellationToken ct)
    {
        var rows = new List<T>();
        while (await reader.ReadAsync(ct)) rows.Add(read(new Row(reader)));
        return rows;
    }

    private static NpgsqlDataSource Build(NpgsqlConnectionStringBuilder settings)
    {
        var attributes = settings.TargetSessionAttributes;
        var builder = new NpgsqlDataSourceBuilder(new NpgsqlConnectionStringBuilder(settings.ToString()) { TargetSessionAttributes = null }.ToString());
        if (!settings.Host!.Contains(',')) return builder.Build();

        // Reads too: what is read must be what was written last.
        return builder.BuildMultiHost().WithTargetSession(
            string.Equals(attributes, "any", StringComparison.OrdinalIgnoreCase) ? TargetSessionAttributes.Any : TargetSessionAttributes.Primary);
    }

    private async Task<T> ReadAsync<T>(NpgsqlBatchCommand command, Func<NpgsqlDataReader, Task<T>> read, CancellationToken ct)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await using var connection = await source.OpenConnectionAsync(ct);
                await using var batch = new NpgsqlBatch(connection) { BatchCommands = { command } };
                await using var reader = await batch.ExecuteReaderAsync(ct);
                return await read(reader);
            }
            catch (NpgsqlException error) when (attempt == 1 && IsOfBefore(error))
            {
                source.Clear();
            }
            catch (Exception error) when (Translate(error) is { } unavailable)
            {
                throw unavailable;
            }
            command = Again(command);
        }
    }

    private async Task<T> WriteAsync<T>(Func<Tx, Task<T>> work, bool isDurable, CancellationToken ct)
    {
        for (var attempt = 1; ; attempt++)
        {
            var isCommitting = false;
            ExceptionDispatchInfo failure;
            try
            {
                await using var connection = await source.OpenConnectionAsync(ct);
                // What is not committed is rolled back when its connection returns to the pool.
                var tx = new PostgresTx(this, connection, isDurable ? PostgresTx.Begin : PostgresTx.BeginRelaxed);
                var result = await work(tx);
                isCommitting = true;
                await tx.CommitAsync();
                return result;
            }
            catch (NpgsqlException error)
            {
                failure = ExceptionDispatchInfo.Capture(error);
            }
            catch (Exception error) when (Translate(error) is { } unavailable)
            {
                throw unavailable;
            }

            if (!MayTryAgain((NpgsqlException)failure.SourceException, attempt, isCommitting))
            {
                if (Translate(failure.SourceException) is { } unavailable) throw unavailable;
                // What a row refers to went meanwhile, and stays away: whoever asks again is told what is so now.
                if (isCommitting && failure.SourceException is PostgresException { SqlState: PostgresErrorCodes.ForeignKeyViolation } broken)
                    throw new DatabaseUnavailableException($"PostgreSQL: {broken.MessageText} ({broken.SqlState})", broken);
                failure.Throw();
            }
            if (IsOutdated((NpgsqlException)failure.SourceException)) source.Clear();
            // Not at the same moment as the one that it met.
            await Task.Delay(RandomNumberGenerator.GetInt32(1, 1 + 8 * attempt), CancellationToken.None);
        }
    }

    /// <summary>
    /// Whether nothing of the transaction stands and another try may end otherwise. When the connection breaks while it commits, nobody knows;
    /// then the caller is told that it failed, and does not get what it may have made.
    /// </summary>
    private static bool MayTryAgain(NpgsqlException error, int attempt, bool isCommitting) => error switch
    {
        PostgresException { SqlState: PostgresErrorCodes.SerializationFailure or PostgresErrorCodes.DeadlockDetected } => attempt < MostAttempts,
        // Somebody else's row of a moment ago, or a row that went a moment ago: the statements look again.
        PostgresException { SqlState: PostgresErrorCodes.UniqueViolation or PostgresErrorCodes.ForeignKeyViolation } => attempt < 3,
        _ => attempt == 1 && !isCommitting && IsOfBefore(error),
    };

    /// <summary>Whether the connection is of before the server's restart, or its plans of before somebody changed a table: so may be its neighbours in the pool.</summary>
    internal static bool IsOfBefore(NpgsqlException error) => WasCut(error) || IsOutdated(error);

    private static bool WasCut(NpgsqlException error) => error is PostgresException ended
        ? ended.SqlState is PostgresErrorCodes.AdminShutdown or PostgresErrorCodes.CrashShutdown or PostgresErrorCodes.IdleSessionTimeout
        : error is { IsTransient: true, InnerException: not TimeoutException };

    // "cached plan must not change result type": a column was altered under a prepared statement.
    private static bool IsOutdated(NpgsqlException error) => error is PostgresException { SqlState: PostgresErrorCodes.FeatureNotSupported };

    /// <summary>For what is not the statement's doing; else null.</summary>
    private static Exception? Translate(Exception error) => error switch
    {
        // Longer than its column, which SQLite does not look at: the caller's doing.
        PostgresException { SqlState: PostgresErrorCodes.StringDataRightTruncation or PostgresErrorCodes.NumericValueOutOfRange } =>
            new BadHttpRequestException("A value does not fit into its column.", StatusCodes.Status400BadRequest, error),
        // Connection, resources, operator, system, login, no such database, internal; a standby; a lock; a conflict that would not end.
        PostgresException
        {
            SqlState: ['0', '8', ..] or ['5', '3' or '7' or '8', ..] or ['2', '8', ..] or ['3', 'D', ..] or ['X', 'X', ..] or ['4', '0', ..]
            or PostgresErrorCodes.ReadOnlySqlTransaction or PostgresErrorCodes.LockNotAvailable
        } postgres =>
            new DatabaseUnavailableException($"PostgreSQL: {postgres.MessageText} ({postgres.SqlState})", error),
        PostgresException => null,
        NpgsqlException => new DatabaseUnavailableException($"PostgreSQL: {error.Message}", error),
        System.Net.Sockets.SocketException or TimeoutException => new DatabaseUnavailableException($"PostgreSQL: {error.Message}", error),
        ObjectDisposedException => new DatabaseUnavailableException("The server is stopping.", error),
        _ => null,
    };

    private static NpgsqlBatchCommand Again(NpgsqlBatchCommand command)
    {
        var again = new NpgsqlBatchCommand(command.CommandText);
        foreach (NpgsqlParameter parameter in command.Parameters) again.Parameters.Add(parameter.Clone());
        return again;
    }

    private static (object Value, NpgsqlDbType Type) Spell(object? value) => value switch
    {
        null => (DBNull.Value, NpgsqlDbType.Unknown),
        string text => (Storable(text), NpgsqlDbType.Text),
        long => (value, NpgsqlDbType.Bigint),
        int number => ((long)number, NpgsqlDbType.Bigint),
        UserId { Uuid: { } uuid } => (uuid, NpgsqlDbType.Uuid),
        UserId id => (id.Number, NpgsqlDbType.Bigint),
        bool => (value, NpgsqlDbType.Boolean),
        DateTimeOffset time => (time.UtcDateTime, NpgsqlDbType.TimestampTz),
        Guid => (value, NpgsqlDbType.Uuid),
        JsonText json => (Storable(json.Text), NpgsqlDbType.Jsonb),
        _ => throw new ArgumentException($"A parameter cannot be a {value.GetType().Name}."),
    };

    /// <summary>PostgreSQL's texts hold neither NUL nor half a surrogate pair: what cannot be there finds nothing, as U+FFFD.</summary>
    private static string Storable(string text)
    {
        if (text.Contains('\0')) text = text.Replace('\0', '\uFFFD');
        return text.AsSpan().IndexOfAnyInRange('\uD800', '\uDFFF') < 0 ? text : Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text));
    }

    private sealed record Statement(string Text, string[] Names)
    {
        public NpgsqlDbType[] Types { get; } = [.. Names.Select(_ => NpgsqlDbType.Unknown)];
    }
}

/// <summary>
/// A transaction on PostgreSQL, in as few round trips as there are answers to wait for: its beginning, and what <see cref="Lock"/> and
/// <see cref="Also"/> ask for, go along with the next statement, or with the commit.
/// </summary>
internal sealed class PostgresTx : Tx
{
    private static readonly Sql Exclusive = new("SELECT pg_advisory_xact_lock(@key)");
    private static readonly Sql Shared = new("SELECT pg_advisory_xact_lock_shared(@key)");

    public static readonly Sql Commit = new("COMMIT");
    public static readonly Sql[] Begin = [new("BEGIN ISOLATION LEVEL READ COMMITTED")];
    public static readonly Sql[] BeginRelaxed = [.. Begin, new("SET LOCAL synchronous_commit TO off")];
    public static readonly Sql[] BeginSnapshot = [new("BEGIN ISOLATION LEVEL REPEATABLE READ")];

    private readonly PostgresDb db;
    private readonly NpgsqlConnection connection;
    private readonly List<NpgsqlBatchCommand> waiting = [];
    // How many of those answer with a row.
    private int answers;

    public PostgresTx(PostgresDb db, NpgsqlConnection connection, Sql[] begin)
    {
        (this.db, this.connection) = (db, connection);
        foreach (var sql in begin) Also(sql);
    }

    public override Task<int> RunAsync(Sql sql, params ReadOnlySpan<(string Name, object? Value)> parameters) => RunAsync(Batch(db.Bind(sql, parameters)));

    public override void Also(Sql sql, params ReadOnlySpan<(string Name, object? Value)> parameters) => waiting.Add(db.Bind(sql, parameters));

    public override Task<T?> FirstAsync<T>(Sql<T> sql, params ReadOnlySpan<(string Name, object? Value)> parameters) where T : default =>
        ReadAsync(db.Bind(sql, parameters), reader => PostgresDb.FirstAsync(reader, sql.Read, CancellationToken.None));

    public override Task<List<T>> AllAsync<T>(Sql<T> sql, params ReadOnlySpan<(string Name, object? Value)> parameters) =>
        ReadAsync(db.Bind(sql, parameters), reader => PostgresDb.AllAsync(reader, sql.Read, CancellationToken.None));

    public override async Task ScriptAsync(string script)
    {
        if (waiting.Count > 0) await RunAsync(Batch());
        await using var command = new NpgsqlCommand(script, connection);
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>The number by which PostgreSQL knows a lock.</summary>
    public static long KeyOf(string name) => BitConverter.ToInt64(SHA256.HashData(Encoding.UTF8.GetBytes(name)));

    public override void Lock(string name, bool shared = false)
    {
        Also(shared ? Shared : Exclusive, ("key", KeyOf(name)));
        answers++;
    }

    /// <summary>Commits what was done, and what still waits to be sent.</summary>
    public Task CommitAsync() => RunAsync(Commit);

    private NpgsqlBatch Batch(params ReadOnlySpan<NpgsqlBatchCommand> last)
    {
        var batch = new NpgsqlBatch(connection);
        foreach (var command in waiting) batch.BatchCommands.Add(command);
        foreach (var command in last) batch.BatchCommands.Add(command);
        waiting.Clear();
        answers = 0;
        return batch;
    }

    private static async Task<int> RunAsync(NpgsqlBatch batch)
    {
        await using (batch)
        {
            await batch.ExecuteNonQueryAsync();
            return Math.Max(0, (int)batch.BatchCommands[^1].RecordsAffected);
        }
    }

    private async Task<T> ReadAsync<T>(NpgsqlBatchCommand command, Func<NpgsqlDataReader, Task<T>> read)
    {
        var before = answers;
        await using var batch = Batch(command);
        await using var reader = await batch.ExecuteReaderAsync();
        for (; before > 0; before--) await reader.NextResultAsync();
        return await read(reader);
    }
}
