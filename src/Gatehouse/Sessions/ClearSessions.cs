using Gatehouse.Database;

namespace Gatehouse.Sessions;

/// <summary>Sessions whose time is over (Django's <c>clearsessions</c>).</summary>
internal sealed class ClearSessions : ISweep
{
    public Task<IReadOnlyList<Due>> DueAsync(DateTimeOffset now, CancellationToken ct) => Task.FromResult<IReadOnlyList<Due>>([new(Expired, now)]);

    private static readonly DeadRows Expired = DeadRows.ByExpiry("django_session", "session_key", "expire_date");
}
