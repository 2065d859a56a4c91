using System.Collections.Concurrent;
using Gatehouse.OAuth.Tokens;
using Gatehouse.Tests.Database;
using Gatehouse.Tests.Jwt;
using Gatehouse.Users;
using Xunit;

namespace Gatehouse.Tests.OAuth.Grants;

/// <summary>Section R of the attack list, as far as OAuth's refresh tokens are concerned.</summary>
public sealed class RefreshTokenTests : OAuthPagesTest
{
    private static readonly int Rounds = JwtTest.RoundsOr(10);

    private readonly ConcurrentQueue<string> told = [];
    private User alice = null!;

    protected override void Configure(GatehouseOptions options) => options.Events.RefreshTokenReused += reuse =>
    {
        told.Enqueue(reuse.User.Username);
        return Task.CompletedTask;
    };

    protected override async Task StartAsync()
    {
        await base.StartAsync();
        alice = await Users.CreateAsync("alice");
        AddClient("app", grant: "password");
        AddClient("other", grant: "password");
    }

    // R1, R16
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Of_64_refreshes_at_once_by_two_servers_one_rotates(bool hashed)
    {
        var one = await StartServerAsync(options => options.OAuth.CompliantBcpRfc9700TokenStorage = hashed);
        var other = await StartServerAsync(options => options.OAuth.CompliantBcpRfc9700TokenStorage = hashed);
        for (var round = 1; round <= Rounds; round++)
        {
            var refresh = (await ObtainAsync(one)).Refresh;
            var answers = await Task.WhenAll(Enumerable.Range(0, 64).Select(i => RefreshAsync(refresh, i % 2 == 0 ? one : other)));

            var won = Assert.Single(answers, answer => (int)answer.StatusCode == 200);
            Assert.All(answers.Where(answer => answer != won), answer => Assert.Equal(400, (int)answer.StatusCode));
            Assert.Equal($"{round}|{round}", One(Live));
        }
    }

    // R1: inside the window all are told the same.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Within_the_grace_period_everybody_gets_the_same_pair(bool hashed)
    {
        void Set(GatehouseOptions options) => (options.OAuth.RefreshTokenGracePeriodSeconds, options.OAuth.CompliantBcpRfc9700TokenStorage) = (60, hashed);
        var (one, other) = (await StartServerAsync(Set), await StartServerAsync(Set));
        for (var round = 1; round <= Rounds; round++)
        {
            var refresh = (await ObtainAsync(one)).Refresh;
            var answers = await Task.WhenAll(Enumerable.Range(0, 64).Select(i => RefreshAsync(refresh, i % 2 == 0 ? one : other)));

            var pairs = await Task.WhenAll(answers.Select(PairAsync));
            Assert.Single(pairs.Distinct());
            Assert.Equal($"{round}|{round}", One(Live));
            await Http.AskAsync("/api/accounts/profile/", "Bearer " + pairs[0].Access).ShouldBeAsync(200);
        }
    }

    // R2
    [Fact]
    public async Task Nothing_survives_a_revocation_that_was_answered_with_200()
    {
        for (var round = 0; round < Rounds; round++)
        {
            var (access, refresh) = await ObtainAsync();
            var refreshing = Enumerable.Range(0, 4).Select(_ => RefreshAsync(refresh)).ToList();
            var revoked = await RevokeAsync(round % 2 == 0 ? refresh : access);
            await revoked.ShouldBeAsync(200);
            foreach (var answer in await Task.WhenAll(refreshing))
            {
                if ((int)answer.StatusCode != 200) continue;
                var (next, nextRefresh) = await PairAsync(answer);
                if (round % 2 != 0) continue;
                await Http.AskAsync("/api/accounts/profile/", "Bearer " + next).ShouldBeAsync(401);
                await InvalidAsync(nextRefresh);
            }
            await Http.AskAsync("/api/accounts/profile/", "Bearer " + access).ShouldBeAsync(401);
            if (round % 2 == 0) await InvalidAsync(refresh);
        }
    }

