using Gatehouse.Http;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.OAuth.OpenId;

/// <summary>Under which name this server gives tokens, the same wherever it is told (<c>oidc_issuer</c>, <c>oauth2_authorization_server_issuer</c>).</summary>
internal sealed class Issuer(GatehouseOptions options)
{
    private readonly string own = options.OAuth.OidcIssEndpoint;
    private readonly string path = options.OAuth.Path;

    /// <summary><c>OIDC_ISS_ENDPOINT</c>, or the address that was asked with the path of the endpoints, without a slash behind it.</summary>
    public string Of(HttpContext http) => own.Length > 0 ? own : RequestHost.Origin(http, options) + http.Request.PathBase.ToUriComponent() + path[..^1];

    /// <summary>The whole address of one of our paths: on the issuer's host, if a setting names that.</summary>
    public string Address(HttpContext http, string path)
    {
        if (own.Length == 0) return RequestHost.Origin(http, options) + http.Request.PathBase.ToUriComponent() + path;
        var host = own.IndexOf("://", StringComparison.Ordinal) + 3;
        var end = own.IndexOf('/', host);
        return (end < 0 ? own : own[..end]) + http.Request.PathBase.ToUriComponent() + path;
    }
}
