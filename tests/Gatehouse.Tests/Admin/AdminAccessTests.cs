using System.Net;
using Gatehouse.Tests.Clients;
using Gatehouse.Tests.Database;
using Xunit;

namespace Gatehouse.Tests.Admin;

/// <summary>Who sees and may do what: Django's permissions decide, and nobody gets at more than they have.</summary>
// Their rows are written in the SQL of SQLite.
[Trait(TestDatabase.SqliteOnly, "yes")]
public sealed class AdminAccessTests : AdminTest
{
    public static TheoryData<string> Models =>
    [
        "admin/logentry", "auth/group", "auth/user", "authtoken/tokenproxy", "oauth2_provider/accesstoken", "oauth2_provider/application", "oauth2_provider/devicegrant",
        "oauth2_provider/grant", "oauth2_provider/idtoken", "oauth2_provider/refreshtoken", "sessions/session", "token_blacklist/blacklistedtoken", "token_blacklist/outstandingtoken",
    ];

    [Theory]
    [MemberData(nameof(Models))]
    public async Task Every_list_is_there_for_a_superuser_and_not_for_staff_without_permissions(string model)
    {
        await HtmlAsync(await RootAsync(), $"/admin/{model}/");
        var other = await StaffAsync("clerk");

        await HtmlAsync(other, $"/admin/{model}/", 403);
        await HtmlAsync(other, $"/admin/{model}/add/", 403);
        await HtmlAsync(other, $"/admin/{model}/1/change/", 403);
        await HtmlAsync(other, $"/admin/{model}/1/delete/", 403);
        await HtmlAsync(other, $"/admin/{model}/1/history/", 403);
        Assert.Equal(HttpStatusCode.Forbidden, (await PostAsync(other, $"/admin/{model}/", ("action", "delete_selected"), ("_selected_action", "1"), ("post", "yes"))).Status);
    }

    [Theory]
    [MemberData(nameof(Models))]
    public async Task Who_may_only_view_changes_nothing(string model)
    {
        var codename = "view_" + model[(model.IndexOf('/', StringComparison.Ordinal) + 1)..];
        var other = await StaffAsync("clerk", codename);
        var target = await Users.CreateAsync("alice");

        await HtmlAsync(other, $"/admin/{model}/");
        await HtmlAsync(other, $"/admin/{model}/add/", 403);
        Assert.Equal(HttpStatusCode.Forbidden, (await PostAsync(other, $"/admin/{model}/add/", ("username", "x"))).Status);
        Assert.Equal(HttpStatusCode.Forbidden, (await PostAsync(other, $"/admin/{model}/", ("action", "delete_selected"), ("_selected_action", target.Id.ToString()), ("post", "yes"))).Status);
        Assert.Empty(Noted());
    }

