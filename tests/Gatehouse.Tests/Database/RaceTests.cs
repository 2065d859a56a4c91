using Gatehouse.Administration;
using Gatehouse.AuthTokens;
using Gatehouse.Jwt;
using Gatehouse.OAuth.Tokens;
using Gatehouse.Tests.Jwt;
using Gatehouse.Users;
using Xunit;

namespace Gatehouse.Tests.Database;

/// <summary>
/// What has two sides that meet: one makes tokens, the other ends them all. Two servers, each with connections of its own, so that nothing in
/// one process decides. Once-only operations of one kind (rotation, codes, names) are raced beside their features.
/// </summary>
public sealed class RaceTests : JwtTest
{
    private const string NewPassword = "another-Horse-entirely-77";
    private const string Live = """
        SELECT count(*) || '' FROM token_blacklist_outstandingtoken o WHERE NOT EXISTS (SELECT 1 FROM token_blacklist_blacklistedtoken b WHERE b.token_id = o.id)
        """;

    private const string All = "SELECT jti FROM token_blacklist_outstandingtoken ORDER BY id";

    private static readonly int Rounds = RoundsOr(4);

    private TestServer second = null!;
    private TestServer[] pair = [];

    protected override void Configure(GatehouseOptions options)
    {
        options.Jwt.RotateRefreshTokens = true;
        options.Jwt.BlacklistAfterRotation = true;
        options.Jwt.RefreshRetryWindow = TimeSpan.FromSeconds(1);
        options.OAuth.PasswordChangeEndsTokens = true;
        options.OAuth.RefreshTokenReuseProtection = true;
        // Thirty logins at once with a password that was right a moment ago.
        options.Accounts.LoginFailureLimit = 0;
        // Made past the validators: what these tests are about comes later.
        options.AuthPasswordValidators = [];
    }

    protected override async Task StartAsync()
    {
        await base.StartAsync();
        second = await StartServerAsync();
        pair = [Server, second];
    }

    private TestServer Either(int i) => pair[i % 2];

    /// <summary>Two servers that note which token came of which, or not: PostgreSQL then rotates in another way.</summary>
    private async Task ServeAsync(bool families, bool checks = false)
    {
        pair = [await StartServerAsync(Set), await StartServerAsync(Set)];

        void Set(GatehouseOptions options)
        {
            if (!families) options.Jwt.RefreshRetryWindow = TimeSpan.Zero;
            options.Jwt.CheckRevokeToken = checks;
        }
    }

    /// <summary>So many tokens of one user, one after the other: logins at once would wait for the hash.</summary>
    private async Task<List<string>> TokensAsync(string username, int count = 64)
    {
        var tokens = new List<string>();
        for (var i = 0; i < count; i++) tokens.Add((await ObtainAsync(username, Either(i))).Refresh);
        return tokens;
    }

    /// <summary>Refreshes all at once, and in their midst does what ends them.</summary>
    /// <returns>The successors of those that came before it.</returns>
    private async Task<List<string>> RefreshWhileAsync(List<string> tokens, Func<Task> end)
    {
        var refreshing = tokens[..32].Select((token, i) => RefreshAsync(token, Either(i))).ToList();
        var ending = end();
        refreshing.AddRange(tokens[32..].Select((token, i) => RefreshAsync(token, Either(i))));
        var answers = await Task.WhenAll(refreshing);
        await ending;
        Assert.All(answers, answer => Assert.Contains((int)answer.StatusCode, new[] { 200, 401 }));
        var successors = new List<string>();
        foreach (var answer in answers.Where(answer => (int)answer.StatusCode == 200)) successors.Add((await PairAsync(answer)).Refresh);
        return successors;
    }

    // R11
    [Theory, InlineData(true), InlineData(false)]
    public async Task Of_64_refreshes_beside_a_logout_everywhere_none_leaves_a_live_token(bool families)
    {
        await ServeAsync(families);
        var alice = await Users.CreateAsync("alice");
        for (var round = 0; round < Rounds; round++)
        {
            await RefreshWhileAsync(await TokensAsync("alice"), () => Either(round).Get<TokenBlacklist>().LogOutEverywhereAsync(alice.Id, Ct));
            Assert.Equal(["0"], Database.Rows(Live));
        }
    }

