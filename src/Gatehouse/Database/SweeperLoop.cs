using System.Diagnostics;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Gatehouse.Database;

/// <summary>Runs the sweeper in a server: of all servers on a database, one at a time, once in each interval.</summary>
internal sealed class SweeperLoop(Db db, Sweeper sweeper, IEnumerable<ISweep> sweeps, GatehouseOptions options, TimeProvider clock, ILogger<SweeperLoop> log) : BackgroundService
{
    private static readonly TimeSpan LongestLook = TimeSpan.FromMinutes(1);

    private readonly Lease lease = new(db, "sweeper", clock);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (options.Sweeper.Enabled == false) return;
        var interval = options.Sweeper.Interval;
        // Looks oftener than it sweeps: whose turn it is, may have died.
        using var ticks = new PeriodicTimer(interval < LongestLook ? interval : LongestLook);
        while (await ticks.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                if (!await lease.TryTakeAsync(longest: interval, stoppingToken)) continue;
                var began = Stopwatch.GetTimestamp();
                var deleted = await sweeper.RunAsync(
                    sweeps, progress: null, stoppingToken, lease, onlyOwn: options.Sweeper.Enabled is null && options.Profile == Profile.Django);
                await lease.ReleaseAsync(interval, stoppingToken);
                if (deleted > 0) log.Swept(deleted, Stopwatch.GetElapsedTime(began).TotalSeconds);
            }
            catch (Exception error) when (error is not OperationCanceledException)
            {
                log.SweepFailed(error is DatabaseUnavailableException ? null : error, error.Message);
            }
        }
    }
}

internal static partial class SweeperLog
{
    [LoggerMessage(1801, LogLevel.Information, "Cleared {Count} rows whose time is over, in {Seconds:0.0} s")]
    public static partial void Swept(this ILogger logger, int count, double seconds);

    [LoggerMessage(1802, LogLevel.Warning, "Rows whose time is over were not cleared; it is tried again: {Reason}")]
    public static partial void SweepFailed(this ILogger logger, Exception? error, string reason);
}
