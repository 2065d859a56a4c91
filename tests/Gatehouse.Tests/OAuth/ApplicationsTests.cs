using System.Net.Http.Headers;
using System.Text;
using Gatehouse.OAuth.Clients;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Gatehouse.Tests.OAuth;

/// <summary>The pages on which people keep their clients, and the operation behind them, under Safe.</summary>
public sealed class ApplicationsTests : OAuthPagesTest
{
    private const string Secret = "a-secret-of-the-owner";

    private static readonly (string Name, string Value)[] Good =
    [
        ("name", "My application"), ("client_id", "mine"), ("client_secret", Secret), ("hash_client_secret", "on"), ("client_type", "confidential"),
        ("authorization_grant_type", "client-credentials"), ("redirect_uris", ""), ("post_logout_redirect_uris", ""), ("allowed_origins", ""), ("algorithm", ""),
    ];

    [Fact]
    public async Task A_client_is_registered_used_changed_and_deleted()
    {
        var alice = await Users.CreateAsync("alice");
        Secrets.Add(Secret);
        var browser = await NewBrowser().LogInAsync("alice");

        var made = await browser.SubmitAsync("/o/applications/register/", Good);
        await made.ShouldBeAsync(302);
        var where = made.Header("Location")!;
        Assert.Equal($"mine|confidential|client-credentials|1|{alice.Id}|manual", One("SELECT client_id, client_type, authorization_grant_type, hash_client_secret, user_id, registration_source FROM oauth2_provider_application"));
        Assert.DoesNotContain(Secret, One("SELECT client_secret FROM oauth2_provider_application"), StringComparison.Ordinal);
        Assert.Contains($"<a href=\"{where}\">My application</a>", await (await browser.GetAsync("/o/applications/")).TextAsync(), StringComparison.Ordinal);
        await UseAsync(Secret).ShouldBeAsync(200);

        // The form does not show what is stored, and an empty field keeps it.
        var form = await (await browser.GetAsync(where + "update/")).TextAsync();
        Assert.DoesNotContain("md5$", form, StringComparison.Ordinal);
        Assert.Contains("hashed and can no longer be viewed", form, StringComparison.Ordinal);
        await browser.SubmitAsync(where + "update/", With(("name", "Renamed <b>"), ("client_secret", ""))).ShouldBeAsync(302);
        Assert.Contains("<h1>Renamed &lt;b&gt;</h1>", await (await browser.GetAsync(where)).TextAsync(), StringComparison.Ordinal);
        await UseAsync(Secret).ShouldBeAsync(200);
        await browser.SubmitAsync(where + "update/", With(("client_secret", "another-secret"))).ShouldBeAsync(302);
        await ErrorAsync(UseAsync(Secret), 401, "invalid_client");
        await UseAsync("another-secret").ShouldBeAsync(200);

        await browser.SubmitAsync(where + "delete/").ShouldBeAsync(302);
        await browser.GetAsync(where).ShouldBeAsync(404);
        await ErrorAsync(UseAsync("another-secret"), 401, "invalid_client");

        Task<HttpResponseMessage> UseAsync(string secret) => TokenAsync(null, ("grant_type", "client_credentials"), ("client_id", "mine"), ("client_secret", secret));
    }

