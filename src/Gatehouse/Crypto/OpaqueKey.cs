using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace Gatehouse.Crypto;

/// <summary>
/// A secret as an address may name it: AES-GCM under a key from <c>SECRET_KEY</c>, the nonce from the text itself, so that a secret has one name
/// and the name tells nothing.
/// </summary>
internal sealed class OpaqueKey
{
    private const int NonceLength = 12;
    private const int TagLength = 16;
    private const int Longest = 512;

    private readonly byte[] sealing;
    private readonly byte[] naming;

    /// <param name="secretKey"><c>SECRET_KEY</c>.</param>
    /// <param name="use">Keeps uses of one key apart.</param>
    public OpaqueKey(string secretKey, string use)
    {
        var secret = Encoding.UTF8.GetBytes(secretKey);
        sealing = HKDF.DeriveKey(HashAlgorithmName.SHA256, secret, 32, info: Encoding.UTF8.GetBytes(use + " seal"));
        naming = HKDF.DeriveKey(HashAlgorithmName.SHA256, secret, 32, info: Encoding.UTF8.GetBytes(use + " nonce"));
    }

    /// <summary>Letters, digits, <c>-</c> and <c>_</c>.</summary>
    public string Seal(string secret)
    {
        var text = Encoding.UTF8.GetBytes(secret);
        var bytes = new byte[NonceLength + text.Length + TagLength];
        HMACSHA256.HashData(naming, text).AsSpan(0, NonceLength).CopyTo(bytes);
        using var aes = new AesGcm(sealing, TagLength);
        aes.Encrypt(bytes.AsSpan(0, NonceLength), text, bytes.AsSpan(NonceLength, text.Length), bytes.AsSpan(NonceLength + text.Length));
        return Base64Url.EncodeToString(bytes);
    }

    /// <summary>What was sealed; null for all that this key did not seal.</summary>
    public string? Open(string name)
    {
        if (name.Length > Longest || !Base64Url.IsValid(name)) return null;
        var bytes = Base64Url.DecodeFromChars(name);
        if (bytes.Length < NonceLength + TagLength) return null;
        var text = new byte[bytes.Length - NonceLength - TagLength];
        try
        {
            using var aes = new AesGcm(sealing, TagLength);
            aes.Decrypt(bytes.AsSpan(0, NonceLength), bytes.AsSpan(NonceLength, text.Length), bytes.AsSpan(NonceLength + text.Length), text);
            return Encoding.UTF8.GetString(text);
        }
        catch (AuthenticationTagMismatchException)
        {
            return null;
        }
    }
}
