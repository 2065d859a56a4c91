using System.Text.Json;
using Gatehouse.Audit;
using Gatehouse.Database;
using Gatehouse.Http;
using Gatehouse.OAuth.Clients;
using Gatehouse.OAuth.Tokens;
using Microsoft.Extensions.Logging;

namespace Gatehouse.OAuth.Registration;

/// <summary>
/// Clients whose id is the address of a document that describes them (draft-ietf-oauth-client-id-metadata-document-01, DOT's <c>cimd</c>): fetched
/// when they are first met and when what is known of them has grown old. Such a client is public.
/// </summary>
internal sealed class ClientIdMetadata
{
    private readonly Db db;
    private readonly ClientStore clients;
    private readonly ClientRules rules;
    private readonly ClientSecrets secrets;
    private readonly OAuthOptions options;
    private readonly AuditTrail audit;
    private readonly TimeProvider clock;
    private readonly ILogger<ClientIdMetadata> log;
    private readonly SafeFetcher<Client> fetcher;

    public ClientIdMetadata(
        Db db, ClientStore clients, ClientRules rules, ClientSecrets secrets, OAuthOptions options, Outside outside, AuditTrail audit, TimeProvider clock,
        ILogger<ClientIdMetadata> log)
    {
        (this.db, this.clients, this.rules, this.secrets, this.options, this.audit, this.clock, this.log) = (db, clients, rules, secrets, options, audit, clock, log);
        var limits = new FetchLimits
        {
            Timeout = TimeSpan.FromSeconds(options.CimdFetchTimeoutSeconds),
            MaxSize = options.CimdMaxDocumentSize,
            MinAge = TimeSpan.FromSeconds(options.CimdMetadataMinAgeSeconds),
            MaxAge = TimeSpan.FromSeconds(options.CimdMetadataMaxAgeSeconds),
            FailureBackoff = TimeSpan.FromSeconds(options.CimdFailureBackoffSeconds),
            MaxConcurrent = options.CimdMaxConcurrentFetches ?? 0,
        };
        fetcher = new SafeFetcher<Client>(limits, StoreAsync, outside, clock, log, FreshAsync, options.CimdMetadataFetcher);
    }

    /// <summary>
    /// The client as its document has it; <paramref name="client"/> as it is when it is no such client, or fresh, or when the document cannot be had:
    /// an outage elsewhere locks nobody out.
    /// </summary>
    public async Task<Client?> ResolveAsync(string clientId, Client? client, CancellationToken ct)
    {
        if (client is not null && !IsOld(client) || !clientId.StartsWith("https://", StringComparison.OrdinalIgnoreCase)) return client;
        if (!await RegistrationPermissions.AllowAsync(options, clientId, ct))
        {
            log.MetadataNotPermitted(LogText.Clean(clientId));
            return client;
        }
        return (await fetcher.GetAsync(clientId, ct)).Value ?? client;
    }

    private bool IsOld(Client client) => client is { RegistrationSource: "cimd", CimdExpiresAt: { } expires } && clock.GetUtcNow() > expires;

    private async Task<Client?> FreshAsync(string clientId) =>
        await clients.FindStoredAsync(clientId, CancellationToken.None) is { RegistrationSource: "cimd" } client && !IsOld(client) ? client : null;

    private async Task<Client> StoreAsync(string clientId, JsonElement document, TimeSpan maxAge)
    {
        // What a document says holds for its own address alone: nobody can speak for another client.
        if (!document.TryGetProperty("client_id", out var named) || named.ValueKind != JsonValueKind.String || named.GetString() != clientId)
            throw new FetchException("its client_id is not its address");
        var now = clock.GetUtcNow();
        var client = Read(clientId, document, now + maxAge);
        if (rules.ErrorsOf(client) is { Count: > 0 } errors) throw new FetchException($"it describes no client that may be: {string.Join("; ", errors.Select(error => error.Message))}");

        // A row that somebody made by hand stays theirs, whatever a document says. Of several servers that meet a client at once, all win.
        var entry = audit.Of(AuditEvent.Added);
        var stored = await db.WriteAsync(
            async tx =>
            {
                var row = await tx.FirstAsync(
                    Upsert, ("client_id", client.ClientId), ("secret", secrets.HashGenerated(secrets.NewSecret())), ("grant", client.AuthorizationGrantType), ("name", client.Name),
                    ("redirect_uris", string.Join(' ', client.RedirectUris)), ("expires", client.CimdExpiresAt), ("now", now));
                // A document that is read again is no new client.
                if (row is { IsNew: true }) await AuditTrail.WriteAsync(tx, Client.Tell(entry, row.Id, client, "By its metadata document."));
                return row;
            },
            CancellationToken.None);
        if (stored is null) throw new FetchException("a client that was not registered by a document has that id");
        return await clients.FindStoredAsync(clientId, CancellationToken.None) ?? throw new FetchException("the client was deleted meanwhile");
    }