    [Fact]
    public async Task The_proposed_secret_is_shown_once()
    {
        await Users.CreateAsync("alice");
        var browser = await NewBrowser().LogInAsync("alice");
        var form = await (await browser.GetAsync("/o/applications/register/")).TextAsync();
        var secret = System.Text.RegularExpressions.Regex.Match(form, "name=\"client_secret\"[^>]* value=\"([A-Za-z0-9]{128})\"").Groups[1].Value;
        Assert.Equal(128, secret.Length);
        Secrets.Add(secret);
        foreach (var isHashed in new[] { true, false })
        {
            var id = isHashed ? "hashed" : "plain";
            var made = await browser.SubmitAsync("/o/applications/register/", [.. With(("client_id", id), ("client_secret", secret)).Where(field => isHashed || field.Name != "hash_client_secret")]);
            var where = made.Header("Location")!;

            foreach (var path in new[] { where, where + "update/", where + "delete/", "/o/applications/" })
            {
                var page = await (await browser.GetAsync(path)).TextAsync();
                Assert.DoesNotContain(secret, page, StringComparison.Ordinal);
                Assert.DoesNotContain("md5$", page, StringComparison.Ordinal);
            }
            await TokenAsync(null, ("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret)).ShouldBeAsync(200);
        }
        Assert.Equal(secret, One("SELECT client_secret FROM oauth2_provider_application WHERE client_id = 'plain'"));
    }

    [Fact]
    public async Task Others_applications_are_not_there()
    {
        var alice = await Users.CreateAsync("alice");
        await Users.CreateAsync("mallory", isStaff: true, isSuperuser: true);
        var id = AddClient("mine", owner: alice);
        var nobodys = AddClient("nobodys");
        var browser = await NewBrowser().LogInAsync("mallory");

        foreach (var path in new[] { $"{id}/", $"{id}/update/", $"{id}/delete/", $"{nobodys}/", "0/", "-1/", "99999999999999999999/", "abc/", "18_0/" })
            await browser.GetAsync("/o/applications/" + path).ShouldBeAsync(404);
        await browser.SendAsync(HttpMethod.Post, $"/o/applications/{id}/delete/", Form("")).ShouldBeAsync(404);
        await browser.SendAsync(HttpMethod.Delete, $"/o/applications/{id}/delete/").ShouldBeAsync(404);
        await browser.SendAsync(HttpMethod.Post, $"/o/applications/{id}/update/", Form("name=x")).ShouldBeAsync(404);
        Assert.DoesNotContain("mine", await (await browser.GetAsync("/o/applications/")).TextAsync(), StringComparison.Ordinal);
        Assert.Equal("2", One("SELECT count(*) FROM oauth2_provider_application"));
    }

    [Theory]
    [InlineData("client_type", "", "This field is required.")]
    [InlineData("client_type", "x", "Select a valid choice. x is not one of the available choices.")]
    [InlineData("authorization_grant_type", "authorization_code", "Select a valid choice. authorization_code is not one of the available choices.")]
    [InlineData("algorithm", "none", "Select a valid choice. none is not one of the available choices.")]
    [InlineData("client_id", " ", "This field is required.")]
    [InlineData("client_id", "taken", "Application with this Client ID already exists.")]
    [InlineData("client_secret", "", "This field is required.")]
    [InlineData("name", "LONG", "Ensure this value has at most 255 characters (it has 256).")]
    [InlineData("name", "a\0b", "Null characters are not allowed.")]
    [InlineData("redirect_uris", "myapp://x", "redirect uri URI Validation error. invalid_scheme: myapp://x")]
    [InlineData("redirect_uris", "https://x/<b>", "redirect uri URI validation error.")]
    [InlineData("allowed_origins", "http://x", "allowed origin URI Validation error. invalid_scheme: http://x")]
    [InlineData("authorization_grant_type", "implicit", "redirect_uris cannot be empty with grant_type implicit")]
    [InlineData("algorithm", "HS256", "You cannot use HS256 with a hashed client secret")]
    [InlineData("algorithm", "RS256", "You must set OIDC_RSA_PRIVATE_KEY to use RSA algorithm")]
    public async Task What_is_wrong_is_told_beside_its_field(string field, string value, string words)
    {
        await Users.CreateAsync("alice");
        AddClient("taken");
        var browser = await NewBrowser().LogInAsync("alice");

        var answer = await browser.SubmitAsync("/o/applications/register/", With((field, value == "LONG" ? new string('x', 256) : value)));

        await answer.ShouldBeAsync(200);
        var page = await answer.TextAsync();
        var at = page.IndexOf("<ul class=\"errorlist\"", StringComparison.Ordinal);
        Assert.True(at > 0 && System.Net.WebUtility.HtmlDecode(page[at..]).Contains(words, StringComparison.Ordinal), page);
        Assert.DoesNotContain("<b>", page, StringComparison.Ordinal);
        Assert.Equal("1", One("SELECT count(*) FROM oauth2_provider_application"));
    }

    // Whoever is fast: the column's own rule, not a look before.
    [Fact]
    public async Task Of_16_registrations_of_one_id_at_once_one_succeeds()
    {
        await Users.CreateAsync("alice");
        var browser = await NewBrowser().LogInAsync("alice");
        var body = string.Join('&', Good.Select(field => $"{field.Name}={Uri.EscapeDataString(field.Value)}"));

        var answers = await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => browser.SendAsync(HttpMethod.Post, "/o/applications/register/", Form(body))));

        Assert.Single(answers, answer => (int)answer.StatusCode == 302);
        Assert.All(answers, answer => Assert.Contains((int)answer.StatusCode, new[] { 200, 302 }));
        Assert.Equal("1", One("SELECT count(*) FROM oauth2_provider_application"));
    }

