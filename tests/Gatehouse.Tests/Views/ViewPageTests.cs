using System.Text.RegularExpressions;
using Gatehouse.Http;
using Gatehouse.Permissions;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Xunit;
using static Gatehouse.Tests.Answers;

namespace Gatehouse.Tests.Views;

/// <summary>The browsable API: what a page shows to whom, and that nothing in it can be turned against its reader.</summary>
public sealed partial class ViewPageTests : GatehouseTest
{
    private const string Evil = "</pre><script>alert(1)</script>\"'&";

    protected override void Map(WebApplication app)
    {
        app.MapView("/notes/", "Notes", view => view.Get(_ => Answer(new[] { Evil })).Post(_ => Answer("made")).Description = "All notes.\n\nEverybody reads; users write.").RequirePermission(new IsAuthenticatedOrReadOnly());
        app.MapView("/notes/{id}/", "One note", view => view.Get(http => Answer(http.Request.RouteValues["id"])).Put(_ => Answer("put")).Delete(_ => Task.FromResult<IResult>(ApiJson.Empty(204))))
            .RequirePermission(new IsAuthenticatedOrReadOnly());
        app.MapView("/long/", "Long", view => view.Get(_ => Answer(new string('x', 1_000_000))));
    }

    private static Task<IResult> Answer(object? value) => Task.FromResult<IResult>(ApiJson.Ok(value));

