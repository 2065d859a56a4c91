using System.Text.Json;
using Gatehouse.Crypto;
using Gatehouse.Http;
using Gatehouse.OAuth.Clients;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Gatehouse.OAuth.OpenId;

/// <summary>
/// What this server can do, for programs: RFC 8414, RFC 9728 and OpenID Connect Discovery (DOT's <c>ServerMetadataViewMixin</c> and views). In
/// the Django profile as the real stack has it to the letter, otherwise with all that is on.
/// </summary>
internal sealed class ServerMetadata(GatehouseOptions root, OidcKeys keys, Scopes scopes, GatehouseRoutes.Mapped mapped)
{
    private const string ServerMarker = "/.well-known/oauth-authorization-server";
    private const string ResourceMarker = "/.well-known/oauth-protected-resource";
    private const string OpenIdMarker = "/.well-known/openid-configuration";

    // They differ by the name that was asked for only, of which a stranger may make up as many as ALLOWED_HOSTS lets him.
    private readonly Remembered<(string Document, string Base, string Subject), ApiJson> documents = new(1_000);
    private readonly OAuthOptions options = root.OAuth;
    private readonly bool isDjango = root.Profile == Profile.Django;
    private readonly string jwksCache =
        $"public, max-age={root.OAuth.OidcJwksMaxAgeSeconds}, stale-while-revalidate={root.OAuth.OidcJwksMaxAgeSeconds}, stale-if-error={root.OAuth.OidcJwksMaxAgeSeconds}";
    private volatile KeySet? jwks;

    /// <summary>RFC 8414. Null: not here.</summary>
    public IResult? AuthorizationServer(HttpContext http)
    {
        if (Subject(http, ServerMarker) is not { } asked) return null;
        var issuer = options.OidcIssEndpoint.Length > 0 ? options.OidcIssEndpoint : asked.Address;
        // The real stack is every issuer that is asked for. By its bare address this server may be asked as there, but not where its responses name
        // it in full: clients compare (RFC 9207 §2.4).
        if (!isDjango && issuer != Issuer.Of(http, root) && (asked.HasPath || options.CompliantBcpRfc9700AuthzResponseIss == true)) return null;
        return Document(http, "server", issuer, json =>
        {
            json.WriteString("issuer", issuer);
            Write(json, "response_types_supported", ResponseTypes(options.OAuth2ResponseTypesSupported));
            Write(json, "grant_types_supported", Grants());
            Write(json, "scopes_supported", scopes.All.Keys.Order(StringComparer.Ordinal));
            json.WriteBoolean("client_id_metadata_document_supported", options.CimdEnabled);
            WriteIssParameter(json);
            json.WriteString("authorization_endpoint", At(http, "authorize/"));
            json.WriteString("token_endpoint", At(http, "token/"));
            json.WriteString("revocation_endpoint", At(http, "revoke_token/"));
            json.WriteString("introspection_endpoint", At(http, "introspect/"));
            if (options.DcrEnabled) json.WriteString("registration_endpoint", At(http, "register/"));
            Write(json, "code_challenge_methods_supported", ChallengeMethods());
            var methods = AuthMethods(options.OAuth2TokenEndpointAuthMethodsSupported);
            Write(json, "token_endpoint_auth_methods_supported", methods);
            Write(json, "revocation_endpoint_auth_methods_supported", methods);
            Write(json, "introspection_endpoint_auth_methods_supported", isDjango ? options.OAuth2TokenEndpointAuthMethodsSupported : methods.Except(["none"]));
            if (options.OidcEnabled && keys.Algorithms.Count > 0) json.WriteString("jwks_uri", At(http, ".well-known/jwks.json"));
            if (isDjango) return;
            foreach (var endpoint in (string[])["revocation", "introspection"]) Write(json, endpoint + "_endpoint_auth_signing_alg_values_supported", SigningAlgorithms);
            WriteBeyond(http, json);
        });
    }

