using System.Globalization;
using System.Text;
using Gatehouse.Authentication;
using Gatehouse.Http;
using Gatehouse.Users;
using Gatehouse.Views;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.Accounts;

/// <summary>
/// A user's own passkeys, by page and by API: which there are, one more, one less. Both take the password and, where there is one, the second factor:
/// a session alone may be a thief's.
/// </summary>
internal sealed class PasskeyPages(Passkeys passkeys, SecondFactors factors, SecondFactorStep steps, GatehouseOptions options)
{
    private const string List = "/accounts/passkeys/";
    private const string WrongPassword = "Your password was entered incorrectly. Please enter it again.";
    private const string Refused = "The passkey was not accepted, or that took too long. Please try again.";
    private const string Enough = "You have as many passkeys as an account may have.";

    public static IReadOnlyList<ViewField> Fields { get; } =
    [
        new("name", "string", "Name", Required: true, MaxLength: Passkeys.MaxNameLength, Help: "What you call it."),
        new(Passkeys.Field, "nested object", "Passkey", Required: true, Help: "State and credential."),
    ];

    /// <summary>GET, POST /accounts/passkeys/: the list, and the first step to one more.</summary>
    public async Task<IResult> ShowAsync(HttpContext http, User user)
    {
        var ct = http.RequestAborted;
        var (form, error) = await PageForm.ReadAsync(http);
        if (error is not null) return error;
        var status = await factors.StatusAsync(user.Id, ct);
        if (form.IsPosted)
        {
            var name = form.Text("name", Passkeys.MaxNameLength);
            var password = form.Password("password");
            var answer = status is null ? FactorAnswer.None : SecondFactorStep.Answer(form);
            await AccountPages.CheckPasswordAsync(http, form, user, "password", password, WrongPassword);
            if (status is not null) await AccountPages.CheckFactorAsync(http, form, user, answer);
            if (form.IsValid && await passkeys.AskForNewAsync(http, user, isFirst: status is null) is { } challenge) return MakePage(form, challenge, name);
        }

        var party = passkeys.PartyOf(http);
        var list = new StringBuilder();
        var all = await passkeys.OfUserAsync(user.Id, ct);
        foreach (var passkey in all)
        {
            var name = HtmlPage.Escape(passkey.Name);
            var used = passkey.LastUsed is { } last ? $"last used {Time(last)} UTC" : "never used";
            list.Append(
                CultureInfo.InvariantCulture,
                $"<li class=\"row\"><div><strong>{name}</strong><br><small>since {passkey.Created:yyyy-MM-dd}, {used}{(passkey.IsBackedUp ? ", shared between devices" : "")}</small></div>\n<a class=\"button small\" href=\"{List}{passkey.Id}/delete/\" aria-label=\"Delete {name}\">Delete</a></li>\n");
        }
        return AccountPages.Page(
            "Passkeys",
            "<p>With a passkey you log in by your device’s own lock: finger, face or PIN. It needs no password and is never asked for at a false address. Once you have one, your password alone lets nobody in.</p>\n"
            + (list.Length > 0 ? $"<ul class=\"rows\">\n{list}</ul>\n" : "<p>You have none yet.</p>\n")
            + "<h2>Add a passkey</h2>\n"
            + (party is null ? $"<p>{Passkeys.NotHere}</p>\n"
                : all.Count >= Passkeys.MostOfOne ? $"<p>{Enough}</p>\n"
                : form.Html(
                    "Go on",
                    form.Input("name", "Name", maxLength: Passkeys.MaxNameLength, help: "What you call it: my phone, the key on my ring."),
                    form.Input("password", "Password", "password", "current-password"),
                    status is null ? "" : await steps.InputAsync(http, form, user, status)))
            + "<p><a href=\"/accounts/profile/\">Your account</a></p>");
    }

