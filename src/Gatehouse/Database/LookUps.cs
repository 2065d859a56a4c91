using Npgsql;

namespace Gatehouse.Database;

/// <summary>
/// Look-ups of several requests in one round trip to PostgreSQL, which costs both sides more than a look-up does. Each by itself, after those
/// that it went with have failed.
/// </summary>
internal sealed class LookUps
{
    private readonly NpgsqlDataSource source;
    private readonly Func<NpgsqlBatchCommand, Func<NpgsqlDataReader, Task>, Task> alone;
    private readonly RoundTrips<LookUp> roundTrips;

    public LookUps(NpgsqlDataSource source, Func<NpgsqlBatchCommand, Func<NpgsqlDataReader, Task>, Task> alone)
    {
        (this.source, this.alone) = (source, alone);
        roundTrips = new RoundTrips<LookUp>(AskAsync, TimeProvider.System);
    }

    /// <param name="command">A statement that finds its row by an index: what is slow would keep the others waiting.</param>
    /// <param name="read">Reads the row.</param>
    /// <param name="ct">Gives up one that has not been sent.</param>
    public Task<T?> FindAsync<T>(NpgsqlBatchCommand command, Func<Row, T> read, CancellationToken ct)
    {
        var one = new LookUp<T>(command, read, ct);
        roundTrips.Add(one);
        return one.Answer;
    }

    private async Task AskAsync(List<LookUp> together)
    {
        var answered = 0;
        try
        {
            await using var connection = await source.OpenConnectionAsync(CancellationToken.None);
            await using var batch = new NpgsqlBatch(connection);
            foreach (var one in together) batch.BatchCommands.Add(one.Command);
            await using var reader = await batch.ExecuteReaderAsync(CancellationToken.None);
            while (true)
            {
                await together[answered].ReadAsync(reader);
                if (++answered == together.Count) return;
                await reader.NextResultAsync(CancellationToken.None);
            }
        }
        catch (NpgsqlException error) when (error.InnerException is TimeoutException)
        {
            // Nobody waits twice for a server that does not answer, or for a connection where there is none.
            var late = new DatabaseUnavailableException($"PostgreSQL: {error.Message}", error);
            foreach (var one in together[answered..]) one.Fail(late);
        }
        catch (Exception error)
        {
            if (error is NpgsqlException failure && PostgresDb.IsOfBefore(failure)) source.Clear();
            // What failed one has failed all: each by itself, which tries again where that may help, and says what is wrong.
            foreach (var one in together[answered..]) _ = one.AskAloneAsync(alone);
        }
    }

    private abstract class LookUp(NpgsqlBatchCommand command) : IAsked
    {
        public NpgsqlBatchCommand Command => command;

        public abstract bool IsGivenUp();

        public abstract Task ReadAsync(NpgsqlDataReader reader);

        public abstract void Fail(Exception error);

        public abstract Task AskAloneAsync(Func<NpgsqlBatchCommand, Func<NpgsqlDataReader, Task>, Task> alone);
    }

    private sealed class LookUp<T>(NpgsqlBatchCommand command, Func<Row, T> read, CancellationToken ct) : LookUp(command)
    {
        // The round trip does not wait for what its requests do next.
        private readonly TaskCompletionSource<T?> answer = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task<T?> Answer => answer.Task;

        public override bool IsGivenUp() => ct.IsCancellationRequested && answer.TrySetCanceled(ct);

        public override async Task ReadAsync(NpgsqlDataReader reader)
        {
            if (!await reader.ReadAsync(CancellationToken.None))
            {
                answer.TrySetResult(default);
                return;
            }
            try
            {
                answer.TrySetResult(read(new Row(reader)));
            }
            catch (Exception error) when (error is not NpgsqlException)
            {
                Fail(error);
            }
        }

        public override void Fail(Exception error) => answer.TrySetException(error);

        public override async Task AskAloneAsync(Func<NpgsqlBatchCommand, Func<NpgsqlDataReader, Task>, Task> alone)
        {
            try
            {
                await alone(Command, ReadAsync);
            }
            catch (Exception error)
            {
                Fail(error);
            }
        }
    }
}
