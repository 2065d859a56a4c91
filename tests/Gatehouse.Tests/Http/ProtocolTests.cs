using Gatehouse.Http;
using Gatehouse.Permissions;
using Gatehouse.Tests.Database;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Gatehouse.Tests.Http;

/// <summary>What a proxy in front and this server might read differently, and paths and methods that might slip by a rule.</summary>
public sealed class ProtocolTests : GatehouseTest
{
    protected override void Map(WebApplication app)
    {
        app.MapView("/data/", "Data", view => view.Post(async Task<IResult> (HttpContext http) =>
        {
            var data = await RequestData.ReadAsync(http);
            return data.Error ?? ApiJson.Ok(new { data = data.Json });
        })).WithSchemes().RequirePermission(new AllowAny());
        app.MapGet("/fails/", string () => throw new InvalidOperationException("SELECT secret FROM vault"));
        app.MapView("/fails-too/", "Fails", view => view.Get(Task<IResult> (HttpContext _) => throw new InvalidOperationException("SELECT secret FROM vault"))).RequirePermission(new AllowAny());
    }

    public static TheoryData<string, string> Smuggled => new()
    {
        { "CL.TE", "POST /data/ HTTP/1.1\nHost: HOST\nContent-Type: application/json\nContent-Length: 5\nTransfer-Encoding: chunked\n\n2\n{}\n0\n\n" },
        { "TE.CL", "POST /data/ HTTP/1.1\nHost: HOST\nContent-Type: application/json\nTransfer-Encoding: chunked\nContent-Length: 2\n\n2\n{}\n0\n\n" },
        { "TE.TE", "POST /data/ HTTP/1.1\nHost: HOST\nContent-Type: application/json\nTransfer-Encoding: chunked\nTransfer-Encoding: identity\n\n2\n{}\n0\n\n" },
        { "unknown TE", "POST /data/ HTTP/1.1\nHost: HOST\nContent-Type: application/json\nTransfer-Encoding: xchunked\n\n2\n{}\n0\n\n" },
        { "TE not last", "POST /data/ HTTP/1.1\nHost: HOST\nContent-Type: application/json\nTransfer-Encoding: chunked, gzip\n\n2\n{}\n0\n\n" },
        { "blank in the name", "POST /data/ HTTP/1.1\nHost: HOST\nContent-Type: application/json\nTransfer-Encoding : chunked\n\n2\n{}\n0\n\n" },
        { "folded", "POST /data/ HTTP/1.1\nHost: HOST\nContent-Type: application/json\nTransfer-Encoding:\n chunked\n\n2\n{}\n0\n\n" },
        { "two lengths", "POST /data/ HTTP/1.1\nHost: HOST\nContent-Type: application/json\nContent-Length: 2\nContent-Length: 3\n\n{} " },
        { "two equal lengths", "POST /data/ HTTP/1.1\nHost: HOST\nContent-Type: application/json\nContent-Length: 2\nContent-Length: 2\n\n{}" },
        { "list of lengths", "POST /data/ HTTP/1.1\nHost: HOST\nContent-Type: application/json\nContent-Length: 2, 2\n\n{}" },
        // "Content-Length: +2" is not here: Kestrel reads it as 2 and tells nobody.
        { "negative length", "POST /data/ HTTP/1.1\nHost: HOST\nContent-Type: application/json\nContent-Length: -1\n\n{}" },
        { "hex length", "POST /data/ HTTP/1.1\nHost: HOST\nContent-Type: application/json\nContent-Length: 0x2\n\n{}" },
        { "chunk size with sign", "POST /data/ HTTP/1.1\nHost: HOST\nContent-Type: application/json\nTransfer-Encoding: chunked\n\n+2\n{}\n0\n\n" },
        { "chunk size with 0x", "POST /data/ HTTP/1.1\nHost: HOST\nContent-Type: application/json\nTransfer-Encoding: chunked\n\n0x2\n{}\n0\n\n" },
        { "chunk too long", "POST /data/ HTTP/1.1\nHost: HOST\nContent-Type: application/json\nTransfer-Encoding: chunked\n\n2\n{}}\n0\n\n" },
        { "huge chunk", "POST /data/ HTTP/1.1\nHost: HOST\nContent-Type: application/json\nTransfer-Encoding: chunked\n\nffffffffffffffff\n{}\n0\n\n" },
        { "line without colon", "GET /health/live HTTP/1.1\nHost: HOST\nNonsense\n\n" },
        { "no host", "GET /health/live HTTP/1.1\n\n" },
        { "two hosts", "GET /health/live HTTP/1.1\nHost: HOST\nHost: evil.example\n\n" },
        { "other version", "GET /health/live HTTP/3.7\nHost: HOST\n\n" },
        { "NUL in a header", "GET /health/live HTTP/1.1\nHost: HOST\nX-A: a\0b\n\n" },
        { "no version", "GET /health/live\n\n" },
    };

