using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Gatehouse.Crypto;
using Gatehouse.Users;

namespace Gatehouse.Jwt;

/// <summary>Makes tokens and says what is wrong with them, in the order and words of simplejwt and PyJWT.</summary>
internal sealed class JwtTokens
{
    public const string Invalid = "Token is invalid";
    public const string Expired = "Token is expired";
    public const string Blacklisted = "Token is blacklisted";

    private const int LongestId = 255;
    // Python's year 9999.
    private const long LastSecond = 253_402_300_799;

    private readonly GatehouseOptions root;
    private readonly JwtOptions options;
    private readonly JwtCodec codec;
    private readonly TimeProvider clock;
    private readonly HashSet<string> notCopied;
    private readonly double? notBefore;

    public JwtTokens(GatehouseOptions root, JwtCodec codec, TimeProvider clock)
    {
        this.root = root;
        options = root.Jwt;
        this.codec = codec;
        this.clock = clock;
        notCopied = [options.TokenTypeClaim, "exp", options.JtiClaim, "jti", "iat"];
        notBefore = (root.TokensNotBefore - DateTimeOffset.UnixEpoch)?.TotalSeconds;
        Challenge = $"{options.AuthHeaderTypes[0]} realm=\"api\"";
    }

    /// <summary>For the <c>WWW-Authenticate</c> header.</summary>
    public string Challenge { get; }

    public bool CanSign => codec.CanSign;

    /// <summary>The claims of a token that is ours and in its time, or what is wrong with it. Its kind is not looked at yet.</summary>
    public async ValueTask<Reading> ReadAsync(string text)
    {
        if (await codec.ReadAsync(text) is not { } claims) return new(Invalid);
        var wrong = RefuseRegistered(claims);
        return wrong is null ? new(claims) : new(wrong);
    }

    /// <summary>What is wrong with it as a token of that kind; null when nothing is.</summary>
    public string? Refuse(JsonElement claims, TokenClass type)
    {
        if (!claims.TryGetProperty("exp", out _)) return "Token has no 'exp' claim";
        if (!claims.TryGetProperty(options.JtiClaim, out _)) return "Token has no id";
        if (!type.ChecksType) return null;
        if (!claims.TryGetProperty(options.TokenTypeClaim, out var given)) return "Token has no type";
        return given.ValueKind == JsonValueKind.String && given.ValueEquals(type.Type) ? null : "Token has wrong type";
    }

    /// <summary>The token's own name; null when it has none.</summary>
    public string? Id(JsonElement claims) => claims.TryGetProperty(options.JtiClaim, out var id) ? id.GetString() : null;

    /// <summary>When it expires, <c>exp</c>; only of claims that were read.</summary>
    public static DateTimeOffset ExpiryOf(JsonElement claims) => DateTimeOffset.FromUnixTimeSeconds(Seconds(claims.GetProperty("exp"))!.Value);

    /// <summary>Whether the time in such a claim has come (simplejwt <c>check_exp</c>); the message, or null.</summary>
    public string? RefuseExpired(JsonElement claims, string claim)
    {
        if (!claims.TryGetProperty(claim, out var value)) return $"Token has no '{claim}' claim";
        if (Seconds(value) is not { } seconds) return Invalid;
        return IsPast(seconds) ? $"Token '{claim}' claim has expired" : null;
    }

    /// <summary>A new token of a user, not yet signed (simplejwt <c>for_user</c>).</summary>
    public JwtClaims For(User user, TokenClass type, DateTimeOffset now)
    {
        var claims = New(type, now);
        if (type == TokenClass.Sliding) claims[options.SlidingTokenRefreshExpClaim] = Second(now + options.SlidingTokenRefreshLifetime);
        claims[options.UserIdClaim] = JwtUsers.IdOf(user, root);
        if (options.CheckRevokeToken) claims[options.RevokeTokenClaim] = RevokeDigest(user);
        return claims;
    }

    /// <summary>The access token of a refresh token: its claims, save those that are each token's own.</summary>
    public JwtClaims AccessOf(JwtClaims refresh, DateTimeOffset now) => refresh.Without(notCopied, New(TokenClass.Access, now));

    /// <summary>The successor of a refresh token: the same claims with another id and another time.</summary>
    public JwtClaims Rotate(JsonElement refresh, DateTimeOffset now)
    {
        var claims = JwtClaims.Of(refresh);
        claims[options.JtiClaim] = NewId();
        claims["exp"] = Second(now + options.RefreshTokenLifetime);
        claims["iat"] = Second(now);
        return claims;
    }

    /// <summary>The same sliding token with a new time, never past <paramref name="last"/>.</summary>
    public JwtClaims Slide(JsonElement sliding, DateTimeOffset now, long? last)
    {
        var claims = JwtClaims.Of(sliding);
        var expiry = Second(now + options.SlidingTokenLifetime);
        claims["exp"] = last < expiry ? last.Value : expiry;
        claims["iat"] = Second(now);
        return claims;
    }

