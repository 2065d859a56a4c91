using System.Net;
using System.Text;
using Gatehouse.Http;
using Gatehouse.OAuth.Grants;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.OAuth.Clients;

/// <summary>
/// Which client is calling, RFC 6749 §2.3 (DOT's <c>OAuth2Validator.authenticate_client</c>): by Basic header, by body, by a signed assertion, or by
/// name alone.
/// </summary>
internal sealed class ClientAuthentication(ClientStore clients, ClientSecrets secrets, ClientAssertions assertions, OAuthOptions options)
{
    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>The client, where a public one may come without a secret.</summary>
    public async Task<(Client? Client, OAuthError? Error)> IdentifyAsync(HttpContext http, OAuthParameters parameters)
    {
        if (RefuseAmbiguous(http, parameters) is { } error) return (null, error);
        // A client that shows credentials is held to them, whatever its type.
        if (ClientAssertions.IsIn(parameters) || BasicOf(http) is not null || parameters["client_id"] is { Length: > 0 } && parameters["client_secret"] is { Length: > 0 })
            return Or401(await AuthenticateAsync(http, parameters));
        var client = await clients.FindAsync(parameters["client_id"], http.RequestAborted);
        if (client is null) return (null, OAuthError.InvalidClient);
        return client is { IsPublic: true, AuthMethod: null } ? (client, null) : Or401(await AuthenticateAsync(http, parameters));
    }

    /// <summary>The client that has proved who it is.</summary>
    public async Task<(Client? Client, OAuthError? Error)> RequireAsync(HttpContext http, OAuthParameters parameters) =>
        RefuseAmbiguous(http, parameters) is { } error ? (null, error) : Or401(await AuthenticateAsync(http, parameters));

    /// <summary>Null when it has not: what is told is the same, whatever was wrong.</summary>
    public async Task<Client?> AuthenticateAsync(HttpContext http, OAuthParameters parameters)
    {
        var ct = http.RequestAborted;
        if (ClientAssertions.IsIn(parameters)) return await assertions.AuthenticateAsync(http, parameters);
        if (BasicOf(http) is { } header && Decode(header) is var (id, secret)
            && await clients.FindAsync(id, ct) is { } named && await IsItAsync(named, secret)) return named;
        return await clients.FindAsync(parameters["client_id"], ct) is { } client && await IsItAsync(client, parameters["client_secret"] ?? "") ? client : null;

        // A device has no secret to show, only its code.
        // Who registered to sign opens no weaker door with a secret (RFC 9700 §2.5).
        async ValueTask<bool> IsItAsync(Client client, string secret) => client.AuthMethod is null && (
            client.IsPublic && parameters["grant_type"] == DeviceCodeGrant.Name || await secrets.CheckAsync(client, secret, ct));
    }

    /// <summary>An error when it shows who it is in two ways at once, RFC 6749 §2.3.</summary>
    public OAuthError? RefuseAmbiguous(HttpContext http, OAuthParameters parameters) =>
        options.RefuseAmbiguousRequests == true && BasicOf(http) is not null && parameters["client_secret"] is { Length: > 0 }
            ? OAuthError.InvalidRequest("The client must not use more than one authentication method.")
            : null;

    private static (Client?, OAuthError?) Or401(Client? client) => client is null ? (null, OAuthError.InvalidClient) : (client, null);

    private static string? BasicOf(HttpContext http)
    {
        var header = http.Request.Headers.Authorization;
        return header.Count == 1 && header[0] is { } text && text.StartsWith("Basic ", StringComparison.Ordinal) && text.Length > 6 ? text[6..] : null;
    }

    /// <summary>Id and secret are form-encoded before they are put together, RFC 6749 §2.3.1.</summary>
    private static (string Id, string Secret)? Decode(string header)
    {
        if (header.Trim(' ').Contains(' ') || PythonText.Base64(header) is not { } raw) return null;
        try
        {
            var text = StrictUtf8.GetString(raw);
            var colon = text.IndexOf(':');
            return colon < 0 ? null : (WebUtility.UrlDecode(text[..colon]), WebUtility.UrlDecode(text[(colon + 1)..]));
        }
        catch (DecoderFallbackException)
        {
            return null;
        }
    }
}
