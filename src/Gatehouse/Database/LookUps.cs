using System.Collections.Concurrent;
using Npgsql;

namespace Gatehouse.Database;

/// <summary>
/// Look-ups of several requests in one round trip to PostgreSQL. One that comes alone goes at once; those that come while others are on
/// their way gather, and go together. A round trip costs both sides more than a look-up does.
/// </summary>
/// <param name="source">Where connections come from.</param>
/// <param name="alone">Asks for one by itself, after those that it went with have failed.</param>
internal sealed class LookUps(NpgsqlDataSource source, Func<NpgsqlBatchCommand, Func<NpgsqlDataReader, Task>, Task> alone)
{
    private const int MostRoundTrips = 2;
    private const int MostInOne = 32;

    private readonly ConcurrentQueue<LookUp> waiting = [];
    private int underWay;

    /// <param name="command">A statement that finds its row by an index: what is slow would keep the others waiting.</param>
    /// <param name="read">Reads the row.</param>
    /// <param name="ct">Gives up one that has not been sent.</param>
    public Task<T?> FindAsync<T>(NpgsqlBatchCommand command, Func<Row, T> read, CancellationToken ct)
    {
        var one = new LookUp<T>(command, read, ct);
        waiting.Enqueue(one);
        if (MayBegin()) _ = RunAsync();
        return one.Answer;
    }

    private bool MayBegin()
    {
        if (Interlocked.Increment(ref underWay) <= MostRoundTrips) return true;
        Interlocked.Decrement(ref underWay);
        return false;
    }

    private async Task RunAsync()
    {
        var together = new List<LookUp>(MostInOne);
        // Looks again after it has ended: one may have come that found no room.
        do
        {
            while (true)
            {
                while (together.Count < MostInOne && waiting.TryDequeue(out var next))
                    if (!next.IsGivenUp()) together.Add(next);
                if (together.Count == 0) break;
                await AskAsync(together);
                together.Clear();
            }
            Interlocked.Decrement(ref underWay);
        }
        while (!waiting.IsEmpty && MayBegin());
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
        catch (Exception)
        {
            // What failed one has failed all: each by itself, which tries again where that may help, and says what is wrong.
            foreach (var one in together[answered..]) _ = one.AskAloneAsync(alone);
        }
    }

    private abstract class LookUp(NpgsqlBatchCommand command)
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
