using System.Security.Cryptography;
using System.Text;
using Gatehouse.Audit;
using Gatehouse.Database;
using OtpNet;

namespace Gatehouse.Users;

/// <summary>
/// One-time codes from an authenticator app (TOTP, RFC 6238) and recovery codes. Secrets are kept encrypted under a key made from
/// <c>SECRET_KEY</c>; recovery codes as checksums.
/// </summary>
internal sealed class SecondFactors(Db db, GatehouseOptions options, AuditTrail audit, TimeProvider clock)
{
    public const int Digits = 6;

    private const int RecoveryCodes = 10;
    // 50 bits each: with the limits on guesses beyond reach, and short enough to be typed.
    private const int RecoveryLength = 10;
    private const string RecoveryAlphabet = "abcdefghjkmnpqrstuvwxyz23456789";
    // One step of 30 seconds to each side: clocks differ, and typing takes time. RFC 6238 §5.2.
    private static readonly VerificationWindow Window = new(previous: 1, future: 1);

    /// <summary>Looks at a code; one that is right is used up. One statement decides, so that of two who send it at once one gets in.</summary>
    public async Task<FactorVerdict> CheckAsync(User user, string? code, CancellationToken ct)
    {
        if (await db.FindAsync(OfUser, ct, ("user", user.Id.ToString())) is not { } stored)
            return user.IsStaff && options.Accounts.SecondFactorForStaff ? FactorVerdict.NotSetUp : FactorVerdict.Right;
        if (string.IsNullOrWhiteSpace(code)) return FactorVerdict.Missing;
        return await UseAsync(user, stored, code, ct) ? FactorVerdict.Right : FactorVerdict.Wrong;
    }

    /// <summary>Whether the user has a second factor, since when, and how many recovery codes are left.</summary>
    public Task<FactorStatus?> StatusAsync(UserId user, CancellationToken ct) => db.FirstAsync(Status, ct, ("user", user.ToString()));

    /// <summary>A new secret, 160 random bits (RFC 4226 §4).</summary>
    public static byte[] NewSecret() => RandomNumberGenerator.GetBytes(20);

    /// <summary>The secret as apps take it typed.</summary>
    public static string Base32(byte[] secret) => Base32Encoding.ToString(secret).TrimEnd('=');

    /// <summary>The secret as apps take it from a QR code (Google's key URI format).</summary>
    public static string KeyUri(byte[] secret, string issuer, User user) =>
        $"otpauth://totp/{Uri.EscapeDataString(issuer)}:{Uri.EscapeDataString(user.Username)}?secret={Base32(secret)}&issuer={Uri.EscapeDataString(issuer)}&digits={Digits}&period=30";

    /// <summary>Turns the second factor on, if the code shows that the app has the secret.</summary>
    /// <returns>The recovery codes, which are shown this once; null when the code is wrong or there is a second factor already.</returns>
    public async Task<IReadOnlyList<string>?> EnableAsync(User user, byte[] secret, string code, CancellationToken ct)
    {
        if (StepOf(secret, code) is not { } step) return null;
        var codes = NewRecoveryCodes();
        var now = clock.GetUtcNow();
        var sealed_ = Seal(user.Id, secret);
        var entry = audit.Of(AuditEvent.SecondFactorOn, by: user);
        return await db.WriteAsync(
            async tx =>
            {
                if (await tx.RunAsync(Insert, ("user", user.Id.ToString()), ("secret", sealed_), ("step", step), ("now", now)) != 1) return false;
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
                await WriteRecoveryCodesAsync(tx, user.Id, codes);
                await AuditTrail.WriteAsync(tx, entry);
                return true;
            },
            ct);
        return codes;
    }

    /// <summary>Turns the second factor off.</summary>
    public Task DisableAsync(User user, CancellationToken ct)
    {
        var entry = audit.Of(AuditEvent.SecondFactorOff, by: user);
        return db.WriteAsync(
            async tx =>
            {
                if (!await DeleteAsync(tx, user.Id)) return false;
                await AuditTrail.WriteAsync(tx, entry);
                return true;
            },
            ct);
    }

    /// <summary>All that belongs to a user.</summary>
    /// <returns>Whether there was a second factor.</returns>
    public static async Task<bool> DeleteAsync(Tx tx, UserId user)
    {
        await tx.RunAsync(DeleteCodes, ("user", user.ToString()));
        return await tx.RunAsync(DeleteTotp, ("user", user.ToString())) == 1;
    }

    private async Task<bool> UseAsync(User user, StoredTotp stored, string code, CancellationToken ct)
    {
        code = string.Concat(code.Where(c => c is not (' ' or '-'))).ToLowerInvariant();
        if (code.Length == RecoveryLength) return await UseRecoveryCodeAsync(user, code, ct);
        if (Unseal(user.Id, stored.Secret) is not { } secret || StepOf(secret, code) is not { } step) return false;
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

    private static readonly Sql<StoredTotp> OfUser = new("SELECT secret FROM gatehouse_totp WHERE user_id = @user", row => new StoredTotp(row.Text(0)));

    private static readonly Sql<FactorStatus> Status = new(
        """
        SELECT t.created, (SELECT COUNT(*) FROM gatehouse_recovery_code c WHERE c.user_id = t.user_id) FROM gatehouse_totp t WHERE t.user_id = @user
        """,
        row => new FactorStatus(row.Time(0), row.Int(1)));

    private static readonly Sql Insert = new(
        "INSERT INTO gatehouse_totp (user_id, secret, last_step, created) VALUES (@user, @secret, @step, @now) ON CONFLICT (user_id) DO NOTHING");

    private static readonly Sql UseStep = new("UPDATE gatehouse_totp SET last_step = @step WHERE user_id = @user AND last_step < @step");

    private static readonly Sql DeleteTotp = new("DELETE FROM gatehouse_totp WHERE user_id = @user");

    private static readonly Sql InsertCode = new("INSERT INTO gatehouse_recovery_code (user_id, checksum) VALUES (@user, @checksum)");

    private static readonly Sql UseCode = new("DELETE FROM gatehouse_recovery_code WHERE user_id = @user AND checksum = @checksum");

    private static readonly Sql DeleteCodes = new("DELETE FROM gatehouse_recovery_code WHERE user_id = @user");

    private sealed record StoredTotp(string Secret);
}

/// <summary>What a code is worth.</summary>
internal enum FactorVerdict
{
    /// <summary>Right, or none is needed.</summary>
    Right,
    Missing,
    Wrong,

    /// <summary>One is needed and there is none.</summary>
    NotSetUp,
}

/// <summary>A user's second factor.</summary>
/// <param name="Since">When it was turned on.</param>
/// <param name="RecoveryCodes">How many are left.</param>
internal sealed record FactorStatus(DateTimeOffset Since, long RecoveryCodes);
