namespace Gatehouse.OAuth;

/// <summary>Fills in what the profile decides and refuses settings that cannot work.</summary>
internal static class OAuthSetup
{
    public static void Complete(GatehouseOptions root)
    {
        var options = root.OAuth;
        var strict = root.Profile == Profile.Strict;
        options.CompliantBcpRfc9700ImplicitGrant ??= strict;
        options.CompliantBcpRfc9700PasswordGrant ??= strict;
        options.CompliantBcpRfc9700PkceMethod ??= strict;
        options.CompliantBcpRfc9700AccessTokenTransport ??= strict;
        options.CompliantBcpRfc9700AuthzResponseIss ??= strict;
        options.CompliantBcpRfc9700TokenStorage ??= strict;
        options.CompliantBcpRfc9700RefreshToken ??= strict;
        options.CompliantBcpRfc9700RedirectUriScheme ??= strict;
        options.CompliantBcpRfc9700RedirectUriMatching ??= strict;
        options.CompliantBcpRfc9700PkceRequired ??= strict;
        options.RefreshTokenReuseProtection ??= strict;

        var closed = root.Profile != Profile.Django;
        options.RefuseInactiveUsers ??= closed;
        options.LimitPublicClients ??= closed;
        options.RevokeOnCodeReuse ??= closed;
        options.DeviceCodeOnce ??= closed;
        options.ConsentBoundToRequest ??= closed;
        options.RefuseAmbiguousRequests ??= closed;
        options.RefuseIdTokensAsBearer ??= closed;
    }
}
