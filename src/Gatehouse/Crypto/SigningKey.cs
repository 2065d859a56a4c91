using System.Buffers.Text;
using System.Collections.Concurrent;
using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;

namespace Gatehouse.Crypto;

/// <summary>A key that signs or verifies with one algorithm and never with another. RFC 7518, RFC 8725 §3.1.</summary>
internal abstract class SigningKey
{
    private const int LeastSecretBytes = 32;
    private const int LeastRsaBits = 2048;
    private const int MostRsaBits = 16_384;

    private static readonly Encoding StrictUtf8 = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private SigningKey(string algorithm) => Algorithm = algorithm;

    public static IReadOnlyList<string> Algorithms { get; } =
        ["HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"];

    /// <summary>The only <c>alg</c> that this key is for.</summary>
    public string Algorithm { get; }

    /// <summary>The <c>kid</c>: that of the JWK, or made from the key itself, so that every server with the key names it alike.</summary>
    public string Id { get; private set; } = "";

    /// <summary>The key itself, told by a digest (RFC 7638), whatever its <c>kid</c>. Of a secret a MAC under it: nothing that could be tried out.</summary>
    public string Thumbprint { get; private set; } = "";

    public abstract bool CanSign { get; }

    /// <summary>Whether verifying is dear enough to remember what was verified.</summary>
    public bool IsAsymmetric => Algorithm[0] != 'H';

    public abstract int SignatureLength { get; }

    /// <summary>The members of its public JWK, in the order of RFC 7638; none for a secret.</summary>
    public virtual IReadOnlyList<(string Name, string Value)> PublicJwk => [];

    /// <summary>What is weaker than RFC 7518 wants, though not too weak; null when nothing is. Tells nothing of the key.</summary>
    public virtual string? Weakness => null;

    public abstract void Sign(ReadOnlySpan<byte> data, Span<byte> signature);

    /// <returns>False also for a signature of the wrong length or form; never throws.</returns>
    public abstract bool Verify(ReadOnlySpan<byte> data, ReadOnlySpan<byte> signature);

    /// <param name="algorithm">One of <see cref="Algorithms"/>.</param>
    /// <param name="text">For HS* the secret as it is, or a JWK; for the others PEM or a JWK, private or public.</param>
    /// <param name="id">The <c>kid</c>, if it is not to be that of the JWK or made from the key.</param>
    /// <exception cref="ArgumentException">No such key, or one that is too weak. The message holds nothing of the key.</exception>
    public static SigningKey Parse(string algorithm, string text, string? id = null)
    {
        if (!Algorithms.Contains(algorithm))
            throw new ArgumentException($"the algorithm {algorithm} is not supported; write one of {string.Join(", ", Algorithms)}.");
        try
        {
            using var jwk = Jwk(text);
            var key = Make(algorithm, text, jwk?.RootElement);
            var named = jwk is not null && jwk.RootElement.TryGetProperty("kid", out var kid) && kid.ValueKind == JsonValueKind.String ? kid.GetString() : null;
            key.Thumbprint = key.MakeThumbprint();
            key.Id = id is { Length: > 0 } ? id : named is { Length: > 0 } ? named : key.Thumbprint;
            return key;
        }
        // With the name of a parameter it is .NET's, about a PEM.
        catch (Exception error) when (error is CryptographicException or FormatException or InvalidOperationException or KeyNotFoundException or ArgumentException { ParamName: not null })
        {
            throw new ArgumentException($"this is no key for {algorithm}: {Kinds(algorithm)}", error);
        }
    }

    /// <summary>HS* with a secret of somebody else's making, which is as long as it is: a client's (OpenID Connect Core §10.1).</summary>
    public static SigningKey OfClientSecret(string secret, string algorithm = "HS256") => new Hmac(algorithm, StrictUtf8.GetBytes(secret));

    private static string Kinds(string algorithm) => algorithm[0] switch
    {
        'H' => "a secret text or a JWK of kty oct is wanted.",
        'E' => $"a PEM or JWK of the curve {Curve(algorithm).Name} is wanted, not encrypted.",
        _ => "an RSA key as PEM or JWK is wanted, not encrypted.",
    };

    private static SigningKey Make(string algorithm, string text, JsonElement? jwk)
    {
        if (jwk is { } j)
        {
            if (j.TryGetProperty("alg", out var alg) && alg.GetString() != algorithm)
                throw new ArgumentException($"the JWK is for {alg.GetString()}, not for {algorithm}.");
            var kty = j.GetProperty("kty").GetString();
            if (kty != (algorithm[0] switch { 'H' => "oct", 'E' => "EC", _ => "RSA" }))
                throw new ArgumentException($"the JWK is of kty {kty}: {Kinds(algorithm)}");
        }
        return algorithm[0] switch
        {
            'H' => new Hmac(algorithm, Secret(text, jwk)),
            'E' => new Ec(algorithm, EcOf(algorithm, text, jwk)),
            _ => new Rsa(algorithm, RsaOf(text, jwk)),
        };
    }

