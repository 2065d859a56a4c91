using Gatehouse.Database;
using Gatehouse.Users;

namespace Gatehouse.OAuth.Clients;

/// <summary>
/// Making, changing and deleting clients, whoever asks: the pages, the command line (DOT's <c>Application.full_clean</c>, <c>save</c>,
/// <c>delete</c>).
/// </summary>
internal sealed class ClientRegistration(Db db, ClientSecrets secrets, GatehouseOptions options, TimeProvider clock)
{
    // Of names, ids and secrets: what their columns hold.
    private const int LongestText = 255;

    // Of a list of addresses; Django's column has no end.
    private const int LongestList = 64 * 1024;

    private readonly OAuthOptions oauth = options.OAuth;

    /// <summary>A client as the form proposes it: with an id and a secret that nobody has seen.</summary>
    public ClientDraft NewDraft() => new() { ClientId = secrets.NewId(), ClientSecret = secrets.NewSecret() };

    /// <summary>What is wrong with it, field by field; empty: nothing that can be told without looking at other clients.</summary>
    public IReadOnlyList<ClientError> Check(ClientDraft draft) => [.. CheckFields(draft), .. Clean(draft)];

    /// <returns>The key of the new client, or what is wrong.</returns>
    /// <exception cref="Http.OverloadedException">Too many passwords are being hashed.</exception>
    public async Task<(long? Id, IReadOnlyList<ClientError> Errors)> CreateAsync(ClientDraft draft, CancellationToken ct)
    {
        var errors = Check(draft);
        if (errors.Count > 0) return (null, await WithTakenIdAsync(errors, draft, self: null, ct));
        var (stored, now) = (await StoredAsync(draft, ct), clock.GetUtcNow());
        var id = await db.WriteAsync(
            tx => tx.FirstAsync(
                Insert, ("client_id", draft.ClientId), ("secret", stored), ("hash", draft.HashClientSecret), ("type", draft.ClientType), ("grant", draft.AuthorizationGrantType),
                ("name", draft.Name), ("redirect_uris", draft.RedirectUris), ("logout_uris", draft.PostLogoutRedirectUris), ("origins", draft.AllowedOrigins),
                ("algorithm", draft.Algorithm), ("skip", draft.SkipAuthorization), ("source", draft.RegistrationSource), ("user", draft.UserId), ("now", now)),
            ct);
        return id is null ? (null, [ClientError.Taken]) : (id, []);
    }

    /// <param name="id">The client's key.</param>
    /// <param name="draft">All that it is from now on. A secret that is a hash already stays as it is.</param>
    /// <param name="ct">Nothing is changed when it comes in time.</param>
    /// <returns>What is wrong; null when there is no such client.</returns>
    /// <exception cref="Http.OverloadedException">Too many passwords are being hashed.</exception>
    public async Task<IReadOnlyList<ClientError>?> UpdateAsync(long id, ClientDraft draft, CancellationToken ct)
    {
        var errors = Check(draft);
        if (errors.Count > 0) return await WithTakenIdAsync(errors, draft, id, ct);
        var (stored, now) = (await StoredAsync(draft, ct), clock.GetUtcNow());
        return await db.WriteAsync<IReadOnlyList<ClientError>?>(
            async tx =>
            {
                if (await tx.RunAsync(
                    Update, ("client_id", draft.ClientId), ("secret", stored), ("hash", draft.HashClientSecret), ("type", draft.ClientType), ("grant", draft.AuthorizationGrantType),
                    ("name", draft.Name), ("redirect_uris", draft.RedirectUris), ("logout_uris", draft.PostLogoutRedirectUris), ("origins", draft.AllowedOrigins),
                    ("algorithm", draft.Algorithm), ("now", now), ("id", id)) == 1) return [];
                return await tx.FirstAsync(IdOf, ("id", id)) is null ? null : [ClientError.Taken];
            },
            ct);
    }

    /// <summary>Deletes a client and all that was given to it, as Django's <c>CASCADE</c> does; device codes too, which name it by its id only.</summary>
    /// <returns>False when there is no such client.</returns>
    public Task<bool> DeleteAsync(long id, CancellationToken ct) => db.WriteAsync(
        async tx =>
        {
            if (await tx.FirstAsync(IdOf, ("id", id)) is not { } clientId) return false;
            foreach (var statement in DeleteItsTokens) await tx.RunAsync(statement, ("id", id));
            foreach (var statement in DeleteByClientId) await tx.RunAsync(statement, ("client_id", clientId));
            return await tx.RunAsync(Delete, ("id", id)) == 1;
        },
        ct);

