using System.Net.Http.Json;
using System.Text.RegularExpressions;

namespace Gatehouse.Tests;

/// <summary>A client that keeps cookies and sends the CSRF token of its cookie in the header, as a page's script would.</summary>
public sealed partial class Browser(HttpClient http)
{
    public Dictionary<string, string> Cookies { get; } = [];

    public string? SessionKey
    {
        get => Cookies.GetValueOrDefault("sessionid");
        set => Cookies["sessionid"] = value!;
    }

    public string? CsrfToken => Cookies.GetValueOrDefault("csrftoken");

    public Task<HttpResponseMessage> GetAsync(string path) => SendAsync(HttpMethod.Get, path);

    public Task<HttpResponseMessage> PostAsync(string path, object? json = null) =>
        SendAsync(HttpMethod.Post, path, json is null ? null : JsonContent.Create(json));

    public async Task<HttpResponseMessage> SendAsync(
        HttpMethod method, string path, HttpContent? content = null, bool csrf = true, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(method, path) { Content = content };
        if (Cookies.Count > 0) request.Headers.Add("Cookie", string.Join("; ", Cookies.Select(cookie => $"{cookie.Key}={cookie.Value}")));
        if (csrf && CsrfToken is { } token) request.Headers.Add("X-CSRFToken", token);
        foreach (var (name, value) in headers) request.Headers.TryAddWithoutValidation(name, value);

        var response = await http.SendAsync(request);
        foreach (var (name, value) in response.SetCookies())
        {
            if (value is "" or "\"\"") Cookies.Remove(name);
            else Cookies[name] = value;
        }
        return response;
    }

    /// <summary>By the API; the session's key and the CSRF cookie are in the jar then.</summary>
    public async Task<Browser> LogInAsync(string username, string? password = null)
    {
        var response = await PostAsync("/api/accounts/login/", new { username, password = password ?? TestUsers.PasswordOf(username) });
        await response.ShouldBeAsync(200, """{"message":"Login successful"}""");
        return this;
    }

    /// <summary>Opens a page with a form and sends it with these fields and its own hidden ones.</summary>
    public async Task<HttpResponseMessage> SubmitAsync(string path, params (string Name, string Value)[] fields)
    {
        var page = await (await GetAsync(path)).Content.ReadAsStringAsync();
        var form = new Dictionary<string, string>();
        // A page may have several forms: a name that all of them have counts once.
        foreach (System.Text.RegularExpressions.Match match in HiddenFields().Matches(page)) form[match.Groups[1].Value] = System.Net.WebUtility.HtmlDecode(match.Groups[2].Value);
        foreach (var (name, value) in fields) form[name] = value;
        return await SendAsync(HttpMethod.Post, path, new FormUrlEncodedContent(form), csrf: false);
    }

    [GeneratedRegex("""<input type="hidden" name="([^"]+)" value="([^"]*)">""")]
    private static partial Regex HiddenFields();
}
