using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using Gatehouse.Tests.Database;
using Xunit;

namespace Gatehouse.Tests.DjangoTwin;

/// <summary>
/// A process that does what it is told: a line of JSON is answered by a line of JSON. It ends with its standard input, so a test program that
/// is killed leaves none behind.
/// </summary>
internal sealed class ObedientProcess : IAsyncDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(120);

    private readonly Process process;
    private readonly SemaphoreSlim turn = new(1);
    private readonly List<string> errors = [];

    public ObedientProcess(ProcessStartInfo start)
    {
        start.RedirectStandardInput = start.RedirectStandardOutput = start.RedirectStandardError = true;
        process = Process.Start(start)!;
        process.ErrorDataReceived += (_, line) =>
        {
            if (line.Data is null) return;
            lock (errors) errors.Add(line.Data);
        };
        process.BeginErrorReadLine();
    }

    /// <summary>What it wrote to its standard error.</summary>
    public string Errors
    {
        get
        {
            lock (errors) return string.Join('\n', errors);
        }
    }

    public async Task<JsonNode> TellAsync(object order)
    {
        await turn.WaitAsync();
        try
        {
            await process.StandardInput.WriteLineAsync(JsonSerializer.Serialize(order));
            await process.StandardInput.FlushAsync();
            return JsonNode.Parse(await LineAsync())!;
        }
        finally
        {
            turn.Release();
        }
    }

    /// <summary>A line that it writes by itself.</summary>
    public async Task<string> LineAsync() =>
        await process.StandardOutput.ReadLineAsync().WaitAsync(Deadline) ?? throw new InvalidOperationException($"{process.StartInfo.FileName} ended: {Errors}");

    public async ValueTask DisposeAsync()
    {
        process.StandardInput.Close();
        await process.WaitForExitAsync().WaitAsync(Deadline);
        process.Dispose();
        turn.Dispose();
    }
}

/// <summary>The real stack (tests/DjangoTwin), out of the chroot: it does what it is told in Python, and serves the project on one database.</summary>
internal sealed class DjangoProcess : IAsyncDisposable
{
    private readonly ObedientProcess process;

    private DjangoProcess(ObedientProcess process, Uri address) => (this.process, Address) = (process, address);

    /// <summary>Where it listens.</summary>
    public Uri Address { get; }

    /// <summary>What it wrote into its log: the traceback of each answer of 500 among it.</summary>
    public string Errors => process.Errors;

    /// <param name="folder">Where the project was laid out.</param>
    /// <param name="database">What it serves, as Django sees it: a path in the chroot is one of the chroot's.</param>
    public static async Task<DjangoProcess> StartAsync(ChrootFolder folder, string database)
    {
        var process = new ObedientProcess(new ProcessStartInfo("chroot",
        [
            ChrootFolder.Root, "/usr/bin/env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "HOME=/root", "PYTHONDONTWRITEBYTECODE=1",
            "DJANGO_SETTINGS_MODULE=twin.settings", $"PYTHONPATH={folder.Inside}/project", $"ORACLE_PARITY={folder.Inside}", $"TWIN_DATABASE={database}",
            "python3", $"{folder.Inside}/project/manage.py", "obey",
        ]));
        return new DjangoProcess(process, new Uri(await process.LineAsync()));
    }

    /// <summary>Runs Python with all models as names; <c>given</c> is what is given, <c>result</c> what comes back.</summary>
    /// <param name="code">The Python.</param>
    /// <param name="given">What it is given.</param>
    /// <param name="database">Another database than the one that is served.</param>
    /// <returns>The result, and what was printed.</returns>
    public async Task<(JsonNode? Result, string Output)> RunAsync(string code, object? given = null, TwinDatabase? database = null)
    {
        var answer = await process.TellAsync(new { code, given, database = database?.Django });
        if ((string?)answer["error"] is { } error) Assert.Fail($"Django: {error}\n{answer["output"]}");
        return (answer["result"], (string)answer["output"]!);
    }

    public ValueTask DisposeAsync() => process.DisposeAsync();
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

    /// <param name="userModel">The project's own user model, <c>app.Model</c>; null: Django's.</param>
    public static ChrootFolder Make(string? userModel = null)
    {
        var folder = new ChrootFolder();
        var twin = Path.Combine(DatabaseFile.Root, "tests", "DjangoTwin");
        var project = Path.Combine(folder.Outside, "project");
        Copy(Path.Combine(twin, "oracle"), project);
        Copy(Path.Combine(twin, "twin"), project);
        var settings = JsonNode.Parse(File.ReadAllText(Path.Combine(twin, "twin", "settings.json")))!;
        if (userModel is not null)
        {
            var app = userModel.Split('.')[0];
            Copy(Path.Combine(twin, "user-models", app), Path.Combine(project, app));
            settings["AUTH_USER_MODEL"] = userModel;
        }
        File.WriteAllText(folder.Settings, settings.ToJsonString());
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
