using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using Gatehouse.Database;
using Gatehouse.Http;
using Gatehouse.OAuth.Clients;
using Microsoft.Extensions.Logging;

namespace Gatehouse.OAuth.Registration;

/// <summary>What fetching may cost at the most.</summary>
internal sealed record FetchLimits
{
    /// <summary>For all of it: finding the host, connecting, the last byte.</summary>
    public required TimeSpan Timeout { get; init; }

    /// <summary>In bytes.</summary>
    public required int MaxSize { get; init; }

    /// <summary>A document lives that long even if its sender wants it forgotten at once.</summary>
    public TimeSpan MinAge { get; init; }

    /// <summary>It lives no longer, and that long if its sender does not say.</summary>
    public TimeSpan MaxAge { get; init; }

    /// <summary>How long an address is left alone that failed.</summary>
    public TimeSpan FailureBackoff { get; init; }

    /// <summary>At once, from different addresses; 0: without limit.</summary>
    public int MaxConcurrent { get; init; }
}

/// <summary>What came of a fetch.</summary>
/// <param name="Value">Null when it failed.</param>
/// <param name="Failure">Why, for the log; the asker must not learn what this server can reach.</param>
internal readonly record struct Fetched<T>(T? Value, string? Failure) where T : class;

/// <summary>A document is not what it should be. The message may be logged.</summary>
internal sealed class FetchException(string message) : Exception(message);

/// <summary>How the outside is reached; tests have an outside of their own.</summary>
internal sealed record Outside
{
    /// <summary>May block; called on a thread of its own.</summary>
    public Func<string, IPAddress[]> Resolve { get; init; } = Dns.GetHostAddresses;

    public Func<IPAddress, bool> IsPublic { get; init; } = PublicAddress.Is;

    /// <summary>Null: those of the system.</summary>
    public X509Certificate2Collection? TrustedRoots { get; init; }
}

