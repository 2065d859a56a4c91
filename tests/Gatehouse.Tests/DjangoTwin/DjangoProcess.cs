using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using Gatehouse.Tests.Database;
using Xunit;

namespace Gatehouse.Tests.DjangoTwin;

/// <summary>
/// The real stack (tests/DjangoTwin) on one database, as a process out of the chroot: it does what it is told in Python, and serves the project
/// if asked to. It ends with its standard input, so a test program that is killed leaves none behind.
/// </summary>
internal sealed class DjangoProcess : IAsyncDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(120);

    private readonly Process process;
    private readonly SemaphoreSlim turn = new(1);
    private readonly List<string> errors = [];

    private DjangoProcess(Process process)
    {
        this.process = process;
        process.ErrorDataReceived += (_, line) =>
        {
            if (line.Data is null) return;
            lock (errors) errors.Add(line.Data);
        };
        process.BeginErrorReadLine();
    }

    /// <summary>Where it listens.</summary>
    public Uri? Address { get; private set; }

    /// <summary>What it wrote into its log: the traceback of each answer of 500 among it.</summary>
    public string Errors
    {
        get
        {
            lock (errors) return string.Join('\n', errors);
        }
    }

    /// <param name="folder">Where the project was laid out.</param>
    /// <param name="database">As Django sees it: a path in the chroot is one of the chroot's.</param>
    /// <param name="serves">Whether it also serves the project, on a free port.</param>
    public static async Task<DjangoProcess> StartAsync(ChrootFolder folder, string database, bool serves = false)
    {
        var start = new ProcessStartInfo("chroot",
        [
            ChrootFolder.Root, "/usr/bin/env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "HOME=/root", "PYTHONDONTWRITEBYTECODE=1",
            "DJANGO_SETTINGS_MODULE=twin.settings", $"PYTHONPATH={folder.Inside}/project", $"ORACLE_PARITY={folder.Inside}", $"TWIN_DATABASE={database}",
            "python3", $"{folder.Inside}/project/manage.py", "obey", .. serves ? ["--serve"] : Array.Empty<string>(),
        ])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        var django = new DjangoProcess(Process.Start(start)!);
        if (serves) django.Address = new Uri(await django.LineAsync());
        return django;
    }

    /// <summary>Runs Python with all models as names; <c>given</c> is what is given, <c>result</c> what comes back.</summary>
    /// <returns>The result, and what was printed.</returns>
    public async Task<(JsonNode? Result, string Output)> RunAsync(string code, object? given = null)
    {
        await turn.WaitAsync();
        try
        {
            await process.StandardInput.WriteLineAsync(JsonSerializer.Serialize(new { code, given }));
            await process.StandardInput.FlushAsync();
            var answer = JsonNode.Parse(await LineAsync())!;
            if ((string?)answer["error"] is { } error) Assert.Fail($"Django: {error}\n{answer["output"]}");
            return (answer["result"], (string)answer["output"]!);
        }
        finally
        {
            turn.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        process.StandardInput.Close();
        await process.WaitForExitAsync().WaitAsync(Deadline);
        process.Dispose();
        turn.Dispose();
    }

    private async Task<string> LineAsync() =>
        await process.StandardOutput.ReadLineAsync().WaitAsync(Deadline) ?? throw new InvalidOperationException($"Django ended: {Errors}");
}

/// <summary>A folder in the chroot with the project in it, and room for a database.</summary>
internal sealed class ChrootFolder : IDisposable
{
    private ChrootFolder() => Inside = "/var/lib/twin/" + Guid.NewGuid().ToString("N");

    /// <summary>The chroot that make-chroot.sh makes.</summary>
    public static string Root { get; } = Path.Combine(Environment.GetEnvironmentVariable("DJANGO_TWIN_CACHE") ?? "/var/cache/gatehouse", "django-forky");

    /// <summary>Why the real stack cannot be had here; null when it can.</summary>
    public static string? Missing { get; } =
        !File.Exists(Path.Combine(Root, "made-of")) ? $"The real stack is not at {Root}. As root on Debian: tests/DjangoTwin/make-chroot.sh"
        : Environment.UserName != "root" ? "Only root can start the real stack out of its chroot."
        : null;

    /// <summary>Its path as Django sees it.</summary>
    public string Inside { get; }

    /// <summary>Its path as all others see it.</summary>
    public string Outside => Root + Inside;

    /// <summary>What Django and Gatehouse both read.</summary>
    public string Settings => Path.Combine(Outside, "settings.json");

    public static ChrootFolder Make()
    {
        var folder = new ChrootFolder();
        var twin = Path.Combine(DatabaseFile.Root, "tests", "DjangoTwin");
        var project = Path.Combine(folder.Outside, "project");
        Copy(Path.Combine(twin, "oracle"), project);
        Copy(Path.Combine(twin, "twin"), project);
        File.Copy(Path.Combine(twin, "twin", "settings.json"), folder.Settings);
        return folder;
    }

    public void Dispose() => Directory.Delete(Outside, recursive: true);

    private static void Copy(string from, string to)
    {
        Directory.CreateDirectory(to);
        foreach (var file in Directory.GetFiles(from)) File.Copy(file, Path.Combine(to, Path.GetFileName(file)));
        foreach (var folder in Directory.GetDirectories(from)) Copy(folder, Path.Combine(to, Path.GetFileName(folder)));
    }
}
