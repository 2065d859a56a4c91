using System.Buffers.Binary;
using System.Collections.Concurrent;
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
    private readonly Lock turning = new();

    // When the newer half is full it becomes the older one, and what nobody asked for meanwhile is forgotten.
    private volatile ConcurrentDictionary<UInt128, bool> newer = new();
    private volatile ConcurrentDictionary<UInt128, bool> older = new();

    public bool Knows(long userId, string stored, string password)
    {
        if (password.Length > PasswordHashes.MaxPasswordLength) return false;

        var mac = Mac(userId, stored, password);
        if (newer.ContainsKey(mac)) return true;
        if (!older.ContainsKey(mac)) return false;

        Add(mac);
        return true;
    }

    public void Remember(long userId, string stored, string password) => Add(Mac(userId, stored, password));

    private void Add(UInt128 mac)
    {
        lock (turning)
        {
            if (newer.Count >= Math.Max(1, capacity / 2))
            {
                older = newer;
                newer = new();
            }

            newer.TryAdd(mac, true);
        }
    }

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
