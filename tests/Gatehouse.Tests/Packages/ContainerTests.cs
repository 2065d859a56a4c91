using System.Formats.Tar;
using System.IO.Compression;
using System.Text.Json.Nodes;
using Gatehouse.Tests.Database;
using Xunit;

namespace Gatehouse.Tests.Packages;

/// <summary>What <c>dotnet publish /t:PublishContainer</c> puts on top of a base image. That image itself is Microsoft's, and not tested here.</summary>
[Collection(nameof(PackedFiles))]
public sealed class ContainerTests(PackedFiles packed)
{
    [Fact]
    public async Task An_image_is_published_to_a_file_that_starts_the_server()
    {
        var ct = TestContext.Current.CancellationToken;
        await using var image = await BaseImage.ServeAsync(ct);

        await packed.DotNetAsync(
            [("DOTNET_CONTAINER_INSECURE_REGISTRIES", image.Registry), ("NO_PROXY", "localhost,127.0.0.1"), ("no_proxy", "localhost,127.0.0.1")],
            "publish", Path.Combine(DatabaseFile.Root, "src", "Gatehouse.Server"), "-c", PackedFiles.Configuration, "--no-build", "/t:PublishContainer", $"-p:PublishDir={packed["published"]}/",
            $"-p:ContainerBaseImage={image.Name}", $"-p:ContainerArchiveOutputPath={packed["gatehouse.tar"]}");
        var folder = packed["image"];
        Directory.CreateDirectory(folder);
        Directory.CreateDirectory(packed["root"]);
        await ExtractAsync(packed["gatehouse.tar"], folder, ct);

        var manifest = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(folder, "manifest.json"), ct))![0]!;
        var config = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(folder, (string)manifest["Config"]!), ct))!["config"]!;
        Assert.Equal("gatehouse:0.1.0", (string?)manifest["RepoTags"]![0]);
        Assert.Equal("""["dotnet","/app/Gatehouse.Server.dll"]""", config["Entrypoint"]!.ToJsonString());
        Assert.Equal("""["runserver","0.0.0.0:8080"]""", config["Cmd"]!.ToJsonString());
        Assert.True(config["ExposedPorts"]!.AsObject().ContainsKey("8080/tcp"));
        Assert.Contains("Gatehouse__DataFolder=/home/app/gatehouse-data", config["Env"]!.AsArray().Select(one => (string?)one));
        // Not root.
        Assert.Equal("1654", (string?)config["User"]);

        await ExtractAsync(Path.Combine(folder, (string)manifest["Layers"]!.AsArray()[^1]!), packed["root"], ct);
        Assert.Contains("createsuperuser", await packed.DotNetAsync(packed["root/app/Gatehouse.Server.dll"], "--help"), StringComparison.Ordinal);
    }

    /// <summary>Whether or not it is compressed.</summary>
    private static async Task ExtractAsync(string tar, string folder, CancellationToken ct)
    {
        await using var file = File.OpenRead(tar);
        var isZipped = file.ReadByte() == 0x1f && file.ReadByte() == 0x8b;
        file.Position = 0;
        await using Stream content = isZipped ? new GZipStream(file, CompressionMode.Decompress) : file;
        await TarFile.ExtractToDirectoryAsync(content, folder, overwriteFiles: true, ct);
    }
}
