using System.Text;
using Gatehouse.Database;
using Gatehouse.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Gatehouse.OAuth;

/// <summary>An error of RFC 6749 §5.2 with the texts of the real stack. As a result it answers a program, with JSON.</summary>
/// <param name="Code">For <c>error</c>: <c>invalid_grant</c>.</param>
/// <param name="Description">For <c>error_description</c>; empty: none.</param>
/// <param name="Status">The HTTP status.</param>
internal sealed record OAuthError(string Code, string Description = "", int Status = StatusCodes.Status400BadRequest) : IResult
{
    /// <summary>What the request sent as <c>state</c>, given back.</summary>
    public string? State { get; init; }

    /// <summary>Whether a browser must not be sent back to the client with it: who the client is, or where it lives, is what is in doubt.</summary>
    public bool IsFatal { get; init; }

    /// <summary>
    /// Raised before a grant was chosen: the real stack then sends neither the content type nor <c>Cache-Control</c>, and so does the Django profile.
    /// </summary>
    public bool IsBare { get; init; }

    /// <summary>As the device endpoints of the real stack send it: without <c>Cache-Control</c>.</summary>
    public bool IsPlain { get; init; }

    /// <summary>Whether a 401 has its <c>WWW-Authenticate</c>: the real stack's answer to a device has none.</summary>
    public bool HasChallenge { get; init; } = true;

    public static OAuthError InvalidRequest(string description = "") => new("invalid_request", description);

    public static OAuthError InvalidClient { get; } = new("invalid_client", Status: StatusCodes.Status401Unauthorized) { IsFatal = true };

    public static OAuthError InvalidGrant(string description = "") => new("invalid_grant", description);

    public static OAuthError InvalidScope { get; } = new("invalid_scope");

    public static OAuthError InvalidTarget(string description) => new("invalid_target", description) { IsBare = true };

    public static OAuthError UnauthorizedClient { get; } = new("unauthorized_client");

    public static OAuthError UnsupportedGrantType { get; } = new("unsupported_grant_type");

    /// <summary>The members in the order of the real stack, for JSON and for an address.</summary>
    public IEnumerable<(string Name, string Value)> Members
    {
        get
        {
            yield return ("error", Code);
            if (Description.Length > 0) yield return ("error_description", Description);
            if (!string.IsNullOrEmpty(State)) yield return ("state", State);
        }
    }

    public async Task ExecuteAsync(HttpContext httpContext)
    {
        await BeforeResponse.RunAsync(httpContext);
        var response = httpContext.Response;
        // As Python writes it: where the content type is text, blanks count.
        var members = Members.Select(member => (member.Name, (object?)member.Value)).ToList();
        var json = PythonJson.Write(new StringBuilder(), members, ascii: true);
        var isBare = IsBare && httpContext.RequestServices.GetRequiredService<GatehouseOptions>().Profile == Profile.Django;
        // The same JSON, but nothing that a browser takes for a tag: what is told may hold a state or a resource that a stranger wrote.
        if (isBare) json.Replace("<", "\\u003c").Replace(">", "\\u003e").Replace("&", "\\u0026");
        var body = Encoding.UTF8.GetBytes(json.ToString());
        response.StatusCode = Status;
        if (Status == StatusCodes.Status401Unauthorized && HasChallenge)
            response.Headers.WWWAuthenticate = "Bearer " + string.Join(", ", Members.Where(member => member.Name != "state").Select(member => $"{member.Name}=\"{member.Value}\""));
        if (!isBare && !IsPlain) NoStore(response);
        response.ContentType = isBare ? "text/html; charset=utf-8" : "application/json";
        response.ContentLength = body.Length;
        await response.Body.WriteAsync(body, httpContext.RequestAborted);
    }

    /// <summary>RFC 6749 §5.1: what holds tokens is not kept.</summary>
    public static void NoStore(HttpResponse response)
    {
        response.Headers.CacheControl = "no-store";
        response.Headers.Pragma = "no-cache";
    }
}
