using System.CommandLine;
using Gatehouse.AuthTokens;
using Gatehouse.Users;
using Microsoft.Extensions.DependencyInjection;

namespace Gatehouse.Server.Commands;

/// <summary><c>gatehouse drf_create_token [-r] USER</c></summary>
internal static class DrfCreateToken
{
    public static Command Make(Func<ParseResult, CommandContext> context)
    {
        var username = new Argument<string>("username") { Description = "Whose token." };
        var reset = new Option<bool>("--reset", "-r") { Description = "Make a new token; the old one is dead from then on." };
        var command = new Command("drf_create_token", "Show a user's token, made if there is none.") { username, reset };
        CommandContext.SetAction(command, context, async (parsed, services) =>
        {
            var name = parsed.GetValue(username)!;
            var user = await services.GetRequiredService<UserAccounts>().FindAsync(name, CancellationToken.None)
                ?? throw new CommandException($"Cannot create the Token: user {name} does not exist");
            var tokens = services.GetRequiredService<TokenStore>();
            var key = parsed.GetValue(reset)
                ? await tokens.RenewAsync(user.Id, CancellationToken.None)
                : await tokens.GetOrCreateAsync(user.Id, CancellationToken.None);
            Console.WriteLine($"Generated token {key} for user {user}");
            return 0;
        });
        return command;
    }
}
