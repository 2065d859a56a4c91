using Gatehouse.Audit;
using Gatehouse.Http;
using Gatehouse.Statistics;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Gatehouse.Users;

/// <summary>
/// What every door asks of who comes with a user name and a password: not too many guesses, the password, the second factor where there is
/// one. Counted before the hash is computed; an unknown user costs the same work as a known one.
/// </summary>
internal sealed class Logins(UserAccounts accounts, LoginLimits limits, SecondFactors factors, Passkeys passkeys, Counters counters, AuditTrail audit, GatehouseOptions options, IServiceProvider services)
{
    /// <param name="http">The request; null where there is none.</param>
    /// <param name="username">As it was sent: not normalised, as in Django.</param>
    /// <param name="password">At most 4,096 characters; a longer one is wrong and costs nothing.</param>
    /// <param name="answer">The second factor, if one was sent.</param>
    /// <param name="remember">Whether a password that was right before may skip the hash while user and hash are the same.</param>
    /// <param name="ct">Ends the wait for the hash.</param>
    /// <exception cref="OverloadedException">Too many passwords are being checked.</exception>
    public async Task<LoginOutcome> CheckAsync(HttpContext? http, string username, string password, FactorAnswer answer, bool remember, CancellationToken ct)
    {
        if (username.Length > Username.MaxStoredLength || password.Length > Crypto.PasswordHashes.MaxPasswordLength) return await FailedAsync(username, LoginRefusal.Credentials);

        var named = await accounts.FindAsync(username, ct);
        // Was right a moment ago: no guess, so not counted as one.
        if (remember && named is not null && accounts.Remembers(named, password)) return await FactorAsync(http, named, answer, LoginTry.Uncounted, isLogin: false, ct);

        using var attempt = await limits.BeginAsync(http, username, named, ct);
        if (attempt.Wait is { } wait) return await FailedAsync(username, LoginRefusal.TooMany, wait);

        User? user;
        try
        {
            user = await accounts.CheckAsync(username, password, remember, ct);
        }
        catch (OverloadedException)
        {
            // Nobody looked at it: no guess.
            await limits.GiveBackAsync(attempt);
            throw;
        }
        // With Basic each request is a password: only wrong ones are told apart from the others.
        return user is null ? await FailedAsync(username, LoginRefusal.Credentials) : await FactorAsync(http, user, answer, attempt, isLogin: !remember, ct);
    }

    /// <summary>The second factor alone, of a user who has shown the password before: the second step of a login page.</summary>
    public async Task<LoginOutcome> CheckFactorAsync(HttpContext http, User user, FactorAnswer answer, CancellationToken ct)
    {
        using var attempt = await limits.BeginAsync(http, user.Username, user, ct);
        return attempt.Wait is { } wait ? await FailedAsync(user.Username, LoginRefusal.TooMany, wait) : await FactorAsync(http, user, answer, attempt, isLogin: true, ct);
    }

    /// <summary>A passkey alone, which says who it is and is two factors by itself.</summary>
    public async Task<LoginOutcome> CheckPasskeyAsync(HttpContext http, string passkey, CancellationToken ct)
    {
        // Under the name of who it claims to be; else under its own, since the empty one would be everybody's.
        var (owner, id) = await passkeys.OwnerAsync(passkey);
        var name = owner?.Username ?? "";
        using var attempt = await limits.BeginAsync(http, owner is null ? "passkey:" + id : name, owner, ct);
        if (attempt.Wait is { } wait) return await FailedAsync(name, LoginRefusal.TooMany, wait);
        if (await passkeys.UseAsync(http, passkey, user: null, ct) is not { } user) return await FailedAsync(name, LoginRefusal.PasskeyWrong);
        counters.Count(Counted.Login);
        await limits.SucceededAsync(attempt);
        return new LoginOutcome(user);
    }

    /// <summary>The password of a user who is logged in: they may be at an unlocked machine that is not theirs.</summary>
    public async Task<LoginOutcome> CheckOwnPasswordAsync(HttpContext http, User user, string password, CancellationToken ct)
    {
        if (password.Length > Crypto.PasswordHashes.MaxPasswordLength) return new LoginOutcome(null, LoginRefusal.Credentials);
        using var attempt = await limits.BeginAsync(http, user.Username, user, ct);
        if (attempt.Wait is { } wait) return new LoginOutcome(null, LoginRefusal.TooMany, wait);
        if (!await accounts.IsPasswordAsync(user, password, ct)) return new LoginOutcome(null, LoginRefusal.Credentials);
        // Who has a second factor has shown half of it: wrong codes stay counted, or they could be guessed without end.
        await (await factors.StatusAsync(user.Id, ct) is null ? limits.SucceededAsync(attempt) : limits.GiveBackAsync(attempt));
        return new LoginOutcome(user);
    }

