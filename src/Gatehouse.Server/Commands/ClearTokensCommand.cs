using System.CommandLine;
using Gatehouse.Database;
using Gatehouse.OAuth;
using Gatehouse.OAuth.Tokens;
using Microsoft.Extensions.DependencyInjection;

namespace Gatehouse.Server.Commands;

/// <summary><c>gatehouse cleartokens</c></summary>
internal static class ClearTokensCommand
{
    public static Command Make(Func<ParseResult, CommandContext> context)
    {
        var command = new Command("cleartokens", "Delete OAuth tokens, codes and device codes that nobody can use any more.");
        CommandContext.SetAction(command, context, async (_, services) =>
        {
            if (services.GetRequiredService<OAuthOptions>().RefreshTokenExpireSeconds is null or <= 0)
            {
                await Console.Error.WriteLineAsync(
                    "REFRESH_TOKEN_EXPIRE_SECONDS is not set (or is 0), so refresh tokens never age-expire. cleartokens will only remove revoked and orphaned refresh "
                    + "tokens; expired access and ID tokens that are still bound to a refresh token are kept as long as that refresh token lives. Set "
                    + "REFRESH_TOKEN_EXPIRE_SECONDS to enable expiry-based cleanup.");
            }
            var deleted = await services.GetRequiredService<Sweeper>().RunAsync(
                [services.GetRequiredService<ClearTokens>()], Progress.Line("tokens deleted"), CancellationToken.None);
            Progress.EndLine();
            Console.WriteLine($"{deleted} tokens deleted.");
            return 0;
        });
        return command;
    }
}
