using System.Globalization;

namespace Gatehouse.Users;

/// <summary>The key of a user: a number in Django's own user table.</summary>
/// <remarks>A type of its own, so that projects whose users have other keys (UUID) can be served later.</remarks>
public readonly record struct UserId(long Number)
{
    /// <summary>As Django writes it into sessions and tokens.</summary>
    public override string ToString() => Number.ToString(CultureInfo.InvariantCulture);

    /// <summary>Reads what <see cref="ToString"/> wrote; false for anything else.</summary>
    public static bool TryParse(string? text, out UserId id)
    {
        var ok = long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number);
        id = new UserId(number);
        return ok;
    }
}
