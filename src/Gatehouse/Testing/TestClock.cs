namespace Gatehouse.Testing;

/// <summary>
/// A clock that stands still until the test moves it. Registered as <see cref="TimeProvider"/> it is what tokens expire by, sessions end by and
/// throttles count by.
/// </summary>
/// <param name="start">Null: 1 January 2026, 12:00 UTC.</param>
public sealed class TestClock(DateTimeOffset? start = null) : TimeProvider
{
    private long ticks = (start ?? new DateTimeOffset(2026, 1, 1, 12, 0, 0, TimeSpan.Zero)).UtcTicks;

    /// <summary>What time it is.</summary>
    public DateTimeOffset Now => new(Interlocked.Read(ref ticks), TimeSpan.Zero);

    /// <inheritdoc/>
    public override DateTimeOffset GetUtcNow() => Now;

    /// <summary>Moves on, or back.</summary>
    public void Advance(TimeSpan time) => Interlocked.Add(ref ticks, time.Ticks);
}
