using System.CommandLine;
using Gatehouse.Jwt;
using Gatehouse.Users;
using Microsoft.Extensions.DependencyInjection;

namespace Gatehouse.Server.Commands;

/// <summary><c>gatehouse flushexpiredtokens</c></summary>
internal static class FlushExpiredTokens
{
    public static Command Make(Func<ParseResult, CommandContext> context)
    {
        var command = new Command("flushexpiredtokens", "Delete recorded JSON Web Tokens whose time is over.");
        CommandContext.SetAction(command, context, async (_, services) =>
        {
            var deleted = await services.GetRequiredService<TokenBlacklist>().FlushExpiredAsync(Progress.Line("tokens deleted"));
            Progress.EndLine();
            Console.WriteLine($"{deleted} expired tokens deleted.");
            return 0;
        });
        return command;
    }
}

/// <summary><c>gatehouse logoutuser USER</c></summary>
internal static class LogOutUser
{
    public static Command Make(Func<ParseResult, CommandContext> context)
    {
        var username = new Argument<string>("username") { Description = "Who is logged out everywhere." };
        var command = new Command("logoutuser", "End all refresh and sliding tokens of a user; access tokens live until they expire.") { username };
        CommandContext.SetAction(command, context, async (parsed, services) =>
        {
            var name = parsed.GetValue(username)!;
            var user = await services.GetRequiredService<UserAccounts>().FindAsync(name, CancellationToken.None)
                ?? throw new CommandException($"There is no user '{name}'.");
            var blacklist = services.GetRequiredService<TokenBlacklist>();
            if (!blacklist.IsInstalled)
                throw new CommandException("The database has no tables of rest_framework_simplejwt.token_blacklist: no token of it can be ended before it expires.");
            var ended = await blacklist.LogOutEverywhereAsync(user.Id);
            Console.WriteLine($"{ended} tokens of {user} ended.");
            return 0;
        });
        return command;
    }
}
