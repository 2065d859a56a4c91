using System.Text.Json;
using Gatehouse.Users;

namespace Gatehouse.Jwt;

/// <summary>JSON Web Tokens (<c>SIMPLE_JWT</c>). Not a record: its <c>ToString</c> would print the key into a log.</summary>
public sealed class JwtOptions
{
    /// <summary>How long an access token is valid. Default 5 minutes (<c>ACCESS_TOKEN_LIFETIME</c>).</summary>
    public TimeSpan AccessTokenLifetime { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>How long a refresh token is valid. Default one day (<c>REFRESH_TOKEN_LIFETIME</c>).</summary>
    public TimeSpan RefreshTokenLifetime { get; set; } = TimeSpan.FromDays(1);

    /// <summary>Whether each refresh also returns a new refresh token. Default false (<c>ROTATE_REFRESH_TOKENS</c>).</summary>
    public bool RotateRefreshTokens { get; set; }

    /// <summary>Whether the rotated refresh token is dead from then on. Default false (<c>BLACKLIST_AFTER_ROTATION</c>).</summary>
    public bool BlacklistAfterRotation { get; set; }

    /// <summary>Whether obtaining a token sets the user's <c>last_login</c>. Default false (<c>UPDATE_LAST_LOGIN</c>).</summary>
    public bool UpdateLastLogin { get; set; }

    /// <summary>HS256 (default), HS384, HS512, and RS, PS, ES with the same numbers (<c>ALGORITHM</c>).</summary>
    public string Algorithm { get; set; } = "HS256";

    /// <summary>
    /// Signs: a text of at least 32 bytes for HS, a private PEM or JWK for the others (<c>SIGNING_KEY</c>). Empty, the default: the secret key
    /// for HS; for the others this server then only verifies.
    /// </summary>
    public string SigningKey { get; set; } = "";

    /// <summary>
    /// The public PEM or JWK (<c>VERIFYING_KEY</c>). Empty, the default: taken from <see cref="SigningKey"/>. HS has none.
    /// </summary>
    public string VerifyingKey { get; set; } = "";

    /// <summary>
    /// More keys whose tokens are accepted, the former ones for example. With them, new tokens name their key (<c>kid</c>). Default none.
    /// </summary>
    public IList<JwtKeyOptions> VerifyingKeys { get; set; } = [];

    /// <summary>Written into tokens, and one of these must be in them (<c>AUDIENCE</c>). Empty, the default: not looked at.</summary>
    public IList<string> Audience { get; set; } = [];

    /// <summary>Written into tokens, and must be in them exactly (<c>ISSUER</c>). Empty, the default: not looked at.</summary>
    public string Issuer { get; set; } = "";

    /// <summary>How claims of your own become JSON (<c>JSON_ENCODER</c>). Default: as .NET does it.</summary>
    public JsonSerializerOptions? JsonEncoder { get; set; }

    /// <summary>Where somebody else publishes the keys that verify, RFC 7517 (<c>JWK_URL</c>). Not for HS. Empty, the default: nowhere.</summary>
    public string JwkUrl { get; set; } = "";

    /// <summary>How far clocks may differ. Default 0 (<c>LEEWAY</c>).</summary>
    public TimeSpan Leeway { get; set; }

    /// <summary>First words of the header, case-sensitive; the first is the challenge. Default <c>Bearer</c> (<c>AUTH_HEADER_TYPES</c>).</summary>
    public IList<string> AuthHeaderTypes { get; set; } = ["Bearer"];

    /// <summary>Default <c>Authorization</c> (<c>AUTH_HEADER_NAME</c>).</summary>
    public string AuthHeaderName { get; set; } = "Authorization";

    /// <summary>Which member names the user: <c>id</c> (default), <c>pk</c>, <c>username</c> or <c>email</c> (<c>USER_ID_FIELD</c>).</summary>
    public string UserIdField { get; set; } = "id";

    /// <summary>Default <c>user_id</c> (<c>USER_ID_CLAIM</c>).</summary>
    public string UserIdClaim { get; set; } = "user_id";

    /// <summary>
    /// Whether a user may have tokens, at obtain and at refresh (<c>USER_AUTHENTICATION_RULE</c>). Default: is active, unless
    /// <see cref="CheckUserIsActive"/> is off.
    /// </summary>
    public Func<User, bool>? UserAuthenticationRule { get; set; }

    /// <summary>Told when a token was obtained (<c>ON_LOGIN_SUCCESS</c>); <see cref="UpdateLastLogin"/> needs none.</summary>
    public Func<UserEvent, Task>? OnLoginSuccess { get; set; }

    /// <summary>Told when credentials were refused at an obtain path (<c>ON_LOGIN_FAILED</c>).</summary>
    public Func<LoginFailedEvent, Task>? OnLoginFailed { get; set; }

    /// <summary>
    /// Which tokens <c>JWTAuthentication</c> accepts: <c>AccessToken</c> (default), <c>SlidingToken</c>, <c>RefreshToken</c>,
    /// <c>UntypedToken</c> (<c>AUTH_TOKEN_CLASSES</c>).
    /// </summary>
    public IList<string> AuthTokenClasses { get; set; } = ["AccessToken"];

    /// <summary>Default <c>token_type</c> (<c>TOKEN_TYPE_CLAIM</c>).</summary>
    public string TokenTypeClaim { get; set; } = "token_type";

    /// <summary>Default <c>jti</c> (<c>JTI_CLAIM</c>).</summary>
    public string JtiClaim { get; set; } = "jti";

    /// <summary>Makes the caller of <c>JWTStatelessUserAuthentication</c> (<c>TOKEN_USER_CLASS</c>). Default: <see cref="TokenUser"/>.</summary>
    public Func<JwtToken, TokenUser>? TokenUserClass { get; set; }

    /// <summary>Default <c>refresh_exp</c> (<c>SLIDING_TOKEN_REFRESH_EXP_CLAIM</c>).</summary>
    public string SlidingTokenRefreshExpClaim { get; set; } = "refresh_exp";

    /// <summary>Default 5 minutes (<c>SLIDING_TOKEN_LIFETIME</c>).</summary>
    public TimeSpan SlidingTokenLifetime { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>How long a sliding token can be refreshed. Default one day (<c>SLIDING_TOKEN_REFRESH_LIFETIME</c>).</summary>
    public TimeSpan SlidingTokenRefreshLifetime { get; set; } = TimeSpan.FromDays(1);

    /// <summary>
    /// Adds claims to a new pair and members to the answer (a <c>TOKEN_OBTAIN_SERIALIZER</c> with its own <c>get_token</c> or
    /// <c>validate</c>).
    /// </summary>
    public Func<JwtSerializer, Task>? TokenObtainSerializer { get; set; }

    /// <summary>The same at refresh (<c>TOKEN_REFRESH_SERIALIZER</c>).</summary>
    public Func<JwtSerializer, Task>? TokenRefreshSerializer { get; set; }

    /// <summary>The same at verify: members of the answer (<c>TOKEN_VERIFY_SERIALIZER</c>).</summary>
    public Func<JwtSerializer, Task>? TokenVerifySerializer { get; set; }

    /// <summary>The same at blacklist: members of the answer (<c>TOKEN_BLACKLIST_SERIALIZER</c>).</summary>
    public Func<JwtSerializer, Task>? TokenBlacklistSerializer { get; set; }

    /// <summary>The same for a new sliding token (<c>SLIDING_TOKEN_OBTAIN_SERIALIZER</c>).</summary>
    public Func<JwtSerializer, Task>? SlidingTokenObtainSerializer { get; set; }

    /// <summary>The same when a sliding token is refreshed (<c>SLIDING_TOKEN_REFRESH_SERIALIZER</c>).</summary>
    public Func<JwtSerializer, Task>? SlidingTokenRefreshSerializer { get; set; }

    /// <summary>
    /// Put a digest of the password hash into tokens and refuse them when the password has changed. Default false
    /// (<c>CHECK_REVOKE_TOKEN</c>).
    /// </summary>
    public bool CheckRevokeToken { get; set; }

    /// <summary>Default <c>hash_password</c> (<c>REVOKE_TOKEN_CLAIM</c>).</summary>
    public string RevokeTokenClaim { get; set; } = "hash_password";

    /// <summary>Refuse tokens of inactive users. Default true (<c>CHECK_USER_IS_ACTIVE</c>).</summary>
    public bool CheckUserIsActive { get; set; } = true;

    /// <summary>Obtain; <c>refresh/</c>, <c>verify/</c> and <c>blacklist/</c> are below it. Default <c>/api/token/</c>.</summary>
    public string Path { get; set; } = "/api/token/";

    /// <summary>Obtain a sliding token; <c>refresh/</c> is below it. Default <c>/api/token/sliding/</c>; empty: not served.</summary>
    public string SlidingPath { get; set; } = "/api/token/sliding/";

    /// <summary>The longest token that is looked at, in characters. Default 8,192.</summary>
    public int MaxTokenLength { get; set; } = Crypto.JwtCodec.DefaultMaxLength;

    /// <summary>
    /// Of how many tokens it is remembered that their signature is right, with RS, PS and ES: times, blacklist and user are asked each time.
    /// Default 10,000; 0: every signature is verified anew.
    /// </summary>
    public int RememberedSignatures { get; set; } = Crypto.JwtCodec.DefaultRemembered;

    /// <summary>
    /// How long the very token that was just rotated may be sent again, by a client whose answer was lost, and gets the same new token. Any
    /// other use of a rotated token is theft then and ends all that came of it. Default 0, as in Django: no retry. Needs rotation with blacklisting.
    /// </summary>
    public TimeSpan RefreshRetryWindow { get; set; }

    /// <summary>
    /// Whether a rotated token that is sent again ends its whole family. Null, the default: when there is a
    /// <see cref="RefreshRetryWindow"/>, and under the profile Strict.
    /// </summary>
    public bool? ReuseEndsFamily { get; set; }

    /// <summary>
    /// Whether user ids are read as Python's <c>int()</c> reads them: <c>true</c>, <c>" 3 "</c>, <c>1.5</c>. Null, the default: under the
    /// profile Django; otherwise whole numbers and their texts alone.
    /// </summary>
    public bool? LooseUserIds { get; set; }

    /// <summary>
    /// Whether a <c>kid</c> that names no key of ours is passed over when there is only one key, as PyJWT does. Null, the default: under the
    /// profile Django.
    /// </summary>
    public bool? IgnoreUnknownKeyId { get; set; }

    /// <summary>
    /// Whether what the stack forgets is asked too: the revoke claim at refresh; the user when a sliding token is refreshed, and that it does
    /// not outlive its refresh time; the blacklist at verify, whatever the rotation, and where <c>UntypedToken</c> lets
    /// tokens of any kind in. Null, the default: except under the profile Django.
    /// </summary>
    public bool? ChecksEveryRefresh { get; set; }

    /// <summary>
    /// Whether a new password ends all recorded refresh and sliding tokens of the user, in the same transaction. Null, the default: except
    /// under the profile Django, where they live on. <see cref="CheckRevokeToken"/> ends access tokens as well, and sees changes made by Django.
    /// </summary>
    public bool? PasswordChangeEndsTokens { get; set; }

    /// <summary>Keep refresh tokens in a cookie that scripts cannot read. Default off.</summary>
    public RefreshCookieOptions RefreshCookie { get; } = new();
}

/// <summary>A key whose tokens are accepted.</summary>
public sealed class JwtKeyOptions
{
    /// <summary>As <see cref="JwtOptions.SigningKey"/>; the public half is enough.</summary>
    public string Key { get; set; } = "";

    /// <summary>Its algorithm. Empty, the default: as <see cref="JwtOptions.Algorithm"/>.</summary>
    public string Algorithm { get; set; } = "";

    /// <summary>Its <c>kid</c>. Empty, the default: that of the JWK, or one made from the key.</summary>
    public string Id { get; set; } = "";
}

/// <summary>The cookie mode, for browser applications that keep no token (docs/jwt.md).</summary>
public sealed class RefreshCookieOptions
{
    /// <summary>Default false.</summary>
    public bool Enabled { get; set; }

    /// <summary>Default <c>__Secure-refresh</c>.</summary>
    public string Name { get; set; } = "__Secure-refresh";

    /// <summary><c>Strict</c> (default), <c>Lax</c> or <c>None</c>.</summary>
    public string SameSite { get; set; } = "Strict";

    /// <summary>Send it over HTTPS only. Default true.</summary>
    public bool Secure { get; set; } = true;
}
