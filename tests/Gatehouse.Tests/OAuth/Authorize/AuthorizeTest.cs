using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using System.Web;
using Xunit;

namespace Gatehouse.Tests.OAuth.Authorize;

/// <summary>A server with clients, and alice logged in by browser.</summary>
public abstract partial class AuthorizeTest : GatehouseTest
{
    protected const string Callback = "https://client.example/cb";
    protected const string Verifier = "a-code-verifier-that-is-long-enough-0123456789-abcdefghij";

    protected static string Challenge { get; } = S256(Verifier);

    protected Browser Alice { get; private set; } = null!;

    protected long AliceId { get; private set; }

    protected override void Configure(GatehouseOptions options) => options.OAuth.PkceRequiredFor = id => !id.StartsWith("nopkce", StringComparison.Ordinal);

    protected override async Task StartAsync()
    {
        await base.StartAsync();
        AliceId = (await Users.CreateAsync("alice")).Id.Number;
        Alice = await NewBrowser().LogInAsync("alice");
    }

    protected static string SecretOf(string client) => $"secret-of-{client}";

    /// <summary>A row of an application; it is confidential, and its secret is <see cref="SecretOf"/>.</summary>
    protected void Client(
        string id, string redirectUris = Callback, string grantType = "authorization-code", string type = "confidential", bool skips = false, string name = "",
        string source = "manual", string origins = "", string algorithm = "")
    {
        Secrets.Add(SecretOf(id));
        Database.Execute(ClientRow(id, redirectUris, grantType, type, skips, name, source, origins, algorithm));
    }

    internal static string ClientRow(
        string id, string redirectUris = Callback, string grantType = "authorization-code", string type = "confidential", bool skips = false, string name = "",
        string source = "manual", string origins = "", string algorithm = "") =>
        $"""
        INSERT INTO oauth2_provider_application (client_id, client_secret, hash_client_secret, client_type, authorization_grant_type, name, redirect_uris,
            post_logout_redirect_uris, allowed_origins, skip_authorization, algorithm, registration_source, created, updated)
        VALUES ('{id}', '{SecretOf(id)}', FALSE, '{type}', '{grantType}', '{name.Replace("'", "''", StringComparison.Ordinal)}', '{redirectUris}', '', '{origins}', {(skips ? "TRUE" : "FALSE")},
            '{algorithm}', '{source}', '2026-01-01 00:00:00', '2026-01-01 00:00:00')
        """;

    /// <summary>An authorization request for a code, with PKCE; a value of null leaves a parameter out.</summary>
    protected static string Url(string client, params (string Name, string? Value)[] changes)
    {
        var parameters = new Dictionary<string, string?>
        {
            ["response_type"] = "code",
            ["client_id"] = client,
            ["redirect_uri"] = Callback,
            ["state"] = "st-1",
            ["code_challenge"] = Challenge,
            ["code_challenge_method"] = "S256",
        };
        foreach (var (name, value) in changes) parameters[name] = value;
        return "/o/authorize/?" + string.Join('&', parameters.Where(one => one.Value is not null).Select(one => $"{one.Key}={Uri.EscapeDataString(one.Value!)}"));
    }

    /// <summary>The fields of the form in a page.</summary>
    protected static Dictionary<string, string> FieldsOf(string page) =>
        HiddenField().Matches(page).ToDictionary(match => match.Groups[1].Value, match => HttpUtility.HtmlDecode(match.Groups[2].Value));

    protected Task<HttpResponseMessage> PostAsync(string path, IEnumerable<KeyValuePair<string, string>> fields, Browser? browser = null) =>
        (browser ?? Alice).SendAsync(HttpMethod.Post, path, new FormUrlEncodedContent(fields), csrf: false);

    /// <summary>Opens the page and says yes.</summary>
    protected async Task<HttpResponseMessage> AllowAsync(string url, Browser? browser = null)
    {
        var page = await (browser ?? Alice).GetAsync(url);
        await page.ShouldBeAsync(200);
        return await PostAsync(url, FieldsOf(await page.TextAsync()).Append(new("allow", "Authorize")), browser);
    }

    /// <summary>What came back to the client, of the query or of the fragment.</summary>
    protected Dictionary<string, string> Returned(HttpResponseMessage response, string callback = Callback, char separator = '?')
    {
        Assert.Equal(302, (int)response.StatusCode);
        var location = response.Header("Location")!;
        Assert.StartsWith(callback + separator, location, StringComparison.Ordinal);
        var pairs = HttpUtility.ParseQueryString(location[(callback.Length + 1)..]);
        foreach (var secret in new[] { "code", "access_token" }) Secrets.Add(pairs[secret]);
        return pairs.AllKeys.ToDictionary(name => name!, name => pairs[name]!);
    }

    protected async Task<string> CodeAsync(string client, params (string Name, string? Value)[] changes) =>
        Returned(await AllowAsync(Url(client, changes)), changes.FirstOrDefault(one => one.Name == "redirect_uri").Value ?? Callback)["code"];

    protected Task<HttpResponseMessage> ExchangeAsync(string client, string code, params (string Name, string? Value)[] changes) =>
        TokenAsync(client, "authorization_code", [("code", code), ("redirect_uri", Callback), ("code_verifier", Verifier), .. changes]);

    protected async Task<HttpResponseMessage> TokenAsync(string client, string grantType, (string Name, string? Value)[] changes, params (string Name, string Value)[] headers)
    {
        var fields = new Dictionary<string, string?> { ["grant_type"] = grantType, ["client_id"] = client, ["client_secret"] = SecretOf(client) };
        foreach (var (name, value) in changes) fields[name] = value;
        var answer = await Http.AskAsync(
            "/o/token/", "POST", new FormUrlEncodedContent(fields.Where(one => one.Value is not null).Select(one => KeyValuePair.Create(one.Key, one.Value!))), headers);
        if ((int)answer.StatusCode == 200)
        {
            Secrets.Add((string?)(await answer.JsonAsync())["access_token"]);
            Secrets.Add((string?)(await answer.JsonAsync())["refresh_token"]);
        }
        return answer;
    }

    protected static async Task<JsonNode> TokensAsync(Task<HttpResponseMessage> exchange)
    {
        var answer = await exchange;
        await answer.ShouldBeAsync(200);
        return await answer.JsonAsync();
    }

    protected static string S256(string text) => Base64Url.EncodeToString(SHA256.HashData(Encoding.UTF8.GetBytes(text)));

    protected int Count(string table) => int.Parse(Database.Rows($"SELECT count(*) || '' FROM {table}").Single());

    protected static async Task ShouldBeErrorPageAsync(HttpResponseMessage response, string description, string code = "invalid_request")
    {
        await response.ShouldBeAsync(400);
        Assert.Null(response.Header("Location"));
        Assert.Contains($"<h2>Error: {code}</h2>\n<p>{description}</p>", await response.TextAsync(), StringComparison.Ordinal);
    }

    [GeneratedRegex("""<input type="hidden" name="([^"]+)"(?: value="([^"]*)")?>""")]
    private static partial Regex HiddenField();
}
