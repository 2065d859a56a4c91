using Gatehouse.Http;
using Gatehouse.OAuth.Clients;
using Gatehouse.OAuth.Tokens;
using Gatehouse.Sessions;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Gatehouse.OAuth.Registration;

/// <summary>
/// Who may register clients (<c>DCR_REGISTRATION_PERMISSION_CLASSES</c>, <c>CIMD_REGISTRATION_PERMISSION_CLASSES</c>): all that are listed must agree,
/// and where none is listed, nobody may.
/// </summary>
internal static class RegistrationPermissions
{
    private const string Authenticated = "IsAuthenticatedDCRPermission";
    private const string Anybody = "AllowAllDCRPermission";
    private const string AnyDocument = "AllowAllCIMDPermission";
    private const string ListedHosts = "HostAllowlistCIMDPermission";

    /// <exception cref="SettingException">A class is not known, and no hook stands for it: it must not be taken for one that allows.</exception>
    public static void Check(OAuthOptions options)
    {
        if (options.DcrRegistrationPermission is null)
            Check("DCR_REGISTRATION_PERMISSION_CLASSES", options.DcrRegistrationPermissionClasses, nameof(options.DcrRegistrationPermission), [Authenticated, Anybody]);
        if (options.CimdRegistrationPermission is null)
            Check("CIMD_REGISTRATION_PERMISSION_CLASSES", options.CimdRegistrationPermissionClasses, nameof(options.CimdRegistrationPermission), [AnyDocument, ListedHosts]);

        static void Check(string setting, IList<string> names, string hook, string[] known)
        {
            if (names.FirstOrDefault(name => !known.Contains(LastPart(name))) is { } wrong)
                throw new SettingException($"OAUTH2_PROVIDER: {setting} names '{wrong}'; write {string.Join(" or ", known)}, or your own class in C# as GatehouseOptions.OAuth.{hook}.");
        }
    }

    /// <summary>Whether the visitor may register a client.</summary>
    public static async ValueTask<bool> AllowAsync(HttpContext http, OAuthOptions options)
    {
        if (options.DcrRegistrationPermissionClasses.Count == 0) return false;
        foreach (var name in options.DcrRegistrationPermissionClasses)
            if (LastPart(name) == Authenticated && !await IsAuthenticatedAsync(http)) return false;
        return options.DcrRegistrationPermission is not { } own || await own(http);
    }

    /// <summary>Whether a document may register its client.</summary>
    public static async ValueTask<bool> AllowAsync(OAuthOptions options, string clientId, CancellationToken ct)
    {
        if (options.CimdRegistrationPermissionClasses.Count == 0) return false;
        if (ListsHosts(options) && !(StrictUri.Read(clientId)?.Host is { } host && options.CimdAllowedHosts.Count > 0 && RequestHost.IsAllowed(host.Contains(':') ? $"[{host}]" : host, options.CimdAllowedHosts)))
            return false;
        return options.CimdRegistrationPermission is not { } own || await own(clientId, ct);
    }

    /// <summary>Whether <c>CIMD_ALLOWED_HOSTS</c> is asked.</summary>
    public static bool ListsHosts(OAuthOptions options) => options.CimdRegistrationPermissionClasses.Any(name => LastPart(name) == ListedHosts);

    // A session goes along with requests that other sites send; a bearer token does not.
    private static async ValueTask<bool> IsAuthenticatedAsync(HttpContext http) =>
        await http.GetSessionUserAsync() is not null
        && (Bearer(http) is not null || await http.RequestServices.GetRequiredService<Csrf>().RefuseAsync(http, readsAllBodies: false) == default);

    /// <summary>The token of a well-formed <c>Authorization: Bearer</c>, or null.</summary>
    public static string? Bearer(HttpContext http) =>
        http.Request.Headers.Authorization is [{ } header] && TokenText.Words(header) is [var scheme, var token] && scheme.Equals("Bearer", StringComparison.OrdinalIgnoreCase) ? token : null;

    private static string LastPart(string name) => name[(name.LastIndexOf('.') + 1)..];
}
