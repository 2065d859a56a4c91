using Gatehouse.OAuth.Clients;

namespace Gatehouse.OAuth.Grants;

/// <summary>A client that acts for itself, RFC 6749 §4.4.</summary>
internal sealed class ClientCredentialsGrant(OAuthOptions options) : IGrant
{
    public string GrantType => "client_credentials";

    public IReadOnlyList<string> AllowedTo => [GrantTypes.ClientCredentials];

    public bool NeedsSecret => true;

    public Task<(Granted? Granted, OAuthError? Error)> GrantAsync(TokenRequest request) =>
        Task.FromResult<(Granted?, OAuthError?)>(request.Client.IsPublic && options.LimitPublicClients == true
            ? (null, OAuthError.UnauthorizedClient)
            : (new Granted(), null));
}
