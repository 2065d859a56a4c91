using System.Text.Json;
using Gatehouse.OAuth.OpenId;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.OAuth;

/// <summary>
/// OAuth 2 and OpenID Connect (<c>OAUTH2_PROVIDER</c>): the names of django-oauth-toolkit without underscores. A time is a number of
/// seconds, as there. Not a record: its <c>ToString</c> would print keys into a log.
/// </summary>
public sealed class OAuthOptions
{
    /// <summary>Where the endpoints are. Default <c>/o/</c>.</summary>
    public string Path { get; set; } = "/o/";

    /// <summary>
    /// Whether OAuth is served. Default: where the database has the tables of django-oauth-toolkit. False also serves a database with tables of
    /// a version that is not supported; its endpoints are a 404 then, and <c>OAuth2Authentication</c> knows no token.
    /// </summary>
    public bool? Enabled { get; set; }

    // ── scopes ──

    /// <summary>What clients may ask for, and how the consent page says it (<c>SCOPES</c>). The order counts.</summary>
    public IDictionary<string, string> Scopes { get; set; } = new Dictionary<string, string> { ["read"] = "Reading scope", ["write"] = "Writing scope" };

    /// <summary>What a client gets that asks for nothing; <c>__all__</c>, the default, is all of <see cref="Scopes"/> (<c>DEFAULT_SCOPES</c>).</summary>
    public IList<string> DefaultScopes { get; set; } = ["__all__"];

    /// <summary>Scopes from code of your own instead of <see cref="Scopes"/> (<c>SCOPES_BACKEND_CLASS</c>). Default none.</summary>
    public ScopesBackend? ScopesBackend { get; set; }

    /// <summary>Default <c>read</c> (<c>READ_SCOPE</c>).</summary>
    public string ReadScope { get; set; } = "read";

    /// <summary>Default <c>write</c> (<c>WRITE_SCOPE</c>).</summary>
    public string WriteScope { get; set; } = "write";

    /// <summary>Whether a refusal for want of scope says which were wanted. Default false (<c>ERROR_RESPONSE_WITH_SCOPES</c>).</summary>
    public bool ErrorResponseWithScopes { get; set; }

    // ── tokens ──

    /// <summary>Default 36,000 (<c>ACCESS_TOKEN_EXPIRE_SECONDS</c>).</summary>
    public int AccessTokenExpireSeconds { get; set; } = 36_000;

    /// <summary>How long after its access token a refresh token lives. Null, the default: for ever (<c>REFRESH_TOKEN_EXPIRE_SECONDS</c>).</summary>
    public int? RefreshTokenExpireSeconds { get; set; }

    /// <summary>
    /// How long after a user's consent its tokens can be renewed at the most, however often they are used (RFC 9700 §4.14.2); a refresh token's
    /// <c>created</c> is then when its family began. Null, the default: without limit, but 90 days in Strict.
    /// </summary>
    public int? RefreshTokenMaxAgeSeconds { get; set; }

    /// <summary>
    /// How long a refresh token that was just rotated still gives the pair that it gave. Default 0 (<c>REFRESH_TOKEN_GRACE_PERIOD_SECONDS</c>).
    /// </summary>
    public int RefreshTokenGracePeriodSeconds { get; set; }

    /// <summary>
    /// Whether a refresh token that is used again ends its whole family (<c>REFRESH_TOKEN_REUSE_PROTECTION</c>, RFC 9700 §4.14.2). Null, the
    /// default: as the profile has it, off but in Strict.
    /// </summary>
    public bool? RefreshTokenReuseProtection { get; set; }

    /// <summary>Whether a refresh gives a new refresh token. Default true (<c>ROTATE_REFRESH_TOKEN</c>).</summary>
    public bool RotateRefreshToken { get; set; } = true;

    /// <summary>Makes access tokens of your own kind (<c>ACCESS_TOKEN_GENERATOR</c>). Default: 30 letters and digits.</summary>
    public Func<string>? AccessTokenGenerator { get; set; }

    /// <summary>Makes refresh tokens of your own kind (<c>REFRESH_TOKEN_GENERATOR</c>). Default: as <see cref="AccessTokenGenerator"/>.</summary>
    public Func<string>? RefreshTokenGenerator { get; set; }

