using System.IO.Compression;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Gatehouse.Database;
using Gatehouse.OAuth.Registration;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Gatehouse.Tests.OAuth.Registration;

public sealed class SafeFetcherTests : IAsyncLifetime
{
    private readonly TestClock clock = new();
    private readonly TestLog log = new();
    private OutsideServer server = null!;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => server = await OutsideServer.StartAsync();

    public ValueTask DisposeAsync() => server.DisposeAsync();

    private static FetchLimits Limits => new()
    {
        Timeout = TimeSpan.FromSeconds(30),
        MaxSize = 16 * 1024,
        MinAge = TimeSpan.FromMinutes(5),
        MaxAge = TimeSpan.FromDays(1),
        FailureBackoff = TimeSpan.FromMinutes(1),
        MaxConcurrent = 10,
    };

    private SafeFetcher<Document> Fetcher(
        FetchLimits? limits = null, Outside? outside = null, Func<string, JsonElement, TimeSpan, Task<Document>>? read = null,
        Func<string, CancellationToken, Task<(JsonElement Json, TimeSpan MaxAge)>>? download = null) =>
        new(limits ?? Limits, read ?? ((_, json, age) => Task.FromResult(new Document(json, age))), outside ?? server.Outside, clock, new LoggerFactory([log]).CreateLogger("fetch"), download: download);

    private sealed record Document(JsonElement Json, TimeSpan MaxAge);

    [Fact]
    public async Task A_document_is_fetched_with_the_least_of_requests()
    {
        var sent = new Dictionary<string, string>();
        server.Answer = http =>
        {
            foreach (var (name, value) in http.Request.Headers) sent[name] = value.ToString();
            return OutsideServer.Json("""{"client_id":"é"}""")(http);
        };

        var (document, failure) = await Fetcher().GetAsync(server.Url("/id?x=%41"), Ct);

        Assert.Null(failure);
        Assert.Equal("é", document!.Json.GetProperty("client_id").GetString());
        Assert.Equal(TimeSpan.FromDays(1), document.MaxAge);
        Assert.Equal(["/id?x=%41"], server.Asked);
        Assert.Equal(["Accept", "Host"], sent.Keys.Order());
        Assert.Equal($"client.test:{server.Port}", sent["Host"]);
    }

    [Theory]
    [InlineData("max-age=3600", 3600)]
    [InlineData("public, Max-Age = 3600, immutable", 3600)]
    [InlineData("max-age=1", 300)]
    [InlineData("max-age=999999999999999999999", 86400)]
    [InlineData("max-age=604800", 86400)]
    [InlineData("max-age=-1", 86400)]
    [InlineData("max-age", 86400)]
    [InlineData("no-store", 300)]
    [InlineData("No-Cache, max-age=3600", 300)]
    [InlineData("private", 86400)]
    [InlineData("", 86400)]
    public async Task It_lives_as_long_as_its_sender_says_within_limits(string cacheControl, int seconds)
    {
        server.Answer = OutsideServer.Json("{}", cacheControl: cacheControl);

        Assert.Equal(TimeSpan.FromSeconds(seconds), (await Fetcher().GetAsync(server.Url("/id"), Ct)).Value!.MaxAge);
    }

