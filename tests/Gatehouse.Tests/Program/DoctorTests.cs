using System.Security.Cryptography;
using System.Text.Json;
using Gatehouse.Tests.Database;
using Microsoft.Data.Sqlite;
using Xunit;

namespace Gatehouse.Tests.Program;

/// <summary><c>gatehouse doctor</c>: what it finds, and that it leaves everything as it was.</summary>
public sealed class DoctorTests : IDisposable
{
    private readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public async Task Of_the_parity_project_it_says_what_is_so()
    {
        await MakeParityAsync();

        var (code, findings, _) = await ExamineAsync("--settings", Path.Combine(DatabaseFile.Root, "tests", "Parity", "settings.json"));

        Assert.DoesNotContain(findings, one => one.Verdict == "breaks");
        Assert.Equal(0, code);
        void Says(string verdict, string subject, string text) =>
            Assert.Contains(findings, one => one.Verdict == verdict && one.Subject == subject && one.Text.Contains(text, StringComparison.Ordinal));
        Says("works", "SIMPLE_JWT: ACCESS_TOKEN_LIFETIME", "is taken over");
        Says("works", "migrations", "oauth2_provider");
        Says("works", "passwords: pbkdf2_sha256", "17 users");
        Says("insecure", "passwords: pbkdf2_sha256", "1 user with less than 100000 rounds, the fewest 1000");
        Says("works", "passwords: argon2", "1 user");
        Says("insecure", "passwords: pbkdf2_sha1", "1 user");
        Says("needs switch", "passwords: md5", "PASSWORD_HASHERS does not list it");
        Says("needs switch", "passwords: no format", "2 users");
        Says("works", "passwords: none", "1 user with an unusable password");
        Says("works", "users", "1 active superuser, 1 inactive user");
        Says("works", "sessions", "9 of the 11 looked at are good under this SECRET_KEY");
        Says("works", "authtoken_token", "7 tokens");
        Says("works", "oauth2_provider_application", "18 clients");
        Says("works", "other settings", "TIME_ZONE");
        Assert.DoesNotContain(findings, one => one.Subject == "TIME_ZONE");
        Says("insecure", "client plain-secret", "kept plain");
        Says("insecure", "client nopkce-hs256", "as HS256 needs it");
        Says("insecure", "client implicit-public", "implicit");
        Says("insecure", "gatehouse.W004", "DEFAULT_PERMISSION_CLASSES allows anyone");
        Says("insecure", "security.W012", "SESSION_COOKIE_SECURE");
        Says("needs switch", "Profile", "Gatehouse__Profile=Django");
    }

    [Fact]
    public async Task It_tells_of_every_wrong_setting_and_not_of_the_first_alone()
    {
        await File.WriteAllTextAsync(folder["settings.json"], """
            {
              "SECRET_KEY": "django-insecure-0123456789-0123456789-0123456789-0123456789", "DEBUG": true, "ALLOWED_HOSTS": ["*"],
              "AUTH_USER_MODEL": "Person", "SESSION_ENGINE": "django.contrib.sessions.backends.cache", "LANGUAGE_CODE": "de",
              "SESSION_COOKIE_COLOUR": "blue", "INSTALLED_APPS": ["django.contrib.admin", "axes"], "AUTH_PASSWORD_VALIDATORS": [],
              "PASSWORD_HASHERS": ["people.hashers.Rot13"],
              "REST_FRAMEWORK": {"DEFAULT_AUTHENTICATION_CLASSES": ["people.Telepathy"], "NUM_PROXIES": 1},
              "SIMPLE_JWT": {"ALGORITHM": "RS256", "ACCESS_TOKEN_LIFETIME": 864000, "ON_LOGIN_SUCCESS": "people.hello"},
              "OAUTH2_PROVIDER": {"SCOPES": {}, "ALLOWED_REDIRECT_URI_SCHEMES": ["https", "javascript"]},
              "DATABASES": {"default": {"ENGINE": "django.db.backends.mysql", "NAME": "shop", "PASSWORD": "secret-of-mysql"}}
            }
            """, Ct);

        var (code, findings, output) = await ExamineAsync("--settings", folder["settings.json"]);

        Assert.Equal(1, code);
        Assert.Equal(
            [
                "AUTH_USER_MODEL", "DATABASES", "LANGUAGE_CODE", "OAUTH2_PROVIDER: ALLOWED_REDIRECT_URI_SCHEMES", "OAUTH2_PROVIDER: SCOPES", "PASSWORD_HASHERS",
                "REST_FRAMEWORK: DEFAULT_AUTHENTICATION_CLASSES", "SESSION_COOKIE_COLOUR", "SESSION_ENGINE", "SIMPLE_JWT: ALGORITHM", "SIMPLE_JWT: ON_LOGIN_SUCCESS",
            ],
            findings.Where(one => one.Verdict == "breaks").Select(one => one.Subject).Order(StringComparer.Ordinal));
        foreach (var subject in new[] { "DEBUG", "SIMPLE_JWT: ACCESS_TOKEN_LIFETIME", "security.W009", "gatehouse.W002", "gatehouse.W007" })
            Assert.Contains(findings, one => one.Verdict == "insecure" && one.Subject == subject);
        Assert.Contains(findings, one => one is { Verdict: "needs switch", Subject: "INSTALLED_APPS: axes" });
        Assert.Contains(findings, one => one is { Verdict: "works", Subject: "REST_FRAMEWORK: NUM_PROXIES" });
        Assert.DoesNotContain("secret-of-mysql", output, StringComparison.Ordinal);
        Assert.DoesNotContain("django-insecure-0123456789", output, StringComparison.Ordinal);
        // Neither a key nor a database came to be.
        Assert.Equal(["settings.json"], Directory.EnumerateFileSystemEntries(folder.Path).Select(Path.GetFileName));
    }

