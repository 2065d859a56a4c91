using System.Buffers;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Gatehouse.Crypto;
using Gatehouse.Database;
using Gatehouse.Http;
using Gatehouse.OAuth.Clients;
using Gatehouse.OAuth.Grants;
using Gatehouse.OAuth.Tokens;
using Gatehouse.Users;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Gatehouse.OAuth.OpenId;

/// <summary>Makes ID tokens and knows them again, OpenID Connect Core §2 (DOT's <c>finalize_id_token</c>, oauthlib's <c>add_id_token</c>).</summary>
internal sealed class IdTokens(Db db, OidcKeys keys, GatehouseOptions root, TimeProvider clock, ILogger<IdTokens> log)
{
    private readonly OAuthOptions options = root.OAuth;

    private const string OpenIdScope = "openid";

    // jwcrypto's, for the clocks of servers.
    private static readonly TimeSpan Leeway = TimeSpan.FromSeconds(60);

    // OpenID Connect Core §5.4 (DOT's oidc_claim_scope).
    private static readonly Dictionary<string, string> ScopeOfClaim = new(
        new[] { "name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile", "picture", "website", "gender", "birthdate", "zoneinfo", "locale", "updated_at" }
            .Select(claim => KeyValuePair.Create(claim, "profile")))
    {
        ["sub"] = OpenIdScope,
        ["email"] = "email",
        ["email_verified"] = "email",
        ["address"] = "address",
        ["phone_number"] = "phone",
        ["phone_number_verified"] = "phone",
    };

    /// <summary>
    /// A signed token that is to be written by <see cref="SaveAsync"/>, with what it accompanies. Null when none is due: OpenID Connect is off,
    /// <c>openid</c> was not granted, or there is no key for the client's algorithm.
    /// </summary>
    /// <param name="http">For the issuer.</param>
    /// <param name="client">For whom.</param>
    /// <param name="user">About whom.</param>
    /// <param name="scopes">What was granted.</param>
    /// <param name="request">What was asked of it; its code gives <c>c_hash</c>.</param>
    /// <param name="accessToken">The access token beside it, for <c>at_hash</c>; null: none.</param>
    public async Task<NewIdToken?> MakeAsync(
        HttpContext http, Client client, User user, IReadOnlyList<string> scopes, IdTokenRequest request, string? accessToken = null)
    {
        if (!options.OidcEnabled || !scopes.Contains(OpenIdScope)) return null;
        if (keys.SignerOf(client) is not { } signer)
        {
            if (client.Algorithm.Length > 0) log.NoKey(LogText.Clean(client.ClientId), LogText.Clean(client.Algorithm));
            return null;
        }

        var now = clock.GetUtcNow();
        var expires = now.AddSeconds(options.IdTokenExpireSeconds);
        var jti = TokenText.NewUuid();
        var claims = new Dictionary<string, object?> { ["aud"] = client.ClientId, ["iat"] = now.ToUnixTimeSeconds() };
        if (request.Nonce is { Length: > 0 } nonce) claims["nonce"] = nonce;
        if (accessToken is not null) claims["at_hash"] = Hash(accessToken);
        if (request.Code is { } code) claims["c_hash"] = Hash(code);
        foreach (var (name, value) in ClaimsOf(user, client, scopes)) claims[name] = value;
        claims["iss"] = Issuer.Of(http, root);
        claims["exp"] = expires.ToUnixTimeSeconds();
        claims["auth_time"] = (await db.FirstAsync(LastLogin, http.RequestAborted, ("id", user.Id)) ?? now).ToUnixTimeSeconds();
        claims["jti"] = jti.ToString();
        return new NewIdToken
        {
            Text = signer.Write(Write(claims).Span),
            Jti = jti,
            Expires = expires,
            Scope = string.Join(' ', scopes),
            ClientId = client.Id,
            UserId = user.Id,
        };
    }

    /// <summary>Writes its row, in the transaction of what it accompanies; the id goes into <c>accesstoken.id_token_id</c>.</summary>
    public static Task<long?> SaveAsync(Tx tx, NewIdToken token, DateTimeOffset now) => tx.FirstAsync(
        Insert, ("jti", token.Jti), ("expires", token.Expires), ("scope", token.Scope), ("now", now), ("client", token.ClientId), ("user", token.UserId));

    /// <summary>A token of ours, whose row is there, and whose signature is right; null for all else.</summary>
    /// <param name="token">Anything that was sent.</param>
    /// <param name="evenExpired">Whether its time does not matter: as a hint.</param>
    /// <param name="ct">Ends the look-up.</param>
    public async Task<IDToken?> LoadAsync(string token, bool evenExpired, CancellationToken ct)
    {
        // Whose key to verify it with, only the row can say; what names the row is verified with the rest.
        if (JwtCodec.ReadUnverified(token) is not { } said || !said.TryGetProperty("jti", out var jti) || jti.ValueKind != JsonValueKind.String
            || !Guid.TryParseExact(jti.GetString(), "D", out var id) || await db.FirstAsync(ByJti, ct, ("jti", id)) is not { Client: { } client } row
            || !IsFor(said, client) || keys.Read(client, token) is not { } claims) return null;
        if (!evenExpired && !IsInTime(claims)) return null;
        return new IDToken { Id = row.Id, Scopes = row.Scopes, Expires = row.Expires, User = row.User, Client = client, Claims = claims };
    }

