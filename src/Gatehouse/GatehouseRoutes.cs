using Gatehouse.Accounts;
using Gatehouse.AuthTokens;
using Gatehouse.Http;
using Gatehouse.Jwt;
using Gatehouse.OAuth;
using Gatehouse.OpenApi;
using Gatehouse.Views;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Gatehouse;

/// <summary>The explicit list of what Gatehouse serves.</summary>
public static class GatehouseRoutes
{
    /// <summary>Puts Gatehouse before the endpoints: it asks the three questions of all that asked it to.</summary>
    public static IApplicationBuilder UseGatehouse(this IApplicationBuilder app) => app.UseMiddleware<GatehouseMiddleware>();

    /// <summary>Maps every feature's endpoints.</summary>
    public static void MapGatehouse(this IEndpointRouteBuilder routes)
    {
        var options = routes.ServiceProvider.GetRequiredService<GatehouseOptions>();
        routes.ServiceProvider.GetRequiredService<Mapped>().Sources = routes.DataSources;
        routes.MapAccounts(options);
        routes.MapAuthTokens(options);
        routes.MapJwt(options);
        routes.MapOAuth(options);
        routes.MapHealth();
        routes.MapStyleSheet();
        ViewAssets.MapViewAssets(routes);
        routes.MapOpenApiDocument(options);
        routes.MapDocsPage(options);
    }

    /// <summary>The endpoints of the application, for the check at its start.</summary>
    internal sealed class Mapped
    {
        public ICollection<EndpointDataSource> Sources { get; set; } = [];
    }
}
