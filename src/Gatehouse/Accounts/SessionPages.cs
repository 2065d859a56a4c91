using System.Globalization;
using System.Text;
using Gatehouse.Authentication;
using Gatehouse.Http;
using Gatehouse.Sessions;
using Gatehouse.Users;
using Gatehouse.Views;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.Accounts;

/// <summary>Where a user is logged in, and how to end that: one session, or all others.</summary>
internal sealed class SessionPages(SessionDevices devices, SessionLogin login, UserAccounts accounts, GatehouseOptions options)
{
    private const string WrongPassword = "Your password was entered incorrectly. Please enter it again.";

    public static IReadOnlyList<ViewField> Fields { get; } =
    [
        new("current_password", "string", "Present password", Required: true, MaxLength: Crypto.PasswordHashes.MaxPasswordLength),
    ];

    /// <summary>GET, POST /accounts/sessions/.</summary>
    public async Task<IResult> ShowAsync(HttpContext http, User user)
    {
        var (form, error) = await PageForm.ReadAsync(http);
        if (error is not null) return error;
        var here = (await http.GetSessionAsync()).Key;
        if (form.IsPosted && form.Value("session") is { Length: > 0 } id)
        {
            if (await FindAsync(user, id, http.RequestAborted) is not { } ended) return HtmlPage.NotFound();
            if (ended.Key == here) await login.LogOutAsync(http);
            else await devices.EndAsync(ended.Key, user, http.RequestAborted);
            return new DjangoRedirect("/accounts/sessions/");
        }
        if (form.IsPosted)
        {
            var password = form.Password("password");
            await AccountPages.CheckPasswordAsync(http, form, user, "password", password, WrongPassword);
            if (form.IsValid && await accounts.HashAnewAsync(user, password, http.RequestAborted) is { } changed)
            {
                await login.KeepAsync(http, changed);
                return AccountPages.Notice("Signed out everywhere else", "Your other sessions and refresh tokens have ended.", "/accounts/profile/", "Your account");
            }
            if (form.IsValid) form.Fail("password", WrongPassword);
        }

        var list = new StringBuilder("<ul class=\"rows\">\n");
        foreach (var session in await devices.OfUserAsync(user, http.RequestAborted))
        {
            var name = HtmlPage.Escape(Browser(session.Agent));
            list.Append(
                CultureInfo.InvariantCulture,
                $"<li><strong>{name}</strong>{(session.Key == here ? " (this one)" : "")}<br><small>{HtmlPage.Escape(session.Address)}, last seen {session.LastSeen:yyyy-MM-dd HH:mm} UTC, since {session.Created:yyyy-MM-dd HH:mm}</small>\n");
            list.Append(
                CultureInfo.InvariantCulture,
                $"<form method=\"post\">\n{PageForm.CsrfField(http)}\n{PageForm.Hidden("session", devices.IdOf(session.Key))}<button type=\"submit\" class=\"plain\" aria-label=\"Sign out {name}, {HtmlPage.Escape(session.Address)}\">Sign out</button>\n</form></li>\n");
        }
        return AccountPages.Page(
            "Sessions and devices",
            list.Append("</ul>\n<h2>Everywhere else</h2>\n").ToString()
            + form.Html("Sign out everywhere else", form.Input("password", "Password", "password", "current-password"))
            + "<p><a href=\"/accounts/profile/\">Your account</a></p>");
    }

    /// <summary>GET /api/accounts/sessions/.</summary>
    public async Task<IResult> ListAsync(HttpContext http)
    {
        if (http.GetIdentity() is not { User: { } user } caller) return ApiError.PermissionDenied();
        var here = caller.Scheme is SessionAuthentication ? (await http.GetSessionAsync()).Key : null;
        var sessions = await devices.OfUserAsync(user, http.RequestAborted);
        return ApiJson.Write(StatusCodes.Status200OK, json =>
        {
            json.WriteStartArray();
            foreach (var session in sessions)
            {
                json.WriteStartObject();
                json.WriteString("id", devices.IdOf(session.Key));
                json.WriteString("user_agent", session.Agent);
                json.WriteString("address", session.Address);
                json.WriteString("created", session.Created.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture));
                json.WriteString("last_seen", session.LastSeen.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture));
                json.WriteBoolean("current", session.Key == here);
                json.WriteEndObject();
            }
            json.WriteEndArray();
        });
    }

    /// <summary>DELETE /api/accounts/sessions/ID/.</summary>
    public async Task<IResult> EndAsync(HttpContext http)
    {
        if (http.GetIdentity().User is not { } user) return ApiError.PermissionDenied();
        if (await FindAsync(user, (string)http.Request.RouteValues["id"]!, http.RequestAborted) is not { } session) return ApiError.NotFound();
        await devices.EndAsync(session.Key, user, http.RequestAborted);
        return ApiJson.Empty(StatusCodes.Status204NoContent);
    }

    /// <summary>
    /// POST /api/accounts/sessions/end_others/. The password is hashed anew, which every session of the user's hangs on, Django's too: so none
    /// is forgotten.
    /// </summary>
    public async Task<IResult> EndOthersAsync(HttpContext http)
    {
        if (http.GetIdentity() is not { User: { } user } caller) return ApiError.PermissionDenied();
        var (form, error) = await ApiForm.ReadAsync(http, options);
        if (error is not null) return error;
        var password = form.Text("current_password", trim: false, maxLength: Crypto.PasswordHashes.MaxPasswordLength);
        if (form.Error is { } missing) return missing;
        var outcome = await http.GetLogins().CheckOwnPasswordAsync(http, user, password!, http.RequestAborted);
        if (outcome.ApiRefusal is { } refusal) return refusal;
        if (outcome.Admitted is null || await accounts.HashAnewAsync(user, password!, http.RequestAborted) is not { } changed)
            return ApiError.Validation("current_password", "Invalid password.");
        if (caller.Scheme is SessionAuthentication) await login.KeepAsync(http, changed);
        return ApiJson.Detail("All other sessions have ended.");
    }

    private async Task<SessionDevice?> FindAsync(User user, string id, CancellationToken ct) =>
        (await devices.OfUserAsync(user, ct)).Find(session => devices.IdOf(session.Key) == id);

    // Enough to tell one's phone from one's desk; the whole text is in the API.
    private static string Browser(string agent)
    {
        string? Of(params (string Mark, string Name)[] known) => Array.Find(known, one => agent.Contains(one.Mark, StringComparison.OrdinalIgnoreCase)).Name;
        var browser = Of(("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"), ("Chrom", "Chrome"), ("Safari", "Safari"), ("curl", "curl"));
        var system = Of(("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"), ("Mac OS", "macOS"), ("Linux", "Linux"));
        return (browser, system) switch
        {
            (null, null) => agent.Length == 0 ? "Unknown program" : agent.Length > 60 ? agent[..60] + "…" : agent,
            (null, _) => system,
            (_, null) => browser,
            _ => $"{browser} on {system}",
        };
    }
}
