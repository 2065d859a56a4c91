using Microsoft.AspNetCore.Http;

namespace Gatehouse.Http;

/// <summary>
/// Steps to take once before an answer's headers go out: write the session, set its cookie. Our own results run them before they
/// write, so that a database that fails there still becomes a 503; for anybody else's results they run as the response starts.
/// </summary>
internal sealed class BeforeResponse
{
    private readonly List<Func<HttpContext, Task>> steps = [];
    private bool done;

    public static void Add(HttpContext http, Func<HttpContext, Task> step)
    {
        if (http.Features.Get<BeforeResponse>() is not { } before)
        {
            before = new BeforeResponse();
            http.Features.Set(before);
            http.Response.OnStarting(static state => RunAsync((HttpContext)state), http);
        }
        before.steps.Add(step);
    }

    public static Task RunAsync(HttpContext http) =>
        http.Features.Get<BeforeResponse>() is { done: false } before ? before.RunStepsAsync(http) : Task.CompletedTask;

    private async Task RunStepsAsync(HttpContext http)
    {
        done = true;
        foreach (var step in steps) await step(http);
    }
}
