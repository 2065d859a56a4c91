using System.Text.Json;
using Gatehouse.OAuth;

namespace Gatehouse.Server;

/// <summary>Reads <c>OAUTH2_PROVIDER</c>, all its settings; what is Python code there is a hook in C# or has its one value.</summary>
internal static class OAuth2Provider
{
    private const string Package = "oauth2_provider.";

    // Setting, DOT's own value, and whether the host has a hook in its place.
    private static readonly Dictionary<string, (string Default, string Hook, Func<OAuthOptions, bool> HasHook)> Code = new()
    {
        ["OAUTH2_VALIDATOR_CLASS"] = (Package + "oauth2_validators.OAuth2Validator", nameof(OAuthOptions.AdditionalClaims), oauth => oauth.AdditionalClaims is not null),
        ["SCOPES_BACKEND_CLASS"] = (Package + "scopes.SettingsScopes", nameof(OAuthOptions.ScopesBackend), oauth => oauth.ScopesBackend is not null),
        ["CLIENT_ID_GENERATOR_CLASS"] = (Package + "generators.ClientIdGenerator", nameof(OAuthOptions.ClientIdGenerator), oauth => oauth.ClientIdGenerator is not null),
        ["CLIENT_SECRET_GENERATOR_CLASS"] =
            (Package + "generators.ClientSecretGenerator", nameof(OAuthOptions.ClientSecretGenerator), oauth => oauth.ClientSecretGenerator is not null),
        ["ACCESS_TOKEN_GENERATOR"] = ("oauthlib.oauth2.rfc6749.tokens.random_token_generator", nameof(OAuthOptions.AccessTokenGenerator), oauth => oauth.AccessTokenGenerator is not null),
        ["REFRESH_TOKEN_GENERATOR"] = ("oauthlib.oauth2.rfc6749.tokens.random_token_generator", nameof(OAuthOptions.RefreshTokenGenerator), oauth => oauth.RefreshTokenGenerator is not null),
        ["OAUTH_DEVICE_USER_CODE_GENERATOR"] =
            (Package + "utils.user_code_generator", nameof(OAuthOptions.OAuthDeviceUserCodeGenerator), oauth => oauth.OAuthDeviceUserCodeGenerator is not null),
        ["CIMD_METADATA_FETCHER"] = (Package + "cimd.SafeMetadataFetcher", nameof(OAuthOptions.CimdMetadataFetcher), oauth => oauth.CimdMetadataFetcher is not null),
        ["RESOURCE_SERVER_TOKEN_RESOURCE_VALIDATOR"] =
            (Package + "oauth2_validators.validate_resource_as_url_prefix", nameof(OAuthOptions.ResourceServerTokenResourceValidator), oauth => oauth.ResourceServerTokenResourceValidator is not null),
    };

    // Settings with one value here; each stands for Django's own code or tables.
    private static readonly Dictionary<string, string[]> Fixed = new()
    {
        ["OAUTH2_SERVER_CLASS"] = ["oauthlib.oauth2.Server", "oauthlib.openid.Server"],
        ["OIDC_SERVER_CLASS"] = ["oauthlib.openid.Server"],
        ["OAUTH2_BACKEND_CLASS"] = [Package + "oauth2_backends.OAuthLibCore"],
        ["EXTRA_SERVER_KWARGS"] = ["{}"],
        ["OAUTH_PRE_TOKEN_VALIDATION"] = [Package + "utils.set_oauthlib_user_to_device_request_user"],
        ["REDIRECT_URI_VALIDATOR"] = [Package + "validators.default_redirect_uri_validator"],
        ["ALLOWED_ORIGIN_VALIDATOR"] = [Package + "validators.default_allowed_origin_validator"],
        ["APPLICATION_ADMIN_CLASS"] = [Package + "admin.ApplicationAdmin"],
        ["ACCESS_TOKEN_ADMIN_CLASS"] = [Package + "admin.AccessTokenAdmin"],
        ["GRANT_ADMIN_CLASS"] = [Package + "admin.GrantAdmin"],
        ["ID_TOKEN_ADMIN_CLASS"] = [Package + "admin.IDTokenAdmin"],
        ["REFRESH_TOKEN_ADMIN_CLASS"] = [Package + "admin.RefreshTokenAdmin"],
        ["APPLICATION_MODEL"] = [Package + "Application"],
        ["ACCESS_TOKEN_MODEL"] = [Package + "AccessToken"],
        ["ID_TOKEN_MODEL"] = [Package + "IDToken"],
        ["GRANT_MODEL"] = [Package + "Grant"],
        ["REFRESH_TOKEN_MODEL"] = [Package + "RefreshToken"],
        ["DEVICE_GRANT_MODEL"] = [Package + "DeviceGrant"],
        ["PAR_REQUEST_MODEL"] = [Package + "PushedAuthorizationRequest"],
    };

