using System.Text;
using System.Text.Json;
using Gatehouse.Http;
using Gatehouse.Sessions;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.Views;

/// <summary>An answer of a view as a page, for people who follow a link to it (the plainest form of DRF's browsable API).</summary>
internal static class ViewPage
{
    public static HtmlRendering Rendering { get; } = new(
        // As DRF's page does: it greets the user and has a token for forms.
        http =>
        {
            Cookies.Vary(http);
            http.GetCsrfToken();
        },
        SendAsync);

    private static Task SendAsync(HttpContext http, int status, ReadOnlyMemory<byte> json)
    {
        var page = new StringBuilder();
        page.Append("<h1>").Append(HtmlPage.Escape(http.Request.Path)).Append("</h1>\n<pre>HTTP ").Append(status).Append('\n');
        page.Append("Allow: ").Append(HtmlPage.Escape(http.Response.Headers.Allow.ToString())).Append("\n\n");
        page.Append(HtmlPage.Escape(Indented(json))).Append("</pre>");
        return new HtmlPage(status, http.Request.Path, page.ToString(), wide: true).ExecuteAsync(http);
    }

    private static string Indented(ReadOnlyMemory<byte> json)
    {
        if (json.IsEmpty) return "";
        using var document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = 1000 });
        var buffer = new System.Buffers.ArrayBufferWriter<byte>(json.Length * 2);
        using (var writer = new Utf8JsonWriter(buffer, ApiJson.WriterOptions with { Indented = true })) document.RootElement.WriteTo(writer);
        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }
}
