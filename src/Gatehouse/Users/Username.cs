using System.Globalization;
using System.Text;

namespace Gatehouse.Users;

/// <summary>User names as Django allows them (<c>UnicodeUsernameValidator</c>, <c>AbstractBaseUser.normalize_username</c>).</summary>
internal static class Username
{
    public const int MaxLength = 150;

    // NFKC may make a valid name longer, eighteen times at most, and SQLite keeps it whole.
    public const int MaxStoredLength = 18 * MaxLength;

    public const string Invalid =
        "Enter a valid username. This value may contain only letters, numbers, and @/./+/-/_ characters.";

    /// <summary>The message for a name with characters that Django's <c>^[\w.@+-]+\Z</c> does not match; null for a good one.</summary>
    /// <remarks>Python's <c>\w</c>, not .NET's: any letter or number of Unicode and the underscore, but no combining marks.</remarks>
    public static string? Check(string name)
    {
        foreach (var rune in name.EnumerateRunes())
        {
            var allowed = Rune.GetUnicodeCategory(rune) switch
            {
                UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter
                    or UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter
                    or UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber => true,
                _ => rune.Value is '@' or '.' or '+' or '-' or '_',
            };
            // EnumerateRunes shows a lone surrogate as U+FFFD, a symbol.
            if (!allowed) return Invalid;
        }
        return null;
    }

    /// <summary>NFKC, so that full-width and composed forms of one name are one name. A text that is no Unicode stays as it is.</summary>
    public static string Normalise(string name)
    {
        try
        {
            return name.Normalize(NormalizationForm.FormKC);
        }
        catch (ArgumentException)
        {
            return name;
        }
    }
}
