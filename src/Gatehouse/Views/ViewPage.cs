using System.Globalization;
using System.Text;
using System.Text.Json;
using Gatehouse.Authentication;
using Gatehouse.Database;
using Gatehouse.Http;
using Gatehouse.Sessions;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Primitives;

namespace Gatehouse.Views;

/// <summary>
/// An answer of a view as a page, for people who follow a link to it (DRF <c>BrowsableAPIRenderer</c>): the answer with its status and headers, who
/// asks, and forms for what they may do. Forms of fields work without script; other methods and raw bodies take the script of <see cref="ViewAssets"/>.
/// </summary>
internal static class ViewPage
{
    // A page is for reading; who wants more asks for JSON.
    private const int MostShown = 256 * 1024;

    private static readonly string[] ShownHeaders = ["Allow", "Vary", "WWW-Authenticate", "Retry-After", "Location"];
    private static readonly string[] Writing = ["POST", "PUT", "PATCH"];

    public static HtmlRendering Rendering { get; } = new(
        // As DRF's page does: it greets the user and has a token for forms.
        http =>
        {
            Cookies.Vary(http);
            http.GetCsrfToken();
        },
        SendAsync);

    private static async Task SendAsync(HttpContext http, int status, ReadOnlyMemory<byte> json)
    {
        var plan = http.RequestServices.GetRequiredService<EndpointPlans>().Of(http.GetEndpoint()!)!;
        var html = new StringBuilder(8 * 1024);
        await WriteAsync(html, http, plan, plan.View!, status, json);
        var body = Encoding.UTF8.GetBytes(html.ToString());

        var response = http.Response;
        // Others than DELETE have no such answer to be shown; DRF does the same.
        response.StatusCode = status == StatusCodes.Status204NoContent ? StatusCodes.Status200OK : status;
        response.ContentType = "text/html; charset=utf-8";
        response.ContentLength = body.Length;
        response.Headers.ContentSecurityPolicy =
            "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
        await response.Body.WriteAsync(body, http.RequestAborted);
    }

    private static async Task WriteAsync(StringBuilder html, HttpContext http, EndpointPlan plan, ApiView view, int status, ReadOnlyMemory<byte> json)
    {
        var options = http.RequestServices.GetRequiredService<GatehouseOptions>();
        var here = http.Request.PathBase.ToUriComponent() + http.Request.Path.ToUriComponent() + http.Request.QueryString.ToUriComponent();
        html.Append("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
        html.Append(CultureInfo.InvariantCulture, $"<title>{HtmlPage.Escape(view.Name)}</title>\n{StyleSheet.Link}\n<script src=\"{ViewAssets.Script}\" defer></script>\n</head>\n<body class=\"api\" data-csrf-header=\"{options.Csrf.HeaderName}\">\n");
        WriteCaller(html, http, here);
        WriteBreadcrumbs(html, http);

        html.Append("<main>\n<h1>").Append(HtmlPage.Escape(view.Name)).Append("</h1>\n");
        foreach (var paragraph in view.Description.Split("\n\n", StringSplitOptions.RemoveEmptyEntries)) html.Append("<p>").Append(HtmlPage.Escape(paragraph)).Append("</p>\n");
        html.Append("<section aria-label=\"Answer\">\n<p class=\"request\"><strong>").Append(HtmlPage.Escape(http.Request.Method)).Append("</strong> ").Append(HtmlPage.Escape(here)).Append("</p>\n");
        html.Append("<pre tabindex=\"0\"><b>HTTP ").Append(status).Append(' ').Append(ReasonPhrases.GetReasonPhrase(status)).Append("</b>\n");
        foreach (var name in ShownHeaders)
            if (http.Response.Headers.TryGetValue(name, out var value) && !StringValues.IsNullOrEmpty(value)) html.Append(CultureInfo.InvariantCulture, $"<b>{name}:</b> {HtmlPage.Escape(value.ToString())}\n");
        if (!json.IsEmpty) html.Append("<b>Content-Type:</b> application/json\n\n").Append(HtmlPage.Escape(Shown(json, out var isCut))).Append(isCut ? "…" : "");
        html.Append("</pre>\n");
        if (view.HasGet) html.Append(CultureInfo.InvariantCulture, $"<p class=\"links\"><a href=\"{HtmlPage.Escape(WithFormat(http, "json"))}\">As JSON</a> <a href=\"{HtmlPage.Escape(WithFormat(http, "api"))}\">As a page</a></p>\n");
        html.Append("</section>\n");

        // Where nothing works, nothing is offered; and what asks the database must not fail once more.
        if (status < StatusCodes.Status500InternalServerError) await WriteFormsAsync(html, http, plan, view, here, status, json);
        WriteOptions(html, view);
        html.Append("</main>\n</body>\n</html>\n");
    }

    private static void WriteCaller(StringBuilder html, HttpContext http, string here)
    {
        var identity = http.GetIdentity();
        html.Append("<header>\n<span>").Append(HtmlPage.Escape(http.RequestServices.GetRequiredService<GatehouseOptions>().OpenApi.Title)).Append("</span>\n");
        if (identity.Scheme is SessionAuthentication)
            html.Append(CultureInfo.InvariantCulture, $"<form method=\"post\" action=\"/api-auth/logout/\"><span>{HtmlPage.Escape(identity.User!.Username)}</span>{Token(http)}<input type=\"hidden\" name=\"next\" value=\"{HtmlPage.Escape(here)}\"> <button class=\"plain\">Log out</button></form>\n");
        else if (identity.IsAuthenticated) html.Append(CultureInfo.InvariantCulture, $"<span>{HtmlPage.Escape(identity.User?.Username ?? identity.TokenUser?.Username ?? "a client")}</span>\n");
        else html.Append(CultureInfo.InvariantCulture, $"<a href=\"/api-auth/login/?next={Uri.EscapeDataString(here)}\">Log in</a>\n");
        html.Append("</header>\n");
    }

    // DRF get_breadcrumbs: the views at the beginnings of the path.
    private static void WriteBreadcrumbs(StringBuilder html, HttpContext http)
    {
        var path = http.Request.Path.Value!;
        var views = http.RequestServices.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>();
        var crumbs = views.Where(one => one.RoutePattern.RawText is { } above && above != path && path.StartsWith(above, StringComparison.Ordinal) && one.Metadata.GetMetadata<ApiView>() is { HasGet: true })
            .OrderBy(one => one.RoutePattern.RawText!.Length).Select(one => (Path: one.RoutePattern.RawText!, one.Metadata.GetMetadata<ApiView>()!.Name)).DistinctBy(one => one.Path).ToList();
        if (crumbs.Count == 0) return;
        crumbs.Add((path, http.GetEndpoint()!.Metadata.GetMetadata<ApiView>()!.Name));
        html.Append("<nav aria-label=\"Breadcrumbs\"><ol>");
        foreach (var (at, name) in crumbs)
            html.Append(CultureInfo.InvariantCulture, $"<li><a href=\"{HtmlPage.Escape(http.Request.PathBase.ToUriComponent() + new PathString(at).ToUriComponent())}\"{(at == path ? " aria-current=\"page\"" : "")}>{HtmlPage.Escape(name)}</a></li>");
        html.Append("</ol></nav>\n");
    }

