using System.Buffers.Text;
using System.Reflection;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;

namespace Gatehouse.Http;

/// <summary>style.css: what all pages look like. Browsers keep it, and ask again when its address has another hash.</summary>
internal static class StyleSheet
{
    private const string Path = "/gatehouse/style.css";

    private static readonly byte[] Css = Read();

    /// <summary>For the head of a page.</summary>
    public static string Link { get; } = $"<link rel=\"stylesheet\" href=\"{Path}?v={Base64Url.EncodeToString(SHA256.HashData(Css).AsSpan(0, 9))}\">";

    public static void MapStyleSheet(this IEndpointRouteBuilder routes) => routes.MapGet(Path, http =>
    {
        http.Response.ContentType = "text/css; charset=utf-8";
        http.Response.ContentLength = Css.Length;
        http.Response.Headers.CacheControl = "public, max-age=31536000, immutable";
        return http.Response.Body.WriteAsync(Css, http.RequestAborted).AsTask();
    });

    private static byte[] Read()
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream("Gatehouse.Http.style.css")!;
        using var bytes = new MemoryStream();
        stream.CopyTo(bytes);
        return bytes.ToArray();
    }
}
