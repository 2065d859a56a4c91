using System.Security.Cryptography;
using Gatehouse.Views;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Net.Http.Headers;

namespace Gatehouse.OpenApi;

internal static class OpenApiRoutes
{
    private static readonly string[] Reading = ["GET", "HEAD"];

    public static void MapOpenApiDocument(this IEndpointRouteBuilder routes, GatehouseOptions options)
    {
        if (options.OpenApi.Path.Length == 0) return;
        var document = routes.ServiceProvider.GetRequiredService<OpenApiDocument>();
        routes.MapMethods(options.OpenApi.Path, Reading, (RequestDelegate)(http => SendAsync(http, document.Utf8, "application/json"))).WithMetadata(DjangoPath.Exact);
    }

    /// <summary>Sends what does not change while the server runs: who has it already is told so.</summary>
    public static Task SendAsync(HttpContext http, byte[] content, string type) =>
        Results.Bytes(content, type, entityTag: new EntityTagHeaderValue($"\"{Convert.ToHexStringLower(SHA256.HashData(content).AsSpan(0, 16))}\"")).ExecuteAsync(http);
}
