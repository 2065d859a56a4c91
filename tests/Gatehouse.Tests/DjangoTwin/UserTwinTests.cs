using System.Text.Json;
using Gatehouse.Tests.Database;
using Xunit;

namespace Gatehouse.Tests.DjangoTwin;

/// <summary>Users, passwords, groups and permissions that one side writes and the other reads.</summary>
public abstract class UserTwinTests(Twin twin) : TwinTest(twin)
{
    [Theory, MemberData(nameof(BothWays))]
    public async Task Who_registers_there_logs_in_here_by_every_scheme(Side there, Side here)
    {
        var alice = await RegisterAsync(there, email: "Alice@EXAMPLE.com");
        var password = TestUsers.PasswordOf(alice);

        Assert.Equal(alice, await WhoAsync(await LogInAsync(here, alice)));
        Assert.Equal(alice, await WhoAsync(here, Answers.Basic(alice)));
        var pair = await PostAsync(here, "/api/token/", new { username = alice, password });
        Assert.Equal(alice, await WhoAsync(here, $"Bearer {pair["access"]}"));
        var token = await PostAsync(here, "/api-token-auth/", new { username = alice, password });
        Assert.Equal(alice, await WhoAsync(here, $"Token {token["token"]}"));
        Assert.Equal(400, await LoginStatusAsync(here, alice, "wrong"));
        Assert.Equal("Alice@example.com", (string)(await (await (await LogInAsync(here, alice)).GetAsync("/api/accounts/profile/")).JsonAsync())["email"]!);
    }

    [Theory, MemberData(nameof(BothWays))]
    public async Task A_name_taken_there_is_taken_here(Side there, Side here)
    {
        var alice = await RegisterAsync(there);

        var refused = await Http(here).AskAsync("/api/accounts/register/", method: "POST", json: new { username = alice, password = "Correct-horse-9", email = "" });

        await refused.ShouldBeAsync(400, """{"username":["A user with that username already exists."]}""");
    }

    [Fact]
    public async Task A_superuser_of_either_command_line_is_one_on_the_other_side()
    {
        var (ours, theirs) = (Name("ours"), Name("theirs"));
        await Twin.RunAsync(["createsuperuser", "--noinput", "--username", ours, "--email", "ours@example.com"], environment: ("DJANGO_SUPERUSER_PASSWORD", TestUsers.PasswordOf(ours)));
        await DjangoAsync("User.objects.create_superuser(given[0], 'theirs@example.com', given[1])", new[] { theirs, TestUsers.PasswordOf(theirs) });

        foreach (var (side, root) in new[] { (Side.Django, ours), (Side.Gatehouse, theirs) })
        {
            var browser = await LogInAsync(side, root);
            await browser.GetAsync("/api/accounts/users/").ShouldBeAsync(200);
            await browser.GetAsync("/probe/needs-perm/").ShouldBeAsync(200);
            await browser.GetAsync("/admin/").ShouldBeAsync(200);
        }
        // Django's admin with a session of Gatehouse's, down to a form.
        var inAdmin = NewBrowser(Side.Django, await LogInAsync(Side.Gatehouse, ours));
        foreach (var page in new[] { "auth/user/", "auth/user/add/", "auth/group/add/", "oauth2_provider/application/add/", "authtoken/tokenproxy/", "token_blacklist/outstandingtoken/" })
            await inAdmin.GetAsync("/admin/" + page).ShouldBeAsync(200);
    }

    [Fact]
    public async Task A_user_renamed_by_Django_goes_on_under_the_new_name_alone()
    {
        var alice = await RegisterAsync(Side.Gatehouse);
        var session = await LogInAsync(Side.Gatehouse, alice);
        var token = (string)(await PostAsync(Side.Gatehouse, "/api-token-auth/", new { username = alice, password = TestUsers.PasswordOf(alice) }))["token"]!;
        var renamed = Name("alicia");

        await DjangoAsync("User.objects.filter(username=given[0]).update(username=given[1])", new[] { alice, renamed });

        Assert.Equal(renamed, await WhoAsync(session));
        Assert.Equal(renamed, await WhoAsync(Side.Gatehouse, "Token " + token));
        Assert.Equal(400, await LoginStatusAsync(Side.Gatehouse, alice));
        Assert.Equal(200, await LoginStatusAsync(Side.Gatehouse, renamed, TestUsers.PasswordOf(alice)));
    }

