using System.Net;
using System.Text.RegularExpressions;
using Gatehouse.Http;

namespace Gatehouse.Users;

/// <summary>E-mail addresses as Django checks and normalises them (<c>EmailValidator</c>, <c>normalize_email</c>).</summary>
internal static partial class EmailAddress
{
    public const int MaxLength = 254;

    public const string Invalid = "Enter a valid email address.";

    /// <summary>The message for an address that is none; null for a good one.</summary>
    public static string? Check(string address)
    {
        var at = address.LastIndexOf('@');
        if (at < 0 || address.Length > 320) return Invalid;

        var user = address[..at];
        var domain = address[(at + 1)..];
        if (!UserPart().IsMatch(user)) return Invalid;
        return domain == "localhost" || DomainPart().IsMatch(domain) || IsLiteral(domain) ? null : Invalid;
    }

    /// <summary>The domain in lower case; the part before it belongs to its host.</summary>
    public static string Normalise(string address)
    {
        var at = address.LastIndexOf('@');
        return at < 0 ? address : address[..(at + 1)] + PythonText.Lower(address[(at + 1)..]);
    }

    private static bool IsLiteral(string domain) =>
        domain is ['[', .., ']'] && LiteralText().IsMatch(domain) && IPAddress.TryParse(domain[1..^1], out _);

    [GeneratedRegex(
        """^(?:[-!#$%&'*+/=?^_`{}|~0-9A-Z]+(?:\.[-!#$%&'*+/=?^_`{}|~0-9A-Z]+)*|"(?:[\x01-\x08\x0b\x0c\x0e-\x1f!#-\[\]-\x7f]|\\[\x01-\x09\x0b\x0c\x0e-\x7f])*")\z""",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 1000)]
    private static partial Regex UserPart();

    // Letters of other scripts are U+00A1 to U+FFFF, as Django has them.
    [GeneratedRegex(
        "^[a-z\u00a1-\uffff0-9](?:[a-z\u00a1-\uffff0-9-]{0,61}[a-z\u00a1-\uffff0-9])?(?:\\.(?!-)[a-z\u00a1-\uffff0-9-]{1,63}(?<!-))*"
        + "\\.(?!-)(?:[a-z\u00a1-\uffff-]{2,63}|xn--[a-z0-9]{1,59})(?<!-)\\z",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 1000)]
    private static partial Regex DomainPart();

    [GeneratedRegex("""^\[[A-F0-9:.]+\]\z""", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 1000)]
    private static partial Regex LiteralText();
}
