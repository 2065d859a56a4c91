using System.Text.Json;
using Gatehouse.Database;
using Microsoft.AspNetCore.Http;
using Npgsql;
using Xunit;

namespace Gatehouse.Tests.Database;

/// <summary>What is PostgreSQL's own. That everything else works there is told by the suite, which runs on both databases.</summary>
public sealed class PostgresTests : IDisposable
{
    private readonly PostgresDatabase database;
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public PostgresTests()
    {
        PostgresCluster.Require();
        database = new PostgresDatabase();
        database.MakeEmpty();
    }

    public void Dispose() => database.Dispose();

    // Everything but our own tables: columns, keys and checks, indexes with their operator classes, what gives out keys.
    private static readonly string[] Catalog =
    [
        """
        SELECT c.relname, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, COALESCE(pg_get_expr(d.adbin, d.adrelid), '')
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped AND c.relname NOT LIKE 'gatehouse%' ORDER BY 1, 2
        """,
        """
        SELECT c.relname, k.conname, pg_get_constraintdef(k.oid), k.condeferrable, k.condeferred FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
        WHERE k.connamespace = 'public'::regnamespace AND c.relname NOT LIKE 'gatehouse%' ORDER BY 1, 2
        """,
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename NOT LIKE 'gatehouse%' ORDER BY 1",
        "SELECT sequencename, data_type::text, start_value, increment_by, min_value, max_value, cycle, cache_size FROM pg_sequences WHERE schemaname = 'public' AND sequencename NOT LIKE 'gatehouse%' ORDER BY 1",
    ];

    [Fact]
    public async Task An_empty_database_gets_exactly_djangos_schema()
    {
        using var django = new PostgresDatabase();
        django.MakeEmpty();
        django.Execute(DatabaseFile.Parity("django-schema/postgresql.sql"));

        await MigrateAsync();

        foreach (var look in Catalog)
        {
            var expected = django.Rows(look);
            Assert.NotEmpty(expected);
            Assert.Equal(expected, database.Rows(look));
        }
    }

    [Fact]
    public async Task It_gets_djangos_rows_and_the_next_keys_come_after_them()
    {
        await MigrateAsync();

        var expected = JsonDocument.Parse(DatabaseFile.Parity("django-schema/rows-after-migrate.json")).RootElement.EnumerateObject()
            .Select(table => table.Value.EnumerateArray().Select(row => string.Join('|', row.EnumerateArray().Select(cell => cell.ToString()))))
            .ToList();
        Assert.Equal(expected[0], database.Rows("SELECT app, name FROM django_migrations ORDER BY id"));
        Assert.Equal(expected[1], database.Rows("SELECT id, app_label, model FROM django_content_type ORDER BY id"));
        Assert.Equal(expected[2], database.Rows("""
            SELECT p.id, c.app_label || '.' || c.model, p.codename, p.name
            FROM auth_permission p JOIN django_content_type c ON c.id = p.content_type_id ORDER BY p.id
            """));
        Assert.Equal(["t"], database.Rows("SELECT CASE WHEN nextval('django_content_type_id_seq') = (SELECT MAX(id) FROM django_content_type) + 1 THEN 't' END"));
        Assert.Equal(["t"], database.Rows("SELECT CASE WHEN nextval('auth_permission_id_seq') = (SELECT MAX(id) FROM auth_permission) + 1 THEN 't' END"));
        Assert.Equal(["57"], database.Rows("SELECT nextval('django_migrations_id_seq')"));
    }

    [Fact]
    public async Task Our_own_tables_hold_what_sqlites_hold()
    {
        await MigrateAsync();

        // SQLite's integer has 64 bits.
        Assert.Equal(
            ["bigint", "boolean", "text", "timestamp with time zone"],
            database.Rows("SELECT DISTINCT data_type FROM information_schema.columns WHERE table_schema = 'public' AND table_name LIKE 'gatehouse%' ORDER BY 1"));
    }

