using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Gatehouse.Tests.Docs;

/// <summary>
/// A reader who types a page's commands: one shell, one server at a time, a folder of their own. <c>./gatehouse</c> and
/// <c>dotnet run --project src/Gatehouse.Server</c> are the program beside this test, and port 8000 is a free one.
/// </summary>
internal sealed partial class DocSession : IAsyncDisposable
{
    private const string Address = "127.0.0.1:8000";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private static readonly string Program = Path.Combine(AppContext.BaseDirectory, "Gatehouse.Server.dll");

    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("gatehouse-docs-");
    private readonly Process shell;
    private Process? server;
    private string address = Address;

    public DocSession()
    {
        // Into a pipe curl would show its progress, which a reader at a terminal does not see.
        File.WriteAllText(Path.Combine(folder.FullName, ".curlrc"), "silent\nshow-error\nnoproxy = *\nmax-time = 50\n");

        var start = new ProcessStartInfo("bash", ["--noprofile", "--norc"]) { RedirectStandardInput = true };
        Prepare(start);
        start.Environment["CURL_HOME"] = folder.FullName;
        shell = Process.Start(start)!;
        shell.StandardInput.WriteLine($$"""
            exec 2>&1
            gatehouse() { '{{DotNet}}' '{{Program}}' "$@"; }
            """);
    }

    /// <summary>Runs one block.</summary>
    /// <returns>What it printed, and its exit code: of a server that was started, 0.</returns>
    public async Task<(string Output, int ExitCode)> RunAsync(string block, CancellationToken ct)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(ct);
        limit.CancelAfter(Patience);
        return ServerStart().Match(block) is { Success: true } start
            ? (await StartServerAsync(start, limit.Token), 0)
            : await TypeAsync(CommandLine().Replace(block, "gatehouse"), limit.Token);
    }

    /// <summary>As the page says it, with the address of the server that runs now.</summary>
    public string WithAddress(string text) => text.Replace(Address, address, StringComparison.Ordinal);

    public async ValueTask DisposeAsync()
    {
        await StopServerAsync();
        shell.StandardInput.Close();
        shell.Kill(entireProcessTree: true);
        await shell.WaitForExitAsync();
        shell.Dispose();
        folder.Delete(recursive: true);
    }

    private static string DotNet =>
        Path.GetFileNameWithoutExtension(Environment.ProcessPath!) == "dotnet" ? Environment.ProcessPath! : "dotnet";

    private void Prepare(ProcessStartInfo start)
    {
        start.WorkingDirectory = folder.FullName;
        start.RedirectStandardOutput = true;
        start.StandardOutputEncoding = Encoding.UTF8;
        foreach (var name in start.Environment.Keys.Where(name => name.StartsWith("Gatehouse__", StringComparison.Ordinal)).ToList())
            start.Environment.Remove(name);
    }

    private async Task<(string Output, int ExitCode)> TypeAsync(string block, CancellationToken ct)
    {
        var mark = $"end of block {Guid.NewGuid():N}";
        await shell.StandardInput.WriteAsync($"{WithAddress(block)}\nprintf '\\n%s %s\\n' '{mark}' $?\n".AsMemory(), ct);
        await shell.StandardInput.FlushAsync(ct);

        var output = new StringBuilder();
        while (true)
        {
            var line = await ReadLineAsync(shell, output, ct);
            if (line.StartsWith(mark, StringComparison.Ordinal))
                return (output.ToString().Trim('\n'), int.Parse(line[(mark.Length + 1)..], CultureInfo.InvariantCulture));
            output.Append(line.TrimEnd('\r')).Append('\n');
        }
    }

    private async Task<string> StartServerAsync(Match start, CancellationToken ct)
    {
        await StopServerAsync();
        address = Address;

        var arguments = start.Groups["arguments"].Value.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        var info = new ProcessStartInfo(DotNet, [Program, .. arguments, "runserver", "127.0.0.1:0"]);
        Prepare(info);
        foreach (Capture setting in start.Groups["setting"].Captures)
        {
            var parts = setting.Value.Trim().Split('=', 2);
            info.Environment[parts[0]] = parts[1];
        }
        server = Process.Start(info)!;

        var output = new StringBuilder();
        string line;
        do
        {
            line = await ReadLineAsync(server, output, ct);
            output.Append(line).Append('\n');
            if (ListeningOn().Match(line) is { Success: true } listening) address = listening.Groups[1].Value;
        }
        while (!line.TrimStart().StartsWith("docs ", StringComparison.Ordinal));

        // Whatever else it says is read, so that it never waits for a reader.
        _ = server.StandardOutput.BaseStream.CopyToAsync(Stream.Null, CancellationToken.None);
        return output.ToString().Trim('\n');
    }

    /// <summary>Ctrl-C is SIGINT; the server must end by itself.</summary>
    private async Task StopServerAsync()
    {
        if (server is null) return;
        using var limit = new CancellationTokenSource(Patience);
        try
        {
            using var kill = Process.Start("kill", ["-INT", $"{server.Id}"]);
            await kill.WaitForExitAsync(limit.Token);
            await server.WaitForExitAsync(limit.Token);
        }
        finally
        {
            if (!server.HasExited) server.Kill();
            server.Dispose();
            server = null;
        }
    }

    private static async Task<string> ReadLineAsync(Process from, StringBuilder sofar, CancellationToken ct)
    {
        try
        {
            return await from.StandardOutput.ReadLineAsync(ct)
                ?? throw new InvalidOperationException($"It ended. Until then it said:\n{sofar}");
        }
        catch (OperationCanceledException)
        {
            throw new TimeoutException($"It did not come to an end. Until then it said:\n{sofar}");
        }
    }

    [GeneratedRegex(@"^(?:(?<setting>[A-Za-z_]+=\S+) )*dotnet run --project src/Gatehouse\.Server(?: --(?<arguments>(?: --\S+ \S+)*))?\n$")]
    private static partial Regex ServerStart();

    [GeneratedRegex(@"\./gatehouse(?= )")]
    private static partial Regex CommandLine();

    [GeneratedRegex("^Gatehouse .* on http://(.+)$")]
    private static partial Regex ListeningOn();
}
