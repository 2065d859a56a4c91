using System.Net;
using Gatehouse.Tests.Clients;
using Gatehouse.Tests.Database;
using Xunit;

namespace Gatehouse.Tests.Admin;

/// <summary>Users and groups: made, changed, deleted, and noted as Django's admin notes it.</summary>
// Their rows are written in the SQL of SQLite.
[Trait(TestDatabase.SqliteOnly, "yes")]
public sealed class AdminUsersTests : AdminTest
{
    [Fact]
    public async Task A_new_user_can_log_in_and_is_noted_as_Django_notes_it()
    {
        var root = await RootAsync();

        var (status, html, location) = await PostAsync(
            root, "/admin/auth/user/add/", ("username", "alice"), ("usable_password", "true"), ("password1", TestUsers.PasswordOf("alice")), ("password2", TestUsers.PasswordOf("alice")));

        Assert.Equal(HttpStatusCode.Found, status);
        Assert.EndsWith("/change/", location, StringComparison.Ordinal);
        Assert.Contains("The user “alice” was added successfully. You may edit it again below.", html, StringComparison.Ordinal);
        Assert.Equal(["1|user|alice|[{\"added\": {}}]"], Noted());
        await NewBrowser().LogInAsync("alice");
    }

    [Fact]
    public async Task What_is_wrong_with_a_new_user_is_told_beside_the_field()
    {
        var root = await RootAsync();
        await Users.CreateAsync("alice");

        var taken = (await PostAsync(root, "/admin/auth/user/add/", ("username", "alice"), ("password1", "12345678"), ("password2", "12345678"))).Html;
        var odd = (await PostAsync(root, "/admin/auth/user/add/", ("username", "a b"), ("password1", "Correct-horse-1"), ("password2", "Correct-horse-2"))).Html;
        var empty = (await PostAsync(root, "/admin/auth/user/add/")).Html;

        Assert.Contains("A user with that username already exists.", taken, StringComparison.Ordinal);
        Assert.Contains("This password is entirely numeric.", taken, StringComparison.Ordinal);
        Assert.Contains("Enter a valid username.", odd, StringComparison.Ordinal);
        Assert.Contains("The two password fields didn’t match.", odd, StringComparison.Ordinal);
        Assert.Contains("<ul class=\"errorlist\" id=\"id_username_error\"><li>This field is required.</li></ul>", empty, StringComparison.Ordinal);
        Assert.Empty(Noted());
    }

    [Fact]
    public async Task A_change_is_noted_with_the_labels_of_the_fields()
    {
        var root = await RootAsync();
        var alice = await Users.CreateAsync("alice");
        Database.Execute("INSERT INTO auth_group (name) VALUES ('editors')");
        var group = Database.Rows("SELECT id FROM auth_group")[0];

        var saved = await PostAsync(
            root, $"/admin/auth/user/{alice.Id}/change/",
            UserForm("alice", ("email", "alice@example.com"), ("is_staff", "on"), ("groups", group), ("user_permissions", "1"), ("user_permissions", "2")));

        Assert.Equal("/admin/auth/user/", saved.Location);
        Assert.Contains("The user “alice” was changed successfully.", saved.Html, StringComparison.Ordinal);
        Assert.Equal(["2|user|alice|[{\"changed\": {\"fields\": [\"Email address\", \"Staff status\", \"Groups\", \"User permissions\"]}}]"], Noted());
        Assert.Equal(["alice@example.com|1|0"], Database.Rows($"SELECT email, is_staff, is_superuser FROM auth_user WHERE id = {alice.Id}"));
        Assert.Equal(["1", "2"], Database.Rows($"SELECT permission_id FROM auth_user_user_permissions WHERE user_id = {alice.Id} ORDER BY 1"));
        Assert.Contains("Changed Email address, Staff status, Groups and User permissions.", await HtmlAsync(root, $"/admin/auth/user/{alice.Id}/history/"), StringComparison.Ordinal);

        await PostAsync(root, $"/admin/auth/user/{alice.Id}/change/", UserForm("alice", ("email", "alice@example.com"), ("is_staff", "on"), ("user_permissions", "2")));
        Assert.Equal(["2"], Database.Rows($"SELECT permission_id FROM auth_user_user_permissions WHERE user_id = {alice.Id}"));
        Assert.Empty(Database.Rows($"SELECT group_id FROM auth_user_groups WHERE user_id = {alice.Id}"));
    }

