using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using Gatehouse.Audit;
using Gatehouse.Database;
using Gatehouse.Tests.Admin;
using Gatehouse.Tests.Clients;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Gatehouse.Tests.Audit;

/// <summary>The audit log: what is in it, and that nobody changes it unseen.</summary>
public sealed class AuditTests : AdminTest
{
    private const string Address = "127.0.0.1";

    private AuditLog Audit => Server.Get<AuditLog>();

    /// <summary>Event, who, whom or what, application, address, detail.</summary>
    private List<string> Told() => Database.Rows("SELECT event, username, about, client, address, detail FROM gatehouse_audit ORDER BY id");

    private Task<int> SealAsync(TestServer? server = null) => (server ?? Server).Get<AuditSeal>().RunAsync(Ct);

    private async Task<JsonElement> PostAsync(string path, object body, AuthenticationHeaderValue? authorization = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = JsonContent.Create(body) };
        request.Headers.Authorization = authorization;
        return await JsonAsync(await Http.SendAsync(request, Ct));
    }

    private async Task<JsonElement> FormAsync(string path, params (string Name, string Value)[] form) =>
        await JsonAsync(await Http.PostAsync(path, new FormUrlEncodedContent(form.Select(one => KeyValuePair.Create(one.Name, one.Value))), Ct));

    private static async Task<JsonElement> JsonAsync(HttpResponseMessage response) =>
        await response.Content.ReadAsStringAsync(Ct) is { Length: > 0 } text && text[0] == '{' ? JsonDocument.Parse(text).RootElement : default;

    /// <summary>Some sealed rows: a failed login each.</summary>
    private async Task PlantAsync(int count)
    {
        var trail = Server.Get<AuditTrail>();
        for (var i = 1; i <= count; i++) await trail.NoteAsync(trail.Of(AuditEvent.LoginFailed)! with { About = $"user{i}" });
        Assert.Equal(count, await SealAsync());
    }

    [Fact]
    public async Task Logins_failures_and_logouts_are_noted_with_who_and_from_where()
    {
        await Users.CreateAsync("ada");
        await Users.CreateAsync("gone", isActive: false);
        var browser = await NewBrowser().LogInAsync("ada");
        await browser.PostAsync("/api/accounts/logout/");
        await PostAsync("/api/accounts/login/", new { username = "ada", password = "not-her-password" });
        await PostAsync("/api/accounts/login/", new { username = "gone", password = TestUsers.PasswordOf("gone") });
        // Somebody who typed the password where the name belongs: it is nobody's name, so it is not kept.
        await PostAsync("/api/accounts/login/", new { username = TestUsers.PasswordOf("ada"), password = TestUsers.PasswordOf("ada") });

        Assert.Equal(
            [
                $"login|ada|||{Address}|", $"logout|ada|||{Address}|", $"login_failed||ada||{Address}|Wrong password", $"login_failed||gone||{Address}|The user is inactive, or the password wrong",
                $"login_failed||||{Address}|No such user",
            ],
            Told());
    }

    [Fact]
    public async Task Tokens_are_noted_when_they_are_issued_refreshed_revoked_and_reused()
    {
        await Users.CreateAsync("ada");
        await new TestClients(Database, Secrets).CreateAsync("web", "password", "secret-of-the-web-client");
        (string, string)[] login = [("username", "ada"), ("password", TestUsers.PasswordOf("ada"))];
        (string, string)[] client = [("client_id", "web"), ("client_secret", "secret-of-the-web-client")];
        await FormAsync("/api-token-auth/", login);
        await FormAsync("/api-token-auth/", login);
        var jwt = await FormAsync("/api/token/", login);
        await FormAsync("/api/token/blacklist/", ("refresh", jwt.GetProperty("refresh").GetString()!));
        var pair = await FormAsync("/o/token/", [("grant_type", "password"), .. login, .. client]);
        var next = await FormAsync("/o/token/", [("grant_type", "refresh_token"), ("refresh_token", pair.GetProperty("refresh_token").GetString()!), .. client]);
        await FormAsync("/o/revoke_token/", [("token", next.GetProperty("access_token").GetString()!), .. client]);
        // Gone before: nothing is done, so nothing is noted.
        await FormAsync("/o/revoke_token/", [("token", next.GetProperty("access_token").GetString()!), .. client]);

        var noted = Told().Select(row => System.Text.RegularExpressions.Regex.Replace(row, "[0-9a-f]{32}", "JTI")).ToList();
        Assert.Equal(
            [
                $"token_issued||ada||{Address}|API token", $"token_issued|ada|||{Address}|JSON Web Token JTI", $"token_revoked|ada|||{Address}|JSON Web Token JTI",
                $"token_issued|ada||web|{Address}|OAuth, scope read write", $"token_refreshed|ada||web|{Address}|OAuth, scope read write",
                $"token_revoked|||web|{Address}|OAuth, by the application",
            ],
            noted);
        Assert.Empty(Secrets.FoundIn(Told()));
    }

    [Fact]
    public async Task What_staff_do_is_noted_with_what_they_gave_and_took()
    {
        var root = await RootAsync();
        var ada = await Users.CreateAsync("ada");
        await Users.GrantAsync(ada, "view_group");
        var permission = Database.Rows("SELECT id FROM auth_permission WHERE codename = 'view_user'").Single();
        await PostAsync(root, $"/admin/auth/user/{ada.Id}/change/", UserForm("ada", ("is_staff", "on"), ("user_permissions", permission)));
        await PostAsync(root, $"/admin/auth/user/{ada.Id}/password/", ("password1", "violet-Kettle-42"), ("password2", "violet-Kettle-42"), ("usable_password", "true"));
        await PostAsync(root, "/admin/auth/user/add/", ("username", "eve"), ("password1", "violet-Kettle-42"), ("password2", "violet-Kettle-42"), ("usable_password", "true"));
        await PostAsync(root, $"/admin/auth/user/{ada.Id}/delete/", ("post", "yes"));

        Assert.Equal(
            [
                $"changed|root|auth.user {ada.Id} ada||{Address}|Changed Staff status and User permissions. +staff, +auth.view_user, -auth.view_group",
                $"password_changed|root|ada||{Address}|", $"changed|root|auth.user {ada.Id} ada||{Address}|Changed password.",
                $"user_created|root|eve||{Address}|", $"added|root|auth.user {long.Parse(ada.Id.ToString()) + 1} eve||{Address}|Added.",
                $"deleted|root|auth.user {ada.Id} ada||{Address}|Deleted.",
            ],
            Told().Where(row => !row.StartsWith("login|", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Many_servers_seal_one_chain()
    {
        var other = await StartServerAsync();
        var (one, two) = (Server.Get<AuditTrail>(), other.Get<AuditTrail>());
        await Task.WhenAll(Enumerable.Range(0, 8).Select(async i =>
        {
            for (var n = 0; n < 30; n++)
            {
                var trail = (i + n) % 2 == 0 ? one : two;
                await trail.NoteAsync(trail.Of(AuditEvent.LoginFailed)! with { Detail = $"{i} {n}" });
                if (n % 7 == i % 7) await SealAsync(n % 2 == 0 ? Server : other);
            }
        }));
        await Task.WhenAll(SealAsync(), SealAsync(other));

        var check = await Audit.VerifyAsync(null, null, Ct);
        Assert.Empty(check.Findings);
        Assert.Equal((240, 1L, 240L, 0L), ((int)check.Count, check.First!.Position!.Value, check.Last!.Position!.Value, check.Waiting));
    }

    [Fact]
    public async Task Of_several_servers_one_seals_and_another_when_it_has_died()
    {
        var options = Server.Get<GatehouseOptions>();
        // Its own loop would come in between.
        await Server.StopAsync();
        using var db = Db.Open(Database.Url);
        var (dead, one, other) = (new Lease(db, "audit", Clock), NewLoop(), NewLoop());
        Assert.True(await dead.TryTakeAsync(TimeSpan.Zero, Ct));

        Note();
        await one.TakeTurnAsync(Ct);
        Assert.Empty(Places());
        Clock.Advance(TimeSpan.FromMinutes(1));
        await one.TakeTurnAsync(Ct);
        Assert.Equal(["1"], Places());

        Note();
        await other.TakeTurnAsync(Ct);
        Assert.Equal(["1"], Places());
        // It seals what there is, and the next need not wait.
        await one.StopAsync(Ct);
        Assert.Equal(["1", "2"], Places());
        Note();
        await other.TakeTurnAsync(Ct);
        Assert.Equal(["1", "2", "3"], Places());

        AuditLoop NewLoop() => new(db, new AuditSeal(db, options), options, Clock, NullLogger<AuditLoop>.Instance);
        void Note() => Database.Execute("INSERT INTO gatehouse_audit (at, event, user_id, username, about, client, address, detail) VALUES (1, 'login_failed', '', '', '', '', '', '')");
        List<string> Places() => Database.Rows("SELECT position || '' FROM gatehouse_audit WHERE position IS NOT NULL ORDER BY id");
    }

    [Theory]
    [InlineData("UPDATE gatehouse_audit SET about = 'somebody else' WHERE position = 4", "Place 4 ")]
    [InlineData("UPDATE gatehouse_audit SET at = at + 1 WHERE position = 1", "Place 1 ")]
    [InlineData("UPDATE gatehouse_audit SET about = client, client = about WHERE position = 2", "Place 2 ")]
    [InlineData("DELETE FROM gatehouse_audit WHERE position IN (4, 5)", "Places 4 to 5 are missing")]
    [InlineData("DELETE FROM gatehouse_audit WHERE position = 4; UPDATE gatehouse_audit SET position = position - 1 WHERE position = 5", "Place 4 ")]
    [InlineData("UPDATE gatehouse_audit SET position = position + 100 WHERE position > 8; INSERT INTO gatehouse_audit (at, event, user_id, username, about, client, address, detail, position, previous, hash) SELECT at, event, user_id, username, about, client, address, detail, 9, previous, hash FROM gatehouse_audit WHERE position = 109", "Place 9 ")]
    public async Task A_row_that_was_changed_taken_out_or_put_in_is_found(string tampering, string found)
    {
        await PlantAsync(10);
        Database.Execute(tampering);

        Assert.Contains((await Audit.VerifyAsync(null, null, Ct)).Findings, finding => finding.StartsWith(found, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Rows_cut_off_at_the_end_or_a_log_begun_anew_are_found_by_a_head_that_was_kept()
    {
        await PlantAsync(10);
        var last = (await Audit.VerifyAsync(null, null, Ct)).Last!;
        var head = $"{last.Position}:{last.Hash}";
        await PlantAsync(2);
        Assert.Empty((await Audit.VerifyAsync(head, null, Ct)).Findings);

        Database.Execute("DELETE FROM gatehouse_audit WHERE position > 7");
        Assert.Empty((await Audit.VerifyAsync(null, null, Ct)).Findings);
        Assert.Equal("The log ends before place 10, which the given head names: its last rows are missing.", Assert.Single((await Audit.VerifyAsync(head, null, Ct)).Findings));

        await PlantAsync(5);
        Assert.StartsWith("Place 10 ", Assert.Single((await Audit.VerifyAsync(head, null, Ct)).Findings), StringComparison.Ordinal);
        await Assert.ThrowsAsync<FormatException>(() => Audit.VerifyAsync("10", null, Ct));
    }

    [Fact]
    public async Task The_verb_prints_the_head_and_ends_with_1_when_the_chain_is_broken()
    {
        Task<(int Code, string Output, string Errors)> VerifyAsync(params string[] more) =>
            GatehouseProcess.RunAsync(Database.Folder, ["audit", "verify", .. more], environment: [.. Database.Settings, ("Gatehouse__SecretKey", SecretKey)]);
        await PlantAsync(3);
        var trail = Server.Get<AuditTrail>();
        await trail.NoteAsync(trail.Of(AuditEvent.Login));
        var head = (await Audit.HeadAsync(Ct))!;

        var whole = await VerifyAsync("--head", $"3:{head.Hash}");
        Assert.Equal((0, ""), (whole.Code, whole.Errors));
        Assert.Equal(
            $"""
            3 sealed rows, places 1 to 3, from 2026-07-01 12:00:00 to 2026-07-01 12:00:00 UTC.
            Head: 3:{head.Hash}
            1 row waits to be sealed, which a running server does every five seconds.
            The chain is whole.
            """,
            whole.Output);
        Assert.Equal((1, "A head is written POSITION:HASH, as gatehouse audit verify prints it."), await VerifyAsync("--head", "3") is var wrong ? (wrong.Code, wrong.Errors) : default);

        Database.Execute("UPDATE gatehouse_audit SET address = '::1' WHERE position = 2");
        var broken = await VerifyAsync();
        Assert.Equal(1, broken.Code);
        Assert.StartsWith("Place 2 (2026-07-01 12:00:00, login_failed) was changed", broken.Errors, StringComparison.Ordinal);
        Assert.EndsWith("The chain is broken.", broken.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Rows_of_a_former_key_verify_while_it_is_among_the_fallbacks()
    {
        await PlantAsync(3);
        const string Next = "another-key-of-the-tests-0123456789-abcdefghijklmnopqrstuvwxyz";
        var kept = await StartServerAsync(options => (options.SecretKey, options.SecretKeyFallbacks) = (Next, [SecretKey]));
        var lost = await StartServerAsync(options => options.SecretKey = Next);
        var trail = kept.Get<AuditTrail>();
        await trail.NoteAsync(trail.Of(AuditEvent.Login));
        await SealAsync(kept);

        Assert.Empty((await kept.Get<AuditLog>().VerifyAsync(null, null, Ct)).Findings);
        Assert.Equal(3, (await lost.Get<AuditLog>().VerifyAsync(null, null, Ct)).Findings.Count);
    }

    [Fact]
    public async Task The_sweeper_takes_old_rows_and_leaves_a_chain()
    {
        await PlantAsync(10);
        Clock.Advance(TimeSpan.FromDays(50));
        await PlantAsync(5);
        Clock.Advance(TimeSpan.FromDays(41));
        var trail = Server.Get<AuditTrail>();
        await trail.NoteAsync(trail.Of(AuditEvent.Login));

        await Server.Get<Sweeper>().RunAsync([Audit], null, Ct);
        // One of the old stays: what it has for a number is not given again.
        Assert.Equal(["7"], Database.Rows("SELECT count(*) FROM gatehouse_audit"));
        Clock.Advance(TimeSpan.FromDays(400));
        await SealAsync();
        await Server.Get<Sweeper>().RunAsync([Audit], null, Ct);

        var check = await Audit.VerifyAsync(null, null, Ct);
        Assert.Empty(check.Findings);
        Assert.Equal((1, 16L), ((int)check.Count, check.First!.Position!.Value));
    }

    [Fact]
    public async Task An_event_stands_or_falls_with_what_it_tells_of()
    {
        var ada = await Users.CreateAsync("ada");
        // Nobody any more: the password is not set, so it is not noted either.
        await Users.DeleteAsync(ada);
        Assert.False(await Server.Get<Gatehouse.Users.UserAccounts>().SetPasswordAsync(ada.Id, "violet-Kettle-42", Ct));

        Assert.Empty(Told());
    }

    [Fact]
    public async Task Off_it_keeps_nothing_and_without_tokens_only_what_ends_them()
    {
        await Users.CreateAsync("ada");
        var off = await StartServerAsync(options => options.Audit.Enabled = false);
        var few = await StartServerAsync(options => options.Audit.Tokens = false);
        foreach (var server in new[] { off, few })
        {
            var answer = await server.Http.PostAsync("/api/token/", JsonContent.Create(new { username = "ada", password = TestUsers.PasswordOf("ada") }), Ct);
            var refresh = (await JsonAsync(answer)).GetProperty("refresh").GetString();
            await server.Http.PostAsync("/api/token/blacklist/", JsonContent.Create(new { refresh }), Ct);
        }

        Assert.StartsWith("token_revoked|ada|", Assert.Single(Told()), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Superusers_search_it_and_export_what_they_found()
    {
        var root = await RootAsync();
        var trail = Server.Get<AuditTrail>();
        foreach (var name in new[] { "=HYPERLINK(\"http://evil\")", "ada\r\nSet-Cookie: x", "<script>alert(1)</script>" })
            await trail.NoteAsync(trail.Of(AuditEvent.LoginFailed)! with { About = name, Detail = "planted" });
        await SealAsync();

        var page = await (await root.GetAsync("/admin/gatehouse/audit/?event=login_failed&q=PLANTED")).Content.ReadAsStringAsync(Ct);
        Assert.Contains("<bdi>&lt;script&gt;alert(1)&lt;/script&gt;</bdi>", page, StringComparison.Ordinal);
        Assert.Contains("<bdi>ada\uFFFD\uFFFDSet-Cookie: x</bdi>", WebUtility.HtmlDecode(page), StringComparison.Ordinal);
        Assert.DoesNotContain(">root</bdi>", page, StringComparison.Ordinal);
        var head = (await Audit.HeadAsync(Ct))!;
        Assert.Contains($"<code>{head.Position}:{head.Hash}</code>", page, StringComparison.Ordinal);
        Assert.Contains("Nothing is noted that fits", await HtmlAsync(root, "/admin/gatehouse/audit/?q=100%25"), StringComparison.Ordinal);
        await HtmlAsync(root, "/admin/gatehouse/audit/?event=nonsense&since=x&before=-1&q=%00");

        var csv = await root.SendAsync(HttpMethod.Post, "/admin/gatehouse/audit/?event=login_failed", new FormUrlEncodedContent([KeyValuePair.Create("format", "csv")]));
        Assert.Equal("text/csv", csv.Content.Headers.ContentType!.MediaType);
        var lines = (await csv.Content.ReadAsStringAsync(Ct)).Split("\r\n");
        Assert.Equal(("id,time,event,user_id,username,about,client,address,detail,position,previous,hash", 5, ""), (lines[0], lines.Length, lines[^1]));
        Assert.Contains(",\"'=HYPERLINK(\"\"http://evil\"\")\",", lines[3], StringComparison.Ordinal);

        var jsonl = await root.SendAsync(HttpMethod.Post, "/admin/gatehouse/audit/", new FormUrlEncodedContent([KeyValuePair.Create("format", "jsonl")]));
        var rows = (await jsonl.Content.ReadAsStringAsync(Ct)).TrimEnd('\n').Split('\n').Select(line => JsonDocument.Parse(line).RootElement).ToList();
        Assert.Equal(["exported", "exported", "login_failed", "login_failed", "login_failed", "login"], rows.Select(row => row.GetProperty("event").GetString()));
        Assert.Equal((head.Hash, 4), (rows[2].GetProperty("hash").GetString(), rows[2].GetProperty("position").GetInt32()));
        Assert.Equal($"exported|root|audit log||{Address}|CSV, q=&event=login_failed&since=", Told()[4]);
    }

    [Fact]
    public async Task Of_a_long_log_so_much_is_looked_through_at_once_and_all_in_the_end()
    {
        const int Rows = 205_000;
        // Seven of each moment; the oldest is what is looked for, and of one event there are few.
        Database.Execute(
            $"""
            INSERT INTO gatehouse_audit (at, position, previous, hash, event, user_id, username, about, client, address, detail)
            WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {Rows})
            SELECT 1790000000000000 + i / 7, i, '', '', CASE WHEN i % 1000 = 0 THEN 'password_changed' ELSE 'token_refreshed' END, '', 'ada', '', '', '', CASE WHEN i = 1 THEN 'The Needle' ELSE '' END FROM n
            """);
        var query = new AuditQuery { Search = "needle" };
        var first = await Audit.ReadAsync(query, Ct);
        Assert.Empty(first.Rows);
        Assert.Equal(first.Next, AuditPoint.Parse(first.Next!.ToString()));
        var second = await Audit.ReadAsync(query with { Before = first.Next }, Ct);
        Assert.Equal(("The Needle", null), (Assert.Single(second.Rows).Detail, second.Next));
        Assert.Null((await Audit.ReadAsync(query with { Before = second.Rows[0].Point }, Ct)).Next);

        foreach (var (asked, count) in new[] { (new AuditQuery { Event = "password_changed", Size = 60 }, Rows / 1000), (new AuditQuery { Size = 1000 }, Rows), (new AuditQuery { Size = 15_000 }, Rows) })
        {
            var points = new List<AuditPoint>();
            for (AuditPoint? at = null; ;)
            {
                var page = await Audit.ReadAsync(asked with { Before = at }, Ct);
                points.AddRange(page.Rows.Select(row => row.Point));
                if ((at = page.Next) is null) break;
            }
            Assert.Equal(count, points.Count);
            Assert.Equal(points, points.Distinct().OrderByDescending(point => point.Micros).ThenByDescending(point => point.Id));
        }

        var root = await RootAsync();
        var page1 = await (await root.GetAsync("/admin/gatehouse/audit/?q=needle")).TextAsync();
        Assert.Contains("Nothing so far is noted that fits.", page1, StringComparison.Ordinal);
        var further = System.Text.RegularExpressions.Regex.Match(page1, "<a href=\"([^\"]+)\">Look further").Groups[1].Value;
        var page2 = await HtmlAsync(root, "/admin/gatehouse/audit/" + WebUtility.HtmlDecode(further));
        Assert.Contains("<bdi>The Needle</bdi>", page2, StringComparison.Ordinal);
        Assert.DoesNotContain("Look further", page2, StringComparison.Ordinal);
        var lines = await (await root.SendAsync(HttpMethod.Post, "/admin/gatehouse/audit/?q=needle", new FormUrlEncodedContent([KeyValuePair.Create("format", "jsonl")]))).TextAsync();
        Assert.Single(lines.TrimEnd('\n').Split('\n'), line => line.Contains("The Needle", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("")]
    [InlineData("1")]
    [InlineData("1-2-3")]
    [InlineData("-1")]
    [InlineData("1-")]
    [InlineData("99999999999999999999-1")]
    [InlineData("253402300800000000-1")]
    [InlineData("1 -2")]
    [InlineData("\u0661-2")]
    public void What_is_no_point_of_the_log_is_none(string text) => Assert.Null(AuditPoint.Parse(text));

    [Fact]
    public async Task Others_than_superusers_neither_see_nor_export_it()
    {
        var staff = await StaffAsync("editor", "view_logentry", "view_user");
        await (await staff.GetAsync("/admin/gatehouse/audit/")).ShouldBeAsync(403);
        await (await staff.SendAsync(HttpMethod.Post, "/admin/gatehouse/audit/", new FormUrlEncodedContent([KeyValuePair.Create("format", "csv")]))).ShouldBeAsync(403);
        var root = await RootAsync();
        await (await root.SendAsync(HttpMethod.Post, "/admin/gatehouse/audit/", new FormUrlEncodedContent([KeyValuePair.Create("format", "csv")]), csrf: false)).ShouldBeAsync(403);
        Assert.DoesNotContain(Told(), row => row.StartsWith("exported", StringComparison.Ordinal));
    }
}
