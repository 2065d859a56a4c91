using System.Globalization;
using Gatehouse.Authentication;
using Gatehouse.AuthTokens;
using Gatehouse.Http;
using Gatehouse.Jwt;
using Gatehouse.Users;
using Gatehouse.Views;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.Accounts;

/// <summary>A user's own token and JSON Web Tokens: a new one, none, the end of all. A new one asks for the password and is shown once.</summary>
internal sealed class TokenPages(TokenStore tokens, TokenBlacklist blacklist, GatehouseOptions options)
{
    private const string WrongPassword = "Your password was entered incorrectly. Please enter it again.";

    public static IReadOnlyList<ViewField> Fields { get; } =
    [
        new("current_password", "string", "Present password", Required: true, MaxLength: Crypto.PasswordHashes.MaxPasswordLength),
    ];

    /// <summary>GET, POST /accounts/tokens/.</summary>
    public async Task<IResult> ShowAsync(HttpContext http, User user)
    {
        var ct = http.RequestAborted;
        var (form, error) = await PageForm.ReadAsync(http);
        if (error is not null) return error;
        switch (form.Value("action"))
        {
            case "delete":
                await tokens.DeleteAsync(user.Id, ct);
                return new DjangoRedirect("/accounts/tokens/");
            case "end_jwt" when blacklist.IsInstalled:
                await blacklist.LogOutEverywhereAsync(user.Id, ct);
                return AccountPages.Notice("Ended", "Your refresh tokens have ended. Access tokens that came of them live for some minutes more.", "/accounts/tokens/", "Tokens");
        }
        if (form.IsPosted)
        {
            await AccountPages.CheckPasswordAsync(http, form, user, "password", form.Password("password"), WrongPassword);
            if (form.IsValid)
            {
                var key = await tokens.RenewAsync(user.Id, ct);
                return AccountPages.Page("Your new token", $"<p>Copy it now: it is not shown again.</p>\n<p><code>{key}</code></p>\n<p><a href=\"/accounts/tokens/\">Tokens</a></p>");
            }
        }

        var made = await tokens.CreatedAsync(user.Id, ct);
        return AccountPages.Page(
            "Tokens",
            (made is { } since
                ? string.Create(CultureInfo.InvariantCulture, $"<p>You have an API token since {since:yyyy-MM-dd HH:mm} UTC. A new one ends it.</p>\n") + Button(http, "delete", "Delete my token")
                : "<p>You have no API token.</p>\n")
            + form.Html("Make a new token", form.Input("password", "Password", "password", "current-password"))
            + (blacklist.IsInstalled ? "<h2>JSON Web Tokens</h2>\n" + Button(http, "end_jwt", "End all my refresh tokens") : "")
            + "<p><a href=\"/accounts/profile/\">Your account</a></p>");
    }

    /// <summary>POST /api/accounts/token/.</summary>
    public async Task<IResult> RenewAsync(HttpContext http)
    {
        if (http.GetIdentity().User is not { } user) return ApiError.PermissionDenied();
        var (form, error) = await ApiForm.ReadAsync(http, options);
        if (error is not null) return error;
        if (await AccountPages.PasswordErrorAsync(http, user, form) is { } refused) return refused;
        var key = await tokens.RenewAsync(user.Id, http.RequestAborted);
        return ApiJson.Write(StatusCodes.Status200OK, json =>
        {
            json.WriteStartObject();
            json.WriteString("token", key);
            json.WriteEndObject();
        });
    }

    /// <summary>DELETE /api/accounts/token/.</summary>
    public async Task<IResult> DeleteAsync(HttpContext http)
    {
        if (http.GetIdentity().User is not { } user) return ApiError.PermissionDenied();
        return await tokens.DeleteAsync(user.Id, http.RequestAborted) ? ApiJson.Empty(StatusCodes.Status204NoContent) : ApiError.NotFound();
    }

    /// <summary>POST /api/accounts/token/end_jwt/.</summary>
    public async Task<IResult> EndJwtAsync(HttpContext http)
    {
        if (http.GetIdentity().User is not { } user) return ApiError.PermissionDenied();
        if (!blacklist.IsInstalled) return ApiError.NotFound();
        var ended = await blacklist.LogOutEverywhereAsync(user.Id, http.RequestAborted);
        return ApiJson.Write(StatusCodes.Status200OK, json =>
        {
            json.WriteStartObject();
            json.WriteNumber("ended", ended);
            json.WriteEndObject();
        });
    }

    private static string Button(HttpContext http, string action, string label) =>
        $"<form method=\"post\">\n{PageForm.CsrfField(http)}\n<button type=\"submit\" class=\"plain\" name=\"action\" value=\"{action}\">{label}</button>\n</form>\n";
}
