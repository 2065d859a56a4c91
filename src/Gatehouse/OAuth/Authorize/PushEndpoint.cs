using Gatehouse.Http;
using Gatehouse.OAuth.Clients;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.OAuth.Authorize;

/// <summary>POST /o/par/: a client says beforehand, without the browser, what it will ask (RFC 9126).</summary>
internal sealed class PushEndpoint(ClientAuthentication clients, AuthorizationRequests requests, PushedRequests pushed, OAuthOptions options)
{
    // Far more than a browser could carry.
    private const int LongestRequest = 64 * 1024;

    // They say who the client is, and are not kept.
    private static readonly string[] Credentials = ["client_secret", "client_assertion", "client_assertion_type"];

    public async Task<IResult> HandleAsync(HttpContext http)
    {
        if (http.Request.ContentLength > LongestRequest)
        {
            http.Response.Headers.Connection = "close";
            return TooLarge;
        }
        var (parameters, unreadable) = await OAuthParameters.FromFormAsync(http);
        if (unreadable is not null) return unreadable;
        if (http.Request.QueryString is { HasValue: true, Value.Length: > 1 }) return OAuthError.InvalidRequest("URL query parameters are not allowed");
        if (parameters.Names.Sum(name => parameters.All(name).Sum(value => name.Length + value.Length)) > LongestRequest) return TooLarge;

        var (client, stranger) = await clients.IdentifyAsync(http, parameters);
        if (client is null) return stranger!;
        if (parameters["client_id"] is null) parameters = OAuthParameters.Over(parameters, [("client_id", client.ClientId)]);
        if (parameters["client_id"] != client.ClientId) return OAuthError.InvalidRequest("The client_id is not the client's own.");
        if (parameters["request_uri"] is not null) return OAuthError.InvalidRequest("A request_uri cannot be pushed.");
        if (parameters["request"] is not null) return new OAuthError("request_not_supported", "Request objects are not supported.");

        var asked = OAuthParameters.Of(parameters.Names.Except(Credentials).SelectMany(parameters.All, (name, value) => (name, value)));
        var (_, refusal) = await requests.ReadAsync(asked, null, null, http.RequestAborted);
        if (refusal is not null) return refusal.Error with { IsFatal = false, IsBare = false, State = null };

        var uri = await pushed.AddAsync(client.ClientId, asked.Names.SelectMany(asked.All, (name, value) => (name, value)), http.RequestAborted);
        OAuthError.NoStore(http.Response);
        return ApiJson.Write(StatusCodes.Status201Created, json =>
        {
            json.WriteStartObject();
            json.WriteString("request_uri", uri);
            json.WriteNumber("expires_in", options.ParRequestUriLifetimeSeconds);
            json.WriteEndObject();
        });
    }

    private static OAuthError TooLarge { get; } = new("invalid_request", "The request is too large.", StatusCodes.Status413PayloadTooLarge);
}
