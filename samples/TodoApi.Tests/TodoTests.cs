using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using Gatehouse.Testing;
using Xunit;

namespace TodoApi.Tests;

public sealed class TodoTests : IAsyncLifetime
{
    private readonly TodoApp app = new();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public ValueTask DisposeAsync() => app.DisposeAsync();

    [Fact]
    public async Task A_stranger_has_no_list()
    {
        var answer = await app.CreateClient().GetAsync("/todos/", Ct);

        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        Assert.Equal("""{"detail":"Authentication credentials were not provided."}""", await answer.Content.ReadAsStringAsync(Ct));
    }

    [Fact]
    public async Task A_browser_that_is_logged_in_adds_to_its_list()
    {
        var http = app.CreateDefaultClient(await app.Services.ForceLoginAsync(await app.Services.CreateUserAsync("ali")));

        var added = await http.PostAsJsonAsync("/todos/", new { text = "Buy milk" }, Ct);

        Assert.Equal(HttpStatusCode.Created, added.StatusCode);
        Assert.Equal("""[{"id":1,"owner":"ali","text":"Buy milk"}]""", await http.GetStringAsync("/todos/", Ct));
    }

    [Fact]
    public async Task Another_site_cannot_add_to_the_list_of_who_is_logged_in()
    {
        var browser = await app.Services.ForceLoginAsync(await app.Services.CreateUserAsync("ali"));
        browser.SendsCsrfToken = false;

        var refused = await app.CreateDefaultClient(browser).PostAsJsonAsync("/todos/", new { text = "Send money" }, Ct);

        Assert.Equal(HttpStatusCode.Forbidden, refused.StatusCode);
    }

    [Fact]
    public async Task A_browser_logs_in_with_a_password_and_out_again()
    {
        await app.Services.CreateUserAsync("ali", "s3cret-walk");
        var http = app.CreateDefaultClient(new TestBrowser(app.Services));

        await http.PostAsJsonAsync("/api/accounts/login/", new { username = "ali", password = "s3cret-walk" }, Ct);
        var within = await http.GetAsync("/todos/", Ct);
        await http.PostAsync("/api/accounts/logout/", null, Ct);
        var after = await http.GetAsync("/todos/", Ct);

        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.Unauthorized), (within.StatusCode, after.StatusCode));
    }

    [Fact]
    public async Task Only_its_owner_deletes_a_todo()
    {
        var (ali, bo) = (await ClientOfAsync("ali"), await ClientOfAsync("bo"));
        await ali.PostAsJsonAsync("/todos/", new { text = "Buy milk" }, Ct);

        var refused = await bo.DeleteAsync("/todos/1", Ct);
        var deleted = await ali.DeleteAsync("/todos/1", Ct);

        Assert.Equal("""{"detail":"This is not yours."}""", await refused.Content.ReadAsStringAsync(Ct));
        Assert.Equal((HttpStatusCode.Forbidden, HttpStatusCode.NoContent), (refused.StatusCode, deleted.StatusCode));
    }

    [Theory]
    [InlineData("todos:read", HttpStatusCode.OK)]
    [InlineData("todos:write", HttpStatusCode.Forbidden)]
    public async Task The_feed_is_for_programs_with_its_scope(string scope, HttpStatusCode expected)
    {
        var token = await app.Services.OAuthTokenAsync(await app.Services.CreateUserAsync("ali"), scope);

        Assert.Equal(expected, (await Client(token).GetAsync("/feed", Ct)).StatusCode);
    }

    [Fact]
    public async Task The_feed_is_for_no_other_kind_of_token()
    {
        var refused = await Client(app.Services.AccessToken(await app.Services.CreateUserAsync("ali"))).GetAsync("/feed", Ct);

        Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
        Assert.Contains("resource_metadata=", refused.Headers.WwwAuthenticate.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_JSON_Web_Token_is_good_for_five_minutes()
    {
        var http = Client(app.Services.AccessToken(await app.Services.CreateUserAsync("ali")));

        var fresh = await http.GetAsync("/todos/", Ct);
        app.Clock.Advance(TimeSpan.FromMinutes(5));
        var old = await http.GetAsync("/todos/", Ct);

        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.Unauthorized), (fresh.StatusCode, old.StatusCode));
    }

    [Fact]
    public async Task Only_staff_read_the_statistics()
    {
        var anyone = Client(await app.Services.TokenAsync(await app.Services.CreateUserAsync("ali")));
        var staff = Client(await app.Services.TokenAsync(await app.Services.CreateUserAsync("root", isStaff: true)));

        Assert.Equal(HttpStatusCode.Forbidden, (await anyone.GetAsync("/stats", Ct)).StatusCode);
        Assert.Equal("""{"todos":0}""", await staff.GetStringAsync("/stats", Ct));
    }

    [Fact]
    public async Task Clearing_the_list_needs_the_permission_and_patience()
    {
        var user = await app.Services.CreateUserAsync("ali");
        var http = Client(await app.Services.TokenAsync(user));
        Assert.Equal(HttpStatusCode.Forbidden, (await http.DeleteAsync("/todos", Ct)).StatusCode);

        await app.Services.GrantAsync(user, "todos.delete_todo");
        var first = await http.DeleteAsync("/todos", Ct);
        var second = await http.DeleteAsync("/todos", Ct);
        app.Clock.Advance(TimeSpan.FromMinutes(1));
        var third = await http.DeleteAsync("/todos", Ct);

        Assert.Equal(
            (HttpStatusCode.OK, HttpStatusCode.TooManyRequests, HttpStatusCode.OK), (first.StatusCode, second.StatusCode, third.StatusCode));
    }

    private async Task<HttpClient> ClientOfAsync(string username) => Client(await app.Services.TokenAsync(await app.Services.CreateUserAsync(username)));

    private HttpClient Client(AuthenticationHeaderValue credentials)
    {
        var http = app.CreateClient();
        http.DefaultRequestHeaders.Authorization = credentials;
        return http;
    }
}
