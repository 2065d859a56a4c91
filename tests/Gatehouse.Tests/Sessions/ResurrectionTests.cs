using System.Security.Cryptography;
using System.Text;
using Gatehouse.Crypto;
using Gatehouse.Http;
using Gatehouse.Sessions;
using Gatehouse.Tests.Database;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Gatehouse.Tests.Sessions;

/// <summary>Rows that nobody wrote, and sessions that move to the new key of a rotation while they are being ended.</summary>
public sealed class ResurrectionTests : GatehouseTest
{
    private const string Profile = "/api/accounts/profile/";
    private const string Logout = "/api/accounts/logout/";
    private const string Salt = "django.contrib.sessions.SessionStore";
    private const string NewKey = "new-key-of-the-rotation-0123456789-abcdefghij";
    private const string RowKey = "corruptcorruptcorruptcorruptcorr";

    private readonly TaskCompletionSource entered = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource released = new(TaskCreationOptions.RunContinuationsAsynchronously);

    protected override void Map(WebApplication app)
    {
        app.MapCsrfPage("/me/");
        app.MapPage("/slow/", async Task<IResult> (HttpContext http) =>
        {
            var user = await http.GetSessionUserAsync();
            await HoldAsync();
            return ApiJson.Ok(new { user = user?.Username });
        });
        app.MapPage("/slow-logout/", async Task<IResult> (HttpContext http) =>
        {
            _ = await http.GetSessionUserAsync();
            await HoldAsync();
            await http.LogOutAsync();
            return ApiJson.Ok(new { });
        });

        Task HoldAsync()
        {
            entered.TrySetResult();
            return released.Task;
        }
    }

