using System.CommandLine;
using Gatehouse.Crypto;
using Gatehouse.Database;
using Gatehouse.OAuth;
using Gatehouse.Users;
using Gatehouse.Views;
using Microsoft.Extensions.DependencyInjection;

namespace Gatehouse.Server.Commands;

/// <summary><c>gatehouse check [--deploy]</c></summary>
internal static class Check
{
    public static Command Make(Func<ParseResult, CommandContext> context)
    {
        var deploy = new Option<bool>("--deploy") { Description = "Also list what a public server should not leave as it is." };
        var command = new Command("check", "Check the settings, and whether the database is up to date.") { deploy };
        CommandContext.SetAction(command, context, migrated: false, verb: async (parsed, services) =>
        {
            var options = services.GetRequiredService<GatehouseOptions>();
            _ = services.GetRequiredService<PasswordHashes>();
            _ = services.GetRequiredService<PasswordPolicy>();
            try
            {
                services.GetRequiredService<EndpointPlans>().Prepare([]);
            }
            catch (ArgumentException error)
            {
                throw new CommandException(error.Message);
            }

            var issues = parsed.GetValue(deploy) ? [.. DeployIssues.Of(options)] : new List<string>();
            if (services.GetRequiredService<Db>().IsThere && !await services.GetRequiredService<Migrations>().IsCurrentAsync(CancellationToken.None))
                issues.Add("(gatehouse.W001) The database is not up to date. Run: gatehouse migrate");

            var errors = parsed.GetValue(deploy) ? OAuthIssues.Errors(options.OAuth).ToList() : [];
            if (errors.Count > 0)
            {
                Console.Error.WriteLine("SystemCheckError: System check identified some issues:\n\nERRORS:");
                foreach (var error in errors) Console.Error.WriteLine("?: " + error);
                Console.Error.WriteLine();
            }
            if (issues.Count > 0) Console.Error.WriteLine("System check identified some issues:\n\nWARNINGS:");
            foreach (var issue in issues) Console.Error.WriteLine("?: " + issue);
            var count = issues.Count + errors.Count;
            Console.WriteLine($"System check identified {(count == 0 ? "no issues" : count == 1 ? "1 issue" : $"{count} issues")} (0 silenced).");
            return errors.Count > 0 ? 1 : 0;
        });
        return command;
    }
}
