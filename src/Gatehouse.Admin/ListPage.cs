using System.Globalization;
using System.Text;
using Gatehouse.Administration;
using Microsoft.AspNetCore.Http;
using static Gatehouse.Admin.AdminPage;

namespace Gatehouse.Admin;

/// <summary>/admin/APP/MODEL/: a list with search, filters, order and pages, and what may be done to several objects (Django's <c>changelist_view</c>).</summary>
internal static class ListPage
{
    public const string Selected = "_selected_action";
    public const string DeleteSelected = "delete_selected";

    private const int PageSize = 100;
    private const int MostChoices = 50;

    public static async Task<IResult> HandleAsync(AdminPage site, Model model)
    {
        if (!site.Staff.May("view", model)) return site.Forbidden();
        if (!site.IsPost) return await ShowAsync(site, model);

        var (form, error) = await site.FormAsync();
        if (error is not null) return error;
        var back = Url(model) + site.Http.Request.QueryString;
        var chosen = form["action"].LastOrDefault() ?? "";
        var action = Actions(site, model).FirstOrDefault(one => one.Name == chosen);
        if (chosen.Length == 0)
        {
            await site.TellAsync("warning", "No action selected.");
            return site.Redirect(back);
        }
        if (action is null) return site.Forbidden();

        var rows = new List<ModelRow>();
        foreach (var key in form[Selected].Distinct().Take(PageSize))
            if (await site.Database.FindAsync(model, key, site.Ct) is { } row) rows.Add(row);
        if (rows.Count == 0)
        {
            await site.TellAsync("warning", "Items must be selected in order to perform actions on them. No items have been changed.");
            return site.Redirect(back);
        }
        return action.Name == DeleteSelected
            ? await DeletePage.DeleteSelectedAsync(site, model, rows, isConfirmed: form["post"].Any())
            : await RunAsync(site, model, action, rows, isConfirmed: form["post"].Any());
    }

    private static async Task<IResult> RunAsync(AdminPage site, Model model, ModelAction action, List<ModelRow> rows, bool isConfirmed)
    {
        if (isConfirmed)
        {
            if (await site.Operations.RunAsync(site.Staff, model, action, rows, site.Ct) is not { } count) return site.Forbidden();
            await site.TellAsync("success", string.Format(CultureInfo.InvariantCulture, action.Done, Counted(count, model)));
            return site.Redirect(Url(model));
        }
        return await site.ShowAsync(
            $"{action.Label}?", site.Trail(model, (action.Label, null)),
            $"""
            <p>{E(action.Question)}</p>
            <ul class="objects">
            {string.Concat(rows.Select(row => $"<li>{E(Capital(model.VerboseName))}: {E(row.Title)}</li>\n"))}</ul>
            {Confirmation(site, model, action.Name, rows)}
            """);
    }

    /// <summary>The form that says yes to an action.</summary>
    public static string Confirmation(AdminPage site, Model model, string action, IReadOnlyList<ModelRow> rows) =>
        $"""
        <form method="post" action="{Url(model)}">{site.CsrfField()}
        {string.Concat(rows.Select(row => $"<input type=\"hidden\" name=\"{Selected}\" value=\"{E(row.Key)}\">"))}
        <input type="hidden" name="action" value="{E(action)}"><input type="hidden" name="post" value="yes">
        <div class="submit"><button type="submit" class="danger">Yes, I’m sure</button> <a class="button" href="{Url(model)}">No, take me back</a></div>
        </form>
        """;

    private static List<ModelAction> Actions(AdminPage site, Model model)
    {
        List<ModelAction> actions = [.. model.Actions.Where(action => site.Staff.Has(action.Permission))];
        if (site.Staff.May("delete", model)) actions.Insert(0, new(DeleteSelected, $"Delete selected {model.VerboseNamePlural}", "", model.Permission("delete"), ""));
        return actions;
    }

