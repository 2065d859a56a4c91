using Microsoft.AspNetCore.Http;

namespace Gatehouse.Http;

/// <summary>Django's <c>never_cache</c>, and what its class views answer to other methods.</summary>
internal static class NeverCache
{
    public static void Set(HttpContext http) => http.Response.Headers.CacheControl = "max-age=0, no-cache, no-store, must-revalidate, private";

    public static IResult MethodNotAllowed(HttpContext http, string allow)
    {
        http.Response.Headers.Allow = allow;
        return new EmptyPage(StatusCodes.Status405MethodNotAllowed);
    }

    public static IResult Options(HttpContext http, string allow)
    {
        http.Response.Headers.Allow = allow;
        return new EmptyPage(StatusCodes.Status200OK);
    }
}

internal sealed class EmptyPage(int status) : IResult
{
    public async Task ExecuteAsync(HttpContext httpContext)
    {
        await BeforeResponse.RunAsync(httpContext);
        httpContext.Response.StatusCode = status;
        httpContext.Response.ContentType = "text/html; charset=utf-8";
        // RFC 9110 §8.6: with 204 it is left out.
        if (status != StatusCodes.Status204NoContent) httpContext.Response.ContentLength = 0;
    }
}
