using Gatehouse.Crypto;
using Gatehouse.Tests.Users;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Gatehouse.Tests.Accounts;

public sealed class PasswordChangeTests : GatehouseTest
{
    private const string Api = "/api/accounts/password/change/";
    private const string Page = "/accounts/password_change/";
    private const string New = "quiet-river-under-stones";

    private static object Body(string old, string first = New, string? second = null) => new { old_password = old, new_password1 = first, new_password2 = second ?? first };

    [Fact]
    public async Task The_present_session_goes_on_and_all_others_end()
    {
        await Users.CreateAsync("alice");
        Secrets.Add(New);
        var here = await NewBrowser().LogInAsync("alice");
        var there = await NewBrowser().LogInAsync("alice");
        var before = here.SessionKey;

        await here.PostAsync(Api, Body(TestUsers.PasswordOf("alice"))).ShouldBeAsync(200, """{"detail":"New password has been saved."}""");

        Assert.NotEqual(before, here.SessionKey);
        await here.GetAsync("/api/accounts/profile/").ShouldBeAsync(200);
        await there.GetAsync("/api/accounts/profile/").ShouldBeAsync(401);
        var old = NewBrowser();
        old.SessionKey = before;
        await old.GetAsync("/api/accounts/profile/").ShouldBeAsync(401);
        await NewBrowser().LogInAsync("alice", New);
        await NewBrowser().PostAsync("/api/accounts/login/", new { username = "alice", password = TestUsers.PasswordOf("alice") }).ShouldBeAsync(400);
    }

    [Fact]
    public async Task Refresh_tokens_end_with_the_password()
    {
        await Users.CreateAsync("alice");
        Secrets.Add(New);
        var pair = await (await Http.AskAsync("/api/token/", null, "POST", new { username = "alice", password = TestUsers.PasswordOf("alice") })).JsonAsync();
        var (access, refresh) = ((string)pair["access"]!, (string)pair["refresh"]!);

        await Http.AskAsync(Api, "Bearer " + access, "POST", Body(TestUsers.PasswordOf("alice"))).ShouldBeAsync(200);

        await Http.AskAsync("/api/token/refresh/", null, "POST", new { refresh }).ShouldBeAsync(401);
    }

    [Theory]
    [InlineData("not-the-old-one", New, New, """{"old_password":["Your old password was entered incorrectly. Please enter it again."]}""")]
    [InlineData(null, New, "another-new-password", """{"new_password2":["The two password fields didn’t match."]}""")]
    [InlineData(null, "12345", "12345", """{"new_password2":["This password is too short. It must contain at least 8 characters.","This password is too common.","This password is entirely numeric."]}""")]
    [InlineData(null, "", "", """{"new_password1":["This field may not be blank."],"new_password2":["This field may not be blank."]}""")]
    [InlineData("not-the-old-one", "alice-example", "alice-example", """{"old_password":["Your old password was entered incorrectly. Please enter it again."],"new_password2":["The password is too similar to the email address."]}""")]
    public async Task What_is_wrong_is_told_in_Djangos_words_and_nothing_changes(string? old, string first, string second, string errors)
    {
        var alice = await Users.CreateAsync("alice", email: "alice@example.com");
        var browser = await NewBrowser().LogInAsync("alice");

        await browser.PostAsync(Api, Body(old ?? TestUsers.PasswordOf("alice"), first, second)).ShouldBeAsync(400, errors);

        Assert.Equal([alice.Password], Database.Rows("SELECT password FROM auth_user"));
    }

    [Fact]
    public async Task Who_is_not_logged_in_changes_nothing()
    {
        await Http.AskAsync(Api, null, "POST", Body("x")).ShouldBeAsync(401);
        var page = await NewBrowser().GetAsync(Page);
        await page.ShouldBeAsync(302);
        Assert.Equal("/accounts/login/?next=/accounts/password_change/", page.Header("Location"));
    }

