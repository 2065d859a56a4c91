using Gatehouse.OAuth.Clients;
using Gatehouse.Users;

namespace Gatehouse.OAuth.Grants;

/// <summary>A user's name and password, RFC 6749 §4.3: for clients that cannot do better; OAuth 2.1 has it no more.</summary>
internal sealed class PasswordGrant(UserAccounts accounts, GatehouseOptions root) : IGrant
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

        return await accounts.AuthenticateAsync(username, password, remember: false, request.Http.RequestAborted) is { } user
            ? (new Granted { User = user, WithRefreshToken = true }, null)
            : (null, OAuthError.InvalidGrant("Invalid credentials given."));
    }
}
