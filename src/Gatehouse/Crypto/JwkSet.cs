using System.Net;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace Gatehouse.Crypto;

/// <summary>
/// The public keys at an address (<c>JWK_URL</c>), RFC 7517. Fetched when first needed, again after five minutes and for an unknown <c>kid</c>,
/// but never twice at once nor within thirty seconds, whatever strangers send.
/// </summary>
internal sealed class JwkSet : IDisposable
{
    private const int MostBytes = 64 * 1024;
    private const int MostKeys = 100;
    private const int LongestId = 256;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Fresh = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(30);
    // Longer than an outage should take, shorter than a withdrawn key should live.
    private static readonly TimeSpan Usable = TimeSpan.FromHours(1);

    private readonly Uri address;
    private readonly string algorithm;
    private readonly TimeProvider clock;
    private readonly ILogger log;
    private readonly HttpClient http;
    private readonly Lock fetching = new();
    private Task? fetch;
    private volatile Keys keys = new([], DateTimeOffset.MinValue);
    private DateTimeOffset asked = DateTimeOffset.MinValue;

    /// <exception cref="ArgumentException">The address is not HTTPS, and not this machine's own.</exception>
    public JwkSet(string url, string algorithm, TimeProvider clock, ILogger log)
    {
        if (!Uri.TryCreate(url, UriKind.Absolute, out var uri) || uri.Scheme != Uri.UriSchemeHttps && !(uri.Scheme == Uri.UriSchemeHttp && uri.IsLoopback))
            throw new ArgumentException("write an https:// address.");
        address = uri;
        this.algorithm = algorithm;
        this.clock = clock;
        this.log = log;
        http = new HttpClient(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            ConnectTimeout = Patience,
            AutomaticDecompression = DecompressionMethods.None,
            PooledConnectionLifetime = Fresh,
        })
        {
            Timeout = Patience,
            MaxResponseContentBufferSize = MostBytes,
        };
    }

    public async ValueTask<SigningKey?> FindAsync(string? id)
    {
        if (id is null or { Length: 0 or > LongestId }) return null;
        var now = clock.GetUtcNow();
        var age = (now - keys.Fetched).Duration();
        if (age < Fresh && keys.ById.TryGetValue(id, out var known)) return known;

        await FetchAsync(now);
        return (now - keys.Fetched).Duration() < Usable ? keys.ById.GetValueOrDefault(id) : null;
    }

    public void Dispose() => http.Dispose();

    private Task FetchAsync(DateTimeOffset now)
    {
        lock (fetching)
        {
            if (fetch is { IsCompleted: false }) return fetch;
            if ((now - asked).Duration() < Pause) return Task.CompletedTask;
            asked = now;
            return fetch = Task.Run(() => FetchNowAsync(now));
        }
    }

    private async Task FetchNowAsync(DateTimeOffset now)
    {
        try
        {
            using var answer = await http.GetAsync(address);
            if (answer.StatusCode != HttpStatusCode.OK) throw new HttpRequestException($"The answer was {(int)answer.StatusCode}.");
            keys = new Keys(Read(await answer.Content.ReadAsByteArrayAsync()), now);
        }
        catch (Exception error) when (error is HttpRequestException or TaskCanceledException or IOException or JsonException or InvalidOperationException or KeyNotFoundException)
        {
            log.KeysNotFetched(address.Host, error.Message);
        }
    }

    private Dictionary<string, SigningKey> Read(byte[] body)
    {
        using var json = JsonDocument.Parse(body, new JsonDocumentOptions { AllowDuplicateProperties = false });
        var found = new Dictionary<string, SigningKey>();
        foreach (var jwk in json.RootElement.GetProperty("keys").EnumerateArray().Take(MostKeys))
        {
            if (!jwk.TryGetProperty("kid", out var id) || id.ValueKind != JsonValueKind.String || id.GetString() is not { Length: > 0 and <= LongestId } name) continue;
            if (jwk.TryGetProperty("use", out var use) && use.ValueKind == JsonValueKind.String && use.GetString() != "sig") continue;
            try
            {
                found[name] = SigningKey.Parse(algorithm, jwk.GetRawText());
            }
            catch (ArgumentException)
            {
                // For another algorithm, or too weak.
            }
        }
        return found;
    }

    private sealed record Keys(Dictionary<string, SigningKey> ById, DateTimeOffset Fetched);
}

internal static partial class JwkLog
{
    [LoggerMessage(1301, LogLevel.Error, "The keys of JWK_URL could not be fetched from {Host}: {Reason}")]
    public static partial void KeysNotFetched(this ILogger logger, string host, string reason);
}
