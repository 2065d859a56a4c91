using System.CommandLine;
using System.Net;
using System.Text;
using Gatehouse.Admin;
using Gatehouse.Database;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Gatehouse.Server.Commands;

/// <summary><c>gatehouse runserver [ADDR:PORT]</c>, and <c>gatehouse</c> alone.</summary>
internal static class RunServer
{
    public const string DefaultAddress = "127.0.0.1:8000";

    public static Command Make(Func<ParseResult, CommandContext> context)
    {
        var address = new Argument<string?>("ADDR:PORT")
        {
            Description = $"Where to listen: PORT, ADDR:PORT or [IPv6]:PORT; port 0 takes a free one. Default {DefaultAddress}.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var command = new Command("runserver", "Serve; without a verb this is what happens.") { address };
        command.SetAction((parsed, ct) => RunAsync(context(parsed), parsed.GetValue(address), ct));
        return command;
    }

    public static async Task<int> RunAsync(CommandContext context, string? address, CancellationToken ct)
    {
        try
        {
            NativeHeap.LimitArenas();
            var endpoint = ParseAddress(address ?? DefaultAddress);
            await using var app = Build(context, endpoint);
            await app.StartAsync(ct);
            await WelcomeAsync(app, ct);
            await app.WaitForShutdownAsync(ct);
            return 0;
        }
        catch (IOException error) when (error.InnerException is AddressInUseException)
        {
            await Console.Error.WriteLineAsync($"{error.Message.TrimEnd('.')}: another program listens there. Take another port: gatehouse runserver 8001");
            return 1;
        }
        catch (OperationCanceledException)
        {
            // Told to stop before it had started.
            return 0;
        }
        catch (Exception error) when (CommandContext.OneLine(error) is { } line)
        {
            await Console.Error.WriteLineAsync(line);
            return 1;
        }
    }

    internal static WebApplication Build(CommandContext context, IPEndPoint address)
    {
        // Settings are read once. Watching their files for changes is watching the folder, and each page that is written to a database in it.
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { Args = ["--hostBuilder:reloadConfigOnChange=false"] });
        builder.Logging.ClearProviders().AddSimpleConsole(console =>
        {
            console.SingleLine = true;
            console.UseUtcTimestamp = true;
            console.TimestampFormat = "yyyy-MM-ddTHH:mm:ssZ ";
        });
        builder.Logging.AddFilter("Microsoft", LogLevel.Warning);
        // It would begin a trace for each request that nobody reads.
        builder.Logging.AddFilter("Microsoft.AspNetCore.Hosting.Diagnostics", LogLevel.None);
        // As that one would, it writes the addresses of requests; Django's links to a new password have their token in it.
        builder.Logging.AddFilter("Microsoft.AspNetCore.Routing", LogLevel.Warning);
        // What stops the start is told once, in one line.
        builder.Logging.AddFilter("Microsoft.Extensions.Hosting.Internal.Host", LogLevel.None);
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = TimeSpan.FromSeconds(30));

        var notes = context.AddGatehouse(builder.Services, builder.Configuration);
        builder.WebHost.UseKestrel(kestrel =>
        {
            var options = kestrel.ApplicationServices.GetRequiredService<GatehouseOptions>();
            options.AnswersUnknownPaths = true;
            kestrel.Listen(address);
            kestrel.AddServerHeader = false;
            // Bytes as they came: each scheme decodes what it reads, as under WSGI.
            kestrel.RequestHeaderEncodingSelector = _ => Encoding.Latin1;
            kestrel.Limits.MaxRequestBodySize = options.DataUploadMaxMemorySize + 64L * 1024;
            kestrel.Limits.MaxRequestHeaderCount = 100;
            kestrel.Limits.MaxRequestHeadersTotalSize = 32 * 1024;
        });

