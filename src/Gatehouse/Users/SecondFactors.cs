using System.Security.Cryptography;
using System.Text;
using Gatehouse.Audit;
using Gatehouse.Database;
using Gatehouse.Http;
using Microsoft.AspNetCore.Http;
using OtpNet;

namespace Gatehouse.Users;

/// <summary>
/// One-time codes from an authenticator app (TOTP, RFC 6238), <see cref="Passkeys"/>, and recovery codes for who has neither at hand. Secrets are kept
/// encrypted under a key made from <c>SECRET_KEY</c>; recovery codes as checksums.
/// </summary>
internal sealed class SecondFactors(Db db, Passkeys passkeys, GatehouseOptions options, AuditTrail audit, TimeProvider clock)
{
    public const int Digits = 6;

    private const int RecoveryCodes = 10;
    // 50 bits each: with the limits on guesses beyond reach, and short enough to be typed.
    private const int RecoveryLength = 10;
    private const string RecoveryAlphabet = "abcdefghjkmnpqrstuvwxyz23456789";
    // One step of 30 seconds to each side: clocks differ, and typing takes time. RFC 6238 §5.2.
    private static readonly VerificationWindow Window = new(previous: 1, future: 1);

    /// <summary>
    /// Looks at a code or a passkey; one that is right is used up. One statement decides, so that of two who send it at once one gets in.
    /// </summary>
    /// <param name="http">The request; null where there is none, and so no passkey.</param>
    /// <param name="user">Who has shown a password.</param>
    /// <param name="answer">What came along. A passkey goes before a code.</param>
    /// <param name="ct">Gives up.</param>
    public async Task<FactorVerdict> CheckAsync(HttpContext? http, User user, FactorAnswer answer, CancellationToken ct)
    {
        var stored = await db.FindAsync(OfUser, ct, ("user", user.Id.ToString()));
        if (stored is not { IsAny: true }) return user.IsStaff && options.Accounts.SecondFactorForStaff ? FactorVerdict.NotSetUp : FactorVerdict.Right;
        if (answer.Passkey.Length > 0)
            return http is not null && await passkeys.UseAsync(http, answer.Passkey, user, ct) is not null ? FactorVerdict.Right : FactorVerdict.WrongPasskey;
        if (string.IsNullOrWhiteSpace(answer.Code)) return stored.Secret is null ? FactorVerdict.MissingPasskey : FactorVerdict.Missing;
        return await UseAsync(user, stored, answer.Code, ct) ? FactorVerdict.Right : FactorVerdict.Wrong;
    }

    /// <summary>The user's second factors; null when there is none.</summary>
    public async Task<FactorStatus?> StatusAsync(UserId user, CancellationToken ct) =>
        await db.FirstAsync(Status, ct, ("user", user.ToString())) is { } status && (status.CodesSince is not null || status.Passkeys > 0) ? status : null;

    /// <summary>A new secret, 160 random bits (RFC 4226 §4).</summary>
    public static byte[] NewSecret() => RandomNumberGenerator.GetBytes(20);

    /// <summary>The secret as apps take it typed.</summary>
    public static string Base32(byte[] secret) => Base32Encoding.ToString(secret).TrimEnd('=');

    /// <summary>The secret as apps take it from a QR code (Google's key URI format).</summary>
    public static string KeyUri(byte[] secret, string issuer, User user) =>
        $"otpauth://totp/{Uri.EscapeDataString(issuer)}:{Uri.EscapeDataString(user.Username)}?secret={Base32(secret)}&issuer={Uri.EscapeDataString(issuer)}&digits={Digits}&period=30";

