using Gatehouse.Http;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.Permissions;

/// <summary>
/// May they? (DRF <c>BasePermission</c>). Writing the class is the whole job: it is also an ASP.NET Core requirement and its handler, for
/// policies of your own. Combine with <c>&amp;</c>, <c>|</c> and <c>!</c>.
/// </summary>
public abstract class RequestPermission : IAuthorizationRequirement, IAuthorizationHandler
{
    /// <summary>What a refused caller reads. Null: "You do not have permission to perform this action."</summary>
    public virtual string? Message => null;

    /// <summary>Whether the request may go on.</summary>
    public abstract ValueTask<bool> AllowsAsync(HttpContext http);

    /// <summary>Whether it may touch this object; asked by the view once it has it (<c>has_object_permission</c>). Default: yes.</summary>
    public virtual ValueTask<bool> AllowsObjectAsync(HttpContext http, object target) => new(true);

    /// <summary>What a refused caller is answered.</summary>
    internal virtual ApiError Refusal(HttpContext http) => ApiError.PermissionDenied(Message);

    /// <summary>Finds when the server starts what the endpoint lacks.</summary>
    /// <exception cref="ArgumentException">Says what.</exception>
    internal virtual void Check(EndpointMetadataCollection metadata)
    {
    }

    /// <summary>Both.</summary>
    public static RequestPermission operator &(RequestPermission left, RequestPermission right) => new Both(left, right);

    /// <summary>Either.</summary>
    public static RequestPermission operator |(RequestPermission left, RequestPermission right) => new Either(left, right);

    /// <summary>Those whom <paramref name="permission"/> refuses.</summary>
    public static RequestPermission operator !(RequestPermission permission) => new Not(permission);

    /// <summary><c>&amp;</c> for languages without operators.</summary>
    public static RequestPermission BitwiseAnd(RequestPermission left, RequestPermission right) => left & right;

    /// <summary><c>|</c> for languages without operators.</summary>
    public static RequestPermission BitwiseOr(RequestPermission left, RequestPermission right) => left | right;

    /// <summary><c>!</c> for languages without operators.</summary>
    public static RequestPermission LogicalNot(RequestPermission permission) => !permission;

    async Task IAuthorizationHandler.HandleAsync(AuthorizationHandlerContext context)
    {
        if (context.Resource is HttpContext http && context.Requirements.Contains(this) && await AllowsAsync(http)) context.Succeed(this);
    }

    private sealed class Both(RequestPermission left, RequestPermission right) : RequestPermission
    {
        public override async ValueTask<bool> AllowsAsync(HttpContext http) => await left.AllowsAsync(http) && await right.AllowsAsync(http);

        public override async ValueTask<bool> AllowsObjectAsync(HttpContext http, object target) =>
            await left.AllowsObjectAsync(http, target) && await right.AllowsObjectAsync(http, target);

        internal override void Check(EndpointMetadataCollection metadata)
        {
            left.Check(metadata);
            right.Check(metadata);
        }
    }

    private sealed class Either(RequestPermission left, RequestPermission right) : RequestPermission
    {
        public override async ValueTask<bool> AllowsAsync(HttpContext http) => await left.AllowsAsync(http) || await right.AllowsAsync(http);

        // Each side must allow both the request and the object, or the right of one would be joined to the object of the other.
        public override async ValueTask<bool> AllowsObjectAsync(HttpContext http, object target) =>
            (await left.AllowsAsync(http) && await left.AllowsObjectAsync(http, target))
            || (await right.AllowsAsync(http) && await right.AllowsObjectAsync(http, target));

        internal override void Check(EndpointMetadataCollection metadata)
        {
            left.Check(metadata);
            right.Check(metadata);
        }
    }

    private sealed class Not(RequestPermission inner) : RequestPermission
    {
        public override async ValueTask<bool> AllowsAsync(HttpContext http) => !await inner.AllowsAsync(http);

        public override async ValueTask<bool> AllowsObjectAsync(HttpContext http, object target) => !await inner.AllowsObjectAsync(http, target);

        internal override void Check(EndpointMetadataCollection metadata) => inner.Check(metadata);
    }
}