    private sealed record Stored(long Id, bool IsNew);

    private static readonly Sql<Stored> Upsert = new(
        """
        INSERT INTO oauth2_provider_application
            (client_id, client_secret, hash_client_secret, client_type, authorization_grant_type, name, user_id, redirect_uris, post_logout_redirect_uris,
             allowed_origins, skip_authorization, algorithm, registration_source, cimd_expires_at, created, updated)
        VALUES (@client_id, @secret, TRUE, 'public', @grant, @name, NULL, @redirect_uris, '', '', FALSE, '', 'cimd', @expires, @now, @now)
        ON CONFLICT (client_id) DO UPDATE SET
            client_type = 'public', authorization_grant_type = @grant, name = @name, user_id = NULL, redirect_uris = @redirect_uris, cimd_expires_at = @expires, updated = @now
        WHERE oauth2_provider_application.registration_source = 'cimd'
        RETURNING id, created = updated
        """,
        row => new Stored(row.Int(0), row.Bool(1)));

    private static Client Read(string clientId, JsonElement document, DateTimeOffset expires)
    {
        if (document.TryGetProperty("token_endpoint_auth_method", out var method) && !(method.ValueKind == JsonValueKind.String && method.ValueEquals("none")))
            throw new FetchException("its token_endpoint_auth_method is not none");
        if (document.TryGetProperty("client_secret", out _) || document.TryGetProperty("client_secret_expires_at", out _))
            throw new FetchException("it has a client_secret or client_secret_expires_at");
        if (!document.TryGetProperty("redirect_uris", out var uris) || StrictJson.Texts(uris) is not { Count: > 0 } redirectUris)
            throw new FetchException("its redirect_uris are not a non-empty array of texts");
        var grantTypes = document.TryGetProperty("grant_types", out var types) ? StrictJson.Texts(types) : ["authorization_code"];
        if (grantTypes?.Where(type => type != "refresh_token").ToList() is not [var grantType]) throw new FetchException("its grant_types are not one, refresh_token aside");
        var name = !document.TryGetProperty("client_name", out var text) ? "" : text.ValueKind == JsonValueKind.String ? text.GetString()! : null;
        if (name is null || !ClientName.IsFit(name)) throw new FetchException("its client_name is no text that could be shown");
        return new Client
        {
            ClientId = clientId,
            ClientType = Client.Public,
            AuthorizationGrantType = grantType switch
            {
                "authorization_code" => GrantTypes.AuthorizationCode,
                "implicit" => GrantTypes.Implicit,
                _ => throw new FetchException($"its grant_type is {PythonText.Repr(grantType)}"),
            },
            Name = name,
            RedirectUris = TokenText.Words(string.Join(' ', redirectUris)),
            RegistrationSource = "cimd",
            CimdExpiresAt = expires,
        };
    }
}

/// <summary>How strangers may call themselves.</summary>
internal static class ClientName
{
    /// <summary>No control characters, and none that turn the direction in which the rest of a page is read.</summary>
    public static bool IsFit(string name) =>
        !name.Any(c => char.IsControl(c) || c is >= '\u202a' and <= '\u202e' or >= '\u2066' and <= '\u2069' or '\u200e' or '\u200f' or '\u061c' or '\u2028' or '\u2029');
}

internal static partial class RegistrationLog
{
    [LoggerMessage(1511, LogLevel.Information, "The client metadata document {ClientId} is not permitted")]
    public static partial void MetadataNotPermitted(this ILogger logger, string clientId);
}
