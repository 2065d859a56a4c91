using System.Text.Json;
using Gatehouse.Authentication;
using Gatehouse.Http;
using Gatehouse.Users;
using Gatehouse.Views;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.Accounts;

/// <summary>A user turns the second factor on and off, by page and by API. Each step asks for the password: a session alone may be a thief's.</summary>
internal sealed class SecondFactorPages(SecondFactors factors, SecondFactorStep steps, Passkeys passkeys, GatehouseOptions options)
{
    private const string SetUp = "set-up";
    private const string WrongPassword = "Your password was entered incorrectly. Please enter it again.";
    private const string Expired = "This page was open for too long. Please try again with the new key.";

    public static IReadOnlyList<ViewField> Fields { get; } =
    [
        new("current_password", "string", "Present password", Required: true, MaxLength: Crypto.PasswordHashes.MaxPasswordLength),
        new(SecondFactorStep.Field, "string", "Second factor", Help: "As the first answer had it."),
        new("otp", "string", "One-time code", Help: "Without one the answer is a new secret."),
        new(Passkeys.Field, "nested object", "Passkey", Help: "Along with the code, where there are passkeys."),
    ];

    public static IReadOnlyList<ViewField> RecoveryFields { get; } =
    [
        new("current_password", "string", "Present password", Required: true, MaxLength: Crypto.PasswordHashes.MaxPasswordLength),
        new("otp", "string", "One-time code"),
        ViewField.Passkey,
    ];

    /// <summary>GET, POST /accounts/second_factor/.</summary>
    public async Task<IResult> ShowAsync(HttpContext http, User user)
    {
        var (form, error) = await PageForm.ReadAsync(http);
        if (error is not null) return error;
        var status = await factors.StatusAsync(user.Id, http.RequestAborted);
        return status is { CodesSince: { } since } ? await ShowOnAsync(http, user, form, status, since) : await ShowOffAsync(http, user, form, status);
    }

    /// <param name="http">The request.</param>
    /// <param name="user">Who asks.</param>
    /// <param name="form">What was posted.</param>
    /// <param name="status">Set where there are passkeys: then one of them must be shown as well.</param>
    private async Task<IResult> ShowOffAsync(HttpContext http, User user, PageForm form, FactorStatus? status)
    {
        var secret = SecondFactors.NewSecret();
        if (form.IsPosted)
        {
            var (owner, kept) = await steps.ReadAsync(SetUp, form.Value(SecondFactorStep.Field), http.RequestAborted);
            var password = form.Password("password");
            var code = form.Text("otp", 20);
            if (owner?.Id != user.Id || kept is null) form.Fail("", Expired);
            else secret = kept;
            await AccountPages.CheckPasswordAsync(http, form, user, "password", password, WrongPassword);
            if (status is not null) await AccountPages.CheckFactorAsync(http, form, user, new FactorAnswer(null, form.Value(Passkeys.Field)));
            if (form.IsValid && await factors.EnableAsync(user, secret, code, isFirst: status is null, http.RequestAborted) is { } codes)
                return AccountPages.Page("Recovery codes", SecondFactorStep.RecoveryHtml(codes) + "<p><a href=\"/accounts/second_factor/\">I have kept them</a></p>");
            if (form.IsValid) form.Fail("otp", LoginOutcome.CodeInvalid);
        }
        var challenge = status is null ? null : await passkeys.AskAsync(http, user);
        return AccountPages.Page(
            "Second factor",
            "<p>With a second factor a password alone lets nobody in: a code from your phone is asked for too, wherever you log in.</p>\n"
            + (status is null
                ? "<p>Or <a href=\"/accounts/passkeys/\">add a passkey</a>: your device asks for your finger, face or PIN, and there is nothing to type.</p>\n"
                : $"<p>You have {(status.Passkeys == 1 ? "a passkey" : $"{status.Passkeys} passkeys")}: see <a href=\"/accounts/passkeys/\">passkeys</a>. {RecoveryCodes(status)}</p>\n")
            + steps.SetUpHtml(user, secret)
            + form.Html(
                "Turn it on",
                PageForm.Hidden(SecondFactorStep.Field, steps.Write(SetUp, user, secret)),
                SecondFactorStep.CodeInput(form),
                form.Input("password", "Password", "password", "current-password"),
                challenge is null ? "" : SecondFactorStep.PasskeyPart(challenge, "Show your passkey", SecondFactorStep.ThenGoOn, isPlain: true)));
    }

    private static string RecoveryCodes(FactorStatus status) => $"{status.RecoveryCodes} recovery codes are left.";

