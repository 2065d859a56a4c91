using System.Net;
using System.Text;
using System.Text.Json;
using Gatehouse.Crypto;
using Gatehouse.Tests.Database;
using Gatehouse.Tests.Users;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Gatehouse.Tests.Accounts;

public sealed class RegisterTests : GatehouseTest
{
    private const string Path = "/api/accounts/register/";
    private const string Password = "violet-Kettle-42";

    private readonly CountingHash hash = new();

    protected override void AddServices(IServiceCollection services) => services.AddSingleton(new PasswordHashes([hash, new Md5()], null));

    [Fact]
    public async Task A_registered_user_may_log_in_at_once()
    {
        await RegisterAsync(new { username = "alice", email = "Alice@EXAMPLE.org", password = Password })
            .ShouldBeAsync(201, """{"id":1,"username":"alice","email":"Alice@example.org","is_staff":false}""");

        await NewBrowser().LogInAsync("alice", Password);
        Assert.Equal(["alice|0|0|1|2026-07-01 12:00:00.123456"], Database.Rows("SELECT username, is_staff || '', is_superuser || '', is_active || '', date_joined FROM auth_user"));
    }

    [Fact]
    public async Task Nothing_but_name_address_and_password_is_taken_from_the_body()
    {
        var body = """
            {"username":"mallory","password":"violet-Kettle-42","email":"m@example.org","is_staff":true,"is_superuser":true,"is_active":false,
             "id":77,"pk":77,"groups":[1],"user_permissions":[1,2,3],"last_login":"2020-01-01T00:00:00Z","date_joined":"2020-01-01T00:00:00Z",
             "first_name":"Root","__proto__":{"is_staff":true},"constructor":{"prototype":{"is_staff":true}},"user":{"is_staff":true},
             "IsStaff":true,"isStaff":true,"IS_STAFF":true}
            """;

        await Http.PostTextAsync(Path, body).ShouldBeAsync(201, """{"id":1,"username":"mallory","email":"m@example.org","is_staff":false}""");

        Assert.Equal(
            ["1|mallory|||0|0|1|NULL|2026-07-01 12:00:00.123456"],
            Database.Rows("SELECT id || '', username, first_name, last_name, is_staff || '', is_superuser || '', is_active || '', last_login, date_joined FROM auth_user"));
        Assert.Equal(["0"], Database.Rows("SELECT (SELECT COUNT(*) FROM auth_user_groups) + (SELECT COUNT(*) FROM auth_user_user_permissions) || ''"));
    }

    [Fact]
    public async Task The_same_as_a_form_or_multipart_changes_nothing()
    {
        using var form = new FormUrlEncodedContent([new("username", "mallory"), new("password", Password), new("is_staff", "true"), new("is_superuser", "1"), new("id", "9")]);
        using var multipart = new MultipartFormDataContent { { new StringContent("trudy"), "username" }, { new StringContent(Password), "password" }, { new StringContent("1"), "is_staff" } };

        await Http.AskAsync(Path, "POST", form).ShouldBeAsync(201, """{"id":1,"username":"mallory","email":"","is_staff":false}""");
        await Http.AskAsync(Path, "POST", multipart).ShouldBeAsync(201, """{"id":2,"username":"trudy","email":"","is_staff":false}""");
        Assert.Equal(["0|0", "0|0"], Database.Rows("SELECT is_staff, is_superuser FROM auth_user"));
    }

    [Fact]
    public async Task A_ready_made_hash_is_a_password_like_any_other()
    {
        var ready = TestUsers.Encode("known-to-mallory");

        await RegisterAsync(new { username = "mallory", password = ready }).ShouldBeAsync(201);

        await Http.AskAsync("/api/accounts/login/", null, "POST", new { username = "mallory", password = "known-to-mallory" }).ShouldBeAsync(400);
        await NewBrowser().LogInAsync("mallory", ready);
    }

    [Fact]
    public async Task Of_50_registrations_of_one_name_at_once_one_makes_the_user()
    {
        var other = await StartServerAsync();

        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(i =>
            (i % 2 == 0 ? Http : other.Http).AskAsync(Path, null, "POST", new { username = "alice", password = $"{Password}-{i}" })));

