using System.Net.Http.Headers;
using System.Text;
using Gatehouse.Users;
using Xunit;

namespace Gatehouse.Tests.OAuth;

/// <summary>Clients, tokens and devices, written past the server.</summary>
public abstract class OAuthPagesTest : GatehouseTest
{
    private const string DeviceGrant = "urn:ietf:params:oauth:grant-type:device_code";

    /// <returns>The key of the new client.</returns>
    protected long AddClient(string id, string type = "public", string grant = DeviceGrant, string secret = "", User? owner = null) => long.Parse(One(
        $"""
        INSERT INTO oauth2_provider_application
            (client_id, client_secret, hash_client_secret, client_type, authorization_grant_type, name, redirect_uris, post_logout_redirect_uris, allowed_origins,
            algorithm, skip_authorization, registration_source, user_id, created, updated)
        VALUES ('{id}', '{secret}', TRUE, '{type}', '{grant}', 'The {id}', '', '', '', '', FALSE, 'manual', {owner?.Id.ToString() ?? "NULL"}, '2026-01-01', '2026-01-01')
        RETURNING id
        """));

    /// <returns>The key of the new access token.</returns>
    protected long AddAccessToken(long client, User? user, string token, DateTimeOffset? expires = null, string scope = "read") => long.Parse(One(
        $"""
        INSERT INTO oauth2_provider_accesstoken (token, token_checksum, expires, scope, application_id, user_id, created, updated, resource)
        VALUES ('{token}', '{Checksum(token)}', '{Time(expires ?? Clock.Now.AddHours(1))}', '{scope}', {client}, {user?.Id.ToString() ?? "NULL"}, '2026-01-01', '2026-01-01', '[]')
        RETURNING id
        """));

    /// <returns>The key of the new refresh token.</returns>
    protected long AddRefreshToken(long client, User user, string token, long? access, DateTimeOffset? revoked = null) => long.Parse(One(
        $"""
        INSERT INTO oauth2_provider_refreshtoken (token, token_checksum, access_token_id, application_id, user_id, created, updated, revoked, token_family, resource)
        VALUES ('{token}', '{Checksum(token)}', {access?.ToString() ?? "NULL"}, {client}, {user.Id}, '2026-01-01', '2026-01-01',
            {(revoked is { } time ? $"'{Time(time)}'" : "NULL")}, '{Guid.NewGuid():N}', '[]')
        RETURNING id
        """));

    protected Task<HttpResponseMessage> TokenAsync(HttpClient? http = null, params (string Name, string Value)[] form) => PostFormAsync("/o/token/", http, form);

    protected Task<HttpResponseMessage> PollAsync(string device, string client = "tv", HttpClient? http = null) =>
        TokenAsync(http, ("grant_type", DeviceGrant), ("device_code", device), ("client_id", client));

    protected async Task<HttpResponseMessage> PostFormAsync(string path, HttpClient? http = null, params (string Name, string Value)[] form)
    {
        using var content = new FormUrlEncodedContent(form.Select(field => KeyValuePair.Create(field.Name, field.Value)));
        return await (http ?? Http).PostAsync(path, content, Ct);
    }

    /// <summary>A device asks for its codes.</summary>
    protected async Task<(string Device, string User)> NewDeviceAsync(string client = "tv", string? scope = null)
    {
        var answer = await PostFormAsync("/o/device-authorization/", null, [("client_id", client), .. scope is null ? [] : new[] { ("scope", scope) }]);
        await answer.ShouldBeAsync(200);
        var json = await answer.JsonAsync();
        return ((string)json["device_code"]!, (string)json["user_code"]!);
    }

    /// <summary>Types the code and decides.</summary>
    protected static async Task DecideAsync(Browser browser, string userCode, string action = "accept")
    {
        var entered = await browser.SubmitAsync("/o/device/", ("user_code", userCode));
        await entered.ShouldBeAsync(302);
        await browser.SubmitAsync(entered.Header("Location")!, ("action", action)).ShouldBeAsync(302);
    }

    protected static async Task ErrorAsync(Task<HttpResponseMessage> answer, int status, string code)
    {
        var response = await answer;
        await response.ShouldBeAsync(status);
        Assert.Equal(code, (string?)(await response.JsonAsync())["error"]);
    }

    protected string One(string sql) => Assert.Single(Database.Rows(sql));

    protected static string Time(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss.ffffff", System.Globalization.CultureInfo.InvariantCulture);

    protected static StringContent Form(string body) => new(body, Encoding.ASCII, MediaTypeHeaderValue.Parse("application/x-www-form-urlencoded"));

    private static string Checksum(string token) => Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(Encoding.UTF8.GetBytes(token)));
}
