using Gatehouse.Http;
using Gatehouse.Permissions;
using Gatehouse.Tests.Database;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Playwright;
using Xunit;

namespace Gatehouse.Tests.Pages;

/// <summary>The browsable API in a real browser: all that needs no script without it, the rest with it.</summary>
public sealed class ViewPagesTests(Chromium chromium) : GatehouseTest, IClassFixture<Chromium>
{
    private static readonly string Screenshots = Path.Combine(DatabaseFile.Root, "artifacts", "screenshots");
    private static readonly string Axe = Path.Combine(DatabaseFile.Root, "tests", "Clients", "node_modules", "axe-core", "axe.min.js");

    private readonly Chromium chromium = chromium;
    private readonly List<string> complaints = [];

    protected override void Map(WebApplication app) => app.MapView("/notes/{id}/", "One note", view => view
        .Get(http => Answer(new { id = http.Request.RouteValues["id"], text = "Buy milk" }))
        .Put(async http => ApiJson.Ok(new { changed = (await RequestData.ReadAsync(http)).Json }))
        .Delete(_ => Task.FromResult<IResult>(ApiJson.Empty(204)))
        .Description = "A note of yours.").RequirePermission(new IsAuthenticated());

    private static Task<IResult> Answer(object value) => Task.FromResult<IResult>(ApiJson.Ok(value));

    [Theory]
    [InlineData("desktop", 1280, 800, ColorScheme.Light)]
    [InlineData("phone-dark", 360, 740, ColorScheme.Dark)]
    public async Task A_person_clicks_through_the_API(string screen, int width, int height, ColorScheme colors)
    {
        await using var context = await chromium.NewContextAsync(new BrowserNewContextOptions
        {
            BaseURL = Server.Address.ToString(),
            ViewportSize = new ViewportSize { Width = width, Height = height },
            ColorScheme = colors,
        });
        context.SetDefaultTimeout(30_000);
        var page = await context.NewPageAsync();
        page.Console += (_, message) =>
        {
            // A status is no fault of the page, and the icon is what browsers ask for by themselves.
            if (message.Type is "error" or "warning" && !message.Location.Contains("favicon", StringComparison.Ordinal) && !message.Text.StartsWith("Failed to load resource", StringComparison.Ordinal)) complaints.Add(message.Text);
        };
        page.PageError += (_, error) => complaints.Add(error);

        // A mistake, and then an account, by the form of fields.
        await page.GotoAsync("/api/accounts/register/");
        await LookAsync(page, screen, "api-register");
        await page.GetByLabel("Username").FillAsync("no spaces");
        await page.GetByLabel("Password").FillAsync("correct-horse-battery");
        await PressAsync(page, ".fields button");
        await Assertions.Expect(page.Locator("#id_username_error")).ToContainTextAsync("Enter a valid username.");
        await LookAsync(page, screen, "api-register-refused");
        await page.GetByLabel("Username").FillAsync("alice");
        await page.GetByLabel("Password").FillAsync("correct-horse-battery");
        await PressAsync(page, ".fields button");
        await Assertions.Expect(page.Locator("section pre")).ToContainTextAsync("HTTP 201 Created");

        // Log in from a page that wants it, and come back to it.
        await page.GotoAsync("/notes/7/");
        await Assertions.Expect(page.Locator("section pre")).ToContainTextAsync("HTTP 401 Unauthorized");
        await LookAsync(page, screen, "api-refused");
        await page.GetByRole(AriaRole.Link, new PageGetByRoleOptions { Name = "Log in" }).ClickAsync();
        await page.GetByLabel("Username").FillAsync("alice");
        await page.GetByLabel("Password").FillAsync("correct-horse-battery");
        await page.GetByRole(AriaRole.Button, new PageGetByRoleOptions { Name = "Log in" }).ClickAsync();
        await Assertions.Expect(page.Locator("section pre")).ToContainTextAsync("Buy milk");
        await LookAsync(page, screen, "api-view");

        // What only script can send.
        await page.Locator("#id_put_raw").FillAsync("""{"text": "Buy bread"}""");
        await PressAsync(page, "form[data-method=PUT] button");
        await Assertions.Expect(page.Locator("section pre")).ToContainTextAsync("Buy bread");
        await PressAsync(page, "form[data-method=DELETE] button");
        await Assertions.Expect(page.Locator("section pre")).ToContainTextAsync("HTTP 204 No Content");
        await LookAsync(page, screen, "api-deleted");

        await page.GetByRole(AriaRole.Button, new PageGetByRoleOptions { Name = "Log out" }).ClickAsync();
        await Assertions.Expect(page.Locator("section pre")).ToContainTextAsync("HTTP 401 Unauthorized");
        Assert.Empty(complaints);
    }

    private static Task PressAsync(IPage page, string button) => page.Locator(button).ClickAsync();

    private static async Task LookAsync(IPage page, string screen, string name)
    {
        Directory.CreateDirectory(Screenshots);
        await page.ScreenshotAsync(new PageScreenshotOptions { Path = Path.Combine(Screenshots, $"{name}-{screen}.png"), FullPage = true });
        var (wide, room) = (await page.EvaluateAsync<int>("document.documentElement.scrollWidth"), await page.EvaluateAsync<int>("document.documentElement.clientWidth"));
        Assert.True(wide <= room, $"{name}: {wide} pixels wide on a screen of {room}.");
        if (!File.Exists(Axe)) Assert.Skip("axe-core of tests/Clients is not installed: run npm ci there.");
        await page.EvaluateAsync(await File.ReadAllTextAsync(Axe, Ct));
        var found = await page.EvaluateAsync<string>("axe.run().then(found => JSON.stringify(found.violations.map(v => [v.id, v.help, v.nodes.map(n => n.html)])))").WaitAsync(TimeSpan.FromMinutes(1), Ct);
        Assert.Equal("[]", found);
    }
}
