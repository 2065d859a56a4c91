using System.Text;
using Gatehouse.Server;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Gatehouse.Tests.Http;

public sealed class OddInputTests : GatehouseTest
{
    private const string Login = "/api/accounts/login/";
    private const string Register = "/api/accounts/register/";
    private const string Token = "/api-token-auth/";
    private const string Profile = "/api/accounts/profile/";

    private static readonly string[] Paths = [Login, Register, Token];

    [Theory]
    [InlineData("unicode-1-1-utf-7")]
    [InlineData("UTF-7")]
    [InlineData("utf-7")]
    [InlineData("csUnicode11UTF7")]
    [InlineData("unicode-2-0-utf-7")]
    [InlineData("x-unicode-1-1-utf-7")]
    [InlineData("x-unicode-2-0-utf-7")]
    [InlineData("65000")]
    [InlineData("nonsense")]
    [InlineData("\"\"")]
    [InlineData("")]
    [InlineData("cp")]
    [InlineData("cp65000")]
    [InlineData("cp99999999999999999999")]
    [InlineData("utf_8")]
    [InlineData("\u00e9")]
    public async Task An_odd_charset_is_the_callers_fault_at_every_door(string charset)
    {
        foreach (var path in Paths)
        {
            await RefusesAsync(path, """{"username":"ali ce","password":"wrong-password"}""", $"application/json; charset={charset}");
            await RefusesAsync(path, """{"username":"+2D3- x","password":"wrong-password"}""", $"application/json; charset={charset}");
            await RefusesAsync(path, "username=ali+ce%2B&password=wrong-password", $"application/x-www-form-urlencoded; charset={charset}");
            await RefusesAsync(
                path, "--x\r\nContent-Disposition: form-data; name=\"username\"\r\n\r\nali +AGM-ce\r\n--x--\r\n", $"multipart/form-data; boundary=x; charset={charset}");
        }
    }

    [Fact]
    public async Task No_charset_that_the_runtime_knows_makes_the_server_fail()
    {
        var names = Encoding.GetEncodings().Concat(CodePagesEncodingProvider.Instance.GetEncodings()).Select(one => one.Name).Distinct().ToList();
        byte[] odd = [.. "{\"username\":\"ali ce"u8, 0x1b, 0x24, 0x42, 0xff, 0xfe, 0x80, .. "\"}"u8];

        foreach (var name in names)
        {
            await RefusesAsync(Login, odd, $"application/json; charset={name}");
            await RefusesAsync(Login, odd, $"application/x-www-form-urlencoded; charset={name}");
        }
        Assert.InRange(names.Count, 50, 1000);
    }

