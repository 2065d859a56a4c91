using System.Globalization;
using Gatehouse.Crypto;
using Gatehouse.Database;
using Gatehouse.OAuth.Clients;
using Gatehouse.Users;

namespace Gatehouse.Server.Commands;

/// <summary>The database, opened to be read and left as it is: no write-ahead log, no table, no row comes to be.</summary>
internal static class DoctorDatabase
{
    private const string NotGiven = "sqlite:///none";

    // Django has made more since 2017.
    private const int FewRounds = 100_000;

    private static readonly string[] Weak = ["md5", "pbkdf2_sha1"];

    public static async Task ExamineAsync(GatehouseOptions options, TimeProvider clock, List<Finding> findings, CancellationToken ct)
    {
        if (options.Database == NotGiven)
        {
            findings.Add(new(Verdict.Switch, "--database", "was not given, and DATABASES names none that is supported: only the settings were examined."));
            return;
        }
        // An address or a model that is none was refused with the settings.
        if (!IsAddress(options.Database)) return;
        using Db db = DatabaseUrl.IsPostgres(options.Database) ? new PostgresDb(options.Database) : new SqliteDb(options.Database, isOnlyRead: true);
        if (!db.IsThere)
        {
            findings.Add(new(Verdict.Breaks, "database", $"{db.Name} is not there."));
            return;
        }
        try
        {
            await ExamineAsync(db, options, clock, findings, ct);
        }
        catch (MigrationException error)
        {
            findings.Add(new(Verdict.Breaks, "migrations", error.Message));
        }
        catch (SettingException error)
        {
            findings.Add(new(Verdict.Breaks, "AUTH_USER_MODEL", error.Message));
        }
        catch (DatabaseUnavailableException error)
        {
            findings.Add(new(Verdict.Breaks, "database", $"{db.Name} cannot be read: {error.Message}"));
        }
    }

    private static async Task ExamineAsync(Db db, GatehouseOptions options, TimeProvider clock, List<Finding> findings, CancellationToken ct)
    {
        var now = clock.GetUtcNow();
        var users = new UserModel(options, db);
        var migrations = new Migrations(db, clock, options.OAuth.Enabled != false, users);
        await migrations.CheckAsync(ct);
        if (!await MigrationsAsync(db, migrations, options, findings, ct)) return;

        await UserModelAsync(users, options, findings, ct);
        await PasswordsAsync(db, options, findings, ct);
        await SessionsAsync(db, options, now, findings, ct);
        await TokensAsync(db, now, findings, ct);
        if (options.OAuth.Enabled != false && await migrations.HasAsync("oauth2_provider", ct)) await OAuthAsync(db, options, now, findings, ct);
    }

    /// <returns>Whether there is anything in it.</returns>
    private static async Task<bool> MigrationsAsync(Db db, Migrations migrations, GatehouseOptions options, List<Finding> findings, CancellationToken ct)
    {
        var apps = await migrations.ListAsync(ct);
        var mine = apps.FirstOrDefault(app => app.App == "gatehouse")?.Migrations.Count(one => !one.Applied) ?? 0;
        var isNew = apps.All(app => app.Migrations.All(one => !one.Applied));
        findings.Add(isNew
            ? new(Verdict.Works, "migrations", "the database is empty: gatehouse migrate makes Django's schema and its own tables")
            : new(Verdict.Works, "migrations", $"those of {string.Join(", ", apps.Where(app => app.App != "gatehouse").Select(app => app.App))} are the ones that this version knows, all applied"));
        if (mine > 0 && !isNew)
            findings.Add(new(Verdict.Works, "tables of Gatehouse", "are not there yet: the first start, or gatehouse migrate, adds those whose names begin with gatehouse_ and touches none of Django's"));
        if (!isNew)
        {
            foreach (var (app, package, effect) in new[]
            {
                ("token_blacklist", "rest_framework_simplejwt.token_blacklist", "refresh tokens are not recorded, and none can be ended"),
                ("oauth2_provider", "oauth2_provider", "the paths of OAuth are 404"),
            })
            {
                if (apps.Any(one => one.App == app) || (app == "oauth2_provider" && options.OAuth.Enabled == false)) continue;
                var wanted = app == "oauth2_provider" ? (options.OAuth.Enabled == true ? "OAuth:Enabled" : null)
                    : options.Jwt.BlacklistAfterRotation && options.Profile != Profile.Django ? "BLACKLIST_AFTER_ROTATION" : null;
                findings.Add(wanted is null
                    ? new(Verdict.Switch, package, $"is not in the project's INSTALLED_APPS: {effect}. Add the app and migrate, or leave it so.")
                    : new(Verdict.Breaks, package, $"is not in the project's INSTALLED_APPS, and with {wanted} the start stops. Add the app and migrate, or take the setting out."));
            }
            var others = (await db.AllAsync(AppsOfProject, ct)).Except(apps.Select(app => app.App)).Order(StringComparer.Ordinal).ToList();
            if (others.Count > 0) findings.Add(new(Verdict.Works, "other apps", $"{string.Join(", ", others)}: their tables are left alone"));
        }
        if (db is SqliteDb && await db.FirstAsync(JournalMode, ct) is { } journal && journal != "wal")
            findings.Add(new(Verdict.Switch, "journal_mode", $"is {journal}: the first start turns on WAL, with which Django works unchanged. The file must be on a local disk."));
        return !isNew;
    }

