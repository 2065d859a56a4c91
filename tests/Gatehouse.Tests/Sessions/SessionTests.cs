using System.Text.Json;
using Gatehouse.Crypto;
using Gatehouse.Http;
using Gatehouse.Sessions;
using Gatehouse.Tests.Database;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Gatehouse.Tests.Sessions;

public sealed class SessionTests : GatehouseTest
{
    private const string Profile = "/api/accounts/profile/";
    private const string Nobody = """{"detail":"Authentication credentials were not provided."}""";

    protected override void Map(WebApplication app)
    {
        app.MapCsrfPage("/me/");
        app.MapPage("/cart/", async Task<IResult> (HttpContext http) =>
        {
            var session = await http.GetSessionAsync();
            if (http.Request.Query["put"].LastOrDefault() is { } put) session.Set("cart", put);
            if (http.Request.Query["expiry"].LastOrDefault() is { } expiry) session.Set("_session_expiry", expiry);
            return ApiJson.Ok(new { cart = session.GetString("cart"), keys = session.Keys.Order(StringComparer.Ordinal) });
        });
        app.MapPage("/slow/", async Task<IResult> (HttpContext http) =>
        {
            var session = await http.GetSessionAsync();
            entered.TrySetResult();
            await released.Task;
            session.Set("cart", "late");
            return ApiJson.Ok(new { });
        });
    }

    private readonly TaskCompletionSource entered = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource released = new(TaskCreationOptions.RunContinuationsAsynchronously);

    [Fact]
    public async Task Login_gives_a_new_key_and_the_one_known_before_is_dead()
    {
        await Users.CreateAsync("alice");
        var browser = NewBrowser();
        await browser.GetAsync("/cart/?put=apples");
        var before = browser.SessionKey!;

        await browser.LogInAsync("alice");

        Assert.NotEqual(before, browser.SessionKey);
        await AskAsync(browser.SessionKey!).ShouldBeAsync(200);
        await AskAsync(before).ShouldBeAsync(401, Nobody);
        // What an anonymous visitor gathered goes over.
        await browser.GetAsync("/cart/").ShouldBeAsync(200, """{"cart":"apples","keys":["_auth_user_backend","_auth_user_hash","_auth_user_id","cart"]}""");
        Assert.Equal([browser.SessionKey!], Database.Rows("SELECT session_key FROM django_session"));
    }

    [Fact]
    public async Task A_key_that_an_attacker_chose_is_never_taken_over()
    {
        await Users.CreateAsync("alice");
        var browser = NewBrowser();
        browser.SessionKey = "attackerattackerattackerattacker";

        await browser.GetAsync("/cart/?put=apples");
        Assert.NotEqual("attackerattackerattackerattacker", browser.SessionKey);
        browser.SessionKey = "attackerattackerattackerattacker";
        await browser.LogInAsync("alice");

        Assert.NotEqual("attackerattackerattackerattacker", browser.SessionKey);
        await AskAsync("attackerattackerattackerattacker").ShouldBeAsync(401);
    }

    [Fact]
    public async Task Another_users_login_takes_nothing_of_the_session_over()
    {
        await Users.CreateAsync("alice");
        await Users.CreateAsync("bob");
        var browser = await NewBrowser().LogInAsync("alice");
        var alices = browser.SessionKey!;
        await browser.GetAsync("/cart/?put=apples");

        await browser.LogInAsync("bob");

        await browser.GetAsync("/cart/").ShouldBeAsync(200, """{"cart":null,"keys":["_auth_user_backend","_auth_user_hash","_auth_user_id"]}""");
        await AskAsync(alices).ShouldBeAsync(401);
    }

    [Fact]
    public async Task Logout_ends_the_session_and_takes_the_cookie_back()
    {
        await Users.CreateAsync("alice");
        var browser = await NewBrowser().LogInAsync("alice");
        var key = browser.SessionKey!;

        var response = await browser.PostAsync("/api/accounts/logout/");

        await response.ShouldBeAsync(200, """{"message":"Logged out successfully"}""");
        Assert.Equal("sessionid=\"\"; expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/; SameSite=Lax", response.SetCookie("sessionid"));
        await AskAsync(key).ShouldBeAsync(401, Nobody);
        Assert.Empty(Database.Rows("SELECT session_key FROM django_session"));
    }

