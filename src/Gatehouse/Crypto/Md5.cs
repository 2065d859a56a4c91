using System.Security.Cryptography;
using System.Text;

namespace Gatehouse.Crypto;

/// <summary><c>md5$salt$hex</c> (Django's MD5PasswordHasher): for test data, and only when it is listed.</summary>
internal sealed class Md5 : PasswordHash
{
    public override string Algorithm => "md5";

#pragma warning disable CA5351 // Broken, and known to be: whoever lists it has test data.
    public override string Make(string password, string salt) =>
        $"md5${salt}${Convert.ToHexStringLower(MD5.HashData(Encoding.UTF8.GetBytes(salt + password)))}";
#pragma warning restore CA5351

    public override bool Verify(string password, string encoded) =>
        TryReadSalt(encoded, out var salt) && FixedTimeEquals(encoded, Make(password, salt));

    public override bool MustUpdate(string encoded) =>
        TryReadSalt(encoded, out var salt) && salt.EnumerateRunes().Count() < SaltLength;

    public override string? Refuse(string encoded) => TryReadSalt(encoded, out _) ? null : Malformed;

    private static bool TryReadSalt(string encoded, out string salt)
    {
        salt = encoded.Split('$') is ["md5", var text, _] ? text : "";
        return salt.Length > 0;
    }
}
