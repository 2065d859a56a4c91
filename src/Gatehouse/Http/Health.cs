using Gatehouse.Database;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Gatehouse.Http;

/// <summary>For whoever watches the server: alive, and able to work.</summary>
internal static class Health
{
    public static void MapHealth(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/health/live", () => Status(StatusCodes.Status200OK, "live"));
        routes.MapGet("/health/ready", async (Migrations migrations, CancellationToken ct) =>
        {
            try
            {
                return await migrations.IsCurrentAsync(ct) ? Status(StatusCodes.Status200OK, "ready") : Status(StatusCodes.Status503ServiceUnavailable, "not migrated");
            }
            catch (DatabaseUnavailableException)
            {
                return Status(StatusCodes.Status503ServiceUnavailable, "database unavailable");
            }
        });
    }

    private static ApiJson Status(int status, string text) => ApiJson.Write(status, json =>
    {
        json.WriteStartObject();
        json.WriteString("status", text);
        json.WriteEndObject();
    });
}
