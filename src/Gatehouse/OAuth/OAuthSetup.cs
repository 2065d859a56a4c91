namespace Gatehouse.OAuth;

/// <summary>Fills in what the profile decides and refuses settings that cannot work.</summary>
internal static class OAuthSetup
{
    public static void Complete(GatehouseOptions root)
    {
        var options = root.OAuth;
        Registration.RegistrationPermissions.Check(options);
        var strict = root.Profile == Profile.Strict;
        options.CompliantBcpRfc9700ImplicitGrant ??= strict;
        options.CompliantBcpRfc9700PasswordGrant ??= strict;
        options.CompliantBcpRfc9700PkceMethod ??= strict;
        options.CompliantBcpRfc9700AccessTokenTransport ??= strict;
        options.CompliantBcpRfc9700AuthzResponseIss ??= strict;
        options.CompliantBcpRfc9700TokenStorage ??= strict;
        options.CompliantBcpRfc9700RefreshToken ??= strict;
        options.CompliantBcpRfc9700RedirectUriScheme ??= strict;
        options.CompliantBcpRfc9700RedirectUriMatching ??= strict;
        options.CompliantBcpRfc9700PkceRequired ??= strict;
        options.RefreshTokenReuseProtection ??= strict;

        var closed = root.Profile != Profile.Django;
        options.RefuseInactiveUsers ??= closed;
        options.LimitPublicClients ??= closed;
        options.RevokeOnCodeReuse ??= closed;
        options.DeviceCodeOnce ??= closed;
        options.DeviceUserCodeThrottleRate ??= closed ? "10/min" : "";
        options.ConsentBoundToRequest ??= closed;
        options.HeedOpenIdRequest ??= closed;
        options.StrictPkce ??= closed;
        options.RefuseAmbiguousRequests ??= closed;
        options.RefuseIdTokensAsBearer ??= closed;
        options.LimitIntrospection ??= closed;
        options.RevocationEndsFamily ??= closed;
        options.PasswordChangeEndsTokens ??= closed;
        options.RefreshTokenMaxAgeSeconds ??= strict ? 90 * 24 * 60 * 60 : null;
        Check(options, root);
    }

