using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Gatehouse.Crypto;
using Gatehouse.Users;

namespace Gatehouse.Accounts;

/// <summary>
/// The tokens in links that reset a password (<c>django.contrib.auth.tokens.PasswordResetTokenGenerator</c>): those that Django made are good
/// here and the other way round. A token ends with the password, the address or the last login that it was made for.
/// </summary>
/// <remarks>Django counts by the clock of its <c>TIME_ZONE</c>, which is UTC in new projects; here it is UTC.</remarks>
internal sealed class PasswordResetTokenGenerator(GatehouseOptions options, TimeProvider clock)
{
    private const string Salt = "django.contrib.auth.tokens.PasswordResetTokenGenerator";
    private const string Digits = "0123456789abcdefghijklmnopqrstuvwxyz";
    private const int LongestNumber = 13;

    private static readonly DateTimeOffset Epoch = new(2001, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>A token for the user as it is now.</summary>
    /// <param name="user">Whose password it may set.</param>
    /// <param name="lastLogin">The column <c>last_login</c>.</param>
    public string Make(User user, DateTimeOffset? lastLogin) => Make(user, lastLogin, Now, options.SecretKey);

    /// <summary>Whether a token was made for the user as it is now, and not too long ago.</summary>
    public bool Check(User user, DateTimeOffset? lastLogin, string token)
    {
        var dash = token.IndexOf('-');
        if (dash is < 1 or > LongestNumber || token.Length > LongestNumber + 1 + 32) return false;
        long seconds = 0;
        foreach (var c in token.AsSpan(0, dash))
        {
            if (Digits.IndexOf(c) is not (>= 0 and var digit) || seconds > (long.MaxValue - digit) / 36) return false;
            seconds = seconds * 36 + digit;
        }

        var given = Encoding.UTF8.GetBytes(token);
        var isRight = false;
        foreach (var key in (IEnumerable<string>)[options.SecretKey, .. options.SecretKeyFallbacks])
            isRight |= CryptographicOperations.FixedTimeEquals(given, Encoding.UTF8.GetBytes(Make(user, lastLogin, seconds, key)));
        return isRight && Now - seconds <= (long)options.Accounts.PasswordResetTimeout.TotalSeconds;
    }

    private long Now => (clock.GetUtcNow() - Epoch).Ticks / TimeSpan.TicksPerSecond;

    private static string Make(User user, DateTimeOffset? lastLogin, long seconds, string key)
    {
        var login = lastLogin?.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);
        var value = string.Create(CultureInfo.InvariantCulture, $"{user.Id}{user.Password}{login}{seconds}{user.Email}");
        var hash = DjangoSigner.SaltedHmac(Salt, key, value);
        // Every second digit, which keeps the address short.
        return Base36(seconds) + "-" + string.Concat(hash.Where((_, at) => at % 2 == 0));
    }

    private static string Base36(long number)
    {
        var text = "";
        do
        {
            text = Digits[(int)(number % 36)] + text;
            number /= 36;
        }
        while (number > 0);
        return text;
    }
}
