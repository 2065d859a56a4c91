using System.Security.Cryptography;
using Gatehouse.Database;
using Gatehouse.Http;
using Gatehouse.Sessions;
using Gatehouse.Statistics;
using Gatehouse.Views;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Primitives;

namespace Gatehouse;

/// <summary>
/// What Django's middleware does around every view, in its order: security headers, host, path, session and CSRF cookies, CSRF of pages;
/// then the endpoint's own plan. Nothing leaves it as an unhandled failure.
/// </summary>
internal sealed class GatehouseMiddleware(
    RequestDelegate next, GatehouseOptions options, EndpointPlans plans, SessionStore sessions, Csrf csrf, Counters counters, ILogger<GatehouseMiddleware> log)
{
    private const string FrameOptions = "X-Frame-Options";

    private readonly KeyValuePair<string, StringValues>[] securityHeaders = [.. SecurityHeaders(options.Secure)];
    private readonly StringValues hsts = Hsts(options.Secure);
    private string? allowedHost;

    public async Task InvokeAsync(HttpContext http)
    {
        var headers = http.Response.Headers;
        foreach (var (name, value) in securityHeaders) headers[name] = value;
        try
        {
            if (await AnswerAsync(http) is { } answer) await answer.ExecuteAsync(http);
            else if (options.AnswersUnknownPaths && http.GetEndpoint() is null && http.Response is { HasStarted: false, StatusCode: 404 })
                await HtmlPage.NotFound().ExecuteAsync(http);
        }
        catch (OperationCanceledException) when (http.RequestAborted.IsCancellationRequested)
        {
            // Nobody is there to be answered.
        }
        catch (Exception error)
        {
            await FailAsync(http, error);
        }
        counters.CountAnswer(http.Response.StatusCode);
    }

    /// <returns>The answer, when the endpoint is not to be asked.</returns>
    private async ValueTask<IResult?> AnswerAsync(HttpContext http)
    {
        // Length and chunks together: a proxy in front may have read another body than Kestrel, which goes by the chunks and keeps the
        // length under this name. RFC 9112 §6.3.
        if (http.Request.Headers.TransferEncoding.Count > 0 && http.Request.Headers.ContainsKey("X-Content-Length"))
        {
            http.Response.Headers.Connection = "close";
            return HtmlPage.BadRequest();
        }
        if (!HostIsAllowed(http))
        {
            http.Response.Headers.Remove(FrameOptions);
            return HtmlPage.BadRequest();
        }
        if (options.Secure.SslRedirect || hsts.Count > 0)
        {
            var secure = RequestHost.IsSecure(http, options);
            if (secure && hsts.Count > 0) http.Response.Headers.StrictTransportSecurity = hsts;
            if (!secure && options.Secure.SslRedirect && !http.Request.Path.StartsWithSegments("/health"))
                return new DjangoRedirect("https://" + RequestHost.Of(http, options) + FullPath(http.Request, slash: false), 301);
        }

        var endpoint = http.GetEndpoint();
        if (endpoint?.Metadata.GetMetadata<DjangoPath>() is not null && endpoint is RouteEndpoint route)
        {
            switch (DjangoPath.Compare(route, http))
            {
                case DjangoPath.Match.SlashMissing when endpoint.Metadata.GetMetadata<PageMetadata>() is { AnswersWithoutSlash: true }:
                    break;
                case DjangoPath.Match.SlashMissing:
                    http.Response.Headers.Remove(FrameOptions);
                    return new DjangoRedirect(FullPath(http.Request, slash: true), 301);
                case DjangoPath.Match.Different:
                    return HtmlPage.NotFound();
            }
        }

        if (http.Request.Headers.Cookie.Count > 0)
        {
            await DjangoSession.LookAtCookieAsync(http, sessions);
            csrf.LookAtCookie(http);
        }
        if (endpoint is not null)
        {
            if (endpoint.Metadata.GetMetadata<PageMetadata>() is { CsrfProtected: true } && await csrf.RefuseAsync(http, readsAllBodies: false) is var verdict
                && verdict != default)
            {
                if (verdict.Reason is not { } reason) return new SuspiciousRequest();
                log.CsrfRefused(LogText.PathOf(http), LogText.Clean(reason));
                return HtmlPage.CsrfFailure(noReferer: reason.EndsWith("no Referer.", StringComparison.Ordinal));
            }
            if (plans.Of(endpoint) is { } plan && await plan.RefuseAsync(http) is { } refusal) return refusal;
            http.Features.Set(new Admitted(endpoint));
        }
        await next(http);
        return null;
    }

    private bool HostIsAllowed(HttpContext http)
    {
        var host = RequestHost.Of(http, options);
        if (host == allowedHost) return true;
        // Whoever watches the server asks by its address, and is told nothing that depends on the name.
        if (http.Request.Path.StartsWithSegments("/health", StringComparison.Ordinal)) return true;
        if (RequestHost.IsAllowed(host, options.AllowedHosts))
        {
            allowedHost = host;
            return true;
        }
        log.HostRefused(LogText.Clean(host));
        return false;
    }

    private async Task FailAsync(HttpContext http, Exception error)
    {
        if (http.Response.HasStarted)
        {
            log.FailedInAnswer(http.Request.Method, LogText.PathOf(http), error);
            http.Abort();
            return;
        }

        var wantsJson = plans.Of(http.GetEndpoint() ?? NoEndpoint) is not null;
        IResult answer;
        switch (error)
        {
            case OverloadedException overloaded:
                answer = wantsJson ? ApiError.Unavailable(overloaded.RetryAfter) : HtmlPage.Unavailable(overloaded.RetryAfter);
                break;
            case DatabaseUnavailableException:
                log.DatabaseUnavailable(error.Message);
                answer = wantsJson ? ApiError.Unavailable(TimeSpan.FromSeconds(1)) : HtmlPage.Unavailable(TimeSpan.FromSeconds(1));
                break;
            case BadHttpRequestException bad:
                answer = bad.StatusCode == 413 ? ApiError.TooLarge() : ApiError.Detail(bad.StatusCode, "Bad request.");
                break;
            default:
                // The id finds the log line; what went wrong is nobody else's business.
                var id = RandomNumberGenerator.GetHexString(12, lowercase: true);
                log.Failed(http.Request.Method, LogText.PathOf(http), id, error);
                answer = wantsJson ? ApiError.Detail(500, $"A server error occurred. The server's log has the details under {id}.") : HtmlPage.ServerError(id);
                break;
        }
        await answer.ExecuteAsync(http);
    }

    private static readonly Endpoint NoEndpoint = new(null, null, null);

    // APPEND_SLASH: a path that begins with two slashes would name another host.
    private static string FullPath(HttpRequest request, bool slash)
    {
        var path = request.PathBase.ToUriComponent() + request.Path.ToUriComponent() + (slash ? "/" : "");
        if (path.StartsWith("//", StringComparison.Ordinal)) path = "/%2F" + path[2..];
        return path + request.QueryString.ToUriComponent();
    }

    private static IEnumerable<KeyValuePair<string, StringValues>> SecurityHeaders(SecurityOptions secure)
    {
        if (secure.FrameOptions.Length > 0) yield return new(FrameOptions, secure.FrameOptions);
        if (secure.ContentTypeNosniff) yield return new("X-Content-Type-Options", "nosniff");
        if (secure.ReferrerPolicy.Length > 0) yield return new("Referrer-Policy", secure.ReferrerPolicy);
        if (secure.CrossOriginOpenerPolicy.Length > 0) yield return new("Cross-Origin-Opener-Policy", secure.CrossOriginOpenerPolicy);
    }

    private static StringValues Hsts(SecurityOptions secure) => secure.HstsSeconds == 0
        ? StringValues.Empty
        : $"max-age={secure.HstsSeconds}" + (secure.HstsIncludeSubdomains ? "; includeSubDomains" : "") + (secure.HstsPreload ? "; preload" : "");
}

internal static partial class GatehouseLog
{
    [LoggerMessage(1001, LogLevel.Warning, "Invalid HTTP_HOST header: '{Host}'. You may need to add it to ALLOWED_HOSTS")]
    public static partial void HostRefused(this ILogger logger, string host);

    [LoggerMessage(1002, LogLevel.Warning, "Forbidden ({Reason}): {Path}")]
    public static partial void CsrfRefused(this ILogger logger, string path, string reason);

    [LoggerMessage(1003, LogLevel.Error, "The database is unavailable, answered with 503: {Reason}")]
    public static partial void DatabaseUnavailable(this ILogger logger, string reason);

    [LoggerMessage(1004, LogLevel.Error, "{Method} {Path} failed, answered with 500; id {Id}")]
    public static partial void Failed(this ILogger logger, string method, string path, string id, Exception error);

    [LoggerMessage(1005, LogLevel.Error, "{Method} {Path} failed after its answer had begun")]
    public static partial void FailedInAnswer(this ILogger logger, string method, string path, Exception error);
}
