using System.CommandLine;
using Gatehouse.Database;
using Gatehouse.Sessions;
using Microsoft.Extensions.DependencyInjection;

namespace Gatehouse.Server.Commands;

/// <summary><c>gatehouse clearsessions</c></summary>
internal static class ClearSessionsCommand
{
    public static Command Make(Func<ParseResult, CommandContext> context)
    {
        var command = new Command("clearsessions", "Delete expired sessions.");
        CommandContext.SetAction(command, context, async (_, services) =>
        {
            var deleted = await ClearSessions.RunAsync(
                services.GetRequiredService<Db>(), services.GetRequiredService<TimeProvider>(), Progress.Line("sessions deleted"), CancellationToken.None);
            Console.WriteLine($"{deleted} expired sessions deleted.");
            return 0;
        });
        return command;
    }
}

/// <summary>A counter on standard error, for a person who waits; nothing where nobody watches.</summary>
internal static class Progress
{
    public static IProgress<int>? Line(string what) => Console.IsErrorRedirected ? null : new Counter(what);

    private sealed class Counter(string what) : IProgress<int>
    {
        public void Report(int value) => Console.Error.Write($"\r{value} {what} ");
    }
}
