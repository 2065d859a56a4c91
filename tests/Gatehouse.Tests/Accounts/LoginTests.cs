using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Json;
using Gatehouse.Crypto;
using Gatehouse.Tests.Users;
using Microsoft.Extensions.DependencyInjection;
using Xunit;
using static Gatehouse.Tests.Answers;

namespace Gatehouse.Tests.Accounts;

public sealed class LoginTests : GatehouseTest
{
    private const string Path = "/api/accounts/login/";
    private const string Refused = """{"error":"Invalid credentials"}""";

    private readonly CountingHash hash = new();
    private readonly ConcurrentQueue<string> events = new();

    protected override void AddServices(IServiceCollection services) => services.AddSingleton(new PasswordHashes([hash, new Md5()], null));

    protected override void Configure(GatehouseOptions options)
    {
        options.Events.UserCreated += told => Tell($"created {told.User}");
        options.Events.UserLoggedIn += told => Tell($"in {told.User}");
        options.Events.UserLoggedOut += told => Tell($"out {told.User}");
        options.Events.UserLoginFailed += told => Tell($"failed {told.Username}");

        Task Tell(string what)
        {
            events.Enqueue(what);
            return Task.CompletedTask;
        }
    }

    [Theory]
    [InlineData("alice", "wrong-password")]
    [InlineData("nobody", "wrong-password")]
    [InlineData("idle", "Correct-horse-idle")]
    [InlineData("idle", "wrong-password")]
    [InlineData("unusable", "wrong-password")]
    [InlineData("garbage", "wrong-password")]
    [InlineData("empty", "wrong-password")]
    [InlineData("unlisted", "wrong-password")]
    [InlineData("cheap", "wrong-password")]
    [InlineData("ALICE", "Correct-horse-alice")]
    [InlineData("alice ", "Correct-horse-alice")]
    [InlineData("", "wrong-password")]
    public async Task Whatever_is_wrong_the_answer_and_the_work_are_the_same(string username, string password)
    {
        await Users.CreateAsync("alice", encoded: hash.Encode(TestUsers.PasswordOf("alice")));
        await Users.CreateAsync("idle", isActive: false, encoded: hash.Encode(TestUsers.PasswordOf("idle")));
        await Users.CreateAsync("unusable", encoded: "!unusable");
        await Users.CreateAsync("garbage", encoded: "garbage");
        await Users.CreateAsync("empty", encoded: "");
        await Users.CreateAsync("unlisted", encoded: "bcrypt$$2b$12$abcdefghijklmnopqrstuupd4kvGe1RE7cUAJBlAgNLjj8dnLUqIu");
        await Users.CreateAsync("cheap", encoded: hash.Encode("x", rounds: 3));

        foreach (var (path, status, answer) in new[]
        {
            (Path, 400, Refused),
            ("/api-token-auth/", 400, username.Length == 0 ? """{"username":["This field may not be blank."]}""" : """{"non_field_errors":["Unable to log in with provided credentials."]}"""),
        })
        {
            var before = hash.Runs;
            // DRF's token serializer trims the name, its login view in the tutorials does not.
            if (path != Path && username == "alice ") continue;
            await Http.AskAsync(path, null, "POST", new { username, password }).ShouldBeAsync(status, answer);
            if (path == Path) Assert.Equal(1, hash.Runs - before);
        }
    }

    [Fact]
    public async Task A_cheaper_hash_is_replaced_at_login_and_sessions_of_it_live_on()
    {
        await Users.CreateAsync("alice");
        var browser = await NewBrowser().LogInAsync("alice");

        Assert.StartsWith("counting$", Database.Rows("SELECT password FROM auth_user").Single(), StringComparison.Ordinal);
        await browser.GetAsync("/api/accounts/profile/").ShouldBeAsync(200);
        await NewBrowser().LogInAsync("alice");
    }