    [Fact]
    public async Task A_name_that_another_user_has_is_refused()
    {
        var root = await RootAsync();
        await Users.CreateAsync("bob");
        var alice = await Users.CreateAsync("alice");

        var (_, html, _) = await PostAsync(root, $"/admin/auth/user/{alice.Id}/change/", UserForm("bob", ("email", "nonsense"), ("groups", "77")));

        Assert.Contains("A user with that username already exists.", html, StringComparison.Ordinal);
        Assert.Contains("Enter a valid email address.", html, StringComparison.Ordinal);
        Assert.Contains("Select a valid choice. 77 is not one of the available choices.", html, StringComparison.Ordinal);
        Assert.Empty(Noted());
    }

    [Fact]
    public async Task A_new_password_ends_the_users_sessions_and_not_the_admins()
    {
        var root = await RootAsync();
        var alice = await Users.CreateAsync("alice");
        var hers = await NewBrowser().LogInAsync("alice");

        var weak = await PostAsync(root, $"/admin/auth/user/{alice.Id}/password/", ("usable_password", "true"), ("password1", "alice"), ("password2", "alice"));
        var good = await PostAsync(root, $"/admin/auth/user/{alice.Id}/password/", ("usable_password", "true"), ("password1", "A-new-long-phrase-7"), ("password2", "A-new-long-phrase-7"));
        Secrets.Add("A-new-long-phrase-7");

        Assert.Contains("This password is too short.", weak.Html, StringComparison.Ordinal);
        Assert.Contains("Password changed successfully.", good.Html, StringComparison.Ordinal);
        Assert.Equal(["2|user|alice|[{\"changed\": {\"fields\": [\"password\"]}}]"], Noted());
        Assert.Equal(401, (int)(await hers.GetAsync("/api/accounts/profile/")).StatusCode);
        await NewBrowser().LogInAsync("alice", "A-new-long-phrase-7");

        var self = Database.Rows("SELECT id FROM auth_user WHERE username = 'root'")[0];
        var own = await PostAsync(root, $"/admin/auth/user/{self}/password/", ("usable_password", "true"), ("password1", "A-new-long-phrase-8"), ("password2", "A-new-long-phrase-8"));
        Secrets.Add("A-new-long-phrase-8");
        Assert.Contains("Password changed successfully.", own.Html, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Deleting_a_user_names_and_takes_all_that_is_theirs()
    {
        var root = await RootAsync();
        var alice = await Users.CreateAsync("alice");
        await Users.TokenAsync(alice);
        await Users.GrantAsync(alice, "view_user", byGroup: "viewers");
        var client = await new TestClients(Database, Secrets).CreateAsync("photos", "password", "the-secret-of-the-photo-album", user: alice.Id.Number);
        var other = await new TestClients(Database, Secrets).CreateAsync("other", "password", "the-secret-of-the-photo-album");
        Database.Execute(
            $"""
            INSERT INTO oauth2_provider_accesstoken (token, token_checksum, expires, scope, application_id, user_id, created, updated, resource)
            VALUES ('a', 'c1', '2030-01-01', '', {client}, {alice.Id}, '2026-01-01', '2026-01-01', '[]'), ('b', 'c2', '2030-01-01', '', {other}, {alice.Id}, '2026-01-01', '2026-01-01', '[]');
            INSERT INTO oauth2_provider_refreshtoken (token, token_checksum, application_id, user_id, access_token_id, created, updated, resource)
            VALUES ('c', 'c3', {other}, {alice.Id}, 2, '2026-01-01', '2026-01-01', '[]');
            UPDATE oauth2_provider_accesstoken SET source_refresh_token_id = 1 WHERE id = 1;
            INSERT INTO token_blacklist_outstandingtoken (token, expires_at, user_id, jti) VALUES ('t', '2030-01-01', {alice.Id}, 'j');
            """);

        var question = await HtmlAsync(root, $"/admin/auth/user/{alice.Id}/delete/");
        var done = await PostAsync(root, $"/admin/auth/user/{alice.Id}/delete/", ("post", "yes"));

        Assert.Contains("Are you sure you want to delete the user “alice”?", question, StringComparison.Ordinal);
        Assert.Contains("<dt>2 access tokens</dt>", question, StringComparison.Ordinal);
        Assert.Contains("<dt>1 application</dt><dd>photos</dd>", question, StringComparison.Ordinal);
        Assert.Contains("The user “alice” was deleted successfully.", done.Html, StringComparison.Ordinal);
        Assert.Equal(["3|user|alice|"], Noted());
        foreach (var table in new[] { "oauth2_provider_accesstoken", "oauth2_provider_refreshtoken", "authtoken_token", "auth_user_groups" }) Assert.Empty(Database.Rows($"SELECT 1 FROM {table}"));
        Assert.Equal(["other"], Database.Rows("SELECT client_id FROM oauth2_provider_application"));
        Assert.Equal(["NULL"], Database.Rows("SELECT user_id FROM token_blacklist_outstandingtoken"));
        Assert.Empty(Database.BrokenReferences());
    }

    [Fact]
    public async Task Several_users_are_deactivated_after_a_question()
    {
        var root = await RootAsync();
        var alice = await Users.CreateAsync("alice");
        var bob = await Users.CreateAsync("bob");
        (string, string)[] chosen = [("action", "deactivate"), ("_selected_action", alice.Id.ToString()), ("_selected_action", bob.Id.ToString())];

        var question = await PostAsync(root, "/admin/auth/user/", chosen);
        Assert.Contains("<li>User: alice</li>", question.Html, StringComparison.Ordinal);
        Assert.Equal(["1", "1"], Database.Rows("SELECT is_active FROM auth_user WHERE username IN ('alice', 'bob')"));

        var done = await PostAsync(root, "/admin/auth/user/", [.. chosen, ("post", "yes")]);
        Assert.Contains("2 users deactivated.", done.Html, StringComparison.Ordinal);
        Assert.Equal(["0", "0"], Database.Rows("SELECT is_active FROM auth_user WHERE username IN ('alice', 'bob')"));
        Assert.Equal(["2|user|alice|[{\"changed\": {\"fields\": [\"Active\"]}}]", "2|user|bob|[{\"changed\": {\"fields\": [\"Active\"]}}]"], Noted());
    }

    [Fact]
    public async Task Logged_out_everywhere_means_sessions_and_all_tokens()
    {
        var root = await RootAsync();
        var alice = await Users.CreateAsync("alice");
        var token = await Users.TokenAsync(alice);
        var hers = await NewBrowser().LogInAsync("alice");
        var pair = await Http.AskAsync("/api/token/", "POST", new FormUrlEncodedContent([new("username", "alice"), new("password", TestUsers.PasswordOf("alice"))]));
        var refresh = (await pair.JsonAsync())["refresh"]!.GetValue<string>();
        Secrets.Add(refresh);

        var done = await PostAsync(root, "/admin/auth/user/", ("action", "log_out"), ("_selected_action", alice.Id.ToString()), ("post", "yes"));

        Assert.Contains("1 user logged out everywhere.", done.Html, StringComparison.Ordinal);
        Assert.Equal(401, (int)(await hers.GetAsync("/api/accounts/profile/")).StatusCode);
        Assert.Equal(401, (int)(await Http.AskAsync("/api/accounts/profile/", "GET", null, ("Authorization", $"Token {token}"))).StatusCode);
        Assert.Equal(401, (int)(await Http.AskAsync("/api/token/refresh/", "POST", new FormUrlEncodedContent([new("refresh", refresh)]))).StatusCode);
        Assert.Equal(200, (int)(await root.GetAsync("/admin/")).StatusCode);
    }

    [Fact]
    public async Task Several_users_are_deleted_after_a_question()
    {
        var root = await RootAsync();
        var alice = await Users.CreateAsync("alice");
        (string, string)[] chosen = [("action", "delete_selected"), ("_selected_action", alice.Id.ToString())];

        Assert.Contains("Are you sure you want to delete the selected users?", (await PostAsync(root, "/admin/auth/user/", chosen)).Html, StringComparison.Ordinal);
        Assert.Contains("Successfully deleted 1 user.", (await PostAsync(root, "/admin/auth/user/", [.. chosen, ("post", "yes")])).Html, StringComparison.Ordinal);
        Assert.Equal(["root"], Database.Rows("SELECT username FROM auth_user"));
    }

    [Fact]
    public async Task Related_objects_that_may_not_be_deleted_keep_a_user()
    {
        var keeper = await StaffAsync("keeper", "delete_user", "view_user");
        var alice = await Users.CreateAsync("alice");
        await Users.TokenAsync(alice);

        Assert.Contains("your account doesn’t have permission to delete the following types of objects", await HtmlAsync(keeper, $"/admin/auth/user/{alice.Id}/delete/"), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.Forbidden, (await PostAsync(keeper, $"/admin/auth/user/{alice.Id}/delete/", ("post", "yes"))).Status);
    }

    [Fact]
    public async Task A_group_is_made_changed_and_deleted()
    {
        var root = await RootAsync();

        var added = await PostAsync(root, "/admin/auth/group/add/", ("name", "editors"), ("permissions", "5"), ("_addanother", "1"));
        var taken = await PostAsync(root, "/admin/auth/group/add/", ("name", "editors"));
        var group = Database.Rows("SELECT id FROM auth_group")[0];
        var changed = await PostAsync(root, $"/admin/auth/group/{group}/change/", ("name", "writers"), ("permissions", "6"), ("_continue", "1"));
        var permissions = Database.Rows("SELECT permission_id FROM auth_group_permissions");
        var deleted = await PostAsync(root, $"/admin/auth/group/{group}/delete/", ("post", "yes"));

        Assert.Contains("The group “editors” was added successfully. You may add another group below.", added.Html, StringComparison.Ordinal);
        Assert.Contains("Group with this Name already exists.", taken.Html, StringComparison.Ordinal);
        Assert.Contains("The group “writers” was changed successfully. You may edit it again below.", changed.Html, StringComparison.Ordinal);
        Assert.Equal(["6"], permissions);
        Assert.Contains("The group “writers” was deleted successfully.", deleted.Html, StringComparison.Ordinal);
        Assert.Equal(
            ["1|group|editors|[{\"added\": {}}]", "2|group|writers|[{\"changed\": {\"fields\": [\"Name\", \"Permissions\"]}}]", "3|group|writers|"], Noted());
    }

    [Fact]
    public async Task A_list_is_searched_filtered_sorted_and_paged()
    {
        var root = await RootAsync();
        Database.Execute(
            """
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 250)
            INSERT INTO auth_user (password, is_superuser, username, last_name, email, is_staff, is_active, date_joined, first_name)
            SELECT '!', 0, printf('user%03d', i), '', printf('mail%d_x@example.com', i), i % 2, 1, '2026-01-01 00:00:00', '' FROM n
            """);

        var first = await HtmlAsync(root, "/admin/auth/user/");
        Assert.Contains("251 users", first, StringComparison.Ordinal);
        Assert.Contains(">user099<", first, StringComparison.Ordinal);
        Assert.DoesNotContain(">user100<", first, StringComparison.Ordinal);
        Assert.Contains(">user100<", await HtmlAsync(root, "/admin/auth/user/?p=2"), StringComparison.Ordinal);
        Assert.Contains(">user250<", await HtmlAsync(root, "/admin/auth/user/?o=-1"), StringComparison.Ordinal);

        Assert.Contains("1 user ", await HtmlAsync(root, "/admin/auth/user/?q=MAIL7_X"), StringComparison.Ordinal);
        Assert.Contains("1 user ", await HtmlAsync(root, "/admin/auth/user/?q=user007 example"), StringComparison.Ordinal);
        Assert.Contains("No users match.", await HtmlAsync(root, "/admin/auth/user/?q=mail7%25x"), StringComparison.Ordinal);
        Assert.Contains("126 users", await HtmlAsync(root, "/admin/auth/user/?is_staff__exact=1"), StringComparison.Ordinal);
        Assert.Contains("125 users", await HtmlAsync(root, "/admin/auth/user/?is_staff__exact=1&is_superuser__exact=0"), StringComparison.Ordinal);
    }
}
