using System.Text.Json.Nodes;
using Gatehouse.OAuth.OpenId;
using Xunit;

namespace Gatehouse.Tests.OAuth.OpenId;

/// <summary>Keys that are given, keys that the program makes, and how they change.</summary>
public sealed class OidcKeysTests : OpenIdTest
{
    private string KeyFile => Path.Combine(Database.Folder, "oidc-keys.json");

    protected override Task StartAsync() => Task.CompletedTask;

    [Fact]
    public async Task The_program_makes_keys_at_its_first_start_for_itself_alone()
    {
        await StartServerAsync(options => options.OAuth.OidcRsaPrivateKey = "");
        var keys = await JwksAsync();

        Assert.Equal(["RS256", "ES256"], keys.Select(key => (string?)key!["alg"]));
        Assert.All(keys, key => Assert.Empty(key!.AsObject().Select(member => member.Key).Intersect(["d", "p", "q", "dp", "dq", "qi", "k", "oth"])));
        if (!OperatingSystem.IsWindows()) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(KeyFile));

        var other = await StartServerAsync(options => options.OAuth.OidcRsaPrivateKey = "");
        Assert.True(JsonNode.DeepEquals(keys, await JwksAsync(other)));
    }

    [Fact]
    public async Task A_file_that_others_can_read_or_that_is_none_of_ours_stops_the_start()
    {
        await StartServerAsync(options => options.OAuth.OidcRsaPrivateKey = "");
        Task<TestServer> AgainAsync() => StartServerAsync(options => options.OAuth.OidcRsaPrivateKey = "");

        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(KeyFile, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
            Assert.Contains("chmod 600", (await Assert.ThrowsAsync<SettingException>(AgainAsync)).Message, StringComparison.Ordinal);
            File.SetUnixFileMode(KeyFile, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }
        foreach (var broken in (string[])["", "[]", "{", """{"keys":[{"alg":5}]}""", """{"keys":[{"alg":"RS256","signs_from":"never","pem":""}]}""",
            """{"keys":[{"alg":"RS256","signs_from":"2026-01-01T00:00:00Z","pem":"-----BEGIN PRIVATE KEY-----"}]}"""])
        {
            await File.WriteAllTextAsync(KeyFile, broken, Ct);
            Assert.Contains("cannot be read", (await Assert.ThrowsAsync<SettingException>(AgainAsync)).Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("no key at all", "is no PEM text")]
    [InlineData("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "an RSA key as PEM")]
    public async Task A_key_that_is_none_stops_the_start(string pem, string why) => Assert.Contains(
        why, (await Assert.ThrowsAsync<SettingException>(() => StartServerAsync(options => options.OAuth.OidcRsaPrivateKey = pem))).Message, StringComparison.Ordinal);

    [Fact]
    public async Task A_key_that_is_too_short_stops_the_start() => Assert.Contains(
        "1024 bits", (await Assert.ThrowsAsync<SettingException>(() => StartServerAsync(options => options.OAuth.OidcRsaPrivateKey = NewRsa(1024)))).Message, StringComparison.Ordinal);

    // oidcc-server-rotate-keys
    [Fact]
    public async Task Rotation_refuses_no_live_token()
    {
        var server = await StartServerAsync(options => options.OAuth.OidcRsaPrivateKey = "");
        var idTokens = server.Get<IdTokens>();
        var alice = await Users.CreateAsync("alice");
        AddClient();
        AddClient("ec", "ES256");
        var before = await JwksAsync();
        var (old, oldEc) = (await NewIdTokenAsync(alice), await NewIdTokenAsync(alice, "ec"));

        // Published at once, so that who verifies has seen it when it begins to sign.
        var rotated = new OidcKeyFile(server.Get<GatehouseOptions>(), Clock).Rotate(atOnce: false);
        Assert.Equal((Clock.Now.AddHours(1), true), rotated);
        Assert.Equal((rotated.SignsFrom, false), new OidcKeyFile(server.Get<GatehouseOptions>(), Clock).Rotate(atOnce: false));
        Clock.Advance(TimeSpan.FromSeconds(6));
        var published = await JwksAsync();
        Assert.Equal(4, published.Count);
        Assert.True(IsSignedBy(before, await NewIdTokenAsync(alice)));

        Clock.Advance(TimeSpan.FromHours(1));
        var (next, nextEc) = (await NewIdTokenAsync(alice), await NewIdTokenAsync(alice, "ec"));
        Assert.DoesNotContain((string?)Decode(next, 0)["kid"], before.Select(key => (string?)key!["kid"]));
        Assert.All([old, oldEc, next, nextEc], token => Assert.True(IsSignedBy(published, token)));
        foreach (var token in (string[])[old, oldEc, next, nextEc]) Assert.NotNull(await idTokens.LoadAsync(token, evenExpired: false, Ct));

        // Until no token of the old one lives.
        Clock.Advance(TimeSpan.FromSeconds(36_000));
        Assert.Equal(2, (await JwksAsync()).Count);
        Assert.Null(await idTokens.LoadAsync(old, evenExpired: true, Ct));
        Assert.NotNull(await idTokens.LoadAsync(next, evenExpired: true, Ct));
    }

    [Fact]
    public async Task Rotation_at_once_also_begins_with_keys_that_wait()
    {
        var server = await StartServerAsync(options => options.OAuth.OidcRsaPrivateKey = "");
        var file = new OidcKeyFile(server.Get<GatehouseOptions>(), Clock);

        file.Rotate(atOnce: false);
        var waiting = file.Rotate(atOnce: true);

        Assert.Equal((Clock.Now, false), waiting);
        Clock.Advance(TimeSpan.FromSeconds(6));
        Assert.Equal(4, (await JwksAsync()).Count);
    }

    [Fact]
    public async Task A_running_server_goes_on_without_its_file_or_with_a_broken_one()
    {
        await StartServerAsync(options => options.OAuth.OidcRsaPrivateKey = "");
        var keys = await JwksAsync();
        await File.WriteAllTextAsync(KeyFile, "{", Ct);
        Clock.Advance(TimeSpan.FromMinutes(1));
        Assert.True(JsonNode.DeepEquals(keys, await JwksAsync()));
        Assert.Contains(Log.Lines, line => line.Contains("the keys that are known go on", StringComparison.Ordinal));

        File.Delete(KeyFile);
        Clock.Advance(TimeSpan.FromMinutes(1));

        Assert.True(JsonNode.DeepEquals(keys, await JwksAsync()));
        Assert.False(File.Exists(KeyFile));
    }

    [Fact]
    public async Task Inactive_keys_are_published_and_their_tokens_are_known()
    {
        var first = await StartServerAsync();
        var alice = await Users.CreateAsync("alice");
        AddClient();
        var old = await NewIdTokenAsync(alice);

        var second = await StartServerAsync(options =>
        {
            options.OAuth.OidcRsaPrivateKeysInactive = [options.OAuth.OidcRsaPrivateKey];
            options.OAuth.OidcRsaPrivateKey = NewRsa();
        });

        var keys = await JwksAsync(second);
        Assert.True(IsSignedBy(keys, old) && IsSignedBy(keys, await NewIdTokenAsync(alice, server: second)));
        Assert.NotEqual((string?)(await JwksAsync(first))[0]!["kid"], (string?)keys[0]!["kid"]);
        Assert.NotNull(await second.Get<IdTokens>().LoadAsync(old, evenExpired: false, Ct));
    }

    // R16's kind: two processes at their first start on one folder
    [Fact]
    public async Task Two_processes_that_start_at_once_have_the_same_keys()
    {
        using var folder = new TempFolder();
        (string, string)[] settings = [("Gatehouse__OAuth__OidcEnabled", "true")];
        Assert.Equal(0, (await GatehouseProcess.RunAsync(folder.Path, ["migrate"])).Code);
        await using var one = GatehouseProcess.Serve(folder.Path, environment: settings);
        await using var other = GatehouseProcess.Serve(folder.Path, environment: settings);
        using var http = new HttpClient();
        async Task<JsonNode> KeysAsync(GatehouseProcess process) => await (await http.GetAsync(new Uri(await process.AddressAsync(), "/o/.well-known/jwks.json"), Ct)).JsonAsync();

        var keys = await KeysAsync(one);
        Assert.Equal(2, keys["keys"]!.AsArray().Count);
        Assert.True(JsonNode.DeepEquals(keys, await KeysAsync(other)));

        var rotated = await GatehouseProcess.RunAsync(folder.Path, ["rotatekeys", "--now"], environment: settings);
        Assert.Equal((0, ""), (rotated.Code, rotated.Errors));
        Assert.StartsWith("New keys are published and sign from ", rotated.Output, StringComparison.Ordinal);
        Assert.Equal(["gatehouse.db", "oidc-keys.json", "oidc-keys.json.lock", "secret-key"],
            Directory.GetFiles(folder["gatehouse-data"]).Select(file => Path.GetFileName(file)!).Where(file => !file.Contains("db-", StringComparison.Ordinal)).Order(StringComparer.Ordinal));

        var given = await GatehouseProcess.RunAsync(folder.Path, ["rotatekeys"], environment: [("Gatehouse__OAuth__OidcRsaPrivateKey", RsaPem)]);
        Assert.Equal(1, given.Code);
        Assert.Contains("OIDC_RSA_PRIVATE_KEYS_INACTIVE", given.Errors, StringComparison.Ordinal);
    }
}