    [Fact]
    public async Task A_password_that_is_changed_while_a_login_upgrades_the_old_hash_stays_changed()
    {
        var alice = await Users.CreateAsync("alice");
        hash.Running = () => Users.SetPasswordAsync(alice, "changed-meanwhile").GetAwaiter().GetResult();

        await Http.AskAsync(Path, null, "POST", new { username = "alice", password = TestUsers.PasswordOf("alice") });

        Assert.Equal(TestUsers.Encode("changed-meanwhile"), Database.Rows("SELECT password FROM auth_user").Single());
    }

    [Fact]
    public async Task Host_code_is_told_who_came_went_and_failed()
    {
        await Http.AskAsync("/api/accounts/register/", null, "POST", new { username = "alice", password = "violet-Kettle-42" }).ShouldBeAsync(201);
        await Http.AskAsync(Path, null, "POST", new { username = "alice", password = "wrong-password" }).ShouldBeAsync(400);
        await Http.AskAsync("/api/accounts/profile/", Basic("nobody", "wrong-password")).ShouldBeAsync(401);
        var browser = await NewBrowser().LogInAsync("alice", "violet-Kettle-42");
        await browser.PostAsync("/api/accounts/logout/").ShouldBeAsync(200);

        Assert.Equal(["created alice", "failed alice", "failed nobody", "in alice", "out alice"], events);
    }

