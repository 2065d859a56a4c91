using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Gatehouse.Views;

/// <summary>The script of <see cref="ViewPage"/>, under an address that changes with it: so it may be kept for ever.</summary>
internal static class ViewAssets
{
    private static readonly byte[] Content = Read();

    public static string Script { get; } = $"/static/gatehouse/api.{Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(Content))[..12]}.js";

    public static void MapViewAssets(this IEndpointRouteBuilder routes) => routes.MapMethods(Script, ["GET", "HEAD"], (RequestDelegate)(http =>
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