    [Fact]
    public async Task Logout_of_one_browser_leaves_the_other()
    {
        await Users.CreateAsync("alice");
        var laptop = await NewBrowser().LogInAsync("alice");
        var phone = await NewBrowser().LogInAsync("alice");
        Assert.NotEqual(laptop.SessionKey, phone.SessionKey);

        await laptop.PostAsync("/api/accounts/logout/");

        await phone.GetAsync(Profile).ShouldBeAsync(200);
    }

    [Fact]
    public async Task A_changed_password_ends_every_session_made_with_the_old_one()
    {
        var alice = await Users.CreateAsync("alice");
        var browsers = new[] { await NewBrowser().LogInAsync("alice"), await NewBrowser().LogInAsync("alice") };

        await Users.SetPasswordAsync(alice, "another-password");

        foreach (var browser in browsers) await browser.GetAsync(Profile).ShouldBeAsync(401, Nobody);
        Assert.Empty(Database.Rows("SELECT session_key FROM django_session"));
    }

    [Fact]
    public async Task A_deleted_or_deactivated_users_session_is_nobodys()
    {
        var alice = await Users.CreateAsync("alice");
        var bob = await Users.CreateAsync("bob");
        var (hers, his) = (await NewBrowser().LogInAsync("alice"), await NewBrowser().LogInAsync("bob"));

        await Users.DeleteAsync(alice);
        await Users.DeactivateAsync(bob);

        await hers.GetAsync(Profile).ShouldBeAsync(401, Nobody);
        await his.GetAsync(Profile).ShouldBeAsync(401, Nobody);
    }

    [Fact]
    public async Task A_user_with_the_id_of_a_deleted_one_does_not_inherit_the_session()
    {
        var alice = await Users.CreateAsync("alice");
        var browser = await NewBrowser().LogInAsync("alice");
        await Users.DeleteAsync(alice);
        Database.Execute(TestDatabase.IsPostgres ? "ALTER TABLE auth_user ALTER COLUMN id RESTART" : "DELETE FROM sqlite_sequence WHERE name = 'auth_user'");
        var mallory = await Users.CreateAsync("mallory");
        Assert.Equal(alice.Id, mallory.Id);

        await browser.GetAsync(Profile).ShouldBeAsync(401, Nobody);
    }

    [Theory]
    [InlineData("altered")]
    [InlineData("unsigned")]
    [InlineData("other key")]
    [InlineData("other salt")]
    [InlineData("garbage")]
    [InlineData("empty")]
    [InlineData("no json")]
    [InlineData("list")]
    [InlineData("bomb")]
    public async Task A_forged_row_is_an_empty_session(string how)
    {
        var alice = await Users.CreateAsync("alice");
        var browser = await NewBrowser().LogInAsync("alice");
        var good = Database.Rows("SELECT session_data FROM django_session").Single();
        var json = new DjangoSigner("django.contrib.sessions.SessionStore", [SecretKey]).Verify(good)!;
        string Signed(ReadOnlySpan<byte> data, string salt = "django.contrib.sessions.SessionStore", string key = SecretKey) =>
            new DjangoSigner(salt, [key]).Sign(data, Clock.Now);
        var forged = how switch
        {
            "altered" => (good[0] == 'A' ? 'B' : 'A') + good[1..],
            "unsigned" => good[..good.LastIndexOf(':')],
            "other key" => Signed(json, key: "another-key-another-key-another-key-another-key"),
            "other salt" => Signed(json, salt: "django.core.signing"),
            "garbage" => "::::",
            "empty" => "",
            "no json" => Signed("{"u8),
            "list" => Signed("[1]"u8),
            _ => Signed(new byte[8 * 1024 * 1024]),
        };

        Database.Execute($"UPDATE django_session SET session_data = '{forged}'");

        await browser.GetAsync(Profile).ShouldBeAsync(401, Nobody);
        Assert.Equal(1, alice.Id.Number);
    }

