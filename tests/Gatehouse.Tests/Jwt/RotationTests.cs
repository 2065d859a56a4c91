using Gatehouse.Database;
using Gatehouse.Jwt;
using Gatehouse.Tests.Database;
using Gatehouse.Users;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Xunit;

namespace Gatehouse.Tests.Jwt;

/// <summary>Section R of the security tests, as far as JSON Web Tokens are concerned.</summary>
public sealed class RotationTests : JwtTest
{
    private static readonly int Rounds = RoundsOr(10);

    protected override void Configure(GatehouseOptions options)
    {
        options.Jwt.RotateRefreshTokens = true;
        options.Jwt.BlacklistAfterRotation = true;
    }

    private const string AreLive = "FROM token_blacklist_outstandingtoken o WHERE NOT EXISTS (SELECT 1 FROM token_blacklist_blacklistedtoken b WHERE b.token_id = o.id)";
    private const string Live = "SELECT count(*) || '' " + AreLive;
    private const string LiveIds = "SELECT o.jti " + AreLive + " ORDER BY o.id";

    // R1, R16
    [Fact]
    public async Task Of_64_refreshes_at_once_by_two_servers_one_gets_the_new_pair()
    {
        await Users.CreateAsync("alice");
        var second = await StartServerAsync();
        for (var round = 1; round <= Rounds; round++)
        {
            var (_, refresh) = await ObtainAsync("alice");
            var answers = await Task.WhenAll(Enumerable.Range(0, 64).Select(i => RefreshAsync(refresh, i % 2 == 0 ? Server : second)));

            var won = Assert.Single(answers, answer => (int)answer.StatusCode == 200);
            Assert.All(answers.Where(answer => answer != won), answer => Assert.Equal(401, (int)answer.StatusCode));
            Assert.Equal([$"{round}"], Database.Rows(Live));
        }
    }

    // R2, R15
    [Fact]
    public async Task Nothing_survives_a_blacklisting_that_was_answered_with_200()
    {
        await Users.CreateAsync("alice");
        for (var round = 0; round < Rounds * 3; round++)
        {
            var (_, refresh) = await ObtainAsync("alice");
            var refreshing = Enumerable.Range(0, 4).Select(_ => RefreshAsync(refresh)).ToList();
            var blacklisting = PostAsync("/api/token/blacklist/", new { refresh });
            var refreshed = await Task.WhenAll(refreshing);
            var ended = (int)(await blacklisting).StatusCode == 200;

            Assert.Equal(ended ? 0 : 1, refreshed.Count(answer => (int)answer.StatusCode == 200));
            Assert.Equal([ended ? "0" : "1"], Database.Rows(Live));
            foreach (var answer in refreshed.Where(answer => (int)answer.StatusCode == 200))
                await PostAsync("/api/token/blacklist/", new { refresh = (await PairAsync(answer)).Refresh }).ShouldBeAsync(200);
        }
    }

    [Fact]
    public async Task A_rotation_whose_end_nobody_told_is_found_done()
    {
        var alice = await Users.CreateAsync("alice");
        var (_, refresh) = await ObtainAsync("alice");
        var old = new NewToken(refresh, (string)ClaimsOf(refresh).GetProperty("jti").GetString()!, Clock.Now.AddDays(1));
        var next = new NewToken("its successor", "the id of its successor", Clock.Now.AddDays(1));
        var blacklist = Server.Get<TokenBlacklist>();

        Assert.Equal(Rotation.Done, await blacklist.RotateAsync(old, next, alice, Clock.Now, Ct));
        Assert.Equal(Rotation.Done, await blacklist.RotateAsync(old, next, alice, Clock.Now, Ct));

        Assert.Equal([next.Jti], Database.Rows(LiveIds));
        Assert.Equal(Rotation.WasDead, await blacklist.RotateAsync(old, next with { Jti = "another" }, alice, Clock.Now, Ct));
    }