    [Fact]
    public async Task It_shows_the_answer_with_status_and_headers_and_where_to_log_in()
    {
        var page = await PageAsync("/notes/?a=1");

        Assert.Contains("<h1>Notes</h1>\n<p>All notes.</p>\n<p>Everybody reads; users write.</p>", page, StringComparison.Ordinal);
        Assert.Contains("<b>HTTP 200 OK</b>\n<b>Allow:</b> GET, POST, HEAD, OPTIONS\n<b>Vary:</b> Accept, Cookie\n<b>Content-Type:</b> application/json", page, StringComparison.Ordinal);
        Assert.Contains("<a href=\"/api-auth/login/?next=%2Fnotes%2F%3Fa%3D1\">Log in</a>", page, StringComparison.Ordinal);
        Assert.Contains("<a href=\"/notes/?a=1&amp;format=json\">", page, StringComparison.Ordinal);
        Assert.Contains("multipart/form-data", page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_a_refused_caller_sees_names_the_challenge()
    {
        var page = await PageAsync("/api/accounts/profile/", status: 401);

        Assert.Contains("<b>HTTP 401 Unauthorized</b>", page, StringComparison.Ordinal);
        Assert.Contains("<b>WWW-Authenticate:</b> ", page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Forms_are_for_what_the_caller_may_do()
    {
        await Users.CreateAsync("alice");

        var stranger = await PageAsync("/notes/1/");
        var user = await PageAsync("/notes/1/", Basic("alice"));

        Assert.Empty(Methods().Matches(stranger));
        Assert.Equal(["DELETE", "PUT"], Methods().Matches(user).Select(match => match.Groups[1].Value));
        Assert.Contains("<span>alice</span>", user, StringComparison.Ordinal);
        // Who came without a session has none to end.
        Assert.DoesNotContain("Log out", user, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_session_can_be_ended_and_write_by_the_form_of_the_page()
    {
        await Users.CreateAsync("alice");
        var browser = await NewBrowser().LogInAsync("alice");

        var page = await (await browser.SendAsync(HttpMethod.Get, "/api/accounts/logout/", null, csrf: false, ("Accept", "text/html"))).TextAsync();
        var token = CsrfField().Match(page).Groups[1].Value;
        using var form = new FormUrlEncodedContent([new("csrfmiddlewaretoken", token)]);
        var done = await browser.SendAsync(HttpMethod.Post, "/api/accounts/logout/", form, csrf: false, ("Accept", "text/html"));

        Assert.Contains("action=\"/api-auth/logout/\"", page, StringComparison.Ordinal);
        Assert.Equal(200, (int)done.StatusCode);
        Assert.Contains("Logged out successfully", await done.TextAsync(), StringComparison.Ordinal);
        Assert.Null(browser.SessionKey);
    }

    [Fact]
    public async Task The_form_of_the_page_without_its_token_is_refused_on_a_session()
    {
        await Users.CreateAsync("alice");
        var browser = await NewBrowser().LogInAsync("alice");
        using var form = new FormUrlEncodedContent([new("text", "Send money")]);

        var refused = await browser.SendAsync(HttpMethod.Post, "/notes/", form, csrf: false, ("Accept", "text/html"));

        Assert.Equal(403, (int)refused.StatusCode);
        Assert.Contains("CSRF Failed", await refused.TextAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_was_wrong_stands_beside_its_field_and_the_password_is_not_sent_back()
    {
        using var form = new FormUrlEncodedContent([new("username", "no spaces"), new("email", Evil), new("password", "an-open-secret")]);
        var answer = await Http.AskAsync("/api/accounts/register/", "POST", form, ("Accept", "text/html"));
        var page = await answer.TextAsync();

        Assert.Equal(400, (int)answer.StatusCode);
        Assert.Matches("name=\"username\" type=\"text\" value=\"no spaces\"[^>]*aria-invalid=\"true\" aria-describedby=\"id_username_error\">\n<ul class=\"errorlist\" id=\"id_username_error\"><li>Enter a valid username", page);
        Assert.Contains("value=\"&lt;/pre&gt;&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;\"", page, StringComparison.Ordinal);
        Assert.DoesNotContain("an-open-secret", page, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/notes/")]
    [InlineData("/notes/%3C%2Fpre%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E/")]
    [InlineData("/notes/?a=%3Cscript%3Ealert(1)%3C/script%3E")]
    [InlineData("/notes/?\"><script>alert(1)</script>")]
    public async Task Nothing_that_is_shown_becomes_markup(string path)
    {
        await Users.CreateAsync("alice");

        var page = await PageAsync(path, Basic("alice"));

        Assert.DoesNotContain("<script>", page, StringComparison.OrdinalIgnoreCase);
        Assert.Equal(1, Regex.Count(page, "<script", RegexOptions.IgnoreCase));
    }

    [Fact]
    public async Task Its_policy_allows_files_of_this_server_only_and_nothing_inline()
    {
        var answer = await Http.AskAsync("/notes/", "GET", null, ("Accept", "text/html"));
        var page = await answer.TextAsync();

        Assert.Equal(
            "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
            answer.Header("Content-Security-Policy"));
        Assert.DoesNotMatch("(?i)<style|style=|\\son[a-z]+=|javascript:", page);
        foreach (Match file in Files().Matches(page))
        {
            var asset = await Http.GetAsync(file.Groups[1].Value, Ct);
            Assert.Equal(200, (int)asset.StatusCode);
            Assert.Equal("public, max-age=31536000, immutable", asset.Header("Cache-Control"));
        }
        Assert.Equal(2, Files().Count(page));
    }

    [Fact]
    public async Task A_deletion_that_says_nothing_is_shown_as_DRF_shows_it()
    {
        await Users.CreateAsync("alice");

        var answer = await Http.AskAsync("/notes/1/", "DELETE", null, ("Accept", "text/html"), ("Authorization", Basic("alice")));

        Assert.Equal(200, (int)answer.StatusCode);
        Assert.Contains("<b>HTTP 204 No Content</b>", await answer.TextAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_long_answer_is_cut()
    {
        await Users.CreateAsync("alice");

        var page = await PageAsync("/long/", Basic("alice"));

        Assert.InRange(page.Length, 262_144, 300_000);
    }

    [Fact]
    public async Task Breadcrumbs_lead_to_the_views_above()
    {
        var page = await PageAsync("/notes/7/");

        Assert.Contains("<nav aria-label=\"Breadcrumbs\"><ol><li><a href=\"/notes/\">Notes</a></li><li><a href=\"/notes/7/\" aria-current=\"page\">One note</a></li></ol></nav>", page, StringComparison.Ordinal);
    }

    private async Task<string> PageAsync(string path, string? authorization = null, int status = 200)
    {
        var answer = await Http.AskAsync(path, "GET", null, [("Accept", "text/html"), .. authorization is null ? Array.Empty<(string, string)>() : [("Authorization", authorization)]]);
        Assert.Equal(status, (int)answer.StatusCode);
        Assert.Equal("text/html; charset=utf-8", answer.Header("Content-Type"));
        return await answer.TextAsync();
    }

    [GeneratedRegex("data-method=\"([A-Z]+)\"")]
    private static partial Regex Methods();

    [GeneratedRegex("name=\"csrfmiddlewaretoken\" value=\"([^\"]+)\"")]
    private static partial Regex CsrfField();

    [GeneratedRegex("(?:href|src)=\"(/gatehouse/[^\"]+)\"")]
    private static partial Regex Files();
}
