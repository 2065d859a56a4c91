using System.Globalization;
using Gatehouse.Authentication;
using Gatehouse.OAuth.OpenId;
using Gatehouse.Throttling;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.OAuth.Tokens;

/// <summary>
/// Clients, each with its own count, whoever its token is for (DOT <c>OAuth2ClientRateThrottle</c>, scope <c>oauth2_client</c>). Callers without an
/// OAuth 2 token are not counted.
/// </summary>
/// <param name="rate">A rate of its own; null: that of the settings.</param>
public sealed class OAuth2ClientRateThrottle(string? rate = null) : SimpleRateThrottle("oauth2_client", rate)
{
    /// <inheritdoc/>
    protected override string? IdentOf(HttpContext http) => Of(http.GetIdentity());

    // By keys, never by the token: a count outlives it, and tells nothing.
    internal static string? Of(Identity identity) =>
        identity.Auth is AccessToken and not IDToken && ((AccessToken)identity.Auth).Client is { } client ? string.Create(CultureInfo.InvariantCulture, $"client-{client.Id}") : null;
}

/// <summary>
/// Users; where a client acts for itself, the client; visitors by address (DOT <c>OAuth2UserOrClientRateThrottle</c>, scope <c>oauth2</c>).
/// </summary>
/// <param name="rate">A rate of its own; null: that of the settings.</param>
public sealed class OAuth2UserOrClientRateThrottle(string? rate = null) : SimpleRateThrottle("oauth2", rate)
{
    /// <inheritdoc/>
    protected override string? IdentOf(HttpContext http) => http.GetIdentity() is var identity && identity.IsAuthenticated
        ? $"user-{UserOrAddress(http)}"
        : OAuth2ClientRateThrottle.Of(identity) ?? Address(http);
}
