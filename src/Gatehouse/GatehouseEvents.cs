using Gatehouse.Users;

namespace Gatehouse;

/// <summary>
/// Told after the fact, in order of subscription: Django's <c>post_save</c> of a user, <c>user_logged_in</c>, <c>user_login_failed</c>
/// and <c>user_logged_out</c>. They cannot change the answer; what they throw is logged and goes no further.
/// </summary>
public sealed class GatehouseEvents
{
    /// <summary>A user was made, by the API, the command line or host code.</summary>
    public event Func<UserEvent, Task>? UserCreated;

    /// <summary>A session began.</summary>
    public event Func<UserEvent, Task>? UserLoggedIn;

    /// <summary>A session was ended by its user.</summary>
    public event Func<UserEvent, Task>? UserLoggedOut;

    /// <summary>Credentials were refused, at any door. The password is not told.</summary>
    public event Func<LoginFailedEvent, Task>? UserLoginFailed;

    /// <summary>A refresh token was sent that had been rotated before: it was in two hands, and all that came of it is ended.</summary>
    public event Func<UserEvent, Task>? RefreshTokenReused;

    internal Func<UserEvent, Task>? RefreshTokenWasReused => RefreshTokenReused;
    internal Func<UserEvent, Task>? Created => UserCreated;
    internal Func<UserEvent, Task>? LoggedIn => UserLoggedIn;
    internal Func<UserEvent, Task>? LoggedOut => UserLoggedOut;
    internal Func<LoginFailedEvent, Task>? LoginFailed => UserLoginFailed;
}

/// <summary>Whom an event is about.</summary>
/// <param name="User">The user as it is now.</param>
/// <param name="Services">The application's services.</param>
public sealed record UserEvent(User User, IServiceProvider Services);

/// <summary>A refused login.</summary>
/// <param name="Username">As it was sent, at most 150 characters: it may name nobody.</param>
/// <param name="Services">The application's services.</param>
public sealed record LoginFailedEvent(string Username, IServiceProvider Services);