    /// <summary>Default 10,000 (<c>CLEAR_EXPIRED_TOKENS_BATCH_SIZE</c>).</summary>
    public int ClearExpiredTokensBatchSize { get; set; } = 10_000;

    /// <summary>Seconds between two batches. Default 0 (<c>CLEAR_EXPIRED_TOKENS_BATCH_INTERVAL</c>).</summary>
    public int ClearExpiredTokensBatchInterval { get; set; }

    // ── clients ──

    /// <summary>Makes client ids (<c>CLIENT_ID_GENERATOR_CLASS</c>). Default: 40 letters and digits.</summary>
    public Func<string>? ClientIdGenerator { get; set; }

    /// <summary>Makes client secrets (<c>CLIENT_SECRET_GENERATOR_CLASS</c>).</summary>
    public Func<string>? ClientSecretGenerator { get; set; }

    /// <summary>Letters and digits of a new client secret. Default 128 (<c>CLIENT_SECRET_GENERATOR_LENGTH</c>).</summary>
    public int ClientSecretGeneratorLength { get; set; } = 128;

    /// <summary>
    /// How client secrets are hashed (<c>CLIENT_SECRET_HASHER</c>): a name of <c>PASSWORD_HASHERS</c>, or <c>default</c>, which is its first.
    /// </summary>
    public string ClientSecretHasher { get; set; } = "default";

    /// <summary>Default http and https (<c>ALLOWED_REDIRECT_URI_SCHEMES</c>).</summary>
    public IList<string> AllowedRedirectUriSchemes { get; set; } = ["http", "https"];

    /// <summary>Schemes of allowed origins. Default https (<c>ALLOWED_SCHEMES</c>).</summary>
    public IList<string> AllowedSchemes { get; set; } = ["https"];

    /// <summary>Default false (<c>ALLOW_URI_WILDCARDS</c>).</summary>
    public bool AllowUriWildcards { get; set; }

    /// <summary>Whether <c>http://localhost</c> matches at any port. Default false (<c>ALLOW_LOCALHOST_LOOPBACK</c>).</summary>
    public bool AllowLocalhostLoopback { get; set; }

    /// <summary>Leeway of the times in a client's assertion, seconds. Default 60 (<c>CLIENT_ASSERTION_LEEWAY</c>).</summary>
    public int ClientAssertionLeeway { get; set; } = 60;

    /// <summary>Default 300 (<c>CLIENT_ASSERTION_MAX_LIFETIME</c>).</summary>
    public int ClientAssertionMaxLifetime { get; set; } = 300;

    /// <summary>Null, the default: the issuer and the endpoint that was called (<c>CLIENT_ASSERTION_ACCEPTED_AUDIENCES</c>).</summary>
    public IList<string>? ClientAssertionAcceptedAudiences { get; set; }

    /// <summary><c>CLIENT_ASSERTION_PRIVATE_KEY_JWT_ALGS</c>.</summary>
    public IList<string> ClientAssertionPrivateKeyJwtAlgs { get; set; } =
        ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512"];

    /// <summary><c>CLIENT_ASSERTION_CLIENT_SECRET_JWT_ALGS</c>.</summary>
    public IList<string> ClientAssertionClientSecretJwtAlgs { get; set; } = ["HS256", "HS384", "HS512"];

    /// <summary>How long a client's <c>jwks_uri</c> is believed, seconds. Default 3,600 (<c>CLIENT_ASSERTION_JWKS_CACHE_TIMEOUT</c>).</summary>
    public int ClientAssertionJwksCacheTimeout { get; set; } = 3_600;

    /// <summary>Default 5 (<c>CLIENT_ASSERTION_JWKS_FETCH_TIMEOUT_SECONDS</c>).</summary>
    public int ClientAssertionJwksFetchTimeoutSeconds { get; set; } = 5;

    /// <summary>In bytes. Default 65,536 (<c>CLIENT_ASSERTION_JWKS_MAX_SIZE</c>).</summary>
    public int ClientAssertionJwksMaxSize { get; set; } = 65_536;

    /// <summary>Default 60 (<c>CLIENT_ASSERTION_JWKS_FAILURE_BACKOFF_SECONDS</c>).</summary>
    public int ClientAssertionJwksFailureBackoffSeconds { get; set; } = 60;

    // ── authorization ──