    // R11. Without CHECK_REVOKE_TOKEN: the change itself ends them.
    [Theory, InlineData(true), InlineData(false)]
    public async Task Of_64_refreshes_beside_a_new_password_none_leaves_a_live_token(bool families)
    {
        await ServeAsync(families);
        var alice = await Users.CreateAsync("alice");
        for (var round = 0; round < Rounds; round++)
        {
            await RefreshWhileAsync(await TokensAsync("alice"), () => Either(round).Get<UserAccounts>().SetPasswordAsync(alice.Id, TestUsers.PasswordOf("alice"), Ct));
            Assert.Equal(["0"], Database.Rows(Live));
        }
    }

    // R11. Django knows nothing of our locks; what it has committed is seen all the same.
    [Theory, InlineData(true), InlineData(false)]
    public async Task Of_64_refreshes_beside_a_password_that_Django_sets_none_is_made_after_it(bool families)
    {
        await ServeAsync(families, checks: true);
        var alice = await Users.CreateAsync("alice");
        for (var round = 0; round < Rounds; round++)
        {
            var before = new List<string>();
            var successors = await RefreshWhileAsync(
                await TokensAsync("alice"),
                async () =>
                {
                    await Task.Yield();
                    await Users.SetPasswordAsync(alice, $"of Django, round {round}");
                    before = Database.Rows(All);
                });
            Assert.Equal(before, Database.Rows(All));
            foreach (var token in successors) await RefreshAsync(token, Either(round)).ShouldBeAsync(401);
            await Users.SetPasswordAsync(alice, TestUsers.PasswordOf("alice"));
        }
    }

    // R11
    [Theory, InlineData(true), InlineData(false)]
    public async Task Of_64_refreshes_beside_a_deactivation_none_is_made_after_it(bool families)
    {
        await ServeAsync(families);
        var alice = await Users.CreateAsync("alice");
        for (var round = 0; round < Rounds; round++)
        {
            var before = new List<string>();
            var successors = await RefreshWhileAsync(
                await TokensAsync("alice"),
                async () =>
                {
                    await Task.Yield();
                    await Users.DeactivateAsync(alice);
                    before = Database.Rows(All);
                });
            Assert.Equal(before, Database.Rows(All));
            foreach (var token in successors) await RefreshAsync(token, Either(round)).ShouldBeAsync(401);
            Database.Execute("UPDATE auth_user SET is_active = 1");
        }
    }

    // R11
    [Theory, InlineData(true), InlineData(false)]
    public async Task Of_64_refreshes_beside_a_deletion_none_is_made_for_nobody(bool families)
    {
        await ServeAsync(families);
        for (var round = 0; round < Rounds; round++)
        {
            var user = await Users.CreateAsync($"user-{round}");
            var before = new List<string>();
            var successors = await RefreshWhileAsync(
                await TokensAsync(user.Username),
                async () =>
                {
                    Assert.Equal(OwnDeletion.Done, await Either(round).Get<AdminOperations>().DeleteOwnAsync(user, Ct));
                    before = Database.Rows(All);
                });

            Assert.Equal(before, Database.Rows(All));
            Assert.Empty(Database.Rows($"SELECT jti FROM token_blacklist_outstandingtoken WHERE user_id = {user.Id}"));
            Assert.Empty(Database.BrokenReferences());
            foreach (var token in successors) await RefreshAsync(token, Either(round)).ShouldBeAsync(401);
        }
    }

    // R2, R15
    [Fact]
    public async Task Of_32_refreshes_and_32_blacklistings_of_one_token_one_call_succeeds()
    {
        await Users.CreateAsync("alice");
        for (var round = 0; round < Rounds * 2; round++)
        {
            var (_, refresh) = await ObtainAsync("alice");
            var calls = await Task.WhenAll(Enumerable.Range(0, 64).Select(async i =>
            {
                // The order in which they set out changes with the round.
                var blacklists = (i + round) % 2 == 0;
                var answer = await PostAsync(blacklists ? "/api/token/blacklist/" : "/api/token/refresh/", new { refresh }, Either(i / 2));
                return (Blacklists: blacklists, Status: (int)answer.StatusCode);
            }));

            // There is a window for retries, so several may have got the same pair.
            Assert.All(calls, call => Assert.Contains(call.Status, new[] { 200, 401 }));
            var blacklisted = calls.Count(call => call.Blacklists && call.Status == 200);
            var refreshed = calls.Count(call => !call.Blacklists && call.Status == 200);
            Assert.True(blacklisted == 1 ? refreshed == 0 : blacklisted == 0 && refreshed >= 1, $"{blacklisted} blacklisted, {refreshed} refreshed");
            Assert.Equal([blacklisted == 1 ? "0" : "1"], Database.Rows(Live));
            Database.Execute("DELETE FROM token_blacklist_blacklistedtoken");
            Database.Execute("DELETE FROM token_blacklist_outstandingtoken");
        }
    }

