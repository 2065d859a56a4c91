using Gatehouse.Crypto;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Gatehouse.Jwt;

/// <summary>Refuses settings that cannot work, and makes keys from those that can.</summary>
internal static class JwtSetup
{
    private static readonly TimeSpan Longest = TimeSpan.FromDays(36_500);

    public static void Check(GatehouseOptions root)
    {
        var options = root.Jwt;
        foreach (var (name, lifetime) in new[]
        {
            ("ACCESS_TOKEN_LIFETIME", options.AccessTokenLifetime), ("REFRESH_TOKEN_LIFETIME", options.RefreshTokenLifetime),
            ("SLIDING_TOKEN_LIFETIME", options.SlidingTokenLifetime), ("SLIDING_TOKEN_REFRESH_LIFETIME", options.SlidingTokenRefreshLifetime),
        })
            if (lifetime < TimeSpan.FromSeconds(1) || lifetime > Longest) throw Wrong(name, "must be between a second and a hundred years.");
        if (options.Leeway < TimeSpan.Zero || options.Leeway > TimeSpan.FromDays(1)) throw Wrong("LEEWAY", "must be between 0 and a day.");
        if (options.AuthHeaderTypes.Count == 0 || options.AuthHeaderTypes.Any(type => type.Length == 0 || type.Any(c => c <= ' ' || c > '~')))
            throw Wrong("AUTH_HEADER_TYPES", "holds the first words of the header, for example [\"Bearer\"].");
        if (options.AuthHeaderName.Length == 0 || !options.AuthHeaderName.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_'))
            throw Wrong("AUTH_HEADER_NAME", "must be the name of a header; write HTTP_AUTHORIZATION.");
        if (JwtUsers.Fields(root.UserModel) is var fields && !fields.Contains(options.UserIdField))
            throw Wrong("USER_ID_FIELD", $"is {options.UserIdField}; this version can find users by {string.Join(", ", fields)}.");
        foreach (var (name, claim) in new[]
        {
            ("USER_ID_CLAIM", options.UserIdClaim), ("TOKEN_TYPE_CLAIM", options.TokenTypeClaim), ("JTI_CLAIM", options.JtiClaim),
            ("SLIDING_TOKEN_REFRESH_EXP_CLAIM", options.SlidingTokenRefreshExpClaim), ("REVOKE_TOKEN_CLAIM", options.RevokeTokenClaim),
        })
            if (claim.Length == 0 || claim is "exp" or "iat" or "nbf" or "alg") throw Wrong(name, "must name a claim of its own: without it one kind of token would pass for another.");
        if (new HashSet<string> { options.UserIdClaim, options.TokenTypeClaim, options.JtiClaim, options.SlidingTokenRefreshExpClaim, options.RevokeTokenClaim }.Count < 5)
            throw Wrong("USER_ID_CLAIM", "TOKEN_TYPE_CLAIM, JTI_CLAIM, SLIDING_TOKEN_REFRESH_EXP_CLAIM and REVOKE_TOKEN_CLAIM must differ from each other.");
        _ = AuthTokenClasses(options);
        if (options.Audience.Any(string.IsNullOrEmpty)) throw Wrong("AUDIENCE", "holds an empty text.");
        if (options.MaxTokenLength is < 256 or > 32 * 1024) throw Wrong("MaxTokenLength", "must be between 256 and 32,768.");
        if (options.RememberedSignatures is < 0 or > 1_000_000) throw Wrong("RememberedSignatures", "must be between 0 and 1,000,000.");
        GatehouseSetup.CheckPath("Jwt:Path", options.Path);
        if (options.SlidingPath.Length > 0) GatehouseSetup.CheckPath("Jwt:SlidingPath", options.SlidingPath);
        if (options.SlidingPath == options.Path) throw new SettingException("Jwt:SlidingPath must be another path than Jwt:Path; empty, sliding tokens are not served.");
        if (options.RefreshRetryWindow < TimeSpan.Zero || options.RefreshRetryWindow > TimeSpan.FromHours(1)) throw Wrong("RefreshRetryWindow", "must be between 0 and an hour.");
        if ((options.RefreshRetryWindow > TimeSpan.Zero || options.ReuseEndsFamily is true) && !(options.RotateRefreshTokens && options.BlacklistAfterRotation))
            throw Wrong("RefreshRetryWindow and ReuseEndsFamily", "need ROTATE_REFRESH_TOKENS and BLACKLIST_AFTER_ROTATION.");
        if (options.RefreshCookie is { Enabled: true } cookie)
        {
            if (cookie.SameSite is not ("Strict" or "Lax" or "None")) throw Wrong("RefreshCookie: SameSite", "must be Strict, Lax or None.");
            if (!cookie.Secure && (cookie.SameSite == "None" || cookie.Name.StartsWith("__", StringComparison.Ordinal)))
                throw Wrong("RefreshCookie: Secure", "must be on for a cookie with SameSite None or a name that begins with __Secure- or __Host-.");
            if (cookie.Name.Length == 0 || cookie.Name.Any(c => c is <= ' ' or > '~' or ';' or '=' or ',') || cookie.Name.StartsWith("__Host-", StringComparison.Ordinal))
                throw Wrong("RefreshCookie: Name", "must be a cookie name; __Host- does not fit, since the cookie is bound to a path.");
        }
        _ = Keys(options, root, remote: null, NullLogger.Instance);
        if (options.JwkUrl.Length > 0)
        {
            if (IsSecret(options.Algorithm)) throw Wrong("JWK_URL", "is for public keys, and HS has none; set ALGORITHM or take it out.");
            if (options.VerifyingKey.Length > 0) throw Wrong("VERIFYING_KEY", "has no effect beside JWK_URL, whose keys alone verify; take one of them out.");
            if (options.VerifyingKeys.Count > 0) throw Wrong("VerifyingKeys", "have no effect beside JWK_URL, whose keys alone verify; publish the former keys there.");
            using var _ = MakeJwkSet(options, TimeProvider.System, NullLogger.Instance);
        }
    }

    public static SigningKeys Keys(GatehouseOptions root, TimeProvider clock, ILogger log) =>
        Keys(root.Jwt, root, root.Jwt.JwkUrl.Length > 0 ? MakeJwkSet(root.Jwt, clock, log) : null, log);

    public static TokenClass[] AuthTokenClasses(JwtOptions options)
    {
        // A class of the project's own may have the same last name.
        const string Package = "rest_framework_simplejwt.tokens.";
        var classes = options.AuthTokenClasses.Select(name => TokenClass.All.FirstOrDefault(known => name == known.Name || name == Package + known.Name)
            ?? throw Wrong("AUTH_TOKEN_CLASSES", $"names '{name}'; write {string.Join(", ", TokenClass.All.Select(known => known.Name))}.")).ToArray();
        return classes.Length > 0 ? classes : throw Wrong("AUTH_TOKEN_CLASSES", "is empty: no token would be accepted.");
    }

    private static SigningKeys Keys(JwtOptions options, GatehouseOptions root, JwkSet? remote, ILogger log)
    {
        SigningKey Parse(string setting, string algorithm, string text, string? id = null)
        {
            var key = JwtSetup.Parse(setting, algorithm, text, id);
            if (key.Weakness is { } weakness)
            {
                if (root.Profile == Profile.Strict) throw Wrong(setting, weakness);
                log.KeyIsShort(setting, weakness);
            }
            return key;
        }

        if (!SigningKey.Algorithms.Contains(options.Algorithm))
            throw Wrong("ALGORITHM", $"is {options.Algorithm}; write one of {string.Join(", ", SigningKey.Algorithms)}.");
        var keys = new List<SigningKey>();
        if (IsSecret(options.Algorithm))
        {
            if (options.VerifyingKey.Length > 0) throw Wrong("VERIFYING_KEY", $"is set, but {options.Algorithm} verifies with SIGNING_KEY; take one of them out.");
            keys.Add(Parse("SIGNING_KEY", options.Algorithm, options.SigningKey.Length > 0 ? options.SigningKey : root.SecretKey));
        }
        else
        {
            if (options.SigningKey.Length > 0)
            {
                keys.Add(Parse("SIGNING_KEY", options.Algorithm, options.SigningKey));
                if (!keys[0].CanSign) throw Wrong("SIGNING_KEY", "is a public key; it goes into VERIFYING_KEY.");
            }
            if (options.VerifyingKey.Length > 0)
            {
                var verifying = Parse("VERIFYING_KEY", options.Algorithm, options.VerifyingKey);
                if (keys.Count == 0) keys.Add(verifying);
                else if (!Fit(keys[0], verifying)) throw Wrong("VERIFYING_KEY", "does not belong to SIGNING_KEY: no token would be accepted. A former key goes into VerifyingKeys.");
            }
            if (keys.Count == 0 && options.JwkUrl.Length == 0)
                throw Wrong("SIGNING_KEY", $"is missing: {options.Algorithm} needs a private key as PEM or JWK, or VERIFYING_KEY or JWK_URL on a server that only verifies.");
        }
        foreach (var (former, at) in options.VerifyingKeys.Select((key, at) => (key, at)))
            keys.Add(Parse($"VerifyingKeys[{at}]", former.Algorithm.Length > 0 ? former.Algorithm : options.Algorithm, former.Key, former.Id));
        if (keys.Select(key => (key.Algorithm, key.Id)).Distinct().Count() < keys.Count) throw Wrong("VerifyingKeys", "holds a key twice, or two keys of one name.");
        // Whoever verifies by published keys finds a key by its name alone: this server too.
        return new SigningKeys(keys, options.IgnoreUnknownKeyId ?? root.Profile == Profile.Django, remote, namesKeys: remote is null ? null : true);
    }

    private static bool Fit(SigningKey signer, SigningKey verifier)
    {
        var signature = new byte[signer.SignatureLength];
        signer.Sign("gatehouse"u8, signature);
        return verifier.Verify("gatehouse"u8, signature);
    }

    private static JwkSet MakeJwkSet(JwtOptions options, TimeProvider clock, ILogger log)
    {
        try
        {
            return new JwkSet(options.JwkUrl, options.Algorithm, clock, log);
        }
        catch (ArgumentException error)
        {
            throw Wrong("JWK_URL", error.Message);
        }
    }

    private static SigningKey Parse(string setting, string algorithm, string text, string? id = null)
    {
        try
        {
            return SigningKey.Parse(algorithm, text, id);
        }
        catch (ArgumentException error)
        {
            throw Wrong(setting, error.Message);
        }
    }

    private static bool IsSecret(string algorithm) => algorithm.StartsWith("HS", StringComparison.Ordinal);

    private static SettingException Wrong(string name, string why) => new($"SIMPLE_JWT: {name} {why}");
}
