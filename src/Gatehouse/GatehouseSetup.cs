using System.Security.Cryptography;
using Gatehouse.Crypto;
using Gatehouse.Database;
using Gatehouse.Http;
using Gatehouse.Jwt;
using Gatehouse.OAuth;
using Gatehouse.Users;
using Microsoft.Extensions.Logging;

namespace Gatehouse;

/// <summary>A setting that cannot work. The message says which, why, and what to write instead; the server does not start.</summary>
public sealed class SettingException : Exception
{
    /// <summary>Says which setting, why, and what to write instead.</summary>
    public SettingException(string message, Exception? inner = null) : base(message, inner)
    {
    }
}

/// <summary>Fills in what settings leave open and refuses what cannot work.</summary>
internal static class GatehouseSetup
{
    private const int ShortestSecretKey = 32;

    public static void Complete(GatehouseOptions options)
    {
        if ("\uFB01".Normalize(System.Text.NormalizationForm.FormKC) != "fi")
            throw new SettingException(
                "This process runs in globalization-invariant mode, where look-alikes of a user name cannot be told apart. Install ICU (Debian: libicu72) "
                + "and leave InvariantGlobalization and DOTNET_SYSTEM_GLOBALIZATION_INVARIANT unset.");
        if (options.Database.Length == 0)
        {
            options.Database = "sqlite:///" + Path.Combine(options.DataFolder, "gatehouse.db");
            DataFolder.Make(options.DataFolder);
        }
        options.Secure.ProxySslHeader = [.. options.Secure.ProxySslHeader.Select((text, at) => at == 0 ? HeaderName(text) : text)];
        options.Csrf.HeaderName = HeaderName(options.Csrf.HeaderName);
        CheckToken("SESSION_COOKIE_NAME", options.Session.CookieName);
        CheckToken("CSRF_COOKIE_NAME", options.Csrf.CookieName);
        CheckToken("CSRF_HEADER_NAME", options.Csrf.HeaderName);
        CheckPath("Accounts:Path", options.Accounts.Path.TrimEnd('/') + "/");
        CheckPath("AuthToken:Path", options.AuthToken.Path);
        foreach (var (name, path) in ((string, string)[])[("OpenApi:Path", options.OpenApi.Path), ("OpenApi:DocsPath", options.OpenApi.DocsPath)])
            if (path.Length > 0 && (path.Length < 2 || path[0] != '/' || !path.All(c => char.IsAsciiLetterOrDigit(c) || "/-_.~".Contains(c))))
                throw new SettingException($"{name} must be a path that begins with a slash, of letters, digits and - _ . ~, for example /openapi.json, or empty.");
        CheckUrl("LOGIN_URL", options.LoginUrl);
        CheckUrl("LOGIN_REDIRECT_URL", options.LoginRedirectUrl);
        if (options.LogoutRedirectUrl.Length == 0) options.LogoutRedirectUrl = options.LoginUrl;
        CheckUrl("LOGOUT_REDIRECT_URL", options.LogoutRedirectUrl);
        if (options.PasswordWork.MaxConcurrent is < 0 or > 1024 || options.PasswordWork.MaxWaiting is < 0 or > 100_000)
            throw new SettingException("PasswordWork: MaxConcurrent must be from 1 to 1024 and MaxWaiting from 1 to 100,000; 0 means the default.");
        if (options.Sweeper.Interval < TimeSpan.FromSeconds(1) || options.Sweeper.Interval > TimeSpan.FromDays(30) || options.Sweeper.Batch is < 1 or > 10_000)
            throw new SettingException("Sweeper: Interval must be from a second to 30 days and Batch from 1 to 10,000; with Enabled false nothing is swept.");
        if (options.Audit.RetentionDays is < 0 or > 36_500) throw new SettingException("Audit:RetentionDays must be from 1 to 36,500; 0 keeps the audit log for ever.");
        if (options.Secure.HstsSeconds < 0) throw new SettingException("SECURE_HSTS_SECONDS must not be negative; 0 sends no such header.");
        var file = Check("DATABASES", () => DatabaseUrl.Check(options.Database));
        Check("CSRF_TRUSTED_ORIGINS", () => new TrustedOrigins(options.Csrf.TrustedOrigins));
        CheckSameSite("SESSION_COOKIE_SAMESITE", options.Session.CookieSameSite);
        CheckSameSite("CSRF_COOKIE_SAMESITE", options.Csrf.CookieSameSite);
        CheckPositive("SESSION_COOKIE_AGE", options.Session.CookieAge);
        CheckPositive("CSRF_COOKIE_AGE", options.Csrf.CookieAge);
        if (options.Secure.ProxySslHeader.Count is not (0 or 2))
            throw new SettingException("SECURE_PROXY_SSL_HEADER takes a header and its value, for example [\"X-Forwarded-Proto\", \"https\"].");
        if (options.DataUploadMaxMemorySize < 1 || options.DataUploadMaxNumberFields < 1 || options.MaxJsonDepth is < 1 or > 900)
            throw new SettingException("DATA_UPLOAD_MAX_MEMORY_SIZE and DATA_UPLOAD_MAX_NUMBER_FIELDS must be positive, MaxJsonDepth from 1 to 900.");
        foreach (var type in options.RestFramework.ParsedMediaTypes)
            if (type is not ("application/json" or "application/x-www-form-urlencoded" or "multipart/form-data"))
                throw new SettingException($"ParsedMediaTypes names '{type}'; write application/json, application/x-www-form-urlencoded or multipart/form-data.");
        if (options.RestFramework.NumProxies < 0) throw new SettingException("NUM_PROXIES must not be negative; 0 means that there is no proxy.");
        foreach (var rate in options.RestFramework.DefaultThrottleRates)
            if (!string.IsNullOrEmpty(rate.Value))
                Check($"DEFAULT_THROTTLE_RATES['{rate.Key}']", () => Throttling.Rate.Parse(rate.Value));

        CheckAccounts(options.Accounts, options.Profile);

        if (options.SecretKey.Length == 0) (options.SecretKey, options.IsSecretKeyDoubtful) = SecretKeyFile.ReadOrMake(options.DataFolder, file);
        if (options.SecretKey.Length < ShortestSecretKey)
            throw new SettingException($"SECRET_KEY has {options.SecretKey.Length} characters; it needs at least {ShortestSecretKey}. Make one with: openssl rand -base64 48");
        if (options.SecretKeyFallbacks.Any(key => key.Length == 0)) throw new SettingException("SECRET_KEY_FALLBACKS holds an empty key; take it out.");
        if (!options.UserModel.IsDjangosOwn) UserModel.Check(options.UserModel);
        JwtSetup.Check(options);
        OAuthSetup.Complete(options);
    }

