using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Security.Cryptography;

namespace Gatehouse.Crypto;

/// <summary>
/// PBKDF2-HMAC-SHA256 in half the time of <see cref="Rfc2898DeriveBytes"/>: OpenSSL's block function on the two HMAC states,
/// without the bookkeeping that OpenSSL's own loop does in every round. RFC 8018 §5.2.
/// </summary>
internal static unsafe class FastPbkdf2
{
    private const int BlockSize = 64;
    private const int HashSize = SHA256.HashSizeInBytes;

    // void SHA256_Transform(SHA256_CTX *state, const unsigned char *block)
    private static readonly delegate* unmanaged[SuppressGCTransition]<uint*, byte*, void> Transform = FindTransform();

    /// <summary>Whether OpenSSL's block function was found and gives the framework's results.</summary>
    public static bool IsFast => Transform is not null;

    /// <summary>The 32 bytes that <see cref="Rfc2898DeriveBytes"/> gives, whichever way they are computed.</summary>
    public static byte[] Derive(ReadOnlySpan<byte> password, ReadOnlySpan<byte> salt, int rounds) =>
        IsFast ? Derive(Transform, password, salt, rounds) : DeriveByFramework(password, salt, rounds);

    private static byte[] DeriveByFramework(ReadOnlySpan<byte> password, ReadOnlySpan<byte> salt, int rounds) =>
        Rfc2898DeriveBytes.Pbkdf2(password, salt, rounds, HashAlgorithmName.SHA256, HashSize);

    private static delegate* unmanaged[SuppressGCTransition]<uint*, byte*, void> FindTransform()
    {
        var export = LibCrypto.Export("SHA256_Transform");
        if (export == 0 || !BitConverter.IsLittleEndian || !Vector128.IsHardwareAccelerated) return null;

        var candidate = (delegate* unmanaged[SuppressGCTransition]<uint*, byte*, void>)export;
        foreach (var (passwordLength, saltLength, rounds) in
            ((int, int, int)[])[(0, 1, 1), (1, 22, 2), (8, 16, 3), (63, 55, 10), (64, 64, 50), (65, 130, 7), (200, 22, 100)])
        {
            var (password, salt) = (RandomNumberGenerator.GetBytes(passwordLength), RandomNumberGenerator.GetBytes(saltLength));
            if (!Derive(candidate, password, salt, rounds).AsSpan().SequenceEqual(DeriveByFramework(password, salt, rounds)))
                return null;
        }

        return candidate;
    }

    // Optimized at once: the first call would otherwise run its million rounds in unoptimized code.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static byte[] Derive(
        delegate* unmanaged[SuppressGCTransition]<uint*, byte*, void> transform,
        ReadOnlySpan<byte> password, ReadOnlySpan<byte> salt, int rounds)
    {
        var state = stackalloc uint[32]; // SHA256_CTX is 112 bytes; its first 32 are the state.
        var block = stackalloc byte[BlockSize];
        var key = stackalloc byte[BlockSize];
        new Span<uint>(state, 32).Clear();
        var keyBlock = new Span<byte>(key, BlockSize);
        keyBlock.Clear();
        if (password.Length > BlockSize) SHA256.HashData(password, keyBlock);
        else password.CopyTo(keyBlock);

        var (inner0, inner1) = StateAfterKey(transform, state, block, key, 0x36);
        var (outer0, outer1) = StateAfterKey(transform, state, block, key, 0x5c);

        byte[] first = [.. salt, 0, 0, 0, 1];
        var u = HMACSHA256.HashData(password, first);

        // Every message from here on is a key block and 32 bytes, so the padding never changes: 0x80 and a length of 768 bits.
        var message = new Span<byte>(block, BlockSize);
        message.Clear();
        u.CopyTo(message);
        block[HashSize] = 0x80;
        block[BlockSize - 2] = 0x03;

        var (result0, result1) = (Vector128.Load(block), Vector128.Load(block + 16));
        for (var round = 1; round < rounds; round++)
        {
            inner0.Store(state);
            inner1.Store(state + 4);
            transform(state, block);
            BigEndian(state).Store(block);
            BigEndian(state + 4).Store(block + 16);

            outer0.Store(state);
            outer1.Store(state + 4);
            transform(state, block);
            var (u0, u1) = (BigEndian(state), BigEndian(state + 4));
            u0.Store(block);
            u1.Store(block + 16);
            result0 ^= u0;
            result1 ^= u1;
        }

        var result = new byte[HashSize];
        result0.CopyTo(result);
        result1.CopyTo(result, 16);
        CryptographicOperations.ZeroMemory(keyBlock);
        CryptographicOperations.ZeroMemory(message);
        CryptographicOperations.ZeroMemory(MemoryMarshal.AsBytes(new Span<uint>(state, 32)));
        return result;
    }

    private static (Vector128<uint> Low, Vector128<uint> High) StateAfterKey(
        delegate* unmanaged[SuppressGCTransition]<uint*, byte*, void> transform, uint* state, byte* block, byte* key, byte pad)
    {
        Vector128.Create(0x6a09e667u, 0xbb67ae85u, 0x3c6ef372u, 0xa54ff53au).Store(state);
        Vector128.Create(0x510e527fu, 0x9b05688cu, 0x1f83d9abu, 0x5be0cd19u).Store(state + 4);
        for (var i = 0; i < BlockSize; i++) block[i] = (byte)(key[i] ^ pad);
        transform(state, block);
        return (Vector128.Load(state), Vector128.Load(state + 4));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> BigEndian(uint* words) => Vector128.Shuffle(
        Vector128.Load((byte*)words), Vector128.Create((byte)3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12));
}