    [Fact, Trait(TestDatabase.PostgresOnly, "yes")]
    public async Task A_rotation_that_was_committed_with_others_and_nobody_told_gives_its_token()
    {
        var alice = await Users.CreateAsync("alice");
        var deaf = await StartServerAsync(services: services => services.AddSingleton<Db>(_ => new DeafDb(Database.Url)));
        var (_, first) = await ObtainAsync("alice", deaf);

        var (_, second) = await PairAsync(await RefreshAsync(first, deaf));

        Assert.Equal([ClaimsOf(second).GetProperty("jti").GetString()!], Database.Rows(LiveIds));
        Assert.Equal(["1"], Database.Rows("SELECT count(*) || '' FROM gatehouse_audit WHERE event = 'token_refreshed'"));
        await RefreshAsync(first, deaf).ShouldBeAsync(401, Blacklisted);
        await Users.DeactivateAsync(alice);
        await RefreshAsync(second, deaf).ShouldBeAsync(401);
        Assert.Equal([ClaimsOf(second).GetProperty("jti").GetString()!], Database.Rows(LiveIds));
    }

    /// <summary>A connection that breaks each time before it is told how a commit ended.</summary>
    private sealed class DeafDb(string url) : Db
    {
        private readonly Db db = Open(url);

        public override string Name => db.Name;
        public override SqlTexts Texts => db.Texts;

        public override Task<T?> FirstAsync<T>(Sql<T> sql, CancellationToken ct, params ReadOnlySpan<(string Name, object? Value)> parameters) where T : default =>
            db.FirstAsync(sql, ct, parameters);

        public override Task<List<T>> AllAsync<T>(Sql<T> sql, CancellationToken ct, params ReadOnlySpan<(string Name, object? Value)> parameters) => db.AllAsync(sql, ct, parameters);
        public override Task<T> ReadAsync<T>(Func<Tx, Task<T>> work, CancellationToken ct) => db.ReadAsync(work, ct);
        public override Task<T> WriteAsync<T>(Func<Tx, Task<T>> work, CancellationToken ct) => db.WriteAsync(work, ct);
        public override Task<T> WriteRelaxedAsync<T>(Func<Tx, Task<T>> work, CancellationToken ct) => db.WriteRelaxedAsync(work, ct);

        public override Task<bool?> TryTogetherAsync(Sql sql, CancellationToken ct, params ReadOnlySpan<(string Name, object? Value)> parameters) =>
            ForgetAsync(db.TryTogetherAsync(sql, ct, parameters));

        private static async Task<bool?> ForgetAsync(Task<bool?> end)
        {
            await end;
            return null;
        }

        protected override Task<bool> TryWriteAsync(CancellationToken ct) => Task.FromResult(true);

        public override void Dispose() => db.Dispose();
    }

    [Fact]
    public async Task The_audit_log_names_whose_token_it_was()
    {
        var alice = await Users.CreateAsync("alice");
        var (_, refresh) = await ObtainAsync("alice");
        // Neither Django nor we let such a name in.
        Database.Execute("UPDATE auth_user SET username = 'al\u001b[1mice\u0085'");

        var (_, next) = await PairAsync(await RefreshAsync(refresh));

        Assert.Equal(
            [$"{alice.Id}|al\uFFFD[1mice\uFFFD|JSON Web Token {ClaimsOf(next).GetProperty("jti").GetString()}"],
            Database.Rows("SELECT user_id, username, detail FROM gatehouse_audit WHERE event = 'token_refreshed'"));
    }

    [Theory, Trait(TestDatabase.PostgresOnly, "yes")]
    [InlineData("SELECT 1 FROM auth_user WHERE username = 'alice' FOR UPDATE", false, 200)]
    [InlineData("UPDATE auth_user SET first_name = 'Alice' WHERE username = 'alice'", true, 200)]
    [InlineData("UPDATE auth_user SET is_active = FALSE WHERE username = 'alice'", true, 401)]
    [InlineData("UPDATE auth_user SET is_active = FALSE WHERE username = 'alice'", false, 200)]
    [InlineData("INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id) SELECT now(), MIN(id) FROM token_blacklist_outstandingtoken", true, 401)]
    [InlineData("INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id) SELECT now(), MIN(id) FROM token_blacklist_outstandingtoken", false, 200)]
    public async Task Who_waits_for_a_row_keeps_nobody_else_waiting(string locks, bool commits, int status)
    {
        await Users.CreateAsync("alice");
        await Users.CreateAsync("bob");
        var (_, ofAlice) = await ObtainAsync("alice");
        var (_, ofBob) = await ObtainAsync("bob");
        await using var other = new NpgsqlConnection(DatabaseUrl.Postgres(Database.Url).ToString());
        await other.OpenAsync(Ct);
        await using var transaction = await other.BeginTransactionAsync(Ct);
        await using (var command = new NpgsqlCommand(locks, other)) await command.ExecuteNonQueryAsync(Ct);

        var waiting = Task.Run(() => RefreshAsync(ofAlice));
        for (var i = 0; i < 20; i++) ofBob = (await PairAsync(await RefreshAsync(ofBob))).Refresh;

        Assert.False(waiting.IsCompleted);
        if (commits) await transaction.CommitAsync(Ct);
        else await transaction.RollbackAsync(Ct);
        await (await waiting).ShouldBeAsync(status);
    }