    private static async Task WriteFormsAsync(StringBuilder html, HttpContext http, EndpointPlan plan, ApiView view, string here, int status, ReadOnlyMemory<byte> json)
    {
        foreach (var method in view.Methods.Where(method => Writing.Contains(method) || method == "DELETE").Order(StringComparer.Ordinal))
        {
            if (!await MayAsync(http, plan, method)) continue;
            if (method == "DELETE")
            {
                html.Append(CultureInfo.InvariantCulture, $"<form method=\"post\" action=\"{HtmlPage.Escape(here)}\" data-method=\"DELETE\" hidden>{Token(http)}<button class=\"danger\">DELETE</button></form>\n");
                continue;
            }
            var fields = method == "POST" ? view.FormFields : [];
            if (method == "POST" && (fields.Count > 0 || view.TakesNoBody)) await WriteFieldsAsync(html, http, fields, here, status, json);
            if (!view.TakesNoBody) WriteRaw(html, http, view, method, fields, here);
        }
    }

    private static async ValueTask<bool> MayAsync(HttpContext http, EndpointPlan plan, string method)
    {
        try
        {
            return await plan.MayAsync(http, method);
        }
        catch (DatabaseUnavailableException)
        {
            return false;
        }
    }

    /// <summary>A form that works without script.</summary>
    private static async Task WriteFieldsAsync(StringBuilder html, HttpContext http, IReadOnlyList<ViewField> fields, string here, int status, ReadOnlyMemory<byte> json)
    {
        // What was wrong with the last attempt stands beside its field, and what was right need not be typed again.
        var wasSent = http.Request.Method == "POST" && status == StatusCodes.Status400BadRequest;
        var errors = wasSent ? Errors(json) : [];
        var sent = wasSent && RequestData.IsForm(http.Request) ? (await RequestData.ReadAsync(http)).Form : null;

        html.Append(CultureInfo.InvariantCulture, $"<form method=\"post\" action=\"{HtmlPage.Escape(here)}\" class=\"fields\">\n{Token(http)}\n");
        foreach (var field in fields.Where(field => !field.ReadOnly))
        {
            var id = "id_" + field.Name;
            var isPassword = field.Name.Contains("password", StringComparison.Ordinal);
            var isSecret = isPassword || field.Name is "token" or "refresh" or "otp" or "second_factor" or "passkey";
            var messages = errors.GetValueOrDefault(field.Name) ?? [];
            html.Append(CultureInfo.InvariantCulture, $"<label for=\"{id}\">{HtmlPage.Escape(field.Label)}</label>\n");
            html.Append(CultureInfo.InvariantCulture, $"<input id=\"{id}\" name=\"{field.Name}\" type=\"{(isPassword ? "password" : field.Type == "email" ? "email" : "text")}\"");
            if (!isSecret && sent?.GetValueOrDefault(field.Name) is { Length: > 0 } before) html.Append(CultureInfo.InvariantCulture, $" value=\"{HtmlPage.Escape(before)}\"");
            if (field.MaxLength is { } most) html.Append(CultureInfo.InvariantCulture, $" maxlength=\"{most}\"");
            var known = field.Name switch { "username" => "username", "otp" => "one-time-code", _ when !isPassword => null, ['n', 'e', 'w', ..] => "new-password", _ => "current-password" };
            if (known is not null) html.Append(CultureInfo.InvariantCulture, $" autocomplete=\"{known}\"");
            if (field.Required) html.Append(" required");
            if (messages.Count > 0) html.Append(CultureInfo.InvariantCulture, $" aria-invalid=\"true\" aria-describedby=\"{id}_error\"");
            html.Append(">\n");
            if (messages.Count > 0) html.Append(CultureInfo.InvariantCulture, $"<ul class=\"errorlist\" id=\"{id}_error\">{string.Concat(messages.Select(message => $"<li>{HtmlPage.Escape(message)}</li>"))}</ul>\n");
            if (field.Help is { } help) html.Append(CultureInfo.InvariantCulture, $"<small>{HtmlPage.Escape(help)}</small>\n");
        }
        html.Append("<button>POST</button>\n</form>\n");
    }

