using Gatehouse.Database;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Gatehouse.Http;

/// <summary>For whoever watches the server: alive, and able to work.</summary>
internal static class Health
{
    private static readonly TimeSpan Wait = TimeSpan.FromSeconds(2);

    public static void MapHealth(this IEndpointRouteBuilder routes)
    {
        var migrations = routes.ServiceProvider.GetRequiredService<Migrations>();
        var db = routes.ServiceProvider.GetRequiredService<Db>();
        routes.MapGet("/health/live", http => Status(StatusCodes.Status200OK, "live").ExecuteAsync(http));
        routes.MapGet("/health/ready", async http =>
        {
            var answer = await ReadyAsync(migrations, db, http.RequestAborted) is { } reason
                ? Status(StatusCodes.Status503ServiceUnavailable, reason)
                : Status(StatusCodes.Status200OK, "ready");
            await answer.ExecuteAsync(http);
        });
    }

    private static async Task<string?> ReadyAsync(Migrations migrations, Db db, CancellationToken ct)
    {
        try
        {
            if (!await migrations.IsCurrentAsync(ct).WaitAsync(Wait, ct)) return "not migrated";
            return await db.CanWriteAsync(Wait, ct) ? null : "database locked or not writable";
        }
        catch (Exception error) when (error is DatabaseUnavailableException or TimeoutException)
        {
            return "database unavailable";
        }
    }

    private static ApiJson Status(int status, string text) => ApiJson.Write(status, json =>
    {
        json.WriteStartObject();
        json.WriteString("status", text);
        json.WriteEndObject();
    });
}
