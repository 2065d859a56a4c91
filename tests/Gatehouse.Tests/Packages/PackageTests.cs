using System.Diagnostics;
using System.IO.Compression;
using System.Net.Http.Headers;
using System.Text;
using System.Text.RegularExpressions;
using Gatehouse.Tests.Database;
using Gatehouse.Tests.Docs;
using Xunit;

namespace Gatehouse.Tests.Packages;

/// <summary>The packages, as somebody meets them who has nothing else.</summary>
[Collection(nameof(PackedFiles))]
public sealed partial class PackageTests(PackedFiles packed)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("Gatehouse", "lib/net10.0/Gatehouse.dll", "lib/net10.0/Gatehouse.xml")]
    [InlineData("Gatehouse.Admin", "lib/net10.0/Gatehouse.Admin.dll", "lib/net10.0/Gatehouse.Admin.xml")]
    [InlineData("Gatehouse.Server", "tools/net10.0/any/Gatehouse.Server.dll", "tools/net10.0/any/DotnetToolSettings.xml")]
    public async Task A_package_has_what_its_reader_needs(string id, string assembly, string documentation)
    {
        await using var package = await ZipFile.OpenReadAsync(packed[$"packages/{id}.{packed.Version}.nupkg"], Ct);
        await using var symbols = await ZipFile.OpenReadAsync(packed[$"packages/{id}.{packed.Version}.snupkg"], Ct);
        var names = package.Entries.Select(entry => entry.FullName).ToList();
        var nuspec = await ReadAsync(package.GetEntry($"{id}.nuspec")!);

        Assert.Contains("README.md", names);
        Assert.Contains("LICENSE", names);
        Assert.Contains(assembly, names);
        Assert.Contains(documentation, names);
        Assert.Contains(Path.ChangeExtension(assembly, ".pdb"), symbols.Entries.Select(entry => entry.FullName));
        Assert.Contains("<license type=\"expression\">MIT</license>", nuspec, StringComparison.Ordinal);
        Assert.Contains("<readme>README.md</readme>", nuspec, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Nothing_in_a_package_tells_where_it_was_built()
    {
        var told = new List<string>();
        foreach (var file in Directory.GetFiles(packed["packages"], "*nupkg"))
        {
            await using var package = await ZipFile.OpenReadAsync(file, Ct);
            foreach (var entry in package.Entries.Where(entry => entry.Name.StartsWith("Gatehouse", StringComparison.Ordinal)))
                if ((await ReadAsync(entry)).Contains(DatabaseFile.Root, StringComparison.Ordinal)) told.Add($"{Path.GetFileName(file)}: {entry.FullName}");
        }

        Assert.Empty(told);
    }

    [Fact]
    public async Task The_application_of_the_readme_is_built_from_the_package_and_runs()
    {
        var app = Directory.CreateDirectory(packed["app"]).FullName;
        await File.WriteAllTextAsync(
            Path.Combine(app, "app.csproj"),
            $"""
            <Project Sdk="Microsoft.NET.Sdk.Web">
              <PropertyGroup>
                <TargetFramework>net10.0</TargetFramework>
                <Nullable>enable</Nullable>
                <ImplicitUsings>enable</ImplicitUsings>
                <TreatWarningsAsErrors>true</TreatWarningsAsErrors>
              </PropertyGroup>
              <ItemGroup>
                <PackageReference Include="Gatehouse" Version="{packed.Version}" />
              </ItemGroup>
            </Project>
            """, Ct);
        await File.WriteAllTextAsync(Path.Combine(app, "Program.cs"), DocPage.Read("README.md").Blocks.Single(block => block.Language == "csharp").Text, Ct);
        await packed.DotNetAsync("build", app, "-o", packed["built"], "--nologo");

        await using var server = new Served(packed.Start("dotnet", [packed["built/app.dll"], "--urls", "http://127.0.0.1:0"]));
        using var http = new HttpClient { BaseAddress = await server.AddressAsync() };
        using var user = new FormUrlEncodedContent([new("username", "ali"), new("password", "s3cret-walk")]);
        var registered = await http.PostAsync("/api/accounts/register/", user, Ct);
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes("ali:s3cret-walk")));

        await registered.ShouldBeAsync(201);
        Assert.Equal("The list of ali", await http.GetStringAsync("/todos", Ct));
    }

    [Fact]
    public async Task The_tool_is_installed_and_serves()
    {
        await packed.DotNetAsync("tool", "install", "Gatehouse.Server", "--version", packed.Version, "--tool-path", packed["tools"]);
        var gatehouse = packed[OperatingSystem.IsWindows() ? "tools/gatehouse.exe" : "tools/gatehouse"];

        using var help = Process.Start(packed.Start(gatehouse, ["--help"]))!;
        var text = await help.StandardOutput.ReadToEndAsync(Ct);
        await help.WaitForExitAsync(Ct);
        await using var server = new Served(packed.Start(gatehouse, ["runserver", "127.0.0.1:0"]));
        using var http = new HttpClient { BaseAddress = await server.AddressAsync() };

        Assert.Contains("createsuperuser", text, StringComparison.Ordinal);
        await http.AskAsync("/health/ready").ShouldBeAsync(200, """{"status":"ready"}""");
    }

    private static async Task<string> ReadAsync(ZipArchiveEntry entry)
    {
        await using var stream = await entry.OpenAsync(Ct);
        using var reader = new StreamReader(stream, Encoding.Latin1);
        return await reader.ReadToEndAsync(Ct);
    }

    /// <summary>A server of whatever program, once it says where it listens.</summary>
    private sealed partial class Served : IAsyncDisposable
    {
        private readonly Process process;
        private readonly StringBuilder output = new();
        private readonly TaskCompletionSource<Uri> address = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Served(ProcessStartInfo start)
        {
            process = Process.Start(start)!;
            process.OutputDataReceived += (_, line) => Look(line.Data);
            process.ErrorDataReceived += (_, line) => Look(line.Data);
            process.BeginOutputReadLine();
            process.BeginErrorReadLine();
        }

        public async Task<Uri> AddressAsync()
        {
            var ended = process.WaitForExitAsync(Ct);
            if (await Task.WhenAny(address.Task, ended).WaitAsync(TimeSpan.FromSeconds(90), Ct) == ended && !address.Task.IsCompleted) Assert.Fail($"It ended: {output}");
            return await address.Task;
        }

        public async ValueTask DisposeAsync()
        {
            if (!process.HasExited) process.Kill(entireProcessTree: true);
            await process.WaitForExitAsync();
            process.Dispose();
        }

        private void Look(string? line)
        {
            if (line is null) return;
            lock (output) output.AppendLine(line);
            if (Listening().Match(line) is { Success: true } match) address.TrySetResult(new Uri(match.Value));
        }

        [GeneratedRegex(@"http://127\.0\.0\.1:[1-9]\d*")]
        private static partial Regex Listening();
    }
}
