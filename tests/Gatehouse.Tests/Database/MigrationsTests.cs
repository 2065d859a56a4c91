using System.Text.Json;
using Gatehouse.Database;
using Xunit;

namespace Gatehouse.Tests.Database;

public sealed class MigrationsTests : IDisposable
{
    private const string Schema = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'gatehouse_%'";
    private const string AllRows = """
        SELECT 'm', id, app, name, applied FROM django_migrations
        UNION ALL SELECT 'c', id, app_label, model, '' FROM django_content_type
        UNION ALL SELECT 'p', id, content_type_id, codename, name FROM auth_permission
        """;
    private readonly DatabaseFile file = new();
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public void Dispose() => file.Dispose();

    [Fact]
    public async Task A_new_database_has_exactly_djangos_schema()
    {
        await MigrateAsync();

        Assert.Equal(Statements().Order(StringComparer.Ordinal), file.Rows(Schema).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_new_database_has_exactly_djangos_rows()
    {
        await MigrateAsync();

        var expected = JsonDocument.Parse(DatabaseFile.Parity("django-schema/rows-after-migrate.json")).RootElement.EnumerateObject()
            .Select(table => table.Value.EnumerateArray().Select(row => string.Join('|', row.EnumerateArray().Select(cell => cell.ToString()))))
            .ToList();
        Assert.Equal(expected[0], file.Rows("SELECT app, name FROM django_migrations ORDER BY id"));
        Assert.Equal(expected[1], file.Rows("SELECT id, app_label, model FROM django_content_type ORDER BY id"));
        Assert.Equal(expected[2], file.Rows("""
            SELECT p.id, c.app_label || '.' || c.model, p.codename, p.name
            FROM auth_permission p JOIN django_content_type c ON c.id = p.content_type_id ORDER BY p.id
            """));
    }

    [Fact]
    public async Task The_first_run_tells_what_it_applied_and_the_second_has_nothing_to_do()
    {
        using var db = file.Open();
        var migrations = new Migrations(db, TimeProvider.System);
        Assert.False(await migrations.IsCurrentAsync(Ct));

        var first = await migrations.ApplyAsync(Ct);
        var rows = file.Rows(AllRows);
        var second = await migrations.ApplyAsync(Ct);

        Assert.Equal(67, first.Count);
        Assert.Equal("contenttypes.0001_initial", first[0]);
        Assert.Equal("gatehouse.0011_audit_unsealed", first[^1]);
        Assert.Empty(second);
        Assert.Equal(rows, file.Rows(AllRows));
        Assert.True(await migrations.IsCurrentAsync(Ct));
    }

    [Fact]
    public async Task Of_eight_runs_at_once_one_does_the_work()
    {
        var runs = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(MigrateAsync, Ct)));

        Assert.Single(runs, applied => applied.Count == 67);
        Assert.Equal(7, runs.Count(applied => applied.Count == 0));
        Assert.Equal(["56"], file.Rows("SELECT count(*) FROM django_migrations"));
    }

    [Fact]
    public async Task What_fails_on_the_way_leaves_nothing_and_the_next_run_completes()
    {
        // A clock that fails late: the tables and some of the rows have been written by then.
        await Assert.ThrowsAsync<TimeoutException>(async () => await new Migrations(file.Open(), new FailingClock(good: 40)).ApplyAsync(Ct));
        Assert.Empty(file.Rows("SELECT name FROM sqlite_master"));

        Assert.Equal(67, (await MigrateAsync()).Count);
    }

    [Fact]
    public async Task A_process_that_is_killed_leaves_nothing_or_all()
    {
        await Task.WhenAll(Enumerable.Range(0, 6).Select(round => Task.Run(() => KillAfterAsync(milliseconds: round * 7), Ct)));

        static async Task KillAfterAsync(int milliseconds)
        {
            using var killed = new DatabaseFile();
            using var process = Child.Start(nameof(Child.Migrate_until_killed), killed.Path);
            while (!File.Exists(killed.Path + ".0") && !process.HasExited) await Task.Delay(1, Ct);
            await Task.Delay(milliseconds, Ct);
            process.Kill();
            await process.WaitForExitAsync(Ct);

            var last = Enumerable.Range(0, 1000).Select(i => $"{killed.Path}.{i}").TakeWhile(File.Exists).Last();
            using var db = Db.Open($"sqlite:///{last}");
            var applied = await new Migrations(db, TimeProvider.System).ApplyAsync(Ct);

            Assert.True(applied.Count is 0 or 67, $"{applied.Count} migrations were left to do");
            Assert.Equal("ok", await db.FirstAsync(new Sql<string>("PRAGMA integrity_check", row => row.Text(0)), Ct));
        }
    }

