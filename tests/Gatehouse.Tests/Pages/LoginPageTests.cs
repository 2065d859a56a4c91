using Microsoft.Playwright;
using Xunit;

namespace Gatehouse.Tests.Pages;

public sealed class LoginPageTests(Chromium chromium) : PagesTest(chromium)
{
    [Theory]
    [MemberData(nameof(Screens))]
    public async Task A_person_logs_in_sees_what_was_wrong_and_logs_out(string screen)
    {
        await Users.CreateAsync("alice", email: "alice@example.com");
        var page = await NewPageAsync(screen);

        await page.GotoAsync("/accounts/login/");
        await LookAsync(page, "login");
        await page.GetByLabel("Username").FillAsync("alice");
        await page.GetByLabel("Password").FillAsync("not-it");
        await PressAsync(page, "Log in");
        await LookAsync(page, "login-refused");
        await Assertions.Expect(page.Locator("ul.errorlist")).ToContainTextAsync("Please enter a correct username and password.");

        await LogInAsync(page, "alice");
        await LookAsync(page, "profile");
        await Assertions.Expect(page.GetByRole(AriaRole.Heading)).ToHaveTextAsync("alice");
        await PressAsync(page, "Log out");
        await Assertions.Expect(page.GetByLabel("Username")).ToBeVisibleAsync();
    }
}
