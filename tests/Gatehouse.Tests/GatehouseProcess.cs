using System.Diagnostics;
using System.Text.RegularExpressions;
using Xunit;

namespace Gatehouse.Tests;

/// <summary>The program as a process of its own, in a folder of its own, with a clean environment.</summary>
internal sealed partial class GatehouseProcess : IAsyncDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(90);

    private readonly Process process;
    private readonly TaskCompletionSource<Uri> address = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<string> output = [];
    private readonly List<string> errors = [];

    private GatehouseProcess(Process process)
    {
        this.process = process;
        process.OutputDataReceived += (_, line) =>
        {
            if (line.Data is null) return;
            lock (output) output.Add(line.Data);
            if (Listening().Match(line.Data) is { Success: true } match) address.TrySetResult(new Uri(match.Groups[1].Value));
        };
        process.ErrorDataReceived += (_, line) =>
        {
            if (line.Data is null) return;
            lock (errors) errors.Add(line.Data);
        };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    public string Output
    {
        get
        {
            lock (output) return string.Join('\n', output);
        }
    }

    public string Errors
    {
        get
        {
            lock (errors) return string.Join('\n', errors);
        }
    }

    public int Id => process.Id;

    /// <param name="folder">Where it runs; <c>gatehouse-data</c> comes to be there.</param>
    /// <param name="arguments">The command line.</param>
    /// <param name="input">What it reads; null: nothing.</param>
    /// <param name="environment">Variables to set.</param>
    /// <param name="program">Which of the programs.</param>
    public static GatehouseProcess Start(
        string folder, string[] arguments, string? input = null, (string Name, string Value)[]? environment = null, string program = "Gatehouse.Server")
    {
        var process = Process.Start(StartInfo(folder, arguments, environment, program))!;
        if (input is not null) process.StandardInput.Write(input);
        process.StandardInput.Close();
        return new GatehouseProcess(process);
    }

    public static ProcessStartInfo StartInfo(string folder, string[] arguments, (string Name, string Value)[]? environment, string program)
    {
        var start = new ProcessStartInfo("dotnet", ["exec", Path.Combine(AppContext.BaseDirectory, program + ".dll"), .. arguments])
        {
            WorkingDirectory = folder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var name in start.Environment.Keys.Where(name => name.StartsWith("Gatehouse", StringComparison.OrdinalIgnoreCase)
            || name.StartsWith("DJANGO_", StringComparison.Ordinal) || name.StartsWith("ASPNETCORE_", StringComparison.Ordinal)).ToList()) start.Environment.Remove(name);
        foreach (var (name, value) in environment ?? []) start.Environment[name] = value;
        return start;
    }

    /// <summary>Starts a server on a free port; the address is known once it listens.</summary>
    public static GatehouseProcess Serve(
        string folder, string[]? arguments = null, (string Name, string Value)[]? environment = null, string program = "Gatehouse.Server") =>
        Start(folder, ["runserver", "127.0.0.1:0", .. arguments ?? []], null, environment, program);

    /// <summary>Runs a verb to its end.</summary>
    public static async Task<(int Code, string Output, string Errors)> RunAsync(
        string folder, string[] arguments, string? input = null, (string Name, string Value)[]? environment = null, string program = "Gatehouse.Server")
    {
        await using var gatehouse = Start(folder, arguments, input, environment, program);
        var code = await gatehouse.EndAsync();
        return (code, gatehouse.Output, gatehouse.Errors);
    }

    /// <summary>Where it listens, once it does.</summary>
    public async Task<Uri> AddressAsync()
    {
        var ended = process.WaitForExitAsync();
        if (await Task.WhenAny(address.Task, ended).WaitAsync(Deadline) == ended && !address.Task.IsCompleted)
            Assert.Fail($"The server ended with {process.ExitCode}: {Errors}{Output}");
        return await address.Task;
    }

    public async Task<int> EndAsync()
    {
        await process.WaitForExitAsync().WaitAsync(Deadline);
        return process.ExitCode;
    }

    public void Kill() => process.Kill();

    public async Task SignalAsync(string signal)
    {
        using var kill = Process.Start("kill", [$"-{signal}", process.Id.ToString()]);
        await kill.WaitForExitAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (!process.HasExited) process.Kill();
        await process.WaitForExitAsync();
        process.Dispose();
    }

    // Its own words, or ASP.NET Core's.
    [GeneratedRegex(@"^(?:Gatehouse \S+ on| *Now listening on:) (http://\S+)$")]
    private static partial Regex Listening();
}

/// <summary>A folder that goes with the test.</summary>
internal sealed class TempFolder : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("gatehouse-tests-");

    public string Path => folder.FullName;

    public string this[string file] => System.IO.Path.Combine(Path, file);

    public void Dispose() => folder.Delete(recursive: true);
}
