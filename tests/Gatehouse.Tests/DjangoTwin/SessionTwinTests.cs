using Gatehouse.Tests.Database;
using Xunit;

namespace Gatehouse.Tests.DjangoTwin;

/// <summary>Sessions and CSRF cookies made on one side and used on the other.</summary>
public abstract class SessionTwinTests(Twin twin) : TwinTest(twin)
{
    [Theory, MemberData(nameof(BothWays))]
    public async Task A_session_made_there_is_valid_here(Side there, Side here)
    {
        var alice = await RegisterAsync(there);
        var made = await LogInAsync(there, alice);

        Assert.Equal(alice, await WhoAsync(NewBrowser(here, made)));
        // What an anonymous visitor's session holds comes along too, larger than what is compressed.
        var visitor = NewBrowser(there);
        await visitor.GetAsync("/probe/session/set/?colour=" + new string('g', 3000)).ShouldBeAsync(200);
        await NewBrowser(here, visitor).GetAsync("/probe/session/").ShouldBeAsync(200, """{"user":"","keys":["colour"]}""");
    }

    [Theory, MemberData(nameof(BothWays))]
    public async Task What_one_side_writes_into_a_session_the_other_reads_and_keeps(Side there, Side here)
    {
        var session = await LogInAsync(there, await RegisterAsync(there));
        await NewBrowser(here, session).GetAsync("/probe/session/set/?colour=blue").ShouldBeAsync(200);

        var keys = await (await session.GetAsync("/probe/session/")).JsonAsync();
        Assert.Equal(["_auth_user_backend", "_auth_user_hash", "_auth_user_id", "colour"], keys["keys"]!.AsArray().Select(key => (string)key!));
        Assert.Equal("blue", (string?)await DjangoAsync(
            "result = __import__('django.contrib.sessions.backends.db').contrib.sessions.backends.db.SessionStore(given)['colour']", session.SessionKey));
    }

    [Theory, MemberData(nameof(BothWays))]
    public async Task A_logout_there_ends_the_session_here(Side there, Side here)
    {
        var session = await LogInAsync(here, await RegisterAsync(here));
        var elsewhere = NewBrowser(there, session);

        // With the CSRF cookie that the login here has set.
        await elsewhere.PostAsync("/api/accounts/logout/").ShouldBeAsync(200);

        Assert.Null(await WhoAsync(session));
        Assert.Equal(0, (int?)await DjangoAsync("result = Session.objects.filter(session_key=given).count()", session.SessionKey));
    }

    [Theory, MemberData(nameof(EachSide))]
    public async Task A_session_that_has_expired_is_none_on_either_side(Side side)
    {
        var session = await LogInAsync(side, await RegisterAsync(side));
        await DjangoAsync("Session.objects.filter(session_key=given).update(expire_date='2020-01-01T00:00:00Z')", session.SessionKey);

        foreach (var asked in new[] { Side.Django, Side.Gatehouse }) Assert.Null(await WhoAsync(NewBrowser(asked, session)));
    }

    [Theory, MemberData(nameof(EachSide))]
    public async Task Sweeping_on_one_side_leaves_the_sessions_of_both(Side sweeper)
    {
        var (first, second) = (await LogInAsync(Side.Django, await RegisterAsync(Side.Django)), await LogInAsync(Side.Gatehouse, await RegisterAsync(Side.Gatehouse, "bob")));
        var dead = await LogInAsync(Side.Gatehouse, Name("bob"));
        await DjangoAsync("Session.objects.filter(session_key=given).update(expire_date='2020-01-01T00:00:00Z')", dead.SessionKey);

        if (sweeper == Side.Django) await DjangoAsync("call_command('clearsessions')");
        else await GatehouseAsync("clearsessions");

        Assert.NotNull(await WhoAsync(first));
        Assert.NotNull(await WhoAsync(second));
        Assert.Equal(0, (int?)await DjangoAsync("result = Session.objects.filter(session_key=given).count()", dead.SessionKey));
    }

    [Theory, MemberData(nameof(BothWays))]
    public async Task A_csrf_token_given_there_is_taken_here(Side there, Side here)
    {
        var visitor = NewBrowser(there);
        var masked = (string)(await (await visitor.GetAsync("/probe/csrf/")).JsonAsync())["csrftoken"]!;
        var elsewhere = NewBrowser(here, visitor);

        // The cookie's own text, and the masked one of a page.
        await elsewhere.PostAsync("/probe/plain/").ShouldBeAsync(200);
        await elsewhere.SendAsync(HttpMethod.Post, "/probe/plain/", csrf: false, headers: ("X-CSRFToken", masked)).ShouldBeAsync(200);
        await elsewhere.SendAsync(HttpMethod.Post, "/probe/plain/", csrf: false).ShouldBeAsync(403);
    }

    [Theory, MemberData(nameof(BothWays))]
    public async Task A_login_form_of_one_side_may_be_sent_to_the_other(Side there, Side here)
    {
        var alice = await RegisterAsync(there);
        var form = NewBrowser(there);
        await form.GetAsync("/accounts/login/").ShouldBeAsync(200);
        var elsewhere = NewBrowser(here, form);

        await elsewhere.SendAsync(HttpMethod.Post, "/accounts/login/", new FormUrlEncodedContent(
            new Dictionary<string, string> { ["username"] = alice, ["password"] = TestUsers.PasswordOf(alice), ["csrfmiddlewaretoken"] = form.CsrfToken! }), csrf: false).ShouldBeAsync(302);

        Assert.Equal(alice, await WhoAsync(NewBrowser(there, elsewhere)));
    }

    [Theory, MemberData(nameof(BothWays))]
    public async Task Another_users_login_here_empties_the_session_made_there(Side there, Side here)
    {
        var session = await LogInAsync(there, await RegisterAsync(there));
        await session.GetAsync("/probe/session/set/?colour=red").ShouldBeAsync(200);
        var bob = await RegisterAsync(there, "bob");
        var elsewhere = NewBrowser(here, session);

        await elsewhere.LogInAsync(bob);

        Assert.NotEqual(session.SessionKey, elsewhere.SessionKey);
        Assert.Null(await WhoAsync(session));
        var now = await (await NewBrowser(there, elsewhere).GetAsync("/probe/session/")).JsonAsync();
        Assert.Equal(bob, (string)now["user"]!);
        Assert.DoesNotContain("colour", now["keys"]!.AsArray().Select(key => (string)key!));
    }

    [Theory, MemberData(nameof(BothWays))]
    public async Task The_same_user_logging_in_again_here_keeps_what_the_session_made_there_holds(Side there, Side here)
    {
        var alice = await RegisterAsync(there);
        var session = await LogInAsync(there, alice);
        await session.GetAsync("/probe/session/set/?colour=red").ShouldBeAsync(200);
        var elsewhere = NewBrowser(here, session);

        await elsewhere.LogInAsync(alice);

        Assert.Contains("colour", (await (await NewBrowser(there, elsewhere).GetAsync("/probe/session/")).JsonAsync())["keys"]!.AsArray().Select(key => (string)key!));
    }
}

[Collection(OnSqlite.Name), Trait(TestDatabase.SqliteOnly, "yes")]
public sealed class SessionTwinTestsOnSqlite(SqliteTwin twin) : SessionTwinTests(twin);

[Collection(OnPostgres.Name), Trait(TestDatabase.SqliteOnly, "yes")]
public sealed class SessionTwinTestsOnPostgres(PostgresTwin twin) : SessionTwinTests(twin);
