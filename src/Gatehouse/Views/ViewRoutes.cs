using Gatehouse.Authentication;
using Gatehouse.Permissions;
using Gatehouse.Throttling;
using Gatehouse.Views;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Gatehouse;

/// <summary>Views and pages, and what any endpoint may ask of Gatehouse. The most specific wins: endpoint, group, settings.</summary>
public static class ViewRoutes
{
    /// <summary>
    /// Maps a view: one path, all its methods, with DRF's answers to the rest. Without further words it has the default schemes,
    /// permissions and throttles.
    /// </summary>
    /// <param name="routes">The application, or a group.</param>
    /// <param name="path">With its trailing slash; a request without it is redirected (<c>APPEND_SLASH</c>).</param>
    /// <param name="name">What OPTIONS calls it.</param>
    /// <param name="describe">Gives it its methods.</param>
    public static IEndpointConventionBuilder MapView(this IEndpointRouteBuilder routes, string path, string name, Action<ApiView> describe)
    {
        var view = new ApiView(name, routes.ServiceProvider);
        describe(view);
        view.Finish();

        var plans = routes.ServiceProvider.GetRequiredService<EndpointPlans>();
        RequestDelegate dispatch = http => plans.Of(http.GetEndpoint()!)!.DispatchAsync(http);
        return routes.Map(path, dispatch).WithMetadata(view, DjangoPath.Exact).Guard();
    }

    /// <summary>Maps a page of Django's kind: any method, session, CSRF protection for those that write; no schemes and permissions.</summary>
    public static IEndpointConventionBuilder MapPage(this IEndpointRouteBuilder routes, string path, Func<HttpContext, Task<IResult>> handler) =>
        routes.MapPage(path, handler, new PageMetadata(CsrfProtected: true));

    /// <summary>
    /// As <see cref="MapPage(IEndpointRouteBuilder, string, Func{HttpContext, Task{IResult}})"/>, and asked also where the last slash of its path is missing:
    /// a page that says nothing before it knows who asks, not even where it is (Django admin's <c>catch_all_view</c>).
    /// </summary>
    public static IEndpointConventionBuilder MapGuardedPage(this IEndpointRouteBuilder routes, string path, Func<HttpContext, Task<IResult>> handler) =>
        routes.MapPage(path, handler, new PageMetadata(CsrfProtected: true, AnswersWithoutSlash: true));

    /// <summary>As <see cref="MapPage(IEndpointRouteBuilder, string, Func{HttpContext, Task{IResult}})"/> for programs (<c>csrf_exempt</c>): it must not act for whom a cookie names.</summary>
    internal static IEndpointConventionBuilder MapCsrfExemptPage(this IEndpointRouteBuilder routes, string path, Func<HttpContext, Task<IResult>> handler) =>
        routes.MapPage(path, handler, new PageMetadata(CsrfProtected: false));

    private static IEndpointConventionBuilder MapPage(this IEndpointRouteBuilder routes, string path, Func<HttpContext, Task<IResult>> handler, PageMetadata page)
    {
        RequestDelegate answer = async http => await (await handler(http)).ExecuteAsync(http);
        return routes.Map(path, answer).WithMetadata(page, DjangoPath.Exact).Guard();
    }

    /// <summary>These schemes, in this order (<c>authentication_classes</c>); none: the endpoint asks nobody who they are.</summary>
    public static TBuilder WithSchemes<TBuilder>(this TBuilder builder, params Type[] schemes) where TBuilder : IEndpointConventionBuilder
    {
        if (Array.Find(schemes, type => !type.IsAssignableTo(typeof(BaseAuthentication))) is { } wrong)
            throw new ArgumentException($"{wrong.Name} is no authentication scheme: derive it from BaseAuthentication.", nameof(schemes));
        return builder.WithMetadata(new SchemesMetadata(schemes)).Guard();
    }

    /// <summary>All of these must agree (<c>permission_classes</c>).</summary>
    public static TBuilder RequirePermission<TBuilder>(this TBuilder builder, params RequestPermission[] permissions)
        where TBuilder : IEndpointConventionBuilder => builder.WithMetadata(new PermissionsMetadata(permissions)).Guard();

    /// <summary>Each of these counts (<c>throttle_classes</c>).</summary>
    public static TBuilder Throttle<TBuilder>(this TBuilder builder, params RequestThrottle[] throttles)
        where TBuilder : IEndpointConventionBuilder => builder.WithMetadata(new ThrottlesMetadata(throttles)).Guard();

    /// <summary>The scope that <see cref="ScopedRateThrottle"/> counts the endpoint under (<c>throttle_scope</c>).</summary>
    public static TBuilder ThrottleScope<TBuilder>(this TBuilder builder, string scope)
        where TBuilder : IEndpointConventionBuilder => builder.WithMetadata(new ThrottleScopeMetadata(scope));

    /// <summary>Without the middleware before it, an endpoint that asked to be protected answers nobody rather than everybody.</summary>
    private static TBuilder Guard<TBuilder>(this TBuilder builder) where TBuilder : IEndpointConventionBuilder
    {
        builder.Finally(endpoint =>
        {
            if (endpoint.RequestDelegate is not { } inner) return;
            endpoint.RequestDelegate = http => http.Features.Get<Admitted>()?.To == http.GetEndpoint()
                ? inner(http)
                : throw new InvalidOperationException(
                    $"{endpoint.DisplayName} is protected by Gatehouse, which was not asked: call app.UseGatehouse() after UseRouting() and before the endpoints.");
        });
        return builder;
    }

    /// <summary>
    /// Asks the endpoint's permissions about an object that it has found (DRF <c>check_object_permissions</c>): null when it may go on, else
    /// the answer to return.
    /// </summary>
    public static ValueTask<IResult?> CheckObjectPermissionsAsync(this HttpContext http, object target) =>
        http.GetEndpoint() is { } endpoint && http.RequestServices.GetRequiredService<EndpointPlans>().Of(endpoint) is { } plan
            ? plan.RefuseObjectAsync(http, target)
            : new((IResult?)null);
}
