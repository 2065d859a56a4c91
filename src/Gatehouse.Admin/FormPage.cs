using System.Globalization;
using System.Text;
using Gatehouse.Administration;
using Gatehouse.Users;
using Microsoft.AspNetCore.Http;
using static Gatehouse.Admin.AdminPage;

namespace Gatehouse.Admin;

/// <summary>Adding, changing and looking at an object (Django's <c>add_view</c>, <c>change_view</c>).</summary>
internal static class FormPage
{
    public static async Task<IResult> AddAsync(AdminPage site, Model model)
    {
        if (!site.Staff.May("add", model)) return site.Forbidden();
        if (!site.IsPost) return await ShowFormAsync(site, model, row: null, new FormHtml([], Nothing, isPosted: false));

        var (values, unreadable) = await site.FormAsync();
        if (unreadable is not null) return unreadable;
        if (await site.Operations.SaveAsync(site.Staff, model, row: null, values, site.Ct) is not { } saved) return site.Forbidden();
        if (saved.Errors.Count > 0) return await ShowFormAsync(site, model, row: null, new FormHtml(saved.Errors, values, isPosted: true));

        var told = $"The {model.VerboseName} “{saved.Title}” was added successfully.";
        if (saved.Secrets.Count > 0) return await ShowSecretsAsync(site, model, saved, told);
        if (values.Contains("_addanother"))
        {
            await site.TellAsync("success", $"{told} You may add another {model.VerboseName} below.");
            return site.Redirect(Url(model, "add/"));
        }
        // A user has only a name and a password yet (UserAdmin.response_add).
        if (values.Contains("_continue") || model.ToString() == "auth.user")
        {
            await site.TellAsync("success", $"{told} You may edit it again below.");
            return site.Redirect(Url(model, $"{saved.Row}/change/"));
        }
        await site.TellAsync("success", told);
        return site.Redirect(site.Staff.May("view", model) ? Url(model) : "/admin/");
    }

    public static async Task<IResult> ChangeAsync(AdminPage site, ModelRow row)
    {
        var model = row.Model;
        if (!site.Staff.May("view", model)) return site.Forbidden();
        if (!site.IsPost) return await ShowFormAsync(site, model, row, new FormHtml([], Nothing, isPosted: false));

        var (values, unreadable) = await site.FormAsync();
        if (unreadable is not null) return unreadable;
        if (await site.Operations.SaveAsync(site.Staff, model, row, values, site.Ct) is not { } saved) return site.Forbidden();
        if (saved.Errors.Count > 0) return await ShowFormAsync(site, model, row, new FormHtml(saved.Errors, values, isPosted: true));

        var told = $"The {model.VerboseName} “{saved.Title}” was changed successfully.";
        if (values.Contains("_continue"))
        {
            await site.TellAsync("success", $"{told} You may edit it again below.");
            return site.Redirect(Url(row, "change"));
        }
        if (values.Contains("_addanother") && site.Staff.May("add", model))
        {
            await site.TellAsync("success", $"{told} You may add another {model.VerboseName} below.");
            return site.Redirect(Url(model, "add/"));
        }
        await site.TellAsync("success", told);
        return site.Redirect(Url(model));
    }

    private static ILookup<string, string> Nothing { get; } = Enumerable.Empty<string>().ToLookup(one => one);

    /// <summary>The answer to the form itself and not behind a redirect: so the secret is nowhere but in it.</summary>
    private static Task<IResult> ShowSecretsAsync(AdminPage site, Model model, Saved saved, string told) => site.ShowAsync(
        $"{Capital(model.VerboseName)} added", site.Trail(model, (saved.Title, null)),
        $"""
        <div role="status"><ul class="messages"><li class="success">{E(told)}</li></ul></div>
        <section class="secrets" aria-labelledby="once">
        <h2 id="once">Copy this now</h2>
        <p>It is shown this once. Nobody can see it again, here or in the database’s lists.</p>
        <dl>
        {string.Concat(saved.Secrets.Select(one => $"<dt>{E(one.Label)}</dt><dd><code data-copy>{E(one.Value)}</code></dd>\n"))}</dl>
        </section>
        <p class="submit"><a class="button primary" href="{Url(model)}">Done</a> {(model.CanChange ? $"<a class=\"button\" href=\"{E(Url(model, $"{saved.Row}/change/"))}\">Change it</a> " : "")}<a class="button" href="{Url(model, "add/")}">Add another</a></p>
        """);

