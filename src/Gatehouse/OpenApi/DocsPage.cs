using System.IO.Compression;
using System.Text;
using Gatehouse.Http;
using Gatehouse.Views;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Gatehouse.OpenApi;

/// <summary>The document as a page, by Swagger UI: all that it needs is in this assembly, and it asks nobody else.</summary>
internal static class DocsPage
{
    // Swagger UI draws its arrows by data addresses, and sets styles by script, which needs no leave.
    private const string Policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

    private static readonly string[] Reading = ["GET", "HEAD"];

    public static void MapDocsPage(this IEndpointRouteBuilder routes, GatehouseOptions options)
    {
        var path = options.OpenApi.DocsPath.TrimEnd('/');
        if (path.Length == 0 || options.OpenApi.Path.Length == 0) return;
        var page = Encoding.UTF8.GetBytes(
            $"""
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <title>{HtmlPage.Escape(options.OpenApi.Title)}: API</title>
            <link rel="service-desc" href="{options.OpenApi.Path}">
            <link rel="stylesheet" href="{path}/swagger-ui.css">
            <script src="{path}/swagger-ui-bundle.js" defer></script>
            <script src="{path}/docs.js" defer></script>
            </head>
            <body>
            <main id="api" data-document="{options.OpenApi.Path}" data-csrf-cookie="{options.Csrf.CookieName}" data-csrf-header="{options.Csrf.HeaderName}">
            <noscript>This page needs scripts; <a href="{options.OpenApi.Path}">the document itself</a> does not.</noscript>
            </main>
            </body>
            </html>

            """.ReplaceLineEndings("\n"));
        routes.MapMethods(options.OpenApi.DocsPath, Reading, (RequestDelegate)(http =>
        {
            http.Response.Headers.ContentSecurityPolicy = Policy;
            return OpenApiRoutes.SendAsync(http, page, "text/html; charset=utf-8");
        })).WithMetadata(DjangoPath.Exact);
        Map("swagger-ui.css", "text/css; charset=utf-8", isZipped: true);
        Map("swagger-ui-bundle.js", "text/javascript; charset=utf-8", isZipped: true);
        Map("docs.js", "text/javascript; charset=utf-8", isZipped: false);

        void Map(string name, string type, bool isZipped)
        {
            var content = new Lazy<byte[]>(() => Read(name + (isZipped ? ".gz" : "")));
            routes.MapMethods($"{path}/{name}", Reading, (RequestDelegate)(http =>
            {
                if (isZipped) http.Response.Headers.Vary = "Accept-Encoding";
                if (!isZipped || !AcceptsGzip(http)) return OpenApiRoutes.SendAsync(http, isZipped ? Unzip(content.Value) : content.Value, type);
                http.Response.Headers.ContentEncoding = "gzip";
                return OpenApiRoutes.SendAsync(http, content.Value, type);
            })).WithMetadata(DjangoPath.Exact);
        }
    }

    // Every browser does; gzip;q=0 is nobody's.
    private static bool AcceptsGzip(HttpContext http) =>
        http.Request.Headers.AcceptEncoding.Any(header => header!.Split(',').Any(one => one.Split(';')[0].Trim().Equals("gzip", StringComparison.OrdinalIgnoreCase)));

    private static byte[] Read(string name)
    {
        using var stream = typeof(DocsPage).Assembly.GetManifestResourceStream($"swagger-ui/{name}")!;
        using var memory = new MemoryStream();
        stream.CopyTo(memory);
        return memory.ToArray();
    }

    private static byte[] Unzip(byte[] zipped)
    {
        using var gzip = new GZipStream(new MemoryStream(zipped), CompressionMode.Decompress);
        using var memory = new MemoryStream();
        gzip.CopyTo(memory);
        return memory.ToArray();
    }
}
