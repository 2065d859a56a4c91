using System.Collections.Concurrent;
using Gatehouse.Audit;
using Gatehouse.Crypto;
using Gatehouse.Database;
using Gatehouse.Http;
using Gatehouse.Users;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Gatehouse.Sessions;

/// <summary>
/// From where a user's sessions are used, in a table beside <c>django_session</c>: noted at login and every ten minutes of use, without a
/// flush of its own and behind the answer.
/// </summary>
internal sealed class SessionDevices(Db db, GatehouseOptions options, AuditTrail audit, TimeProvider clock, ILogger<SessionDevices> log)
{
    private const int MostNoted = 10_000;
    private const int SweepEvery = 256;
    private static readonly TimeSpan Every = TimeSpan.FromMinutes(10);

    private readonly ConcurrentDictionary<string, DateTimeOffset> noted = new();
    private int count;

    /// <summary>The session is in use.</summary>
    public void Seen(HttpContext http, string key, User user)
    {
        var now = clock.GetUtcNow();
        if (noted.TryGetValue(key, out var at) && now - at < Every && now >= at) return;
        if (noted.Count >= MostNoted) noted.Clear();
        noted[key] = now;
        _ = NoteAsync(key, user.Id, LogText.Clean(http.Request.Headers.UserAgent.ToString()), ClientAddress.Of(http, options), now);
    }

    /// <summary>At login: when the answer is there, so is the note.</summary>
    public Task BeganAsync(HttpContext http, string key, User user)
    {
        var now = clock.GetUtcNow();
        if (noted.Count >= MostNoted) noted.Clear();
        noted[key] = now;
        return NoteAsync(key, user.Id, LogText.Clean(http.Request.Headers.UserAgent.ToString()), ClientAddress.Of(http, options), now);
    }

    /// <summary>A user's live sessions that were noted, the last used first.</summary>
    public Task<List<SessionDevice>> OfUserAsync(User user, CancellationToken ct) => db.AllAsync(OfUser, ct, ("user", user.Id.ToString()), ("now", clock.GetUtcNow()), ("most", 100));

    /// <summary>A name for a session that does not let anybody in.</summary>
    public string IdOf(string key) => DjangoSigner.SaltedHmac("gatehouse.session", options.SecretKey, key)[..20];

    /// <summary>A user ends a session of theirs.</summary>
    public Task<bool> EndAsync(string key, User by, CancellationToken ct)
    {
        var entry = audit.Of(AuditEvent.SessionEnded, by);
        return db.WriteAsync(
            async tx =>
            {
                await tx.RunAsync(DeleteNote, ("key", key));
                if (await tx.RunAsync(DeleteSession, ("key", key)) != 1) return false;
                await AuditTrail.WriteAsync(tx, entry is null ? null : entry with { Detail = "One" });
                return true;
            },
            ct);
    }

    /// <summary>With a new password all sessions are over, and none is noted any more.</summary>
    public static Task<int> ForgetAsync(Tx tx, UserId user) => tx.RunAsync(DeleteOfUser, ("user", user.ToString()));

    private async Task NoteAsync(string key, UserId user, string agent, string address, DateTimeOffset now)
    {
        try
        {
            var sweep = Interlocked.Increment(ref count) % SweepEvery == 0;
            await db.WriteRelaxedAsync(
                async tx =>
                {
                    if (sweep) await tx.RunAsync(Sweep, ("before", now - options.Session.CookieAge - TimeSpan.FromDays(1)));
                    return await tx.RunAsync(Note, ("key", key), ("user", user.ToString()), ("agent", agent), ("address", address), ("now", now));
                },
                CancellationToken.None);
        }
        catch (Exception error)
        {
            // It is only a note: what the session is for goes on.
            noted.TryRemove(key, out _);
            log.NotNoted(error.Message);
        }
    }

    private static readonly Sql Note = new(
        """
        INSERT INTO gatehouse_session (session_key, user_id, user_agent, address, created, last_seen) VALUES (@key, @user, @agent, @address, @now, @now)
        ON CONFLICT (session_key) DO UPDATE SET user_id = @user, user_agent = @agent, address = @address, last_seen = @now
        """);

    private static readonly Sql<SessionDevice> OfUser = new(
        """
        SELECT g.session_key, g.user_agent, g.address, g.created, g.last_seen FROM gatehouse_session g JOIN django_session s ON s.session_key = g.session_key
        WHERE g.user_id = @user AND s.expire_date > @now ORDER BY g.last_seen DESC, g.session_key LIMIT @most
        """,
        row => new SessionDevice(row.Text(0), row.Text(1), row.Text(2), row.Time(3), row.Time(4)));

    private static readonly Sql DeleteNote = new("DELETE FROM gatehouse_session WHERE session_key = @key");

    private static readonly Sql DeleteSession = new("DELETE FROM django_session WHERE session_key = @key");

    private static readonly Sql DeleteOfUser = new("DELETE FROM gatehouse_session WHERE user_id = @user");

    private static readonly Sql Sweep = new(
        "DELETE FROM gatehouse_session WHERE session_key IN (SELECT session_key FROM gatehouse_session WHERE last_seen < @before LIMIT 512)");
}

/// <summary>A row of <c>gatehouse_session</c>.</summary>
/// <remarks>Not a record: its <c>ToString</c> would print the key into a log.</remarks>
internal sealed class SessionDevice(string key, string agent, string address, DateTimeOffset created, DateTimeOffset lastSeen)
{
    public string Key => key;
    public string Agent => agent;
    public string Address => address;
    public DateTimeOffset Created => created;
    public DateTimeOffset LastSeen => lastSeen;
}

internal static partial class SessionsLog
{
    [LoggerMessage(1711, LogLevel.Warning, "Where a session is used could not be noted: {Reason}")]
    public static partial void NotNoted(this ILogger logger, string reason);
}