    private async Task<LoginOutcome> FactorAsync(HttpContext? http, User user, FactorAnswer answer, LoginTry attempt, bool isLogin, CancellationToken ct)
    {
        switch (await factors.CheckAsync(http, user, answer, ct))
        {
            case FactorVerdict.Right:
                if (isLogin) counters.Count(Counted.Login);
                await limits.SucceededAsync(attempt);
                return new LoginOutcome(user);
            case FactorVerdict.Missing:
                await limits.GiveBackAsync(attempt);
                return new LoginOutcome(user, LoginRefusal.CodeMissing);
            case FactorVerdict.MissingPasskey:
                await limits.GiveBackAsync(attempt);
                return new LoginOutcome(user, LoginRefusal.PasskeyMissing);
            case FactorVerdict.NotSetUp:
                await limits.GiveBackAsync(attempt);
                return new LoginOutcome(user, LoginRefusal.MustSetUp);
            case FactorVerdict.WrongPasskey:
                return await FailedAsync(user.Username, LoginRefusal.PasskeyWrong) with { User = user };
            default:
                return await FailedAsync(user.Username, LoginRefusal.CodeWrong) with { User = user };
        }
    }

    /// <summary>Under a name that somebody has, or none: what is typed for a name may be a password.</summary>
    private async Task NoteFailureAsync(string username, LoginRefusal why)
    {
        if (audit.Of(AuditEvent.LoginFailed) is not { } entry) return;
        var user = await accounts.FindAsync(username, CancellationToken.None);
        await audit.NoteAsync(entry with
        {
            About = user?.Username ?? "",
            Detail = user is null ? "No such user" : why == LoginRefusal.CodeWrong ? "Wrong one-time code" : why == LoginRefusal.PasskeyWrong ? "Wrong passkey" : user.IsActive ? "Wrong password" : "The user is inactive, or the password wrong",
        });
    }

    private async Task<LoginOutcome> FailedAsync(string username, LoginRefusal why, TimeSpan? wait = null)
    {
        counters.Count(Counted.LoginFailure);
        // What nobody looked at would fill the log, and costs a guesser no hash.
        if (why != LoginRefusal.TooMany) await NoteFailureAsync(username, why);
        var shown = username.Length > Username.MaxLength ? username[..Username.MaxLength] : username;
        await accounts.TellAsync(options.Events.LoginFailed, new LoginFailedEvent(shown, services));
        return new LoginOutcome(null, why, wait);
    }
}

/// <summary>Why somebody may not come in.</summary>
internal enum LoginRefusal
{
    None,
    Credentials,
    TooMany,
    CodeMissing,
    PasskeyMissing,
    CodeWrong,
    PasskeyWrong,
    MustSetUp,
}

/// <summary>What came of a login.</summary>
/// <param name="User">Who it is. With a refusal for want of a code: who showed a right password.</param>
/// <param name="Refusal">None when they may come in.</param>
/// <param name="Wait">With <see cref="LoginRefusal.TooMany"/>.</param>
internal readonly record struct LoginOutcome(User? User, LoginRefusal Refusal = LoginRefusal.None, TimeSpan? Wait = null)
{
    public const string CodeRequired = "A one-time code is required.";
    public const string PasskeyRequired = "A passkey is required.";
    public const string CodeInvalid = "Invalid one-time code.";

    /// <summary>Who may come in; null when nobody may.</summary>
    public User? Admitted => Refusal == LoginRefusal.None ? User : null;

    /// <summary>What an API answers instead of its own refusal; null for credentials that are wrong.</summary>
    public ApiError? ApiRefusal => Refusal switch
    {
        LoginRefusal.TooMany => ApiError.Throttled(Wait),
        LoginRefusal.CodeMissing => ApiError.Validation("otp", CodeRequired),
        LoginRefusal.PasskeyMissing => ApiError.Validation(Passkeys.Field, PasskeyRequired),
        LoginRefusal.CodeWrong => ApiError.Validation("otp", CodeInvalid),
        LoginRefusal.PasskeyWrong => ApiError.Validation(Passkeys.Field, Passkeys.Invalid),
        LoginRefusal.MustSetUp => ApiError.Validation("otp", "This account must have a second factor: set one up by logging in at the login page."),
        _ => null,
    };
}

internal static class LoginsExtensions
{
    public static Logins GetLogins(this HttpContext http) => http.RequestServices.GetRequiredService<Logins>();
}
