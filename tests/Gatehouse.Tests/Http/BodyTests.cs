using System.Net.Http.Json;
using Gatehouse.Permissions;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Xunit;

namespace Gatehouse.Tests.Http;

/// <summary>Endpoints of minimal APIs and the bodies that Gatehouse reads before them.</summary>
public sealed class BodyTests : GatehouseTest
{
    protected override void Map(WebApplication app)
    {
        app.MapPost("/json", (Note note) => note.Text).RequirePermission(new IsAuthenticated());
        app.MapPost("/form", ([FromForm] string text) => text).RequirePermission(new IsAuthenticated()).DisableAntiforgery();
        app.MapPost("/raw", async (HttpRequest request) => await new StreamReader(request.Body).ReadToEndAsync()).RequirePermission(new IsAuthenticated());
    }

    [Fact]
    public async Task A_body_that_the_CSRF_check_has_read_is_there_for_the_endpoint()
    {
        await Users.CreateAsync("alice");
        var browser = await NewBrowser().LogInAsync("alice");
        using var form = new FormUrlEncodedContent([new("csrfmiddlewaretoken", browser.CsrfToken), new("text", "Buy milk")]);

        Assert.Equal("Buy milk", await (await browser.PostAsync("/json", new Note("Buy milk"))).TextAsync());
        Assert.Equal("Buy milk", await (await browser.SendAsync(HttpMethod.Post, "/form", form, csrf: false)).TextAsync());
        Assert.Equal("""{"text":"Buy milk"}""", await (await browser.SendAsync(HttpMethod.Post, "/raw", JsonContent.Create(new Note("Buy milk")))).TextAsync());
    }

    private sealed record Note(string Text);
}