    public string Write(JwtClaims claims)
    {
        if (options.Audience.Count > 0) claims["aud"] = options.Audience.Count == 1 ? options.Audience[0] : options.Audience;
        if (options.Issuer.Length > 0) claims["iss"] = options.Issuer;
        return codec.Write(claims.ToUtf8(options.JsonEncoder).Span);
    }

    /// <summary>Whether the token was made with the user's present password.</summary>
    public bool IsOfPresentPassword(JsonElement claims, User user) =>
        claims.TryGetProperty(options.RevokeTokenClaim, out var given) && given.ValueKind == JsonValueKind.String
        && CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(given.GetString()!), Encoding.UTF8.GetBytes(RevokeDigest(user)));

    /// <summary>May this user have tokens (<c>USER_AUTHENTICATION_RULE</c>)?</summary>
    public bool MayHaveTokens(User user) =>
        options.UserAuthenticationRule is { } rule ? rule(user) : !options.CheckUserIsActive || user.IsActive;

    public bool ChecksEveryRefresh => options.ChecksEveryRefresh ?? root.Profile != Profile.Django;

    /// <summary>Whole seconds of a NumericDate; null when it is none, or beyond the year 9999.</summary>
    internal static long? Seconds(JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.Number) return null;
        if (!value.TryGetInt64(out var seconds))
        {
            if (!value.TryGetDouble(out var real) || !(Math.Abs(real) <= LastSecond)) return null;
            seconds = (long)Math.Truncate(real);
        }
        return seconds is >= -LastSecond and <= LastSecond ? seconds : null;
    }

    private JwtClaims New(TokenClass type, DateTimeOffset now)
    {
        var claims = new JwtClaims();
        claims[options.TokenTypeClaim] = type.Type;
        claims["exp"] = Second(now + (type == TokenClass.Access ? options.AccessTokenLifetime
            : type == TokenClass.Sliding ? options.SlidingTokenLifetime : options.RefreshTokenLifetime));
        claims["iat"] = Second(now);
        claims[options.JtiClaim] = NewId();
        return claims;
    }

    // As long as Python's uuid4().hex, and all of it random.
    private static string NewId() => RandomNumberGenerator.GetHexString(32, lowercase: true);

    private static long Second(DateTimeOffset time) => time.ToUnixTimeSeconds();

    // PyJWT's order: iat, nbf, exp, iss, aud, sub, jti. Times are numbers here; PyJWT takes texts of digits too, and simplejwt fails on them.
    private string? RefuseRegistered(JsonElement claims)
    {
        if (claims.TryGetProperty("iat", out var iat))
        {
            if (Seconds(iat) is not { } issued || IsAhead(issued) || issued < notBefore) return Invalid;
        }
        else if (notBefore is not null)
        {
            return Invalid;
        }
        if (claims.TryGetProperty("nbf", out var nbf) && (Seconds(nbf) is not { } begin || IsAhead(begin))) return Invalid;
        if (claims.TryGetProperty("exp", out var exp))
        {
            if (Seconds(exp) is not { } end) return Invalid;
            if (IsPast(end)) return Expired;
        }
        if (options.Issuer.Length > 0 && !(claims.TryGetProperty("iss", out var iss) && iss.ValueKind == JsonValueKind.String && iss.ValueEquals(options.Issuer)))
            return Invalid;
        if (options.Audience.Count > 0 && !(claims.TryGetProperty("aud", out var aud) && IsForUs(aud))) return Invalid;
        if (claims.TryGetProperty("sub", out var sub) && sub.ValueKind != JsonValueKind.String) return Invalid;
        return IsIdWrong(claims, "jti") || IsIdWrong(claims, options.JtiClaim) ? Invalid : null;
    }

    private static bool IsIdWrong(JsonElement claims, string claim) =>
        claims.TryGetProperty(claim, out var id) && !(id.ValueKind == JsonValueKind.String && id.GetString() is { Length: <= LongestId } text && !text.Contains('\0'));

    private bool IsForUs(JsonElement audience) => audience.ValueKind switch
    {
        JsonValueKind.String => options.Audience.Contains(audience.GetString()!),
        JsonValueKind.Array => audience.EnumerateArray().All(one => one.ValueKind == JsonValueKind.String)
            && audience.EnumerateArray().Any(one => options.Audience.Contains(one.GetString()!)),
        _ => false,
    };

    private bool IsPast(long seconds) => TimeSpan.FromSeconds(seconds) <= SinceEpoch - options.Leeway;

    private bool IsAhead(long seconds) => TimeSpan.FromSeconds(seconds) > SinceEpoch + options.Leeway;

    private TimeSpan SinceEpoch => clock.GetUtcNow() - DateTimeOffset.UnixEpoch;

#pragma warning disable CA5351 // What simplejwt puts there; it says that the hash has changed, and protects nothing.
    private static string RevokeDigest(User user) => Convert.ToHexString(MD5.HashData(Encoding.UTF8.GetBytes(user.Password)));
#pragma warning restore CA5351
}

/// <summary>The claims of a token, or what is wrong with it.</summary>
internal readonly struct Reading
{
    public Reading(JsonElement claims) => Claims = claims;

    public Reading(string error) => Error = error;

    public JsonElement Claims { get; }
    public string? Error { get; }
}