    private static async Task<IResult> ShowFormAsync(AdminPage site, Model model, ModelRow? row, FormHtml form)
    {
        var admin = ModelAdmin.Of(model);
        var title = row is null ? $"Add {model.VerboseName}" : $"{(site.Staff.May("change", model) ? "Change" : "View")} {model.VerboseName}";
        var trail = row is null ? site.Trail(model, (title, null)) : site.Trail(model, (row.Title, null));
        var note = "";
        var mayChange = row is null || site.Staff.May("change", model) && admin.Form.Length > 0;
        if (mayChange && row is not null && model.ToString() == "auth.user" && UserId.TryParse(row.Key, out var id) && !await site.Operations.MayManageAsync(site.Staff, id, site.Ct))
        {
            mayChange = false;
            note = "<p class=\"warning\">This user has permissions that you do not have, so you can only look.</p>\n";
        }

        var beside = row is null ? "" :
            $"<div class=\"tools\"><a class=\"button\" href=\"{E(Url(row, "history"))}\">History</a>"
            + (site.Staff.May("delete", model) ? $" <a class=\"button danger\" href=\"{E(Url(row, "delete"))}\">Delete</a>" : "") + "</div>";
        if (!mayChange) return await site.ShowAsync($"View {model.VerboseName}", trail, $"<p class=\"object\">{E(row!.Title)}</p>\n{note}{await LookAsync(site, row, admin)}", beside);

        var proposal = row is null ? site.Operations.Proposal(model) : null;
        var html = new StringBuilder(form.Summary()).Append("<form method=\"post\" data-guard autocomplete=\"off\">").Append(site.CsrfField()).Append('\n');
        foreach (var (heading, fields) in (row is null ? admin.AddForm ?? admin.Form : admin.Form).Select(part => (part.Title, part.Fields)))
        {
            html.Append("<fieldset class=\"module\">").Append(heading is null ? "" : $"<legend>{E(heading)}</legend>").Append('\n');
            foreach (var field in fields) html.Append(await FieldAsync(site, model, row, admin, form, field, proposal));
            html.Append("</fieldset>\n");
        }
        html.Append("<div class=\"submit\"><button type=\"submit\" class=\"primary\" name=\"_save\" value=\"Save\">Save</button> ")
            .Append(site.Staff.May("add", model) ? "<button type=\"submit\" name=\"_addanother\" value=\"1\">Save and add another</button> " : "")
            .Append(model.CanChange ? "<button type=\"submit\" name=\"_continue\" value=\"1\">Save and continue editing</button>" : "")
            .Append("</div>\n</form>");
        return await site.ShowAsync(title, trail, (row is null ? "" : $"<p class=\"object\">{E(row.Title)}</p>\n") + html, beside);
    }

    /// <summary>All fields, for who may not change them.</summary>
    private static async Task<string> LookAsync(AdminPage site, ModelRow row, ModelAdmin admin)
    {
        var html = new StringBuilder("<dl class=\"look\">\n");
        var names = row.Model.Fields.Select(field => field.Name);
        if (row.Model.Field("user") is null && row["user"] is not null) names = names.Append("user");
        foreach (var name in names)
        {
            var field = row.Model.Field(name);
            if (name is "token_checksum") continue;
            var value = name == "password" ? PasswordNote : field?.Kind == ModelFieldKind.Many
                ? string.Join(", ", (await site.Database.RelatedAsync(row, field, site.Ct)).Select(one => E(one.Title))) is { Length: > 0 } titles ? titles : "<span class=\"none\">-</span>"
                : name == "change_message" ? E(row.Text(name)) : site.Value(row, name);
            html.Append(CultureInfo.InvariantCulture, $"<dt>{E(ListPage.Label(row.Model, name))}</dt><dd>{value}</dd>\n");
        }
        return html.Append("</dl>\n").ToString();
    }

    private const string PasswordNote = "Raw passwords are not stored, so there is no way to see the user’s password.";

