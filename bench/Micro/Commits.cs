using System.Diagnostics;
using Gatehouse.Database;

namespace Gatehouse.Bench;

/// <summary>
/// Durable commits a second: one row each, in a table of their own, by so many callers at once through the server's own writer, which takes
/// the waiting ones into one flush. With one caller it is the rate of the disk.
/// </summary>
internal static class Commits
{
    private static readonly Sql Insert = new("INSERT INTO bench_commit (text) VALUES (@text)");

    public static async Task<double> RunAsync(string database, double seconds, int callers)
    {
        using var db = Db.Open("sqlite:///" + database);
        await db.WriteAsync(
            async tx =>
            {
                await tx.ScriptAsync("CREATE TABLE IF NOT EXISTS bench_commit (id INTEGER PRIMARY KEY, text TEXT NOT NULL)");
                return true;
            },
            CancellationToken.None);
        var row = new string('x', 300);
        var clock = Stopwatch.StartNew();
        var counts = await Task.WhenAll(Enumerable.Range(0, callers).Select(_ => Task.Run(async () =>
        {
            var count = 0;
            for (; clock.Elapsed.TotalSeconds < seconds; count++) await db.WriteAsync(tx => tx.RunAsync(Insert, ("text", row)), CancellationToken.None);
            return count;
        })));
        return counts.Sum() / clock.Elapsed.TotalSeconds;
    }
}
