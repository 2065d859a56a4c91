using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using System.Web;
using Gatehouse.Tests.OAuth.Authorize;
using Gatehouse.Tests.OAuth.OpenId;
using Xunit;

namespace Gatehouse.Tests.OAuth;

/// <summary>What is left of the attack list (docs/security-tests.md), and what is in no list: odd parameters, odd bodies, everything at once.</summary>
public sealed partial class OAuthAttackTests : AuthorizeTest
{
    private const string Device = "urn:ietf:params:oauth:grant-type:device_code";

    protected override void Configure(GatehouseOptions options)
    {
        base.Configure(options);
        options.OAuth.OidcEnabled = true;
        options.OAuth.OidcRsaPrivateKey = OpenIdTest.RsaPem;
        options.OAuth.OidcRpInitiatedLogoutEnabled = true;
        options.OAuth.Scopes = new Dictionary<string, string> { ["read"] = "Read", ["write"] = "Write", ["openid"] = "Who you are" };
        options.OAuth.DefaultScopes = ["read"];
    }

    // A5
    [Fact]
    public async Task A_request_is_checked_again_behind_the_login()
    {
        Client("web");
        var stranger = NewBrowser();
        await Users.CreateAsync("bob");
        var asked = await stranger.GetAsync(Url("web"));
        await asked.ShouldBeAsync(302);
        var next = HttpUtility.ParseQueryString(new Uri(Server.Address, asked.Header("Location")).Query)["next"]!;

        // Somebody changes what waits behind the login.
        foreach (var (from, to) in new[] { ("response_type=code", "response_type=token"), ("client.example", "evil.example"), ("client_id=web", "client_id=nobody"), ("state=", "scope=admin&state=") })
        {
            var login = await stranger.SubmitAsync("/accounts/login/?next=" + Uri.EscapeDataString(next.Replace(from, to, StringComparison.Ordinal)), ("username", "bob"), ("password", TestUsers.PasswordOf("bob")));
            await login.ShouldBeAsync(302);
            var answer = await stranger.GetAsync(login.Header("Location")!);
            Assert.True((int)answer.StatusCode == 400 || answer.Header("Location") is { } location && location.StartsWith($"{Callback}?error=", StringComparison.Ordinal), $"{to}: {(int)answer.StatusCode} {answer.Header("Location")}");
        }
        Assert.Equal(0, Count("oauth2_provider_grant"));
    }

    // A6
    [Theory]
    [InlineData("none")]
    [InlineData("login")]
    [InlineData("consent")]
    [InlineData("create")]
    [InlineData("none login")]
    [InlineData("nonsense")]
    public async Task No_prompt_leads_to_an_address_that_is_not_registered(string prompt)
    {
        Client("web");
        foreach (var browser in new[] { NewBrowser(), Alice })
            foreach (var client in new[] { "web", "nobody" })
                foreach (var more in new[] { "", "&scope=openid", "&scope=nosuch", "&response_type=x", "&response_mode=fragment" })
                {
                    var answer = await browser.GetAsync(Url(client, ("redirect_uri", "https://evil.example/"), ("prompt", prompt)) + more);
                    Assert.True(answer.Header("Location") is not { } location || location.StartsWith('/'), $"{prompt} {client}{more}: {answer.Header("Location")}");
                }
    }

    // A10
    [Fact]
    public async Task No_page_may_be_framed()
    {
        Client("web");
        foreach (var path in new[] { Url("web"), Url("nobody"), "/o/device/", "/o/applications/", "/o/applications/register/", "/o/authorized_tokens/", "/o/logout/", "/accounts/login/" })
        {
            var answer = await Alice.GetAsync(path);
            Assert.Equal("DENY", answer.Header("X-Frame-Options"));
            if (answer.Content.Headers.ContentType?.MediaType == "text/html") Assert.Contains("frame-ancestors 'none'", answer.Header("Content-Security-Policy"), StringComparison.Ordinal);
        }
    }

