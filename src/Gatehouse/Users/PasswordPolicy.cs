using System.Globalization;
using Gatehouse.Http;

namespace Gatehouse.Users;

/// <summary>One entry of Django's <c>AUTH_PASSWORD_VALIDATORS</c>.</summary>
/// <param name="Name">The class, with or without its module, for example <c>MinimumLengthValidator</c>.</param>
/// <param name="Options">Its <c>OPTIONS</c>, for example <c>min_length</c>.</param>
public sealed record PasswordValidator(string Name, IReadOnlyDictionary<string, string> Options)
{
    /// <summary>A validator with its default options.</summary>
    public PasswordValidator(string name) : this(name, new Dictionary<string, string>())
    {
    }
}

/// <summary>What a new password must not be: Django's validators, with its words, in the configured order.</summary>
public sealed class PasswordPolicy
{
    private const int MaxLength = Crypto.PasswordHashes.MaxPasswordLength;

    private readonly Rule[] rules;

    /// <summary>Reads the list; an empty one allows every password.</summary>
    /// <exception cref="ArgumentException">A validator or an option is not known, or its value cannot be used.</exception>
    public PasswordPolicy(IReadOnlyList<PasswordValidator> validators) => rules = [.. validators.Select(RuleOf)];

    // The message for a password that breaks the rule, or null.
    private delegate string? Rule(string password, PasswordOwner owner);

    /// <summary>The four validators that <c>django-admin startproject</c> writes, with their default options.</summary>
    public static IReadOnlyList<PasswordValidator> Defaults { get; } =
    [
        new("UserAttributeSimilarityValidator"),
        new("MinimumLengthValidator"),
        new("CommonPasswordValidator"),
        new("NumericPasswordValidator"),
    ];

    /// <summary>All that is wrong with a password (Django's <c>validate_password</c>); nothing when it may be used.</summary>
    public IReadOnlyList<string> Check(string password, string username, string email, string firstName = "", string lastName = "")
    {
        // Such a password is never verified, so it must not be set either.
        if (password.Length > MaxLength) return [$"Ensure this field has no more than {MaxLength} characters."];

        var owner = new PasswordOwner(username, firstName, lastName, email);
        return [.. rules.Select(rule => rule(password, owner)).OfType<string>()];
    }

    private static Rule RuleOf(PasswordValidator validator)
    {
        var options = new PasswordRuleOptions(validator);
        Rule rule = validator.Name[(validator.Name.LastIndexOf('.') + 1)..] switch
        {
            "UserAttributeSimilarityValidator" => new PasswordSimilarity(
                options.Names("user_attributes", PasswordOwner.Attributes), options.Number("max_similarity", 0.7, atLeast: 0.1)).Check,
            "MinimumLengthValidator" => MinimumLength((int)options.Number("min_length", 8, atLeast: 0)),
            "CommonPasswordValidator" => Common(options.Text("password_list_path") is { } path ? PasswordCommonList.Read(path) : null),
            "NumericPasswordValidator" => Numeric,
            _ => throw new ArgumentException(
                $"The password validator '{validator.Name}' is not known. Write one of {string.Join(", ", Defaults.Select(known => known.Name))}, "
                + "with or without 'django.contrib.auth.password_validation.' before it."),
        };
        options.EnsureAllUsed();
        return rule;
    }

    private static Rule MinimumLength(int length)
    {
        var message = string.Create(CultureInfo.InvariantCulture,
            $"This password is too short. It must contain at least {length} character{(length == 1 ? "" : "s")}.");
        return (password, _) => password.EnumerateRunes().Count() < length ? message : null;
    }

    private static Rule Common(PasswordCommonList? own) => (password, _) =>
        (own ?? PasswordCommonList.Shipped).Contains(PythonText.Strip(PythonText.Lower(password))) ? "This password is too common." : null;

    // Python's str.isdigit: superscripts and other digits count, fractions and Roman numerals do not.
    private static string? Numeric(string password, PasswordOwner owner)
    {
        for (var i = 0; i < password.Length; i += char.IsSurrogatePair(password, i) ? 2 : 1)
        {
            if (CharUnicodeInfo.GetDigitValue(password, i) < 0) return null;
        }

        return password.Length > 0 ? "This password is entirely numeric." : null;
    }
}