    /// <summary>OpenID Connect Discovery §4. Null: not here.</summary>
    public IResult? OpenId(HttpContext http)
    {
        if (!options.OidcEnabled) return new EmptyPage(StatusCodes.Status404NotFound);
        var (path, issuer) = (http.Request.Path.Value!, Issuer.Of(http, root));
        // Behind the issuer's address (Discovery §4), or with its path behind the name (RFC 8414 §3). At the root only if it has none: clients compare.
        var isHere = path is OpenIdMarker or OpenIdMarker + "/" ? options.OidcIssEndpoint.Length > 0 || issuer == Issuer.Base(http, root)
            : path == OpenIdMarker + options.Path[..^1] || path.TrimEnd('/') == options.Path[..^1] + OpenIdMarker && !path.EndsWith("//", StringComparison.Ordinal);
        return !isHere ? null : Document(http, "openid", issuer, json =>
        {
            json.WriteString("issuer", issuer);
            json.WriteString("authorization_endpoint", At(http, "authorize/"));
            json.WriteString("token_endpoint", At(http, "token/"));
            json.WriteString("userinfo_endpoint", options.OidcUserinfoEndpoint.Length > 0 ? options.OidcUserinfoEndpoint : At(http, "userinfo/"));
            json.WriteString("jwks_uri", At(http, ".well-known/jwks.json"));
            Write(json, "scopes_supported", scopes.All.Keys);
            Write(json, "response_types_supported", ResponseTypes(options.OidcResponseTypesSupported));
            Write(json, "subject_types_supported", options.OidcSubjectTypesSupported);
            Write(json, "id_token_signing_alg_values_supported", [.. keys.Algorithms, "HS256"]);
            Write(json, "token_endpoint_auth_methods_supported", AuthMethods(options.OidcTokenEndpointAuthMethodsSupported));
            Write(json, "code_challenge_methods_supported", ChallengeMethods());
            Write(json, "claims_supported", options.AdditionalClaimNames.Prepend("sub").Distinct());
            Write(json, "prompt_values_supported", Prompts());
            json.WriteBoolean("client_id_metadata_document_supported", options.CimdEnabled);
            WriteIssParameter(json);
            if (options.OidcRpInitiatedLogoutEnabled) json.WriteString("end_session_endpoint", At(http, "logout/"));
            if (isDjango) return;
            Write(json, "grant_types_supported", Grants());
            json.WriteString("revocation_endpoint", At(http, "revoke_token/"));
            json.WriteString("introspection_endpoint", At(http, "introspect/"));
            if (options.DcrEnabled) json.WriteString("registration_endpoint", At(http, "register/"));
            // Left out it would mean true.
            json.WriteBoolean("request_uri_parameter_supported", false);
            WriteBeyond(http, json);
        });
    }

    /// <summary>RFC 9728. Null: not here.</summary>
    public IResult? ProtectedResource(HttpContext http)
    {
        if (Subject(http, ResourceMarker) is not { } asked) return null;
        var resource = options.OAuth2ProtectedResourceIdentifier.Length > 0 ? options.OAuth2ProtectedResourceIdentifier : asked.Address;
        return Document(http, "resource", resource, json =>
        {
            json.WriteString("resource", resource);
            Write(json, "authorization_servers", options.OAuth2ProtectedResourceAuthorizationServers is { Count: > 0 } own ? own : [Issuer.Of(http, root)]);
            Write(json, "scopes_supported", scopes.All.Keys.Order(StringComparer.Ordinal));
            Write(json, "bearer_methods_supported", options.OAuth2ProtectedResourceBearerMethodsSupported);
            foreach (var (name, value) in ((string, string)[])
                [
                    ("resource_name", options.OAuth2ProtectedResourceName), ("resource_documentation", options.OAuth2ProtectedResourceDocumentation),
                    ("resource_policy_uri", options.OAuth2ProtectedResourcePolicyUri), ("resource_tos_uri", options.OAuth2ProtectedResourceTosUri),
                ])
                if (value.Length > 0) json.WriteString(name, value);
        });
    }

    /// <summary>RFC 7517: the keys that ID tokens are verified with.</summary>
    public IResult? Jwks(HttpContext http)
    {
        if (!options.OidcEnabled) return new EmptyPage(StatusCodes.Status404NotFound);
        var now = keys.Jwks;
        if (jwks is not { } known || known.Keys != now) jwks = known = new KeySet(now, new ApiJson(StatusCodes.Status200OK, now));
        http.Response.Headers.AccessControlAllowOrigin = "*";
        http.Response.Headers.CacheControl = jwksCache;
        return known.Answer;
    }

