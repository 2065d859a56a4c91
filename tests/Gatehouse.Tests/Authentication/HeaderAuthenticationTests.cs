using System.Text;
using Gatehouse.Authentication;
using Gatehouse.AuthTokens;
using Gatehouse.Permissions;
using Microsoft.AspNetCore.Builder;
using Xunit;
using static Gatehouse.Tests.Answers;

namespace Gatehouse.Tests.Authentication;

public sealed class HeaderAuthenticationTests : GatehouseTest
{
    protected override void Map(WebApplication app)
    {
        app.MapWho("/token/").WithSchemes(typeof(TokenAuthentication)).RequirePermission(new AllowAny());
        app.MapWho("/basic/").WithSchemes(typeof(BasicAuthentication)).RequirePermission(new AllowAny());
    }

    [Theory]
    [InlineData("Token", "Invalid token header. No credentials provided.")]
    [InlineData("Token ", "Invalid token header. No credentials provided.")]
    [InlineData("token", "Invalid token header. No credentials provided.")]
    [InlineData("Token a b", "Invalid token header. Token string should not contain spaces.")]
    [InlineData("Token a\tb", "Invalid token header. Token string should not contain spaces.")]
    [InlineData("Token a, Token b", "Invalid token header. Token string should not contain spaces.")]
    [InlineData("Token \u00ff\u00fe", "Invalid token header. Token string should not contain invalid characters.")]
    [InlineData("Token unknown", "Invalid token.")]
    [InlineData("TOKEN unknown", "Invalid token.")]
    [InlineData("Token\tunknown", "Invalid token.")]
    [InlineData("Token ' OR 1=1--", "Invalid token header. Token string should not contain spaces.")]
    [InlineData("Token '/**/OR/**/1=1--", "Invalid token.")]
    public async Task A_malformed_token_header_is_refused_in_DRFs_words(string header, string detail)
    {
        await Users.TokenAsync(await Users.CreateAsync("alice"));

        await Http.AskAsync("/token/", header).ShouldBeAsync(401, $$"""{"detail":"{{detail}}"}""");
    }

    [Theory]
    [InlineData("Basic", "Invalid basic header. No credentials provided.")]
    [InlineData("Basic a b", "Invalid basic header. Credentials string should not contain spaces.")]
    [InlineData("Basic a", "Invalid basic header. Credentials not correctly base64 encoded.")]
    [InlineData("Basic YWxpY2U=", "Invalid basic header. Credentials not correctly base64 encoded.")]
    [InlineData("Basic %%%", "Invalid basic header. Credentials not correctly base64 encoded.")]
    [InlineData("Basic Og==", "Invalid username/password.")]
    [InlineData("basic YWxpY2U6d3Jvbmc=", "Invalid username/password.")]
    public async Task A_malformed_Basic_header_is_refused_in_DRFs_words(string header, string detail)
    {
        await Users.CreateAsync("alice");

        await Http.AskAsync("/basic/", header).ShouldBeAsync(401, $$"""{"detail":"{{detail}}"}""");
    }

    [Theory]
    [InlineData("Bearer abc")]
    [InlineData("Tokens abc")]
    [InlineData("Token:abc")]
    [InlineData("")]
    [InlineData("\u00a0Token abc")]
    public async Task What_is_not_the_schemes_is_passed_on(string header)
    {
        await Http.AskAsync("/token/", header).ShouldBeAsync(200, """{"user":null,"scheme":null,"auth":null}""");
    }

    [Fact]
    public async Task A_second_header_cannot_hide_behind_a_first()
    {
        var token = await Users.TokenAsync(await Users.CreateAsync("alice"));

        var (answer, _) = await RawHttp.AskAsync(Server, $"GET /token/ HTTP/1.1\nHost: HOST\nAuthorization: Token {token}\nAuthorization: Token {token}\n\n");
        var (other, _) = await RawHttp.AskAsync(Server, $"GET /token/ HTTP/1.1\nHost: HOST\nAuthorization: Nothing\nAuthorization: Token {token}\n\n");

        Assert.Equal(401, answer.Status);
        Assert.Equal((200, """{"user":null,"scheme":null,"auth":null}"""), (other.Status, other.Body));
    }

    [Theory]
    [InlineData(41)]
    [InlineData(20_000)]
    public async Task A_token_longer_than_any_is_just_wrong(int length)
    {
        await Http.AskAsync("/token/", "Token " + new string('a', length)).ShouldBeAsync(401, """{"detail":"Invalid token."}""");
    }

    [Fact]
    public async Task A_token_with_a_NUL_in_it_is_refused_by_the_parser_or_by_us()
    {
        var token = await Users.TokenAsync(await Users.CreateAsync("alice"));

        var (answer, _) = await RawHttp.AskAsync(Server, $"GET /token/ HTTP/1.1\nHost: HOST\nAuthorization: Token {token}\0\n\n");

        Assert.Contains(answer.Status, new[] { 400, 401 });
    }

    [Fact]
    public async Task Basic_reads_UTF_8_and_falls_back_to_Latin_1()
    {
        await Users.CreateAsync("zoë", "pässwörd-of-zoë");

        var utf8 = await Http.AskAsync("/basic/", "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes("zoë:pässwörd-of-zoë")));
        var latin1 = await Http.AskAsync("/basic/", "Basic " + Convert.ToBase64String(Encoding.Latin1.GetBytes("zoë:pässwörd-of-zoë")));

        await utf8.ShouldBeAsync(200, """{"user":"zoë","scheme":"BasicAuthentication","auth":null}""");
        await latin1.ShouldBeAsync(200);
    }

    [Fact]
    public async Task A_password_may_hold_colons_blanks_and_be_64_characters_long()
    {
        var password = new string('x', 32) + ": with : colons and ünïcödé " + new string('y', 32);
        await Users.CreateAsync("alice", password);

        await Http.AskAsync("/basic/", Basic("alice", password)).ShouldBeAsync(200);
        await Http.AskAsync("/basic/", Basic("alice", password[..64])).ShouldBeAsync(401);
    }
}
