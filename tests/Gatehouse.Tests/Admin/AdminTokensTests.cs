using System.Net;
using System.Text.RegularExpressions;
using Gatehouse.Tests.Clients;
using Gatehouse.Tests.Database;
using Xunit;

namespace Gatehouse.Tests.Admin;

/// <summary>Applications, tokens and sessions in the admin site.</summary>
// Their rows are written in the SQL of SQLite.
[Trait(TestDatabase.SqliteOnly, "yes")]
public sealed partial class AdminTokensTests : AdminTest
{
    protected override void Configure(GatehouseOptions options) =>
        options.RestFramework.DefaultAuthenticationClasses = ["OAuth2Authentication", "JWTAuthentication", "TokenAuthentication", "SessionAuthentication"];

    [Fact]
    public async Task An_application_is_added_and_its_secret_shown_once()
    {
        var root = await RootAsync();
        await Users.CreateAsync("testuser");

        var form = await HtmlAsync(root, "/admin/oauth2_provider/application/add/");
        var (id, secret) = (Value(form, "client_id"), Value(form, "client_secret"));
        Secrets.Add(secret);
        Assert.Equal((40, 128), (id.Length, secret.Length));
        var (status, shown, _) = await PostAsync(
            root, "/admin/oauth2_provider/application/add/", ("name", "MyAppClient"), ("client_type", "confidential"), ("authorization_grant_type", "password"), ("client_id", id),
            ("client_secret", secret), ("hash_client_secret", "on"), ("redirect_uris", ""), ("algorithm", ""), ("_save", "Save"));

        Assert.Equal(HttpStatusCode.OK, status);
        Assert.Contains("The application “MyAppClient” was added successfully.", shown, StringComparison.Ordinal);
        Assert.Contains(secret, shown, StringComparison.Ordinal);
        var token = await Http.AskAsync(
            "/o/token/", "POST", new FormUrlEncodedContent([new("grant_type", "password"), new("username", "testuser"), new("password", TestUsers.PasswordOf("testuser"))]),
            ("Authorization", Answers.Basic(id, secret)));
        await token.ShouldBeAsync(200);

        var key = Database.Rows("SELECT id FROM oauth2_provider_application")[0];
        Assert.DoesNotContain(secret, await HtmlAsync(root, $"/admin/oauth2_provider/application/{key}/change/"), StringComparison.Ordinal);
        Assert.Equal(["1|application|MyAppClient|[{\"added\": {}}]"], Noted());
    }

    [Fact]
    public async Task A_changed_application_keeps_its_secret_when_the_field_is_empty()
    {
        var root = await RootAsync();
        var alice = await Users.CreateAsync("alice");
        var client = await new TestClients(Database, Secrets).CreateAsync("photos", "client-credentials", "the-secret-of-the-photo-album", algorithm: "");
        var path = $"/admin/oauth2_provider/application/{client}/change/";
        (string, string)[] same = [("client_type", "confidential"), ("authorization_grant_type", "client-credentials"), ("client_id", "photos"), ("hash_client_secret", "on"), ("client_secret", ""), ("redirect_uris", ""), ("algorithm", "")];

        var changed = await PostAsync(root, path, [("name", "Photo album"), ("user", "alice"), ("skip_authorization", "on"), .. same]);
        var wrong = await PostAsync(root, path, [("name", "Photo album"), ("user", "nobody"), .. same, ("redirect_uris", "javascript:alert(1)")]);

        Assert.Contains("The application “Photo album” was changed successfully.", changed.Html, StringComparison.Ordinal);
        Assert.Equal([$"{alice.Id}|1"], Database.Rows("SELECT user_id, skip_authorization FROM oauth2_provider_application"));
        Assert.Equal(["2|application|Photo album|[{\"changed\": {\"fields\": [\"User\", \"Name\", \"Skip authorization\"]}}]"], Noted());
        Assert.Contains("Select a valid choice.", wrong.Html, StringComparison.Ordinal);
        Assert.Contains("id_redirect_uris_error", wrong.Html, StringComparison.Ordinal);
        var token = await Http.AskAsync("/o/token/", "POST", new FormUrlEncodedContent([new("grant_type", "client_credentials")]), ("Authorization", Answers.Basic("photos", "the-secret-of-the-photo-album")));
        await token.ShouldBeAsync(200);
    }

