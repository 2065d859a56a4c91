using Gatehouse.Administration;
using Gatehouse.Authentication;
using Gatehouse.Http;
using Gatehouse.Sessions;
using Gatehouse.Users;
using Gatehouse.Views;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.Accounts;

/// <summary>
/// A user deletes their account, with all that the admin site would delete with it. It takes the password and, where there is one, the second
/// factor: a session alone may be a thief's.
/// </summary>
internal sealed class DeleteAccount(AdminOperations operations, SecondFactors factors, SecondFactorStep steps, SessionLogin login, GatehouseOptions options)
{
    private const string WrongPassword = "Your password was entered incorrectly. Please enter it again.";
    private const string IsLast = "You are the last superuser. Make somebody else one first.";

    public static IReadOnlyList<ViewField> Fields { get; } =
    [
        new("current_password", "string", "Present password", Required: true, MaxLength: Crypto.PasswordHashes.MaxPasswordLength),
        new("otp", "string", "One-time code", Help: "Where there is a second factor."),
        ViewField.Passkey,
    ];

    /// <summary>POST /api/accounts/me/delete/.</summary>
    public async Task<IResult> HandleAsync(HttpContext http)
    {
        if (http.GetIdentity() is not { User: { } user } caller) return ApiError.PermissionDenied();
        var (form, error) = await ApiForm.ReadAsync(http, options);
        if (error is not null) return error;
        if (await AccountPages.ProofErrorAsync(http, user, form, await factors.StatusAsync(user.Id, http.RequestAborted)) is { } refused) return refused;

        var done = await operations.DeleteOwnAsync(user, http.RequestAborted);
        if (done == OwnDeletion.LastSuperuser) return ApiError.Validation(options.RestFramework.NonFieldErrorsKey, IsLast);
        if (done == OwnDeletion.Gone) return ApiError.NotFound();
        if (caller.Scheme is SessionAuthentication) await login.LogOutAsync(http);
        return ApiJson.Empty(StatusCodes.Status204NoContent);
    }

    /// <summary>GET, POST /accounts/delete/.</summary>
    public async Task<IResult> ShowAsync(HttpContext http, User user)
    {
        var (form, error) = await PageForm.ReadAsync(http);
        if (error is not null) return error;
        var status = await factors.StatusAsync(user.Id, http.RequestAborted);
        if (form.IsPosted)
        {
            var password = form.Password("password");
            var answer = status is null ? FactorAnswer.None : SecondFactorStep.Answer(form);
            await AccountPages.CheckPasswordAsync(http, form, user, "password", password, WrongPassword);
            if (status is not null) await AccountPages.CheckFactorAsync(http, form, user, answer);
            if (form.IsValid && await operations.DeleteOwnAsync(user, http.RequestAborted) == OwnDeletion.LastSuperuser) form.Fail("", IsLast);
            if (form.IsValid)
            {
                await login.LogOutAsync(http);
                return AccountPages.Notice("Account deleted", "Your account and what belonged to it are gone.", "/", "Go on");
            }
        }
        return AccountPages.Page(
            "Delete my account",
            $"<p>This deletes the account {HtmlPage.Escape(user.Username)} for good: its name and address, its sessions and tokens, and the applications that it registered.</p>\n"
            + form.Html(
                "Delete my account",
                form.Input("password", "Password", "password", "current-password"),
                status is null ? "" : await steps.InputAsync(http, form, user, status))
            + "<p><a href=\"/accounts/profile/\">Keep it</a></p>");
    }
}
