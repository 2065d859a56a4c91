using Gatehouse.OAuth;
using Gatehouse.OAuth.Tokens;
using Xunit;

namespace Gatehouse.Tests.OAuth;

/// <summary><c>gatehouse cleartokens</c>: what is deleted, and that nothing that lives is.</summary>
public sealed class ClearTokensTests : OAuthPagesTest
{
    private readonly OAuthOptions options = new();

    [Fact]
    public async Task Without_an_expiry_revoked_orphaned_and_unbound_rows_go()
    {
        await SeedAsync();

        Assert.Equal(4, await ClearAsync());

        Assert.Equal(["bound", "live", "old"], Database.Rows("SELECT token FROM oauth2_provider_refreshtoken ORDER BY token"));
        Assert.Equal(["bound-access", "live-access", "old-access", "unbound-live"], Database.Rows("SELECT token FROM oauth2_provider_accesstoken ORDER BY token"));
        Assert.Empty(Database.BrokenReferences());
        Assert.Equal(0, await ClearAsync());
        await TokenAsync(null, ("grant_type", "refresh_token"), ("refresh_token", "bound"), ("client_id", "tv")).ShouldBeAsync(200);
    }

    [Fact]
    public async Task With_an_expiry_tokens_go_that_were_idle_so_long()
    {
        await SeedAsync();
        options.RefreshTokenExpireSeconds = 7 * 24 * 3600;

        await ClearAsync();

        Assert.Equal(["bound", "live"], Database.Rows("SELECT token FROM oauth2_provider_refreshtoken ORDER BY token"));
        Assert.Equal(["bound-access", "live-access", "unbound-live"], Database.Rows("SELECT token FROM oauth2_provider_accesstoken ORDER BY token"));
    }

    [Theory]
    [InlineData(0, false, null, "bound live old")]
    [InlineData(3600, false, null, "bound live old revoked")]
    [InlineData(60, false, null, "bound live old")]
    [InlineData(0, true, null, "bound live old revoked revoked-long-ago")]
    [InlineData(0, true, 7 * 24 * 3600, "bound live revoked")]
    public async Task Revoked_tokens_stay_for_the_grace_period_and_for_reuse_protection(int grace, bool protection, int? expiry, string left)
    {
        await SeedAsync();
        (options.RefreshTokenGracePeriodSeconds, options.RefreshTokenReuseProtection, options.RefreshTokenExpireSeconds) = (grace, protection, expiry);
        Database.Execute($"UPDATE oauth2_provider_refreshtoken SET revoked = '{Time(Clock.Now.AddDays(-30))}' WHERE token = 'revoked-long-ago'");

        await ClearAsync();

        Assert.Equal(left, string.Join(' ', Database.Rows("SELECT token FROM oauth2_provider_refreshtoken ORDER BY token")));
    }

    [Fact]
    public async Task Expired_codes_ID_tokens_devices_and_our_own_rows_go()
    {
        var alice = await Users.CreateAsync("alice");
        var client = AddClient("tv");
        var micros = (Clock.Now - DateTimeOffset.UnixEpoch).Ticks / 10;
        foreach (var (name, expires) in new[] { ("dead", Clock.Now.AddDays(-2)), ("late", Clock.Now.AddHours(-1)), ("live", Clock.Now.AddMinutes(1)) })
        {
            Database.Execute(
                $"""
                INSERT INTO oauth2_provider_grant (code, expires, redirect_uri, scope, application_id, user_id, created, updated, code_challenge, code_challenge_method, nonce, claims, resource)
                    VALUES ('{name}', '{Time(expires)}', 'https://x', 'read', {client}, {alice.Id}, '2026-01-01', '2026-01-01', '', '', '', '', '[]');
                INSERT INTO oauth2_provider_idtoken (jti, expires, scope, created, updated, application_id, user_id)
                    VALUES ('{(int)name[1]:d32}', '{Time(expires)}', 'openid', '2026-01-01', '2026-01-01', {client}, {alice.Id});
                INSERT INTO oauth2_provider_devicegrant (device_code, user_code, interval, expires, status, client_id, last_checked, scope)
                    VALUES ('{name}', '{name}', 5, '{Time(expires)}', 'authorization-pending', 'tv', '2026-01-01', '');
                """);
        }
        foreach (var (name, expires) in new[] { ("dead", micros - 1), ("live", micros + 60_000_000) })
        {
            Database.Execute(
                $"""
                INSERT INTO gatehouse_oauth_used_code (code_checksum, application_id, token_checksum, expires) VALUES ('{name}', {client}, 'x', {expires});
                INSERT INTO gatehouse_oauth_assertion (client_id, jti, expires) VALUES ('tv', '{name}', {expires});
                INSERT INTO gatehouse_oauth_pushed_request (request_uri, client_id, parameters, expires, started) VALUES ('{name}', 'tv', '', {expires}, FALSE);
                """);
        }

        Assert.Equal(2 + 2 + 1 + 3, await ClearAsync());

        foreach (var (table, column) in new[] { ("oauth2_provider_grant", "code"), ("gatehouse_oauth_used_code", "code_checksum"), ("gatehouse_oauth_assertion", "jti"), ("gatehouse_oauth_pushed_request", "request_uri") })
            Assert.Equal(["live"], Database.Rows($"SELECT {column} FROM {table}"));
        Assert.Equal([$"{(int)'i':d32}"], Database.Rows("SELECT jti FROM oauth2_provider_idtoken"));
        // Its device is told that it came too late.
        await ErrorAsync(PollAsync("late"), 400, "expired_token");
        await ErrorAsync(PollAsync("dead"), 400, "invalid_grant");
    }

