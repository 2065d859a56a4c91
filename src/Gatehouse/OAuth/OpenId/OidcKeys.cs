using System.Text.Json;
using Gatehouse.Crypto;
using Gatehouse.Http;
using Gatehouse.OAuth.Clients;
using Microsoft.Extensions.Logging;

namespace Gatehouse.OAuth.OpenId;

/// <summary>
/// The keys of ID tokens (DOT's <c>Application.jwk_key</c>): those of the settings, or else those that the program keeps for itself in
/// <see cref="OidcKeyFile"/>, which another process may change under us; and the secrets of clients that want HS256.
/// </summary>
internal sealed class OidcKeys
{
    private static readonly TimeSpan Glance = TimeSpan.FromSeconds(5);

    private readonly ClientSecrets secrets;
    private readonly TimeProvider clock;
    private readonly ILogger log;
    private readonly OidcKeyFile? file;
    private readonly bool isDjango;
    private readonly Lock reading = new();
    private readonly Remembered<string, JwtCodec> ofSecrets = new(1_000);
    private volatile State state;

    public OidcKeys(GatehouseOptions options, ClientSecrets secrets, TimeProvider clock, ILogger<OidcKeys> log)
    {
        this.secrets = secrets;
        this.clock = clock;
        this.log = log;
        isDjango = options.Profile == Profile.Django;
        var oauth = options.OAuth;
        if (oauth.OidcRsaPrivateKey.Length == 0) file = new OidcKeyFile(options, clock);
        state = file is null ? new State([.. Given(oauth)], clock.GetUtcNow(), default) : State.None;
    }

    /// <summary>Reads the program's own keys, or makes them.</summary>
    /// <exception cref="SettingException">The file is open to others, or is none of ours.</exception>
    public void Prepare() => _ = Now();

    /// <summary>
    /// What the client's ID tokens are signed with; empty: it gets none. Who registered itself could not choose and gets the server's first,
    /// where the real stack fails.
    /// </summary>
    public string AlgorithmOf(Client client) =>
        client.Algorithm.Length > 0 || client.RegistrationSource == "manual" || isDjango ? client.Algorithm
        : Algorithms is [var first, ..] ? first : "";

    /// <summary>Signs the client's ID tokens; null when there is no key for it.</summary>
    public JwtCodec? SignerOf(Client client) => AlgorithmOf(client) is var algorithm && algorithm == "HS256" ? OfSecret(client) : Now().Signers.GetValueOrDefault(algorithm);

    /// <summary>The claims of an ID token that was signed for this client, whenever that was; null for all else.</summary>
    public JsonElement? Read(Client client, string token) => AlgorithmOf(client) switch
    {
        "" => null,
        "HS256" => OfSecret(client)?.Read(token),
        _ => Now().Verifier.Read(token),
    };

    /// <summary>The algorithms of the keys that sign now, best known first.</summary>
    public IReadOnlyList<string> Algorithms => [.. Now().Signers.Keys.Order(StringComparer.Ordinal).Reverse()];

    /// <summary>All keys of which a token may live, each with its time.</summary>
    public IReadOnlyList<OidcKey> All => Now().Entries;

    /// <summary>The public keys, RFC 7517: another array whenever they have changed.</summary>
    public byte[] Jwks => Now().Jwks;

    private JwtCodec? OfSecret(Client client)
    {
        var secret = client.ClientSecret;
        // With an empty secret anybody could sign; the relying party knows nothing of a hash.
        if (secret.Length == 0 || secrets.IsHashed(secret)) return null;
        if (!ofSecrets.TryGet(secret, out var codec)) ofSecrets.Add(secret, codec = new JwtCodec(new SigningKeys([SigningKey.OfClientSecret(secret)])));
        return codec;
    }

    private State Now()
    {
        var now = clock.GetUtcNow();
        var current = state;
        if (file is null || (now - current.Read).Duration() < Glance && now < current.Until) return current;
        lock (reading)
        {
            if (state != current) return state;
            var (entries, stamp) = Look(current);
            return state = entries is null && now < current.Until ? current with { Read = now } : new State(file.Live(entries ?? current.Entries, now), now, stamp);
        }
    }

