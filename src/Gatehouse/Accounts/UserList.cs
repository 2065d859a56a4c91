using Gatehouse.Database;
using Gatehouse.Http;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.Accounts;

/// <summary>GET /api/accounts/users/ lists all users, for staff.</summary>
internal static class UserList
{
    public static async Task<IResult> HandleAsync(HttpContext http, Db db) =>
        ApiJson.Ok(await db.AllAsync(All, http.RequestAborted), AccountsJson.Api.ListUserJson);

    private static readonly Sql<UserJson> All = new(
        "SELECT u.id, u.username, u.email, u.is_staff FROM auth_user u ORDER BY u.id",
        row => new UserJson(row.UserId(0), row.TextOrEmpty(1), row.TextOrEmpty(2), row.Bool(3)));
}