    private static async Task<IResult> ShowAsync(AdminPage site, Model model)
    {
        var admin = ModelAdmin.Of(model);
        var asked = new Asked(site.Http.Request.Query, admin);
        if (asked.IsWrong) return site.Redirect(Url(model, "?e=1"));

        var order = asked.Order.TrimStart('-');
        ModelPage page;
        try
        {
            page = await site.Database.ListAsync(
                new ModelQuery(model)
                {
                    Search = asked.Search,
                    SearchFields = admin.Search,
                    Filters = asked.Filters,
                    OrderBy = order == "pk" ? "" : order,
                    IsDescending = asked.Order.StartsWith('-'),
                    Skip = (asked.Page - 1) * PageSize,
                    Size = PageSize,
                },
                site.Ct);
        }
        catch (ArgumentException)
        {
            // A filter with a value that its field cannot have.
            return site.Redirect(Url(model, "?e=1"));
        }

        var actions = Actions(site, model);
        var filters = await FiltersAsync(site, model, admin, asked);
        var table = page.Rows.Count == 0
            ? $"<p class=\"empty\">{(asked.IsNarrowed ? $"No {E(model.VerboseNamePlural)} match." : $"There are no {E(model.VerboseNamePlural)} yet.")}</p>"
            : Table(site, model, admin, asked, page, actions);
        var body =
            $"""
            {(asked.HadError ? "<p class=\"warning\">That address has a filter that this list does not know; the whole list is shown.</p>" : "")}
            <div class="list{(filters.Length > 0 ? " filtered" : "")}"><div class="rows">
            {SearchForm(model, admin, asked, page)}
            {table}
            {Pages(model, asked, page)}
            </div>
            {filters}</div>
            """;
        var add = site.Staff.May("add", model) ? $"<a class=\"button primary\" href=\"{Url(model, "add/")}\">Add {E(model.VerboseName)}</a>" : "";
        return await site.ShowAsync($"Select {model.VerboseName} to {(site.Staff.May("change", model) ? "change" : "view")}", site.Trail(model), body, add);
    }

    private static string SearchForm(Model model, ModelAdmin admin, Asked asked, ModelPage page)
    {
        var count = $"{Number(page.Count)}{(page.HasMore ? "+" : "")} {(page.Count == 1 ? E(model.VerboseName) : E(model.VerboseNamePlural))}";
        if (admin.Search.Length == 0) return $"<p class=\"count\">{count}</p>";
        var by = string.Join(", ", admin.Search.Select(path => path.Replace('.', ' ').Replace('_', ' ')));
        return $"""
            <form class="search" method="get" role="search" action="./">
            <label for="searchbar">Search {E(model.VerboseNamePlural)}</label>
            <input type="search" name="q" id="searchbar" value="{E(asked.Search)}" maxlength="200" aria-describedby="searchbar_helptext">
            {asked.Hidden("q", "p", "e")}<button type="submit">Search</button>
            <span class="count">{count}{(asked.IsNarrowed ? " <a href=\"?\">Show all</a>" : "")}</span>
            <small id="searchbar_helptext">Looks for each word in: {E(by)}.</small>
            </form>
            """;
    }

    private static string Table(AdminPage site, Model model, ModelAdmin admin, Asked asked, ModelPage page, List<ModelAction> actions)
    {
        var html = new StringBuilder();
        if (actions.Count > 0)
        {
            html.Append(CultureInfo.InvariantCulture, $"<form method=\"post\" id=\"changelist-form\" action=\"{E("./" + asked.With())}\">{site.CsrfField()}\n<div class=\"actions\"><label for=\"action\">Action:</label> <select name=\"action\" id=\"action\" required><option value=\"\">---------</option>")
                .Append(string.Concat(actions.Select(action => $"<option value=\"{E(action.Name)}\">{E(action.Label)}</option>")))
                .Append("</select> <button type=\"submit\" name=\"index\" value=\"0\">Go</button></div>\n");
        }
        html.Append(CultureInfo.InvariantCulture, $"<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"{E(Capital(model.VerboseNamePlural))}\">\n<table id=\"result_list\"><thead><tr>");
        if (actions.Count > 0) html.Append("<th scope=\"col\" class=\"check\"><span class=\"hidden\">Selected</span></th>");
        for (var i = 0; i < admin.List.Length; i++) html.Append(Heading(model, admin.List[i], i + 1, asked));
        html.Append("</tr></thead>\n<tbody>\n");
        foreach (var row in page.Rows)
        {
            html.Append("<tr>");
            if (actions.Count > 0)
                html.Append(CultureInfo.InvariantCulture, $"<td class=\"check\"><input type=\"checkbox\" name=\"{Selected}\" value=\"{E(row.Key)}\" aria-label=\"Select {E(row.Title)}\"></td>");
            for (var i = 0; i < admin.List.Length; i++)
            {
                var value = admin.List[i] == "pk" ? E(row.Key) : i == 0 && row[admin.List[i]] is ModelReference first ? E(first.Title) : site.Value(row, admin.List[i]);
                html.Append(i == 0 ? $"<th scope=\"row\"><a href=\"{E(Url(row, "change"))}\">{value}</a></th>" : $"<td>{value}</td>");
            }
            html.Append("</tr>\n");
        }
        html.Append("</tbody></table></div>\n");
        if (actions.Count > 0) html.Append("</form>\n");
        return html.ToString();
    }

