using Gatehouse.Crypto;
using Gatehouse.Database;

namespace Gatehouse.Sessions;

/// <summary>Sessions, by when their data was last signed: their rows say no more. A session without such a time is ended.</summary>
internal sealed class IssuedSessions : IIssued
{
    private const int Page = 1000;

    public async Task<IReadOnlyList<(string What, int Count)>> EndBeforeAsync(Tx tx, DateTimeOffset before, DateTimeOffset now)
    {
        var ended = 0;
        for (var after = ""; ;)
        {
            var page = await tx.AllAsync(All, ("after", after), ("most", Page));
            if (page.Count == 0) return [("sessions", ended)];
            after = page[^1].Key;
            foreach (var session in page)
                if (DjangoSigner.TimeOf(session.Data) is not { } time || time < before) ended += await tx.RunAsync(Delete, ("key", session.Key));
        }
    }

    private static readonly Sql<Stored> All = new(
        "SELECT session_key, session_data FROM django_session WHERE session_key > @after ORDER BY session_key LIMIT @most", row => new Stored(row.Text(0), row.Text(1)));

    private static readonly Sql Delete = new("DELETE FROM django_session WHERE session_key = @key");

    private sealed record Stored(string Key, string Data);
}
