using System.Net.Http.Json;
using Gatehouse.Crypto;
using Gatehouse.Tests.Users;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Gatehouse.Tests.Accounts;

/// <summary>Guessing slows down, by account, network and device, before a hash is computed.</summary>
public sealed class LoginLimitsTests : GatehouseTest
{
    private const int Limit = 5;
    private readonly CountingHash hash = new();

    protected override void AddServices(IServiceCollection services) => services.AddSingleton(new PasswordHashes([hash], null));

    protected override void Configure(GatehouseOptions options)
    {
        options.Accounts.LoginFailureLimit = Limit;
        options.Accounts.LoginNetworkFailureLimit = 20;
        options.RestFramework.NumProxies = 1;
    }

    [Fact]
    public async Task Of_many_guesses_at_once_no_more_are_evaluated_than_the_limit()
    {
        await CreateAsync("alice");

        var answers = await Task.WhenAll(Enumerable.Range(0, 100).Select(n => LogInAsync("alice", $"wrong-password-{n}", from: $"10.0.{n}.1")));

        Assert.Equal(Limit, hash.Runs);
        Assert.Equal(Limit, answers.Count(answer => (int)answer.StatusCode == 400));
        Assert.Equal(100 - Limit, answers.Count(answer => (int)answer.StatusCode == 429));
    }

    // As above, by whatever door and whichever server: the count is one.
    [Fact]
    public async Task Guesses_through_all_doors_of_two_servers_at_once_have_one_limit()
    {
        await CreateAsync("alice");
        AddApplication();
        var other = await StartServerAsync();
        Task<HttpResponseMessage> GuessAsync(int n)
        {
            var (http, from, password) = (n % 2 == 0 ? Http : other.Http, ("X-Forwarded-For", $"10.0.{n}.1"), $"wrong-password-{n}");
            Task<HttpResponseMessage> JsonAsync(string path) => http.AskAsync(path, "POST", JsonContent.Create(new { username = "alice", password }), from);
            return (n % 6) switch
            {
                0 => JsonAsync("/api/accounts/login/"),
                1 => JsonAsync("/api-token-auth/"),
                2 => JsonAsync("/api/token/"),
                3 => JsonAsync("/api/token/sliding/"),
                4 => http.AskAsync("/api/accounts/profile/", "GET", null, from, ("Authorization", Answers.Basic("alice", password))),
                _ => http.AskAsync("/o/token/", "POST", new FormUrlEncodedContent([new("grant_type", "password"), new("client_id", "app"), new("username", "alice"), new("password", password)]), from),
            };
        }

        var answers = await Task.WhenAll(Enumerable.Range(0, 120).Select(GuessAsync));

        Assert.Equal(Limit, hash.Runs);
        Assert.All(answers, answer => Assert.InRange((int)answer.StatusCode, 400, 429));
        await LogInAsync("alice", TestUsers.PasswordOf("alice")).ShouldBeAsync(429);
    }

    [Fact]
    public async Task Each_failure_after_the_limit_doubles_the_wait_up_to_its_longest()
    {
        await CreateAsync("alice");
        for (var n = 0; n < Limit; n++) await LogInAsync("alice", "wrong-password").ShouldBeAsync(400);

        foreach (var seconds in new[] { 30, 60, 120, 240, 480, 900, 900 })
        {
            var refused = await LogInAsync("alice", TestUsers.PasswordOf("alice"));
            await refused.ShouldBeAsync(429);
            Assert.Equal(seconds.ToString(System.Globalization.CultureInfo.InvariantCulture), refused.Header("Retry-After"));
            Clock.Advance(TimeSpan.FromSeconds(seconds - 1));
            await LogInAsync("alice", "wrong-password").ShouldBeAsync(429);
            Clock.Advance(TimeSpan.FromSeconds(1));
            await LogInAsync("alice", "wrong-password").ShouldBeAsync(400);
        }
    }

    [Fact]
    public async Task A_right_password_forgets_the_failures_of_its_account()
    {
        await CreateAsync("alice");
        for (var n = 0; n < 3; n++)
        {
            for (var m = 0; m < Limit - 1; m++) await LogInAsync("alice", "wrong-password").ShouldBeAsync(400);
            await LogInAsync("alice", TestUsers.PasswordOf("alice")).ShouldBeAsync(200);
        }
    }

    [Fact]
    public async Task Failures_of_long_ago_are_forgotten()
    {
        await CreateAsync("alice");
        for (var n = 0; n < Limit; n++) await LogInAsync("alice", "wrong-password").ShouldBeAsync(400);
        Clock.Advance(TimeSpan.FromDays(1) + TimeSpan.FromSeconds(1));

        for (var n = 0; n < Limit; n++) await LogInAsync("alice", "wrong-password").ShouldBeAsync(400);
        await LogInAsync("alice", "wrong-password").ShouldBeAsync(429);
    }

