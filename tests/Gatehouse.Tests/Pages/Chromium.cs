using Microsoft.Playwright;
using Xunit;

namespace Gatehouse.Tests.Pages;

/// <summary>Debian's Chromium, started once for the tests of a class. Playwright's own browsers are never downloaded.</summary>
public sealed class Chromium : IAsyncLifetime
{
    private static readonly string[] Places = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

    private IPlaywright? playwright;
    private IBrowser? browser;

    public async ValueTask InitializeAsync()
    {
        if (Places.FirstOrDefault(File.Exists) is not { } program) return;
        playwright = await Playwright.CreateAsync();
        browser = await playwright.Chromium.LaunchAsync(new BrowserTypeLaunchOptions
        {
            ExecutablePath = program,
            // As root, which CI may be, there is no sandbox. The two hosts are the client of the tests: their names resolve nowhere else.
            Args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--host-resolver-rules=MAP photos.example 127.0.0.1, MAP albums.example 127.0.0.1"],
        });
    }

    /// <summary>A browser of somebody new: no cookies. Skips the test when there is no Chromium.</summary>
    public async Task<IBrowserContext> NewContextAsync(BrowserNewContextOptions options)
    {
        if (browser is null) Assert.Skip($"Chromium is at none of {string.Join(", ", Places)}. On Debian: apt-get install chromium");
        return await browser.NewContextAsync(options);
    }

    public async ValueTask DisposeAsync()
    {
        if (browser is not null) await browser.DisposeAsync();
        playwright?.Dispose();
    }
}
