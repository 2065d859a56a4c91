using System.Collections.Concurrent;
using System.Collections.Frozen;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Gatehouse.Crypto;

/// <summary>The answer of <see cref="PasswordHashes.Verify"/>.</summary>
/// <param name="IsCorrect">Whether it is the password.</param>
/// <param name="MustUpdate">Whether a hash made today would be of another format, work or salt length.</param>
public readonly record struct PasswordCheck(bool IsCorrect, bool MustUpdate);

/// <summary>Makes and verifies the hashes of the password column (Django's <c>PASSWORD_HASHERS</c>).</summary>
/// <remarks>One verification takes about a tenth of a second of one core: run it in <see cref="PasswordWork"/>.</remarks>
public sealed class PasswordHashes
{
    /// <summary>The longest password that is looked at, in characters. A longer one is never correct.</summary>
    public const int MaxPasswordLength = 4096;

    private const int MaxEncodedLength = 512;
    private const int MaxLogged = 1000;

    private static readonly FrozenDictionary<string, Func<PasswordHash>> Known = new Dictionary<string, Func<PasswordHash>>
    {
        ["pbkdf2_sha256"] = () => new Pbkdf2Sha256(),
        ["pbkdf2_sha1"] = () => new Pbkdf2Sha1(),
        ["argon2"] = () => new Argon2(),
        ["bcrypt_sha256"] = () => new BcryptSha256(),
        ["scrypt"] = () => new Scrypt(),
        ["bcrypt"] = () => new Bcrypt(),
        ["md5"] = () => new Md5(),
    }.ToFrozenDictionary();

    private static readonly FrozenDictionary<string, string> DjangoClasses = new Dictionary<string, string>
    {
        ["PBKDF2PasswordHasher"] = "pbkdf2_sha256",
        ["PBKDF2SHA1PasswordHasher"] = "pbkdf2_sha1",
        ["Argon2PasswordHasher"] = "argon2",
        ["BCryptSHA256PasswordHasher"] = "bcrypt_sha256",
        ["ScryptPasswordHasher"] = "scrypt",
        ["BCryptPasswordHasher"] = "bcrypt",
        ["MD5PasswordHasher"] = "md5",
    }.ToFrozenDictionary();

    private readonly PasswordHash preferred;
    private readonly Dictionary<string, PasswordHash> hashes;
    private readonly ILogger logger;
    private readonly ConcurrentDictionary<(string, string?), bool> logged = new();

    /// <summary>Takes the formats that are accepted; the first is the one new hashes are made in.</summary>
    /// <param name="algorithms">Names of formats or of Django's hasher classes; Django's default list when left out.</param>
    /// <param name="logger">Where refused hashes and missing libraries are named, each once.</param>
    /// <exception cref="ArgumentException">A name is not known, or the first format cannot be made on this system.</exception>
    public PasswordHashes(IReadOnlyList<string>? algorithms = null, ILogger<PasswordHashes>? logger = null)
        : this([.. (algorithms ?? Defaults).Select(Resolve).Distinct().Select(name => Known[name]())], logger)
    {
    }

    internal PasswordHashes(IReadOnlyList<PasswordHash> hashes, ILogger? logger)
    {
        if (hashes is not [var first, ..])
            throw new ArgumentException("At least one password hash must be listed, for example pbkdf2_sha256.", nameof(hashes));
        if (first.MissingLibrary is { } library)
            throw new ArgumentException($"New passwords are to be hashed with {first.Algorithm}, which needs {library}. Install it, or list another first.", nameof(hashes));

        preferred = first;
        this.hashes = hashes.ToDictionary(hash => hash.Algorithm);
        this.logger = logger ?? NullLogger.Instance;
    }

    /// <summary>The formats of Django 5.2, in its order.</summary>
    public static IReadOnlyList<string> Defaults { get; } = ["pbkdf2_sha256", "pbkdf2_sha1", "argon2", "bcrypt_sha256", "scrypt"];

    /// <summary>The format's name for itself or for a class of Django, for example <c>django.contrib.auth.hashers.PBKDF2PasswordHasher</c>.</summary>
    /// <returns>False when the name is not known.</returns>
    public static bool TryResolve(string classOrAlgorithm, out string algorithm)
    {
        var lastName = classOrAlgorithm[(classOrAlgorithm.LastIndexOf('.') + 1)..];
        algorithm = DjangoClasses.GetValueOrDefault(lastName, classOrAlgorithm);
        return Known.ContainsKey(algorithm);
    }

