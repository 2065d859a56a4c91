using Gatehouse.Database;
using Gatehouse.Users;

namespace Gatehouse.OAuth.Clients;

/// <summary>
/// Making, changing and deleting clients by people: on the pages, on the command line (DOT's <c>Application.full_clean</c>, <c>save</c>,
/// <c>delete</c>).
/// </summary>
internal sealed class ClientRegistration(Db db, ClientRules rules, ClientSecrets secrets, GatehouseOptions options, TimeProvider clock)
{
    /// <summary>A client as the form proposes it: with an id and a secret that nobody has seen.</summary>
    public ClientDraft NewDraft() => new() { ClientId = secrets.NewId(), ClientSecret = secrets.NewSecret() };

    /// <summary>What is wrong with it, field by field; empty: nothing that can be told without looking at other clients.</summary>
    public IReadOnlyList<ClientError> Check(ClientDraft draft)
    {
        IReadOnlyList<ClientError> errors = [.. rules.ErrorsOf(draft.ToClient(draft.ClientSecret)), .. SigningErrorsOf(draft)];
        // The real stack would take the empty secret from anybody who knows the id.
        return options.Profile != Profile.Django && draft is { ClientType: Client.Confidential, ClientSecret: "" } ? [.. errors, ClientError.Blank("client_secret")] : errors;
    }

    /// <param name="draft">What it is to be.</param>
    /// <param name="also">Done in the same transaction.</param>
    /// <param name="ct">Nothing is made when it comes in time.</param>
    /// <returns>The key of the new client, or what is wrong.</returns>
    /// <exception cref="Http.OverloadedException">Too many passwords are being hashed.</exception>
    public async Task<(long? Id, IReadOnlyList<ClientError> Errors)> CreateAsync(ClientDraft draft, Func<Tx, long, Task> also, CancellationToken ct)
    {
        var errors = Check(draft);
        if (errors.Count > 0) return (null, await WithTakenIdAsync(errors, draft, self: null, ct));
        var (stored, now) = (await StoredAsync(draft, ct), clock.GetUtcNow());
        var id = await db.WriteAsync(
            async tx =>
            {
                if (await ClientStore.InsertAsync(tx, draft.ToClient(stored), now) is not { } key) return (long?)null;
                if (draft.AuthMethod.Length > 0) await ClientAssertions.SaveAsync(tx, key, draft.AuthMethod, draft.Jwks, draft.JwksUri);
                await also(tx, key);
                return key;
            },
            ct);
        return id is null ? (null, [ClientError.Taken]) : (id, []);
    }

    /// <summary>Of a client that proves by a signature who it is.</summary>
    private IEnumerable<ClientError> SigningErrorsOf(ClientDraft draft)
    {
        if (draft.AuthMethod is not ("" or ClientAssertions.PrivateKeyJwt or ClientAssertions.ClientSecretJwt))
            yield return ClientError.NoChoice("token_endpoint_auth_method", draft.AuthMethod);
        if (draft.AuthMethod == ClientAssertions.PrivateKeyJwt)
        {
            if (draft.Jwks.Length > 0 == draft.JwksUri.Length > 0) yield return new("jwks", "private_key_jwt needs either jwks or jwks_uri.");
            else if (draft.JwksUri.Length > 0 && StrictUri.Read(draft.JwksUri) is not { Scheme: "https", Path.Length: > 0 }) yield return new("jwks_uri", "Enter an https address with a path.");
            else if (draft.Jwks.Length > 0 && !ClientAssertions.HasKeyFor(draft.Jwks, options.OAuth.ClientAssertionPrivateKeyJwtAlgs))
                yield return new("jwks", "There is no public key in it that verifies with CLIENT_ASSERTION_PRIVATE_KEY_JWT_ALGS. Write {\"keys\": [...]} as RFC 7517 has it, without private members.");
        }
        else if (draft.Jwks.Length + draft.JwksUri.Length > 0)
        {
            yield return new("jwks", "Only a client that authenticates by private_key_jwt has keys.");
        }
        if (draft.AuthMethod == ClientAssertions.ClientSecretJwt && (draft.HashClientSecret || secrets.IsHashed(draft.ClientSecret) || draft.ClientSecret.Length < 32))
            yield return new("client_secret", "client_secret_jwt signs with the secret: it needs 32 characters or more, and must be stored unhashed.");
    }

