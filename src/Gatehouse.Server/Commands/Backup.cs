using System.CommandLine;
using Gatehouse.Database;
using Microsoft.Extensions.DependencyInjection;

namespace Gatehouse.Server.Commands;

/// <summary><c>gatehouse backup FILE</c></summary>
internal static class Backup
{
    public static Command Make(Func<ParseResult, CommandContext> context)
    {
        var file = new Argument<string>("FILE") { Description = "Where to; it must not be there yet." };
        var command = new Command("backup", "Copy the SQLite database as of one moment, while servers run.") { file };
        CommandContext.SetAction(command, context, migrated: false, verb: (parsed, services) =>
        {
            var (db, to) = (services.GetRequiredService<Db>(), Path.GetFullPath(parsed.GetValue(file)!));
            if (db is not SqliteDb) throw new CommandException("PostgreSQL has a backup of its own: pg_dump --format=custom --file=FILE DATABASE.");
            if (!db.IsThere) throw new CommandException($"There is no database {db.Name}.");
            if (File.Exists(to)) throw new CommandException($"{to} is there already, and is left as it is. Name another file.");
            db.Backup(to);
            Console.WriteLine($"{db.Name} is copied to {to} ({new FileInfo(to).Length} bytes).");
            return Task.FromResult(0);
        });
        return command;
    }
}
