using System.Globalization;
using System.Text;
using System.Text.Json;
using Gatehouse.Audit;
using Gatehouse.Crypto;
using Gatehouse.Database;
using Gatehouse.Http;
using Gatehouse.Mail;
using Gatehouse.Throttling;
using Gatehouse.Users;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.Accounts;

/// <summary>
/// Whether an address is its user's: a signed link that is mailed there, opened and confirmed. A new address counts from then on, and the old
/// one is told. A link fits the address that the user had when it was asked for, so of two changes the first that is confirmed wins and ends
/// the other, and no old link brings an old address back.
/// </summary>
internal sealed class EmailVerification(Db db, UserModel model, UserAccounts accounts, ThrottleStore throttles, Outbox outbox, GatehouseOptions options, AuditTrail audit,
    TimeProvider clock)
{
    private readonly Rate? ofUser = options.Accounts.MailThrottleRate is { Length: > 0 } text ? Rate.Parse(text) : null;
    private readonly DjangoSigner signer = new("gatehouse.verify_email", [options.SecretKey, .. options.SecretKeyFallbacks]);

    /// <summary>Without a base address no link can be made: addresses are changed at once then.</summary>
    public bool IsOn => options.Accounts.BaseUrl.Length > 0 && model.Has("email");

    /// <summary>Mails a link, unless the user has been mailed too often.</summary>
    /// <param name="user">As it is now.</param>
    /// <param name="email">The address to verify: the user's, or the one to put in its place.</param>
    public void Ask(User user, string email)
    {
        if (!IsOn || email.Length == 0) return;
        outbox.Post(async ct =>
        {
            // By the mailbox too: whoever makes many accounts must not fill somebody else's.
            if (ofUser is { } rate && !((await throttles.CountAsync($"throttle_verify_email_{user.Id}", rate, ct)).Allowed && (await throttles.CountAsync(KeyOf(email), rate, ct)).Allowed)) return [];
            var site = new Uri(options.Accounts.BaseUrl).Authority;
            return
            [
                new EmailMessage(
                    email, $"Verify your email address on {site}",
                    $"""
                    Is this the email address of {user.Username} at {site}? Then please go to the following page and confirm it:

                    {options.Accounts.BaseUrl}/accounts/verify_email/{Token(user, email)}/

                    If you do not know what this is about, you need not do anything.
                    """),
            ];
        });
    }

    // Not the address itself: the table of counts is not where personal data is looked for.
    private string KeyOf(string email) =>
        "throttle_verify_email_to_" + DjangoSigner.SaltedHmac("gatehouse.verify_email.to", options.SecretKey, PythonText.Lower(email.Normalize(NormalizationForm.FormKC)))[..32];

    /// <summary>Whether the user's present address is verified.</summary>
    public async Task<bool> IsVerifiedAsync(User user, CancellationToken ct) =>
        user.Email.Length > 0 && await db.FirstAsync(Verified, ct, ("user", user.Id.ToString()), ("email", user.Email)) is not null;

    /// <summary>GET, POST /accounts/verify_email/TOKEN/. A mere GET confirms nothing: programs that look into mail open links.</summary>
    public async Task<IResult> ShowAsync(HttpContext http)
    {
        if (Read((string)http.Request.RouteValues["token"]!) is not { } link) return Invalid();
        if (await accounts.FindAsync(link.User, http.RequestAborted) is not { IsActive: true } user || user.Email != link.Old) return Invalid();
        if (http.Request.Method is "GET" or "HEAD")
        {
            var (form, _) = await PageForm.ReadAsync(http);
            return AccountPages.Page(
                "Verify your email address",
                $"<p>Is {HtmlPage.Escape(link.New)} the address of {HtmlPage.Escape(user.Username)}?</p>\n" + form.Html("Yes, it is"));
        }

        var now = clock.GetUtcNow();
        // Whoever has the link need not be logged in.
        var entry = audit.Of(link.Old == link.New ? AuditEvent.EmailVerified : AuditEvent.EmailChanged);
        if (entry is not null) entry = entry with { About = user.Username, Detail = link.Old == link.New ? "" : "By a link mailed to the new address" };
        var done = await db.WriteAsync(
            async tx =>
            {
                if (await tx.RunAsync(ChangeSql, ("user", link.User), ("old", link.Old), ("new", link.New)) != 1) return false;
                await tx.RunAsync(Note, ("user", link.User.ToString()), ("email", link.New), ("now", now));
                await AuditTrail.WriteAsync(tx, entry);
                return true;
            },
            http.RequestAborted);
        if (!done) return Invalid();
        if (link.Old != link.New && EmailAddress.Check(link.Old) is null)
        {
            outbox.Post(new EmailMessage(
                link.Old, $"Your email address on {new Uri(options.Accounts.BaseUrl).Authority} was changed",
                $"The email address of {user.Username} is now {link.New}. If it was not you who changed it, reset your password and tell the people who run the site."));
        }
        return AccountPages.Notice("Email address verified", $"{link.New} is verified.", options.LoginRedirectUrl, "Go on");
    }

    /// <summary>All that belongs to a user.</summary>
    public static Task<int> DeleteAsync(Tx tx, UserId user) => tx.RunAsync(Delete, ("user", user.ToString()));

    private static HtmlPage Invalid() => AccountPages.Notice(
        "This link is no good", "It was used already, it is too old, or the address was changed meanwhile.", "/accounts/profile/", "Your account");

    private string Token(User user, string email)
    {
        var now = clock.GetUtcNow();
        var json = JsonSerializer.SerializeToUtf8Bytes(
            [user.Id.ToString(), user.Email, email, now.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture)], SecondFactorJson.Default.StringArray);
        return signer.Sign(json, now);
    }

    private Link? Read(string token)
    {
        if (token.Length > 2000 || signer.Verify(token) is not { } json) return null;
        if (JsonSerializer.Deserialize(json, SecondFactorJson.Default.StringArray) is not [var id, var old, var email, var at] || !UserId.TryParse(id, out var user)) return null;
        var written = DateTimeOffset.FromUnixTimeSeconds(long.Parse(at, CultureInfo.InvariantCulture));
        return clock.GetUtcNow() - written > options.Accounts.PasswordResetTimeout ? null : new Link(user, old, email);
    }

    // Made late: until the start is over nobody knows what the project's model calls its columns.
    private Sql ChangeSql => change ??= new(
        $"UPDATE auth_user AS u SET {model.Set(("email", "@new"))} WHERE u.id = @user AND COALESCE(u.email, '') = @old AND u.is_active AND {model.AddressIsFree}");

    private Sql? change;

    private static readonly Sql Note = new(
        """
        INSERT INTO gatehouse_verified_email (user_id, email, verified) VALUES (@user, @email, @now)
        ON CONFLICT (user_id) DO UPDATE SET email = @email, verified = @now
        """);

    private static readonly Sql<string> Verified = new("SELECT email FROM gatehouse_verified_email WHERE user_id = @user AND email = @email", row => row.Text(0));

    private static readonly Sql Delete = new("DELETE FROM gatehouse_verified_email WHERE user_id = @user");

    private sealed record Link(UserId User, string Old, string New);
}
