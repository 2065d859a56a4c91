using Gatehouse.Authentication;
using Gatehouse.Http;
using Gatehouse.Sessions;
using Gatehouse.Users;
using Gatehouse.Views;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.Accounts;

/// <summary>A user sets another password, showing the old one (Django's <c>PasswordChangeView</c>, <c>PasswordChangeForm</c>).</summary>
internal sealed class PasswordChange(UserAccounts accounts, SessionLogin login, GatehouseOptions options)
{
    public const string Mismatch = "The two password fields didn’t match.";
    private const string OldIsWrong = "Your old password was entered incorrectly. Please enter it again.";

    public static IReadOnlyList<ViewField> Fields { get; } =
    [
        new("old_password", "string", "Old password", Required: true, MaxLength: Crypto.PasswordHashes.MaxPasswordLength),
        new("new_password1", "string", "New password", Required: true, MaxLength: Crypto.PasswordHashes.MaxPasswordLength),
        new("new_password2", "string", "New password confirmation", Required: true, MaxLength: Crypto.PasswordHashes.MaxPasswordLength),
    ];

    /// <summary>POST /api/accounts/password/change/.</summary>
    public async Task<IResult> HandleAsync(HttpContext http)
    {
        if (http.GetIdentity() is not { User: { } user } caller) return ApiError.PermissionDenied();
        var (form, error) = await ApiForm.ReadAsync(http, options);
        if (error is not null) return error;
        var old = form.Text("old_password", trim: false, maxLength: Crypto.PasswordHashes.MaxPasswordLength);
        var (first, second) = NewPasswords(form);
        if (old is not null)
        {
            var outcome = await http.GetLogins().CheckOwnPasswordAsync(http, user, old, http.RequestAborted);
            if (outcome.ApiRefusal is { } refusal) return refusal;
            if (outcome.Admitted is null) form.Fail("old_password", OldIsWrong);
        }
        if (first is not null && second is not null && Check(accounts, user, first, second) is { Count: > 0 } wrong) form.Fail("new_password2", wrong);
        if (form.Error is { } errors) return errors;

        if (await accounts.ReplacePasswordAsync(user, second!, http.RequestAborted) is not { } changed) return ApiError.Validation("old_password", OldIsWrong);
        if (caller.Scheme is SessionAuthentication) await login.KeepAsync(http, changed);
        return ApiJson.Detail("New password has been saved.");
    }

    /// <summary>GET, POST /accounts/password_change/.</summary>
    public async Task<IResult> ShowAsync(HttpContext http, User user)
    {
        var (form, error) = await PageForm.ReadAsync(http);
        if (error is not null) return error;
        if (form.IsPosted)
        {
            var old = form.Password("old_password");
            await AccountPages.CheckPasswordAsync(http, form, user, "old_password", old, OldIsWrong);
            var password = NewPassword(form, accounts, user);
            if (form.IsValid && await accounts.ReplacePasswordAsync(user, password, http.RequestAborted) is { } changed)
            {
                await login.KeepAsync(http, changed);
                return new DjangoRedirect("/accounts/password_change/done/");
            }
            if (form.IsValid) form.Fail("old_password", OldIsWrong);
        }
        return AccountPages.Page(
            "Password change",
            "<p>Please enter your old password, and then the new one twice. Your other sessions and refresh tokens will end.</p>\n"
            + form.Html(
                "Change my password",
                form.Input("old_password", "Old password", "password", "current-password", more: "autofocus"),
                form.Input("new_password1", "New password", "password", "new-password"),
                form.Input("new_password2", "New password confirmation", "password", "new-password")));
    }

    /// <summary>The two fields of a new password; null where one is missing or wrong.</summary>
    public static (string? First, string? Second) NewPasswords(ApiForm form) => (
        form.Text("new_password1", trim: false, maxLength: Crypto.PasswordHashes.MaxPasswordLength),
        form.Text("new_password2", trim: false, maxLength: Crypto.PasswordHashes.MaxPasswordLength));

    /// <summary>The new password that a page's form gives twice; its errors stand in the form (Django's <c>SetPasswordForm</c>).</summary>
    public static string NewPassword(PageForm form, UserAccounts accounts, User user)
    {
        var first = form.Password("new_password1");
        var second = form.Password("new_password2");
        if (first.Length > 0 && second.Length > 0 && Math.Max(first.Length, second.Length) <= Crypto.PasswordHashes.MaxPasswordLength)
            form.Fail("new_password2", Check(accounts, user, first, second));
        return second;
    }

    /// <summary>What is wrong with a new password; Django says it of the second field.</summary>
    public static IReadOnlyList<string> Check(UserAccounts accounts, User user, string first, string second) =>
        first != second ? [Mismatch] : accounts.CheckPassword(second, user.Username, user.Email, user.FirstName, user.LastName);
}
