using Gatehouse.OAuth.Clients;
using Gatehouse.Users;

namespace Gatehouse.OAuth.OpenId;

/// <summary>The claims about a user that host code may add to (a validator's <c>get_additional_claims</c>).</summary>
public sealed class OidcClaims
{
    private readonly Dictionary<string, object?> claims = [];

    internal OidcClaims(User user, Client? client, IReadOnlyList<string> scopes)
    {
        User = user;
        Client = client;
        Scopes = scopes;
    }

    /// <summary>Whom they are about.</summary>
    public User User { get; }

    /// <summary>For whom they are; null where that is not known.</summary>
    public Client? Client { get; }

    /// <summary>What was granted. A standard claim is told only with its scope (OpenID Connect Core §5.4), whatever is set here.</summary>
    public IReadOnlyList<string> Scopes { get; }

    /// <summary>A claim by its name: text, number, truth value, or anything that <c>System.Text.Json</c> can write.</summary>
    public object? this[string name]
    {
        get => claims.GetValueOrDefault(name);
        set => claims[name] = value;
    }

    internal IEnumerable<KeyValuePair<string, object?>> All => claims;
}
