namespace Gatehouse.Users;

/// <summary>Python's string methods where .NET's differ.</summary>
internal static class PasswordText
{
    /// <summary>
    /// <c>str.lower</c>: the one letter whose lower case is two is not left as it is. (Python's final sigma is not imitated: it
    /// moves the similarity of a few Greek words by one character.)
    /// </summary>
    public static string Lower(string text) => text.Replace("\u0130", "i\u0307", StringComparison.Ordinal).ToLowerInvariant();

    /// <summary><c>str.strip</c>: the ASCII separators U+001C to U+001F count as white space.</summary>
    public static string Strip(string text)
    {
        var (start, end) = (0, text.Length);
        while (start < end && IsSpace(text[start])) start++;
        while (end > start && IsSpace(text[end - 1])) end--;
        return text[start..end];
    }

    private static bool IsSpace(char c) => char.IsWhiteSpace(c) || c is >= '\u001c' and <= '\u001f';
}
