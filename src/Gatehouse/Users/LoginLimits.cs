using Gatehouse.Crypto;
using Gatehouse.Database;
using Gatehouse.Http;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.Users;

/// <summary>
/// Guessing slows down: after so many failures of one account, or from one network, each further one doubles the time until the next is
/// looked at. An attempt is counted before its password is, and given back when it was right, so that of many at once no more are evaluated
/// than the limit says. A browser that its user has logged in from has a count of its own: nobody else can lock it out.
/// </summary>
/// <remarks>Written without a flush of its own: a power cut may forget the last failures, the end of the process does not.</remarks>
internal sealed class LoginLimits(Db db, KnownDevices devices, GatehouseOptions options, TimeProvider clock)
{
    private const int SweepEvery = 256;
    private const int MostOfOne = 200;

    private readonly long first = Micros(options.Accounts.LoginLockTime);
    private readonly long longest = Micros(options.Accounts.LoginLockTimeMax);
    private readonly long memory = Micros(options.Accounts.LoginFailureMemory);
    private readonly Dictionary<string, Turn> turns = [];
    private int counted;

    private readonly int limit = options.Accounts.LoginFailureLimit ?? 0;

    private bool IsOff => limit == 0;

    /// <summary>Counts an attempt as a failure, for now.</summary>
    /// <param name="http">From where; null when that is not known.</param>
    /// <param name="username">As it was sent: spellings of one name have one count, whether there is such a user or not.</param>
    /// <param name="user">Whom it names, if anybody.</param>
    /// <param name="ct">Gives up.</param>
    /// <exception cref="OverloadedException">Too many attempts at this account wait for each other.</exception>
    public async Task<LoginTry> BeginAsync(HttpContext? http, string username, User? user, CancellationToken ct)
    {
        if (IsOff) return LoginTry.Uncounted;
        var account = "account:" + DjangoSigner.SaltedHmac("gatehouse.login", options.SecretKey, Fold(username));
        var network = http is null ? null : "network:" + ClientAddress.Of(http, options);
        var device = http is null || user is null ? null : devices.Of(http, user) is { } known ? "device:" + known : null;

        // Attempts under way count as failures: of a program that logs in many times at once, with a right password, a few go at a time.
        var turn = await EnterAsync(device ?? account, ct);
        try
        {
            return await CountAsync(account, network, device, turn, ct);
        }
        catch
        {
            Leave(turn);
            throw;
        }
    }

    private async Task<LoginTry> CountAsync(string account, string? network, string? device, Turn turn, CancellationToken ct)
    {
        var now = Micros(clock.GetUtcNow());
        var sweep = Interlocked.Increment(ref counted) % SweepEvery == 0;
        return await db.WriteRelaxedAsync(
            async tx =>
            {
                if (sweep) await tx.RunAsync(Sweep, ("before", now - memory));
                // A device that has failed too often itself is a stranger again.
                if (device is not null && await CountAsync(tx, device, limit, memory)) return new LoginTry(device, null) { Leave = () => Leave(turn) };
                if (!await CountAsync(tx, account, limit, memory)) return await RefusedAsync(tx, account);
                if (network is null || await CountAsync(tx, network, options.Accounts.LoginNetworkFailureLimit, memory / 24)) return new LoginTry(account, network) { Leave = () => Leave(turn) };
                // What is not evaluated is no failure of the account's.
                await tx.RunAsync(GiveBack, ("key", account));
                return await RefusedAsync(tx, network);
            },
            ct);

        async Task<bool> CountAsync(Tx tx, string key, int most, long memory) => await tx.RunAsync(
            Count, ("key", key), ("now", now), ("leak", Math.Max(1, memory / most)), ("limit", most), ("first", first), ("longest", longest)) == 1;

        async Task<LoginTry> RefusedAsync(Tx tx, string key) => new(null, null, TimeSpan.FromMicroseconds(Math.Max(1, await tx.FirstAsync(Until, ("key", key)) - now ?? 1)))
        {
            Leave = () => Leave(turn),
        };
    }

    /// <summary>The attempt was right: what it was counted as is forgotten, and so are the account's former failures, but not the network's.</summary>
    public async Task SucceededAsync(LoginTry attempt)
    {
        if (attempt.Account is null) return;
        await db.WriteRelaxedAsync(
            async tx =>
            {
                await tx.RunAsync(Clear, ("key", attempt.Account));
                if (attempt.Network is not null) await tx.RunAsync(GiveBack, ("key", attempt.Network));
                return true;
            },
            CancellationToken.None);
    }