    /// <summary>Turns one-time codes on, if the code shows that the app has the secret.</summary>
    /// <param name="user">Whose they are.</param>
    /// <param name="secret">What the app was given.</param>
    /// <param name="code">What it made of it.</param>
    /// <param name="isFirst">Whether no other factor was shown: then there must be none.</param>
    /// <param name="ct">Gives up.</param>
    /// <returns>The recovery codes, which are shown this once; null when the code is wrong or they are on already.</returns>
    public async Task<IReadOnlyList<string>?> EnableAsync(User user, byte[] secret, string code, bool isFirst, CancellationToken ct)
    {
        if (StepOf(secret, code) is not { } step) return null;
        var codes = NewRecoveryCodes();
        var now = clock.GetUtcNow();
        var sealed_ = Seal(user.Id, secret);
        var entry = audit.Of(AuditEvent.SecondFactorOn, by: user);
        return await db.WriteAsync(
            async tx =>
            {
                tx.Lock(LockOf(user.Id));
                if (await tx.RunAsync(Insert, ("user", user.Id.ToString()), ("secret", sealed_), ("step", step), ("now", now), ("first", isFirst)) != 1) return false;
                await WriteRecoveryCodesAsync(tx, user.Id, codes);
                await AuditTrail.WriteAsync(tx, entry);
                return true;
            },
            ct) ? codes : null;
    }

    /// <summary>New recovery codes in place of the old ones.</summary>
    public async Task<IReadOnlyList<string>> RenewRecoveryCodesAsync(User user, CancellationToken ct)
    {
        var codes = NewRecoveryCodes();
        var entry = audit.Of(AuditEvent.RecoveryCodesRenewed, by: user);
        await db.WriteAsync(
            async tx =>
            {
                tx.Lock(LockOf(user.Id));
                await WriteRecoveryCodesAsync(tx, user.Id, codes);
                await AuditTrail.WriteAsync(tx, entry);
                return true;
            },
            ct);
        return codes;
    }

    /// <summary>Turns one-time codes off. Recovery codes go with the last factor.</summary>
    public Task DisableAsync(User user, CancellationToken ct)
    {
        var entry = audit.Of(AuditEvent.SecondFactorOff, by: user);
        return db.WriteAsync(
            async tx =>
            {
                tx.Lock(LockOf(user.Id));
                if (await tx.RunAsync(DeleteTotp, ("user", user.Id.ToString())) != 1) return false;
                await tx.RunAsync(DeleteCodesOfNone, ("user", user.Id.ToString()));
                await AuditTrail.WriteAsync(tx, entry);
                return true;
            },
            ct);
    }

    /// <summary>Gives the user one more passkey; the first factor brings recovery codes along, which are shown this once.</summary>
    /// <returns>Whether it was written: see <see cref="Passkeys.InsertAsync"/>. The codes; null when the user has some already.</returns>
    public async Task<(bool Added, IReadOnlyList<string>? Codes)> AddPasskeyAsync(User user, NewPasskey passkey, string name, CancellationToken ct)
    {
        var codes = NewRecoveryCodes();
        var entry = audit.Of(AuditEvent.PasskeyAdded, by: user) is { } added ? added with { About = user.Username, Detail = name } : null;
        return await db.WriteAsync<(bool, IReadOnlyList<string>?)>(
            async tx =>
            {
                tx.Lock(LockOf(user.Id));
                if (!await passkeys.InsertAsync(tx, user.Id, passkey, name, entry)) return (false, null);
                if (await tx.FirstAsync(AnyCode, ("user", user.Id.ToString())) is not null) return (true, null);
                await WriteRecoveryCodesAsync(tx, user.Id, codes);
                return (true, codes);
            },
            ct);
    }

    /// <summary>Takes one of the user's passkeys away; false when there is none of that number.</summary>
    public Task<bool> RemovePasskeyAsync(User user, Passkey passkey, CancellationToken ct)
    {
        var entry = audit.Of(AuditEvent.PasskeyRemoved, by: user) is { } removed ? removed with { About = user.Username, Detail = passkey.Name } : null;
        return db.WriteAsync(
            async tx =>
            {
                tx.Lock(LockOf(user.Id));
                if (!await Passkeys.DeleteAsync(tx, user.Id, passkey.Id)) return false;
                await tx.RunAsync(DeleteCodesOfNone, ("user", user.Id.ToString()));
                await AuditTrail.WriteAsync(tx, entry);
                return true;
            },
            ct);
    }

    /// <summary>All that belongs to a user.</summary>
    public static async Task DeleteAsync(Tx tx, UserId user)
    {
        await tx.RunAsync(DeleteCodes, ("user", user.ToString()));
        await tx.RunAsync(DeleteTotp, ("user", user.ToString()));
        await Passkeys.DeleteAllAsync(tx, user);
    }

