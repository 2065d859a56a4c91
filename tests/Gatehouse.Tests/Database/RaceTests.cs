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

    private static readonly int Rounds = RoundsOr(4);

    private TestServer second = null!;

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
    }

    private TestServer Either(int i) => i % 2 == 0 ? Server : second;

    [Fact]
    public async Task Whatever_is_made_while_a_user_is_logged_out_everywhere_no_old_token_has_a_live_child()
    {
        var alice = await Users.CreateAsync("alice");
        for (var round = 0; round < Rounds; round++)
        {
            var tokens = new List<string>();
            for (var i = 0; i < 16; i++) tokens.Add((await ObtainAsync("alice")).Refresh);

            var refreshing = tokens.Select((token, i) => RefreshAsync(token, Either(i))).ToList();
            var ended = Either(round).Get<TokenBlacklist>().LogOutEverywhereAsync(alice.Id, Ct);
            await Task.WhenAll(refreshing);
            await ended;

            Assert.Equal(["0"], Database.Rows(Live));
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
