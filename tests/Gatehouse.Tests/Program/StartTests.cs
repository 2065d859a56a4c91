using Xunit;

namespace Gatehouse.Tests.Program;

/// <summary>The first start, and starts that are refused with one line that says why.</summary>
[System.Runtime.Versioning.UnsupportedOSPlatform("windows")]
public sealed class StartTests : IDisposable
{
    private const UnixFileMode Owner = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const string GoodKey = "a-good-key-of-more-than-32-characters-0123456789";

    private readonly TempFolder folder = new();

    private string Data => folder["gatehouse-data"];

    public void Dispose() => folder.Dispose();

    [Fact]
    public async Task The_first_start_makes_what_it_needs_and_says_what_to_do_next()
    {
        await using (var gatehouse = GatehouseProcess.Serve(folder.Path))
        {
            using var http = new HttpClient { BaseAddress = await gatehouse.AddressAsync() };

            await http.AskAsync("/health/ready").ShouldBeAsync(200, """{"status":"ready"}""");
            await Wait.UntilAsync(() => gatehouse.Output.Contains("Ctrl-C", StringComparison.Ordinal), "The welcome");
            Assert.Contains("createsuperuser", gatehouse.Output, StringComparison.Ordinal);
            Assert.Contains("docs/", gatehouse.Output, StringComparison.Ordinal);
            Assert.Contains(http.BaseAddress.Authority, gatehouse.Output, StringComparison.Ordinal);
            await gatehouse.SignalAsync("TERM");
            Assert.Equal(0, await gatehouse.EndAsync());
        }

        var key = Path.Combine(Data, "secret-key");
        Assert.Equal(Owner, File.GetUnixFileMode(key));
        Assert.InRange((await File.ReadAllTextAsync(key, TestContext.Current.CancellationToken)).Trim().Length, 50, 100);
        Assert.True(File.Exists(Path.Combine(Data, "gatehouse.db")));
        // No default account.
        Assert.Equal("[]", (await RunAsync(["dumpdata", "auth.user"])).Output.Trim());
        Assert.Equal(["gatehouse.db", "secret-key"], Directory.GetFiles(Data).Select(Path.GetFileName).Order(StringComparer.Ordinal));
    }

