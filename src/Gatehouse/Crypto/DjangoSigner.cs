using System.Buffers.Text;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;

namespace Gatehouse.Crypto;

/// <summary>Signs and verifies as <c>django.core.signing</c> does, with the key and its former ones.</summary>
/// <param name="salt">Keeps uses of one key apart: <c>django.contrib.sessions.SessionStore</c>.</param>
/// <param name="keys">The key that signs, then those that still verify.</param>
internal sealed class DjangoSigner(string salt, IReadOnlyList<string> keys)
{
    // A session of this size would not be one; data is signed, but a stored bomb should not cost memory either.
    private const int MaxInflated = 4 * 1024 * 1024;
    private const string Base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

    private readonly byte[][] derived = [.. keys.Select(key => SHA256.HashData(Encoding.UTF8.GetBytes(salt + "signer" + key)))];

    /// <summary><c>signing.dumps(compress=True)</c>: data, time and signature, joined by colons.</summary>
    public string Sign(ReadOnlySpan<byte> json, DateTimeOffset now)
    {
        var packed = Deflate(json);
        var data = packed.Length < json.Length - 1 ? "." + Base64Url.EncodeToString(packed) : Base64Url.EncodeToString(json);
        var signed = data + ":" + ToBase62(now.ToUnixTimeSeconds());
        return signed + ":" + Base64Url.EncodeToString(HMACSHA256.HashData(derived[0], Encoding.UTF8.GetBytes(signed)));
    }

    /// <returns>The JSON that was signed, or null for anything that this key or a former one did not sign.</returns>
    public byte[]? Verify(string text)
    {
        if (text.LastIndexOf(':') is not (> 0 and var last) || text.LastIndexOf(':', last - 1) is not (> 0 and var middle)) return null;

        Span<byte> given = stackalloc byte[32];
        if (!Base64Url.IsValid(text.AsSpan(last + 1), out var length) || length != 32) return null;
        Base64Url.DecodeFromChars(text.AsSpan(last + 1), given);

        var signed = Encoding.UTF8.GetBytes(text, 0, last);
        Span<byte> right = stackalloc byte[32];
        var verified = false;
        foreach (var key in derived)
        {
            HMACSHA256.HashData(key, signed, right);
            if (!CryptographicOperations.FixedTimeEquals(right, given)) continue;
            verified = true;
            break;
        }
        if (!verified) return null;

        try
        {
            return text[0] == '.' ? Inflate(Base64Url.DecodeFromChars(text.AsSpan(1, middle - 1))) : Base64Url.DecodeFromChars(text.AsSpan(0, middle));
        }
        catch (Exception error) when (error is FormatException or InvalidDataException)
        {
            return null;
        }
    }

    /// <summary>When such a text says that it was signed; null when it is none. The signature is not looked at.</summary>
    public static DateTimeOffset? TimeOf(string text)
    {
        if (text.LastIndexOf(':') is not (> 0 and var last) || text.LastIndexOf(':', last - 1) is not (> 0 and var middle) || last - middle is < 2 or > 8) return null;
        long seconds = 0;
        foreach (var digit in text.AsSpan(middle + 1, last - middle - 1))
        {
            var value = Base62.IndexOf(digit, StringComparison.Ordinal);
            if (value < 0) return null;
            seconds = seconds * 62 + value;
        }
        return seconds <= DateTimeOffset.MaxValue.ToUnixTimeSeconds() ? DateTimeOffset.FromUnixTimeSeconds(seconds) : null;
    }

    /// <summary>Hex of <c>salted_hmac</c> with SHA-256: the session's tie to the password column (<c>get_session_auth_hash</c>).</summary>
    public static string SaltedHmac(string salt, string key, string value)
    {
        Span<byte> derived = stackalloc byte[32];
        SHA256.HashData(Encoding.UTF8.GetBytes(salt + key), derived);
        return Convert.ToHexStringLower(HMACSHA256.HashData(derived, Encoding.UTF8.GetBytes(value)));
    }

    private static byte[] Deflate(ReadOnlySpan<byte> data)
    {
        using var packed = new MemoryStream();
        using (var zlib = new ZLibStream(packed, CompressionLevel.Optimal, leaveOpen: true)) zlib.Write(data);
        return packed.ToArray();
    }

    private static byte[] Inflate(byte[] packed)
    {
        using var zlib = new ZLibStream(new MemoryStream(packed), CompressionMode.Decompress);
        using var data = new MemoryStream();
        var buffer = new byte[4096];
        while (zlib.Read(buffer) is > 0 and var read)
        {
            data.Write(buffer, 0, read);
            if (data.Length > MaxInflated) throw new InvalidDataException("Too long.");
        }
        return data.ToArray();
    }

    private static string ToBase62(long number)
    {
        if (number == 0) return "0";
        Span<char> digits = stackalloc char[11];
        var at = digits.Length;
        for (; number > 0; number /= 62) digits[--at] = Base62[(int)(number % 62)];
        return digits[at..].ToString();
    }
}
