using System.Buffers;
using System.Buffers.Binary;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;

namespace Gatehouse.Crypto;

/// <summary>
/// JSON Web Tokens in the compact form, signed (RFC 7515, 7519). What is not exactly in that form is refused: other alphabets, spare bits,
/// doubled members, headers that bring keys along or that change the meaning (RFC 8725).
/// </summary>
internal sealed class JwtCodec
{
    public const int DefaultMaxLength = 8 * 1024;

    public const int DefaultRemembered = 10_000;

    // What is verified once is remembered, unless it would take much room.
    private const int LongestRemembered = 2 * 1024;
    private const int SecretLength = 32;

    private static readonly SearchValues<char> Alphabet = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");
    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false, MaxDepth = 64 };
    private static readonly string[] Forbidden = ["crit", "jwk", "jku", "x5u", "x5c", "b64", "enc", "zip"];

    private readonly SigningKeys keys;
    private readonly int maxLength;
    private readonly string ownHeader = "";
    private readonly byte[] secret = RandomNumberGenerator.GetBytes(SecretLength);
    // By the key itself and not its object: JWK_URL brings new objects with each fetch.
    private readonly Remembered<UInt128, (string Key, JsonElement Claims)>? verified;

    /// <param name="keys">Which sign and verify.</param>
    /// <param name="maxLength">The longest token that is looked at, in characters.</param>
    /// <param name="remembered">How many verified tokens of public keys are remembered; 0 none.</param>
    public JwtCodec(SigningKeys keys, int maxLength = DefaultMaxLength, int remembered = DefaultRemembered)
    {
        this.keys = keys;
        this.maxLength = maxLength;
        if (remembered > 0) verified = new(remembered);
        if (keys.Signer is { } signer) ownHeader = HeaderOf(signer);
    }

    public bool CanSign => keys.Signer is not null;

    /// <summary>The claims of a token whose signature is right; null for all else. What the claims say, times included, is not looked at.</summary>
    public ValueTask<JsonElement?> ReadAsync(string token) => keys.Remote is { } remote ? ReadRemoteAsync(token, remote) : new(Read(token));

    private async ValueTask<JsonElement?> ReadRemoteAsync(string token, JwkSet remote)
    {
        if (!TryParse(token, out var parsed)) return null;
        return await remote.FindAsync(parsed.KeyId) is { } key && key.Algorithm == parsed.Algorithm ? Verify(token, parsed, key) : null;
    }

    /// <summary>As <see cref="ReadAsync"/>, with the configured keys alone.</summary>
    public JsonElement? Read(string token)
    {
        if (!TryParse(token, out var parsed)) return null;
        foreach (var key in keys.Find(parsed.Algorithm, parsed.KeyId))
            if (Verify(token, parsed, key) is { } claims)
                return claims;
        return null;
    }

    /// <summary>What a token says for itself, whoever made it: for choosing the key to verify it with, and for nothing else.</summary>
    public static JsonElement? ReadUnverified(string token)
    {
        if (token.Length > DefaultMaxLength || token.Split('.') is not [_, var payload, _]) return null;
        return Decode(payload) is { } bytes ? Json(bytes) : null;
    }

    /// <summary>The same of its header.</summary>
    public static JsonElement? HeaderOf(string token) =>
        token.Length <= DefaultMaxLength && token.Split('.') is [var header, _, _] && Decode(header) is { } bytes ? Json(bytes) : null;

    /// <summary>Signs claims, which are one JSON object.</summary>
    public string Write(ReadOnlySpan<byte> claims)
    {
        var signer = keys.Signer ?? throw new InvalidOperationException("There is no key to sign with.");
        var signed = ownHeader.Length + 1 + Base64Url.GetEncodedLength(claims.Length);
        var buffer = ArrayPool<byte>.Shared.Rent(signed + signer.SignatureLength);
        try
        {
            Encoding.ASCII.GetBytes(ownHeader, buffer);
            buffer[ownHeader.Length] = (byte)'.';
            Base64Url.EncodeToUtf8(claims, buffer.AsSpan(ownHeader.Length + 1));
            var signature = buffer.AsSpan(signed, signer.SignatureLength);
            signer.Sign(buffer.AsSpan(0, signed), signature);
            return string.Concat(Encoding.ASCII.GetString(buffer.AsSpan(0, signed)), ".", Base64Url.EncodeToString(signature));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    // Members in alphabetical order, as PyJWT writes them.
    private string HeaderOf(SigningKey key) => Base64Url.EncodeToString(JsonSerializer.SerializeToUtf8Bytes(keys.NamesKeys
        ? new SortedDictionary<string, string>(StringComparer.Ordinal) { ["alg"] = key.Algorithm, ["kid"] = key.Id, ["typ"] = "JWT" }
        : new SortedDictionary<string, string>(StringComparer.Ordinal) { ["alg"] = key.Algorithm, ["typ"] = "JWT" }));

    /// <summary>Three segments, and a header that can be ours.</summary>
    private bool TryParse(string token, out Parsed parsed)
    {
        parsed = default;
        if (token.Length > maxLength) return false;
        var first = token.IndexOf('.');
        if (first <= 0) return false;
        var second = token.IndexOf('.', first + 1);
        if (second <= first + 1 || second == token.Length - 1 || token.IndexOf('.', second + 1) >= 0) return false;

        var header = token.AsSpan(0, first);
        if (header.SequenceEqual(ownHeader))
        {
            parsed = new Parsed(keys.Signer!.Algorithm, keys.NamesKeys ? keys.Signer.Id : null, first, second);
            return true;
        }

        if (Decode(header) is not { } bytes || Json(bytes) is not { } json) return false;
        foreach (var name in Forbidden)
            if (json.TryGetProperty(name, out _))
                return false;
        if (!json.TryGetProperty("alg", out var algorithm) || algorithm.ValueKind != JsonValueKind.String) return false;
        string? id = null;
        if (json.TryGetProperty("kid", out var kid))
        {
            if (kid.ValueKind != JsonValueKind.String) return false;
            id = kid.GetString();
        }
        if (json.TryGetProperty("typ", out var type) && type.ValueKind != JsonValueKind.String) return false;
        parsed = new Parsed(algorithm.GetString()!, id, first, second);
        return true;
    }

    private JsonElement? Verify(string token, in Parsed parsed, SigningKey key)
    {
        UInt128 mark = 0;
        var remembered = key.IsAsymmetric && token.Length <= LongestRemembered ? verified : null;
        if (remembered is not null)
        {
            if (!TryMark(token, out mark)) return null;
            if (remembered.TryGet(mark, out var known)) return known.Key == key.Thumbprint ? known.Claims : null;
        }

        var payload = token.AsSpan(parsed.First + 1, parsed.Second - parsed.First - 1);
        if (payload.ContainsAnyExcept(Alphabet)) return null;
        Span<byte> signature = stackalloc byte[key.SignatureLength];
        if (!TryDecode(token.AsSpan(parsed.Second + 1), signature, out var length) || length != signature.Length) return null;

        var signed = ArrayPool<byte>.Shared.Rent(parsed.Second);
        try
        {
            Encoding.ASCII.GetBytes(token.AsSpan(0, parsed.Second), signed);
            if (!key.Verify(signed.AsSpan(0, parsed.Second), signature)) return null;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(signed);
        }

        if (Decode(payload) is not { } bytes || Json(bytes) is not { } claims) return null;
        remembered?.Add(mark, (key.Thumbprint, claims));
        return claims;
    }

    /// <summary>Half of a digest behind a secret of this process, so that nobody can aim at it; false for what is not ASCII and so no token.</summary>
    private bool TryMark(string token, out UInt128 mark)
    {
        mark = 0;
        Span<byte> message = stackalloc byte[SecretLength + LongestRemembered];
        secret.CopyTo(message);
        if (Ascii.FromUtf16(token, message[SecretLength..], out var length) != OperationStatus.Done) return false;

        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(message[..(SecretLength + length)], digest);
        mark = BinaryPrimitives.ReadUInt128LittleEndian(digest);
        return true;
    }

    private static byte[]? Decode(ReadOnlySpan<char> text)
    {
        var bytes = new byte[Base64Url.GetMaxDecodedLength(text.Length)];
        return TryDecode(text, bytes, out var length) ? length == bytes.Length ? bytes : bytes[..length] : null;
    }

    /// <summary>Exactly RFC 4648 §5 without padding: no blanks, and the bits that stand for nothing are zero.</summary>
    private static bool TryDecode(ReadOnlySpan<char> text, Span<byte> bytes, out int length)
    {
        length = 0;
        var rest = text.Length % 4;
        if (text.IsEmpty || rest == 1 || text.ContainsAnyExcept(Alphabet)) return false;
        if (rest != 0 && (Digit(text[^1]) & (rest == 2 ? 0b1111 : 0b11)) != 0) return false;
        return Base64Url.GetMaxDecodedLength(text.Length) <= bytes.Length && Base64Url.TryDecodeFromChars(text, bytes, out length);
    }

    private static int Digit(char c) => c switch
    {
        >= 'A' and <= 'Z' => c - 'A',
        >= 'a' and <= 'z' => c - 'a' + 26,
        >= '0' and <= '9' => c - '0' + 52,
        '-' => 62,
        _ => 63,
    };

    /// <summary>One JSON object without doubled members, in UTF-8 and with texts that are Unicode; null for all else.</summary>
    private static JsonElement? Json(byte[] bytes)
    {
        if (!Utf8.IsValid(bytes)) return null;
        try
        {
            // Of memory of its own: claims may be remembered.
            using var document = JsonDocument.Parse(bytes, Strict);
            if (document.RootElement.ValueKind != JsonValueKind.Object) return null;
            // Only an escape can write half a surrogate pair.
            if (bytes.AsSpan().Contains((byte)'\\') && !IsUnicode(document.RootElement)) return null;
            return document.RootElement.Clone();
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    private static bool IsUnicode(JsonElement element)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.String: return element.GetString() is not null;
            case JsonValueKind.Array: return element.EnumerateArray().All(IsUnicode);
            case JsonValueKind.Object: return element.EnumerateObject().All(member => member.Name is not null && IsUnicode(member.Value));
            default: return true;
        }
    }

    private readonly record struct Parsed(string Algorithm, string? KeyId, int First, int Second);
}
