using System.Globalization;
using System.Text.Json;
using Gatehouse.Database;
using Gatehouse.Http;
using Gatehouse.Users;

namespace Gatehouse.Jwt;

/// <summary>Finds the user whom a claim names (<c>USER_ID_FIELD</c>, <c>USER_ID_CLAIM</c>).</summary>
internal sealed class JwtUsers(Db db, UserAccounts accounts, UserModel model, GatehouseOptions options)
{
    /// <summary>What <c>USER_ID_FIELD</c> may be.</summary>
    public static IReadOnlyList<string> Fields(UserModelOptions model) =>
        [.. new[] { "id", "pk", model.UsernameField, model.EmailField, model.Columns.TryGetValue("id", out var key) ? key : "id" }.Distinct()];

    private readonly bool isByName = options.Jwt.UserIdField == options.UserModel.UsernameField;
    private readonly bool isByEmail = options.Jwt.UserIdField == options.UserModel.EmailField;

    private readonly bool isLoose = options.Jwt.LooseUserIds ?? options.Profile == Profile.Django;

    public static string IdOf(User user, GatehouseOptions options) =>
        options.Jwt.UserIdField == options.UserModel.UsernameField ? user.Username
        : options.Jwt.UserIdField == options.UserModel.EmailField ? user.Email
        : user.Id.ToString();

    /// <returns>Whether the claim can name a user at all, and the user if there is one.</returns>
    public async ValueTask<(bool IsName, User? User)> FindAsync(JsonElement claim, CancellationToken ct)
    {
        if (isByName || isByEmail)
        {
            if (claim.ValueKind != JsonValueKind.String) return (false, null);
            var text = claim.GetString()!;
            if (isByName) return (true, await accounts.FindAsync(text, ct));
            // An address may be that of several: then it names nobody.
            return (true, await db.AllAsync(ByEmail, ct, ("email", text)) is [var one] ? one : null);
        }

        if (claim.ValueKind == JsonValueKind.Null && isLoose) return (true, null);
        var (isKey, key) = Key(claim);
        return !isKey ? (false, null) : (true, key is { } id ? await accounts.FindAsync(id, ct) : null);
    }

    /// <summary>The key that the claim names, of a user who may not be there; null when it names none, or something else than a key.</summary>
    public UserId? KeyOf(JsonElement claim) => isByName || isByEmail ? null : Key(claim).Id;

    private (bool IsKey, UserId? Id) Key(JsonElement claim) => model.HasUuids ? Uuid(claim) : isLoose ? Loose(claim) : Strict(claim);

    private static readonly Sql<User> ByEmail = new($"SELECT {User.Columns} FROM auth_user u WHERE u.email = @email LIMIT 2", User.Read);

    // As simplejwt writes it; Python's uuid.UUID() also reads it without dashes.
    private (bool, UserId?) Uuid(JsonElement claim) =>
        claim.ValueKind == JsonValueKind.String && claim.GetString() is { Length: <= 36 } text && (Guid.TryParseExact(text, "D", out var uuid) || isLoose && Guid.TryParseExact(text, "N", out uuid))
            ? (true, new UserId(uuid))
            : (false, null);

    // "3" as simplejwt writes it, 3 as it did before: one spelling each.
    private static (bool, UserId?) Strict(JsonElement claim)
    {
        var text = claim.ValueKind switch
        {
            JsonValueKind.String => claim.GetString(),
            JsonValueKind.Number => claim.GetRawText(),
            _ => null,
        };
        return UserId.TryParse(text, out var id) && id.ToString() == text ? (true, id) : (false, null);
    }

    // Python's int(): blanks around, a sign, leading zeros, underscores, digits of any script; of numbers the whole part; True is 1.
    private static (bool, UserId?) Loose(JsonElement claim)
    {
        switch (claim.ValueKind)
        {
            case JsonValueKind.True: return (true, new UserId(1));
            case JsonValueKind.False: return (true, new UserId(0));
            case JsonValueKind.Number:
                if (claim.TryGetInt64(out var whole)) return (true, new UserId(whole));
                return (true, claim.TryGetDouble(out var real) && Math.Abs(real) < long.MaxValue ? new UserId((long)Math.Truncate(real)) : null);
            case JsonValueKind.String:
                var text = PythonText.Strip(claim.GetString()!);
                var isNegative = text.StartsWith('-');
                if (isNegative || text.StartsWith('+')) text = text[1..];
                if (text.Length == 0 || text.StartsWith('_') || text.EndsWith('_') || text.Contains("__", StringComparison.Ordinal)) return (false, null);
                long number = 0;
                var fits = true;
                foreach (var c in text.Replace("_", "", StringComparison.Ordinal))
                {
                    var digit = CharUnicodeInfo.GetDecimalDigitValue(c);
                    if (digit < 0) return (false, null);
                    fits = fits && number < long.MaxValue / 10 - 1;
                    if (fits) number = number * 10 + digit;
                }
                return (true, fits ? new UserId(isNegative ? -number : number) : null);
            default: return (false, null);
        }
    }
}