    // A20
    [Fact]
    public async Task Nothing_that_is_secret_stands_in_an_address_of_ours()
    {
        Client("web");
        Client("tv", "", Device, "public");
        // From the login to the code, by every step that a browser takes.
        var browser = NewBrowser();
        var addresses = new List<string>();
        async Task<HttpResponseMessage> FollowAsync(HttpResponseMessage answer)
        {
            while (answer.Header("Location") is { } location && location.StartsWith('/'))
            {
                addresses.Add(location);
                answer = await browser.GetAsync(location);
            }
            return answer;
        }
        await FollowAsync(await browser.GetAsync(Url("web")));
        var consent = await FollowAsync(await browser.SubmitAsync(addresses[^1], ("username", "alice"), ("password", TestUsers.PasswordOf("alice"))));
        var back = await PostAsync(Url("web"), FieldsOf(await consent.TextAsync()).Append(new("allow", "Authorize")), browser);
        var code = Returned(back)["code"];
        var tokens = await TokensAsync(ExchangeAsync("web", code));

        foreach (var secret in new[] { code, (string)tokens["access_token"]!, (string)tokens["refresh_token"]!, TestUsers.PasswordOf("alice"), browser.SessionKey! })
            Assert.DoesNotContain(addresses, address => address.Contains(secret, StringComparison.Ordinal));
    }

    // C14
    [Fact]
    public async Task Consent_for_one_client_is_none_for_another()
    {
        Client("one");
        Client("two");
        await TokensAsync(ExchangeAsync("one", await CodeAsync("one")));
        Returned(await Alice.GetAsync(Url("one", ("approval_prompt", "auto"))));

        await (await Alice.GetAsync(Url("two", ("approval_prompt", "auto")))).ShouldBeAsync(200);
        // A token of the second for another user says nothing either.
        await Users.CreateAsync("bob");
        await TokensAsync(ExchangeAsync("two", await BobsCodeAsync()));
        await (await Alice.GetAsync(Url("two", ("approval_prompt", "auto")))).ShouldBeAsync(200);

        async Task<string> BobsCodeAsync() => Returned(await AllowAsync(Url("two"), await NewBrowser().LogInAsync("bob")))["code"];
    }

    // K: unknown and optional parameters
    [Fact]
    public async Task What_is_not_known_is_passed_over()
    {
        Client("web", algorithm: "RS256");
        foreach (var more in new[]
        {
            "&extra=foobar", "&display=page", "&display=popup", "&ui_locales=se%20de", "&claims_locales=se", "&acr_values=1%202", "&login_hint=bob", "&request=eyJhbGciOiJub25lIn0.e30.",
            "&request_uri=https%3A%2F%2Fclient.example%2Frequest", "&registration=%7B%7D", "&dpop_jkt=x", "&authorization_details=%5B%5D", "&prompt=", "&max_age=10000", "&max_age=x", "&id_token_hint=x",
        })
        {
            var page = await Alice.GetAsync(Url("web", ("scope", "openid")) + more);
            await page.ShouldBeAsync(200);
            var fields = FieldsOf(await page.TextAsync());
            Assert.Equal(("web", Callback, "openid"), (fields["client_id"], fields["redirect_uri"], fields["scope"]));
        }
    }

    // C7: on every page that names a client, not only the one that asks.
    [Fact]
    public async Task What_a_client_is_called_turns_no_page_around()
    {
        Client("web", name: "Bank\u202eknab<b>");
        Client("tv", "", Device, "public", name: "Bank\u202eknab<b>");
        await TokensAsync(ExchangeAsync("web", await CodeAsync("web")));
        var device = await (await Http.PostAsync("/o/device-authorization/", new FormUrlEncodedContent([new("client_id", "tv"), new("scope", "read")]), Ct)).JsonAsync();
        var confirm = await Alice.SubmitAsync("/o/device/", ("user_code", (string)device["user_code"]!));
        var token = Database.Rows("SELECT id || '' FROM oauth2_provider_accesstoken").Single();

        foreach (var path in new[] { Url("web"), confirm.Header("Location")!, "/o/logout/?client_id=web", "/o/authorized_tokens/", $"/o/authorized_tokens/{token}/delete/" })
        {
            var page = await (await Alice.GetAsync(path)).TextAsync();
            Assert.Contains("<bdi>Bank\uFFFDknab&lt;b&gt;</bdi>", page, StringComparison.Ordinal);
            Assert.DoesNotContain("\u202e", page, StringComparison.Ordinal);
        }
    }

