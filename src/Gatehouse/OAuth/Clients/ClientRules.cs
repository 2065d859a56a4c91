using Gatehouse.Http;

namespace Gatehouse.OAuth.Clients;

/// <summary>What a client may be, with the messages of the real stack (DOT's <c>Application.clean</c>, Django's <c>full_clean</c>).</summary>
internal sealed class ClientRules(GatehouseOptions root, ClientSecrets secrets)
{
    // Of names, ids and secrets: what their columns hold.
    private const int LongestName = 255;

    // Of a list of addresses; Django's column has no end.
    private const int LongestList = 64 * 1024;

    private readonly OAuthOptions options = root.OAuth;

    /// <summary>All that is wrong with it, by the name of the column, in Django's order. That its id is taken shows when it is written.</summary>
    /// <param name="client">With its secret as it was typed, or as it is stored.</param>
    public IReadOnlyList<ClientError> ErrorsOf(Client client)
    {
        var errors = new List<ClientError>();
        if (client.ClientId.Length == 0) errors.Add(ClientError.Blank("client_id"));
        CheckText("client_id", client.ClientId);
        CheckList("redirect_uris", client.RedirectUris);
        CheckList("post_logout_redirect_uris", client.PostLogoutRedirectUris);
        CheckChoice("client_type", client.ClientType, ClientChoices.Types);
        CheckChoice("authorization_grant_type", client.AuthorizationGrantType, ClientChoices.Grants);
        CheckText("client_secret", client.ClientSecret);
        CheckText("name", client.Name);
        CheckChoice("algorithm", client.Algorithm, ClientChoices.Algorithms(root));
        CheckList("allowed_origins", client.AllowedOrigins);

        var redirects = new AllowedUriValidator(
            [.. options.AllowedRedirectUriSchemes.Select(scheme => scheme.ToLowerInvariant())], "redirect uri", AllowPath: true, AllowQuery: true, options.AllowUriWildcards);
        if (client.RedirectUris.Count > 0) AddAll("redirect_uris", redirects, client.RedirectUris);
        else if (client.AuthorizationGrantType is GrantTypes.AuthorizationCode or GrantTypes.Implicit or GrantTypes.OpenIdHybrid)
            errors.Add(new("redirect_uris", $"redirect_uris cannot be empty with grant_type {client.AuthorizationGrantType}"));
        AddAll("allowed_origins", new AllowedUriValidator([.. options.AllowedSchemes], "allowed origin", AllowHostnameWildcard: options.AllowUriWildcards), client.AllowedOrigins);

        if (client.Algorithm == "RS256" && !options.OidcEnabled && options.OidcRsaPrivateKey.Length == 0)
            errors.Add(new("algorithm", "You must set OIDC_RSA_PRIVATE_KEY to use RSA algorithm"));
        if (client.Algorithm == "HS256") CheckSharedKey();
        return errors;

        void CheckText(string field, string text)
        {
            var length = text.EnumerateRunes().Count();
            if (text.Contains('\0')) errors.Add(new(field, "Null characters are not allowed."));
            else if (length > LongestName) errors.Add(new(field, $"Ensure this value has at most {LongestName} characters (it has {length})."));
        }

        void CheckList(string field, IReadOnlyList<string> uris)
        {
            var length = uris.Sum(uri => uri.Length + 1);
            if (uris.Any(uri => uri.Contains('\0'))) errors.Add(new(field, "Null characters are not allowed."));
            else if (length > LongestList) errors.Add(new(field, $"Ensure this value has at most {LongestList} characters (it has {length})."));
        }

        void CheckChoice(string field, string value, (string Value, string Label)[] choices)
        {
            if (choices.Any(choice => choice.Value == value)) return;
            errors.Add(value.Length == 0 ? ClientError.Blank(field) : ClientError.NoChoice(field, value));
        }

        void AddAll(string field, AllowedUriValidator validator, IReadOnlyList<string> uris) =>
            errors.AddRange(uris.Select(validator.ErrorOf).OfType<string>().Select(message => new ClientError(field, message)));

        // The secret is the key that signs: both sides must have it as it is.
        void CheckSharedKey()
        {
            if (client.AuthorizationGrantType is GrantTypes.Implicit or GrantTypes.OpenIdHybrid || client.IsPublic)
                errors.Add(new("algorithm", "You cannot use HS256 with public grants or clients"));
            if (client.ClientSecret.Length == 0)
                errors.Add(new("client_secret", "You cannot use HS256 without a client secret; it is the HMAC signing key."));
            else if (client.HashClientSecret || secrets.IsHashed(client.ClientSecret))
                errors.Add(new(client.HashClientSecret ? "hash_client_secret" : "client_secret",
                    "You cannot use HS256 with a hashed client secret. For HS256 the client secret is the shared signing key and must be stored unhashed so the relying "
                    + "party can verify the token; set hash_client_secret=False and store an unhashed client_secret on this application."));
        }
    }
}

/// <summary>What is wrong with a column, in the words of Django's models.</summary>
/// <param name="Field">The column.</param>
/// <param name="Message">For a person.</param>
/// <param name="Problem">Where Django's forms have words of their own.</param>
/// <param name="Value">What was given.</param>
internal sealed record ClientError(string Field, string Message, ClientProblem Problem = ClientProblem.Other, string Value = "")
{
    public static ClientError Taken { get; } = new("client_id", "Application with this Client ID already exists.");

    public static ClientError Blank(string field) => new(field, "This field cannot be blank.", ClientProblem.Blank);

    public static ClientError NoChoice(string field, string value) => new(field, $"Value {PythonText.Repr(value)} is not a valid choice.", ClientProblem.NoChoice, value);
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
