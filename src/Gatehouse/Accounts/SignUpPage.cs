using Gatehouse.Http;
using Gatehouse.Sessions;
using Gatehouse.Users;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.Accounts;

/// <summary>GET, POST /accounts/register/ makes a plain user and logs in (Django's <c>UserCreationForm</c>).</summary>
internal sealed class SignUpPage(UserAccounts accounts, SessionLogin login, EmailVerification emails, GatehouseOptions options)
{
    private const string NameTaken = "A user with that username already exists.";

    public async Task<IResult> ShowAsync(HttpContext http)
    {
        if (!options.Accounts.RegistrationOpen)
            return new HtmlPage(StatusCodes.Status403Forbidden, "Registration is closed", "<h1>Registration is closed</h1>\n<p>Ask the people who run this site for an account.</p>");

        var isAddress = options.UserModel.IsNamedByAddress;
        var (form, error) = await PageForm.ReadAsync(http);
        if (error is not null) return error;
        if (form.IsPosted)
        {
            var username = form.Text("username", options.UserModel.LongestName, check: isAddress ? EmailAddress.Check : Username.Check);
            if (form.IsValid) username = isAddress ? EmailAddress.Normalise(username) : Username.Normalise(username);
            var email = isAddress ? username : form.Text("email", EmailAddress.MaxLength, required: false, check: EmailAddress.Check);
            var first = form.Password("password1");
            var second = form.Password("password2");
            if (form.IsValid && first != second) form.Fail("password2", PasswordChange.Mismatch);
            if (form.IsValid && await accounts.FindAsync(username, http.RequestAborted) is not null) form.Fail("username", NameTaken);
            if (form.IsValid) form.Fail("password2", accounts.CheckPassword(second, username, email));
            if (form.IsValid && await accounts.CreateAsync(username, email, second, ct: http.RequestAborted) is { } user)
            {
                emails.Ask(user, user.Email);
                await login.LogInAsync(http, user);
                return new DjangoRedirect(options.LoginRedirectUrl);
            }
            if (form.IsValid) form.Fail("username", NameTaken);
        }
        return AccountPages.Page(
            "Sign up",
            form.Html(
                "Sign up",
                isAddress
                    ? form.Input("username", "Email", "email", "username", EmailAddress.MaxLength, more: "autofocus")
                    : form.Input("username", "Username", autocomplete: "username", maxLength: Username.MaxLength, help: "150 characters or fewer. Letters, digits and @/./+/-/_ only.", more: "autocapitalize=\"none\" autofocus")
                        + form.Input("email", "Email", "email", "email", EmailAddress.MaxLength, required: false, help: "To reset your password, should you forget it."),
                form.Input("password1", "Password", "password", "new-password"),
                form.Input("password2", "Password confirmation", "password", "new-password"))
            + $"<p><a href=\"{HtmlPage.Escape(options.LoginUrl)}\">Log in instead</a></p>");
    }
}
