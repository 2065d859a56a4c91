using System.Net.Http.Json;
using Gatehouse.Accounts;
using Gatehouse.Crypto;
using Gatehouse.Tests.Mail;
using Gatehouse.Tests.Users;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Gatehouse.Tests.Accounts;

public sealed class PasswordResetTests : MailTest
{
    private const string Api = "/api/accounts/password/reset/";
    private const string Confirm = "/api/accounts/password/reset/confirm/";
    private const string New = "quiet-river-under-stones";

    // Made for the user 1 of these tests at the clock's start, by the algorithm of Django's PasswordResetTokenGenerator in Python.
    [Theory]
    [InlineData(null, SecretKey, "db1dc0-8182ca4dc484cc7cbe91c2a836f89c4d")]
    [InlineData("2026-06-30 09:08:07.654321", SecretKey, "db1dc0-90898951593c5ec4ae84f98e7c750cae")]
    [InlineData(null, "a-former-key-of-the-tests-0123456789-abcdefghijklmn", "db1dc0-f6ea8f3f601458cf47e3a7c385854b81")]
    public async Task Tokens_are_Djangos(string? lastLogin, string key, string token)
    {
        var alice = await Users.CreateAsync("alice", email: "alice@example.com");
        Database.Execute($"UPDATE auth_user SET last_login = {(lastLogin is null ? "NULL" : $"'{lastLogin}'")}");
        await using var server = await StartServerAsync(options => options.SecretKeyFallbacks = ["a-former-key-of-the-tests-0123456789-abcdefghijklmn"]);

        if (key == SecretKey)
            Assert.Equal(token, server.Get<PasswordResetTokenGenerator>().Make(alice, lastLogin is null ? null : DateTimeOffset.Parse(lastLogin + "Z", System.Globalization.CultureInfo.InvariantCulture)));
        await server.Http.AskAsync(Confirm, null, "POST", Body("MQ", token)).ShouldBeAsync(200, """{"detail":"Password has been reset with the new password."}""");
        await NewBrowser().LogInAsync("alice", New);
    }

