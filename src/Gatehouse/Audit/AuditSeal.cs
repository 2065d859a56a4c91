using System.Buffers.Binary;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Gatehouse.Database;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Gatehouse.Audit;

/// <summary>
/// Seals rows of the audit log, in batches behind those who write them: each gets the next place and an HMAC over all of it and over the
/// HMAC of the row before. The key comes of <c>SECRET_KEY</c>: who only has the database can make no chain that fits.
/// </summary>
internal sealed class AuditSeal(Db db, GatehouseOptions options)
{
    private const int Batch = 100;

    // The present key seals; rows of before a change of it verify with the former ones.
    private readonly byte[][] keys = [.. options.SecretKeyFallbacks.Prepend(options.SecretKey).Select(Derive)];

    /// <summary>Seals all that is there.</summary>
    /// <returns>How many rows.</returns>
    public async Task<int> RunAsync(CancellationToken ct)
    {
        if (!await IsDueAsync(ct)) return 0;
        // Never from the start: PostgreSQL keeps what was sealed a moment ago in the index of what is not, and would go through it again and again.
        // A row that is committed later than those after it waits for the next time.
        var (count, sealedNow, after) = (0, 0, 0L);
        do
        {
            (sealedNow, after) = await db.WriteRelaxedAsync(tx => SealAsync(tx, after), ct);
            count += sealedNow;
        }
        while (sealedNow == Batch);
        return count;
    }

    /// <summary>Whether there is anything to seal.</summary>
    public async Task<bool> IsDueAsync(CancellationToken ct) => await db.FirstAsync(Unsealed, ct, ("after", 0), ("most", 1)) is not null;

    private async Task<(int Count, long Last)> SealAsync(Tx tx, long after)
    {
        // Of several servers one at a time: whoever comes second finds nothing left.
        tx.Lock("audit");
        var (position, previous) = await tx.FirstAsync(Head) is { } head ? (head.Position!.Value, head.Hash!) : (0, "");
        var rows = await tx.AllAsync(Unsealed, ("after", after), ("most", Batch));
        foreach (var row in rows)
        {
            var hash = HashOf(keys[0], row with { Position = ++position, Previous = previous });
            tx.Also(Seal, ("position", position), ("previous", previous), ("hash", hash), ("id", row.Id));
            previous = hash;
        }
        return (rows.Count, rows.Count > 0 ? rows[^1].Id : after);
    }

    /// <summary>Whether a sealed row is as it was when it was sealed.</summary>
    public bool Fits(AuditRow row)
    {
        foreach (var key in keys)
            if (CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(HashOf(key, row)), Encoding.UTF8.GetBytes(row.Hash ?? ""))) return true;
        return false;
    }

    /// <summary>Each field with its length before it, so that no two rows are the same bytes.</summary>
    private static string HashOf(byte[] key, AuditRow row)
    {
        using var bytes = new MemoryStream(256);
        Span<byte> number = stackalloc byte[8];
        foreach (var value in (ReadOnlySpan<long>)[row.Position!.Value, row.Id, row.Micros])
        {
            BinaryPrimitives.WriteInt64BigEndian(number, value);
            bytes.Write(number);
        }
        foreach (var text in (ReadOnlySpan<string>)[row.Previous!, row.Event, row.UserId, row.Username, row.About, row.Client, row.Address, row.Detail])
        {
            var field = Encoding.UTF8.GetBytes(text);
            BinaryPrimitives.WriteInt64BigEndian(number, field.Length);
            bytes.Write(number);
            bytes.Write(field);
        }
        return Base64Url.EncodeToString(HMACSHA256.HashData(key, bytes.ToArray()));
    }

    private static byte[] Derive(string secret) => HKDF.DeriveKey(HashAlgorithmName.SHA256, Encoding.UTF8.GetBytes(secret), 32, info: "gatehouse audit"u8.ToArray());

    internal static readonly Sql<AuditRow> Head = new(
        $"SELECT {AuditRow.Columns} FROM gatehouse_audit WHERE position > 0 ORDER BY position DESC LIMIT 1", AuditRow.Read);

    internal static readonly Sql<AuditRow> Unsealed = new($"SELECT {AuditRow.Columns} FROM gatehouse_audit WHERE position IS NULL AND id > @after ORDER BY id LIMIT @most", AuditRow.Read);

    private static readonly Sql Seal = new("UPDATE gatehouse_audit SET position = @position, previous = @previous, hash = @hash WHERE id = @id AND position IS NULL");
}

/// <summary>
/// Seals, in a server, every few seconds and when it stops. Of several servers one does, for as long as it lives: two at once would only be in each
/// other's way, and in that of those who write.
/// </summary>
internal sealed class AuditLoop(Db db, AuditSeal seal, GatehouseOptions options, TimeProvider clock, ILogger<AuditLoop> log) : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);

    private readonly Lease lease = new(db, "audit", clock);
    private bool isOurs;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (!options.Audit.Enabled) return;
        using var ticks = new PeriodicTimer(Interval);
        while (await ticks.WaitForNextTickAsync(stoppingToken)) await TryAsync(TakeTurnAsync, stoppingToken);
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        if (!options.Audit.Enabled) return;
        await TryAsync(
            async ct =>
            {
                await seal.RunAsync(ct);
                if (isOurs) await lease.ReleaseAsync(TimeSpan.Zero, ct);
            },
            cancellationToken);
    }

    /// <summary>Seals, if there is anything to seal and this server is the one that does.</summary>
    internal async Task TakeTurnAsync(CancellationToken ct)
    {
        if (!await seal.IsDueAsync(ct)) return;
        isOurs = isOurs ? await lease.KeepAsync(ct) : await lease.TryTakeAsync(longest: TimeSpan.Zero, ct);
        if (isOurs) await seal.RunAsync(ct);
    }

    private async Task TryAsync(Func<CancellationToken, Task> work, CancellationToken ct)
    {
        try
        {
            await work(ct);
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested)
        {
            // The server must end: the rest is sealed by the next, or by another.
        }
        catch (Exception error)
        {
            log.NotSealed(error is DatabaseUnavailableException ? null : error, error.Message);
        }
    }
}

internal static partial class AuditMessages
{
    [LoggerMessage(1804, LogLevel.Warning, "Rows of the audit log were not sealed; it is tried again: {Reason}")]
    public static partial void NotSealed(this ILogger logger, Exception? error, string reason);
}
