using Gatehouse.Database;

namespace Gatehouse.Statistics;

/// <summary>What is counted, under the names that the rows have.</summary>
internal enum Counted
{
    /// <summary>A right password at a door that is no request by Basic.</summary>
    Login,
    LoginFailure,

    ApiToken,
    Jwt,
    OAuthToken,
    IdToken,

    // Requests refused, by status.
    BadRequest,
    Unauthenticated,
    Forbidden,
    Throttled,
    Unavailable,
    ServerError,
}

/// <summary>
/// How often things happen, for the plots of the admin site. Counted in memory, which costs a request nothing, and added to the rows of all
/// servers every few seconds by one statement. The end of the process loses nothing; a crash loses those seconds.
/// </summary>
internal sealed class Counters(Db db, TimeProvider clock) : ISweep
{
    public const string Sessions = "Sessions";

    private static readonly string[] Names = Enum.GetNames<Counted>();

    private readonly long[] pending = new long[Names.Length];

    /// <summary>Hour, day and week: how wide a bucket is, in seconds, and how many are shown.</summary>
    public static IReadOnlyList<(int Seconds, int Shown)> Widths { get; } = [(60, 60), (900, 96), (7200, 84)];

    public void Count(Counted what) => Interlocked.Increment(ref pending[(int)what]);

    /// <summary>Counts an answer, if it is a refusal.</summary>
    public void CountAnswer(int status)
    {
        if (status < 400) return;
        Counted? what = status switch
        {
            401 => Counted.Unauthenticated,
            403 => Counted.Forbidden,
            429 => Counted.Throttled,
            503 => Counted.Unavailable,
            >= 500 => Counted.ServerError,
            400 or 413 or 415 => Counted.BadRequest,
            _ => null,
        };
        if (what is { } refused) Count(refused);
    }

    /// <summary>Adds what was counted since to the rows. What cannot be written now is kept for the next time.</summary>
    public async Task FlushAsync(CancellationToken ct)
    {
        var taken = new long[pending.Length];
        for (var i = 0; i < taken.Length; i++) taken[i] = Interlocked.Exchange(ref pending[i], 0);
        if (!taken.Any(count => count > 0)) return;
        (string, object?)[] parameters = [.. Starts(), .. taken.Select((count, i) => (Names[i], (object?)count))];
        try
        {
            await db.WriteRelaxedAsync(tx => tx.RunAsync(Add, parameters), ct);
        }
        catch
        {
            for (var i = 0; i < taken.Length; i++) Interlocked.Add(ref pending[i], taken[i]);
            throw;
        }
    }

    /// <summary>Notes how many sessions live, unless another server has done it in this minute.</summary>
    public async Task SampleAsync(CancellationToken ct)
    {
        (string, object?)[] starts = [.. Starts()];
        if (await db.FirstAsync(IsSampled, ct, starts[0]) is not null) return;
        var live = await db.FirstAsync(LiveSessions, ct, ("now", clock.GetUtcNow()));
        await db.WriteRelaxedAsync(tx => tx.RunAsync(Sample, [.. starts, ("count", live)]), ct);
    }

    /// <summary>The rows of the buckets that are shown, all servers' together.</summary>
    /// <param name="width">Of <see cref="Widths"/>.</param>
    /// <param name="ct">Ends it.</param>
    /// <returns>When the first bucket begins, in seconds since 1970, and what is in them.</returns>
    public async Task<(long First, List<CounterRow> Rows)> ReadAsync(int width, CancellationToken ct)
    {
        var (seconds, shown) = Widths[width];
        var first = StartOf(seconds) - (shown - 1L) * seconds;
        return (first, await db.AllAsync(Shown, ct, ("seconds", seconds), ("first", first)));
    }

    public Task<IReadOnlyList<Due>> DueAsync(DateTimeOffset now, CancellationToken ct) =>
        Task.FromResult<IReadOnlyList<Due>>([new(Expired, now.ToUnixTimeSeconds())]);

    private static readonly DeadRows Expired = DeadRows.ByExpiry("gatehouse_counter", "seconds, start, name", "expires");

    private long StartOf(int seconds) => clock.GetUtcNow().ToUnixTimeSeconds() / seconds * seconds;

    private IEnumerable<(string, object?)> Starts() => Widths.Select((width, i) => ($"start{i}", (object?)StartOf(width.Seconds)));

    // A bucket is kept one width longer than it is shown.
    private static string Bucket(int width) => $"{Widths[width].Seconds}, @start{width}, @start{width} + {Widths[width].Seconds * (Widths[width].Shown + 1)}";

    // In the same order by all who write at once.
    private static readonly Sql Add = new(
        $"""
        INSERT INTO gatehouse_counter (seconds, start, expires, name, count)
        SELECT column1, column2, column3, column4, column5
        FROM (VALUES {string.Join(", ", Enumerable.Range(0, Widths.Count).SelectMany(width => Names.Select(name => $"({Bucket(width)}, '{name}', @{name})")))}) AS counted
        WHERE column5 > 0
        ON CONFLICT (seconds, start, name) DO UPDATE SET count = gatehouse_counter.count + excluded.count
        """);

    private static readonly Sql<string> IsSampled = new(
        $"SELECT name FROM gatehouse_counter WHERE seconds = {Widths[0].Seconds} AND start = @start0 AND name = '{Sessions}'", row => row.Text(0));

    private static readonly Sql<long> LiveSessions = new("SELECT COUNT(*) FROM django_session WHERE expire_date > @now", row => row.Int(0));

    private static readonly Sql Sample = new(
        $"""
        INSERT INTO gatehouse_counter (seconds, start, expires, name, count)
        VALUES {string.Join(", ", Enumerable.Range(0, Widths.Count).Select(width => $"({Bucket(width)}, '{Sessions}', @count)"))}
        ON CONFLICT (seconds, start, name) DO NOTHING
        """);

    private static readonly Sql<CounterRow> Shown = new(
        "SELECT start, name, count FROM gatehouse_counter WHERE seconds = @seconds AND start >= @first",
        row => new CounterRow(row.Int(0), row.Text(1), row.Int(2)));
}

/// <summary>A bucket of a counter.</summary>
/// <param name="Start">Seconds since 1970.</param>
/// <param name="Name">Of <see cref="Counted"/>, or <see cref="Counters.Sessions"/>.</param>
/// <param name="Count">How often; of sessions: how many.</param>
internal sealed record CounterRow(long Start, string Name, long Count);
