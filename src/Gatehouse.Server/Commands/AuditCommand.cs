using System.CommandLine;
using Gatehouse.Audit;
using Microsoft.Extensions.DependencyInjection;

namespace Gatehouse.Server.Commands;

/// <summary><c>gatehouse audit verify [--head POSITION:HASH]</c></summary>
internal static class AuditCommand
{
    public static Command Make(Func<ParseResult, CommandContext> context)
    {
        var head = new Option<string?>("--head") { Description = "What an earlier run printed as the head: that row must still be there, and the same." };
        var verify = new Command("verify", "Go through the chain of the audit log: whether a row was changed, taken out or put in.") { head };
        CommandContext.SetAction(verify, context, async (parsed, services) =>
        {
            AuditCheck check;
            try
            {
                check = await services.GetRequiredService<AuditLog>().VerifyAsync(parsed.GetValue(head), Progress.Line("rows looked at"), CancellationToken.None);
                Progress.EndLine();
            }
            catch (FormatException error)
            {
                throw new CommandException(error.Message);
            }
            foreach (var finding in check.Findings) Console.Error.WriteLine(finding);
            if (check.Findings.Count == AuditLog.MostFindings) Console.Error.WriteLine("The check ends here, with this many findings.");
            if (check.First is { } first && check.Last is { } last)
            {
                Console.WriteLine($"{check.Count} sealed {(check.Count == 1 ? "row" : "rows")}, places {first.Position} to {last.Position}, from {first.Moment} to {last.Moment} UTC.");
                Console.WriteLine($"Head: {last.Position}:{last.Hash}");
            }
            else
            {
                Console.WriteLine("No row is sealed.");
            }
            if (check.Waiting > 0) Console.WriteLine($"{check.Waiting} {(check.Waiting == 1 ? "row waits" : "rows wait")} to be sealed, which a running server does every five seconds.");
            Console.WriteLine(check.Findings.Count == 0 ? "The chain is whole." : "The chain is broken.");
            return check.Findings.Count == 0 ? 0 : 1;
        });
        return new Command("audit", "The audit log: who did what from where.") { verify };
    }
}