    private static HtmlPage MakePage(PageForm form, PasskeyChallenge challenge, string name) => AccountPages.Page(
        "Add a passkey",
        "<p>Your browser now asks for your device or security key, and for your finger, face or PIN.</p>\n"
        + "<p class=\"warning\" data-without-passkey>Your browser makes no passkeys here: that takes JavaScript, and this server’s own address.</p>\n"
        + form.ScriptHtml(List + "add/", PageForm.Hidden("name", name), SecondFactorStep.PasskeyPart(challenge, "Make the passkey", SecondFactorStep.ThenSubmit))
        + $"<p><a href=\"{List}\">Passkeys</a></p>");

    /// <summary>POST /accounts/passkeys/add/: what the browser made.</summary>
    public async Task<IResult> AddAsync(HttpContext http, User user)
    {
        var (form, error) = await PageForm.ReadAsync(http);
        if (error is not null) return error;
        if (!form.IsPosted) return new DjangoRedirect(List);
        var name = form.Text("name", Passkeys.MaxNameLength);
        var (added, codes) = form.IsValid ? await AddAsync(http, user, form.Value(Passkeys.Field), name) : (false, null);
        return !added ? AccountPages.Notice("Add a passkey", Refused, List, "Passkeys")
            : codes is null ? new DjangoRedirect(List)
            : AccountPages.Page("Recovery codes", SecondFactorStep.RecoveryHtml(codes) + $"<p><a href=\"{List}\">I have kept them</a></p>");
    }

    private async Task<(bool Added, IReadOnlyList<string>? Codes)> AddAsync(HttpContext http, User user, string passkey, string name)
    {
        var isFirst = await factors.StatusAsync(user.Id, http.RequestAborted) is null;
        return await passkeys.ReadNewAsync(http, user, passkey, isFirst) is { } made ? await factors.AddPasskeyAsync(user, made, name, http.RequestAborted) : (false, null);
    }

    /// <summary>GET, POST /accounts/passkeys/ID/delete/.</summary>
    public async Task<IResult> DeleteAsync(HttpContext http, User user)
    {
        var (form, error) = await PageForm.ReadAsync(http);
        if (error is not null) return error;
        if (await FindAsync(http, user) is not { } passkey || await factors.StatusAsync(user.Id, http.RequestAborted) is not { } status) return HtmlPage.NotFound();
        if (form.IsPosted)
        {
            var password = form.Password("password");
            var answer = SecondFactorStep.Answer(form);
            await AccountPages.CheckPasswordAsync(http, form, user, "password", password, WrongPassword);
            await AccountPages.CheckFactorAsync(http, form, user, answer);
            if (form.IsValid) return await factors.RemovePasskeyAsync(user, passkey, http.RequestAborted) ? new DjangoRedirect(List) : HtmlPage.NotFound();
        }
        var isLast = status is { Passkeys: 1, CodesSince: null };
        return AccountPages.Page(
            "Delete a passkey",
            $"<p>The passkey <strong>{HtmlPage.Escape(passkey.Name)}</strong> lets nobody in any more.{(isLast ? " It is your last: from then on your password is all that is asked for." : "")}</p>\n"
            + form.Html("Delete it", form.Input("password", "Password", "password", "current-password"), await steps.InputAsync(http, form, user, status))
            + $"<p><a href=\"{List}\">Keep it</a></p>");
    }

    /// <summary>GET /api/accounts/login/passkey/: what a browser needs to show a passkey, at any door.</summary>
    public async Task<IResult> AskAsync(HttpContext http)
    {
        NeverCache.Set(http);
        return await passkeys.AskAsync(http, user: null) is { } challenge ? ApiJson.Write(StatusCodes.Status200OK, challenge.Write) : NotHere();
    }