    /// <summary>A password column that no password matches (Django's <c>set_unusable_password</c>).</summary>
    public static string MakeUnusable() => "!" + RandomNumberGenerator.GetString(PasswordHash.SaltCharacters, 40);

    /// <summary>Whether the column was not made by <see cref="MakeUnusable"/>.</summary>
    public static bool IsUsable(string encoded) => !encoded.StartsWith('!');

    /// <summary>Hashes a new password with the first format and a new salt.</summary>
    /// <exception cref="ArgumentException">The password is longer than <see cref="MaxPasswordLength"/>.</exception>
    public string Make(string password)
    {
        if (password.Length > MaxPasswordLength)
            throw new ArgumentException($"A password may have {MaxPasswordLength} characters.", nameof(password));

        return preferred.Make(password, preferred.NewSalt());
    }

    /// <summary>The same in another of the listed formats; <c>default</c> is the first.</summary>
    internal string Make(string password, string algorithm) =>
        algorithm == "default" ? Make(password) : hashes[Resolve(algorithm)].Make(password, hashes[Resolve(algorithm)].NewSalt());

    /// <summary>Whether a stored text is of one of the listed formats (Django <c>identify_hasher</c>).</summary>
    internal bool Identifies(string encoded) => hashes.ContainsKey(encoded.Split('$', 2)[0]) && encoded.Contains('$');

    /// <summary>Whether <paramref name="password"/> is the one behind <paramref name="encoded"/> (Django's <c>verify_password</c>).</summary>
    /// <param name="password">As it was typed.</param>
    /// <param name="encoded">The password column, whatever it holds.</param>
    /// <param name="userId">Whose column it is, for the log.</param>
    /// <returns>Never correct for what is unusable, garbage or not listed; each of these takes as long as a wrong password.</returns>
    public PasswordCheck Verify(string password, string encoded, string? userId = null)
    {
        if (password.Length > MaxPasswordLength) return default;
        if (encoded.Length > MaxEncodedLength) return RefuseAndLog("longer than 512 characters", userId, password);

        if (!IsUsable(encoded) || !hashes.TryGetValue(encoded.Split('$', 2)[0], out var hash)) return FailAfterWork(password);
        switch (hash.Refuse(encoded))
        {
            case null: break;
            case PasswordHash.Malformed: return FailAfterWork(password);
            case var reason: return RefuseAndLog(reason, userId, password);
        }

        if (hash.MissingLibrary is { } library)
        {
            if (logged.TryAdd((hash.Algorithm, null), true)) logger.LibraryMissing(hash.Algorithm, library);
            return FailAfterWork(password);
        }

        var mustUpdate = hash != preferred || preferred.MustUpdate(encoded);
        var isCorrect = hash.Verify(password, encoded);
        if (!isCorrect && mustUpdate && hash == preferred) hash.HardenRuntime(password, encoded);
        return new(isCorrect, mustUpdate);
    }

    /// <summary>Takes as long as verifying a password: for a user that does not exist.</summary>
    public void SpendWork(string password)
    {
        // A long password costs nothing for a user that exists, either.
        if (password.Length <= MaxPasswordLength) preferred.Make("password", preferred.NewSalt());
    }

    private static string Resolve(string name) => TryResolve(name, out var algorithm)
        ? algorithm
        : throw new ArgumentException(
            $"The password hash '{name}' is not known. Write one of {string.Join(", ", Known.Keys.Order(StringComparer.Ordinal))}, "
            + $"or a class of django.contrib.auth.hashers: {string.Join(", ", DjangoClasses.Keys.Order(StringComparer.Ordinal))}.");

    private PasswordCheck FailAfterWork(string password)
    {
        SpendWork(password);
        return default;
    }

    // Once for each user, or whoever tries such an account over and over would fill the log.
    private PasswordCheck RefuseAndLog(string reason, string? userId, string password)
    {
        if (logged.Count < MaxLogged && logged.TryAdd((reason, userId), true)) logger.HashRefused(userId, reason);
        return FailAfterWork(password);
    }
}
