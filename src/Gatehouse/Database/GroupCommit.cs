using Npgsql;

namespace Gatehouse.Database;

/// <summary>
/// Writes of several requests, a statement each, in one transaction and one round trip to PostgreSQL: what <see cref="Writer"/> is to SQLite.
/// BEGIN, COMMIT and the flush cost more than such a statement does.
/// </summary>
/// <remarks>When it fails, whether it was committed or not, each is left to a transaction of its own, which looks at what is there.</remarks>
internal sealed class GroupCommit
{
    // Whom one waits for, the others would wait for too.
    private const string BriefWaits = "SET LOCAL lock_timeout TO 100";

    private readonly NpgsqlDataSource source;
    private readonly RoundTrips<Write> roundTrips;

    public GroupCommit(NpgsqlDataSource source)
    {
        this.source = source;
        roundTrips = new RoundTrips<Write>(CommitAsync, TimeProvider.System);
    }

    /// <returns>As <see cref="Db.TryTogetherAsync"/>.</returns>
    public Task<bool?> TryAsync(NpgsqlBatchCommand command, CancellationToken ct)
    {
        var one = new Write(command, ct);
        roundTrips.Add(one);
        return one.Answer;
    }

    private async Task CommitAsync(List<Write> together)
    {
        try
        {
            await using var connection = await source.OpenConnectionAsync(CancellationToken.None);
            await using var batch = new NpgsqlBatch(connection);
            foreach (var begin in PostgresTx.Begin) batch.BatchCommands.Add(new NpgsqlBatchCommand(begin.Postgres));
            batch.BatchCommands.Add(new NpgsqlBatchCommand(BriefWaits));
            foreach (var one in together) batch.BatchCommands.Add(one.Command);
            batch.BatchCommands.Add(new NpgsqlBatchCommand(PostgresTx.Commit.Postgres));
            await batch.ExecuteNonQueryAsync(CancellationToken.None);
            foreach (var one in together) one.Done(one.Command.RecordsAffected > 0);
        }
        catch (NpgsqlException error) when (error.InnerException is TimeoutException)
        {
            // Nobody waits twice for a server that does not answer.
            foreach (var one in together) one.Fail(new DatabaseUnavailableException($"PostgreSQL: {error.Message}", error));
        }
        catch (Exception error)
        {
            if (error is NpgsqlException failure && PostgresDb.IsOfBefore(failure)) source.Clear();
            foreach (var one in together) one.Done(null);
        }
    }

    private sealed class Write(NpgsqlBatchCommand command, CancellationToken ct) : IAsked
    {
        // The next group does not wait for what the requests of this one do now.
        private readonly TaskCompletionSource<bool?> answer = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public NpgsqlBatchCommand Command => command;

        public Task<bool?> Answer => answer.Task;

        public bool IsGivenUp() => ct.IsCancellationRequested && answer.TrySetCanceled(ct);

        public void Done(bool? isDone) => answer.TrySetResult(isDone);

        public void Fail(Exception error) => answer.TrySetException(error);
    }
}
