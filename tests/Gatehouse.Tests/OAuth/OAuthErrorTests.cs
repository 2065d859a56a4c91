using System.Text.Json;
using Xunit;

namespace Gatehouse.Tests.OAuth;

/// <summary>A stranger may let somebody's browser send any form here: what is echoed must not become a page with a script.</summary>
public sealed class OAuthErrorTests : OAuthPagesTest
{
    private const string Script = "<script>alert(1)</script>&";

    protected override Task StartAsync() => Task.CompletedTask;

    [Fact]
    public async Task An_error_that_echoes_a_state_is_JSON()
    {
        var server = await StartServerAsync();

        var response = await PostFormAsync("/o/token/?a=b", server.Http, ("grant_type", "password"), ("state", Script));

        await response.ShouldBeAsync(400, $$"""{"error":"invalid_request","error_description":"URL query parameters are not allowed","state":"{{Script}}"}""");
        Assert.Equal("no-store", response.Header("Cache-Control"));
    }

    [Fact]
    public async Task An_error_that_echoes_a_resource_is_JSON()
    {
        var server = await StartServerAsync();
        AddClient("machine", "confidential", "client-credentials", TestUsers.Encode("the-secret-of-machine"));

        var response = await PostFormAsync(
            "/o/token/", server.Http, ("grant_type", "client_credentials"), ("client_id", "machine"), ("client_secret", "the-secret-of-machine"), ("resource", Script));

        await response.ShouldBeAsync(400);
        Assert.Equal("application/json", response.Content.Headers.ContentType?.ToString());
        Assert.Equal("invalid_target", (await response.JsonAsync())["error"]!.GetValue<string>());
    }

    [Fact]
    public async Task Under_the_profile_Django_it_is_HTML_by_name_but_without_a_tag()
    {
        var server = await StartServerAsync(options => options.Profile = Profile.Django);

        var response = await PostFormAsync("/o/token/?a=b", server.Http, ("grant_type", "password"), ("state", Script));

        Assert.Equal("text/html; charset=utf-8", response.Content.Headers.ContentType?.ToString());
        var text = await response.TextAsync();
        Assert.DoesNotContain('<', text);
        Assert.DoesNotContain('&', text);
        Assert.Equal(Script, JsonDocument.Parse(text).RootElement.GetProperty("state").GetString());
    }
}