    /// <summary>A running server goes on with the keys that it has, whatever becomes of the file.</summary>
    private (IReadOnlyList<OidcKey>? Keys, DateTime Stamp) Look(State current)
    {
        try
        {
            return file!.ReadOrMake(current.Stamp);
        }
        catch (Exception error) when (current != State.None && error is (SettingException or IOException or UnauthorizedAccessException))
        {
            log.KeysNotRead(error.Message);
            return (null, current.Stamp);
        }
    }

    private static IEnumerable<OidcKey> Given(OAuthOptions options)
    {
        foreach (var key in Parse("OIDC_RSA_PRIVATE_KEY", options.OidcRsaPrivateKey))
        {
            if (!key.CanSign) throw new SettingException("OAUTH2_PROVIDER: OIDC_RSA_PRIVATE_KEY is a public key; the private one is wanted.");
            yield return new OidcKey(key, DateTimeOffset.MinValue);
        }
        foreach (var former in options.OidcRsaPrivateKeysInactive)
            foreach (var key in Parse("OIDC_RSA_PRIVATE_KEYS_INACTIVE", former))
                yield return new OidcKey(key, SignsFrom: null);
    }

    /// <summary>The keys of a PEM text, each of its own kind.</summary>
    private static IEnumerable<SigningKey> Parse(string setting, string text)
    {
        const string begin = "-----BEGIN ";
        for (var at = text.IndexOf(begin, StringComparison.Ordinal); at >= 0;)
        {
            var next = text.IndexOf(begin, at + begin.Length, StringComparison.Ordinal);
            yield return ParseOne(setting, text[at..(next < 0 ? text.Length : next)]);
            at = next;
        }
        if (!text.Contains(begin, StringComparison.Ordinal))
            throw new SettingException($"OAUTH2_PROVIDER: {setting} is no PEM text. Make a key with: openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048");
    }

    private static SigningKey ParseOne(string setting, string pem)
    {
        try
        {
            return SigningKey.Parse("ES256", pem);
        }
        catch (ArgumentException)
        {
            try
            {
                return SigningKey.Parse("RS256", pem);
            }
            catch (ArgumentException error)
            {
                throw new SettingException($"OAUTH2_PROVIDER: {setting}: {error.Message}", error);
            }
        }
    }

    /// <summary>What is true from one look at the file to the next.</summary>
    private sealed record State(IReadOnlyList<OidcKey> Entries, DateTimeOffset Read, DateTime Stamp)
    {
        public static readonly State None = new([], DateTimeOffset.MinValue, default);

        /// <summary>When another key begins or ends.</summary>
        public DateTimeOffset Until { get; } = Entries.SelectMany(key => new[] { key.SignsFrom, key.Until }).Where(time => time > Read).Min() ?? DateTimeOffset.MaxValue;

        /// <summary>By algorithm: with its newest key that has begun.</summary>
        public Dictionary<string, JwtCodec> Signers { get; } = Entries.Where(key => key.SignsFrom <= Read).GroupBy(key => key.Key.Algorithm)
            .ToDictionary(keys => keys.Key, keys => new JwtCodec(new SigningKeys([keys.MaxBy(key => key.SignsFrom)!.Key], namesKeys: true)));

        public JwtCodec Verifier { get; } = new(new SigningKeys([.. Entries.Select(key => key.Key)]));

        public byte[] Jwks { get; } = ApiJson.Bytes(json =>
        {
            json.WriteStartObject();
            json.WriteStartArray("keys");
            foreach (var (key, _, _) in Entries)
            {
                json.WriteStartObject();
                json.WriteString("alg", key.Algorithm);
                json.WriteString("use", "sig");
                json.WriteString("kid", key.Id);
                foreach (var (name, value) in key.PublicJwk) json.WriteString(name, value);
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteEndObject();
        }).ToArray();
    }
}

/// <summary>A key, and its time.</summary>
/// <param name="Key">RSA or P-256.</param>
/// <param name="SignsFrom">It is published before it signs, so that all have seen it by then. Null: it only verifies.</param>
/// <param name="Until">When no token of it lives any more; null: not known.</param>
internal sealed record OidcKey(SigningKey Key, DateTimeOffset? SignsFrom, DateTimeOffset? Until = null);