    private static string Heading(Model model, string name, int number, Asked asked)
    {
        var label = E(Label(model, name));
        if (!Asked.IsSortable(model, name)) return $"<th scope=\"col\">{label}</th>";
        var sorted = asked.Order.TrimStart('-') == name;
        var descends = sorted && asked.Order[0] == '-';
        var url = asked.With(("o", sorted && !descends ? $"-{number}" : $"{number}"), ("p", null));
        return $"<th scope=\"col\"{(sorted ? $" aria-sort=\"{(descends ? "descending" : "ascending")}\"" : "")}><a href=\"{E(url)}\">{label}{(sorted ? $"<span aria-hidden=\"true\"> {(descends ? "↓" : "↑")}</span>" : "")}</a></th>";
    }

    public static string Label(Model model, string name) => name == "pk" ? "ID" : model.Field(name)?.Label ?? Capital(name);

    private static string Pages(Model model, Asked asked, ModelPage page)
    {
        var last = Math.Max(1, (page.Count + PageSize - 1) / PageSize);
        if (last == 1) return "";
        var html = new StringBuilder($"<nav class=\"pages\" aria-label=\"Pages of {E(model.VerboseNamePlural)}\"><ol>");
        if (asked.Page > 1) html.Append(CultureInfo.InvariantCulture, $"<li><a rel=\"prev\" href=\"{E(asked.With(("p", Text(asked.Page - 1))))}\">Previous</a></li>");
        foreach (var number in new[] { 1, asked.Page - 2, asked.Page - 1, asked.Page, asked.Page + 1, asked.Page + 2, last }.Where(one => one >= 1 && one <= last).Distinct().Order())
            html.Append(number == asked.Page ? $"<li><span aria-current=\"page\">{number}</span></li>" : $"<li><a href=\"{E(asked.With(("p", Text(number))))}\">{number}</a></li>");
        if (asked.Page < last) html.Append(CultureInfo.InvariantCulture, $"<li><a rel=\"next\" href=\"{E(asked.With(("p", Text(asked.Page + 1))))}\">Next</a></li>");
        html.Append("</ol>");
        if (page.HasMore) html.Append(CultureInfo.InvariantCulture, $"<small>The first {Number(AdminDatabase.MostCounted)} are shown. Search, filter or sort to reach others.</small>");
        return html.Append("</nav>").ToString();

        static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
    }

    private static async Task<string> FiltersAsync(AdminPage site, Model model, ModelAdmin admin, Asked asked)
    {
        var html = new StringBuilder();
        foreach (var filter in admin.Filters)
        {
            var field = model.Field(filter.Field)!;
            List<(string Label, (string Name, string? Value)[] Set)> choices = [("All", [.. Asked.NamesOf(filter).Select(parameter => (parameter, (string?)null))])];
            var name = Asked.NamesOf(filter)[0];
            var now = site.Operations.Now.UtcDateTime;
            switch (filter.Kind)
            {
                case FilterKind.YesNo:
                    choices.AddRange([("Yes", [(name, "1")]), ("No", [(name, "0")])]);
                    break;
                case FilterKind.Choice:
                    choices.AddRange(field.Choices.Select(choice => (choice.Label, new (string, string?)[] { (name, choice.Value) })));
                    break;
                case FilterKind.Object:
                    var objects = await site.Database.ChoicesAsync(field.Target!, MostChoices, site.Ct);
                    if (objects.Count < MostChoices) choices.AddRange(objects.Select(one => (one.Title, new (string, string?)[] { (name, one.Key) })));
                    break;
                case FilterKind.Expiry:
                    // To the minute, so that the address stays the same for a while.
                    var moment = now.ToString("yyyy-MM-ddTHH:mmZ", CultureInfo.InvariantCulture);
                    choices.AddRange([("Still valid", [(name, moment), ($"{filter.Field}__lt", null)]), ("Expired", [(name, null), ($"{filter.Field}__lt", moment)])]);
                    break;
                case FilterKind.Since:
                    choices.AddRange(
                    [
                        ("Today", [(name, Day(now.Date))]), ("Past 7 days", [(name, Day(now.Date.AddDays(-7)))]), ("This month", [(name, Day(new DateTime(now.Year, now.Month, 1)))]),
                        ("This year", [(name, Day(new DateTime(now.Year, 1, 1)))]),
                    ]);
                    break;
                case FilterKind.Null:
                    choices.AddRange([($"Not {field.VerboseName}", [(name, "1")]), (field.Label, [(name, "0")])]);
                    break;
            }
            if (choices.Count < 2) continue;
            var id = $"filter-{filter.Field}";
            html.Append(CultureInfo.InvariantCulture, $"<h2 id=\"{id}\">By {E(field.VerboseName)}</h2>\n<ul aria-labelledby=\"{id}\">");
            foreach (var (label, set) in choices)
                html.Append(CultureInfo.InvariantCulture, $"<li><a href=\"{E(asked.With([.. set, ("p", null)]))}\"{(asked.Is(filter, set) ? " aria-current=\"true\"" : "")}>{E(label)}</a></li>");
            html.Append("</ul>\n");
        }
        return html.Length == 0 ? "" : $"<nav class=\"filters\" aria-labelledby=\"filters\"><details open><summary id=\"filters\">Filter</summary>\n{html}</details></nav>\n";

        static string Day(DateTime date) => date.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
    }

    /// <summary>What the address of a list asks for; only what the list knows.</summary>
    private sealed class Asked
    {
        private readonly List<(string Name, string Value)> known = [];

        public Asked(IQueryCollection query, ModelAdmin admin)
        {
            Order = admin.Order;
            foreach (var (name, values) in query)
            {
                var value = values.LastOrDefault() ?? "";
                switch (name)
                {
                    case "q": Search = value.Length > 200 ? value[..200] : value; break;
                    case "e": HadError = true; continue;
                    case "p": Page = int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var page) ? Math.Clamp(page, 1, AdminDatabase.MostCounted / PageSize) : 1; break;
                    case "o":
                        if (!int.TryParse(value.TrimStart('-'), NumberStyles.None, CultureInfo.InvariantCulture, out var at) || at < 1 || at > admin.List.Length) break;
                        Order = (value[0] == '-' ? "-" : "") + admin.List[at - 1];
                        break;
                    default:
                        if (admin.Filters.FirstOrDefault(filter => NamesOf(filter).Contains(name)) is not { } filter)
                        {
                            IsWrong = true;
                            continue;
                        }
                        var lookup = name[(name.LastIndexOf("__", StringComparison.Ordinal) + 2)..] switch
                        {
                            "isnull" => ModelLookup.IsNull,
                            "gte" => ModelLookup.AtLeast,
                            "lt" => ModelLookup.Below,
                            _ => ModelLookup.Exact,
                        };
                        Filters.Add(new ModelFilter(filter.Field, lookup, value));
                        break;
                }
                known.Add((name, value));
            }
        }

        public string Search { get; } = "";
        public int Page { get; } = 1;
        public string Order { get; }
        public bool HadError { get; }
        public bool IsWrong { get; }
        public List<ModelFilter> Filters { get; } = [];
        public bool IsNarrowed => Search.Length > 0 || Filters.Count > 0;

        /// <summary>The names of a filter in an address, as Django's.</summary>
        public static string[] NamesOf(Filter filter) => filter.Kind switch
        {
            FilterKind.Object => [$"{filter.Field}__id__exact"],
            FilterKind.Expiry => [$"{filter.Field}__gte", $"{filter.Field}__lt"],
            FilterKind.Since => [$"{filter.Field}__gte"],
            FilterKind.Null => [$"{filter.Field}__isnull"],
            _ => [$"{filter.Field}__exact"],
        };

        public static bool IsSortable(Model model, string name) => name == "pk" || model.Field(name) is { IsSecret: false, Kind: not ModelFieldKind.Many };

        /// <summary>Whether a choice of a filter is the one that the address has.</summary>
        public bool Is(Filter filter, (string Name, string? Value)[] set) => NamesOf(filter).All(name =>
        {
            var now = known.Where(one => one.Name == name).Select(one => one.Value).FirstOrDefault();
            var wanted = set.FirstOrDefault(one => one.Name == name).Value;
            return filter.Kind == FilterKind.Expiry ? (now is null) == (wanted is null) : now == wanted;
        });

        /// <summary>The address with some parameters set, or taken out.</summary>
        public string With(params ReadOnlySpan<(string Name, string? Value)> set)
        {
            var changed = set.ToArray();
            var all = known.Where(one => !changed.Any(other => other.Name == one.Name)).Concat(changed.Where(one => one.Value is not null).Select(one => (one.Name, Value: one.Value!)));
            return "?" + string.Join('&', all.Select(one => $"{Uri.EscapeDataString(one.Name)}={Uri.EscapeDataString(one.Value)}"));
        }

        /// <summary>The parameters as hidden fields, some left out.</summary>
        public string Hidden(params string[] without) => string.Concat(known.Where(one => !without.Contains(one.Name))
            .Select(one => $"<input type=\"hidden\" name=\"{E(one.Name)}\" value=\"{E(one.Value)}\">"));
    }
}
