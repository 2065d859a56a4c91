using System.Diagnostics;
using Gatehouse.Tests.Database;
using Xunit;

namespace Gatehouse.Tests.Packages;

/// <summary>Packed once for both classes.</summary>
[CollectionDefinition(nameof(PackedFiles))]
public sealed class PackedFilesCollection : ICollectionFixture<PackedFiles>;

/// <summary>The packages of what was built beside this test, once for all tests, in a folder that is a source of packages.</summary>
public sealed class PackedFiles : IAsyncLifetime
{
    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(5);

    private readonly TempFolder folder = new();

    /// <summary>Debug or Release, as this test itself.</summary>
    public static string Configuration { get; } = new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name;

    /// <summary>Its own for each run: an older package of the same version would be taken from the cache.</summary>
    public string Version { get; } = $"0.0.1-test{Environment.ProcessId}x{Stopwatch.GetTimestamp()}";

    public string Path => folder.Path;

    public string this[string file] => folder[file];

    public async ValueTask InitializeAsync()
    {
        foreach (var project in new[] { "Gatehouse", "Gatehouse.Admin", "Gatehouse.Server" })
            await DotNetAsync("pack", System.IO.Path.Combine(DatabaseFile.Root, "src", project), "-c", Configuration, "--no-build", "-o", folder["packages"], $"-p:PackageVersion={Version}");

        // What is in the cache need not be fetched again; the packages under test go into a cache of their own.
        var cache = Environment.GetEnvironmentVariable("NUGET_PACKAGES")
            ?? System.IO.Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");
        await File.WriteAllTextAsync(
            folder["nuget.config"],
            $"""
            <configuration>
              <packageSources><add key="packed" value="{folder["packages"]}" /></packageSources>
              <fallbackPackageFolders><add key="cache" value="{cache}" /></fallbackPackageFolders>
            </configuration>
            """);
    }

    public ValueTask DisposeAsync()
    {
        folder.Dispose();
        return ValueTask.CompletedTask;
    }

    /// <summary>Runs a command of the SDK in the folder.</summary>
    /// <returns>What it printed.</returns>
    public Task<string> DotNetAsync(params string[] arguments) => DotNetAsync([], arguments);

    public async Task<string> DotNetAsync((string Name, string Value)[] environment, params string[] arguments)
    {
        var start = Start("dotnet", arguments);
        foreach (var (name, value) in environment) start.Environment[name] = value;
        using var process = Process.Start(start)!;
        var (text, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        try
        {
            await process.WaitForExitAsync().WaitAsync(Deadline);
        }
        finally
        {
            if (!process.HasExited) process.Kill(entireProcessTree: true);
        }
        Assert.True(process.ExitCode == 0, $"dotnet {string.Join(' ', arguments)} ended with {process.ExitCode}:\n{await text}{await errors}");
        return await text;
    }

    public ProcessStartInfo Start(string program, string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { WorkingDirectory = folder.Path, RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["NUGET_PACKAGES"] = folder["cache"];
        start.Environment["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1";
        start.Environment["DOTNET_NOLOGO"] = "1";
        // No build server may outlive the test.
        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        start.Environment["UseSharedCompilation"] = "false";
        start.Environment.Remove("CI");
        foreach (var name in start.Environment.Keys.Where(name => name.StartsWith("Gatehouse", StringComparison.OrdinalIgnoreCase)
            || name.StartsWith("ASPNETCORE_", StringComparison.Ordinal) || name.StartsWith("MSBuild", StringComparison.Ordinal)).ToList()) start.Environment.Remove(name);
        return start;
    }
}