    private static async Task<string> FieldAsync(
        AdminPage site, Model model, ModelRow? row, ModelAdmin admin, FormHtml form, string name, IReadOnlyDictionary<string, string>? proposal)
    {
        var field = model.Field(name);
        var label = field?.Label ?? Capital(name.Replace('_', ' '));
        var stored = row is null ? proposal!.GetValueOrDefault(name, "") : row.Text(name);
        switch (model.ToString(), name)
        {
            case (_, "usable_password"): return form.UsablePassword(proposesNone: false);
            case (_, "password1"): return form.Password(name, "Password", "Not too like the user’s name or address, not a common one, and not of digits only.");
            case (_, "password2"): return form.Password(name, "Password confirmation", "Enter the same password as before, for verification.");
            case ("auth.user", "password"):
                return FormHtml.ReadOnly(label, PasswordNote, $"<p><a class=\"button small\" href=\"{E(Url(row!, "password"))}\">Reset password</a></p>");
            case ("auth.user", "username"):
                return form.Text(name, label, stored, "Required. 150 characters or fewer. Letters, digits and @/./+/-/_ only.", 150, isRequired: true, " autocapitalize=\"none\"");
            case ("auth.user", "is_active"):
                return form.Checkbox(name, label, row?[name] is true, "Designates whether this user should be treated as active. Unselect this instead of deleting accounts.");
            case ("auth.user", "is_staff"): return form.Checkbox(name, label, row?[name] is true, "Designates whether the user can log into this admin site.");
            case ("auth.user", "is_superuser"):
                return site.Staff.User.IsSuperuser
                    ? form.Checkbox(name, label, row?[name] is true, "Designates that this user has all permissions without explicitly assigning them.")
                    : FormHtml.ReadOnly(label, "No. Only superusers make superusers.");
            case ("auth.user", "groups"):
                return form.Many(
                    name, label, await KeysAsync(site, row, name), await site.Database.ChoicesAsync(field!.Target!, 1000, site.Ct),
                    "The groups this user belongs to. A user will get all permissions granted to each of their groups.");
            case ("auth.user", "user_permissions"):
                return form.Permissions(name, label, await KeysAsync(site, row, name), await site.Database.PermissionsAsync(site.Ct), site.Staff, "Specific permissions for this user.");
            case ("auth.group", "permissions"):
                return form.Permissions(name, label, await KeysAsync(site, row, name), await site.Database.PermissionsAsync(site.Ct), site.Staff, "What members of the group may do.");
            case ("auth.group", "name"): return form.Text(name, label, stored, most: 150, isRequired: true);
            case ("authtoken.tokenproxy", "user"): return form.Text(name, label, stored, "A user name, or the number of a user. Everybody has one token at most.", most: 150, isRequired: true);
            case ("oauth2_provider.application", "user"):
                return form.Text(name, label, row?["user"] is ModelReference owner ? owner.Key : "", "Who registered it: a user name or a number. May be empty." + (row?["user"] is ModelReference known ? $" Now: {known.Title}." : ""), most: 150);
            case ("oauth2_provider.application", "client_type" or "authorization_grant_type"): return form.Radios(name, label, stored, field!.Choices);
            case ("oauth2_provider.application", "algorithm"): return form.Select(name, label, stored, site.Operations.SigningAlgorithms);
            case ("oauth2_provider.application", "client_id"): return form.Text(name, "Client id", stored, isRequired: true, more: " spellcheck=\"false\"");
            case ("oauth2_provider.application", "client_secret"):
                return form.Text(name, "Client secret", row is null ? stored : "", row is null
                    ? "Copy and store this secret now. Once saved, it will be hashed and cannot be recovered."
                    : await site.Operations.IsSecretHashedAsync(row, site.Ct)
                        ? "The client secret is hashed and can no longer be viewed. To rotate it, enter a new value and copy it before saving; an empty field keeps it."
                        : "The client secret is stored unhashed and not shown. Entering a new value replaces it; an empty field keeps it.", more: " spellcheck=\"false\"");
            case ("oauth2_provider.application", "hash_client_secret"): return form.Checkbox(name, label, row is null || row[name] is true, "HS256 needs it off: the secret is the key that signs.");
            case ("oauth2_provider.application", "redirect_uris"): return form.Area(name, "Redirect URIs", stored, "Allowed URIs list, space separated. Needed for the grant types authorization code, implicit and hybrid.");
            case ("oauth2_provider.application", "post_logout_redirect_uris"): return form.Area(name, "Post logout redirect URIs", stored, "Allowed Post Logout URIs list, space separated.");
            case ("oauth2_provider.application", "allowed_origins"): return form.Area(name, label, stored, "Allowed origins list to enable CORS, space separated.");
            case ("oauth2_provider.application", "skip_authorization"): return form.Checkbox(name, label, row?[name] is true, "Nobody is asked for consent. Only for your own applications.");
        }
        return Array.IndexOf(admin.ReadOnly, name) >= 0 ? FormHtml.ReadOnly(label, site.Value(row!, name)) : form.Text(name, label, stored, most: name == "email" ? 254 : 150);
    }

    private static async Task<IReadOnlySet<string>> KeysAsync(AdminPage site, ModelRow? row, string name) =>
        row is null ? new HashSet<string>() : (await site.Database.RelatedAsync(row, row.Model.Field(name)!, site.Ct)).Select(one => one.Key).ToHashSet();
}
