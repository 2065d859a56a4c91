using System.Text.Json.Nodes;
using Gatehouse.Tests.Database;
using Xunit;

namespace Gatehouse.Tests.DjangoTwin;

/// <summary>A database that one side made, worked on by the other's commands.</summary>
public abstract class DatabaseTwinTests(Twin twin) : TwinTest(twin)
{
    private static readonly string[] Apps = ["contenttypes", "auth", "admin", "sessions", "authtoken", "token_blacklist", "oauth2_provider"];

    [Fact]
    public async Task Django_has_nothing_to_migrate_and_nothing_to_complain_of_in_a_database_that_Gatehouse_made()
    {
        var database = await Twin.NewDatabaseAsync();
        await Twin.RunAsync(["migrate"], database: database);
        await Twin.RunAsync(["createsuperuser", "--noinput", "--username", "root", "--email", ""], database: database, environment: ("DJANGO_SUPERUSER_PASSWORD", TestUsers.PasswordOf("root")));
        const string Counts = "result = [ContentType.objects.count(), Permission.objects.count()]";
        var before = (await DjangoAsync(Counts, null, database))!.ToJsonString();

        await DjangoAsync("call_command('migrate', check=True)", null, database);
        await DjangoAsync("call_command('makemigrations', check=True, dry_run=True)", null, database);
        Assert.Contains("no issues", (await Twin.Django.RunAsync("call_command('check', databases=['default'])", null, database)).Output, StringComparison.Ordinal);
        Assert.Contains("No migrations to apply", (await Twin.Django.RunAsync("call_command('migrate')", null, database)).Output, StringComparison.Ordinal);

        // What migrate makes after the migrations was there too; and new rows get keys that nobody has.
        Assert.Equal(before, (await DjangoAsync(Counts, null, database))!.ToJsonString());
        await DjangoAsync("""
            kind = ContentType.objects.create(app_label='polls', model='question')
            group = Group.objects.create(name='editors')
            group.permissions.add(Permission.objects.create(content_type=kind, codename='ask', name='Can ask'))
            user = User.objects.create_user('alice', password=given)
            user.groups.add(group)
            assert user.has_perm('polls.ask')
            Token.objects.create(user=user)
            """, TestUsers.PasswordOf("alice"), database);

        var pages = (await DjangoAsync("""
            from django.contrib import admin
            from django.test import Client, RequestFactory
            browser = Client(SERVER_NAME='127.0.0.1')
            assert browser.post('/accounts/login/', {'username': 'root', 'password': given}).status_code == 302
            request = RequestFactory().get('/')
            request.user = User.objects.get(username='root')
            pages = ['/admin/']
            for model, page in admin.site._registry.items():
                pages.append(f'/admin/{model._meta.app_label}/{model._meta.model_name}/')
                if page.has_add_permission(request):
                    pages.append(pages[-1] + 'add/')
            result = [[page, browser.get(page).status_code] for page in pages]
            """, TestUsers.PasswordOf("root"), database))!.AsArray();
        Assert.True(pages.Count > 12);
        Assert.All(pages, page => Assert.Equal(200, (int)page![1]!));
    }