    private static async Task UserModelAsync(UserModel users, GatehouseOptions options, List<Finding> findings, CancellationToken ct)
    {
        if (users.IsDjangosOwn) return;
        await users.ReadTableAsync(ct);
        findings.Add(new(
            Verdict.Works, "AUTH_USER_MODEL", $"{users.Label} is the table {users.Table}: keys are {(users.HasUuids ? "UUIDs" : "numbers")} in {users.ColumnOf("id")}, people log in with {users.ColumnOf("username")}"));
        var absent = users.Absent.ToList();
        if (absent.Count > 0)
        {
            var effects = absent.Select(field => field switch
            {
                "is_active" => "nobody can be deactivated",
                "is_staff" => "nobody is staff",
                "is_superuser" => "nobody is a superuser",
                _ => null,
            }).OfType<string>().ToList();
            findings.Add(new(Verdict.Works, "AUTH_USER_MODEL", $"has no {string.Join(", ", absent)}{(effects.Count == 0 ? "" : ": " + string.Join(", ", effects))}"));
        }
        findings.Add(new(Verdict.Switch, "AUTH_USER_MODEL", "loaddata, dumpdata and the admin site do not serve a model of the project's own: leave those to Django."));
        try
        {
            users.InsertText();
        }
        catch (SettingException error)
        {
            findings.Add(new(options.Accounts.RegistrationOpen ? Verdict.Breaks : Verdict.Switch, "AUTH_USER_MODEL", error.Message));
        }
    }