    /// <summary>Lengths and choices: what Django's fields say.</summary>
    private IEnumerable<ClientError> CheckFields(ClientDraft draft)
    {
        foreach (var (field, text, isRequired) in new[]
        {
            ("name", draft.Name, false), ("client_id", draft.ClientId, true), ("client_secret", draft.ClientSecret, false),
            ("redirect_uris", draft.RedirectUris, false), ("post_logout_redirect_uris", draft.PostLogoutRedirectUris, false), ("allowed_origins", draft.AllowedOrigins, false),
        })
        {
            var longest = field is "name" or "client_id" or "client_secret" ? LongestText : LongestList;
            if (isRequired && text.Length == 0) yield return ClientError.Blank(field);
            else if (text.Contains('\0')) yield return new(field, "Null characters are not allowed.");
            else if (text.Length > longest) yield return new(field, $"Ensure this value has at most {longest} characters (it has {text.Length}).");
        }
        foreach (var (field, value, choices) in new[]
        {
            ("client_type", draft.ClientType, ClientChoices.Types), ("authorization_grant_type", draft.AuthorizationGrantType, ClientChoices.Grants),
            ("algorithm", draft.Algorithm, ClientChoices.Algorithms(options)),
        })
        {
            if (choices.Any(choice => choice.Value == value)) continue;
            yield return value.Length == 0 ? ClientError.Blank(field) : ClientError.NoChoice(field, value);
        }
        // The real stack would take the empty secret from anybody who knows the id.
        if (options.Profile != Profile.Django && draft is { ClientType: Client.Confidential, ClientSecret: "" }) yield return ClientError.Blank("client_secret");
    }

    /// <summary>What must fit together (DOT's <c>Application.clean</c>), with its words.</summary>
    private IEnumerable<ClientError> Clean(ClientDraft draft)
    {
        var redirects = new AllowedUriValidator(
            [.. oauth.AllowedRedirectUriSchemes.Select(scheme => scheme.ToLowerInvariant())], "redirect uri", AllowPath: true, AllowQuery: true, oauth.AllowUriWildcards);
        foreach (var error in redirects.ErrorsOf(draft.RedirectUris)) yield return new("redirect_uris", error);
        if (string.IsNullOrWhiteSpace(draft.RedirectUris) && draft.AuthorizationGrantType is GrantTypes.AuthorizationCode or GrantTypes.Implicit or GrantTypes.OpenIdHybrid)
            yield return new("redirect_uris", $"redirect_uris cannot be empty with grant_type {draft.AuthorizationGrantType}");

        var origins = new AllowedUriValidator([.. oauth.AllowedSchemes], "allowed origin", AllowHostnameWildcard: oauth.AllowUriWildcards);
        foreach (var error in origins.ErrorsOf(draft.AllowedOrigins)) yield return new("allowed_origins", error);

        // Without that setting there are keys of our own where OpenID Connect is on.
        if (draft.Algorithm == "RS256" && oauth is { OidcRsaPrivateKey: "", OidcEnabled: false })
            yield return new("algorithm", "You must set OIDC_RSA_PRIVATE_KEY to use RSA algorithm");
        if (draft.Algorithm != "HS256") yield break;

        if (draft.AuthorizationGrantType is GrantTypes.Implicit or GrantTypes.OpenIdHybrid || draft.ClientType == Client.Public)
            yield return new("algorithm", "You cannot use HS256 with public grants or clients");
        if (draft.ClientSecret.Length == 0)
            yield return new("client_secret", "You cannot use HS256 without a client secret; it is the HMAC signing key.");
        else if (draft.HashClientSecret || secrets.IsHashed(draft.ClientSecret))
        {
            yield return new(
                draft.HashClientSecret ? "hash_client_secret" : "client_secret",
                "You cannot use HS256 with a hashed client secret. For HS256 the client secret is the shared signing key and must be stored unhashed so the relying "
                + "party can verify the token; set hash_client_secret=False and store an unhashed client_secret on this application.");
        }
    }

    /// <summary>Told beside the other errors, so that one look at the form shows all.</summary>
    private async Task<IReadOnlyList<ClientError>> WithTakenIdAsync(IReadOnlyList<ClientError> errors, ClientDraft draft, long? self, CancellationToken ct) =>
        errors.Any(error => error.Field == "client_id") || await db.FirstAsync(OtherOf, ct, ("client_id", draft.ClientId), ("self", self)) is null ? errors : [.. errors, ClientError.Taken];

    private async ValueTask<string> StoredAsync(ClientDraft draft, CancellationToken ct)
    {
        var secret = draft.ClientSecret;
        if (!draft.HashClientSecret || secrets.IsHashed(secret)) return secret;
        // A hash of nothing is what the real stack stores, and verifies.
        if (secret.Length == 0 && options.Profile != Profile.Django) return "";
        return draft.SecretIsOurs ? secrets.HashGenerated(secret) : await secrets.HashAsync(secret, ct);
    }

    private static readonly Sql<long?> Insert = new(
        """
        INSERT INTO oauth2_provider_application
            (client_id, client_secret, hash_client_secret, client_type, authorization_grant_type, name, redirect_uris, post_logout_redirect_uris, allowed_origins,
            algorithm, skip_authorization, registration_source, user_id, created, updated, cimd_expires_at)
        VALUES (@client_id, @secret, @hash, @type, @grant, @name, @redirect_uris, @logout_uris, @origins, @algorithm, @skip, @source, @user, @now, @now, NULL)
        ON CONFLICT (client_id) DO NOTHING RETURNING id
        """,
        row => row.Int(0));