    private static void Check(OAuthOptions options, GatehouseOptions root)
    {
        GatehouseSetup.CheckPath("OAuth:Path", options.Path);
        if (options.Scopes.Count == 0) throw Wrong("SCOPES", "is empty; name at least one scope and how people read it.");
        if (options.Scopes.Keys.FirstOrDefault(scope => !IsScope(scope)) is { } odd)
            throw Wrong("SCOPES", $"names '{odd}'; a scope is of visible ASCII characters without quotation mark and backslash (RFC 6749 §3.3).");
        if (options.ScopesBackend is null && !options.DefaultScopes.Contains("__all__") && options.DefaultScopes.FirstOrDefault(scope => !options.Scopes.ContainsKey(scope)) is { } unknown)
            throw Wrong("DEFAULT_SCOPES", $"names '{unknown}', which is not in SCOPES.");

        foreach (var (name, seconds) in new[]
        {
            ("ACCESS_TOKEN_EXPIRE_SECONDS", options.AccessTokenExpireSeconds), ("AUTHORIZATION_CODE_EXPIRE_SECONDS", options.AuthorizationCodeExpireSeconds),
            ("ID_TOKEN_EXPIRE_SECONDS", options.IdTokenExpireSeconds), ("PAR_REQUEST_URI_LIFETIME_SECONDS", options.ParRequestUriLifetimeSeconds),
            ("REFRESH_TOKEN_EXPIRE_SECONDS", options.RefreshTokenExpireSeconds ?? 1), ("RefreshTokenMaxAgeSeconds", options.RefreshTokenMaxAgeSeconds ?? 1), ("DCR_REGISTRATION_TOKEN_EXPIRE_SECONDS", options.DcrRegistrationTokenExpireSeconds ?? 1),
            ("DEVICE_FLOW_INTERVAL", options.DeviceFlowInterval), ("CIMD_FETCH_TIMEOUT_SECONDS", options.CimdFetchTimeoutSeconds),
            ("CIMD_MAX_DOCUMENT_SIZE", options.CimdMaxDocumentSize), ("CIMD_METADATA_MAX_AGE_SECONDS", options.CimdMetadataMaxAgeSeconds),
            ("CLIENT_ASSERTION_MAX_LIFETIME", options.ClientAssertionMaxLifetime), ("CLIENT_ASSERTION_JWKS_CACHE_TIMEOUT", options.ClientAssertionJwksCacheTimeout),
            ("CLIENT_ASSERTION_JWKS_FETCH_TIMEOUT_SECONDS", options.ClientAssertionJwksFetchTimeoutSeconds), ("CLIENT_ASSERTION_JWKS_MAX_SIZE", options.ClientAssertionJwksMaxSize),
            ("RESOURCE_SERVER_INTROSPECTION_TIMEOUT_SECONDS", options.ResourceServerIntrospectionTimeoutSeconds),
            ("RESOURCE_SERVER_INTROSPECTION_JWT_LIFETIME", options.ResourceServerIntrospectionJwtLifetime),
            ("CLEAR_EXPIRED_TOKENS_BATCH_SIZE", options.ClearExpiredTokensBatchSize),
        })
            if (seconds < 1) throw Wrong(name, "must be positive.");
        foreach (var (name, seconds) in new[]
        {
            ("REFRESH_TOKEN_GRACE_PERIOD_SECONDS", options.RefreshTokenGracePeriodSeconds), ("CLEAR_EXPIRED_TOKENS_BATCH_INTERVAL", options.ClearExpiredTokensBatchInterval),
            ("CIMD_METADATA_MIN_AGE_SECONDS", options.CimdMetadataMinAgeSeconds), ("CIMD_FAILURE_BACKOFF_SECONDS", options.CimdFailureBackoffSeconds),
            ("CIMD_MAX_CONCURRENT_FETCHES", options.CimdMaxConcurrentFetches ?? 0), ("CLIENT_ASSERTION_LEEWAY", options.ClientAssertionLeeway),
            ("CLIENT_ASSERTION_JWKS_FAILURE_BACKOFF_SECONDS", options.ClientAssertionJwksFailureBackoffSeconds), ("OIDC_JWKS_MAX_AGE_SECONDS", options.OidcJwksMaxAgeSeconds),
            ("RESOURCE_SERVER_TOKEN_CACHING_SECONDS", options.ResourceServerTokenCachingSeconds),
        })
            if (seconds < 0) throw Wrong(name, "must not be negative.");
        if (options.RequestApprovalPrompt is not ("force" or "auto")) throw Wrong("REQUEST_APPROVAL_PROMPT", $"is '{options.RequestApprovalPrompt}'; write force or auto.");
        // Less would be guessed, more does not fit into the column when it is kept plain.
        if (options.ClientSecretGeneratorLength is < 22 or > 255) throw Wrong("CLIENT_SECRET_GENERATOR_LENGTH", "must be from 22 (128 bits) to 255.");
        if (options.ClientSecretHasher != "default" && !IsListed(options.ClientSecretHasher, root))
            throw Wrong("CLIENT_SECRET_HASHER", $"is '{options.ClientSecretHasher}'; write default, or the name of a hasher that PASSWORD_HASHERS lists.");
        if (options.AllowedRedirectUriSchemes.Count == 0) throw Wrong("ALLOWED_REDIRECT_URI_SCHEMES", "is empty: no client could be sent its answer. Write [\"https\"].");
        if (options.AllowedRedirectUriSchemes.FirstOrDefault(scheme => scheme.ToUpperInvariant() is "JAVASCRIPT" or "DATA" or "VBSCRIPT" or "FILE" or "BLOB" or "ABOUT") is { } dangerous)
            throw Wrong("ALLOWED_REDIRECT_URI_SCHEMES", $"allows {dangerous}:, which runs or reads what a stranger wrote; take it out.");
        if (options.OidcIssEndpoint.Length > 0 && (!Uri.TryCreate(options.OidcIssEndpoint, UriKind.Absolute, out var issuer) || issuer.Query.Length + issuer.Fragment.Length > 0 || issuer.Scheme is not ("http" or "https")))
            throw Wrong("OIDC_ISS_ENDPOINT", "must be a whole address, https://…, without query and fragment (OpenID Connect Discovery §3).");
        if (options.AuthenticationServerExpTimeZone is not ("UTC" or "")) throw Wrong("AUTHENTICATION_SERVER_EXP_TIME_ZONE", "can only be UTC, as RFC 7662 has it.");
        if (options.ResourceServerIntrospectionCredentials.Count is not (0 or 2)) throw Wrong("RESOURCE_SERVER_INTROSPECTION_CREDENTIALS", "takes a client id and its secret.");
        CheckResourceServer(options, root);
        if (options.DcrThrottleRate.Length > 0) Rate(nameof(options.DcrThrottleRate), options.DcrThrottleRate);
        if (options.DeviceUserCodeThrottleRate is { Length: > 0 } rate) Rate(nameof(options.DeviceUserCodeThrottleRate), rate);
        CheckWhatGoesTogether(options);
    }

