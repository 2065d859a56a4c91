using System.Text.Json;
using Gatehouse.Users;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.Authentication;

/// <summary>
/// An authentication scheme: who is calling? (DRF <c>BaseAuthentication</c>). Schemes are made once, by the application's services, and
/// asked by many requests at once.
/// </summary>
public abstract class BaseAuthentication
{
    /// <summary>The <c>WWW-Authenticate</c> text when this scheme is the first of its view; null makes the answer 403 instead of 401.</summary>
    public virtual string? Challenge => null;

    /// <summary>The same for one request, where what was found in it belongs into the text. Default: <see cref="Challenge"/>.</summary>
    public virtual string? ChallengeFor(HttpContext http) => Challenge;

    /// <summary>Looks at the request. <see cref="Outcome.NotMine"/> passes it on to the next scheme; anything else ends the walk.</summary>
    public abstract ValueTask<Outcome> AuthenticateAsync(HttpContext http);
}

/// <summary>What a scheme found.</summary>
public sealed class Outcome
{
    private Outcome()
    {
    }

    /// <summary>Nothing of this scheme's is in the request.</summary>
    public static Outcome NotMine { get; } = new();

    internal bool Succeeded { get; private init; }
    internal User? User { get; private init; }
    internal TokenUser? TokenUser { get; private init; }
    internal object? Auth { get; private init; }
    internal string? Detail { get; private init; }
    internal Action<Utf8JsonWriter>? Body { get; private init; }
    internal bool Forbidden { get; private init; }

    /// <summary>The caller is known. <paramref name="user"/> is null for a client that acts for itself.</summary>
    public static Outcome Succeed(User? user, object? auth = null) => new() { Succeeded = true, User = user, Auth = auth };

    /// <summary>The caller is known from a token alone: no row of the database was looked at.</summary>
    public static Outcome SucceedStateless(TokenUser user, object? auth = null) => new() { Succeeded = true, TokenUser = user, Auth = auth };

    /// <summary>The credentials are bad (DRF <c>AuthenticationFailed</c>): refused even where anyone is allowed.</summary>
    public static Outcome Fail(string detail) => new() { Detail = detail };

    /// <summary>The credentials are bad, and the body says more than one detail.</summary>
    internal static Outcome Fail(Action<Utf8JsonWriter> body) => new() { Body = body };

    /// <summary>The request cannot be understood well enough to say who is calling.</summary>
    internal static Outcome Answer(IResult answer) => new() { Instead = answer };

    internal IResult? Instead { get; private init; }

    /// <summary>The caller is known but may not do this (DRF <c>PermissionDenied</c>): always 403.</summary>
    public static Outcome Deny(string detail) => new() { Detail = detail, Forbidden = true };
}

/// <summary>Who is calling, once the walk is over (DRF's <c>request.user</c>, <c>request.auth</c>, <c>request.successful_authenticator</c>).</summary>
public sealed class Identity
{
    internal static readonly Identity Anonymous = new();

    /// <summary>Null when nobody is known, when a client acts for itself, and when the caller is known from a token alone.</summary>
    public User? User { get; internal init; }

    /// <summary>The caller of <c>JWTStatelessUserAuthentication</c>; null for all others.</summary>
    public TokenUser? TokenUser { get; internal init; }

    /// <summary>Whether somebody is known: <see cref="User"/> or <see cref="TokenUser"/>.</summary>
    public bool IsAuthenticated => User is not null || TokenUser is not null;

    internal bool IsStaff => User?.IsStaff ?? TokenUser?.IsStaff ?? false;

    /// <summary>What the caller authenticated with: an <c>AuthToken</c>, a <c>JwtToken</c>; null for sessions and Basic.</summary>
    public object? Auth { get; internal init; }

    /// <summary>The scheme that succeeded; null when none did.</summary>
    public BaseAuthentication? Scheme { get; internal init; }
}
