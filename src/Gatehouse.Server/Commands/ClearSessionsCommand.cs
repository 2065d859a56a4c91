using System.CommandLine;
using System.Diagnostics;
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
            var deleted = await services.GetRequiredService<Sweeper>().RunAsync([new ClearSessions()], Progress.Line("sessions deleted"), CancellationToken.None);
            Progress.EndLine();
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

    /// <summary>What is printed next begins a line of its own.</summary>
    public static void EndLine()
    {
        if (!Console.IsErrorRedirected) Console.Error.Write("\r\e[K");
    }

    private sealed class Counter(string what) : IProgress<int>
    {
        private long last;

        public void Report(int value)
        {
            // Ten times a second is as fast as anybody reads.
            if (last != 0 && Stopwatch.GetElapsedTime(last) < TimeSpan.FromMilliseconds(100)) return;
            last = Stopwatch.GetTimestamp();
            Console.Error.Write($"\r{value} {what} ");
        }
    }
}
