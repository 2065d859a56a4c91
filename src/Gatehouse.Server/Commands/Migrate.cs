using System.CommandLine;
using Gatehouse.Database;
using Microsoft.Extensions.DependencyInjection;

namespace Gatehouse.Server.Commands;

/// <summary><c>gatehouse migrate</c></summary>
internal static class Migrate
{
    public static Command Make(Func<ParseResult, CommandContext> context)
    {
        var command = new Command("migrate", "Bring the database up to date; a second run changes nothing.");
        CommandContext.SetAction(command, context, migrated: false, verb: async (_, services) =>
        {
            var applied = await services.GetRequiredService<Migrations>().ApplyAsync(CancellationToken.None);
            if (applied.Count == 0) Console.WriteLine("No migrations to apply.");
            foreach (var name in applied) Console.WriteLine($"  Applying {name}... OK");
            return 0;
        });
        return command;
    }
}

/// <summary><c>gatehouse showmigrations</c></summary>
internal static class ShowMigrations
{
    public static Command Make(Func<ParseResult, CommandContext> context)
    {
        var command = new Command("showmigrations", "List what is applied, [X], and what is not, [ ].");
        CommandContext.SetAction(command, context, migrated: false, verb: async (_, services) =>
        {
            foreach (var app in await services.GetRequiredService<Migrations>().ListAsync(CancellationToken.None))
            {
                Console.WriteLine(app.App);
                foreach (var migration in app.Migrations) Console.WriteLine($" [{(migration.Applied ? 'X' : ' ')}] {migration.Name}");
            }
            return 0;
        });
        return command;
    }
}