    [Theory]
    [InlineData(".eJ:a:b")]
    [InlineData("eJ:a:b")]
    [InlineData("a:b:c")]
    [InlineData("a:b:")]
    [InlineData("a:b:=")]
    [InlineData("a:b:A")]
    [InlineData("a:b:AAAAA")]
    [InlineData("a:b:+/+/")]
    [InlineData("a:b:!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!")]
    [InlineData("a:b:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    [InlineData("a:b:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    [InlineData("a:b: A A A A ")]
    [InlineData("a:b:\u00e9\u00e9\u00e9\u00e9")]
    [InlineData("a:b:\U0001F600")]
    [InlineData(".:.:.")]
    [InlineData(":::")]
    [InlineData("::a")]
    [InlineData(":")]
    [InlineData(" ")]
    [InlineData("\u00e9")]
    public Task A_corrupt_row_is_nobodys_session(string data) => ShouldBeNobodysAsync($"'{data}'");

    [Trait(TestDatabase.SqliteOnly, "yes")]
    [Theory]
    [InlineData("x''")]
    [InlineData("x'ff00fe'")]
    [InlineData("x'2e654a3a613a62'")]
    [InlineData("0")]
    [InlineData("1.5")]
    [InlineData("char(0)")]
    public Task A_row_of_another_type_is_nobodys_session(string sql) => ShouldBeNobodysAsync(sql);

    // Nobody but the owner of the key could write these; they are still no reason to fail.
    [Theory]
    [InlineData("")]
    [InlineData(".")]
    [InlineData(".A")]
    [InlineData(".eJ")]
    [InlineData(".AAAA")]
    [InlineData("!")]
    [InlineData("e30=e30=")]
    public Task A_row_that_is_signed_over_no_data_is_nobodys_session(string data) => ShouldBeNobodysAsync($"'{Signed(data)}'");

    [Theory]
    [InlineData("""{"_auth_user_id":"\ud800","_auth_user_backend":"django.contrib.auth.backends.ModelBackend"}""")]
    [InlineData("""{"_auth_user_id":[],"_auth_user_backend":{},"_auth_user_hash":1}""")]
    [InlineData("""{"_auth_user_id":"1","_auth_user_backend":"django.contrib.auth.backends.ModelBackend","_auth_user_hash":"\udc00"}""")]
    [InlineData("""{"_auth_user_id":"99999999999999999999","_auth_user_backend":"django.contrib.auth.backends.ModelBackend"}""")]
    [InlineData("null")]
    [InlineData("{}{}")]
    public Task A_row_that_is_signed_over_odd_data_is_nobodys_session(string json) =>
        ShouldBeNobodysAsync($"'{new DjangoSigner(Salt, [SecretKey]).Sign(Encoding.UTF8.GetBytes(json), Clock.Now)}'");

    [Theory]
    [InlineData("""{"_session_expiry":"\ud800","_auth_user_id":null}""")]
    [InlineData("""{"cart":"\ud800"}""")]
    [InlineData("""{"\ud800":1}""")]
    public Task A_row_that_is_signed_over_text_that_is_no_Unicode_is_nobodys_session(string json) =>
        ShouldBeNobodysAsync($"'{new DjangoSigner(Salt, [SecretKey]).Sign(Encoding.UTF8.GetBytes(json), Clock.Now)}'");

    [Fact]
    public async Task A_request_that_was_moving_the_session_at_logout_does_not_bring_it_back()
    {
        await Users.CreateAsync("alice");
        var browser = await NewBrowser().LogInAsync("alice");
        var rotated = await RotateAsync();
        var slow = Twin(rotated, browser);
        var moving = slow.GetAsync("/slow/");
        await entered.Task;

        await Twin(rotated, browser).PostAsync(Logout).ShouldBeAsync(200);
        released.SetResult();
        await moving.ShouldBeAsync(200, """{"user":"alice"}""");

        Assert.Null(slow.SessionKey);
        Assert.Empty(Database.Rows("SELECT session_key FROM django_session"));
    }

    [Fact]
    public async Task A_logout_that_was_under_way_when_the_session_was_signed_anew_ends_it()
    {
        await Users.CreateAsync("alice");
        var browser = await NewBrowser().LogInAsync("alice");
        var rotated = await RotateAsync();
        var leaving = Twin(rotated, browser).GetAsync("/slow-logout/");
        await entered.Task;
        var moved = Twin(rotated, browser);

        await moved.GetAsync(Profile).ShouldBeAsync(200);
        Assert.Equal(browser.SessionKey, moved.SessionKey);
        released.SetResult();
        await leaving.ShouldBeAsync(200);

        await moved.GetAsync(Profile).ShouldBeAsync(401);
        Assert.Empty(Database.Rows("SELECT session_key FROM django_session"));
    }

    [Fact]
    public async Task Requests_and_a_logout_at_once_in_a_rotation_leave_no_session_that_works()
    {
        await Users.CreateAsync("alice");
        var rotated = await RotateAsync();
        for (var round = 0; round < 40; round++)
        {
            var browser = await NewBrowser().LogInAsync("alice");
            var requests = Enumerable.Range(0, 4).Select(_ => Twin(rotated, browser)).ToList();
            var leaving = Twin(rotated, browser);

            var asked = requests.Take(round % 5).Select(one => one.GetAsync(Profile)).ToList();
            var logout = leaving.PostAsync(Logout);
            asked.AddRange(requests.Skip(round % 5).Select(one => one.GetAsync(Profile)));
            await Task.WhenAll(asked);

            // A logout that came after the move was told that nobody is logged in: it ended nothing.
            if ((int)(await logout).StatusCode != 200) continue;
            foreach (var one in requests.Where(one => one.SessionKey is not null)) await one.GetAsync(Profile).ShouldBeAsync(401);
        }
    }

    private async Task ShouldBeNobodysAsync(string sql)
    {
        await Users.CreateAsync("alice");
        Database.Execute($"INSERT INTO django_session VALUES ('{RowKey}', {sql}, '2027-01-01 00:00:00')");

        await new Browser(Http) { SessionKey = RowKey }.GetAsync(Profile).ShouldBeAsync(401);
        await new Browser(Http) { SessionKey = RowKey }.PostAsync(Logout).ShouldBeAsync(401);
        var page = await new Browser(Http) { SessionKey = RowKey }.GetAsync("/me/");
        await page.ShouldBeAsync(200);
        Assert.Null((await page.JsonAsync())["user"]);
        var browser = await new Browser(Http) { SessionKey = RowKey }.LogInAsync("alice");
        Assert.NotEqual(RowKey, browser.SessionKey);
        await browser.GetAsync(Profile).ShouldBeAsync(200);
    }

    private Task<TestServer> RotateAsync() => StartServerAsync(options =>
    {
        options.SecretKey = NewKey;
        options.SecretKeyFallbacks = [SecretKey];
    });

    private static Browser Twin(TestServer server, Browser of) => new(server.Http) { SessionKey = of.SessionKey, Cookies = { ["csrftoken"] = of.CsrfToken! } };

    private static string Signed(string data)
    {
        var signed = data + ":1vLxYz";
        var key = SHA256.HashData(Encoding.UTF8.GetBytes(Salt + "signer" + SecretKey));
        return signed + ":" + System.Buffers.Text.Base64Url.EncodeToString(HMACSHA256.HashData(key, Encoding.UTF8.GetBytes(signed)));
    }
}
