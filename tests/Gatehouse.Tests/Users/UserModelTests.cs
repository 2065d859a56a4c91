using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Reflection;
using System.Text;
using System.Text.Json;
using Gatehouse.Database;
using Gatehouse.Tests.Database;
using Gatehouse.Users;
using Microsoft.Data.Sqlite;
using Xunit;

namespace Gatehouse.Tests.Users;

/// <summary>Projects with a user model of their own: databases that the real stack made (tests/DjangoTwin/user-models), with one user, ali.</summary>
[Trait(TestDatabase.SqliteOnly, "yes")]
public sealed class UserModelTests : GatehouseTest
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

    // Django's own columns are never NULL; a project's may be.
    [Fact]
    public async Task A_user_without_address_and_names_is_served()
    {
        var made = (await File.ReadAllTextAsync(FileOf("accounts.User"), Ct)).Replace("varchar(254) NOT NULL", "varchar(254) NULL", StringComparison.Ordinal)
            .Replace("\"first_name\" varchar(150) NOT NULL", "\"first_name\" varchar(150) NULL", StringComparison.Ordinal);
        await StartOnAsync("accounts.User", made + "UPDATE accounts_user SET email = NULL, first_name = NULL;");

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
            .Where(field => typeof(Sql).IsAssignableFrom(field.FieldType) && !field.DeclaringType!.ContainsGenericParameters).Select(field => (field, ((Sql?)field.GetValue(null))?.Text))
            .Where(one => one.Text?.Contains("auth_user", StringComparison.Ordinal) == true && one.field.DeclaringType!.Namespace != "Gatehouse.Administration" && (one.field.DeclaringType != typeof(UserAccounts) || one.field.Name != "Insert")).ToList();
        Assert.True(statements.Count > 20, $"{statements.Count}");

        using var connection = SqliteFile.Connect();
        foreach (var (field, text) in statements)
        {
            using var command = connection.CreateCommand();
            command.CommandText = db.Texts.Respell!(text!);
            try
            {
                command.Prepare();
            }
            catch (SqliteException error)
            {
                Assert.Fail($"{field.DeclaringType}.{field.Name}: {error.Message}\n{command.CommandText}");
            }
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

    private async Task<TestServer> StartOnAsync(string model, string? sql = null)
    {
        await RestoreAsync(model, sql);
        // As long as the recorded refresh token lives.
        Clock.Advance(DateTimeOffset.Parse(Database.Rows("SELECT created_at FROM token_blacklist_outstandingtoken").Single() + "Z", System.Globalization.CultureInfo.InvariantCulture) + TimeSpan.FromMinutes(1) - Clock.Now);
        return await StartServerAsync(options => Configure(options, model));
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

    private async Task RestoreAsync(string model, string? sql = null)
    {
        File.Delete(SqliteFile.Path);
        // Tables come in the order of the dump, whatever they refer to.
        using var connection = new SqliteConnection($"Data Source={SqliteFile.Path};Pooling=False;Foreign Keys=False");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = sql ?? await File.ReadAllTextAsync(FileOf(model), Ct);
        command.ExecuteNonQuery();
    }

    private async Task<HttpResponseMessage> GetAsync(AuthenticationHeaderValue? authorization, string? cookie = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/accounts/profile/");
        request.Headers.Authorization = authorization;
        if (cookie is not null) request.Headers.Add("Cookie", cookie);
        return await Http.SendAsync(request, Ct);
    }

    private static string FileOf(string model) => Path.Combine(DatabaseFile.Root, "tests", "Gatehouse.Tests", "Users", "UserModels", model + ".sql");

    private (string Claim, string Refresh) Recorded(string model)
    {
        var claim = File.ReadLines(FileOf(model)).Skip(1).First().Split('\'')[1];
        return (claim, Database.Rows("SELECT token FROM token_blacklist_outstandingtoken ORDER BY id LIMIT 1").Single());
    }

    private static string NameOf(string model) => model == "accounts.User" ? "ali" : "ali@example.com";

    private static string TableOf(string model) => model switch { "accounts.User" => "accounts_user", "people.Member" => "members", _ => "logins_account" };

    private static string Profile(string claim, string name) =>
        $$"""{"id":{{(long.TryParse(claim, out _) ? claim : $"\"{claim}\"")}},"username":"{{name}}","email":"ali@example.com","is_staff":true}""";
}
