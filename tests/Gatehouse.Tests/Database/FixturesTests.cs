using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Gatehouse.Database;
using Xunit;

namespace Gatehouse.Tests.Database;

public sealed class FixturesTests : IAsyncLifetime
{
    private readonly TestDatabase file = TestDatabase.New();
    private readonly Db db;
    private readonly Fixtures fixtures;
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public FixturesTests()
    {
        db = file.Open();
        fixtures = new Fixtures(db, TimeProvider.System);
    }

    public async ValueTask InitializeAsync() => await file.MakeAsync();

    public ValueTask DisposeAsync()
    {
        file.Dispose();
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task What_was_loaded_is_dumped_as_django_dumped_it()
    {
        var seed = DatabaseFile.Parity("seed.fixture.json");

        var loaded = await LoadAsync(seed);

        // With the indent of the recording the text itself is equal.
        Assert.Equal(171, loaded);
        Assert.Equal(seed.TrimEnd(), (await DumpAsync([], indent: 1)).TrimEnd());
    }

    [Fact]
    public async Task A_dump_on_one_line_has_pythons_separators()
    {
        await LoadAsync("""[{"model": "auth.group", "pk": 7, "fields": {"name": "Rédacteurs \"A\"\u0001\u007f\n/", "permissions": [13, 9]}}]""");

        Assert.Equal("""
            [{"model": "auth.group", "pk": 7, "fields": {"name": "Rédacteurs \"A\"\u0001
            """ + "\u007f" + """
            \n/", "permissions": [9, 13]}}]
            """, await DumpAsync("auth.group"));
    }

    [Fact]
    public async Task An_empty_dump_is_an_empty_list()
    {
        Assert.Equal("[]", await DumpAsync("sessions"));
        Assert.Equal("[\n]\n", await DumpAsync(["sessions"], indent: 2));
    }

    [Fact]
    public async Task Natural_keys_are_dumped_and_loaded_into_another_database()
    {
        await LoadAsync(DatabaseFile.Parity("seed.fixture.json"));
        file.Execute("INSERT INTO django_admin_log (id, object_id, object_repr, action_flag, change_message, content_type_id, user_id, action_time) VALUES (1, '3', 'alice', 2, '[]', 4, 1, '2026-01-01 00:00:00.123456')");
        var natural = await DumpAsync([], indent: null, natural: true);
        using var other = TestDatabase.New();
        await other.MakeAsync();
        var otherDb = other.Open();
        other.Execute("INSERT INTO auth_user (id, password, is_superuser, username, first_name, last_name, email, is_staff, is_active, date_joined) VALUES (500, '', FALSE, 'somebody', '', '', '', FALSE, TRUE, '2026-01-01 00:00:00')");

        await new Fixtures(otherDb, TimeProvider.System).LoadAsync(Stream(natural), "natural.json", null, null, Ct);

        Assert.Contains("""{"model": "admin.logentry", "pk": 1, "fields": {"action_time": "2026-01-01T00:00:00.123Z", "user": ["admin"], "content_type": ["auth", "user"],""", natural, StringComparison.Ordinal);
        Assert.Contains("""{"model": "auth.permission", "fields": {"name": "Can add log entry", "content_type": ["admin", "logentry"], "codename": "add_logentry"}}""", natural, StringComparison.Ordinal);
        Assert.Equal([TestDatabase.IsPostgres ? "1" : "501"], other.Rows("SELECT id FROM auth_user WHERE username = 'admin'"));
        Assert.Equal(["64"], other.Rows("SELECT count(*) FROM auth_permission"));
        other.Execute("DELETE FROM auth_user WHERE username = 'somebody'");
        using var dump = new MemoryStream();
        await new Fixtures(otherDb, TimeProvider.System).DumpAsync(dump, [], null, naturalForeign: true, naturalPrimary: true, Ct);
        Assert.Equal(natural, Encoding.UTF8.GetString(dump.ToArray()));
    }

    [Fact]
    public async Task Objects_are_written_over_those_with_their_key()
    {
        await LoadAsync("""[{"model": "auth.user", "pk": 5, "fields": {"username": "bob", "email": "bob@example.com", "groups": [], "user_permissions": [1, 2]}}]""");

        await LoadAsync("""[{"model": "auth.user", "pk": 5, "fields": {"username": "robert", "user_permissions": [["add_group", "auth", "group"]]}}]""");

        Assert.Equal(["5|robert||1|0"], file.Rows("SELECT id, username, email, is_active, is_staff FROM auth_user"));
        Assert.Equal(["add_group"], file.Rows("SELECT codename FROM auth_user_user_permissions JOIN auth_permission p ON p.id = permission_id"));
    }

    [Fact]
    public async Task A_relation_that_the_fixture_leaves_out_stays()
    {
        await LoadAsync("""[{"model": "auth.group", "pk": 5, "fields": {"name": "a", "permissions": [3]}}]""");

        await LoadAsync("""[{"model": "auth.group", "pk": 5, "fields": {"name": "b"}}]""");

        Assert.Equal(["b|3"], file.Rows("SELECT name, permission_id FROM auth_group g JOIN auth_group_permissions ON group_id = g.id"));
    }

    [Fact]
    public async Task Without_a_key_the_object_is_new_or_the_one_with_its_natural_key()
    {
        const string fixture = """
            [{"model": "auth.user", "fields": {"username": "carol", "groups": [["writers"]]}},
             {"model": "auth.group", "pk": null, "fields": {"name": "writers"}},
             {"model": "token_blacklist.blacklistedtoken", "fields": {"token": 9}},
             {"model": "token_blacklist.outstandingtoken", "pk": 9, "fields": {"user": ["carol"], "jti": "j", "token": "t", "expires_at": "2030-01-01"}}]
            """;

        await LoadAsync(fixture);
        await LoadAsync(fixture.Replace("""{"model": "token_blacklist.blacklistedtoken", "fields": {"token": 9}},""", "", StringComparison.Ordinal));

        Assert.Equal(["carol|writers"], file.Rows("SELECT username, name FROM auth_user u JOIN auth_user_groups ON user_id = u.id JOIN auth_group g ON g.id = group_id"));
        Assert.Equal(["carol|2030-01-01 00:00:00|1"], file.Rows("""
            SELECT username, expires_at, b.id FROM token_blacklist_outstandingtoken t JOIN auth_user u ON u.id = t.user_id
            JOIN token_blacklist_blacklistedtoken b ON b.token_id = t.id
            """));
    }

    [Fact]
    public async Task Fields_left_out_get_the_models_defaults()
    {
        await LoadAsync("""
            [{"model": "auth.user", "pk": 1, "fields": {"username": "u"}},
             {"model": "oauth2_provider.application", "pk": 1, "fields": {"client_id": "c", "client_type": "public", "authorization_grant_type": "password", "user": ["u"]}},
             {"model": "oauth2_provider.refreshtoken", "pk": 1, "fields": {"user": 1, "application": ["c"], "token": "abc"}},
             {"model": "oauth2_provider.idtoken", "pk": 1, "fields": {"expires": "2030-01-01T02:00:00.25+02:00"}},
             {"model": "oauth2_provider.devicegrant", "pk": 1, "fields": {"device_code": "d", "user_code": "e", "client_id": "c", "expires": "2030-01-01 00:00:00Z"}}]
            """);

        Assert.Equal(["1||manual|NULL|128"], file.Rows("""
            SELECT hash_client_secret, algorithm, registration_source, cimd_expires_at, length(client_secret) FROM oauth2_provider_application
            """));
        Assert.Equal(["ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad|[]|NULL|NULL"],
            file.Rows("SELECT token_checksum, resource, token_family, revoked FROM oauth2_provider_refreshtoken"));
        Assert.Equal(["2030-01-01 00:00:00.250000|32"], file.Rows("SELECT expires, length(replace(CAST(jti AS text), '-', '')) FROM oauth2_provider_idtoken"));
        Assert.Equal(["5|authorization-pending"], file.Rows("SELECT \"interval\", status FROM oauth2_provider_devicegrant"));
    }

    [Theory]
    [InlineData("""{"model": "auth.usr", "pk": 1, "fields": {}}""", "Invalid model identifier: auth.usr")]
    [InlineData("""{"pk": 1, "fields": {}}""", "it is not an object with a \"model\".")]
    [InlineData("""{"model": "auth.group", "pk": 1}""", "auth.group (pk=1): it has no \"fields\".")]
    [InlineData("""{"model": "auth.group", "pk": "x", "fields": {"name": "b"}}""", "auth.group (pk=x): field 'id': “x” value must be an integer.")]
    [InlineData("""{"model": "auth.group", "pk": 1, "fields": {"title": "b"}}""", "auth.group (pk=1): Group has no field named 'title'")]
    [InlineData("""{"model": "auth.group", "pk": 1, "fields": {}}""", "auth.group (pk=1): field 'name': This field is required.")]
    [InlineData("""{"model": "auth.group", "pk": 1, "fields": {"name": null}}""", "field 'name': This field cannot be null.")]
    [InlineData("""{"model": "auth.group", "pk": 1, "fields": {"name": ["b"]}}""", "field 'name': “[\"b\"]” value must be a string.")]
    [InlineData("""{"model": "auth.group", "pk": 1, "fields": {"name": "b", "permissions": 1}}""", "field 'permissions': “1” value must be a list of keys.")]
    [InlineData("""{"model": "auth.group", "pk": 1, "fields": {"name": "b", "permissions": [["x"]]}}""", "is not a natural key of auth.Permission, which has 3 parts.")]
    [InlineData("""{"model": "auth.group", "pk": 1, "fields": {"name": "b", "permissions": [["x", "auth", "user"]]}}""", "field 'permissions': Permission matching query does not exist: x, auth, user")]
    [InlineData("""{"model": "auth.group", "pk": 1, "fields": {"name": "b", "permissions": [999]}}""", "contains a value '999' that does not have a corresponding value in auth_permission.id.")]
    [InlineData("""{"model": "auth.group", "pk": 7, "fields": {"name": "first"}}""", "auth.group (pk=7): Could not load auth.Group(pk=7): {unique}")]
    [InlineData("""{"model": "auth.user", "pk": 1, "fields": {"username": "u", "is_staff": "yes"}}""", "auth.user (pk=1): field 'is_staff': “yes” value must be either True or False.")]
    [InlineData("""{"model": "auth.user", "pk": 1, "fields": {"username": "u", "last_login": "yesterday"}}""", "field 'last_login': “yesterday” value has an invalid format. It must be in YYYY-MM-DD HH:MM[:ss[.uuuuuu]][TZ] format.")]
    [InlineData("""{"model": "authtoken.token", "fields": {"user": 1}}""", "field 'key': This field is required.")]
    [InlineData("""{"model": "authtoken.token", "pk": "k", "fields": {"user": ["nobody"]}}""", "authtoken.token (pk=k): field 'user': User matching query does not exist: nobody")]
    [InlineData("""{"model": "authtoken.token", "pk": "k", "fields": {"user": 77}}""", "authtoken.token (pk=k): The row in table 'authtoken_token' with primary key 'k' has an invalid foreign key: authtoken_token.user_id contains a value '77' that does not have a corresponding value in auth_user.id.")]
    [InlineData("""{"model": "oauth2_provider.grant", "pk": 1, "fields": {"user": 1, "code": "c", "application": 1, "expires": "2030-01-01", "redirect_uri": "", "resource": [1]}}""", "field 'resource': Resource must be a list of URI strings")]
    [InlineData("""{"model": "oauth2_provider.idtoken", "pk": 1, "fields": {"jti": "x", "expires": "2030-01-01"}}""", "field 'jti': “x” is not a valid UUID.")]
    [InlineData("""{"model": "auth.group", """, "it is not a JSON list: ")]
    public async Task What_is_wrong_is_named_and_nothing_is_loaded(string wrong, string says)
    {
        var refusal = await Assert.ThrowsAsync<FixtureException>(() =>
            LoadAsync(
            $$$"""[{"model": "auth.group", "pk": 2, "fields": {"name": "first", "permissions": [1]}}, {{{wrong}}}]"""));

        Assert.StartsWith("Problem installing fixture 'test.json': ", refusal.Message, StringComparison.Ordinal);
        says = says.Replace("{unique}", TestDatabase.IsPostgres ? "duplicate key value violates unique constraint \"auth_group_name_key\"" : "UNIQUE constraint failed: auth_group.name", StringComparison.Ordinal);
        Assert.Contains(says, refusal.Message, StringComparison.Ordinal);
        if (!says.StartsWith("it is not a JSON", StringComparison.Ordinal)) Assert.Contains("object 2", refusal.Message, StringComparison.Ordinal);
        Assert.Empty(file.Rows("SELECT name FROM auth_group"));
        Assert.Empty(file.Rows("SELECT id FROM auth_group_permissions"));
    }

    [Fact]
    public async Task A_fixture_for_an_app_that_the_project_does_not_use_says_so()
    {
        file.Execute("DROP TABLE token_blacklist_blacklistedtoken; DROP TABLE token_blacklist_outstandingtoken;");

        var refusal = await Assert.ThrowsAsync<FixtureException>(() => LoadAsync(
            """[{"model": "token_blacklist.outstandingtoken", "pk": 1, "fields": {"jti": "j", "token": "t", "expires_at": "2030-01-01"}}]"""));

        Assert.Contains(TestDatabase.IsPostgres ? "relation \"token_blacklist_outstandingtoken\" does not exist" : "no such table: token_blacklist_outstandingtoken", refusal.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("token_blacklist", await DumpAsync("token_blacklist"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("polls", "No installed app with label 'polls'.")]
    [InlineData("auth.usr", "Unknown model: auth.usr")]
    public async Task An_unknown_label_is_refused(string label, string says)
    {
        var refusal = await Assert.ThrowsAsync<FixtureException>(() => DumpAsync(label));

        Assert.Equal(says, refusal.Message);
    }

    [Fact]
    public async Task Labels_choose_apps_and_models_in_the_order_they_are_named()
    {
        await LoadAsync(DatabaseFile.Parity("seed.fixture.json"));

        var models = JsonNode.Parse(await DumpAsync(["authtoken", "auth.User", "auth.group"], indent: null))!.AsArray()
            .Select(item => item!["model"]!.GetValue<string>()).Distinct();

        Assert.Equal(["authtoken.token", "auth.user", "auth.group"], models);
    }

    [Fact]
    public async Task A_hundred_thousand_objects_load_with_progress()
    {
        var fixture = new MemoryStream();
        await JsonSerializer.SerializeAsync(fixture, Enumerable.Range(1, 100_000).Select(i => new
        {
            model = "auth.user",
            pk = i,
            fields = new { username = $"user{i}", password = "!", date_joined = "2026-01-01T00:00:00Z" },
        }), cancellationToken: Ct);
        fixture.Position = 0;
        var reports = new Reports();

        var loaded = await fixtures.LoadAsync(fixture, "many.json", reports, null, Ct);

        Assert.Equal(100_000, loaded);
        Assert.Equal(Enumerable.Range(1, 100).Select(i => i * 1000), reports.All);
        Assert.Equal(["100000"], file.Rows("SELECT count(*) FROM auth_user"));
    }

    private static MemoryStream Stream(string json) => new(Encoding.UTF8.GetBytes(json));

    private Task<int> LoadAsync(string json) => fixtures.LoadAsync(Stream(json), "test.json", null, null, Ct);

    private Task<string> DumpAsync(params string[] labels) => DumpAsync(labels, indent: null);

    private async Task<string> DumpAsync(string[] labels, int? indent, bool natural = false)
    {
        using var to = new MemoryStream();
        await fixtures.DumpAsync(to, labels, indent, naturalForeign: natural, naturalPrimary: natural, Ct);
        return Encoding.UTF8.GetString(to.ToArray());
    }
}