    [Fact]
    public async Task Of_eight_runs_at_once_one_does_the_work()
    {
        var runs = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(MigrateAsync, Ct)));

        Assert.Single(runs, applied => applied.Count > 0);
        Assert.Equal(["56"], database.Rows("SELECT count(*) FROM django_migrations"));
        Assert.True(await new Migrations(database.Open(), TimeProvider.System).IsCurrentAsync(Ct));
    }

    [Fact]
    public async Task A_database_of_another_program_is_refused_and_stays_as_it_is()
    {
        database.Execute("CREATE TABLE customers (id integer)");

        var error = await Assert.ThrowsAsync<MigrationException>(MigrateAsync);

        Assert.Contains("customers", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(PostgresCluster.Password, error.ToString(), StringComparison.Ordinal);
        Assert.Equal(["customers"], database.Rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"));
    }

    [Fact]
    public async Task A_write_that_meets_another_is_run_again_and_neither_is_lost()
    {
        database.Execute("CREATE TABLE counts (name text PRIMARY KEY, n bigint NOT NULL)");
        database.Execute("INSERT INTO counts VALUES ('a', 0), ('b', 0)");
        var db = database.Open();
        var up = new Sql("UPDATE counts SET n = n + 1 WHERE name = @name");
        var runs = 0;

        // Each half takes the two rows in the other order, so that they lock each other out.
        await Task.WhenAll(Enumerable.Range(0, 6).Select(i => db.WriteAsync(
            async tx =>
            {
                Interlocked.Increment(ref runs);
                var (first, second) = i % 2 == 0 ? ("a", "b") : ("b", "a");
                await tx.RunAsync(up, ("name", first));
                return await tx.RunAsync(up, ("name", second));
            },
            Ct)));

        Assert.Equal(["6", "6"], database.Rows("SELECT n FROM counts"));
        Assert.True(runs >= 6);
    }

    [Fact]
    public async Task Look_ups_that_go_together_each_get_their_own_answer()
    {
        database.Execute("CREATE TABLE counts (n bigint PRIMARY KEY, name text NOT NULL)");
        database.Execute("INSERT INTO counts SELECT n, 'name ' || n FROM generate_series(0, 199) n");
        var db = database.Open();
        var find = new Sql<string>("SELECT name FROM counts WHERE n = @n", row => row.Text(0));

        var found = await Task.WhenAll(Enumerable.Range(0, 400).Select(n => db.FindAsync(find, Ct, ("n", n))));

        Assert.Equal(Enumerable.Range(0, 400).Select(n => n < 200 ? $"name {n}" : null), found);
    }

    [Fact]
    public async Task A_look_up_that_fails_fails_alone()
    {
        database.Execute("CREATE TABLE counts (n bigint PRIMARY KEY)");
        database.Execute("INSERT INTO counts VALUES (1)");
        var db = database.Open();
        var divide = new Sql<long>("SELECT 100 / (@n * n) FROM counts", row => row.Int(0));
        var unreadable = new Sql<long>("SELECT @n FROM counts", row => row.Int(0) == 7 ? throw new InvalidDataException("seven") : row.Int(0));

        var asked = Enumerable.Range(0, 100).Select(n => n % 2 == 0 ? db.FindAsync(divide, Ct, ("n", n / 2 % 10)) : db.FindAsync(unreadable, Ct, ("n", n / 2 % 10))).ToList();
        await Task.WhenAll(asked).ContinueWith(_ => { }, TaskScheduler.Default);

        for (var n = 0; n < 100; n++)
        {
            var by = n / 2 % 10;
            if (n % 2 == 0 && by == 0) Assert.Equal("22012", (await Assert.ThrowsAsync<PostgresException>(() => asked[n])).SqlState);
            else if (n % 2 == 1 && by == 7) await Assert.ThrowsAsync<InvalidDataException>(() => asked[n]);
            else Assert.Equal(n % 2 == 0 ? 100 / by : by, await asked[n]);
        }
    }

    [Fact]
    public async Task A_look_up_that_was_given_up_before_it_was_sent_ends_and_leaves_the_others()
    {
        database.Execute("CREATE TABLE counts (n bigint PRIMARY KEY)");
        database.Execute("INSERT INTO counts VALUES (1)");
        var db = database.Open();
        var find = new Sql<long>("SELECT n FROM counts WHERE n = @n", row => row.Int(0));
        using var given = new CancellationTokenSource();
        await given.CancelAsync();

        var asked = Enumerable.Range(0, 100).Select(n => (GivenUp: n % 3 == 0, Answer: db.FindAsync(find, n % 3 == 0 ? given.Token : Ct, ("n", 1)))).ToList();

        foreach (var (givenUp, answer) in asked)
        {
            if (givenUp) await Assert.ThrowsAnyAsync<OperationCanceledException>(() => answer);
            else Assert.Equal(1, await answer);
        }
    }

    [Fact]
    public async Task What_goes_along_with_the_commit_is_done_with_all_else_or_nothing_is()
    {
        database.Execute("CREATE TABLE counts (n bigint PRIMARY KEY)");
        var db = database.Open();
        var add = new Sql("INSERT INTO counts VALUES (@n)");
        var count = new Sql<long>("SELECT COUNT(*) FROM counts", row => row.Int(0));
        var divide = new Sql("INSERT INTO counts VALUES (100 / @n)");

        var seen = await db.WriteAsync(
            async tx =>
            {
                tx.Also(add, ("n", 1));
                tx.Lock("counts");
                tx.Also(add, ("n", 2));
                var so = await tx.FirstAsync(count);
                tx.Also(add, ("n", 3));
                return so;
            },
            Ct);
        Assert.Equal(2, seen);
        Assert.Equal(["1", "2", "3"], database.Rows("SELECT n FROM counts ORDER BY n"));

        var error = await Assert.ThrowsAsync<PostgresException>(() => db.WriteAsync(
            async tx =>
            {
                await tx.RunAsync(add, ("n", 4));
                tx.Also(divide, ("n", 0));
                return true;
            },
            Ct));
        Assert.Equal("22012", error.SqlState);
        await Assert.ThrowsAsync<InvalidDataException>(() => db.WriteAsync<bool>(
            async tx =>
            {
                await tx.RunAsync(add, ("n", 5));
                throw new InvalidDataException();
            },
            Ct));
        Assert.Equal(["1", "2", "3"], database.Rows("SELECT n FROM counts ORDER BY n"));
        // Nor is anything left open: the same connections go on.
        await Task.WhenAll(Enumerable.Range(6, 40).Select(n => db.WriteAsync(tx => tx.RunAsync(add, ("n", n)), Ct)));
        Assert.Equal(["43"], database.Rows("SELECT COUNT(*) FROM counts"));
        Assert.Equal(["0"], database.Rows("SELECT COUNT(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' AND datname = current_database()"));
    }

    [Fact]
    public async Task Who_locks_a_name_is_alone_and_sees_what_was_done_before()
    {
        database.Execute("CREATE TABLE seats (taken bigint)");
        var db = database.Open();
        var take = new Sql("INSERT INTO seats SELECT @who WHERE (SELECT COUNT(*) FROM seats) < 10");

        var taken = await Task.WhenAll(Enumerable.Range(0, 64).Select(who => db.WriteRelaxedAsync(
            tx =>
            {
                tx.Lock("seats");
                return tx.RunAsync(take, ("who", who));
            },
            Ct)));

        Assert.Equal(10, taken.Sum());
    }

    [Fact]
    public async Task Texts_that_postgresql_cannot_hold_find_nothing_and_fail_nothing()
    {
        await MigrateAsync();
        var db = database.Open();
        var find = new Sql<string>("SELECT username FROM auth_user WHERE username = @name", row => row.Text(0));

        foreach (var odd in new[] { "a\0b", "\0", "\ud800", "x\udc00y" }) Assert.Null(await db.FirstAsync(find, Ct, ("name", odd)));
    }

    [Fact]
    public async Task A_null_before_and_after_a_value_is_taken_for_its_column()
    {
        await MigrateAsync();
        var db = database.Open();
        var insert = new Sql("INSERT INTO oauth2_provider_idtoken (jti, expires, scope, created, updated, application_id, user_id) VALUES (@jti, @now, '', @now, @now, @client, NULL)");
        var (now, ids) = (DateTimeOffset.UnixEpoch.AddTicks(12_345_670), Enumerable.Range(0, 4).Select(_ => Guid.NewGuid()).ToList());

        foreach (var id in ids) await db.WriteAsync(tx => tx.RunAsync(insert, ("jti", id), ("now", now), ("client", null)), Ct);

        Assert.Equal(
            ids.Select(id => (id, now)),
            await db.AllAsync(new Sql<(Guid, DateTimeOffset)>("SELECT jti, expires FROM oauth2_provider_idtoken ORDER BY id", row => (row.Uuid(0), row.Time(1))), Ct));
    }

    [Fact]
    public async Task Of_several_hosts_the_one_that_is_the_primary_is_used()
    {
        await MigrateAsync();
        using var db = Db.Open(database.Url.Replace("@127.0.0.1", "@127.0.0.1:1,127.0.0.1", StringComparison.Ordinal));

        Assert.Equal("1", await db.FirstAsync(new Sql<string>("SELECT '1'", row => row.Text(0)), Ct));
        Assert.True(await db.CanWriteAsync(TimeSpan.FromSeconds(20), Ct));
        Assert.DoesNotContain(PostgresCluster.Password, db.Name, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_column_that_is_altered_meanwhile_is_read_as_it_is_now()
    {
        await MigrateAsync();
        database.Execute("INSERT INTO auth_group (name) VALUES ('writers')");
        var db = database.Open();
        var find = new Sql<long>("SELECT id FROM auth_group WHERE name = @name", row => row.Int(0));
        for (var i = 0; i < 4; i++) Assert.Equal(1, await db.FirstAsync(find, Ct, ("name", "writers")));

        database.Execute("ALTER TABLE auth_group ALTER COLUMN id TYPE bigint");

        Assert.Equal(1, await db.FirstAsync(find, Ct, ("name", "writers")));
    }

    [Fact]
    public async Task Look_ups_leave_the_connection_whose_plans_are_of_before()
    {
        await MigrateAsync();
        database.Execute("INSERT INTO auth_group (name) VALUES ('writers')");
        var db = database.Open();
        var find = new Sql<long>("SELECT id FROM auth_group WHERE name = @name", row => row.Int(0));
        var connection = new Sql<long>("SELECT pg_backend_pid()", row => row.Int(0));
        for (var i = 0; i < 4; i++) Assert.Equal(1, await db.FindAsync(find, Ct, ("name", "writers")));
        var before = await db.FindAsync(connection, Ct);
        Assert.Equal(before, await db.FindAsync(connection, Ct));

        database.Execute("ALTER TABLE auth_group ALTER COLUMN id TYPE bigint");

        Assert.Equal(1, await db.FindAsync(find, Ct, ("name", "writers")));
        Assert.NotEqual(before, await db.FindAsync(connection, Ct));
        Assert.Equal(1, await db.FindAsync(find, Ct, ("name", "writers")));
    }

    [Fact]
    public async Task What_is_longer_than_its_column_is_the_callers_fault()
    {
        await MigrateAsync();
        var insert = new Sql("INSERT INTO auth_group (name) VALUES (@name)");

        var error = await Assert.ThrowsAsync<BadHttpRequestException>(() => database.Open().WriteAsync(tx => tx.RunAsync(insert, ("name", new string('x', 151))), Ct));

        Assert.Equal(400, error.StatusCode);
    }

    [Fact]
    public async Task A_server_without_the_key_of_a_database_in_use_does_not_start()
    {
        await MigrateAsync();
        database.Execute("INSERT INTO auth_user (password, is_superuser, username, first_name, last_name, email, is_staff, is_active, date_joined) VALUES ('!', FALSE, 'alice', '', '', '', FALSE, TRUE, '2026-01-01')");
        using var folder = new TempFolder();

        foreach (var verb in new string[][] { ["migrate"], ["runserver", "127.0.0.1:0"] })
        {
            var (code, output, errors) = await GatehouseProcess.RunAsync(folder.Path, [.. verb, "--database", database.Url]);
            Assert.Equal(verb[0] == "migrate" ? 0 : 1, code);
            if (code != 0) Assert.Contains("SECRET_KEY", errors, StringComparison.Ordinal);
            Assert.DoesNotContain(PostgresCluster.Password, output + errors, StringComparison.Ordinal);
            Assert.False(File.Exists(folder["gatehouse-data/secret-key"]));
        }
    }

    [Fact]
    public async Task The_verbs_work_with_the_address_in_djangos_settings()
    {
        using var folder = new TempFolder();
        var at = DatabaseUrl.Postgres(database.Url);
        await File.WriteAllTextAsync(folder["settings.json"], JsonSerializer.Serialize(new
        {
            SECRET_KEY = GatehouseTest.SecretKey,
            DATABASES = new Dictionary<string, object>
            {
                ["default"] = new { ENGINE = "django.db.backends.postgresql", NAME = at.Database, USER = at.Username, PASSWORD = at.Password, HOST = at.Host, PORT = at.Port, OPTIONS = new { sslmode = "prefer", pool = true } },
            },
        }), Ct);
        async Task<string> RunAsync(params string[] verb)
        {
            var (code, output, errors) = await GatehouseProcess.RunAsync(
                folder.Path, [.. verb, "--settings", "settings.json"], environment: [("DJANGO_SUPERUSER_PASSWORD", "violet-Kettle-42"), ("Gatehouse__PasswordHashers__0", "md5")]);
            Assert.True(code == 0, $"{string.Join(' ', verb)}: {errors}");
            Assert.DoesNotContain(PostgresCluster.Password, output + errors, StringComparison.Ordinal);
            return output;
        }

        Assert.Contains("Applying gatehouse.0001_throttle... OK", await RunAsync("migrate"), StringComparison.Ordinal);
        Assert.Contains("No migrations to apply.", await RunAsync("migrate"), StringComparison.Ordinal);
        Assert.DoesNotContain("[ ]", await RunAsync("showmigrations"), StringComparison.Ordinal);
        await RunAsync("check");
        var seed = DatabaseFile.Parity("seed.fixture.json");
        await File.WriteAllTextAsync(folder["seed.json"], seed, Ct);
        await RunAsync("loaddata", folder["seed.json"]);
        Assert.Equal(seed.TrimEnd(), (await RunAsync("dumpdata", "--indent", "1")).TrimEnd());
        await RunAsync("createsuperuser", "--noinput", "--username", "root", "--email", "root@example.com");
        await RunAsync("drf_create_token", "root");
        foreach (var verb in new[] { "clearsessions", "flushexpiredtokens", "cleartokens", "clearcimdapplications" }) await RunAsync(verb);
    }

    private async Task<IReadOnlyList<string>> MigrateAsync()
    {
        using var db = Db.Open(database.Url);
        return await new Migrations(db, TimeProvider.System).ApplyAsync(Ct);
    }
}
