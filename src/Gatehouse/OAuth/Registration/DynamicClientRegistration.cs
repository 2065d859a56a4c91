using System.Globalization;
using System.Text.Json;
using Gatehouse.Audit;
using Gatehouse.Database;
using Gatehouse.Http;
using Gatehouse.OAuth.Clients;
using Gatehouse.OAuth.OpenId;
using Gatehouse.OAuth.Tokens;
using Gatehouse.Sessions;
using Gatehouse.Throttling;
using Gatehouse.Users;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.OAuth.Registration;

/// <summary>
/// Clients that register themselves, RFC 7591, and look after their registration, RFC 7592 (DOT's <c>DynamicClientRegistrationView</c> and
/// <c>…ManagementView</c>).
/// </summary>
internal sealed class DynamicClientRegistration(
    Db db, OAuthTokens tokens, ClientRules rules, ClientSecrets secrets, OidcKeys keys, ThrottleStore throttles, GatehouseOptions options, AuditTrail audit,
    TimeProvider clock)
{
    private const int LongestMetadata = 64 * 1024;

    // In the audit log.
    private const string ByItself = "By its registration token.";

    private static readonly DateTimeOffset Never = new(9999, 12, 31, 23, 59, 59, TimeSpan.Zero);

    // RFC 7591 §2, and what the column says.
    private static readonly Dictionary<string, string> Grants = new()
    {
        ["authorization_code"] = GrantTypes.AuthorizationCode,
        ["implicit"] = GrantTypes.Implicit,
        ["password"] = GrantTypes.Password,
        ["client_credentials"] = GrantTypes.ClientCredentials,
        ["urn:ietf:params:oauth:grant-type:device_code"] = GrantTypes.DeviceCode,
    };

    private readonly Rate? rate = options.OAuth.DcrThrottleRate is { Length: > 0 } text ? Rate.Parse(text) : null;

    /// <summary>POST /o/register/</summary>
    public async Task<IResult> RegisterAsync(HttpContext http)
    {
        if (!await RegistrationPermissions.AllowAsync(http, options.OAuth))
        {
            // Nobody tried a bearer token, so the challenge names no error, RFC 6750 §3.1.
            http.Response.Headers.WWWAuthenticate = "Bearer";
            return Answer(http, StatusCodes.Status401Unauthorized, json =>
            {
                json.WriteString("error", "access_denied");
                json.WriteString("error_description", "Authentication required to register a client");
            });
        }
        if (rate is { } limit && await throttles.CountAsync($"throttle_dcr_{ClientAddress.Of(http, options)}", limit, http.RequestAborted) is { Allowed: false } refused)
        {
            if (refused.Wait is { } wait) http.Response.Headers.RetryAfter = ((long)Math.Ceiling(wait.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
            return new OAuthError("temporarily_unavailable", "Too many clients were registered from this address.", StatusCodes.Status429TooManyRequests);
        }

        var (draft, error) = await ReadAsync(http);
        if (draft is null) return error!;
        var user = await http.GetSessionUserAsync();
        var (secret, token, now) = (secrets.NewSecret(), secrets.NewSecret(), clock.GetUtcNow());
        var client = new Client
        {
            ClientId = secrets.NewId(),
            ClientSecret = secrets.HashGenerated(secret),
            ClientType = draft.ClientType,
            AuthorizationGrantType = draft.AuthorizationGrantType,
            Name = draft.Name,
            UserId = user?.Id,
            RedirectUris = draft.RedirectUris,
            RegistrationSource = "dcr",
        };
        var entry = audit.Of(AuditEvent.Added, by: user);
        await db.WriteAsync(
            async tx =>
            {
                var id = await ClientStore.InsertAsync(tx, client, now) ?? throw new InvalidOperationException("A client id was made that is taken.");
                await IssueTokenAsync(tx, token, id, user?.Id, now);
                await AuditTrail.WriteAsync(tx, Client.Tell(entry, id, client, "It registered itself."));
                return true;
            },
            http.RequestAborted);
        return Describe(http, client, token, client.IsPublic ? null : secret, StatusCodes.Status201Created);
    }

    /// <summary>GET, PUT and DELETE /o/register/CLIENT_ID/</summary>
    public async Task<IResult> ManageAsync(HttpContext http)
    {
        var (client, token, error) = await AuthenticateAsync(http);
        if (client is null) return error!;
        return http.Request.Method switch
        {
            "PUT" => await UpdateAsync(http, client, token!),
            "DELETE" => await DeleteAsync(http, client),
            _ => Describe(http, client, token!),
        };
    }

    private async Task<IResult> UpdateAsync(HttpContext http, Client client, string token)
    {
        var (draft, error) = await ReadAsync(http);
        if (draft is null) return error!;

        var (now, next) = (clock.GetUtcNow(), options.OAuth.DcrRotateRegistrationTokenOnUpdate ? secrets.NewSecret() : null);
        var entry = Client.Tell(audit.Of(AuditEvent.Changed), client.Id, client, ByItself);
        var isDone = await db.WriteAsync(
            async tx =>
            {
                // Of two updates with one token, one rotates it.
                if (next is not null && await tx.RunAsync(DeleteToken, ("checksum", TokenText.Checksum(token))) == 0) return false;
                var rows = await tx.RunAsync(
                    Update, ("type", draft.ClientType), ("grant", draft.AuthorizationGrantType), ("name", draft.Name), ("redirect_uris", string.Join(' ', draft.RedirectUris)),
                    ("now", now), ("id", client.Id));
                if (rows == 0) return false;
                if (next is not null) await IssueTokenAsync(tx, next, client.Id, client.UserId, now);
                await AuditTrail.WriteAsync(tx, entry);
                return true;
            },
            http.RequestAborted);
        if (!isDone) return InvalidToken("Invalid registration access token");

        var updated = new Client
        {
            ClientId = client.ClientId,
            ClientType = draft.ClientType,
            AuthorizationGrantType = draft.AuthorizationGrantType,
            Name = draft.Name,
            RedirectUris = draft.RedirectUris,
            Algorithm = client.Algorithm,
            RegistrationSource = client.RegistrationSource,
        };
        return Describe(http, updated, next ?? token);
    }

    private async Task<IResult> DeleteAsync(HttpContext http, Client client)
    {
        var entry = Client.Tell(audit.Of(AuditEvent.Deleted), client.Id, client, ByItself);
        await db.WriteAsync(
            async tx =>
            {
                if (!await ClientStore.DeleteAsync(tx, client.Id)) return false;
                await AuditTrail.WriteAsync(tx, entry);
                return true;
            },
            http.RequestAborted);
        return new EmptyPage(StatusCodes.Status204NoContent);
    }

    /// <summary>The client that a registration access token is for. That of another client is told apart from a wrong one by its words only.</summary>
    private async Task<(Client? Client, string? Token, IResult? Error)> AuthenticateAsync(HttpContext http)
    {
        if (RegistrationPermissions.Bearer(http) is not { } token) return (null, null, InvalidToken("Registration access token required"));
        if (await tokens.FindAsync(token, http.RequestAborted) is not { } found) return (null, null, InvalidToken("Invalid registration access token"));
        if (clock.GetUtcNow() >= found.Expires || !found.AllowsScopes(TokenText.Words(options.OAuth.DcrRegistrationScope))
            || options.OAuth.RefuseInactiveUsers == true && found.User is { IsActive: false })
            return (null, null, InvalidToken("Registration access token is expired or invalid"));
        if (found.Client is not { } client || client.ClientId != (string?)http.Request.RouteValues["client_id"]) return (null, null, InvalidToken("Token does not match client_id"));
        // Whatever scope a token has come by: clients that people made are none of its business.
        return client.RegistrationSource == "dcr" ? (client, token, null) : (null, null, InvalidToken("Token was not issued by the registration endpoint"));
    }

    /// <summary>Found by its checksum like every token; the text is not kept, since nobody but the client ever needs it.</summary>
    private Task<int> IssueTokenAsync(Tx tx, string token, long client, UserId? user, DateTimeOffset now) => tx.RunAsync(
        InsertToken, ("checksum", TokenText.Checksum(token)), ("expires", options.OAuth.DcrRegistrationTokenExpireSeconds is { } seconds ? now.AddSeconds(seconds) : Never),
        ("scope", options.OAuth.DcrRegistrationScope), ("client", client), ("user", user), ("now", now));

    private static readonly Sql InsertToken = new(
        """
        INSERT INTO oauth2_provider_accesstoken
            (token, token_checksum, expires, scope, application_id, user_id, created, updated, source_refresh_token_id, id_token_id, resource)
        VALUES ('', @checksum, @expires, @scope, @client, @user, @now, @now, NULL, NULL, '[]')
        """);

    private static readonly Sql DeleteToken = new("DELETE FROM oauth2_provider_accesstoken WHERE token_checksum = @checksum");

    private static readonly Sql Update = new(
        """
        UPDATE oauth2_provider_application SET client_type = @type, authorization_grant_type = @grant, name = @name, redirect_uris = @redirect_uris, updated = @now
        WHERE id = @id AND registration_source = 'dcr'
        """);

    /// <summary>What may be chosen; all else in the metadata is passed over.</summary>
    private async Task<(Client? Draft, OAuthError? Error)> ReadAsync(HttpContext http)
    {
        var (body, tooLarge) = await RequestData.ReadBytesAsync(http.Request, LongestMetadata, http.RequestAborted);
        if (tooLarge) return Invalid($"Request body must not be longer than {LongestMetadata} bytes");
        if (StrictJson.Parse(body) is not { } data) return Invalid("Request body must be valid JSON");
        if (data.ValueKind != JsonValueKind.Object) return Invalid("Request body must be a JSON object");

        IReadOnlyList<string> redirectUris = [];
        if (data.TryGetProperty("redirect_uris", out var uris))
        {
            if (uris.ValueKind != JsonValueKind.Array) return Invalid("redirect_uris must be an array");
            if (StrictJson.Texts(uris) is not { } texts) return Invalid("Each redirect_uri must be a string");
            redirectUris = texts;
        }

        var name = "";
        if (data.TryGetProperty("client_name", out var given))
        {
            if (given.ValueKind != JsonValueKind.String) return Invalid("client_name must be a string");
            name = given.GetString()!;
            if (!ClientName.IsFit(name)) return Invalid("client_name must not contain control characters");
        }

        IReadOnlyList<string> grantTypes = ["authorization_code"];
        if (data.TryGetProperty("grant_types", out var types))
        {
            if (types.ValueKind != JsonValueKind.Array) return Invalid("grant_types must be an array");
            if (StrictJson.Texts(types) is not { } texts) return Invalid("Each grant_type must be a string");
            grantTypes = texts;
        }
        if (grantTypes.Count == 0) return Invalid("grant_types must not be empty");
        var meaningful = grantTypes.Where(type => type != "refresh_token").ToList();
        if (meaningful.Count == 0) return Invalid("grant_types must contain at least one grant type other than refresh_token");
        if (meaningful.Count > 1) return Invalid("DOT only supports one grant type per application; multiple non-refresh_token grant types are not supported");
        if (!Grants.TryGetValue(meaningful[0], out var grant)) return Invalid($"Unsupported grant_type: {PythonText.Repr(meaningful[0])}");
        if (grant is GrantTypes.AuthorizationCode or GrantTypes.Implicit && redirectUris.Count == 0) return Invalid($"redirect_uris is required for grant type {PythonText.Repr(meaningful[0])}");

        var type = Client.Confidential;
        if (data.TryGetProperty("token_endpoint_auth_method", out var method))
        {
            var text = method.ValueKind == JsonValueKind.String ? method.GetString()! : null;
            if (text is not ("none" or "client_secret_basic" or "client_secret_post"))
                return Invalid($"Unsupported token_endpoint_auth_method: {(text is null ? ReprOf(method) : PythonText.Repr(text))}. Supported values: none, client_secret_basic, client_secret_post");
            if (text == "none") type = Client.Public;
        }

        var draft = new Client
        {
            ClientId = "new",
            ClientType = type,
            AuthorizationGrantType = grant,
            Name = name,
            RedirectUris = TokenText.Words(string.Join(' ', redirectUris)),
        };
        return rules.ErrorsOf(draft) is { Count: > 0 } errors
            ? Invalid(string.Join("; ", errors.GroupBy(error => error.Field).Select(field => $"{field.Key}: {string.Join(' ', field.Select(error => error.Message))}")))
            : (draft, null);

        static (Client?, OAuthError?) Invalid(string description) => (null, new OAuthError("invalid_client_metadata", description));
    }

    private static string ReprOf(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null => "None",
        JsonValueKind.True => "True",
        JsonValueKind.False => "False",
        _ => value.GetRawText(),
    };

    private ApiJson Describe(HttpContext http, Client client, string token, string? secret = null, int status = StatusCodes.Status200OK) => Answer(http, status, json =>
    {
        json.WriteString("client_id", client.ClientId);
        WriteAll("redirect_uris", client.RedirectUris);
        var grant = Grants.FirstOrDefault(one => one.Value == client.AuthorizationGrantType).Key ?? client.AuthorizationGrantType;
        WriteAll("grant_types", client.AuthorizationGrantType == GrantTypes.AuthorizationCode ? [grant, "refresh_token"] : [grant]);
        json.WriteString("token_endpoint_auth_method", client.IsPublic ? "none" : "client_secret_basic");
        json.WriteString("registration_access_token", token);
        json.WriteString("registration_client_uri",
            $"{RequestHost.Origin(http, options)}{http.Request.PathBase.ToUriComponent()}{options.OAuth.Path}register/{Uri.EscapeDataString(client.ClientId)}/");
        if (client.Name.Length > 0) json.WriteString("client_name", client.Name);
        if (secret is not null) json.WriteString("client_secret", secret);
        if (options.Profile != Profile.Django)
        {
            // RFC 7591 §3.2.1 wants it beside a secret, and clients insist: for ever.
            if (secret is not null) json.WriteNumber("client_secret_expires_at", 0);
            if (options.OAuth.OidcEnabled && keys.AlgorithmOf(client) is { Length: > 0 } algorithm) json.WriteString("id_token_signed_response_alg", algorithm);
        }

        void WriteAll(string name, IEnumerable<string> texts)
        {
            json.WriteStartArray(name);
            foreach (var text in texts) json.WriteStringValue(text);
            json.WriteEndArray();
        }
    });

    // RFC 7591 §3.2.1: what holds a secret is not kept.
    private static ApiJson Answer(HttpContext http, int status, Action<Utf8JsonWriter> write)
    {
        OAuthError.NoStore(http.Response);
        return ApiJson.Write(status, json =>
        {
            json.WriteStartObject();
            write(json);
            json.WriteEndObject();
        });
    }

    private static OAuthError InvalidToken(string description) => new("invalid_token", description, StatusCodes.Status401Unauthorized);
}
