using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Nodes;
using Gatehouse.OAuth.Registration;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Gatehouse.Tests.OAuth.Registration;

/// <summary>Clients whose id is an address, met at the token endpoint.</summary>
public sealed class ClientIdMetadataTests : GatehouseTest
{
    private OutsideServer outside = null!;

    private string Id => outside.Url("/client.json");

    protected override void Configure(GatehouseOptions options) => options.OAuth.CimdEnabled = true;

    protected override void AddServices(IServiceCollection services) => services.AddSingleton(outside.Outside);

    protected override async Task StartAsync()
    {
        outside = await OutsideServer.StartAsync();
        Publish(Document());
        await base.StartAsync();
    }

    public override async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        await base.DisposeAsync();
        await outside.DisposeAsync();
    }

    private JsonObject Document(string? id = null, string name = "Command line") => new()
    {
        ["client_id"] = id ?? Id,
        ["client_name"] = name,
        ["redirect_uris"] = new JsonArray("http://127.0.0.1/cb", "https://app.example/cb"),
        ["grant_types"] = new JsonArray("authorization_code", "refresh_token"),
        ["response_types"] = new JsonArray("code"),
        ["token_endpoint_auth_method"] = "none",
        ["logo_uri"] = "javascript:alert(1)",
    };

    private void Publish(JsonNode document, string? cacheControl = null) => outside.Answer = OutsideServer.Json(document.ToJsonString(), cacheControl: cacheControl);

    // invalid_grant: the client is known, the token is not. invalid_client: it is not known.
    private async Task<string> ErrorAsync(string clientId, TestServer? server = null)
    {
        using var form = new FormUrlEncodedContent([new("grant_type", "refresh_token"), new("refresh_token", "none"), new("client_id", clientId)]);
        return (string)(await (await (server ?? Server).Http.PostAsync("/o/token/", form, Ct)).JsonAsync())["error"]!;
    }

    private Task KnowsAsync(string clientId, TestServer? server = null) => IsAsync("invalid_grant", clientId, server);

    private Task KnowsNotAsync(string clientId, TestServer? server = null) => IsAsync("invalid_client", clientId, server);

    private async Task IsAsync(string error, string clientId, TestServer? server) => Assert.Equal(error, await ErrorAsync(clientId, server));

    private string Row(string columns) => Assert.Single(Database.Rows($"SELECT {columns} FROM oauth2_provider_application"));

    [Fact]
    public async Task A_client_is_met_fetched_and_known()
    {
        await KnowsAsync(Id);
        await KnowsAsync(Id);

        Assert.Equal(["/client.json"], outside.Asked);
        Assert.Equal(
            $"{Id}|NULL|http://127.0.0.1/cb https://app.example/cb||public|authorization-code|1|Command line|0|||cimd|2026-07-02 12:00:00.123456",
            Row("client_id, user_id, redirect_uris, post_logout_redirect_uris, client_type, authorization_grant_type, hash_client_secret, name, skip_authorization, algorithm, allowed_origins, "
                + "registration_source, cimd_expires_at"));
        Assert.StartsWith("pbkdf2_sha256$", Row("client_secret"), StringComparison.Ordinal);

        // Read again, it is no new client.
        Clock.Advance(TimeSpan.FromDays(2));
        await KnowsAsync(Id);
        Assert.Equal(2, outside.Asked.Count);
        Assert.Equal([$"added||oauth2_provider.application {Row("id")} Command line|{Id}|127.0.0.1|By its metadata document."], Database.AuditRows());
    }

    [Fact]
    public async Task People_are_asked_about_it_under_its_own_name_and_sent_where_its_document_says()
    {
        await Users.CreateAsync("alice");
        var browser = await NewBrowser().LogInAsync("alice");
        Publish(Document(name: "<b>Bank</b>"));
        string Path(string redirect) =>
            $"/o/authorize/?response_type=code&client_id={Uri.EscapeDataString(Id)}&redirect_uri={Uri.EscapeDataString(redirect)}&code_challenge={new string('c', 43)}&code_challenge_method=S256&state=s";

        var page = await (await browser.GetAsync(Path("http://127.0.0.1:50123/cb"))).TextAsync();
        Assert.Contains("&lt;b&gt;Bank&lt;/b&gt;", page, StringComparison.Ordinal);
        Assert.DoesNotContain("<b>Bank", page, StringComparison.Ordinal);
        var granted = await browser.SubmitAsync(Path("http://127.0.0.1:50123/cb"), ("allow", "Authorize"));
        Assert.StartsWith("http://127.0.0.1:50123/cb?code=", granted.Header("Location"), StringComparison.Ordinal);

        foreach (var elsewhere in new[] { "https://app.example/cb?x=1", "https://app.example.evil/cb", "https://app.example\\@evil/cb", "http://127.0.0.1:50123/other" })
        {
            var refused = await browser.GetAsync(Path(elsewhere));
            await refused.ShouldBeAsync(400);
            Assert.Null(refused.Header("Location"));
        }
        Assert.Single(outside.Asked);
    }

    [Fact]
    public async Task What_is_known_grows_old_and_is_fetched_again()
    {
        Publish(Document(), cacheControl: "max-age=600");
        await KnowsAsync(Id);
        var (secret, key) = (Row("client_secret"), Row("id"));
        Publish(new JsonObject { ["client_id"] = Id, ["redirect_uris"] = new JsonArray("https://new.example/cb") });

        Clock.Advance(TimeSpan.FromMinutes(10));
        await KnowsAsync(Id);
        Assert.Single(outside.Asked);
        Clock.Advance(TimeSpan.FromSeconds(1));
        await KnowsAsync(Id);

        Assert.Equal(2, outside.Asked.Count);
        Assert.Equal($"{key}|{secret}||https://new.example/cb|1", Row("id, client_secret, name, redirect_uris, updated > created"));
    }

    [Fact]
    public async Task An_outage_elsewhere_locks_nobody_out()
    {
        await KnowsAsync(Id);
        outside.Answer = OutsideServer.Json("", status: 503);
        Clock.Advance(TimeSpan.FromDays(2));

        for (var i = 0; i < 3; i++) await KnowsAsync(Id);
        Assert.Equal(2, outside.Asked.Count);
        Publish(new JsonObject { ["client_id"] = Id, ["client_secret"] = "x", ["redirect_uris"] = new JsonArray("https://evil.example/") });
        Clock.Advance(TimeSpan.FromMinutes(1));
        await KnowsAsync(Id);
        Assert.Equal("http://127.0.0.1/cb https://app.example/cb", Row("redirect_uris"));
    }

    // C10
    [Theory]
    [InlineData("client_id", "\"https://client.test/other.json\"")]
    [InlineData("client_id", null)]
    [InlineData("client_id", "7")]
    [InlineData("token_endpoint_auth_method", "\"client_secret_basic\"")]
    [InlineData("token_endpoint_auth_method", "\"private_key_jwt\"")]
    [InlineData("token_endpoint_auth_method", "null")]
    [InlineData("client_secret", "\"x\"")]
    [InlineData("client_secret", "null")]
    [InlineData("client_secret_expires_at", "0")]
    [InlineData("redirect_uris", null)]
    [InlineData("redirect_uris", "[]")]
    [InlineData("redirect_uris", "\"https://app.example/cb\"")]
    [InlineData("redirect_uris", "[1]")]
    [InlineData("redirect_uris", "[\"\"]")]
    [InlineData("redirect_uris", "[\"javascript:alert(1)\"]")]
    [InlineData("redirect_uris", "[\"https://app.example/cb\",\"data:text/html,x\"]")]
    [InlineData("redirect_uris", "[\"https://app.example/#x\"]")]
    [InlineData("redirect_uris", "[\"https://*.example.com/cb\"]")]
    [InlineData("grant_types", "\"authorization_code\"")]
    [InlineData("grant_types", "[]")]
    [InlineData("grant_types", "[\"refresh_token\"]")]
    [InlineData("grant_types", "[\"authorization_code\",\"implicit\"]")]
    [InlineData("grant_types", "[\"client_credentials\"]")]
    [InlineData("grant_types", "[\"password\"]")]
    [InlineData("grant_types", "[\"urn:ietf:params:oauth:grant-type:device_code\"]")]
    [InlineData("client_name", "7")]
    [InlineData("client_name", "null")]
    [InlineData("client_name", "\"Bank\\u202etxt\"")]
    [InlineData("client_name", "\"two\\nlines\"")]
    public async Task A_document_that_is_wrong_makes_no_client(string member, string? json)
    {
        var document = Document();
        if (json is null) document.Remove(member);
        else document[member] = JsonNode.Parse(json);
        Publish(document);

        await KnowsNotAsync(Id);
        Publish(Document());
        await KnowsNotAsync(Id);

        Assert.Single(outside.Asked);
        Assert.Empty(Database.Rows("SELECT id FROM oauth2_provider_application"));
        Clock.Advance(TimeSpan.FromMinutes(1));
        await KnowsAsync(Id);
    }

    [Fact]
    public async Task A_name_is_as_long_as_its_column()
    {
        Publish(Document(name: new string('n', 256)));
        await KnowsNotAsync(Id);
    }

    // C9, as anybody can send it: with this machine as it is.
    [Theory]
    [InlineData("https://127.0.0.1:{0}/id")]
    [InlineData("https://[::1]:{0}/id")]
    [InlineData("https://[::ffff:127.0.0.1]:{0}/id")]
    [InlineData("https://localhost:{0}/id")]
    [InlineData("https://localhost.:{0}/id")]
    [InlineData("https://2130706433:{0}/id")]
    [InlineData("https://0177.0.0.1:{0}/id")]
    [InlineData("https://0x7f.0.0.1:{0}/id")]
    [InlineData("https://0.0.0.0:{0}/id")]
    [InlineData("https://169.254.169.254/latest/meta-data/")]
    [InlineData("https://10.0.0.1/id")]
    [InlineData("HTTPS://127.0.0.1:{0}/id")]
    [InlineData("https://user@127.0.0.1:{0}/id")]
    [InlineData("http://127.0.0.1:{0}/id")]
    public async Task Nothing_inside_is_ever_connected_to(string id)
    {
        var listener = new TcpListener(IPAddress.IPv6Any, 0);
        listener.Server.DualMode = true;
        listener.Start();
        var server = await StartServerAsync(services: added => added.AddSingleton(new Outside()));

        await KnowsNotAsync(id.Replace("{0}", $"{((IPEndPoint)listener.LocalEndpoint).Port}", StringComparison.Ordinal), server);

        Assert.False(listener.Pending());
        listener.Stop();
    }

    [Fact]
    public async Task It_is_off_unless_it_is_turned_on()
    {
        await KnowsNotAsync(Id, await StartServerAsync(options => options.OAuth.CimdEnabled = false));
        Assert.Empty(outside.Asked);
        Assert.Empty(outside.Resolved);
    }

    [Fact]
    public async Task Ids_that_are_no_address_are_not_looked_for_outside()
    {
        foreach (var id in new[] { "web", "https:", "https:/client.test/x", "http://client.test/x", "ftp://client.test/x", new string('x', 256), Id + new string('x', 256) }) await KnowsNotAsync(id);
        Assert.Empty(outside.Resolved);
    }

    [Fact]
    public async Task A_client_made_by_hand_stays_as_it_is()
    {
        InsertByHand();
        await KnowsAsync(Id);
        Assert.Empty(outside.Asked);
    }

    [Fact]
    public async Task A_client_made_by_hand_meanwhile_stays_as_it_is()
    {
        var document = Document().ToJsonString();
        outside.Answer = http =>
        {
            InsertByHand();
            return OutsideServer.Json(document)(http);
        };

        await KnowsNotAsync(Id);
        Assert.Equal("manual|By hand|NULL", Row("registration_source, name, cimd_expires_at"));
        await KnowsAsync(Id);
    }

    private void InsertByHand() => Database.Execute($"""
        INSERT INTO oauth2_provider_application (client_id, client_secret, hash_client_secret, client_type, authorization_grant_type, name, redirect_uris, post_logout_redirect_uris,
            allowed_origins, skip_authorization, algorithm, registration_source, created, updated)
        VALUES ('{Id}', '', TRUE, 'public', 'authorization-code', 'By hand', 'https://mine.example/', '', '', FALSE, '', 'manual', '2026-01-01', '2026-01-01')
        """);

    [Fact]
    public async Task Many_who_meet_a_client_at_once_meet_one()
    {
        var second = await StartServerAsync();

        var errors = await Task.WhenAll(Enumerable.Range(0, 64).Select(i => ErrorAsync(Id, i % 2 == 0 ? Server : second)));

        Assert.All(errors, error => Assert.Equal("invalid_grant", error));
        Assert.Equal("1", Row("COUNT(*)"));
        // Each server asks once.
        Assert.InRange(outside.Asked.Count, 1, 2);
    }

    // C10, C11: whoever asks for documents that never come waits alone.
    [Fact]
    public async Task Others_do_not_wait_for_documents_that_never_come()
    {
        var open = new TaskCompletionSource();
        outside.Answer = async http =>
        {
            await open.Task;
            http.Response.StatusCode = 404;
        };
        await Users.CreateAsync("alice");
        var waiting = Enumerable.Range(0, 10).Select(i => ErrorAsync(outside.Url($"/{i}"))).ToList();
        await Wait.UntilAsync(() => outside.Asked.Count == 10, "Fetching ten documents");

        await NewBrowser().LogInAsync("alice");
        await KnowsNotAsync("unknown");
        await KnowsNotAsync(outside.Url("/one-too-many"));
        Assert.All(waiting, one => Assert.False(one.IsCompleted));
        open.SetResult();
        await Task.WhenAll(waiting);
        Assert.Equal(10, outside.Asked.Count);
    }

    [Theory]
    [InlineData("client.test", true)]
    [InlineData(".test", true)]
    [InlineData("*", true)]
    [InlineData("CLIENT.TEST", true)]
    [InlineData("other.test", false)]
    [InlineData(".client.test.evil", false)]
    [InlineData("", false)]
    public async Task Hosts_may_be_listed(string allowed, bool permitted)
    {
        var server = await StartServerAsync(options =>
        {
            options.OAuth.CimdRegistrationPermissionClasses = ["oauth2_provider.cimd.HostAllowlistCIMDPermission"];
            options.OAuth.CimdAllowedHosts = allowed.Length > 0 ? [allowed] : [];
        });

        if (permitted) await KnowsAsync(Id, server);
        else await KnowsNotAsync(Id, server);
        Assert.Equal(permitted, !outside.Resolved.IsEmpty);
        // No grudge is borne: it was no failure.
        if (!permitted) await KnowsAsync(Id);
    }

    [Fact]
    public async Task Without_a_permission_class_no_document_is_fetched_and_a_hook_has_its_say()
    {
        await KnowsNotAsync(Id, await StartServerAsync(options => options.OAuth.CimdRegistrationPermissionClasses = []));
        await KnowsNotAsync(Id, await StartServerAsync(options => options.OAuth.CimdRegistrationPermission = (_, _) => new(false)));
        Assert.Empty(outside.Resolved);
        await KnowsAsync(Id, await StartServerAsync(options =>
        {
            options.OAuth.CimdRegistrationPermissionClasses = ["myproject.Mine"];
            options.OAuth.CimdRegistrationPermission = (id, _) => new(id == Id);
        }));

        await Assert.ThrowsAsync<SettingException>(() => StartServerAsync(options => options.OAuth.CimdRegistrationPermissionClasses = ["myproject.Mine"]));
    }

    [Fact]
    public async Task A_fetcher_of_the_hosts_own_takes_the_place_of_ours()
    {
        var document = JsonSerializer.Deserialize<JsonElement>(Document("https://anywhere.example/client").ToJsonString());
        var server = await StartServerAsync(options => options.OAuth.CimdMetadataFetcher = (_, _) => Task.FromResult((document, TimeSpan.FromHours(1))));

        await KnowsAsync("https://anywhere.example/client", server);
        await KnowsNotAsync("https://anywhere.example/other", server);
        Assert.Equal("2026-07-01 13:00:00.123456", Row("cimd_expires_at"));
        Assert.Empty(outside.Resolved);
    }

    [Fact]
    public async Task Old_clients_that_hold_nothing_are_cleared()
    {
        var alice = await Users.CreateAsync("alice");
        foreach (var name in new[] { "idle", "access", "dead-access", "id", "grant", "refresh", "dead-refresh", "fresh", "manual" })
        {
            var id = outside.Url($"/{name}");
            Publish(Document(id), cacheControl: "max-age=300");
            await KnowsAsync(id);
        }
        var now = "2027-01-01 00:00:00";
        string Client(string name) => $"(SELECT id FROM oauth2_provider_application WHERE client_id LIKE '%/{name}')";
        string Access(string name, string expires) => $"""
            INSERT INTO oauth2_provider_accesstoken (token, token_checksum, expires, scope, application_id, created, updated, resource)
            VALUES ('', '{name}', '{expires}', '', {Client(name)}, '2026-01-01', '2026-01-01', '[]');
            """;
        string Refresh(string name, string revoked) => $"""
            INSERT INTO oauth2_provider_refreshtoken (token, token_checksum, application_id, user_id, created, updated, revoked, resource)
            VALUES ('', '{name}', {Client(name)}, {alice.Id}, '2026-01-01', '2026-01-01', {revoked}, '[]');
            """;
        Database.Execute($"""
            {Access("access", "2027-01-01 00:00:01")}{Access("dead-access", now)}{Refresh("refresh", "NULL")}{Refresh("dead-refresh", "'2026-01-01'")}
            INSERT INTO oauth2_provider_idtoken (jti, expires, scope, created, updated, application_id) VALUES ('{new string('a', 32)}', '2027-01-02', '', '2026-01-01', '2026-01-01', {Client("id")});
            INSERT INTO oauth2_provider_grant (code, expires, redirect_uri, scope, application_id, user_id, created, updated, code_challenge, code_challenge_method, nonce, claims, resource)
                VALUES ('a', '2027-01-02', '', '', {Client("grant")}, {alice.Id}, '2026-01-01', '2026-01-01', '', '', '', '', '[]');
            UPDATE oauth2_provider_application SET cimd_expires_at = '{now}' WHERE client_id LIKE '%/fresh';
            UPDATE oauth2_provider_application SET registration_source = 'manual' WHERE client_id LIKE '%/manual';
            """);
        Clock.Advance(new DateTimeOffset(2027, 1, 1, 0, 0, 0, TimeSpan.Zero) - Clock.Now);

        foreach (var batch in new[] { 2, 1000 })
        {
            Assert.Equal(batch == 2 ? 3 : 0, await ClearCimdApplications.RunAsync(Server.Get<Gatehouse.Database.Db>(), Clock, batch, null, Ct));
            Assert.Equal(
                ["access", "fresh", "grant", "id", "manual", "refresh"],
                Database.Rows("SELECT client_id FROM oauth2_provider_application").Select(id => id[(id.LastIndexOf('/') + 1)..]).Order(StringComparer.Ordinal));
        }
        Publish(Document(outside.Url("/idle")));
        await KnowsAsync(outside.Url("/idle"));
    }

    [Fact]
    public async Task The_verb_says_how_many()
    {
        await KnowsAsync(Id);
        Database.Execute("UPDATE oauth2_provider_application SET cimd_expires_at = '2020-01-01 00:00:00'");
        var folder = Database.Folder;
        (string, string)[] settings = [("Gatehouse__Database", Database.Url), ("Gatehouse__SecretKey", SecretKey)];

        var wrong = await GatehouseProcess.RunAsync(folder, ["clearcimdapplications", "--batch-size", "0"], environment: settings);
        var cleared = await GatehouseProcess.RunAsync(folder, ["clearcimdapplications"], environment: settings);

        Assert.Equal((1, "--batch-size must be a positive integer."), (wrong.Code, wrong.Errors));
        Assert.Equal((0, "Deleted 1 expired CIMD application(s)"), (cleared.Code, cleared.Output));
    }
}
