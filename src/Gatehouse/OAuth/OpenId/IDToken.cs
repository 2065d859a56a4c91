using System.Text.Json;
using Gatehouse.OAuth.Tokens;

namespace Gatehouse.OAuth.OpenId;

/// <summary>
/// An ID token of ours that came back: a row of <c>oauth2_provider_idtoken</c> (DOT's <c>IDToken</c>). The real stack takes it for an access
/// token, which <see cref="OAuthOptions.RefuseIdTokensAsBearer"/> ends.
/// </summary>
public sealed class IDToken : AccessToken
{
    /// <summary>What it says; its signature is right.</summary>
    internal JsonElement Claims { get; init; }

    internal bool IsFrom(string issuer) => Claims.TryGetProperty("iss", out var iss) && iss.ValueKind == JsonValueKind.String && iss.ValueEquals(issuer);
}