    [Fact]
    public async Task A_program_that_logs_in_many_times_at_once_is_not_taken_for_a_guesser()
    {
        await CreateAsync("robot");

        var answers = await Task.WhenAll(Enumerable.Range(0, 30).Select(_ => LogInAsync("robot", TestUsers.PasswordOf("robot"))));

        Assert.All(answers, answer => Assert.Equal(200, (int)answer.StatusCode));
    }

    // Two attempts at once, or at two servers, come with times in any order.
    [Fact]
    public async Task An_attempt_whose_time_is_a_moment_earlier_than_the_last_ones_is_looked_at()
    {
        await CreateAsync("alice");
        await LogInAsync("alice", "wrong-password").ShouldBeAsync(400);
        Clock.Advance(TimeSpan.FromMilliseconds(-1));
        await LogInAsync("alice", "wrong-password").ShouldBeAsync(400);

        Clock.Advance(TimeSpan.FromHours(-1));
        await LogInAsync("alice", TestUsers.PasswordOf("alice")).ShouldBeAsync(200);
    }

    [Fact]
    public async Task Of_more_than_wait_for_one_account_the_rest_is_turned_away()
    {
        await CreateAsync("alice");
        using var gate = new ManualResetEventSlim();
        hash.Running = gate.Wait;
        var answers = Enumerable.Range(0, 250).Select(n => LogInAsync("alice", "wrong-password", from: $"10.0.{n}.1")).ToList();
        await Wait.UntilAsync(() => answers.Count(answer => answer.IsCompleted) == 50, "Turning away 50 of 250");

        Assert.All(answers.Where(answer => answer.IsCompleted), answer => Assert.Equal(503, (int)answer.Result.StatusCode));
        gate.Set();
        Assert.Equal(50, (await Task.WhenAll(answers)).Count(answer => (int)answer.StatusCode == 503));
        Assert.Equal(Limit, hash.Runs);
    }

    [Fact]
    public async Task The_slips_of_many_behind_one_address_leak_away()
    {
        for (var n = 0; n < 100; n++)
        {
            await LogInAsync($"user{n}", "wrong-password").ShouldBeAsync(400);
            Clock.Advance(TimeSpan.FromMinutes(3));
        }
    }

    public static TheoryData<string> Doors =>
    [
        "login", "token", "jwt", "sliding", "basic", "password grant", "/accounts/login/", "/api-auth/login/", "/admin/login/", "password change",
        "POST token/", "POST sessions/end_others/", "POST second_factor/", "POST me/delete/", "PATCH me/",
    ];

    [Theory]
    [MemberData(nameof(Doors))]
    public async Task A_locked_account_is_refused_at_every_door_whatever_the_password(string door)
    {
        var alice = await CreateAsync("alice", isStaff: true);
        var token = await Users.TokenAsync(alice);
        for (var n = 0; n < Limit; n++) await LogInAsync("alice", "wrong-password").ShouldBeAsync(400);
        var before = hash.Runs;
        var (username, password) = ("alice", TestUsers.PasswordOf("alice"));

        switch (door)
        {
            case "login": await LogInAsync(username, password).ShouldBeAsync(429); break;
            case "token": await Http.AskAsync("/api-token-auth/", null, "POST", new { username, password }).ShouldBeAsync(429); break;
            case "jwt": await Http.AskAsync("/api/token/", null, "POST", new { username, password }).ShouldBeAsync(429); break;
            case "sliding": await Http.AskAsync("/api/token/sliding/", null, "POST", new { username, password }).ShouldBeAsync(429); break;
            case "basic": await Http.AskAsync("/api/accounts/profile/", Answers.Basic("alice")).ShouldBeAsync(429); break;
            case "password grant":
                AddApplication();
                var answer = await Http.PostAsync("/o/token/", new FormUrlEncodedContent([new("grant_type", "password"), new("client_id", "app"), new("username", username), new("password", password)]), Ct);
                await answer.ShouldBeAsync(400, """{"error":"invalid_grant","error_description":"Too many failed attempts. Try again later."}""");
                break;
            case ['/', ..]:
                var html = await (await NewBrowser().SubmitAsync(door, ("username", username), ("password", password))).TextAsync();
                Assert.Contains("Too many failed attempts.", html, StringComparison.Ordinal);
                break;
            case ['P', ..]:
                // Where somebody who is logged in shows the password once more.
                var (method, path) = (door.Split(' ')[0], "/api/accounts/" + door.Split(' ')[1]);
                await Http.AskAsync(path, "Token " + token, method, new { current_password = password, email = "new@example.com" }).ShouldBeAsync(429);
                break;
            default:
                await Http.AskAsync("/api/accounts/password/change/", "Token " + token, "POST", new { old_password = password, new_password1 = "a-new-fine-phrase", new_password2 = "a-new-fine-phrase" }).ShouldBeAsync(429);
                break;
        }

        Assert.Equal(before, hash.Runs);
        // What was given out before goes on.
        await Http.AskAsync("/api/accounts/profile/", "Token " + token).ShouldBeAsync(200);
    }

