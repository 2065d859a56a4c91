using System.CommandLine;
using System.Text.Json;
using Gatehouse.Database;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Gatehouse.Server.Commands;

/// <summary>What every verb has: the options from all sources, and services made from them.</summary>
internal sealed class CommandContext(GatehouseProgram program, string? settingsFile, string? database)
{
    public GatehouseProgram Program => program;

    public string? SettingsFile => settingsFile;

    /// <summary>
    /// Fills options: the host's own, then appsettings.json and the environment (<c>Gatehouse</c>), then the settings file, then the command
    /// line. Returns what of the settings file was passed over, for the log.
    /// </summary>
    public IReadOnlyList<string> Fill(GatehouseOptions options, IConfiguration configuration)
    {
        if (settingsFile is null) return Fill(options, configuration, settings: null, file: null);
        using var settings = DjangoSettings.Read(settingsFile);
        return Fill(options, configuration, settings.RootElement, settingsFile);
    }

    /// <summary>The same with other settings in the file's place.</summary>
    public IReadOnlyList<string> Fill(GatehouseOptions options, IConfiguration configuration, JsonElement? settings, string? file)
    {
        program.Configure?.Invoke(options);
        GatehouseConfiguration.Apply(configuration.GetSection("Gatehouse"), options);
        var notes = settings is null || file is null ? [] : DjangoSettings.Apply(settings.Value, file, options);
        if (database is not null) options.Database = database;
        return notes;
    }

    /// <summary>The same sources as the server's: a verb must never work on another database.</summary>
    public static IConfiguration Configuration()
    {
        var environment = Environment.GetEnvironmentVariable("DOTNET_ENVIRONMENT") ?? Environment.GetEnvironmentVariable("ASPNETCORE_ENVIRONMENT") ?? "Production";
        return new ConfigurationBuilder().SetBasePath(Directory.GetCurrentDirectory())
            .AddJsonFile("appsettings.json", optional: true).AddJsonFile($"appsettings.{environment}.json", optional: true).AddEnvironmentVariables().Build();
    }

    /// <summary>Adds Gatehouse to an application, with these options.</summary>
    public IReadOnlyList<string> AddGatehouse(IServiceCollection services, IConfiguration configuration)
    {
        // Once now, so that what is wrong stops the start before anything else happens.
        var notes = Fill(new GatehouseOptions(), configuration);
        services.AddGatehouse((_, options) => Fill(options, configuration));
        program.Services?.Invoke(services);
        return notes;
    }

    /// <summary>Runs a verb that is no server: with services, and failures as one line on standard error.</summary>
    public async Task<int> RunAsync(Func<IServiceProvider, Task<int>> verb, bool migrated = true)
    {
        try
        {
            var configuration = Configuration();
            var services = new ServiceCollection();
            services.AddLogging(log => log.AddSimpleConsole(o => o.SingleLine = true).SetMinimumLevel(LogLevel.Warning));
            services.AddSingleton<IConfiguration>(configuration);
            AddGatehouse(services, configuration);
            await using var provider = services.BuildServiceProvider();

            // What goes on in a server, such as the sweeper, does not go on in a verb.
            if (migrated)
                foreach (var start in provider.GetServices<IHostedService>().Where(one => one is not BackgroundService)) await start.StartAsync(CancellationToken.None);
            try
            {
                return await verb(provider);
            }
            finally
            {
                // Nobody has looked whether the database is in use with another key: the server's start does.
                if (!migrated && provider.GetRequiredService<GatehouseOptions>() is { IsSecretKeyDoubtful: true, DataFolder: var folder }) SecretKeyFile.TakeBack(folder);
            }
        }
        catch (Exception error) when (OneLine(error) is { } line)
        {
            await Console.Error.WriteLineAsync(line);
            return 1;
        }
    }

    /// <summary>What a person can do something about, in one line; null for our own faults, which show themselves whole.</summary>
    public static string? OneLine(Exception error) => error switch
    {
        SettingException or MigrationException or FixtureException or DatabaseUnavailableException or CommandException => error.Message,
        IOException or UnauthorizedAccessException or System.Net.Sockets.SocketException => error.Message,
        InvalidDataException => error.Message,
        _ => null,
    };

    /// <summary>An action that runs <paramref name="verb"/>.</summary>
    public static void SetAction(Command command, Func<ParseResult, CommandContext> context, Func<ParseResult, IServiceProvider, Task<int>> verb, bool migrated = true) =>
        command.SetAction((parsed, _) => context(parsed).RunAsync(services => verb(parsed, services), migrated));
}

/// <summary>A verb's refusal, in one line.</summary>
internal sealed class CommandException(string message) : Exception(message);