    [Fact]
    public async Task Processes_at_once_complete_one_database()
    {
        using var db = file.Open();
        var processes = Enumerable.Range(0, 3).Select(_ => Child.Start(nameof(Child.Migrate_once), file.Path)).ToList();
        foreach (var process in processes)
        {
            await process.WaitForExitAsync(Ct);
            Assert.Equal(0, process.ExitCode);
            process.Dispose();
        }

        Assert.True(await new Migrations(db, TimeProvider.System).IsCurrentAsync(Ct));
        Assert.Equal(["56"], file.Rows("SELECT count(*) FROM django_migrations"));
    }

    [Fact]
    public async Task Nothing_of_djangos_changes_in_a_database_that_django_made()
    {
        MakeAsDjango();
        file.Execute("""
            CREATE TABLE polls_question (id integer PRIMARY KEY, text text NOT NULL);
            INSERT INTO django_migrations (app, name, applied) VALUES ('polls', '0001_initial', '2026-01-02 03:04:05.678901');
            """);
        var (schema, rows) = (file.Rows(Schema), file.Rows(AllRows));

        var applied = await MigrateAsync();

        Assert.Equal(["gatehouse.0001_throttle", "gatehouse.0002_jwt", "gatehouse.0003_oauth", "gatehouse.0004_lease", "gatehouse.0005_counter", "gatehouse.0006_oauth_indexes", "gatehouse.0007_audit", "gatehouse.0008_accounts", "gatehouse.0009_audit_event", "gatehouse.0010_passkeys", "gatehouse.0011_audit_unsealed"], applied);
        Assert.Equal(schema, file.Rows(Schema));
        Assert.Equal(rows, file.Rows(AllRows));
        Assert.Equal(
            [
                "gatehouse_audit", "gatehouse_counter", "gatehouse_jwt_rotation", "gatehouse_lease", "gatehouse_login_failure", "gatehouse_migrations", "gatehouse_oauth_assertion", "gatehouse_oauth_client",
                "gatehouse_oauth_pushed_request", "gatehouse_oauth_used_code", "gatehouse_passkey", "gatehouse_passkey_challenge", "gatehouse_recovery_code", "gatehouse_session", "gatehouse_throttle", "gatehouse_totp",
                "gatehouse_verified_email",
            ],
            file.Rows("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'gatehouse_%' ORDER BY name"));
    }

    [Theory]
    [InlineData("admin")]
    [InlineData("token_blacklist")]
    [InlineData("oauth2_provider")]
    public async Task A_project_may_do_without(string app)
    {
        MakeAsDjango();
        Remove(app);
        using var db = file.Open();
        var migrations = new Migrations(db, TimeProvider.System);

        await migrations.ApplyAsync(Ct);

        Assert.True(await migrations.IsCurrentAsync(Ct));
        Assert.DoesNotContain(await migrations.ListAsync(Ct), listed => listed.App == app);
    }

    [Fact]
    public async Task A_newer_schema_is_refused_by_name()
    {
        MakeAsDjango();
        file.Execute("INSERT INTO django_migrations (app, name, applied) VALUES ('oauth2_provider', '0023_more', '2026-01-01 00:00:00')");

        await RefusedAsync("its schema is newer than the one this version of Gatehouse knows: oauth2_provider.0023_more is applied and unknown",
            "Update Gatehouse");
    }

    [Fact]
    public async Task An_older_schema_is_refused_with_what_is_missing()
    {
        MakeAsDjango();
        file.Execute("DELETE FROM django_migrations WHERE app = 'auth' AND name IN ('0011_update_proxy_permissions', '0012_alter_user_first_name_max_length')");

        await RefusedAsync("not applied: auth.0011_update_proxy_permissions, auth.0012_alter_user_first_name_max_length", "Run \"python manage.py migrate\"");
    }

    [Fact]
    public async Task An_app_that_is_needed_and_not_installed_is_named()
    {
        MakeAsDjango();
        Remove("authtoken");

        await RefusedAsync("authtoken.0001_initial", "Add rest_framework.authtoken to the Django project's INSTALLED_APPS, then run");
    }

    [Fact]
    public async Task An_optional_app_may_not_be_half_applied()
    {
        MakeAsDjango();
        file.Execute("DELETE FROM django_migrations WHERE app = 'oauth2_provider' AND name > '0021'");

        await RefusedAsync("not applied: oauth2_provider.0021_translatable_field_labels, oauth2_provider.0022_refreshtoken_token_family_index", "Upgrade django-oauth-toolkit to 3.4");
    }

    [Fact]
    public async Task A_project_with_a_user_model_of_its_own_is_told_so()
    {
        MakeAsDjango();
        file.Execute("DROP TABLE auth_user_groups; DROP TABLE auth_user_user_permissions; PRAGMA foreign_keys = OFF; DROP TABLE auth_user;");

        await RefusedAsync("the tables auth_user, auth_user_groups, auth_user_user_permissions are not there", "AUTH_USER_MODEL");
    }

