using System.Text.Json;
using System.Text.RegularExpressions;
using Gatehouse.Tests.Database;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Playwright;
using Xunit;

namespace Gatehouse.Tests.Pages;

/// <summary>
/// A test of pages in a real browser, without script unless it is about that, on a screen of one of <see cref="Screens"/>. Screenshots go to artifacts/screenshots.
/// Every page must fit its screen, pass axe and make the browser complain of nothing.
/// </summary>
public abstract partial class PagesTest(Chromium chromium) : GatehouseTest, IClassFixture<Chromium>
{
    private static readonly string Folder = Path.Combine(DatabaseFile.Root, "artifacts", "screenshots");
    private static readonly string Axe = Path.Combine(DatabaseFile.Root, "tests", "Clients", "node_modules", "axe-core", "axe.min.js");

    private readonly List<string> complaints = [];
    private WebApplication? client;
    private IBrowserContext? context;
    private IBrowserContext? critic;
    private IPage? copy;
    private string screen = "";

    public static TheoryData<string> Screens => ["desktop", "phone-dark"];

    /// <summary>Where the tests' client waits for people to come back, on another origin.</summary>
    protected string Callback { get; private set; } = "";

    /// <summary>A callback that leads on to <see cref="Elsewhere"/>.</summary>
    protected string Onward => Callback.Replace("/callback", "/onward", StringComparison.Ordinal);

    /// <summary>The client under another name, a third origin.</summary>
    protected string Elsewhere => Callback.Replace("photos.example", "albums.example", StringComparison.Ordinal);

    // Cookies and tokens live by the browser's clock.
    protected override void AddServices(IServiceCollection services) => services.AddSingleton(TimeProvider.System);

    protected override async Task StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        client = builder.Build();
        client.MapGet("/callback", (HttpContext http) => Results.Content($"<!doctype html><title>Photo album</title><h1>Back</h1><pre>{Encode(http.Request.QueryString.Value!)}</pre>", "text/html"));
        client.MapGet("/onward", (HttpContext http) => Results.Redirect($"{Elsewhere}{http.Request.QueryString}"));
        client.MapGet("/frame", (HttpContext http) => Results.Content(
            $"<!doctype html><title>Somebody's page</title><h1>Framed</h1><iframe src=\"{Encode(Uri.UnescapeDataString(http.Request.QueryString.Value![1..]))}\"></iframe>", "text/html"));
        client.MapGet("/bye", () => Results.Content("<!doctype html><title>Photo album</title><h1>Bye</h1>", "text/html"));
        await client.StartAsync(Ct);
        Callback = $"http://photos.example:{new Uri(client.Urls.Single()).Port}/callback";
        await base.StartAsync();

