using System.Buffers.Text;
using System.Runtime.ExceptionServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Gatehouse.Audit;
using Gatehouse.Crypto;
using Gatehouse.Database;
using Gatehouse.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace Gatehouse.Users;

/// <summary>
/// Passkeys (WebAuthn Level 3). What a browser sends is verified by ASP.NET Core Identity's <see cref="PasskeyHandler{TUser}"/>; here is what it leaves
/// open: whose challenge it is, for how long, and that it is answered once. Every passkey is discoverable and made and used with user verification, so
/// that it is two factors by itself.
/// </summary>
internal sealed class Passkeys(Db db, UserAccounts accounts, GatehouseOptions options, AuditTrail audit, TimeProvider clock)
{
    /// <summary>The field that carries what a browser made of a challenge: <c>{"state": …, "credential": …}</c>.</summary>
    public const string Field = "passkey";

    public const string Invalid = "Invalid passkey.";
    public const string NotHere = "Passkeys need HTTPS and a host name; this address is none that browsers have them for.";

    /// <summary>What is longer is looked at no further. Attestations with certificates have some 8,000 characters.</summary>
    public const int MaxLength = 32_768;

    public const int MaxNameLength = 100;
    public const int MostOfOne = 20;

    private const string MakingFirst = "make first";
    private const string MakingNext = "make next";
    private const string Using = "use";
    private static readonly TimeSpan Age = TimeSpan.FromMinutes(10);

    private readonly DjangoSigner signer = new("gatehouse.passkey", [options.SecretKey, .. options.SecretKeyFallbacks]);

    // Made when the first passkey is: nobody else pays for Identity.
    private readonly Lazy<UserManager<User>> users = new(() => new UserManager<User>(
        new PasskeyStore(db, accounts), Options.Create(new IdentityOptions()), new PasswordHasher<User>(), [], [], new UpperInvariantLookupNormalizer(), new IdentityErrorDescriber(), null!,
        NullLogger<UserManager<User>>.Instance));

    /// <summary>
    /// Whom a browser makes passkeys for: the configured address, else the one that was asked for, which has passed <c>ALLOWED_HOSTS</c>. Null where
    /// browsers have none: at a bare IP address, and without HTTPS except on one's own machine.
    /// </summary>
    public (string Id, string Origin)? PartyOf(HttpContext http)
    {
        var address = options.Accounts.BaseUrl.Length > 0 ? options.Accounts.BaseUrl : RequestHost.Origin(http, options);
        if (!Uri.TryCreate(address, UriKind.Absolute, out var url) || url.HostNameType != UriHostNameType.Dns) return null;
        var isOwnMachine = url.Host == "localhost" || url.Host.EndsWith(".localhost", StringComparison.Ordinal);
        return url.Scheme == Uri.UriSchemeHttps || isOwnMachine ? (url.Host, url.GetLeftPart(UriPartial.Authority)) : null;
    }

    /// <summary>A challenge for a new passkey of the user's, which <see cref="ReadNewAsync"/> takes back; null where browsers have none.</summary>
    /// <param name="http">The request.</param>
    /// <param name="user">Who has shown a password, and a second factor where there is one.</param>
    /// <param name="isFirst">There is none: this is good only as long as that is so.</param>
    public async Task<PasskeyChallenge?> AskForNewAsync(HttpContext http, User user, bool isFirst)
    {
        if (PartyOf(http) is not { } party) return null;
        var name = $"{user.FirstName} {user.LastName}".Trim();
        var made = await Handler(party).MakeCreationOptionsAsync(
            new PasskeyUserEntity { Id = user.Id.ToString(), Name = user.Username, DisplayName = name.Length > 0 ? name : user.Username }, http);
        return new PasskeyChallenge(Sign(isFirst ? MakingFirst : MakingNext, user, made.AttestationState!), made.CreationOptionsJson);
    }

    /// <summary>A challenge for any passkey of the user's, or of anybody's; null where browsers have none.</summary>
    public async Task<PasskeyChallenge?> AskAsync(HttpContext http, User? user)
    {
        if (PartyOf(http) is not { } party) return null;
        var made = await Handler(party).MakeRequestOptionsAsync(user, http);
        return new PasskeyChallenge(Sign(Using, user, made.AssertionState!), made.RequestOptionsJson);
    }