    [Fact]
    public async Task Another_site_changes_nothing()
    {
        await Users.CreateAsync("alice");
        var browser = await NewBrowser().LogInAsync("alice");

        await browser.SendAsync(HttpMethod.Post, Api, JsonContent(Body(TestUsers.PasswordOf("alice"))), csrf: false).ShouldBeAsync(403);
        await browser.SendAsync(
            HttpMethod.Post, Page, new FormUrlEncodedContent([new("old_password", TestUsers.PasswordOf("alice")), new("new_password1", New), new("new_password2", New)]), csrf: false).ShouldBeAsync(403);

        await NewBrowser().LogInAsync("alice");
    }

    [Fact]
    public async Task Of_several_changes_at_once_from_one_old_password_one_succeeds()
    {
        await Users.CreateAsync("alice");
        var token = await Users.TokenAsync((await Server.Get<Gatehouse.Users.UserAccounts>().FindAsync("alice", Ct))!);

        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(n =>
            Http.AskAsync(Api, "Token " + token, "POST", Body(TestUsers.PasswordOf("alice"), $"quiet-river-number-{n}"))));

        Assert.Single(answers, answer => (int)answer.StatusCode == 200);
        Assert.Equal(7, answers.Count(answer => (int)answer.StatusCode == 400));
    }

    [Fact]
    public async Task The_page_does_the_same_and_sends_no_password_back()
    {
        await Users.CreateAsync("alice");
        Secrets.Add(New);
        var browser = await NewBrowser().LogInAsync("alice");

        var refused = await browser.SubmitAsync(Page, ("old_password", "not-the-old-one"), ("new_password1", New), ("new_password2", New));
        var html = await refused.TextAsync();
        await refused.ShouldBeAsync(200);
        Assert.Contains("Your old password was entered incorrectly.", html, StringComparison.Ordinal);
        Assert.DoesNotContain(New, html, StringComparison.Ordinal);
        Assert.DoesNotContain("not-the-old-one", html, StringComparison.Ordinal);
        Assert.Contains("no-store", refused.Header("Cache-Control"), StringComparison.Ordinal);
        Assert.Contains("frame-ancestors 'none'", refused.Header("Content-Security-Policy"), StringComparison.Ordinal);

        var done = await browser.SubmitAsync(Page, ("old_password", TestUsers.PasswordOf("alice")), ("new_password1", New), ("new_password2", New));
        await done.ShouldBeAsync(302);
        Assert.Equal("/accounts/password_change/done/", done.Header("Location"));
        await browser.GetAsync("/accounts/password_change/done/").ShouldBeAsync(200);
        await NewBrowser().LogInAsync("alice", New);
    }

    [Fact]
    public async Task A_page_without_its_fields_says_so()
    {
        await Users.CreateAsync("alice");
        var browser = await NewBrowser().LogInAsync("alice");

        var html = await (await browser.SubmitAsync(Page)).TextAsync();

        Assert.Equal(3, html.Split("This field is required.").Length - 1);
    }

    private static System.Net.Http.Json.JsonContent JsonContent(object body) => System.Net.Http.Json.JsonContent.Create(body);
}

public sealed class PasswordChangeCostTests : GatehouseTest
{
    private readonly CountingHash hash = new();

    protected override void AddServices(IServiceCollection services) => services.AddSingleton(new PasswordHashes([hash], null));

    [Theory]
    [InlineData("old_password")]
    [InlineData("new_password1")]
    [InlineData("new_password2")]
    public async Task A_password_of_a_megabyte_costs_no_hash(string field)
    {
        var alice = await Users.CreateAsync("alice", encoded: hash.Encode(TestUsers.PasswordOf("alice")));
        var token = await Users.TokenAsync(alice);
        var body = new Dictionary<string, string> { ["old_password"] = TestUsers.PasswordOf("alice"), ["new_password1"] = "x", ["new_password2"] = "x" };
        if (field == "old_password") body["new_password1"] = "";
        body[field] = new string('x', 1_000_000);

        await Http.AskAsync("/api/accounts/password/change/", "Token " + token, "POST", body).ShouldBeAsync(400);

        Assert.True(hash.Runs <= (field == "old_password" ? 0 : 1));
    }
}
