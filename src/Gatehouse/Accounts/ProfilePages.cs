using Gatehouse.Audit;
using Gatehouse.Authentication;
using Gatehouse.Database;
using Gatehouse.Http;
using Gatehouse.Users;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.Accounts;

/// <summary>
/// A user's own names and address, by page and by API. Nothing else is ever taken from a body: a name, a key, a standing that is sent along
/// is passed over.
/// </summary>
internal sealed class ProfilePages(Db db, UserModel model, EmailVerification emails, AuditTrail audit, GatehouseOptions options)
{
    private const int MaxNameLength = 150;
    private const string Taken = "This address cannot be used.";
    private const string WrongPassword = "To change your email address, enter your present password.";

    /// <summary>GET /accounts/profile/: where the login page leads when nothing else is asked for.</summary>
    public async Task<IResult> ShowAsync(HttpContext http, User user)
    {
        var (form, error) = await PageForm.ReadAsync(http);
        if (error is not null) return error;
        var verified = await emails.IsVerifiedAsync(user, http.RequestAborted);
        if (form.IsPosted && !verified)
        {
            emails.Ask(user, user.Email);
            return AccountPages.Notice("Verify your email address", "A link is on its way to your address.", "/accounts/profile/", "Your account");
        }

        var name = $"{user.FirstName} {user.LastName}".Trim();
        var email = user.Email.Length == 0 ? "" : $" as {HtmlPage.Escape(user.Email)}{(verified ? " (verified)" : "")}";
        return new HtmlPage(
            StatusCodes.Status200OK, "Your account",
            $"<h1>{HtmlPage.Escape(user.Username)}</h1>\n<p>{(name.Length > 0 ? HtmlPage.Escape(name) + ", you" : "You")} are logged in{email}.</p>\n"
            + (emails.IsOn && user.Email.Length > 0 && !verified ? form.Html("Verify my email address") : "")
            + $"""
            <ul>
            <li><a href="/accounts/profile/edit/">Name and email address</a></li>
            <li><a href="/accounts/password_change/">Password</a></li>
            <li><a href="/accounts/second_factor/">Second factor</a></li>
            <li><a href="/accounts/passkeys/">Passkeys</a></li>
            <li><a href="/accounts/sessions/">Sessions and devices</a></li>
            <li><a href="/accounts/tokens/">Tokens</a></li>
            <li><a href="{HtmlPage.Escape(options.OAuth.Path)}authorized_tokens/">Applications that act for you</a></li>
            {(options.UserModel.IsDjangosOwn ? "<li><a href=\"/accounts/delete/\">Delete my account</a></li>" : "")}
            </ul>
            <form method="post" action="/accounts/logout/">
            {PageForm.CsrfField(http)}
            <button type="submit">Log out</button>
            </form>
            """);
    }

    /// <summary>GET, POST /accounts/profile/edit/.</summary>
    public async Task<IResult> EditAsync(HttpContext http, User user)
    {
        var (form, error) = await PageForm.ReadAsync(http);
        if (error is not null) return error;
        if (form.IsPosted)
        {
            var first = form.Text("first_name", MaxNameLength, required: false);
            var last = form.Text("last_name", MaxNameLength, required: false);
            var email = !model.Has("email") ? user.Email : EmailAddress.Normalise(form.Text("email", EmailAddress.MaxLength, required: IsNeeded, check: EmailAddress.Check));
            if (email != user.Email) await AccountPages.CheckPasswordAsync(http, form, user, "current_password", form.Value("current_password"), WrongPassword);
            if (form.IsValid && !await SaveAsync(user, first, last, email, http.RequestAborted)) form.Fail("email", Taken);
            if (form.IsValid)
            {
                return email != user.Email && emails.IsOn && email.Length > 0
                    ? AccountPages.Notice("One more step", $"A link is on its way to {email}. The address counts once you have opened it.", "/accounts/profile/", "Your account")
                    : new DjangoRedirect("/accounts/profile/");
            }
        }
        return AccountPages.Page(
            "Name and email address",
            form.Html(
                "Save",
                model.Has("first_name") ? form.Input("first_name", "First name", autocomplete: "given-name", maxLength: MaxNameLength, required: false, value: user.FirstName) : "",
                model.Has("last_name") ? form.Input("last_name", "Last name", autocomplete: "family-name", maxLength: MaxNameLength, required: false, value: user.LastName) : "",
                model.Has("email") ? form.Input("email", "Email", "email", "email", EmailAddress.MaxLength, required: IsNeeded, value: user.Email) : "",
                form.Input("current_password", "Present password", "password", "current-password", required: false, help: "Only needed for another email address.")));
    }

