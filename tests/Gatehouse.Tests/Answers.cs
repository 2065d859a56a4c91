using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;
using Xunit;

namespace Gatehouse.Tests;

/// <summary>Asking, and looking at what came back.</summary>
public static class Answers
{
    /// <summary>Status, and the JSON body when one is given.</summary>
    public static async Task ShouldBeAsync(this HttpResponseMessage response, int status, string? json = null)
    {
        var body = await response.Content.ReadAsStringAsync();
        Assert.True((int)response.StatusCode == status, $"{status} was expected, {(int)response.StatusCode} came: {Short(body)}");
        if (json is null) return;
        Assert.Equal("application/json", response.Content.Headers.ContentType?.ToString());
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse(json), JsonNode.Parse(body)), $"Expected {json}\nbut got  {Short(body)}");
    }

    public static async Task ShouldBeAsync(this Task<HttpResponseMessage> response, int status, string? json = null) =>
        await (await response).ShouldBeAsync(status, json);

    public static async Task<JsonNode> JsonAsync(this HttpResponseMessage response) => JsonNode.Parse(await response.Content.ReadAsStringAsync())!;

    public static async Task<string> TextAsync(this HttpResponseMessage response) => await response.Content.ReadAsStringAsync();

    /// <summary>A response header, or null; several of one name joined.</summary>
    public static string? Header(this HttpResponseMessage response, string name) =>
        response.Headers.TryGetValues(name, out var values) || response.Content.Headers.TryGetValues(name, out values) ? string.Join(", ", values) : null;

    public static IEnumerable<(string Name, string Value)> SetCookies(this HttpResponseMessage response) =>
        response.Headers.TryGetValues("Set-Cookie", out var headers)
            ? headers.Select(header => header.Split(';')[0].Split('=', 2)).Select(parts => (parts[0], parts[1]))
            : [];

    /// <summary>The whole <c>Set-Cookie</c> of one cookie, or null.</summary>
    public static string? SetCookie(this HttpResponseMessage response, string name) =>
        response.Headers.TryGetValues("Set-Cookie", out var headers) ? headers.SingleOrDefault(header => header.StartsWith(name + "=", StringComparison.Ordinal)) : null;

    /// <summary>GET, or another method, with an <c>Authorization</c> header as it is.</summary>
    public static Task<HttpResponseMessage> AskAsync(this HttpClient http, string path, string? authorization = null, string method = "GET", object? json = null) =>
        http.AskAsync(path, method, json is null ? null : JsonContent.Create(json), authorization is null ? [] : [("Authorization", authorization)]);

    public static async Task<HttpResponseMessage> AskAsync(
        this HttpClient http, string path, string method, HttpContent? content, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path) { Content = content };
        foreach (var (name, value) in headers) request.Headers.TryAddWithoutValidation(name, value);
        return await http.SendAsync(request);
    }

    /// <summary>POST of a text with any content type.</summary>
    public static Task<HttpResponseMessage> PostTextAsync(this HttpClient http, string path, string text, string contentType = "application/json") =>
        http.PostBytesAsync(path, Encoding.UTF8.GetBytes(text), contentType);

    public static Task<HttpResponseMessage> PostBytesAsync(this HttpClient http, string path, byte[] body, string contentType = "application/json")
    {
        var content = new ByteArrayContent(body);
        content.Headers.TryAddWithoutValidation("Content-Type", contentType);
        return http.PostAsync(path, content);
    }

    public static string Basic(string username, string? password = null) =>
        "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes($"{username}:{password ?? TestUsers.PasswordOf(username)}"));

    private static string Short(string text) => text.Length > 500 ? text[..500] + "…" : text;
}