    // C9: by its text.
    [Theory]
    [InlineData("http://client.test/id")]
    [InlineData("ftp://client.test/id")]
    [InlineData("https://client.test")]
    [InlineData("https://client.test/id#x")]
    [InlineData("https://client.test/id#")]
    [InlineData("https://user@client.test/id")]
    [InlineData("https://@client.test/id")]
    [InlineData("https://client.test/a/../id")]
    [InlineData("https://client.test/%2e%2E/id")]
    [InlineData("https://client.test:99999/id")]
    [InlineData("https://client.test:x/id")]
    [InlineData("https://client.test\\@127.0.0.1/id")]
    [InlineData("https://localhost./id")]
    [InlineData("https://2130706433/id")]
    [InlineData("https://0177.0.0.1/id")]
    [InlineData("https://0x7f000001/id")]
    [InlineData("https://127.1/id")]
    [InlineData("https://[::1%25lo]/id")]
    [InlineData("https://[::ffff:127.0.0.1/id")]
    [InlineData("https://client.test/id\r\nX: y")]
    [InlineData("https:///id")]
    [InlineData("https://")]
    [InlineData("")]
    public async Task An_address_that_could_mean_two_things_is_not_even_looked_up(string url)
    {
        Assert.Contains("no https address", (await Fetcher().GetAsync(url, Ct)).Failure);
        Assert.Empty(server.Resolved);
    }

