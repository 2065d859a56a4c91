using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Gatehouse.Http;

/// <summary>Python's string methods where .NET's differ.</summary>
internal static class PythonText
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

    /// <summary><c>str</c> of a number that was parsed from JSON: whole numbers as they are, others in <c>repr</c>'s shortest form.</summary>
    public static string Number(JsonElement number)
    {
        var raw = number.GetRawText();
        if (raw.AsSpan().IndexOfAny('.', 'e', 'E') < 0) return raw == "-0" ? "0" : raw;

        var value = number.GetDouble();
        if (double.IsInfinity(value)) return value > 0 ? "inf" : "-inf";
        if (value == 0) return raw[0] == '-' ? "-0.0" : "0.0";
        var size = Math.Abs(value);
        if (size is >= 1e16 or < 1e-4)
        {
            var text = value.ToString("E16", CultureInfo.InvariantCulture);
            var exponent = int.Parse(text.AsSpan(text.IndexOf('E') + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
            var shortest = value.ToString("R", CultureInfo.InvariantCulture);
            var digits = (shortest.Contains('E') ? shortest[..shortest.IndexOf('E')] : shortest).Replace(".", "", StringComparison.Ordinal).TrimStart('-').Trim('0');
            var mantissa = digits.Length > 1 ? $"{digits[0]}.{digits[1..]}" : digits;
            return string.Create(CultureInfo.InvariantCulture, $"{(value < 0 ? "-" : "")}{mantissa}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}");
        }
        var plain = value.ToString("0.#################", CultureInfo.InvariantCulture);
        var round = value.ToString("R", CultureInfo.InvariantCulture);
        plain = round.Contains('E') ? plain : round;
        return plain.Contains('.') ? plain : plain + ".0";
    }

    /// <summary><c>repr</c> of a text, as it stands in messages.</summary>
    public static string Repr(string text)
    {
        var quote = text.Contains('\'') && !text.Contains('"') ? '"' : '\'';
        var repr = new StringBuilder(text.Length + 2).Append(quote);
        foreach (var rune in text.EnumerateRunes())
        {
            _ = rune.Value switch
            {
                '\\' => repr.Append(@"\\"),
                '\n' => repr.Append(@"\n"),
                '\r' => repr.Append(@"\r"),
                '\t' => repr.Append(@"\t"),
                var c when c == quote => repr.Append('\\').Append(quote),
                _ when IsPrintable(rune) => repr.Append(rune.ToString()),
                < 0x100 and var c => repr.Append(CultureInfo.InvariantCulture, $"\\x{c:x2}"),
                < 0x10000 and var c => repr.Append(CultureInfo.InvariantCulture, $"\\u{c:x4}"),
                var c => repr.Append(CultureInfo.InvariantCulture, $"\\U{c:x8}"),
            };
        }
        return repr.Append(quote).ToString();

        static bool IsPrintable(Rune rune) => rune.Value == ' ' || Rune.GetUnicodeCategory(rune) is not (UnicodeCategory.Control or UnicodeCategory.Format
            or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned or UnicodeCategory.LineSeparator
            or UnicodeCategory.ParagraphSeparator or UnicodeCategory.SpaceSeparator);
    }

    /// <summary><c>base64.b64decode</c>: what is outside the alphabet is passed over, and padding ends the text once it is complete.</summary>
    /// <returns>Null where Python raises.</returns>
    public static byte[]? Base64(string text)
    {
        var bytes = new List<byte>(text.Length);
        int quad = 0, pads = 0, bits = 0;
        foreach (var c in text)
        {
            if (c == '=')
            {
                if (quad >= 2 && quad + ++pads >= 4)
                {
                    quad = 0;
                    break;
                }
                continue;
            }
            if (Digit(c) is not (>= 0 and var digit)) continue;
            pads = 0;
            bits = (bits << 6 | digit) & 0xFFFF;
            switch (quad)
            {
                case 1: bytes.Add((byte)(bits >> 4)); break;
                case 2: bytes.Add((byte)(bits >> 2)); break;
                case 3: bytes.Add((byte)bits); break;
            }
            quad = (quad + 1) % 4;
        }
        return quad == 0 ? [.. bytes] : null;
    }

    private static int Digit(char c) => c switch
    {
        >= 'A' and <= 'Z' => c - 'A',
        >= 'a' and <= 'z' => c - 'a' + 26,
        >= '0' and <= '9' => c - '0' + 52,
        '+' => 62,
        '/' => 63,
        _ => -1,
    };

    private static bool IsSpace(char c) => char.IsWhiteSpace(c) || c is >= '\u001c' and <= '\u001f';
}