/// <summary>
/// Fetches JSON from addresses that strangers name (DOT's <c>SafeMetadataFetcher</c> and what surrounds it): client metadata documents,
/// <c>jwks_uri</c>. Over https only, without redirects, proxies and cookies, and only from public addresses: the connection goes to the very
/// address that was checked, whatever the name says a moment later. One fetch at a time for each URL, and all who want it get its result.
/// </summary>
/// <param name="limits">What it may cost.</param>
/// <param name="read">
/// Makes of a document (its URL, its object, how long it lives) what is wanted; a <see cref="FetchException"/> is a failure like any other.
/// </param>
/// <param name="outside">How it is reached.</param>
/// <param name="clock">What the time is.</param>
/// <param name="log">Told of failures.</param>
/// <param name="known">
/// What another fetch has brought meanwhile, for who asked before it was there and comes after it has ended; null: nothing that would do.
/// </param>
/// <param name="download">Instead of all this: a fetcher of the host's own, within the same time and number.</param>
internal sealed class SafeFetcher<T>(
    FetchLimits limits, Func<string, JsonElement, TimeSpan, Task<T>> read, Outside outside, TimeProvider clock, ILogger log, Func<string, Task<T?>>? known = null,
    Func<string, CancellationToken, Task<(JsonElement Json, TimeSpan MaxAge)>>? download = null) where T : class
{
    private readonly RecentFailures failures = new(limits.FailureBackoff, clock);
    private readonly Dictionary<string, Task<Fetched<T>>> flights = [];
    private readonly Lock gate = new();
    private int running;

    /// <summary>Never throws for what the other side does.</summary>
    /// <exception cref="DatabaseUnavailableException">What was fetched could not be stored; it is not held against the URL.</exception>
    public async Task<Fetched<T>> GetAsync(string url, CancellationToken ct)
    {
        if (failures.Contains(url)) return new(null, "it failed a short while ago");

        Task<Fetched<T>>? flight;
        lock (gate)
        {
            if (!flights.TryGetValue(url, out flight))
            {
                // Not a failure of this URL: it may well be good. Nobody waits in a queue that strangers can fill.
                if (limits.MaxConcurrent > 0 && running >= limits.MaxConcurrent)
                {
                    log.FetchSkipped(LogText.Clean(url));
                    return new(null, "too many fetches are under way");
                }
                running++;
                flights[url] = flight = Task.Run(() => RunAsync(url), CancellationToken.None);
            }
        }
        // Whoever asked first may leave; the others still want it.
        return await flight.WaitAsync(ct);
    }

    private async Task<Fetched<T>> RunAsync(string url)
    {
        var lookup = Task.FromResult<IPAddress[]>([]);
        try
        {
            using var patience = new CancellationTokenSource(limits.Timeout, clock);
            var ct = patience.Token;
            if (known is not null && await known(url) is { } fresh) return new(fresh, null);
            if (download is not null)
            {
                var (json, age) = await download(url, ct).WaitAsync(ct);
                return new(await read(url, json, Clamp(age)), null);
            }

            if (StrictUri.Read(url) is not { Scheme: "https", Host: { } host, Path.Length: > 0, HasDotSegments: false })
                throw new FetchException("it is no https address with a path, and without user information, fragment and dot segments");
            lookup = IPAddress.TryParse(host, out var literal)
                ? Task.FromResult<IPAddress[]>([literal])
                : Task.Factory.StartNew(() => outside.Resolve(host), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            var addresses = await lookup.WaitAsync(ct);
            if (addresses.Length == 0) throw new FetchException("its host has no address");
            // Not the good ones of several: whoever mixes them means to reach the others.
            if (Array.Find(addresses, address => !outside.IsPublic(address)) is { } inside) throw new FetchException($"its host has the address {inside}, which is not public");

            var (document, lifetime) = await DownloadAsync(url, addresses, ct);
            return new(await read(url, document, lifetime), null);
        }
        catch (Exception error) when (error is not DatabaseUnavailableException)
        {
            var reason = ReasonOf(error);
            if (reason is null) log.FetchBroke(error, LogText.Clean(url));
            else log.FetchFailed(LogText.Clean(url), LogText.Clean(reason));
            failures.Add(url);
            return new(null, reason ?? "something went wrong here");
        }
        finally
        {
            lock (gate) flights.Remove(url);
            // A name server that says nothing holds its thread for longer than we wait, and its place too.
            _ = lookup.ContinueWith(_ => { lock (gate) running--; }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        }
    }

    private async Task<(JsonElement Json, TimeSpan MaxAge)> DownloadAsync(string url, IPAddress[] addresses, CancellationToken ct)
    {
        using var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseProxy = false,
            UseCookies = false,
            AutomaticDecompression = DecompressionMethods.None,
            ActivityHeadersPropagator = null,
            MaxResponseHeadersLength = 16,
            MaxResponseDrainSize = 0,
            ConnectCallback = async (context, connecting) => await ConnectAsync(addresses, context.DnsEndPoint.Port, connecting),
            SslOptions = new SslClientAuthenticationOptions { CertificateChainPolicy = ChainPolicy() },
        };
        using var http = new HttpMessageInvoker(handler);
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(url, new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true }));
        request.Headers.TryAddWithoutValidation("Accept", "application/json, application/*+json");
        using var response = await http.SendAsync(request, ct);

        if (response.StatusCode != HttpStatusCode.OK) throw new FetchException($"the answer was {(int)response.StatusCode}");
        var headers = response.Content.Headers.NonValidated;
        var type = (headers.TryGetValues("Content-Type", out var types) ? types.ToString() : "").Split(';')[0].Trim().ToLowerInvariant();
        if (type != "application/json" && !(type.StartsWith("application/", StringComparison.Ordinal) && type.EndsWith("+json", StringComparison.Ordinal)))
            throw new FetchException($"it is no JSON but '{type}'");
        if (headers.Contains("Content-Encoding")) throw new FetchException("it is compressed, which was not asked for");

        using var stream = await response.Content.ReadAsStreamAsync(ct);
        var body = new byte[limits.MaxSize + 1];
        var length = await stream.ReadAtLeastAsync(body, body.Length, throwOnEndOfStream: false, ct);
        if (length > limits.MaxSize) throw new FetchException($"it is longer than {limits.MaxSize} bytes");
        var json = StrictJson.Parse(body.AsMemory(0, length)) ?? throw new FetchException("it is no valid JSON");
        if (json.ValueKind != JsonValueKind.Object) throw new FetchException("it is no JSON object");
        return (json, LifetimeOf(response.Headers.NonValidated.TryGetValues("Cache-Control", out var cache) ? cache.ToString() : ""));
    }

    private static async Task<Stream> ConnectAsync(IPAddress[] addresses, int port, CancellationToken ct)
    {
        for (var i = 0; ; i++)
        {
            var socket = new Socket(addresses[i].AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            try
            {
                await socket.ConnectAsync(new IPEndPoint(addresses[i], port), ct);
                return new NetworkStream(socket, ownsSocket: true);
            }
            catch (Exception error)
            {
                socket.Dispose();
                if (error is not SocketException || i == addresses.Length - 1) throw;
            }
        }
    }

    // A certificate can name addresses too, where its issuer or its revocation is to be had: nothing is fetched from there.
    private X509ChainPolicy ChainPolicy()
    {
        var policy = new X509ChainPolicy { DisableCertificateDownloads = true, RevocationMode = X509RevocationMode.NoCheck };
        policy.ApplicationPolicy.Add(new Oid("1.3.6.1.5.5.7.3.1"));
        if (outside.TrustedRoots is { } roots)
        {
            policy.TrustMode = X509ChainTrustMode.CustomRootTrust;
            policy.CustomTrustStore.AddRange(roots);
        }
        return policy;
    }

    private TimeSpan LifetimeOf(string cacheControl)
    {
        var text = cacheControl.ToLowerInvariant();
        if (text.Contains("no-store", StringComparison.Ordinal) || text.Contains("no-cache", StringComparison.Ordinal)) return limits.MinAge;
        if (text.Split("max-age", 2) is not [_, var behind] || behind.TrimStart() is not ['=', .. var value]) return limits.MaxAge;
        var digits = string.Concat(value.TrimStart().TakeWhile(char.IsAsciiDigit));
        return digits.Length == 0 || !int.TryParse(digits, CultureInfo.InvariantCulture, out var seconds) ? limits.MaxAge : Clamp(TimeSpan.FromSeconds(seconds));
    }

    private TimeSpan Clamp(TimeSpan age)
    {
        if (age > limits.MaxAge) age = limits.MaxAge;
        return age < limits.MinAge ? limits.MinAge : age;
    }

    // Null: not foreseen.
    private string? ReasonOf(Exception error) => error switch
    {
        FetchException => error.Message,
        OperationCanceledException => $"it took longer than {limits.Timeout.TotalSeconds} s",
        HttpRequestException { InnerException: AuthenticationException inner } => inner.Message,
        HttpRequestException or IOException or SocketException => error.Message,
        _ => null,
    };
}

