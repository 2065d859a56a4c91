using Gatehouse.Authentication;
using Gatehouse.Http;
using Gatehouse.Permissions;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Xunit;
using static Gatehouse.Tests.Answers;

namespace Gatehouse.Tests.Views;

/// <summary>Applications that forgot the middleware, or put it where it sees no endpoint: what asked to be protected answers nobody.</summary>
public sealed class GuardTests : GatehouseTest
{
    private const string Content = "the content";

    private static readonly Dictionary<string, Action<WebApplication>> Pipelines = new()
    {
        ["without UseGatehouse"] = _ => { },
        ["UseGatehouse before UseRouting"] = app =>
        {
            app.UseGatehouse();
            app.UseRouting();
        },
        ["UseGatehouse in another branch"] = app => app.UseWhen(http => http.Request.Path == "/elsewhere/", branch => branch.UseGatehouse()),
        ["UseGatehouse after UseRouting"] = app =>
        {
            app.UseRouting();
            app.UseGatehouse();
        },
        ["UseGatehouse alone"] = app => app.UseGatehouse(),
    };

    public static readonly TheoryData<string, string> Wrong = new(
        from pipeline in Pipelines.Keys.Take(3)
        from path in new[] { "/permission/", "/view/", "/page/", "/schemes/", "/throttle/", "/group/inside/" }
        select (pipeline, path));

    // Each test starts an application of its own.
    protected override Task StartAsync() => Task.CompletedTask;

    [Theory]
    [MemberData(nameof(Wrong))]
    public async Task An_endpoint_that_asked_to_be_protected_answers_nobody_without_the_middleware(string pipeline, string path)
    {
        await Users.CreateAsync("alice");
        await using var app = await StartAsync(pipeline);
        using var http = new HttpClient { BaseAddress = new Uri(app.Urls.Single()) };

        foreach (var (method, authorization) in new[] { ("GET", null), ("GET", Basic("alice")), ("HEAD", null), ("POST", null) })
        {
            // Where only GET is mapped, routing itself refuses the rest.
            if (method != "GET" && path is not ("/view/" or "/page/")) continue;
            var response = await http.AskAsync(path, authorization, method);
            await response.ShouldBeAsync(500);
            Assert.DoesNotContain(Content, await response.TextAsync(), StringComparison.Ordinal);
        }
        Assert.Equal(Content, await http.GetStringAsync("/open/", Ct));
    }

    [Theory]
    [InlineData("UseGatehouse after UseRouting")]
    [InlineData("UseGatehouse alone")]
    public async Task With_the_middleware_in_its_place_each_asks_and_then_answers(string pipeline)
    {
        await Users.CreateAsync("alice");
        await using var app = await StartAsync(pipeline);
        using var http = new HttpClient { BaseAddress = new Uri(app.Urls.Single()) };

        foreach (var path in new[] { "/permission/", "/view/", "/schemes/", "/throttle/", "/group/inside/" })
        {
            await http.AskAsync(path).ShouldBeAsync(401);
            var response = await http.AskAsync(path, Basic("alice"));
            await response.ShouldBeAsync(200);
            Assert.Contains(Content, await response.TextAsync(), StringComparison.Ordinal);
        }
        Assert.Contains(Content, await http.GetStringAsync("/page/", Ct), StringComparison.Ordinal);
        Assert.Equal(Content, await http.GetStringAsync("/open/", Ct));
    }

    private async Task<WebApplication> StartAsync(string pipeline)
    {
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { EnvironmentName = "Production" });
        builder.Logging.ClearProviders().AddProvider(Log);
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Services.AddGatehouse(options =>
        {
            options.Database = Database.Url;
            options.SecretKey = SecretKey;
            options.PasswordHashers = ["md5", "pbkdf2_sha256"];
            options.RestFramework.DefaultAuthenticationClasses = ["BasicAuthentication"];
        });
        var app = builder.Build();
        Pipelines[pipeline](app);
        app.MapGet("/open/", () => Content);
        app.MapGet("/permission/", () => Content).RequirePermission(new IsAuthenticated());
        app.MapView("/view/", "View", view => view.Get(Answer).Post(Answer));
        app.MapPage("/page/", Answer);
        app.MapGet("/schemes/", () => Content).WithSchemes(typeof(BasicAuthentication));
        app.MapGet("/throttle/", () => Content).Throttle();
        app.MapGroup("/group").RequirePermission(new IsAuthenticated()).MapGet("/inside/", () => Content);
        await app.StartAsync(Ct);
        return app;
    }

    private static Task<IResult> Answer(HttpContext http) => Task.FromResult<IResult>(ApiJson.Ok(new { what = Content }));
}
