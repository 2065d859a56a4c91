namespace Gatehouse.Http;

/// <summary>What strangers sent, made fit for a log: one line, no terminal escapes, not long.</summary>
internal static class LogText
{
    private const int MaxLength = 200;

    public static string Clean(string text)
    {
        if (text.Length > MaxLength) text = text[..MaxLength] + "…";
        return text.Any(char.IsControl) ? string.Concat(text.Select(c => char.IsControl(c) ? '\uFFFD' : c)) : text;
    }
}