    [Theory]
    [InlineData("""{"username":"alice","password":"wrong-password","\ud800":1}""")]
    [InlineData("""{"\udc00":1,"username":"alice","password":"wrong-password"}""")]
    [InlineData("""{"username":"alice","password":"wrong-password","username\ud83d":"x"}""")]
    [InlineData("""{"username":"alice","password":"wrong-password","u\ud83dsername":"x"}""")]
    [InlineData("""{"username":"alice","password":"wrong-password","\ude00\ud83d":"x"}""")]
    [InlineData("""{"username":"alice","password":"wrong-password","x":[{"\uDFFF":1}]}""")]
    [InlineData("""{"username":{"\ud800":1},"password":"wrong-password"}""")]
    [InlineData("""[{"\ud800":1}]""")]
    public async Task A_name_that_is_no_Unicode_is_the_callers_fault_at_every_door(string json)
    {
        await Users.CreateAsync("alice");

        foreach (var path in Paths)
        {
            var response = await Http.PostTextAsync(path, json);
            await response.ShouldBeAsync(400);
            Assert.Contains("JSON parse error", await response.TextAsync(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_name_may_be_written_with_escapes()
    {
        await Users.CreateAsync("alice");

        await Http.PostTextAsync(Login, """{"\u0075sername":"alice","passwor\u0064":"Correct-horse-alice","\ud83d\ude00":1}""").ShouldBeAsync(200);
    }

    [Fact]
    public async Task With_the_JSON_renderer_alone_there_are_no_pages_and_nothing_varies()
    {
        var server = await StartWithAsync("""{"REST_FRAMEWORK": {"DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"]}}""");

        var page = await server.Http.AskAsync(Profile, "GET", null, ("Accept", "text/html"));
        var format = await server.Http.AskAsync(Profile + "?format=api");
        var either = await server.Http.AskAsync(Profile, "GET", null, ("Accept", "text/html,*/*;q=0.1"));
        var options = await server.Http.AskAsync(Login, method: "OPTIONS");

        await page.ShouldBeAsync(406, """{"detail":"Could not satisfy the request Accept header."}""");
        await format.ShouldBeAsync(404);
        Assert.Equal("application/json", either.Header("Content-Type"));
        Assert.Equal("""["application/json"]""", (await options.JsonAsync())["renders"]!.ToJsonString());
        Assert.Equal(3, (await options.JsonAsync())["parses"]!.AsArray().Count);
        foreach (var response in new[] { page, format, either, options })
            Assert.DoesNotContain("Accept", response.Header("Vary") ?? "", StringComparison.OrdinalIgnoreCase);
        // The default, for comparison.
        Assert.Contains("Accept", (await Http.AskAsync(Login, method: "OPTIONS")).Header("Vary"), StringComparison.Ordinal);
        Assert.Equal("text/html; charset=utf-8", (await Http.AskAsync(Profile, "GET", null, ("Accept", "text/html"))).Header("Content-Type"));
    }

    [Fact]
    public async Task With_the_JSON_parser_alone_a_form_is_an_unsupported_media_type()
    {
        await Users.CreateAsync("alice");
        var server = await StartWithAsync("""{"REST_FRAMEWORK": {"DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"]}}""");

        foreach (var path in new[] { Login, Register })
        {
            await server.Http.PostTextAsync(path, "username=alice&password=Correct-horse-alice", "application/x-www-form-urlencoded").ShouldBeAsync(
                415, """{"detail":"Unsupported media type \"application/x-www-form-urlencoded\" in request."}""");
            await server.Http.PostTextAsync(path, "--x--\r\n", "multipart/form-data; boundary=x").ShouldBeAsync(415);
        }
        await server.Http.AskAsync(Login, null, "POST", new { username = "alice", password = "Correct-horse-alice" }).ShouldBeAsync(200);
        Assert.Equal("""["application/json"]""", (await (await server.Http.AskAsync(Login, method: "OPTIONS")).JsonAsync())["parses"]!.ToJsonString());
        // DRF's ObtainAuthToken has parsers of its own.
        await server.Http.PostTextAsync(Token, "username=alice&password=Correct-horse-alice", "application/x-www-form-urlencoded").ShouldBeAsync(200);
        // A page of Django's kind has no parsers.
        await new Browser(server.Http).SubmitAsync("/accounts/login/", ("username", "alice"), ("password", "Correct-horse-alice")).ShouldBeAsync(302);
    }

    [Theory]
    [InlineData("HTTP_X_FORWARDED_PROTO")]
    [InlineData("X-Forwarded-Proto")]
    public async Task The_proxys_header_may_have_either_spelling_and_without_it_the_connection_tells(string name)
    {
        void Redirecting(GatehouseOptions options)
        {
            options.Secure.ProxySslHeader = [name, "https"];
            options.Secure.SslRedirect = true;
        }
        var plain = await StartServerAsync(Redirecting);
        var secure = await StartServerAsync(Redirecting, services => services.AddSingleton<IStartupFilter>(new HttpsConnection()));

        await AskAsync(plain, "https").ShouldBeAsync(401);
        await AskAsync(plain, "http").ShouldBeAsync(301);
        await AskAsync(plain, "").ShouldBeAsync(301);
        await AskAsync(plain, null).ShouldBeAsync(301);
        await AskAsync(secure, "https").ShouldBeAsync(401);
        await AskAsync(secure, "http").ShouldBeAsync(301);
        await AskAsync(secure, null).ShouldBeAsync(401);

        Task<HttpResponseMessage> AskAsync(TestServer server, string? proto) =>
            server.Http.AskAsync(Profile, "GET", null, proto is null ? [] : [("X-Forwarded-Proto", proto)]);
    }

    private Task RefusesAsync(string path, string body, string contentType) => RefusesAsync(path, Encoding.UTF8.GetBytes(body), contentType);

    private async Task RefusesAsync(string path, byte[] body, string contentType)
    {
        // The tests' own client reads what it sends, and knows fewer charsets than a caller may name.
        using var http = new HttpClient(new SocketsHttpHandler { RequestHeaderEncodingSelector = (_, _) => Encoding.Latin1 }) { BaseAddress = Server.Address };
        var response = await http.PostBytesAsync(path, body, contentType);
        Assert.True((int)response.StatusCode is >= 400 and < 500, $"{path} with {contentType}: {(int)response.StatusCode}");
    }

    private async Task<TestServer> StartWithAsync(string settings)
    {
        var file = Path.Combine(Database.Folder, "settings.json");
        await File.WriteAllTextAsync(file, settings, Ct);
        return await StartServerAsync(options => DjangoSettings.Apply(file, options));
    }

    // As Kestrel's own HTTPS would leave it.
    private sealed class HttpsConnection : IStartupFilter
    {
        public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
        {
            app.Use((http, following) =>
            {
                http.Request.Scheme = "https";
                return following(http);
            });
            next(app);
        };
    }
}
