using System.Diagnostics;
using System.Text.Json;
using System.Text.RegularExpressions;
using Gatehouse.Tests.Database;
using Xunit;

namespace Gatehouse.Tests.Parity;

/// <summary>The recordings of the real stack, replayed by tests/Parity/parity.py against ParityHost in a process of its own.</summary>
public sealed partial class ParityTests(ITestOutputHelper output) : IDisposable
{
    private const string Section = "## Steps of the recordings that differ under Safe";

    // A million rounds for each of hundreds of logins are most of the time that a check takes; once is enough to see that they work.
    private static readonly (string, string)[] QuickHashes =
        [.. new[] { "md5", "pbkdf2_sha256", "pbkdf2_sha1", "argon2", "bcrypt_sha256", "scrypt", "bcrypt" }.Select((name, at) => ($"Gatehouse__PasswordHashers__{at}", name))];

    private readonly TempFolder folder = new();

    private static string Parity => Path.Combine(DatabaseFile.Root, "tests", "Parity");

    public void Dispose() => folder.Dispose();

    [Fact]
    public async Task Under_the_profile_Django_every_recording_passes_without_a_5xx()
    {
        var (code, report) = await CheckAsync("Django");

        Assert.True(code == 0, $"{report.Count} steps differ: {string.Join(", ", report.Select(step => $"{step.Scenario}: {step.Step}"))}");
    }

    [Fact]
    public async Task On_PostgreSQL_too()
    {
        PostgresCluster.Require();
        using var database = new PostgresDatabase();
        database.MakeEmpty();

        var (code, report) = await CheckAsync("Django", database.Url, QuickHashes);

        Assert.True(code == 0, $"{report.Count} steps differ: {string.Join(", ", report.Select(step => $"{step.Scenario}: {step.Step}"))}");
    }

    [Fact]
    public async Task Under_the_profile_Safe_only_steps_differ_that_the_documentation_names()
    {
        var documented = Documented().ToHashSet();
        var (_, report) = await CheckAsync("Safe", more: QuickHashes);

        var surprising = report.Except(documented).ToList();
        Assert.True(surprising.Count == 0, $"docs/deviations-steps.md does not name:\n{string.Join('\n', surprising.Select(step => $"| {step.Scenario} | {step.Step} |"))}");
        var outdated = documented.Except(report).ToList();
        Assert.True(outdated.Count == 0, $"docs/deviations.md or docs/deviations-steps.md names steps that do not differ:\n{string.Join('\n', outdated.Select(step => $"| {step.Scenario} | {step.Step} |"))}");
    }

    private async Task<(int Code, List<(string Scenario, string Step)> Differing)> CheckAsync(string profile, string? database = null, params (string, string)[] more)
    {
        if (!await HasPythonAsync()) Assert.Skip("python3 (3.11 or newer) is not installed, and it replays the recordings.");

        string[] options = ["--settings", Path.Combine(Parity, "settings.json"), "--database", database ?? $"sqlite:///{folder["parity.db"]}"];
        foreach (var verb in new[] { new[] { "migrate" }, ["loaddata", Path.Combine(Parity, "seed.fixture.json")] })
        {
            var (code, _, errors) = await GatehouseProcess.RunAsync(folder.Path, [.. verb, .. options], program: "ParityHost");
            Assert.True(code == 0, errors);
        }
        var scenarios = folder["scenarios"];
        var selected = await PythonAsync(Path.Combine(Parity, "select_scenarios.py"), scenarios);
        Assert.True(selected.Code == 0, selected.Output);
        output.WriteLine(selected.Output);

        // The recordings' callers say who they are by X-Forwarded-For. Safe believes it of a proxy that is named; with none they would share
        // one count, and which step it refuses would depend on the time of day; and so it would with ten user codes a minute.
        // And a sweeper would clear away the expired tokens that they ask about.
        // They fail to log in hundreds of times, which would be slowed down.
        (string, string)[] settings = profile == "Safe" ? [("Gatehouse__RestFramework__NumProxies", "1"), ("Gatehouse__Sweeper__Enabled", "false"), ("Gatehouse__OAuth__DeviceUserCodeThrottleRate", "10000/min"), ("Gatehouse__Accounts__KnownDevices", "false"), ("Gatehouse__Accounts__LoginFailureLimit", "0")] : [];
        await using var host = GatehouseProcess.Serve(folder.Path, options, [("Gatehouse__Profile", profile), .. settings, .. more], "ParityHost");
        var url = (await host.AddressAsync()).ToString().TrimEnd('/');
        var check = await PythonAsync(Path.Combine(Parity, "parity.py"), "check", url, "--scenarios", scenarios, "--no-5xx", "--report", folder["report.json"]);
        output.WriteLine(check.Output);
        Assert.True(check.Code is 0 or 1 && File.Exists(folder["report.json"]), check.Output);
        return (check.Code, Differing(await File.ReadAllTextAsync(folder["report.json"])));
    }

    // A quirk is a step where the real stack itself failed: shown, not counted.
    private static List<(string Scenario, string Step)> Differing(string report)
    {
        using var json = JsonDocument.Parse(report);
        return [.. json.RootElement.EnumerateArray().Where(step => !step.GetProperty("quirk").GetBoolean())
            .Select(step => (step.GetProperty("scenario").GetString()!, step.GetProperty("step").GetString()!)).Distinct()];
    }

    private static IEnumerable<(string Scenario, string Step)> Documented()
    {
        var docs = Path.Combine(DatabaseFile.Root, "docs");
        var lines = File.ReadLines(Path.Combine(docs, "deviations.md")).SkipWhile(line => line != Section).Skip(1).TakeWhile(line => !line.StartsWith("## ", StringComparison.Ordinal));
        foreach (var line in lines.Concat(File.ReadLines(Path.Combine(docs, "deviations-steps.md"))))
            if (Row().Match(line) is { Success: true } row && row.Groups[1].Value is not "scenario" && !row.Groups[1].Value.StartsWith('-'))
                yield return (row.Groups[1].Value, row.Groups[2].Value);
    }

    private static async Task<bool> HasPythonAsync()
    {
        try
        {
            return (await PythonAsync("-c", "import sys; sys.exit(sys.version_info < (3, 11))")).Code == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }

    private static async Task<(int Code, string Output)> PythonAsync(params string[] arguments)
    {
        using var python = Process.Start(new ProcessStartInfo("python3", arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var errors = python.StandardError.ReadToEndAsync();
        var text = await python.StandardOutput.ReadToEndAsync();
        await python.WaitForExitAsync();
        return (python.ExitCode, text + await errors);
    }

    // | scenario | step | why, if anybody wrote it |
    [GeneratedRegex(@"^\|\s*`?([^|`]+?)`?\s*\|\s*`?([^|`]+?)`?\s*\|")]
    private static partial Regex Row();
}
