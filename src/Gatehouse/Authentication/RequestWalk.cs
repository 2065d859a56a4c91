using System.Security.Claims;
using Gatehouse.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features.Authentication;

namespace Gatehouse.Authentication;

/// <summary>
/// Asks the schemes in order, as DRF does and ASP.NET Core does not: the first success or failure ends it, and a failure is refused
/// even where anyone is allowed.
/// </summary>
internal static class RequestWalk
{
    /// <returns>What to answer when a scheme failed; null when the request may go on, known or anonymous.</returns>
    public static async ValueTask<IResult?> AuthenticateAsync(HttpContext http, BaseAuthentication[] schemes)
    {
        foreach (var scheme in schemes)
        {
            var outcome = await scheme.AuthenticateAsync(http);
            if (outcome == Outcome.NotMine) continue;
            if (outcome.Instead is { } answer) return answer;
            if (!outcome.Succeeded)
                return outcome.Forbidden ? ApiError.PermissionDenied(outcome.Detail)
                    : outcome.Body is { } body ? ApiError.Unauthenticated(body, schemes[0].ChallengeFor(http))
                    : ApiError.Unauthenticated(outcome.Detail!, schemes[0].ChallengeFor(http));

            var identity = new Identity { User = outcome.User, TokenUser = outcome.TokenUser, Auth = outcome.Auth, Scheme = scheme };
            http.Features.Set(identity);
            http.Features.Set<IHttpAuthenticationFeature>(new Principal(identity));
            return null;
        }
        return null;
    }

    /// <summary>ASP.NET Core's <c>HttpContext.User</c>, made for those who ask for it.</summary>
    private sealed class Principal(Identity identity) : IHttpAuthenticationFeature
    {
        public ClaimsPrincipal? User
        {
            get => field ??= Make();
            set;
        }

        private ClaimsPrincipal Make() =>
            identity.User is { } user ? Of(user.Id.ToString(), user.Username)
            : identity.TokenUser is { } known ? Of(known.Id, known.Username)
            : new ClaimsPrincipal();

        private ClaimsPrincipal Of(string id, string name) => new(new ClaimsIdentity(
            [new Claim(ClaimTypes.NameIdentifier, id), new Claim(ClaimTypes.Name, name)], identity.Scheme!.GetType().Name));
    }

    /// <summary>For a view that wants a caller and has none (DRF <c>NotAuthenticated</c>).</summary>
    public static ApiError NotAuthenticated(HttpContext http, BaseAuthentication[] schemes) =>
        ApiError.Unauthenticated("Authentication credentials were not provided.", schemes[0].ChallengeFor(http));
}

/// <summary>The caller, for views, permissions and throttles.</summary>
public static class IdentityExtensions
{
    /// <summary>Who is calling; never null.</summary>
    public static Identity GetIdentity(this HttpContext http) => http.Features.Get<Identity>() ?? Identity.Anonymous;

    /// <summary>The user who is calling; null for an anonymous visitor and for a client that acts for itself.</summary>
    public static Users.User? GetUser(this HttpContext http) => http.GetIdentity().User;
}
