using System.CommandLine;
using System.CommandLine.Help;
using Gatehouse.Server.Commands;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace Gatehouse.Server;

/// <summary>
/// The program <c>gatehouse</c>: server and command line. A host of your own with the same verbs is this with a few lines:
/// <c>return await new GatehouseProgram { Map = app => app.MapView(…) }.RunAsync(args);</c>
/// </summary>
public sealed class GatehouseProgram
{
    /// <summary>Changes options before settings and command line have their say.</summary>
    public Action<GatehouseOptions>? Configure { get; init; }

    /// <summary>Adds services of your own.</summary>
    public Action<IServiceCollection>? Services { get; init; }

    /// <summary>Maps endpoints of your own beside those of Gatehouse.</summary>
    public Action<WebApplication>? Map { get; init; }

    /// <summary>Whether <c>/</c> is a page that says what runs here. Default true.</summary>
    public bool HasStartPage { get; init; } = true;

    /// <summary>Runs one verb.</summary>
    /// <returns>0: fine; 1: refused or failed, with one line on standard error; 2: wrong usage.</returns>
    public async Task<int> RunAsync(string[] args)
    {
        var settings = new Option<string?>("--settings")
        {
            Description = "JSON file with Django's setting names.",
            HelpName = "FILE",
            Recursive = true,
        };
        var database = new Option<string?>("--database")
        {
            Description = "Database address: sqlite:///relative.db, sqlite:////absolute.db or postgresql://user:password@host:5432/name.",
            HelpName = "URL",
            Recursive = true,
        };

        CommandContext Context(ParseResult parsed) => new(this, parsed.GetValue(settings), parsed.GetValue(database));

        var runserver = RunServer.Make(Context);
        var root = new Command("gatehouse", "Gatehouse protects REST APIs: sessions, Basic, tokens and JWT, compatible with Django REST framework on the wire and on disk.")
        {
            settings,
            database,
            new HelpOption(),
            new VersionOption(),
            runserver,
            Migrate.Make(Context),
            ShowMigrations.Make(Context),
            CreateSuperuser.Make(Context),
            ChangePassword.Make(Context),
            DrfCreateToken.Make(Context),
            ClearSessionsCommand.Make(Context),
            ClearCimdApplicationsCommand.Make(Context),
            FlushExpiredTokens.Make(Context),
            LogOutUser.Make(Context),
            RotateKeys.Make(Context),
            CreateApplication.Make(Context),
            ClearTokensCommand.Make(Context),
            LoadData.Make(Context),
            DumpData.Make(Context),
            Check.Make(Context),
            AuditCommand.Make(Context),
            Doctor.Make(Context),
            Backup.Make(Context),
            NotBefore.Make(Context),
        };
        root.SetAction((parsed, ct) => RunServer.RunAsync(Context(parsed), address: null, ct));

        var parsed = root.Parse(args);
        if (parsed.Errors.Count > 0)
        {
            foreach (var error in parsed.Errors) await Console.Error.WriteLineAsync(error.Message);
            await Console.Error.WriteLineAsync("Try --help.");
            return 2;
        }
        return await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
    }
}