    /// <summary>Default 60 (<c>AUTHORIZATION_CODE_EXPIRE_SECONDS</c>).</summary>
    public int AuthorizationCodeExpireSeconds { get; set; } = 60;

    /// <summary><c>force</c> (default) asks each time, <c>auto</c> not for what was granted before (<c>REQUEST_APPROVAL_PROMPT</c>).</summary>
    public string RequestApprovalPrompt { get; set; } = "force";

    /// <summary>Default true (<c>PKCE_REQUIRED</c>).</summary>
    public bool PkceRequired { get; set; } = true;

    /// <summary>The same by client id (a callable <c>PKCE_REQUIRED</c>). Default none.</summary>
    public Func<string, bool>? PkceRequiredFor { get; set; }

    /// <summary>Whether token, revocation and introspection refuse other bodies than forms. Default false (<c>REQUIRE_FORM_ENCODED_REQUEST_BODY</c>).</summary>
    public bool RequireFormEncodedRequestBody { get; set; }

    /// <summary>Whether clients may push authorization requests, RFC 9126. Default true (<c>PAR_ENABLED</c>).</summary>
    public bool ParEnabled { get; set; } = true;

    /// <summary>Default 60 (<c>PAR_REQUEST_URI_LIFETIME_SECONDS</c>).</summary>
    public int ParRequestUriLifetimeSeconds { get; set; } = 60;

    /// <summary>Default false (<c>REQUIRE_PUSHED_AUTHORIZATION_REQUESTS</c>).</summary>
    public bool RequirePushedAuthorizationRequests { get; set; }

    // ── devices, RFC 8628 ──

    /// <summary>Where a person enters the code. Default: <c>device/</c> below <see cref="Path"/> (<c>OAUTH_DEVICE_VERIFICATION_URI</c>).</summary>
    public string OAuthDeviceVerificationUri { get; set; } = "";

    /// <summary>The same with the code in it; <c>{user_code}</c> stands for it. Default none (<c>OAUTH_DEVICE_VERIFICATION_URI_COMPLETE</c>).</summary>
    public string OAuthDeviceVerificationUriComplete { get; set; } = "";

    /// <summary>Makes the codes that people type (<c>OAUTH_DEVICE_USER_CODE_GENERATOR</c>).</summary>
    public Func<string>? OAuthDeviceUserCodeGenerator { get; set; }

    /// <summary>Seconds between two polls. Default 5 (<c>DEVICE_FLOW_INTERVAL</c>).</summary>
    public int DeviceFlowInterval { get; set; } = 5;

    /// <summary>
    /// How many user codes one user, and one address, may try, RFC 8628 §5.1. Null, the default: as the profile has it, <c>10/min</c> and without
    /// limit in Django; empty: without limit.
    /// </summary>
    public string? DeviceUserCodeThrottleRate { get; set; }

    // ── RFC 9700, each null by default: as the profile has it, off but in Strict ──

    /// <summary>Refuse the implicit grant (<c>COMPLIANT_BCP_RFC9700_IMPLICIT_GRANT</c>).</summary>
    public bool? CompliantBcpRfc9700ImplicitGrant { get; set; }

    /// <summary>Refuse the password grant (<c>COMPLIANT_BCP_RFC9700_PASSWORD_GRANT</c>).</summary>
    public bool? CompliantBcpRfc9700PasswordGrant { get; set; }

    /// <summary>Refuse the plain PKCE method (<c>COMPLIANT_BCP_RFC9700_PKCE_METHOD</c>).</summary>
    public bool? CompliantBcpRfc9700PkceMethod { get; set; }

    /// <summary>Refuse tokens in the address (<c>COMPLIANT_BCP_RFC9700_ACCESS_TOKEN_TRANSPORT</c>).</summary>
    public bool? CompliantBcpRfc9700AccessTokenTransport { get; set; }

    /// <summary>Name the issuer in authorization responses, RFC 9207 (<c>COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS</c>).</summary>
    public bool? CompliantBcpRfc9700AuthzResponseIss { get; set; }

    /// <summary>Keep tokens as checksums only (<c>COMPLIANT_BCP_RFC9700_TOKEN_STORAGE</c>).</summary>
    public bool? CompliantBcpRfc9700TokenStorage { get; set; }

    /// <summary>Make <c>check --deploy</c> fail without reuse protection (<c>COMPLIANT_BCP_RFC9700_REFRESH_TOKEN</c>).</summary>
    public bool? CompliantBcpRfc9700RefreshToken { get; set; }

