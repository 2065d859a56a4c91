using System.Text.Json.Nodes;
using Gatehouse.Authentication;
using Gatehouse.Http;
using Gatehouse.Permissions;
using Gatehouse.Tests.Clients;
using Gatehouse.Tests.Database;
using Gatehouse.Throttling;
using Gatehouse.Views;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Gatehouse.Tests.OpenApi;

/// <summary>The document at /openapi.json says what is served, all of it and nothing else.</summary>
public sealed class OpenApiTests(ITestOutputHelper output) : GatehouseTest
{
    // Pages for people, and what is no part of the API.
    private static readonly string[] Pages = ["/accounts/", "/api-auth/", "/admin", "/docs", "/openapi.json", "/gatehouse/", "/static/", "/o/applications/", "/o/authorized_tokens/", "/o/device/", "/o/device-confirm/", "/o/device-grant-status/"];

    protected override void Configure(GatehouseOptions options)
    {
        options.OAuth.OidcEnabled = true;
        options.OAuth.OidcRpInitiatedLogoutEnabled = true;
        options.OAuth.DcrEnabled = true;
        options.Accounts.BaseUrl = "https://auth.example.com";
        options.OAuth.Scopes = new Dictionary<string, string> { ["openid"] = "Who you are", ["read"] = "Read", ["introspection"] = "Introspect" };
    }

    // The generated client lives by the machine's clock.
    protected override void AddServices(IServiceCollection services) => services.AddSingleton(TimeProvider.System);

    protected override void Map(WebApplication app)
    {
        app.MapView("/photos/{id}/", "Photo", view => view.Get(NothingAsync).Delete(NothingAsync).Description = "One photo.")
            .WithSchemes(typeof(BasicAuthentication)).RequirePermission(new IsAuthenticated()).Throttle(new UserRateThrottle("1/s"));
        app.MapView("/visitors/", "Visitors", view => view.Post(NothingAsync)).WithSchemes().RequirePermission(new AllowAny());
    }

    private static Task<IResult> NothingAsync(HttpContext http) => Task.FromResult<IResult>(ApiJson.Empty());

    [Fact]
    public async Task It_passes_a_linter_and_makes_a_client_whose_answers_are_as_described()
    {
        var clients = new TestClients(Database, Secrets);
        await clients.CreateAsync("machine", "client-credentials", "the-secret-of-machine");
        var environment = new Dictionary<string, string>
        {
            ["SERVER"] = Server.Address.ToString().TrimEnd('/'),
            ["RECORDINGS"] = Path.Combine(DatabaseFile.Root, "tests", "Parity"),
            ["USERNAME"] = "made-by-a-client",
            ["PASSWORD"] = "correct-horse-battery",
            ["MACHINE_CLIENT_ID"] = "machine",
            ["MACHINE_CLIENT_SECRET"] = "the-secret-of-machine",
        };

        await ClientScript.PassesAsync("openapi.mjs", environment, output, Ct);
    }

    [Fact]
    public async Task Every_path_that_is_mapped_is_in_it_with_each_of_its_methods()
    {
        var paths = (await DocumentAsync())["paths"]!.AsObject();

        var missing = new List<string>();
        foreach (var endpoint in Endpoints())
        {
            var path = PathOf(endpoint);
            if (Pages.Any(page => path.StartsWith(page, StringComparison.Ordinal)) || path == "/") continue;
            if ((paths[path] ?? paths[path + "/{issuer}"]) is not JsonObject item) missing.Add(path);
            else foreach (var method in endpoint.Metadata.GetMetadata<ApiView>()?.Methods ?? [])
                if (!item.ContainsKey(method.ToLowerInvariant())) missing.Add($"{method} {path}");
        }

        Assert.Empty(missing);
    }

    [Fact]
    public async Task Every_path_and_method_in_it_is_served()
    {
        var document = await DocumentAsync();
        await Users.CreateAsync("root", isStaff: true);

        foreach (var (path, item) in document["paths"]!.AsObject())
        {
            foreach (var method in item!.AsObject().Select(member => member.Key).Where(key => key != "parameters"))
            {
                var answer = await Http.AskAsync(path.Replace("{id}", "1", StringComparison.Ordinal).Replace("{client_id}", "none", StringComparison.Ordinal).Replace("{issuer}", "o", StringComparison.Ordinal), method: method.ToUpperInvariant());
                Assert.True((int)answer.StatusCode is not (301 or 404 or 405 or >= 500), $"{method} {path}: {(int)answer.StatusCode}");
            }
        }
    }