    [Fact]
    public async Task What_was_given_to_a_client_goes_with_it_and_nothing_else()
    {
        var alice = await Users.CreateAsync("alice");
        var (gone, stays) = (AddClient("gone", owner: alice), AddClient("stays", owner: alice));
        foreach (var client in new[] { gone, stays })
        {
            var access = AddAccessToken(client, alice, $"access-{client}");
            AddRefreshToken(client, alice, $"refresh-{client}", access);
            Database.Execute(
                $"""
                INSERT INTO oauth2_provider_idtoken (jti, expires, scope, created, updated, application_id, user_id)
                    VALUES ('{Guid.NewGuid():N}', '2030-01-01', 'openid', '2026-01-01', '2026-01-01', {client}, {alice.Id});
                INSERT INTO oauth2_provider_grant (code, expires, redirect_uri, scope, application_id, user_id, created, updated, code_challenge, code_challenge_method, nonce, claims, resource)
                    VALUES ('code-{client}', '2030-01-01', 'https://x', 'read', {client}, {alice.Id}, '2026-01-01', '2026-01-01', '', '', '', '', '[]');
                """);
        }
        // Chains that go round: rotated, and with an ID token.
        Database.Execute(
            $"""
            UPDATE oauth2_provider_accesstoken SET id_token_id = (SELECT id FROM oauth2_provider_idtoken i WHERE i.application_id = oauth2_provider_accesstoken.application_id);
            INSERT INTO oauth2_provider_accesstoken (token, token_checksum, expires, scope, application_id, user_id, created, updated, resource, source_refresh_token_id)
                SELECT 'next-' || id, 'checksum-' || id, '2030-01-01', 'read', application_id, user_id, '2026-01-01', '2026-01-01', '[]', id FROM oauth2_provider_refreshtoken;
            """);
        await NewDeviceAsync("gone");
        await NewDeviceAsync("stays");
        Database.Execute("INSERT INTO gatehouse_oauth_client (application_id, auth_method, jwks, jwks_uri) SELECT id, 'private_key_jwt', '', '' FROM oauth2_provider_application");

        await (await NewBrowser().LogInAsync("alice")).SubmitAsync($"/o/applications/{gone}/delete/").ShouldBeAsync(302);

        foreach (var (table, rows) in new[]
        {
            ("oauth2_provider_accesstoken", 2), ("oauth2_provider_refreshtoken", 1), ("oauth2_provider_idtoken", 1), ("oauth2_provider_grant", 1),
            ("oauth2_provider_devicegrant", 1), ("gatehouse_oauth_client", 1), ("oauth2_provider_application", 1),
        }) Assert.Equal($"{table}: {rows}", $"{table}: {One($"SELECT count(*) FROM {table}")}");
        Assert.Empty(Database.BrokenReferences());
        Assert.Equal($"{stays}", One("SELECT DISTINCT application_id FROM oauth2_provider_accesstoken"));
    }

