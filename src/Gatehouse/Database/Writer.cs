using System.Collections.Concurrent;
using System.Diagnostics;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Gatehouse.Database;

/// <summary>
/// The one writer of a SQLite database. It takes the waiting writes of all requests into one transaction, where one that fails leaves
/// nothing, and answers them after the commit: one flush to disk serves them all.
/// </summary>
internal sealed class Writer : IDisposable
{
    private const int MostInOneCommit = 256;

    // 48 MiB. Most pages are changed again and again, and a checkpoint writes each once, in an order that disks like least.
    private const int PagesToACheckpoint = 12_000;

    private static readonly Sql Savepoint = new("SAVEPOINT job");
    private static readonly Sql RollbackTo = new("ROLLBACK TO job");
    private static readonly Sql Release = new("RELEASE job");
    private static readonly Sql Commit = new("COMMIT");
    private static readonly Sql Rollback = new("ROLLBACK");

    private readonly string path;
    private readonly SqlTexts texts;
    private readonly Action checkpoint;
    private readonly BlockingCollection<Job> queue = [];
    private readonly Thread thread;
    // Opened by the thread, and again after a failure: another program's lock may be in the way of the first try.
    private SqliteSession? open;
    private bool flushing;
    private int pagesWritten;
    private Task? checkpointing;

    /// <param name="path">The file.</param>
    /// <param name="texts">How SQL is spelled.</param>
    /// <param name="checkpoint">Brings the log into the file, as far as it can; never fails.</param>
    public Writer(string path, SqlTexts texts, Action checkpoint)
    {
        this.path = path;
        this.texts = texts;
        this.checkpoint = checkpoint;
        thread = new Thread(Loop) { Name = "gatehouse writer", IsBackground = true };
        thread.Start();
    }

    /// <param name="work">Runs inside the transaction, perhaps twice; it may await nothing but its own statements.</param>
    /// <param name="durable">
    /// False for what may be lost in a power cut (throttle counters): it survives the end of the process, but waits for no flush.
    /// </param>
    /// <param name="ct">Gives up a write that has not begun. One that has begun is completed.</param>
    public Task<T> RunAsync<T>(Func<Tx, Task<T>> work, bool durable, CancellationToken ct)
    {
        var job = new Job<T>(work, durable, ct);
        try
        {
            queue.Add(job, CancellationToken.None);
        }
        catch (InvalidOperationException)
        {
            throw new DatabaseUnavailableException("The server is stopping.");
        }
        return job.Answer;
    }

    /// <summary>Finishes what is waiting, then closes the connection.</summary>
    public void Dispose()
    {
        queue.CompleteAdding();
        thread.Join();
        open?.Dispose();
        queue.Dispose();
    }

    private void Loop()
    {
        var batch = new List<Job>();
        foreach (var first in queue.GetConsumingEnumerable())
        {
            Take(first);
            while (batch.Count < MostInOneCommit && queue.TryTake(out var next)) Take(next);
            if (batch.Count == 0) continue;

            if (!TryCommit(batch) && batch.Count > 1)
                foreach (var job in batch) TryCommit([job]);
            foreach (var job in batch) job.Complete();
            batch.Clear();
            KeepLogShort();
        }

        void Take(Job job)
        {
            if (!job.GiveUp()) batch.Add(job);
        }
    }

    /// <returns>
    /// False when the commit itself failed: then nothing of the batch stands, and each job has that failure. A transaction
    /// that could not begin has waited for another program's lock, so it is not tried again job by job.
    /// </returns>
    private bool TryCommit(List<Job> batch)
    {
        var begun = false;
        SqliteSession? session = null;
        SqliteTx? tx = null;
        try
        {
            session = Open();
            tx = new SqliteTx(session);
            Flush(session, batch.Exists(job => job.Durable));
            BeginWrite(session);
            begun = true;
            // Most often all succeed. Otherwise they run again, each in a savepoint, which costs a copy of each page that it changes.
            if (!batch.TrueForAll(Run))
            {
                session.Run(Rollback, []);
                if (batch.Count == 1) return true;
                BeginWrite(session);
                foreach (var job in batch)
                {
                    session.Run(Savepoint, []);
                    if (!Run(job)) session.Run(RollbackTo, []);
                    session.Run(Release, []);
                }
            }
            session.Run(Commit, []);
            return true;
        }
        catch (Exception error)
        {
            // A deferred foreign key of one job, or a full disk, fails the commit of all.
            foreach (var job in batch) job.Fail(error);
            try
            {
                if (session is { InTransaction: true }) session.Run(Rollback, []);
            }
            catch (SqliteException)
            {
                // SQLite has rolled back by itself.
            }
            return !begun;
        }

        bool Run(Job job)
        {
            var done = job.Run(tx!);
            // A full disk ends the whole transaction: the next savepoint would begin, and commit, one of its own.
            return session!.InTransaction ? done : throw new DatabaseUnavailableException("The transaction was rolled back by SQLite.");
        }
    }

    /// <summary>
    /// Has the log brought into the database file while writes go on. What they have added by then is less, and is done here between two of them: the
    /// log begins anew only when nothing of it is left to do.
    /// </summary>
    private void KeepLogShort()
    {
        if (open is null) return;
        pagesWritten += open.TakePagesWritten();
        if (checkpointing is null && pagesWritten >= PagesToACheckpoint) checkpointing = Task.Run(checkpoint);
        if (checkpointing is not { IsCompleted: true }) return;
        checkpoint();
        (checkpointing, pagesWritten) = (null, 0);
    }

    /// <summary>
    /// SQLite waits for a lock by looking again and again, and ever more seldom, until each 0.1 s: then it finds the lock taken by who looks oftener. So
    /// this begins to look anew every few milliseconds.
    /// </summary>
    private static void BeginWrite(SqliteSession session)
    {
        var began = Stopwatch.GetTimestamp();
        while (!session.TryBegin())
            if (Stopwatch.GetElapsedTime(began).TotalSeconds > DbDefaults.LockTimeoutSeconds)
                throw new SqliteException("database is locked", raw.SQLITE_BUSY);
    }

    private SqliteSession Open()
    {
        if (open is not null) return open;
        open = new SqliteSession(path, readOnly: false, texts);
        flushing = true;
        return open;
    }

    private void Flush(SqliteSession session, bool needed)
    {
        if (needed == flushing) return;
        session.Execute(needed ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
        flushing = needed;
    }

    private abstract class Job(bool durable)
    {
        public bool Durable => durable;

        public abstract bool GiveUp();
        public abstract bool Run(Tx tx);
        public abstract void Fail(Exception error);
        public abstract void Complete();
    }

    private sealed class Job<T>(Func<Tx, Task<T>> work, bool durable, CancellationToken ct) : Job(durable)
    {
        private readonly TaskCompletionSource<T> answer = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private T? result;
        private Exception? failure;

        public Task<T> Answer => answer.Task;

        public override bool GiveUp() => ct.IsCancellationRequested && answer.TrySetCanceled(ct);

        public override bool Run(Tx tx)
        {
            failure = null;
            try
            {
                var running = work(tx);
                if (!running.IsCompleted)
                    throw new InvalidOperationException("A write may await nothing but its own statements.");
                result = running.GetAwaiter().GetResult();
                return true;
            }
            catch (Exception error)
            {
                failure = error;
                return false;
            }
        }

        // A job's own failure says more than that of the commit it spoilt.
        public override void Fail(Exception error) => failure ??= error;

        public override void Complete()
        {
            if (failure is null) answer.TrySetResult(result!);
            else answer.TrySetException(SqliteDb.Translate(failure));
        }
    }
}
