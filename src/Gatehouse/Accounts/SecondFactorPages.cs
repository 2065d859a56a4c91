using Gatehouse.Authentication;
using Gatehouse.Http;
using Gatehouse.Users;
using Gatehouse.Views;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.Accounts;

/// <summary>A user turns the second factor on and off, by page and by API. Each step asks for the password: a session alone may be a thief's.</summary>
internal sealed class SecondFactorPages(SecondFactors factors, SecondFactorStep steps, GatehouseOptions options)
{
    private const string SetUp = "set-up";
    private const string WrongPassword = "Your password was entered incorrectly. Please enter it again.";
    private const string Expired = "This page was open for too long. Please try again with the new key.";

    public static IReadOnlyList<ViewField> Fields { get; } =
    [
        new("current_password", "string", "Present password", Required: true, MaxLength: Crypto.PasswordHashes.MaxPasswordLength),
        new(SecondFactorStep.Field, "string", "Second factor", Help: "As the first answer had it."),
        new("otp", "string", "One-time code", Help: "Without one the answer is a new secret."),
    ];

    public static IReadOnlyList<ViewField> RecoveryFields { get; } =
    [
        new("current_password", "string", "Present password", Required: true, MaxLength: Crypto.PasswordHashes.MaxPasswordLength),
        new("otp", "string", "One-time code", Required: true),
    ];

    /// <summary>GET, POST /accounts/second_factor/.</summary>
    public async Task<IResult> ShowAsync(HttpContext http, User user)
    {
        var (form, error) = await PageForm.ReadAsync(http);
        if (error is not null) return error;
        return await factors.StatusAsync(user.Id, http.RequestAborted) is { } status ? await ShowOnAsync(http, user, form, status) : await ShowOffAsync(http, user, form);
    }

    private async Task<IResult> ShowOffAsync(HttpContext http, User user, PageForm form)
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
            if (form.IsValid && await factors.EnableAsync(user, secret, code, http.RequestAborted) is { } codes)
                return AccountPages.Page("Recovery codes", SecondFactorStep.RecoveryHtml(codes) + "<p><a href=\"/accounts/second_factor/\">I have kept them</a></p>");
            if (form.IsValid) form.Fail("otp", LoginOutcome.CodeInvalid);
        }
        return AccountPages.Page(
            "Second factor",
            "<p>With a second factor a password alone lets nobody in: a code from your phone is asked for too, wherever you log in.</p>\n"
            + steps.SetUpHtml(user, secret)
            + form.Html(
                "Turn it on",
                PageForm.Hidden(SecondFactorStep.Field, steps.Write(SetUp, user, secret)),
                SecondFactorStep.CodeInput(form),
                form.Input("password", "Password", "password", "current-password")));
    }

    private async Task<IResult> ShowOnAsync(HttpContext http, User user, PageForm form, FactorStatus status)
    {
        if (form.IsPosted)
        {
            var password = form.Password("password");
            var code = form.Text("otp", 20);
            await AccountPages.CheckPasswordAsync(http, form, user, "password", password, WrongPassword);
            if (form.IsValid) await AccountPages.CheckCodeAsync(http, form, user, code);
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
            $"<p>Your second factor is on since {status.Since:yyyy-MM-dd}. {status.RecoveryCodes} recovery codes are left.</p>\n"
            + form.Html(
                "Turn it off",
                form.Input("password", "Password", "password", "current-password"),
                SecondFactorStep.CodeInput(form),
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
            json.WriteBoolean("enabled", status is not null);
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
        if (await factors.StatusAsync(user.Id, http.RequestAborted) is not null) return ApiError.Validation(options.RestFramework.NonFieldErrorsKey, "There is a second factor already.");
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
        return await factors.EnableAsync(user, kept, code, http.RequestAborted) is { } codes ? Codes(codes) : ApiError.Validation("otp", LoginOutcome.CodeInvalid);
    }

    /// <summary>DELETE /api/accounts/second_factor/ turns it off.</summary>
    public Task<IResult> DisableAsync(HttpContext http) => WithCodeAsync(http, async user =>
    {
        await factors.DisableAsync(user, http.RequestAborted);
        return ApiJson.Empty(StatusCodes.Status204NoContent);
    });

    /// <summary>POST /api/accounts/second_factor/recovery_codes/ makes new recovery codes.</summary>
    public Task<IResult> RecoveryCodesAsync(HttpContext http) => WithCodeAsync(http, async user => Codes(await factors.RenewRecoveryCodesAsync(user, http.RequestAborted)));

    private async Task<IResult> WithCodeAsync(HttpContext http, Func<User, Task<IResult>> then)
    {
        if (http.GetIdentity().User is not { } user) return ApiError.PermissionDenied();
        var (form, error) = await ApiForm.ReadAsync(http, options);
        if (error is not null) return error;
        if (await factors.StatusAsync(user.Id, http.RequestAborted) is null) return ApiError.NotFound();
        if (await AccountPages.PasswordErrorAsync(http, user, form) is { } wrong) return wrong;
        var outcome = await http.GetLogins().CheckCodeAsync(http, user, form.Loose("otp") ?? "", http.RequestAborted);
        return outcome.ApiRefusal is { } refusal ? refusal : await then(user);
    }

    private static ApiJson Codes(IEnumerable<string> codes) => ApiJson.Write(StatusCodes.Status200OK, json =>
    {
        json.WriteStartObject();
        json.WriteStartArray("recovery_codes");
        foreach (var code in codes) json.WriteStringValue(code);
        json.WriteEndArray();
        json.WriteEndObject();
    });
}