    /// <summary>GET /api/accounts/me/.</summary>
    public async Task<IResult> GetAsync(HttpContext http) => http.GetIdentity().User is { } user ? await JsonAsync(user, http.RequestAborted) : ApiError.PermissionDenied();

    /// <summary>PATCH /api/accounts/me/.</summary>
    public async Task<IResult> PatchAsync(HttpContext http)
    {
        if (http.GetIdentity().User is not { } user) return ApiError.PermissionDenied();
        var (form, error) = await ApiForm.ReadAsync(http, options);
        if (error is not null) return error;
        var first = form.Has("first_name") ? form.Text("first_name", required: false, maxLength: MaxNameLength) : user.FirstName;
        var last = form.Has("last_name") ? form.Text("last_name", required: false, maxLength: MaxNameLength) : user.LastName;
        var email = model.Has("email") && form.Has("email")
            ? form.Text("email", required: IsNeeded, maxLength: EmailAddress.MaxLength, after: EmailAddress.Check, notText: EmailAddress.Invalid)
            : user.Email;
        if (form.Error is { } wrong) return wrong;

        email = EmailAddress.Normalise(email!);
        if (email != user.Email)
        {
            var outcome = await http.GetLogins().CheckOwnPasswordAsync(http, user, form.Loose("current_password") ?? "", http.RequestAborted);
            if (outcome.ApiRefusal is { } refusal) return refusal;
            if (outcome.Admitted is null) return ApiError.Validation("current_password", WrongPassword);
        }
        if (!await SaveAsync(user, first!, last!, email, http.RequestAborted)) return ApiError.Validation("email", Taken);
        return await db.FirstAsync(ById, http.RequestAborted, ("user", user.Id)) is { } saved ? await JsonAsync(saved, http.RequestAborted) : ApiError.NotFound();
    }

    // Where it is what one logs in with.
    private bool IsNeeded => options.UserModel.IsNamedByAddress;

    /// <summary>An address of somebody's own counts once it is verified, where that can be done; none at all counts at once.</summary>
    /// <returns>False when the address is another's, or was changed meanwhile: then nothing is saved.</returns>
    private async Task<bool> SaveAsync(User user, string first, string last, string email, CancellationToken ct)
    {
        var ask = emails.IsOn && email != user.Email && email.Length > 0;
        var now = email != user.Email && !ask;
        var sql = now ? SaveAll : SaveNames;
        var entry = now ? audit.Of(AuditEvent.EmailChanged, by: user) : null;
        // Of a model without names.
        var saved = sql.Text.Length == 0
            || await db.WriteAsync(
                async tx =>
                {
                    var rows = now
                        ? await tx.RunAsync(sql, ("user", user.Id), ("first", first), ("last", last), ("old", user.Email), ("new", email))
                        : await tx.RunAsync(sql, ("user", user.Id), ("first", first), ("last", last));
                    if (rows != 1) return false;
                    await AuditTrail.WriteAsync(tx, entry);
                    return true;
                },
                ct);
        if (saved && ask) emails.Ask(user, email);
        return saved;
    }

    private async Task<ApiJson> JsonAsync(User user, CancellationToken ct)
    {
        var verified = await emails.IsVerifiedAsync(user, ct);
        return ApiJson.Write(StatusCodes.Status200OK, json =>
        {
            json.WriteStartObject();
            if (user.Id.Uuid is { } uuid) json.WriteString("id", uuid);
            else json.WriteNumber("id", user.Id.Number);
            json.WriteString("username", user.Username);
            json.WriteString("email", user.Email);
            json.WriteBoolean("email_verified", verified);
            json.WriteString("first_name", user.FirstName);
            json.WriteString("last_name", user.LastName);
            json.WriteBoolean("is_staff", user.IsStaff);
            json.WriteEndObject();
        });
    }

    // Made late: until the start is over nobody knows which fields the project's model has.
    private Sql SaveNames => names ??= new(model.Set(Names) is { Length: > 0 } set ? $"UPDATE auth_user AS u SET {set} WHERE u.id = @user" : "");

    // The address only if it is still the one that was looked at: a link that was confirmed meanwhile is newer.
    private Sql SaveAll => all ??= new(
        $"UPDATE auth_user AS u SET {model.Set([.. Names, ("email", "@new")])} WHERE u.id = @user AND COALESCE(u.email, '') = @old AND {model.AddressIsFree}");

    private static readonly (string, string)[] Names = [("first_name", "@first"), ("last_name", "@last")];

    private Sql? names;
    private Sql? all;

    private static readonly Sql<User> ById = new($"SELECT {User.Columns} FROM auth_user u WHERE u.id = @user", User.Read);
}
