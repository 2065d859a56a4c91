using System.Globalization;

namespace Gatehouse.Users;

/// <summary>The <c>OPTIONS</c> of one validator: each is read by its Django name, and what nobody read is an error.</summary>
internal sealed class PasswordRuleOptions(PasswordValidator validator)
{
    private readonly List<string> known = [];

    public string? Text(string name)
    {
        known.Add(name);
        return validator.Options.FirstOrDefault(option => Plain(option.Key) == Plain(name)).Value;
    }

    public double Number(string name, double otherwise, double atLeast)
    {
        if (Text(name) is not { } text) return otherwise;
        if (double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)
            && number >= atLeast && number <= int.MaxValue) return number;

        throw new ArgumentException(string.Create(CultureInfo.InvariantCulture,
            $"The option {name} of {validator.Name} is '{text}'. Write a number of at least {atLeast}."));
    }

    public string[] Names(string name, IReadOnlyList<string> allowed)
    {
        if (Text(name) is not { } text) return [.. allowed];

        var names = text.Split([',', ' '], StringSplitOptions.RemoveEmptyEntries);
        if (names.FirstOrDefault(one => !allowed.Contains(one)) is { } wrong)
            throw new ArgumentException(
                $"The option {name} of {validator.Name} names '{wrong}'. Write some of {string.Join(", ", allowed)}, with commas between them.");

        return names;
    }

    /// <exception cref="ArgumentException">There is an option that the validator does not have.</exception>
    public void EnsureAllUsed()
    {
        if (validator.Options.Keys.FirstOrDefault(key => !known.Exists(name => Plain(name) == Plain(key))) is { } wrong)
            throw new ArgumentException(
                $"The password validator {validator.Name} has no option '{wrong}'. "
                + (known.Count == 0 ? "It takes none: leave OPTIONS out." : $"Write one of {string.Join(", ", known)}."));
    }

    // Settings may be spelled Django's way or .NET's: underscores drop out and case does not matter.
    private static string Plain(string name) => name.Replace("_", "", StringComparison.Ordinal).ToUpperInvariant();
}
