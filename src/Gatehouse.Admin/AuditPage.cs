using System.Globalization;
using System.Text;
using System.Text.Json;
using Gatehouse.Audit;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using static Gatehouse.Admin.AdminPage;

namespace Gatehouse.Admin;

/// <summary>/admin/gatehouse/audit/: who did what from where, for superusers; as a page, as CSV and as JSON lines.</summary>
internal static class AuditPage
{
    public const string Url = "/admin/gatehouse/audit/";

    private static readonly (string Name, string Words, TimeSpan? Back)[] Periods =
    [
        ("", "Any time", null), ("hour", "The last hour", TimeSpan.FromHours(1)), ("day", "The last day", TimeSpan.FromDays(1)), ("week", "The last 7 days", TimeSpan.FromDays(7)),
    ];

    public static async Task<IResult> HandleAsync(AdminPage site)
    {
        if (!site.Staff.User.IsSuperuser) return site.Forbidden();
        var log = site.Http.RequestServices.GetRequiredService<AuditLog>();
        var period = Array.Find(Periods, one => one.Name == site.Query("since")) is { Words: not null } chosen ? chosen : Periods[0];
        var query = new AuditQuery
        {
            Event = AuditLog.Events.Contains(site.Query("event")) ? site.Query("event") : "",
            Search = site.Query("q") is { Length: <= 200 } words && !words.Contains('\0') ? words.Trim() : "",
            Since = site.Operations.Now - period.Back,
            Before = AuditPoint.Parse(site.Query("before")),
        };
        // By a form with a CSRF token: an export is noted, and no link of somebody else's may cause that.
        if (site.IsPost)
        {
            var (values, error) = await site.FormAsync();
            if (error is not null) return error;
            var asCsv = values["format"].LastOrDefault() == "csv";
            await log.NoteExportAsync(site.Staff.User, Address(query, period.Name), asCsv ? "CSV" : "JSON lines");
            return new AuditExport(log, query with { Before = null }, asCsv, site.Operations.Now);
        }

        var (rows, next) = await log.ReadAsync(query, site.Ct);
        var head = await log.HeadAsync(site.Ct);
        var html = new StringBuilder();
        if (!log.IsEnabled) html.Append("<p class=\"errornote\">The audit log is off (<code>Audit:Enabled</code>): nothing is added to it.</p>\n");
        html.Append("<form class=\"search\" method=\"get\">\n<label for=\"q\">Search</label>\n")
            .Append(CultureInfo.InvariantCulture, $"<input type=\"search\" name=\"q\" id=\"q\" value=\"{E(query.Search)}\" placeholder=\"User, object, application or address\">\n")
            .Append("<label for=\"event\">Event</label><select name=\"event\" id=\"event\"><option value=\"\">Every event</option>");
        foreach (var name in AuditLog.Events) html.Append(CultureInfo.InvariantCulture, $"<option value=\"{name}\"{(name == query.Event ? " selected" : "")}>{Words(name)}</option>");
        html.Append("</select>\n<label for=\"since\">Time</label><select name=\"since\" id=\"since\">");
        foreach (var one in Periods) html.Append(CultureInfo.InvariantCulture, $"<option value=\"{one.Name}\"{(one == period ? " selected" : "")}>{one.Words}</option>");
        html.Append("</select>\n<button type=\"submit\" class=\"plain small\">Show</button>\n</form>\n");

        // Of a long log so much is looked through at once.
        var older = next is null ? "" : $"<p><a href=\"?{E(Address(query, period.Name))}&amp;before={next}\">{(rows.Count < query.Size ? $"Look further, before {Time(next.Time)}" : "Older")}</a></p>\n";
        if (rows.Count == 0)
        {
            html.Append(next is null ? "<p class=\"empty\">Nothing is noted that fits.</p>\n" : "<p class=\"empty\">Nothing so far is noted that fits.</p>\n").Append(older);
        }
        else
        {
            html.Append("<div class=\"scroll audit\" role=\"region\" tabindex=\"0\" aria-label=\"Audit log\"><table><thead><tr><th scope=\"col\">Time</th><th scope=\"col\">Event</th><th scope=\"col\">Who</th>"
                + "<th scope=\"col\">Whom or what</th><th scope=\"col\">Application</th><th scope=\"col\">From</th><th scope=\"col\">Detail</th></tr></thead>\n<tbody>\n");
            foreach (var row in rows)
                html.Append(CultureInfo.InvariantCulture, $"<tr><th scope=\"row\">{Time(row.Time)}</th><td>{Words(row.Event)}</td>{Cell(row.Username)}{Cell(row.About)}{Cell(row.Client)}{Cell(row.Address)}{Cell(row.Detail)}</tr>\n");
            html.Append("</tbody></table></div>\n");
            html.Append(older);
            html.Append(CultureInfo.InvariantCulture, $"<form method=\"post\" action=\"?{E(Address(query, period.Name))}\">{site.CsrfField()}<div class=\"submit\"><button type=\"submit\" name=\"format\" value=\"csv\">Export as CSV</button>")
                .Append("<button type=\"submit\" name=\"format\" value=\"jsonl\">Export as JSON lines</button></div></form>\n");
        }
        html.Append(head is null
            ? "<p class=\"count\">Nothing is sealed yet.</p>\n"
            : $"<p class=\"count head\">Sealed up to {Time(head.Time)}. Head of the chain, to be kept elsewhere: <code>{head.Position}:{E(head.Hash!)}</code></p>\n");
        return await site.ShowAsync("Audit log", [("Gatehouse", null), ("Audit log", null)], html.ToString());
    }

