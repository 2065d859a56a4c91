using System.Collections.Concurrent;
using System.Net;
using Gatehouse.Tests.Database;
using Xunit;

namespace Gatehouse.Tests.DjangoTwin;

/// <summary>Both serving one database at once, with many writers.</summary>
public abstract class LoadTwinTests(Twin twin) : TwinTest(twin)
{
    private const int Callers = 6, Rounds = 8;

    [Fact]
    public async Task Neither_answers_500_while_both_serve_and_no_rotation_is_lost()
    {
        var alice = await RegisterAsync(Side.Django);
        var password = TestUsers.PasswordOf(alice);
        var client = Name("client");
        await GatehouseAsync("createapplication", "confidential", "client-credentials", "--client-id", client, "--client-secret", "the-secret-of-it");
        // The hashes are not what this is about, so each caller logs in once on each side.
        var answers = new ConcurrentBag<(Side Side, string What, HttpStatusCode Status)>();

        await Task.WhenAll(Enumerable.Range(0, Callers).Select(caller => Task.Run(() => CallAsync(caller), Ct)));

        Assert.DoesNotContain(answers, answer => (int)answer.Status >= 400);
        Assert.DoesNotContain("Traceback", Twin.Django.Errors, StringComparison.Ordinal);
        // Every refresh blacklisted one token and made one.
        Assert.Equal($"[{Callers * (Rounds + 1)},{Callers * Rounds},{Callers * Rounds}]", (await DjangoAsync("""
            tokens = OutstandingToken.objects.filter(user__username=given[0])
            result = [tokens.count(), tokens.exclude(blacklistedtoken=None).count(), AccessToken.objects.filter(application__client_id=given[1]).count()]
            """, new[] { alice, client }))!.ToJsonString());

        async Task CallAsync(int caller)
        {
            Side[] sides = caller % 2 == 0 ? [Side.Django, Side.Gatehouse] : [Side.Gatehouse, Side.Django];
            var session = NewBrowser(sides[0]);
            Note(sides[0], "login", await session.PostAsync("/api/accounts/login/", new { username = alice, password }));
            var obtained = await Http(sides[1]).AskAsync("/api/token/", method: "POST", json: new { username = alice, password });
            Note(sides[1], "obtain", obtained);
            var pair = await obtained.JsonAsync();
            for (var round = 0; round < Rounds; round++)
            {
                var side = sides[round % 2];
                var refreshed = await Http(side).AskAsync("/api/token/refresh/", method: "POST", json: new { refresh = (string)pair["refresh"]! });
                Note(side, "refresh", refreshed);
                pair = await refreshed.JsonAsync();
                Note(side, "profile", await Http(side).AskAsync("/api/accounts/profile/", $"Bearer {pair["access"]}"));
                var browser = NewBrowser(side, session);
                Note(side, "session", await browser.GetAsync($"/probe/session/set/?colour={round}"));
                Note(side, "who", await browser.GetAsync("/api/accounts/profile/"));
                using var form = new FormUrlEncodedContent(new Dictionary<string, string>
                {
                    ["grant_type"] = "client_credentials",
                    ["client_id"] = client,
                    ["client_secret"] = "the-secret-of-it",
                    ["scope"] = "read",
                });
                Note(side, "client credentials", await Http(side).PostAsync("/o/token/", form, Ct));
            }
        }

        void Note(Side side, string what, HttpResponseMessage answer) => answers.Add((side, what, answer.StatusCode));
    }
}

[Collection(OnSqlite.Name), Trait(TestDatabase.SqliteOnly, "yes")]
public sealed class LoadTwinTestsOnSqlite(SqliteTwin twin) : LoadTwinTests(twin);

[Collection(OnPostgres.Name), Trait(TestDatabase.SqliteOnly, "yes")]
public sealed class LoadTwinTestsOnPostgres(PostgresTwin twin) : LoadTwinTests(twin);