    // Databases that the real stack made (tests/DjangoTwin/user-models).
    [Fact]
    public async Task Of_a_user_model_of_the_projects_own_it_says_what_it_found()
    {
        Assert.Equal(("breaks", "AUTH_USER_MODEL"), await AboutAsync("people.Member", "has no table people_member"));
        Assert.Equal(("breaks", "AUTH_USER_MODEL"), await AboutAsync("people.Member", "has no column username", ("Table", "members")));
        Assert.Equal(("breaks", "AUTH_USER_MODEL"), await AboutAsync("people.Member", "name, phone, points, joined", ("Table", "members"), ("UsernameField", "email")));
        Assert.Equal(("works", "AUTH_USER_MODEL"), await AboutAsync("people.Member", "keys are UUIDs in id, people log in with email", ("Table", "members"), ("UsernameField", "email")));
        Assert.Equal(("works", "passwords: pbkdf2_sha256"), await AboutAsync("people.Member", "1 user", ("Table", "members"), ("UsernameField", "email")));
        Assert.Equal(("works", "AUTH_USER_MODEL"), await AboutAsync("logins.Account", "has no first_name, last_name", ("UsernameField", "email")));
        Assert.Equal(("works", "AUTH_USER_MODEL"), await AboutAsync("accounts.User", "accounts_user: keys are numbers in id, people log in with username"));
        // Without the setting.
        Assert.Equal(("breaks", "migrations"), await AboutAsync(null, "user model of its own"));
    }

