using Gatehouse.Administration;
using Gatehouse.Sessions;
using Gatehouse.Users;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using static Gatehouse.Admin.AdminPage;

namespace Gatehouse.Admin;

/// <summary>/admin/auth/user/ID/password/: a new password for a user, or none (Django's <c>user_change_password</c>).</summary>
internal static class PasswordPage
{
    public static async Task<IResult> HandleAsync(AdminPage site, ModelRow row)
    {
        if (row.Model.ToString() != "auth.user") return site.NotFound();
        _ = UserId.TryParse(row.Key, out var id);
        if (!site.Staff.May("change", row.Model) || !await site.Operations.MayManageAsync(site.Staff, id, site.Ct)) return site.Forbidden();

        IReadOnlyList<ModelError> errors = [];
        var values = Enumerable.Empty<string>().ToLookup(one => one);
        if (site.IsPost)
        {
            (values, var unreadable) = await site.FormAsync();
            if (unreadable is not null) return unreadable;
            if (await site.Operations.SetPasswordAsync(site.Staff, row, values, site.Ct) is not { } saved) return site.Forbidden();
            if (saved.Errors.Count == 0)
            {
                var isNone = values["usable_password"].LastOrDefault() == "false";
                // Their own: the session goes on, under the new password.
                if (!isNone && id == site.Staff.User.Id && await site.Http.RequestServices.GetRequiredService<UserAccounts>().FindAsync(id, site.Ct) is { } self) await site.Http.LogInAsync(self);
                if (!(isNone && id == site.Staff.User.Id)) await site.TellAsync("success", isNone ? "Password-based authentication was disabled." : "Password changed successfully.");
                return site.Redirect(Url(row, "change"));
            }
            errors = saved.Errors;
        }

        var form = new FormHtml(errors, values, isPosted: site.IsPost);
        return await site.ShowAsync(
            $"Change password: {row.Title}", site.Trail(row.Model, (row.Title, Url(row, "change")), ("Change password", null)),
            $"""
            {form.Summary()}<form method="post" data-guard autocomplete="off">{site.CsrfField()}
            <p>Enter a new password for the user <strong>{E(row.Title)}</strong>. Sessions made with the old one end.</p>
            <fieldset>
            {form.UsablePassword(proposesNone: false)}
            {form.Password("password1", "Password", "Not too like the user’s name or address, not a common one, and not of digits only.")}
            {form.Password("password2", "Password confirmation", "Enter the same password as before, for verification.")}
            </fieldset>
            <div class="submit"><button type="submit" class="primary">Change password</button> <a class="button" href="{E(Url(row, "change"))}">Cancel</a></div>
            </form>
            """);
    }
}
