using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Gatehouse.Views;

/// <summary>The style sheet and the script of <see cref="ViewPage"/>, under addresses that change with them: so they may be kept for ever.</summary>
internal static class ViewAssets
{
    private static readonly (string Path, byte[] Content) StyleFile = Read("api", "css");
    private static readonly (string Path, byte[] Content) ScriptFile = Read("api", "js");

    public static string Style => StyleFile.Path;

    public static string Script => ScriptFile.Path;

    public static void MapViewAssets(this IEndpointRouteBuilder routes)
    {
        Map(StyleFile, "text/css; charset=utf-8");
        Map(ScriptFile, "text/javascript; charset=utf-8");

        void Map((string Path, byte[] Content) file, string type) => routes.MapMethods(file.Path, ["GET", "HEAD"], (RequestDelegate)(http =>
        {
            http.Response.Headers.CacheControl = "public, max-age=31536000, immutable";
            return Results.Bytes(file.Content, type).ExecuteAsync(http);
        })).WithMetadata(DjangoPath.Exact);
    }

    private static (string, byte[]) Read(string name, string extension)
    {
        using var stream = typeof(ViewAssets).Assembly.GetManifestResourceStream($"Gatehouse.Views.{name}.{extension}")!;
        using var memory = new MemoryStream();
        stream.CopyTo(memory);
        var content = memory.ToArray();
        return ($"/static/gatehouse/{name}.{Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(content))[..12]}.{extension}", content);
    }
}
