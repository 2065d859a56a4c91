namespace Gatehouse.OAuth;

/// <summary>Each point of RFC 9700 that is open, under django-oauth-toolkit's numbers, with the setting that closes it.</summary>
internal static class OAuthIssues
{
    public static IEnumerable<string> Warnings(OAuthOptions oauth)
    {
        foreach (var (isClosed, setting, behaviour, id) in new[]
        {
            (oauth.CompliantBcpRfc9700ImplicitGrant, "COMPLIANT_BCP_RFC9700_IMPLICIT_GRANT", "the OAuth 2.0 implicit grant is enabled (RFC 9700 §2.1.2)", "W001"),
            (oauth.CompliantBcpRfc9700PasswordGrant, "COMPLIANT_BCP_RFC9700_PASSWORD_GRANT", "the resource owner password credentials grant is enabled (RFC 9700 §2.4)", "W002"),
            (oauth.CompliantBcpRfc9700PkceMethod, "COMPLIANT_BCP_RFC9700_PKCE_METHOD", "the PKCE \"plain\" code_challenge_method is accepted (RFC 9700 §2.1.1)", "W003"),
            (oauth.CompliantBcpRfc9700AccessTokenTransport, "COMPLIANT_BCP_RFC9700_ACCESS_TOKEN_TRANSPORT", "access tokens are accepted in the URI query string (RFC 9700 §4.3.2)", "W004"),
            (oauth.CompliantBcpRfc9700AuthzResponseIss, "COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS", "the RFC 9207 `iss` authorization-response parameter is omitted (RFC 9700 §4.4)", "W005"),
            (oauth.CompliantBcpRfc9700TokenStorage, "COMPLIANT_BCP_RFC9700_TOKEN_STORAGE", "access and refresh tokens are stored in plaintext (RFC 9700 §4)", "W006"),
        })
            if (isClosed != true) yield return $"(oauth2_provider.{id}) RFC 9700 (OAuth 2.0 Security BCP): {behaviour}. Set OAUTH2_PROVIDER['{setting}'] = true.";

        foreach (var gate in Gates(oauth))
            if (gate is { IsOpen: true, IsError: false }) yield return $"(oauth2_provider.{gate.Warning}) RFC 9700 (OAuth 2.0 Security BCP): {gate.Behaviour}. {gate.Hint}";
    }

    public static IEnumerable<string> Errors(OAuthOptions oauth)
    {
        foreach (var gate in Gates(oauth))
        {
            if (gate is not { IsOpen: true, IsError: true }) continue;
            yield return $"(oauth2_provider.{gate.Error}) RFC 9700 (OAuth 2.0 Security BCP): {gate.Behaviour}, and OAUTH2_PROVIDER['{gate.Setting}'] is true. {gate.Hint}";
        }
    }

    private static IEnumerable<Gate> Gates(OAuthOptions oauth)
    {
        yield return new(
            oauth.RefreshTokenReuseProtection != true, oauth.CompliantBcpRfc9700RefreshToken == true, "COMPLIANT_BCP_RFC9700_REFRESH_TOKEN", "W007", "E002",
            "refresh token replay detection is disabled (§4.14.2)", "Set OAUTH2_PROVIDER['REFRESH_TOKEN_REUSE_PROTECTION'] = true.");
        yield return new(
            oauth.AllowedRedirectUriSchemes.Contains("http"), oauth.CompliantBcpRfc9700RedirectUriScheme == true, "COMPLIANT_BCP_RFC9700_REDIRECT_URI_SCHEME", "W008", "E003",
            "plaintext `http` redirect URIs are allowed (§2.1)", "Take 'http' out of OAUTH2_PROVIDER['ALLOWED_REDIRECT_URI_SCHEMES']; native apps that listen on this machine need it (RFC 8252).");
        yield return new(
            oauth.AllowUriWildcards, oauth.CompliantBcpRfc9700RedirectUriMatching == true, "COMPLIANT_BCP_RFC9700_REDIRECT_URI_MATCHING", "W009", "E004",
            "wildcard redirect URIs are allowed instead of exact matching (§4.1.1)", "Set OAUTH2_PROVIDER['ALLOW_URI_WILDCARDS'] = false.");
        yield return new(
            oauth is { PkceRequired: false, PkceRequiredFor: null }, oauth.CompliantBcpRfc9700PkceRequired == true, "COMPLIANT_BCP_RFC9700_PKCE_REQUIRED", "W010", "E005",
            "PKCE is not required (§2.1.1)", "Set OAUTH2_PROVIDER['PKCE_REQUIRED'] = true.");
    }

    private sealed record Gate(bool IsOpen, bool IsError, string Setting, string Warning, string Error, string Behaviour, string Hint);
}
