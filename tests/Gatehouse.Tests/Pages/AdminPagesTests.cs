using System.Diagnostics;
using Gatehouse.Tests.Clients;
using Microsoft.Playwright;
using Xunit;

namespace Gatehouse.Tests.Pages;

/// <summary>The admin site, as people meet it.</summary>
public sealed class AdminPagesTests(Chromium chromium) : PagesTest(chromium)
{
    protected override void Configure(GatehouseOptions options) => options.OAuth.OidcEnabled = true;

    // Tutorial D, step 5, word for word: sign in at /admin as a superuser, Applications, Add, name, type, grant, save, copy, get a token with curl.
    [Theory]
    [MemberData(nameof(Screens))]
    public async Task A_superuser_adds_an_application_copies_its_secret_and_gets_a_token_with_curl(string screen)
    {
        await Users.CreateAsync("root", isStaff: true, isSuperuser: true);
        await Users.CreateAsync("testuser");
        var page = await NewPageAsync(screen);

        await page.GotoAsync("/admin");
        await LookAsync(page, "admin-login");
        await LogInAsync(page, "root");
        await LookAsync(page, "admin-index");
        await page.GetByRole(AriaRole.Link, new PageGetByRoleOptions { Name = "Applications", Exact = true }).ClickAsync();
        await LookAsync(page, "admin-applications-none");
        await page.GetByRole(AriaRole.Link, new PageGetByRoleOptions { Name = "Add application" }).ClickAsync();
        await LookAsync(page, "admin-application-add");
        await page.GetByLabel("Name", new PageGetByLabelOptions { Exact = true }).FillAsync("MyAppClient");
        await page.GetByLabel("Confidential", new PageGetByLabelOptions { Exact = true }).CheckAsync();
        await page.GetByLabel("Resource owner password-based", new PageGetByLabelOptions { Exact = true }).CheckAsync();
        await PressAsync(page, "Save");

        await Assertions.Expect(page.Locator("ul.messages")).ToContainTextAsync("The application “MyAppClient” was added successfully.");
        var codes = page.Locator(".secrets code");
        var (id, secret) = (await codes.Nth(0).InnerTextAsync(), await codes.Nth(1).InnerTextAsync());
        Secrets.Add(secret);
        await LookAsync(page, "admin-application-secret");

        var answer = await CurlAsync(
            "-sS", "-X", "POST", "-u", $"{id}:{secret}", "-d", "grant_type=password", "-d", "username=testuser", "-d", $"password={TestUsers.PasswordOf("testuser")}", new Uri(Server.Address, "/o/token/").ToString());
        var token = System.Text.Json.Nodes.JsonNode.Parse(answer)!;
        Secrets.Add(token["access_token"]!.GetValue<string>());
        Secrets.Add(token["refresh_token"]!.GetValue<string>());
        Assert.Equal((36000, "Bearer", "read write"), (token["expires_in"]!.GetValue<int>(), token["token_type"]!.GetValue<string>(), token["scope"]!.GetValue<string>()));

        await page.GetByRole(AriaRole.Link, new PageGetByRoleOptions { Name = "Done" }).ClickAsync();
        await LookAsync(page, "admin-applications");
        await page.GetByRole(AriaRole.Link, new PageGetByRoleOptions { Name = "MyAppClient" }).ClickAsync();
        await LookAsync(page, "admin-application-change");
        Assert.DoesNotContain(secret, await page.ContentAsync());
        await page.GetByLabel("Redirect URIs", new PageGetByLabelOptions { Exact = true }).FillAsync("nonsense");
        await page.GetByLabel("Client id", new PageGetByLabelOptions { Exact = true }).FillAsync("x x");
        await PressAsync(page, "Save and continue editing");
        await Assertions.Expect(page.Locator(".errornote")).ToBeVisibleAsync();
        await LookAsync(page, "admin-application-errors");
    }

