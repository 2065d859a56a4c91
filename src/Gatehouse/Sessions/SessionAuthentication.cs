using Gatehouse.Authentication;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.Sessions;

/// <summary>
/// The user who is logged in on the session; writing needs a CSRF token (DRF <c>SessionAuthentication</c>). It has no challenge: as the
/// first scheme it makes refusals 403.
/// </summary>
public sealed class SessionAuthentication : BaseAuthentication
{
    private readonly SessionLogin login;
    private readonly Csrf csrf;

    internal SessionAuthentication(SessionLogin login, Csrf csrf)
    {
        this.login = login;
        this.csrf = csrf;
    }

    /// <inheritdoc/>
    public override async ValueTask<Outcome> AuthenticateAsync(HttpContext http)
    {
        if (await login.UserAsync(http) is not { } user) return Outcome.NotMine;
        return await csrf.RefuseAsync(http, readsAllBodies: true) switch
        {
            { Unreadable: { } error } => Outcome.Answer(error),
            { Reason: { } reason } => Outcome.Deny("CSRF Failed: " + reason),
            _ => Outcome.Succeed(user),
        };
    }
}
