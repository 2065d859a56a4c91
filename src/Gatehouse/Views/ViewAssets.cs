using System.Buffers.Text;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Gatehouse.Views;

/// <summary>The scripts of our pages, which browsers keep as they keep <see cref="Http.StyleSheet"/>.</summary>
internal sealed class ViewAssets
{
    private static readonly ViewAssets Api = new("api.js", "Gatehouse.Views.api.js");
    private static readonly ViewAssets Passkeys = new("passkeys.js", "Gatehouse.Accounts.passkeys.js");

    private readonly string path;
    private readonly byte[] content;

    private ViewAssets(string name, string resource)
    {
        using var stream = typeof(ViewAssets).Assembly.GetManifestResourceStream(resource)!;
        using var memory = new MemoryStream();
        stream.CopyTo(memory);
        content = memory.ToArray();
        path = "/gatehouse/" + name;
        Address = $"{path}?v={Base64Url.EncodeToString(SHA256.HashData(content).AsSpan(0, 9))}";
    }

    /// <summary>Of <see cref="ViewPage"/>.</summary>
    public static string Script => Api.Address;

    /// <summary>Of pages where a passkey can be made or shown.</summary>
    public static string PasskeyScript => Passkeys.Address;

    private string Address { get; }

    public static void MapViewAssets(IEndpointRouteBuilder routes)
    {
        foreach (var script in (ViewAssets[])[Api, Passkeys])
        {
            routes.MapMethods(script.path, ["GET", "HEAD"], (RequestDelegate)(http =>
            {
                http.Response.Headers.CacheControl = "public, max-age=31536000, immutable";
                return Results.Bytes(script.content, "text/javascript; charset=utf-8").ExecuteAsync(http);
            })).WithMetadata(DjangoPath.Exact);
        }
    }
}
