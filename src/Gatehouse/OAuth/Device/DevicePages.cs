using Gatehouse.Audit;
using Gatehouse.Database;
using Gatehouse.Http;
using Gatehouse.OAuth.Clients;
using Gatehouse.OAuth.Tokens;
using Gatehouse.Throttling;
using Gatehouse.Users;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.OAuth.Device;

/// <summary>
/// Where a person types the code that a device shows, and says yes or no, RFC 8628 §3.3 (DOT's <c>DeviceUserCodeView</c>,
/// <c>DeviceConfirmView</c>, <c>DeviceGrantStatusView</c>).
/// </summary>
internal sealed class DevicePages(Db db, ClientStore clients, Scopes scopes, ThrottleStore throttles, GatehouseOptions options, AuditTrail audit, TimeProvider clock)
{
    private readonly OAuthOptions oauth = options.OAuth;

    private readonly Rate? guesses = string.IsNullOrEmpty(options.OAuth.DeviceUserCodeThrottleRate) ? null : Rate.Parse(options.OAuth.DeviceUserCodeThrottleRate);

    /// <summary>GET, POST /o/device/: which device?</summary>
    public async Task<IResult> EnterAsync(HttpContext http, User user)
    {
        if (http.Request.Method != "POST") return CodeForm(http, http.Request.Query["user_code"].LastOrDefault() ?? "", http.Request.Method == "PUT" ? "This field is required." : null);
        var (form, unreadable) = await OAuthParameters.FromFormAsync(http);
        if (unreadable is not null) return unreadable;

        var typed = form["user_code"] ?? "";
        var code = PythonText.Strip(typed);
        if (code.Length == 0) return CodeForm(http, typed, "This field is required.");
        if (code.Contains('\0')) return CodeForm(http, "", "Null characters are not allowed.");
        // Counted before anything is looked up: a wrong guess costs as much as a right one.
        if (await CountAsync(http, user) is { Allowed: false } verdict)
        {
            if (verdict.Wait is { } wait) http.Response.Headers.RetryAfter = ((int)Math.Ceiling(wait.TotalSeconds)).ToString(System.Globalization.CultureInfo.InvariantCulture);
            return CodeForm(http, typed, "Too many codes were tried. Please wait a minute and try again.", StatusCodes.Status429TooManyRequests);
        }

        if (await FindAsync(code, http.RequestAborted) is not { } grant) return CodeForm(http, typed, "Incorrect user code");
        switch (grant.StatusAt(clock.GetUtcNow()))
        {
            case DeviceGrant.Pending: break;
            case DeviceGrant.Expired: return CodeForm(http, typed, "Expired user code");
            default: return CodeForm(http, typed, "User code has already been used");
        }
        var taken = await db.WriteAsync(
            tx => tx.RunAsync(Take, ("user", user.Id), ("id", grant.Id), ("now", clock.GetUtcNow()), ("from_others", oauth.DeviceCodeOnce != true)), http.RequestAborted) == 1;
        return taken ? new DjangoRedirect(PathOf(http, "device-confirm/", grant)) : CodeForm(http, typed, "Incorrect user code");
    }

    /// <summary>GET, POST /o/device-confirm/CLIENT/CODE: may it?</summary>
    public async Task<IResult> ConfirmAsync(HttpContext http, User user)
    {
        if (await OwnAsync(http, user) is not { } grant || grant.StatusAt(clock.GetUtcNow()) != DeviceGrant.Pending) return HtmlPage.NotFound();
        if (await clients.FindAsync(grant.ClientId, http.RequestAborted) is not { } client) return HtmlPage.NotFound();
        if (http.Request.Method != "POST") return ConfirmForm(http, client, grant);

        var (form, unreadable) = await OAuthParameters.FromFormAsync(http);
        if (unreadable is not null) return unreadable;
        var decision = PythonText.Strip(form["action"] ?? "") switch
        {
            "accept" => DeviceGrant.Authorized,
            "deny" => DeviceGrant.Denied,
            "" => null,
            _ => "",
        };
        if (decision is null) return ConfirmForm(http, client, grant);
        if (decision.Length == 0) return new EmptyPage(StatusCodes.Status400BadRequest);

        // Of a yes and a no at once, one counts.
        var entry = audit.Of(decision == DeviceGrant.Authorized ? AuditEvent.ConsentGiven : AuditEvent.ConsentRefused, by: user);
        if (entry is not null) entry = entry with { Client = client.ClientId, Detail = $"A device, scope {grant.Scope}" };
        var decided = await db.WriteAsync(
            async tx =>
            {
                if (await tx.RunAsync(Decide, ("status", decision), ("id", grant.Id), ("user", user.Id), ("now", clock.GetUtcNow())) != 1) return false;
                await AuditTrail.WriteAsync(tx, entry);
                return true;
            },
            http.RequestAborted);
        return decided ? new DjangoRedirect(PathOf(http, "device-grant-status/", grant)) : HtmlPage.NotFound();
    }