    // R3
    [Fact]
    public async Task A_token_that_is_sent_again_ends_its_family_and_the_owner_is_told_once()
    {
        var server = await StartServerAsync(options => options.OAuth.RefreshTokenReuseProtection = true);
        var first = await ObtainAsync(server);
        var second = await PairAsync(await RefreshAsync(first.Refresh, server));
        var unrelated = await ObtainAsync(server);

        for (var time = 0; time < 5; time++) await InvalidAsync(first.Refresh, server);

        await InvalidAsync(second.Refresh, server);
        await server.Http.AskAsync("/api/accounts/profile/", "Bearer " + second.Access).ShouldBeAsync(401);
        await server.Http.AskAsync("/api/accounts/profile/", "Bearer " + unrelated.Access).ShouldBeAsync(200);
        await RefreshAsync(unrelated.Refresh, server).ShouldBeAsync(200);
        Assert.Equal(["alice"], told);
        Assert.Contains(Log.Lines, line => line.Contains("was sent again: its family is ended", StringComparison.Ordinal));
    }

    // R4
    [Fact]
    public async Task A_token_two_generations_old_is_a_replay_even_within_the_grace_period()
    {
        var server = await StartServerAsync(options => (options.OAuth.RefreshTokenReuseProtection, options.OAuth.RefreshTokenGracePeriodSeconds) = (true, 60));
        var first = await ObtainAsync(server);
        var second = await PairAsync(await RefreshAsync(first.Refresh, server));
        var third = await PairAsync(await RefreshAsync(second.Refresh, server));

        await InvalidAsync(first.Refresh, server);

        await InvalidAsync(third.Refresh, server);
        Assert.Equal("0|0", One(Live));
    }

    // R5, R18
    [Fact]
    public async Task What_was_revoked_on_purpose_has_no_grace_period()
    {
        var server = await StartServerAsync(options => options.OAuth.RefreshTokenGracePeriodSeconds = 60);
        var byRefresh = await ObtainAsync(server);
        await RevokeAsync(byRefresh.Refresh, server: server).ShouldBeAsync(200);
        await InvalidAsync(byRefresh.Refresh, server);
        await server.Http.AskAsync("/api/accounts/profile/", "Bearer " + byRefresh.Access).ShouldBeAsync(401);

        var byAccess = await ObtainAsync(server);
        await RevokeAsync(byAccess.Access, server: server).ShouldBeAsync(200);
        await InvalidAsync(byAccess.Refresh, server);

        // Nor what was rotated, and then revoked by its client.
        var rotated = await ObtainAsync(server);
        var next = await PairAsync(await RefreshAsync(rotated.Refresh, server));
        await RevokeAsync(rotated.Refresh, server: server).ShouldBeAsync(200);
        await InvalidAsync(next.Refresh, server);
        await InvalidAsync(rotated.Refresh, server);
    }

    // R6
    [Fact]
    public async Task What_was_revoked_stays_so_when_the_server_starts_again()
    {
        var (_, refresh) = await ObtainAsync();
        await RevokeAsync(refresh).ShouldBeAsync(200);
        await Server.StopAsync();

        await InvalidAsync(refresh, await StartServerAsync());
    }

    // R9
    [Fact]
    public async Task Another_clients_token_is_refused_and_unharmed()
    {
        var server = await StartServerAsync(options => options.OAuth.RefreshTokenReuseProtection = true);
        var first = await ObtainAsync(server);
        var second = await PairAsync(await RefreshAsync(first.Refresh, server));

        foreach (var token in new[] { first.Refresh, second.Refresh })
            await ErrorAsync(RefreshAsync(token, server, "other"), 400, "invalid_grant");
        await ErrorAsync(RefreshAsync(second.Refresh, server, client: null), 401, "invalid_client");
        await ErrorAsync(RefreshAsync(second.Refresh, server, "nobody"), 401, "invalid_client");

        await RefreshAsync(second.Refresh, server).ShouldBeAsync(200);
        Assert.Empty(told);
    }

    // R10
    [Fact]
    public async Task A_refresh_asks_for_no_more_than_was_granted()
    {
        var (_, refresh) = await PairAsync(await TokenAsync(
            null, ("grant_type", "password"), ("client_id", "app"), ("username", "alice"), ("password", TestUsers.PasswordOf("alice")), ("scope", "read"),
            ("resource", "https://api.example/v1")));

        foreach (var scope in new[] { "write", "read write", "nosuch", "read  read", "READ", "read\twrite" })
            await ErrorAsync(RefreshAsync(refresh, more: [("scope", scope)]), 400, "invalid_scope");
        foreach (var resource in new[] { "https://api.example/", "https://api.example/v1/x", "https://api.example/v10", "https://other.example/v1", "http://api.example/v1", "x" })
            await ErrorAsync(RefreshAsync(refresh, more: [("resource", resource)]), 400, "invalid_target");

        await RefreshAsync(refresh, more: [("scope", "read"), ("resource", "https://api.example/v1")]).ShouldBeAsync(200);
    }

