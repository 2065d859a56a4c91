using Gatehouse.Http;
using Gatehouse.Sessions;
using Gatehouse.Users;
using Gatehouse.Views;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.Accounts;

/// <summary>POST /api/accounts/register/ makes a plain user. Nothing but name, address and password is ever taken from the body.</summary>
internal static class Register
{
    private const string NameTaken = "A user with that username already exists.";

    public static IReadOnlyList<ViewField> Fields { get; } =
    [
        new("id", "integer", "ID", ReadOnly: true),
        new("username", "string", "Username", Required: true, Help: "Required. 150 characters or fewer. Letters, digits and @/./+/-/_ only.", MaxLength: Username.MaxLength),
        new("email", "email", "Email address", MaxLength: EmailAddress.MaxLength),
        new("is_staff", "boolean", "Staff status", ReadOnly: true, Help: "Designates whether the user can log into this admin site."),
        new("password", "string", "Password", Required: true, MaxLength: Crypto.PasswordHashes.MaxPasswordLength),
    ];

    public static async Task<IResult> HandleAsync(HttpContext http, UserAccounts accounts, EmailVerification emails, Csrf csrf, GatehouseOptions options)
    {
        if (CrossSiteLogin.Refuse(http, csrf, options) is { } crossSite) return crossSite;
        if (!options.Accounts.RegistrationOpen) return ApiError.PermissionDenied("Registration is closed.");

        var (form, error) = await ApiForm.ReadAsync(http, options);
        if (error is not null) return error;
        var isAddress = options.UserModel.IsNamedByAddress;
        var username = form.Text("username", maxLength: options.UserModel.LongestName, before: isAddress ? null : Username.Check, after: isAddress ? EmailAddress.Check : null);
        var email = form.Text("email", required: false, maxLength: EmailAddress.MaxLength, after: EmailAddress.Check, notText: EmailAddress.Invalid);
        var password = form.Text("password", trim: false, maxLength: Crypto.PasswordHashes.MaxPasswordLength);
        if (username is not null && await accounts.FindAsync(Username.Normalise(username), http.RequestAborted) is not null) form.Fail("username", NameTaken);
        if (form.Error is { } wrong) return wrong;

        if (accounts.CheckPassword(password!, username!, email!) is { Count: > 0 } weak)
            return ApiError.Validation(new Dictionary<string, IReadOnlyList<string>> { ["password"] = weak });

        if (await accounts.CreateAsync(username!, email!, password, ct: http.RequestAborted) is not { } user) return ApiError.Validation("username", NameTaken);
        emails.Ask(user, user.Email);
        return ApiJson.Created(UserJson.Of(user), AccountsJson.Api.UserJson);
    }
}

/// <summary>
/// A browser that another site sends here must not make or enter an account: its user would work in an account of the attacker's. The stack
/// lets it (its login views ask for no CSRF token, as there is no session yet).
/// </summary>
internal static class CrossSiteLogin
{
    public static ApiError? Refuse(HttpContext http, Csrf csrf, GatehouseOptions options)
    {
        var refuse = options.Accounts.RefuseCrossSiteLogin ?? options.Profile != Gatehouse.Profile.Django;
        return refuse && http.Request.Headers.Origin.Count > 0 && csrf.RefuseOrigin(http) is { } reason
            ? ApiError.PermissionDenied("CSRF Failed: " + reason)
            : null;
    }
}