    [Fact]
    public async Task The_index_shows_what_may_be_done_and_no_more()
    {
        var html = await HtmlAsync(await StaffAsync("clerk", "view_user", "add_group"), "/admin/");

        Assert.Contains("href=\"/admin/auth/user/\"", html, StringComparison.Ordinal);
        Assert.Contains("href=\"/admin/auth/group/add/\"", html, StringComparison.Ordinal);
        Assert.DoesNotContain("/admin/auth/user/add/", html, StringComparison.Ordinal);
        Assert.DoesNotContain("Applications", html, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Who_is_no_staff_is_sent_to_log_in_from_every_page()
    {
        await Users.CreateAsync("alice");
        var alice = await NewBrowser().LogInAsync("alice");

        foreach (var path in new[] { "/admin/", "/admin/auth/", "/admin/auth/user/", "/admin/auth/user/1/change/", "/admin/auth/user/1/password/", "/admin/nothing/of/the/kind/" })
        {
            var response = await alice.GetAsync(path);
            Assert.Equal("/admin/login/?next=" + path, response.Headers.Location?.ToString());
        }
    }

    [Fact]
    public async Task Adding_users_needs_the_permission_to_change_them_too()
    {
        await HtmlAsync(await StaffAsync("adder", "add_user"), "/admin/auth/user/add/", 403);
        await HtmlAsync(await StaffAsync("keeper", "add_user", "change_user"), "/admin/auth/user/add/");
    }

    [Fact]
    public async Task Nobody_but_a_superuser_makes_a_superuser()
    {
        var keeper = await StaffAsync("keeper", "change_user");
        var alice = await Users.CreateAsync("alice");
        var self = Database.Rows("SELECT id FROM auth_user WHERE username = 'keeper'")[0];

        await PostAsync(keeper, $"/admin/auth/user/{alice.Id}/change/", UserForm("alice", ("is_superuser", "on")));
        await PostAsync(keeper, $"/admin/auth/user/{self}/change/", UserForm("keeper", ("is_superuser", "on"), ("is_staff", "on")));

        Assert.Empty(Database.Rows("SELECT username FROM auth_user WHERE is_superuser"));
    }

    [Fact]
    public async Task Nobody_gives_permissions_that_they_do_not_have()
    {
        var keeper = await StaffAsync("keeper", "change_user", "change_group");
        var alice = await Users.CreateAsync("alice");
        var owner = await Users.CreateAsync("owner");
        await Users.GrantAsync(owner, "delete_user", byGroup: "deleters");
        var deletes = Database.Rows("SELECT id FROM auth_permission WHERE codename = 'delete_user'")[0];
        var changes = Database.Rows("SELECT id FROM auth_permission WHERE codename = 'change_user'")[0];
        var group = Database.Rows("SELECT id FROM auth_group")[0];

        var path = $"/admin/auth/user/{alice.Id}/change/";
        Assert.Contains("You cannot give a permission that you do not have", (await PostAsync(keeper, path, UserForm("alice", ("user_permissions", deletes)))).Html, StringComparison.Ordinal);
        Assert.Contains("You cannot put somebody into a group", (await PostAsync(keeper, path, UserForm("alice", ("groups", group)))).Html, StringComparison.Ordinal);
        Assert.Contains("You cannot give a permission", (await PostAsync(keeper, $"/admin/auth/group/{group}/change/", ("name", "deleters"), ("permissions", deletes), ("permissions", "1"))).Html, StringComparison.Ordinal);
        Assert.Empty(Noted());

        await PostAsync(keeper, path, UserForm("alice", ("user_permissions", changes)));
        Assert.Equal(["2|user|alice|[{\"changed\": {\"fields\": [\"User permissions\"]}}]"], Noted());
    }

    [Fact]
    public async Task Nobody_gets_at_a_user_with_more_permissions_than_theirs()
    {
        var boss = await Users.CreateAsync("boss", isStaff: true, isSuperuser: true, email: "boss@example.com");
        var keeper = await StaffAsync("keeper", "change_user", "view_user", "delete_user", "add_tokenproxy", "view_tokenproxy");

        Assert.Contains("you can only look", await HtmlAsync(keeper, $"/admin/auth/user/{boss.Id}/change/"), StringComparison.Ordinal);
        await HtmlAsync(keeper, $"/admin/auth/user/{boss.Id}/password/", 403);
        Assert.Equal(HttpStatusCode.Forbidden, (await PostAsync(keeper, $"/admin/auth/user/{boss.Id}/change/", UserForm("boss", ("email", "keeper@example.com")))).Status);
        Assert.Equal(HttpStatusCode.Forbidden, (await PostAsync(keeper, $"/admin/auth/user/{boss.Id}/password/", ("password1", "A-new-long-phrase-7"), ("password2", "A-new-long-phrase-7"))).Status);
        Assert.Equal(HttpStatusCode.Forbidden, (await PostAsync(keeper, $"/admin/auth/user/{boss.Id}/delete/", ("post", "yes"))).Status);
        Assert.Equal(HttpStatusCode.Forbidden, (await PostAsync(keeper, "/admin/auth/user/", ("action", "deactivate"), ("_selected_action", boss.Id.ToString()), ("post", "yes"))).Status);
        Assert.Contains("You cannot make a token", (await PostAsync(keeper, "/admin/authtoken/tokenproxy/add/", ("user", "boss"))).Html, StringComparison.Ordinal);

        Assert.Empty(Noted());
        Assert.Equal(["boss@example.com|1"], Database.Rows("SELECT email, is_active FROM auth_user WHERE username = 'boss'"));
    }

    [Fact]
    public async Task Secrets_are_masked_wherever_they_are_shown_and_found_by_no_search()
    {
        var root = await RootAsync();
        var alice = await Users.CreateAsync("alice");
        var token = await Users.TokenAsync(alice);
        var client = await new TestClients(Database, Secrets).CreateAsync("photos", "authorization-code", "the-secret-of-the-photo-album", hashed: false);
        string[] secrets = ["acc3ss-acc3ss-acc3ss-acc3ss-0001", "r3fresh-r3fresh-r3fresh-00000002", "c0de-c0de-c0de-c0de-c0de-00000003"];
        foreach (var secret in secrets) Secrets.Add(secret);
        Database.Execute(
            $"""
            INSERT INTO oauth2_provider_accesstoken (token, token_checksum, expires, scope, application_id, user_id, created, updated, resource)
            VALUES ('{secrets[0]}', 'c1', '2030-01-01 00:00:00', 'read', {client}, {alice.Id}, '2026-01-01 00:00:00', '2026-01-01 00:00:00', '[]');
            INSERT INTO oauth2_provider_refreshtoken (token, token_checksum, application_id, user_id, created, updated, resource)
            VALUES ('{secrets[1]}', 'c2', {client}, {alice.Id}, '2026-01-01 00:00:00', '2026-01-01 00:00:00', '[]');
            INSERT INTO oauth2_provider_grant (code, expires, redirect_uri, scope, application_id, user_id, created, updated, code_challenge, code_challenge_method, nonce, claims, resource)
            VALUES ('{secrets[2]}', '2030-01-01 00:00:00', '', 'read', {client}, {alice.Id}, '2026-01-01 00:00:00', '2026-01-01 00:00:00', '', '', '', '', '[]');
            """);

        foreach (var path in new[]
        {
            "authtoken/tokenproxy/", $"authtoken/tokenproxy/{alice.Id}/change/", $"authtoken/tokenproxy/{alice.Id}/delete/", "oauth2_provider/accesstoken/", "oauth2_provider/accesstoken/1/change/",
            "oauth2_provider/refreshtoken/", "oauth2_provider/refreshtoken/1/change/", "oauth2_provider/grant/", "oauth2_provider/grant/1/change/", "oauth2_provider/grant/1/delete/",
            $"oauth2_provider/application/{client}/change/", "sessions/session/", $"auth/user/{alice.Id}/change/", $"auth/user/{alice.Id}/delete/", "admin/logentry/",
        })
        {
            var html = await HtmlAsync(root, "/admin/" + path);
            string[] all = [.. secrets, token, "the-secret-of-the-photo-album", root.SessionKey!, alice.Password];
            Assert.DoesNotContain(all, secret => html.Contains(secret, StringComparison.Ordinal));
        }
        foreach (var (model, secret) in new[] { ("oauth2_provider/accesstoken", secrets[0]), ("oauth2_provider/refreshtoken", secrets[1]), ("oauth2_provider/grant", secrets[2]), ("authtoken/tokenproxy", token) })
            Assert.Contains("No ", await HtmlAsync(root, $"/admin/{model}/?q={secret[..8]}"), StringComparison.Ordinal);
        foreach (var probe in new[] { "oauth2_provider/accesstoken/?token__startswith=a", "oauth2_provider/accesstoken/?token__exact=a", "auth/user/?password__startswith=pbkdf2", "auth/user/?groups__user__password__exact=x" })
            Assert.EndsWith("?e=1", (await root.GetAsync("/admin/" + probe)).Headers.Location?.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/admin/auth/user/0/change/")]
    [InlineData("/admin/auth/user/99999999999999999999999999/change/")]
    [InlineData("/admin/auth/user/-1/change/")]
    [InlineData("/admin/auth/user/x'--/delete/")]
    [InlineData("/admin/sessions/session/x/change/")]
    [InlineData("/admin/sessions/session/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/delete/")]
    public async Task An_object_that_is_not_there_leads_to_the_index_with_a_message(string path)
    {
        var root = await RootAsync();
        var response = await root.GetAsync(path);

        Assert.Equal("/admin/", response.Headers.Location?.ToString());
        Assert.Contains("doesn’t exist. Perhaps it was deleted?", await HtmlAsync(root, "/admin/"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/admin/auth/user/?q=%00")]
    [InlineData("/admin/auth/user/?q=%25_%5C'%22;--&o=99&p=abc")]
    [InlineData("/admin/auth/user/?p=999999999999&o=-")]
    [InlineData("/admin/auth/user/?is_staff__exact=maybe")]
    [InlineData("/admin/auth/user/?groups__id__exact=x")]
    [InlineData("/admin/oauth2_provider/accesstoken/?expires__gte=yesterday")]
    [InlineData("/admin/nothing/")]
    [InlineData("/admin/auth/nothing/")]
    [InlineData("/admin/auth/permission/")]
    public async Task Odd_addresses_are_never_a_server_error(string path)
    {
        var response = await (await RootAsync()).GetAsync(path);

        Assert.Contains((int)response.StatusCode, new[] { 200, 302, 404 });
    }
}