    private static void WriteRaw(StringBuilder html, HttpContext http, ApiView view, string method, IReadOnlyList<ViewField> fields, string here)
    {
        var template = fields.Any(field => !field.ReadOnly)
            ? "{\n" + string.Join(",\n", fields.Where(field => !field.ReadOnly).Select(field => $"    \"{field.Name}\": \"\"")) + "\n}"
            : "{}";
        var id = $"id_{method.ToLowerInvariant()}_raw";
        html.Append(CultureInfo.InvariantCulture, $"<form method=\"post\" action=\"{HtmlPage.Escape(here)}\" data-method=\"{method}\" class=\"raw\" hidden>\n{Token(http)}\n<h2>{method}, raw</h2>\n<label for=\"{id}_type\">Media type</label>\n<select id=\"{id}_type\" name=\"_content_type\">");
        foreach (var type in view.Parses.Where(type => type != "multipart/form-data")) html.Append(CultureInfo.InvariantCulture, $"<option>{type}</option>");
        html.Append(CultureInfo.InvariantCulture, $"</select>\n<label for=\"{id}\">Content</label>\n<textarea id=\"{id}\" name=\"_content\" rows=\"6\" spellcheck=\"false\">\n{(view.Parses.Contains("application/json") ? HtmlPage.Escape(template) : "")}</textarea>\n<button>{method}</button>\n</form>\n");
    }

    // DRF asks for it with a button of its own; it is not long.
    private static void WriteOptions(StringBuilder html, ApiView view) =>
        html.Append("<details>\n<summary>OPTIONS</summary>\n<pre tabindex=\"0\">").Append(HtmlPage.Escape(Indented(ApiJson.Bytes(json => view.Write(json, withFields: false))))).Append("</pre>\n</details>\n");

    private static string Token(HttpContext http) => $"<input type=\"hidden\" name=\"csrfmiddlewaretoken\" value=\"{http.GetCsrfToken()}\">";

    private static string WithFormat(HttpContext http, string format)
    {
        var query = QueryHelpers.ParseQuery(http.Request.QueryString.Value);
        query["format"] = format;
        return http.Request.PathBase.ToUriComponent() + http.Request.Path.ToUriComponent() + QueryString.Create(query).ToUriComponent();
    }

    private static Dictionary<string, List<string>> Errors(ReadOnlyMemory<byte> json)
    {
        using var document = JsonDocument.Parse(json);
        return document.RootElement.ValueKind != JsonValueKind.Object ? [] : document.RootElement.EnumerateObject().Where(one => one.Value.ValueKind == JsonValueKind.Array)
            .ToDictionary(one => one.Name, one => one.Value.EnumerateArray().Select(message => message.ToString()).ToList());
    }

    private static string Shown(ReadOnlyMemory<byte> json, out bool isCut)
    {
        isCut = json.Length > MostShown;
        return isCut ? Encoding.UTF8.GetString(json.Span[..MostShown]) : Indented(json);
    }

    private static string Indented(ReadOnlyMemory<byte> json)
    {
        using var document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = 1000 });
        var buffer = new System.Buffers.ArrayBufferWriter<byte>(json.Length * 2);
        using (var writer = new Utf8JsonWriter(buffer, ApiJson.WriterOptions with { Indented = true, IndentSize = 4 })) document.RootElement.WriteTo(writer);
        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }
}
