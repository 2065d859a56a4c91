using System.Collections.Concurrent;
using System.Text.Json;
using Gatehouse.Crypto;
using Gatehouse.Database;
using Gatehouse.OAuth.Registration;
using Gatehouse.OAuth.Tokens;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Gatehouse.OAuth.Clients;

/// <summary>
/// Clients that prove who they are by a token that they sign, RFC 7523 §2.2 (<c>private_key_jwt</c>, <c>client_secret_jwt</c>; DOT's
/// <c>client_assertions</c>). Whatever is wrong with it, the client is simply not known.
/// </summary>
internal sealed class ClientAssertions
{
    public const string PrivateKeyJwt = "private_key_jwt";
    public const string ClientSecretJwt = "client_secret_jwt";
    public const string Type = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

    private const int MostKeys = 100;
    private const int MostSets = 1_000;
    private const int LongestId = 1_024;

    // A key that is new to us is looked for at once, but not for everybody who makes one up.
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(30);

    private readonly Db db;
    private readonly ClientStore clients;
    private readonly ClientSecrets secrets;
    private readonly GatehouseOptions root;
    private readonly OAuthOptions options;
    private readonly TimeProvider clock;
    private readonly SafeFetcher<KeySet> fetcher;
    private readonly ConcurrentDictionary<string, KeySet> fetched = new(StringComparer.Ordinal);
    // Ready to verify, by the text of the set and the algorithm.
    private readonly Remembered<(string Jwks, string Algorithm), JwtCodec> verifiers = new(1_000);

    public ClientAssertions(Db db, ClientStore clients, ClientSecrets secrets, GatehouseOptions root, Outside outside, TimeProvider clock, ILogger<ClientAssertions> log)
    {
        (this.db, this.clients, this.secrets, this.root, options, this.clock) = (db, clients, secrets, root, root.OAuth, clock);
        var limits = new FetchLimits
        {
            Timeout = TimeSpan.FromSeconds(options.ClientAssertionJwksFetchTimeoutSeconds),
            MaxSize = options.ClientAssertionJwksMaxSize,
            FailureBackoff = TimeSpan.FromSeconds(options.ClientAssertionJwksFailureBackoffSeconds),
            MaxConcurrent = options.CimdMaxConcurrentFetches ?? 0,
        };
        fetcher = new SafeFetcher<KeySet>(
            limits, (_, json, _) => Task.FromResult(json.TryGetProperty("keys", out var keys) && keys.ValueKind == JsonValueKind.Array
                ? new KeySet(json.GetRawText(), clock.GetUtcNow())
                : throw new FetchException("it has no list of keys")),
            outside, clock, log);
    }

    /// <summary>Whether a request tries it: then nothing else counts, RFC 7521 §4.2.</summary>
    public static bool IsIn(OAuthParameters parameters) => parameters["client_assertion"] is not null || parameters["client_assertion_type"] is not null;

    /// <returns>The client; null for whatever is wrong.</returns>
    /// <exception cref="DatabaseUnavailableException">That it was not used before could not be written.</exception>
    public async Task<Client?> AuthenticateAsync(HttpContext http, OAuthParameters parameters)
    {
        if (parameters["client_assertion_type"] != Type || parameters["client_assertion"] is not { Length: > 0 and <= JwtCodec.DefaultMaxLength } assertion) return null;
        // One way at a time, RFC 6749 §2.3: presence counts.
        if (parameters["client_secret"] is not null || http.Request.Headers.Authorization.ToString().StartsWith("Basic", StringComparison.OrdinalIgnoreCase)) return null;

        // 1. Who does it say it is? Believed only for finding the key.
        if (JwtCodec.ReadUnverified(assertion) is not { } said || Text(said, "sub") is not { Length: > 0 } id || Text(said, "iss") != id) return null;
        if (parameters["client_id"] is { } named && named != id) return null;
        if (await clients.FindAsync(id, http.RequestAborted) is not { } client) return null;

        // 2. Is it?
        if (AlgorithmOf(assertion) is not { } algorithm || !IsAllowed(client, algorithm)) return null;
        if (await VerifyAsync(client, assertion, algorithm, http.RequestAborted) is not { } claims) return null;

        // 3. Was it made for us, just now, and for once?
        var now = clock.GetUtcNow();
        if (!IsInTime(claims, now, out var expires) || !IsForUs(http, claims)) return null;
        if (Text(claims, "jti") is not { Length: > 0 and <= LongestId } jti) return null;
        return await UseAsync(client, jti, now, expires) ? client : null;
    }