    private static void CheckAccounts(Accounts.AccountsOptions accounts, Profile profile)
    {
        accounts.LoginFailureLimit ??= profile == Profile.Django ? 0 : 10;
        accounts.KnownDevices ??= profile != Profile.Django;
        // With one or two a slip of the finger would lock people out.
        if (accounts.LoginFailureLimit is not (0 or >= 3 and <= 1000)) throw new SettingException("Accounts:LoginFailureLimit must be from 3 to 1000, or 0 for no limit.");
        if (accounts.LoginNetworkFailureLimit is < 3 or > 1_000_000) throw new SettingException("Accounts:LoginNetworkFailureLimit must be from 3 to 1,000,000.");
        CheckPositive("Accounts:LoginLockTime", accounts.LoginLockTime);
        CheckPositive("Accounts:LoginFailureMemory", accounts.LoginFailureMemory);
        if (accounts.LoginLockTimeMax < accounts.LoginLockTime || accounts.LoginLockTimeMax > TimeSpan.FromDays(1))
            throw new SettingException("Accounts:LoginLockTimeMax must be at least LoginLockTime, and at most a day.");
        if (accounts.BaseUrl.Length > 0)
        {
            // Only its origin: paths are those of the pages.
            if (!Uri.TryCreate(accounts.BaseUrl, UriKind.Absolute, out var url) || url.Scheme is not ("https" or "http") || url.UserInfo.Length > 0 || url.PathAndQuery != "/" || url.Fragment.Length > 0)
                throw new SettingException("Accounts:BaseUrl must be the address of this server without a path, for example https://auth.example.com.");
            accounts.BaseUrl = accounts.BaseUrl.TrimEnd('/');
        }
        CheckPositive("PASSWORD_RESET_TIMEOUT", accounts.PasswordResetTimeout);
        if (accounts.PasswordResetThrottleRate.Length > 0) Check("Accounts:PasswordResetThrottleRate", () => Throttling.Rate.Parse(accounts.PasswordResetThrottleRate));
        if (accounts.MailThrottleRate.Length > 0) Check("Accounts:MailThrottleRate", () => Throttling.Rate.Parse(accounts.MailThrottleRate));
    }

