using System.Reflection;
using System.Text.Json;
using Gatehouse.Users;
using Microsoft.Data.Sqlite;

namespace Gatehouse.Database;

/// <summary>The schema: Django's on a new database, and Gatehouse's own tables (<c>gatehouse_*</c>) beside it on any.</summary>
/// <remarks>
/// Everything is one transaction, so a run that dies leaves nothing, and of two runs at once one does the work. A database
/// that Django made keeps every table and row of Django's as it is.
/// </remarks>
internal sealed class Migrations(Db db, TimeProvider clock, bool servesOAuth = true, UserModel? users = null)
{
    private const string Toolkit = "oauth2_provider";

    // In the order applied; the names are those of the files in Migrations/.
    private static readonly string[] Own = ["0001_throttle", "0002_jwt", "0003_oauth", "0004_lease", "0005_counter", "0006_oauth_indexes", "0007_audit", "0008_accounts", "0009_audit_event", "0010_passkeys", "0011_audit_unsealed"];

    private static readonly string[] Required = ["contenttypes", "auth", "sessions", "authtoken"];

    // Of these nothing is seen in the database: REST framework 3.14 and simplejwt 5.5.0, which do not have them, made the same tables.
    private static readonly string[] InNameOnly = ["authtoken.0004_alter_tokenproxy_options", "token_blacklist.0013_alter_blacklistedtoken_options_and_more"];

    private static readonly DjangoRows Django = DjangoRows.Read();

    /// <summary>Brings the database up to date.</summary>
    /// <returns>What was applied, such as <c>auth.0001_initial</c>; empty when there was nothing to do.</returns>
    /// <exception cref="MigrationException">The database is not one that Gatehouse can work on; nothing was changed.</exception>
    public async Task<IReadOnlyList<string>> ApplyAsync(CancellationToken ct)
    {
        // Asked before the writer opens, since opening it turns on WAL, and a file that is refused stays as it is.
        var before = await InspectAsync(ct);
        if (before.Missing.Count == 0) return [];

        return await db.WriteAsync(async tx =>
        {
            tx.Lock("migrations");
            var found = await InspectAsync(tx);
            if (found.IsEmpty) await MakeDjangosAsync(tx);
            await tx.RunAsync(MakeJournal);
            foreach (var name in Own.Where(name => found.Missing.Contains($"gatehouse.{name}")))
            {
                await tx.ScriptAsync(OwnScript(Resource($"gatehouse.{name}.sql")));
                await tx.RunAsync(Record, ("name", name), ("applied", clock.GetUtcNow()));
            }
            return found.Missing;
        }, ct);
    }

    /// <summary>Refuses what <see cref="ApplyAsync"/> would refuse, and changes nothing.</summary>
    /// <exception cref="MigrationException">The database is not one that Gatehouse can work on.</exception>
    public Task CheckAsync(CancellationToken ct) => InspectAsync(ct);

    /// <summary>Whether there is nothing to apply and nothing to refuse.</summary>
    public async Task<bool> IsCurrentAsync(CancellationToken ct)
    {
        try
        {
            return (await InspectAsync(ct)).Missing.Count == 0;
        }
        catch (MigrationException)
        {
            return false;
        }
    }

    /// <summary>Whether an app's migrations are applied, so that its tables are there.</summary>
    public async Task<bool> HasAsync(string app, CancellationToken ct) =>
        (await FindAsync(sql => db.AllAsync(sql, ct))).Applied.Any(name => name.StartsWith(app + ".", StringComparison.Ordinal));

    /// <summary>What <c>showmigrations</c> prints: the apps in alphabetical order, an app that the project does not use left out.</summary>
    public async Task<IReadOnlyList<AppMigrations>> ListAsync(CancellationToken ct)
    {
        var found = await FindAsync(sql => db.AllAsync(sql, ct));
        return
        [
            .. Django.Migrations.Select(m => (m.App, m.Name)).Concat(Own.Select(name => (App: "gatehouse", Name: name)))
                .GroupBy(m => m.App, m => new AppMigration(m.Name, found.Applied.Contains($"{m.App}.{m.Name}")))
                .OrderBy(app => app.Key, StringComparer.Ordinal)
                .Where(app => found.IsEmpty || app.Key == "gatehouse" || Required.Contains(app.Key) || app.Any(m => m.Applied))
                .Select(app => new AppMigrations(app.Key, [.. app])),
        ];
    }

