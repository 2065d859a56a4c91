namespace Gatehouse.AuthTokens;

/// <summary>DRF's tokens (<c>rest_framework.authtoken</c>).</summary>
public sealed class AuthTokenOptions
{
    /// <summary>Make a token with every new user, as the tutorials do with a signal. Default false.</summary>
    public bool CreateForNewUsers { get; set; }

    /// <summary>Default <c>/api-token-auth/</c>.</summary>
    public string Path { get; set; } = "/api-token-auth/";
}