    public static PasswordHashes PasswordHashes(GatehouseOptions options, ILogger<PasswordHashes> log) =>
        Check("PASSWORD_HASHERS", () => new PasswordHashes(options.PasswordHashers.Count == 0 ? null : [.. options.PasswordHashers], log));

    public static PasswordWork PasswordWork(PasswordWorkOptions options) => new(
        options.MaxConcurrent > 0 ? options.MaxConcurrent : null, options.MaxWaiting > 0 ? options.MaxWaiting : null);

    public static PasswordPolicy PasswordPolicy(GatehouseOptions options) => Check("AUTH_PASSWORD_VALIDATORS", () => new PasswordPolicy(
        options.AuthPasswordValidators is { } own ? [.. own.Select(one => new PasswordValidator(one.Name, one.Options.AsReadOnly()))] : Users.PasswordPolicy.Defaults));

    private static T Check<T>(string setting, Func<T> make)
    {
        try
        {
            return make();
        }
        catch (ArgumentException error)
        {
            throw new SettingException($"{setting}: {error.Message}", error);
        }
    }

    /// <summary><c>HTTP_X_CSRFTOKEN</c> is WSGI's spelling of <c>X-CSRFTOKEN</c>.</summary>
    internal static string HeaderName(string name) =>
        name.StartsWith("HTTP_", StringComparison.Ordinal) ? name["HTTP_".Length..].Replace('_', '-') : name;

    private static void CheckToken(string setting, string value)
    {
        if (value.Length == 0 || !value.All(c => char.IsAsciiLetterOrDigit(c) || "!#$%&'*+-.^_`|~".Contains(c)))
            throw new SettingException($"{setting} must be a name of ASCII letters, digits and - _ . (RFC 9110, token).");
    }

    internal static void CheckPath(string setting, string value)
    {
        if (value.Length < 3 || value[0] != '/' || value[^1] != '/' || !value.All(c => char.IsAsciiLetterOrDigit(c) || "/-_.~".Contains(c)))
            throw new SettingException($"{setting} must be a path with a slash at both ends, of letters, digits and - _ . ~, for example /api/accounts/.");
    }

    private static void CheckUrl(string setting, string value)
    {
        if (!value.StartsWith('/') && !value.StartsWith("https://", StringComparison.Ordinal) && !value.StartsWith("http://", StringComparison.Ordinal))
            throw new SettingException($"{setting} must be a path that begins with a slash, or a whole address.");
    }

    private static void CheckSameSite(string setting, string value)
    {
        if (value.ToUpperInvariant() is not ("" or "LAX" or "STRICT" or "NONE"))
            throw new SettingException($"{setting} is '{value}'; write Lax, Strict, None, or nothing to leave it out.");
    }