    // Recovery codes are there as long as there is a factor, whoever adds and takes away at once.
    private static string LockOf(UserId user) => $"second factor {user}";

    private async Task<bool> UseAsync(User user, StoredFactors stored, string code, CancellationToken ct)
    {
        code = string.Concat(code.Where(c => c is not (' ' or '-'))).ToLowerInvariant();
        if (code.Length == RecoveryLength) return await UseRecoveryCodeAsync(user, code, ct);
        if (stored.Secret is null || Unseal(user.Id, stored.Secret) is not { } secret || StepOf(secret, code) is not { } step) return false;
        return await db.WriteAsync(tx => tx.RunAsync(UseStep, ("user", user.Id.ToString()), ("step", step)), ct) == 1;
    }

    private Task<bool> UseRecoveryCodeAsync(User user, string code, CancellationToken ct)
    {
        // Worth a line: whoever has lost their phone does this, and whoever has found a list of codes.
        var entry = audit.Of(AuditEvent.RecoveryCodeUsed, by: user);
        return db.WriteAsync(
            async tx =>
            {
                if (await tx.RunAsync(UseCode, ("user", user.Id.ToString()), ("checksum", Checksum(user.Id, code))) != 1) return false;
                await AuditTrail.WriteAsync(tx, entry);
                return true;
            },
            ct);
    }

    private long? StepOf(byte[] secret, string code) =>
        code.Length == Digits && code.All(char.IsAsciiDigit) && new Totp(secret).VerifyTotp(clock.GetUtcNow().UtcDateTime, code, out var step, Window) ? step : null;

    private static List<string> NewRecoveryCodes() => [.. Enumerable.Range(0, RecoveryCodes).Select(_ => RandomNumberGenerator.GetString(RecoveryAlphabet, RecoveryLength))];

    private static async Task WriteRecoveryCodesAsync(Tx tx, UserId user, List<string> codes)
    {
        await tx.RunAsync(DeleteCodes, ("user", user.ToString()));
        foreach (var code in codes) await tx.RunAsync(InsertCode, ("user", user.ToString()), ("checksum", Checksum(user, code)));
    }

    // Random codes of 49 bits, so a plain hash will do; of its user, so that rows cannot be moved about.
    private static string Checksum(UserId user, string code) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{user}:{code}")));

    private string Seal(UserId user, byte[] secret)
    {
        var nonce = RandomNumberGenerator.GetBytes(AesGcm.NonceByteSizes.MaxSize);
        var text = new byte[secret.Length];
        var tag = new byte[AesGcm.TagByteSizes.MaxSize];
        using var aes = new AesGcm(KeyOf(options.SecretKey), tag.Length);
        aes.Encrypt(nonce, secret, text, tag, Encoding.ASCII.GetBytes(user.ToString()));
        return Convert.ToBase64String([.. nonce, .. tag, .. text]);
    }

    private byte[]? Unseal(UserId user, string stored)
    {
        var (nonce, tag) = (AesGcm.NonceByteSizes.MaxSize, AesGcm.TagByteSizes.MaxSize);
        // What nothing here has written opens nothing.
        var buffer = new byte[stored.Length];
        if (!Convert.TryFromBase64String(stored, buffer, out var length) || length < nonce + tag) return null;
        var bytes = buffer[..length];
        var secret = new byte[bytes.Length - nonce - tag];
        foreach (var key in (IEnumerable<string>)[options.SecretKey, .. options.SecretKeyFallbacks])
        {
            try
            {
                using var aes = new AesGcm(KeyOf(key), tag);
                aes.Decrypt(bytes.AsSpan(0, nonce), bytes.AsSpan(nonce + tag), bytes.AsSpan(nonce, tag), secret, Encoding.ASCII.GetBytes(user.ToString()));
                return secret;
            }
            catch (AuthenticationTagMismatchException)
            {
                // Perhaps it was sealed under a former key.
            }
        }
        return null;
    }

    private static byte[] KeyOf(string secretKey) => HKDF.DeriveKey(HashAlgorithmName.SHA256, Encoding.UTF8.GetBytes(secretKey), 32, info: "gatehouse.totp"u8.ToArray());

