using System.CommandLine;
using Gatehouse.Audit;
using Gatehouse.Database;
using Microsoft.Extensions.DependencyInjection;

namespace Gatehouse.Server.Commands;

/// <summary><c>gatehouse loaddata FILE…</c></summary>
internal static class LoadData
{
    public static Command Make(Func<ParseResult, CommandContext> context)
    {
        var files = new Argument<string[]>("FILE") { Description = "Fixtures: JSON as Django's dumpdata writes it; - reads standard input.", Arity = ArgumentArity.OneOrMore };
        var command = new Command("loaddata", "Load fixtures, each wholly or not at all.") { files };
        CommandContext.SetAction(command, context, async (parsed, services) =>
        {
            var (fixtures, audit) = (services.GetRequiredService<Fixtures>(), services.GetRequiredService<AuditTrail>());
            var objects = 0;
            var names = parsed.GetValue(files)!;
            foreach (var name in names)
            {
                await using var stream = name == "-" ? Console.OpenStandardInput() : File.OpenRead(name);
                var entry = audit.Of(AuditEvent.Loaded);
                objects += await fixtures.LoadAsync(
                    stream, name, Progress.Line("objects read"),
                    (tx, count) => AuditTrail.WriteAsync(tx, entry is null ? null : entry with { About = Path.GetFileName(name), Detail = $"{count} object(s)" }), CancellationToken.None);
            }
            Console.WriteLine($"Installed {objects} object(s) from {names.Length} fixture(s)");
            return 0;
        });
        return command;
    }
}

/// <summary><c>gatehouse dumpdata [app[.model]…]</c></summary>
internal static class DumpData
{
    public static Command Make(Func<ParseResult, CommandContext> context)
    {
        var labels = new Argument<string[]>("app[.model]") { Description = "What to write; nothing: everything.", Arity = ArgumentArity.ZeroOrMore };
        var indent = new Option<int?>("--indent") { Description = "Spaces of indentation; without it all stands on one line." };
        var output = new Option<string?>("--output", "-o") { Description = "Where to; without it standard output." };
        var natural = new Option<bool>("--natural-foreign") { Description = "References by natural keys." };
        var naturalPrimary = new Option<bool>("--natural-primary") { Description = "No primary keys where there are natural ones." };
        var command = new Command("dumpdata", "Write the database as a fixture that Django's loaddata reads.") { labels, indent, output, natural, naturalPrimary };
        CommandContext.SetAction(command, context, async (parsed, services) =>
        {
            var file = parsed.GetValue(output);
            await using var stream = file is null ? Console.OpenStandardOutput() : new FileStream(file, Private());
            await services.GetRequiredService<Fixtures>().DumpAsync(
                stream, parsed.GetValue(labels)!, parsed.GetValue(indent), parsed.GetValue(natural), parsed.GetValue(naturalPrimary), CancellationToken.None);
            return 0;
        });
        return command;
    }
    // It holds password hashes and tokens.
    private static FileStreamOptions Private()
    {
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        return options;
    }
}
