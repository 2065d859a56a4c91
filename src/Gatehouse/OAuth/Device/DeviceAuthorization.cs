using System.Security.Cryptography;
using Gatehouse.Database;
using Gatehouse.Http;
using Gatehouse.OAuth.Clients;
using Gatehouse.OAuth.Tokens;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.OAuth.Device;

/// <summary>POST /o/device-authorization/: a device asks for its two codes, RFC 8628 §3.1 (DOT's <c>DeviceAuthorizationView</c>).</summary>
internal sealed class DeviceAuthorization(ClientAuthentication clients, ClientStore store, Scopes scopes, Db db, GatehouseOptions options, TimeProvider clock)
{
    // Base32hex: 40 bits in 8 letters (DOT's user_code_generator).
    private const string Letters = "0123456789ABCDEFGHIJKLMNOPQRSTUV";
    private const int UserCodeLength = 8;

    // A generator that finds none that is free has too few codes.
    private const int MostTries = 8;

    private readonly OAuthOptions oauth = options.OAuth;

    public async Task<IResult> HandleAsync(HttpContext http)
    {
        var (parameters, unreadable) = await OAuthParameters.FromFormAsync(http);
        if (unreadable is not null) return unreadable;
        var (client, error) = await IdentifyAsync(http, parameters);
        if (client is null) return error! with { IsPlain = true };

        var asked = parameters["scope"] is { } scope && PythonText.Strip(scope) is { Length: > 0 } text ? text : null;
        var (granted, beyond) = scopes.Choose(client, asked);
        // The real stack takes any scope here, and fails when the tokens are asked for.
        if (beyond is not null && (oauth.DeviceCodeOnce == true || asked?.Length > Scopes.LongestText)) return beyond with { IsPlain = true };
        if (oauth.DeviceCodeOnce == true && client.AuthorizationGrantType != GrantTypes.DeviceCode) return OAuthError.UnauthorizedClient with { IsPlain = true };

        var deviceCode = TokenText.New();
        if (await SaveAsync(client, deviceCode, asked ?? string.Join(' ', granted)) is not { } userCode)
            return new OAuthError("temporarily_unavailable", Status: StatusCodes.Status503ServiceUnavailable);
        return Answer(http, deviceCode, userCode);
    }

    private async Task<(Client? Client, OAuthError? Error)> IdentifyAsync(HttpContext http, OAuthParameters parameters)
    {
        if (oauth.RefuseAmbiguousRequests == true && parameters.RefuseRepeated() is { } repeated) return (null, repeated);
        if (!MediaType.Parse(http.Request.ContentType ?? "").Is("application", "x-www-form-urlencoded"))
            return (null, OAuthError.InvalidRequest("Content-Type must be application/x-www-form-urlencoded"));
        var id = parameters["client_id"];
        if (string.IsNullOrEmpty(id)) return (null, OAuthError.InvalidRequest("Missing client_id parameter."));
        if (await store.FindAsync(id, http.RequestAborted) is null) return (null, OAuthError.InvalidRequest("Invalid client_id parameter value."));

        var (client, error) = await clients.IdentifyAsync(http, parameters);
        // Who proved to be another client than the body names has proved nothing.
        return client is not null && client.ClientId != id ? (null, OAuthError.InvalidClient) : (client, error);
    }

    /// <returns>The user code; null when there was none that no other device waits with.</returns>
    private Task<string?> SaveAsync(Client client, string deviceCode, string scope)
    {
        var now = clock.GetUtcNow();
        return db.WriteAsync(
            async tx =>
            {
                for (var i = 0; i < MostTries; i++)
                {
                    var userCode = oauth.OAuthDeviceUserCodeGenerator?.Invoke() ?? RandomNumberGenerator.GetString(Letters, UserCodeLength);
                    if (userCode.Length is 0 or > DeviceGrant.LongestCode)
                        throw new InvalidOperationException($"OAUTH_DEVICE_USER_CODE_GENERATOR made a code of {userCode.Length} characters: 1 to {DeviceGrant.LongestCode} fit.");
                    tx.Lock("device user code " + userCode);
                    if (await tx.RunAsync(
                        Insert, ("device_code", deviceCode), ("user_code", userCode), ("interval", oauth.DeviceFlowInterval), ("expires", now + DeviceGrant.Life),
                        ("client", client.ClientId), ("checked", now.AddSeconds(-oauth.DeviceFlowInterval)), ("scope", scope), ("now", now)) == 1) return userCode;
                }
                return null;
            },
            CancellationToken.None);
    }

    private ApiJson Answer(HttpContext http, string deviceCode, string userCode) => ApiJson.Write(StatusCodes.Status200OK, json =>
    {
        json.WriteStartObject();
        json.WriteString("verification_uri", VerificationUri(http));
        json.WriteNumber("expires_in", (int)DeviceGrant.Life.TotalSeconds);
        json.WriteString("user_code", userCode);
        json.WriteString("device_code", deviceCode);
        json.WriteNumber("interval", oauth.DeviceFlowInterval);
        if (oauth.OAuthDeviceVerificationUriComplete is { Length: > 0 } complete)
            json.WriteString("verification_uri_complete", complete.Replace("{user_code}", Uri.EscapeDataString(userCode), StringComparison.Ordinal));
        json.WriteEndObject();
    });

    // The real stack says null when the setting is not there.
    private string? VerificationUri(HttpContext http) =>
        oauth.OAuthDeviceVerificationUri is { Length: > 0 } uri ? uri
        : options.Profile == Profile.Django ? null
        : RequestHost.Origin(http, options) + http.Request.PathBase.ToUriComponent() + oauth.Path + "device/";

    // As if it had polled an interval ago: the first poll is never too early.
    private static readonly Sql Insert = new(
        $"""
        INSERT INTO oauth2_provider_devicegrant (device_code, user_code, "interval", expires, status, client_id, last_checked, user_id, scope)
        SELECT @device_code, @user_code, @interval, @expires, '{DeviceGrant.Pending}', @client, @checked, NULL, @scope
        WHERE NOT EXISTS (SELECT 1 FROM oauth2_provider_devicegrant WHERE user_code = @user_code AND expires > @now)
        """);
}
