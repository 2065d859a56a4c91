using System.Runtime.InteropServices;
using Gatehouse.Http;

namespace Gatehouse.Crypto;

/// <summary>The threads that hash passwords: so many at once, so many waiting, and none of the threads that answer requests.</summary>
public sealed partial class PasswordWork : IDisposable
{
    // What 16 waiting for each thread take, at about a tenth of a second each.
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(2);

    private readonly object gate = new();
    private readonly LinkedList<Job> waiting = [];
    private readonly Thread[] threads;
    private readonly int limit;
    private int unfinished;
    private bool disposed;

    /// <summary>Starts the threads.</summary>
    /// <param name="threads">How many hash at once. Default: one for each processor.</param>
    /// <param name="waiting">How many may wait besides. Default: 16 for each thread.</param>
    public PasswordWork(int? threads = null, int? waiting = null)
    {
        var count = threads ?? Environment.ProcessorCount;
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1, nameof(threads));
        ArgumentOutOfRangeException.ThrowIfNegative(waiting ?? 0, nameof(waiting));
        limit = count + (waiting ?? 16 * count);
        this.threads = [.. Enumerable.Range(1, count).Select(n => new Thread(Work) { IsBackground = true, Name = $"Gatehouse passwords {n}" })];
        foreach (var thread in this.threads) thread.Start();
    }

    /// <summary>Runs <paramref name="work"/> on one of the threads.</summary>
    /// <param name="work">A computation, such as <see cref="PasswordHashes.Verify"/>.</param>
    /// <param name="ct">Gives up the place in the queue; work that has begun is finished.</param>
    /// <exception cref="OverloadedException">Too many are waiting already.</exception>
    public Task<T> RunAsync<T>(Func<T> work, CancellationToken ct)
    {
        var job = new Job<T>(work);
        job.Cancellation = ct.UnsafeRegister((_, token) => Drop(job, token), null);
        lock (gate)
        {
            if (!job.Task.IsCompleted && !disposed && unfinished < limit)
            {
                unfinished++;
                job.Place = waiting.AddLast(job);
                Monitor.Pulse(gate);
                return job.Task;
            }
        }

        job.Cancellation.Dispose();
        ObjectDisposedException.ThrowIf(disposed, this);
        return job.Task.IsCompleted ? job.Task : throw new OverloadedException(RetryAfter);
    }

    /// <summary>Finishes what runs, and gives up what waits.</summary>
    public void Dispose()
    {
        List<Job> left;
        lock (gate)
        {
            disposed = true;
            left = [.. waiting];
            waiting.Clear();
            Monitor.PulseAll(gate);
        }

        foreach (var job in left)
        {
            job.Cancellation.Dispose();
            job.Fail(new ObjectDisposedException(nameof(PasswordWork)));
        }

        foreach (var thread in threads) thread.Join();
    }

    private void Work()
    {
        // On Linux a priority belongs to the thread: hashing gives way to whatever answers requests.
        if (OperatingSystem.IsLinux()) _ = SetPriority(which: 0, who: 0, priority: 5);

        while (Next() is { } job)
        {
            job.Cancellation.Dispose();
            var finish = job.Run();
            lock (gate) unfinished--;
            finish();
        }
    }

    private Job? Next()
    {
        lock (gate)
        {
            while (waiting.Count == 0 && !disposed) Monitor.Wait(gate);
            if (waiting.First is not { } first) return null;

            waiting.RemoveFirst();
            return first.Value;
        }
    }

    private void Drop(Job job, CancellationToken ct)
    {
        lock (gate)
        {
            // Not yet in the queue, or still in it: anything else has begun.
            if (job.Place is { List: null }) return;
            if (job.Place is { } place)
            {
                waiting.Remove(place);
                unfinished--;
            }

            job.Cancel(ct);
        }
    }

    [LibraryImport("libc", EntryPoint = "setpriority")]
    private static partial int SetPriority(int which, uint who, int priority);

    private abstract class Job
    {
        public LinkedListNode<Job>? Place { get; set; }

        public CancellationTokenRegistration Cancellation { get; set; }

        /// <summary>Does the work; what comes back tells the waiting caller.</summary>
        public abstract Action Run();

        public abstract void Fail(Exception exception);

        public abstract void Cancel(CancellationToken ct);
    }

    private sealed class Job<T>(Func<T> work) : Job
    {
        private readonly TaskCompletionSource<T> completion = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task<T> Task => completion.Task;

        public override Action Run()
        {
            try
            {
                var result = work();
                return () => completion.TrySetResult(result);
            }
            catch (Exception exception)
            {
                return () => completion.TrySetException(exception);
            }
        }

        public override void Fail(Exception exception) => completion.TrySetException(exception);

        public override void Cancel(CancellationToken ct) => completion.TrySetCanceled(ct);
    }
}