    [Theory]
    [MemberData(nameof(Screens))]
    public async Task A_superuser_sees_at_a_glance_what_happens(string screen)
    {
        await Users.CreateAsync("root", isStaff: true, isSuperuser: true);
        var page = await NewPageAsync(screen);
        await page.GotoAsync("/admin/");
        await LogInAsync(page, "root");
        await LookAsync(page, "admin-overview-empty");

        Plant();
        foreach (var period in new[] { "Day", "Week" })
        {
            await page.GetByRole(AriaRole.Link, new PageGetByRoleOptions { Name = period, Exact = true }).ClickAsync();
            await Assertions.Expect(page.GetByRole(AriaRole.Img, new PageGetByRoleOptions { Name = $"Logins over the last {period.ToLowerInvariant()}" })).ToBeVisibleAsync();
            await LookAsync(page, $"admin-overview-{period.ToLowerInvariant()}");
        }
        foreach (var entry in new[] { "ada", "a-user-with-a-name-that-goes-on-and-on-and-on-until-it-fits-on-no-telephone-at-all" })
            Database.Execute(
                $"""
                INSERT INTO gatehouse_audit (at, event, user_id, username, about, client, address, detail)
                VALUES (1780000000000000, 'token_issued', '7', '{entry}', '', 'a-photo-album', '2001:db8:1:2::/64', 'OAuth, scope read write'),
                    (1780000000000000, 'changed', '1', 'root', 'auth.user 7 {entry}', '', '127.0.0.1', 'Changed Staff status and User permissions. +staff, +auth.view_user, -auth.change_user')
                """);
        await page.GetByRole(AriaRole.Link, new PageGetByRoleOptions { Name = "Audit log" }).ClickAsync();
        await Assertions.Expect(page.GetByText("a-photo-album").First).ToBeVisibleAsync();
        await LookAsync(page, "admin-audit");
        await page.GotoAsync("/admin/gatehouse/audit/?q=nothing-has-this");
        await LookAsync(page, "admin-audit-none");
        await page.GotoAsync("/admin/");
        await page.GetByText("check --deploy").ClickAsync();
        await Assertions.Expect(page.GetByText("(security.W012)")).ToBeVisibleAsync();
    }

    /// <summary>Days as they are: a wave of logins, a night, an hour of somebody who guesses.</summary>
    private void Plant()
    {
        var now = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        var names = new (string Name, double Share)[]
        {
            ("Login", 1), ("LoginFailure", .15), ("OAuthToken", 1.8), ("Jwt", 1.2), ("ApiToken", .1), ("IdToken", .4), ("Unauthenticated", .5), ("Forbidden", .1), ("Throttled", .06),
            ("BadRequest", .2), ("Unavailable", 0), ("ServerError", .002), ("Sessions", 30),
        };
        var rows = new List<string>();
        foreach (var (seconds, shown) in Gatehouse.Statistics.Counters.Widths)
            for (var i = 0; i < shown; i++)
            {
                var start = (now / seconds - i) * seconds;
                var wave = 1.3 + Math.Sin(start / 86400.0 * Math.Tau - 2) + .25 * Math.Sin(start / 431.0) + .15 * Math.Sin(start / 97.0);
                foreach (var (name, share) in names)
                {
                    var guesses = name is "LoginFailure" or "Throttled" && i > shown / 3 && i < shown / 3 + 5 ? 9 : 1;
                    var count = (long)(wave * share * guesses * (name == "Sessions" ? 1 : seconds / 20.0));
                    if (count > 0) rows.Add($"({seconds}, {start}, '{name}', {count}, {start + 700_000})");
                }
            }
        Database.Execute($"INSERT INTO gatehouse_counter (seconds, start, name, count, expires) VALUES {string.Join(", ", rows)} ON CONFLICT DO NOTHING");
    }