    /// <summary>… with http in <see cref="AllowedRedirectUriSchemes"/> (<c>COMPLIANT_BCP_RFC9700_REDIRECT_URI_SCHEME</c>).</summary>
    public bool? CompliantBcpRfc9700RedirectUriScheme { get; set; }

    /// <summary>… with wildcards in redirect URIs (<c>COMPLIANT_BCP_RFC9700_REDIRECT_URI_MATCHING</c>). In Strict they are matched exactly.</summary>
    public bool? CompliantBcpRfc9700RedirectUriMatching { get; set; }

    /// <summary>… without <see cref="PkceRequired"/> (<c>COMPLIANT_BCP_RFC9700_PKCE_REQUIRED</c>).</summary>
    public bool? CompliantBcpRfc9700PkceRequired { get; set; }

    // ── doors that Django's stack leaves open, each null by default: closed but in the Django profile (docs/deviations.md) ──

    /// <summary>Refuse tokens of inactive users: at a request, introspection, refresh, redemption of a code.</summary>
    public bool? RefuseInactiveUsers { get; set; }

    /// <summary>A public client gets neither client credentials nor introspection.</summary>
    public bool? LimitPublicClients { get; set; }

    /// <summary>A code that is used again ends the tokens that it gave, RFC 6749 §4.1.2.</summary>
    public bool? RevokeOnCodeReuse { get; set; }

    /// <summary>
    /// A device code gives tokens once, and to its own client only; only clients of the grant get one, for scopes that there are; who types its
    /// user code first decides; polling too fast is told to slow down.
    /// </summary>
    public bool? DeviceCodeOnce { get; set; }

    /// <summary>
    /// The consent form cannot ask for more than the request that it was shown for, and consent for one resource is none for another.
    /// </summary>
    public bool? ConsentBoundToRequest { get; set; }

    /// <summary>
    /// Heed <c>max_age</c>, <c>prompt=consent</c> and <c>id_token_hint</c> of authorization requests, OpenID Connect Core §3.1.2.1.
    /// </summary>
    public bool? HeedOpenIdRequest { get; set; }

    /// <summary>Refuse challenges and verifiers that are none to RFC 7636, and verifiers where nobody was challenged (RFC 9700 §4.8.2).</summary>
    public bool? StrictPkce { get; set; }

    /// <summary>Refuse parameters sent twice and clients that authenticate in two ways at once, RFC 6749 §2.3 and §3.2.</summary>
    public bool? RefuseAmbiguousRequests { get; set; }

    /// <summary>Refuse ID tokens as bearer tokens: they say who somebody is, not what a client may do.</summary>
    public bool? RefuseIdTokensAsBearer { get; set; }

    /// <summary>
    /// By its secret a client learns at introspection of its own tokens only, unless it acts for itself and may have the scope <c>introspection</c>
    /// (RFC 7662 §4); its secret does not count in the address, and answers are not to be kept.
    /// </summary>
    public bool? LimitIntrospection { get; set; }

    /// <summary>A new password ends the user's tokens and codes.</summary>
    public bool? PasswordChangeEndsTokens { get; set; }

    /// <summary>Who revokes a refresh token ends all that came of the same grant, also what a refresh gave at the same moment (RFC 7009 §2.1).</summary>
    public bool? RevocationEndsFamily { get; set; }

    // ── dynamic registration, RFC 7591 and 7592 ──

    /// <summary>Default false (<c>DCR_ENABLED</c>).</summary>
    public bool DcrEnabled { get; set; }

    /// <summary><c>IsAuthenticatedDCRPermission</c> (default) or <c>AllowAllDCRPermission</c> (<c>DCR_REGISTRATION_PERMISSION_CLASSES</c>).</summary>
    public IList<string> DcrRegistrationPermissionClasses { get; set; } = ["IsAuthenticatedDCRPermission"];

    /// <summary>Must agree too: whether this request may register a client (a permission class of your own). Default none.</summary>
    public Func<HttpContext, ValueTask<bool>>? DcrRegistrationPermission { get; set; }

    /// <summary>Default <c>oauth2_provider:registration</c> (<c>DCR_REGISTRATION_SCOPE</c>).</summary>
    public string DcrRegistrationScope { get; set; } = "oauth2_provider:registration";

