using Gatehouse.Authentication;
using Gatehouse.Http;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.Accounts;

/// <summary>GET /api/accounts/profile/ tells callers who they are.</summary>
internal static class Profile
{
    public static IResult Handle(HttpContext http) => ApiJson.Ok(UserJson.Of(http.GetUser()!), AccountsJson.Api.UserJson);
}