    /// <summary>A setting that has no effect beside another misleads whoever wrote it.</summary>
    private static void CheckWhatGoesTogether(OAuthOptions options)
    {
        if (options is { RequirePushedAuthorizationRequests: true, ParEnabled: false })
            throw Wrong("REQUIRE_PUSHED_AUTHORIZATION_REQUESTS", "is true, but PAR_ENABLED is false: no client could ask for anything. Take one of them out.");
        if (options is { CompliantBcpRfc9700TokenStorage: true, RefreshTokenGracePeriodSeconds: > 0 } && (options.AccessTokenGenerator ?? options.RefreshTokenGenerator) is not null)
            throw Wrong("REFRESH_TOKEN_GRACE_PERIOD_SECONDS", "cannot work with a generator of your own where tokens are kept as checksums only (COMPLIANT_BCP_RFC9700_TOKEN_STORAGE): the pair could not be given again. Set it to 0.");
        if (options.CimdAllowedHosts.Count > 0 && options.CimdRegistrationPermission is null && !Registration.RegistrationPermissions.ListsHosts(options))
            throw Wrong("CIMD_ALLOWED_HOSTS", "has no effect without HostAllowlistCIMDPermission in CIMD_REGISTRATION_PERMISSION_CLASSES: any host could register.");
    }

    /// <summary>An API that cannot ask refuses everybody: it had better not start.</summary>
    private static void CheckResourceServer(OAuthOptions options, GatehouseOptions root)
    {
        var signs = new[] { options.ResourceServerIntrospectionJwtClientId, options.ResourceServerIntrospectionJwtPrivateKey, options.ResourceServerIntrospectionJwtAudience };
        if (signs.Any(one => one.Length > 0) && signs.Any(one => one.Length == 0))
            throw Wrong("RESOURCE_SERVER_INTROSPECTION_JWT_CLIENT_ID, …_PRIVATE_KEY and …_AUDIENCE", "belong together: one of them is missing.");
        var hasCredentials = options.ResourceServerAuthToken.Length > 0 || options.ResourceServerIntrospectionCredentials.Count > 0 || signs[0].Length > 0;
        if (options.ResourceServerIntrospectionUrl is not { Length: > 0 } url)
        {
            if (hasCredentials) throw Wrong("RESOURCE_SERVER_INTROSPECTION_URL", "is missing, though there is something to ask with: no other server would ever be asked.");
            return;
        }
        if (!Uri.TryCreate(url, UriKind.Absolute, out var address) || address.Scheme is not ("http" or "https") || address.UserInfo.Length > 0)
            throw Wrong("RESOURCE_SERVER_INTROSPECTION_URL", "must be an https address.");
        if (address.Scheme == "http" && !address.IsLoopback && root.Profile != Profile.Django)
            throw Wrong("RESOURCE_SERVER_INTROSPECTION_URL", "begins with http: tokens would cross the network in the clear. Write https.");
        if (!hasCredentials)
            throw Wrong("RESOURCE_SERVER_INTROSPECTION_URL", "needs RESOURCE_SERVER_AUTH_TOKEN, RESOURCE_SERVER_INTROSPECTION_CREDENTIALS or RESOURCE_SERVER_INTROSPECTION_JWT_CLIENT_ID beside it.");
    }

    private static void Rate(string name, string text)
    {
        try
        {
            Throttling.Rate.Parse(text);
        }
        catch (ArgumentException error)
        {
            throw new SettingException($"OAuth:{name}: {error.Message}", error);
        }
    }

    private static bool IsListed(string hasher, GatehouseOptions root) =>
        Crypto.PasswordHashes.TryResolve(hasher, out var algorithm)
        && (root.PasswordHashers.Count == 0 ? Crypto.PasswordHashes.Defaults : [.. root.PasswordHashers]).Any(one => Crypto.PasswordHashes.TryResolve(one, out var listed) && listed == algorithm);

    private static bool IsScope(string scope) => scope.Length is > 0 and <= 200 && scope.All(c => c is > ' ' and <= '~' and not '"' and not '\\');

    private static SettingException Wrong(string name, string why) => new($"OAUTH2_PROVIDER: {name} {why}");
}
