using System.Globalization;
using System.Text;
using Gatehouse.Administration;
using static Gatehouse.Admin.AdminPage;

namespace Gatehouse.Admin;

/// <summary>The fields of a form, with the names that Django's have, each with its errors beside it.</summary>
/// <param name="errors">Of the form as it was sent.</param>
/// <param name="values">As they were sent.</param>
/// <param name="isPosted">Whether a form was sent: then its values are shown again.</param>
internal sealed class FormHtml(IReadOnlyList<ModelError> errors, ILookup<string, string> values, bool isPosted)
{
    public string Summary() => errors.Count == 0 ? "" :
        $"<div class=\"errornote\" role=\"alert\"><p>Please correct the error{(errors.Count == 1 ? "" : "s")} below.</p>{List(errors.Where(error => error.Field.Length == 0), "")}</div>\n";

    public string Text(string name, string label, string stored, string help = "", int most = 255, bool isRequired = false, string more = "") => Row(
        name, label, help,
        $"<input type=\"text\" name=\"{name}\" id=\"id_{name}\" value=\"{E(Posted(name) ?? stored)}\" maxlength=\"{most}\"{(isRequired ? " required" : "")}{more}{Aria(name, help)}>");

    public string Area(string name, string label, string stored, string help) => Row(
        name, label, help,
        // A line feed right after the tag is not part of the value.
        $"<textarea name=\"{name}\" id=\"id_{name}\" rows=\"3\" spellcheck=\"false\"{Aria(name, help)}>\n{E(Posted(name) ?? stored)}</textarea>");

    public string Password(string name, string label, string help) => Row(
        name, label, help, $"<input type=\"password\" name=\"{name}\" id=\"id_{name}\" autocomplete=\"new-password\"{Aria(name, help)}>");

    public string Checkbox(string name, string label, bool stored, string help = "")
    {
        var on = isPosted ? values[name].LastOrDefault() is { } box && box is not ("False" or "false") : stored;
        return $"<div class=\"field check\">{Errors(name)}<label for=\"id_{name}\"><input type=\"checkbox\" name=\"{name}\" id=\"id_{name}\"{(on ? " checked" : "")}{Aria(name, help)}> {E(label)}</label>{Help(name, help)}</div>\n";
    }

    public string Select(string name, string label, string stored, IReadOnlyList<(string Value, string Label)> choices) => Row(
        name, label, "",
        $"<select name=\"{name}\" id=\"id_{name}\"{Aria(name, "")}>"
        + string.Concat(choices.Select(choice => $"<option value=\"{E(choice.Value)}\"{(choice.Value == (Posted(name) ?? stored) ? " selected" : "")}>{E(choice.Label)}</option>")) + "</select>");

    public string Radios(string name, string label, string stored, IReadOnlyList<(string Value, string Label)> choices, bool isRequired = true) =>
        $"<fieldset class=\"field radios\"><legend>{E(label)}</legend>{Errors(name)}"
        + string.Concat(choices.Select((choice, at) =>
            $"<label for=\"id_{name}_{at}\"><input type=\"radio\" name=\"{name}\" id=\"id_{name}_{at}\" value=\"{E(choice.Value)}\"{(choice.Value == (Posted(name) ?? stored) ? " checked" : "")}{(isRequired ? " required" : "")}> {E(choice.Label)}</label>\n"))
        + "</fieldset>\n";

    public string UsablePassword(bool proposesNone) => Radios(
        "usable_password", "Password-based authentication", proposesNone ? "false" : "true", [("true", "Enabled"), ("false", "Disabled: the user has no password, and logs in some other way if at all")]);

    /// <summary>One box for each object (Django has two lists, which need script).</summary>
    public string Many(string name, string label, IReadOnlySet<string> stored, IReadOnlyList<ModelReference> all, string help)
    {
        var on = On(name, stored);
        return $"<fieldset class=\"field many\"><legend>{E(label)}</legend>{Errors(name)}{Help(name, help)}\n"
            + (all.Count == 0 ? "<p class=\"none\">There are none.</p>" : string.Concat(all.Select(one => $"<label><input type=\"checkbox\" name=\"{name}\" value=\"{one.Key}\"{Checked(on, one.Key)}> {E(one.Title)}</label>\n")))
            + "</fieldset>\n";
    }