    /// <summary>The password was right, and there is more to come: nothing is counted, nothing is forgotten.</summary>
    public async Task GiveBackAsync(LoginTry attempt)
    {
        if (attempt.Account is null) return;
        await db.WriteRelaxedAsync(
            async tx =>
            {
                await tx.RunAsync(GiveBack, ("key", attempt.Account));
                if (attempt.Network is not null) await tx.RunAsync(GiveBack, ("key", attempt.Network));
                return true;
            },
            CancellationToken.None);
    }

    private async Task<Turn> EnterAsync(string key, CancellationToken ct)
    {
        Turn? turn;
        lock (turns)
        {
            if (turns.TryGetValue(key, out turn) && turn.Waiting >= MostOfOne) throw new OverloadedException(TimeSpan.FromSeconds(2));
            if (turn is null) turns[key] = turn = new Turn(key, Math.Max(1, limit / 3));
            turn.Waiting++;
        }
        try
        {
            await turn.Places.WaitAsync(ct);
            return turn;
        }
        catch
        {
            Forget(turn);
            throw;
        }
    }

    private void Leave(Turn turn)
    {
        turn.Places.Release();
        Forget(turn);
    }

    private void Forget(Turn turn)
    {
        lock (turns)
            if (--turn.Waiting == 0)
                turns.Remove(turn.Key);
    }

    private sealed class Turn(string key, int places)
    {
        public string Key => key;
        public SemaphoreSlim Places { get; } = new(places);
        public int Waiting { get; set; }
    }

    private static string Fold(string username) => PythonText.Lower(Username.Normalise(PythonText.Strip(username)));

    private static long Micros(DateTimeOffset time) => Micros(time - DateTimeOffset.UnixEpoch);

    private static long Micros(TimeSpan time) => time.Ticks / TimeSpan.TicksPerMicrosecond;

    // Failures leak away, one at a time, so that the slips of many honest people behind one address do not add up.
    // A clock that was set back leaks nothing.
    private const string Leaked = "(CASE WHEN @now > gatehouse_login_failure.last THEN (@now - gatehouse_login_failure.last) / @leak ELSE 0 END)";

    private const string Failures =
        $"CASE WHEN {Leaked} >= gatehouse_login_failure.failures THEN 1 ELSE gatehouse_login_failure.failures - {Leaked} + 1 END";

    private const string Wait =
        $"""
        CASE WHEN {Failures} < @limit THEN 0
             WHEN gatehouse_login_failure.wait = 0 THEN @first
             WHEN gatehouse_login_failure.wait * 2 > @longest THEN @longest
             ELSE gatehouse_login_failure.wait * 2 END
        """;

    // Nothing is changed while the key is locked: the count of rows says whether the attempt may go on. Who does not wait leaves no time behind:
    // of two at once, or of two servers, the second may come with the earlier time.
    private static readonly Sql Count = new(
        $"""
        INSERT INTO gatehouse_login_failure (key, failures, wait, until, last) VALUES (@key, 1, 0, 0, @now)
        ON CONFLICT (key) DO UPDATE SET
            failures = {Failures}, wait = {Wait}, until = CASE WHEN {Wait} = 0 THEN 0 ELSE @now + {Wait} END,
            last = CASE WHEN {Leaked} >= gatehouse_login_failure.failures THEN @now ELSE gatehouse_login_failure.last + {Leaked} * @leak END
        WHERE gatehouse_login_failure.until <= @now
        """);

    private static readonly Sql<long?> Until = new("SELECT until FROM gatehouse_login_failure WHERE key = @key", row => row.Int(0));

    private static readonly Sql Clear = new("DELETE FROM gatehouse_login_failure WHERE key = @key");

    private static readonly Sql GiveBack = new("UPDATE gatehouse_login_failure SET failures = failures - 1, wait = wait / 2, until = 0 WHERE key = @key AND failures > 0");

    private static readonly Sql Sweep = new(
        "DELETE FROM gatehouse_login_failure WHERE key IN (SELECT key FROM gatehouse_login_failure WHERE last < @before LIMIT 512)");
}

/// <summary>An attempt that may be evaluated, or how long to wait.</summary>
/// <param name="Account">What it was counted under; null when nothing is counted, or it is refused.</param>
/// <param name="Network">The same for where it came from.</param>
/// <param name="Wait">Set when the attempt is refused.</param>
internal sealed record LoginTry(string? Account, string? Network, TimeSpan? Wait = null) : IDisposable
{
    public static LoginTry Uncounted { get; } = new(null, null);

    /// <summary>Lets the next of the same account begin.</summary>
    public Action? Leave { get; init; }

    public void Dispose() => Leave?.Invoke();
}
