using System.CommandLine;
using Gatehouse.Users;
using Microsoft.Extensions.DependencyInjection;

namespace Gatehouse.Server.Commands;

/// <summary><c>gatehouse changepassword USER</c></summary>
internal static class ChangePassword
{
    private const int Tries = 3;

    public static Command Make(Func<ParseResult, CommandContext> context)
    {
        var username = new Argument<string>("username") { Description = "Whose password." };
        var command = new Command("changepassword", "Set a user's password; asks for the new one. The user's sessions and refresh tokens end.") { username };
        CommandContext.SetAction(command, context, (parsed, services) => RunAsync(services.GetRequiredService<UserAccounts>(), parsed.GetValue(username)!));
        return command;
    }

    private static async Task<int> RunAsync(UserAccounts accounts, string username)
    {
        var user = await accounts.FindAsync(username, CancellationToken.None) ?? throw new CommandException($"user '{username}' does not exist");
        Console.WriteLine($"Changing password for user '{user}'");
        for (var tried = 1; tried <= Tries; tried++)
        {
            var password = Passwords.Ask("Password");
            var weak = accounts.CheckPassword(password, user.Username, user.Email, user.FirstName, user.LastName);
            if (weak.Count == 0)
            {
                if (!await accounts.SetPasswordAsync(user.Id, password, CancellationToken.None)) throw new CommandException($"user '{username}' does not exist");
                Console.WriteLine($"Password changed successfully for user '{user}'");
                return 0;
            }
            foreach (var message in weak) await Console.Error.WriteLineAsync(message);
        }
        throw new CommandException($"Aborting password change for user '{username}' after {Tries} attempts");
    }
}