    /// <summary>A row for each model, a box for each permission; those that may not be given are off.</summary>
    public string Permissions(string name, string label, IReadOnlySet<string> stored, IReadOnlyList<PermissionRow> all, Staff by, string help)
    {
        string[] usual = ["add", "change", "delete", "view"];
        var on = On(name, stored);
        var html = new StringBuilder($"<fieldset class=\"field permissions\"><legend>{E(label)}</legend>{Errors(name)}{Help(name, help)}\n<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"{E(label)}\"><table><thead><tr><th scope=\"col\">Model</th>")
            .Append(string.Concat(usual.Select(action => $"<th scope=\"col\">{Capital(action)}</th>"))).Append("<th scope=\"col\">Other</th></tr></thead>\n<tbody>\n");
        foreach (var model in all.GroupBy(one => (one.App, one.Model)))
        {
            html.Append(CultureInfo.InvariantCulture, $"<tr><th scope=\"row\">{E(model.Key.App)} | {E(model.Key.Model)}</th>");
            foreach (var action in usual) html.Append(CultureInfo.InvariantCulture, $"<td>{model.Where(one => one.Codename == $"{action}_{one.Model}").Select(one => Box(one, "")).FirstOrDefault()}</td>");
            html.Append(CultureInfo.InvariantCulture, $"<td>{string.Concat(model.Where(one => !usual.Any(action => one.Codename == $"{action}_{one.Model}")).Select(one => Box(one, E(one.Name))))}</td></tr>\n");
        }
        return html.Append("</tbody></table></div></fieldset>\n").ToString();

        string Box(PermissionRow one, string text)
        {
            // One that they have already may be taken from them; one that the staff member lacks may not be given.
            var off = !by.Has($"{one.App}.{one.Codename}") && !stored.Contains(one.Key);
            var box = $"<input type=\"checkbox\" name=\"{name}\" value=\"{one.Key}\"{Checked(on, one.Key)}{(off ? " disabled" : "")}{(text.Length == 0 ? $" aria-label=\"{E(one.Name)}\"" : "")}>";
            return text.Length == 0 ? box : $"<label>{box} {text}</label> ";
        }
    }

    public static string ReadOnly(string label, string html, string more = "") => $"<div class=\"field readonly\"><span class=\"label\">{E(label)}</span><div>{html}</div>{more}</div>\n";

    private static string Checked(IReadOnlySet<string> on, string key) => on.Contains(key) ? " checked" : "";

    private IReadOnlySet<string> On(string name, IReadOnlySet<string> stored) => isPosted ? values[name].ToHashSet() : stored;

    private string Row(string name, string label, string help, string input) =>
        $"<div class=\"field\"><label for=\"id_{name}\">{E(label)}</label>{Errors(name)}{input}{Help(name, help)}</div>\n";

    private string? Posted(string name) => isPosted ? values[name].LastOrDefault() ?? "" : null;

    private static string Help(string name, string help) => help.Length == 0 ? "" : $"<small id=\"id_{name}_helptext\">{E(help)}</small>";

    private string Errors(string name) => List(errors.Where(error => error.Field == name), $" id=\"id_{name}_error\"");

    private static string List(IEnumerable<ModelError> some, string id)
    {
        var items = string.Concat(some.Select(error => error.Message).Distinct().Select(message => $"<li>{E(message)}</li>"));
        return items.Length == 0 ? "" : $"<ul class=\"errorlist\"{id}>{items}</ul>";
    }

    private string Aria(string name, string help)
    {
        var isWrong = errors.Any(error => error.Field == name);
        var by = $"{(help.Length > 0 ? $"id_{name}_helptext " : "")}{(isWrong ? $"id_{name}_error" : "")}".Trim();
        return (by.Length > 0 ? $" aria-describedby=\"{by}\"" : "") + (isWrong ? " aria-invalid=\"true\"" : "");
    }
}
