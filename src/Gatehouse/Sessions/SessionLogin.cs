using System.Security.Cryptography;
using System.Text;
using Gatehouse.Audit;
using Gatehouse.Crypto;
using Gatehouse.Database;
using Gatehouse.Users;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Gatehouse.Sessions;

/// <summary>Beginning, recognising and ending a logged-in session (<c>django.contrib.auth</c>: <c>login</c>, <c>get_user</c>, <c>logout</c>).</summary>
internal sealed class SessionLogin(
    Db db, SessionStore store, Csrf csrf, UserAccounts accounts, KnownDevices devices, GatehouseOptions options, AuditTrail audit, IServiceProvider services, TimeProvider clock)
{
    private const string Backend = "django.contrib.auth.backends.ModelBackend";
    private const string IdName = "_auth_user_id";
    private const string BackendName = "_auth_user_backend";
    private const string HashName = "_auth_user_hash";

    /// <summary>Who is logged in on the session; null for nobody, and for an inactive user. Asked once for each request.</summary>
    public async ValueTask<User?> UserAsync(HttpContext http)
    {
        if (http.Features.Get<SessionUser>() is { } known) return known.User;

        var session = await DjangoSession.OpenAsync(http, store);
        var user = await RecogniseAsync(session, http.RequestAborted);
        if (user is not null && session.Key is { } key) store.Devices.Seen(http, key, user);
        http.Features.Set(new SessionUser(user));
        if (user is not null) http.Features.Set(new Actor(user.Id.ToString(), user.Username));
        return user;
    }

    public async Task LogInAsync(HttpContext http, User user)
    {
        var session = await DjangoSession.OpenAsync(http, store);
        var hash = AuthHash(user, options.SecretKey);
        if (session.GetString(IdName) is { } other)
        {
            // Somebody else's session, or one from before a password change: nothing of it goes over.
            if (other != user.Id.ToString() || !FixedTimeEquals(session.GetString(HashName), hash)) session.Flush();
        }
        else
        {
            session.CycleKey();
        }
        session.Set(IdName, user.Id.ToString());
        session.Set(BackendName, Backend);
        session.Set(HashName, hash);
        session.LoggedIn(user);
        http.Features.Set(new SessionUser(user));
        csrf.Rotate(http);
        devices.Remember(http, user);

        var entry = audit.Of(AuditEvent.Login, by: user);
        await db.WriteAsync(
            async tx =>
            {
                await AuditTrail.WriteAsync(tx, entry);
                return await tx.RunAsync(SetLastLogin, ("now", clock.GetUtcNow()), ("id", user.Id));
            },
            http.RequestAborted);
        await accounts.TellAsync(options.Events.LoggedIn, new UserEvent(user, services));
    }

    private static readonly Sql SetLastLogin = new("UPDATE auth_user AS u SET last_login = @now WHERE u.id = @id");

    /// <summary>The session goes on after its user's password was changed, under another key (<c>update_session_auth_hash</c>).</summary>
    public async Task KeepAsync(HttpContext http, User user)
    {
        var session = await DjangoSession.OpenAsync(http, store);
        session.CycleKey();
        session.Set(HashName, AuthHash(user, options.SecretKey));
        session.BelongsTo(user);
        http.Features.Set(new SessionUser(user));
        devices.Remember(http, user);
    }

    public async Task LogOutAsync(HttpContext http)
    {
        var user = await UserAsync(http);
        (await DjangoSession.OpenAsync(http, store)).Flush();
        http.Features.Set(new SessionUser(null));
        if (user is not null) await audit.NoteAsync(audit.Of(AuditEvent.Logout, by: user));
        if (user is not null) await accounts.TellAsync(options.Events.LoggedOut, new UserEvent(user, services));
    }

    private async Task<User?> RecogniseAsync(DjangoSession session, CancellationToken ct)
    {
        if (!UserId.TryParse(session.GetString(IdName), out var id) || session.GetString(BackendName) != Backend) return null;
        if (await accounts.FindAsync(id, ct) is not { IsActive: true } user) return null;

        // Told by the session's own text, which is signed: only its comparison with the password is remembered.
        if (!session.IsModified && session.Stored!.FitsPassword == user.Password) return user;
        var given = session.GetString(HashName);
        if (FixedTimeEquals(given, AuthHash(user, options.SecretKey)))
        {
            if (!session.IsModified) session.Stored!.FitsPassword = user.Password;
            return user;
        }
        foreach (var former in options.SecretKeyFallbacks)
        {
            if (!FixedTimeEquals(given, AuthHash(user, former))) continue;
            // Under the same key: a logout that is under way must find the session where it saw it. (Django moves it.)
            session.Set(HashName, AuthHash(user, options.SecretKey));
            return user;
        }
        // The password was changed since: the session is dead wherever it is.
        session.Flush();
        return null;
    }

    private static string AuthHash(User user, string key) =>
        DjangoSigner.SaltedHmac("django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash", key, user.Password);

    private static bool FixedTimeEquals(string? given, string right) =>
        given is not null && CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(given), Encoding.UTF8.GetBytes(right));

    private sealed record SessionUser(User? User);
}

/// <summary>Sessions for host code: pages and views of your own.</summary>
public static class SessionExtensions
{
    /// <summary>The visitor's session (Django's <c>request.session</c>).</summary>
    public static ValueTask<DjangoSession> GetSessionAsync(this HttpContext http) =>
        DjangoSession.OpenAsync(http, http.RequestServices.GetRequiredService<SessionStore>());

    /// <summary>Who is logged in on the session, whatever the schemes of the endpoint are (Django's <c>request.user</c> in a plain view).</summary>
    public static ValueTask<User?> GetSessionUserAsync(this HttpContext http) =>
        http.RequestServices.GetRequiredService<SessionLogin>().UserAsync(http);

    /// <summary>Logs a user in whose credentials you have checked (<c>django.contrib.auth.login</c>).</summary>
    public static Task LogInAsync(this HttpContext http, User user) =>
        http.RequestServices.GetRequiredService<SessionLogin>().LogInAsync(http, user);

    /// <summary>Ends the session (<c>django.contrib.auth.logout</c>).</summary>
    public static Task LogOutAsync(this HttpContext http) => http.RequestServices.GetRequiredService<SessionLogin>().LogOutAsync(http);

    /// <summary>A CSRF token for a form or header of this visitor; sets the cookie that goes with it (<c>get_token</c>).</summary>
    public static string GetCsrfToken(this HttpContext http) => http.RequestServices.GetRequiredService<Csrf>().Token(http);
}
