using System.Text.Json.Nodes;
using Xunit;

namespace Gatehouse.Tests.DjangoTwin;

/// <summary>A test on the twin. Its database is shared with the other tests, so each has names of its own.</summary>
public abstract class TwinTest(Twin twin) : IAsyncLifetime
{
    private readonly string mark = Guid.NewGuid().ToString("N")[..8];

    public static TheoryData<Side, Side> BothWays { get; } = new() { { Side.Django, Side.Gatehouse }, { Side.Gatehouse, Side.Django } };

    public static TheoryData<Side> EachSide { get; } = [Side.Django, Side.Gatehouse];

    protected static CancellationToken Ct => TestContext.Current.CancellationToken;

    protected Twin Twin => twin;

    public ValueTask InitializeAsync()
    {
        Assert.SkipWhen(twin.Missing is not null, twin.Missing ?? "");
        return ValueTask.CompletedTask;
    }

    public ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        return ValueTask.CompletedTask;
    }

    protected HttpClient Http(Side side) => twin.Http(side);

    /// <summary>A name that no other test has.</summary>
    protected string Name(string name) => $"{name}-{mark}";

    /// <summary>A client with a cookie jar.</summary>
    protected Browser NewBrowser(Side side) => new(Http(side));

    /// <summary>A client that brings the cookies of another one to this side.</summary>
    protected Browser NewBrowser(Side side, Browser cookiesOf)
    {
        var browser = NewBrowser(side);
        foreach (var (name, value) in cookiesOf.Cookies) browser.Cookies[name] = value;
        return browser;
    }

    /// <summary>Runs Python in the Django project; see <see cref="DjangoProcess.RunAsync"/>.</summary>
    private protected async Task<JsonNode?> DjangoAsync(string code, object? given = null, TwinDatabase? database = null) => (await twin.Django.RunAsync(code, given, database)).Result;

    /// <summary>Runs a verb of Gatehouse's command line.</summary>
    protected Task<string> GatehouseAsync(params string[] arguments) => twin.RunAsync(arguments);

    /// <summary>Registers over HTTP; the password is <see cref="TestUsers.PasswordOf"/> of the name.</summary>
    protected async Task<string> RegisterAsync(Side side, string name = "alice", string? email = null)
    {
        var username = Name(name);
        var answer = await Http(side).AskAsync("/api/accounts/register/", method: "POST",
            json: new { username, password = TestUsers.PasswordOf(username), email = email ?? $"{username}@example.com" });
        await answer.ShouldBeAsync(201);
        return username;
    }

    protected async Task<Browser> LogInAsync(Side side, string username, string? password = null) => await NewBrowser(side).LogInAsync(username, password);

    /// <summary>The status of the login over the API.</summary>
    protected async Task<int> LoginStatusAsync(Side side, string username, string? password = null) =>
        (int)(await NewBrowser(side).PostAsync("/api/accounts/login/", new { username, password = password ?? TestUsers.PasswordOf(username) })).StatusCode;

    /// <summary>Who a request is taken to be, by <c>/api/accounts/profile/</c>; null where it is refused.</summary>
    protected async Task<string?> WhoAsync(Side side, string authorization) => await UserOfAsync(await Http(side).AskAsync("/api/accounts/profile/", authorization));

    /// <summary>Who a session is, by <c>/api/accounts/profile/</c>; null where it is none.</summary>
    protected static async Task<string?> WhoAsync(Browser browser) => await UserOfAsync(await browser.GetAsync("/api/accounts/profile/"));

    /// <summary>A POST of JSON and its JSON answer, which must be 200.</summary>
    protected async Task<JsonNode> PostAsync(Side side, string path, object json, int status = 200)
    {
        var answer = await Http(side).AskAsync(path, method: "POST", json: json);
        await answer.ShouldBeAsync(status);
        return await answer.JsonAsync();
    }

    /// <summary>A POST of a form and its JSON answer.</summary>
    protected async Task<JsonNode> FormAsync(Side side, string path, int status, params (string Name, string Value)[] form)
    {
        using var content = new FormUrlEncodedContent(form.Select(field => KeyValuePair.Create(field.Name, field.Value)));
        var answer = await Http(side).PostAsync(path, content, Ct);
        await answer.ShouldBeAsync(status);
        var text = await answer.TextAsync();
        return text.Length == 0 ? new JsonObject() : JsonNode.Parse(text)!;
    }

    private static async Task<string?> UserOfAsync(HttpResponseMessage answer)
    {
        if ((int)answer.StatusCode is 401 or 403) return null;
        await answer.ShouldBeAsync(200);
        return (string)(await answer.JsonAsync())["username"]!;
    }
}
