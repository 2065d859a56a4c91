using System.Globalization;
using System.Text;
using Gatehouse.Administration;
using Microsoft.AspNetCore.Http;
using static Gatehouse.Admin.AdminPage;

namespace Gatehouse.Admin;

/// <summary>GET /admin/ and /admin/APP/: the models that the staff member may do something with.</summary>
internal static class IndexPage
{
    public static async Task<IResult> ShowAsync(AdminPage site)
    {
        var models = await VisibleAsync(site);
        var body = models.Count == 0 ? "<p>You don’t have permission to view or edit anything.</p>"
            : site.Staff.User.IsSuperuser
                ? $"<div class=\"columns home\"><div>\n{Apps(site, models)}{Own(site)}</div>\n<div>{await Overview.HtmlAsync(site)}{await RecentAsync(site)}</div></div>"
            : $"<div class=\"columns\"><div>\n{Apps(site, models)}</div>\n{await RecentAsync(site)}</div>";
        return await site.ShowAsync("Site administration", [], body);
    }

    public static async Task<IResult> ShowAppAsync(AdminPage site)
    {
        var models = (await VisibleAsync(site)).Where(model => model.App == site.Route("app")).ToList();
        return models.Count == 0 ? site.NotFound()
            : await site.ShowAsync($"{models[0].AppTitle} administration", [(models[0].AppTitle, null)], Apps(site, models));
    }

    private static async Task<List<Model>> VisibleAsync(AdminPage site) => [.. (await site.Database.ModelsAsync(site.Ct)).Where(site.Staff.SeesAnything)];

    private static string Apps(AdminPage site, IReadOnlyList<Model> models)
    {
        var html = new StringBuilder();
        foreach (var app in models.GroupBy(model => model.App))
        {
            var title = app.First().AppTitle;
            html.Append(CultureInfo.InvariantCulture, $"<section class=\"app\" aria-labelledby=\"app-{E(app.Key)}\">\n<h2 id=\"app-{E(app.Key)}\"><a href=\"/admin/{E(app.Key)}/\">{E(title)}</a></h2>\n<ul class=\"models\">\n");
            foreach (var model in app)
            {
                var (name, url) = (E(Capital(model.VerboseNamePlural)), Url(model));
                var sees = site.Staff.May("view", model);
                html.Append(CultureInfo.InvariantCulture, $"<li>{(sees ? $"<a href=\"{url}\">{name}</a>" : $"<span>{name}</span>")}")
                    .Append(site.Staff.May("add", model) ? $"<a class=\"add\" href=\"{url}add/\" aria-label=\"Add {E(model.VerboseName)}\">Add</a>" : "")
                    .Append(site.Staff.May("change", model) ? $"<a class=\"edit\" href=\"{url}\" aria-label=\"Change {E(model.VerboseNamePlural)}\">Change</a>"
                        : sees ? $"<a class=\"view\" href=\"{url}\" aria-label=\"View {E(model.VerboseNamePlural)}\">View</a>" : "")
                    .Append("</li>\n");
            }
            html.Append("</ul>\n</section>\n");
        }
        return html.ToString();
    }

    /// <summary>What Django's stack has no model for.</summary>
    private static string Own(AdminPage site) => !site.Staff.User.IsSuperuser ? "" :
        $"<section class=\"app\" aria-labelledby=\"app-gatehouse\">\n<h2 id=\"app-gatehouse\">Gatehouse</h2>\n<ul class=\"models\"><li><a href=\"{AuditPage.Url}\">Audit log</a></li><li><a href=\"{SigningKeysPage.Url}\">Signing keys</a></li></ul>\n</section>\n";

    private static async Task<string> RecentAsync(AdminPage site)
    {
        var recent = await site.Database.RecentAsync(site.Staff.User, 10, site.Ct);
        var models = await site.Database.ModelsAsync(site.Ct);
        var items = recent.Select(line =>
        {
            var model = models.FirstOrDefault(one => one.App == line.App && one.Name == line.Model);
            var name = line.Flag != 3 && model is not null && site.Staff.May("view", model)
                ? $"<a href=\"{E(Url(model, $"{line.Key}/change/"))}\">{E(line.Title)}</a>" : E(line.Title);
            var done = line.Flag switch { 1 => "Added", 3 => "Deleted", _ => "Changed" };
            return $"<li><span class=\"flag f{line.Flag}\">{done}</span> {name} <small>{E(model?.VerboseName ?? line.Model)}</small></li>";
        });
        return $"<section class=\"recent\" aria-labelledby=\"recent\"><h2 id=\"recent\">My recent actions</h2>\n{(recent.Count == 0 ? "<p>None available</p>" : $"<ul>\n{string.Join('\n', items)}\n</ul>")}</section>";
    }
}
