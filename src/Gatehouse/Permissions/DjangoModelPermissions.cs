using Gatehouse.Authentication;
using Gatehouse.Users;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Gatehouse.Permissions;

/// <summary>
/// Writing needs the model's own permission: POST <c>add</c>, PUT and PATCH <c>change</c>, DELETE <c>delete</c>; any signed-in user may read
/// (DRF <c>DjangoModelPermissions</c>).
/// </summary>
/// <param name="model"><c>app.model</c>, lower case: <c>auth.group</c>.</param>
public class DjangoModelPermissions(string model) : RequestPermission
{
    private readonly (string App, string Model) name =
        model.Split('.') is [{ Length: > 0 } app, { Length: > 0 } last]
            ? (app, last)
            : throw new ArgumentException($"'{model}' is no model; write app.model, for example auth.group.", nameof(model));

    /// <summary>Whether anonymous requests end here. False: they may read.</summary>
    protected virtual bool AuthenticatedUsersOnly => true;

    /// <summary>The permission that a method needs; null for none.</summary>
    protected virtual string? PermissionFor(string method) => method switch
    {
        "POST" => $"{name.App}.add_{name.Model}",
        "PUT" or "PATCH" => $"{name.App}.change_{name.Model}",
        "DELETE" => $"{name.App}.delete_{name.Model}",
        _ => null,
    };

    /// <inheritdoc/>
    public override async ValueTask<bool> AllowsAsync(HttpContext http)
    {
        if (AuthenticatedUsersOnly && !http.GetIdentity().IsAuthenticated) return false;
        return PermissionFor(http.Request.Method) is not { } needed || await http.HasPermAsync(needed);
    }
}

/// <summary>As <see cref="DjangoModelPermissions"/>, and anyone may read (DRF <c>DjangoModelPermissionsOrAnonReadOnly</c>).</summary>
/// <param name="model"><c>app.model</c>, lower case.</param>
public sealed class DjangoModelPermissionsOrAnonReadOnly(string model) : DjangoModelPermissions(model)
{
    /// <inheritdoc/>
    protected override bool AuthenticatedUsersOnly => false;
}

/// <summary>Asked by permissions and views.</summary>
public static class HasPermExtensions
{
    /// <summary>
    /// Whether the calling user has a permission, <c>auth.add_group</c>, of their own or by a group (Django <c>user.has_perm</c>).
    /// </summary>
    public static ValueTask<bool> HasPermAsync(this HttpContext http, string permission) =>
        http.GetUser() is { } user
            ? http.RequestServices.GetRequiredService<UserAccounts>().HasPermAsync(user, permission, http.RequestAborted)
            : new(false);
}
