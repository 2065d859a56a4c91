using System.Globalization;
using System.Text;
using Gatehouse.Administration;
using Microsoft.Extensions.DependencyInjection;
using static Gatehouse.Admin.AdminPage;

namespace Gatehouse.Admin;

/// <summary>What superusers see at a glance on the index: what has happened lately, drawn, and how the server is.</summary>
internal static class Overview
{
    private static readonly (ActivityPeriod Period, string Name, string Words, string Step, string Clock)[] Periods =
    [
        (ActivityPeriod.Hour, "hour", "the last hour", "minute", "HH:mm"),
        (ActivityPeriod.Day, "day", "the last day", "quarter of an hour", "HH:mm"),
        (ActivityPeriod.Week, "week", "the last week", "two hours", "MMM d"),
    ];

    public static async Task<string> HtmlAsync(AdminPage site)
    {
        var period = Array.Find(Periods, one => one.Name == site.Query("last")) is { Name: not null } asked ? asked : Periods[0];
        var services = site.Http.RequestServices;
        var report = await services.GetRequiredService<RecentActivity>().ReadAsync(period.Period, site.Ct);
        var html = new StringBuilder("<section class=\"overview\" aria-labelledby=\"activity\">\n<div class=\"heading\"><h2 id=\"activity\">Activity</h2>\n<nav class=\"periods\" aria-label=\"Period of the plots\">");
        foreach (var one in Periods)
            html.Append(CultureInfo.InvariantCulture, $"<a href=\"?last={one.Name}\"{(one == period ? " aria-current=\"true\"" : "")}>{Capital(one.Name)}</a>");
        html.Append("</nav></div>\n<div class=\"plots\">\n");
        foreach (var plot in report.Plots) Draw(html, report, plot, period.Words, period.Step, period.Clock);
        html.Append("</div>\n</section>\n");
        await StateAsync(html, services.GetRequiredService<ServerState>(), site);
        return html.ToString();
    }

    private static void Draw(StringBuilder html, ActivityReport report, ActivityPlot plot, string words, string step, string clock)
    {
        var highest = Enumerable.Range(0, report.Steps).Max(at => plot.Series.Sum(series => series.Values[at] ?? 0));
        var top = Round(highest);
        var summary = plot.IsLevel
            ? $"{plot.Title} over {words}: {(Last(plot.Series[0]) is { } now ? $"now {Number(now)}, at most {Number(highest)}" : "not counted yet")}."
            : $"{plot.Title} over {words}: {string.Join(", ", plot.Series.Select(series => $"{series.Name} {Number(Total(series))}"))}. At most {Number(highest)} in a {step}.".Replace("a two", "two", StringComparison.Ordinal);

        html.Append(CultureInfo.InvariantCulture, $"<figure class=\"plot\"><figcaption><h3>{E(plot.Title)}</h3><span aria-hidden=\"true\">{Number(top)}</span></figcaption>\n")
            .Append(CultureInfo.InvariantCulture, $"<svg class=\"chart\" viewBox=\"0 0 {report.Steps * 10} 100\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{E(summary)}\">")
            .Append(CultureInfo.InvariantCulture, $"<path class=\"grid\" d=\"M0 0H{report.Steps * 10}M0 50H{report.Steps * 10}M0 100H{report.Steps * 10}\" vector-effect=\"non-scaling-stroke\"/>");
        if (plot.IsLevel) Line(html, plot.Series[0], top);
        else Columns(html, plot, report.Steps, top);
        html.Append("</svg>\n<div class=\"axis\" aria-hidden=\"true\">");
        foreach (var at in new[] { 0, report.Steps / 2 })
            html.Append(CultureInfo.InvariantCulture, $"<span>{(report.Start + at * report.Step).UtcDateTime.ToString(clock, CultureInfo.InvariantCulture)}</span>");
        html.Append("<span>now</span></div>\n");

        html.Append(plot.IsLevel
            ? "<table><thead><tr><th scope=\"col\">Kind</th><th scope=\"col\">Now</th><th scope=\"col\">Most</th></tr></thead>\n<tbody>\n"
            : "<table><thead><tr><th scope=\"col\">Kind</th><th scope=\"col\">Total</th><th scope=\"col\">Most</th></tr></thead>\n<tbody>\n");
        for (var i = 0; i < plot.Series.Count; i++)
        {
            var series = plot.Series[i];
            var figure = plot.IsLevel ? Last(series) : Total(series);
            html.Append(CultureInfo.InvariantCulture, $"<tr><th scope=\"row\"><svg viewBox=\"0 0 10 10\" aria-hidden=\"true\"><rect class=\"s{i + 1}\" width=\"10\" height=\"10\" rx=\"2\"/></svg>{E(series.Name)}</th>")
                .Append(CultureInfo.InvariantCulture, $"<td>{(figure is { } known ? Number(known) : "-")}</td><td>{Number(series.Values.Max() ?? 0)}</td></tr>\n");
        }
        html.Append("</tbody></table></figure>\n");
    }

    /// <summary>A column a step, the kinds on top of each other. One path a kind keeps the page small.</summary>
    private static void Columns(StringBuilder html, ActivityPlot plot, int steps, long top)
    {
        var floor = new long[steps];
        for (var i = 0; i < plot.Series.Count; i++)
        {
            var path = new StringBuilder();
            for (var at = 0; at < steps; at++)
            {
                var count = plot.Series[i].Values[at] ?? 0;
                if (count == 0) continue;
                var (low, high) = (Height(floor[at], top), Height(floor[at] += count, top));
                path.Append(CultureInfo.InvariantCulture, $"M{at * 10 + 1} {low:0.##}V{high:0.##}h8V{low:0.##}z");
            }
            if (path.Length > 0) html.Append(CultureInfo.InvariantCulture, $"<path class=\"s{i + 1}\" d=\"{path}\"/>");
        }
    }

    private static void Line(StringBuilder html, ActivitySeries series, long top)
    {
        var points = series.Values.Select((value, at) => (X: at * 10 + 5, Value: value)).Where(point => point.Value is not null).Select(point => (point.X, Y: Height(point.Value!.Value, top))).ToList();
        if (points.Count == 0) return;
        var line = string.Join('L', points.Select(point => string.Create(CultureInfo.InvariantCulture, $"{point.X} {point.Y:0.##}")));
        html.Append(CultureInfo.InvariantCulture, $"<path class=\"area\" d=\"M{points[0].X} 100L{line}V100z\"/>")
            // A single point has no length.
            .Append(CultureInfo.InvariantCulture, $"<path class=\"line\" d=\"M{points[0].X - 5} {points[0].Y:0.##}L{line}h5\" vector-effect=\"non-scaling-stroke\"/>");
    }

    private static double Height(long value, long top) => 100 - 100.0 * value / top;

    private static long Total(ActivitySeries series) => series.Values.Sum() ?? 0;

    private static long? Last(ActivitySeries series) => series.Values.LastOrDefault(value => value is not null);

    /// <summary>The next round number: what the upper line stands for.</summary>
    private static long Round(long highest)
    {
        for (long unit = 1; ; unit *= 10)
            foreach (var factor in (ReadOnlySpan<int>)[1, 2, 3, 4, 5, 6, 8])
                if (unit * factor >= highest) return unit * factor;
    }

    private static async Task StateAsync(StringBuilder html, ServerState server, AdminPage site)
    {
        html.Append("<section class=\"app state\" aria-labelledby=\"state\">\n<h2 id=\"state\">Server</h2>\n<dl>\n");
        foreach (var line in await server.ReadAsync(site.Ct))
            html.Append(CultureInfo.InvariantCulture, $"<div><dt>{E(line.Name)}</dt><dd{(line.IsGood ? "" : " class=\"bad\"")}>{(line.IsGood ? "" : "<strong>Look:</strong> ")}{E(line.Text)}</dd></div>\n");
        var issues = server.DeployIssues;
        if (issues.Count == 0)
        {
            html.Append("<div><dt>check --deploy</dt><dd>finds nothing</dd></div>\n</dl>\n");
        }
        else
        {
            html.Append("</dl>\n")
                .Append(CultureInfo.InvariantCulture, $"<details><summary><code>gatehouse check --deploy</code> warns of {(issues.Count == 1 ? "1 setting" : $"{issues.Count} settings")}</summary>\n<ul>\n")
                .AppendJoin('\n', issues.Select(issue => $"<li>{E(issue)}</li>")).Append("\n</ul></details>\n");
        }
        html.Append("</section>\n");
    }
}
