using System.Collections.Concurrent;

namespace Gatehouse.Database;

/// <summary>
/// What several requests ask of PostgreSQL, in one round trip. What comes alone goes at once; what comes while others are on their way
/// gathers, and goes together: the more there is to do, the less each costs. A second round trip begins beside the first for a full load, or
/// when the first takes long: it may hang.
/// </summary>
/// <param name="send">Sends what has gathered, of which nothing is given up, and answers each; never throws.</param>
/// <param name="clock">Tells what takes long.</param>
internal sealed class RoundTrips<T>(Func<List<T>, Task> send, TimeProvider clock) where T : IAsked
{
    public const int MostAtATime = 2;

    private const int MostInOne = 32;

    private static readonly TimeSpan Long = TimeSpan.FromMilliseconds(50);

    private readonly ConcurrentQueue<T> waiting = [];
    private int underWay;
    private long lastBegun;

    public void Add(T one)
    {
        waiting.Enqueue(one);
        // Behind the requests that are being answered at this moment: what they ask goes along.
        if (MayBegin()) ThreadPool.UnsafeQueueUserWorkItem(static me => _ = me.RunAsync(), this, preferLocal: false);
    }

    private bool MayBegin()
    {
        for (var others = 0; others == 0 || (others < MostAtATime && (waiting.Count >= MostInOne || TakesLong()));)
        {
            var found = Interlocked.CompareExchange(ref underWay, others + 1, others);
            if (found == others)
            {
                Volatile.Write(ref lastBegun, clock.GetTimestamp());
                return true;
            }
            others = found;
        }
        return false;
    }

    private bool TakesLong() => clock.GetElapsedTime(Volatile.Read(ref lastBegun)) >= Long;

    private async Task RunAsync()
    {
        var together = new List<T>(MostInOne);
        // Looks again after it has ended: one may have come that found no room.
        do
        {
            while (true)
            {
                while (together.Count < MostInOne && waiting.TryDequeue(out var next))
                    if (!next.IsGivenUp()) together.Add(next);
                if (together.Count == 0) break;
                Volatile.Write(ref lastBegun, clock.GetTimestamp());
                await send(together);
                together.Clear();
            }
            Interlocked.Decrement(ref underWay);
        }
        while (!waiting.IsEmpty && MayBegin());
    }
}

/// <summary>One of what is gathered.</summary>
internal interface IAsked
{
    /// <summary>Whether nobody waits for it any more; asked before it is sent.</summary>
    bool IsGivenUp();
}