    private static string Cell(string text) => text.Length == 0 ? "<td><span class=\"none\">-</span></td>" : $"<td><bdi>{E(text)}</bdi></td>";

    private static string Words(string name) => Capital(name.Replace('_', ' '));

    private static string Address(AuditQuery query, string since) =>
        $"q={Uri.EscapeDataString(query.Search)}&event={query.Event}&since={since}";
}

/// <summary>All rows that a query finds, read and sent a thousand at a time.</summary>
internal sealed class AuditExport(AuditLog log, AuditQuery query, bool asCsv, DateTimeOffset now) : IResult
{
    public async Task ExecuteAsync(HttpContext httpContext)
    {
        var (response, ct) = (httpContext.Response, httpContext.RequestAborted);
        response.ContentType = asCsv ? "text/csv; charset=utf-8" : "application/jsonl";
        response.Headers.ContentDisposition = $"attachment; filename=gatehouse-audit-{now.UtcDateTime.ToString("yyyyMMdd-HHmmss", CultureInfo.InvariantCulture)}.{(asCsv ? "csv" : "jsonl")}";
        if (asCsv) await response.WriteAsync("id,time,event,user_id,username,about,client,address,detail,position,previous,hash\r\n", ct);
        for (var page = query with { Size = 1000 }; ;)
        {
            var (rows, next) = await log.ReadAsync(page, ct);
            await response.Body.WriteAsync(asCsv ? Encoding.UTF8.GetBytes(string.Concat(rows.Select(Csv))) : Json(rows), ct);
            if (next is null) return;
            page = page with { Before = next };
        }
    }

    private static string TimeOf(AuditRow row) => row.Time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture);

    private static string Csv(AuditRow row) => string.Create(
        CultureInfo.InvariantCulture,
        $"{row.Id},{TimeOf(row)},{row.Event},{Quoted(row.UserId)},{Quoted(row.Username)},{Quoted(row.About)},{Quoted(row.Client)},{Quoted(row.Address)},{Quoted(row.Detail)},{row.Position},{Quoted(row.Previous)},{Quoted(row.Hash)}\r\n");

    /// <summary>RFC 4180; and nothing that a spreadsheet would take for a formula.</summary>
    private static string Quoted(string? text) =>
        string.IsNullOrEmpty(text) ? "" : $"\"{("=+-@".Contains(text[0]) ? "'" : "")}{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";

    private static byte[] Json(IReadOnlyList<AuditRow> rows)
    {
        using var bytes = new MemoryStream();
        foreach (var row in rows)
        {
            using (var json = new Utf8JsonWriter(bytes))
            {
                json.WriteStartObject();
                json.WriteNumber("id", row.Id);
                json.WriteString("time", TimeOf(row));
                foreach (var (name, text) in ((string, string)[])[("event", row.Event), ("user_id", row.UserId), ("username", row.Username), ("about", row.About), ("client", row.Client), ("address", row.Address), ("detail", row.Detail)])
                    json.WriteString(name, text);
                if (row.Position is { } position) json.WriteNumber("position", position);
                else json.WriteNull("position");
                json.WriteString("previous", row.Previous);
                json.WriteString("hash", row.Hash);
                json.WriteEndObject();
            }
            bytes.WriteByte((byte)'\n');
        }
        return bytes.ToArray();
    }
}
