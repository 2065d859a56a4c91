using System.Globalization;
using Gatehouse.Audit;
using Gatehouse.Database;
using Gatehouse.Users;

namespace Gatehouse.OAuth.Clients;

/// <summary>A program that asks for tokens: a row of <c>oauth2_provider_application</c> (DOT's <c>Application</c>).</summary>
/// <remarks>Not a record: its <c>ToString</c> would print the secret into a log.</remarks>
public sealed class Client
{
    internal const string Confidential = "confidential";
    internal const string Public = "public";

    /// <summary>What a token's client is known by: all that is public, no secret.</summary>
    internal const string PublicColumns =
        "a.id, a.client_id, a.client_type, a.authorization_grant_type, a.name, a.user_id, a.redirect_uris, a.algorithm, a.registration_source";

    internal const string Columns =
        PublicColumns + ", a.client_secret, a.hash_client_secret, a.post_logout_redirect_uris, a.allowed_origins, a.skip_authorization, a.cimd_expires_at, "
        + "a.created, a.updated, (SELECT k.auth_method FROM gatehouse_oauth_client k WHERE k.application_id = a.id)";

    internal long Id { get; init; }

    /// <summary>At most 255 characters, unique.</summary>
    public required string ClientId { get; init; }

    /// <summary>Hashed as passwords are, or plain; empty for clients that have none.</summary>
    internal string ClientSecret { get; init; } = "";

    internal bool HashClientSecret { get; init; } = true;

    /// <summary><c>confidential</c> or <c>public</c>.</summary>
    public string ClientType { get; init; } = Confidential;

    /// <summary>Whether it can keep no secret, RFC 6749 §2.1.</summary>
    public bool IsPublic => ClientType == Public;

    /// <summary><c>authorization-code</c>, <c>client-credentials</c>, … (<see cref="GrantTypes"/>).</summary>
    public string AuthorizationGrantType { get; init; } = "";

    /// <summary>For people; perhaps empty.</summary>
    public string Name { get; init; } = "";

    /// <summary>Who registered it; null: nobody.</summary>
    public UserId? UserId { get; init; }

    /// <summary>Where browsers may be sent back to.</summary>
    public IReadOnlyList<string> RedirectUris { get; init; } = [];

    internal IReadOnlyList<string> PostLogoutRedirectUris { get; init; } = [];

    internal IReadOnlyList<string> AllowedOrigins { get; init; } = [];

    internal bool SkipAuthorization { get; init; }

    /// <summary>Of its ID tokens: <c>RS256</c>, <c>HS256</c>, or empty: none.</summary>
    public string Algorithm { get; init; } = "";

    /// <summary><c>manual</c>, <c>dcr</c> or <c>cimd</c>.</summary>
    public string RegistrationSource { get; init; } = "manual";

    internal DateTimeOffset? CimdExpiresAt { get; init; }

    internal DateTimeOffset Created { get; init; }

    internal DateTimeOffset Updated { get; init; }

    /// <summary>How it must prove who it is, where that is not by its secret: <see cref="ClientAssertions.PrivateKeyJwt"/>, <see cref="ClientAssertions.ClientSecretJwt"/>.</summary>
    internal string? AuthMethod { get; init; }

    /// <inheritdoc/>
    public override string ToString() => Name.Length > 0 ? Name : ClientId;

    /// <summary>An entry of the audit log about a client, in the words that the admin site has for one; null stays nothing.</summary>
    internal static AuditEntry? Tell(AuditEntry? entry, long id, Client client, string detail = "") => entry is null ? null : entry with
    {
        About = string.Create(CultureInfo.InvariantCulture, $"oauth2_provider.application {id} {client}"),
        Client = client.ClientId,
        Detail = detail,
    };

    /// <summary>The columns of <see cref="Columns"/>, from <paramref name="first"/> on.</summary>
    internal static Client Read(Row row, int first) => Read(row, first, whole: true);

    /// <summary>The columns of <see cref="PublicColumns"/>, from <paramref name="first"/> on; all else is as in a new client.</summary>
    internal static Client ReadPublic(Row row, int first) => Read(row, first, whole: false);

    private static Client Read(Row row, int first, bool whole) => new()
    {
        Id = row.Int(first),
        ClientId = row.Text(first + 1),
        ClientType = row.Text(first + 2),
        AuthorizationGrantType = row.Text(first + 3),
        Name = row.Text(first + 4),
        UserId = row.IsNull(first + 5) ? null : row.UserId(first + 5),
        RedirectUris = Split(row.Text(first + 6)),
        Algorithm = row.Text(first + 7),
        RegistrationSource = row.Text(first + 8),
        ClientSecret = whole ? row.Text(first + 9) : "",
        HashClientSecret = !whole || row.Bool(first + 10),
        PostLogoutRedirectUris = whole ? Split(row.Text(first + 11)) : [],
        AllowedOrigins = whole ? Split(row.Text(first + 12)) : [],
        SkipAuthorization = whole && row.Bool(first + 13),
        CimdExpiresAt = whole ? row.TimeOrNull(first + 14) : null,
        Created = whole ? row.Time(first + 15) : default,
        Updated = whole ? row.Time(first + 16) : default,
        AuthMethod = whole ? row.TextOrNull(first + 17) : null,
    };

    internal static Client Read(Row row) => Read(row, 0);

    private static string[] Split(string uris) => uris.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
}

/// <summary>The values of <see cref="Client.AuthorizationGrantType"/>, in the order of DOT's form.</summary>
internal static class GrantTypes
{
    public const string AuthorizationCode = "authorization-code";
    public const string DeviceCode = "urn:ietf:params:oauth:grant-type:device_code";
    public const string Implicit = "implicit";
    public const string Password = "password";
    public const string ClientCredentials = "client-credentials";
    public const string OpenIdHybrid = "openid-hybrid";
}