    /// <summary>Null, the default: registration tokens do not expire (<c>DCR_REGISTRATION_TOKEN_EXPIRE_SECONDS</c>).</summary>
    public int? DcrRegistrationTokenExpireSeconds { get; set; }

    /// <summary>Default true (<c>DCR_ROTATE_REGISTRATION_TOKEN_ON_UPDATE</c>).</summary>
    public bool DcrRotateRegistrationTokenOnUpdate { get; set; } = true;

    /// <summary>How often one address may register. Default <c>20/hour</c>; empty: without limit.</summary>
    public string DcrThrottleRate { get; set; } = "20/hour";

    // ── client ID metadata documents ──

    /// <summary>Default false (<c>CIMD_ENABLED</c>).</summary>
    public bool CimdEnabled { get; set; }

    /// <summary><c>AllowAllCIMDPermission</c> (default) or <c>HostAllowlistCIMDPermission</c> (<c>CIMD_REGISTRATION_PERMISSION_CLASSES</c>).</summary>
    public IList<string> CimdRegistrationPermissionClasses { get; set; } = ["AllowAllCIMDPermission"];

    /// <summary>Must agree too: whether the document of this client id may register its client (a permission class of your own). Default none.</summary>
    public Func<string, CancellationToken, ValueTask<bool>>? CimdRegistrationPermission { get; set; }

    /// <summary>
    /// Gets documents another way, through a proxy for example (<c>CIMD_METADATA_FETCHER</c>): the JSON object, and how long it may be kept. It is
    /// held to the limits of time and number; that it reaches no address inside is then its own business. Default none.
    /// </summary>
    public Func<string, CancellationToken, Task<(JsonElement Metadata, TimeSpan MaxAge)>>? CimdMetadataFetcher { get; set; }

    /// <summary>For <c>HostAllowlistCIMDPermission</c>, as <c>ALLOWED_HOSTS</c> is written (<c>CIMD_ALLOWED_HOSTS</c>).</summary>
    public IList<string> CimdAllowedHosts { get; set; } = [];

    /// <summary>Default 5 (<c>CIMD_FETCH_TIMEOUT_SECONDS</c>).</summary>
    public int CimdFetchTimeoutSeconds { get; set; } = 5;

    /// <summary>In bytes. Default 16,384 (<c>CIMD_MAX_DOCUMENT_SIZE</c>).</summary>
    public int CimdMaxDocumentSize { get; set; } = 16_384;

    /// <summary>Default 300 (<c>CIMD_METADATA_MIN_AGE_SECONDS</c>).</summary>
    public int CimdMetadataMinAgeSeconds { get; set; } = 300;

    /// <summary>Default 86,400 (<c>CIMD_METADATA_MAX_AGE_SECONDS</c>).</summary>
    public int CimdMetadataMaxAgeSeconds { get; set; } = 86_400;

    /// <summary>Default 60 (<c>CIMD_FAILURE_BACKOFF_SECONDS</c>).</summary>
    public int CimdFailureBackoffSeconds { get; set; } = 60;

    /// <summary>0: without limit. Default 10 (<c>CIMD_MAX_CONCURRENT_FETCHES</c>).</summary>
    public int? CimdMaxConcurrentFetches { get; set; } = 10;

    // ── metadata ──

    /// <summary><c>OAUTH2_RESPONSE_TYPES_SUPPORTED</c>.</summary>
    public IList<string> OAuth2ResponseTypesSupported { get; set; } = ["code", "token"];

    /// <summary><c>OAUTH2_TOKEN_ENDPOINT_AUTH_METHODS_SUPPORTED</c>.</summary>
    public IList<string> OAuth2TokenEndpointAuthMethodsSupported { get; set; } = ["client_secret_post", "client_secret_basic"];

