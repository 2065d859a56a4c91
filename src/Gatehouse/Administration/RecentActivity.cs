using Gatehouse.Database;
using Gatehouse.Statistics;

namespace Gatehouse.Administration;

/// <summary>What has happened lately at all servers of the database, for plots.</summary>
public sealed class RecentActivity
{
    private static readonly (string Title, (string Name, Counted What)[] Series)[] Plots =
    [
        ("Logins", [("Logins", Counted.Login), ("Failures", Counted.LoginFailure)]),
        ("Tokens issued", [("OAuth access tokens", Counted.OAuthToken), ("JSON Web Tokens", Counted.Jwt), ("API tokens", Counted.ApiToken), ("ID tokens", Counted.IdToken)]),
        ("Requests refused",
        [
            ("Credentials missing or wrong (401)", Counted.Unauthenticated), ("Not permitted (403)", Counted.Forbidden), ("Too many (429)", Counted.Throttled),
            ("Not understood (400, 413, 415)", Counted.BadRequest), ("Overloaded, or no database (503)", Counted.Unavailable), ("Server errors (500)", Counted.ServerError),
        ]),
    ];

    private readonly Counters counters;

    internal RecentActivity(Counters counters) => this.counters = counters;

    /// <summary>Reads what was counted; what this server has counted this moment is in it.</summary>
    public async Task<ActivityReport> ReadAsync(ActivityPeriod period, CancellationToken ct)
    {
        try
        {
            await counters.FlushAsync(ct);
        }
        catch (DatabaseUnavailableException)
        {
            // What can be read is shown.
        }
        var width = (int)period;
        var (seconds, steps) = Counters.Widths[width];
        var (first, rows) = await counters.ReadAsync(width, ct);
        var values = rows.ToLookup(row => row.Name);
        return new ActivityReport(
            DateTimeOffset.FromUnixTimeSeconds(first), TimeSpan.FromSeconds(seconds), steps,
            [
                .. Plots.Select(plot => new ActivityPlot(plot.Title, IsLevel: false, [.. plot.Series.Select(series => new ActivitySeries(series.Name, Values(series.What.ToString(), 0)))])),
                new ActivityPlot("Active sessions", IsLevel: true, [new ActivitySeries("Sessions", Values(Counters.Sessions, null))]),
            ]);

        long?[] Values(string name, long? none)
        {
            var all = Enumerable.Repeat(none, steps).ToArray();
            foreach (var row in values[name])
                if ((row.Start - first) / seconds is >= 0 and var at && at < steps) all[at] = row.Count;
            return all;
        }
    }
}

/// <summary>How far back a report goes.</summary>
public enum ActivityPeriod
{
    /// <summary>60 minutes, by the minute.</summary>
    Hour,

    /// <summary>24 hours, by the quarter of an hour.</summary>
    Day,

    /// <summary>7 days, by two hours.</summary>
    Week,
}

/// <summary>What has happened in a period.</summary>
/// <param name="Start">When its first step begins.</param>
/// <param name="Step">How long one is.</param>
/// <param name="Steps">How many there are; the last is not over.</param>
/// <param name="Plots">What to draw.</param>
public sealed record ActivityReport(DateTimeOffset Start, TimeSpan Step, int Steps, IReadOnlyList<ActivityPlot> Plots);

/// <summary>What belongs into one plot.</summary>
/// <param name="Title">For people.</param>
/// <param name="IsLevel">Whether the values are how many there are at a moment; else how often something happened in a step.</param>
/// <param name="Series">Each kind of it.</param>
public sealed record ActivityPlot(string Title, bool IsLevel, IReadOnlyList<ActivitySeries> Series);

/// <summary>The values of one kind.</summary>
/// <param name="Name">For people.</param>
/// <param name="Values">One a step; null: nobody looked.</param>
public sealed record ActivitySeries(string Name, IReadOnlyList<long?> Values);