    // R8
    [Trait(Gatehouse.Tests.Database.TestDatabase.SqliteOnly, "yes")]
    [Fact]
    public async Task A_token_whose_answer_could_not_be_written_is_not_used_up()
    {
        Client("web");
        var code = await CodeAsync("web");
        Database.Execute("CREATE TRIGGER full BEFORE INSERT ON oauth2_provider_accesstoken BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END");
        Assert.Equal(5, (int)(await ExchangeAsync("web", code)).StatusCode / 100);
        Database.Execute("DROP TRIGGER full");
        var tokens = await TokensAsync(ExchangeAsync("web", code));

        Database.Execute("CREATE TRIGGER full BEFORE INSERT ON oauth2_provider_refreshtoken BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END");
        (string, string?)[] refresh = [("refresh_token", (string)tokens["refresh_token"]!)];
        Assert.Equal(5, (int)(await TokenAsync("web", "refresh_token", refresh)).StatusCode / 100);
        Database.Execute("DROP TRIGGER full");
        await Http.AskAsync("/api/accounts/profile/", "Bearer " + tokens["access_token"]).ShouldBeAsync(200);
        await TokensAsync(TokenAsync("web", "refresh_token", refresh));
    }

    /// <summary>Values that programs stumble over.</summary>
    public static TheoryData<string> Odd =>
    [
        "\0", "\u0001", "\r\nSet-Cookie: a=b", "\ud83d\ude00", "é", "\u202e", "%00", "%", "%%", "%u0041", "+", "'", "\"><script>alert(1)</script>", "' OR '1'='1", "{{7*7}}", "${7*7}", "../../etc/passwd",
        "-1", "0", "1e400", "NaN", "null", "[]", "{}", "true", " ", "\t", "\n", "a b", "read\u00a0write", "\ufeff", "file:///etc/passwd", "http://127.0.0.1/", "//evil.example", "\\\\evil.example",
    ];

    [Theory]
    [MemberData(nameof(Odd))]
    public async Task No_value_of_any_parameter_is_a_failure(string value)
    {
        Client("web");
        Client("tv", "", Device, "public");
        string[] names =
        [
            "client_id", "client_secret", "redirect_uri", "scope", "state", "response_type", "response_mode", "code_challenge", "code_challenge_method", "code_verifier", "nonce", "claims", "resource",
            "prompt", "max_age", "id_token_hint", "approval_prompt", "request_uri", "grant_type", "code", "refresh_token", "device_code", "username", "password", "token", "token_type_hint",
            "client_assertion", "client_assertion_type", "post_logout_redirect_uri", "logout_hint", "user_code", "action", "allow", "consent", "access_token", "csrfmiddlewaretoken",
        ];
        foreach (var name in names)
        {
            await FineAsync(name, value, await Alice.GetAsync(Url("web", (name, value))));
            foreach (var path in new[] { "/o/token/", "/o/revoke_token/", "/o/introspect/", "/o/par/", "/o/device-authorization/", "/o/userinfo/" })
            {
                var form = new Dictionary<string, string> { ["client_id"] = "web", ["client_secret"] = SecretOf("web"), ["grant_type"] = "authorization_code", ["code"] = "x", ["token"] = "x", [name] = value };
                await FineAsync(name, value, await Http.PostAsync(path, new FormUrlEncodedContent(form), Ct));
            }
            await FineAsync(name, value, await Alice.GetAsync($"/o/logout/?{name}={Uri.EscapeDataString(value)}"));
            await FineAsync(name, value, await Alice.GetAsync($"/o/device/?{name}={Uri.EscapeDataString(value)}"));
        }
        foreach (var path in new[] { "/o/applications/{0}/", "/o/applications/{0}/update/", "/o/authorized_tokens/{0}/delete/", "/o/device-confirm/{0}/{0}", "/o/device-grant-status/tv/{0}", "/o/register/{0}/", "/.well-known/oauth-authorization-server/{0}", "/.well-known/oauth-protected-resource/{0}" })
            await FineAsync("path", value, await Alice.GetAsync(string.Format(CultureInfo.InvariantCulture, path, Uri.EscapeDataString(value))));
    }