    [Theory, MemberData(nameof(EachSide))]
    public async Task A_user_who_is_deactivated_is_out_on_both_sides_and_in_again_when_active(Side asked)
    {
        var alice = await RegisterAsync(asked);
        var session = await LogInAsync(asked, alice);
        var password = TestUsers.PasswordOf(alice);
        var token = (string)(await PostAsync(asked, "/api-token-auth/", new { username = alice, password }))["token"]!;
        var pair = await PostAsync(asked, "/api/token/", new { username = alice, password });

        await DjangoAsync("User.objects.filter(username=given).update(is_active=False)", alice);

        foreach (var side in new[] { Side.Django, Side.Gatehouse })
        {
            Assert.Null(await WhoAsync(NewBrowser(side, session)));
            Assert.Null(await WhoAsync(side, "Token " + token));
            Assert.Null(await WhoAsync(side, $"Bearer {pair["access"]}"));
            await PostAsync(side, "/api/token/refresh/", new { refresh = (string)pair["refresh"]! }, 401);
            Assert.Equal(400, await LoginStatusAsync(side, alice));
        }

        await DjangoAsync("User.objects.filter(username=given).update(is_active=True)", alice);
        foreach (var side in new[] { Side.Django, Side.Gatehouse })
        {
            Assert.Equal(alice, await WhoAsync(NewBrowser(side, session)));
            Assert.Equal(alice, await WhoAsync(side, "Token " + token));
        }
    }

    [Fact]
    public async Task Django_deletes_a_user_with_all_that_Gatehouse_made()
    {
        var alice = await RegisterAsync(Side.Gatehouse);
        var password = TestUsers.PasswordOf(alice);
        var session = await LogInAsync(Side.Gatehouse, alice);
        await PostAsync(Side.Gatehouse, "/api-token-auth/", new { username = alice, password });
        var pair = await PostAsync(Side.Gatehouse, "/api/token/", new { username = alice, password });
        pair = await PostAsync(Side.Gatehouse, "/api/token/refresh/", new { refresh = (string)pair["refresh"]! });
        var client = Name("client");
        var id = (int)(await DjangoAsync("result = User.objects.get(username=given).id", alice))!;
        await GatehouseAsync("createapplication", "confidential", "password", "--client-id", client, "--client-secret", "the-secret-of-it", "--user", $"{id}");
        var oauth = await FormAsync(Side.Gatehouse, "/o/token/", 200,
            ("grant_type", "password"), ("client_id", client), ("client_secret", "the-secret-of-it"), ("username", alice), ("password", password), ("scope", "read"));

        await DjangoAsync("User.objects.get(username=given).delete()", alice);

        foreach (var side in new[] { Side.Django, Side.Gatehouse })
        {
            Assert.Null(await WhoAsync(NewBrowser(side, session)));
            Assert.Null(await WhoAsync(side, $"Bearer {pair["access"]}"));
            Assert.Null(await WhoAsync(side, $"Bearer {oauth["access_token"]}"));
            Assert.Equal(400, await LoginStatusAsync(side, alice));
            await FormAsync(side, "/o/token/", 401, ("grant_type", "refresh_token"), ("client_id", client), ("client_secret", "the-secret-of-it"), ("refresh_token", (string)oauth["refresh_token"]!));
        }
        await PostAsync(Side.Gatehouse, "/api/token/refresh/", new { refresh = (string)pair["refresh"]! }, 401);
    }

    [Theory, MemberData(nameof(EachSide))]
    public async Task A_password_changed_on_one_side_ends_the_sessions_of_both(Side changes)
    {
        var alice = await RegisterAsync(Side.Django);
        Browser[] sessions = [await LogInAsync(Side.Django, alice), await LogInAsync(Side.Gatehouse, alice)];
        const string Next = "Another-battery-staple-7";

        if (changes == Side.Django) await DjangoAsync("user = User.objects.get(username=given[0]); user.set_password(given[1]); user.save()", new[] { alice, Next });
        else await Twin.RunAsync(["changepassword", alice], $"{Next}\n{Next}\n");

        foreach (var side in new[] { Side.Django, Side.Gatehouse })
        {
            foreach (var session in sessions) Assert.Null(await WhoAsync(NewBrowser(side, session)));
            Assert.Equal(400, await LoginStatusAsync(side, alice));
            Assert.Equal(200, await LoginStatusAsync(side, alice, Next));
        }
    }

