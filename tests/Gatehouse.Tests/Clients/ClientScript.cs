using System.Diagnostics;
using Gatehouse.Tests.Database;
using Xunit;

namespace Gatehouse.Tests.Clients;

/// <summary>A script of tests/Clients in a process of its own. What it needs is installed by <c>./test</c>.</summary>
internal static class ClientScript
{
    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(3);

    private static string Folder => Path.Combine(DatabaseFile.Root, "tests", "Clients");

    // Debian's packages are for Debian's Python, whichever one comes first in PATH.
    private static string Python => File.Exists("/usr/bin/python3") ? "/usr/bin/python3" : "python3";

    /// <summary>Runs it, and fails the test with the steps that failed. Skips the test when the client is not installed.</summary>
    public static async Task PassesAsync(string script, IReadOnlyDictionary<string, string> environment, ITestOutputHelper output, CancellationToken ct)
    {
        await SkipIfMissingAsync(script, ct);
        var (code, printed) = await RunAsync(script.EndsWith(".py", StringComparison.Ordinal) ? Python : "node", [Path.Combine(Folder, script)], environment, ct);
        output.WriteLine(printed);

        var failed = printed.Split('\n').Where(line => line.StartsWith("FAIL ", StringComparison.Ordinal)).ToList();
        Assert.True(code == 0, failed.Count > 0 ? string.Join('\n', failed) : $"{script} ended with {code}:\n{printed}");
    }

    private static async Task SkipIfMissingAsync(string script, CancellationToken ct)
    {
        try
        {
            if (script.EndsWith(".py", StringComparison.Ordinal))
            {
                var module = script.Replace("_client.py", "", StringComparison.Ordinal);
                if ((await RunAsync(Python, ["-c", $"import {module}"], [], ct)).Code != 0) Assert.Skip($"python3-{module.Replace('_', '-')} is not installed.");
                return;
            }
            var (_, version) = await RunAsync("node", ["--version"], [], ct);
            if (!int.TryParse(version.TrimStart('v').Split('.')[0], out var major) || major < 20) Assert.Skip($"Node.js 20 or newer is not installed but {version.Trim()}.");
            if (!Directory.Exists(Path.Combine(Folder, "node_modules"))) Assert.Skip("The packages of tests/Clients are not installed: run npm ci there.");
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Skip("Neither Node.js nor Python can be found.");
        }
    }

    private static async Task<(int Code, string Output)> RunAsync(
        string program, string[] arguments, IEnumerable<KeyValuePair<string, string>> environment, CancellationToken ct)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (name, value) in environment) start.Environment[name] = value;
        // A proxy of the machine's is not for servers on this machine.
        foreach (var name in start.Environment.Keys.Where(name => name.EndsWith("_proxy", StringComparison.OrdinalIgnoreCase)).ToList()) start.Environment.Remove(name);

        using var process = Process.Start(start)!;
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(ct);
        deadline.CancelAfter(Deadline);
        var (text, errors) = (process.StandardOutput.ReadToEndAsync(ct), process.StandardError.ReadToEndAsync(ct));
        try
        {
            await process.WaitForExitAsync(deadline.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            if (ct.IsCancellationRequested) throw;
            return (-1, $"{await text}{await errors}\nIt took longer than {Deadline.TotalMinutes} minutes.");
        }
        return (process.ExitCode, await text + await errors);
    }
}
