using System.IO.Compression;
using System.Net.Http.Headers;
using System.Text;
using Gatehouse.Http;
using Gatehouse.Permissions;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Gatehouse.Tests.Http;

/// <summary>Limits before content, each a clear 4xx.</summary>
public sealed class LimitsTests : GatehouseTest
{
    private const int Most = 2_621_440;

    protected override void Map(WebApplication app) =>
        app.MapView("/data/", "Data", view => view.Post(async Task<IResult> (HttpContext http) =>
        {
            var data = await RequestData.ReadAsync(http);
            return data.Error ?? ApiJson.Ok(new { kind = data.Json is { } json ? json.ValueKind.ToString() : "Form", fields = data.Form?.Count });
        })).WithSchemes().RequirePermission(new AllowAny());

    [Theory]
    [InlineData("""{"a":1}""", 200)]
    [InlineData("", 200)]
    [InlineData("[1,2]", 200)]
    [InlineData("null", 200)]
    [InlineData("""{"a":1,"a":2}""", 200)] // as Python: the last counts
    [InlineData("""{"a":1e999999}""", 200)]
    [InlineData("""{"a":"\ud800"}""", 200)]
    [InlineData("""{"a":NaN}""", 400)]
    [InlineData("""{"a":Infinity}""", 400)]
    [InlineData("""{"a":-Infinity}""", 400)]
    [InlineData("""{"a":1,}""", 400)]
    [InlineData("""{"a":01}""", 400)]
    [InlineData("""{'a':1}""", 400)]
    [InlineData("""{"a":1} x""", 400)]
    [InlineData("""{"a":1}{"a":1}""", 400)]
    [InlineData("""/* */{}""", 400)]
    [InlineData("{\"a\":\"line\nbreak\"}", 400)]
    [InlineData("\ufeff{}", 400)] // a byte order mark
    [InlineData("{", 400)]
    [InlineData("\"", 400)]
    public async Task JSON_is_strict(string body, int status)
    {
        var response = await Http.PostTextAsync("/data/", body);

        await response.ShouldBeAsync(status);
        if (status == 400) Assert.StartsWith("""{"detail":"JSON parse error - """, await response.TextAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(new byte[] { (byte)'"', 0xff, (byte)'"' })]
    [InlineData(new byte[] { (byte)'"', 0xc0, 0x80, (byte)'"' })]
    [InlineData(new byte[] { (byte)'"', 0xed, 0xa0, 0x80, (byte)'"' })]
    public async Task JSON_that_is_no_UTF_8_is_refused(byte[] body)
    {
        await Http.PostBytesAsync("/data/", body).ShouldBeAsync(400);
    }

    [Theory]
    [InlineData("/api/accounts/login/")]
    [InlineData("/api/accounts/register/")]
    [InlineData("/api-token-auth/")]
    public async Task Hostile_JSON_is_a_400_at_every_door(string path)
    {
        string[] bodies =
        [
            "[]", "1", "\"x\"", "true", "null", "{}", """{"username":{},"password":[]}""", """{"username":1e999999,"password":1e999999}""",
            """{"username":"\ud800","password":"\udfff"}""", """{"username":"a\u0000b","password":"a\u0000b"}""", """{"username":true,"password":false}""",
            """{"username":["a"],"password":{"$gt":""}}""", "\ufeff{}", "NaN", new string('[', 10_000), new string('{', 10_000), string.Concat(Enumerable.Repeat("{\"a\":", 10_000)),
        ];
        foreach (var body in bodies) await Http.PostTextAsync(path, body).ShouldBeAsync(400);
    }

    [Theory]
    [InlineData(512, 200)]
    [InlineData(513, 400)]
    [InlineData(10_000, 400)]
    [InlineData(1_000_000, 400)]
    public async Task Depth_has_an_end(int depth, int status)
    {
        await Http.PostTextAsync("/data/", new string('[', depth) + new string(']', depth)).ShouldBeAsync(status);
    }

    [Theory]
    [InlineData(Most, 200)]
    [InlineData(Most + 1, 413)]
    [InlineData(Most + 60_000, 413)]
    public async Task A_body_may_have_so_many_bytes_and_no_more(int length, int status)
    {
        var body = Encoding.ASCII.GetBytes("\"" + new string('x', length - 2) + "\"");

        await Http.PostBytesAsync("/data/", body).ShouldBeAsync(status, status == 413 ? """{"detail":"Request body exceeded settings.DATA_UPLOAD_MAX_MEMORY_SIZE."}""" : null);
    }

    [Theory]
    [InlineData(Most + 1L)]
    [InlineData(50_000_000L)]
    [InlineData(long.MaxValue)]
    public async Task A_body_that_says_it_is_too_long_is_not_waited_for(long length)
    {
        var (answer, _) = await RawHttp.AskAsync(Server, $"POST /data/ HTTP/1.1\nHost: HOST\nContent-Type: application/json\nContent-Length: {length}\n\n[");

        Assert.Equal(413, answer.Status);
        Assert.Contains("Connection: close", answer.Head, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task A_chunked_body_cannot_get_past_the_limit()
    {
        var most = new StreamContent(new MemoryStream(Encoding.ASCII.GetBytes("\"" + new string('x', Most - 2) + "\"")));
        var more = new StreamContent(new MemoryStream(Encoding.ASCII.GetBytes("\"" + new string('x', Most - 1) + "\"")));
        foreach (var content in new[] { most, more }) content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        async Task<int> SendAsync(HttpContent content)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/data/") { Content = content, Headers = { TransferEncodingChunked = true } };
            return (int)(await Http.SendAsync(request, Ct)).StatusCode;
        }

        Assert.Equal(200, await SendAsync(most));
        Assert.Equal(413, await SendAsync(more));
    }

    [Theory]
    [InlineData("a=1&b=2&a=3", 200, 2)]
    [InlineData("&&&", 200, 0)]
    [InlineData("%zz=%", 200, 1)]
    [InlineData("=", 200, 1)]
    public async Task Forms_are_read_as_Python_does(string body, int status, int fields)
    {
        await Http.PostTextAsync("/data/", body, "application/x-www-form-urlencoded").ShouldBeAsync(status, $$"""{"kind":"Form","fields":{{fields}}}""");
    }

    [Theory]
    [InlineData(1_000, 200)]
    [InlineData(1_001, 400)]
    [InlineData(100_000, 400)]
    public async Task A_form_may_have_so_many_fields(int fields, int status)
    {
        var body = string.Join('&', Enumerable.Range(0, fields).Select(i => $"k{i}=v"));

        await Http.PostTextAsync("/data/", body, "application/x-www-form-urlencoded").ShouldBeAsync(status);
    }

    [Theory]
    [InlineData(1_000, 200)]
    [InlineData(1_001, 400)]
    [InlineData(10_000, 400)]
    public async Task A_multipart_body_may_have_so_many_parts(int parts, int status)
    {
        var body = string.Concat(Enumerable.Range(0, parts).Select(i => $"--b\r\nContent-Disposition: form-data; name=\"k{i}\"\r\n\r\nv\r\n")) + "--b--\r\n";

        await Http.PostTextAsync("/data/", body, "multipart/form-data; boundary=b").ShouldBeAsync(status);
    }

    [Theory]
    [InlineData("multipart/form-data", "--b--")]
    [InlineData("multipart/form-data; boundary=", "--b--")]
    [InlineData("multipart/form-data; boundary=b", "x")]
    [InlineData("multipart/form-data; boundary=b", "--b\r\nContent-Disposition")]
    [InlineData("multipart/form-data; boundary=b", "--b\r\n\r\n\r\n--b--")]
    [InlineData("multipart/form-data; boundary=\"b", "--b--")]
    public async Task Broken_multipart_is_no_500(string contentType, string body)
    {
        var response = await Http.PostTextAsync("/data/", body, contentType);

        Assert.InRange((int)response.StatusCode, 200, 499);
    }

    [Fact]
    public async Task Headers_of_a_part_have_an_end()
    {
        var many = string.Concat(Enumerable.Range(0, 1000).Select(i => $"X-{i}: y\r\n"));

        var response = await Http.PostTextAsync("/data/", $"--b\r\nContent-Disposition: form-data; name=\"a\"\r\n{many}\r\nv\r\n--b--\r\n", "multipart/form-data; boundary=b");
        var longName = await Http.PostTextAsync("/data/", $"--b\r\nContent-Disposition: form-data; name=\"{new string('a', 100_000)}\"\r\n\r\nv\r\n--b--\r\n", "multipart/form-data; boundary=b");

        // As Django: a part whose headers are no part's is passed over.
        Assert.InRange((int)response.StatusCode, 200, 400);
        Assert.InRange((int)longName.StatusCode, 200, 400);
    }

    [Fact]
    public async Task A_compressed_body_is_not_unpacked()
    {
        using var packed = new MemoryStream();
        await using (var gzip = new GZipStream(packed, CompressionLevel.Optimal, leaveOpen: true))
            for (var i = 0; i < 100; i++) await gzip.WriteAsync(new byte[1_000_000], Ct);
        var content = new ByteArrayContent(packed.ToArray()) { Headers = { ContentType = new("application/json"), ContentEncoding = { "gzip" } } };

        await Http.AskAsync("/data/", "POST", content).ShouldBeAsync(400);
    }

    [Theory]
    [InlineData("text/plain", 415)]
    [InlineData("application/xml", 415)]
    [InlineData("application/x-msgpack", 415)]
    [InlineData("application/x-www-form-urlencoded", 200)]
    [InlineData("application/json; charset=utf-8", 200)]
    [InlineData("APPLICATION/JSON", 200)]
    [InlineData("application/jsonp", 415)]
    public async Task A_body_is_what_its_content_type_says(string contentType, int status)
    {
        await Http.PostTextAsync("/data/", "{}", contentType).ShouldBeAsync(status);
    }

    [Fact]
    public async Task A_form_sent_as_JSON_is_refused()
    {
        await Http.PostTextAsync("/api/accounts/login/", "username=alice&password=whatever-it-is").ShouldBeAsync(400);
        await Http.PostTextAsync("/api/accounts/login/", """{"username":"alice","password":"whatever-it-is"}""", "text/plain").ShouldBeAsync(415);
    }

    [Theory]
    [InlineData(50, 200)]
    [InlineData(101, 431)]
    [InlineData(10_000, 431)]
    public async Task Headers_have_a_number(int count, int status)
    {
        var headers = string.Concat(Enumerable.Repeat("X-Same: y\n", count - 1));

        var (answer, closed) = await RawHttp.AskAsync(Server, $"GET /health/live HTTP/1.1\nHost: HOST\n{headers}\n");

        Assert.Equal(status, answer.Status);
        Assert.True(status == 200 || closed);
    }

    [Theory]
    [InlineData(30_000, 200)]
    [InlineData(40_000, 431)]
    [InlineData(1_000_000, 431)]
    public async Task Headers_have_a_size(int length, int status)
    {
        var (answer, _) = await RawHttp.AskAsync(Server, $"GET /health/live HTTP/1.1\nHost: HOST\nX-Long: {new string('a', length)}\n\n");

        Assert.Equal(status, answer.Status);
    }

    [Fact]
    public async Task A_request_line_has_a_length()
    {
        var (answer, _) = await RawHttp.AskAsync(Server, $"GET /health/live?{new string('a', 10_000)} HTTP/1.1\nHost: HOST\n\n");

        Assert.Equal(414, answer.Status);
    }
}