    [Fact]
    public async Task The_link_in_the_mail_leads_to_a_new_password_once()
    {
        await Users.CreateAsync("alice", email: "alice@example.com");
        var there = await NewBrowser().LogInAsync("alice");
        var link = await LinkAsync("alice@example.com");
        var browser = NewBrowser();

        var opened = await browser.GetAsync(link);
        await opened.ShouldBeAsync(302);
        var form = opened.Header("Location")!;
        Assert.Equal("/accounts/reset/MQ/set-password/", form);
        Assert.Contains("didn’t match", System.Net.WebUtility.HtmlDecode(await (await browser.SubmitAsync(form, ("new_password1", New), ("new_password2", "other"))).TextAsync()), StringComparison.Ordinal);
        var done = await browser.SubmitAsync(form, ("new_password1", New), ("new_password2", New));

        await done.ShouldBeAsync(302);
        Assert.Equal("/accounts/reset/done/", done.Header("Location"));
        await browser.GetAsync("/accounts/reset/done/").ShouldBeAsync(200);
        await there.GetAsync("/api/accounts/profile/").ShouldBeAsync(401);
        await browser.GetAsync("/api/accounts/profile/").ShouldBeAsync(401);
        await NewBrowser().LogInAsync("alice", New);
        foreach (var again in new[] { link, form })
            Assert.Contains("Password reset unsuccessful", await (await browser.GetAsync(again)).TextAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Of_many_who_use_one_token_at_once_one_succeeds()
    {
        await Users.CreateAsync("alice", email: "alice@example.com");
        var (uid, token) = Parts(await LinkAsync("alice@example.com"));

        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(n => Http.AskAsync(Confirm, null, "POST", Body(uid, token, $"quiet-river-number-{n}"))));

        Assert.Single(answers, answer => (int)answer.StatusCode == 200);
    }

    [Theory]
    [InlineData("password")]
    [InlineData("email")]
    [InlineData("login")]
    [InlineData("time")]
    [InlineData("other user")]
    [InlineData("one letter")]
    [InlineData("deleted")]
    public async Task A_token_ends_with_what_it_was_made_for(string change)
    {
        var alice = await Users.CreateAsync("alice", email: "alice@example.com");
        var bob = await Users.CreateAsync("bob", email: "bob@example.com");
        var (uid, token) = Parts(await LinkAsync("alice@example.com"));
        switch (change)
        {
            case "password": await Users.SetPasswordAsync(alice, "something-else-altogether"); break;
            case "email": Database.Execute("UPDATE auth_user SET email = 'other@example.com' WHERE id = 1"); break;
            case "login": await NewBrowser().LogInAsync("alice"); break;
            case "time": Clock.Advance(TimeSpan.FromDays(3) + TimeSpan.FromSeconds(1)); break;
            case "other user": uid = PasswordReset.Uid(bob.Id); break;
            case "one letter": token = token[..^1] + (token[^1] == '0' ? '1' : '0'); break;
            default: await Users.DeleteAsync(alice); break;
        }

        await Http.AskAsync(Confirm, null, "POST", Body(uid, token)).ShouldBeAsync(400, """{"token":["Invalid value"]}""");
    }

    [Fact]
    public async Task A_token_is_good_until_its_time_is_over_to_the_second()
    {
        await Users.CreateAsync("alice", email: "alice@example.com");
        var (uid, token) = Parts(await LinkAsync("alice@example.com"));
        Clock.Advance(TimeSpan.FromDays(3));

        await Http.AskAsync(Confirm, null, "POST", Body(uid, token)).ShouldBeAsync(200);
    }

    [Theory]
    [InlineData("MQ", "")]
    [InlineData("MQ", "-")]
    [InlineData("MQ", "zzzzzzzzzzzzzz-00000000000000000000000000000000")]
    [InlineData("MQ", "zzzzzzzzzzzzz-00000000000000000000000000000000")]
    [InlineData("MQ", "DB1DC0-8182CA4DC484CC7CBE91C2A836F89C4D")]
    [InlineData("MQ==", "db1dc0-8182ca4dc484cc7cbe91c2a836f89c4d")]
    [InlineData("M Q", "db1dc0-8182ca4dc484cc7cbe91c2a836f89c4d")]
    [InlineData("MDE", "db1dc0-8182ca4dc484cc7cbe91c2a836f89c4d")]
    [InlineData("LTE", "db1dc0-8182ca4dc484cc7cbe91c2a836f89c4d")]
    [InlineData("$$$", "db1dc0-8182ca4dc484cc7cbe91c2a836f89c4d")]
    [InlineData("OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5", "db1dc0-8182ca4dc484cc7cbe91c2a836f89c4d")]
    [InlineData("MQ", "set-password")]
    public async Task What_is_no_link_of_ours_is_refused(string uid, string token)
    {
        await Users.CreateAsync("alice", email: "alice@example.com");

        await Http.AskAsync(Confirm, null, "POST", Body(uid, token)).ShouldBeAsync(400);
        var page = await Http.AskAsync($"/accounts/reset/{Uri.EscapeDataString(uid)}/{(token.Length == 0 ? "x" : token)}/");
        await page.ShouldBeAsync(200);
        Assert.Contains("Password reset unsuccessful", await page.TextAsync(), StringComparison.Ordinal);
        Assert.Null(page.SetCookie("sessionid"));
    }

    [Theory]
    [InlineData("Host", "evil.example")]
    [InlineData("X-Forwarded-Host", "evil.example")]
    [InlineData("X-Forwarded-Proto", "gopher")]
    [InlineData("Forwarded", "host=evil.example")]
    [InlineData("X-Original-Host", "evil.example")]
    [InlineData("Origin", "https://evil.example")]
    public async Task The_link_begins_with_the_configured_address_whatever_a_request_says(string header, string value)
    {
        await Users.CreateAsync("alice", email: "alice@example.com");

        var answer = await Http.AskAsync(Api, "POST", JsonContent.Create(new { email = "alice@example.com" }), (header, value));

        if (header == "Host")
        {
            await answer.ShouldBeAsync(400);
            Assert.Empty(Mailbox.Messages);
            return;
        }
        await answer.ShouldBeAsync(200);
        var mail = Assert.Single(await Mailbox.WaitAsync(1));
        Assert.Contains($"\n{BaseUrl}/accounts/reset/MQ/", mail, StringComparison.Ordinal);
        Assert.DoesNotContain("evil", mail, StringComparison.Ordinal);
        Assert.Equal("Password reset on auth.example.com", MailFolder.HeaderOf(mail, "Subject"));
    }

    // Where a proxy is believed, so that the request is for that host by all means.
    [Fact]
    public async Task Links_begin_with_the_configured_address_even_where_a_forwarded_host_is_believed()
    {
        var server = await StartServerAsync(options => (options.Secure.UseXForwardedHost, options.AllowedHosts) = (true, ["*"]));
        var token = await Users.TokenAsync(await Users.CreateAsync("alice", email: "alice@example.com"));
        (string, string)[] hostile = [("X-Forwarded-Host", "evil.example"), ("Host", "evil.example")];

        await server.Http.AskAsync(Api, "POST", JsonContent.Create(new { email = "alice@example.com" }), hostile).ShouldBeAsync(200);
        await server.Http.AskAsync("/api/accounts/me/", "PATCH", JsonContent.Create(new { email = "new@example.com", current_password = TestUsers.PasswordOf("alice") }), [.. hostile, ("Authorization", "Token " + token)]).ShouldBeAsync(200);
        await server.Http.AskAsync("/api/accounts/register/", "POST", JsonContent.Create(new { username = "carol", email = "carol@example.com", password = "a-fine-phrase" }), hostile).ShouldBeAsync(201);

        foreach (var mail in await Mailbox.WaitAsync(3))
        {
            Assert.Contains($"\n{BaseUrl}/accounts/", mail, StringComparison.Ordinal);
            Assert.DoesNotContain("evil", mail, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("GET http://evil.example/accounts/password_reset/ HTTP/1.1\nHost: evil.example\n\n")]
    [InlineData("GET /accounts/password_reset/ HTTP/1.1\nHost: localhost\nHost: evil.example\n\n")]
    public async Task A_request_for_another_host_is_refused(string request)
    {
        var (answer, _) = await RawHttp.AskAsync(Server, request);

        Assert.Equal(400, answer.Status);
    }

    [Fact]
    public async Task Known_and_unknown_addresses_get_one_answer_and_the_answer_looks_nobody_up()
    {
        await Users.CreateAsync("alice", email: "alice@example.com");
        await Users.CreateAsync("gone", email: "gone@example.com", isActive: false);
        await Users.CreateAsync("other", email: "other@example.com", encoded: "!unusable");

        foreach (var email in new[] { "alice@example.com", "nobody@example.com", "gone@example.com", "other@example.com" })
        {
            await Http.AskAsync(Api, null, "POST", new { email }).ShouldBeAsync(200, """{"detail":"Password reset e-mail has been sent."}""");
            var page = await NewBrowser().SubmitAsync("/accounts/password_reset/", ("email", email));
            await page.ShouldBeAsync(302);
            Assert.Equal("/accounts/password_reset/done/", page.Header("Location"));
        }

        var mails = await Mailbox.WaitAsync(2);
        await Server.StopAsync();
        Assert.Equal(2, Mailbox.Messages.Count);
        Assert.All(mails, mail => Assert.Equal("alice@example.com", MailFolder.HeaderOf(mail, "To")));
    }

    // What takes longer for somebody who is known can be measured; so nothing is asked of the table of users before the answer.
    [Fact]
    public async Task The_answer_is_given_without_a_look_at_the_users()
    {
        await Users.CreateAsync("alice", email: "alice@example.com");
        Database.Execute("ALTER TABLE auth_user RENAME TO somewhere_else");
        try
        {
            foreach (var email in new[] { "alice@example.com", "nobody@example.com" })
            {
                await Http.AskAsync(Api, null, "POST", new { email }).ShouldBeAsync(200, """{"detail":"Password reset e-mail has been sent."}""");
                await NewBrowser().SubmitAsync("/accounts/password_reset/", ("email", email)).ShouldBeAsync(302);
            }
            await Server.StopAsync();
        }
        finally
        {
            Database.Execute("ALTER TABLE somewhere_else RENAME TO auth_user");
        }

        Assert.Equal(4, Log.Lines.Count(line => line.Contains("A mail could not be sent", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_new_password_by_mail_leaves_the_second_factor_as_it_is_and_logs_nobody_in()
    {
        var alice = await Users.CreateAsync("alice", email: "alice@example.com");
        var secret = Gatehouse.Users.SecondFactors.NewSecret();
        string Code() => new OtpNet.Totp(secret).ComputeTotp(Clock.Now.UtcDateTime);
        Assert.NotNull(await Server.Get<Gatehouse.Users.SecondFactors>().EnableAsync(alice, secret, Code(), isFirst: true, Ct));
        Clock.Advance(TimeSpan.FromMinutes(1));
        var (uid, token) = Parts(await LinkAsync("alice@example.com"));
        var browser = NewBrowser();
        await browser.GetAsync($"/accounts/reset/{uid}/{token}/").ShouldBeAsync(302);
        await browser.SubmitAsync($"/accounts/reset/{uid}/set-password/", ("new_password1", New), ("new_password2", New)).ShouldBeAsync(302);
        Secrets.Add(New);

        await browser.GetAsync("/api/accounts/profile/").ShouldBeAsync(401);
        foreach (var path in new[] { "/api/accounts/login/", "/api-token-auth/", "/api/token/" })
            await Http.AskAsync(path, null, "POST", new { username = "alice", password = New }).ShouldBeAsync(400, """{"otp":["A one-time code is required."]}""");
        await Http.AskAsync("/api/accounts/login/", null, "POST", new { username = "alice", password = New, otp = Code() }).ShouldBeAsync(200);
    }

    [Fact]
    public async Task Nobody_comes_from_their_own_link_to_the_password_of_another()
    {
        await Users.CreateAsync("alice", email: "alice@example.com");
        var bob = await Users.CreateAsync("bob", email: "bob@example.com");
        var browser = NewBrowser();
        var own = (await browser.GetAsync(await LinkAsync("alice@example.com"))).Header("Location")!;
        var others = $"/accounts/reset/{PasswordReset.Uid(bob.Id)}/set-password/";

        Assert.Contains("Password reset unsuccessful", await (await browser.GetAsync(others)).TextAsync(), StringComparison.Ordinal);
        var form = await (await browser.GetAsync(own)).TextAsync();
        var token = System.Text.RegularExpressions.Regex.Match(form, "csrfmiddlewaretoken\" value=\"([^\"]+)\"").Groups[1].Value;
        var posted = await browser.SendAsync(HttpMethod.Post, others, new FormUrlEncodedContent([new("csrfmiddlewaretoken", token), new("new_password1", New), new("new_password2", New)]), csrf: false);
        Assert.Contains("Password reset unsuccessful", await posted.TextAsync(), StringComparison.Ordinal);
        // Without the mail there is nothing behind that address either.
        Assert.Contains("Password reset unsuccessful", await (await NewBrowser().GetAsync(own)).TextAsync(), StringComparison.Ordinal);
        await NewBrowser().LogInAsync("bob");
    }

    [Theory]
    [InlineData("ALICE@EXAMPLE.COM", true)]
    [InlineData("Mike@Example.Com", false)]
    [InlineData("m\u0131ke@example.com", false)] // a dotless i is another letter
    [InlineData("\uff4dike@example.com", false)] // full width
    [InlineData("mi\u200bke@example.com", false)]
    public async Task Mail_goes_to_the_stored_address_only(string typed, bool isAlices)
    {
        await Users.CreateAsync("alice", email: "Alice@example.com");
        await Users.CreateAsync("mike", email: "mike@example.com");

        await Http.AskAsync(Api, null, "POST", new { email = typed });
        await Http.AskAsync(Api, null, "POST", new { email = "alice@example.com" }).ShouldBeAsync(200);

        await Mailbox.WaitAsync(isAlices || typed.StartsWith("Mike", StringComparison.Ordinal) ? 2 : 1);
        await Server.StopAsync();
        Assert.All(Mailbox.Messages, mail => Assert.Contains(MailFolder.HeaderOf(mail, "To"), new[] { "Alice@example.com", "mike@example.com" }));
        Assert.Equal(typed == "Mike@Example.Com" ? 1 : 0, Mailbox.Messages.Count(mail => MailFolder.HeaderOf(mail, "To") == "mike@example.com"));
    }

    [Theory]
    [InlineData("alice@example.com\r\nBcc: evil@evil.example")]
    [InlineData("alice@example.com\nevil@evil.example")]
    [InlineData("alice@example.com,evil@evil.example")]
    [InlineData("alice")]
    [InlineData("")]
    public async Task An_address_that_is_none_is_refused(string email)
    {
        await Http.AskAsync(Api, null, "POST", new { email }).ShouldBeAsync(400);
        await NewBrowser().SubmitAsync("/accounts/password_reset/", ("email", email)).ShouldBeAsync(200);

        Assert.Empty(Mailbox.Messages);
    }

    [Fact]
    public async Task Who_asks_too_often_is_told_to_wait_and_nobodys_mailbox_is_flooded()
    {
        await Users.CreateAsync("alice", email: "alice@example.com");

        for (var n = 0; n < 10; n++) await Http.AskAsync(Api, null, "POST", new { email = "alice@example.com" }).ShouldBeAsync(200);
        await Http.AskAsync(Api, null, "POST", new { email = "alice@example.com" }).ShouldBeAsync(429);
        var page = await NewBrowser().SubmitAsync("/accounts/password_reset/", ("email", "bob@example.com"));
        await page.ShouldBeAsync(429);
        Assert.NotNull(page.Header("Retry-After"));

        await Server.StopAsync();
        Assert.Equal(5, Mailbox.Messages.Count);
    }

    [Fact]
    public async Task Without_a_configured_address_there_is_no_resetting()
    {
        var server = await StartServerAsync(options => options.Accounts.BaseUrl = "");

        await server.Http.AskAsync("/accounts/password_reset/").ShouldBeAsync(404);
        await server.Http.AskAsync(Api, null, "POST", new { email = "alice@example.com" }).ShouldBeAsync(404);
        Assert.DoesNotContain("Forgotten", await (await server.Http.AskAsync("/accounts/login/")).TextAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("auth.example.com")]
    [InlineData("https://auth.example.com/accounts")]
    [InlineData("https://auth.example.com/?x=1")]
    [InlineData("https://user@auth.example.com")]
    [InlineData("ftp://auth.example.com")]
    public async Task A_base_address_that_cannot_work_stops_the_start(string url)
    {
        var error = await Assert.ThrowsAsync<SettingException>(() => StartServerAsync(options => options.Accounts.BaseUrl = url));

        Assert.Contains("Accounts:BaseUrl", error.Message, StringComparison.Ordinal);
    }

    private async Task<string> LinkAsync(string email)
    {
        await Http.AskAsync(Api, null, "POST", new { email }).ShouldBeAsync(200);
        return MailFolder.LinkOf((await Mailbox.WaitAsync(1))[^1], BaseUrl);
    }

    private static (string Uid, string Token) Parts(string link) => link.Split('/') is [_, _, _, var uid, var token, _] ? (uid, token) : default;

    private object Body(string uid, string token, string password = New)
    {
        Secrets.Add(password);
        return new { uid, token, new_password1 = password, new_password2 = password };
    }
}

public sealed class PasswordResetCostTests : MailTest
{
    private readonly CountingHash hash = new();

    protected override void AddServices(IServiceCollection services) => services.AddSingleton(new PasswordHashes([hash], null));

    [Fact]
    public async Task A_link_that_is_none_costs_no_hash()
    {
        await Users.CreateAsync("alice", encoded: hash.Encode("x"), email: "alice@example.com");

        await Http.AskAsync("/api/accounts/password/reset/confirm/", null, "POST",
            new { uid = "MQ", token = "db1dc0-8182ca4dc484cc7cbe91c2a836f89c4d", new_password1 = "quiet-river", new_password2 = "quiet-river" }).ShouldBeAsync(400);

        Assert.Equal(0, hash.Runs);
    }
}
