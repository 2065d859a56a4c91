using System.Globalization;
using Gatehouse.Database;
using Gatehouse.Jwt;
using Gatehouse.OAuth;
using Gatehouse.OAuth.Tokens;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Gatehouse.Tests.Database;

/// <summary>The sweeper inside the server: what it clears, who does it, and that nothing that lives is lost.</summary>
public sealed class SweeperTests : GatehouseTest
{
    private static readonly string[] DjangosTables =
    [
        "django_session", "token_blacklist_outstandingtoken", "token_blacklist_blacklistedtoken", "oauth2_provider_accesstoken", "oauth2_provider_refreshtoken",
        "oauth2_provider_idtoken", "oauth2_provider_grant", "oauth2_provider_devicegrant",
    ];

    private static readonly string[] OwnTables =
        ["gatehouse_throttle", "gatehouse_jwt_rotation", "gatehouse_oauth_used_code", "gatehouse_oauth_assertion", "gatehouse_oauth_pushed_request"];

    private Lease NewLease() => new(Server.Get<Db>(), "test", Clock);

    [Fact]
    public async Task A_server_clears_dead_rows_of_every_kind_and_the_living_stay()
    {
        Plant("dead", Clock.Now.AddDays(-3));
        Plant("live", Clock.Now.AddHours(1));

        await StartServerAsync(options => (options.Sweeper.Enabled, options.Sweeper.Interval) = (true, TimeSpan.FromSeconds(1)));

        await Wait.UntilAsync(() => Log.Lines.Any(line => line.Contains("rows whose time is over, in", StringComparison.Ordinal)), "A sweep");
        Assert.All(DjangosTables.Concat(OwnTables), table => Assert.Equal([$"{table} 1"], Database.Rows($"SELECT '{table} ' || count(*) FROM {table}")));
        Assert.Equal(["live"], Database.Rows("SELECT session_key FROM django_session"));
        Assert.Empty(Database.BrokenReferences());
        // Once in an interval, whoever does it.
        Assert.Equal([Micros(Clock.Now.AddSeconds(1))], Database.Rows("SELECT expires || '' FROM gatehouse_lease WHERE name = 'sweeper'"));
    }

    [Fact]
    public async Task Under_the_profile_Django_its_tables_are_left_to_its_commands()
    {
        Plant("dead", Clock.Now.AddDays(-3));

        await StartServerAsync(options => (options.Sweeper.Enabled, options.Sweeper.Interval, options.Profile) = (null, TimeSpan.FromSeconds(1), Profile.Django));

        await Wait.UntilAsync(() => Log.Lines.Any(line => line.Contains("rows whose time is over, in", StringComparison.Ordinal)), "A sweep");
        Assert.All(DjangosTables, table => Assert.Equal([$"{table} 1"], Database.Rows($"SELECT '{table} ' || count(*) FROM {table}")));
        Assert.All(OwnTables, table => Assert.Equal([$"{table} 0"], Database.Rows($"SELECT '{table} ' || count(*) FROM {table}")));
    }

    [Fact]
    public async Task Without_the_OAuth_app_there_is_nothing_of_it_to_clear()
    {
        Plant("dead", Clock.Now.AddDays(-3));
        Database.Execute("DELETE FROM django_migrations WHERE app = 'oauth2_provider'");

        var app = new OAuthApp(new OAuthOptions());
        await app.PrepareAsync(Server.Get<Migrations>(), Ct);

        await Server.Get<Sweeper>().RunAsync([new ClearTokens(app, new OAuthOptions())], null, Ct);

        Assert.Equal(["1|0"], Database.Rows("SELECT (SELECT count(*) FROM oauth2_provider_grant), (SELECT count(*) FROM gatehouse_oauth_used_code)"));
    }

    [Fact]
    public async Task Of_64_that_want_the_lease_at_once_one_has_it()
    {
        var won = await Task.WhenAll(Enumerable.Range(0, 64).Select(_ => NewLease().TryTakeAsync(TimeSpan.FromHours(1), Ct)));

        Assert.Single(won, true);
    }

    [Fact]
    public async Task When_its_holder_has_died_another_takes_the_lease_and_the_first_has_lost_it()
    {
        var (db, one, other) = (Server.Get<Db>(), NewLease(), NewLease());
        Assert.True(await one.TryTakeAsync(TimeSpan.FromHours(1), Ct));
        Clock.Advance(TimeSpan.FromSeconds(50));
        Assert.True(await db.WriteAsync(one.HoldAsync, Ct));
        Clock.Advance(TimeSpan.FromSeconds(50));
        Assert.False(await other.TryTakeAsync(TimeSpan.FromHours(1), Ct));

        Clock.Advance(TimeSpan.FromSeconds(10));
        Assert.True(await other.TryTakeAsync(TimeSpan.FromHours(1), Ct));
        Assert.False(await db.WriteAsync(one.HoldAsync, Ct));
        Assert.False(await one.KeepAsync(Ct));
        Assert.True(await other.KeepAsync(Ct));

        // Given back, it is nobody's until the next turn.
        await other.ReleaseAsync(TimeSpan.FromHours(1), Ct);
        Clock.Advance(TimeSpan.FromMinutes(59));
        Assert.False(await one.TryTakeAsync(TimeSpan.FromHours(1), Ct));
        Clock.Advance(TimeSpan.FromMinutes(1));
        Assert.True(await one.TryTakeAsync(TimeSpan.FromHours(1), Ct));
    }

    // R17
    [Fact]
    public async Task A_clock_that_was_a_day_ahead_stops_no_sweep()
    {
        Clock.Advance(TimeSpan.FromDays(1));
        Assert.True(await NewLease().TryTakeAsync(TimeSpan.FromHours(1), Ct));
        Clock.Advance(TimeSpan.FromDays(-1));

        Assert.True(await NewLease().TryTakeAsync(TimeSpan.FromHours(1), Ct));
    }