    /// <summary>GET /o/device-grant-status/CLIENT/CODE: what became of it?</summary>
    public async Task<IResult> StatusAsync(HttpContext http, User user)
    {
        if (await OwnAsync(http, user) is not { } grant) return HtmlPage.NotFound();
        var (status, words) = grant.StatusAt(clock.GetUtcNow()) switch
        {
            DeviceGrant.Authorized => ("Authorized", "You may close this page and go back to your device."),
            DeviceGrant.Denied => ("Denied", "The device gets no access."),
            DeviceGrant.Expired => ("Expired", "The code is too old. Ask the device for a new one."),
            _ => ("Authorization pending", "Nothing has been decided yet."),
        };
        return new HtmlPage(StatusCodes.Status200OK, $"Device {status}", $"<h1>Device {status}</h1>\n<p>{words}</p>");
    }

    private async ValueTask<Verdict> CountAsync(HttpContext http, User user)
    {
        if (guesses is not { } rate) return new Verdict(true);
        var own = await throttles.CountAsync($"throttle_device_user_code_user_{user.Id}", rate, http.RequestAborted);
        return own.Allowed ? await throttles.CountAsync($"throttle_device_user_code_address_{ClientAddress.Of(http, options)}", rate, http.RequestAborted) : own;
    }

    /// <summary>By the code as it stands; where the real stack need not be followed also as people type it, RFC 8628 §6.1.</summary>
    private async Task<DeviceGrant?> FindAsync(string code, CancellationToken ct)
    {
        if (code.Length > DeviceGrant.LongestCode) return null;
        var found = await db.FirstAsync(ByUserCode, ct, ("user_code", code));
        if (found is not null || options.Profile == Profile.Django) return found;
        var plain = string.Concat(code.Where(char.IsAsciiLetterOrDigit)).ToUpperInvariant();
        return plain == code ? null : await db.FirstAsync(ByUserCode, ct, ("user_code", plain));
    }

    /// <summary>The device of the address, if this user typed its code: anybody else's is not there.</summary>
    private async Task<DeviceGrant?> OwnAsync(HttpContext http, User user)
    {
        var (client, code) = (http.Route("client_id"), http.Route("user_code"));
        return (await db.AllAsync(OfUser, http.RequestAborted, ("user", user.Id)))
            .Find(grant => DeviceGrant.Slug(grant.ClientId) == client && DeviceGrant.Slug(grant.UserCode) == code);
    }

    private string PathOf(HttpContext http, string page, DeviceGrant grant) =>
        http.Request.PathBase.ToUriComponent() + oauth.Path + page + DeviceGrant.Slug(grant.ClientId) + "/" + DeviceGrant.Slug(grant.UserCode);

    private static HtmlPage CodeForm(HttpContext http, string code, string? error, int status = StatusCodes.Status200OK) => new(
        status, "Device code",
        $"""
        <h1>Enter code displayed on device</h1>
        <form method="post">
        {http.CsrfField()}
        <label for="id_user_code">User code:</label>
        {UserPages.ErrorList(error is null ? [] : [error], "user_code")}<input type="text" name="user_code" id="id_user_code"{(code.Length > 0 ? $" value=\"{HtmlPage.Escape(code)}\"" : "")}{(error is null ? "" : " aria-invalid=\"true\" aria-describedby=\"id_user_code_error\"")} autocapitalize="characters" autocomplete="off" spellcheck="false" autofocus required>
        <button type="submit">Verify</button>
        </form>
        """);

    private HtmlPage ConfirmForm(HttpContext http, Client client, DeviceGrant grant) => new(
        StatusCodes.Status200OK, "Accept or Deny",
        $"""
        <h1><bdi>{HtmlPage.EscapeName(client.ToString())}</bdi> requests access to the following scopes:</h1>
        <ul>
        {string.Join('\n', TokenText.Words(grant.Scope).Select(scope => $"<li>{HtmlPage.Escape(scopes.All.TryGetValue(scope, out var words) ? words : scope)}</li>"))}
        </ul>
        <p>Accept only if the device in front of you shows the code <strong>{HtmlPage.Escape(grant.UserCode)}</strong>.</p>
        <form method="post">
        {http.CsrfField()}
        <button type="submit" name="action" value="accept">Accept</button>
        <button type="submit" name="action" value="deny" class="plain">Deny</button>
        </form>
        """);

    private static readonly Sql<DeviceGrant> ByUserCode = new(
        $"SELECT {DeviceGrant.Columns} FROM oauth2_provider_devicegrant d WHERE d.user_code = @user_code ORDER BY d.id DESC LIMIT 1", DeviceGrant.Read);

    private static readonly Sql<DeviceGrant> OfUser = new(
        $"SELECT {DeviceGrant.Columns} FROM oauth2_provider_devicegrant d WHERE d.user_id = @user ORDER BY d.id DESC LIMIT 1000", DeviceGrant.Read);

    private static readonly Sql Take = new(
        $"""
        UPDATE oauth2_provider_devicegrant SET user_id = @user
        WHERE id = @id AND status = '{DeviceGrant.Pending}' AND expires > @now AND (user_id IS NULL OR user_id = @user OR @from_others)
        """);

    private static readonly Sql Decide = new(
        $"""
        UPDATE oauth2_provider_devicegrant SET status = @status
        WHERE id = @id AND user_id = @user AND status = '{DeviceGrant.Pending}' AND expires > @now
        """);
}
