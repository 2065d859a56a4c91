using Gatehouse.Database;

namespace Gatehouse.OAuth.Clients;

/// <summary>Finding clients, and writing them.</summary>
internal sealed class ClientStore(Db db)
{
    private const int LongestId = 255;

    /// <summary>
    /// Asked for an id that is not known, or whose client's metadata document may be out of date (client ID metadata documents). Null: there is
    /// nothing to ask.
    /// </summary>
    public Func<string, Client?, CancellationToken, Task<Client?>>? Resolve { get; set; }

    /// <summary>The client of exactly that id; null when there is none.</summary>
    public async Task<Client?> FindAsync(string? clientId, CancellationToken ct)
    {
        var client = await FindStoredAsync(clientId, ct);
        return clientId is { Length: > 0 and <= LongestId } && Resolve is { } resolve ? await resolve(clientId, client, ct) : client;
    }

    /// <summary>The same, as it is in the database: nobody else is asked.</summary>
    public async Task<Client?> FindStoredAsync(string? clientId, CancellationToken ct) =>
        clientId is null or { Length: 0 or > LongestId } ? null : await db.FindAsync(ById, ct, ("client_id", clientId));

    private static readonly Sql<Client> ById = new($"SELECT {Client.Columns} FROM oauth2_provider_application a WHERE a.client_id = @client_id", Client.Read);

    /// <summary>Writes a new client; its secret is stored as it stands there.</summary>
    /// <returns>Its key; null when the id is taken.</returns>
    public static Task<long?> InsertAsync(Tx tx, Client client, DateTimeOffset now) => tx.FirstAsync(
        Insert, ("client_id", client.ClientId), ("secret", client.ClientSecret), ("hash", client.HashClientSecret), ("type", client.ClientType),
        ("grant", client.AuthorizationGrantType), ("name", client.Name), ("user", client.UserId), ("redirect_uris", string.Join(' ', client.RedirectUris)),
        ("post_logout", string.Join(' ', client.PostLogoutRedirectUris)), ("origins", string.Join(' ', client.AllowedOrigins)), ("skip", client.SkipAuthorization),
        ("algorithm", client.Algorithm), ("source", client.RegistrationSource), ("cimd_expires", client.CimdExpiresAt), ("now", now));

    private static readonly Sql<long?> Insert = new(
        """
        INSERT INTO oauth2_provider_application
            (client_id, client_secret, hash_client_secret, client_type, authorization_grant_type, name, user_id, redirect_uris, post_logout_redirect_uris,
             allowed_origins, skip_authorization, algorithm, registration_source, cimd_expires_at, created, updated)
        VALUES (@client_id, @secret, @hash, @type, @grant, @name, @user, @redirect_uris, @post_logout, @origins, @skip, @algorithm, @source, @cimd_expires, @now, @now)
        ON CONFLICT (client_id) DO NOTHING RETURNING id
        """,
        row => row.Int(0));

    /// <summary>Makes a client into another; who owns it, whether it asks for consent, and how it was registered stay.</summary>
    /// <returns>False when there is no such client, or another has the id.</returns>
    public static async Task<bool> UpdateAsync(Tx tx, long id, Client client, DateTimeOffset now) => await tx.RunAsync(
        Update, ("client_id", client.ClientId), ("secret", client.ClientSecret), ("hash", client.HashClientSecret), ("type", client.ClientType),
        ("grant", client.AuthorizationGrantType), ("name", client.Name), ("redirect_uris", string.Join(' ', client.RedirectUris)),
        ("post_logout", string.Join(' ', client.PostLogoutRedirectUris)), ("origins", string.Join(' ', client.AllowedOrigins)), ("algorithm", client.Algorithm),
        ("now", now), ("id", id)) == 1;

    private static readonly Sql Update = new(
        """
        UPDATE oauth2_provider_application SET client_id = @client_id, client_secret = @secret, hash_client_secret = @hash, client_type = @type,
            authorization_grant_type = @grant, name = @name, redirect_uris = @redirect_uris, post_logout_redirect_uris = @post_logout, allowed_origins = @origins,
            algorithm = @algorithm, updated = @now
        WHERE id = @id AND NOT EXISTS (SELECT 1 FROM oauth2_provider_application WHERE client_id = @client_id AND id <> @id)
        """);

    /// <summary>Deletes a client and all that was given to it, as Django's cascade does; device codes too, which name it by its id only.</summary>
    /// <returns>Whether it was there.</returns>
    public static async Task<bool> DeleteAsync(Tx tx, long id)
    {
        foreach (var sql in DeleteWhatItHas) await tx.RunAsync(sql, ("id", id));
        return await tx.RunAsync(Delete, ("id", id)) == 1;
    }

    // Rows of other clients that name one of these lose the name only.
    private static readonly Sql[] DeleteWhatItHas =
    [
        new("""
            UPDATE oauth2_provider_accesstoken SET source_refresh_token_id = NULL
            WHERE source_refresh_token_id IN (SELECT id FROM oauth2_provider_refreshtoken WHERE application_id = @id)
            """),
        new("""
            UPDATE oauth2_provider_refreshtoken SET access_token_id = NULL
            WHERE access_token_id IN (SELECT id FROM oauth2_provider_accesstoken WHERE application_id = @id)
            """),
        new("""
            UPDATE oauth2_provider_accesstoken SET id_token_id = NULL
            WHERE id_token_id IN (SELECT id FROM oauth2_provider_idtoken WHERE application_id = @id)
            """),
        new("DELETE FROM oauth2_provider_accesstoken WHERE application_id = @id"),
        new("DELETE FROM oauth2_provider_refreshtoken WHERE application_id = @id"),
        new("DELETE FROM oauth2_provider_idtoken WHERE application_id = @id"),
        new("DELETE FROM oauth2_provider_grant WHERE application_id = @id"),
        new($"DELETE FROM oauth2_provider_devicegrant WHERE client_id = {ItsId}"),
        new($"DELETE FROM gatehouse_oauth_pushed_request WHERE client_id = {ItsId}"),
        new($"DELETE FROM gatehouse_oauth_assertion WHERE client_id = {ItsId}"),
        new("DELETE FROM gatehouse_oauth_used_code WHERE application_id = @id"),
        new("DELETE FROM gatehouse_oauth_client WHERE application_id = @id"),
    ];

    private const string ItsId = "(SELECT client_id FROM oauth2_provider_application WHERE id = @id)";

    private static readonly Sql Delete = new("DELETE FROM oauth2_provider_application WHERE id = @id");
}
