using System.Net;
using Gatehouse.Server;
using Gatehouse.Server.Commands;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;

namespace Gatehouse.Tests;

/// <summary>The program's own server on a free port of 127.0.0.1, with the test's clock and log.</summary>
public sealed class TestServer : IAsyncDisposable
{
    private readonly WebApplication app;
    private bool stopped;

    private TestServer(WebApplication app, Secrets secrets)
    {
        this.app = app;
        Address = new Uri(app.Urls.Single());
        Http = new HttpClient(new SecretWatcher(secrets)
        {
            InnerHandler = new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, RequestHeaderEncodingSelector = (_, _) => System.Text.Encoding.Latin1 },
        })
        {
            BaseAddress = Address,
        };
    }

    public Uri Address { get; }
    public HttpClient Http { get; }
    public IServiceProvider Services => app.Services;

    public static async Task<TestServer> StartAsync(
        Action<GatehouseOptions> configure, Action<IServiceCollection> services, Action<WebApplication> map, TimeProvider clock, TestLog log, Secrets secrets)
    {
        var program = new GatehouseProgram
        {
            Configure = configure,
            Services = added =>
            {
                added.AddSingleton(clock);
                added.RemoveAll<ILoggerProvider>();
                added.AddSingleton<ILoggerProvider>(log);
                // More than the program logs: whoever turns it up must not read secrets either.
                added.Configure<LoggerFilterOptions>(filters =>
                {
                    filters.MinLevel = LogLevel.Trace;
                    filters.Rules.Clear();
                    filters.Rules.Add(new LoggerFilterRule(null, "Microsoft", LogLevel.Debug, null));
                });
                services(added);
            },
            Map = map,
        };
        var app = RunServer.Build(new CommandContext(program, settingsFile: null, database: null), new IPEndPoint(IPAddress.Loopback, 0));
        try
        {
            await app.StartAsync();
        }
        catch
        {
            await app.DisposeAsync();
            throw;
        }
        return new TestServer(app, secrets);
    }

    public T Get<T>() where T : notnull => app.Services.GetRequiredService<T>();

    /// <summary>Ends it as SIGTERM would.</summary>
    public async Task StopAsync()
    {
        if (stopped) return;
        stopped = true;
        await app.StopAsync();
        await app.DisposeAsync();
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await StopAsync();
    }
}