    // R14
    [Fact]
    public async Task Rows_that_are_swept_while_their_user_is_logged_out_everywhere_fail_neither()
    {
        var alice = await Users.CreateAsync("alice");
        for (var round = 0; round < Rounds; round++)
        {
            Database.Execute($"""
                WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
                INSERT INTO token_blacklist_outstandingtoken (token, created_at, expires_at, jti, user_id)
                SELECT 'x', '2026-01-01 00:00:00', '2026-01-02 00:00:00', 'round {round}, ' || i, {alice.Id} FROM n
                """);
            var tokens = await TokensAsync("alice", 8);

            var sweeping = second.Get<TokenBlacklist>().FlushExpiredAsync(ct: Ct);
            var ended = 0;
            do ended += await Server.Get<TokenBlacklist>().LogOutEverywhereAsync(alice.Id, Ct);
            while (!sweeping.IsCompleted);

            Assert.Equal(1000, await sweeping);
            Assert.InRange(ended, 8, 1008);
            Assert.Equal(["0"], Database.Rows(Live));
            Assert.Empty(Database.BrokenReferences());
            foreach (var token in tokens) await RefreshAsync(token).ShouldBeAsync(401);
        }
    }

    [Fact]
    public async Task A_login_with_the_old_password_leaves_nothing_alive_after_the_change()
    {
        Secrets.Add(NewPassword);
        for (var round = 0; round < Rounds; round++)
        {
            var name = $"user-{round}";
            var user = await Users.CreateAsync(name);
            var logins = Enumerable.Range(0, 32).Select(i => PostAsync("/api/token/", new { username = name, password = TestUsers.PasswordOf(name) }, Either(i))).ToList();
            var changed = second.Get<UserAccounts>().SetPasswordAsync(user.Id, NewPassword, Ct);
            var answers = await Task.WhenAll(logins);
            Assert.True(await changed);

            Assert.All(answers, answer => Assert.Contains((int)answer.StatusCode, new[] { 200, 401 }));
            Assert.Equal(["0"], Database.Rows(Live));
            await PostAsync("/api/token/", new { username = name, password = NewPassword }).ShouldBeAsync(200);
            await second.Get<TokenBlacklist>().LogOutEverywhereAsync(user.Id, Ct);
        }
    }

    [Fact]
    public async Task A_family_that_ends_while_it_rotates_is_dead_after_it()
    {
        var alice = await Users.CreateAsync("alice");
        for (var round = 0; round < Rounds * 4; round++)
        {
            var (_, first) = await ObtainAsync("alice");
            var (_, live) = await PairAsync(await RefreshAsync(first));
            Clock.Advance(TimeSpan.FromSeconds(2));

            // A thief sends the first again while its owner refreshes, and goes on with what comes of it.
            var replay = RefreshAsync(first, second);
            var chain = Task.Run(
                async () =>
                {
                    for (var i = 0; i < 4; i++)
                    {
                        var answer = await RefreshAsync(live, Either(i));
                        if ((int)answer.StatusCode != 200) return;
                        live = (await PairAsync(answer)).Refresh;
                    }
                },
                Ct);
            await replay.ShouldBeAsync(401);
            await chain;

            Assert.Equal(["0"], Database.Rows(Live));
        }
        Assert.NotNull(alice);
    }

