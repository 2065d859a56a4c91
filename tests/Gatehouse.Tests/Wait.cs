using System.Diagnostics;
using Xunit;

namespace Gatehouse.Tests;

/// <summary>Waiting for what happens elsewhere, with a deadline that only a broken server reaches.</summary>
internal static class Wait
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    public static async Task UntilAsync(Func<Task<bool>> condition, string what)
    {
        var since = Stopwatch.GetTimestamp();
        using var ticks = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while (!await condition())
        {
            Assert.True(Stopwatch.GetElapsedTime(since) < Deadline, $"{what} did not happen within {Deadline.TotalSeconds} s.");
            await ticks.WaitForNextTickAsync();
        }
    }

    public static Task UntilAsync(Func<bool> condition, string what) => UntilAsync(() => Task.FromResult(condition()), what);
}