    private bool IsAllowed(Client client, string algorithm) => client.AuthMethod switch
    {
        PrivateKeyJwt => options.ClientAssertionPrivateKeyJwtAlgs.Contains(algorithm) && algorithm[0] != 'H',
        ClientSecretJwt => options.ClientAssertionClientSecretJwtAlgs.Contains(algorithm) && algorithm[0] == 'H',
        _ => false,
    };

    private async Task<JsonElement?> VerifyAsync(Client client, string assertion, string algorithm, CancellationToken ct)
    {
        if (client.AuthMethod == ClientSecretJwt)
        {
            // With an empty secret anybody could sign; of a hashed one the client knows nothing.
            var secret = client.ClientSecret;
            return secret.Length == 0 || secrets.IsHashed(secret) ? null : new JwtCodec(new SigningKeys([SigningKey.OfClientSecret(secret, algorithm)], ignoresUnknownIds: true)).Read(assertion);
        }
        if (await db.FirstAsync(KeysOf, ct, ("id", client.Id)) is not { } keys) return null;
        if (keys.Jwks.Length > 0) return Verifier(keys.Jwks, algorithm).Read(assertion);
        if (keys.JwksUri.Length == 0) return null;

        var now = clock.GetUtcNow();
        var known = fetched.GetValueOrDefault(keys.JwksUri);
        var age = known is null ? TimeSpan.MaxValue : (now - known.Fetched).Duration();
        if (known is not null && age < TimeSpan.FromSeconds(options.ClientAssertionJwksCacheTimeout))
        {
            if (Verifier(known.Text, algorithm).Read(assertion) is { } claims) return claims;
            if (age < Pause) return null;
        }
        if ((await fetcher.GetAsync(keys.JwksUri, ct)).Value is not { } fresh) return null;
        if (fetched.Count >= MostSets) fetched.Clear();
        fetched[keys.JwksUri] = fresh;
        return Verifier(fresh.Text, algorithm).Read(assertion);
    }

    private JwtCodec Verifier(string jwks, string algorithm)
    {
        if (verifiers.TryGet((jwks, algorithm), out var codec)) return codec;
        codec = new JwtCodec(new SigningKeys([.. KeysFor(jwks, algorithm)], ignoresUnknownIds: true));
        verifiers.Add((jwks, algorithm), codec);
        return codec;
    }

    /// <summary>The keys of a set that verify with an algorithm. A set that shows private keys is no secret any more: those do not count.</summary>
    public static IEnumerable<SigningKey> KeysFor(string jwks, string algorithm)
    {
        using var json = JsonDocument.Parse(jwks, new JsonDocumentOptions { AllowDuplicateProperties = false });
        if (!json.RootElement.TryGetProperty("keys", out var all) || all.ValueKind != JsonValueKind.Array) yield break;
        foreach (var jwk in all.EnumerateArray().Take(MostKeys))
        {
            if (jwk.ValueKind != JsonValueKind.Object || jwk.TryGetProperty("d", out _) || jwk.TryGetProperty("k", out _)) continue;
            if (jwk.TryGetProperty("use", out var use) && !(use.ValueKind == JsonValueKind.String && use.ValueEquals("sig"))) continue;
            if (jwk.TryGetProperty("key_ops", out var does)
                && !(does.ValueKind == JsonValueKind.Array && does.EnumerateArray().Any(one => one.ValueKind == JsonValueKind.String && one.ValueEquals("verify")))) continue;
            SigningKey key;
            try
            {
                key = SigningKey.Parse(algorithm, jwk.GetRawText());
            }
            catch (ArgumentException)
            {
                // For another algorithm, or too weak.
                continue;
            }
            yield return key;
        }
    }

    /// <summary>Whether a text that was typed is a set with a key for one of these; never throws.</summary>
    public static bool HasKeyFor(string jwks, IEnumerable<string> algorithms)
    {
        try
        {
            return algorithms.Any(algorithm => KeysFor(jwks, algorithm).Any());
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            return false;
        }
    }

    private static string? AlgorithmOf(string assertion) => JwtCodec.HeaderOf(assertion) is { } header && Text(header, "alg") is { Length: > 1 } algorithm ? algorithm : null;