    [Fact]
    public async Task Of_64_who_renew_a_token_the_one_that_counts_is_one_that_was_given()
    {
        var alice = await Users.CreateAsync("alice");
        for (var round = 0; round < Rounds; round++)
        {
            var keys = await Task.WhenAll(Enumerable.Range(0, 64).Select(i => Either(i).Get<TokenStore>().RenewAsync(alice.Id, Ct)));
            foreach (var key in keys) Secrets.Add(key);

            Assert.Contains(Database.Rows("SELECT key FROM authtoken_token").Single(), keys);
        }
    }

    [Fact]
    public async Task Of_64_who_ask_two_servers_for_the_first_token_all_get_the_same()
    {
        for (var round = 0; round < Rounds; round++)
        {
            var user = await Users.CreateAsync($"user-{round}");
            var keys = await Task.WhenAll(Enumerable.Range(0, 64).Select(i => Either(i).Get<TokenStore>().GetOrCreateAsync(user.Id, Ct)));
            Secrets.Add(keys[0]);

            Assert.Single(keys.Distinct());
        }
    }

    [Fact]
    public async Task Of_64_who_register_one_name_with_two_servers_one_makes_the_user()
    {
        for (var round = 0; round < Rounds; round++)
        {
            var (username, password) = ($"user-{round}", NewPassword);
            Secrets.Add(password);
            var answers = await Task.WhenAll(Enumerable.Range(0, 64).Select(i => PostAsync("/api/accounts/register/", new { username, password }, Either(i))));

            Assert.Single(answers, answer => (int)answer.StatusCode == 201);
            Assert.Equal(63, answers.Count(answer => (int)answer.StatusCode == 400));
        }
    }

    [Fact]
    public async Task OAuth_tokens_that_are_refreshed_while_all_of_a_user_end_leave_none()
    {
        Secrets.Add(NewPassword);
        Database.Execute("""
            INSERT INTO oauth2_provider_application (client_id, client_secret, hash_client_secret, client_type, authorization_grant_type, name, redirect_uris,
                post_logout_redirect_uris, allowed_origins, skip_authorization, algorithm, registration_source, created, updated)
            VALUES ('app', '', FALSE, 'public', 'authorization-code', 'app', '', '', '', FALSE, '', 'manual', '2026-01-01', '2026-01-01')
            """);
        for (var round = 0; round < Rounds; round++)
        {
            var user = await Users.CreateAsync($"user-{round}");
            var refreshTokens = new List<string>();
            for (var i = 0; i < 16; i++)
            {
                var (access, refresh) = ($"access-{round}-{i}-of-the-race", $"refresh-{round}-{i}-of-the-race");
                Secrets.Add(access);
                Secrets.Add(refresh);
                refreshTokens.Add(refresh);
                Database.Execute($"""
                    INSERT INTO oauth2_provider_accesstoken (token, token_checksum, expires, scope, application_id, user_id, created, updated, resource)
                    VALUES ('{access}', '{TokenText.Checksum(access)}', '2030-01-01', 'read', 1, {user.Id}, '2026-01-01', '2026-01-01', '[]');
                    INSERT INTO oauth2_provider_refreshtoken (token, token_checksum, access_token_id, application_id, user_id, created, updated, token_family, resource)
                    VALUES ('{refresh}', '{TokenText.Checksum(refresh)}', (SELECT MAX(id) FROM oauth2_provider_accesstoken), 1, {user.Id}, '2026-07-01', '2026-07-01', '{Guid.NewGuid():N}', '[]');
                    """);
            }

            var refreshing = refreshTokens.Select((token, i) => Either(i).Http.PostAsync(
                "/o/token/", new FormUrlEncodedContent([new("grant_type", "refresh_token"), new("refresh_token", token), new("client_id", "app")]), Ct)).ToList();
            var changed = second.Get<UserAccounts>().SetPasswordAsync(user.Id, NewPassword, Ct);
            var answers = await Task.WhenAll(refreshing);
            Assert.True(await changed);

            Assert.All(answers, answer => Assert.Contains((int)answer.StatusCode, new[] { 200, 400 }));
            Assert.Equal(["0"], Database.Rows($"SELECT count(*) FROM oauth2_provider_accesstoken WHERE user_id = {user.Id}"));
            Assert.Equal(["0"], Database.Rows($"SELECT count(*) FROM oauth2_provider_refreshtoken WHERE user_id = {user.Id} AND revoked IS NULL"));
        }
    }
}
