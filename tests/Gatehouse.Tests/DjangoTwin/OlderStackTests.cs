using Gatehouse.Database;
using Gatehouse.Tests.Database;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Gatehouse.Tests.DjangoTwin;

/// <summary>Databases that Django 4.2 made (tests/DjangoTwin/older): each is served, or refused with what to do.</summary>
[Trait(TestDatabase.SqliteOnly, "yes")]
public sealed class OlderStackTests : GatehouseTest
{
    [Theory]
    [InlineData("django-4.2-simplejwt-5.2", null)]
    [InlineData("django-4.2-without-blacklist", null)]
    [InlineData("django-4.2-oauth-toolkit-3.0", false)]
    [InlineData("django-4.2-oauth-toolkit-2.4", false)]
    public async Task What_is_in_a_database_of_Django_4_2_goes_on_working(string name, bool? oauth)
    {
        Make(name);
        var hasBlacklist = Database.Rows("SELECT name FROM sqlite_master WHERE name = 'token_blacklist_outstandingtoken'").Count > 0;
        await StartServerAsync(options =>
        {
            options.OAuth.Enabled = oauth;
            options.RestFramework.DefaultAuthenticationClasses = ["OAuth2Authentication", "JWTAuthentication", "TokenAuthentication", "SessionAuthentication", "BasicAuthentication"];
            options.Jwt.RotateRefreshTokens = true;
            options.Jwt.BlacklistAfterRotation = hasBlacklist;
        });
        // What Django made: password, token, session, refresh token.
        await Http.AskAsync("/api/accounts/profile/", "Token " + string.Concat(Enumerable.Repeat("a11ce", 8))).ShouldBeAsync(200);
        var session = NewBrowser();
        session.SessionKey = Assert.Single(Database.Rows("SELECT session_key FROM django_session"));
        await session.GetAsync("/api/accounts/profile/").ShouldBeAsync(200);
        var browser = await NewBrowser().LogInAsync("alice", "Correct-horse-alice");
        var pair = await (await Http.AskAsync("/api/token/", method: "POST", json: new { username = "alice", password = "Correct-horse-alice" })).JsonAsync();
        await Http.AskAsync("/api/accounts/profile/", $"Bearer {pair["access"]}").ShouldBeAsync(200);
        if (hasBlacklist)
        {
            var refresh = Assert.Single(Database.Rows("SELECT token FROM token_blacklist_outstandingtoken ORDER BY id LIMIT 1"));
            await Http.AskAsync("/api/token/refresh/", method: "POST", json: new { refresh }).ShouldBeAsync(200);
            await Http.AskAsync("/api/token/refresh/", method: "POST", json: new { refresh }).ShouldBeAsync(401);
        }
        // No tables that this server could use for OAuth: no OAuth, and no error.
        await Http.AskAsync("/api/accounts/profile/", "Bearer nobody-knows-it").ShouldBeAsync(401);
        await Http.PostTextAsync("/o/token/", "grant_type=client_credentials", "application/x-www-form-urlencoded").ShouldBeAsync(404);
        await browser.GetAsync("/o/applications/").ShouldBeAsync(404);
    }

    [Theory]
    [InlineData("django-4.2-oauth-toolkit-3.0", "oauth2_provider.0013_alter_application_authorization_grant_type_device")]
    [InlineData("django-4.2-oauth-toolkit-2.4", "oauth2_provider.0011_refreshtoken_token_family")]
    public async Task An_older_django_oauth_toolkit_is_refused_with_what_to_do_and_nothing_is_changed(string name, string missing)
    {
        Make(name);
        var before = await File.ReadAllBytesAsync(SqliteFile.Path, Ct);

        var refusal = await Assert.ThrowsAsync<MigrationException>(() => StartServerAsync());

        Assert.Contains($"older than 3.4: these migrations are not applied: {missing}, ", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("Upgrade django-oauth-toolkit to 3.4", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("Gatehouse:OAuth:Enabled false", refusal.Message, StringComparison.Ordinal);
        Assert.Equal(before, await File.ReadAllBytesAsync(SqliteFile.Path, Ct));
    }

    [Fact]
    public async Task OAuth_that_is_asked_for_and_has_no_tables_stops_the_start()
    {
        Make("django-4.2-simplejwt-5.2");

        var refusal = await Assert.ThrowsAsync<SettingException>(() => StartServerAsync(options => options.OAuth.Enabled = true));

        Assert.Contains("Add oauth2_provider to the Django project's INSTALLED_APPS", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_password_is_changed_where_there_are_no_tables_of_OAuth()
    {
        Make("django-4.2-simplejwt-5.2");
        var server = await StartServerAsync();
        var accounts = server.Get<Gatehouse.Users.UserAccounts>();

        Assert.True(await accounts.SetPasswordAsync((await accounts.FindAsync("alice", Ct))!.Id, "Another-battery-staple-7", Ct));

        await NewBrowser().LogInAsync("alice", "Another-battery-staple-7");
    }

    // What was recorded was made by the machine's clock.
    protected override void AddServices(IServiceCollection services) => services.AddSingleton(TimeProvider.System);

    protected override Task StartAsync() => Task.CompletedTask;

    private void Make(string name)
    {
        File.Delete(SqliteFile.Path);
        // As it was printed, a table that is referred to may come behind its rows.
        Database.Execute("PRAGMA foreign_keys = OFF;\n" + File.ReadAllText(Path.Combine(DatabaseFile.Root, "tests", "DjangoTwin", "older", name + ".sql")));
    }
}