    [Fact]
    public async Task What_each_feature_describes_is_mapped_with_everything_turned_on()
    {
        var described = new[] { "Accounts", "AuthTokens", "Jwt", "OAuth", "Http" }.SelectMany(folder =>
        {
            using var stream = typeof(GatehouseOptions).Assembly.GetManifestResourceStream($"Gatehouse.{folder}.openapi.json")!;
            return JsonNode.Parse(stream)!["paths"]!.AsObject().Select(path => path.Key);
        }).ToList();

        var paths = (await DocumentAsync())["paths"]!.AsObject().Count;

        // Two are the test's own.
        Assert.Equal(described.Count, paths - 2);
    }

    [Fact]
    public async Task Paths_follow_the_settings_and_what_is_off_is_left_out()
    {
        await using var server = await StartServerAsync(options =>
        {
            options.Accounts.Path = "/members";
            options.Jwt.Path = "/jwt/";
            options.Jwt.SlidingPath = "";
            options.OAuth.OidcEnabled = false;
            options.OAuth.OidcRpInitiatedLogoutEnabled = false;
            options.OAuth.DcrEnabled = false;
            options.OAuth.ParEnabled = false;
            options.Session.CookieName = "sid";
        });
        var document = await (await server.Http.GetAsync("/openapi.json", Ct)).JsonAsync();
        var paths = document["paths"]!.AsObject().Select(path => path.Key).ToList();

        Assert.Contains("/members/login/", paths);
        Assert.Contains("/jwt/refresh/", paths);
        Assert.DoesNotContain(paths, path => path.StartsWith("/api/accounts", StringComparison.Ordinal) || path.Contains("sliding", StringComparison.Ordinal) || path.Contains("/par/", StringComparison.Ordinal));
        Assert.Equal("sid", (string?)document["components"]!["securitySchemes"]!["session"]!["name"]);
        Assert.False(document["components"]!["securitySchemes"]!.AsObject().ContainsKey("openIdConnect"));
    }

    [Fact]
    public async Task A_view_of_ones_own_is_in_it_with_who_may_call_it()
    {
        var get = (await DocumentAsync())["paths"]!["/photos/{id}/"]!["get"]!;

        Assert.Equal("Photo", (string?)get["summary"]);
        Assert.Equal("One photo.", (string?)get["description"]);
        Assert.Equal("""[{"basic":[]}]""", get["security"]!.ToJsonString());
        Assert.Equal(["200", "401", "403", "406", "429", "503"], get["responses"]!.AsObject().Select(one => one.Key));
        Assert.Equal("[]", (await DocumentAsync())["paths"]!["/visitors/"]!["post"]!["security"]!.ToJsonString());
    }

    [Fact]
    public async Task It_is_sent_once_to_who_keeps_it()
    {
        var first = await Http.GetAsync("/openapi.json", Ct);
        var second = await Http.AskAsync("/openapi.json", "GET", null, ("If-None-Match", first.Header("ETag")!));

        Assert.Equal("application/json", first.Content.Headers.ContentType?.ToString());
        Assert.Equal((200, 304), ((int)first.StatusCode, (int)second.StatusCode));
    }

    [Fact]
    public async Task Without_a_path_there_is_none()
    {
        await using var server = await StartServerAsync(options => (options.OpenApi.Path, options.OpenApi.DocsPath) = ("", ""));

        Assert.Equal(404, (int)(await server.Http.GetAsync("/openapi.json", Ct)).StatusCode);
        Assert.Equal(404, (int)(await server.Http.GetAsync("/docs", Ct)).StatusCode);
    }

    private async Task<JsonNode> DocumentAsync() => await (await Http.GetAsync("/openapi.json", Ct)).JsonAsync();

    private IEnumerable<RouteEndpoint> Endpoints() => Server.Get<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>();

    private static string PathOf(RouteEndpoint endpoint) => "/" + (endpoint.RoutePattern.RawText ?? "").Split("/{**")[0].TrimStart('/');
}