    private async Task MakeDjangosAsync(Tx tx)
    {
        await tx.ScriptAsync(Resource(IsPostgres ? "django.postgresql.sql" : "django.sql"));
        foreach (var (app, name) in Django.Migrations)
            await tx.RunAsync(RecordDjangos, ("app", app), ("name", name), ("applied", clock.GetUtcNow()));
        foreach (var (id, app, model) in Django.ContentTypes)
            await tx.RunAsync(InsertContentType, ("id", id), ("app", app), ("model", model));
        foreach (var (id, contentType, codename, name) in Django.Permissions)
            await tx.RunAsync(InsertPermission, ("id", id), ("type", contentType), ("codename", codename), ("name", name));
        foreach (var label in new[] { "contenttypes.contenttype", "auth.permission" }) await tx.RunAsync(FixtureModels.Find(label)!.ResetSequence);
    }

    private bool IsPostgres => db is PostgresDb;

    // Ours are written once: so few words differ.
    private string OwnScript(string sqlite) => !IsPostgres ? sqlite : sqlite
        .Replace("integer PRIMARY KEY", "bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY", StringComparison.Ordinal)
        .Replace(" integer", " bigint", StringComparison.Ordinal)
        .Replace(" datetime", " timestamp with time zone", StringComparison.Ordinal);

    private async Task<Found> InspectAsync(CancellationToken ct) => (await FindAsync(sql => db.AllAsync(sql, ct))).OrRefuse(db.Name, servesOAuth);

    private async Task<Found> InspectAsync(Tx tx) => (await FindAsync(sql => tx.AllAsync(sql))).OrRefuse(db.Name, servesOAuth);

    private async Task<Found> FindAsync(Func<Sql<string>, Task<List<string>>> all)
    {
        try
        {
            var tables = (await all(Tables)).ToHashSet();
            List<string> applied =
            [
                .. tables.Contains("django_migrations") ? await all(DjangosApplied) : [],
                .. tables.Contains("gatehouse_migrations") ? await all(OwnApplied) : [],
            ];
            var found = new Found(tables, applied.ToHashSet(), users is { IsDjangosOwn: false } ? users.Label : null);
            return found.IsEmpty ? found with { Elsewhere = await all(DjangoElsewhere), NoSchemaIn = (await all(NoSchema)).FirstOrDefault() } : found;
        }
        catch (Exception error) when (error is SqliteException { SqliteErrorCode: NotADatabase }
            or DatabaseUnavailableException { InnerException: SqliteException { SqliteErrorCode: NotADatabase } })
        {
            throw new MigrationException(
                $"{db.Name} is not a SQLite database (or it is encrypted). Nothing was changed. "
                + "Name another file as the database, or move this one away to start with a new one.", error);
        }
    }