    [Fact]
    public async Task A_token_is_made_for_a_user_shown_once_and_deleted()
    {
        var root = await RootAsync();
        var alice = await Users.CreateAsync("alice");

        var (_, shown, _) = await PostAsync(root, "/admin/authtoken/tokenproxy/add/", ("user", "alice"));
        var key = KeyShown().Match(shown).Value;
        Secrets.Add(key);
        Assert.Equal(200, (int)(await Http.AskAsync("/api/accounts/profile/", "GET", null, ("Authorization", $"Token {key}"))).StatusCode);
        Assert.Contains("Token with this User already exists.", (await PostAsync(root, "/admin/authtoken/tokenproxy/add/", ("user", alice.Id.ToString()))).Html, StringComparison.Ordinal);
        Assert.DoesNotContain(key, await HtmlAsync(root, $"/admin/authtoken/tokenproxy/{alice.Id}/change/"), StringComparison.Ordinal);
        Assert.DoesNotContain(key, string.Join('\n', Noted()), StringComparison.Ordinal);

        await PostAsync(root, $"/admin/authtoken/tokenproxy/{alice.Id}/delete/", ("post", "yes"));
        Assert.Equal(401, (int)(await Http.AskAsync("/api/accounts/profile/", "GET", null, ("Authorization", $"Token {key}"))).StatusCode);
        Assert.Equal(2, Noted().Count(line => line.Contains("|tokenproxy|Token of alice (…", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Tokens_of_applications_are_revoked_and_recorded_tokens_blacklisted()
    {
        var root = await RootAsync();
        await Users.CreateAsync("alice");
        await new TestClients(Database, Secrets).CreateAsync("photos", "password", "the-secret-of-the-photo-album", algorithm: "");
        async Task<(string Access, string Refresh)> NewTokensAsync()
        {
            var answer = await (await Http.AskAsync(
                "/o/token/", "POST", new FormUrlEncodedContent([new("grant_type", "password"), new("username", "alice"), new("password", TestUsers.PasswordOf("alice"))]),
                ("Authorization", Answers.Basic("photos", "the-secret-of-the-photo-album")))).JsonAsync();
            return (answer["access_token"]!.GetValue<string>(), answer["refresh_token"]!.GetValue<string>());
        }
        async Task<int> UseAsync(string access) => (int)(await Http.AskAsync("/api/accounts/profile/", "GET", null, ("Authorization", $"Bearer {access}"))).StatusCode;
        var (one, _) = await NewTokensAsync();
        var (two, _) = await NewTokensAsync();
        Assert.Equal(200, await UseAsync(one));

        Assert.Contains("Revoked 1 access token.", (await PostAsync(root, "/admin/oauth2_provider/accesstoken/", ("action", "revoke_tokens"), ("_selected_action", "1"), ("post", "yes"))).Html, StringComparison.Ordinal);
        Assert.Equal((401, 200), (await UseAsync(one), await UseAsync(two)));
        Assert.Contains("Revoked 1 refresh token.", (await PostAsync(root, "/admin/oauth2_provider/refreshtoken/", ("action", "revoke_tokens"), ("_selected_action", "2"), ("post", "yes"))).Html, StringComparison.Ordinal);
        Assert.Equal(401, await UseAsync(two));
        Assert.Empty(Database.Rows("SELECT id FROM oauth2_provider_refreshtoken WHERE revoked IS NULL"));

        var pair = await (await Http.AskAsync("/api/token/", "POST", new FormUrlEncodedContent([new("username", "alice"), new("password", TestUsers.PasswordOf("alice"))]))).JsonAsync();
        Assert.Contains("Blacklisted 1 outstanding token.", (await PostAsync(root, "/admin/token_blacklist/outstandingtoken/", ("action", "blacklist"), ("_selected_action", "1"), ("post", "yes"))).Html, StringComparison.Ordinal);
        Assert.Equal(401, (int)(await Http.AskAsync("/api/token/refresh/", "POST", new FormUrlEncodedContent([new("refresh", pair["refresh"]!.GetValue<string>())]))).StatusCode);
        await HtmlAsync(root, "/admin/token_blacklist/blacklistedtoken/");
        await HtmlAsync(root, "/admin/token_blacklist/outstandingtoken/1/change/");
    }

    [Fact]
    public async Task A_session_is_ended_without_its_key_being_told()
    {
        var root = await RootAsync();
        await Users.CreateAsync("alice");
        var hers = await NewBrowser().LogInAsync("alice");

        var list = await HtmlAsync(root, "/admin/sessions/session/");
        Assert.DoesNotContain(hers.SessionKey!, list, StringComparison.Ordinal);
        var path = SessionOfAlice().Match(list).Groups[1].Value;
        Assert.Contains("alice", await HtmlAsync(root, path + "change/"), StringComparison.Ordinal);
        await PostAsync(root, path + "delete/", ("post", "yes"));

        Assert.Equal(401, (int)(await hers.GetAsync("/api/accounts/profile/")).StatusCode);
        Assert.Equal(200, (int)(await root.GetAsync("/admin/")).StatusCode);
    }

    private static string Value(string html, string name) => Regex.Match(html, $"name=\"{name}\"[^>]* value=\"([^\"]*)\"").Groups[1].Value;

    [GeneratedRegex("(?<=>)[0-9a-f]{40}(?=<)")]
    private static partial Regex KeyShown();

    [GeneratedRegex("""<th scope="row"><a href="(/admin/sessions/session/[^"]+/)change/">[^<]*(?:<code>[^<]*</code>)?</a></th><td><a [^>]*>alice</a>""")]
    private static partial Regex SessionOfAlice();
}