    private async Task<IResult> ShowOnAsync(HttpContext http, User user, PageForm form, FactorStatus status, DateTimeOffset since)
    {
        if (form.IsPosted)
        {
            var password = form.Password("password");
            var answer = SecondFactorStep.Answer(form);
            await AccountPages.CheckPasswordAsync(http, form, user, "password", password, WrongPassword);
            await AccountPages.CheckFactorAsync(http, form, user, answer);
            if (form.IsValid && form.Value("action") == "recovery_codes")
            {
                var codes = await factors.RenewRecoveryCodesAsync(user, http.RequestAborted);
                return AccountPages.Page("Recovery codes", SecondFactorStep.RecoveryHtml(codes) + "<p><a href=\"/accounts/second_factor/\">I have kept them</a></p>");
            }
            if (form.IsValid)
            {
                await factors.DisableAsync(user, http.RequestAborted);
                return new DjangoRedirect("/accounts/second_factor/");
            }
        }
        return AccountPages.Page(
            "Second factor",
            $"<p>Your second factor is on since {since:yyyy-MM-dd}. {RecoveryCodes(status)}</p>\n"
            + $"<p>{(status.Passkeys > 0 ? "In place of a code you may show one of your" : "In place of a code you may show a passkey:")} <a href=\"/accounts/passkeys/\">passkeys</a>.</p>\n"
            + form.Html(
                "Turn it off",
                form.Input("password", "Password", "password", "current-password"),
                await steps.InputAsync(http, form, user, status),
                "<button type=\"submit\" class=\"plain\" name=\"action\" value=\"recovery_codes\">New recovery codes</button>\n"));
    }

    /// <summary>GET /api/accounts/second_factor/ tells whether there is one.</summary>
    public async Task<IResult> StatusAsync(HttpContext http)
    {
        if (http.GetIdentity().User is not { } user) return ApiError.PermissionDenied();
        var status = await factors.StatusAsync(user.Id, http.RequestAborted);
        return ApiJson.Write(StatusCodes.Status200OK, json =>
        {
            json.WriteStartObject();
            json.WriteBoolean("enabled", status is { CodesSince: not null });
            json.WriteNumber("passkeys", status?.Passkeys ?? 0);
            if (status is not null) json.WriteNumber("recovery_codes", status.RecoveryCodes);
            json.WriteEndObject();
        });
    }

    /// <summary>POST /api/accounts/second_factor/: without a code gives a secret, with one turns it on.</summary>
    public async Task<IResult> EnableAsync(HttpContext http)
    {
        if (http.GetIdentity().User is not { } user) return ApiError.PermissionDenied();
        var (form, error) = await ApiForm.ReadAsync(http, options);
        if (error is not null) return error;
        var status = await factors.StatusAsync(user.Id, http.RequestAborted);
        if (status is { CodesSince: not null }) return ApiError.Validation(options.RestFramework.NonFieldErrorsKey, "There is a second factor already.");
        if (await AccountPages.PasswordErrorAsync(http, user, form) is { } wrong) return wrong;

        if (form.Loose("otp") is not { } code)
        {
            var secret = SecondFactors.NewSecret();
            return ApiJson.Write(StatusCodes.Status200OK, json =>
            {
                json.WriteStartObject();
                json.WriteString("secret", SecondFactors.Base32(secret));
                json.WriteString("otpauth_uri", steps.KeyUri(user, secret));
                json.WriteString(SecondFactorStep.Field, steps.Write(SetUp, user, secret));
                json.WriteEndObject();
            });
        }
        var (owner, kept) = await steps.ReadAsync(SetUp, form.Loose(SecondFactorStep.Field) ?? "", http.RequestAborted);
        if (owner?.Id != user.Id || kept is null) return ApiError.Validation(SecondFactorStep.Field, "Invalid value");
        if (status is not null && (await http.GetLogins().CheckFactorAsync(http, user, new FactorAnswer(null, FactorAnswer.Of(form).Passkey), http.RequestAborted)).ApiRefusal is { } refused) return refused;
        return await factors.EnableAsync(user, kept, code, isFirst: status is null, http.RequestAborted) is { } codes ? Codes(codes) : ApiError.Validation("otp", LoginOutcome.CodeInvalid);
    }

    /// <summary>DELETE /api/accounts/second_factor/ turns it off.</summary>
    public Task<IResult> DisableAsync(HttpContext http) => WithFactorAsync(http, status => status.CodesSince is not null, async user =>
    {
        await factors.DisableAsync(user, http.RequestAborted);
        return ApiJson.Empty(StatusCodes.Status204NoContent);
    });

    /// <summary>POST /api/accounts/second_factor/recovery_codes/ makes new recovery codes.</summary>
    public Task<IResult> RecoveryCodesAsync(HttpContext http) => WithFactorAsync(http, _ => true, async user => Codes(await factors.RenewRecoveryCodesAsync(user, http.RequestAborted)));

    private async Task<IResult> WithFactorAsync(HttpContext http, Func<FactorStatus, bool> isThere, Func<User, Task<IResult>> then)
    {
        if (http.GetIdentity().User is not { } user) return ApiError.PermissionDenied();
        var (form, error) = await ApiForm.ReadAsync(http, options);
        if (error is not null) return error;
        if (await factors.StatusAsync(user.Id, http.RequestAborted) is not { } status || !isThere(status)) return ApiError.NotFound();
        return await AccountPages.ProofErrorAsync(http, user, form, status) is { } refused ? refused : await then(user);
    }

    private static ApiJson Codes(IEnumerable<string> codes) => ApiJson.Write(StatusCodes.Status200OK, json =>
    {
        json.WriteStartObject();
        WriteCodes(json, codes);
        json.WriteEndObject();
    });

    internal static void WriteCodes(Utf8JsonWriter json, IEnumerable<string> codes)
    {
        json.WriteStartArray("recovery_codes");
        foreach (var code in codes) json.WriteStringValue(code);
        json.WriteEndArray();
    }
}
