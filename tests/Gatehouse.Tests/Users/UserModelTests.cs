using System.Data.Common;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Reflection;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Gatehouse.Database;
using Gatehouse.Tests.Database;
using Gatehouse.Users;
using Microsoft.Data.Sqlite;
using Xunit;

namespace Gatehouse.Tests.Users;

/// <summary>Projects with a user model of their own: databases that the real stack made on SQLite and on PostgreSQL (tests/DjangoTwin/user-models), with one user, ali.</summary>
public sealed partial class UserModelTests : GatehouseTest
{
    private const string RecordedKey = "key-of-the-recorded-user-models-0123456789";
    private const string Password = "s3cret-walk";
    private const string Token = "0123456789abcdef0123456789abcdef01234567";
    private const string Session = "sessionofali0123456789abcdefghij";

    public static TheoryData<string> Models => new("accounts.User", "people.Member", "logins.Account");

    protected override Task StartAsync() => Task.CompletedTask;

    [Theory]
    [MemberData(nameof(Models))]
    public async Task Every_scheme_knows_the_user_whom_Django_made(string model)
    {
        await StartOnAsync(model);
        var name = NameOf(model);
        var (claim, refresh) = Recorded(model);
        var profile = Profile(claim, name);

        await (await GetAsync(new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{name}:{Password}"))))).ShouldBeAsync(200, profile);
        await (await GetAsync(new AuthenticationHeaderValue("Token", Token))).ShouldBeAsync(200, profile);
        await (await GetAsync(null, $"sessionid={Session}")).ShouldBeAsync(200, profile);

        using var pair = await Http.PostAsJsonAsync("/api/token/refresh/", new { refresh }, Ct);
        Assert.Equal(200, (int)pair.StatusCode);
        var access = (await pair.Content.ReadFromJsonAsync<JsonElement>(Ct)).GetProperty("access").GetString()!;
        await (await GetAsync(new AuthenticationHeaderValue("Bearer", access))).ShouldBeAsync(200, profile);
    }

    [Theory]
    [MemberData(nameof(Models))]
    public async Task A_passkey_belongs_to_a_key_of_any_kind(string model)
    {
        await StartOnAsync(model);
        using var phone = new Gatehouse.Tests.Accounts.SoftwareAuthenticator { RpId = "localhost", Origin = "http://localhost" };
        async Task<System.Text.Json.Nodes.JsonNode> AskAsync(string method, string path, object? body, int status)
        {
            var answer = await Http.AskAsync(path, method, body is null ? null : JsonContent.Create(body), ("Host", "localhost"), ("Authorization", $"Token {Token}"));
            await answer.ShouldBeAsync(status);
            return await answer.JsonAsync();
        }

        var begun = await AskAsync("POST", "/api/accounts/passkeys/begin/", new { current_password = Password }, 200);
        var made = await AskAsync("POST", "/api/accounts/passkeys/finish/", new { name = "my phone", passkey = phone.Make(begun) }, 201);
        foreach (var code in made["recovery_codes"]!.AsArray()) Secrets.Add((string)code!);

        await AskAsync("POST", "/api/accounts/login/", new { passkey = phone.Use(await AskAsync("GET", "/api/accounts/login/passkey/", null, 200)) }, 200);
    }

    [Theory]
    [MemberData(nameof(Models))]
    public async Task A_login_makes_what_Django_would_make(string model)
    {
        await StartOnAsync(model);
        var (claim, _) = Recorded(model);
        var stored = claim.Replace("-", "", StringComparison.Ordinal);

        using var pair = await Http.PostAsJsonAsync("/api/token/", new Dictionary<string, string> { [model == "accounts.User" ? "username" : "email"] = NameOf(model), ["password"] = Password }, Ct);
        Assert.Equal(200, (int)pair.StatusCode);
        var access = (await pair.Content.ReadFromJsonAsync<JsonElement>(Ct)).GetProperty("access").GetString()!;
        var claims = JsonDocument.Parse(System.Buffers.Text.Base64Url.DecodeFromChars(access.Split('.')[1])).RootElement;
        Assert.Equal(claim, claims.GetProperty("user_id").GetString());
        Assert.Equal(stored, Database.Rows("SELECT user_id FROM token_blacklist_outstandingtoken ORDER BY id DESC LIMIT 1").Single());

        await (await Http.PostAsJsonAsync("/api-token-auth/", new { username = NameOf(model), password = Password }, Ct)).ShouldBeAsync(200, $$"""{"token":"{{Token}}"}""");
        var browser = NewBrowser();
        await (await browser.PostAsync("/api/accounts/login/", new { username = NameOf(model), password = Password })).ShouldBeAsync(200);
        Assert.NotEqual("NULL", Database.Rows($"SELECT last_login FROM {TableOf(model)}").Single());
        await (await browser.GetAsync("/api/accounts/profile/")).ShouldBeAsync(200, Profile(claim, NameOf(model)));
    }

    [Theory]
    [MemberData(nameof(Models))]
    public async Task Who_registers_is_a_row_of_the_projects_own(string model)
    {
        await StartOnAsync(model);
        var name = model == "accounts.User" ? "betty" : "betty@example.com";
        Secrets.Add("Correct-horse-betty");
        async Task<HttpResponseMessage> RegisterAsync() =>
            await Http.PostAsJsonAsync("/api/accounts/register/", new { username = name, email = "betty@example.com", password = "Correct-horse-betty" }, Ct);

        var answers = await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => RegisterAsync()));

        Assert.Single(answers, answer => (int)answer.StatusCode == 201);
        Assert.Equal(15, answers.Count(answer => (int)answer.StatusCode == 400));
        await (await GetAsync(new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{name}:Correct-horse-betty"))))).ShouldBeAsync(200);
        if (model == "people.Member") Assert.Equal("none|0|0", Database.Rows("SELECT phone, points, is_staff FROM members WHERE email = 'betty@example.com'").Single());
    }

    [Theory]
    [InlineData("no address", 400, null)]
    [InlineData("Carla@EXAMPLE.com", 201, "Carla@example.com")]
    public async Task Where_the_name_is_an_address_it_must_be_one(string name, int status, string? stored)
    {
        await StartOnAsync("logins.Account");
        Secrets.Add("Correct-horse-carla");

        await (await Http.PostAsJsonAsync("/api/accounts/register/", new { username = name, password = "Correct-horse-carla" }, Ct)).ShouldBeAsync(status);

        Assert.Equal(stored is null ? [] : [stored], Database.Rows("SELECT email FROM logins_account WHERE email <> 'ali@example.com'"));
    }

    [Theory]
    [MemberData(nameof(Models))]
    public async Task Users_look_after_their_accounts(string model)
    {
        await StartOnAsync(model);
        var me = $"Token {Token}";

        await Http.AskAsync("/api/accounts/me/", me, "PATCH", new { email = "ali@example.org", first_name = "Ali", current_password = Password }).ShouldBeAsync(200);
        Assert.Equal("ali@example.org", Database.Rows($"SELECT email FROM {TableOf(model)}").Single());
        await Http.AskAsync("/api/accounts/second_factor/", me, "POST", new { current_password = Password }).ShouldBeAsync(200);
        await Http.AskAsync("/api/accounts/sessions/", me).ShouldBeAsync(200);
        Secrets.Add("Correct-horse-ali");
        await Http.AskAsync("/api/accounts/password/change/", me, "POST", new { old_password = Password, new_password1 = "Correct-horse-ali", new_password2 = "Correct-horse-ali" }).ShouldBeAsync(200);
        await Http.AskAsync("/api/accounts/login/", null, "POST", new { username = model == "accounts.User" ? "ali" : "ali@example.org", password = "Correct-horse-ali" }).ShouldBeAsync(200);
    }

    // Django's own columns are never NULL; a project's may be.
    [Fact]
    public async Task A_user_without_address_and_names_is_served()
    {
        await StartOnAsync("accounts.User", made => Regex.Replace(made, @"(email""? (?:varchar|character varying)\(254\)|first_name""? (?:varchar|character varying)\(150\)) NOT NULL", "$1 NULL")
            + "UPDATE accounts_user SET email = NULL, first_name = NULL;");

        await (await GetAsync(new AuthenticationHeaderValue("Token", Token))).ShouldBeAsync(200, """{"id":1,"username":"ali","email":"","is_staff":true}""");
        await (await Http.AskAsync("/api/accounts/users/", $"Token {Token}")).ShouldBeAsync(200);
    }

    [Theory]
    [MemberData(nameof(Models))]
    public async Task Permissions_come_from_the_models_own_tables(string model)
    {
        var server = await StartOnAsync(model);
        var accounts = server.Get<UserAccounts>();
        var ali = (await accounts.FindAsync(NameOf(model), Ct))!;

        Assert.True(await accounts.HasPermAsync(ali, "auth.view_group", Ct));
        Assert.True(await accounts.HasPermAsync(ali, "auth.add_group", Ct));
        Assert.False(await accounts.HasPermAsync(ali, "auth.delete_group", Ct));
        Assert.Equal("ali@example.com", ali.Email);
        Assert.True(ali is { IsStaff: true, IsActive: true, IsSuperuser: false });
    }

    [Theory]
    [MemberData(nameof(Models))]
    public async Task A_new_password_ends_sessions_and_tokens(string model)
    {
        var server = await StartOnAsync(model);
        var accounts = server.Get<UserAccounts>();
        var ali = (await accounts.FindAsync(NameOf(model), Ct))!;
        Secrets.Add("Another-horse-ali");

        Assert.True(await accounts.SetPasswordAsync(ali.Id, "Another-horse-ali", Ct));

        await (await GetAsync(null, $"sessionid={Session}")).ShouldBeAsync(401);
        await (await Http.PostAsJsonAsync("/api/token/refresh/", new { refresh = Recorded(model).Refresh }, Ct)).ShouldBeAsync(401);
    }

    [Theory]
    [MemberData(nameof(Models))]
    public async Task Every_statement_about_users_can_be_prepared(string model)
    {
        await StartOnAsync(model);
        var db = Server.Get<Db>();
        var statements = typeof(Db).Assembly.GetTypes().SelectMany(type => type.GetFields(BindingFlags.Static | BindingFlags.NonPublic | BindingFlags.Public | BindingFlags.DeclaredOnly))
            .Where(field => typeof(Sql).IsAssignableFrom(field.FieldType) && !field.DeclaringType!.ContainsGenericParameters).Select(field => (field, Statement: (Sql)field.GetValue(null)!))
            .Where(one => one.Statement?.Text.Contains("auth_user", StringComparison.Ordinal) == true && one.field.DeclaringType!.Namespace != "Gatehouse.Administration" && (one.field.DeclaringType != typeof(UserAccounts) || one.field.Name != "Insert")).ToList();
        Assert.True(statements.Count > 20, $"{statements.Count}");

        foreach (var (field, statement) in statements)
        {
            var names = Parameter().Matches(statement.Postgres).Select(match => match.Groups[1].Value).Distinct().Select(name => (name, (object?)null)).ToArray();
            var text = db.Texts.Of(statement, names);
            try
            {
                if (TestDatabase.IsPostgres) Database.Execute($"PREPARE statement AS {text}; DEALLOCATE statement");
                else Prepare(text);
            }
            catch (DbException error)
            {
                Assert.Fail($"{field.DeclaringType}.{field.Name}: {error.Message}\n{text}");
            }
        }

        void Prepare(string text)
        {
            using var connection = SqliteFile.Connect();
            using var command = connection.CreateCommand();
            command.CommandText = text;
            command.Prepare();
        }
    }

    [Fact]
    public async Task The_admin_site_says_that_it_is_not_for_this_model()
    {
        await StartOnAsync("accounts.User");
        using var request = new HttpRequestMessage(HttpMethod.Get, "/admin/accounts/user/");
        request.Headers.Add("Cookie", $"sessionid={Session}");

        using var answer = await Http.SendAsync(request, Ct);

        Assert.Equal(200, (int)answer.StatusCode);
        Assert.Contains("AUTH_USER_MODEL", await answer.Content.ReadAsStringAsync(Ct), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("accounts.User", "auth.User", null, "AUTH_USER_MODEL")]
    [InlineData("accounts.User", "people.Person", null, "has no table people_person")]
    [InlineData("accounts.User", "accounts.user; DROP TABLE x", null, "write app_label.ModelName")]
    [InlineData("people.Member", "people.Member", "members", "has no column username")]
    public async Task What_cannot_be_served_is_refused_by_name(string recorded, string model, string? table, string says)
    {
        await RestoreAsync(recorded);

        var error = await Record.ExceptionAsync(() => StartServerAsync(options =>
        {
            options.UserModel.Model = model;
            options.UserModel.Table = table ?? "";
        }));

        Assert.Contains(says, error?.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Columns_that_nobody_told_a_value_for_stop_the_start_while_registration_is_open()
    {
        await RestoreAsync("people.Member");

        var error = await Record.ExceptionAsync(() => StartServerAsync(options =>
        {
            Configure(options, "people.Member");
            options.UserModel.Defaults.Clear();
        }));
        Assert.Contains("name, phone, points, joined", error?.Message, StringComparison.Ordinal);

        await StartServerAsync(options =>
        {
            Configure(options, "people.Member");
            options.UserModel.Defaults.Clear();
            options.Accounts.RegistrationOpen = false;
        });
    }

    [Fact, Trait(TestDatabase.PostgresOnly, "yes")]
    public async Task A_project_in_a_schema_of_its_own_is_served_there_and_not_taken_for_an_empty_database()
    {
        await RestoreAsync("people.Member", made => "CREATE SCHEMA club;" + made.Replace("public.", "club.", StringComparison.Ordinal));
        Database.Execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public");

        var unsaid = await Assert.ThrowsAsync<MigrationException>(() => StartServerAsync());
        Assert.Contains("a Django project in club", unsaid.Message, StringComparison.Ordinal);
        Assert.Contains("search_path", unsaid.Message, StringComparison.Ordinal);
        var wrong = await Assert.ThrowsAsync<MigrationException>(() => StartServerAsync(options => options.Database += "?options=-c%20search_path%3Dnowhere"));
        Assert.Contains("its search_path is 'nowhere', and there is no such schema", wrong.Message, StringComparison.Ordinal);
        Assert.Empty(Database.Rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"));

        await ServeAsync("people.Member", options => options.Database += "?options=-c%20search_path%3Dclub");

        await ServesAsync("people.Member", "club.members");
        Assert.Equal(["club"], Database.Rows("SELECT DISTINCT schemaname FROM pg_tables WHERE tablename LIKE 'gatehouse%'"));
    }

    [Fact, Trait(TestDatabase.PostgresOnly, "yes")]
    public async Task Users_may_be_in_another_schema_than_the_rest()
    {
        await RestoreAsync("people.Member", made => "CREATE SCHEMA club;" + Regex.Replace(made, @"\bpublic\.(members)", "club.$1"));

        var unsaid = await Assert.ThrowsAsync<SettingException>(() => StartServerAsync(options => Configure(options, "people.Member")));
        Assert.Contains("there is one in the schema club", unsaid.Message, StringComparison.Ordinal);
        Assert.Contains("write club.members as UserModel:Table", unsaid.Message, StringComparison.Ordinal);

        await ServeAsync("people.Member", options => options.UserModel.Table = "club.members");

        await ServesAsync("people.Member", "club.members");
    }

    [Fact]
    public async Task Tables_and_columns_may_have_capital_letters()
    {
        await RestoreAsync("people.Member", made => made + """
            ALTER TABLE members RENAME TO "ClubMembers";
            ALTER TABLE members_groups RENAME TO "ClubMembers_groups";
            ALTER TABLE members_user_permissions RENAME TO "ClubMembers_user_permissions";
            ALTER TABLE "ClubMembers" RENAME COLUMN phone TO "Phone";
            ALTER TABLE "ClubMembers" RENAME COLUMN is_staff TO "isStaff";
            """);

        await ServeAsync("people.Member", options =>
        {
            options.UserModel.Table = "ClubMembers";
            options.UserModel.Columns = new Dictionary<string, string> { ["is_staff"] = "isStaff" };
            options.UserModel.Defaults = new Dictionary<string, string> { ["name"] = "", ["Phone"] = "none", ["points"] = "0", ["joined"] = "now" };
        });

        await ServesAsync("people.Member", "\"ClubMembers\"");
    }

    // Django's CIEmailField, gone since 5.1, left such columns.
    [Fact, Trait(TestDatabase.PostgresOnly, "yes")]
    public async Task Where_the_database_compares_names_whatever_their_case_so_does_a_login()
    {
        if (Database.Rows("SELECT 1 FROM pg_available_extensions WHERE name = 'citext'").Count == 0) Assert.Skip("PostgreSQL's extension citext is not installed. On Debian: apt-get install postgresql");
        await RestoreAsync("logins.Account", made => made + "CREATE EXTENSION citext; ALTER TABLE logins_account ALTER COLUMN email TYPE citext;");
        await ServeAsync("logins.Account");

        await (await Http.PostAsJsonAsync("/api-token-auth/", new { username = "ALI@example.COM", password = Password }, Ct)).ShouldBeAsync(200, $$"""{"token":"{{Token}}"}""");
        Secrets.Add("Correct-horse-betty");
        await (await Http.PostAsJsonAsync("/api/accounts/register/", new { username = "Ali@Example.com", password = "Correct-horse-betty" }, Ct)).ShouldBeAsync(400);
    }

    [Fact]
    public async Task A_key_that_is_neither_a_number_nor_a_UUID_is_refused_by_its_type()
    {
        // Not every type that begins with "int" is a number.
        var cascade = TestDatabase.IsPostgres ? "CASCADE" : "";
        await RestoreAsync("accounts.User", made => made + $"DROP TABLE accounts_user {cascade}; CREATE TABLE accounts_user (id interval PRIMARY KEY, password text, last_login timestamp, username text)");

        var error = await Assert.ThrowsAsync<SettingException>(() => StartServerAsync(options => Configure(options, "accounts.User")));

        Assert.Contains("The key id of accounts_user is interval", error.Message, StringComparison.Ordinal);
    }

    /// <summary>Who was made by Django and who registers here have what they should.</summary>
    private async Task ServesAsync(string model, string table)
    {
        await (await GetAsync(new AuthenticationHeaderValue("Token", Token))).ShouldBeAsync(200);
        var accounts = Server.Get<UserAccounts>();
        var ali = (await accounts.FindAsync(NameOf(model), Ct))!;
        Assert.True(ali.IsStaff && await accounts.HasPermAsync(ali, "auth.view_group", Ct) && await accounts.HasPermAsync(ali, "auth.add_group", Ct));
        Secrets.Add("Correct-horse-betty");
        await (await Http.PostAsJsonAsync("/api/accounts/register/", new { username = "betty@example.com", password = "Correct-horse-betty" }, Ct)).ShouldBeAsync(201);
        Assert.Equal(["ali@example.com", "betty@example.com"], Database.Rows($"SELECT email FROM {table} ORDER BY 1"));
    }

    private async Task<TestServer> StartOnAsync(string model, Func<string, string>? change = null)
    {
        await RestoreAsync(model, change);
        return await ServeAsync(model);
    }

    private async Task<TestServer> ServeAsync(string model, Action<GatehouseOptions>? configure = null)
    {
        // As long as the recorded refresh token lives.
        Clock.Advance(RecordedAt(model) + TimeSpan.FromMinutes(1) - Clock.Now);
        return await StartServerAsync(options =>
        {
            Configure(options, model);
            configure?.Invoke(options);
        });
    }

    private static void Configure(GatehouseOptions options, string model)
    {
        options.SecretKey = RecordedKey;
        options.PasswordHashers = [];
        options.UserModel.Model = model;
        if (model != "accounts.User") options.UserModel.UsernameField = "email";
        if (model == "logins.Account") options.UserModel.Columns = new Dictionary<string, string> { ["first_name"] = "given_name", ["last_name"] = "family_name" };
        if (model != "people.Member") return;
        options.UserModel.Table = "members";
        options.UserModel.Defaults = new Dictionary<string, string> { ["name"] = "", ["phone"] = "none", ["points"] = "0", ["joined"] = "now" };
    }

    private async Task RestoreAsync(string model, Func<string, string>? change = null)
    {
        var made = await File.ReadAllTextAsync(FileOf(model), Ct);
        made = change is null ? made : change(made);
        if (TestDatabase.IsPostgres)
        {
            Database.Execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
            Database.Execute(made);
            return;
        }
        File.Delete(SqliteFile.Path);
        // Tables come in the order of the dump, whatever they refer to.
        using var connection = new SqliteConnection($"Data Source={SqliteFile.Path};Pooling=False;Foreign Keys=False");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = made;
        command.ExecuteNonQuery();
    }

    private async Task<HttpResponseMessage> GetAsync(AuthenticationHeaderValue? authorization, string? cookie = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/accounts/profile/");
        request.Headers.Authorization = authorization;
        if (cookie is not null) request.Headers.Add("Cookie", cookie);
        return await Http.SendAsync(request, Ct);
    }

    private static string FileOf(string model) => Path.Combine(DatabaseFile.Root, "tests", "Gatehouse.Tests", "Users", "UserModels", model + (TestDatabase.IsPostgres ? ".postgresql.sql" : ".sql"));

    private static (string Claim, string Refresh) Recorded(string model)
    {
        var lines = File.ReadAllText(FileOf(model));
        return (lines.Split('\n')[1].Split('\'')[1], RefreshToken().Match(lines).Value);
    }

    private static DateTimeOffset RecordedAt(string model)
    {
        var claims = JsonDocument.Parse(System.Buffers.Text.Base64Url.DecodeFromChars(Recorded(model).Refresh.Split('.')[1])).RootElement;
        return DateTimeOffset.FromUnixTimeSeconds(claims.GetProperty("iat").GetInt64());
    }

    private static string NameOf(string model) => model == "accounts.User" ? "ali" : "ali@example.com";

    private static string TableOf(string model) => model switch { "accounts.User" => "accounts_user", "people.Member" => "members", _ => "logins_account" };

    private static string Profile(string claim, string name) =>
        $$"""{"id":{{(long.TryParse(claim, out _) ? claim : $"\"{claim}\"")}},"username":"{{name}}","email":"ali@example.com","is_staff":true}""";

    [GeneratedRegex(@"eyJ[\w-]+\.[\w-]+\.[\w-]+")]
    private static partial Regex RefreshToken();

    [GeneratedRegex("@([a-z_]+)")]
    private static partial Regex Parameter();
}