    private static JsonDocument? Jwk(string text)
    {
        if (!text.AsSpan().TrimStart().StartsWith("{")) return null;
        try
        {
            var json = JsonDocument.Parse(text, new JsonDocumentOptions { AllowDuplicateProperties = false });
            if (json.RootElement.ValueKind == JsonValueKind.Object && json.RootElement.TryGetProperty("kty", out _)) return json;
            json.Dispose();
            return null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static byte[] Secret(string text, JsonElement? jwk)
    {
        // Whoever has the public key could sign: the oldest of all JWT attacks, by configuration.
        if (text.Contains("-----BEGIN ", StringComparison.Ordinal) || text.StartsWith("ssh-", StringComparison.Ordinal))
            throw new ArgumentException("the key is a PEM or SSH key, and HS* needs a secret; choose RS256 or ES256, or another key.");
        var secret = jwk is { } j ? Member(j, "k") : StrictUtf8.GetBytes(text);
        return secret.Length >= LeastSecretBytes
            ? secret
            : throw new ArgumentException(
                $"the secret has {secret.Length} bytes; it needs at least {LeastSecretBytes} (RFC 7518 section 3.2). Make one with: openssl rand -base64 48");
    }

    private static RSAParameters RsaOf(string text, JsonElement? jwk)
    {
        if (jwk is { } j)
        {
            var isPrivate = j.TryGetProperty("d", out _);
            var modulus = Member(j, "n");
            var half = (modulus.Length + 1) / 2;
            return new RSAParameters
            {
                Modulus = modulus,
                Exponent = Member(j, "e"),
                D = isPrivate ? Padded(Member(j, "d"), modulus.Length) : null,
                P = isPrivate ? Padded(Member(j, "p"), half) : null,
                Q = isPrivate ? Padded(Member(j, "q"), half) : null,
                DP = isPrivate ? Padded(Member(j, "dp"), half) : null,
                DQ = isPrivate ? Padded(Member(j, "dq"), half) : null,
                InverseQ = isPrivate ? Padded(Member(j, "qi"), half) : null,
            };
        }
        using var rsa = IsCertificate(text) ? X509Certificate2.CreateFromPem(text).GetRSAPublicKey() ?? throw new FormatException() : RSA.Create();
        if (!IsCertificate(text)) rsa.ImportFromPem(text);
        return Export(rsa.ExportParameters);
    }

    private static ECParameters EcOf(string algorithm, string text, JsonElement? jwk)
    {
        var (name, size) = Curve(algorithm);
        if (jwk is { } j)
        {
            if (j.GetProperty("crv").GetString() != name) throw new FormatException();
            return new ECParameters
            {
                Curve = NamedCurve(name),
                Q = new ECPoint { X = Padded(Member(j, "x"), size), Y = Padded(Member(j, "y"), size) },
                D = j.TryGetProperty("d", out _) ? Padded(Member(j, "d"), size) : null,
            };
        }
        using var ec = IsCertificate(text) ? X509Certificate2.CreateFromPem(text).GetECDsaPublicKey() ?? throw new FormatException() : ECDsa.Create();
        if (!IsCertificate(text)) ec.ImportFromPem(text);
        var found = Export(ec.ExportParameters);
        if (found.Curve.Oid.Value != NamedCurve(name).Oid.Value && found.Curve.Oid.FriendlyName != NamedCurve(name).Oid.FriendlyName) throw new FormatException();
        return found with { Curve = NamedCurve(name) };
    }

    private static T Export<T>(Func<bool, T> export)
    {
        try
        {
            return export(true);
        }
        catch (CryptographicException)
        {
            return export(false);
        }
    }

    private static bool IsCertificate(string text) => text.Contains("-----BEGIN CERTIFICATE-----", StringComparison.Ordinal);

    private static (string Name, int Size) Curve(string algorithm) => algorithm switch
    {
        "ES256" => ("P-256", 32),
        "ES384" => ("P-384", 48),
        _ => ("P-521", 66),
    };

    private static ECCurve NamedCurve(string name) => name switch
    {
        "P-256" => ECCurve.NamedCurves.nistP256,
        "P-384" => ECCurve.NamedCurves.nistP384,
        _ => ECCurve.NamedCurves.nistP521,
    };

    private static byte[] Member(JsonElement jwk, string name) =>
        jwk.TryGetProperty(name, out var value) && value.GetString() is { } text ? Base64Url.DecodeFromChars(text) : throw new FormatException();

    private static byte[] Padded(byte[] value, int length)
    {
        if (value.Length > length) throw new FormatException();
        var padded = new byte[length];
        value.CopyTo(padded, length - value.Length);
        return padded;
    }

    private static HashAlgorithmName Hash(string algorithm) => algorithm[2..] switch
    {
        "256" => HashAlgorithmName.SHA256,
        "384" => HashAlgorithmName.SHA384,
        _ => HashAlgorithmName.SHA512,
    };

    protected virtual string MakeThumbprint()
    {
        var json = "{" + string.Join(',', PublicJwk.Select(member => $"\"{member.Name}\":\"{member.Value}\"")) + "}";
        return Base64Url.EncodeToString(SHA256.HashData(Encoding.ASCII.GetBytes(json)));
    }

    private sealed class Hmac(string algorithm, byte[] secret) : SigningKey(algorithm)
    {
        public override bool CanSign => true;

        public override int SignatureLength { get; } = int.Parse(algorithm.AsSpan(2), CultureInfo.InvariantCulture) / 8;

        public override string? Weakness => secret.Length < SignatureLength
            ? $"has {secret.Length} bytes; for {Algorithm} it should have at least {SignatureLength} (RFC 7518 section 3.2). Make one with: openssl rand -base64 64"
            : null;

        public override void Sign(ReadOnlySpan<byte> data, Span<byte> signature)
        {
            switch (SignatureLength)
            {
                case 32: HMACSHA256.HashData(secret, data, signature); break;
                case 48: HMACSHA384.HashData(secret, data, signature); break;
                default: HMACSHA512.HashData(secret, data, signature); break;
            }
        }

        public override bool Verify(ReadOnlySpan<byte> data, ReadOnlySpan<byte> signature)
        {
            Span<byte> right = stackalloc byte[64];
            right = right[..SignatureLength];
            Sign(data, right);
            return CryptographicOperations.FixedTimeEquals(right, signature);
        }

        protected override string MakeThumbprint() => Base64Url.EncodeToString(HMACSHA256.HashData(secret, "gatehouse kid"u8).AsSpan(0, 12));
    }

    private sealed class Rsa : SigningKey
    {
        private readonly RSAParameters parameters;
        private readonly Pool<RSA> pool;
        private readonly HashAlgorithmName hash;
        private readonly RSASignaturePadding padding;

        public Rsa(string algorithm, RSAParameters parameters) : base(algorithm)
        {
            this.parameters = parameters;
            pool = new(() => RSA.Create(this.parameters));
            hash = Hash(algorithm);
            padding = algorithm[0] == 'P' ? RSASignaturePadding.Pss : RSASignaturePadding.Pkcs1;
            var bits = pool.Use(rsa => rsa.KeySize);
            if (bits is < LeastRsaBits or > MostRsaBits) throw new ArgumentException($"the RSA key has {bits} bits; it needs at least {LeastRsaBits} (RFC 7518 section 3.3).");
            SignatureLength = (bits + 7) / 8;
        }

        public override bool CanSign => parameters.D is not null;

        public override int SignatureLength { get; }

        public override void Sign(ReadOnlySpan<byte> data, Span<byte> signature)
        {
            var rsa = pool.Take();
            rsa.TrySignData(data, signature, hash, padding, out _);
            pool.Return(rsa);
        }

        public override bool Verify(ReadOnlySpan<byte> data, ReadOnlySpan<byte> signature)
        {
            if (signature.Length != SignatureLength) return false;
            var rsa = pool.Take();
            var isGood = rsa.VerifyData(data, signature, hash, padding);
            pool.Return(rsa);
            return isGood;
        }

        public override IReadOnlyList<(string Name, string Value)> PublicJwk =>
            [("e", Base64Url.EncodeToString(parameters.Exponent)), ("kty", "RSA"), ("n", Base64Url.EncodeToString(parameters.Modulus))];
    }

    private sealed class Ec : SigningKey
    {
        private readonly ECParameters parameters;
        private readonly Pool<ECDsa> pool;
        private readonly HashAlgorithmName hash;

        public Ec(string algorithm, ECParameters parameters) : base(algorithm)
        {
            this.parameters = parameters;
            pool = new(() => ECDsa.Create(this.parameters));
            hash = Hash(algorithm);
            SignatureLength = 2 * Curve(algorithm).Size;
            _ = pool.Use(ec => ec.KeySize);
        }

        public override bool CanSign => parameters.D is not null;

        public override int SignatureLength { get; }

        public override void Sign(ReadOnlySpan<byte> data, Span<byte> signature)
        {
            var ec = pool.Take();
            ec.TrySignData(data, signature, hash, DSASignatureFormat.IeeeP1363FixedFieldConcatenation, out _);
            pool.Return(ec);
        }

        public override bool Verify(ReadOnlySpan<byte> data, ReadOnlySpan<byte> signature)
        {
            if (signature.Length != SignatureLength) return false;
            var ec = pool.Take();
            var isGood = ec.VerifyData(data, signature, hash, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
            pool.Return(ec);
            return isGood;
        }

        public override IReadOnlyList<(string Name, string Value)> PublicJwk =>
        [
            ("crv", Curve(Algorithm).Name), ("kty", "EC"), ("x", Base64Url.EncodeToString(parameters.Q.X)), ("y", Base64Url.EncodeToString(parameters.Q.Y)),
        ];
    }

    /// <summary>RSA and ECDsa objects promise nothing to two threads at once.</summary>
    private sealed class Pool<T>(Func<T> make) where T : class
    {
        private readonly ConcurrentBag<T> idle = [];

        public T Take() => idle.TryTake(out var one) ? one : make();

        public void Return(T one) => idle.Add(one);

        public TResult Use<TResult>(Func<T, TResult> use)
        {
            var one = Take();
            var result = use(one);
            Return(one);
            return result;
        }
    }
}