    // The database is in that folder, and each page that is written to it would be an event for the server to read.
    [Fact]
    public async Task The_server_does_not_watch_its_folder_for_changes()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "This test looks into /proc.");
        await using var gatehouse = GatehouseProcess.Serve(folder.Path);
        await gatehouse.AddressAsync();

        Assert.DoesNotContain(Directory.GetFiles($"/proc/{gatehouse.Id}/fd"), open => new FileInfo(open).LinkTarget == "anon_inode:inotify");
    }

    [Fact]
    public async Task A_key_that_is_gone_from_a_database_in_use_is_not_made_anew()
    {
        Assert.Equal(0, (await RunAsync(["migrate"])).Code);
        File.Delete(Path.Combine(Data, "secret-key"));

        var (code, _, errors) = await RunAsync(["runserver", "0"]);

        Assert.Equal(1, code);
        Assert.Contains("secret-key is missing, but the database", errors, StringComparison.Ordinal);
        Assert.Single(errors.Split('\n'));
        Assert.False(File.Exists(Path.Combine(Data, "secret-key")));
    }

    [Theory]
    [InlineData(UnixFileMode.GroupRead)]
    [InlineData(UnixFileMode.OtherRead)]
    [InlineData(UnixFileMode.GroupWrite)]
    public async Task A_key_that_others_can_read_is_refused(UnixFileMode more)
    {
        await WriteKeyAsync(GoodKey, Owner | more);

        await ShouldRefuseAsync("can be read by others than its owner", "chmod 600");
    }

    [Theory]
    [InlineData("short", "needs at least 32")]
    [InlineData("", "is empty")]
    [InlineData("\n", "is empty")]
    public async Task A_key_that_is_no_key_is_refused(string key, string why)
    {
        await WriteKeyAsync(key, Owner);

        await ShouldRefuseAsync(why);
    }

    [Theory]
    [InlineData("Gatehouse__Nonsense", "1", "Nonsense is not a setting")]
    [InlineData("Gatehouse__Session__Nonsense", "1", "Session: Nonsense is not a setting")]
    [InlineData("Gatehouse__DataUploadMaxMemorySize", "much", "DataUploadMaxMemorySize", "a whole number")]
    [InlineData("Gatehouse__Session__CookieSecure", "perhaps", "CookieSecure", "true or false")]
    [InlineData("Gatehouse__Session__CookieAge", "soon", "CookieAge", "seconds, hh:mm:ss or an ISO 8601 duration")]
    [InlineData("Gatehouse__Session__CookieSameSite", "Sometimes", "SESSION_COOKIE_SAMESITE is 'Sometimes'")]
    [InlineData("Gatehouse__Profile", "Careless", "Profile", "Safe or Django or Strict")]
    [InlineData("Gatehouse__PasswordHashers__0", "rot13", "PASSWORD_HASHERS", "rot13")]
    [InlineData("Gatehouse__AllowedHosts", "example.org", "AllowedHosts", "a list")]
    [InlineData("Gatehouse__Database", "mysql://localhost/x", "DATABASES")]
    [InlineData("Gatehouse__SecretKey", "too-short-a-key", "SECRET_KEY has 15 characters")]
    [InlineData("Gatehouse__Csrf__TrustedOrigins__0", "example.org", "CSRF_TRUSTED_ORIGINS", "https://example.org")]
    [InlineData("Gatehouse__RestFramework__DefaultAuthenticationClasses__0", "Nonsense", "DEFAULT_AUTHENTICATION_CLASSES names 'Nonsense'")]
    [InlineData("Gatehouse__RestFramework__DefaultPermissionClasses__0", "Nonsense", "DEFAULT_PERMISSION_CLASSES names 'Nonsense'")]
    [InlineData("Gatehouse__RestFramework__DefaultThrottleClasses__0", "AnonRateThrottle", "No default throttle rate set for 'anon' scope")]
    [InlineData("Gatehouse__RestFramework__NumProxies", "-1", "NUM_PROXIES")]
    public async Task A_wrong_setting_of_the_environment_is_named(string name, string value, params string[] says)
    {
        var (code, output, errors) = await RunAsync(["runserver", "0"], environment: [(name, value)]);

        Assert.Equal(1, code);
        foreach (var text in says) Assert.Contains(text, errors, StringComparison.Ordinal);
        Assert.Single(errors.Split('\n'));
        Assert.DoesNotContain("   at ", errors + output, StringComparison.Ordinal);
        if (name == "Gatehouse__SecretKey") Assert.DoesNotContain(value, errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"SESSION_NONSENSE": 1}""", "SESSION_NONSENSE is not a setting")]
    [InlineData("""{"REST_FRAMEWORK": {"NONSENSE": 1}}""", "REST_FRAMEWORK: NONSENSE is not a setting")]
    [InlineData("""{"REST_FRAMEWORK": []}""", "REST_FRAMEWORK must be an object")]
    [InlineData("""{"SESSION_COOKIE_AGE": "soon"}""", "SESSION_COOKIE_AGE")]
    [InlineData("""{"SESSION_COOKIE_AGE": []}""", "SESSION_COOKIE_AGE is a list")]
    [InlineData("""{"CSRF_USE_SESSIONS": true}""", "CSRF_USE_SESSIONS is true, which this version does not support")]
    [InlineData("""{"AUTH_USER_MODEL": "nonsense"}""", "AUTH_USER_MODEL is 'nonsense'; write app_label.ModelName")]
    [InlineData("""{"DATABASES": {"default": {"ENGINE": "django.db.backends.mysql", "NAME": "x"}}}""", "django.db.backends.mysql")]
    [InlineData("""{"SECRET_KEY": 12345}""", "SECRET_KEY")]
    [InlineData("""{"AUTH_PASSWORD_VALIDATORS": [{"NAME": "NonsenseValidator"}]}""", "NonsenseValidator")]
    [InlineData("[]", "must hold one JSON object")]
    [InlineData("nonsense", "is no JSON")]
    public async Task A_wrong_setting_of_the_file_is_named(string json, string says)
    {
        await File.WriteAllTextAsync(folder["settings.json"], json, TestContext.Current.CancellationToken);

        var (code, output, errors) = await RunAsync(["check", "--settings", "settings.json"]);

        Assert.Equal(1, code);
        Assert.Contains(says, errors, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", errors + output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Settings_come_from_appsettings_then_the_environment_then_the_file_then_the_command_line()
    {
        var ct = TestContext.Current.CancellationToken;
        await File.WriteAllTextAsync(folder["appsettings.json"], """
            {"Gatehouse": {"SecretKey": "a-good-key-of-more-than-32-characters-0123456789", "Database": "sqlite:///from-appsettings.db",
                           "Session": {"CookieName": "from-appsettings", "CookieAge": "01:00:00"}, "Accounts": {"RegistrationOpen": false},
                           "PasswordHashers": ["md5", "pbkdf2_sha256"]}}
            """, ct);
        await File.WriteAllTextAsync(folder["settings.json"], """{"SESSION_COOKIE_AGE": 120, "INSTALLED_APPS": ["shop"], "TEMPLATES": []}""", ct);
        await using var gatehouse = GatehouseProcess.Serve(
            folder.Path, ["--settings", "settings.json", "--database", "sqlite:///from-the-command-line.db"],
            [("Gatehouse__Session__CookieName", "from-environment"), ("Gatehouse__Accounts__RegistrationOpen", "true"), ("Gatehouse__AllowedHosts__0", "127.0.0.1")]);
        using var http = new HttpClient(new SocketsHttpHandler { UseCookies = false }) { BaseAddress = await gatehouse.AddressAsync() };

        await http.AskAsync("/api/accounts/register/", null, "POST", new { username = "alice", password = "violet-Kettle-42" }).ShouldBeAsync(201);
        var login = await http.AskAsync("/api/accounts/login/", null, "POST", new { username = "alice", password = "violet-Kettle-42" });

        Assert.Contains("Max-Age=120;", login.SetCookie("from-environment"), StringComparison.Ordinal);
        Assert.True(File.Exists(folder["from-the-command-line.db"]));
        Assert.False(File.Exists(folder["from-appsettings.db"]));
        Assert.False(Directory.Exists(Data));
        await Wait.UntilAsync(() => gatehouse.Output.Contains("INSTALLED_APPS, TEMPLATES", StringComparison.Ordinal), "Naming what is passed over");
        Assert.DoesNotContain(GoodKey, gatehouse.Output + gatehouse.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_address_in_use_is_one_line_and_not_a_trace()
    {
        await using var first = GatehouseProcess.Serve(folder.Path);
        var address = await first.AddressAsync();

        var (code, output, errors) = await RunAsync(["runserver", address.Authority]);

        Assert.Equal(1, code);
        Assert.Contains(address.Port.ToString(), errors, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", errors + output, StringComparison.Ordinal);
    }

    private async Task ShouldRefuseAsync(params string[] says)
    {
        var (code, _, errors) = await RunAsync(["runserver", "0"]);

        Assert.Equal(1, code);
        foreach (var text in says) Assert.Contains(text, errors, StringComparison.Ordinal);
        Assert.Single(errors.Split('\n'));
        Assert.False(File.Exists(Path.Combine(Data, "gatehouse.db")));
    }

    private async Task WriteKeyAsync(string key, UnixFileMode mode)
    {
        Directory.CreateDirectory(Data);
        await File.WriteAllTextAsync(Path.Combine(Data, "secret-key"), key);
        File.SetUnixFileMode(Path.Combine(Data, "secret-key"), mode);
    }

    private Task<(int Code, string Output, string Errors)> RunAsync(string[] arguments, (string, string)[]? environment = null) =>
        GatehouseProcess.RunAsync(folder.Path, arguments, environment: environment);
}
