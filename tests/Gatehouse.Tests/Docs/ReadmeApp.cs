using Gatehouse.Authentication;
using Gatehouse.AuthTokens;
using Gatehouse.Permissions;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Gatehouse.Tests.Docs;

/// <summary>The application that README.md shows, line by line, with a database in a folder of the test's own.</summary>
internal static class ReadmeApp
{
    public static WebApplication Build(string folder, params string[] args)
    {
        // <readme>
        var builder = WebApplication.CreateBuilder(args);
        builder.Services.AddGatehouse(o => o.Database = "sqlite:///app.db");
        // </readme>
        builder.Logging.ClearProviders();
        builder.Services.AddSingleton(_ =>
        {
            var options = new GatehouseOptions { DataFolder = folder };
            GatehouseSetup.Complete(options);
            return options;
        });
        // <readme>
        var app = builder.Build();
        app.UseGatehouse();
        app.MapGatehouse();
        app.MapGet("/todos", (HttpContext http) => $"The list of {http.GetUser()}").RequirePermission(new IsAuthenticated());
        app.MapGet("/robots", () => "Tokens only").RequirePermission(new IsAuthenticated()).WithSchemes(typeof(TokenAuthentication));
        // </readme>
        return app;
    }
}
