using Gatehouse.Http;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.OAuth;

/// <summary>What this server calls itself (DOT <c>oidc_issuer</c>, <c>oauth2_authorization_server_issuer</c>).</summary>
internal static class Issuer
{
    public static string Of(HttpContext http, GatehouseOptions options) => options.OAuth.OidcIssEndpoint is { Length: > 0 } own
        ? own
        : RequestHost.Origin(http, options) + http.Request.PathBase.ToUriComponent() + options.OAuth.Path.TrimEnd('/');
}
