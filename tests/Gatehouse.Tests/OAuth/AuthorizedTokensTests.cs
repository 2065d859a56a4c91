using Xunit;

namespace Gatehouse.Tests.OAuth;

/// <summary>The pages on which people see and end what acts for them.</summary>
public sealed class AuthorizedTokensTests : OAuthPagesTest
{
    [Fact]
    public async Task A_token_is_listed_and_ended_with_its_refresh_token()
    {
        var alice = await Users.CreateAsync("alice");
        var client = AddClient("tv");
        var id = AddAccessToken(client, alice, "access-of-alice", scope: "read nosuch");
        AddRefreshToken(client, alice, "refresh-of-alice", id);
        var browser = await NewBrowser().LogInAsync("alice");

        var list = await (await browser.GetAsync("/o/authorized_tokens/")).TextAsync();
        Assert.Contains("The tv", list, StringComparison.Ordinal);
        Assert.Contains("<li>read: Reading scope</li>", list, StringComparison.Ordinal);
        Assert.DoesNotContain("nosuch", list, StringComparison.Ordinal);
        Assert.DoesNotContain("access-of-alice", list, StringComparison.Ordinal);
        Assert.Contains($"/o/authorized_tokens/{id}/delete/", list, StringComparison.Ordinal);
        var revoked = await browser.SubmitAsync($"/o/authorized_tokens/{id}/delete/");

        await revoked.ShouldBeAsync(302);
        Assert.Equal("/o/authorized_tokens/", revoked.Header("Location"));
        Assert.Equal("0", One("SELECT count(*) FROM oauth2_provider_accesstoken"));
        await ErrorAsync(TokenAsync(null, ("grant_type", "refresh_token"), ("refresh_token", "refresh-of-alice"), ("client_id", "tv")), 400, "invalid_grant");
        Assert.Contains("There are no authorized tokens yet.", await (await browser.GetAsync("/o/authorized_tokens/")).TextAsync(), StringComparison.Ordinal);
        await browser.SendAsync(HttpMethod.Post, $"/o/authorized_tokens/{id}/delete/", Form("")).ShouldBeAsync(404);
    }

    [Fact]
    public async Task Others_tokens_are_not_there()
    {
        var alice = await Users.CreateAsync("alice");
        await Users.CreateAsync("mallory", isSuperuser: true, isStaff: true);
        var client = AddClient("tv");
        var (hers, nobodys) = (AddAccessToken(client, alice, "access-of-alice"), AddAccessToken(client, null, "access-of-the-machine"));
        var browser = await NewBrowser().LogInAsync("mallory");

        foreach (var id in new[] { $"{hers}", $"{nobodys}", "0", "-1", "abc", "99999999999999999999" })
        {
            await browser.GetAsync($"/o/authorized_tokens/{id}/delete/").ShouldBeAsync(404);
            await browser.SendAsync(HttpMethod.Post, $"/o/authorized_tokens/{id}/delete/", Form("")).ShouldBeAsync(404);
            await browser.SendAsync(HttpMethod.Delete, $"/o/authorized_tokens/{id}/delete/").ShouldBeAsync(404);
        }
        Assert.DoesNotContain("The tv", await (await browser.GetAsync("/o/authorized_tokens/")).TextAsync(), StringComparison.Ordinal);
        Assert.Equal("2", One("SELECT count(*) FROM oauth2_provider_accesstoken"));
    }

    // R2: the page answered, so nothing that it ended gives tokens.
    [Fact]
    public async Task What_is_ended_while_it_is_refreshed_stays_ended()
    {
        var alice = await Users.CreateAsync("alice");
        var client = AddClient("tv");
        var browser = await NewBrowser().LogInAsync("alice");
        for (var round = 0; round < 10; round++)
        {
            var id = AddAccessToken(client, alice, $"access-{round}");
            AddRefreshToken(client, alice, $"refresh-{round}", id);

            var ending = browser.SendAsync(HttpMethod.Post, $"/o/authorized_tokens/{id}/delete/", Form(""));
            var refreshing = TokenAsync(null, ("grant_type", "refresh_token"), ("refresh_token", $"refresh-{round}"), ("client_id", "tv"));
            await Task.WhenAll(ending, refreshing);

            // Whoever was first: the refresh replaced the token that the page was about, or finds it gone.
            var expected = (await ending).StatusCode == System.Net.HttpStatusCode.Found ? (302, 400) : (404, 200);
            Assert.Equal(expected, ((int)(await ending).StatusCode, (int)(await refreshing).StatusCode));
        }
    }

    [Fact]
    public async Task Ending_a_token_needs_the_CSRF_token()
    {
        var alice = await Users.CreateAsync("alice");
        var id = AddAccessToken(AddClient("tv"), alice, "access-of-alice");
        var browser = await NewBrowser().LogInAsync("alice");

        await browser.SendAsync(HttpMethod.Post, $"/o/authorized_tokens/{id}/delete/", Form(""), csrf: false).ShouldBeAsync(403);
        await browser.SendAsync(HttpMethod.Delete, $"/o/authorized_tokens/{id}/delete/", csrf: false).ShouldBeAsync(403);
        Assert.Equal("1", One("SELECT count(*) FROM oauth2_provider_accesstoken"));
    }
}
