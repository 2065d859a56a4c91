using System.Diagnostics;
using Gatehouse.Database;
using Xunit;

namespace Gatehouse.Tests.Database;

/// <summary>Tests that are not run as such: other tests start this program again to run one of them in a process of its own.</summary>
public sealed class Child
{
    private const string PathVariable = "GATEHOUSE_TEST_PATH";

    private static string DatabasePath => Environment.GetEnvironmentVariable(PathVariable)!;

    internal static Process Start(string test, string path)
    {
        // Run by "dotnet Gatehouse.Tests.dll", the program is dotnet itself.
        var self = Path.GetFileNameWithoutExtension(Environment.ProcessPath!) == "dotnet" ? new[] { typeof(Child).Assembly.Location } : [];
        var start = new ProcessStartInfo(
            Environment.ProcessPath!, [.. self, "--explicit", "only", "--filter-method", $"{typeof(Child).FullName}.{test}"])
        {
            Environment = { [PathVariable] = path },
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        var process = Process.Start(start)!;
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return process;
    }

    [Fact(Explicit = true)]
    public async Task Migrate_once()
    {
        using var db = Db.Open($"sqlite:///{DatabasePath}");
        await new Migrations(db, TimeProvider.System).ApplyAsync(TestContext.Current.CancellationToken);
    }

    [Fact(Explicit = true)]
    public async Task Migrate_until_killed()
    {
        for (var i = 0; ; i++)
        {
            using var db = Db.Open($"sqlite:///{DatabasePath}.{i}");
            await new Migrations(db, TimeProvider.System).ApplyAsync(TestContext.Current.CancellationToken);
        }
    }

    [Fact(Explicit = true)]
    public async Task Write_until_killed()
    {
        var ct = TestContext.Current.CancellationToken;
        using var db = Db.Open($"sqlite:///{DatabasePath}");
        await new Migrations(db, TimeProvider.System).ApplyAsync(ct);
        await using var answered = new StreamWriter(new FileStream(DatabasePath + ".answered", FileMode.Create, FileAccess.Write, FileShare.Read));
        var insert = new Sql("INSERT INTO auth_group (id, name) VALUES (@id, @id)");
        for (var first = 1; ; first += 8)
        {
            var ids = Enumerable.Range(first, 8).ToList();
            await Task.WhenAll(ids.Select(id => db.WriteAsync(tx => tx.RunAsync(insert, ("id", id)), ct)));
            foreach (var id in ids) await answered.WriteAsync($"{id}\n");
            await answered.FlushAsync(ct);
        }
    }
}