        var app = builder.Build();
        RefuseSampleKey(app.Services.GetRequiredService<GatehouseOptions>(), address);
        foreach (var note in notes) app.Logger.Note(note);
        app.UseGatehouse();
        app.MapGatehouse();
        app.MapGatehouseAdmin();
        if (context.Program.HasStartPage) app.MapPage("/", StartPageAsync);
        context.Program.Map?.Invoke(app);
        return app;
    }

    private static Task<IResult> StartPageAsync(HttpContext http) => Task.FromResult(http.Page(
        "Gatehouse",
        $"""
        <h1>Gatehouse is running</h1>
        <p>It protects REST APIs: sessions, Basic, tokens and JSON Web Tokens, as Django REST framework has them.</p>
        <ul>
        <li><a href="/api/accounts/profile/">/api/accounts/profile/</a>: who am I?</li>
        {Docs(http)}
        <li><a href="/accounts/login/">/accounts/login/</a>: log in</li>
        <li><a href="/admin/">/admin/</a>: for staff</li>
        </ul>
        <p>The walk through all of it is docs/quickstart.md.</p>
        """));

    private static string Docs(HttpContext http) => http.RequestServices.GetRequiredService<GatehouseOptions>().OpenApi is { Path.Length: > 0, DocsPath: { Length: > 0 } path }
        ? $"<li><a href=\"{path}\">{path}</a>: the API, to read and to try</li>"
        : "";

    // startproject's key is in every copy of the project: fine on one's own machine, an open door elsewhere.
    private static void RefuseSampleKey(GatehouseOptions options, IPEndPoint address)
    {
        if (options.SecretKey.StartsWith("django-insecure-", StringComparison.Ordinal) && !IPAddress.IsLoopback(address.Address))
            throw new SettingException(
                $"SECRET_KEY is a sample key (django-insecure-…) and the server would listen on {address.Address}. Set a key of your own: openssl rand -base64 48");
    }

    private static async Task WelcomeAsync(WebApplication app, CancellationToken ct)
    {
        var options = app.Services.GetRequiredService<GatehouseOptions>();
        var url = app.Urls.First();
        Console.WriteLine($"Gatehouse {Version} on {url}");
        Console.WriteLine($"  database  {app.Services.GetRequiredService<Db>().Name}");
        Console.WriteLine($"  profile   {options.Profile} (docs/deviations.md)");
        if (!await app.Services.GetRequiredService<Users.UserAccounts>().AnyAsync(ct))
        {
            var checkout = AppContext.BaseDirectory.Replace('\\', '/').Contains("/src/Gatehouse.Server/bin/", StringComparison.Ordinal);
            Console.WriteLine("  next      there is no user yet. In another terminal:");
            Console.WriteLine($"              {(checkout ? "./gatehouse" : "gatehouse")} createsuperuser");
            Console.WriteLine($"              curl {url}/api/accounts/register/ -d username=ali -d password=a-fine-phrase");
        }
        Console.WriteLine("  docs      docs/quickstart.md; Ctrl-C stops the server");
    }

    public static string Version => typeof(RunServer).Assembly.GetName().Version!.ToString(3);

    /// <exception cref="CommandException">It is no address.</exception>
    internal static IPEndPoint ParseAddress(string text)
    {
        if (int.TryParse(text, out var port) && port is >= 0 and <= 65535) return new IPEndPoint(IPAddress.Loopback, port);
        if (text.StartsWith("localhost:", StringComparison.OrdinalIgnoreCase)) text = "127.0.0.1" + text["localhost".Length..];
        if (text.Contains(':') && IPEndPoint.TryParse(text, out var endpoint) && (text.StartsWith('[') || text.Count(c => c == ':') == 1)) return endpoint;
        throw new CommandException($"'{text}' is not an address to listen on; write PORT or ADDR:PORT, for example {DefaultAddress}.");
    }
}

internal static partial class ServerLog
{
    [LoggerMessage(2001, LogLevel.Warning, "{Note}")]
    public static partial void Note(this ILogger logger, string note);
}