    [Fact, Trait(TestDatabase.PostgresOnly, "yes")]
    public async Task Of_those_that_are_committed_together_one_that_fails_takes_nobody_with_it()
    {
        await Users.CreateAsync("alice");
        var (_, refused) = await ObtainAsync("alice");
        var tokens = new List<string>();
        for (var i = 0; i < 16; i++)
        {
            await Users.CreateAsync($"user-{i}");
            tokens.Add((await ObtainAsync($"user-{i}")).Refresh);
        }
        // Whatever fails in the database, it is not their doing.
        Database.Execute("""
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not her' USING ERRCODE = '53100'; END $$;
            CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON token_blacklist_outstandingtoken DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.user_id = 1) EXECUTE FUNCTION refuse()
            """);
        Assert.Equal(["1"], Database.Rows("SELECT id FROM auth_user WHERE username = 'alice'"));

        var answers = await Task.WhenAll(tokens.Select(token => RefreshAsync(token)).Append(RefreshAsync(refused)));

        Assert.All(answers[..^1], answer => Assert.Equal(200, (int)answer.StatusCode));
        Assert.Equal(503, (int)answers[^1].StatusCode);
        Assert.Equal(["17"], Database.Rows(Live));
        Assert.Equal(["16"], Database.Rows("SELECT count(*) FROM gatehouse_audit WHERE event = 'token_refreshed'"));
    }