    /// <summary>GET /api/accounts/passkeys/.</summary>
    public async Task<IResult> ListAsync(HttpContext http)
    {
        if (http.GetIdentity().User is not { } user) return ApiError.PermissionDenied();
        var all = await passkeys.OfUserAsync(user.Id, http.RequestAborted);
        return ApiJson.Write(StatusCodes.Status200OK, json =>
        {
            json.WriteStartArray();
            foreach (var passkey in all)
            {
                json.WriteStartObject();
                json.WriteNumber("id", passkey.Id);
                json.WriteString("name", passkey.Name);
                json.WriteString("created", Iso(passkey.Created));
                json.WriteString("last_used", passkey.LastUsed is { } last ? Iso(last) : null);
                json.WriteBoolean("backed_up", passkey.IsBackedUp);
                json.WriteEndObject();
            }
            json.WriteEndArray();
        });
    }

    /// <summary>POST /api/accounts/passkeys/begin/: what a browser needs to make one.</summary>
    public async Task<IResult> BeginAsync(HttpContext http)
    {
        if (http.GetIdentity().User is not { } user) return ApiError.PermissionDenied();
        var (form, error) = await ApiForm.ReadAsync(http, options);
        if (error is not null) return error;
        var status = await factors.StatusAsync(user.Id, http.RequestAborted);
        if (status is { Passkeys: >= Passkeys.MostOfOne }) return ApiError.Validation(options.RestFramework.NonFieldErrorsKey, Enough);
        if (await AccountPages.ProofErrorAsync(http, user, form, status) is { } refused) return refused;
        NeverCache.Set(http);
        return await passkeys.AskForNewAsync(http, user, isFirst: status is null) is { } challenge ? ApiJson.Write(StatusCodes.Status200OK, challenge.Write) : NotHere();
    }

    /// <summary>POST /api/accounts/passkeys/finish/: what it made.</summary>
    public async Task<IResult> FinishAsync(HttpContext http)
    {
        if (http.GetIdentity().User is not { } user) return ApiError.PermissionDenied();
        var (form, error) = await ApiForm.ReadAsync(http, options);
        if (error is not null) return error;
        var name = form.Text("name", maxLength: Passkeys.MaxNameLength);
        if (form.Error is { } wrong) return wrong;
        var (added, codes) = await AddAsync(http, user, FactorAnswer.Of(form).Passkey, name!);
        if (!added) return ApiError.Validation(Passkeys.Field, Passkeys.Invalid);
        return ApiJson.Write(StatusCodes.Status201Created, json =>
        {
            json.WriteStartObject();
            json.WriteString("name", name);
            if (codes is not null) SecondFactorPages.WriteCodes(json, codes);
            json.WriteEndObject();
        });
    }

    /// <summary>DELETE /api/accounts/passkeys/ID/.</summary>
    public async Task<IResult> DeleteAsync(HttpContext http)
    {
        if (http.GetIdentity().User is not { } user) return ApiError.PermissionDenied();
        var (form, error) = await ApiForm.ReadAsync(http, options);
        if (error is not null) return error;
        if (await FindAsync(http, user) is not { } passkey || await factors.StatusAsync(user.Id, http.RequestAborted) is not { } status) return ApiError.NotFound();
        if (await AccountPages.ProofErrorAsync(http, user, form, status) is { } refused) return refused;
        return await factors.RemovePasskeyAsync(user, passkey, http.RequestAborted) ? ApiJson.Empty(StatusCodes.Status204NoContent) : ApiError.NotFound();
    }

    private async Task<Passkey?> FindAsync(HttpContext http, User user)
    {
        var all = await passkeys.OfUserAsync(user.Id, http.RequestAborted);
        return long.TryParse((string)http.Request.RouteValues["id"]!, NumberStyles.None, CultureInfo.InvariantCulture, out var id) ? all.Find(passkey => passkey.Id == id) : null;
    }

    private ApiError NotHere() => ApiError.Validation(options.RestFramework.NonFieldErrorsKey, Passkeys.NotHere);

    private static string Time(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture);

    private static string Iso(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
}