    private static async Task PasswordsAsync(Db db, GatehouseOptions options, List<Finding> findings, CancellationToken ct)
    {
        var accepted = (options.PasswordHashers.Count == 0 ? PasswordHashes.Defaults : [.. options.PasswordHashers])
            .Select(name => PasswordHashes.TryResolve(name, out var algorithm) ? algorithm : name).ToHashSet();
        // By the format's name, which stands before the first $: how many users, how many of them with few rounds, and the fewest.
        var kinds = new SortedDictionary<string, (int Users, int Weak, int Fewest)>(StringComparer.Ordinal);
        foreach (var (start, users) in await db.AllAsync(Passwords, ct))
        {
            var parts = start.Split('$');
            var kind = parts.Length > 1 || start == "!" ? parts[0] : "";
            var rounds = kind == "pbkdf2_sha256" && int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out var count) ? count : int.MaxValue;
            var seen = kinds.GetValueOrDefault(kind, (Users: 0, Weak: 0, Fewest: int.MaxValue));
            kinds[kind] = (seen.Users + users, seen.Weak + (rounds < FewRounds || Weak.Contains(kind) ? users : 0), Math.Min(seen.Fewest, rounds));
        }
        foreach (var (kind, (users, weak, fewest)) in kinds)
        {
            if (kind == "!") findings.Add(new(Verdict.Works, "passwords: none", $"{People(users)} with an unusable password: they log in by other means, as in Django"));
            else if (kind.Length == 0 || !PasswordHashes.TryResolve(kind, out _))
                findings.Add(new(Verdict.Switch, $"passwords: {(kind.Length == 0 ? "no format" : Short(kind))}", $"{People(users)} cannot log in by password: this format is not known here, and to Django only with a hasher of the project's own. Reset those passwords."));
            else if (!accepted.Contains(kind))
                findings.Add(new(Verdict.Switch, $"passwords: {kind}", $"{People(users)} cannot log in by password, in Django neither: PASSWORD_HASHERS does not list it. Add it at the end of the list."));
            else
            {
                findings.Add(new(Verdict.Works, $"passwords: {kind}", People(users)));
                if (weak > 0)
                    findings.Add(new(
                        Verdict.Insecure, $"passwords: {kind}", $"{People(weak)}{(fewest < FewRounds ? $" with less than {FewRounds} rounds, the fewest {fewest}" : "")}: quick to guess for whoever has the file. Each is made anew at that user's next login."));
            }
        }
        var (staff, idle) = await db.FirstAsync(Staff, ct) ?? new Pair(0, 0);
        findings.Add(new(Verdict.Works, "users", $"{staff} active superuser{(staff == 1 ? "" : "s")}, {idle} inactive user{(idle == 1 ? "" : "s")}"));
        if (await db.FirstAsync(TwinNames, ct) is { } twin)
            findings.Add(new(Verdict.Insecure, "users", $"some names differ in case only, such as {Short(twin)}: people take one for the other. Django and Gatehouse keep them apart."));
    }

    private static async Task SessionsAsync(Db db, GatehouseOptions options, DateTimeOffset now, List<Finding> findings, CancellationToken ct)
    {
        var live = await db.AllAsync(LiveSessions, ct, ("now", now));
        if (live.Count == 0) findings.Add(new(Verdict.Works, "sessions", "there is none alive"));
        else if (options.SecretKey.Length > 0)
        {
            var signer = new DjangoSigner("django.contrib.sessions.SessionStore", [options.SecretKey, .. options.SecretKeyFallbacks]);
            var good = live.Count(data => signer.Verify(data) is [(byte)'{', ..]);
            findings.Add(good > 0
                ? new(Verdict.Works, "sessions", $"{good} of the {live.Count} looked at are good under this SECRET_KEY: nobody is logged out")
                : new(Verdict.Breaks, "sessions", $"none of the {live.Count} looked at is signed with this SECRET_KEY, or they are no JSON: everybody would be logged out. Give the project's own key."));
        }
    }

    private static async Task TokensAsync(Db db, DateTimeOffset now, List<Finding> findings, CancellationToken ct)
    {
        if (await db.FirstAsync(OldAuthTokens, ct, ("year", now.AddDays(-365))) is { One: > 0 } tokens)
            findings.Add(tokens.Other > 0
                ? new(Verdict.Insecure, "authtoken_token", $"{tokens.Other} of {tokens.One} tokens are older than a year, and such tokens never expire. Delete those that nobody needs.")
                : new(Verdict.Works, "authtoken_token", $"{tokens.One} tokens are good here too"));
    }

    private static async Task OAuthAsync(Db db, GatehouseOptions options, DateTimeOffset now, List<Finding> findings, CancellationToken ct)
    {
        var hashes = new PasswordHashes();
        var own = options.PasswordHashers.Count == 0 ? hashes : new PasswordHashes([.. options.PasswordHashers]);
        var applications = await db.AllAsync(Applications, ct);
        findings.Add(new(Verdict.Works, "oauth2_provider_application", applications.Count == 1 ? "1 client" : $"{applications.Count} clients"));
        foreach (var client in applications)
        {
            var subject = $"client {Short(client.ClientId)}";
            if (client.IsConfidential && client.Secret.Length > 0 && !own.Identifies(client.Secret))
                findings.Add(hashes.Identifies(client.Secret)
                    ? new(Verdict.Breaks, subject, "its secret is hashed in a format that PASSWORD_HASHERS does not list: it could not authenticate. Add the format.")
                    : new(Verdict.Insecure, subject, $"its secret is kept plain{(client.Algorithm == "HS256" ? ", as HS256 needs it: use RS256" : ": have it saved again with hash_client_secret")}."));
            if (client.GrantType is GrantTypes.Password or GrantTypes.Implicit)
                findings.Add(new(Verdict.Insecure, subject, $"has the grant {client.GrantType}, which OAuth 2.1 has no more (RFC 9700 §2); the profile Strict refuses it."));
            if (client.SkipAuthorization && !client.IsConfidential)
                findings.Add(new(Verdict.Insecure, subject, "is public and skips the consent page: any program can pose as it."));
            foreach (var uri in client.RedirectUris.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))
            {
                if (uri.Contains('*')) findings.Add(new(Verdict.Insecure, subject, "has a redirect URI with a wildcard. List the addresses."));
                else if (StrictUri.Read(uri) is null) findings.Add(new(Verdict.Breaks, subject, "has a redirect URI that programs read differently (docs/deviations.md): it is never matched. Write it plainly."));
                else if (uri.StartsWith("http://", StringComparison.OrdinalIgnoreCase) && !(Uri.TryCreate(uri, UriKind.Absolute, out var address) && address.IsLoopback))
                    findings.Add(new(Verdict.Insecure, subject, "has a redirect URI with http: codes cross the network in the clear. Write https."));
            }
        }
        if (await db.FirstAsync(LongTokens, ct, ("month", now.AddDays(30))) is { One: > 0 } tokens)
            findings.Add(tokens.Other > 0
                ? new(Verdict.Insecure, "oauth2_provider_accesstoken", $"{tokens.Other} of {tokens.One} tokens are good for more than a month from now. End them (revoke), and shorten ACCESS_TOKEN_EXPIRE_SECONDS.")
                : new(Verdict.Works, "oauth2_provider_accesstoken", $"{tokens.One} tokens are good here too while they last"));
    }

    private static bool IsAddress(string url)
    {
        try
        {
            DatabaseUrl.Check(url);
            return true;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }

    private static string People(int users) => users == 1 ? "1 user" : $"{users} users";

    // What strangers chose is shown in one line, and not at length.
    private static string Short(string text) => Http.LogText.Clean(text.Length > 40 ? text[..40] + "…" : text);

    private static readonly Sql<string> AppsOfProject = new("SELECT DISTINCT app FROM django_migrations", row => row.Text(0));

    private static readonly Sql<string> JournalMode = new("PRAGMA journal_mode", row => row.Text(0));

    // Up to the first $, of PBKDF2 with the number of rounds: there are few such beginnings, however many users.
    private static readonly Sql<Stored> Passwords = new(
        """
        SELECT CASE WHEN u.password LIKE 'pbkdf2_sha256$%' THEN substr(u.password, 1, 21) WHEN u.password LIKE '!%' THEN '!' ELSE substr(u.password, 1, instr(u.password, '$')) END, COUNT(*)
        FROM auth_user u GROUP BY 1
        """,
        row => new Stored(row.Text(0), (int)row.Int(1)),
        postgres: """
        SELECT CASE WHEN u.password LIKE 'pbkdf2_sha256$%' THEN substr(u.password, 1, 21) WHEN u.password LIKE '!%' THEN '!' ELSE substr(u.password, 1, strpos(u.password, '$')) END, COUNT(*)
        FROM auth_user u GROUP BY 1
        """);

    private static readonly Sql<Pair> Staff = new(
        "SELECT COALESCE(SUM(CASE WHEN u.is_superuser AND u.is_active THEN 1 ELSE 0 END), 0), COALESCE(SUM(CASE WHEN u.is_active THEN 0 ELSE 1 END), 0) FROM auth_user u",
        row => new Pair(row.Int(0), row.Int(1)));

    private static readonly Sql<string> TwinNames = new("SELECT MIN(u.username) FROM auth_user u GROUP BY LOWER(u.username) HAVING COUNT(*) > 1 LIMIT 1", row => row.Text(0));

    private static readonly Sql<string> LiveSessions = new("SELECT session_data FROM django_session WHERE expire_date > @now ORDER BY expire_date DESC LIMIT 50", row => row.Text(0));

    private static readonly Sql<Pair> OldAuthTokens = new(
        "SELECT COUNT(*), COALESCE(SUM(CASE WHEN created < @year THEN 1 ELSE 0 END), 0) FROM authtoken_token", row => new Pair(row.Int(0), row.Int(1)));

    private static readonly Sql<Pair> LongTokens = new(
        "SELECT COUNT(*), COALESCE(SUM(CASE WHEN expires > @month THEN 1 ELSE 0 END), 0) FROM oauth2_provider_accesstoken", row => new Pair(row.Int(0), row.Int(1)));

    private static readonly Sql<Application> Applications = new(
        "SELECT client_id, client_type, client_secret, authorization_grant_type, algorithm, skip_authorization, redirect_uris FROM oauth2_provider_application ORDER BY id",
        row => new Application(row.Text(0), row.Text(1) == "confidential", row.Text(2), row.Text(3), row.Text(4), row.Bool(5), row.Text(6)));

    private sealed record Stored(string Start, int Users);

    private sealed record Pair(long One, long Other);

    private sealed record Application(string ClientId, bool IsConfidential, string Secret, string GrantType, string Algorithm, bool SkipAuthorization, string RedirectUris);
}