    // R11
    [Fact]
    public async Task Nothing_survives_a_logout_everywhere()
    {
        var alice = await Users.CreateAsync("alice");
        for (var round = 0; round < Rounds; round++)
        {
            var pairs = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => ObtainAsync("alice")));
            var refreshing = pairs.Select(pair => RefreshAsync(pair.Refresh)).ToList();
            await Server.Get<TokenBlacklist>().LogOutEverywhereAsync(alice.Id, Ct);
            Assert.All(await Task.WhenAll(refreshing), answer => Assert.True((int)answer.StatusCode is 200 or 401));
            // What was made before it is ended by it, and after it nothing is made.
            Assert.Equal(["0"], Database.Rows(Live));
        }
    }

    // R11
    [Fact]
    public async Task Nothing_survives_a_new_password()
    {
        var alice = await Users.CreateAsync("alice");
        var accounts = Server.Get<UserAccounts>();
        for (var round = 0; round < Rounds; round++)
        {
            var pairs = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => ObtainAsync("alice")));
            var busy = pairs.Select(pair => RefreshAsync(pair.Refresh))
                .Append(PostAsync("/api/token/", new { username = "alice", password = TestUsers.PasswordOf("alice") })).ToList();
            Assert.True(await accounts.SetPasswordAsync(alice.Id, $"another password {round}", Ct));
            Assert.All(await Task.WhenAll(busy), answer => Assert.True((int)answer.StatusCode is 200 or 401));
            // What was made before it is ended by it, and after it nothing is made: neither from a token nor with the old password.
            Assert.Equal(["0"], Database.Rows(Live));
            await Users.SetPasswordAsync(alice, TestUsers.PasswordOf("alice"));
        }
    }

    // R11
    [Fact]
    public async Task Under_the_profile_Django_refresh_tokens_survive_a_new_password_unless_told_otherwise()
    {
        var alice = await Users.CreateAsync("alice");
        foreach (var (ends, status) in new (bool?, int)[] { (null, 200), (false, 200), (true, 401) })
        {
            var server = await StartServerAsync(options => (options.Profile, options.Jwt.PasswordChangeEndsTokens) = (Profile.Django, ends));
            var (_, refresh) = await ObtainAsync("alice", server);
            await server.Get<UserAccounts>().SetPasswordAsync(alice.Id, TestUsers.PasswordOf("alice"), Ct);

            await RefreshAsync(refresh, server).ShouldBeAsync(status);
        }
    }

    // R11
    [Fact]
    public async Task No_token_of_a_deactivated_user_can_be_used_whenever_it_was_made()
    {
        var alice = await Users.CreateAsync("alice");
        for (var round = 0; round < Rounds; round++)
        {
            var pairs = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => ObtainAsync("alice")));
            var refreshing = pairs.Select(pair => RefreshAsync(pair.Refresh)).ToList();
            await Users.DeactivateAsync(alice);
            var before = Database.Rows(LiveIds);
            foreach (var answer in await Task.WhenAll(refreshing))
            {
                Assert.True((int)answer.StatusCode is 200 or 401);
                if ((int)answer.StatusCode == 200) await RefreshAsync((await PairAsync(answer)).Refresh).ShouldBeAsync(401);
            }
            // No rotation was committed after it.
            Assert.Equal(before, Database.Rows(LiveIds));
            Database.Execute("UPDATE auth_user SET is_active = 1");
        }
    }

    [Fact]
    public async Task A_token_of_another_server_with_the_same_key_is_recorded_when_it_is_rotated()
    {
        var alice = await Users.CreateAsync("alice");
        var foreign = Sign(Refresh(alice));

        await RefreshAsync(foreign).ShouldBeAsync(200);
        await RefreshAsync(foreign).ShouldBeAsync(401, Blacklisted);

        Assert.Equal([$"{foreign}|1"], Database.Rows("SELECT o.token, o.user_id || '' FROM token_blacklist_outstandingtoken o JOIN token_blacklist_blacklistedtoken b ON b.token_id = o.id"));
    }

    // J21
    [Fact]
    public async Task After_a_password_change_the_revoke_claim_ends_refresh_and_access_tokens()
    {
        var server = await StartServerAsync(options => options.Jwt.CheckRevokeToken = true);
        var alice = await Users.CreateAsync("alice");
        var (access, refresh) = await ObtainAsync("alice", server);
        await server.Http.AskAsync("/jwt/", "Bearer " + access).ShouldBeAsync(200);

        await Users.SetPasswordAsync(alice, "quite another one");

        const string Changed = """{"detail":"The user's password has been changed.","code":"password_changed"}""";
        await server.Http.AskAsync("/jwt/", "Bearer " + access).ShouldBeAsync(401, Changed);
        await RefreshAsync(refresh, server).ShouldBeAsync(401, Changed);
    }

    [Fact]
    public async Task Within_the_window_a_retry_gets_the_same_successor()
    {
        var server = await StartServerAsync(options => options.Jwt.RefreshRetryWindow = TimeSpan.FromSeconds(10));
        await Users.CreateAsync("alice");
        var (_, first) = await ObtainAsync("alice", server);

        var answers = await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => RefreshAsync(first, server)));
        var next = new HashSet<string>();
        foreach (var answer in answers) next.Add((await PairAsync(answer)).Refresh);
        Assert.Single(next);
        Clock.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal(next.Single(), (await PairAsync(await RefreshAsync(first, server))).Refresh);
        Assert.Equal(["1"], Database.Rows(Live));
    }

    // R17. Two servers' clocks are never quite the same.
    [Fact]
    public async Task A_clock_that_is_a_little_behind_ends_no_family_within_the_window()
    {
        var server = await StartServerAsync(options => options.Jwt.RefreshRetryWindow = TimeSpan.FromSeconds(10));
        await Users.CreateAsync("alice");
        var (_, first) = await ObtainAsync("alice", server);
        Clock.Advance(TimeSpan.FromHours(1));
        var (_, next) = await PairAsync(await RefreshAsync(first, server));

        // Before the successor's own second it is not good yet, so nothing is given; but nobody is robbed of it either.
        Clock.Advance(TimeSpan.FromSeconds(-10));
        await RefreshAsync(first, server).ShouldBeAsync(401, Blacklisted);
        Clock.Advance(TimeSpan.FromSeconds(10) - TimeSpan.FromMilliseconds(50));
        Assert.Equal(next, (await PairAsync(await RefreshAsync(first, server))).Refresh);
        Assert.Equal(["1"], Database.Rows(Live));

        Clock.Advance(TimeSpan.FromMinutes(-30));
        await RefreshAsync(first, server).ShouldBeAsync(401, Blacklisted);
        Assert.Equal(["0"], Database.Rows(Live));
    }

    [Fact]
    public async Task A_retry_of_a_user_who_was_deactivated_or_has_another_password_gets_nothing()
    {
        var server = await StartServerAsync(options => options.Jwt.RefreshRetryWindow = TimeSpan.FromSeconds(10));
        var alice = await Users.CreateAsync("alice");
        var (_, first) = await ObtainAsync("alice", server);
        await RefreshAsync(first, server).ShouldBeAsync(200);

        await Users.DeactivateAsync(alice);
        await RefreshAsync(first, server).ShouldBeAsync(401);
        Database.Execute("UPDATE auth_user SET is_active = 1");
        await RefreshAsync(first, server).ShouldBeAsync(200);
        await server.Get<UserAccounts>().SetPasswordAsync(alice.Id, TestUsers.PasswordOf("alice"), Ct);
        await RefreshAsync(first, server).ShouldBeAsync(401, Blacklisted);
    }

    // R3
    [Fact]
    public async Task Under_Strict_a_replay_at_the_very_same_moment_ends_the_family()
    {
        var server = await StartServerAsync(options => options.Profile = Profile.Strict);
        await Users.CreateAsync("alice");
        var (_, first) = await ObtainAsync("alice", server);
        var (_, second) = await PairAsync(await RefreshAsync(first, server));

        await RefreshAsync(first, server).ShouldBeAsync(401, Blacklisted);
        await RefreshAsync(second, server).ShouldBeAsync(401, Blacklisted);
    }

    // R3
    [Fact]
    public async Task After_the_window_a_replay_ends_the_family_and_is_told()
    {
        var told = new List<string>();
        var server = await StartServerAsync(options =>
        {
            options.Jwt.RefreshRetryWindow = TimeSpan.FromSeconds(10);
            options.Events.RefreshTokenReused += told => { Told(told.User.Username); return Task.CompletedTask; };
        });
        void Told(string name) => told.Add(name);
        await Users.CreateAsync("alice");
        var (_, other) = await ObtainAsync("alice", server);
        var (_, first) = await ObtainAsync("alice", server);
        var (_, second) = await PairAsync(await RefreshAsync(first, server));

        Clock.Advance(TimeSpan.FromSeconds(11));
        await RefreshAsync(first, server).ShouldBeAsync(401, Blacklisted);

        await RefreshAsync(second, server).ShouldBeAsync(401, Blacklisted);
        await RefreshAsync(other, server).ShouldBeAsync(200);
        Assert.Equal(["alice"], told);
        Assert.Contains(Log.Lines, line => line.Contains("its family is ended (1 live tokens)", StringComparison.Ordinal));
    }

    // R4
    [Fact]
    public async Task A_token_two_generations_old_ends_the_family_also_within_the_window()
    {
        var server = await StartServerAsync(options => options.Jwt.RefreshRetryWindow = TimeSpan.FromSeconds(10));
        await Users.CreateAsync("alice");
        var (_, first) = await ObtainAsync("alice", server);
        var (_, second) = await PairAsync(await RefreshAsync(first, server));
        var (_, third) = await PairAsync(await RefreshAsync(second, server));

        await RefreshAsync(first, server).ShouldBeAsync(401, Blacklisted);
        await RefreshAsync(third, server).ShouldBeAsync(401, Blacklisted);
        Assert.Equal(["0"], Database.Rows(Live));
    }

    // R5
    [Fact]
    public async Task A_token_that_was_blacklisted_by_hand_has_no_retry()
    {
        var server = await StartServerAsync(options => options.Jwt.RefreshRetryWindow = TimeSpan.FromSeconds(10));
        await Users.CreateAsync("alice");
        var (_, first) = await ObtainAsync("alice", server);
        var (_, second) = await PairAsync(await RefreshAsync(first, server));
        await PostAsync("/api/token/blacklist/", new { refresh = second }, server).ShouldBeAsync(200);

        await RefreshAsync(second, server).ShouldBeAsync(401, Blacklisted);
        await RefreshAsync(first, server).ShouldBeAsync(401, Blacklisted);
        Assert.Equal(["0"], Database.Rows(Live));
    }

    // R13
    [Fact]
    public async Task A_family_of_any_size_is_ended_by_one_statement()
    {
        var server = await StartServerAsync(options => options.Jwt.RefreshRetryWindow = TimeSpan.FromSeconds(10));
        await Users.CreateAsync("alice");
        var (_, first) = await ObtainAsync("alice", server);
        var (_, last) = await PairAsync(await RefreshAsync(first, server));
        var family = ClaimsOf(first).GetProperty("jti").GetString();
        Database.Execute($"""
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
            INSERT INTO gatehouse_jwt_rotation (jti, family, successor, rotated, expires) SELECT 'member' || i, '{family}', 'x', 1, 9000000000000000 FROM n
            """);
        Clock.Advance(TimeSpan.FromMinutes(1));

        await RefreshAsync(first, server).ShouldBeAsync(401, Blacklisted);
        await RefreshAsync(last, server).ShouldBeAsync(401, Blacklisted);
    }

    // R8
    [Trait(TestDatabase.SqliteOnly, "yes")]
    [Fact]
    public async Task A_token_whose_rotation_could_not_be_written_is_not_used_up()
    {
        await Users.CreateAsync("alice");
        var (_, refresh) = await ObtainAsync("alice");
        Database.Execute("CREATE TRIGGER broken BEFORE INSERT ON token_blacklist_outstandingtoken BEGIN SELECT RAISE(ABORT, 'broken'); END");
        await RefreshAsync(refresh).ShouldBeAsync(500);
        Database.Execute("DROP TRIGGER broken");

        Task<HttpResponseMessage> refreshing;
        using (var other = SqliteFile.Connect())
        {
            using var begin = other.CreateCommand();
            begin.CommandText = "BEGIN IMMEDIATE";
            begin.ExecuteNonQuery();
            refreshing = RefreshAsync(refresh);
            // The request has come in and waits for the lock, or it comes to a lock that is gone: it is answered all the same.
            await Http.AskAsync("/health/live").ShouldBeAsync(200);
        }
        await refreshing.ShouldBeAsync(200);
        await RefreshAsync(refresh).ShouldBeAsync(401, Blacklisted);
    }

    // R14
    [Fact]
    public async Task Flushing_expired_tokens_takes_no_live_one_while_they_rotate()
    {
        const int Expired = 5000;
        for (var i = 0; i < 8; i++) await Users.CreateAsync($"user{i}");
        Database.Execute($"""
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {Expired})
            INSERT INTO token_blacklist_outstandingtoken (token, created_at, expires_at, jti, user_id) SELECT 'x', '2026-01-01 00:00:00', '2026-01-02 00:00:00', 'old' || i, 1 FROM n;
            INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id) SELECT '2026-01-01 00:00:00', id FROM token_blacklist_outstandingtoken WHERE id % 2 = 0
            """);
        var blacklist = Server.Get<TokenBlacklist>();
        var rotating = Task.WhenAll(Enumerable.Range(0, 8).Select(async i =>
        {
            var chain = new List<string> { (await ObtainAsync($"user{i}")).Refresh };
            for (var turn = 0; turn < 5 * Rounds; turn++) chain.Add((await PairAsync(await RefreshAsync(chain[^1]))).Refresh);
            return chain;
        }));
        var flushed = 0;
        do flushed += await blacklist.FlushExpiredAsync(ct: Ct);
        while (!rotating.IsCompleted);

        Assert.Equal(Expired, flushed);
        foreach (var chain in await rotating)
        {
            foreach (var dead in chain[..^1]) await RefreshAsync(dead).ShouldBeAsync(401, Blacklisted);
            await RefreshAsync(chain[^1]).ShouldBeAsync(200);
        }
    }

    // R6
    [Fact]
    public async Task A_blacklisted_token_is_dead_after_a_restart()
    {
        await Users.CreateAsync("alice");
        var (_, refresh) = await ObtainAsync("alice");
        await PostAsync("/api/token/blacklist/", new { refresh }).ShouldBeAsync(200);
        await Server.StopAsync();

        var again = await StartServerAsync();
        await RefreshAsync(refresh, again).ShouldBeAsync(401, Blacklisted);
    }
}
