using System.Net;

namespace Gatehouse.Tests.Admin;

/// <summary>A test of the admin site, without a browser.</summary>
public abstract class AdminTest : GatehouseTest
{
    /// <summary>The browser of a superuser.</summary>
    private protected async Task<Browser> RootAsync()
    {
        await Users.CreateAsync("root", isStaff: true, isSuperuser: true);
        return await NewBrowser().LogInAsync("root");
    }

    /// <summary>The browser of staff with these permissions only.</summary>
    private protected async Task<Browser> StaffAsync(string username, params string[] codenames)
    {
        var user = await Users.CreateAsync(username, isStaff: true);
        foreach (var codename in codenames) await Users.GrantAsync(user, codename);
        return await NewBrowser().LogInAsync(username);
    }

    private protected static async Task<string> HtmlAsync(Browser browser, string path, int status = 200)
    {
        var response = await browser.GetAsync(path);
        await response.ShouldBeAsync(status);
        return WebUtility.HtmlDecode(await response.Content.ReadAsStringAsync(Ct));
    }

    /// <summary>Sends a form with all these fields, repeated names too, and follows where it leads.</summary>
    private protected static async Task<(HttpStatusCode Status, string Html, string? Location)> PostAsync(Browser browser, string path, params (string Name, string Value)[] fields)
    {
        // The CSRF token goes in the header, as a script would send it.
        await browser.GetAsync("/admin/");
        var form = new FormUrlEncodedContent(fields.Select(field => new KeyValuePair<string, string>(field.Name, field.Value)));
        var response = await browser.SendAsync(HttpMethod.Post, path, form);
        var location = response.Headers.Location?.ToString();
        if (location is not null)
        {
            var next = await browser.GetAsync(location.StartsWith('?') ? path + location : location);
            return (response.StatusCode, WebUtility.HtmlDecode(await next.Content.ReadAsStringAsync(Ct)), location);
        }
        return (response.StatusCode, WebUtility.HtmlDecode(await response.Content.ReadAsStringAsync(Ct)), null);
    }

    /// <summary>The log as Django keeps it: flag, object, message.</summary>
    private protected List<string> Noted() => Database.Rows(
        "SELECT l.action_flag, c.model, l.object_repr, l.change_message FROM django_admin_log l LEFT JOIN django_content_type c ON c.id = l.content_type_id ORDER BY l.id");

    private protected static (string, string)[] UserForm(string username, params (string Name, string Value)[] more) =>
        [("username", username), ("first_name", ""), ("last_name", ""), ("email", ""), ("is_active", "on"), .. more];
}