    /// <summary>Whether it is an ID token's to say what this bearer token is (oauthlib's <c>estimate_type</c>).</summary>
    public bool LooksLikeOne(string? token) =>
        options.OidcEnabled && token is not null && token.StartsWith("ey", StringComparison.Ordinal) && token.AsSpan().Count('.') is 2 or 4;

    /// <summary>The ID token that somebody sent for an access token, where that is allowed.</summary>
    public async Task<IDToken?> FindBearerAsync(string token, CancellationToken ct) =>
        options.RefuseIdTokensAsBearer != true && await LoadAsync(token, evenExpired: false, ct) is { } found
        && !(options.RefuseInactiveUsers == true && found.User is { IsActive: false }) ? found : null;

    private bool IsFor(JsonElement claims, Client client) => claims.TryGetProperty("aud", out var audience) && audience.ValueKind switch
    {
        // The real stack does not compare them.
        _ when root.Profile == Profile.Django => true,
        JsonValueKind.String => audience.ValueEquals(client.ClientId),
        JsonValueKind.Array => audience.EnumerateArray().Any(one => one.ValueKind == JsonValueKind.String && one.ValueEquals(client.ClientId)),
        _ => false,
    };

    private bool IsInTime(JsonElement claims) =>
        claims.TryGetProperty("exp", out var exp) && exp.ValueKind == JsonValueKind.Number && exp.TryGetInt64(out var seconds) && seconds >= (clock.GetUtcNow() - Leeway).ToUnixTimeSeconds();

    /// <summary>What may be told about a user: <c>sub</c>, and what the host adds; of a standard claim only with its scope.</summary>
    public IEnumerable<KeyValuePair<string, object?>> ClaimsOf(User user, Client? client, IReadOnlyList<string> scopes)
    {
        var claims = new OidcClaims(user, client, scopes) { ["sub"] = user.Id.ToString() };
        options.AdditionalClaims?.Invoke(claims);
        return claims.All.Where(claim => !ScopeOfClaim.TryGetValue(claim.Key, out var scope) || scopes.Contains(scope));
    }

    /// <summary>JSON of claims; a value may be anything that can be written.</summary>
    public static ReadOnlyMemory<byte> Write(IEnumerable<KeyValuePair<string, object?>> claims)
    {
        var buffer = new ArrayBufferWriter<byte>(512);
        using (var json = new Utf8JsonWriter(buffer, ApiJson.WriterOptions))
        {
            json.WriteStartObject();
            foreach (var (name, value) in claims)
            {
                json.WritePropertyName(name);
                switch (value)
                {
                    case null: json.WriteNullValue(); break;
                    case string text: json.WriteStringValue(text); break;
                    case long number: json.WriteNumberValue(number); break;
                    case bool truth: json.WriteBooleanValue(truth); break;
                    default: JsonSerializer.Serialize(json, value, ApiJson.SerializerOptions); break;
                }
            }
            json.WriteEndObject();
        }
        return buffer.WrittenMemory;
    }

    /// <summary><c>at_hash</c>, <c>c_hash</c>: the left half of the SHA-256, OpenID Connect Core §3.1.3.6 and §3.3.2.11.</summary>
    internal static string Hash(string token)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes(token), hash);
        return Base64Url.EncodeToString(hash[..(hash.Length / 2)]);
    }

    private static readonly Sql<DateTimeOffset?> LastLogin = new("SELECT u.last_login FROM auth_user u WHERE u.id = @id", row => row.TimeOrNull(0));

    private static readonly Sql<AccessToken> ByJti = new(
        $"""
        SELECT t.id, t.scope, t.expires, {User.Columns}, {Client.Columns} FROM oauth2_provider_idtoken t
        LEFT JOIN auth_user u ON u.id = t.user_id LEFT JOIN oauth2_provider_application a ON a.id = t.application_id WHERE t.jti = @jti
        """,
        row => new AccessToken
        {
            Id = row.Int(0),
            Scopes = TokenText.Words(row.Text(1)),
            Expires = row.Time(2),
            User = row.IsNull(3) ? null : User.Read(row, 3),
            Client = row.IsNull(3 + User.ColumnCount) ? null : Client.Read(row, 3 + User.ColumnCount),
        });

    private static readonly Sql<long?> Insert = new(
        """
        INSERT INTO oauth2_provider_idtoken (jti, expires, scope, created, updated, application_id, user_id)
        VALUES (@jti, @expires, @scope, @now, @now, @client, @user)
        RETURNING id
        """,
        row => row.Int(0));
}

/// <summary>An ID token that is signed and not written yet.</summary>
/// <remarks>Not a record: its <c>ToString</c> would print the token into a log.</remarks>
internal sealed class NewIdToken
{
    public required string Text { get; init; }

    public required Guid Jti { get; init; }

    public required DateTimeOffset Expires { get; init; }

    public required string Scope { get; init; }

    public required long ClientId { get; init; }

    public required UserId UserId { get; init; }
}

internal static partial class OidcLog
{
    [LoggerMessage(1401, LogLevel.Warning, "The client {ClientId} gets no ID token: there is no key for its algorithm {Algorithm}. HS256 needs a client secret that is not hashed")]
    public static partial void NoKey(this ILogger logger, string clientId, string algorithm);

    [LoggerMessage(1402, LogLevel.Error, "The file of the signing keys was changed and cannot be read; the keys that are known go on: {Reason}")]
    public static partial void KeysNotRead(this ILogger logger, string reason);
}
