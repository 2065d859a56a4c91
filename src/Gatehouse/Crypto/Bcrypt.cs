using System.Buffers;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace Gatehouse.Crypto;

/// <summary>
/// <c>bcrypt$$2b$12$salthash</c> by the system's libcrypt (Django's BCryptPasswordHasher): only the first 72 bytes of the
/// password count, and a password with a NUL never matches.
/// </summary>
internal unsafe class Bcrypt : PasswordHash
{
    private const string Alphabet = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    private const int DefaultCost = 12;
    private const int SaltAndHashLength = 22 + 31;
    private const int PasswordLimit = 72;
    private const int CryptDataSize = 32768;
    private static readonly SearchValues<char> AlphabetSet = SearchValues.Create(Alphabet);

    // char *crypt_rn(phrase, setting, data, size): crypt_r with the size of its buffer. Only libxcrypt has it, as it has bcrypt.
    private readonly delegate* unmanaged<byte*, byte*, void*, int, byte*> crypt;

    public Bcrypt(params ReadOnlySpan<string> libraryNames)
    {
        foreach (var name in libraryNames.IsEmpty ? ["libcrypt.so.1", "libcrypt.so.2"] : libraryNames)
        {
            if (!NativeLibrary.TryLoad(name, out var library) || !NativeLibrary.TryGetExport(library, "crypt_rn", out var export)) continue;
            crypt = (delegate* unmanaged<byte*, byte*, void*, int, byte*>)export;
            return;
        }

        MissingLibrary = "libcrypt.so.1 (libxcrypt)";
    }

    public override string Algorithm => "bcrypt";

    public override string? MissingLibrary { get; }

    /// <summary>What is given to bcrypt in place of the password.</summary>
    protected virtual byte[] Prepare(byte[] password) => password;

    public override string NewSalt()
    {
        var bytes = RandomNumberGenerator.GetBytes(16);
        var salt = new StringBuilder($"$2b${DefaultCost}$");
        for (var bit = 0; bit < 128; bit += 6)
        {
            var pair = bytes[bit / 8] << 8 | (bit / 8 + 1 < bytes.Length ? bytes[bit / 8 + 1] : 0);
            salt.Append(Alphabet[pair >> (10 - bit % 8) & 63]);
        }

        return salt.ToString();
    }

    public override string Make(string password, string salt)
    {
        var bytes = Prepare(Encoding.UTF8.GetBytes(password));
        if (bytes.Contains((byte)0)) throw new ArgumentException("bcrypt cannot hash a password with a NUL.", nameof(password));

        return $"{Algorithm}${Crypt(bytes, salt) ?? throw new CryptographicException("bcrypt failed: libcrypt refused, or is missing.")}";
    }

    public override bool Verify(string password, string encoded)
    {
        if (Read(encoded, out _) is not null) return false;

        var bytes = Prepare(Encoding.UTF8.GetBytes(password));
        return Crypt(bytes, encoded[(Algorithm.Length + 1)..]) is { } hash
            && FixedTimeEquals(encoded, $"{Algorithm}${hash}") && !bytes.Contains((byte)0);
    }

    public override bool MustUpdate(string encoded) => Read(encoded, out var cost) is null && cost != DefaultCost;

    public override void HardenRuntime(string password, string encoded)
    {
        if (Read(encoded, out var cost) is not null) return;

        // Each step of the cost doubles the work.
        var bytes = Prepare(Encoding.UTF8.GetBytes(password));
        for (var more = (1 << Math.Max(0, DefaultCost - cost)) - 1; more > 0; more--)
            Crypt(bytes, encoded[(Algorithm.Length + 1)..]);
    }

    public override string? Refuse(string encoded) => Read(encoded, out _);

    private string? Read(string encoded, out int cost)
    {
        cost = 0;
        if (encoded.Split('$') is not [var algorithm, "", "2a" or "2b" or "2y", { Length: 2 } costText, { Length: SaltAndHashLength } data]
            || algorithm != Algorithm || data.AsSpan().ContainsAnyExcept(AlphabetSet)
            || !int.TryParse(costText, NumberStyles.None, CultureInfo.InvariantCulture, out cost) || cost < 4)
            return Malformed;

        // Each step doubles the time: 16 takes some three seconds.
        return cost > 16 ? "bcrypt cost above 16" : null;
    }

    private string? Crypt(byte[] password, string setting)
    {
        if (crypt is null) return null;

        // 2a, 2b and 2y name bugs of long ago that no password of 72 bytes of UTF-8 can reach: all are computed as 2b.
        byte[] phrase = [.. password.AsSpan(0, Math.Min(password.Length, PasswordLimit)), 0];
        var settingBytes = Encoding.ASCII.GetBytes($"$2b{setting[3..]}\0");
        var data = NativeMemory.AllocZeroed(CryptDataSize);
        try
        {
            fixed (byte* p = phrase, s = settingBytes)
                return Marshal.PtrToStringUTF8((nint)crypt(p, s, data, CryptDataSize)) is ['$', '2', 'b', .. var rest] ? setting[..3] + rest : null;
        }
        finally
        {
            NativeMemory.Clear(data, CryptDataSize);
            NativeMemory.Free(data);
        }
    }
}

/// <summary>bcrypt over the lower-case hex SHA-256 of the password, which has no length limit (Django's BCryptSHA256PasswordHasher).</summary>
internal sealed class BcryptSha256(params ReadOnlySpan<string> libraryNames) : Bcrypt(libraryNames)
{
    public override string Algorithm => "bcrypt_sha256";

    protected override byte[] Prepare(byte[] password) =>
        Encoding.ASCII.GetBytes(Convert.ToHexStringLower(SHA256.HashData(password)));
}