    [Fact]
    public async Task What_host_code_throws_is_logged_and_goes_no_further()
    {
        var server = await StartServerAsync(options => options.Events.UserLoggedIn += _ => throw new InvalidTimeZoneException("of the host"));
        await Users.CreateAsync("alice");

        await NewBrowser(server).LogInAsync("alice");

        Assert.Contains(Log.Lines, line => line.Contains("A handler of UserEvent failed", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(Path)]
    [InlineData("/api/accounts/register/")]
    public async Task Another_sites_browser_is_refused_by_its_origin_but_not_under_the_profile_Django(string path)
    {
        await Users.CreateAsync("alice");
        var faithful = await StartServerAsync(options => options.Profile = Profile.Django);
        var trusting = await StartServerAsync(options => options.Csrf.TrustedOrigins = ["https://app.example.org"]);
        var body = new { username = path == Path ? "alice" : "new", password = path == Path ? TestUsers.PasswordOf("alice") : "violet-Kettle-42" };
        Task<HttpResponseMessage> From(TestServer server, string origin) => server.Http.AskAsync(path, "POST", JsonContent.Create(body), ("Origin", origin));

        foreach (var origin in new[] { "https://evil.example", "null", "https://app.example.org", $"https://{Server.Address.Authority}", $"http://{Server.Address.Authority}.evil.example" })
            await From(Server, origin).ShouldBeAsync(403, $$"""{"detail":"CSRF Failed: Origin checking failed - {{origin}} does not match any trusted origins."}""");
        Assert.DoesNotContain("in alice", events);
        Assert.Equal(path == Path ? 200 : 201, (int)(await From(Server, $"http://{Server.Address.Authority}")).StatusCode);
        Database.Execute("DELETE FROM auth_user WHERE username = 'new'");
        Assert.Equal(path == Path ? 200 : 201, (int)(await From(trusting, "https://app.example.org")).StatusCode);
        Database.Execute("DELETE FROM auth_user WHERE username = 'new'");
        Assert.Equal(path == Path ? 200 : 201, (int)(await From(faithful, "https://evil.example")).StatusCode);
    }

    [Fact]
    public async Task Of_100_guesses_at_once_no_more_are_evaluated_than_the_rate_allows()
    {
        var limited = await StartServerAsync(options =>
        {
            options.RestFramework.DefaultThrottleClasses = ["AnonRateThrottle"];
            options.RestFramework.DefaultThrottleRates = new Dictionary<string, string?> { ["anon"] = "10/min" };
        });
        await Users.CreateAsync("alice", encoded: hash.Encode(TestUsers.PasswordOf("alice")));

        var answers = await Task.WhenAll(Enumerable.Range(0, 100).Select(i =>
            limited.Http.AskAsync(Path, null, "POST", new { username = "alice", password = $"wrong-password-{i}" })));

        Assert.Equal(10, answers.Count(answer => answer.StatusCode == HttpStatusCode.BadRequest));
        Assert.Equal(90, answers.Count(answer => answer.StatusCode == HttpStatusCode.TooManyRequests));
        Assert.Equal(10, hash.Runs);
    }

    [Fact]
    public async Task Too_many_logins_are_turned_away_while_tokens_are_served()
    {
        var small = await StartServerAsync(options => { options.PasswordWork.MaxConcurrent = 1; options.PasswordWork.MaxWaiting = 3; options.Accounts.LoginFailureLimit = 0; });
        var alice = await Users.CreateAsync("alice", encoded: hash.Encode(TestUsers.PasswordOf("alice")));
        var token = await Users.TokenAsync(alice);
        using var gate = new ManualResetEventSlim();
        hash.Running = gate.Wait;
        var first = Enumerable.Range(0, 200).Select(_ => small.Http.AskAsync(Path, null, "POST", new { username = "alice", password = "wrong-password" })).ToList();
        await Wait.UntilAsync(() => first.Count(answer => answer.IsCompleted) == 196, "Turning away 196 of 200");

        // Every hash waits, and yet:
        await small.Http.AskAsync("/api/accounts/profile/", "Token " + token).ShouldBeAsync(200);
        await small.Http.AskAsync("/health/live").ShouldBeAsync(200);
        await small.Http.AskAsync("/health/ready").ShouldBeAsync(200);
        var late = await small.Http.AskAsync("/api/accounts/profile/", Basic("alice"));
        var lateRegistration = await small.Http.AskAsync("/api/accounts/register/", null, "POST", new { username = "new", password = "violet-Kettle-42" });

        await late.ShouldBeAsync(503, """{"detail":"Service temporarily unavailable, try again later."}""");
        Assert.Equal("2", late.Header("Retry-After"));
        await lateRegistration.ShouldBeAsync(503);
        gate.Set();
        var answers = await Task.WhenAll(first);
        Assert.Equal(4, answers.Count(answer => answer.StatusCode == HttpStatusCode.BadRequest));
        Assert.Equal(196, answers.Count(answer => answer.StatusCode == HttpStatusCode.ServiceUnavailable));
    }

    [Theory]
    [InlineData("pbkdf2_sha256$2147483648$salt$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")]
    [InlineData("pbkdf2_sha256$99999999999999999999$salt$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")]
    [InlineData("argon2$argon2id$v=19$m=67108864,t=2,p=8$c2Vhc2FsdDFzZWFzYWx0Mg$gBGAQ2Bv6PyJirZpdzwZ4fgxjlOLI6G9++0/qUoXy1o")]
    [InlineData("scrypt$1073741824$salt$8$1$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==")]
    public async Task A_hostile_stored_hash_is_refused_and_logged(string encoded)
    {
        var server = await StartServerAsync(services: services => services.AddSingleton(_ => new PasswordHashes(["md5", "pbkdf2_sha256", "argon2", "scrypt"], new Microsoft.Extensions.Logging.Logger<PasswordHashes>(new Microsoft.Extensions.Logging.LoggerFactory([Log])))));
        await Users.CreateAsync("alice", encoded: encoded);

        await server.Http.AskAsync(Path, null, "POST", new { username = "alice", password = "whatever-it-is" }).ShouldBeAsync(400, Refused);

        Assert.Contains(Log.Lines, line => line.Contains("PasswordHashes", StringComparison.Ordinal) && line.Contains("user 1", StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_list_of_users_is_for_staff()
    {
        await Users.CreateAsync("alice");
        await Users.CreateAsync("root", isStaff: true, email: "root@example.org");

        await Http.AskAsync("/api/accounts/users/").ShouldBeAsync(401);
        await Http.AskAsync("/api/accounts/users/", Basic("alice")).ShouldBeAsync(403);
        await Http.AskAsync("/api/accounts/users/", Basic("root")).ShouldBeAsync(200, """
            [{"id":1,"username":"alice","email":"","is_staff":false},{"id":2,"username":"root","email":"root@example.org","is_staff":true}]
            """);
    }
}
