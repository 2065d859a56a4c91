using System.Formats.Tar;
using System.IO.Compression;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Gatehouse.Tests.Packages;

/// <summary>
/// A registry on this machine with one image that holds nothing, in place of Microsoft's: what publishing puts on top of it can be tested
/// without a network. (OCI distribution specification, pulling.)
/// </summary>
internal sealed class BaseImage : IAsyncDisposable
{
    private readonly WebApplication app;
    private readonly Dictionary<string, byte[]> blobs = [];

    private BaseImage(WebApplication app) => this.app = app;

    public string Registry => new Uri(app.Urls.Single()).Authority.Replace("127.0.0.1", "localhost", StringComparison.Ordinal);

    public string Name => $"{Registry}/dotnet/aspnet:10.0";

    public static async Task<BaseImage> ServeAsync(CancellationToken ct)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        var app = builder.Build();
        var image = new BaseImage(app);
        var manifest = image.Make();
        app.MapGet("/v2/", () => Results.Ok());
        app.MapMethods("/v2/dotnet/aspnet/manifests/{reference}", ["GET", "HEAD"], (HttpContext http) =>
        {
            http.Response.Headers["Docker-Content-Digest"] = Digest(manifest);
            return Results.Bytes(manifest, "application/vnd.docker.distribution.manifest.v2+json");
        });
        app.MapMethods("/v2/dotnet/aspnet/blobs/{digest}", ["GET", "HEAD"], (string digest) =>
            image.blobs.TryGetValue(digest, out var blob) ? Results.Bytes(blob, "application/octet-stream") : Results.NotFound());
        await app.StartAsync(ct);
        return image;
    }

    public ValueTask DisposeAsync() => app.DisposeAsync();

    private byte[] Make()
    {
        using var tar = new MemoryStream();
        using (var writer = new TarWriter(tar, leaveOpen: true)) writer.WriteEntry(new PaxTarEntry(TarEntryType.Directory, "home/app/"));
        using var zipped = new MemoryStream();
        using (var gzip = new GZipStream(zipped, CompressionLevel.Fastest, leaveOpen: true)) gzip.Write(tar.ToArray());
        var layer = zipped.ToArray();
        var config = Encoding.UTF8.GetBytes(
            $$$"""
            {"architecture":"amd64","os":"linux","config":{"User":"1654","Env":["APP_UID=1654"]},
             "rootfs":{"type":"layers","diff_ids":["{{{Digest(tar.ToArray())}}}"]},"history":[{"created":"2026-01-01T00:00:00Z"}]}
            """);
        blobs[Digest(layer)] = layer;
        blobs[Digest(config)] = config;
        return Encoding.UTF8.GetBytes(
            $$"""
            {"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json",
             "config":{"mediaType":"application/vnd.docker.container.image.v1+json","size":{{config.Length}},"digest":"{{Digest(config)}}"},
             "layers":[{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip","size":{{layer.Length}},"digest":"{{Digest(layer)}}"}]}
            """);
    }

    private static string Digest(byte[] content) => $"sha256:{Convert.ToHexStringLower(SHA256.HashData(content))}";
}