    [Fact]
    public async Task Whoever_has_lost_the_lease_deletes_no_more()
    {
        Database.Execute(
            """
            WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
            INSERT INTO token_blacklist_outstandingtoken (token, created_at, expires_at, jti) SELECT '', '2026-01-01', '2026-01-02', 'jti' || i FROM n
            """);
        var lease = NewLease();
        Assert.True(await lease.TryTakeAsync(TimeSpan.FromHours(1), Ct));

        var deleted = await Server.Get<Sweeper>().RunAsync(
            [Server.Get<FlushExpired>()], new Then(() => Database.Execute("UPDATE gatehouse_lease SET holder = 'another'")), Ct, lease);

        Assert.Equal(40, deleted);
        Assert.Equal(["960"], Database.Rows("SELECT count(*) FROM token_blacklist_outstandingtoken"));
    }

    [Fact]
    [Trait(TestDatabase.SqliteOnly, "yes")]
    public async Task Every_table_of_ours_with_an_expiry_is_swept()
    {
        var due = new List<Due>();
        foreach (var sweep in Server.Services.GetServices<ISweep>()) due.AddRange(await sweep.DueAsync(Clock.Now, Ct));
        var swept = due.Where(one => one.Rows.IsOwn).Select(one => one.Rows.Delete!.Text).ToList();

        var expiring = Database.Rows("SELECT m.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.name LIKE 'gatehouse\\_%' ESCAPE '\\' AND c.name = 'expires' AND m.name <> 'gatehouse_lease'");

        Assert.NotEmpty(expiring);
        Assert.All(expiring, table => Assert.Contains(swept, text => text.StartsWith($"DELETE FROM {table} ", StringComparison.Ordinal)));
    }

    /// <summary>One row in each table that is swept, dead from that time on.</summary>
    private void Plant(string name, DateTimeOffset expires)
    {
        var (time, micros) = (expires.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture), Micros(expires));
        Database.Execute(
            $"""
            INSERT INTO auth_user (id, password, last_login, is_superuser, username, last_name, email, is_staff, is_active, date_joined, first_name)
                VALUES (7, '!', NULL, FALSE, 'alice', '', '', FALSE, TRUE, '2026-01-01 00:00:00', '') ON CONFLICT DO NOTHING;
            INSERT INTO oauth2_provider_application (id, client_id, redirect_uris, client_type, authorization_grant_type, client_secret, name, skip_authorization, created, updated,
                algorithm, post_logout_redirect_uris, hash_client_secret, allowed_origins, registration_source)
                VALUES (5, 'web', '', 'public', 'password', '', '', FALSE, '2026-01-01', '2026-01-01', '', '', FALSE, '', '') ON CONFLICT DO NOTHING;
            INSERT INTO django_session VALUES ('{name}', '', '{time}');
            INSERT INTO token_blacklist_outstandingtoken (token, created_at, expires_at, jti, user_id) VALUES ('', '2026-01-01', '{time}', '{name}', 7);
            INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id) SELECT '2026-01-01', id FROM token_blacklist_outstandingtoken WHERE jti = '{name}';
            INSERT INTO oauth2_provider_idtoken (jti, expires, scope, created, updated, application_id, user_id) VALUES ('{(int)name[1]:d32}', '{time}', '', '2026-01-01', '2026-01-01', 5, 7);
            INSERT INTO oauth2_provider_accesstoken (token, token_checksum, expires, scope, application_id, user_id, created, updated, id_token_id, resource)
                SELECT '{name}', '{name}', '{time}', '', 5, 7, '2026-01-01', '2026-01-01', id, '[]' FROM oauth2_provider_idtoken WHERE jti = '{(int)name[1]:d32}';
            INSERT INTO oauth2_provider_refreshtoken (token, token_checksum, application_id, user_id, created, updated, revoked, access_token_id, resource)
                SELECT '{name}', '{name}', 5, 7, '2026-01-01', '2026-01-01', {(name == "dead" ? $"'{time}'" : "NULL")}, {(name == "live" ? "id" : "NULL")}, '[]'
                FROM oauth2_provider_accesstoken WHERE token = '{name}';
            INSERT INTO oauth2_provider_grant (code, expires, redirect_uri, scope, application_id, user_id, created, updated, code_challenge, code_challenge_method, nonce, claims, resource)
                VALUES ('{name}', '{time}', '', '', 5, 7, '2026-01-01', '2026-01-01', '', '', '', '', '[]');
            INSERT INTO oauth2_provider_devicegrant (device_code, user_code, interval, expires, status, client_id, last_checked, scope) VALUES ('{name}', '{name}', 5, '{time}', '', 'web', '2026-01-01', '');
            INSERT INTO gatehouse_throttle (key, at, expires) VALUES ('{name}', 0, {micros});
            INSERT INTO gatehouse_jwt_rotation (jti, family, expires) VALUES ('{name}', '{name}', {micros});
            INSERT INTO gatehouse_oauth_used_code (code_checksum, application_id, token_checksum, expires) VALUES ('{name}', 5, '', {micros});
            INSERT INTO gatehouse_oauth_assertion (client_id, jti, expires) VALUES ('web', '{name}', {micros});
            INSERT INTO gatehouse_oauth_pushed_request (request_uri, client_id, parameters, expires, started) VALUES ('{name}', 'web', '', {micros}, FALSE);
            """);
    }

    private static string Micros(DateTimeOffset time) => ((time - DateTimeOffset.UnixEpoch).Ticks / 10).ToString(CultureInfo.InvariantCulture);

    private sealed class Then(Action then) : IProgress<int>
    {
        public void Report(int value) => then();
    }
}
