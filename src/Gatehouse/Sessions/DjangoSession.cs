using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using Gatehouse.Http;
using Gatehouse.Users;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.Sessions;

/// <summary>
/// The session of a visitor: a row of <c>django_session</c> that Django reads and writes too (<c>SessionBase</c>). Changes are written
/// once, before the answer's headers go out.
/// </summary>
public sealed class DjangoSession
{
    private const int ShortestKey = 8;
    private const int KeyLength = 32;

    private readonly SessionStore store;
    private readonly HttpContext http;
    private readonly string? cookie;
    private List<string>? dead;
    private Dictionary<string, JsonElement>? changed;
    private bool accessed;
    private bool loggedIn;
    private User? owner;
    private bool scheduled;

    private DjangoSession(SessionStore store, HttpContext http)
    {
        this.store = store;
        this.http = http;
        cookie = Cookies.Read(http, store.Options.CookieName);
        Key = cookie is { Length: >= ShortestKey } ? cookie : null;
    }

    /// <summary>The key of the row; null while there is none.</summary>
    public string? Key { get; private set; }

    /// <summary>As it was loaded; null when there was no row.</summary>
    internal StoredSession? Stored { get; private set; }

    /// <summary>Whether anything was changed, so that the session will be written.</summary>
    public bool IsModified { get; private set; }

    /// <summary>Names of what the session holds.</summary>
    public IEnumerable<string> Keys =>
        changed?.Keys ?? (Stored?.Data is { } json ? Members(json).Select(member => member.Name).Distinct() : []);

    /// <summary>Loads the visitor's session, or one that is empty and not written until something is put into it.</summary>
    internal static async ValueTask<DjangoSession> OpenAsync(HttpContext http, SessionStore store)
    {
        var session = Of(http, store);
        if (session.accessed) return session;

        session.accessed = true;
        Cookies.Vary(http);
        if (session.Key is { } key)
        {
            session.Stored = await store.LoadAsync(key, http.RequestAborted);
            if (session.Stored is null) session.Key = null;
        }
        if (session.IsEmpty && session.cookie is not null || store.Options.SaveEveryRequest && !session.IsEmpty) session.Schedule();
        return session;
    }

    /// <summary>
    /// Django looks at the session cookie at the end of every request: one that cannot be a key is taken back, and with
    /// <c>SESSION_SAVE_EVERY_REQUEST</c> a good one is renewed.
    /// </summary>
    internal static async ValueTask LookAtCookieAsync(HttpContext http, SessionStore store)
    {
        if (Of(http, store) is not { cookie: not null } session) return;
        if (session.Key is null) session.Schedule();
        else if (store.Options.SaveEveryRequest) await OpenAsync(http, store);
    }

    private static DjangoSession Of(HttpContext http, SessionStore store)
    {
        if (http.Features.Get<DjangoSession>() is { } known) return known;

        var session = new DjangoSession(store, http);
        http.Features.Set(session);
        return session;
    }

    /// <summary>A text that the session holds, or null.</summary>
    public string? GetString(string name) => Get(name) is { ValueKind: JsonValueKind.String } value ? ApiForm.JsonText(value) : null;

    /// <summary>A value that the session holds; an undefined element when there is none.</summary>
    public JsonElement Get(string name)
    {
        if (changed is not null) return changed.GetValueOrDefault(name);
        return Stored?.Data is { } json && json.TryGetProperty(name, out var value) ? value : default;
    }

    /// <summary>Puts a text into the session.</summary>
    public void Set(string name, string value) => Edit()[name] = JsonSerializer.SerializeToElement(value, SessionJson.Default.String);

    /// <summary>Takes a value out of the session.</summary>
    public void Remove(string name) => Edit().Remove(name);

    /// <summary>Moves what the session holds to a new key, so that one known before login is worthless after (<c>cycle_key</c>).</summary>
    public void CycleKey()
    {
        Edit();
        if (Key is not null) (dead ??= []).Add(Key);
        Key = null;
    }

    /// <summary>Its user has just shown a password: the answer must not leave without a session.</summary>
    internal void LoggedIn(User user)
    {
        loggedIn = true;
        owner = user;
    }

