using Xunit;

namespace Gatehouse.Tests.Program;

/// <summary>Settings that were passed over or failed late, and what the program makes for itself.</summary>
[System.Runtime.Versioning.UnsupportedOSPlatform("windows")]
public sealed class SettingsRefusedTests : IDisposable
{
    private const string Key = "a-good-key-of-more-than-32-characters-0123456789";
    private const UnixFileMode Owner = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly TempFolder folder = new();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("Gatehouse__Session__CookieName", "my session", "SESSION_COOKIE_NAME")]
    [InlineData("Gatehouse__Csrf__CookieName", "csrf;token", "CSRF_COOKIE_NAME")]
    [InlineData("Gatehouse__Csrf__HeaderName", "X CSRF", "CSRF_HEADER_NAME")]
    [InlineData("Gatehouse__Secure__HstsSeconds", "-1", "SECURE_HSTS_SECONDS")]
    [InlineData("Gatehouse__PasswordWork__MaxConcurrent", "-5", "PasswordWork")]
    [InlineData("Gatehouse__PasswordWork__MaxWaiting", "-1", "PasswordWork")]
    [InlineData("Gatehouse__AuthToken__Path", "api-token-auth", "AuthToken:Path")]
    [InlineData("Gatehouse__AuthToken__Path", "/api-token-auth", "AuthToken:Path")]
    [InlineData("Gatehouse__AuthToken__Path", "/{token}/", "AuthToken:Path")]
    [InlineData("Gatehouse__Accounts__Path", "accounts", "Accounts:Path")]
    [InlineData("Gatehouse__LoginUrl", "login", "LOGIN_URL")]
    [InlineData("Gatehouse__RestFramework__ParsedMediaTypes__0", "text/plain", "ParsedMediaTypes")]
    public Task Of_the_environment(string name, string value, string says) => ShouldRefuseAsync(says, [], (name, value));

    [Theory]
    [InlineData("""{"SESSION_COOKIE_NAME": "my session"}""", "SESSION_COOKIE_NAME")]
    [InlineData("""{"SESSION_COOKIE_NAME": ""}""", "SESSION_COOKIE_NAME")]
    [InlineData("""{"CSRF_COOKIE_NAME": "jeton-\u00e9"}""", "CSRF_COOKIE_NAME")]
    [InlineData("""{"SECURE_HSTS_SECONDS": -31536000}""", "SECURE_HSTS_SECONDS")]
    [InlineData("""{"LOGIN_URL": "login"}""", "LOGIN_URL")]
    [InlineData("""{"LOGOUT_REDIRECT_URL": "home"}""", "LOGOUT_REDIRECT_URL")]
    [InlineData("""{"DATABASES": {"default": {"ENGINE": 5, "NAME": "x"}}}""", "ENGINE 5")]
    [InlineData("""{"DATABASES": {"default": {"ENGINE": [], "NAME": {}}}}""", "ENGINE []")]
    [InlineData("""{"SECURE_PROXY_SSL_HEADER": ["HTTP_X_FORWARDED_PROTO", 5]}""", "SECURE_PROXY_SSL_HEADER")]
    [InlineData("""{"REST_FRAMEWORK": {"DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.BrowsableAPIRenderer"]}}""", "DEFAULT_RENDERER_CLASSES")]
    [InlineData("""{"REST_FRAMEWORK": {"DEFAULT_PARSER_CLASSES": ["shop.parsers.XmlParser"]}}""", "XmlParser")]
    [InlineData("""{"REST_FRAMEWORK": {"DEFAULT_PARSER_CLASSES": []}}""", "DEFAULT_PARSER_CLASSES")]
    [InlineData("""{"REST_FRAMEWORK": {"DEFAULT_PARSER_CLASSES": [5]}}""", "DEFAULT_PARSER_CLASSES")]
    public async Task Of_the_file(string json, string says)
    {
        await File.WriteAllTextAsync(folder["settings.json"], json, Ct);

        await ShouldRefuseAsync(says, ["--settings", "settings.json"]);
    }

    // By check: a server that starts after all would have to be waited for.
    [Fact]
    public async Task A_header_name_that_is_a_number_is_refused()
    {
        await File.WriteAllTextAsync(folder["settings.json"], """{"CSRF_HEADER_NAME": 5}""", Ct);

        var (code, output, errors) = await RunAsync(["check", "--settings", "settings.json"]);

        Assert.Equal(1, code);
        Assert.Contains("CSRF_HEADER_NAME", errors, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", errors + output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_address_that_is_not_ours_is_one_line()
    {
        // TEST-NET-1, RFC 5737.
        var (code, output, errors) = await RunAsync(["runserver", "192.0.2.1:8000"]);

        Assert.Equal(1, code);
        Assert.Single(errors.Split('\n'));
        Assert.NotEqual("", errors);
        Assert.DoesNotContain("   at ", errors + output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_verbs_read_appsettings_of_the_current_folder_as_the_server_does()
    {
        await File.WriteAllTextAsync(folder["appsettings.json"], $$"""{"Gatehouse": {"SecretKey": "{{Key}}", "Database": "sqlite:///from-appsettings.db"} }""", Ct);

        Assert.Equal(0, (await RunAsync(["migrate"])).Code);

        Assert.True(File.Exists(folder["from-appsettings.db"]));
        Assert.False(Directory.Exists(folder["gatehouse-data"]));
        await using var gatehouse = GatehouseProcess.Serve(folder.Path);
        await gatehouse.AddressAsync();
        await Wait.UntilAsync(() => gatehouse.Output.Contains("from-appsettings.db", StringComparison.Ordinal), "Naming the database");
    }

    [Fact]
    public async Task The_verbs_read_the_environments_appsettings_too()
    {
        await File.WriteAllTextAsync(folder["appsettings.json"], $$"""{"Gatehouse": {"SecretKey": "{{Key}}", "Database": "sqlite:///from-appsettings.db"} }""", Ct);
        await File.WriteAllTextAsync(folder["appsettings.Staging.json"], """{"Gatehouse": {"Database": "sqlite:///from-staging.db"}}""", Ct);

        Assert.Equal(0, (await RunAsync(["migrate"], ("ASPNETCORE_ENVIRONMENT", "Staging"), ("DOTNET_ENVIRONMENT", "Staging"))).Code);

        Assert.True(File.Exists(folder["from-staging.db"]));
        Assert.False(File.Exists(folder["from-appsettings.db"]));
    }

    [Theory]
    [InlineData("migrate")]
    [InlineData("runserver")]
    public async Task An_appsettings_that_is_no_JSON_is_one_line(string verb)
    {
        await File.WriteAllTextAsync(folder["appsettings.json"], "nonsense", Ct);

        var (code, output, errors) = await RunAsync([verb]);

        Assert.Equal(1, code);
        Assert.Contains("appsettings.json", errors, StringComparison.Ordinal);
        Assert.Single(errors.Split('\n'));
        Assert.DoesNotContain("   at ", errors + output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task With_a_key_alone_an_empty_folder_is_enough_and_what_is_made_is_the_owners()
    {
        await using (var gatehouse = GatehouseProcess.Serve(folder.Path, environment: [("Gatehouse__SecretKey", Key)]))
        {
            using var http = new HttpClient { BaseAddress = await gatehouse.AddressAsync() };
            await http.AskAsync("/health/ready").ShouldBeAsync(200);
            await http.AskAsync("/api/accounts/register/", null, "POST", new { username = "alice", password = "violet-Kettle-42" }).ShouldBeAsync(201);

            Assert.Equal(Owner | UnixFileMode.UserExecute, File.GetUnixFileMode(folder["gatehouse-data"]));
            var files = Directory.GetFiles(folder["gatehouse-data"]);
            Assert.Equal(["gatehouse.db", "gatehouse.db-shm", "gatehouse.db-wal"], files.Select(Path.GetFileName).Order(StringComparer.Ordinal));
            Assert.All(files, file => Assert.Equal(Owner, File.GetUnixFileMode(file)));
        }
    }

    [Fact]
    public async Task With_a_key_of_the_settings_file_alone_the_verbs_do_as_well()
    {
        await File.WriteAllTextAsync(folder["settings.json"], $$"""{"SECRET_KEY": "{{Key}}"}""", Ct);

        Assert.Equal(0, (await RunAsync(["migrate", "--settings", "settings.json"])).Code);

        Assert.Equal(Owner, File.GetUnixFileMode(Path.Combine(folder["gatehouse-data"], "gatehouse.db")));
        Assert.False(File.Exists(Path.Combine(folder["gatehouse-data"], "secret-key")));
    }

    [Fact]
    public async Task A_dump_is_its_owners_alone()
    {
        Assert.Equal(0, (await RunAsync(["dumpdata", "-o", "dump.json"])).Code);

        Assert.Equal(Owner, File.GetUnixFileMode(folder["dump.json"]));
    }

    private async Task ShouldRefuseAsync(string says, string[] more, params (string, string)[] environment)
    {
        var (code, output, errors) = await RunAsync(["runserver", "0", .. more], environment);

        Assert.Equal(1, code);
        Assert.Contains(says, errors, StringComparison.Ordinal);
        Assert.Single(errors.Split('\n'));
        Assert.DoesNotContain("   at ", errors + output, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(folder["gatehouse-data"], "gatehouse.db")));
    }

    private Task<(int Code, string Output, string Errors)> RunAsync(string[] arguments, params (string, string)[] environment) =>
        GatehouseProcess.RunAsync(folder.Path, arguments, environment: environment);
}
