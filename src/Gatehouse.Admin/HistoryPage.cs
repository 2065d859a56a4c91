using Gatehouse.Administration;
using Microsoft.AspNetCore.Http;
using static Gatehouse.Admin.AdminPage;

namespace Gatehouse.Admin;

/// <summary>What was done to an object, here and in Django's admin (Django's <c>history_view</c>).</summary>
internal static class HistoryPage
{
    public static async Task<IResult> ShowAsync(AdminPage site, ModelRow row)
    {
        if (!site.Staff.May("view", row.Model)) return site.Forbidden();
        var lines = await site.Database.HistoryAsync(row.Model, row.Key, site.Ct);
        var body = lines.Count == 0
            ? "<p class=\"empty\">This object doesn’t have a change history. It probably wasn’t added via this admin site.</p>"
            : "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"History\"><table><thead><tr><th scope=\"col\">Date/time</th><th scope=\"col\">User</th><th scope=\"col\">Action</th></tr></thead>\n<tbody>\n"
                + string.Concat(lines.Select(line => $"<tr><th scope=\"row\">{Time(line.Time)}</th><td>{E(line.By)}</td><td>{E(line.Message)}</td></tr>\n"))
                + "</tbody></table></div>";
        return await site.ShowAsync($"Change history: {row.Title}", site.Trail(row.Model, (row.Title, Url(row, "change")), ("History", null)), body);
    }
}
