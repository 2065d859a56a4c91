using Gatehouse.Administration;
using Microsoft.AspNetCore.Http;
using static Gatehouse.Admin.AdminPage;

namespace Gatehouse.Admin;

/// <summary>Deleting one object or several, after the question with all that goes with them (Django's <c>delete_view</c>, <c>delete_selected</c>).</summary>
internal static class DeletePage
{
    public static async Task<IResult> HandleAsync(AdminPage site, ModelRow row)
    {
        var model = row.Model;
        if (!site.Staff.May("delete", model)) return site.Forbidden();
        if (site.IsPost)
        {
            if (await site.Operations.DeleteAsync(site.Staff, model, [row], site.Ct) is null) return site.Forbidden();
            await site.TellAsync("success", $"The {model.VerboseName} “{row.Title}” was deleted successfully.");
            return site.Redirect(site.Staff.May("view", model) ? Url(model) : "/admin/");
        }

        var plan = await site.Operations.PlanDeletionAsync(site.Staff, [row], site.Ct);
        var trail = site.Trail(model, (row.Title, Url(row, "change")), ("Delete", null));
        if (Missing(plan, $"Deleting the {model.VerboseName} “{row.Title}”") is { } refusal) return await site.ShowAsync($"Cannot delete {model.VerboseName}", trail, refusal);
        return await site.ShowAsync(
            $"Delete {model.VerboseName}?", trail,
            $"""
            <p>Are you sure you want to delete the {E(model.VerboseName)} “{E(row.Title)}”? {(plan.Related.Count > 0 ? "All of the following related items will be deleted:" : "Nothing else goes with it.")}</p>
            {Related(plan)}<form method="post">{site.CsrfField()}<input type="hidden" name="post" value="yes">
            <div class="submit"><button type="submit" class="danger">Yes, I’m sure</button> <a class="button" href="{E(Url(row, "change"))}">No, take me back</a></div>
            </form>
            """);
    }

    public static async Task<IResult> DeleteSelectedAsync(AdminPage site, Model model, IReadOnlyList<ModelRow> rows, bool isConfirmed)
    {
        if (isConfirmed)
        {
            if (await site.Operations.DeleteAsync(site.Staff, model, rows, site.Ct) is not { } count) return site.Forbidden();
            await site.TellAsync("success", $"Successfully deleted {Counted(count, model)}.");
            return site.Redirect(Url(model));
        }
        var plan = await site.Operations.PlanDeletionAsync(site.Staff, rows, site.Ct);
        var trail = site.Trail(model, ("Delete multiple objects", null));
        if (Missing(plan, $"Deleting the selected {model.VerboseNamePlural}") is { } refusal) return await site.ShowAsync($"Cannot delete {model.VerboseNamePlural}", trail, refusal);
        return await site.ShowAsync(
            "Delete multiple objects?", trail,
            $"""
            <p>Are you sure you want to delete the selected {E(model.VerboseNamePlural)}? All of the following objects and their related items will be deleted:</p>
            <ul class="objects">
            {string.Concat(rows.Select(row => $"<li>{E(Capital(model.VerboseName))}: {E(row.Title)}</li>\n"))}</ul>
            {Related(plan)}{ListPage.Confirmation(site, model, ListPage.DeleteSelected, rows)}
            """);
    }

    private static string? Missing(DeletionPlan plan, string what) => plan.Missing.Count == 0 ? null :
        $"""
        <p>{E(what)} would result in deleting related objects, but your account doesn’t have permission to delete the following types of objects:</p>
        <ul class="objects">{string.Concat(plan.Missing.Select(one => $"<li>{E(one)}</li>"))}</ul>
        """;

    private static string Related(DeletionPlan plan) => plan.Related.Count == 0 ? "" :
        "<dl class=\"related\">\n" + string.Concat(plan.Related.Select(one =>
            $"<dt>{E(Counted(one.Count, one.Model))}</dt><dd>{string.Join(", ", one.Titles.Select(E))}{(one.Count > one.Titles.Count ? " …" : "")}</dd>\n")) + "</dl>\n";
}
