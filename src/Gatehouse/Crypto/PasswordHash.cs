using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Gatehouse.Crypto;

/// <summary>One format of the password column (Django's BasePasswordHasher), chosen by the text before the first <c>$</c>.</summary>
internal abstract class PasswordHash
{
    /// <summary>What <see cref="Refuse"/> says of a text that is not of this format.</summary>
    public const string Malformed = "malformed";

    public const string SaltCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

    // The fewest characters of that alphabet that carry 128 bits.
    protected const int SaltLength = 22;

    /// <summary>The prefix of the format.</summary>
    public abstract string Algorithm { get; }

    /// <summary>The system library that this format needs and that is not there, or null.</summary>
    public virtual string? MissingLibrary => null;

    public virtual string NewSalt() => RandomNumberGenerator.GetString(SaltCharacters, SaltLength);

    /// <summary>Makes the stored text.</summary>
    /// <param name="password">Any text; lone surrogates count as U+FFFD.</param>
    /// <param name="salt">As <see cref="NewSalt"/> makes it.</param>
    public abstract string Make(string password, string salt);

    /// <summary>Whether this is the password of <paramref name="encoded"/>.</summary>
    /// <returns>False, without any hashing, for all that <see cref="Refuse"/> has something to say about; never throws.</returns>
    public abstract bool Verify(string password, string encoded);

    /// <summary>Whether the work or the salt of <paramref name="encoded"/> is not what this class makes today.</summary>
    public abstract bool MustUpdate(string encoded);

    /// <summary>Spends the work that a cheaper <paramref name="encoded"/> lacks, so that a wrong password always takes as long.</summary>
    public virtual void HardenRuntime(string password, string encoded)
    {
    }

    /// <summary>Why this stored hash will not be computed: <see cref="Malformed"/>, or the limit it exceeds; null when it will.</summary>
    public abstract string? Refuse(string encoded);

    /// <summary>A number as Django writes it. Beyond 18 digits it is only known to be too large.</summary>
    protected static bool TryReadNumber(ReadOnlySpan<char> text, out long number)
    {
        number = 0;
        if (text.IsEmpty || text.ContainsAnyExceptInRange('0', '9') || text is ['0', _, ..]) return false;

        number = text.Length > 18 ? long.MaxValue : long.Parse(text, NumberStyles.None, CultureInfo.InvariantCulture);
        return true;
    }

    protected static bool FixedTimeEquals(string a, string b) =>
        CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(a), Encoding.UTF8.GetBytes(b));
}