    // R11
    [Theory]
    [InlineData("password")]
    [InlineData("deactivated")]
    [InlineData("deleted")]
    public async Task What_happens_to_the_user_happens_to_the_tokens(string what)
    {
        var server = await StartServerAsync(options => options.OAuth.RefreshTokenGracePeriodSeconds = 60);
        var rotated = await ObtainAsync(server);
        var next = await PairAsync(await RefreshAsync(rotated.Refresh, server));
        switch (what)
        {
            case "password": Assert.True(await server.Get<UserAccounts>().SetPasswordAsync(alice.Id, "Another-horse-42", Ct)); break;
            case "deactivated": await Users.DeactivateAsync(alice); break;
            default: Database.Execute($"{(TestDatabase.IsPostgres ? "SET session_replication_role = replica" : "PRAGMA foreign_keys = OFF")}; DELETE FROM auth_user WHERE id = {alice.Id}"); break;
        }

        await InvalidAsync(next.Refresh, server);
        await InvalidAsync(rotated.Refresh, server);
        await server.Http.AskAsync("/api/accounts/profile/", "Bearer " + next.Access).ShouldBeAsync(401);
    }

    // R12
    [Fact]
    public async Task However_often_it_is_used_a_family_ends_with_its_age()
    {
        var server = await StartServerAsync(options => options.OAuth.RefreshTokenMaxAgeSeconds = 7 * 24 * 3600);
        var (_, refresh) = await ObtainAsync(server);
        for (var day = 0; day < 6; day++)
        {
            Clock.Advance(TimeSpan.FromDays(1));
            refresh = (await PairAsync(await RefreshAsync(refresh, server))).Refresh;
        }
        Clock.Advance(TimeSpan.FromDays(1));

        await InvalidAsync(refresh, server);
    }

    [Fact]
    public async Task An_idle_token_ends_so_long_after_its_access_token()
    {
        var server = await StartServerAsync(options => (options.OAuth.AccessTokenExpireSeconds, options.OAuth.RefreshTokenExpireSeconds) = (60, 600));
        var (_, refresh) = await ObtainAsync(server);
        Clock.Advance(TimeSpan.FromSeconds(659));
        refresh = (await PairAsync(await RefreshAsync(refresh, server))).Refresh;
        Clock.Advance(TimeSpan.FromSeconds(660));

        await InvalidAsync(refresh, server);
    }

    // R13: not by the clock, which says nothing on a busy machine, but by what is written: a dead family is not written again.
    [Fact]
    public async Task A_dead_family_of_any_size_is_looked_at_and_left_alone()
    {
        var server = await StartServerAsync(options => options.OAuth.RefreshTokenReuseProtection = true);
        var (_, refresh) = await ObtainAsync(server);
        var family = One("SELECT token_family FROM oauth2_provider_refreshtoken");
        Database.Execute(
            $"""
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
            INSERT INTO oauth2_provider_refreshtoken (token, token_checksum, access_token_id, application_id, user_id, created, updated, revoked, token_family, resource)
            SELECT 'old-' || i, 'old-' || i, NULL, (SELECT application_id FROM oauth2_provider_refreshtoken LIMIT 1), {alice.Id}, '2026-01-01', '2026-01-01', '2026-01-01', '{family}', '[]' FROM n
            """);
        Database.Execute($"UPDATE oauth2_provider_refreshtoken SET token_checksum = '{TokenText.Checksum("old-7")}' WHERE token = 'old-7'");
        // The newest row is the one that tells whether a family is live.
        Database.Execute($"UPDATE oauth2_provider_refreshtoken SET id = 1000000 WHERE token = '{refresh}'");

        await InvalidAsync("old-7", server);
        Assert.Equal("0", One("SELECT count(*) FROM oauth2_provider_refreshtoken WHERE revoked IS NULL"));
        var touched = string.Join(',', Database.Rows("SELECT DISTINCT updated FROM oauth2_provider_refreshtoken ORDER BY updated"));
        Clock.Advance(TimeSpan.FromMinutes(1));
        for (var time = 0; time < 20; time++) await InvalidAsync("old-7", server);

        Assert.Equal(touched, string.Join(',', Database.Rows("SELECT DISTINCT updated FROM oauth2_provider_refreshtoken ORDER BY updated")));
        Assert.Equal(["alice"], told);
    }