    private ApiJson Document(HttpContext http, string name, string subject, Action<Utf8JsonWriter> write)
    {
        http.Response.Headers.AccessControlAllowOrigin = "*";
        // Scopes from code of the host's own may be others the next time.
        var isFixed = options.ScopesBackend is null;
        var key = (name, Issuer.Base(http, root), subject);
        if (isFixed && documents.TryGet(key, out var known)) return known;
        var document = ApiJson.Write(StatusCodes.Status200OK, json =>
        {
            json.WriteStartObject();
            write(json);
            json.WriteEndObject();
        });
        if (isFixed) documents.Add(key, document);
        return document;
    }

    /// <summary>What a document is about that was asked for by its address: what stands before the marker, and behind it.</summary>
    private (string Address, bool HasPath)? Subject(HttpContext http, string marker)
    {
        var path = http.Request.Path.ToUriComponent();
        var at = path.IndexOf(marker, StringComparison.Ordinal);
        var rest = path[(at + marker.Length)..];
        // Nothing but a slash is another path to Django.
        if (rest == "/") return null;
        var below = rest.Trim('/');
        return (Issuer.Base(http, root) + path[..at] + (below.Length > 0 ? "/" + below : ""), below.Length > 0);
    }

    private string At(HttpContext http, string endpoint) => Issuer.Address(http, root, options.Path + endpoint);

    private void WriteIssParameter(Utf8JsonWriter json)
    {
        if (options.CompliantBcpRfc9700AuthzResponseIss == true) json.WriteBoolean("authorization_response_iss_parameter_supported", true);
    }

    /// <summary>What the real stack's release has not, or does not tell: where it is served.</summary>
    private void WriteBeyond(HttpContext http, Utf8JsonWriter json)
    {
        foreach (var (name, endpoint) in ((string, string)[])
            [("device_authorization_endpoint", "device-authorization/"), ("pushed_authorization_request_endpoint", "par/")])
            if (IsMapped(options.Path + endpoint)) json.WriteString(name, At(http, endpoint));
        Write(json, "token_endpoint_auth_signing_alg_values_supported", SigningAlgorithms);
        if (options is { ParEnabled: true, RequirePushedAuthorizationRequests: true }) json.WriteBoolean("require_pushed_authorization_requests", true);
    }

    private bool IsMapped(string path) =>
        mapped.Sources.SelectMany(source => source.Endpoints).OfType<RouteEndpoint>().Any(endpoint => endpoint.RoutePattern.RawText == path);

    private IEnumerable<string> Grants() => options.OAuth2GrantTypesSupported
        .Where(grant => !(grant == "implicit" && options.CompliantBcpRfc9700ImplicitGrant == true) && !(grant == "password" && options.CompliantBcpRfc9700PasswordGrant == true));

    // Without a code what it gives goes through the browser: the implicit grant, in whatever order it is written.
    private IEnumerable<string> ResponseTypes(IEnumerable<string> types) => options.CompliantBcpRfc9700ImplicitGrant != true
        ? types
        : types.Where(type => type.Split(' ') is var words && (words.Contains("code") || !words.Any(word => word is "token" or "id_token")));

    private IEnumerable<string> Prompts()
    {
        yield return "none";
        yield return "login";
        if (!isDjango && options.HeedOpenIdRequest == true) yield return "consent";
        if (options.OidcRpInitiatedRegistrationEnabled) yield return "create";
    }

    private string[] ChallengeMethods() => options.CompliantBcpRfc9700PkceMethod == true ? ["S256"] : ["plain", "S256"];

    /// <summary>Public clients prove nothing, others sign, and programs look whether they may.</summary>
    private IEnumerable<string> AuthMethods(IEnumerable<string> methods) =>
        isDjango ? methods : methods.Concat([ClientAssertions.PrivateKeyJwt, ClientAssertions.ClientSecretJwt, "none"]).Distinct();

    /// <summary>Of clients that sign: RFC 8414 §2 wants them told for each endpoint where one may.</summary>
    private IEnumerable<string> SigningAlgorithms => options.ClientAssertionPrivateKeyJwtAlgs.Concat(options.ClientAssertionClientSecretJwtAlgs);

    private static void Write(Utf8JsonWriter json, string name, IEnumerable<string> values)
    {
        json.WriteStartArray(name);
        foreach (var value in values) json.WriteStringValue(value);
        json.WriteEndArray();
    }

    private sealed record KeySet(byte[] Keys, ApiJson Answer);
}