    [Theory]
    [InlineData("user")]
    [InlineData("group")]
    [InlineData("superuser")]
    public async Task A_permission_given_by_Django_counts_here_at_once_and_is_gone_as_fast(string by)
    {
        var alice = await RegisterAsync(Side.Gatehouse);
        var session = await LogInAsync(Side.Gatehouse, alice);
        await session.GetAsync("/probe/needs-perm/").ShouldBeAsync(403);
        await PermittedAsync("POST", 403);

        await DjangoAsync("""
            user = User.objects.get(username=given[0])
            permission = Permission.objects.get(codename='add_group')
            if given[1] == 'user':
                user.user_permissions.add(permission)
            elif given[1] == 'group':
                group = Group.objects.create(name=given[0])
                group.permissions.add(permission)
                user.groups.add(group)
            else:
                user.is_superuser = True
                user.save()
            """, new[] { alice, by });
        foreach (var side in new[] { Side.Django, Side.Gatehouse })
            await NewBrowser(side, session).GetAsync("/probe/needs-perm/").ShouldBeAsync(200);
        await PermittedAsync("POST", 200);
        await PermittedAsync("DELETE", by == "superuser" ? 200 : 403);

        await DjangoAsync("""
            user = User.objects.get(username=given)
            user.user_permissions.clear()
            Group.objects.filter(name=given).delete()
            user.is_superuser = False
            user.save()
            """, alice);
        await session.GetAsync("/probe/needs-perm/").ShouldBeAsync(403);
        await PermittedAsync("POST", 403);

        async Task PermittedAsync(string method, int status) =>
            await Http(Side.Gatehouse).AskAsync("/probe/perm/model/", Answers.Basic(alice), method, method == "POST" ? new { } : null).ShouldBeAsync(status);
    }

    [Fact]
    public async Task Users_groups_and_permissions_loaded_by_Gatehouse_count_in_Django()
    {
        var (alice, group) = (Name("alice"), Name("editors"));
        var fixture = Twin.File(alice + ".json");
        await File.WriteAllTextAsync(fixture, JsonSerializer.Serialize(new object[]
        {
            new { model = "auth.group", fields = new { name = group, permissions = new[] { new[] { "add_group", "auth", "group" }, ["view_session", "sessions", "session"] } } },
            new
            {
                model = "auth.user",
                fields = new
                {
                    username = alice, password = TestUsers.Encode("unused"), email = "a@example.com", is_staff = true, date_joined = "2026-01-02T03:04:05.678Z",
                    groups = new[] { new[] { group } }, user_permissions = new[] { new[] { "delete_group", "auth", "group" } },
                },
            },
        }), Ct);

        await GatehouseAsync("loaddata", fixture);

        var seen = await DjangoAsync("""
            user = User.objects.get(username=given)
            result = [user.has_perms(['auth.add_group', 'auth.delete_group', 'sessions.view_session']), user.has_perm('auth.change_group'), sorted(user.get_group_permissions()),
                user.has_module_perms('sessions'), user.is_staff, user.date_joined.isoformat()]
            """, alice);
        Assert.Equal("""[true,false,["auth.add_group","sessions.view_session"],true,true,"2026-01-02T03:04:05.678000+00:00"]""", seen!.ToJsonString().Replace("\\u002B", "+", StringComparison.Ordinal));
    }
}

[Collection(OnSqlite.Name), Trait(TestDatabase.SqliteOnly, "yes")]
public sealed class UserTwinTestsOnSqlite(SqliteTwin twin) : UserTwinTests(twin);

[Collection(OnPostgres.Name), Trait(TestDatabase.SqliteOnly, "yes")]
public sealed class UserTwinTestsOnPostgres(PostgresTwin twin) : UserTwinTests(twin);
