using System.Net.Http.Json;
using System.Text.Json;
using Gatehouse.Tests.Database;
using Microsoft.Data.Sqlite;
using Xunit;

namespace Gatehouse.Tests.Program;

/// <summary>Each verb: what it prints and how it ends. 0: fine, 1: refused with a line, 2: wrong usage.</summary>
public sealed class CommandTests : IDisposable
{
    private static readonly (string, string)[] Cheap = [("Gatehouse__PasswordHashers__0", "md5")];

    private readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public async Task Migrate_applies_once_and_showmigrations_lists()
    {
        var before = await RunAsync("showmigrations");
        var first = await RunAsync("migrate");
        var second = await RunAsync("migrate");
        var after = await RunAsync("showmigrations");

        Assert.Equal((0, 0, 0, 0), (before.Code, first.Code, second.Code, after.Code));
        Assert.Contains(" [ ] 0001_initial", before.Output, StringComparison.Ordinal);
        Assert.Contains("  Applying auth.0001_initial... OK", first.Output, StringComparison.Ordinal);
        Assert.Equal("No migrations to apply.", second.Output);
        Assert.Contains("auth\n [X] 0001_initial", after.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("[ ]", after.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Createsuperuser_without_questions_takes_the_environment()
    {
        (string, string)[] who = [.. Cheap, ("DJANGO_SUPERUSER_USERNAME", "root"), ("DJANGO_SUPERUSER_EMAIL", "root@example.org"), ("DJANGO_SUPERUSER_PASSWORD", "violet-Kettle-42")];

        var made = await GatehouseProcess.RunAsync(folder.Path, ["createsuperuser", "--noinput"], environment: who);
        var again = await GatehouseProcess.RunAsync(folder.Path, ["createsuperuser", "--noinput"], environment: who);
        var unnamed = await RunAsync("createsuperuser", "--noinput");
        var wrong = await RunAsync("createsuperuser", "--noinput", "--username", "ro ot");

        Assert.Equal((0, "Superuser created successfully."), (made.Code, made.Output));
        Assert.Equal((1, "Error: That username is already taken."), (again.Code, again.Errors));
        Assert.Equal((1, "You must use --username with --noinput."), (unnamed.Code, unnamed.Errors));
        Assert.Equal(1, wrong.Code);
        Assert.Contains("Enter a valid username", wrong.Errors, StringComparison.Ordinal);
        var fields = JsonDocument.Parse((await RunAsync("dumpdata", "auth.user")).Output).RootElement.EnumerateArray().Single().GetProperty("fields");
        Assert.Equal((true, true, true, "root"), (fields.GetProperty("is_staff").GetBoolean(), fields.GetProperty("is_superuser").GetBoolean(),
            fields.GetProperty("is_active").GetBoolean(), fields.GetProperty("username").GetString()));
    }

    [Fact]
    public async Task Createsuperuser_asks_and_warns_of_a_weak_password()
    {
        var made = await GatehouseProcess.RunAsync(
            folder.Path, ["createsuperuser"], "ro ot\nroot\nnonsense\nroot@example.org\n12345\n12345\nn\nviolet-Kettle-42\nother\nviolet-Kettle-42\nviolet-Kettle-42\n", Cheap);
        var nobody = await GatehouseProcess.RunAsync(folder.Path, ["createsuperuser"], environment: Cheap);

        Assert.Equal(0, made.Code);
        Assert.Contains("Enter a valid username", made.Errors, StringComparison.Ordinal);
        Assert.Contains("Enter a valid email address", made.Errors, StringComparison.Ordinal);
        Assert.Contains("This password is too short", made.Errors, StringComparison.Ordinal);
        Assert.Contains("Your passwords didn't match", made.Errors, StringComparison.Ordinal);
        Assert.EndsWith("Superuser created successfully.", made.Output, StringComparison.Ordinal);
        Assert.Equal(1, nobody.Code);
        Assert.Contains("--noinput", nobody.Errors, StringComparison.Ordinal);
        Assert.DoesNotContain("violet-Kettle-42", made.Output + made.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Changepassword_asks_and_gives_up_after_three_weak_ones()
    {
        await MakeAsync("alice");

        var changed = await GatehouseProcess.RunAsync(folder.Path, ["changepassword", "alice"], "amber-Kettle-43\namber-Kettle-43\n", Cheap);
        var weak = await GatehouseProcess.RunAsync(folder.Path, ["changepassword", "alice"], string.Concat(Enumerable.Repeat("12345\n", 6)), Cheap);
        var unknown = await RunAsync("changepassword", "nobody");

        Assert.Equal(0, changed.Code);
        Assert.EndsWith("Password changed successfully for user 'alice'", changed.Output, StringComparison.Ordinal);
        Assert.Equal(1, weak.Code);
        Assert.EndsWith("Aborting password change for user 'alice' after 3 attempts", weak.Errors, StringComparison.Ordinal);
        Assert.Equal((1, "user 'nobody' does not exist"), (unknown.Code, unknown.Errors));
    }

    [Fact]
    public async Task Drf_create_token_shows_makes_and_renews()
    {
        await MakeAsync("alice");

        var first = await RunAsync("drf_create_token", "alice");
        var second = await RunAsync("drf_create_token", "alice");
        var renewed = await RunAsync("drf_create_token", "-r", "alice");
        var unknown = await RunAsync("drf_create_token", "nobody");

        Assert.Matches("^Generated token [0-9a-f]{40} for user alice$", first.Output);
        Assert.Equal(first.Output, second.Output);
        Assert.Matches("^Generated token [0-9a-f]{40} for user alice$", renewed.Output);
        Assert.NotEqual(first.Output, renewed.Output);
        Assert.Equal((1, "Cannot create the Token: user nobody does not exist"), (unknown.Code, unknown.Errors));
        Assert.Equal(2, (await RunAsync("drf_create_token")).Code);
    }

    [Fact]
    public async Task Loaddata_and_dumpdata_are_each_others_reverse()
    {
        var seed = Path.Combine(DatabaseFile.Root, "tests", "Parity", "seed.fixture.json");
        var loaded = await RunAsync("loaddata", seed);
        var dumped = await RunAsync("dumpdata", "--indent", "1", "-o", folder["dump.json"]);
        var elsewhere = await RunAsync("loaddata", folder["dump.json"], "--database", "sqlite:///other.db");
        var again = await RunAsync("dumpdata", "--database", "sqlite:///other.db", "--indent", "1", "-o", folder["again.json"]);

        Assert.Matches(@"^Installed \d+ object\(s\) from 1 fixture\(s\)$", loaded.Output);
        Assert.Equal((0, 0, 0, 0), (loaded.Code, dumped.Code, elsewhere.Code, again.Code));
        Assert.Equal(await File.ReadAllTextAsync(folder["dump.json"], TestContext.Current.CancellationToken), await File.ReadAllTextAsync(folder["again.json"], TestContext.Current.CancellationToken));
        Assert.Equal(0, (await RunAsync("dumpdata", "auth.group")).Code);
    }

    [Theory]
    [InlineData("nonsense")]
    [InlineData("""[{"model": "auth.user"}]""")]
    [InlineData("""[{"model": "auth.group", "pk": 1, "fields": {"name": "kept-out"}}, {"model": "shop.customer", "pk": 1, "fields": {}}]""")]
    public async Task A_fixture_that_cannot_be_loaded_is_loaded_not_at_all(string json)
    {
        await File.WriteAllTextAsync(folder["broken.json"], json, TestContext.Current.CancellationToken);

        var loaded = await RunAsync("loaddata", folder["broken.json"]);

        Assert.Equal(1, loaded.Code);
        Assert.Contains("broken.json", loaded.Errors, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", loaded.Errors, StringComparison.Ordinal);
        Assert.DoesNotContain("kept-out", (await RunAsync("dumpdata", "auth.group")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_fixture_that_is_not_there_is_a_line()
    {
        var loaded = await RunAsync("loaddata", "nowhere.json");

        Assert.Equal(1, loaded.Code);
        Assert.Contains("nowhere.json", loaded.Errors, StringComparison.Ordinal);
        Assert.Single(loaded.Errors.Split('\n'));
    }

    [Fact]
    public async Task Clearsessions_says_how_many_are_gone()
    {
        await File.WriteAllTextAsync(
            folder["session.json"], """[{"model": "sessions.session", "pk": "gone00000000000000000000000000", "fields": {"session_data": "", "expire_date": "2020-01-01T00:00:00Z"}}]""",
            TestContext.Current.CancellationToken);
        await RunAsync("loaddata", folder["session.json"]);

        var (code, output, _) = await RunAsync("clearsessions");

        Assert.Equal((0, "1 expired sessions deleted."), (code, output));
    }

    [Fact]
    public async Task Flushexpiredtokens_deletes_what_is_over_and_says_how_many()
    {
        await MakeAsync("alice");
        using (var connection = Connect())
        {
            using var command = connection.CreateCommand();
            command.CommandText = """
                INSERT INTO token_blacklist_outstandingtoken (id, token, created_at, expires_at, jti, user_id) VALUES
                    (1, 'over', '2020-01-01 00:00:00', '2020-01-02 00:00:00', 'over', 1), (2, 'over and dead', '2020-01-01 00:00:00', '2020-01-02 00:00:00', 'dead', NULL),
                    (3, 'to come', '2020-01-01 00:00:00', '9000-01-01 00:00:00', 'to come', 1), (4, 'to come and dead', '2020-01-01 00:00:00', '9000-01-01 00:00:00', 'still', 1);
                INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id) VALUES ('2020-01-01 00:00:00', 2), ('2020-01-01 00:00:00', 4)
                """;
            command.ExecuteNonQuery();
        }

        var first = await RunAsync("flushexpiredtokens");
        var second = await RunAsync("flushexpiredtokens");
        var extra = await RunAsync("flushexpiredtokens", "extra");

        Assert.Equal((0, "2 expired tokens deleted."), (first.Code, first.Output.Split('\n')[^1]));
        Assert.Equal((0, "0 expired tokens deleted."), (second.Code, second.Output));
        Assert.Equal(2, extra.Code);
        Assert.Equal(["3", "4"], Column("SELECT id || '' FROM token_blacklist_outstandingtoken ORDER BY id"));
        Assert.Equal(["4"], Column("SELECT token_id || '' FROM token_blacklist_blacklistedtoken"));
    }

    [Fact]
    public async Task Logoutuser_ends_the_refresh_tokens_of_one_user_also_while_the_server_runs()
    {
        await MakeAsync("alice");
        await MakeAsync("bob");
        await using var gatehouse = GatehouseProcess.Serve(folder.Path, environment: Cheap);
        using var http = new HttpClient { BaseAddress = await gatehouse.AddressAsync() };
        var ofAlice = new[] { await ObtainAsync("alice"), await ObtainAsync("alice") };
        var ofBob = await ObtainAsync("bob");

        var first = await RunAsync("logoutuser", "alice");
        var second = await RunAsync("logoutuser", "alice");
        var unknown = await RunAsync("logoutuser", "nobody");
        var unnamed = await RunAsync("logoutuser");

        Assert.Equal((0, "2 tokens of alice ended."), (first.Code, first.Output));
        Assert.Equal((0, "0 tokens of alice ended."), (second.Code, second.Output));
        Assert.Equal((1, "There is no user 'nobody'."), (unknown.Code, unknown.Errors));
        Assert.Equal(2, unnamed.Code);
        foreach (var refresh in ofAlice)
            await RefreshAsync(refresh).ShouldBeAsync(401, """{"detail":"Token is blacklisted","code":"token_not_valid"}""");
        await RefreshAsync(ofBob).ShouldBeAsync(200);

        async Task<string> ObtainAsync(string username) =>
            (string)(await (await http.PostAsJsonAsync("/api/token/", new { username, password = "violet-Kettle-42" }, TestContext.Current.CancellationToken)).JsonAsync())["refresh"]!;

        Task<HttpResponseMessage> RefreshAsync(string refresh) => http.PostAsJsonAsync("/api/token/refresh/", new { refresh }, TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task Check_changes_nothing_and_check_deploy_lists_what_is_open()
    {
        var plain = await RunAsync("check");
        var deploy = await RunAsync("check", "--deploy");

        Assert.Equal((0, "System check identified no issues (0 silenced)."), (plain.Code, plain.Output));
        Assert.Equal(0, deploy.Code);
        foreach (var issue in new[] { "security.W004", "security.W008", "security.W012", "security.W016", "security.W020", "gatehouse.W005", "gatehouse.W006" })
            Assert.Contains(issue, deploy.Errors, StringComparison.Ordinal);
        Assert.False(File.Exists(folder["gatehouse-data/gatehouse.db"]));
    }

    [Fact]
    public async Task Version_and_help_are_told()
    {
        var version = await RunAsync("--version");
        var help = await RunAsync("--help");

        Assert.Equal(0, version.Code);
        Assert.Matches(@"^\d+\.\d+\.\d+", version.Output);
        Assert.Equal(0, help.Code);
        foreach (var verb in new[] { "runserver", "migrate", "showmigrations", "createsuperuser", "changepassword", "drf_create_token", "clearsessions", "flushexpiredtokens", "logoutuser", "loaddata", "dumpdata", "check", "--settings", "--database" })
            Assert.Contains(verb, help.Output, StringComparison.Ordinal);
        Assert.False(Directory.Exists(folder["gatehouse-data"]));
    }

    [Theory]
    [InlineData("nonsense")]
    [InlineData("migrate", "--nonsense")]
    [InlineData("migrate", "extra")]
    [InlineData("changepassword")]
    [InlineData("loaddata")]
    [InlineData("runserver", "1", "2")]
    [InlineData("--settings")]
    public async Task Wrong_usage_ends_with_2_and_says_where_help_is(params string[] arguments)
    {
        var (code, _, errors) = await RunAsync(arguments);

        Assert.Equal(2, code);
        Assert.Contains("--help", errors, StringComparison.Ordinal);
        Assert.False(Directory.Exists(folder["gatehouse-data"]));
    }

    [Theory]
    [InlineData("runserver", "nonsense")]
    [InlineData("runserver", "127.0.0.1:99999")]
    [InlineData("runserver", "::1:8000")]
    [InlineData("runserver", "example.org:80")]
    public async Task An_address_that_is_none_is_refused_in_a_line(params string[] arguments)
    {
        var (code, _, errors) = await RunAsync(arguments);

        Assert.InRange(code, 1, 2);
        Assert.Contains($"'{arguments[1]}' is not an address to listen on", errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Options_stand_before_or_after_the_verb()
    {
        await File.WriteAllTextAsync(folder["settings.json"], """{"SECRET_KEY": "a-good-key-of-more-than-32-characters-0123456789"}""", TestContext.Current.CancellationToken);

        Assert.Equal(0, (await RunAsync("--settings", "settings.json", "--database", "sqlite:///before.db", "migrate")).Code);
        Assert.Equal(0, (await RunAsync("migrate", "--settings", "settings.json", "--database", "sqlite:///after.db")).Code);
        Assert.Equal(0, (await RunAsync("--settings", "settings.json", "migrate", "--database", $"sqlite:///{folder["absolute.db"]}")).Code);

        foreach (var file in new[] { "before.db", "after.db", "absolute.db" }) Assert.True(File.Exists(folder[file]), file);
        Assert.False(Directory.Exists(folder["gatehouse-data"]));
    }

    [Fact]
    public async Task What_is_no_database_is_refused_untouched()
    {
        await File.WriteAllTextAsync(folder["notes.txt"], new string('x', 10_000), TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(folder["settings.json"], """{"SECRET_KEY": "a-good-key-of-more-than-32-characters-0123456789"}""", TestContext.Current.CancellationToken);

        var (code, _, errors) = await RunAsync("migrate", "--settings", "settings.json", "--database", "sqlite:///notes.txt");

        Assert.Equal(1, code);
        Assert.Contains("is not a SQLite database", errors, StringComparison.Ordinal);
        Assert.Equal(new string('x', 10_000), await File.ReadAllTextAsync(folder["notes.txt"], TestContext.Current.CancellationToken));
    }

    private async Task MakeAsync(string username) => Assert.Equal(0, (await GatehouseProcess.RunAsync(
        folder.Path, ["createsuperuser", "--noinput", "--username", username], environment: [.. Cheap, ("DJANGO_SUPERUSER_PASSWORD", "violet-Kettle-42")])).Code);

    private SqliteConnection Connect()
    {
        var connection = new SqliteConnection($"Data Source={folder["gatehouse-data/gatehouse.db"]};Pooling=False");
        connection.Open();
        return connection;
    }

    private List<string> Column(string sql)
    {
        using var connection = Connect();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        using var reader = command.ExecuteReader();
        var values = new List<string>();
        while (reader.Read()) values.Add(reader.GetString(0));
        return values;
    }

    private Task<(int Code, string Output, string Errors)> RunAsync(params string[] arguments) => GatehouseProcess.RunAsync(folder.Path, arguments, environment: Cheap);
}