    // R14
    [Fact]
    public async Task Tokens_that_are_refreshed_meanwhile_live()
    {
        var alice = await Users.CreateAsync("alice");
        var client = AddClient("tv");
        Database.Execute(
            $"""
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
            INSERT INTO oauth2_provider_refreshtoken (token, token_checksum, application_id, user_id, created, updated, revoked, resource)
            SELECT 'r' || i, 'c' || i, {client}, {alice.Id}, '2026-01-01', '2026-01-01', '2026-01-02', '[]' FROM n
            """);
        AddRefreshToken(client, alice, "first-refresh-token", AddAccessToken(client, alice, "first-access-token", Clock.Now.AddDays(-1)));
        var reported = new List<int>();

        var clearing = ClearAsync(new Each(reported));
        var refresh = "first-refresh-token";
        var rotations = 0;
        while (!clearing.IsCompleted || rotations < 20)
        {
            var answer = await TokenAsync(null, ("grant_type", "refresh_token"), ("refresh_token", refresh), ("client_id", "tv"));
            await answer.ShouldBeAsync(200);
            refresh = (string)(await answer.JsonAsync())["refresh_token"]!;
            rotations++;
        }

        Assert.True(await clearing >= 3000);
        // In small transactions, each told of.
        Assert.True(reported.Count >= 6 && reported.SequenceEqual(reported.Order()));
        Assert.Equal("1", One("SELECT count(*) FROM oauth2_provider_refreshtoken WHERE revoked IS NULL"));
        await TokenAsync(null, ("grant_type", "refresh_token"), ("refresh_token", refresh), ("client_id", "tv")).ShouldBeAsync(200);
    }

    private Task<int> ClearAsync(IProgress<int>? progress = null) =>
        Server.Get<Gatehouse.Database.Sweeper>().RunAsync([new ClearTokens(Server.Get<Gatehouse.OAuth.OAuthApp>(), options)], progress, Ct);

    private async Task SeedAsync()
    {
        var alice = await Users.CreateAsync("alice");
        var client = AddClient("tv");
        var (past, longPast) = (Clock.Now.AddHours(-1), Clock.Now.AddDays(-30));
        AddRefreshToken(client, alice, "live", AddAccessToken(client, alice, "live-access"));
        AddRefreshToken(client, alice, "bound", AddAccessToken(client, alice, "bound-access", past));
        AddRefreshToken(client, alice, "old", AddAccessToken(client, alice, "old-access", longPast));
        AddRefreshToken(client, alice, "orphan", access: null);
        var revoked = AddRefreshToken(client, alice, "revoked", access: null, revoked: Clock.Now.AddMinutes(-10));
        AddRefreshToken(client, alice, "revoked-long-ago", access: null, revoked: Clock.Now.AddMinutes(-20));
        // What came of a revoked one outlives it.
        Database.Execute($"UPDATE oauth2_provider_accesstoken SET source_refresh_token_id = {revoked} WHERE token = 'live-access'");
        AddAccessToken(client, alice, "unbound-dead", past);
        AddAccessToken(client, null, "unbound-live");
    }

    private sealed class Each(List<int> values) : IProgress<int>
    {
        public void Report(int value)
        {
            lock (values) values.Add(value);
        }
    }
}
