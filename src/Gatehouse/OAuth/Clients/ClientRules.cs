using Gatehouse.Http;

namespace Gatehouse.OAuth.Clients;

/// <summary>What a client may be, with the messages of the real stack (DOT's <c>Application.clean</c>, Django's <c>full_clean</c>).</summary>
internal sealed class ClientRules(OAuthOptions options, ClientSecrets secrets)
{
    private const int LongestName = 255;

    private static readonly string[] ClientTypes = [Client.Confidential, Client.Public];
    private static readonly string[] Algorithms = ["", "RS256", "HS256", "ES256"];
    private static readonly string[] Grants =
        [GrantTypes.AuthorizationCode, GrantTypes.DeviceCode, GrantTypes.Implicit, GrantTypes.Password, GrantTypes.ClientCredentials, GrantTypes.OpenIdHybrid];

    /// <summary>All that is wrong with it, by the name of the column, in Django's order. That its id is taken shows when it is written.</summary>
    /// <param name="client">With its secret as it was typed, or as it is stored.</param>
    public IReadOnlyList<(string Field, string Message)> ErrorsOf(Client client)
    {
        var errors = new List<(string Field, string Message)>();
        CheckLength("client_id", client.ClientId);
        CheckChoice("client_type", client.ClientType, ClientTypes);
        CheckChoice("authorization_grant_type", client.AuthorizationGrantType, Grants);
        CheckLength("client_secret", client.ClientSecret);
        CheckLength("name", client.Name);
        if (client.Algorithm.Length > 0) CheckChoice("algorithm", client.Algorithm, Algorithms);

        var redirects = new AllowedUriValidator(
            [.. options.AllowedRedirectUriSchemes.Select(scheme => scheme.ToLowerInvariant())], "redirect uri", AllowPath: true, AllowQuery: true, options.AllowUriWildcards);
        if (client.RedirectUris.Count > 0) AddAll("redirect_uris", redirects, client.RedirectUris);
        else if (client.AuthorizationGrantType is GrantTypes.AuthorizationCode or GrantTypes.Implicit or GrantTypes.OpenIdHybrid)
            errors.Add(("redirect_uris", $"redirect_uris cannot be empty with grant_type {client.AuthorizationGrantType}"));
        AddAll("allowed_origins", new AllowedUriValidator([.. options.AllowedSchemes], "allowed origin", AllowHostnameWildcard: options.AllowUriWildcards), client.AllowedOrigins);

        if (client.Algorithm == "RS256" && !options.OidcEnabled && options.OidcRsaPrivateKey.Length == 0)
            errors.Add(("algorithm", "You must set OIDC_RSA_PRIVATE_KEY to use RSA algorithm"));
        if (client.Algorithm == "HS256") CheckSharedKey();
        return errors;

        void CheckLength(string field, string text)
        {
            var length = text.EnumerateRunes().Count();
            if (length > LongestName) errors.Add((field, $"Ensure this value has at most {LongestName} characters (it has {length})."));
        }

        void CheckChoice(string field, string value, string[] choices)
        {
            if (value.Length == 0) errors.Add((field, "This field cannot be blank."));
            else if (!choices.Contains(value)) errors.Add((field, $"Value {PythonText.Repr(value)} is not a valid choice."));
        }

        void AddAll(string field, AllowedUriValidator validator, IReadOnlyList<string> uris) =>
            errors.AddRange(uris.Select(validator.ErrorOf).OfType<string>().Select(message => (field, message)));

        // The secret is the key that signs: both sides must have it as it is.
        void CheckSharedKey()
        {
            if (client.AuthorizationGrantType is GrantTypes.Implicit or GrantTypes.OpenIdHybrid || client.IsPublic)
                errors.Add(("algorithm", "You cannot use HS256 with public grants or clients"));
            if (client.ClientSecret.Length == 0)
                errors.Add(("client_secret", "You cannot use HS256 without a client secret; it is the HMAC signing key."));
            else if (client.HashClientSecret || secrets.IsHashed(client.ClientSecret))
                errors.Add((client.HashClientSecret ? "hash_client_secret" : "client_secret",
                    "You cannot use HS256 with a hashed client secret. For HS256 the client secret is the shared signing key and must be stored unhashed so the relying "
                    + "party can verify the token; set hash_client_secret=False and store an unhashed client_secret on this application."));
        }
    }
}