    /// <summary><c>OAUTH2_GRANT_TYPES_SUPPORTED</c>.</summary>
    public IList<string> OAuth2GrantTypesSupported { get; set; } =
        ["authorization_code", "implicit", "password", "client_credentials", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"];

    /// <summary>RFC 9728. Empty, the default: the address that was asked (<c>OAUTH2_PROTECTED_RESOURCE_IDENTIFIER</c>).</summary>
    public string OAuth2ProtectedResourceIdentifier { get; set; } = "";

    /// <summary>Empty, the default: this server (<c>OAUTH2_PROTECTED_RESOURCE_AUTHORIZATION_SERVERS</c>).</summary>
    public IList<string> OAuth2ProtectedResourceAuthorizationServers { get; set; } = [];

    /// <summary><c>OAUTH2_PROTECTED_RESOURCE_BEARER_METHODS_SUPPORTED</c>.</summary>
    public IList<string> OAuth2ProtectedResourceBearerMethodsSupported { get; set; } = ["header"];

    /// <summary><c>OAUTH2_PROTECTED_RESOURCE_NAME</c>.</summary>
    public string OAuth2ProtectedResourceName { get; set; } = "";

    /// <summary><c>OAUTH2_PROTECTED_RESOURCE_DOCUMENTATION</c>.</summary>
    public string OAuth2ProtectedResourceDocumentation { get; set; } = "";

    /// <summary><c>OAUTH2_PROTECTED_RESOURCE_POLICY_URI</c>.</summary>
    public string OAuth2ProtectedResourcePolicyUri { get; set; } = "";

    /// <summary><c>OAUTH2_PROTECTED_RESOURCE_TOS_URI</c>.</summary>
    public string OAuth2ProtectedResourceTosUri { get; set; } = "";

    // ── OpenID Connect ──

    /// <summary>Default false (<c>OIDC_ENABLED</c>).</summary>
    public bool OidcEnabled { get; set; }

    /// <summary>The issuer. Empty, the default: taken from the address that was asked (<c>OIDC_ISS_ENDPOINT</c>).</summary>
    public string OidcIssEndpoint { get; set; } = "";

    /// <summary><c>OIDC_USERINFO_ENDPOINT</c>.</summary>
    public string OidcUserinfoEndpoint { get; set; } = "";

    /// <summary>Default true (<c>OIDC_USERINFO_CORS_ENABLED</c>).</summary>
    public bool OidcUserinfoCorsEnabled { get; set; } = true;

    /// <summary>
    /// A private PEM, RSA (RS256) or P-256 (ES256), or both one after the other (<c>OIDC_RSA_PRIVATE_KEY</c>). Empty, the default: when OpenID
    /// Connect is on, the program makes keys of its own in <see cref="GatehouseOptions.DataFolder"/>.
    /// </summary>
    public string OidcRsaPrivateKey { get; set; } = "";

    /// <summary>Former keys, still published (<c>OIDC_RSA_PRIVATE_KEYS_INACTIVE</c>).</summary>
    public IList<string> OidcRsaPrivateKeysInactive { get; set; } = [];

    /// <summary>Default 3,600 (<c>OIDC_JWKS_MAX_AGE_SECONDS</c>).</summary>
    public int OidcJwksMaxAgeSeconds { get; set; } = 3_600;

    /// <summary>Default 36,000 (<c>ID_TOKEN_EXPIRE_SECONDS</c>).</summary>
    public int IdTokenExpireSeconds { get; set; } = 36_000;

    /// <summary><c>OIDC_RESPONSE_TYPES_SUPPORTED</c>.</summary>
    public IList<string> OidcResponseTypesSupported { get; set; } =
        ["code", "token", "id_token", "id_token token", "code token", "code id_token", "code id_token token"];

    /// <summary><c>OIDC_SUBJECT_TYPES_SUPPORTED</c>.</summary>
    public IList<string> OidcSubjectTypesSupported { get; set; } = ["public"];

    /// <summary><c>OIDC_TOKEN_ENDPOINT_AUTH_METHODS_SUPPORTED</c>.</summary>
    public IList<string> OidcTokenEndpointAuthMethodsSupported { get; set; } = ["client_secret_post", "client_secret_basic"];

    /// <summary>Claims of your own in ID tokens and at userinfo (a validator's <c>get_additional_claims</c>). Default none.</summary>
    public Action<OidcClaims>? AdditionalClaims { get; set; }

    /// <summary>The names of the claims that <see cref="AdditionalClaims"/> sets, for the discovery document (<c>get_discovery_claims</c>). Default none.</summary>
    public IList<string> AdditionalClaimNames { get; set; } = [];

    /// <summary>Default false (<c>OIDC_RP_INITIATED_REGISTRATION_ENABLED</c>).</summary>
    public bool OidcRpInitiatedRegistrationEnabled { get; set; }

    /// <summary><c>OIDC_RP_INITIATED_REGISTRATION_URL</c>.</summary>
    public string OidcRpInitiatedRegistrationUrl { get; set; } = "";

    /// <summary>Default false (<c>OIDC_RP_INITIATED_LOGOUT_ENABLED</c>).</summary>
    public bool OidcRpInitiatedLogoutEnabled { get; set; }

    /// <summary>Default true (<c>OIDC_RP_INITIATED_LOGOUT_ALWAYS_PROMPT</c>).</summary>
    public bool OidcRpInitiatedLogoutAlwaysPrompt { get; set; } = true;

    /// <summary>Default false (<c>OIDC_RP_INITIATED_LOGOUT_STRICT_REDIRECT_URIS</c>).</summary>
    public bool OidcRpInitiatedLogoutStrictRedirectUris { get; set; }

    /// <summary>Default true (<c>OIDC_RP_INITIATED_LOGOUT_ACCEPT_EXPIRED_TOKENS</c>).</summary>
    public bool OidcRpInitiatedLogoutAcceptExpiredTokens { get; set; } = true;

    /// <summary>Default true (<c>OIDC_RP_INITIATED_LOGOUT_DELETE_TOKENS</c>).</summary>
    public bool OidcRpInitiatedLogoutDeleteTokens { get; set; } = true;

    // ── an API that asks another server about its tokens ──

    /// <summary>Empty, the default: tokens are this server's own (<c>RESOURCE_SERVER_INTROSPECTION_URL</c>).</summary>
    public string ResourceServerIntrospectionUrl { get; set; } = "";

    /// <summary>The bearer token to ask with (<c>RESOURCE_SERVER_AUTH_TOKEN</c>).</summary>
    public string ResourceServerAuthToken { get; set; } = "";

    /// <summary>Or client id and secret (<c>RESOURCE_SERVER_INTROSPECTION_CREDENTIALS</c>).</summary>
    public IList<string> ResourceServerIntrospectionCredentials { get; set; } = [];

    /// <summary>Default 5 (<c>RESOURCE_SERVER_INTROSPECTION_TIMEOUT_SECONDS</c>).</summary>
    public int ResourceServerIntrospectionTimeoutSeconds { get; set; } = 5;

    /// <summary>How long an answer is believed at the most. Default 36,000 (<c>RESOURCE_SERVER_TOKEN_CACHING_SECONDS</c>).</summary>
    public int ResourceServerTokenCachingSeconds { get; set; } = 36_000;

    /// <summary>Or a client that signs (<c>RESOURCE_SERVER_INTROSPECTION_JWT_CLIENT_ID</c>).</summary>
    public string ResourceServerIntrospectionJwtClientId { get; set; } = "";

    /// <summary><c>RESOURCE_SERVER_INTROSPECTION_JWT_PRIVATE_KEY</c>.</summary>
    public string ResourceServerIntrospectionJwtPrivateKey { get; set; } = "";

    /// <summary><c>RESOURCE_SERVER_INTROSPECTION_JWT_ALG</c>.</summary>
    public string ResourceServerIntrospectionJwtAlg { get; set; } = "";

    /// <summary><c>RESOURCE_SERVER_INTROSPECTION_JWT_AUDIENCE</c>.</summary>
    public string ResourceServerIntrospectionJwtAudience { get; set; } = "";

    /// <summary>Default 60 (<c>RESOURCE_SERVER_INTROSPECTION_JWT_LIFETIME</c>).</summary>
    public int ResourceServerIntrospectionJwtLifetime { get; set; } = 60;

    /// <summary><c>RESOURCE_SERVER_INTROSPECTION_JWT_KID</c>.</summary>
    public string ResourceServerIntrospectionJwtKid { get; set; } = "";

    /// <summary>
    /// Whether a token for some resources is good for an address (<c>RESOURCE_SERVER_TOKEN_RESOURCE_VALIDATOR</c>, RFC 8707). Null, the
    /// default: when one of them is a prefix of it.
    /// </summary>
    public Func<string, IReadOnlyList<string>, bool>? ResourceServerTokenResourceValidator { get; set; }

    /// <summary>Only UTC works (<c>AUTHENTICATION_SERVER_EXP_TIME_ZONE</c>).</summary>
    public string AuthenticationServerExpTimeZone { get; set; } = "UTC";
}
