using System.IO.Compression;
using Gatehouse.Tests.Database;
using Microsoft.Playwright;
using Xunit;

namespace Gatehouse.Tests.Pages;

/// <summary>/docs in a real browser, with script, which it needs.</summary>
public sealed class DocsPageTests(Chromium chromium) : GatehouseTest, IClassFixture<Chromium>
{
    [Theory]
    [InlineData("swagger-ui-bundle.js")]
    [InlineData("swagger-ui.css")]
    public async Task What_is_served_is_the_locked_package_s(string file)
    {
        var package = Path.Combine(DatabaseFile.Root, "tests", "Clients", "node_modules", "swagger-ui-dist", file);
        if (!File.Exists(package)) Assert.Skip("swagger-ui-dist of tests/Clients is not installed: run npm ci there.");
        var zipped = await Http.AskAsync($"/docs/{file}", "GET", null, ("Accept-Encoding", "gzip, br"));

        await using var gzip = new GZipStream(await zipped.Content.ReadAsStreamAsync(Ct), CompressionMode.Decompress);
        using var unzipped = new MemoryStream();
        await gzip.CopyToAsync(unzipped, Ct);
        var plain = await (await Http.GetAsync($"/docs/{file}", Ct)).Content.ReadAsByteArrayAsync(Ct);

        Assert.Equal("gzip", zipped.Header("Content-Encoding"));
        Assert.Equal(await File.ReadAllBytesAsync(package, Ct), unzipped.ToArray());
        Assert.Equal(unzipped.ToArray(), plain);
    }

    [Fact]
    public async Task The_page_shows_the_API_asks_nobody_else_and_breaks_no_policy()
    {
        var (complaints, strangers) = (new List<string>(), new List<string>());
        await using var context = await chromium.NewContextAsync(new BrowserNewContextOptions { BaseURL = Server.Address.ToString(), ViewportSize = new ViewportSize { Width = 1280, Height = 800 } });
        context.SetDefaultTimeout(30_000);
        var page = await context.NewPageAsync();
        page.Console += (_, message) =>
        {
            if (message.Type is "error" or "warning" && !message.Location.Contains("favicon", StringComparison.Ordinal) && !message.Text.Contains("401", StringComparison.Ordinal)) complaints.Add(message.Text);
        };
        page.PageError += (_, error) => complaints.Add(error);
        page.Request += (_, request) =>
        {
            if (!request.Url.StartsWith(Server.Address.ToString(), StringComparison.Ordinal) && !request.Url.StartsWith("data:", StringComparison.Ordinal)) strangers.Add(request.Url);
        };

        await page.GotoAsync("/docs");
        await Assertions.Expect(page.Locator("#operations-Accounts-register")).ToBeVisibleAsync();
        var folder = Path.Combine(DatabaseFile.Root, "artifacts", "screenshots");
        Directory.CreateDirectory(folder);
        await page.ScreenshotAsync(new PageScreenshotOptions { Path = Path.Combine(folder, "docs-desktop.png") });
        await page.Locator("#operations-Accounts-profile .opblock-summary").ClickAsync();
        await page.GetByRole(AriaRole.Button, new PageGetByRoleOptions { Name = "Try it out" }).ClickAsync();
        await page.GetByRole(AriaRole.Button, new PageGetByRoleOptions { Name = "Execute", Exact = true }).ClickAsync();
        await Assertions.Expect(page.Locator("#operations-Accounts-profile .live-responses-table .response .response-col_status")).ToContainTextAsync("401");
        await page.ScreenshotAsync(new PageScreenshotOptions { Path = Path.Combine(folder, "docs-tried-desktop.png") });

        Assert.Empty(complaints);
        Assert.Empty(strangers);
    }
}