    [Fact]
    public async Task No_shape_of_a_body_is_a_failure()
    {
        Client("web");
        var big = new string('a', 300_000);
        var many = string.Join('&', Enumerable.Range(0, 900).Select(i => $"p{i}=x"));
        foreach (var path in new[] { "/o/token/", "/o/revoke_token/", "/o/introspect/", "/o/par/", "/o/device-authorization/", "/o/userinfo/", "/o/register/", "/o/authorize/", "/o/logout/", "/o/device/" })
            foreach (var body in new[]
            {
                "", "&", "=", "&&&===", "grant_type", "grant_type=", "=x", "grant_type=%FF", "grant_type=%", "grant_type=authorization_code;code=x", "grant_type=password&grant_type=password", many,
                "code=" + big, big + "=1", "scope=" + string.Join("+", Enumerable.Repeat("read", 5000)), string.Join('&', Enumerable.Repeat("resource=https://a.example/", 2000)), "{\"a\":", "\0\0\0",
            })
            {
                var answer = await Http.PostBytesAsync(path, Encoding.Latin1.GetBytes(body), "application/x-www-form-urlencoded");
                Assert.True((int)answer.StatusCode < 500, $"{path} {body[..Math.Min(body.Length, 40)]}: {(int)answer.StatusCode}");
            }
    }

    [Fact]
    public async Task Other_methods_are_refused_and_change_nothing()
    {
        Client("robot", "", "client-credentials");
        foreach (var path in new[] { "/o/token/", "/o/revoke_token/", "/o/par/", "/o/device-authorization/" })
            foreach (var method in new[] { "GET", "HEAD", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND" })
            {
                var answer = await Http.AskAsync(
                    path, method, method is "PUT" or "PATCH" or "DELETE" ? new FormUrlEncodedContent([new("grant_type", "client_credentials"), new("client_id", "robot"), new("client_secret", SecretOf("robot"))]) : null,
                    ("X-HTTP-Method-Override", "POST"), ("X-Method-Override", "POST"));
                Assert.Equal(405, (int)answer.StatusCode);
            }
        Assert.Equal(0, Count("oauth2_provider_accesstoken"));
    }

    // What one request may take, many at once may not take twice, and none may be lost for it.
    [Fact]
    public async Task Everything_at_once_gives_each_its_own()
    {
        Client("web");
        var codes = new List<string>();
        for (var i = 0; i < 16; i++) codes.Add(await CodeAsync("web"));
        var second = await StartServerAsync();

        var answers = await Task.WhenAll(codes.SelectMany(code => Enumerable.Range(0, 4).Select(async i =>
        {
            using var form = new FormUrlEncodedContent(new Dictionary<string, string>
            {
                ["grant_type"] = "authorization_code",
                ["client_id"] = "web",
                ["client_secret"] = SecretOf("web"),
                ["code"] = code,
                ["redirect_uri"] = Callback,
                ["code_verifier"] = Verifier,
            });
            return (Code: code, Answer: await (i % 2 == 0 ? Server : second).Http.PostAsync("/o/token/", form, Ct));
        })));

        foreach (var of in answers.GroupBy(one => one.Code)) Assert.Single(of, one => (int)one.Answer.StatusCode == 200);
    }

    private static async Task FineAsync(string name, string value, HttpResponseMessage answer)
    {
        var text = await answer.TextAsync();
        Assert.True((int)answer.StatusCode < 500, $"{name}={value}: {(int)answer.StatusCode} at {answer.RequestMessage!.RequestUri}");
        Assert.Null(answer.Header("Set-Cookie") is { } cookies && cookies.StartsWith("a=", StringComparison.Ordinal) ? cookies : null);
        if (answer.Header("Location") is { } location) Assert.True(location.StartsWith('/') || location.StartsWith(Callback, StringComparison.Ordinal) || location.StartsWith(answer.RequestMessage!.RequestUri!.GetLeftPart(UriPartial.Authority) + "/", StringComparison.Ordinal), $"{name}={value} leads to {location}");
        if (answer.Content.Headers.ContentType?.MediaType != "text/html" || text.Length == 0) return;
        Assert.DoesNotMatch(Script(), text);
        Assert.NotNull(answer.Header("Content-Security-Policy"));
    }

    [GeneratedRegex("<script", RegexOptions.IgnoreCase)]
    private static partial Regex Script();
}