    /// <summary>A passkey that a browser made for this user, not yet written; null when it is not one, or not for our challenge.</summary>
    public async Task<NewPasskey?> ReadNewAsync(HttpContext http, User user, string text, bool isFirst)
    {
        if (PartyOf(http) is not { } party || Shown.Read(text) is not { } shown || Verify(isFirst ? MakingFirst : MakingNext, shown.State) is not { User: { } owner } challenge || !Fits(user, owner, challenge.Fit)) return null;
        var result = await Handler(party).PerformAttestationAsync(new PasskeyAttestationContext { HttpContext = http, CredentialJson = shown.Credential, AttestationState = challenge.State });
        ThrowIfDown(result.Failure);
        // Whose it is says the challenge, never the browser.
        if (!result.Succeeded || result.UserEntity.Id != user.Id.ToString()) return null;
        return new NewPasskey(result.Passkey, challenge.Checksum);
    }

    /// <summary>Whose passkey this says to be, unproven, and its id: what attempts are counted under.</summary>
    public async Task<(User? User, string Id)> OwnerAsync(string text)
    {
        if (Shown.Read(text) is not { Id: { } id }) return (null, "");
        return (await users.Value.FindByPasskeyIdAsync(id), Base64Url.EncodeToString(id));
    }

    /// <summary>
    /// Looks at what a browser made of a challenge. One that is right is used up: a single statement decides, so that of many who send it at once one
    /// gets in, and another that the counter only goes up.
    /// </summary>
    /// <param name="http">The request.</param>
    /// <param name="text">What was sent; anything.</param>
    /// <param name="user">Whose passkey it must be; null: anybody's.</param>
    /// <param name="ct">Gives up.</param>
    /// <returns>The active user whose passkey it is; null when it is not right.</returns>
    public async Task<User?> UseAsync(HttpContext http, string text, User? user, CancellationToken ct)
    {
        if (PartyOf(http) is not { } party || Shown.Read(text) is not { } shown || Verify(Using, shown.State) is not { } challenge) return null;
        if (challenge.User is { } owner && (user is null || !Fits(user, owner, challenge.Fit))) return null;

        var result = await Handler(party).PerformAssertionAsync(new PasskeyAssertionContext { HttpContext = http, CredentialJson = shown.Credential, AssertionState = challenge.State });
        ThrowIfDown(result.Failure);
        if (!result.Succeeded || result.User is not { IsActive: true } found || user is not null && found.Id != user.Id) return null;

        var passkey = result.Passkey;
        var now = clock.GetUtcNow();
        var entry = audit.Of(AuditEvent.PasskeyUsed, by: found) is { } used ? used with { About = found.Username, Detail = passkey.Name ?? "" } : null;
        var isFirst = await db.WriteAsync(
            async tx =>
            {
                if (!await UseUpAsync(tx, challenge.Checksum, now)) return false;
                var written = await tx.RunAsync(
                    Count, ("credential", Base64Url.EncodeToString(passkey.CredentialId)), ("user", found.Id.ToString()), ("count", (long)passkey.SignCount), ("backed_up", passkey.IsBackedUp), ("now", now));
                if (written == 1) await AuditTrail.WriteAsync(tx, entry);
                return written == 1;
            },
            ct);
        return isFirst ? found : null;
    }

    /// <summary>The user's passkeys, the oldest first.</summary>
    public Task<List<Passkey>> OfUserAsync(UserId user, CancellationToken ct) => db.AllAsync(OfUser, ct, ("user", user.ToString()));

    /// <summary>Writes one, once; false when the credential is somebody's already, its challenge was used, or the user has enough.</summary>
    public async Task<bool> InsertAsync(Tx tx, UserId user, NewPasskey made, string name, AuditEntry? entry)
    {
        var now = clock.GetUtcNow();
        var passkey = made.Info;
        if (!await UseUpAsync(tx, made.Checksum, now)) return false;
        var written = await tx.RunAsync(
            Insert, ("credential", Base64Url.EncodeToString(passkey.CredentialId)), ("user", user.ToString()), ("key", Base64Url.EncodeToString(passkey.PublicKey)),
            ("count", (long)passkey.SignCount), ("transports", TransportsOf(passkey)), ("eligible", passkey.IsBackupEligible), ("backed_up", passkey.IsBackedUp),
            ("verified", passkey.IsUserVerified), ("name", name), ("now", now), ("most", MostOfOne));
        if (written == 1) await AuditTrail.WriteAsync(tx, entry);
        return written == 1;
    }

