namespace Gatehouse.Accounts;

/// <summary>The accounts API.</summary>
public sealed class AccountsOptions
{
    /// <summary>Default <c>/api/accounts</c>.</summary>
    public string Path { get; set; } = "/api/accounts";

    /// <summary>Whether anyone may register. Default true.</summary>
    public bool RegistrationOpen { get; set; } = true;

    /// <summary>
    /// Refuse a browser's login or registration that comes from another site, by its <c>Origin</c> header. Null, the default: true, but
    /// false under the profile Django.
    /// </summary>
    public bool? RefuseCrossSiteLogin { get; set; }
}
