using System.Text;
using Xunit;

namespace Gatehouse.Tests.OAuth.Clients;

/// <summary>C1, C2 of the attack list: how a client says who it is, and what a public one may not.</summary>
public sealed class ClientAuthenticationTests : OAuthPagesTest
{
    private const string Secret = "a secret: 100% of it & more";

    protected override async Task StartAsync()
    {
        await base.StartAsync();
        Secrets.Add(Secret);
        AddClient("robot", "confidential", "client-credentials", TestUsers.Encode(Secret));
        AddClient("open", "public", "client-credentials", TestUsers.Encode(Secret));
        AddClient("app", "public", "password");
    }

    [Fact]
    public async Task A_secret_comes_by_header_or_by_body()
    {
        await ByHeaderAsync(Uri.EscapeDataString("robot"), Uri.EscapeDataString(Secret)).ShouldBeAsync(200);
        // RFC 6749 §2.3.1: form-encoded, where a blank is a plus.
        await ByHeaderAsync("robot", "a+secret%3A+100%25+of+it+%26+more").ShouldBeAsync(200);
        await ByHeaderAsync("%72%6fbot", Uri.EscapeDataString(Secret)).ShouldBeAsync(200);
        await ByBodyAsync("robot", Secret).ShouldBeAsync(200);
    }

    [Theory]
    [InlineData("robot", "wrong")]
    [InlineData("robot", "")]
    [InlineData("Robot", Secret)]
    [InlineData("robot ", Secret)]
    [InlineData("robot\0", Secret)]
    [InlineData("robot", Secret + "\0")]
    [InlineData("nobody", Secret)]
    [InlineData("' OR 1=1 --", Secret)]
    [InlineData("", Secret)]
    public async Task Anything_else_is_no_client(string id, string secret)
    {
        await ErrorAsync(ByHeaderAsync(Uri.EscapeDataString(id), Uri.EscapeDataString(secret)), 401, "invalid_client");
        await ErrorAsync(ByBodyAsync(id, secret), 401, "invalid_client");
    }

    [Theory]
    [InlineData("Basic")]
    [InlineData("Basic ")]
    [InlineData("Basic !!!")]
    [InlineData("Basic cm9ib3Q=")]
    [InlineData("Basic /////w==")]
    [InlineData("Basic cm9i b3Q6eA==")]
    [InlineData("Basic cm9ib3Q6JUZGJUZF")]
    [InlineData("basic cm9ib3Q6d3Jvbmc=")]
    [InlineData("Bearer cm9ib3Q6d3Jvbmc=")]
    [InlineData("Negotiate x")]
    public async Task A_header_that_is_none_is_no_failure(string header) =>
        await ErrorAsync(AskAsync("/o/token/", header, ("grant_type", "client_credentials")), 401, "invalid_client");

    [Fact]
    public async Task Two_headers_are_no_credentials()
    {
        using var form = Form("grant_type=client_credentials");
        var right = Header("robot", Uri.EscapeDataString(Secret));
        var answer = await Http.AskAsync("/o/token/", "POST", form, ("Authorization", right), ("Authorization", Header("robot", "wrong")));

        Assert.Equal(401, (int)answer.StatusCode);
    }

    // RFC 6749 §2.3, §2.3.1
    [Fact]
    public async Task A_secret_in_the_address_or_in_two_places_is_refused()
    {
        // ASP.NET Core logs addresses: this one is known to whoever reads the log.
        AddClient("loud", "confidential", "client-credentials", TestUsers.Encode("shouted"));
        await ByBodyAsync("loud", "shouted").ShouldBeAsync(200);
        const string query = "?client_id=loud&client_secret=shouted";
        foreach (var path in new[] { "/o/token/", "/o/revoke_token/", "/o/par/" })
            await ErrorAsync(PostFormAsync(path + query, null, ("grant_type", "client_credentials"), ("token", "x")), 400, "invalid_request");
        await PostFormAsync("/o/introspect/" + query, null, ("token", "x")).ShouldBeAsync(403);
        await Http.GetAsync("/o/introspect/" + query + "&token=x", Ct).ShouldBeAsync(403);

        var twice = new[] { ("grant_type", "client_credentials"), ("client_id", "robot"), ("client_secret", Secret), ("token", "x") };
        foreach (var path in new[] { "/o/token/", "/o/revoke_token/", "/o/introspect/" })
            await ErrorAsync(AskAsync(path, Header("robot", Uri.EscapeDataString(Secret)), twice), 400, "invalid_request");
    }