    /// <summary>Deletes one of the user's.</summary>
    public static async Task<bool> DeleteAsync(Tx tx, UserId user, long id) => await tx.RunAsync(DeleteOne, ("id", id), ("user", user.ToString())) == 1;

    /// <summary>Deletes all of the user's.</summary>
    public static Task DeleteAllAsync(Tx tx, UserId user) => tx.RunAsync(DeleteOfUser, ("user", user.ToString()));

    private PasskeyHandler<User> Handler((string Id, string Origin) party) => new(users.Value, Options.Create(new IdentityPasskeyOptions
    {
        ServerDomain = party.Id,
        UserVerificationRequirement = "required",
        ResidentKeyRequirement = "required",
        ValidateOrigin = context => new(!context.CrossOrigin && context.Origin == party.Origin),
    }));

    // The challenge itself is in the state; who reads it learns nothing that the options do not say.
    private string Sign(string purpose, User? user, string state) => signer.Sign(
        JsonSerializer.SerializeToUtf8Bytes([purpose, user?.Id.ToString() ?? "", user is null ? "" : FitOf(user), state], PasskeyJson.Default.StringArray), clock.GetUtcNow());

    /// <returns>Null when it was not written here, for this, a short time ago.</returns>
    private Challenge? Verify(string purpose, string text)
    {
        if (signer.Verify(text) is not { } json || JsonSerializer.Deserialize(json, PasskeyJson.Default.StringArray) is not [var use, var user, var fit, var state] || use != purpose) return null;
        if (DjangoSigner.TimeOf(text) is not { } written || clock.GetUtcNow() - written > Age) return null;
        // Of what was signed: the text around it may be spelled in more than one way.
        return new Challenge(user.Length == 0 ? null : user, fit, state, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(state))));
    }

    private bool Fits(User user, string owner, string fit) => user.Id.ToString() == owner && fit == FitOf(user);

    // A new password ends what was begun under the old one.
    private string FitOf(User user) => DjangoSigner.SaltedHmac("gatehouse.passkey", options.SecretKey, user.Password)[..16];

    private static async Task<bool> UseUpAsync(Tx tx, string checksum, DateTimeOffset now)
    {
        tx.Also(Forget, ("before", now - Age - Age));
        return await tx.RunAsync(UseUp, ("checksum", checksum), ("now", now)) == 1;
    }

    // The browser's word, for its own next hint: few, short, and of the letters that the standard's have.
    private static string TransportsOf(UserPasskeyInfo passkey) => string.Join(
        ',', (passkey.Transports ?? []).Where(one => one is { Length: > 0 and <= 20 } && one.All(c => char.IsAsciiLetterLower(c) || c == '-')).Distinct().Take(8));

    /// <summary>The handler makes every exception a refusal; a database that is down is none.</summary>
    private static void ThrowIfDown(PasskeyException? failure)
    {
        if (failure?.InnerException is DatabaseUnavailableException or OperationCanceledException) ExceptionDispatchInfo.Throw(failure.InnerException);
    }

    private static readonly Sql<Passkey> OfUser = new(
        "SELECT p.id, p.name, p.created, p.last_used, p.backed_up FROM gatehouse_passkey p WHERE p.user_id = @user ORDER BY p.id",
        row => new Passkey(row.Int(0), row.Text(1), row.Time(2), row.TimeOrNull(3), row.Bool(4)));

    private static readonly Sql Insert = new(
        """
        INSERT INTO gatehouse_passkey (credential_id, user_id, public_key, sign_count, transports, backup_eligible, backed_up, user_verified, name, created)
        SELECT @credential, @user, @key, @count, @transports, @eligible, @backed_up, @verified, @name, @now
        WHERE (SELECT COUNT(*) FROM gatehouse_passkey p WHERE p.user_id = @user) < @most
        ON CONFLICT (credential_id) DO NOTHING
        """);

    // Passkeys that are shared between devices have no counter: theirs stays 0.
    private static readonly Sql Count = new(
        """
        UPDATE gatehouse_passkey SET sign_count = @count, backed_up = @backed_up, last_used = @now
        WHERE credential_id = @credential AND user_id = @user AND (sign_count < @count OR sign_count = 0 AND @count = 0)
        """);

    private static readonly Sql UseUp = new("INSERT INTO gatehouse_passkey_challenge (checksum, used) VALUES (@checksum, @now) ON CONFLICT (checksum) DO NOTHING");

    private static readonly Sql Forget = new("DELETE FROM gatehouse_passkey_challenge WHERE used < @before");

    private static readonly Sql DeleteOne = new("DELETE FROM gatehouse_passkey WHERE id = @id AND user_id = @user");

    private static readonly Sql DeleteOfUser = new("DELETE FROM gatehouse_passkey WHERE user_id = @user");

    /// <param name="User">The key of whose it is; null: anybody's.</param>
    /// <param name="Fit">What it has of that user's password.</param>
    /// <param name="State">The handler's own.</param>
    /// <param name="Checksum">What it is called once it was answered.</param>
    private sealed record Challenge(string? User, string Fit, string State, string Checksum);

    /// <summary>What was sent, taken apart.</summary>
    /// <param name="State">As it was given out, if it was.</param>
    /// <param name="Credential">JSON, for the handler.</param>
    /// <param name="Id">The credential's; null when it is no base64url, or longer than the standard allows.</param>
    private sealed record Shown(string State, string Credential, byte[]? Id)
    {
        private const int MaxIdLength = 1023;

        public static Shown? Read(string text)
        {
            if (text.Length > MaxLength) return null;
            try
            {
                using var json = JsonDocument.Parse(text, new JsonDocumentOptions { MaxDepth = 16 });
                if (json.RootElement is not { ValueKind: JsonValueKind.Object } root || !root.TryGetProperty("state", out var state) || !root.TryGetProperty("credential", out var credential)) return null;
                if (state.ValueKind != JsonValueKind.String || credential.ValueKind != JsonValueKind.Object) return null;
                return new Shown(state.GetString()!, credential.GetRawText(), IdOf(credential));
            }
            catch (Exception error) when (error is JsonException or InvalidOperationException)
            {
                // No JSON, or an escape that is no character.
                return null;
            }
        }

        private static byte[]? IdOf(JsonElement credential) =>
            credential.TryGetProperty("id", out var id) && id.ValueKind == JsonValueKind.String && id.GetString() is { Length: > 0 } text
            && Base64Url.IsValid(text, out var length) && length is > 0 and <= MaxIdLength ? Base64Url.DecodeFromChars(text) : null;
    }
}