    [Theory]
    [InlineData("x")]
    [InlineData("' OR 1=1 --")]
    [InlineData("%")]
    [InlineData("00000000000000000000000000000000")]
    [InlineData("a-key-that-is-much-longer-than-the-forty-characters-of-its-column")]
    public async Task A_cookie_that_is_no_key_is_nobody(string key)
    {
        await Users.CreateAsync("alice");
        await NewBrowser().LogInAsync("alice");

        await AskAsync(key).ShouldBeAsync(401, Nobody);
    }

    [Fact]
    public async Task A_former_secret_key_still_opens_sessions_and_they_are_signed_with_the_new_one()
    {
        await Users.CreateAsync("alice");
        var browser = await NewBrowser().LogInAsync("alice");
        var old = browser.SessionKey!;
        await Server.StopAsync();
        var rotated = await StartServerAsync(options => { options.SecretKey = "new-key-new-key-new-key-new-key-new-key"; options.SecretKeyFallbacks = [SecretKey]; });
        var later = new Browser(rotated.Http) { SessionKey = old };

        await later.GetAsync(Profile).ShouldBeAsync(200);

        Assert.Equal(old, later.SessionKey);
        await rotated.StopAsync();
        var without = await StartServerAsync(options => options.SecretKey = "new-key-new-key-new-key-new-key-new-key");
        await new Browser(without.Http) { SessionKey = old }.GetAsync(Profile).ShouldBeAsync(200);
    }

    [Fact]
    public async Task A_session_ends_when_its_age_is_over_and_reading_does_not_prolong_it()
    {
        await Users.CreateAsync("alice");
        var browser = await NewBrowser().LogInAsync("alice");
        Clock.Advance(TimeSpan.FromDays(13.9));
        await browser.GetAsync(Profile).ShouldBeAsync(200);
        Clock.Advance(TimeSpan.FromDays(0.2));

        await browser.GetAsync(Profile).ShouldBeAsync(401, Nobody);
    }

    [Fact]
    public async Task Saved_at_every_request_it_lives_as_long_as_it_is_used()
    {
        var server = await StartServerAsync(options => { options.Session.SaveEveryRequest = true; options.Session.CookieAge = TimeSpan.FromHours(1); });
        await Users.CreateAsync("alice");
        var browser = await NewBrowser(server).LogInAsync("alice");

        for (var i = 0; i < 4; i++)
        {
            Clock.Advance(TimeSpan.FromMinutes(50));
            var response = await browser.GetAsync(Profile);
            await response.ShouldBeAsync(200);
            Assert.Contains("Max-Age=3600", response.SetCookie("sessionid"), StringComparison.Ordinal);
        }
        Clock.Advance(TimeSpan.FromMinutes(61));
        await browser.GetAsync(Profile).ShouldBeAsync(401);
    }

    [Fact]
    public async Task A_cookie_that_ends_with_the_browser_has_no_age_but_its_row_has()
    {
        var server = await StartServerAsync(options => options.Session.ExpireAtBrowserClose = true);
        await Users.CreateAsync("alice");
        var response = await server.Http.AskAsync("/api/accounts/login/", null, "POST", new { username = "alice", password = TestUsers.PasswordOf("alice") });

        var cookie = response.SetCookie("sessionid")!;
        Assert.DoesNotContain("Max-Age", cookie, StringComparison.Ordinal);
        Assert.DoesNotContain("expires", cookie, StringComparison.OrdinalIgnoreCase);
        Assert.Equal(["2026-07-15 12:00:00.123456"], Database.Rows("SELECT expire_date FROM django_session"));
    }

