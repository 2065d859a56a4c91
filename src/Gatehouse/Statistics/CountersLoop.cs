using System.Diagnostics;
using Gatehouse.Database;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Gatehouse.Statistics;

/// <summary>Brings what a server counts to the database, every few seconds and when it stops.</summary>
internal sealed class CountersLoop(Counters counters, ILogger<CountersLoop> log) : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);

    // Of many sessions, counting them takes a while: a thousandth of the time at the most goes into it.
    private const int SampleFactor = 1000;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var ticks = new PeriodicTimer(Interval);
        var (sampled, rest) = (0L, TimeSpan.Zero);
        while (await ticks.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                await counters.FlushAsync(stoppingToken);
                if (sampled != 0 && Stopwatch.GetElapsedTime(sampled) < rest) continue;
                sampled = Stopwatch.GetTimestamp();
                await counters.SampleAsync(stoppingToken);
                rest = SampleFactor * Stopwatch.GetElapsedTime(sampled);
            }
            catch (DatabaseUnavailableException)
            {
                // The counts are kept, and others tell that the database is away.
            }
            catch (Exception error) when (error is not OperationCanceledException)
            {
                log.NotCounted(error);
            }
        }
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        try
        {
            await counters.FlushAsync(cancellationToken);
        }
        catch (Exception error)
        {
            log.NotCounted(error);
        }
    }
}

internal static partial class CountersLog
{
    [LoggerMessage(1803, LogLevel.Warning, "What happened lately could not be counted for the plots of the admin site")]
    public static partial void NotCounted(this ILogger logger, Exception error);
}
