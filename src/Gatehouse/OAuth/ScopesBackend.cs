using Gatehouse.OAuth.Clients;

namespace Gatehouse.OAuth;

/// <summary>Which scopes there are (DOT's <c>BaseScopes</c>). Derive it when settings are not enough.</summary>
public abstract class ScopesBackend
{
    /// <summary>All scopes and how a person reads them, in order.</summary>
    public abstract IReadOnlyDictionary<string, string> AllScopes { get; }

    /// <summary>What this client may ask for. Default: all.</summary>
    public virtual IReadOnlyCollection<string> AvailableScopes(Client client) => [.. AllScopes.Keys];

    /// <summary>What this client gets when it asks for nothing. Default: all that it may ask for.</summary>
    public virtual IReadOnlyList<string> DefaultScopes(Client client) => [.. AvailableScopes(client)];
}

/// <summary>Scopes from settings (DOT's <c>SettingsScopes</c>).</summary>
internal sealed class SettingsScopes : ScopesBackend
{
    private readonly Dictionary<string, string> all;
    private readonly string[] available;
    private readonly string[] defaults;

    public SettingsScopes(OAuthOptions options)
    {
        all = new(options.Scopes);
        available = [.. options.Scopes.Keys];
        defaults = options.DefaultScopes.Contains("__all__") ? available : [.. options.DefaultScopes];
    }

    public override IReadOnlyDictionary<string, string> AllScopes => all;

    public override IReadOnlyCollection<string> AvailableScopes(Client client) => available;

    public override IReadOnlyList<string> DefaultScopes(Client client) => defaults;
}

/// <summary>What to do with scopes, wherever they are asked for (oauthlib <c>scope_to_list</c>, <c>validate_scopes</c>).</summary>
internal sealed class Scopes(ScopesBackend backend)
{
    // More than any client needs; a list that is compared with another is not to grow without end.
    public const int LongestText = 8 * 1024;

    public IReadOnlyDictionary<string, string> All => backend.AllScopes;

    /// <summary>Split at single blanks, as the real stack does: two blanks make an empty scope, which is none.</summary>
    public static IReadOnlyList<string>? Split(string? scope) => scope?.Trim().Split(' ');

    /// <summary>What was asked for, or the default; refused when the client may not have all of it.</summary>
    public (IReadOnlyList<string> Scopes, OAuthError? Error) Choose(Client client, string? asked)
    {
        if (asked?.Length > LongestText) return ([], OAuthError.InvalidScope);
        var scopes = Split(asked) ?? backend.DefaultScopes(client);
        return (scopes, Refuse(client, scopes));
    }

    public OAuthError? Refuse(Client client, IReadOnlyList<string> scopes)
    {
        var available = backend.AvailableScopes(client);
        return scopes.All(available.Contains) ? null : OAuthError.InvalidScope;
    }
}
