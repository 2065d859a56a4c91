using Gatehouse.Tests.Mail;
using Microsoft.Playwright;
using OtpNet;
using Xunit;

namespace Gatehouse.Tests.Pages;

public sealed class AccountPagesTests(Chromium chromium) : PagesTest(chromium)
{
    private readonly MailFolder mailbox = new();

    protected override void Configure(GatehouseOptions options)
    {
        // Links are opened at the server's real address: only their paths are taken.
        options.Accounts.BaseUrl = "https://auth.example.com";
        options.Email.Backend = "file";
        options.Email.FilePath = mailbox.Path;
    }

    public override async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        await base.DisposeAsync();
        mailbox.Dispose();
    }

    [Theory]
    [MemberData(nameof(Screens))]
    public async Task A_person_signs_up_verifies_the_address_and_looks_after_the_account(string screen)
    {
        var page = await NewPageAsync(screen);
        await page.GotoAsync("/accounts/register/");
        await LookAsync(page, "register");
        await page.GetByLabel("Username").FillAsync("carol");
        await page.GetByLabel("Email").FillAsync("carol@example.com");
        await page.GetByLabel("Password", new PageGetByLabelOptions { Exact = true }).FillAsync("carol-12");
        await page.GetByLabel("Password confirmation").FillAsync("carol-12");
        await PressAsync(page, "Sign up");
        await Assertions.Expect(page.Locator("ul.errorlist")).ToContainTextAsync("The password is too similar to the username.");
        await LookAsync(page, "register-refused");
        await page.GetByLabel("Password", new PageGetByLabelOptions { Exact = true }).FillAsync("quiet-river-under-stones");
        await page.GetByLabel("Password confirmation").FillAsync("quiet-river-under-stones");
        await PressAsync(page, "Sign up");
        await Assertions.Expect(page.GetByRole(AriaRole.Heading)).ToHaveTextAsync("carol");
        await LookAsync(page, "account");

        await page.GotoAsync(MailFolder.LinkOf((await mailbox.WaitAsync(1))[0], "https://auth.example.com"));
        await LookAsync(page, "verify-email");
        await PressAsync(page, "Yes, it is");
        await LookAsync(page, "verify-email-done");

        await page.GotoAsync("/accounts/profile/edit/");
        await LookAsync(page, "profile-edit");
        await page.GetByLabel("First name").FillAsync("Carol");
        await PressAsync(page, "Save");
        await Assertions.Expect(page.Locator("main")).ToContainTextAsync("Carol, you are logged in as carol@example.com (verified).");

        await page.GotoAsync("/accounts/password_change/");
        await LookAsync(page, "password-change");
        await page.GetByLabel("Old password").FillAsync("not-it");
        await page.GetByLabel("New password", new PageGetByLabelOptions { Exact = true }).FillAsync("green-hills-far-away");
        await page.GetByLabel("New password confirmation").FillAsync("green-hills-far-away");
        await PressAsync(page, "Change my password");
        await LookAsync(page, "password-change-refused");
        await page.GetByLabel("Old password").FillAsync("quiet-river-under-stones");
        await page.GetByLabel("New password", new PageGetByLabelOptions { Exact = true }).FillAsync("green-hills-far-away");
        await page.GetByLabel("New password confirmation").FillAsync("green-hills-far-away");
        await PressAsync(page, "Change my password");
        await LookAsync(page, "password-change-done");

        await page.GotoAsync("/accounts/sessions/");
        await Assertions.Expect(page.Locator("ul.rows li")).ToHaveCountAsync(1);
        await LookAsync(page, "sessions");
        await page.GotoAsync("/accounts/tokens/");
        await page.GetByLabel("Password").FillAsync("green-hills-far-away");
        await PressAsync(page, "Make a new token");
        await LookAsync(page, "token-new");
        await page.GotoAsync("/accounts/tokens/");
        await LookAsync(page, "tokens");

        await page.GotoAsync("/accounts/profile/");
        await page.GetByText("Delete my account").ClickAsync();
        await LookAsync(page, "account-delete");
        await page.GetByLabel("Password").FillAsync("green-hills-far-away");
        await PressAsync(page, "Delete my account");
        await LookAsync(page, "account-deleted");
    }

    [Theory]
    [MemberData(nameof(Screens))]
    public async Task A_person_who_forgot_the_password_gets_a_link(string screen)
    {
        await Users.CreateAsync("alice", email: "alice@example.com");
        var page = await NewPageAsync(screen);

        await page.GotoAsync("/accounts/login/");
        await page.GetByRole(AriaRole.Link, new PageGetByRoleOptions { Name = "Forgotten your password?" }).ClickAsync();
        await LookAsync(page, "password-reset");
        await page.GetByLabel("Email").FillAsync("alice@example.com");
        await PressAsync(page, "Reset my password");
        await LookAsync(page, "password-reset-sent");
        var link = MailFolder.LinkOf((await mailbox.WaitAsync(1))[0], "https://auth.example.com");
        await page.GotoAsync(link);
        await LookAsync(page, "password-reset-new");
        await page.GetByLabel("New password", new PageGetByLabelOptions { Exact = true }).FillAsync("green-hills-far-away");
        await page.GetByLabel("New password confirmation").FillAsync("green-hills-far-away");
        await PressAsync(page, "Change my password");
        await LookAsync(page, "password-reset-complete");
        await page.GotoAsync(link);
        await LookAsync(page, "password-reset-unsuccessful");
    }

    [Theory]
    [MemberData(nameof(Screens))]
    public async Task A_person_sets_up_a_second_factor_and_logs_in_with_it(string screen)
    {
        await Users.CreateAsync("alice");
        var page = await NewPageAsync(screen);
        await page.GotoAsync("/accounts/login/?next=/accounts/second_factor/");
        await LogInAsync(page, "alice");
        await LookAsync(page, "second-factor-set-up");
        var secret = (await page.Locator("code").TextContentAsync())!.Replace(" ", "", StringComparison.Ordinal);
        Secrets.Add(secret);
        var totp = new Totp(Base32Encoding.ToBytes(secret));
        await page.GetByLabel("Code", new PageGetByLabelOptions { Exact = true }).FillAsync(totp.ComputeTotp());
        await page.GetByLabel("Password").FillAsync(TestUsers.PasswordOf("alice"));
        await PressAsync(page, "Turn it on");
        await LookAsync(page, "second-factor-recovery-codes");
        var recovery = (await page.Locator("ul.codes code").First.TextContentAsync())!;
        await page.GetByRole(AriaRole.Link, new PageGetByRoleOptions { Name = "I have kept them" }).ClickAsync();
        await LookAsync(page, "second-factor-on");

        await page.GotoAsync("/accounts/profile/");
        await PressAsync(page, "Log out");
        await LogInAsync(page, "alice");
        await LookAsync(page, "login-second-factor");
        await page.GetByLabel("Code", new PageGetByLabelOptions { Exact = true }).FillAsync("000000");
        await PressAsync(page, "Log in");
        await Assertions.Expect(page.Locator("ul.errorlist")).ToContainTextAsync("Invalid one-time code.");
        await LookAsync(page, "login-second-factor-refused");
        await page.GetByLabel("Code", new PageGetByLabelOptions { Exact = true }).FillAsync(recovery);
        await PressAsync(page, "Log in");
        await Assertions.Expect(page.GetByRole(AriaRole.Heading)).ToHaveTextAsync("alice");
    }
}