    private bool IsInTime(JsonElement claims, DateTimeOffset now, out DateTimeOffset expires)
    {
        expires = default;
        var (leeway, seconds) = (options.ClientAssertionLeeway, now.ToUnixTimeMilliseconds() / 1000.0);
        if (Number(claims, "exp") is not { } end || end <= seconds - leeway || end > seconds + options.ClientAssertionMaxLifetime + leeway) return false;
        if (claims.TryGetProperty("nbf", out _) && !(Number(claims, "nbf") <= seconds + leeway)) return false;
        if (claims.TryGetProperty("iat", out _) && !(Number(claims, "iat") <= seconds + leeway)) return false;
        expires = DateTimeOffset.UnixEpoch.AddSeconds(Math.Ceiling(end) + leeway);
        return true;
    }

    /// <summary>One that names others too could be used there: where ambiguity is refused, a list is.</summary>
    private bool IsForUs(HttpContext http, JsonElement claims)
    {
        if (!claims.TryGetProperty("aud", out var audience)) return false;
        var accepted = (options.ClientAssertionAcceptedAudiences ?? [
            Issuer.Of(http, root), Issuer.Base(http, root) + http.Request.Path.ToUriComponent(),
            Issuer.Address(http, root, http.Request.Path.ToUriComponent()), Issuer.Address(http, root, options.Path + "token/")]).Select(one => one.TrimEnd('/')).ToHashSet(StringComparer.Ordinal);
        bool IsOurs(JsonElement one) => one.ValueKind == JsonValueKind.String && accepted.Contains(one.GetString()!.TrimEnd('/'));
        return audience.ValueKind == JsonValueKind.Array ? options.RefuseAmbiguousRequests != true && audience.EnumerateArray().Any(IsOurs) : IsOurs(audience);
    }

    /// <summary>Of any number of callers with one assertion, one gets in: the row decides, until the assertion would be refused for its age.</summary>
    private Task<bool> UseAsync(Client client, string jti, DateTimeOffset now, DateTimeOffset expires) => db.WriteAsync(
        async tx =>
        {
            await tx.RunAsync(Forget, ("now", now.ToUnixTimeMilliseconds() * 1000));
            return await tx.RunAsync(Use, ("client", client.ClientId), ("jti", TokenText.Checksum(jti)), ("expires", expires.ToUnixTimeMilliseconds() * 1000)) == 1;
        },
        CancellationToken.None);

    /// <summary>How a client proves who it is from now on; its secret, if it has one, does not any more.</summary>
    /// <param name="tx">The transaction that makes or changes the client.</param>
    /// <param name="id">The client's key.</param>
    /// <param name="method"><see cref="PrivateKeyJwt"/> or <see cref="ClientSecretJwt"/>.</param>
    /// <param name="jwks">Its public keys, RFC 7517; or empty.</param>
    /// <param name="jwksUri">Where they are; or empty.</param>
    public static Task<int> SaveAsync(Tx tx, long id, string method, string jwks, string jwksUri) =>
        tx.RunAsync(Save, ("id", id), ("method", method), ("jwks", jwks), ("jwks_uri", jwksUri));

    private static string? Text(JsonElement claims, string name) => claims.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static double? Number(JsonElement claims, string name) =>
        claims.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number) && Math.Abs(number) < 1e12 ? number : null;

    private static readonly Sql<Keys> KeysOf = new(
        "SELECT jwks, jwks_uri FROM gatehouse_oauth_client WHERE application_id = @id", row => new Keys(row.Text(0), row.Text(1)));

    private static readonly Sql Save = new(
        """
        INSERT INTO gatehouse_oauth_client (application_id, auth_method, jwks, jwks_uri) VALUES (@id, @method, @jwks, @jwks_uri)
        ON CONFLICT (application_id) DO UPDATE SET auth_method = excluded.auth_method, jwks = excluded.jwks, jwks_uri = excluded.jwks_uri
        """);

    private static readonly Sql Use = new(
        "INSERT INTO gatehouse_oauth_assertion (client_id, jti, expires) VALUES (@client, @jti, @expires) ON CONFLICT (client_id, jti) DO NOTHING");

    private static readonly Sql Forget = new(
        "DELETE FROM gatehouse_oauth_assertion WHERE (client_id, jti) IN (SELECT client_id, jti FROM gatehouse_oauth_assertion WHERE expires < @now LIMIT 100)");

    private sealed record Keys(string Jwks, string JwksUri);

    private sealed record KeySet(string Text, DateTimeOffset Fetched);
}
