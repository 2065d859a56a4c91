using System.Globalization;
using System.Text;
using Gatehouse.Http;

namespace Gatehouse.Users;

/// <summary>Whose password it is, as far as the password must differ from it.</summary>
internal sealed record PasswordOwner(string Username, string FirstName, string LastName, string Email)
{
    public static readonly IReadOnlyList<string> Attributes = ["username", "first_name", "last_name", "email"];

    public (string Value, string VerboseName) this[string attribute] => attribute switch
    {
        "username" => (Username, "username"),
        "first_name" => (FirstName, "first name"),
        "last_name" => (LastName, "last name"),
        _ => (Email, "email address"),
    };
}

/// <summary>A password must not resemble what is known of its owner (Django's UserAttributeSimilarityValidator).</summary>
internal sealed class PasswordSimilarity(IReadOnlyList<string> attributes, double maxSimilarity)
{
    // No column is that long; it keeps the number of comparisons down whoever calls.
    private const int MaxValueLength = 4096;

    public string? Check(string password, PasswordOwner owner)
    {
        var runes = PythonText.Lower(password).EnumerateRunes().ToArray();
        var counts = runes.CountBy(rune => rune).ToDictionary();
        foreach (var attribute in attributes)
        {
            var (value, name) = owner[attribute];
            if (value.Length is 0 or > MaxValueLength) continue;

            var lower = PythonText.Lower(value).EnumerateRunes().ToArray();
            if (Words(lower).Append(lower).Any(part => IsSimilar(runes.Length, counts, part)))
                return $"The password is too similar to the {name}.";
        }

        return null;
    }

    private bool IsSimilar(int length, Dictionary<Rune, int> counts, Rune[] part)
    {
        // A far shorter part cannot be similar; Django leaves it out too (exceeds_maximum_length_ratio).
        if (length >= 10 * part.Length && part.Length < maxSimilarity / 2 * length) return false;

        return QuickRatio(length, counts, part) >= maxSimilarity;
    }

    /// <summary>The share of characters that both have in common, wherever they are (Python's SequenceMatcher.quick_ratio).</summary>
    private static double QuickRatio(int length, Dictionary<Rune, int> counts, Rune[] part)
    {
        if (length + part.Length == 0) return 1;

        var matches = part.CountBy(rune => rune).Sum(pair => Math.Min(pair.Value, counts.GetValueOrDefault(pair.Key)));
        return 2.0 * matches / (length + part.Length);
    }

    // Python's re.split(r"\W+"): a separator at either end leaves an empty part.
    private static IEnumerable<Rune[]> Words(Rune[] text)
    {
        var start = 0;
        for (var i = 0; i < text.Length; i++)
        {
            if (IsWord(text[i])) continue;

            yield return text[start..i];
            while (i + 1 < text.Length && !IsWord(text[i + 1])) i++;
            start = i + 1;
        }

        yield return text[start..];
    }

    private static bool IsWord(Rune rune) => rune.Value == '_' || Rune.IsLetter(rune) || Rune.GetUnicodeCategory(rune)
        is UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber;
}