    [Fact]
    public async Task A_long_list_has_pages()
    {
        var alice = await Users.CreateAsync("alice");
        for (var i = 0; i < 101; i++) AddClient($"app-{i:000}", owner: alice);
        var browser = await NewBrowser().LogInAsync("alice");

        var first = await (await browser.GetAsync("/o/applications/")).TextAsync();
        var second = await (await browser.GetAsync("/o/applications/?page=2")).TextAsync();

        Assert.Contains("app-099", first, StringComparison.Ordinal);
        Assert.DoesNotContain("app-100", first, StringComparison.Ordinal);
        Assert.Contains("href=\"?page=2\"", first, StringComparison.Ordinal);
        Assert.Contains("app-100", second, StringComparison.Ordinal);
        Assert.DoesNotContain("?page=3", second, StringComparison.Ordinal);
        await browser.GetAsync("/o/applications/?page=99999999999999999999").ShouldBeAsync(200);
    }

    [Fact]
    public async Task Forms_need_their_CSRF_token_and_pages_have_no_script()
    {
        var alice = await Users.CreateAsync("alice");
        var id = AddClient("mine", owner: alice);
        var browser = await NewBrowser().LogInAsync("alice");

        foreach (var path in new[] { "register/", $"{id}/update/", $"{id}/delete/" })
            await browser.SendAsync(HttpMethod.Post, "/o/applications/" + path, Form("name=x"), csrf: false).ShouldBeAsync(403);
        var page = await browser.GetAsync("/o/applications/register/");
        Assert.Contains("default-src 'none'", page.Header("Content-Security-Policy"), StringComparison.Ordinal);
        Assert.Contains("frame-ancestors 'none'", page.Header("Content-Security-Policy"), StringComparison.Ordinal);
        Assert.DoesNotContain("<script", await page.TextAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Hostile_bodies_are_refused_properly()
    {
        await Users.CreateAsync("alice");
        var browser = await NewBrowser().LogInAsync("alice");
        using var huge = new ByteArrayContent(Encoding.ASCII.GetBytes("name=" + new string('x', 3_000_000)));
        huge.Headers.ContentType = new MediaTypeHeaderValue("application/x-www-form-urlencoded");
        var many = Form(string.Join('&', Enumerable.Range(0, 2000).Select(i => $"a{i}=b")));

        foreach (var body in new HttpContent[] { huge, many, Form("%ff=%fe&client_type=%00&name=%ed%a0%80"), Form("client_id=" + new string('y', 100_000)) })
        {
            try
            {
                var answer = await browser.SendAsync(HttpMethod.Post, "/o/applications/register/", body);
                Assert.True((int)answer.StatusCode is >= 200 and < 500, $"{(int)answer.StatusCode}");
            }
            catch (HttpRequestException) when (body == huge)
            {
                // Refused by its length: the connection may be gone before all of it is sent and the answer is read.
            }
        }
        Assert.Equal("0", One("SELECT count(*) FROM oauth2_provider_application"));
    }

    // A secret that is ours needs no costly hash, and Django verifies it all the same.
    [Fact]
    public async Task A_generated_secret_is_stored_with_one_round()
    {
        var server = await StartServerAsync(options => options.PasswordHashers = ["pbkdf2_sha256"]);
        var registration = server.Services.GetRequiredService<ClientRegistration>();
        var draft = registration.NewDraft();
        (draft.ClientType, draft.AuthorizationGrantType, draft.SecretIsOurs) = ("confidential", "client-credentials", true);

        var (id, errors) = await registration.CreateAsync(draft, (_, _) => Task.CompletedTask, Ct);

        Assert.NotNull(id);
        Assert.Empty(errors);
        Assert.StartsWith("pbkdf2_sha256$1$", One("SELECT client_secret FROM oauth2_provider_application"), StringComparison.Ordinal);
        await TokenAsync(server.Http, ("grant_type", "client_credentials"), ("client_id", draft.ClientId), ("client_secret", draft.ClientSecret)).ShouldBeAsync(200);
    }

    private static (string Name, string Value)[] With(params (string Name, string Value)[] fields) =>
        [.. Good.Where(good => fields.All(field => field.Name != good.Name)), .. fields];
}
