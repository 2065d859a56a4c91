using Gatehouse.Audit;
using Gatehouse.Database;
using Gatehouse.OAuth.OpenId;

namespace Gatehouse.Administration;

/// <summary>The keys that sign ID tokens, for superusers: seen, and replaced by new ones as <c>gatehouse rotatekeys</c> does. The keys themselves are never shown.</summary>
public sealed class SigningKeyList
{
    private readonly OidcKeys keys;
    private readonly Db db;
    private readonly AdminDatabase database;
    private readonly AuditTrail audit;
    private readonly GatehouseOptions options;
    private readonly TimeProvider clock;

    internal SigningKeyList(OidcKeys keys, Db db, AdminDatabase database, AuditTrail audit, GatehouseOptions options, TimeProvider clock)
    {
        this.keys = keys;
        this.db = db;
        this.database = database;
        this.audit = audit;
        this.options = options;
        this.clock = clock;
    }

    /// <summary>Whether there are such keys: <c>OIDC_ENABLED</c>.</summary>
    public bool IsEnabled => options.OAuth.OidcEnabled;

    /// <summary>Whether they can be replaced here; those of <c>OIDC_RSA_PRIVATE_KEY</c> are replaced in the settings.</summary>
    public bool CanRotate => IsEnabled && options.OAuth.OidcRsaPrivateKey.Length == 0;

    /// <summary>All keys that are published; none when OpenID Connect is off.</summary>
    public IReadOnlyList<SigningKeyRow> All()
    {
        if (!IsEnabled) return [];
        var now = clock.GetUtcNow();
        return [.. keys.All.Select(key => new SigningKeyRow(
            key.Key.Id, key.Key.Algorithm,
            key.SignsFrom is null || key.Until is not null ? "verifies" : key.SignsFrom > now ? "published, signs later" : "signs",
            key.SignsFrom == DateTimeOffset.MinValue || key.SignsFrom == DateTimeOffset.UnixEpoch ? null : key.SignsFrom, key.Until))];
    }

    /// <summary>Makes new keys, which sign once everybody can have seen them.</summary>
    /// <returns>When they begin to sign; null: they may not, or the keys are those of the settings.</returns>
    public async Task<DateTimeOffset?> RotateAsync(Staff by, CancellationToken ct)
    {
        if (!by.User.IsSuperuser || !CanRotate) return null;
        var (from, areNew) = new OidcKeyFile(options, clock).Rotate(atOnce: false);
        if (areNew)
        {
            var entry = new AdminLogEntry(clock.GetUtcNow(), by.User.Id, ContentType: null, "", "Signing keys", AdminLog.Change, "Rotated.") { IsLogged = await database.HasLogAsync(ct), Model = "gatehouse.signingkey", Audit = audit.Of(AuditEvent.Changed, by.User) };
            await db.WriteAsync(async tx => { await AdminLog.WriteAsync(tx, entry); return true; }, ct);
        }
        return from;
    }
}

/// <summary>A key that signs ID tokens, or did.</summary>
/// <param name="Id">Its <c>kid</c>.</param>
/// <param name="Algorithm"><c>RS256</c>, <c>ES256</c>.</param>
/// <param name="State">For people.</param>
/// <param name="SignsFrom">Null: from the beginning, or not known.</param>
/// <param name="Until">When no token of it lives any more; null: not known yet.</param>
public sealed record SigningKeyRow(string Id, string Algorithm, string State, DateTimeOffset? SignsFrom, DateTimeOffset? Until);