        Assert.Equal(1, answers.Count(answer => answer.StatusCode == HttpStatusCode.Created));
        foreach (var refused in answers.Where(answer => answer.StatusCode != HttpStatusCode.Created))
            await refused.ShouldBeAsync(400, """{"username":["A user with that username already exists."]}""");
        Assert.Equal(["alice"], Database.Rows("SELECT username FROM auth_user"));
    }

    [Theory]
    [InlineData("ａｄｍｉｎ", "taken")] // full width: NFKC makes it admin
    [InlineData("ⓐⓓⓜⓘⓝ", "invalid")]
    [InlineData("admin\u0301", "invalid")] // a combining mark
    [InlineData("adm\u0131n", "other")] // dotless i is a letter of its own, as in Django
    [InlineData("\u0430dmin", "other")] // Cyrillic a
    [InlineData("ad\u200bmin", "invalid")] // zero width space
    [InlineData("ad\u200dmin", "invalid")]
    [InlineData("admin\u200f", "invalid")] // right to left mark
    [InlineData("\u202enimda", "invalid")]
    [InlineData("ad\u00admin", "invalid")] // soft hyphen
    [InlineData("admin ", "taken")] // outer blanks are trimmed
    [InlineData("\tadmin", "taken")]
    [InlineData("admin\u00a0", "taken")]
    [InlineData("ad min", "invalid")]
    [InlineData("admin\0", "invalid")]
    [InlineData("admin\n", "taken")]
    [InlineData("admin/", "invalid")]
    [InlineData("admin'--", "invalid")]
    [InlineData("<b>admin</b>", "invalid")]
    [InlineData("ADMIN", "other")] // names are case-sensitive, as in Django
    public async Task A_look_alike_is_refused_or_a_name_of_its_own_and_never_a_second_admin(string username, string outcome)
    {
        await Users.CreateAsync("admin", isStaff: true);

        var response = await RegisterAsync(new { username, password = Password });

        if (outcome == "other") await response.ShouldBeAsync(201);
        else await response.ShouldBeAsync(400);
        if (outcome == "taken") Assert.Contains("already exists", await response.TextAsync(), StringComparison.Ordinal);
        if (outcome == "invalid") Assert.Contains("Enter a valid username", await response.TextAsync(), StringComparison.Ordinal);
        Assert.Equal(["admin"], Database.Rows("SELECT username FROM auth_user WHERE username = 'admin'"));
        Assert.All(Database.Rows("SELECT username FROM auth_user"), name => Assert.Equal(name, name.Normalize(NormalizationForm.FormKC)));
    }

    [Fact]
    public async Task A_composed_and_a_decomposed_name_are_one()
    {
        await RegisterAsync(new { username = "zo\u00eb", password = Password }).ShouldBeAsync(201);

        var decomposed = await RegisterAsync(new { username = "zoe\u0308", password = Password });

        await decomposed.ShouldBeAsync(400);
        Assert.Single(Database.Rows("SELECT username FROM auth_user"));
    }

    [Theory]
    [InlineData(151)]
    [InlineData(1_000_000)]
    public async Task Length_comes_before_content_in_a_name(int length)
    {
        // Each of these grows to 18 characters under NFKC.
        var response = await RegisterAsync(new { username = new string('\ufdfa', Math.Min(length, 400_000)), password = Password });

        await response.ShouldBeAsync(400);
        Assert.Contains("Ensure this field has no more than 150 characters.", await response.TextAsync(), StringComparison.Ordinal);
        Assert.Empty(Database.Rows("SELECT username FROM auth_user"));
        Assert.Equal(0, hash.Runs);
    }

    [Fact]
    public async Task A_name_that_grows_under_NFKC_is_a_user_like_any_other()
    {
        var response = await RegisterAsync(new { username = new string('\ufdfa', 100), password = Password });

        // As the stack: SQLite keeps it whole, PostgreSQL has no room for it (and Django no answer but a 500).
        await response.ShouldBeAsync(TestDatabase.IsPostgres ? 400 : 201);
        if (TestDatabase.IsPostgres) return;
        await NewBrowser().LogInAsync(Database.Rows("SELECT username FROM auth_user").Single(), Password);
    }

    [Theory]
    [InlineData(Path, 4097, 400)]
    [InlineData(Path, 1_000_000, 400)]
    [InlineData(Path, 100_000_000, 413)]
    [InlineData("/api/accounts/login/", 4097, 400)]
    [InlineData("/api/accounts/login/", 1_000_000, 400)]
    [InlineData("/api-token-auth/", 1_000_000, 400)]
    [InlineData("/api-token-auth/", 100_000_000, 413)]
    public async Task A_password_of_any_size_costs_no_hash(string path, int length, int status)
    {
        await Users.CreateAsync("alice");
        var body = Encoding.ASCII.GetBytes($$"""{"username":"{{(path == Path ? "new" : "alice")}}","password":"{{new string('x', Math.Min(length, 8_000_000))}}"}""");
        if (length <= 8_000_000)
        {
            await Http.PostBytesAsync(path, body).ShouldBeAsync(status);
        }
        else
        {
            // The header says how much is to come, and that is enough.
            var (answer, _) = await RawHttp.AskAsync(Server, $"POST {path} HTTP/1.1\nHost: HOST\nContent-Type: application/json\nContent-Length: {length}\n\n{{");
            Assert.Equal(status, answer.Status);
        }

        Assert.Equal(0, hash.Runs);
    }

    [Fact]
    public async Task A_weak_password_is_refused_in_the_validators_words_and_costs_no_hash()
    {
        await RegisterAsync(new { username = "alice", password = "12345" }).ShouldBeAsync(400,
            """{"password":["This password is too short. It must contain at least 8 characters.","This password is too common.","This password is entirely numeric."]}""");
        await RegisterAsync(new { username = "alice-liddell", password = "alice-liddel" })
            .ShouldBeAsync(400, """{"password":["The password is too similar to the username."]}""");

        Assert.Equal(0, hash.Runs);
        Assert.Empty(Database.Rows("SELECT username FROM auth_user"));
    }

    [Fact]
    public async Task Closed_registration_refuses_everybody()
    {
        var closed = await StartServerAsync(options => options.Accounts.RegistrationOpen = false);

        await Users.CreateAsync("bob");

        // Whether the name is taken, nobody learns here.
        foreach (var username in new[] { "alice", "bob", "" })
            await closed.Http.AskAsync(Path, null, "POST", new { username, password = Password }).ShouldBeAsync(403, """{"detail":"Registration is closed."}""");
    }

    [Fact]
    public async Task Each_new_user_may_get_a_token_in_the_same_transaction()
    {
        var server = await StartServerAsync(options => options.AuthToken.CreateForNewUsers = true);

        await server.Http.AskAsync(Path, null, "POST", new { username = "alice", password = Password }).ShouldBeAsync(201);
        await Http.AskAsync(Path, null, "POST", new { username = "bob", password = Password }).ShouldBeAsync(201);

        Assert.Equal(["alice|40"], Database.Rows("SELECT u.username, length(t.key) || '' FROM authtoken_token t JOIN auth_user u ON u.id = t.user_id"));
        Secrets.Add(Database.Rows("SELECT key FROM authtoken_token").Single());
    }

    [Theory]
    [InlineData("PUT")]
    [InlineData("PATCH")]
    [InlineData("DELETE")]
    [InlineData("POST")]
    public async Task The_profile_cannot_be_written_to(string method)
    {
        var alice = await Users.CreateAsync("alice");
        var token = await Users.TokenAsync(alice);

        var response = await Http.AskAsync("/api/accounts/profile/", "Token " + token, method, new { username = "root", is_staff = true, id = 99 });

        await response.ShouldBeAsync(405, $$"""{"detail":"Method \"{{method}}\" not allowed."}""");
        Assert.Equal("GET, HEAD, OPTIONS", response.Header("Allow"));
        Assert.Equal(["1|alice|0"], Database.Rows("SELECT id || '', username, is_staff || '' FROM auth_user"));
    }

    [Fact]
    public async Task Names_are_data_wherever_they_show()
    {
        await Users.CreateAsync("<script>alert(1)</script>", email: "\"><img src=x>");
        var browser = await NewBrowser().LogInAsync("<script>alert(1)</script>");

        var page = await (await browser.GetAsync("/accounts/profile/")).TextAsync();

        Assert.DoesNotContain("<script", page, StringComparison.Ordinal);
        Assert.DoesNotContain("<img", page, StringComparison.Ordinal);
        Assert.Contains("&lt;script&gt;", page, StringComparison.Ordinal);
        using var json = JsonDocument.Parse(await (await browser.GetAsync("/api/accounts/profile/")).TextAsync());
        Assert.Equal("<script>alert(1)</script>", json.RootElement.GetProperty("username").GetString());
    }

    private Task<HttpResponseMessage> RegisterAsync(object body) => Http.AskAsync(Path, null, "POST", body);
}