        static string Encode(string text) => System.Net.WebUtility.HtmlEncode(text);
    }

    public override async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        await CloseAsync();
        if (client is not null) await client.DisposeAsync();
        await base.DisposeAsync();
    }

    /// <summary>An empty page in the browser of somebody new.</summary>
    /// <param name="screen">One of <see cref="Screens"/>.</param>
    /// <param name="script">Whether script runs.</param>
    /// <param name="host">By which name the server is asked; null: its address.</param>
    protected async Task<IPage> NewPageAsync(string screen, bool script = false, string? host = null)
    {
        var address = host is null ? Server.Address.ToString() : new UriBuilder(Server.Address) { Host = host }.Uri.ToString();
        this.screen = screen;
        await CloseAsync();
        context = await chromium.NewContextAsync(Options(address, screen, script));
        critic = await chromium.NewContextAsync(Options(address, screen, script: true));
        context.SetDefaultTimeout(30_000);
        var page = await context.NewPageAsync();
        page.Console += (_, message) =>
        {
            // The icon is what browsers ask for by themselves.
            if (message.Type is "error" or "warning" && !message.Location.Contains("favicon", StringComparison.Ordinal)) complaints.Add($"{page.Url}: {message.Text}");
        };
        return page;
    }

    /// <summary>Takes a picture, and looks at the page as a critic would.</summary>
    /// <param name="page">What is shown.</param>
    /// <param name="name">Of the picture.</param>
    /// <param name="complaint">What the browser may complain of: the status of an error page.</param>
    protected async Task LookAsync(IPage page, string name, string? complaint = null)
    {
        Directory.CreateDirectory(Folder);
        await page.ScreenshotAsync(new PageScreenshotOptions { Path = Path.Combine(Folder, $"{name}-{screen}.png"), FullPage = true });
        Assert.DoesNotContain(complaints, told => complaint is null || !told.Contains(complaint, StringComparison.Ordinal));
        Assert.Equal("en", await page.Locator("html").GetAttributeAsync("lang"));
        Assert.NotEqual(0, await page.Locator("h1, h2").CountAsync());
        // All of it works without script, so what there is may only improve; and none is in the page itself.
        Assert.Equal(0, await page.Locator("script:not([src]), [onclick]").CountAsync());
        var html = await page.ContentAsync();
        Assert.True(html.Length < 50_000, $"{name}: {html.Length} characters.");

        // Measuring takes script, so it happens on a copy. All in one window: a new one is most of the work.
        var copy = this.copy ??= await critic!.NewPageAsync();
        await copy.RouteAsync("**/what-the-critic-sees", route => route.FulfillAsync(new RouteFulfillOptions { ContentType = "text/html; charset=utf-8", Body = html }), new PageRouteOptions { Times = 1 });
        await copy.GotoAsync("/what-the-critic-sees");
        var (width, room) = (await copy.EvaluateAsync<int>("document.documentElement.scrollWidth"), await copy.EvaluateAsync<int>("document.documentElement.clientWidth"));
        Assert.True(width <= room, $"{name}: {width} pixels wide on a screen of {room}.");
        await PassesAxeAsync(copy, name);
    }

    private static BrowserNewContextOptions Options(string baseUrl, string screen, bool script)
    {
        var phone = screen.StartsWith("phone", StringComparison.Ordinal);
        return new BrowserNewContextOptions
        {
            BaseURL = baseUrl,
            JavaScriptEnabled = script,
            ViewportSize = phone ? new ViewportSize { Width = 360, Height = 740 } : new ViewportSize { Width = 1280, Height = 800 },
            IsMobile = phone,
            DeviceScaleFactor = phone ? 2 : 1,
            ColorScheme = screen.EndsWith("dark", StringComparison.Ordinal) ? ColorScheme.Dark : ColorScheme.Light,
        };
    }

    private async Task CloseAsync()
    {
        if (context is not null) await context.DisposeAsync();
        if (critic is not null) await critic.DisposeAsync();
        copy = null;
    }

    protected static async Task LogInAsync(IPage page, string username)
    {
        await page.GetByLabel("Username").FillAsync(username);
        await page.GetByLabel("Password").FillAsync(TestUsers.PasswordOf(username));
        await PressAsync(page, "Log in");
    }

    protected static Task PressAsync(IPage page, string button) =>
        page.GetByRole(AriaRole.Button, new PageGetByRoleOptions { Name = button, Exact = true }).ClickAsync();

    private static async Task PassesAxeAsync(IPage page, string name)
    {
        if (!File.Exists(Axe)) Assert.Skip("axe-core of tests/Clients is not installed: run npm ci there.");
        await page.EvaluateAsync(await File.ReadAllTextAsync(Axe, Ct));
        var found = await page.EvaluateAsync<string>("axe.run().then(found => JSON.stringify(found.violations.map(v => [v.id, v.help, v.nodes.map(n => n.html)])))").WaitAsync(TimeSpan.FromMinutes(1), Ct);
        using var violations = JsonDocument.Parse(found!);
        Assert.True(violations.RootElement.GetArrayLength() == 0, $"{name}: {WhiteSpace().Replace(found!, " ")}");
    }

    [GeneratedRegex(@"\\n\s*|\s+")]
    private static partial Regex WhiteSpace();
}
