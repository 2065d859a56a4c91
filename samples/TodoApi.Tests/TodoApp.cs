using Gatehouse.Testing;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Mvc.Testing;
using Microsoft.AspNetCore.TestHost;
using Microsoft.Extensions.DependencyInjection;

namespace TodoApi.Tests;

/// <summary>The application as it is, with a database of its own and a clock that stands still.</summary>
public sealed class TodoApp : WebApplicationFactory<Program>
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("todo-tests-");

    public TestClock Clock { get; } = new();

    protected override void ConfigureWebHost(IWebHostBuilder builder) => builder.UseSetting("Logging:LogLevel:Default", "Warning").ConfigureTestServices(services =>
    {
        services.AddSingleton<TimeProvider>(Clock);
        services.OverrideSettings(o =>
        {
            o.Database = $"sqlite:///{folder.FullName}/todo.db";
            o.DataFolder = folder.FullName;
            // A hash that costs nothing, as Django's own tests have it.
            o.PasswordHashers = ["md5"];
        });
    });

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        folder.Delete(recursive: true);
        GC.SuppressFinalize(this);
    }
}