/// <summary>What failed lately, by its checksum. Bounded: of many failures, the oldest are forgotten too early.</summary>
internal sealed class RecentFailures(TimeSpan period, TimeProvider clock)
{
    private const int Most = 10_000;

    private readonly Lock gate = new();
    private Dictionary<string, DateTimeOffset> newer = [];
    private Dictionary<string, DateTimeOffset> older = [];

    public void Add(string url)
    {
        lock (gate)
        {
            if (newer.Count >= Most / 2) (older, newer) = (newer, []);
            newer[Key(url)] = clock.GetUtcNow();
        }
    }

    public bool Contains(string url)
    {
        var key = Key(url);
        lock (gate) return (newer.TryGetValue(key, out var at) || older.TryGetValue(key, out at)) && (clock.GetUtcNow() - at).Duration() < period;
    }

    private static string Key(string url) => Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(url)));
}

internal static partial class FetchLog
{
    [LoggerMessage(1501, LogLevel.Information, "{Url} could not be fetched: {Reason}.")]
    public static partial void FetchFailed(this ILogger logger, string url, string reason);

    [LoggerMessage(1502, LogLevel.Warning, "{Url} was not fetched: too many others are under way.")]
    public static partial void FetchSkipped(this ILogger logger, string url);

    [LoggerMessage(1503, LogLevel.Error, "{Url} could not be fetched")]
    public static partial void FetchBroke(this ILogger logger, Exception error, string url);
}