    [Fact]
    public async Task On_PostgreSQL_it_finds_the_same_as_one_who_may_only_read()
    {
        PostgresCluster.Require();
        var settings = Path.Combine(DatabaseFile.Root, "tests", "Parity", "settings.json");
        await MakeParityAsync();
        var sqlite = await ExamineAsync("--settings", settings);
        using var database = new PostgresDatabase();
        database.MakeEmpty();
        await MakeParityAsync(database.Url);
        PostgresCluster.Shared.Execute("CREATE ROLE examiner LOGIN PASSWORD 'only-to-read'; GRANT pg_read_all_data TO examiner");

        var (code, findings, output) = await ExamineAsync("--settings", settings, "--database", database.Url.Replace($"gatehouse:{PostgresCluster.Password}@", "examiner:only-to-read@", StringComparison.Ordinal));

        Assert.Equal(0, code);
        Assert.Equal(sqlite.Findings.Where(one => one.Subject != "journal_mode"), findings);
        Assert.DoesNotContain("only-to-read", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("DELETE", false)]
    [InlineData("WAL", false)]
    [InlineData("WAL", true)]
    public async Task It_changes_no_byte_and_leaves_no_file(string journal, bool isInUse)
    {
        await MakeParityAsync();
        var use = new SqliteConnection($"Data Source={folder["db.sqlite3"]};Pooling=False");
        use.Open();
        Run(use, $"PRAGMA journal_mode = {journal}");
        if (isInUse) Run(use, "UPDATE auth_user SET email = 'later@example.org' WHERE username = 'alice'");
        else use.Dispose();
        var before = Files();
        Assert.Equal(isInUse, before.ContainsKey("db.sqlite3-wal"));

        var (code, findings, _) = await ExamineAsync();

        Assert.Equal(0, code);
        Assert.Contains(findings, one => one.Subject == "oauth2_provider_application");
        Assert.Equal(before, Files());
        use.Dispose();
    }

    [Fact]
    public async Task A_database_that_cannot_be_used_is_told_of()
    {
        var gone = await ExamineAsync();
        Assert.Equal((1, "breaks", "database"), (gone.Code, gone.Findings[0].Verdict, gone.Findings[0].Subject));

        await MakeParityAsync();
        using (var connection = new SqliteConnection($"Data Source={folder["db.sqlite3"]};Pooling=False"))
        {
            connection.Open();
            Run(connection, "INSERT INTO django_migrations (app, name, applied) VALUES ('auth', '0099_from_the_future', '2030-01-01')");
        }
        var newer = await ExamineAsync();
        Assert.Equal((1, "migrations"), (newer.Code, newer.Findings[0].Subject));
        Assert.Contains("auth.0099_from_the_future", newer.Findings[0].Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Sessions_of_another_key_are_told_of_and_the_table_ends_with_a_sum()
    {
        await MakeParityAsync();
        var (code, output, _) = await GatehouseProcess.RunAsync(
            folder.Path, ["doctor", "--database", "sqlite:///db.sqlite3"], environment: [("Gatehouse__SecretKey", "another-key-than-the-project-has-0123456789-0123456789")]);

        Assert.Equal(1, code);
        Assert.Contains("breaks       sessions", output, StringComparison.Ordinal);
        Assert.EndsWith("works. Nothing was changed.", output, StringComparison.Ordinal);
        Assert.Contains("\n1 breaks, ", output, StringComparison.Ordinal);
    }

    /// <summary>The verdict and subject of the one finding that says so.</summary>
    private async Task<(string Verdict, string Subject)> AboutAsync(string? model, string says, params (string Name, string Value)[] more)
    {
        File.Delete(folder["db.sqlite3"]);
        using (var connection = new SqliteConnection($"Data Source={folder["db.sqlite3"]};Pooling=False;Foreign Keys=False"))
        {
            connection.Open();
            Run(connection, await File.ReadAllTextAsync(Path.Combine(DatabaseFile.Root, "tests", "Gatehouse.Tests", "Users", "UserModels", (model ?? "accounts.User") + ".sql"), Ct));
        }
        (string, string)[] environment = [.. model is null ? [] : new[] { ("Gatehouse__UserModel__Model", model) }, .. more.Select(one => ($"Gatehouse__UserModel__{one.Name}", one.Value))];
        var found = await ReadAsync(["--database", "sqlite:///db.sqlite3"], environment);
        var one = Assert.Single(found.Findings, one => one.Text.Contains(says, StringComparison.Ordinal));
        return (one.Verdict, one.Subject);
    }

    private async Task MakeParityAsync(string database = "sqlite:///db.sqlite3")
    {
        foreach (var verb in new[] { new[] { "migrate" }, ["loaddata", Path.Combine(DatabaseFile.Root, "tests", "Parity", "seed.fixture.json")] })
            Assert.Equal(0, (await GatehouseProcess.RunAsync(folder.Path, [.. verb, "--database", database], environment: [("Gatehouse__SecretKey", GatehouseTest.SecretKey)])).Code);
    }

    // Of the database that MakeParityAsync makes, unless the arguments or the settings name another.
    private Task<(int Code, List<Row> Findings, string Output)> ExamineAsync(params string[] more) =>
        ReadAsync(more.Contains("--database") || (more.Length > 0 && more[^1] == folder["settings.json"]) ? more : [.. more, "--database", "sqlite:///db.sqlite3"]);

    private async Task<(int Code, List<Row> Findings, string Output)> ReadAsync(string[] arguments, params (string Name, string Value)[] environment)
    {
        var (code, output, errors) = await GatehouseProcess.RunAsync(folder.Path, ["doctor", "--json", .. arguments], environment: environment);
        Assert.Equal("", errors);
        using var json = JsonDocument.Parse(output);
        return (code, [.. json.RootElement.GetProperty("findings").EnumerateArray().Select(one => new Row(
            one.GetProperty("verdict").GetString()!, one.GetProperty("subject").GetString()!, one.GetProperty("text").GetString()!))], output);
    }

    private Dictionary<string, string> Files() => Directory.EnumerateFileSystemEntries(folder.Path, "*", SearchOption.AllDirectories).Where(File.Exists)
        // The shared memory of those who have the file open, where each notes that it reads.
        .Where(file => !file.EndsWith("-shm", StringComparison.Ordinal))
        .ToDictionary(file => Path.GetRelativePath(folder.Path, file), file =>
        {
            using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            return Convert.ToHexString(SHA256.HashData(stream));
        });

    private static void Run(SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private sealed record Row(string Verdict, string Subject, string Text);
}
