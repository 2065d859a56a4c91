using Gatehouse.Authentication;
using Gatehouse.Http;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.Accounts;

/// <summary>GET /api/accounts/profile/ tells callers who they are.</summary>
internal static class Profile
{
    public static Task<IResult> HandleAsync(HttpContext http) =>
        Task.FromResult<IResult>(ApiJson.Ok(UserJson.Of(http.GetUser()!), AccountsJson.Api.UserJson));
}
