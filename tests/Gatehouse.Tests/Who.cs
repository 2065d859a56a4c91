using Gatehouse.Authentication;
using Gatehouse.Http;
using Gatehouse.Sessions;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Gatehouse.Tests;

/// <summary>Endpoints for the tests, by the library's public API.</summary>
internal static class Who
{
    /// <summary>A view that tells who the request was taken to be, whatever the method.</summary>
    public static IEndpointConventionBuilder MapWho(this IEndpointRouteBuilder routes, string path) =>
        routes.MapView(path, "Who", view => view.Get(Answer).Post(Answer).Put(Answer).Patch(Answer).Delete(Answer));

    /// <summary>A page of Django's kind that tells the user of the session and gives out a CSRF token.</summary>
    public static void MapCsrfPage(this IEndpointRouteBuilder routes, string path) =>
        routes.MapPage(path, async Task<IResult> (HttpContext http) =>
            ApiJson.Ok(new { user = (await http.GetSessionUserAsync())?.Username, csrftoken = http.GetCsrfToken() }));

    private static Task<IResult> Answer(HttpContext http)
    {
        var identity = http.GetIdentity();
        return Task.FromResult<IResult>(ApiJson.Ok(new { user = identity.User?.Username, scheme = identity.Scheme?.GetType().Name, auth = identity.Auth?.GetType().Name }));
    }
}
