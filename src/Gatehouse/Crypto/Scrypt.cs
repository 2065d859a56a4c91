using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Gatehouse.Crypto;

/// <summary><c>scrypt$N$salt$r$p$base64</c> by OpenSSL's EVP_PBE_scrypt (Django's ScryptPasswordHasher).</summary>
internal sealed unsafe class Scrypt : PasswordHash
{
    private const int HashSize = 64;
    private const long GiB = 1L << 30;
    private static readonly Cost Default = new(N: 1 << 14, R: 8, P: 5);

    // int EVP_PBE_scrypt(pass, passlen, salt, saltlen, N, r, p, maxmem, key, keylen)
    private static readonly delegate* unmanaged<byte*, nuint, byte*, nuint, ulong, ulong, ulong, ulong, byte*, nuint, int> Native =
        (delegate* unmanaged<byte*, nuint, byte*, nuint, ulong, ulong, ulong, ulong, byte*, nuint, int>)
        LibCrypto.Export("EVP_PBE_scrypt");

    public override string Algorithm => "scrypt";

    public override string? MissingLibrary => Native is null ? "libcrypto (OpenSSL)" : null;

    public override string Make(string password, string salt) =>
        TryEncode(password, salt, Default) ?? throw new CryptographicException("scrypt failed: OpenSSL is missing or out of memory.");

    public override bool Verify(string password, string encoded) =>
        Read(encoded, out var cost, out var salt) is null
        && TryEncode(password, salt, cost) is { } again && FixedTimeEquals(encoded, again);

    public override bool MustUpdate(string encoded) => Read(encoded, out var cost, out _) is null && cost != Default;

    public override string? Refuse(string encoded) => Read(encoded, out _, out _);

    private static string? Read(string encoded, out Cost cost, out string salt)
    {
        (cost, salt) = (default, "");
        if (encoded.Split('$') is not ["scrypt", var nText, { Length: > 0 } saltText, var rText, var pText, _]
            || !TryReadNumber(nText, out var n) || !TryReadNumber(rText, out var r) || !TryReadNumber(pText, out var p)
            || n < 2 || r == 0 || p == 0)
            return Malformed;
        if (n > 1 << 20) return "scrypt N above 2^20";
        if (!long.IsPow2(n)) return "scrypt N that is not a power of two";
        if (p > 64) return "scrypt p above 64";
        if (r > GiB / 128 / n) return "scrypt memory above 1 GiB";
        // Memory alone does not bound the time: this is a hundred times Django's default work, some 20 seconds.
        if (n * r > (1L << 26) / p) return "scrypt N·r·p above 2^26";

        (cost, salt) = (new Cost((int)n, (int)r, (int)p), saltText);
        return null;
    }

    private static string? TryEncode(string password, string salt, Cost cost)
    {
        if (Native is null) return null;

        var (passwordBytes, saltBytes, hash) = (Encoding.UTF8.GetBytes(password), Encoding.UTF8.GetBytes(salt), new byte[HashSize]);
        fixed (byte* p = passwordBytes, s = saltBytes, h = hash)
        {
            // Room for the working arrays beside the 128·N·r that Read has limited.
            const ulong maxMemory = 2 * GiB;
            var done = Native(p, (nuint)passwordBytes.Length, s, (nuint)saltBytes.Length,
                (ulong)cost.N, (ulong)cost.R, (ulong)cost.P, maxMemory, h, HashSize);
            if (done != 1) return null;
        }

        return string.Create(
            CultureInfo.InvariantCulture, $"scrypt${cost.N}${salt}${cost.R}${cost.P}${Convert.ToBase64String(hash)}");
    }

    private readonly record struct Cost(int N, int R, int P);
}