    public static void Apply(JsonElement section, OAuthOptions oauth, List<string> notes)
    {
        if (section.ValueKind != JsonValueKind.Object) throw new SettingException("OAUTH2_PROVIDER must be an object of settings.");
        foreach (var setting in section.EnumerateObject())
        {
            var (name, value, path) = (setting.Name, setting.Value, $"OAUTH2_PROVIDER: {setting.Name}");
            if (name.StartsWith('_')) throw new SettingException($"{path} is django-oauth-toolkit's own; take it out.");
            if (Code.TryGetValue(name, out var code)) RequireHook(path, value, code.Default, code.Hook, code.HasHook(oauth));
            else if (Fixed.TryGetValue(name, out var allowed))
            {
                if (!Array.Exists(allowed, standard => IsStandard(value, standard))) DjangoSettings.RequireFixed(path, value, allowed);
            }
            else if (name == "ALWAYS_RELOAD_OAUTHLIB_CORE") notes.Add($"{path}: there is no oauthlib here to reload, so it has no effect.");
            else if (name == "PKCE_REQUIRED" && value.ValueKind == JsonValueKind.String) RequireHook(path, value, "", nameof(OAuthOptions.PkceRequiredFor), oauth.PkceRequiredFor is not null);
            // None for a list is its default.
            else if (name is "RESOURCE_SERVER_INTROSPECTION_CREDENTIALS" or "CLIENT_ASSERTION_ACCEPTED_AUDIENCES" && value.ValueKind == JsonValueKind.Null) continue;
            else OptionsMapper.Set(oauth, name, value, path);
        }
    }

    /// <summary><c>OAUTH2_PROVIDER_APPLICATION_MODEL</c> and its like.</summary>
    public static bool IsModel(string name) => name.StartsWith("OAUTH2_PROVIDER_", StringComparison.Ordinal) && Fixed.ContainsKey(name["OAUTH2_PROVIDER_".Length..]);

    public static void RequireModel(string name, JsonElement value) => DjangoSettings.RequireFixed(name, value, Fixed[name["OAUTH2_PROVIDER_".Length..]]);

    private static void RequireHook(string path, JsonElement value, string standard, string hook, bool hasHook)
    {
        if (value.ValueKind != JsonValueKind.Null && !IsStandard(value, standard) && !hasHook)
            throw new SettingException($"{path} names Python code, which cannot run here. Write it in C# as GatehouseOptions.OAuth.{hook} (docs/oauth.md), or take the setting out.");
    }

    /// <summary>Whether it is the toolkit's own class or function: its next version has moved many, and kept their last names.</summary>
    private static bool IsStandard(JsonElement value, string standard) =>
        value.ValueKind == JsonValueKind.String && value.GetString()! is var text
        && (text == standard || text.StartsWith(Package, StringComparison.Ordinal) && standard.StartsWith(Package, StringComparison.Ordinal) && LastName(text) == LastName(standard));

    private static string LastName(string path) => path[(path.LastIndexOf('.') + 1)..];
}