    // R17
    [Fact]
    public async Task A_wall_clock_that_is_set_back_revives_nothing()
    {
        var server = await StartServerAsync(options => (options.OAuth.RefreshTokenReuseProtection, options.OAuth.RefreshTokenGracePeriodSeconds) = (true, 60));
        var rotated = await ObtainAsync(server);
        await RefreshAsync(rotated.Refresh, server).ShouldBeAsync(200);
        Clock.Advance(TimeSpan.FromHours(-1));
        await InvalidAsync(rotated.Refresh, server);

        var later = await ObtainAsync(server);
        Clock.Advance(TimeSpan.FromDays(1));
        await server.Http.AskAsync("/api/accounts/profile/", "Bearer " + later.Access).ShouldBeAsync(401);
        var answer = await RefreshAsync(later.Refresh, server);
        await answer.ShouldBeAsync(200);
        Assert.Equal(36_000, (int)(await answer.JsonAsync())["expires_in"]!);
    }

    // R20
    [Fact]
    public async Task After_a_restored_backup_no_token_of_before_is_good()
    {
        var before = await ObtainAsync();
        Clock.Advance(TimeSpan.FromHours(1));
        var server = await StartServerAsync(options => options.TokensNotBefore = Clock.Now);

        await server.Http.AskAsync("/api/accounts/profile/", "Bearer " + before.Access).ShouldBeAsync(401);
        await InvalidAsync(before.Refresh, server);
        var after = await ObtainAsync(server);
        await server.Http.AskAsync("/api/accounts/profile/", "Bearer " + after.Access).ShouldBeAsync(200);
        await RefreshAsync(after.Refresh, server).ShouldBeAsync(200);
    }

    [Fact]
    public async Task Without_rotation_the_token_stays_and_the_access_token_is_new()
    {
        var server = await StartServerAsync(options => options.OAuth.RotateRefreshToken = false);
        var first = await ObtainAsync(server);

        var second = await PairAsync(await RefreshAsync(first.Refresh, server));

        Assert.Equal(first.Refresh, second.Refresh);
        Assert.NotEqual(first.Access, second.Access);
        await server.Http.AskAsync("/api/accounts/profile/", "Bearer " + first.Access).ShouldBeAsync(401);
        await server.Http.AskAsync("/api/accounts/profile/", "Bearer " + second.Access).ShouldBeAsync(200);
    }

    [Theory]
    [InlineData("")]
    [InlineData("x")]
    [InlineData("' OR 1=1 --")]
    [InlineData("\0")]
    [InlineData("é")]
    public async Task Anything_else_is_no_token(string text) => await InvalidAsync(text);

    [Fact]
    public async Task A_token_of_any_length_is_no_failure()
    {
        await InvalidAsync(new string('a', 16 * 1024));
        await InvalidAsync(new string('a', 16 * 1024 + 1));
        await InvalidAsync(new string('a', 1_000_000));
    }

    private const string Live =
        "SELECT (SELECT count(*) FROM oauth2_provider_refreshtoken WHERE revoked IS NULL) || '|' || (SELECT count(*) FROM oauth2_provider_accesstoken)";

    private Task InvalidAsync(string refresh, TestServer? server = null) => ErrorAsync(RefreshAsync(refresh, server), 400, "invalid_grant");

    private async Task<(string Access, string Refresh)> ObtainAsync(TestServer? server = null) => await PairAsync(await TokenAsync(
        (server ?? Server).Http, ("grant_type", "password"), ("client_id", "app"), ("username", "alice"), ("password", TestUsers.PasswordOf("alice"))));

    private Task<HttpResponseMessage> RefreshAsync(string refresh, TestServer? server = null, string? client = "app", params (string Name, string Value)[] more) =>
        TokenAsync((server ?? Server).Http, [("grant_type", "refresh_token"), ("refresh_token", refresh), .. client is null ? [] : new[] { ("client_id", client) }, .. more]);

    private Task<HttpResponseMessage> RevokeAsync(string token, string client = "app", TestServer? server = null) =>
        PostFormAsync("/o/revoke_token/", (server ?? Server).Http, ("token", token), ("client_id", client));

    private async Task<(string Access, string Refresh)> PairAsync(HttpResponseMessage answer)
    {
        await answer.ShouldBeAsync(200);
        var json = await answer.JsonAsync();
        var pair = ((string)json["access_token"]!, (string)json["refresh_token"]!);
        Secrets.Add(pair.Item1);
        Secrets.Add(pair.Item2);
        return pair;
    }
}
