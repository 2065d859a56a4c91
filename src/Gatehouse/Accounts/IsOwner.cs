using Gatehouse.Authentication;
using Gatehouse.AuthTokens;
using Gatehouse.Jwt;
using Gatehouse.Permissions;
using Gatehouse.Sessions;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.Accounts;

/// <summary>
/// Users who came with credentials of their own. An application that acts for them (OAuth) reads what its scopes say; it does not manage
/// their account.
/// </summary>
internal sealed class IsOwner : RequestPermission
{
    public override ValueTask<bool> AllowsAsync(HttpContext http) => new(
        http.GetIdentity() is { User: not null, Scheme: SessionAuthentication or TokenAuthentication or JWTAuthentication or BasicAuthentication });
}