    [Theory]
    [InlineData("Alice")]
    [InlineData("ALICE")]
    [InlineData(" alice ")]
    [InlineData("\uff41\uff4c\uff49\uff43\uff45")]
    [InlineData("alice\u00a0")]
    public async Task Spellings_of_one_name_have_one_count(string spelling)
    {
        await CreateAsync("alice");
        for (var n = 0; n < Limit; n++) await LogInAsync(spelling, "wrong-password").ShouldBeAsync(400);

        await LogInAsync("alice", TestUsers.PasswordOf("alice")).ShouldBeAsync(429);
    }

    [Fact]
    public async Task Unknown_names_are_counted_as_known_ones()
    {
        for (var n = 0; n < Limit; n++) await LogInAsync("nobody", "wrong-password").ShouldBeAsync(400);

        await LogInAsync("nobody", "wrong-password").ShouldBeAsync(429);
        Assert.DoesNotContain(Database.Rows("SELECT key FROM gatehouse_login_failure"), key => key.Contains("nobody", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Guessing_many_accounts_from_one_network_is_counted_and_a_login_of_ones_own_does_not_clear_it()
    {
        await CreateAsync("mallory");
        for (var n = 0; n < 19; n++)
        {
            if (n % 5 == 4) await LogInAsync("mallory", TestUsers.PasswordOf("mallory"), from: "203.0.113.9").ShouldBeAsync(200);
            await LogInAsync($"user{n}", "wrong-password", from: "203.0.113.9").ShouldBeAsync(400);
        }
        await LogInAsync("user20", "wrong-password", from: "203.0.113.9").ShouldBeAsync(400);

        await LogInAsync("user21", "wrong-password", from: "203.0.113.9").ShouldBeAsync(429);
        await LogInAsync("user21", "wrong-password", from: "203.0.113.10").ShouldBeAsync(400);
    }

    [Theory]
    [InlineData("X-Forwarded-For")]
    [InlineData("X-Real-IP")]
    [InlineData("Forwarded")]
    public async Task Without_a_named_proxy_no_header_makes_another_network(string header)
    {
        var server = await StartServerAsync(options => options.RestFramework.NumProxies = null);

        for (var n = 0; n < 20; n++)
            await server.Http.AskAsync("/api/accounts/login/", "POST", JsonContent.Create(new { username = $"user{n}", password = "wrong-password" }), (header, $"198.51.100.{n}")).ShouldBeAsync(400);

        await server.Http.AskAsync("/api/accounts/login/", "POST", JsonContent.Create(new { username = "user20", password = "wrong-password" }), (header, "198.51.100.99")).ShouldBeAsync(429);
    }

    // As a proxy that is named tells it, perhaps with a port; the client may put in front what it likes.
    [Theory]
    [InlineData("203.0.113.9", "203.0.113.9")]
    [InlineData("203.0.113.9:{0}", "203.0.113.9")]
    [InlineData("::ffff:203.0.113.9", "203.0.113.9")]
    [InlineData("2001:db8:1:2::{0}", "2001:db8:1:2:ffff:ffff:ffff:ffff")]
    [InlineData("2001:DB8:1:2::{0}", "2001:db8:1:2::9")]
    [InlineData("[2001:db8:1:2::{0}]:4{0}", "2001:db8:1:2::9")]
    public async Task Addresses_of_one_network_are_counted_as_one_in_the_header_too(string guesser, string other)
    {
        await CreateAsync("alice");
        for (var n = 0; n < 20; n++) await LogInAsync($"user{n}", "wrong-password", from: $"198.51.100.{n}, {string.Format(System.Globalization.CultureInfo.InvariantCulture, guesser, n)}").ShouldBeAsync(400);

        await LogInAsync("alice", TestUsers.PasswordOf("alice"), from: other).ShouldBeAsync(429);
        await LogInAsync("alice", TestUsers.PasswordOf("alice"), from: "2001:db8:1:3::1").ShouldBeAsync(200);
        Assert.All(Database.Rows("SELECT key FROM gatehouse_login_failure WHERE key LIKE 'network:%'"), key => Assert.Contains(key, new[] { "network:203.0.113.9", "network:2001:db8:1:2::/64", "network:2001:db8:1:3::/64" }));
    }

    [Fact]
    public async Task Nobody_else_locks_a_known_device_out()
    {
        await CreateAsync("alice");
        var owner = await NewBrowser().LogInAsync("alice");
        await owner.PostAsync("/api/accounts/logout/").ShouldBeAsync(200);
        for (var n = 0; n < 40; n++) await LogInAsync("alice", "wrong-password");
        await LogInAsync("alice", TestUsers.PasswordOf("alice")).ShouldBeAsync(429);

        await owner.LogInAsync("alice");

        // Its own failures count, and then it is a stranger again.
        for (var n = 0; n < Limit; n++) await owner.PostAsync("/api/accounts/login/", new { username = "alice", password = "wrong-password" }).ShouldBeAsync(400);
        await owner.PostAsync("/api/accounts/login/", new { username = "alice", password = TestUsers.PasswordOf("alice") }).ShouldBeAsync(429);
    }

    [Fact]
    public async Task A_device_is_known_for_its_user_only_and_ends_with_the_password()
    {
        var alice = await CreateAsync("alice");
        await CreateAsync("mallory");
        var mallory = await NewBrowser().LogInAsync("mallory");
        var owner = await NewBrowser().LogInAsync("alice");
        Assert.Contains("HttpOnly", (await NewBrowser().PostAsync("/api/accounts/login/", new { username = "alice", password = TestUsers.PasswordOf("alice") })).SetCookie("gatehouse-device"), StringComparison.Ordinal);
        for (var n = 0; n < Limit; n++) await LogInAsync("alice", "wrong-password").ShouldBeAsync(400);

        await mallory.PostAsync("/api/accounts/login/", new { username = "alice", password = TestUsers.PasswordOf("alice") }).ShouldBeAsync(429);
        var forged = NewBrowser();
        forged.Cookies["gatehouse-device"] = "x" + owner.Cookies["gatehouse-device"];
        await forged.PostAsync("/api/accounts/login/", new { username = "alice", password = TestUsers.PasswordOf("alice") }).ShouldBeAsync(429);
        Database.Execute($"UPDATE auth_user SET password = '{hash.Encode("another-password")}' WHERE id = {alice.Id}");
        await owner.PostAsync("/api/accounts/login/", new { username = "alice", password = "another-password" }).ShouldBeAsync(429);
    }

    [Fact]
    public async Task Under_the_profile_Django_nothing_is_counted_and_no_device_marked()
    {
        await CreateAsync("alice");
        var server = await StartServerAsync(options =>
        {
            options.Profile = Profile.Django;
            options.Accounts.LoginFailureLimit = null;
        });

        for (var n = 0; n < 30; n++) await server.Http.AskAsync("/api/accounts/login/", null, "POST", new { username = "alice", password = "wrong-password" }).ShouldBeAsync(400);
        var answer = await server.Http.AskAsync("/api/accounts/login/", null, "POST", new { username = "alice", password = TestUsers.PasswordOf("alice") });
        await answer.ShouldBeAsync(200);
        Assert.Null(answer.SetCookie("gatehouse-device"));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(-1)]
    [InlineData(2000)]
    public async Task A_limit_that_cannot_work_stops_the_start(int limit) =>
        Assert.Contains("LoginFailureLimit", (await Assert.ThrowsAsync<SettingException>(() => StartServerAsync(options => options.Accounts.LoginFailureLimit = limit))).Message, StringComparison.Ordinal);

    private void AddApplication() => Database.Execute(
        """
        INSERT INTO oauth2_provider_application (redirect_uris, client_type, authorization_grant_type, client_secret, name, user_id, skip_authorization, created, updated, algorithm,
            post_logout_redirect_uris, hash_client_secret, allowed_origins, registration_source, client_id)
        VALUES ('', 'public', 'password', '', 'app', NULL, FALSE, '2026-01-01 00:00:00', '2026-01-01 00:00:00', '', '', FALSE, '', 'manual', 'app')
        """);

    private Task<Gatehouse.Users.User> CreateAsync(string username, bool isStaff = false) =>
        Users.CreateAsync(username, encoded: hash.Encode(TestUsers.PasswordOf(username)), isStaff: isStaff);

    private Task<HttpResponseMessage> LogInAsync(string username, string password, string from = "192.0.2.1") =>
        Http.AskAsync("/api/accounts/login/", "POST", JsonContent.Create(new { username, password }), ("X-Forwarded-For", from));
}