    [Fact]
    public async Task Another_programs_database_is_refused_and_stays_as_it_is()
    {
        file.Execute("CREATE TABLE recipes (id integer PRIMARY KEY); CREATE TABLE ingredients (id integer PRIMARY KEY);");
        var bytes = await File.ReadAllBytesAsync(file.Path, Ct);

        await RefusedAsync("it holds tables (ingredients, recipes) but no django_migrations", "Name a new file");

        Assert.Equal(bytes, await File.ReadAllBytesAsync(file.Path, Ct));
    }

    [Fact]
    public async Task A_file_that_is_no_database_is_refused_and_stays_as_it_is()
    {
        await File.WriteAllTextAsync(file.Path, string.Concat(Enumerable.Repeat("Dear diary, ", 200)), Ct);
        var bytes = await File.ReadAllBytesAsync(file.Path, Ct);

        await RefusedAsync($"{file.Path} is not a SQLite database", "Name another file");

        Assert.Equal(bytes, await File.ReadAllBytesAsync(file.Path, Ct));
    }

    [Fact]
    public async Task A_database_of_a_newer_gatehouse_is_refused()
    {
        await MigrateAsync();
        file.Execute("INSERT INTO gatehouse_migrations VALUES ('0099_later', '2030-01-01 00:00:00')");

        await RefusedAsync("a newer Gatehouse has migrated it (gatehouse.0099_later)", "Update Gatehouse");
    }

    [Fact]
    public async Task The_list_has_the_apps_in_alphabetical_order()
    {
        var migrations = new Migrations(file.Open(), TimeProvider.System);
        var before = await migrations.ListAsync(Ct);
        await migrations.ApplyAsync(Ct);

        var after = await migrations.ListAsync(Ct);

        Assert.Equal(["admin", "auth", "authtoken", "contenttypes", "gatehouse", "oauth2_provider", "sessions", "token_blacklist"],
            after.Select(app => app.App));
        Assert.All(before.SelectMany(app => app.Migrations), migration => Assert.False(migration.Applied));
        Assert.All(after.SelectMany(app => app.Migrations), migration => Assert.True(migration.Applied));
        Assert.Equal("0001_initial", after[0].Migrations[0].Name);
        Assert.Equal(67, after.Sum(app => app.Migrations.Count));
    }

    private static IEnumerable<string> Statements() =>
        DatabaseFile.Parity("django-schema/sqlite.sql").Split('\n').Where(line => line.StartsWith("CREATE", StringComparison.Ordinal))
            .Select(line => line.TrimEnd(';'));

    private async Task<IReadOnlyList<string>> MigrateAsync()
    {
        using var db = Db.Open($"sqlite:///{file.Path}");
        return await new Migrations(db, TimeProvider.System).ApplyAsync(Ct);
    }

    private void MakeAsDjango()
    {
        file.Execute("BEGIN;\n" + string.Join(";\n", Statements()) + ";\nCOMMIT");
        var tables = JsonDocument.Parse(DatabaseFile.Parity("django-schema/rows-after-migrate.json")).RootElement.EnumerateObject()
            .Select(table => table.Value.EnumerateArray().Select(row => row.EnumerateArray().Select(cell => $"'{cell}'").ToList()).ToList()).ToList();
        file.Execute("BEGIN;\n" + string.Join(";\n",
            tables[0].Select(m => $"INSERT INTO django_migrations (app, name, applied) VALUES ({m[0]}, {m[1]}, '2025-06-01 10:00:00.123456')")
                .Concat(tables[1].Select(c => $"INSERT INTO django_content_type VALUES ({c[0]}, {c[1]}, {c[2]})"))
                .Concat(tables[2].Select(p => $"""
                    INSERT INTO auth_permission SELECT {p[0]}, id, {p[2]}, {p[3]} FROM django_content_type WHERE app_label || '.' || model = {p[1]}
                    """))) + ";\nCOMMIT");
    }

    private void Remove(string app)
    {
        var tables = file.Rows($"SELECT name FROM sqlite_master WHERE type = 'table' AND (name LIKE '{app}_%' OR name LIKE 'django_{app}_%')");
        file.Execute("PRAGMA foreign_keys = OFF; " + string.Concat(tables.Select(table => $"DROP TABLE {table};"))
            + $"DELETE FROM django_migrations WHERE app = '{app}'");
    }

    private async Task RefusedAsync(params string[] says)
    {
        var refusal = await Assert.ThrowsAsync<MigrationException>(MigrateAsync);
        Assert.All(says, text => Assert.Contains(text, refusal.Message, StringComparison.Ordinal));
        Assert.Contains(file.Path, refusal.Message, StringComparison.Ordinal);

        using var db = Db.Open($"sqlite:///{file.Path}");
        Assert.False(await new Migrations(db, TimeProvider.System).IsCurrentAsync(Ct));
    }

    private sealed class FailingClock(int good) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => good-- > 0 ? base.GetUtcNow() : throw new TimeoutException("The clock stopped.");
    }
}
