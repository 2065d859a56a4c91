using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using Gatehouse.Administration;
using Gatehouse.Http;
using Gatehouse.Sessions;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.Admin;

/// <summary>One request of a staff member: who they are, what they asked for, and the frame around every page.</summary>
internal sealed class AdminPage(HttpContext http, Staff staff, AdminDatabase database, AdminOperations operations)
{
    public const string Script = "/admin/admin.js";

    private const string MessagesName = "gatehouse_messages";

    public HttpContext Http => http;
    public Staff Staff => staff;
    public AdminDatabase Database => database;
    public AdminOperations Operations => operations;
    public CancellationToken Ct => http.RequestAborted;
    public bool IsPost => HttpMethods.IsPost(http.Request.Method);

    public string Route(string name) => http.Request.RouteValues[name] as string ?? "";

    public string Query(string name) => http.Request.Query[name].LastOrDefault() ?? "";

    /// <summary>The form that was sent; an error when it cannot be read.</summary>
    public async Task<(ILookup<string, string> Values, IResult? Error)> FormAsync()
    {
        var data = await RequestData.ReadAsync(http);
        return (data.Values(), data.Error);
    }

    public static string Url(Model model, string rest = "") => $"/admin/{model.App}/{model.Name}/{rest}";

    public static string Url(ModelRow row, string rest) => Url(row.Model, $"{row.Key}/{rest}/");

    public string CsrfField() => $"<input type=\"hidden\" name=\"csrfmiddlewaretoken\" value=\"{http.GetCsrfToken()}\">";

    public IResult Redirect(string location) => http.RedirectPage(location);

    public IResult NotFound()
    {
        // Django's own 404 page, which knows nothing of the admin's headers.
        http.Response.Headers.Remove("Cache-Control");
        return http.NotFoundPage();
    }


    public IResult Forbidden() => http.ForbiddenPage();

    /// <summary>What Django's admin answers about an object that is not there.</summary>
    public async Task<IResult> GoneAsync(Model model)
    {
        await TellAsync("warning", $"{Capital(model.VerboseName)} with ID “{Route("id")}” doesn’t exist. Perhaps it was deleted?");
        return Redirect("/admin/");
    }

    /// <summary>Tells something on the next page that is shown.</summary>
    /// <param name="level"><c>success</c>, <c>warning</c> or <c>error</c>.</param>
    /// <param name="text">For a person.</param>
    public async Task TellAsync(string level, string text)
    {
        var session = await http.GetSessionAsync();
        List<string[]> told = [.. Told(session), [level, text]];
        session.Set(MessagesName, JsonSerializer.Serialize(told, AdminJson.Default.ListStringArray));
    }

    /// <summary>A page in the site's frame.</summary>
    /// <param name="title">Text; the heading too.</param>
    /// <param name="trail">Where it is: names and addresses below the index.</param>
    /// <param name="body">HTML.</param>
    /// <param name="beside">HTML at the right of the heading.</param>
    public async Task<IResult> ShowAsync(string title, IReadOnlyList<(string Name, string? Url)> trail, string body, string beside = "")
    {
        var messages = new StringBuilder();
        var session = await http.GetSessionAsync();
        if (Told(session) is { Count: > 0 } told)
        {
            session.Remove(MessagesName);
            foreach (var message in told) messages.Append(CultureInfo.InvariantCulture, $"<li class=\"{E(message[0])}\">{E(message[1])}</li>\n");
            messages.Insert(0, "<div role=\"status\"><ul class=\"messages\">\n").Append("</ul></div>\n");
        }

        var crumbs = trail.Count == 0 ? "" :
            "<nav class=\"crumbs\" aria-label=\"Breadcrumbs\"><ol><li><a href=\"/admin/\">Home</a></li>"
            + string.Concat(trail.Select(one => one.Url is null ? $"<li aria-current=\"page\">{E(one.Name)}</li>" : $"<li><a href=\"{E(one.Url)}\">{E(one.Name)}</a></li>"))
            + "</ol></nav>\n";
        return http.Page(
            title == "Site administration" ? "Gatehouse administration" : $"{title} | Gatehouse administration",
            $"""
            <a class="skip" href="#main">Skip to main content</a>
            <header class="top">
            <a class="brand" href="/admin/">Gatehouse administration</a>
            <div class="who"><span>Welcome, <strong>{E(staff.User.Username)}</strong></span>
            <form method="post" action="/admin/logout/">{CsrfField()}<button type="submit" class="plain small">Log out</button></form></div>
            </header>
            {crumbs}<main id="main" class="site" tabindex="-1">
            {messages}<div class="heading"><h1>{E(title)}</h1>{beside}</div>
            {body}
            </main>
            <footer class="bottom">All times are UTC.</footer>
            """,
            new PageOptions { IsWhole = true, Script = Script });
    }

