using System.Collections.Concurrent;

namespace Gatehouse.Crypto;

/// <summary>
/// The results of pure work, by its input, so that nothing here can go stale. Bounded: when the newer half is full it becomes the older
/// one, and what nobody asked for meanwhile is forgotten.
/// </summary>
/// <param name="capacity">How many results at the most.</param>
internal sealed class Remembered<TKey, TValue>(int capacity) where TKey : notnull
{
    private readonly Lock turning = new();
    private volatile ConcurrentDictionary<TKey, TValue> newer = new();
    private volatile ConcurrentDictionary<TKey, TValue> older = new();

    public bool TryGet(TKey key, out TValue value)
    {
        if (newer.TryGetValue(key, out value!)) return true;
        if (!older.TryGetValue(key, out value!)) return false;

        Add(key, value);
        return true;
    }

    public void Add(TKey key, TValue value)
    {
        lock (turning)
        {
            if (newer.Count >= Math.Max(1, capacity / 2))
            {
                older = newer;
                newer = new();
            }
            newer.TryAdd(key, value);
        }
    }
}
