using System.Net.Http.Json;
using System.Text.Json.Nodes;
using System.Web;
using Gatehouse.Tests.Docs;
using Xunit;

namespace Gatehouse.Tests.Samples;

/// <summary>samples/ResourceServer against the program, each a process of its own.</summary>
public sealed class ResourceServerTests : IDisposable
{
    private const string Callback = "http://127.0.0.1/cb";
    private const string Secret = "one-that-nobody-guesses";
    private const string Verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    private const string Challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    private static readonly string Settings = Path.Combine(DocPage.Root, "samples", "ResourceServer", "gatehouse.json");
    private static readonly (string, string)[] Cheap = [("Gatehouse__PasswordHashers__0", "md5")];

    private readonly TempFolder folder = new();
    private readonly TempFolder elsewhere = new();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        folder.Dispose();
        elsewhere.Dispose();
    }

    [Fact]
    public async Task It_asks_about_access_tokens_and_reads_ID_tokens_itself()
    {
        await CommandAsync("createapplication", "confidential", "client-credentials", "--client-id", "orders-api", "--client-secret", Secret);
        foreach (var client in (string[])["shop", "other"])
            await CommandAsync("createapplication", "public", "authorization-code", "--client-id", client, "--algorithm", "RS256", "--redirect-uris", Callback);
        await using var gatehouse = GatehouseProcess.Serve(folder.Path, ["--settings", Settings], Cheap);
        using var http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false }) { BaseAddress = await gatehouse.AddressAsync() };
        await http.PostAsJsonAsync("/api/accounts/register/", new { username = "ali", password = TestUsers.PasswordOf("ali") }, Ct).ShouldBeAsync(201);
        var ali = await new Browser(http).LogInAsync("ali");

        await using var sample = GatehouseProcess.Start(
            elsewhere.Path,
            ["--urls", "http://127.0.0.1:0", "--Issuer", $"{http.BaseAddress!.GetLeftPart(UriPartial.Authority)}/o", "--ClientId", "orders-api", "--FrontEnd", "shop", "--ClientSecret", Secret],
            program: "ResourceServer");
        using var api = new HttpClient { BaseAddress = await sample.AddressAsync() };

        // Nobody, and nobody's token.
        var refused = await api.AskAsync("/orders");
        await refused.ShouldBeAsync(401);
        Assert.Contains("resource_metadata=", refused.Header("WWW-Authenticate"), StringComparison.Ordinal);
        var metadata = await (await api.GetAsync("/.well-known/oauth-protected-resource", Ct)).JsonAsync();
        Assert.Equal($"{http.BaseAddress.GetLeftPart(UriPartial.Authority)}/o", (string?)metadata["authorization_servers"]![0]);
        await api.AskAsync("/orders", "Bearer made-up").ShouldBeAsync(401);
        await api.AskAsync("/whoami").ShouldBeAsync(401);
        await api.AskAsync("/whoami", "Bearer made-up").ShouldBeAsync(401);

        // Access tokens, by their scopes.
        var reader = await TokensAsync(ali, http, "shop", "openid read");
        Assert.Equal("""{"orders":["A ticket to the sea"],"user":"ali"}""", await OkAsync("/orders", "Bearer " + reader["access_token"]));
        await api.AskAsync("/orders", "Bearer " + reader["access_token"], "POST").ShouldBeAsync(403);
        var writer = await TokensAsync(ali, http, "shop", "write");
        await api.AskAsync("/orders", "Bearer " + writer["access_token"], "POST").ShouldBeAsync(201);
        await api.AskAsync("/orders", "Bearer " + writer["access_token"]).ShouldBeAsync(403);

        // ID tokens, of the front end alone; neither kind is the other.
        Assert.Equal("""{"sub":"1","client":"shop"}""", await OkAsync("/whoami", "Bearer " + reader["id_token"]));
        await api.AskAsync("/whoami", "Bearer " + (await TokensAsync(ali, http, "other", "openid"))["id_token"]).ShouldBeAsync(401);
        await api.AskAsync("/whoami", "Bearer " + reader["access_token"]).ShouldBeAsync(401);
        await api.AskAsync("/orders", "Bearer " + reader["id_token"]).ShouldBeAsync(401);

        async Task<string> OkAsync(string path, string authorization)
        {
            var answer = await api.AskAsync(path, authorization);
            await answer.ShouldBeAsync(200);
            return await answer.TextAsync();
        }
    }

    private async Task CommandAsync(params string[] arguments)
    {
        var (code, output, errors) = await GatehouseProcess.RunAsync(folder.Path, ["--settings", Settings, .. arguments], environment: Cheap);
        Assert.True(code == 0, output + errors);
    }

    /// <summary>What a client gets for a user who agrees.</summary>
    private static async Task<JsonNode> TokensAsync(Browser user, HttpClient http, string client, string scope)
    {
        var ask = $"/o/authorize/?response_type=code&client_id={client}&redirect_uri={Uri.EscapeDataString(Callback)}&scope={Uri.EscapeDataString(scope)}&state=s"
            + $"&code_challenge={Challenge}&code_challenge_method=S256";
        var agreed = await user.SubmitAsync(ask, ("allow", "Authorize"));
        await agreed.ShouldBeAsync(302);
        using var form = new FormUrlEncodedContent(new Dictionary<string, string>
        {
            ["grant_type"] = "authorization_code",
            ["client_id"] = client,
            ["code"] = HttpUtility.ParseQueryString(new Uri(agreed.Header("Location")!).Query)["code"]!,
            ["redirect_uri"] = Callback,
            ["code_verifier"] = Verifier,
        });
        var answer = await http.PostAsync("/o/token/", form, Ct);
        await answer.ShouldBeAsync(200);
        return await answer.JsonAsync();
    }
}
