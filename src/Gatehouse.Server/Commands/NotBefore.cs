using System.CommandLine;
using System.Globalization;
using Gatehouse.Audit;
using Gatehouse.Database;
using Microsoft.Extensions.DependencyInjection;

namespace Gatehouse.Server.Commands;

/// <summary><c>gatehouse notbefore MOMENT</c></summary>
internal static class NotBefore
{
    public static Command Make(Func<ParseResult, CommandContext> context)
    {
        var moment = new Argument<string>("MOMENT") { Description = "In UTC, such as 2026-07-01T12:00:00Z; or now." };
        var command = new Command("notbefore", "End sessions, tokens and codes that were issued before a moment, for Gatehouse and Django alike.") { moment };
        CommandContext.SetAction(command, context, async (parsed, services) =>
        {
            var now = services.GetRequiredService<TimeProvider>().GetUtcNow();
            var before = Parse(parsed.GetValue(moment)!, now);
            if (before > now) throw new CommandException("That moment is still to come. Write one that is past, or now.");
            var entry = services.GetRequiredService<AuditTrail>().Of(AuditEvent.TokensEnded);
            var issued = services.GetServices<IIssued>().ToList();
            var ended = await services.GetRequiredService<Db>().WriteAsync(
                async tx =>
                {
                    var all = new List<(string What, int Count)>();
                    foreach (var one in issued) all.AddRange(await one.EndBeforeAsync(tx, before, now));
                    await AuditTrail.WriteAsync(tx, entry is null ? null : entry with
                    {
                        About = "everybody",
                        Detail = string.Create(CultureInfo.InvariantCulture, $"Issued before {before.UtcDateTime:yyyy-MM-ddTHH:mm:ssZ}: {string.Join(", ", all.Select(one => $"{one.Count} {one.What}"))}"),
                    });
                    return all;
                },
                CancellationToken.None);
            foreach (var (what, count) in ended) Console.WriteLine($"{count} {what} ended.");
            Console.WriteLine($"JSON Web Tokens that are recorded nowhere, access tokens above all, end when every server has TokensNotBefore set to {before.UtcDateTime:yyyy-MM-ddTHH:mm:ssZ}.");
            return 0;
        });
        return command;
    }

    private static DateTimeOffset Parse(string text, DateTimeOffset now) =>
        text == "now" ? now
        : DateTimeOffset.TryParseExact(
            text, ["yyyy-MM-dd'T'HH:mm:ss.FFFFFF'Z'", "yyyy-MM-dd'T'HH:mm:ss.FFFFFFzzz"], CultureInfo.InvariantCulture,
            DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var moment)
        ? moment
        : throw new CommandException($"'{text}' is no moment; write it in UTC, such as 2026-07-01T12:00:00Z, or now.");
}