    [Fact]
    public async Task A_session_may_have_an_end_of_its_own()
    {
        var browser = NewBrowser();

        var response = await browser.GetAsync("/cart/?put=apples&expiry=2026-07-01T12:10:00.123456%2B00:00");

        Assert.Contains("Max-Age=600;", response.SetCookie("sessionid"), StringComparison.Ordinal);
        Assert.Equal(["2026-07-01 12:10:00.123456"], Database.Rows("SELECT expire_date FROM django_session"));
    }

    [Fact]
    public async Task The_cookies_have_Djangos_flags()
    {
        await Users.CreateAsync("alice");

        var response = await NewBrowser().SendAsync(
            HttpMethod.Post, "/api/accounts/login/", System.Net.Http.Json.JsonContent.Create(new { username = "alice", password = TestUsers.PasswordOf("alice") }));

        Assert.Matches("^sessionid=[a-z0-9]{32}; expires=Wed, 15 Jul 2026 12:00:00 GMT; HttpOnly; Max-Age=1209600; Path=/; SameSite=Lax$", response.SetCookie("sessionid"));
        Assert.Matches("^csrftoken=[A-Za-z0-9]{32}; expires=Wed, 30 Jun 2027 12:00:00 GMT; Max-Age=31449600; Path=/; SameSite=Lax$", response.SetCookie("csrftoken"));
        Assert.Contains("Cookie", response.Header("Vary"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_cookies_flags_are_settings()
    {
        var server = await StartServerAsync(options =>
        {
            options.Session.CookieName = "__Host-sid";
            options.Session.CookieSecure = true;
            options.Session.CookieSameSite = "Strict";
            options.Csrf.CookieSecure = true;
            options.Csrf.CookieHttpOnly = true;
            options.Csrf.CookieDomain = "example.com";
        });
        await Users.CreateAsync("alice");

        var response = await server.Http.AskAsync("/api/accounts/login/", null, "POST", new { username = "alice", password = TestUsers.PasswordOf("alice") });

        Assert.Matches("^__Host-sid=[a-z0-9]{32}; expires=.*; HttpOnly; Max-Age=1209600; Path=/; SameSite=Strict; Secure$", response.SetCookie("__Host-sid"));
        Assert.Matches("^csrftoken=[A-Za-z0-9]{32}; Domain=example.com; expires=.*; HttpOnly; Max-Age=31449600; Path=/; SameSite=Lax; Secure$", response.SetCookie("csrftoken"));
    }

    [Fact]
    public async Task A_request_that_was_under_way_at_logout_does_not_bring_the_session_back()
    {
        await Users.CreateAsync("alice");
        var browser = await NewBrowser().LogInAsync("alice");
        var key = browser.SessionKey!;
        var slow = new Browser(Http) { SessionKey = key }.GetAsync("/slow/");
        await entered.Task;

        await browser.PostAsync("/api/accounts/logout/").ShouldBeAsync(200);
        released.SetResult();
        await slow.ShouldBeAsync(200);

        await AskAsync(key).ShouldBeAsync(401, Nobody);
        Assert.Empty(Database.Rows("SELECT session_key FROM django_session"));
    }

    [Fact]
    public async Task Logouts_and_changes_at_once_never_bring_a_session_back()
    {
        await Users.CreateAsync("alice");
        for (var round = 0; round < 5; round++)
        {
            var browser = await NewBrowser().LogInAsync("alice");
            var key = browser.SessionKey!;
            Browser Twin() => new(Http) { SessionKey = key, Cookies = { ["csrftoken"] = browser.CsrfToken! } };
            var writers = Enumerable.Range(0, 8).Select(i => Twin().GetAsync($"/cart/?put={i}"));
            var logouts = Enumerable.Range(0, 4).Select(_ => Twin().PostAsync("/api/accounts/logout/"));

            await Task.WhenAll(writers.Concat(logouts));

            await AskAsync(key).ShouldBeAsync(401);
        }
        // A write that came after the logout may have begun an anonymous session; a user's is in none.
        var signer = new DjangoSigner("django.contrib.sessions.SessionStore", [SecretKey]);
        Assert.All(Database.Rows("SELECT session_data FROM django_session"), data => Assert.Equal(-1, signer.Verify(data).AsSpan().IndexOf("_auth"u8)));
    }

    [Fact]
    public async Task Sessions_that_Django_made_are_read_and_ours_are_what_Django_would_decode()
    {
        using var vectors = JsonDocument.Parse(DatabaseFile.Parity("django-schema/vectors.json"));
        var key = vectors.RootElement.GetProperty("secret_key").GetString()!;
        var signer = new DjangoSigner("django.contrib.sessions.SessionStore", [key]);
        foreach (var session in vectors.RootElement.GetProperty("sessions").EnumerateArray())
        {
            var data = session.GetProperty("session_data").GetString()!;
            var decoded = signer.Verify(data);
            Assert.True(JsonElement.DeepEquals(session.GetProperty("decoded"), JsonDocument.Parse(decoded!).RootElement));
            // Signed anew at the same second it is the same text, where Django's deflate makes the same bytes as ours.
            var again = signer.Sign(decoded, DateTimeOffset.FromUnixTimeSeconds(session.GetProperty("signed_at").GetInt64()));
            Assert.Equal(data.Split(':')[1], again.Split(':')[1]);
            if (!data.StartsWith('.')) Assert.Equal(data, again);
            Assert.Equal(decoded, signer.Verify(again));
        }

        var server = await StartServerAsync(options => options.SecretKey = key);
        var column = vectors.RootElement.GetProperty("session_auth_hash").GetProperty("password_column").GetString()!;
        Database.Execute($"INSERT INTO auth_user (id, password, is_superuser, username, last_name, email, is_staff, is_active, date_joined, first_name) VALUES (3, '{column}', FALSE, 'alice', '', '', FALSE, TRUE, '2026-01-01 00:00:00', '')");
        var row = vectors.RootElement.GetProperty("sessions")[0];
        Database.Execute($"INSERT INTO django_session VALUES ('{row.GetProperty("session_key").GetString()}', '{row.GetProperty("session_data").GetString()}', '2027-01-01 00:00:00')");

        await new Browser(server.Http) { SessionKey = row.GetProperty("session_key").GetString() }.GetAsync(Profile)
            .ShouldBeAsync(200, """{"id":3,"username":"alice","email":"","is_staff":false}""");
    }

    [Fact]
    public async Task Our_row_holds_what_Django_puts_into_its_own()
    {
        await Users.CreateAsync("alice");
        await NewBrowser().LogInAsync("alice");

        var row = Database.Rows("SELECT session_key, session_data, expire_date FROM django_session").Single().Split('|');
        var json = JsonDocument.Parse(new DjangoSigner("django.contrib.sessions.SessionStore", [SecretKey]).Verify(row[1])!).RootElement;

        Assert.Matches("^[a-z0-9]{32}$", row[0]);
        Assert.Equal("2026-07-15 12:00:00.123456", row[2]);
        Assert.Equal("1", json.GetProperty("_auth_user_id").GetString());
        Assert.Equal("django.contrib.auth.backends.ModelBackend", json.GetProperty("_auth_user_backend").GetString());
        Assert.Equal(
            DjangoSigner.SaltedHmac("django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash", SecretKey, TestUsers.Encode(TestUsers.PasswordOf("alice"))),
            json.GetProperty("_auth_user_hash").GetString());
        Assert.Equal(["2026-07-01 12:00:00.123456"], Database.Rows("SELECT last_login FROM auth_user"));
    }

    [Fact]
    public async Task A_visitor_who_leaves_nothing_behind_gets_no_session()
    {
        var response = await Http.AskAsync("/cart/");

        await response.ShouldBeAsync(200, """{"cart":null,"keys":[]}""");
        Assert.Null(response.SetCookie("sessionid"));
        Assert.Empty(Database.Rows("SELECT session_key FROM django_session"));
    }

    private Task<HttpResponseMessage> AskAsync(string sessionKey) => Http.AskAsync(Profile, "GET", null, ("Cookie", "sessionid=" + sessionKey));
}
