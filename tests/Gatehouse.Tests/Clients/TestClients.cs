using Gatehouse.Tests.Database;

namespace Gatehouse.Tests.Clients;

/// <summary>Rows of <c>oauth2_provider_application</c>, written past the server as django-oauth-toolkit writes them.</summary>
internal sealed class TestClients(TestDatabase database, Secrets secrets)
{
    /// <param name="clientId">Also its name, unless there is another.</param>
    /// <param name="grant">As the table has it: <c>authorization-code</c>.</param>
    /// <param name="secret">Null: a public client.</param>
    /// <param name="name">For people.</param>
    /// <param name="algorithm">Of its ID tokens.</param>
    /// <param name="hashed">Whether the secret is stored as a hash.</param>
    /// <param name="redirectUris">With spaces between them.</param>
    /// <param name="postLogoutRedirectUris">With spaces between them.</param>
    /// <param name="user">Whose it is: an id, or null.</param>
    /// <param name="skipAuthorization">Whether nobody is asked.</param>
    /// <returns>The row's id.</returns>
    public Task<long> CreateAsync(
        string clientId, string grant, string? secret, string? name = null, string algorithm = "RS256", bool hashed = true, string redirectUris = "",
        string postLogoutRedirectUris = "", long? user = null, bool skipAuthorization = false)
    {
        if (secret is not null) secrets.Add(secret);
        var stored = secret is null || !hashed ? secret ?? "" : TestUsers.Encode(secret);
        return Task.FromResult((long)database.Scalar(
            """
            INSERT INTO oauth2_provider_application (client_id, name, client_type, authorization_grant_type, client_secret, hash_client_secret, redirect_uris,
                post_logout_redirect_uris, algorithm, skip_authorization, user_id, created, updated, allowed_origins, registration_source)
            VALUES ($client_id, $name, $type, $grant, $secret, $hashed, $redirect_uris, $post_logout, $algorithm, $skip, $user, '2026-01-01 00:00:00', '2026-01-01 00:00:00', '', 'manual')
            RETURNING id
            """,
            ("$client_id", clientId), ("$name", name ?? clientId), ("$type", secret is null ? "public" : "confidential"), ("$grant", grant), ("$secret", stored),
            ("$hashed", hashed), ("$redirect_uris", redirectUris), ("$post_logout", postLogoutRedirectUris), ("$algorithm", algorithm), ("$user", user), ("$skip", skipAuthorization))!);
    }

    /// <summary>Says how a client proves who it is, beyond what Django's table can say.</summary>
    public void Authenticates(long application, string method, string jwks = "") => database.Scalar(
        "INSERT INTO gatehouse_oauth_client (application_id, auth_method, jwks, jwks_uri) VALUES ($id, $method, $jwks, '')",
        ("$id", application), ("$method", method), ("$jwks", jwks));
}