    [Theory]
    [MemberData(nameof(Smuggled))]
    public async Task What_two_parsers_may_read_differently_is_refused_and_the_connection_closed(string what, string request)
    {
        // A second request behind it must not be answered.
        var (answer, closed) = await RawHttp.AskAsync(Server, request + "GET /health/ready HTTP/1.1\nHost: HOST\n\n");

        Assert.True(answer.Status is 400 or 501 or 505 or 0 or 413, $"{what}: {answer.Head}");
        Assert.True(closed, what);
    }

    [Theory]
    [InlineData("a bare LF in an extension", "2;x=1\n{}\r\n0\r\n\r\n")]
    [InlineData("a bare LF after the size", "2\n{}\r\n0\r\n\r\n")]
    [InlineData("a bare LF after the data", "2\r\n{}\n0\r\n\r\n")]
    public async Task Chunks_end_with_CR_LF(string what, string chunks)
    {
        using var raw = await RawHttp.ConnectAsync(Server);
        await raw.SendAsync("POST /data/ HTTP/1.1\nHost: HOST\nContent-Type: application/json\nTransfer-Encoding: chunked\n\n");
        await raw.SendBytesAsync(System.Text.Encoding.ASCII.GetBytes(chunks + "GET /health/ready HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"));

        var answer = await raw.ReadAsync();

        Assert.True(answer.Status is 400 or 0, $"{what}: {answer.Head} {answer.Body}");
        Assert.True(answer.KeepsNothingOpen || await raw.IsClosedAsync(), what);
    }

    [Fact]
    public async Task Good_chunks_with_extensions_and_trailers_are_read()
    {
        var (answer, _) = await RawHttp.AskAsync(
            Server, "POST /data/ HTTP/1.1\nHost: HOST\nContent-Type: application/json\nTransfer-Encoding: chunked\n\n1;a=b\n[\n1\n]\n0\nX-Trailer: y\n\n");

        Assert.Equal((200, """{"data":[]}"""), (answer.Status, answer.Body));
    }

    [Fact]
    public async Task An_unread_body_is_not_taken_for_the_next_request()
    {
        using var raw = await RawHttp.ConnectAsync(Server);
        await raw.SendAsync("POST /health/live HTTP/1.1\nHost: HOST\nContent-Length: 44\n\nGET /api/accounts/users/ HTTP/1.1\nHost: x\n\n");
        await raw.SendAsync("GET /health/live HTTP/1.1\nHost: HOST\n\n");

        var refused = await raw.ReadAsync();
        var next = await raw.ReadAsync();

        Assert.Equal(405, refused.Status);
        Assert.True(next.Status is 200 or 0, next.Head);
    }

