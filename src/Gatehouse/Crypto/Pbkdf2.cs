using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Gatehouse.Crypto;

/// <summary><c>algorithm$rounds$salt$base64</c> (Django's PBKDF2PasswordHasher).</summary>
internal abstract class Pbkdf2(int rounds) : PasswordHash
{
    public const int DefaultRounds = 1_000_000;
    public const int MaxRounds = 10_000_000;

    protected abstract byte[] Derive(ReadOnlySpan<byte> password, ReadOnlySpan<byte> salt, int rounds);

    public override string Make(string password, string salt) => Encode(password, salt, rounds);

    public override bool Verify(string password, string encoded) =>
        Read(encoded, out var storedRounds, out var salt) is null
        && FixedTimeEquals(encoded, Encode(password, salt, storedRounds));

    public override bool MustUpdate(string encoded) =>
        Read(encoded, out var storedRounds, out var salt) is null
        && (storedRounds != rounds || salt.EnumerateRunes().Count() < SaltLength);

    public override void HardenRuntime(string password, string encoded)
    {
        if (Read(encoded, out var storedRounds, out var salt) is null && storedRounds < rounds)
            Encode(password, salt, rounds - storedRounds);
    }

    public override string? Refuse(string encoded) => Read(encoded, out _, out _);

    private string Encode(string password, string salt, int count)
    {
        var hash = Derive(Encoding.UTF8.GetBytes(password), Encoding.UTF8.GetBytes(salt), count);
        return string.Create(CultureInfo.InvariantCulture, $"{Algorithm}${count}${salt}${Convert.ToBase64String(hash)}");
    }

    private string? Read(string encoded, out int storedRounds, out string salt)
    {
        (storedRounds, salt) = (0, "");
        if (encoded.Split('$', 4) is not [var algorithm, var count, { Length: > 0 } saltText, _]
            || algorithm != Algorithm || !TryReadNumber(count, out var number) || number == 0)
            return Malformed;
        if (number > MaxRounds) return "more than 10,000,000 PBKDF2 rounds";

        (storedRounds, salt) = ((int)number, saltText);
        return null;
    }
}

/// <summary>Django's default (PBKDF2PasswordHasher).</summary>
internal sealed class Pbkdf2Sha256(int rounds = Pbkdf2.DefaultRounds) : Pbkdf2(rounds)
{
    public override string Algorithm => "pbkdf2_sha256";

    protected override byte[] Derive(ReadOnlySpan<byte> password, ReadOnlySpan<byte> salt, int rounds) =>
        FastPbkdf2.Derive(password, salt, rounds);
}

/// <summary>Django's PBKDF2SHA1PasswordHasher.</summary>
internal sealed class Pbkdf2Sha1(int rounds = Pbkdf2.DefaultRounds) : Pbkdf2(rounds)
{
    public override string Algorithm => "pbkdf2_sha1";

    // SHA-1 is what the stored hashes were made with; PBKDF2 does not need it to resist collisions.
    protected override byte[] Derive(ReadOnlySpan<byte> password, ReadOnlySpan<byte> salt, int rounds) =>
        Rfc2898DeriveBytes.Pbkdf2(password, salt, rounds, HashAlgorithmName.SHA1, SHA1.HashSizeInBytes);
}