    [Fact]
    public async Task A_public_client_that_shows_a_wrong_secret_is_held_to_it()
    {
        await Users.CreateAsync("alice");
        var asked = new[] { ("grant_type", "password"), ("username", "alice"), ("password", TestUsers.PasswordOf("alice")), ("client_id", "app") };

        await ErrorAsync(PostFormAsync("/o/token/", null, [.. asked, ("client_secret", "wrong")]), 401, "invalid_client");
        await PostFormAsync("/o/token/", null, asked).ShouldBeAsync(200);
    }

    // RFC 6749 §4.4, RFC 7662 §2.1; its own tokens it may revoke, RFC 7009 §2.1
    [Fact]
    public async Task A_public_client_acts_for_nobody_and_learns_nothing()
    {
        var alice = await Users.CreateAsync("alice");
        var app = long.Parse(One("SELECT id FROM oauth2_provider_application WHERE client_id = 'app'"));
        AddAccessToken(app, alice, "access-of-alice");

        await ErrorAsync(ByBodyAsync("open", Secret), 400, "unauthorized_client");
        await ErrorAsync(TokenAsync(null, ("grant_type", "client_credentials"), ("client_id", "open")), 401, "invalid_client");
        await PostFormAsync("/o/introspect/", null, ("client_id", "app"), ("token", "access-of-alice")).ShouldBeAsync(403);
        await PostFormAsync("/o/introspect/", null, ("client_id", "open"), ("client_secret", Secret), ("token", "access-of-alice")).ShouldBeAsync(403);
        await PostFormAsync("/o/revoke_token/", null, ("client_id", "app"), ("token", "access-of-alice")).ShouldBeAsync(200);
        Assert.Equal("0", One("SELECT count(*) FROM oauth2_provider_accesstoken"));
    }

    // C16
    [Theory]
    [InlineData("urn:ietf:params:oauth:grant-type:token-exchange")]
    [InlineData("urn:ietf:params:oauth:grant-type:jwt-bearer")]
    [InlineData("urn:openid:params:grant-type:ciba")]
    [InlineData("implicit")]
    [InlineData("")]
    [InlineData("PASSWORD")]
    public async Task Other_grants_are_not_known(string grant) => await ErrorAsync(
        AskAsync("/o/token/", Header("robot", Uri.EscapeDataString(Secret)), ("grant_type", grant), ("subject_token", "x"), ("audience", "https://other.example")), 400, "unsupported_grant_type");

    [Theory]
    [InlineData("application/json", """{"grant_type":"client_credentials","client_id":"robot","client_secret":"a secret: 100% of it & more"}""")]
    [InlineData("text/plain", "grant_type=client_credentials")]
    [InlineData("application/x-www-form-urlencoded; charset=utf-16", "grant_type=client_credentials")]
    [InlineData("multipart/form-data", "grant_type=client_credentials")]
    [InlineData("multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"grant_type\"\r\n\r\nclient_credentials")]
    [InlineData("application/xml", "<grant_type>client_credentials</grant_type>")]
    [InlineData("*/*", "grant_type=client_credentials")]
    [InlineData(";;;", "grant_type=client_credentials")]
    public async Task A_body_that_is_no_form_gets_no_token(string type, string body)
    {
        foreach (var path in new[] { "/o/token/", "/o/revoke_token/", "/o/introspect/", "/o/par/", "/o/device-authorization/" })
        {
            var answer = await Http.PostBytesAsync(path, Encoding.UTF8.GetBytes(body), type);
            Assert.True((int)answer.StatusCode is >= 400 and < 500, $"{path}: {(int)answer.StatusCode}");
            Assert.DoesNotContain("access_token", await answer.TextAsync(), StringComparison.Ordinal);
        }
    }

    private Task<HttpResponseMessage> ByHeaderAsync(string id, string secret) => AskAsync("/o/token/", Header(id, secret), ("grant_type", "client_credentials"));

    private Task<HttpResponseMessage> ByBodyAsync(string id, string secret) =>
        TokenAsync(null, ("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret));

    private async Task<HttpResponseMessage> AskAsync(string path, string authorization, params (string Name, string Value)[] form)
    {
        using var content = new FormUrlEncodedContent(form.Select(field => KeyValuePair.Create(field.Name, field.Value)));
        return await Http.AskAsync(path, "POST", content, ("Authorization", authorization));
    }

    private static string Header(string id, string secret) => "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes($"{id}:{secret}"));
}
