using System.Buffers.Text;
using System.Text;
using Gatehouse.Crypto;
using Gatehouse.Database;
using Gatehouse.Http;
using Gatehouse.Mail;
using Gatehouse.Sessions;
using Gatehouse.Throttling;
using Gatehouse.Users;
using Gatehouse.Views;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.Accounts;

/// <summary>
/// A new password for who forgot the old one, by a link in a mail (Django's <c>PasswordResetView</c> and <c>PasswordResetConfirmView</c>).
/// Whether an address is known shows in no answer and in no answer's time: it is looked up behind the answer.
/// </summary>
internal sealed class PasswordReset(
    Db db, UserModel model, UserAccounts accounts, PasswordResetTokenGenerator tokens, ThrottleStore throttles, Outbox outbox, GatehouseOptions options)
{
    private const string Sent = "Password reset e-mail has been sent.";
    private const string Invalid = "Invalid value";
    // Where Django's page keeps the token, so that the form's address has none that could leak.
    private const string SessionName = "_password_reset_token";
    private const string InAddress = "set-password";
    private const int MostUsers = 20;

    private readonly Rate? ofNetwork = options.Accounts.PasswordResetThrottleRate is { Length: > 0 } text ? Rate.Parse(text) : null;
    private readonly Rate? ofUser = options.Accounts.MailThrottleRate is { Length: > 0 } text ? Rate.Parse(text) : null;

    public static IReadOnlyList<ViewField> Fields { get; } =
    [
        new("email", "email", "Email", Required: true, MaxLength: EmailAddress.MaxLength),
    ];

    public static IReadOnlyList<ViewField> ConfirmFields { get; } =
    [
        new("uid", "string", "Uid", Required: true),
        new("token", "string", "Token", Required: true),
        new("new_password1", "string", "New password", Required: true, MaxLength: Crypto.PasswordHashes.MaxPasswordLength),
        new("new_password2", "string", "New password confirmation", Required: true, MaxLength: Crypto.PasswordHashes.MaxPasswordLength),
    ];

    /// <summary>POST /api/accounts/password/reset/.</summary>
    public async Task<IResult> HandleAsync(HttpContext http)
    {
        var (form, error) = await ApiForm.ReadAsync(http, options);
        if (error is not null) return error;
        var email = form.Text("email", maxLength: EmailAddress.MaxLength, after: EmailAddress.Check, notText: EmailAddress.Invalid);
        if (form.Error is { } wrong) return wrong;

        var verdict = await AskAsync(http, email!);
        return verdict.Allowed ? ApiJson.Detail(Sent) : ApiError.Throttled(verdict.Wait);
    }

    /// <summary>GET, POST /accounts/password_reset/.</summary>
    public async Task<IResult> ShowAsync(HttpContext http)
    {
        var (form, error) = await PageForm.ReadAsync(http);
        if (error is not null) return error;
        if (form.IsPosted)
        {
            var email = form.Text("email", EmailAddress.MaxLength, check: EmailAddress.Check);
            if (form.IsValid)
            {
                var verdict = await AskAsync(http, email);
                return verdict.Allowed ? new DjangoRedirect("/accounts/password_reset/done/") : AccountPages.TooMany(verdict.Wait);
            }
        }
        return AccountPages.Page(
            "Password reset",
            "<p>Forgotten your password? Enter the email address of your account, and we’ll mail you a link to set a new one.</p>\n"
            + form.Html("Reset my password", form.Input("email", "Email", "email", "email", EmailAddress.MaxLength, more: "autofocus")));
    }

    /// <summary>POST /api/accounts/password/reset/confirm/.</summary>
    public async Task<IResult> ConfirmAsync(HttpContext http)
    {
        var (form, error) = await ApiForm.ReadAsync(http, options);
        if (error is not null) return error;
        var uid = form.Text("uid", maxLength: 100);
        var token = form.Text("token", maxLength: 100);
        var (first, second) = PasswordChange.NewPasswords(form);
        if (form.Error is { } missing) return missing;
        // One answer for all that is wrong with a link: who has none learns nothing of users.
        if (await FindAsync(uid!, token!, http.RequestAborted) is not { } user) return ApiError.Validation("token", Invalid);
        if (PasswordChange.Check(accounts, user, first!, second!) is { Count: > 0 } wrong)
            return ApiError.Validation(new Dictionary<string, IReadOnlyList<string>> { ["new_password2"] = wrong });

        return await accounts.ReplacePasswordAsync(user, second!, http.RequestAborted) is not null
            ? ApiJson.Detail("Password has been reset with the new password.")
            : ApiError.Validation("token", Invalid);
    }

    /// <summary>GET, POST /accounts/reset/UIDB64/TOKEN/.</summary>
    public async Task<IResult> SetPasswordAsync(HttpContext http)
    {
        var uid = (string)http.Request.RouteValues["uidb64"]!;
        var token = (string)http.Request.RouteValues["token"]!;
        if (token != InAddress)
        {
            if (await FindAsync(uid, token, http.RequestAborted) is null) return Unsuccessful();
            (await http.GetSessionAsync()).Set(SessionName, token);
            return new DjangoRedirect($"/accounts/reset/{uid}/{InAddress}/");
        }

        var session = await http.GetSessionAsync();
        if (session.GetString(SessionName) is not { } kept || await FindAsync(uid, kept, http.RequestAborted) is not { } user) return Unsuccessful();
        var (form, error) = await PageForm.ReadAsync(http);
        if (error is not null) return error;
        if (form.IsPosted)
        {
            var password = PasswordChange.NewPassword(form, accounts, user);
            if (form.IsValid)
            {
                session.Remove(SessionName);
                return await accounts.ReplacePasswordAsync(user, password, http.RequestAborted) is null ? Unsuccessful() : new DjangoRedirect("/accounts/reset/done/");
            }
        }
        return AccountPages.Page(
            "Enter new password",
            "<p>Please enter your new password twice.</p>\n"
            + form.Html(
                "Change my password",
                form.Input("new_password1", "New password", "password", "new-password", more: "autofocus"),
                form.Input("new_password2", "New password confirmation", "password", "new-password")));
    }

    private static HtmlPage Unsuccessful() => AccountPages.Notice(
        "Password reset unsuccessful", "The password reset link was invalid, possibly because it has already been used. Please request a new password reset.",
        "/accounts/password_reset/", "Request a new link");

    private async ValueTask<Verdict> AskAsync(HttpContext http, string email)
    {
        if (ofNetwork is { } rate && await throttles.CountAsync($"throttle_password_reset_{ClientAddress.Of(http, options)}", rate, http.RequestAborted) is { Allowed: false } refused)
            return refused;
        outbox.Post(ct => WriteAsync(email, ct));
        return new Verdict(true);
    }

    // To the address that is stored, not to the one that was typed: they may look alike and be two (CVE-2019-19844).
    private async Task<IReadOnlyList<EmailMessage>> WriteAsync(string email, CancellationToken ct)
    {
        var messages = new List<EmailMessage>();
        foreach (var (user, lastLogin) in await db.AllAsync(ByEmail, ct, ("email", email), ("most", MostUsers)))
        {
            if (!user.IsActive || !PasswordHashes.IsUsable(user.Password) || EmailAddress.Check(user.Email) is not null) continue;
            if (Fold(user.Email) != Fold(email)) continue;
            if (ofUser is { } rate && !(await throttles.CountAsync($"throttle_password_reset_user_{user.Id}", rate, ct)).Allowed) continue;

            var site = new Uri(options.Accounts.BaseUrl).Authority;
            messages.Add(new EmailMessage(
                user.Email, $"Password reset on {site}",
                $"""
                You're receiving this email because you requested a password reset for your user account at {site}.

                Please go to the following page and choose a new password:

                {options.Accounts.BaseUrl}/accounts/reset/{Uid(user.Id)}/{tokens.Make(user, lastLogin)}/

                In case you’ve forgotten, you are: {user.Username}

                If it was not you who asked, you need not do anything.
                """));
        }
        return messages;
    }

    private async Task<User?> FindAsync(string uid, string token, CancellationToken ct)
    {
        if (Id(uid) is not { } id || !model.CanBe(id) || await db.FirstAsync(ById, ct, ("id", id)) is not { } found) return null;
        // Django lets a deactivated user set a password; it is of no use before they are active again.
        return tokens.Check(found.User, found.LastLogin, token) ? found.User : null;
    }

    /// <summary>Django's <c>urlsafe_base64_encode</c> of the key.</summary>
    internal static string Uid(UserId id) => Base64Url.EncodeToString(Encoding.ASCII.GetBytes(id.ToString()));

    private static UserId? Id(string uid)
    {
        if (uid.Length > 60 || !Base64Url.IsValid(uid)) return null;
        var text = Encoding.ASCII.GetString(Base64Url.DecodeFromChars(uid));
        return UserId.TryParse(text, out var id) && Uid(id) == uid ? id : null;
    }

    // Django's _unicode_ci_compare.
    private static string Fold(string email) => PythonText.Lower(email.Normalize(NormalizationForm.FormKC));

    private static readonly Sql<Found> ByEmail = new(
        $"SELECT {User.Columns}, u.last_login FROM auth_user u WHERE LOWER(u.email) = LOWER(@email) ORDER BY u.id LIMIT @most", Found.Read);

    private static readonly Sql<Found> ById = new($"SELECT {User.Columns}, u.last_login FROM auth_user u WHERE u.id = @id", Found.Read);

    private sealed record Found(User User, DateTimeOffset? LastLogin)
    {
        public static Found Read(Row row) => new(User.Read(row), row.TimeOrNull(User.ColumnCount));
    }
}
