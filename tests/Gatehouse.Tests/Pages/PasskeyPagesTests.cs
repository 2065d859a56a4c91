using Microsoft.Playwright;
using Xunit;

namespace Gatehouse.Tests.Pages;

/// <summary>Passkeys with Chromium's virtual authenticator, under the name localhost: at an IP address browsers have none.</summary>
public sealed class PasskeyPagesTests(Chromium chromium) : PagesTest(chromium)
{
    private ICDPSession? cdp;
    private string authenticator = "";

    protected override void Configure(GatehouseOptions options) => options.AllowedHosts = ["localhost"];

    [Theory]
    [MemberData(nameof(Screens))]
    public async Task A_person_adds_one_logs_in_with_it_alone_and_beside_a_password_and_deletes_it(string screen)
    {
        await Users.CreateAsync("alice", isStaff: true, isSuperuser: true);
        var page = await NewPageAsync(screen, script: true, host: "localhost");
        await PlugInAsync(page);

        await page.GotoAsync("/accounts/login/?next=/accounts/passkeys/");
        await LookAsync(page, "login-passkey");
        await PressAsync(page, "Log in with a passkey");
        await Assertions.Expect(page.GetByRole(AriaRole.Status)).ToHaveTextAsync("No passkey was shown.");
        await LookAsync(page, "login-passkey-none");
        await LogInAsync(page, "alice");
        await LookAsync(page, "passkeys-none");
        await page.GetByLabel("Name").FillAsync("my phone");
        await page.GetByLabel("Password").FillAsync(TestUsers.PasswordOf("alice"));
        await PressAsync(page, "Go on");
        await Assertions.Expect(page.Locator("[data-without-passkey]")).ToBeHiddenAsync();
        await LookAsync(page, "passkey-make");
        await PressAsync(page, "Make the passkey");
        await Assertions.Expect(page.Locator("ul.codes code")).ToHaveCountAsync(10);
        foreach (var code in await page.Locator("ul.codes code").AllTextContentsAsync()) Secrets.Add(code);
        await LookAsync(page, "passkey-recovery-codes");
        await page.GetByRole(AriaRole.Link, new PageGetByRoleOptions { Name = "I have kept them" }).ClickAsync();
        await Assertions.Expect(page.Locator("ul.rows")).ToContainTextAsync("my phone");
        await LookAsync(page, "passkeys");

        // Alone, into the admin site.
        await LogOutAsync(page);
        await page.GotoAsync("/admin/");
        await PressAsync(page, "Log in with a passkey");
        await Assertions.Expect(page.GetByRole(AriaRole.Heading, new PageGetByRoleOptions { Name = "Site administration" })).ToBeVisibleAsync();

        // Beside a password; a finger that is not the owner's first.
        await LogOutAsync(page);
        await page.GotoAsync("/accounts/login/");
        await LogInAsync(page, "alice");
        await LookAsync(page, "login-second-factor-passkey");
        await VerifyAsync(false);
        await PressAsync(page, "Use a passkey");
        await Assertions.Expect(page.GetByRole(AriaRole.Status)).ToHaveTextAsync("No passkey was shown.");
        await VerifyAsync(true);
        await PressAsync(page, "Use a passkey");
        await Assertions.Expect(page.GetByRole(AriaRole.Heading)).ToHaveTextAsync("alice");

        await page.GetByRole(AriaRole.Link, new PageGetByRoleOptions { Name = "Second factor" }).ClickAsync();
        await LookAsync(page, "second-factor-set-up-beside-passkey");
        await page.GotoAsync("/accounts/passkeys/");
        await page.GetByRole(AriaRole.Link, new PageGetByRoleOptions { Name = "Delete my phone" }).ClickAsync();
        await page.GetByLabel("Password").FillAsync(TestUsers.PasswordOf("alice"));
        await PressAsync(page, "Use a passkey");
        await Assertions.Expect(page.GetByRole(AriaRole.Status)).ToHaveTextAsync("The passkey was shown. Go on with the form.");
        await LookAsync(page, "passkey-delete");
        await PressAsync(page, "Delete it");
        await Assertions.Expect(page.Locator("main")).ToContainTextAsync("You have none yet.");
        await LogOutAsync(page);
        await LogInAsync(page, "alice");
        await Assertions.Expect(page.GetByRole(AriaRole.Heading)).ToHaveTextAsync("alice");
    }

    private static async Task LogOutAsync(IPage page)
    {
        await page.GotoAsync("/accounts/profile/");
        await PressAsync(page, "Log out");
        await Assertions.Expect(page.GetByLabel("Username")).ToBeVisibleAsync();
    }

    /// <summary>A device with a lock, which is its owner's and always at hand.</summary>
    private async Task PlugInAsync(IPage page)
    {
        cdp = await page.Context.NewCDPSessionAsync(page);
        await cdp.SendAsync("WebAuthn.enable");
        var added = await cdp.SendAsync("WebAuthn.addVirtualAuthenticator", new Dictionary<string, object>
        {
            ["options"] = new Dictionary<string, object>
            {
                ["protocol"] = "ctap2",
                ["transport"] = "internal",
                ["hasResidentKey"] = true,
                ["hasUserVerification"] = true,
                ["isUserVerified"] = true,
                ["automaticPresenceSimulation"] = true,
            },
        });
        authenticator = added!.Value.GetProperty("authenticatorId").GetString()!;
    }

    private async Task VerifyAsync(bool isOwner) =>
        await cdp!.SendAsync("WebAuthn.setUserVerified", new Dictionary<string, object> { ["authenticatorId"] = authenticator, ["isUserVerified"] = isOwner });
}
