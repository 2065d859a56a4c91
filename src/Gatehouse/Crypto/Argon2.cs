using System.Buffers;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace Gatehouse.Crypto;

/// <summary>
/// <c>argon2$argon2id$v=19$m=102400,t=2,p=8$salt$hash</c> by the system's libargon2 (Django's Argon2PasswordHasher).
/// It verifies argon2i and argon2d too, and makes argon2id.
/// </summary>
internal sealed unsafe class Argon2 : PasswordHash
{
    private const int MaxMemoryKiB = 1 << 20;
    private const int MaxEncodedLength = 512;
    private static readonly Cost Default = new(Type: 2, Version: 19, MemoryKiB: 102_400, Passes: 2, Lanes: 8, HashSize: 32);

    private static readonly SearchValues<char> Base64 =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");

    // int argon2_verify(encoded, pwd, pwdlen, type)
    private readonly delegate* unmanaged<byte*, byte*, nuint, int, int> verify;

    // int argon2id_hash_encoded(t_cost, m_cost, parallelism, pwd, pwdlen, salt, saltlen, hashlen, encoded, encodedlen)
    private readonly delegate* unmanaged<uint, uint, uint, byte*, nuint, byte*, nuint, nuint, byte*, nuint, int> make;

    public Argon2(string libraryName = "libargon2.so.1")
    {
        if (NativeLibrary.TryLoad(libraryName, out var library)
            && NativeLibrary.TryGetExport(library, "argon2_verify", out var verifyExport)
            && NativeLibrary.TryGetExport(library, "argon2id_hash_encoded", out var makeExport))
        {
            verify = (delegate* unmanaged<byte*, byte*, nuint, int, int>)verifyExport;
            make = (delegate* unmanaged<uint, uint, uint, byte*, nuint, byte*, nuint, nuint, byte*, nuint, int>)makeExport;
        }
        else
        {
            MissingLibrary = libraryName;
        }
    }

    public override string Algorithm => "argon2";

    public override string? MissingLibrary { get; }

    public override string Make(string password, string salt)
    {
        if (make is null) throw new CryptographicException($"{MissingLibrary} is missing.");

        var (passwordBytes, saltBytes) = (Encoding.UTF8.GetBytes(password), Encoding.UTF8.GetBytes(salt));
        var encoded = stackalloc byte[MaxEncodedLength];
        fixed (byte* p = passwordBytes, s = saltBytes)
        {
            var error = make((uint)Default.Passes, (uint)Default.MemoryKiB, (uint)Default.Lanes, p, (nuint)passwordBytes.Length,
                s, (nuint)saltBytes.Length, (nuint)Default.HashSize, encoded, MaxEncodedLength);
            if (error != 0) throw new CryptographicException($"libargon2 failed with error {error}.");
        }

        return Algorithm + Marshal.PtrToStringUTF8((nint)encoded);
    }

    public override bool Verify(string password, string encoded)
    {
        if (verify is null || Read(encoded, out var cost, out _) is not null) return false;

        var (passwordBytes, encodedBytes) = (Encoding.UTF8.GetBytes(password), Encoding.UTF8.GetBytes(encoded[Algorithm.Length..] + '\0'));
        fixed (byte* p = passwordBytes, e = encodedBytes)
            return verify(e, p, (nuint)passwordBytes.Length, cost.Type) == 0;
    }

    public override bool MustUpdate(string encoded) =>
        Read(encoded, out var cost, out var saltSize) is null && (cost != Default || saltSize < SaltLength);

    // The work of argon2 has no simple complement, so Django's class has no HardenRuntime either.
    public override string? Refuse(string encoded) => Read(encoded, out _, out _);

    private static string? Read(string encoded, out Cost cost, out int saltSize)
    {
        (cost, saltSize) = (default, 0);
        var parts = encoded.Split('$').ToList();
        // Hashes of argon2 1.0, which came before the version was written down.
        if (parts.Count == 5) parts.Insert(2, "v=16");
        if (parts is not ["argon2", var type, var version, var parameters, { Length: > 0 } salt, { Length: > 0 } hash]
            || Array.IndexOf(["argon2d", "argon2i", "argon2id"], type) is var typeNumber && typeNumber < 0
            || version is not ("v=16" or "v=19")
            || parameters.Split(',') is not [['m', '=', .. var m], ['t', '=', .. var t], ['p', '=', .. var p]]
            || !TryReadNumber(m, out var memory) || !TryReadNumber(t, out var passes) || !TryReadNumber(p, out var lanes)
            || salt.AsSpan().ContainsAnyExcept(Base64) || hash.AsSpan().ContainsAnyExcept(Base64))
            return Malformed;
        if (memory > MaxMemoryKiB) return "argon2 memory above 1 GiB";
        if (passes > 64) return "argon2 t above 64";
        if (lanes > 64) return "argon2 p above 64";
        // Each pass over a GiB takes about a second; Django's default is a twentieth of one.
        if (memory * passes > 4 * MaxMemoryKiB) return "argon2 m·t above 4 GiB";

        cost = new Cost(typeNumber, version == "v=19" ? 19 : 16, (int)memory, (int)passes, (int)lanes, HashSize: hash.Length * 3 / 4);
        saltSize = salt.Length * 3 / 4;
        return null;
    }

    private readonly record struct Cost(int Type, int Version, int MemoryKiB, int Passes, int Lanes, int HashSize);
}
