using System.Security.Claims;
using System.Text.Json;
using Gatehouse.Database;
using Gatehouse.Http;
using Gatehouse.Users;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.Audit;

/// <summary>What the audit log tells of; in its rows, in lower case with underscores.</summary>
internal enum AuditEvent
{
    /// <summary>A session began.</summary>
    Login,

    /// <summary>A password was refused, at any door.</summary>
    LoginFailed,
    Logout,

    /// <summary>A session, or all others, was ended from another one.</summary>
    SessionEnded,
    UserCreated,
    PasswordChanged,
    EmailChanged,
    EmailVerified,
    SecondFactorOn,
    SecondFactorOff,
    RecoveryCodesRenewed,
    RecoveryCodeUsed,
    PasskeyAdded,
    PasskeyRemoved,

    /// <summary>At any door, beside a password or alone.</summary>
    PasskeyUsed,
    TokenIssued,
    TokenRefreshed,
    TokenRevoked,

    /// <summary>All tokens of a user.</summary>
    TokensEnded,

    /// <summary>One that was used up came again, and all that came of it was ended.</summary>
    TokenReused,

    /// <summary>The same of an authorization code.</summary>
    CodeReused,

    /// <summary>A user let an application, or a device, act for them.</summary>
    ConsentGiven,
    ConsentRefused,

    // What staff do in the admin site, users to their applications, and operators by the command line.
    Added,
    Changed,
    Deleted,

    /// <summary>Fixtures.</summary>
    Loaded,
    Exported,
}

/// <summary>Who acts, for requests that are not asked by the schemes; a feature of the request.</summary>
internal sealed record Actor(string Id, string Name);

/// <summary>A row to be.</summary>
internal sealed record AuditEntry(DateTimeOffset Now, AuditEvent Event, string UserId, string Username, string Address)
{
    /// <summary>Whom or what it was done to.</summary>
    public string About { get; init; } = "";

    /// <summary>The application that has the tokens.</summary>
    public string Client { get; init; } = "";

    /// <summary>More, in words. Never a secret.</summary>
    public string Detail { get; init; } = "";

    /// <summary>Stands where a statement needs values although there is no entry.</summary>
    public static AuditEntry None { get; } = new(DateTimeOffset.UnixEpoch, AuditEvent.Login, "", "", "");
}

/// <summary>
/// Writes the audit log. An entry goes into the transaction of what it tells of: whatever was answered is in it. It is not sealed there, so that
/// those who write wait for nobody; <see cref="AuditSeal"/> does it later.
/// </summary>
/// <remarks>
/// The only place that asks for the request without being handed it: an entry must not depend on each caller passing on where it came from.
/// </remarks>
internal sealed class AuditTrail(Db db, GatehouseOptions options, IHttpContextAccessor requests, TimeProvider clock)
{
    /// <summary>An entry of this request; null when it is not to be kept. Asked before the write: inside it there is no request.</summary>
    /// <param name="what">What is done.</param>
    /// <param name="by">Who does it; null: whom the request is known to come from.</param>
    public AuditEntry? Of(AuditEvent what, User? by = null)
    {
        if (!options.Audit.Enabled || !options.Audit.Tokens && what is AuditEvent.TokenIssued or AuditEvent.TokenRefreshed) return null;
        var http = requests.HttpContext;
        var actor = by is not null ? new Actor(by.Id.ToString(), by.Username) : http is null ? null : http.Features.Get<Actor>() ?? Known(http.User);
        return new AuditEntry(clock.GetUtcNow(), what, actor?.Id ?? "", actor?.Name ?? "", http is null ? "" : ClientAddress.Of(http, options));
    }

    private static Actor? Known(ClaimsPrincipal user) =>
        user.Identity is { IsAuthenticated: true, Name: { } name } ? new Actor(user.FindFirst(ClaimTypes.NameIdentifier)?.Value ?? "", name) : null;

    /// <summary>Writes an entry in the transaction that does it; null is nothing.</summary>
    public static Task WriteAsync(Tx tx, AuditEntry? entry)
    {
        if (entry is null) return Task.CompletedTask;
        tx.Also(Insert, ValuesOf(entry));
        return Task.CompletedTask;
    }

    /// <summary>Writes an entry of what changes nothing else. A power cut may lose it, the end of the process does not.</summary>
    public Task NoteAsync(AuditEntry? entry) =>
        entry is null ? Task.CompletedTask : db.WriteRelaxedAsync(async tx => { await WriteAsync(tx, entry); return true; }, CancellationToken.None);

    public static string NameOf(AuditEvent what) => Names[(int)what];

    public static IReadOnlyList<string> Names { get; } = [.. Enum.GetNames<AuditEvent>().Select(JsonNamingPolicy.SnakeCaseLower.ConvertName)];

    /// <summary>For a statement that does more than write the entry: its parameters.</summary>
    public static (string Name, object? Value)[] ValuesOf(AuditEntry entry) =>
    [
        ("at", (entry.Now - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond), ("event", NameOf(entry.Event)), ("user_id", LogText.Clean(entry.UserId)),
        ("username", LogText.Clean(entry.Username)), ("about", LogText.Clean(entry.About)), ("client", LogText.Clean(entry.Client)), ("address", LogText.Clean(entry.Address)),
        ("detail", LogText.Clean(entry.Detail)),
    ];

    public const string Columns = "at, event, user_id, username, about, client, address, detail";

    public static string ValuesWith(string username) => $"@at, @event, @user_id, {username}, @about, @client, @address, @detail";

    private static readonly Sql Insert = new($"INSERT INTO gatehouse_audit ({Columns}) VALUES ({ValuesWith("@username")})");
}