    [Theory]
    [InlineData("evil.example")]
    [InlineData("127.0.0.1.evil.example")]
    [InlineData("evil.example#127.0.0.1")]
    [InlineData("127.0.0.1:80@evil.example")]
    [InlineData("127.0.0.1:x")]
    [InlineData("[::2]")]
    [InlineData("localhost.evil.example")]
    [InlineData("")]
    public async Task A_host_that_is_not_ours_is_a_400(string host)
    {
        var (answer, _) = await RawHttp.AskAsync(Server, $"GET /api/accounts/profile/ HTTP/1.1\nHost: {host}\n\n");

        Assert.Equal(400, answer.Status);
        Assert.DoesNotContain("evil", answer.Body, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("localhost:99")]
    [InlineData("LocalHost")]
    [InlineData("app.localhost")]
    [InlineData("[::1]:8000")]
    [InlineData("localhost.")]
    public async Task This_machines_own_names_are_served(string host)
    {
        var (answer, _) = await RawHttp.AskAsync(Server, $"GET /api/accounts/profile/ HTTP/1.1\nHost: {host}\n\n");

        Assert.Equal(401, answer.Status);
    }

    [Fact]
    public async Task Names_of_proxies_are_believed_only_when_settings_say_so()
    {
        var proxied = await StartServerAsync(options => { options.AllowedHosts = [".example.org"]; options.Secure.UseXForwardedHost = true; });
        static string Ask(string forwarded) => $"GET /api/accounts/profile HTTP/1.1\nHost: example.org\nX-Forwarded-Host: {forwarded}\nX-Forwarded-Proto: https\n\n";

        Assert.Equal(301, (await RawHttp.AskAsync(proxied, Ask("www.example.org"))).Answer.Status);
        Assert.Equal(400, (await RawHttp.AskAsync(proxied, Ask("evil.example"))).Answer.Status);
        Assert.Equal(400, (await RawHttp.AskAsync(Server, Ask("evil.example"))).Answer.Status);
    }

    [Fact]
    public async Task An_absolute_request_line_does_not_outvote_the_host()
    {
        var (answer, _) = await RawHttp.AskAsync(Server, "GET http://evil.example/health/live HTTP/1.1\nHost: HOST\n\n");

        Assert.Equal(400, answer.Status);
    }

    [Theory]
    [InlineData("/api//accounts/users/")]
    [InlineData("//api/accounts/users/")]
    [InlineData("/API/accounts/users/")]
    [InlineData("/api/accounts/Users/")]
    [InlineData("/api/accounts/users/.")]
    [InlineData("/api/accounts/users/x/..")]
    [InlineData("/api/accounts/users;x/")]
    [InlineData("/api/accounts/users/;x")]
    [InlineData("/api/accounts%2fusers/")]
    [InlineData("/api/accounts/users%2f")]
    [InlineData("/api/accounts/%75sers/")]
    [InlineData("/api/accounts/users%00/")]
    [InlineData("/api/accounts/..%2faccounts/users/")]
    [InlineData("/api/accounts/users/%2e")]
    [InlineData("/api\\accounts\\users/")]
    [InlineData("/api/accounts/users//")]
    [InlineData("/admin/.")]
    [InlineData("/admin;x")]
    [InlineData("/admin%2f")]
    [InlineData("/./admin/")]
    public async Task No_spelling_of_a_path_gets_past_its_rule(string path)
    {
        await Users.CreateAsync("alice");

        var (answer, _) = await RawHttp.AskAsync(Server, $"GET {path} HTTP/1.1\nHost: HOST\n\n");

        Assert.True(answer.Status is 301 or 302 or 400 or 401 or 404, answer.Head);
        Assert.DoesNotContain("alice", answer.Body, StringComparison.Ordinal);
        if (answer.Status is 301 or 302) Assert.Matches(@"Location: /(?![/\\])", answer.Head);
    }

    [Fact]
    public async Task A_slash_that_is_missing_is_added_and_leads_nowhere_else()
    {
        var response = await Http.AskAsync("/api/accounts/profile?a=b");
        var (twice, _) = await RawHttp.AskAsync(Server, "GET //evil.example/api/accounts/profile HTTP/1.1\nHost: HOST\n\n");

        await response.ShouldBeAsync(301);
        Assert.Equal("/api/accounts/profile/?a=b", response.Header("Location"));
        Assert.Equal(404, twice.Status);
    }

    [Theory]
    [InlineData("HEAD", 401)]
    [InlineData("OPTIONS", 401)]
    [InlineData("TRACE", 401)]
    [InlineData("PUT", 401)]
    [InlineData("BREW", 401)]
    public async Task Another_method_is_asked_the_same_questions(string method, int status)
    {
        await Users.CreateAsync("alice");

        var response = await Http.AskAsync("/api/accounts/users/", method, null, ("X-HTTP-Method-Override", "GET"), ("X-Method-Override", "GET"));

        Assert.Equal(status, (int)response.StatusCode);
    }

    [Theory]
    [InlineData("TRACE")]
    [InlineData("PUT")]
    [InlineData("PROPFIND")]
    public async Task A_method_that_a_view_does_not_have_is_a_405(string method)
    {
        var response = await Http.AskAsync("/api/accounts/login/", method, null, ("X-Secret", "echo-me"));

        await response.ShouldBeAsync(405, $$"""{"detail":"Method \"{{method}}\" not allowed."}""");
        Assert.Equal("POST, OPTIONS", response.Header("Allow"));
    }

    [Theory]
    [InlineData("null")]
    [InlineData("https://evil.example")]
    [InlineData("http://HOST.evil.example")]
    public async Task No_other_site_may_read_answers(string origin)
    {
        var token = await Users.TokenAsync(await Users.CreateAsync("alice"));
        origin = origin.Replace("HOST", Server.Address.Authority, StringComparison.Ordinal);

        var response = await Http.AskAsync("/api/accounts/profile/", "GET", null, ("Origin", origin), ("Authorization", "Token " + token));
        var preflight = await Http.AskAsync("/api/accounts/profile/", "OPTIONS", null, ("Origin", origin), ("Access-Control-Request-Method", "GET"));

        Assert.Null(response.Header("Access-Control-Allow-Origin"));
        Assert.Null(response.Header("Access-Control-Allow-Credentials"));
        Assert.Null(preflight.Header("Access-Control-Allow-Origin"));
    }

    [Theory]
    [InlineData("/fails/")]
    [InlineData("/fails-too/")]
    public async Task A_failure_of_ours_tells_an_id_that_the_log_knows_and_nothing_else(string path)
    {
        var response = await Http.AskAsync(path);
        var body = await response.TextAsync();

        await response.ShouldBeAsync(500);
        foreach (var leak in new[] { "SELECT", "vault", "Exception", " at ", "Gatehouse.Tests" }) Assert.DoesNotContain(leak, body, StringComparison.Ordinal);
        var id = System.Text.RegularExpressions.Regex.Match(body, "[0-9a-f]{12}").Value;
        Assert.Contains(Log.Lines, line => line.Contains(id, StringComparison.Ordinal) && line.Contains("SELECT secret FROM vault", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_statement_that_fails_tells_nothing_of_the_schema()
    {
        var token = await Users.TokenAsync(await Users.CreateAsync("alice"));
        Database.Execute("ALTER TABLE authtoken_token RENAME TO elsewhere");

        var response = await Http.AskAsync("/api/accounts/profile/", "Token " + token);

        await response.ShouldBeAsync(500);
        Assert.DoesNotContain("authtoken_token", await response.TextAsync(), StringComparison.Ordinal);
    }

    [Fact]
    [Trait(TestDatabase.SqliteOnly, "yes")]
    public async Task A_database_that_is_gone_is_a_503_and_readiness_says_so_until_it_is_back()
    {
        var alice = await Users.CreateAsync("alice");
        var token = await Users.TokenAsync(alice);
        await using var server = await StartServerAsync();
        // Nothing is open yet on this server but its writer: the first read finds no database.
        File.Move(SqliteFile.Path, SqliteFile.Path + ".away");
        Directory.CreateDirectory(SqliteFile.Path);

        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => server.Http.AskAsync("/api/accounts/profile/", "Token " + token)));
        Directory.Delete(SqliteFile.Path);
        File.Move(SqliteFile.Path + ".away", SqliteFile.Path);

        Assert.All(answers, answer => Assert.Contains((int)answer.StatusCode, new[] { 200, 503 }));
        await server.Http.AskAsync("/api/accounts/profile/", "Token " + token).ShouldBeAsync(200);
        await server.Http.AskAsync("/health/ready").ShouldBeAsync(200);
    }

    [Fact]
    public async Task Unknown_paths_get_a_page_that_says_nothing_of_them()
    {
        var response = await Http.AskAsync("/no/such/<script>alert(1)</script>/");

        await response.ShouldBeAsync(404);
        Assert.DoesNotContain("<script>", await response.TextAsync(), StringComparison.Ordinal);
        Assert.Null(response.Header("Server"));
    }

    [Fact]
    public async Task Line_breaks_and_escapes_make_no_second_line_in_the_log()
    {
        await Http.AskAsync("/api/accounts/login/", null, "POST", new { username = "mallory\r\nINFO root logged in\u001b[31m", password = "whatever-it-is" }).ShouldBeAsync(400);
        await RawHttp.AskAsync(Server, "GET /health/live%0d%0aINFO HTTP/1.1\nHost: evil\u001b[31m.example\n\n");

        // Kestrel's own debugging, which the program never logs, shows requests as they are.
        Assert.DoesNotContain(Log.Lines, line => !line.StartsWith("Debug", StringComparison.Ordinal) && (line.Contains('\n') || line.Contains('\u001b')));
    }

    [Fact]
    public async Task Slow_callers_do_not_hold_up_the_others()
    {
        var slow = await Task.WhenAll(Enumerable.Range(0, 200).Select(_ => RawHttp.ConnectAsync(Server)));
        try
        {
            foreach (var connection in slow) await connection.SendAsync("POST /data/ HTTP/1.1\nHost: HOST\nContent-Length: 1000\nX-");

            await Http.AskAsync("/health/live").ShouldBeAsync(200);
        }
        finally
        {
            foreach (var connection in slow) connection.Dispose();
        }
    }
}
