using Gatehouse.Http;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.OAuth;

/// <summary>What this server calls itself, wherever it does (DOT <c>oidc_issuer</c>, <c>oauth2_authorization_server_issuer</c>).</summary>
internal static class Issuer
{
    /// <summary><c>OIDC_ISS_ENDPOINT</c>, or the address that was asked with the path of the endpoints, without a slash behind it.</summary>
    public static string Of(HttpContext http, GatehouseOptions options) =>
        options.OAuth.OidcIssEndpoint is { Length: > 0 } own ? own : Base(http, options) + options.OAuth.Path.TrimEnd('/');

    /// <summary>The whole address of one of our paths: on the issuer's host, if a setting names that.</summary>
    public static string Address(HttpContext http, GatehouseOptions options, string path)
    {
        if (options.OAuth.OidcIssEndpoint is not { Length: > 0 } own) return Base(http, options) + path;
        var host = own.IndexOf("://", StringComparison.Ordinal) + 3;
        var end = own.IndexOf('/', host);
        return (end < 0 ? own : own[..end]) + http.Request.PathBase.ToUriComponent() + path;
    }

    /// <summary>The address that was asked, up to where the application begins.</summary>
    public static string Base(HttpContext http, GatehouseOptions options) => RequestHost.Origin(http, options) + http.Request.PathBase.ToUriComponent();
}