    /// <summary>Whose it is from now on, under whatever key.</summary>
    internal void BelongsTo(User user) => owner = user;

    /// <summary>Empties the session and deletes its row (<c>flush</c>).</summary>
    public void Flush()
    {
        Edit().Clear();
        if (Key is not null) (dead ??= []).Add(Key);
        Key = null;
    }

    private bool IsEmpty => Key is null && !Keys.Any();

    private Dictionary<string, JsonElement> Edit()
    {
        if (changed is null)
        {
            changed = [];
            if (Stored?.Data is { } json)
                foreach (var (name, value) in Members(json)) changed[name] = value;
        }
        IsModified = true;
        Schedule();
        return changed;
    }

    private void Schedule()
    {
        if (scheduled) return;
        scheduled = true;
        BeforeResponse.Add(http, _ => SaveAsync());
    }

    private async Task SaveAsync()
    {
        var options = store.Options;
        var write = (IsModified || options.SaveEveryRequest) && !IsEmpty && http.Response.StatusCode < 500;
        var (age, cookieAge) = ExpiryAge();
        if (write)
        {
            var data = Bytes();
            var hadRow = Key is not null;
            if (hadRow && !await store.UpdateAsync(Key!, data, age)) Key = null;
            // A session that somebody ended meanwhile stays ended; only who has just logged in gets another.
            if (Key is null && (!hadRow || loggedIn))
            {
                Key = NewKey();
                if (!await store.ReplaceAsync(dead ?? [], onlyIfThere: dead is not null && !loggedIn, Key, data, age)) Key = null;
            }
        }
        else if (dead is not null)
        {
            await store.DeleteAsync(dead);
        }

        if (Key is null || IsEmpty)
        {
            if (cookie is not null) await store.TakeBackCookie(http);
        }
        else if (write)
        {
            Cookies.Append(
                http, options.CookieName, Key, cookieAge, store.Now, options.CookieDomain, options.CookiePath, options.CookieSecure,
                options.CookieHttpOnly, options.CookieSameSite);
            if (owner is not null) await store.Devices.BeganAsync(http, Key, owner);
        }
    }

    /// <summary>Of the row, and of the cookie (null: until the browser is closed); <c>_session_expiry</c> is Django's <c>set_expiry</c>.</summary>
    private (TimeSpan Row, TimeSpan? Cookie) ExpiryAge()
    {
        var standard = store.Options.CookieAge;
        var own = Get("_session_expiry");
        switch (own.ValueKind)
        {
            case JsonValueKind.Number when own.TryGetInt64(out var seconds) && seconds is >= 0 and < 315_360_000:
                return seconds == 0 ? (standard, null) : (TimeSpan.FromSeconds(seconds), TimeSpan.FromSeconds(seconds));
            case JsonValueKind.String when DateTimeOffset.TryParse(ApiForm.JsonText(own), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var moment):
                var left = moment - store.Now;
                if (left < TimeSpan.Zero) left = TimeSpan.Zero;
                return (left, left);
            default:
                return (standard, store.Options.ExpireAtBrowserClose ? null : standard);
        }
    }

    // ASCII with \u escapes, as Django's session serialiser writes: it reads the bytes as Latin-1.
    private ReadOnlyMemory<byte> Bytes()
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        using var json = new Utf8JsonWriter(buffer);
        json.WriteStartObject();
        foreach (var name in Keys.ToList())
        {
            json.WritePropertyName(name);
            // As it was written: JSON's escapes can hold text that is no Unicode, and it is somebody's.
            json.WriteRawValue(Get(name).GetRawText());
        }
        json.WriteEndObject();
        json.Flush();
        return buffer.WrittenMemory;
    }

    /// <summary>Name and value of each member; a name that is no Unicode cannot be asked for and is left out.</summary>
    private static IEnumerable<(string Name, JsonElement Value)> Members(JsonElement json)
    {
        foreach (var member in json.EnumerateObject())
        {
            string name;
            try
            {
                name = member.Name;
            }
            catch (InvalidOperationException)
            {
                continue;
            }
            yield return (name, member.Value);
        }
    }

    private static string NewKey() => RandomNumberGenerator.GetString("abcdefghijklmnopqrstuvwxyz0123456789", KeyLength);
}