    /// <summary>The trail to the list of a model, and on.</summary>
    public IReadOnlyList<(string Name, string? Url)> Trail(Model model, params ReadOnlySpan<(string Name, string? Url)> more) =>
        [(model.AppTitle, $"/admin/{model.App}/"), (Capital(model.VerboseNamePlural), more.Length == 0 ? null : staff.May("view", model) ? Url(model) : "/admin/"), .. more];

    /// <summary>The value of a field as a person reads it.</summary>
    public string Value(ModelRow row, string field) => row[field] switch
    {
        null => "<span class=\"none\">-</span>",
        "" => "<span class=\"none\">-</span>",
        true => "<span class=\"yes\">Yes</span>",
        false => "<span class=\"no\">No</span>",
        DateTimeOffset time => Time(time),
        ModelReference reference => Reference(reference),
        var value when row.Model.Field(field) is { Choices.Count: > 0 } chosen => E(Choice(chosen, value.ToString()!)),
        var value when row.Model.Field(field) is { IsSecret: true } => $"<code>{E(value.ToString()!)}</code>",
        var value => E(value.ToString()!),
    };

    private static string Choice(ModelField field, string value)
    {
        foreach (var choice in field.Choices)
            if (choice.Value == value) return choice.Label;
        return value;
    }

    public static string Time(DateTimeOffset time)
    {
        var utc = time.UtcDateTime;
        return string.Create(CultureInfo.InvariantCulture, $"<time datetime=\"{utc:yyyy-MM-dd'T'HH:mm:ss'Z'}\">{utc:yyyy-MM-dd HH:mm:ss}</time>");
    }

    private string Reference(ModelReference reference) =>
        reference.Model.IsListed && staff.May("view", reference.Model) && !(reference.Model.App == "authtoken")
            ? $"<a href=\"{E(Url(reference.Model, $"{reference.Key}/change/"))}\">{E(reference.Title)}</a>"
            : E(reference.Title);

    /// <summary>Text for HTML, quotes included.</summary>
    public static string E(string text) => WebUtility.HtmlEncode(text);

    public static string Capital(string text) => char.ToUpperInvariant(text[0]) + text[1..];

    /// <summary>1 user, 2 users.</summary>
    public static string Counted(long count, Model model) =>
        count == 1 ? $"1 {model.VerboseName}" : $"{Number(Math.Min(count, AdminDatabase.MostCounted))}{(count > AdminDatabase.MostCounted ? "+" : "")} {model.VerboseNamePlural}";

    public static string Number(long number) => number.ToString("N0", CultureInfo.InvariantCulture);

    private static List<string[]> Told(DjangoSession session)
    {
        if (session.GetString(MessagesName) is not { } json) return [];
        try
        {
            return JsonSerializer.Deserialize(json, AdminJson.Default.ListStringArray)?.Where(message => message is [_, _]).ToList() ?? [];
        }
        catch (JsonException)
        {
            return [];
        }
    }
}

[System.Text.Json.Serialization.JsonSerializable(typeof(List<string[]>))]
internal sealed partial class AdminJson : System.Text.Json.Serialization.JsonSerializerContext;
