using System.Buffers.Text;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Gatehouse.Views;

/// <summary>The script of <see cref="ViewPage"/>, kept by browsers as <see cref="Http.StyleSheet"/> is.</summary>
internal static class ViewAssets
{
    private const string Path = "/gatehouse/api.js";

    private static readonly byte[] Content = Read();

    public static string Script { get; } = $"{Path}?v={Base64Url.EncodeToString(SHA256.HashData(Content).AsSpan(0, 9))}";

    public static void MapViewAssets(this IEndpointRouteBuilder routes) => routes.MapMethods(Path, ["GET", "HEAD"], (RequestDelegate)(http =>
    {
        http.Response.Headers.CacheControl = "public, max-age=31536000, immutable";
        return Results.Bytes(Content, "text/javascript; charset=utf-8").ExecuteAsync(http);
    })).WithMetadata(DjangoPath.Exact);

    private static byte[] Read()
    {
        using var stream = typeof(ViewAssets).Assembly.GetManifestResourceStream("Gatehouse.Views.api.js")!;
        using var memory = new MemoryStream();
        stream.CopyTo(memory);
        return memory.ToArray();
    }
}
