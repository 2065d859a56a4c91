using Gatehouse.Authentication;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.Permissions;

/// <summary>Anyone (DRF <c>AllowAny</c>).</summary>
public sealed class AllowAny : RequestPermission
{
    /// <inheritdoc/>
    public override ValueTask<bool> AllowsAsync(HttpContext http) => new(true);
}

/// <summary>Signed-in users (DRF <c>IsAuthenticated</c>).</summary>
public sealed class IsAuthenticated : RequestPermission
{
    /// <inheritdoc/>
    public override ValueTask<bool> AllowsAsync(HttpContext http) => new(http.GetIdentity().IsAuthenticated);
}

/// <summary>Staff (DRF <c>IsAdminUser</c>).</summary>
public sealed class IsAdminUser : RequestPermission
{
    /// <inheritdoc/>
    public override ValueTask<bool> AllowsAsync(HttpContext http) => new(http.GetIdentity().IsStaff);
}

/// <summary>Anyone may read; only signed-in users may write (DRF <c>IsAuthenticatedOrReadOnly</c>).</summary>
public sealed class IsAuthenticatedOrReadOnly : RequestPermission
{
    /// <inheritdoc/>
    public override ValueTask<bool> AllowsAsync(HttpContext http) => new(http.IsReadOnly() || http.GetIdentity().IsAuthenticated);
}

/// <summary>Requests that change nothing: GET, HEAD, OPTIONS (DRF <c>SAFE_METHODS</c>).</summary>
public sealed class IsReadOnly : RequestPermission
{
    /// <inheritdoc/>
    public override ValueTask<bool> AllowsAsync(HttpContext http) => new(http.IsReadOnly());
}

/// <summary>Asked by permissions.</summary>
public static class PermissionExtensions
{
    /// <summary>Whether the method is GET, HEAD or OPTIONS (DRF <c>SAFE_METHODS</c>).</summary>
    public static bool IsReadOnly(this HttpContext http) =>
        HttpMethods.IsGet(http.Request.Method) || HttpMethods.IsHead(http.Request.Method) || HttpMethods.IsOptions(http.Request.Method);
}
