using System.Text.Json;
using System.Text.Json.Serialization;
using Gatehouse.Crypto;
using Gatehouse.Database;
using Gatehouse.Http;
using Gatehouse.Users;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.Sessions;

/// <summary>The rows of <c>django_session</c>, signed and serialised as Django does (<c>django.contrib.sessions.backends.db</c>).</summary>
internal sealed class SessionStore(Db db, SessionDevices devices, GatehouseOptions options, TimeProvider clock)
{
    private const int MaxKeyLength = 40;
    private const int LongestRemembered = 1024;

    // The row is read at each request; what its text means does not change, and is a signature, an inflation and a parse away.
    private readonly Remembered<string, StoredSession> decoded = new(capacity: 8_000);
    private readonly DjangoSigner signer = new("django.contrib.sessions.SessionStore", [options.SecretKey, .. options.SecretKeyFallbacks]);

    public SessionOptions Options => options.Session;

    public SessionDevices Devices => devices;

    public DateTimeOffset Now => clock.GetUtcNow();

    /// <returns>What the live row of that key holds; null when there is none.</returns>
    public async Task<StoredSession?> LoadAsync(string key, CancellationToken ct)
    {
        if (key.Length > MaxKeyLength || await db.FindAsync(Load, ct, ("key", key), ("now", Now)) is not { } text) return null;
        if (text.Length > LongestRemembered) return Decode(text);
        if (decoded.TryGet(text, out var known)) return known;

        var session = Decode(text);
        decoded.Add(text, session);
        return session;
    }

    private StoredSession Decode(string text) => new(signer.Verify(text) is { } json ? Parse(json) : null);

    private static readonly Sql<string> Load = new(
        "SELECT session_data FROM django_session WHERE session_key = @key AND expire_date > @now", row => row.Text(0));

    /// <returns>False when the row is gone: ended by a logout elsewhere.</returns>
    public async Task<bool> UpdateAsync(string key, ReadOnlyMemory<byte> json, TimeSpan age)
    {
        var now = Now;
        var data = signer.Sign(json.Span, now);
        return await db.WriteAsync(tx => tx.RunAsync(Update, ("data", data), ("expires", now + age), ("key", key)), CancellationToken.None) == 1;
    }

    private static readonly Sql Update = new(
        "UPDATE django_session SET session_data = @data, expire_date = @expires WHERE session_key = @key");

    /// <summary>Writes a new row and deletes the old ones, in one step.</summary>
    /// <param name="dead">The old ones.</param>
    /// <param name="onlyIfThere">Write it only if an old one was still there: a session that somebody has ended stays ended.</param>
    /// <param name="key">Of the new row.</param>
    /// <param name="json">What it holds.</param>
    /// <param name="age">How long it lives.</param>
    /// <returns>Whether the new row was written.</returns>
    public async Task<bool> ReplaceAsync(IReadOnlyCollection<string> dead, bool onlyIfThere, string key, ReadOnlyMemory<byte> json, TimeSpan age)
    {
        var now = Now;
        var data = signer.Sign(json.Span, now);
        return await db.WriteAsync(
            async tx =>
            {
                var ended = 0;
                foreach (var old in dead) ended += await tx.RunAsync(Delete, ("key", old));
                return (ended > 0 || !onlyIfThere) && await tx.RunAsync(Insert, ("key", key), ("data", data), ("expires", now + age)) == 1;
            },
            CancellationToken.None);
    }

    private static readonly Sql Insert = new(
        "INSERT INTO django_session (session_key, session_data, expire_date) VALUES (@key, @data, @expires)");

    public async Task DeleteAsync(IReadOnlyCollection<string> dead) => await db.WriteAsync(tx => DeleteAsync(tx, dead), CancellationToken.None);

    public static async Task<int> DeleteAsync(Tx tx, IReadOnlyCollection<string> dead)
    {
        var count = 0;
        foreach (var key in dead) count += await tx.RunAsync(Delete, ("key", key));
        return count;
    }

    /// <summary>Whose a stored session is; null: nobody's, or not signed by us. Whether it still fits the password is not asked.</summary>
    public UserId? UserOf(string data) =>
        Decode(data).Data is { } json && json.TryGetProperty("_auth_user_id", out var id) && id.ValueKind == JsonValueKind.String && UserId.TryParse(ApiForm.JsonText(id), out var user)
            ? user
            : null;

    /// <summary>The keys of a user's live sessions. Who they are stands inside them, so all are looked at, in batches.</summary>
    public async Task<IReadOnlyCollection<string>> OfUserAsync(UserId user, CancellationToken ct)
    {
        const int Batch = 1000;
        var keys = new List<string>();
        for (var after = ""; ;)
        {
            var rows = await db.AllAsync(Live, ct, ("after", after), ("now", Now), ("most", Batch));
            keys.AddRange(rows.Where(row => UserOf(row.Data) == user).Select(row => row.Key));
            if (rows.Count < Batch) return keys;
            after = rows[^1].Key;
        }
    }

    private static readonly Sql<(string Key, string Data)> Live = new(
        "SELECT session_key, session_data FROM django_session WHERE session_key > @after AND expire_date > @now ORDER BY session_key LIMIT @most",
        row => (row.Text(0), row.Text(1)));

    private static readonly Sql Delete = new("DELETE FROM django_session WHERE session_key = @key");

    /// <summary>Tells the browser to forget the session cookie.</summary>
    public Task TakeBackCookie(HttpContext http)
    {
        Cookies.Delete(http, Options.CookieName, Options.CookieDomain, Options.CookiePath, Options.CookieSameSite);
        Cookies.Vary(http);
        return Task.CompletedTask;
    }

    private static JsonElement? Parse(byte[] json)
    {
        try
        {
            var reader = new Utf8JsonReader(json);
            return JsonElement.ParseValue(ref reader) is { ValueKind: JsonValueKind.Object } data ? data : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}

/// <summary>What a session row says.</summary>
/// <param name="data">Nothing when its signature is not ours.</param>
internal sealed class StoredSession(JsonElement? data)
{
    public JsonElement? Data => data;

    /// <summary>The password column that the session's auth hash was found to fit: the same column fits again.</summary>
    public string? FitsPassword { get; set; }
}

// Values in ASCII with \u escapes: the default encoder's.
[JsonSerializable(typeof(string))]
internal sealed partial class SessionJson : JsonSerializerContext;
