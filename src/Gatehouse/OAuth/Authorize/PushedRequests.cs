using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Gatehouse.Database;

namespace Gatehouse.OAuth.Authorize;

/// <summary>
/// Authorization requests that clients have pushed (RFC 9126), until their user has answered. A client has little time to bring its user here; from
/// then on the user has as much as a form deserves, to log in and to read.
/// </summary>
internal sealed class PushedRequests(Db db, OAuthOptions options, TimeProvider clock)
{
    public const string Prefix = "urn:ietf:params:oauth:request_uri:";

    private static readonly TimeSpan TimeToAnswer = TimeSpan.FromMinutes(10);

    public static OAuthError Unknown { get; } = new("invalid_request_uri", "The request_uri is unknown, has expired or was used.") { IsFatal = true };

    /// <summary>Keeps a request.</summary>
    /// <returns>What it is asked by: 256 random bits.</returns>
    public async Task<string> AddAsync(string clientId, IEnumerable<(string Name, string Value)> parameters, CancellationToken ct)
    {
        var uri = Prefix + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32));
        var json = JsonSerializer.Serialize(parameters.Select(one => new[] { one.Name, one.Value }));
        var now = clock.GetUtcNow();
        await db.WriteAsync(
            async tx =>
            {
                await tx.RunAsync(Sweep, ("now", Microseconds(now)));
                return await tx.RunAsync(Insert, ("uri", Kept(uri)), ("client", clientId), ("parameters", json), ("expires", Microseconds(now.AddSeconds(options.ParRequestUriLifetimeSeconds))));
            },
            ct);
        return uri;
    }

    /// <summary>The request that this client pushed; null when there is none, or no more.</summary>
    public async Task<OAuthParameters?> FindAsync(string requestUri, string? clientId, CancellationToken ct)
    {
        if (string.IsNullOrEmpty(clientId) || requestUri.Length != Prefix.Length + 64) return null;
        var (uri, now) = (Kept(requestUri), clock.GetUtcNow());
        if (await db.FirstAsync(ByUri, ct, ("uri", uri), ("client", clientId), ("now", Microseconds(now))) is not { } found) return null;
        if (!found.Started) await db.WriteAsync(tx => tx.RunAsync(Start, ("uri", uri), ("expires", Microseconds(now + TimeToAnswer))), ct);
        return OAuthParameters.Of(Pairs(found.Parameters));
    }

    /// <summary>Uses it up, once.</summary>
    public static async Task<bool> UseAsync(Tx tx, string requestUri, DateTimeOffset now) =>
        await tx.RunAsync(Use, ("uri", Kept(requestUri)), ("now", Microseconds(now))) == 1;

    /// <summary>What it asked of the login is done.</summary>
    public Task DropPromptAsync(string requestUri, CancellationToken ct) => db.WriteAsync(
        async tx =>
        {
            if (await tx.FirstAsync(Any, ("uri", Kept(requestUri))) is not { } found) return 0;
            var left = Pairs(found.Parameters).Where(one => one.Name is not ("prompt" or "max_age")).Select(one => new[] { one.Name, one.Value });
            return await tx.RunAsync(Change, ("uri", Kept(requestUri)), ("parameters", JsonSerializer.Serialize(left)));
        },
        ct);

    private static List<(string Name, string Value)> Pairs(string json) => [.. JsonSerializer.Deserialize<string[][]>(json)!.Select(pair => (pair[0], pair[1]))];

    // What stands in the database is of no use to whoever reads it.
    private static string Kept(string requestUri) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(requestUri)));

    private static long Microseconds(DateTimeOffset time) => time.ToUnixTimeMilliseconds() * 1000;

    private static readonly Sql Insert = new(
        "INSERT INTO gatehouse_oauth_pushed_request (request_uri, client_id, parameters, expires, started) VALUES (@uri, @client, @parameters, @expires, FALSE)");

    private static readonly Sql Sweep = new(
        "DELETE FROM gatehouse_oauth_pushed_request WHERE request_uri IN (SELECT request_uri FROM gatehouse_oauth_pushed_request WHERE expires < @now LIMIT 100)");

    private static readonly Sql<Found> ByUri = new(
        "SELECT parameters, started FROM gatehouse_oauth_pushed_request WHERE request_uri = @uri AND client_id = @client AND expires > @now",
        row => new Found(row.Text(0), row.Bool(1)));

    private static readonly Sql<Found> Any = new(
        "SELECT parameters, started FROM gatehouse_oauth_pushed_request WHERE request_uri = @uri", row => new Found(row.Text(0), row.Bool(1)));

    private static readonly Sql Start = new("UPDATE gatehouse_oauth_pushed_request SET started = TRUE, expires = @expires WHERE request_uri = @uri AND NOT started");

    private static readonly Sql Change = new("UPDATE gatehouse_oauth_pushed_request SET parameters = @parameters WHERE request_uri = @uri");

    private static readonly Sql Use = new("DELETE FROM gatehouse_oauth_pushed_request WHERE request_uri = @uri AND expires > @now");

    private sealed record Found(string Parameters, bool Started);
}
