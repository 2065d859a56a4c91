using System.Buffers.Text;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Gatehouse.Jwt;
using Gatehouse.Users;
using Microsoft.AspNetCore.Builder;
using Xunit;

namespace Gatehouse.Tests.Jwt;

/// <summary>A server with JWT endpoints, and tokens made past it.</summary>
public abstract class JwtTest : GatehouseTest
{
    protected const string Blacklisted = """{"detail":"Token is blacklisted","code":"token_not_valid"}""";

    /// <summary>How often a race is run: <c>GATEHOUSE_TEST_ROUNDS</c>, or as often as <c>./test</c> has time for.</summary>
    internal static int RoundsOr(int few) => int.TryParse(Environment.GetEnvironmentVariable("GATEHOUSE_TEST_ROUNDS"), out var rounds) ? rounds : few;

    protected override void Map(WebApplication app)
    {
        app.MapWho("/jwt/").WithSchemes(typeof(JWTAuthentication)).RequirePermission(new Gatehouse.Permissions.IsAuthenticated());
        app.MapView("/stateless/", "Stateless", view => view.Get(http =>
        {
            var caller = Gatehouse.Authentication.IdentityExtensions.GetIdentity(http).TokenUser!;
            return Task.FromResult<Microsoft.AspNetCore.Http.IResult>(Gatehouse.Http.ApiJson.Ok(new { id = caller.Id, username = caller.Username, is_staff = caller.IsStaff }));
        })).WithSchemes(typeof(JWTStatelessUserAuthentication)).RequirePermission(new Gatehouse.Permissions.IsAuthenticated());
    }

    protected long Second => Clock.Now.ToUnixTimeSeconds();

    protected JsonObject Access(User user) => new()
    {
        ["token_type"] = "access",
        ["exp"] = Second + 300,
        ["iat"] = Second,
        ["jti"] = Guid.NewGuid().ToString("N"),
        ["user_id"] = user.Id.ToString(),
    };

    protected JsonObject Refresh(User user)
    {
        var claims = Access(user);
        claims["token_type"] = "refresh";
        return claims;
    }

    protected static string Sign(JsonNode claims, string? header = null, string? key = null) => Sign(claims.ToJsonString(), header, key);

    protected static string Sign(string claims, string? header = null, string? key = null)
    {
        var signed = $"{Encode(header ?? """{"alg":"HS256","typ":"JWT"}""")}.{Encode(claims)}";
        return $"{signed}.{Base64Url.EncodeToString(HMACSHA256.HashData(Encoding.UTF8.GetBytes(key ?? SecretKey), Encoding.ASCII.GetBytes(signed)))}";
    }

    protected static string Encode(string text) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(text));

    protected static JsonElement ClaimsOf(string token) => JsonElement.Parse(Base64Url.DecodeFromChars(token.Split('.')[1]));

    protected async Task<(string Access, string Refresh)> ObtainAsync(string username, TestServer? server = null)
    {
        var answer = await (server ?? Server).Http.PostAsJsonAsync("/api/token/", new { username, password = TestUsers.PasswordOf(username) }, Ct);
        await answer.ShouldBeAsync(200);
        return await PairAsync(answer);
    }

    protected static async Task<(string Access, string Refresh)> PairAsync(HttpResponseMessage answer)
    {
        var json = await answer.JsonAsync();
        return ((string)json["access"]!, (string)json["refresh"]!);
    }

    protected Task<HttpResponseMessage> RefreshAsync(string refresh, TestServer? server = null) => PostAsync("/api/token/refresh/", new { refresh }, server);

    protected Task<HttpResponseMessage> PostAsync(string path, object body, TestServer? server = null) => (server ?? Server).Http.PostAsJsonAsync(path, body, Ct);

    protected async Task<int> StatusAsync(string token, string path = "/jwt/") => (int)(await Http.AskAsync(path, "Bearer " + token)).StatusCode;

    protected async Task IsRefusedAsync(string token)
    {
        var answer = await Http.AskAsync("/jwt/", "Bearer " + token);
        Assert.True((int)answer.StatusCode == 401, $"{(int)answer.StatusCode} for {token[..Math.Min(token.Length, 300)]}");
        Assert.Equal("Bearer realm=\"api\"", answer.Header("WWW-Authenticate"));
    }
}
