using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Gatehouse.Crypto;
using Gatehouse.Http;
using Gatehouse.Users;
using Microsoft.AspNetCore.Http;
using QRCoder;

namespace Gatehouse.Accounts;

/// <summary>
/// What stands between two steps, in a signed field: who has shown a password and is asked for a code, or whose app is to get which secret.
/// Good for ten minutes, and only while the user's password is the same.
/// </summary>
internal sealed class SecondFactorStep(UserAccounts accounts, Passkeys passkeys, GatehouseOptions options, TimeProvider clock)
{
    public const string Field = "second_factor";
    private static readonly TimeSpan Age = TimeSpan.FromMinutes(10);

    private readonly DjangoSigner signer = new("gatehouse.second_factor", [options.SecretKey, .. options.SecretKeyFallbacks]);

    /// <param name="purpose">What it may be used for: a field of one page is no good on another.</param>
    /// <param name="user">Whose it is.</param>
    /// <param name="secret">For an app that is being set up.</param>
    public string Write(string purpose, User user, byte[]? secret = null)
    {
        var now = clock.GetUtcNow();
        var json = JsonSerializer.SerializeToUtf8Bytes(
            [purpose, user.Id.ToString(), Fit(user), now.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture), secret is null ? "" : Convert.ToBase64String(secret)],
            SecondFactorJson.Default.StringArray);
        return signer.Sign(json, now);
    }

    /// <returns>Nobody when it was not written here, for this, a short time ago.</returns>
    public async Task<(User? User, byte[]? Secret)> ReadAsync(string purpose, string text, CancellationToken ct)
    {
        if (text.Length > 1000 || signer.Verify(text) is not { } json) return default;
        if (JsonSerializer.Deserialize(json, SecondFactorJson.Default.StringArray) is not [var use, var id, var fit, var at, var secret] || use != purpose) return default;
        var written = DateTimeOffset.FromUnixTimeSeconds(long.Parse(at, CultureInfo.InvariantCulture));
        if (clock.GetUtcNow() - written > Age || !UserId.TryParse(id, out var key)) return default;
        return await accounts.FindAsync(key, ct) is { IsActive: true } user && Fit(user) == fit ? (user, secret.Length == 0 ? null : Convert.FromBase64String(secret)) : default;
    }

    private string Fit(User user) => DjangoSigner.SaltedHmac("gatehouse.second_factor", options.SecretKey, user.Password)[..16];

    /// <summary>The field of a code, as browsers and phones know it.</summary>
    public static string CodeInput(PageForm form, string label = "Code", string help = "", bool required = true, bool isFirst = true) => form.Input(
        "otp", label, autocomplete: "one-time-code", maxLength: 20, required: required, help: help, more: "inputmode=\"text\" autocapitalize=\"none\" spellcheck=\"false\"" + (isFirst ? " autofocus" : ""));

    /// <summary>A field for a code and, for who has passkeys where the browser may have them too, a button for one.</summary>
    /// <param name="http">The request.</param>
    /// <param name="form">Where they stand.</param>
    /// <param name="user">Who is asked.</param>
    /// <param name="status">Their factors.</param>
    /// <param name="submits">Whether nothing is left to do once the passkey was shown.</param>
    public async Task<string> InputAsync(HttpContext http, PageForm form, User user, FactorStatus status, bool submits = false)
    {
        var challenge = status.Passkeys > 0 ? await passkeys.AskAsync(http, user) : null;
        var hasApp = status.CodesSince is not null;
        var passkey = challenge is null ? "" : PasskeyPart(challenge, "Use a passkey", submits ? ThenSubmit : ThenNoCode, isPlain: hasApp || !submits);
        // What they have at hand comes first.
        return hasApp
            ? CodeInput(form, help: "From your authenticator app, or a recovery code.", required: challenge is null, isFirst: submits) + passkey
            : passkey + CodeInput(form, "Recovery code", "Where you do not have your passkey.", required: challenge is null, isFirst: false);
    }

    /// <summary>What came of <see cref="InputAsync"/>. A missing code is noted in the form.</summary>
    public static FactorAnswer Answer(PageForm form) =>
        form.Value(Passkeys.Field) is { Length: > 0 } passkey ? new FactorAnswer(null, passkey) : new FactorAnswer(form.Text("otp", 20), null);

    /// <summary>What follows once a passkey was shown: the form is sent; its code is not needed; or all else still is.</summary>
    public const string ThenSubmit = "submit";

    /// <inheritdoc cref="ThenSubmit"/>
    public const string ThenNoCode = "no-code";

    /// <inheritdoc cref="ThenSubmit"/>
    public const string ThenGoOn = "go-on";

    /// <summary>A button that asks the browser, inside a form. The script of such pages shows it.</summary>
    public static string PasskeyPart(PasskeyChallenge challenge, string label, string then, bool isPlain = false)
    {
        var json = Encoding.UTF8.GetString(ApiJson.Bytes(challenge.Write).Span);
        return $"<div class=\"passkey\" data-passkey=\"{HtmlPage.Escape(json)}\" data-then=\"{then}\" hidden>\n{PageForm.Hidden(Passkeys.Field, "")}"
            + $"<button type=\"button\"{(isPlain ? " class=\"plain\"" : "")}>{HtmlPage.Escape(label)}</button>\n<p role=\"status\"></p>\n</div>\n";
    }

    /// <summary>What an app needs, as a picture and as text.</summary>
    public string SetUpHtml(User user, byte[] secret)
    {
        var base32 = SecondFactors.Base32(secret);
        var spaced = string.Join(' ', base32.Chunk(4).Select(four => new string(four)));
        return "<p>Scan this with an authenticator app, or type the key into it. Then enter the code that the app shows.</p>\n"
            + QrCode(KeyUri(user, secret)) + $"<p>Key: <code>{spaced}</code></p>\n";
    }

    public string KeyUri(User user, byte[] secret) => SecondFactors.KeyUri(secret, Issuer, user);

    /// <summary>Recovery codes, which are shown once.</summary>
    public static string RecoveryHtml(IEnumerable<string> codes) =>
        "<p>Each of these codes lets you in once when you do not have your app. Keep them where nobody else finds them: they are not shown again.</p>\n<ul class=\"codes\">\n"
        + string.Concat(codes.Select(code => $"<li><code>{code[..5]}-{code[5..]}</code></li>\n")) + "</ul>\n";

    private string Issuer => options.Accounts.BaseUrl.Length > 0 ? new Uri(options.Accounts.BaseUrl).Authority : "Gatehouse";

    /// <summary>An inline picture without script and style. Each row is a few runs of dark modules.</summary>
    private static string QrCode(string text)
    {
        using var generator = new QRCodeGenerator();
        using var code = generator.CreateQrCode(text, QRCodeGenerator.ECCLevel.M);
        var size = code.ModuleMatrix.Count;
        var path = new StringBuilder();
        for (var y = 0; y < size; y++)
        {
            for (var x = 0; x < size; x++)
            {
                var start = x;
                while (x < size && code.ModuleMatrix[y][x]) x++;
                if (x > start) path.Append(CultureInfo.InvariantCulture, $"M{start} {y}h{x - start}v1H{start}z");
            }
        }
        return $"<svg class=\"qr\" role=\"img\" aria-label=\"QR code for an authenticator app\" viewBox=\"0 0 {size} {size}\" width=\"220\" height=\"220\" shape-rendering=\"crispEdges\">"
            + $"<path fill=\"#fff\" d=\"M0 0h{size}v{size}H0z\"/><path fill=\"#000\" d=\"{path}\"/></svg>\n";
    }
}

[JsonSerializable(typeof(string[]))]
internal sealed partial class SecondFactorJson : JsonSerializerContext;
