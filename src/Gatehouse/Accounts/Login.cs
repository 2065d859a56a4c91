using Gatehouse.Http;
using Gatehouse.Sessions;
using Gatehouse.Users;
using Gatehouse.Views;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.Accounts;

/// <summary>POST /api/accounts/login/ begins a session.</summary>
internal static class Login
{
    public static IReadOnlyList<ViewField> Fields { get; } =
    [
        new("username", "string", "Username", Required: true),
        new("password", "string", "Password", Required: true),
        ViewField.OneTimeCode,
    ];

    public static async Task<IResult> HandleAsync(HttpContext http, SessionLogin login, Csrf csrf, GatehouseOptions options)
    {
        if (CrossSiteLogin.Refuse(http, csrf, options) is { } crossSite) return crossSite;

        var (form, error) = await ApiForm.ReadAsync(http, options);
        if (error is not null) return error;
        var username = form.Loose("username");
        var password = form.Loose("password");
        var answer = FactorAnswer.Of(form);
        var outcome = username is null && password is null && answer.Passkey.Length > 0
            ? await http.GetLogins().CheckPasskeyAsync(http, answer.Passkey, http.RequestAborted)
            : username is null || password is null
            ? new LoginOutcome(null, LoginRefusal.Credentials)
            : await http.GetLogins().CheckAsync(http, username, password, answer, remember: false, http.RequestAborted);
        if (outcome.ApiRefusal is { } refusal) return refusal;
        if (outcome.Admitted is not { } user) return ApiError.Named(StatusCodes.Status400BadRequest, "error", "Invalid credentials");

        await login.LogInAsync(http, user);
        return Message("Login successful");
    }

    internal static ApiJson Message(string text) => ApiJson.Write(StatusCodes.Status200OK, json =>
    {
        json.WriteStartObject();
        json.WriteString("message", text);
        json.WriteEndObject();
    });
}

/// <summary>POST /api/accounts/logout/ ends the session.</summary>
internal static class Logout
{
    public static async Task<IResult> HandleAsync(HttpContext http, SessionLogin login)
    {
        await login.LogOutAsync(http);
        return Login.Message("Logged out successfully");
    }
}
