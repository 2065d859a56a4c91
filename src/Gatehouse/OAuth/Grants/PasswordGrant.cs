using Gatehouse.OAuth.Clients;
using Gatehouse.Users;

namespace Gatehouse.OAuth.Grants;

/// <summary>A user's name and password, RFC 6749 §4.3: for clients that cannot do better; OAuth 2.1 has it no more.</summary>
internal sealed class PasswordGrant(GatehouseOptions root) : IGrant
{
    public string GrantType => "password";

    public IReadOnlyList<string> AllowedTo => root.OAuth.CompliantBcpRfc9700PasswordGrant == true ? [] : [GrantTypes.Password];

    // The real stack tells any client whether a password is right, also one that may not use this grant.
    public bool AnswersFirst => root.Profile == Profile.Django;

    public async Task<(Granted? Granted, OAuthError? Error)> GrantAsync(TokenRequest request)
    {
        var (username, password) = (request.Parameters["username"] ?? "", request.Parameters["password"] ?? "");
        if (username.Length == 0) return (null, OAuthError.InvalidRequest("Request is missing username parameter."));
        if (password.Length == 0) return (null, OAuthError.InvalidRequest("Request is missing password parameter."));

        var answer = new FactorAnswer(request.Parameters["otp"], request.Parameters[Passkeys.Field]);
        var outcome = await request.Http.GetLogins().CheckAsync(request.Http, username, password, answer, remember: false, request.Http.RequestAborted);
        return outcome.Admitted is { } user ? (new Granted { User = user, WithRefreshToken = true }, null) : (null, OAuthError.InvalidGrant(outcome.Refusal switch
        {
            LoginRefusal.TooMany => "Too many failed attempts. Try again later.",
            LoginRefusal.CodeMissing => "A one-time code is required: send it as otp.",
            LoginRefusal.PasskeyMissing => "A passkey is required: send what a browser made of it as passkey.",
            LoginRefusal.PasskeyWrong => Passkeys.Invalid,
            LoginRefusal.CodeWrong => LoginOutcome.CodeInvalid,
            LoginRefusal.MustSetUp => "This account must have a second factor.",
            _ => "Invalid credentials given.",
        }));
    }
}