    private static readonly Sql Update = new(
        """
        UPDATE oauth2_provider_application SET client_id = @client_id, client_secret = @secret, hash_client_secret = @hash, client_type = @type,
            authorization_grant_type = @grant, name = @name, redirect_uris = @redirect_uris, post_logout_redirect_uris = @logout_uris, allowed_origins = @origins,
            algorithm = @algorithm, updated = @now
        WHERE id = @id AND NOT EXISTS (SELECT 1 FROM oauth2_provider_application WHERE client_id = @client_id AND id <> @id)
        """);

    private static readonly Sql<string> IdOf = new("SELECT client_id FROM oauth2_provider_application WHERE id = @id", row => row.Text(0));

    private static readonly Sql<string> OtherOf = new(
        "SELECT client_id FROM oauth2_provider_application WHERE client_id = @client_id AND (@self IS NULL OR id <> @self)", row => row.Text(0));

    private static readonly Sql Delete = new("DELETE FROM oauth2_provider_application WHERE id = @id");

    // Rows of other clients that name one of these lose the name only.
    private static readonly Sql[] DeleteItsTokens =
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
        new("DELETE FROM gatehouse_oauth_client WHERE application_id = @id"),
    ];

    private static readonly Sql[] DeleteByClientId =
    [
        new("DELETE FROM oauth2_provider_devicegrant WHERE client_id = @client_id"),
        new("DELETE FROM gatehouse_oauth_pushed_request WHERE client_id = @client_id"),
        new("DELETE FROM gatehouse_oauth_assertion WHERE client_id = @client_id"),
    ];
}

/// <summary>What a client is to be. Lists of addresses have white space between.</summary>
/// <remarks>Not a record: its <c>ToString</c> would print the secret into a log.</remarks>
internal sealed class ClientDraft
{
    public string Name { get; set; } = "";

    public string ClientId { get; set; } = "";

    /// <summary>Plain, or as it is stored.</summary>
    public string ClientSecret { get; set; } = "";

    /// <summary>Whether the secret was made by <see cref="ClientSecrets.NewSecret"/>, and is strong enough for a cheap hash.</summary>
    public bool SecretIsOurs { get; set; }

    public bool HashClientSecret { get; set; } = true;

    public string ClientType { get; set; } = "";

    public string AuthorizationGrantType { get; set; } = "";

    public string RedirectUris { get; set; } = "";

    public string PostLogoutRedirectUris { get; set; } = "";

    public string AllowedOrigins { get; set; } = "";

    public string Algorithm { get; set; } = "";

    /// <summary>Set once, when the client is made.</summary>
    public bool SkipAuthorization { get; set; }

    /// <summary>Set once, when the client is made.</summary>
    public string RegistrationSource { get; set; } = "manual";

    /// <summary>Whose it is; set once, when the client is made. Null: nobody's.</summary>
    public UserId? UserId { get; set; }
}

/// <summary>What is wrong with a field of a <see cref="ClientDraft"/>, in the words of Django's models.</summary>
/// <param name="Field">The column.</param>
/// <param name="Message">For a person.</param>
/// <param name="Problem">Where Django's forms have words of their own.</param>
/// <param name="Value">What was given.</param>
internal sealed record ClientError(string Field, string Message, ClientProblem Problem = ClientProblem.Other, string Value = "")
{
    public static ClientError Taken { get; } = new("client_id", "Application with this Client ID already exists.");

    public static ClientError Blank(string field) => new(field, "This field cannot be blank.", ClientProblem.Blank);

    public static ClientError NoChoice(string field, string value) => new(field, $"Value '{value}' is not a valid choice.", ClientProblem.NoChoice, value);
}

internal enum ClientProblem
{
    Other,
    Blank,
    NoChoice,
}

/// <summary>What may be chosen, and how DOT's form says it.</summary>
internal static class ClientChoices
{
    public static (string Value, string Label)[] Types { get; } = [(Client.Confidential, "Confidential"), (Client.Public, "Public")];

    public static (string Value, string Label)[] Grants { get; } =
    [
        (GrantTypes.AuthorizationCode, "Authorization code"),
        (GrantTypes.DeviceCode, "Device Code"),
        (GrantTypes.Implicit, "Implicit"),
        (GrantTypes.Password, "Resource owner password-based"),
        (GrantTypes.ClientCredentials, "Client credentials"),
        (GrantTypes.OpenIdHybrid, "OpenID connect hybrid"),
    ];

    /// <summary>ES256 is ours: the real stack has no name for it.</summary>
    public static (string Value, string Label)[] Algorithms(GatehouseOptions options) =>
        options.Profile == Profile.Django ? Djangos : [.. Djangos, ("ES256", "ECDSA with P-256 and SHA-2 256")];

    private static readonly (string Value, string Label)[] Djangos = [("", "No OIDC support"), ("RS256", "RSA with SHA-2 256"), ("HS256", "HMAC with SHA-2 256")];
}
