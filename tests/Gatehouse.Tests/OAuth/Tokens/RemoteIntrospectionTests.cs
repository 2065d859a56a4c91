using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using Gatehouse.OAuth.Tokens;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Gatehouse.Tests.OAuth.Tokens;

/// <summary>An API that asks another server about its tokens (<c>RESOURCE_SERVER_…</c>).</summary>
public sealed class RemoteIntrospectionTests : GatehouseTest
{
    private readonly ConcurrentQueue<(string? Authorization, string Body)> asked = [];
    private WebApplication elsewhere = null!;
    private RequestDelegate answer = _ => Task.CompletedTask;

    protected override void Configure(GatehouseOptions options)
    {
        options.OAuth.ResourceServerIntrospectionUrl = elsewhere.Urls.Single() + "/o/introspect/";
        if (options.OAuth.ResourceServerIntrospectionCredentials.Count == 0) options.OAuth.ResourceServerIntrospectionCredentials = ["api", "secret-of-api"];
    }

    protected override void Map(WebApplication app) => app.MapWho("/orders/").WithSchemes(typeof(OAuth2Authentication)).RequirePermission(new TokenHasScope("read"));

    protected override async Task StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        elsewhere = builder.Build();
        elsewhere.Run(async http =>
        {
            using var reader = new StreamReader(http.Request.Body);
            asked.Enqueue((http.Request.Headers.Authorization, await reader.ReadToEndAsync(Ct)));
            await answer(http);
        });
        await elsewhere.StartAsync(Ct);
        await base.StartAsync();
    }

    public override async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        await base.DisposeAsync();
        await elsewhere.DisposeAsync();
    }

    [Fact]
    public async Task What_the_other_server_says_counts()
    {
        Says(new { active = true, scope = "read write", exp = Clock.Now.AddHours(1).ToUnixTimeSeconds(), client_id = "shop", username = "ali" });

        await AskAsync("token-1").ShouldBeAsync(200, """{"user":"ali","scheme":"OAuth2Authentication","auth":"AccessToken"}""");

        var (authorization, body) = Assert.Single(asked);
        Assert.Equal("Basic " + Convert.ToBase64String(Encoding.ASCII.GetBytes("api:secret-of-api")), authorization);
        Assert.Equal("token=token-1", body);
        // Its user has come to be one here, without a password.
        Assert.StartsWith("!", Database.Rows("SELECT password FROM auth_user WHERE username = 'ali'").Single(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_answer_is_kept_until_the_token_ends_or_the_setting_says()
    {
        Says(new { active = true, scope = "read", exp = Clock.Now.AddSeconds(90).ToUnixTimeSeconds(), username = "ali" });
        for (var time = 0; time < 3; time++) await AskAsync("token-1").ShouldBeAsync(200);
        Assert.Single(asked);
        Clock.Advance(TimeSpan.FromSeconds(90));
        Says(new { active = false });
        await AskAsync("token-1").ShouldBeAsync(401);
        Assert.Equal(2, asked.Count);

        var server = await StartServerAsync(options => options.OAuth.ResourceServerTokenCachingSeconds = 60);
        Says(new { active = true, scope = "read", exp = Clock.Now.AddHours(9).ToUnixTimeSeconds(), username = "ali" });
        await AskAsync("token-2", server).ShouldBeAsync(200);
        Clock.Advance(TimeSpan.FromSeconds(61));
        Says(new { active = false });
        await AskAsync("token-2", server).ShouldBeAsync(401);
    }

    [Fact]
    public async Task Of_64_callers_with_one_token_one_asks()
    {
        var gate = new TaskCompletionSource();
        answer = async http =>
        {
            await gate.Task;
            await http.Response.WriteAsJsonAsync(new { active = true, scope = "read", username = "ali" }, Ct);
        };
        var callers = Enumerable.Range(0, 64).Select(_ => AskAsync("token-1")).ToList();
        await Wait.UntilAsync(() => !asked.IsEmpty, "The question");
        gate.SetResult();

        foreach (var one in await Task.WhenAll(callers)) Assert.Equal(200, (int)one.StatusCode);
        Assert.Single(asked);
        Assert.Equal(["1"], Database.Rows("SELECT count(*) || '' FROM auth_user WHERE username = 'ali'"));
    }

    [Theory]
    [InlineData("""{"active":false}""")]
    [InlineData("""{"active":"true","scope":"read"}""")]
    [InlineData("""{"scope":"read"}""")]
    [InlineData("""[]""")]
    [InlineData("""{"active":true,"active":false,"scope":"read"}""")]
    [InlineData("""{"active":true,"scope":["read"]}""")]
    [InlineData("""{"active":true,"scope":"read","exp":"soon"}""")]
    [InlineData("""{"active":true,"scope":"read","exp":1}""")]
    [InlineData("""{"active":true,"scope":"read","username":7}""")]
    [InlineData("""{"active":true,"scope":"read","username":""}""")]
    [InlineData("""{"active":true,"scope":"read","aud":{}}""")]
    [InlineData("""{"active":true,"scope":"read","aud":["https://other.example/"]}""")]
    [InlineData("""{"active":true""")]
    [InlineData("")]
    public async Task What_cannot_be_understood_opens_nothing(string json)
    {
        answer = http => http.Response.WriteAsync(json, Ct);

        await AskAsync("token-1").ShouldBeAsync(401);
    }

    [Theory]
    [InlineData(401)]
    [InlineData(403)]
    [InlineData(500)]
    [InlineData(302)]
    public async Task A_server_that_refuses_opens_nothing(int status)
    {
        answer = http =>
        {
            http.Response.StatusCode = status;
            http.Response.Headers.Location = "/elsewhere";
            return http.Response.WriteAsJsonAsync(new { active = true, scope = "read" }, Ct);
        };

        await AskAsync("token-1").ShouldBeAsync(401);
        Assert.Single(asked);
        Assert.Contains(Log.Lines, line => line.Contains($"the answer was {status}", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_server_that_is_gone_or_says_too_much_opens_nothing()
    {
        answer = http => http.Response.WriteAsync(new string(' ', 100_000) + """{"active":true,"scope":"read"}""", Ct);
        await AskAsync("token-1").ShouldBeAsync(401);
        await elsewhere.StopAsync(Ct);
        await AskAsync("token-2").ShouldBeAsync(401);
    }

    [Fact]
    public async Task A_token_without_a_user_is_a_client()
    {
        Says(new { active = true, scope = "read", client_id = "robot" });

        await AskAsync("token-1").ShouldBeAsync(200, """{"user":null,"scheme":"OAuth2Authentication","auth":"AccessToken"}""");
    }

    [Fact]
    public async Task A_user_who_was_deactivated_here_stays_out()
    {
        await Users.CreateAsync("ali", isActive: false);
        Says(new { active = true, scope = "read", username = "ali" });

        await AskAsync("token-1").ShouldBeAsync(401);
    }

    [Fact]
    public async Task It_may_ask_by_a_token_or_by_a_signature()
    {
        Says(new { active = true, scope = "read" });
        var byToken = await StartServerAsync(options => (options.OAuth.ResourceServerAuthToken, options.OAuth.ResourceServerIntrospectionCredentials) = ("token-of-the-api", []));
        await AskAsync("token-1", byToken).ShouldBeAsync(200);
        Assert.Equal("Bearer token-of-the-api", asked.Last().Authorization);

        using var key = System.Security.Cryptography.ECDsa.Create(System.Security.Cryptography.ECCurve.NamedCurves.nistP256);
        var bySignature = await StartServerAsync(options =>
        {
            options.OAuth.ResourceServerIntrospectionCredentials = [];
            options.OAuth.ResourceServerIntrospectionJwtClientId = "api";
            options.OAuth.ResourceServerIntrospectionJwtAudience = "https://id.example/o";
            options.OAuth.ResourceServerIntrospectionJwtPrivateKey = key.ExportPkcs8PrivateKeyPem();
        });
        await AskAsync("token-2", bySignature).ShouldBeAsync(200);
        var form = System.Web.HttpUtility.ParseQueryString(asked.Last().Body);
        Assert.Null(asked.Last().Authorization);
        Assert.Equal("urn:ietf:params:oauth:client-assertion-type:jwt-bearer", form["client_assertion_type"]);
        var (text, signature) = (form["client_assertion"]![..form["client_assertion"]!.LastIndexOf('.')], form["client_assertion"]!.Split('.')[2]);
        Assert.True(key.VerifyData(Encoding.ASCII.GetBytes(text), System.Buffers.Text.Base64Url.DecodeFromChars(signature), System.Security.Cryptography.HashAlgorithmName.SHA256));
        using var claims = JsonDocument.Parse(System.Buffers.Text.Base64Url.DecodeFromChars(text.Split('.')[1]));
        Assert.Equal(("api", "api", "https://id.example/o"), (Claim("iss"), Claim("sub"), Claim("aud")));

        string Claim(string name) => claims.RootElement.GetProperty(name).GetString()!;
    }

    [Fact]
    public async Task Settings_that_cannot_work_stop_the_start()
    {
        async Task<string> WhyAsync(Action<GatehouseOptions> set) => (await Assert.ThrowsAsync<SettingException>(() => StartServerAsync(set))).Message;

        Assert.Contains("must be an https address", await WhyAsync(options => options.OAuth.ResourceServerIntrospectionUrl = "elsewhere"), StringComparison.Ordinal);
        Assert.Contains("begins with http", await WhyAsync(options => options.OAuth.ResourceServerIntrospectionUrl = "http://id.example/o/introspect/"), StringComparison.Ordinal);
        Assert.Contains("takes a client id and its secret", await WhyAsync(options => options.OAuth.ResourceServerIntrospectionCredentials = ["api"]), StringComparison.Ordinal);
        Assert.Contains("belong together", await WhyAsync(options => options.OAuth.ResourceServerIntrospectionJwtClientId = "api"), StringComparison.Ordinal);
        Assert.Contains("needs RESOURCE_SERVER_AUTH_TOKEN", await WhyAsync(options => options.OAuth.ResourceServerIntrospectionCredentials = []), StringComparison.Ordinal);
    }

    private void Says(object json) => answer = http => http.Response.WriteAsJsonAsync(json, Ct);

    private Task<HttpResponseMessage> AskAsync(string token, TestServer? server = null)
    {
        Secrets.Add(token);
        return (server ?? Server).Http.AskAsync("/orders/", "Bearer " + token);
    }
}