    // C9: by what it leads to. The listener would answer all of them.
    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("127.9.9.9")]
    [InlineData("::1")]
    [InlineData("::ffff:127.0.0.1")]
    [InlineData("0.0.0.0")]
    public async Task This_machine_is_not_connected_to(string address)
    {
        var listener = new TcpListener(IPAddress.IPv6Any, 0);
        listener.Server.DualMode = true;
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        var ip = IPAddress.Parse(address);
        var outside = new Outside { Resolve = _ => [ip] };

        Assert.Contains("which is not public", (await Fetcher(outside: outside).GetAsync($"https://rebound.test:{port}/id", Ct)).Failure);
        var literal = ip.AddressFamily == AddressFamily.InterNetworkV6 ? $"[{address}]" : address;
        Assert.Contains("which is not public", (await Fetcher(outside: outside).GetAsync($"https://{literal}:{port}/id", Ct)).Failure);
        Assert.False(listener.Pending());
        listener.Stop();
    }

    [Fact]
    public async Task One_address_inside_spoils_all()
    {
        var outside = server.Outside with { Resolve = _ => [IPAddress.Loopback, IPAddress.Parse("10.0.0.1")] };

        Assert.Contains("10.0.0.1", (await Fetcher(outside: outside).GetAsync(server.Url("/id"), Ct)).Failure);
        Assert.Empty(server.Asked);
    }

    // C9: DNS that says something else a moment later.
    [Fact]
    public async Task The_connection_goes_to_the_address_that_was_checked()
    {
        var lookups = 0;
        var outside = server.Outside with
        {
            Resolve = _ => Interlocked.Increment(ref lookups) == 1 ? [IPAddress.Loopback] : [IPAddress.Parse("10.0.0.1")],
        };
        server.Answer = OutsideServer.Json("{}");

        Assert.Null((await Fetcher(outside: outside).GetAsync(server.Url("/id"), Ct)).Failure);
        Assert.Equal(1, lookups);
        Assert.Single(server.Asked);
    }

    [Fact]
    public async Task The_next_address_is_tried_when_one_does_not_answer()
    {
        var outside = server.Outside with { Resolve = _ => [IPAddress.Parse("127.255.255.254"), IPAddress.Loopback] };
        server.Answer = OutsideServer.Json("{}");

        Assert.Null((await Fetcher(outside: outside).GetAsync(server.Url("/id"), Ct)).Failure);
    }

    [Theory]
    [InlineData(301)]
    [InlineData(302)]
    [InlineData(303)]
    [InlineData(307)]
    [InlineData(308)]
    public async Task Redirects_are_not_followed(int status)
    {
        server.Answer = http =>
        {
            http.Response.Headers.Location = "/elsewhere";
            return OutsideServer.Json("{}", status: status)(http);
        };

        Assert.Equal($"the answer was {status}", (await Fetcher().GetAsync(server.Url("/id"), Ct)).Failure);
        Assert.Equal(["/id"], server.Asked);
    }

    [Fact]
    public async Task A_certificate_that_is_not_trusted_or_of_another_name_ends_it()
    {
        Assert.NotNull((await Fetcher(outside: server.Outside with { TrustedRoots = null }).GetAsync(server.Url("/id"), Ct)).Failure);
        Assert.NotNull((await Fetcher().GetAsync(server.Url("/id", "other.test"), Ct)).Failure);
        Assert.NotNull((await Fetcher().GetAsync(server.Url("/id", "127.0.0.1"), Ct)).Failure);
        Assert.Empty(server.Asked);
    }

    // Otherwise a certificate could have anything in this network asked for its issuer.
    [Fact]
    public async Task Nothing_is_fetched_to_check_a_certificate()
    {
        var issuer = new TcpListener(IPAddress.Loopback, 0);
        issuer.Start();
        using var authority = OutsideServer.MakeCertificate("authority.test");
        await using var signed = await OutsideServer.StartAsync(OutsideServer.MakeCertificate(authority, $"http://127.0.0.1:{((IPEndPoint)issuer.LocalEndpoint).Port}/ca.crt", "client.test"));

        var (_, failure) = await Fetcher().GetAsync(signed.Url("/id"), Ct);

        Assert.Contains("certificate", failure, StringComparison.OrdinalIgnoreCase);
        Assert.False(issuer.Pending());
        issuer.Stop();
    }

    // A name in the settings of this machine's owner; what it leads to would see the addresses that strangers ask for.
    [Fact]
    public async Task No_proxy_is_used()
    {
        server.Answer = OutsideServer.Json("{}");
        var before = HttpClient.DefaultProxy;
        HttpClient.DefaultProxy = new ProxyFor(new Uri(server.Url("/id")));
        try
        {
            Assert.Null((await Fetcher().GetAsync(server.Url("/id"), Ct)).Failure);
        }
        finally
        {
            HttpClient.DefaultProxy = before;
        }
    }

    /// <summary>Of one server only: other tests run meanwhile, in the same process.</summary>
    private sealed class ProxyFor(Uri only) : IWebProxy
    {
        public ICredentials? Credentials { get; set; }

        public Uri GetProxy(Uri destination) => new("http://127.0.0.1:1");

        public bool IsBypassed(Uri host) => host.Host != only.Host || host.Port != only.Port;
    }

    // C10
    [Theory]
    [InlineData("""{"a":1}""", "text/html", "it is no JSON but 'text/html'")]
    [InlineData("""{"a":1}""", "text/json", "it is no JSON but 'text/json'")]
    [InlineData("""{"a":1}""", "", "it is no JSON but ''")]
    [InlineData("""{"a":1}""", "application/jsonp", "it is no JSON but 'application/jsonp'")]
    [InlineData("""{"a":1}""", "application/jwk-set+json; charset=utf-8", null)]
    [InlineData("""{"a":1}""", "Application/JSON;charset=utf-8", null)]
    [InlineData("", "application/json", "it is no valid JSON")]
    [InlineData("{", "application/json", "it is no valid JSON")]
    [InlineData("""{"a":1}{"a":2}""", "application/json", "it is no valid JSON")]
    [InlineData("""{"a":1,"a":2}""", "application/json", "it is no valid JSON")]
    [InlineData("""{"a":"\ud800"}""", "application/json", "it is no valid JSON")]
    [InlineData("""{"\udc00":1}""", "application/json", "it is no valid JSON")]
    [InlineData("""{"a":NaN}""", "application/json", "it is no valid JSON")]
    [InlineData("[]", "application/json", "it is no JSON object")]
    [InlineData("null", "application/json", "it is no JSON object")]
    public async Task It_must_be_a_JSON_object(string body, string type, string? failure)
    {
        server.Answer = OutsideServer.Json(body, type);

        Assert.Equal(failure, (await Fetcher().GetAsync(server.Url("/id"), Ct)).Failure);
    }

    [Fact]
    public async Task Depth_is_limited()
    {
        server.Answer = OutsideServer.Json("""{"a":""" + new string('[', 10_000) + new string(']', 10_000) + "}");
        Assert.Equal("it is no valid JSON", (await Fetcher(Limits with { MaxSize = 100_000 }).GetAsync(server.Url("/id"), Ct)).Failure);
    }

    // C10: 17 kB, with and without a length told beforehand.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Length_is_limited(bool told)
    {
        var body = Encoding.ASCII.GetBytes($$"""{"a":"{{new string('x', 17 * 1024)}}"}""");
        server.Answer = async http =>
        {
            http.Response.ContentType = "application/json";
            if (told) http.Response.ContentLength = body.Length;
            await http.Response.Body.WriteAsync(body);
        };

        Assert.Equal("it is longer than 16384 bytes", (await Fetcher().GetAsync(server.Url("/id"), Ct)).Failure);
        Assert.Null((await Fetcher(Limits with { MaxSize = body.Length }).GetAsync(server.Url("/id"), Ct)).Failure);
        Assert.NotNull((await Fetcher(Limits with { MaxSize = body.Length - 1 }).GetAsync(server.Url("/id"), Ct)).Failure);
    }

    [Fact]
    public async Task A_body_without_end_is_cut_off()
    {
        server.Answer = async http =>
        {
            http.Response.ContentType = "application/json";
            while (!http.RequestAborted.IsCancellationRequested) await http.Response.Body.WriteAsync(new byte[4096], http.RequestAborted);
        };

        Assert.Equal("it is longer than 16384 bytes", (await Fetcher().GetAsync(server.Url("/id"), Ct)).Failure);
    }

    // C10: the bomb stays packed.
    [Fact]
    public async Task What_is_compressed_is_not_unpacked()
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.SmallestSize, leaveOpen: true)) gzip.Write(new byte[5_000_000]);
        Assert.True(packed.Length < 16 * 1024);
        server.Answer = async http =>
        {
            http.Response.ContentType = "application/json";
            http.Response.Headers.ContentEncoding = "gzip";
            await http.Response.Body.WriteAsync(packed.ToArray());
        };

        Assert.Equal("it is compressed, which was not asked for", (await Fetcher().GetAsync(server.Url("/id"), Ct)).Failure);
    }

    // C10: a byte now and then never ends, whatever each single wait may be.
    [Fact]
    public async Task The_time_is_limited_as_a_whole()
    {
        server.Answer = async http =>
        {
            http.Response.ContentType = "application/json";
            using var ticks = new PeriodicTimer(TimeSpan.FromMilliseconds(10));
            while (await ticks.WaitForNextTickAsync(http.RequestAborted))
            {
                await http.Response.WriteAsync(" ", http.RequestAborted);
                await http.Response.Body.FlushAsync(http.RequestAborted);
            }
        };

        Assert.Equal("it took longer than 0.5 s", (await Fetcher(Limits with { Timeout = TimeSpan.FromSeconds(0.5) }).GetAsync(server.Url("/id"), Ct)).Failure);
    }

    [Theory]
    [InlineData("connect")]
    [InlineData("tls")]
    [InlineData("headers")]
    [InlineData("name")]
    public async Task It_is_limited_wherever_the_other_side_says_nothing(string where)
    {
        using var never = new ManualResetEventSlim();
        var mute = new TcpListener(IPAddress.Loopback, 0);
        mute.Start();
        var outside = where == "name" ? server.Outside with { Resolve = _ => { never.Wait(); return []; } } : server.Outside;
        // Nobody accepts: the backlog does, and no handshake follows.
        var url = where switch { "tls" => $"https://client.test:{((IPEndPoint)mute.LocalEndpoint).Port}/id", _ => server.Url("/id") };
        if (where == "connect") outside = outside with { Resolve = _ => [IPAddress.Parse("198.51.100.1")], IsPublic = _ => true };
        server.Answer = http => Task.Delay(Timeout.Infinite, http.RequestAborted);
        try
        {
            var failure = (await Fetcher(Limits with { Timeout = TimeSpan.FromSeconds(0.3) }, outside).GetAsync(url, Ct)).Failure;
            // Without a route, connecting fails at once.
            if (where != "connect") Assert.Equal("it took longer than 0.3 s", failure);
            Assert.NotNull(failure);
        }
        finally
        {
            never.Set();
            mute.Stop();
        }
    }

    [Fact]
    public async Task A_failure_is_remembered_for_a_while()
    {
        server.Answer = OutsideServer.Json("{}", status: 500);
        var fetcher = Fetcher();

        Assert.Equal("the answer was 500", (await fetcher.GetAsync(server.Url("/id"), Ct)).Failure);
        server.Answer = OutsideServer.Json("{}");
        for (var i = 0; i < 5; i++) Assert.Equal("it failed a short while ago", (await fetcher.GetAsync(server.Url("/id"), Ct)).Failure);
        Assert.Null((await fetcher.GetAsync(server.Url("/other"), Ct)).Failure);
        Assert.Equal(2, server.Asked.Count);

        clock.Advance(TimeSpan.FromMinutes(1));
        Assert.Null((await fetcher.GetAsync(server.Url("/id"), Ct)).Failure);
        Assert.Null((await fetcher.GetAsync(server.Url("/id"), Ct)).Failure);
    }

    [Fact]
    public async Task A_second_failure_is_remembered_like_the_first()
    {
        server.Answer = OutsideServer.Json("{}", status: 500);
        var fetcher = Fetcher();

        for (var i = 0; i < 3; i++)
        {
            Assert.Equal("the answer was 500", (await fetcher.GetAsync(server.Url("/id"), Ct)).Failure);
            Assert.Equal("it failed a short while ago", (await fetcher.GetAsync(server.Url("/id"), Ct)).Failure);
            clock.Advance(TimeSpan.FromMinutes(1));
        }
        Assert.Equal(3, server.Asked.Count);
    }

    [Fact]
    public void The_memory_of_failures_is_bounded()
    {
        var failures = new RecentFailures(TimeSpan.FromMinutes(1), clock);
        for (var i = 0; i < 5_000; i++) failures.Add($"https://client.test/{i}");
        Assert.True(failures.Contains("https://client.test/0"));
        for (var i = 5_000; i < 20_000; i++) failures.Add($"https://client.test/{i}");
        Assert.False(failures.Contains("https://client.test/0"));
        Assert.True(failures.Contains("https://client.test/19999"));
        clock.Advance(TimeSpan.FromHours(-2));
        Assert.False(failures.Contains("https://client.test/19999"));
    }

    [Fact]
    public async Task What_reading_refuses_is_a_failure_too()
    {
        server.Answer = OutsideServer.Json("{}");
        var fetcher = Fetcher(read: (url, _, _) => throw new FetchException($"not liked: {url}"));

        Assert.StartsWith("not liked: https://", (await fetcher.GetAsync(server.Url("/id"), Ct)).Failure, StringComparison.Ordinal);
        Assert.Equal("it failed a short while ago", (await fetcher.GetAsync(server.Url("/id"), Ct)).Failure);
    }

    [Fact]
    public async Task A_bug_is_logged_and_a_database_that_is_gone_is_told()
    {
        server.Answer = OutsideServer.Json("{}");

        Assert.Equal("something went wrong here", (await Fetcher(read: (_, _, _) => throw new InvalidCastException("a bug")).GetAsync(server.Url("/id"), Ct)).Failure);
        Assert.Contains(log.Lines, line => line.StartsWith("Error", StringComparison.Ordinal) && line.Contains("a bug", StringComparison.Ordinal));

        var fetcher = Fetcher(read: (_, _, _) => throw new DatabaseUnavailableException("full"));
        for (var i = 0; i < 2; i++) await Assert.ThrowsAsync<DatabaseUnavailableException>(() => fetcher.GetAsync(server.Url("/id"), Ct));
    }

    [Fact]
    public async Task Many_who_want_one_document_share_one_fetch()
    {
        var open = new TaskCompletionSource();
        server.Answer = async http =>
        {
            await open.Task;
            await OutsideServer.Json("{}")(http);
        };
        var fetcher = Fetcher();

        var all = Enumerable.Range(0, 64).Select(_ => fetcher.GetAsync(server.Url("/id"), Ct)).ToList();
        using var impatient = new CancellationTokenSource();
        var gone = fetcher.GetAsync(server.Url("/id"), impatient.Token);
        await impatient.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => gone);
        open.SetResult();

        Assert.All(await Task.WhenAll(all), one => Assert.Null(one.Failure));
        Assert.Single(server.Asked);
    }

    // C11
    [Fact]
    public async Task Of_a_thousand_addresses_at_once_ten_are_fetched_and_none_waits()
    {
        var open = new TaskCompletionSource();
        var (now, most) = (0, 0);
        server.Answer = async http =>
        {
            lock (open) most = Math.Max(most, ++now);
            await open.Task;
            lock (open) now--;
            await OutsideServer.Json("{}")(http);
        };
        var fetcher = Fetcher();

        var all = Enumerable.Range(0, 1000).Select(i => fetcher.GetAsync(server.Url($"/{i}", $"c{i % 7}.client.test"), Ct)).ToList();
        await Wait.UntilAsync(() => all.Count(one => one.IsCompleted) == 990, "Refusing all but ten");
        open.SetResult();
        var done = await Task.WhenAll(all);

        Assert.Equal(10, done.Count(one => one.Failure is null));
        Assert.Equal(990, done.Count(one => one.Failure == "too many fetches are under way"));
        Assert.True(most <= 10);
        // That there was no room is nobody's failure.
        var refused = done.Index().First(one => one.Item.Failure is not null).Index;
        await Wait.UntilAsync(async () => (await fetcher.GetAsync(server.Url($"/{refused}", $"c{refused % 7}.client.test"), Ct)).Failure is null, "A place becoming free");
    }

    [Fact]
    public async Task A_name_server_that_says_nothing_keeps_its_places_and_no_more()
    {
        using var never = new ManualResetEventSlim();
        var outside = server.Outside with { Resolve = host => { if (host != "client.test") never.Wait(); return [IPAddress.Loopback]; } };
        server.Answer = OutsideServer.Json("{}");
        var fetcher = Fetcher(Limits with { Timeout = TimeSpan.FromSeconds(0.2), MaxConcurrent = 2 }, outside);

        foreach (var name in new[] { "a", "b" }) Assert.Equal("it took longer than 0.2 s", (await fetcher.GetAsync($"https://{name}.test/id", Ct)).Failure);
        Assert.Equal("too many fetches are under way", (await fetcher.GetAsync(server.Url("/id"), Ct)).Failure);
        never.Set();
        await Wait.UntilAsync(async () => (await fetcher.GetAsync(server.Url("/id"), Ct)).Failure != "too many fetches are under way", "A place becoming free");
    }

    [Fact]
    public async Task A_fetcher_of_the_hosts_own_is_held_to_the_same_limits()
    {
        var json = JsonDocument.Parse("{}").RootElement;
        var (document, _) = await Fetcher(download: (_, _) => Task.FromResult((json, TimeSpan.FromDays(400)))).GetAsync("https://anything", Ct);
        Assert.Equal(TimeSpan.FromDays(1), document!.MaxAge);

        var slow = Fetcher(Limits with { Timeout = TimeSpan.FromSeconds(0.1) }, download: async (_, _) =>
        {
            await Task.Delay(Timeout.Infinite, Ct);
            return (json, TimeSpan.Zero);
        });
        Assert.Equal("it took longer than 0.1 s", (await slow.GetAsync("https://anything", Ct)).Failure);
        Assert.Empty(server.Resolved);
    }
}
