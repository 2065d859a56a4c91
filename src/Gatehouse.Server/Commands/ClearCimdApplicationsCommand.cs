using System.CommandLine;
using Gatehouse.Database;
using Gatehouse.OAuth.Registration;
using Microsoft.Extensions.DependencyInjection;

namespace Gatehouse.Server.Commands;

/// <summary><c>gatehouse clearcimdapplications</c></summary>
internal static class ClearCimdApplicationsCommand
{
    public static Command Make(Func<ParseResult, CommandContext> context)
    {
        var batch = new Option<int>("--batch-size") { Description = "Applications deleted in one transaction.", DefaultValueFactory = _ => 1000 };
        var command = new Command("clearcimdapplications", "Delete expired applications of client ID metadata documents that hold no live tokens or grants.") { batch };
        CommandContext.SetAction(command, context, async (parsed, services) =>
        {
            var size = parsed.GetValue(batch);
            if (size < 1) throw new CommandException("--batch-size must be a positive integer.");
            var deleted = await ClearCimdApplications.RunAsync(
                services.GetRequiredService<Db>(), services.GetRequiredService<TimeProvider>(), size, Progress.Line("applications deleted"), CancellationToken.None);
            Console.WriteLine($"Deleted {deleted} expired CIMD application(s)");
            return 0;
        });
        return command;
    }
}
