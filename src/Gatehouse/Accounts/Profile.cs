using Gatehouse.Authentication;
using Gatehouse.Http;
using Gatehouse.Users;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.Accounts;

/// <summary>GET /api/accounts/profile/ tells callers who they are.</summary>
internal static class Profile
{
    public static Task<IResult> HandleAsync(HttpContext http)
    {
        var caller = http.GetIdentity();
        return Task.FromResult<IResult>(caller.TokenUser is { } known ? Of(known) : ApiJson.Ok(UserJson.Of(caller.User!), AccountsJson.Api.UserJson));
    }

    // What the token says. Where USER_ID_FIELD is no number, DRF fails; a text is a text here.
    private static ApiJson Of(TokenUser known) => UserId.TryParse(known.Id, out var id)
        ? ApiJson.Ok(new UserJson(id, known.Username, known.Email, known.IsStaff), AccountsJson.Api.UserJson)
        : ApiJson.Ok(new { known.Id, known.Username, known.Email, known.IsStaff });
}
