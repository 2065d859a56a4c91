using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Gatehouse.Crypto;

/// <summary>
/// Which passwords were verified a moment ago, so that a client sending one with every request pays for the hash once. Kept are
/// only MACs under a key of this process, over the stored hash too: a changed password is not known any more.
/// </summary>
internal sealed class RememberedPasswords(int capacity = 10_000)
{
    private const int StackLimit = 1024;

    private readonly byte[] key = RandomNumberGenerator.GetBytes(32);
    private readonly Remembered<UInt128, bool> verified = new(capacity);

    public bool Knows(long userId, string stored, string password) =>
        password.Length <= PasswordHashes.MaxPasswordLength && verified.TryGet(Mac(userId, stored, password), out _);

    public void Remember(long userId, string stored, string password) => verified.Add(Mac(userId, stored, password), true);

    // Half of the MAC is kept: 128 bits that nobody without the key can aim at.
    private UInt128 Mac(long userId, string stored, string password)
    {
        var storedBytes = MemoryMarshal.AsBytes(stored.AsSpan());
        var passwordBytes = MemoryMarshal.AsBytes(password.AsSpan());
        var length = 16 + storedBytes.Length + passwordBytes.Length;
        var buffer = length <= StackLimit ? stackalloc byte[StackLimit] : new byte[length];
        var message = buffer[..length];
        BinaryPrimitives.WriteInt64LittleEndian(message, userId);
        BinaryPrimitives.WriteInt32LittleEndian(message[8..], storedBytes.Length);
        BinaryPrimitives.WriteInt32LittleEndian(message[12..], passwordBytes.Length);
        storedBytes.CopyTo(message[16..]);
        passwordBytes.CopyTo(message[(16 + storedBytes.Length)..]);

        Span<byte> mac = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(key, message, mac);
        CryptographicOperations.ZeroMemory(message);
        return BinaryPrimitives.ReadUInt128LittleEndian(mac);
    }
}