    [Theory]
    [MemberData(nameof(Screens))]
    public async Task A_superuser_keeps_users(string screen)
    {
        await Users.CreateAsync("root", isStaff: true, isSuperuser: true);
        await Users.CreateAsync("a-user-with-a-name-that-goes-on-and-on-and-on-until-it-fits-on-no-telephone-at-all", email: "somebody.with.a.long.address@a-very-long-domain-name.example.com");
        Database.Execute(
            """
            INSERT INTO auth_group (name) VALUES ('Editors'), ('Reviewers of what the editors wrote');
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 220)
            INSERT INTO auth_user (password, is_superuser, username, last_name, email, is_staff, is_active, date_joined, first_name)
            SELECT '!', 0, printf('user%03d', i), 'Miller', printf('user%d@example.com', i), i % 7 = 0, i % 5 > 0, '2026-01-01 00:00:00', 'Alex' FROM n
            """);
        var page = await NewPageAsync(screen);
        await page.GotoAsync("/admin/");
        await LogInAsync(page, "root");

        await page.GotoAsync("/admin/auth/user/");
        await LookAsync(page, "admin-users");
        await page.GotoAsync("/admin/auth/user/?q=nobody-has-this-name");
        await LookAsync(page, "admin-users-no-match");
        await page.GotoAsync("/admin/auth/user/?is_staff__exact=1");
        await LookAsync(page, "admin-users-filtered");

        await page.GotoAsync("/admin/auth/user/add/");
        await LookAsync(page, "admin-user-add");
        await page.GetByLabel("Username").FillAsync("alice");
        await page.GetByLabel("Password", new PageGetByLabelOptions { Exact = true }).FillAsync("12345");
        await page.GetByLabel("Password confirmation").FillAsync("12345");
        await PressAsync(page, "Save");
        await LookAsync(page, "admin-user-add-errors");
        await page.GetByLabel("Password", new PageGetByLabelOptions { Exact = true }).FillAsync(TestUsers.PasswordOf("alice"));
        await page.GetByLabel("Password confirmation").FillAsync(TestUsers.PasswordOf("alice"));
        await PressAsync(page, "Save");
        await LookAsync(page, "admin-user-change");

        var alice = new Uri(page.Url).AbsolutePath.Replace("change/", "", StringComparison.Ordinal);
        await page.GetByLabel("Email address").FillAsync("alice@example.com");
        await page.GetByLabel("Editors", new PageGetByLabelOptions { Exact = true }).CheckAsync();
        await page.GetByLabel("Can view user").CheckAsync();
        await PressAsync(page, "Save");
        await Assertions.Expect(page.Locator("ul.messages")).ToContainTextAsync("The user “alice” was changed successfully.");
        foreach (var (what, name) in new[] { ("history/", "admin-user-history"), ("password/", "admin-user-password"), ("delete/", "admin-user-delete") })
        {
            await page.GotoAsync(alice + what);
            await LookAsync(page, name);
        }
        await PressAsync(page, "Yes, I’m sure");
        await Assertions.Expect(page.Locator("ul.messages")).ToContainTextAsync("The user “alice” was deleted successfully.");

        await page.GotoAsync("/admin/auth/user/?q=user00");
        await page.GetByLabel("Select user001").CheckAsync();
        await page.GetByLabel("Select user002").CheckAsync();
        await page.GetByLabel("Action:").SelectOptionAsync("deactivate");
        await PressAsync(page, "Go");
        await LookAsync(page, "admin-users-deactivate");
        await PressAsync(page, "Yes, I’m sure");
        await LookAsync(page, "admin-users-deactivated");

        await page.GotoAsync("/admin/auth/group/add/");
        await LookAsync(page, "admin-group-add");
        await page.GotoAsync("/admin/");
        await LookAsync(page, "admin-index-used");
    }

    [Theory]
    [MemberData(nameof(Screens))]
    public async Task A_superuser_looks_at_tokens_and_sessions(string screen)
    {
        await Users.CreateAsync("root", isStaff: true, isSuperuser: true);
        var alice = await Users.CreateAsync("alice");
        await Users.TokenAsync(alice);
        var client = await new TestClients(Database, Secrets).CreateAsync("photos", "password", "the-secret-of-the-photo-album", name: "Photo album", algorithm: "");
        for (var i = 0; i < 3; i++)
        {
            var answer = await Http.AskAsync(
                "/o/token/", "POST", new FormUrlEncodedContent([new("grant_type", "password"), new("username", "alice"), new("password", TestUsers.PasswordOf("alice"))]),
                ("Authorization", Answers.Basic("photos", "the-secret-of-the-photo-album")));
            await answer.ShouldBeAsync(200);
            await Http.AskAsync("/api/token/", "POST", new FormUrlEncodedContent([new("username", "alice"), new("password", TestUsers.PasswordOf("alice"))])).ShouldBeAsync(200);
        }
        var page = await NewPageAsync(screen);
        await page.GotoAsync("/admin/");
        await LogInAsync(page, "root");

        foreach (var model in new[]
        {
            "oauth2_provider/accesstoken", "oauth2_provider/refreshtoken", "oauth2_provider/grant", "oauth2_provider/idtoken", "oauth2_provider/devicegrant", "authtoken/tokenproxy", "sessions/session",
            "token_blacklist/outstandingtoken", "token_blacklist/blacklistedtoken", "admin/logentry",
        })
        {
            await page.GotoAsync($"/admin/{model}/");
            await LookAsync(page, "admin-" + model.Split('/')[1]);
        }
        await page.GotoAsync("/admin/gatehouse/signingkey/");
        await LookAsync(page, "admin-signingkeys");
        await PressAsync(page, "Make new keys");
        await LookAsync(page, "admin-signingkeys-new");
        await page.GotoAsync("/admin/oauth2_provider/refreshtoken/1/change/");
        await LookAsync(page, "admin-refreshtoken-view");
        await page.GotoAsync($"/admin/oauth2_provider/application/{client}/delete/");
        await LookAsync(page, "admin-application-delete");
        await page.GotoAsync("/admin/authtoken/tokenproxy/add/");
        await LookAsync(page, "admin-token-add");
        await page.GotoAsync("/admin/oauth2_provider/accesstoken/?application__id__exact=1&q=alice");
        await LookAsync(page, "admin-accesstoken-filtered");
    }

    private static async Task<string> CurlAsync(params string[] arguments)
    {
        using var curl = Process.Start(new ProcessStartInfo("curl", arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var output = await curl.StandardOutput.ReadToEndAsync(Ct);
        await curl.WaitForExitAsync(Ct);
        return output;
    }
}