    private static void CheckPositive(string setting, TimeSpan value)
    {
        if (value <= TimeSpan.Zero || value > TimeSpan.FromDays(3650)) throw new SettingException($"{setting} must be between a second and ten years.");
    }
}

/// <summary>The folder of what the program makes for itself: its owner's alone.</summary>
internal static class DataFolder
{
    public static void Make(string folder)
    {
        if (OperatingSystem.IsWindows()) Directory.CreateDirectory(folder);
        else Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    /// <summary>Makes a file that only its owner reads, whole or not at all. False: somebody else has made it.</summary>
    public static bool TryCreate(string file, ReadOnlySpan<byte> content)
    {
        var half = WriteHalf(file, content);
        try
        {
            File.Move(half, file, overwrite: false);
            return true;
        }
        catch (IOException) when (File.Exists(file))
        {
            File.Delete(half);
            return false;
        }
    }

    /// <summary>Puts another file in its place, whole.</summary>
    public static void Replace(string file, ReadOnlySpan<byte> content) => File.Move(WriteHalf(file, content), file, overwrite: true);

    /// <exception cref="SettingException">Others than the owner can read it.</exception>
    public static void RequirePrivate(string name, string file)
    {
        if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(file) & ~(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute)) != 0)
            throw new SettingException($"{name} {file} can be read by others than its owner. Mend that with: chmod 600 '{file}'");
    }

    // Under another name first: nobody ever reads half of it.
    private static string WriteHalf(string file, ReadOnlySpan<byte> content)
    {
        var half = file + "." + RandomNumberGenerator.GetHexString(12, lowercase: true);
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        using var stream = new FileStream(half, options);
        stream.Write(content);
        stream.Flush(flushToDisk: true);
        return half;
    }
}

/// <summary>The secret key that the server makes for itself, readable by its owner only.</summary>
internal static class SecretKeyFile
{
    /// <param name="folder">Where it stands.</param>
    /// <param name="database">The file of a SQLite database; null: PostgreSQL.</param>
    /// <returns>The key, and whether it is new although the database may be in use: PostgreSQL is asked later.</returns>
    public static (string Key, bool IsDoubtful) ReadOrMake(string folder, string? database)
    {
        var file = FileIn(folder);
        if (File.Exists(file)) return (Read(file), false);

        // With a new key every session of an existing database would end, and nobody would know why.
        if (File.Exists(database) && new FileInfo(database).Length > 0)
            throw new SettingException(
                $"The secret key file {file} is missing, but the database {database} is in use. Restore the file, or set SECRET_KEY to the key that "
                + $"Django uses; if it is lost, make a new one, which logs everyone out: (umask 077; openssl rand -base64 48 > '{file}')");

        DataFolder.Make(folder);
        var key = Convert.ToBase64String(RandomNumberGenerator.GetBytes(48));
        return DataFolder.TryCreate(file, System.Text.Encoding.ASCII.GetBytes(key + "\n")) ? (key, database is null) : (Read(file), false);
    }

    /// <summary>Takes a new key back: nobody has used it, and another may be in use.</summary>
    public static void TakeBack(string folder) => File.Delete(FileIn(folder));

    /// <summary>Takes a new key back and refuses the start: the database is in use with another.</summary>
    public static SettingException Refuse(string folder, string database)
    {
        TakeBack(folder);
        return new SettingException(
            $"The secret key file {FileIn(folder)} is missing, but the {database} is in use. Set SECRET_KEY to the key that Django or the other servers use, or restore "
            + "the file; if it is lost, make a new one, which logs everyone out: openssl rand -base64 48");
    }

    private static string FileIn(string folder) => Path.GetFullPath(Path.Combine(folder, "secret-key"));

    private static string Read(string file)
    {
        DataFolder.RequirePrivate("The secret key file", file);
        var key = File.ReadAllText(file).Trim();
        return key.Length > 0 ? key : throw new SettingException($"The secret key file {file} is empty. Restore it from a backup.");
    }
}
