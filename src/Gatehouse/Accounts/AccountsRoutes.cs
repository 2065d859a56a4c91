using Gatehouse.Database;
using Gatehouse.Permissions;
using Gatehouse.Sessions;
using Gatehouse.Users;
using Gatehouse.Views;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Gatehouse.Accounts;

internal static class AccountsRoutes
{
    public static void MapAccounts(this IEndpointRouteBuilder routes, GatehouseOptions options)
    {
        var path = options.Accounts.Path.TrimEnd('/');
        var services = routes.ServiceProvider;
        var accounts = services.GetRequiredService<UserAccounts>();
        var login = services.GetRequiredService<SessionLogin>();
        var csrf = services.GetRequiredService<Csrf>();
        var db = services.GetRequiredService<Db>();
        var emails = services.GetRequiredService<EmailVerification>();
        var keys = services.GetRequiredService<PasskeyPages>();

        routes.MapView(path + "/register/", "Register", view => view.Post(http => Register.HandleAsync(http, accounts, emails, csrf, options)).PostFields = Register.Fields).RequirePermission(new AllowAny());
        routes.MapView(path + "/login/", "Login", view => view.Post(http => Login.HandleAsync(http, login, csrf, options)).FormFields = Login.Fields).RequirePermission(new AllowAny());
        routes.MapView(path + "/login/passkey/", "Passkey", view => view.Get(keys.AskAsync)).RequirePermission(new AllowAny());
        routes.MapView(path + "/logout/", "Logout", view => view.Post(http => Logout.HandleAsync(http, login)).TakesNoBody = true).RequirePermission(new IsAuthenticated());
        routes.MapView(path + "/profile/", "Profile", view => view.Get(Profile.HandleAsync)).RequirePermission(new IsAuthenticated());
        routes.MapView(path + "/users/", "Users", view => view.Get(http => UserList.HandleAsync(http, db))).RequirePermission(new IsAdminUser());

        var change = services.GetRequiredService<PasswordChange>();
        var profile = services.GetRequiredService<ProfilePages>();
        var sessions = services.GetRequiredService<SessionPages>();
        var tokens = services.GetRequiredService<TokenPages>();
        var factors = services.GetRequiredService<SecondFactorPages>();
        Own("/me/", "Me", view => view.Get(profile.GetAsync).Patch(profile.PatchAsync));
        Own("/password/change/", "Password Change", view => view.Post(change.HandleAsync).PostFields = PasswordChange.Fields);
        Own("/sessions/", "Sessions", view => view.Get(sessions.ListAsync));
        Own("/sessions/end_others/", "End Others", view => view.Post(sessions.EndOthersAsync).PostFields = SessionPages.Fields);
        Own("/sessions/{id}/", "Session", view => view.Delete(sessions.EndAsync));
        Own("/token/", "Token", view => view.Post(tokens.RenewAsync).Delete(tokens.DeleteAsync).PostFields = TokenPages.Fields);
        Own("/token/end_jwt/", "End JSON Web Tokens", view => view.Post(tokens.EndJwtAsync).TakesNoBody = true);
        Own("/second_factor/", "Second Factor", view => view.Get(factors.StatusAsync).Post(factors.EnableAsync).Delete(factors.DisableAsync).PostFields = SecondFactorPages.Fields);
        Own("/passkeys/", "Passkeys", view => view.Get(keys.ListAsync));
        Own("/passkeys/begin/", "New Passkey", view => view.Post(keys.BeginAsync).PostFields = SecondFactorPages.RecoveryFields);
        Own("/passkeys/finish/", "Passkey Made", view => view.Post(keys.FinishAsync).PostFields = PasskeyPages.Fields);
        Own("/passkeys/{id}/", "Passkey", view => view.Delete(keys.DeleteAsync));
        // The admin site deletes no users of a project's own model either: what refers to them, only the project knows.
        if (options.UserModel.IsDjangosOwn)
        {
            var deletion = services.GetRequiredService<DeleteAccount>();
            Own("/me/delete/", "Delete", view => view.Post(deletion.HandleAsync).PostFields = DeleteAccount.Fields);
            routes.MapAccountPage("/accounts/delete/", deletion.ShowAsync);
        }
        Own("/second_factor/recovery_codes/", "Recovery Codes", view => view.Post(factors.RecoveryCodesAsync).PostFields = SecondFactorPages.RecoveryFields);
        routes.MapOpenPage("/accounts/register/", services.GetRequiredService<SignUpPage>().ShowAsync);
        routes.MapAccountPage("/accounts/profile/", profile.ShowAsync);
        routes.MapAccountPage("/accounts/profile/edit/", profile.EditAsync);
        routes.MapAccountPage("/accounts/password_change/", change.ShowAsync);
        routes.MapAccountPage("/accounts/password_change/done/", (_, _) => Answer(AccountPages.Notice(
            "Password change successful", "Your password was changed.", options.LoginRedirectUrl, "Go on")), hasForm: false);
        routes.MapAccountPage("/accounts/sessions/", sessions.ShowAsync);
        routes.MapAccountPage("/accounts/tokens/", tokens.ShowAsync);
        routes.MapAccountPage("/accounts/second_factor/", factors.ShowAsync);
        routes.MapAccountPage("/accounts/passkeys/", keys.ShowAsync);
        routes.MapAccountPage("/accounts/passkeys/add/", keys.AddAsync);
        routes.MapAccountPage("/accounts/passkeys/{id}/delete/", keys.DeleteAsync);
        // Links need to know where they lead.
        if (options.Accounts.BaseUrl.Length > 0)
        {
            var reset = services.GetRequiredService<PasswordReset>();
            routes.MapView(path + "/password/reset/", "Password Reset", view => view.Post(reset.HandleAsync).PostFields = PasswordReset.Fields).RequirePermission(new AllowAny());
            routes.MapView(path + "/password/reset/confirm/", "Password Reset Confirm", view => view.Post(reset.ConfirmAsync).PostFields = PasswordReset.ConfirmFields).RequirePermission(new AllowAny());
            routes.MapOpenPage("/accounts/password_reset/", reset.ShowAsync);
            routes.MapOpenPage("/accounts/password_reset/done/", _ => Answer(AccountPages.Notice(
                "Password reset sent",
                "If there is an account with the address that you entered, a link is on its way to it. If it does not arrive, look among the unwanted mail, and make sure that it is the address you registered with.",
                options.LoginUrl, "Log in")), hasForm: false);
            routes.MapOpenPage("/accounts/reset/{uidb64}/{token}/", reset.SetPasswordAsync);
            routes.MapOpenPage("/accounts/reset/done/", _ => Answer(AccountPages.Notice(
                "Password reset complete", "Your password has been set. You may go ahead and log in now.", options.LoginUrl, "Log in")), hasForm: false);
            routes.MapOpenPage("/accounts/verify_email/{token}/", emails.ShowAsync);
        }

        routes.MapLoginPage("/accounts/login/");
        routes.MapLogoutPage("/accounts/logout/");
        routes.MapLoginPage("/api-auth/login/", new LoginPageOptions { NamesSubmit = true });
        routes.MapLogoutPage("/api-auth/logout/");

        void Own(string at, string name, Action<ApiView> view) => routes.MapView(path + at, name, view).RequirePermission(new IsOwner());
    }

    private static Task<IResult> Answer(IResult answer) => Task.FromResult(answer);
}
