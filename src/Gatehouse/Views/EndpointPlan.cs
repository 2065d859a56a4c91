using System.Collections.Concurrent;
using Gatehouse.Authentication;
using Gatehouse.Http;
using Gatehouse.Permissions;
using Gatehouse.Throttling;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Gatehouse.Views;

internal sealed record SchemesMetadata(Type[] Schemes);

internal sealed record PermissionsMetadata(RequestPermission[] Permissions);

internal sealed record ThrottlesMetadata(RequestThrottle[] Throttles);

/// <summary>A page of Django's kind: session and CSRF protection, no schemes.</summary>
internal sealed record PageMetadata(bool CsrfProtected, bool AnswersWithoutSlash = false);

/// <summary>The middleware has let the request through to this endpoint.</summary>
internal sealed record Admitted(Endpoint To);

/// <summary>The three questions as one endpoint asks them: who is calling, may they, how often.</summary>
internal sealed class EndpointPlan(ApiView? view, BaseAuthentication[] schemes, RequestPermission[] permissions, RequestThrottle[] throttles)
{
    public ApiView? View => view;

    public IReadOnlyList<BaseAuthentication> Schemes => schemes;

    public IReadOnlyList<RequestPermission> Permissions => permissions;

    public IReadOnlyList<RequestThrottle> Throttles => throttles;

    /// <returns>What to answer instead of the endpoint's own answer; null when the request may go on.</returns>
    public async ValueTask<IResult?> RefuseAsync(HttpContext http)
    {
        if (view is not null)
        {
            var headers = http.Response.Headers;
            headers.Allow = view.Allow;
            if (view.Renders.Count > 1) headers.Vary = "Accept";
            if (view.Parses.Count < 3) http.Features.Set(new ParsedMediaTypes(view.Parses));
            switch (ContentNegotiation.Choose(http, hasHtml: view.Renders.Count > 1))
            {
                case ContentNegotiation.Form.UnknownFormat: return ApiError.NotFound();
                case ContentNegotiation.Form.NotAcceptable: return ApiError.NotAcceptable();
                case ContentNegotiation.Form.Html: http.Features.Set(ViewPage.Rendering); break;
            }
        }

        if (await RequestWalk.AuthenticateAsync(http, schemes) is { } failed) return failed;

        foreach (var permission in permissions)
        {
            if (await permission.AllowsAsync(http)) continue;
            return schemes.Length > 0 && http.GetIdentity().Scheme is null
                ? RequestWalk.NotAuthenticated(http, schemes)
                : permission.Refusal(http);
        }
        return throttles.Length == 0 ? null : await RefuseTooManyAsync(http);
    }

    public Task DispatchAsync(HttpContext http) => view!.DispatchAsync(http, this);

    /// <summary>Asks the endpoint's permissions about an object (DRF <c>check_object_permissions</c>).</summary>
    public async ValueTask<IResult?> RefuseObjectAsync(HttpContext http, object target)
    {
        foreach (var permission in permissions)
        {
            if (await permission.AllowsObjectAsync(http, target)) continue;
            return schemes.Length > 0 && http.GetIdentity().Scheme is null
                ? RequestWalk.NotAuthenticated(http, schemes)
                : permission.Refusal(http);
        }
        return null;
    }

    private async ValueTask<IResult?> RefuseTooManyAsync(HttpContext http)
    {
        // Each throttle counts, also after one has refused; the longest wait is told.
        var allowed = true;
        TimeSpan? wait = null;
        foreach (var throttle in throttles)
        {
            var verdict = await throttle.CountAsync(http);
            if (verdict.Allowed) continue;
            allowed = false;
            if (verdict.Wait > wait || wait is null) wait = verdict.Wait ?? wait;
        }
        return allowed ? null : ApiError.Throttled(wait);
    }

    /// <summary>Whether the caller might send this method here (DRF <c>show_form_for_method</c>).</summary>
    public async ValueTask<bool> MayAsync(HttpContext http, string wanted)
    {
        var method = http.Request.Method;
        try
        {
            http.Request.Method = wanted;
            foreach (var permission in permissions)
                if (!await permission.AllowsAsync(http))
                    return false;
            return true;
        }
        finally
        {
            http.Request.Method = method;
        }
    }
}

/// <summary>Makes each endpoint's plan once, from its metadata and the defaults.</summary>
internal sealed class EndpointPlans(IServiceProvider services, GatehouseOptions options)
{
    private readonly ConcurrentDictionary<Endpoint, EndpointPlan?> plans = new();
    private readonly ConcurrentDictionary<Type, BaseAuthentication> schemes = new();

    /// <summary>Null for an endpoint that asked nothing of Gatehouse.</summary>
    public EndpointPlan? Of(Endpoint endpoint) => plans.GetOrAdd(endpoint, Make);

    /// <summary>Makes all plans now, so that a wrong one stops the start.</summary>
    /// <exception cref="ArgumentException">A default names a class or a rate that is not known; the message says which.</exception>
    public void Prepare(IEnumerable<EndpointDataSource> sources)
    {
        _ = DefaultSchemes();
        // Also where no endpoint uses them yet: a misspelt permission must not wait for the first view that trusts it.
        foreach (var name in options.RestFramework.DefaultPermissionClasses) DefaultClasses.Permission(name, services);
        foreach (var name in options.RestFramework.DefaultThrottleClasses) (DefaultClasses.Throttle(name, services) as SimpleRateThrottle)?.Check(options, viewScope: null);
        foreach (var endpoint in sources.SelectMany(source => source.Endpoints)) Of(endpoint);
    }

    private EndpointPlan? Make(Endpoint endpoint)
    {
        var metadata = endpoint.Metadata;
        var view = metadata.GetMetadata<ApiView>();
        var ownSchemes = metadata.GetMetadata<SchemesMetadata>();
        var ownPermissions = metadata.GetMetadata<PermissionsMetadata>();
        var ownThrottles = metadata.GetMetadata<ThrottlesMetadata>();
        if (view is null && ownSchemes is null && ownPermissions is null && ownThrottles is null) return null;

        var throttles = ownThrottles?.Throttles ?? [.. options.RestFramework.DefaultThrottleClasses.Select(name => DefaultClasses.Throttle(name, services))];
        var scope = metadata.GetMetadata<ThrottleScopeMetadata>()?.Scope;
        foreach (var throttle in throttles) (throttle as SimpleRateThrottle)?.Check(options, scope);

        var permissions = ownPermissions?.Permissions ?? [.. options.RestFramework.DefaultPermissionClasses.Select(name => DefaultClasses.Permission(name, services))];
        foreach (var permission in permissions) permission.Check(metadata);

        return new EndpointPlan(
            view,
            ownSchemes is null ? DefaultSchemes() : [.. ownSchemes.Schemes.Select(Scheme)],
            permissions,
            throttles);
    }

    private BaseAuthentication[] DefaultSchemes() =>
        [.. options.RestFramework.DefaultAuthenticationClasses.Select(name => Scheme(DefaultClasses.Scheme(name, services)))];

    private BaseAuthentication Scheme(Type type) =>
        schemes.GetOrAdd(type, t => (BaseAuthentication)(services.GetService(t) ?? ActivatorUtilities.CreateInstance(services, t)));
}