    /// <param name="id">The client's key.</param>
    /// <param name="draft">All that it is from now on. A secret that is a hash already stays as it is.</param>
    /// <param name="also">Done in the same transaction.</param>
    /// <param name="ct">Nothing is changed when it comes in time.</param>
    /// <returns>What is wrong; null when there is no such client.</returns>
    /// <exception cref="Http.OverloadedException">Too many passwords are being hashed.</exception>
    public async Task<IReadOnlyList<ClientError>?> UpdateAsync(long id, ClientDraft draft, Func<Tx, Task> also, CancellationToken ct)
    {
        var errors = Check(draft);
        if (errors.Count > 0) return await WithTakenIdAsync(errors, draft, id, ct);
        var (client, now) = (draft.ToClient(await StoredAsync(draft, ct)), clock.GetUtcNow());
        return await db.WriteAsync<IReadOnlyList<ClientError>?>(
            async tx =>
            {
                if (await ClientStore.UpdateAsync(tx, id, client, now))
                {
                    await also(tx);
                    return [];
                }
                return await tx.FirstAsync(IdOf, ("id", id)) is null ? null : [ClientError.Taken];
            },
            ct);
    }

    /// <param name="id">The client's key.</param>
    /// <param name="also">Done in the same transaction.</param>
    /// <param name="ct">Nothing is deleted when it comes in time.</param>
    /// <returns>False when there is no such client.</returns>
    public Task<bool> DeleteAsync(long id, Func<Tx, Task> also, CancellationToken ct) => db.WriteAsync(
        async tx =>
        {
            if (!await ClientStore.DeleteAsync(tx, id)) return false;
            await also(tx);
            return true;
        },
        ct);

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

    private static readonly Sql<string> IdOf = new("SELECT client_id FROM oauth2_provider_application WHERE id = @id", row => row.Text(0));

    private static readonly Sql<string> OtherOf = new(
        "SELECT client_id FROM oauth2_provider_application WHERE client_id = @client_id AND (CAST(@self AS bigint) IS NULL OR id <> @self)", row => row.Text(0));
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

    /// <summary><c>private_key_jwt</c>, <c>client_secret_jwt</c>, or empty: by its secret. Set once, when the client is made.</summary>
    public string AuthMethod { get; set; } = "";

    /// <summary>The public keys of <c>private_key_jwt</c>, RFC 7517; or empty.</summary>
    public string Jwks { get; set; } = "";

    /// <summary>Where they are instead; or empty.</summary>
    public string JwksUri { get; set; } = "";

    /// <summary>Set once, when the client is made.</summary>
    public bool SkipAuthorization { get; set; }

    /// <summary>Set once, when the client is made.</summary>
    public string RegistrationSource { get; set; } = "manual";

    /// <summary>Whose it is; set once, when the client is made. Null: nobody's.</summary>
    public UserId? UserId { get; set; }

    /// <param name="secret">As it is to be stored.</param>
    public Client ToClient(string secret) => new()
    {
        ClientId = ClientId,
        ClientSecret = secret,
        HashClientSecret = HashClientSecret,
        ClientType = ClientType,
        AuthorizationGrantType = AuthorizationGrantType,
        Name = Name,
        UserId = UserId,
        RedirectUris = Split(RedirectUris),
        PostLogoutRedirectUris = Split(PostLogoutRedirectUris),
        AllowedOrigins = Split(AllowedOrigins),
        SkipAuthorization = SkipAuthorization,
        Algorithm = Algorithm,
        RegistrationSource = RegistrationSource,
    };

    private static string[] Split(string uris) => uris.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
}