    private static string Resource(string name)
    {
        var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream($"Gatehouse.Database.Migrations.{name}")
            ?? throw new InvalidOperationException($"The migration {name} is not in the assembly.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    private const int NotADatabase = 26;

    /// <summary>All tables and views, save the database's own and those that belong to its extensions.</summary>
    public static readonly Sql<string> Tables = new(
        """
        SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\_%' ESCAPE '\'
        """,
        row => row.Text(0),
        postgres: """
        SELECT c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname = ANY (current_schemas(FALSE))
            AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d WHERE d.objid = c.oid AND d.classid = 'pg_catalog.pg_class'::regclass AND d.deptype = 'e')
        """);

    // Whoever has set the search_path knows; of the others some have forgotten to.
    private static readonly Sql<string> DjangoElsewhere = new("SELECT '' WHERE FALSE", row => row.Text(0), postgres: """
        SELECT n.nspname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relname = 'django_migrations' AND n.nspname <> ALL (current_schemas(FALSE)) AND current_setting('search_path') = '"$user", public' ORDER BY n.nspname
        """);

    private static readonly Sql<string> NoSchema = new("SELECT '' WHERE FALSE", row => row.Text(0),
        postgres: "SELECT current_setting('search_path') WHERE current_schema() IS NULL");

    private static readonly Sql<string> DjangosApplied = new("SELECT app || '.' || name FROM django_migrations", row => row.Text(0));

    private static readonly Sql<string> OwnApplied = new("SELECT 'gatehouse.' || name FROM gatehouse_migrations", row => row.Text(0));

    private static readonly Sql MakeJournal = new("""
        CREATE TABLE IF NOT EXISTS gatehouse_migrations (name text PRIMARY KEY, applied datetime NOT NULL)
        """,
        postgres: "CREATE TABLE IF NOT EXISTS gatehouse_migrations (name text PRIMARY KEY, applied timestamp with time zone NOT NULL)");

    private static readonly Sql Record = new("INSERT INTO gatehouse_migrations (name, applied) VALUES (@name, @applied)");

    private static readonly Sql RecordDjangos = new("""
        INSERT INTO django_migrations (app, name, applied) VALUES (@app, @name, @applied)
        """);

    private static readonly Sql InsertContentType = new("""
        INSERT INTO django_content_type (id, app_label, model) VALUES (@id, @app, @model)
        """);

    private static readonly Sql InsertPermission = new("""
        INSERT INTO auth_permission (id, content_type_id, codename, name)
        SELECT @id, id, @codename, @name FROM django_content_type WHERE app_label || '.' || model = @type
        """);

    /// <summary>What a database holds, and what of it is missing or refused.</summary>
    /// <param name="Tables">And views.</param>
    /// <param name="Applied">Django's migrations and ours.</param>
    /// <param name="OwnUsers">The user model, where it is not <c>auth.User</c>.</param>
    private sealed record Found(HashSet<string> Tables, HashSet<string> Applied, string? OwnUsers)
    {
        /// <summary>Of an empty database: the schemas of PostgreSQL with a Django project in them, and nobody has said which one is meant.</summary>
        public List<string> Elsewhere { get; init; } = [];

        /// <summary>The search_path, if no schema of it is there.</summary>
        public string? NoSchemaIn { get; init; }

        public bool IsEmpty => Tables.All(IsOwn);

        public IReadOnlyList<string> Missing =>
        [
            .. (IsEmpty ? Django.Migrations.Select(m => $"{m.App}.{m.Name}") : [])
                .Concat(Own.Select(name => $"gatehouse.{name}").Where(name => !Applied.Contains(name))),
        ];

        public Found OrRefuse(string path, bool servesOAuth)
        {
            var newer = Applied.Where(name => App(name) == "gatehouse").Except(Own.Select(name => $"gatehouse.{name}")).ToList();
            if (newer.Count > 0)
                throw Refuse($"a newer Gatehouse has migrated it ({List(newer)})", "Update Gatehouse to that version or a later one.");

            if (NoSchemaIn is not null)
                throw Refuse($"its search_path is '{NoSchemaIn}', and there is no such schema", "Name the schema of the Django project, or make it first: CREATE SCHEMA.");
            if (Elsewhere.Count > 0)
                throw Refuse($"there is nothing in its schema public, but a Django project in {List(Elsewhere)}",
                    "Name the schema in the address: options=-c search_path=… (public for a new database beside that project).");
            if (IsEmpty)
            {
                return OwnUsers is null ? this : throw Refuse($"AUTH_USER_MODEL is {OwnUsers}, and it holds nothing yet",
                    "Run \"python manage.py migrate\" in the Django project first: Gatehouse can make Django's own user table, and no other.");
            }

            if (!Tables.Contains("django_migrations"))
                throw Refuse(
                    $"it holds tables ({List(Tables.Where(name => !IsOwn(name)).Order(StringComparer.Ordinal))}) "
                    + "but no django_migrations, so it belongs to another program",
                    "Name a new file, or the database of a Django project.");

            var unknown = Applied.Where(name => Django.Apps.ContainsKey(App(name)) && IsServed(App(name))).Except(Django.Names).ToList();
            if (unknown.Count > 0)
                throw Refuse(
                    $"its schema is newer than the one this version of Gatehouse knows: {List(unknown)} is applied and unknown",
                    "Update Gatehouse, or keep the Django project at the versions that Gatehouse names as supported.");

            var missing = Django.Apps.Where(app => Required.Contains(app.Key) || app.Value.Any(Applied.Contains) && IsServed(app.Key))
                .SelectMany(app => app.Value).Where(name => !Applied.Contains(name) && !InNameOnly.Contains(name)).ToList();
            if (missing.Count > 0 && missing.All(name => App(name) == Toolkit))
                throw Refuse($"its tables are those of a django-oauth-toolkit older than 3.4: these migrations are not applied: {List(missing)}",
                    "Upgrade django-oauth-toolkit to 3.4 in the Django project and run \"python manage.py migrate\" there, or leave OAuth to Django for now: "
                    + "Gatehouse:OAuth:Enabled false. Gatehouse never changes Django's own tables.");
            if (missing.Count > 0)
            {
                var absent = missing.Select(App).Distinct().Where(app => !Django.Apps[app].Any(Applied.Contains)).ToList();
                throw Refuse($"these migrations of Django's are not applied: {List(missing)}",
                    (absent.Count > 0 ? $"Add {List(absent.Select(Package))} to the Django project's INSTALLED_APPS, then run" : "Run")
                    + " \"python manage.py migrate\" in the Django project; Gatehouse never changes Django's own tables.");
            }

            var gone = Django.Tables.Where(table => (OwnUsers is null || !table.Name.StartsWith("auth_user", StringComparison.Ordinal)) && Django.Apps[table.App].Any(Applied.Contains) && IsServed(table.App) && !Tables.Contains(table.Name))
                .Select(table => table.Name).ToList();
            if (gone.Count > 0)
                throw Refuse($"the tables {List(gone)} are not there although their migrations are recorded as applied",
                    gone.Contains("auth_user")
                        ? "If the Django project has a user model of its own, name it, as its settings do: AUTH_USER_MODEL, or UserModel:Model; otherwise restore the tables from a backup."
                        : "OAuth models of a project's own cannot be served; otherwise restore the tables from a backup.");
            return this;

            // How old tables are that nobody is going to ask does not matter.
            bool IsServed(string app) => servesOAuth || app != Toolkit;

            MigrationException Refuse(string found, string remedy) =>
                new($"The database {path} was left as it is: {found}. {remedy}");
        }

        private static bool IsOwn(string table) => table.StartsWith("gatehouse_", StringComparison.Ordinal);

        private static string App(string name) => name[..name.IndexOf('.', StringComparison.Ordinal)];

        private static string Package(string app) => app switch
        {
            "authtoken" => "rest_framework.authtoken",
            _ => $"django.contrib.{app}",
        };

        private static string List(IEnumerable<string> names) => string.Join(", ", names);
    }

    /// <summary>The rows that Django's <c>migrate</c> leaves (Migrations/django.json).</summary>
    private sealed record DjangoRows(
        IReadOnlyList<(string App, string Name)> Migrations,
        IReadOnlyList<(long Id, string App, string Model)> ContentTypes,
        IReadOnlyList<(long Id, string ContentType, string Codename, string Name)> Permissions)
    {
        public HashSet<string> Names { get; } = [.. Migrations.Select(m => $"{m.App}.{m.Name}")];

        /// <summary>The full names of each app's migrations.</summary>
        public Dictionary<string, List<string>> Apps { get; } =
            Migrations.GroupBy(m => m.App, m => $"{m.App}.{m.Name}").ToDictionary(app => app.Key, app => app.ToList());

        public IReadOnlyList<(string App, string Name)> Tables { get; } =
        [
            ("contenttypes", "django_content_type"), ("auth", "auth_permission"), ("auth", "auth_group"),
            ("auth", "auth_group_permissions"), ("auth", "auth_user"), ("auth", "auth_user_groups"),
            ("auth", "auth_user_user_permissions"), ("sessions", "django_session"), ("authtoken", "authtoken_token"),
            ("admin", "django_admin_log"), ("token_blacklist", "token_blacklist_outstandingtoken"),
            ("token_blacklist", "token_blacklist_blacklistedtoken"), ("oauth2_provider", "oauth2_provider_application"),
            ("oauth2_provider", "oauth2_provider_grant"), ("oauth2_provider", "oauth2_provider_accesstoken"),
            ("oauth2_provider", "oauth2_provider_refreshtoken"), ("oauth2_provider", "oauth2_provider_idtoken"),
            ("oauth2_provider", "oauth2_provider_devicegrant"),
        ];

        public static DjangoRows Read()
        {
            using var json = JsonDocument.Parse(Resource("django.json"));
            return new DjangoRows(
                Rows("django_migrations (app, name), in the order applied", row => (Text(row, 0), Text(row, 1))),
                Rows("django_content_type (id, app_label, model)", row => (row[0].GetInt64(), Text(row, 1), Text(row, 2))),
                Rows("auth_permission (id, content type, codename, name)",
                    row => (row[0].GetInt64(), Text(row, 1), Text(row, 2), Text(row, 3))));

            List<T> Rows<T>(string name, Func<JsonElement, T> read) =>
                [.. json.RootElement.GetProperty(name).EnumerateArray().Select(read)];

            static string Text(JsonElement row, int column) => row[column].GetString()!;
        }
    }
}

/// <summary>One app's migrations, in the order they are applied.</summary>
internal sealed record AppMigrations(string App, IReadOnlyList<AppMigration> Migrations);

/// <summary>One migration, and whether this database has it.</summary>
internal sealed record AppMigration(string Name, bool Applied);

/// <summary>The database is not one that Gatehouse can work on. The message says what was found, and what to do.</summary>
public sealed class MigrationException : Exception
{
    /// <summary>Says what was found, why it is refused, and what to do.</summary>
    public MigrationException(string message, Exception? inner = null) : base(message, inner)
    {
    }
}