/// <summary>A passkey that a browser has made, before it is written.</summary>
/// <param name="Info">As the handler read it.</param>
/// <param name="Checksum">Of its challenge.</param>
internal sealed record NewPasskey(UserPasskeyInfo Info, string Checksum);

/// <summary>A row of <c>gatehouse_passkey</c>, as its owner sees it.</summary>
/// <param name="Id">Names it; it lets nobody in.</param>
/// <param name="Name">As the owner called it.</param>
/// <param name="Created">When it was added.</param>
/// <param name="LastUsed">Null: never.</param>
/// <param name="IsBackedUp">Whether it is shared between devices, by the last word of the authenticator.</param>
internal sealed record Passkey(long Id, string Name, DateTimeOffset Created, DateTimeOffset? LastUsed, bool IsBackedUp);

/// <summary>What a browser needs, and what it sends back beside its answer.</summary>
/// <param name="State">Signed; good for ten minutes and one answer.</param>
/// <param name="OptionsJson">For <c>navigator.credentials</c>, with bytes in base64url.</param>
internal sealed record PasskeyChallenge(string State, string OptionsJson)
{
    public void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("state", State);
        json.WritePropertyName("options");
        json.WriteRawValue(OptionsJson);
        json.WriteEndObject();
    }
}

[JsonSerializable(typeof(string[]))]
internal sealed partial class PasskeyJson : JsonSerializerContext;