    private static readonly Sql<StoredFactors> OfUser = new(
        """
        SELECT (SELECT t.secret FROM gatehouse_totp t WHERE t.user_id = @user), CASE WHEN EXISTS (SELECT 1 FROM gatehouse_passkey p WHERE p.user_id = @user) THEN 1 ELSE 0 END
        """,
        row => new StoredFactors(row.TextOrNull(0), row.Int(1) != 0));

    private static readonly Sql<FactorStatus> Status = new(
        """
        SELECT (SELECT t.created FROM gatehouse_totp t WHERE t.user_id = @user), (SELECT COUNT(*) FROM gatehouse_recovery_code c WHERE c.user_id = @user),
            (SELECT COUNT(*) FROM gatehouse_passkey p WHERE p.user_id = @user)
        """,
        row => new FactorStatus(row.TimeOrNull(0), row.Int(1), row.Int(2)));

    private static readonly Sql Insert = new(
        """
        INSERT INTO gatehouse_totp (user_id, secret, last_step, created) SELECT @user, @secret, @step, @now
        WHERE NOT @first OR NOT EXISTS (SELECT 1 FROM gatehouse_passkey p WHERE p.user_id = @user)
        ON CONFLICT (user_id) DO NOTHING
        """);

    private static readonly Sql UseStep = new("UPDATE gatehouse_totp SET last_step = @step WHERE user_id = @user AND last_step < @step");

    private static readonly Sql DeleteTotp = new("DELETE FROM gatehouse_totp WHERE user_id = @user");

    private static readonly Sql InsertCode = new("INSERT INTO gatehouse_recovery_code (user_id, checksum) VALUES (@user, @checksum)");

    private static readonly Sql UseCode = new("DELETE FROM gatehouse_recovery_code WHERE user_id = @user AND checksum = @checksum");

    private static readonly Sql DeleteCodes = new("DELETE FROM gatehouse_recovery_code WHERE user_id = @user");

    private static readonly Sql DeleteCodesOfNone = new(
        """
        DELETE FROM gatehouse_recovery_code WHERE user_id = @user
        AND NOT EXISTS (SELECT 1 FROM gatehouse_totp t WHERE t.user_id = @user) AND NOT EXISTS (SELECT 1 FROM gatehouse_passkey p WHERE p.user_id = @user)
        """);

    private static readonly Sql<string> AnyCode = new("SELECT checksum FROM gatehouse_recovery_code WHERE user_id = @user LIMIT 1", row => row.Text(0));

    private sealed record StoredFactors(string? Secret, bool HasPasskey)
    {
        public bool IsAny => Secret is not null || HasPasskey;
    }
}

/// <summary>What a code is worth.</summary>
internal enum FactorVerdict
{
    /// <summary>Right, or none is needed.</summary>
    Right,
    Missing,

    /// <summary>No code either, and there is no app that gives one.</summary>
    MissingPasskey,
    Wrong,
    WrongPasskey,

    /// <summary>One is needed and there is none.</summary>
    NotSetUp,
}

/// <summary>A user's second factors.</summary>
/// <param name="CodesSince">When one-time codes were turned on; null: they are off.</param>
/// <param name="RecoveryCodes">How many are left.</param>
/// <param name="Passkeys">How many there are.</param>
internal sealed record FactorStatus(DateTimeOffset? CodesSince, long RecoveryCodes, long Passkeys);

/// <summary>What comes along with a password: a one-time or recovery code, or a passkey.</summary>
/// <remarks>Not a record: its <c>ToString</c> would print the code into a log.</remarks>
internal readonly struct FactorAnswer(string? code, string? passkey)
{
    /// <summary>Where nothing can be sent along.</summary>
    public static FactorAnswer None => default;

    public string Code => code ?? "";

    public string Passkey => passkey ?? "";

    /// <summary>Of a body: the fields <c>otp</c> and <c>passkey</c>, which is an object, or in a form its text.</summary>
    public static FactorAnswer Of(ApiForm form) => new(form.Loose("otp"), form.Json(Passkeys.Field));
}