    [Fact]
    public async Task Gatehouse_has_nothing_of_Djangos_to_migrate_and_nothing_to_complain_of_in_a_database_that_Django_made()
    {
        var database = await Twin.NewDatabaseAsync();
        await DjangoAsync("call_command('migrate', verbosity=0)", null, database);
        const string Rows = "result = [list(m.objects.order_by('pk').values_list()) for m in (ContentType, Permission)]";
        var before = (await DjangoAsync(Rows, null, database))!.ToJsonString();

        var applied = await Twin.RunAsync(["migrate"], database: database);
        Assert.DoesNotContain("Applying auth.", applied, StringComparison.Ordinal);
        Assert.Contains("No migrations to apply", await Twin.RunAsync(["migrate"], database: database), StringComparison.Ordinal);
        Assert.DoesNotContain("[ ]", await Twin.RunAsync(["showmigrations"], database: database), StringComparison.Ordinal);
        Assert.Contains("no issues", await Twin.RunAsync(["check"], database: database), StringComparison.Ordinal);

        Assert.Equal(before, (await DjangoAsync(Rows, null, database))!.ToJsonString());
        await DjangoAsync("call_command('migrate', check=True)", null, database);
        await DjangoAsync("call_command('makemigrations', check=True, dry_run=True)", null, database);
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public async Task Both_dump_one_database_alike(bool naturalForeign, bool naturalPrimary)
    {
        await FillAsync();

        var (ours, theirs) = await DumpsAsync(naturalForeign, naturalPrimary);

        var (mine, his) = (JsonNode.Parse(ours)!.AsArray(), JsonNode.Parse(theirs)!.AsArray());
        for (var i = 0; i < Math.Min(mine.Count, his.Count); i++)
            Assert.True(JsonNode.DeepEquals(mine[i], his[i]), $"Gatehouse: {mine[i]}\nDjango: {his[i]}");
        Assert.Equal(his.Count, mine.Count);
        Assert.True(mine.Count > 100);
    }

    [Theory, MemberData(nameof(BothWays))]
    public async Task What_one_side_dumps_the_other_loads_into_a_new_database(Side there, Side here)
    {
        var (alice, key) = await FillAsync();
        var (ours, theirs) = await DumpsAsync(naturalForeign: false, naturalPrimary: false);
        var file = Name("dump") + ".json";
        await File.WriteAllTextAsync(Twin.File(file), there == Side.Django ? theirs : ours, Ct);
        var database = await Twin.NewDatabaseAsync();

        if (here == Side.Django)
        {
            await DjangoAsync("call_command('migrate', verbosity=0)", null, database);
            await DjangoAsync("call_command('loaddata', given)", Twin.FileInside(file), database);
        }
        else
        {
            await Twin.RunAsync(["migrate"], database: database);
            await Twin.RunAsync(["loaddata", Twin.File(file)], database: database);
        }

        // Loaded and dumped again it is the same, and what is in it works: a password, a token.
        await DjangoAsync("call_command('dumpdata', *given[1:], output=given[0])", new[] { Twin.FileInside("again.json") }.Concat(Apps), database);
        var again = await File.ReadAllTextAsync(Twin.File("again.json"), Ct);
        // A dump has milliseconds, unless there are no microseconds: what was .000456 is .000 the first time and nothing the second.
        theirs = theirs.Replace(".000Z\"", "Z\"", StringComparison.Ordinal);
        var (first, second) = (JsonNode.Parse(theirs)!.AsArray(), JsonNode.Parse(again)!.AsArray());
        for (var i = 0; i < Math.Min(first.Count, second.Count); i++)
            Assert.True(JsonNode.DeepEquals(first[i], second[i]), $"{there}: {first[i]}\n{here}: {second[i]}");
        Assert.Equal(first.Count, second.Count);
        Assert.Equal("[true,true]", (await DjangoAsync(
            "user = User.objects.get(username=given[0]); result = [user.check_password(given[1]), user.auth_token.key == given[2]]", new[] { alice, TestUsers.PasswordOf(alice), key }, database))!.ToJsonString());
        // And new rows get keys that nobody has.
        await DjangoAsync("User.objects.create_user('new'); Group.objects.create(name='new')", null, database);
    }

    /// <summary>Something of every kind, made by both sides.</summary>
    private async Task<(string Username, string Token)> FillAsync()
    {
        if (Twin.Filled is { } filled) return filled;
        var alice = await RegisterAsync(Side.Gatehouse);
        var credentials = new { username = alice, password = TestUsers.PasswordOf(alice) };
        await LogInAsync(Side.Django, alice);
        await LogInAsync(Side.Gatehouse, alice);
        var key = (string)(await PostAsync(Side.Gatehouse, "/api-token-auth/", credentials))["token"]!;
        foreach (var side in new[] { Side.Django, Side.Gatehouse })
        {
            var pair = await PostAsync(side, "/api/token/", credentials);
            await PostAsync(side, "/api/token/refresh/", new { refresh = (string)pair["refresh"]! });
            var client = Name("client-" + side);
            await GatehouseAsync("createapplication", "confidential", "password", "--client-id", client, "--client-secret", "the-secret-of-it", "--algorithm", "RS256");
            var tokens = await FormAsync(side, "/o/token/", 200, ("grant_type", "password"), ("client_id", client), ("client_secret", "the-secret-of-it"),
                ("username", alice), ("password", TestUsers.PasswordOf(alice)), ("scope", "read openid"));
            await FormAsync(side, "/o/token/", 200, ("grant_type", "refresh_token"), ("client_id", client), ("client_secret", "the-secret-of-it"), ("refresh_token", (string)tokens["refresh_token"]!));
            var device = Name("device-" + side);
            await GatehouseAsync("createapplication", "public", "urn:ietf:params:oauth:grant-type:device_code", "--client-id", device);
            await FormAsync(side, "/o/device-authorization/", 200, ("client_id", device), ("scope", "read"));
        }
        await DjangoAsync("""
            user = User.objects.get(username=given)
            # As one moment in a thousand is: no milliseconds, but microseconds.
            user.date_joined = '2026-01-02T03:04:05.000456Z'
            user.save()
            group = Group.objects.create(name=given)
            group.permissions.set(Permission.objects.all()[:3])
            user.groups.add(group)
            user.user_permissions.set(Permission.objects.all()[5:7])
            LogEntry.objects.create(user=user, content_type=ContentType.objects.get(model='group'), object_id=str(group.pk), object_repr='é "quoted"', action_flag=1, change_message='[{"added": {}}]')
            Grant.objects.create(user=user, code=given, application=Application.objects.first(), expires='2030-01-01T00:00:00Z', redirect_uri='https://client.example/cb', scope='read', claims='{"a": 1}')
            """, alice);
        Twin.Filled = (alice, key);
        return (alice, key);
    }

    private async Task<(string Gatehouse, string Django)> DumpsAsync(bool naturalForeign, bool naturalPrimary)
    {
        var file = Twin.File("ours.json");
        await Twin.RunAsync(["dumpdata", .. Apps, "--output", file, .. naturalForeign ? ["--natural-foreign"] : Array.Empty<string>(), .. naturalPrimary ? ["--natural-primary"] : Array.Empty<string>()]);
        var theirs = (await Twin.Django.RunAsync("call_command('dumpdata', *given['apps'], use_natural_foreign_keys=given['f'], use_natural_primary_keys=given['p'])",
            new { apps = Apps, f = naturalForeign, p = naturalPrimary })).Output;
        return (await File.ReadAllTextAsync(file, Ct), theirs);
    }
}

[Collection(OnSqlite.Name), Trait(TestDatabase.SqliteOnly, "yes")]
public sealed class DatabaseTwinTestsOnSqlite(SqliteTwin twin) : DatabaseTwinTests(twin);

[Collection(OnPostgres.Name), Trait(TestDatabase.SqliteOnly, "yes")]
public sealed class DatabaseTwinTestsOnPostgres(PostgresTwin twin) : DatabaseTwinTests(twin);
