using System.Net;
using Gatehouse.Tests.OAuth.OpenId;
using Xunit;

namespace Gatehouse.Tests.OAuth.Authorize;

/// <summary>What is refused, how, and whom it is told (RFC 6749 §4.1.2.1).</summary>
public sealed class AuthorizeRequestTests : AuthorizeTest
{
    public static TheoryData<string> ForeignUris => new(
        "https://evil.example/", "https://client.example/cb?x=1", "https://client.example/cb;x=1", "https://client.example/cb#x", "https://client.example/cb#",
        "https://u@client.example/cb", "https://client.example@evil.example/cb", "https://client.example:444/cb", "https://client.example/cb/", "https://client.example/CB",
        "https://client.example/x/../cb", "https://client.example/%2e%2e/cb", "https://client.example/cb/%2e%2e/x", "https://client.example\\@evil.example/cb",
        "https://client.example/cb\\", "https://client.example/cb\t", "https://client.example/cb\n", "https://client.example/cb\0", "https://cli\u0435nt.example/cb",
        "https://client\u3002example/cb", "http://client.example/cb", "//client.example/cb", "/cb", "cb", "", " https://client.example/cb", "https:client.example/cb",
        "https:/client.example/cb", "https:///client.example/cb", "javascript:alert(1)", "data:text/html,x", "https://client.example.evil.example/cb",
        "https://evil.example/https://client.example/cb", "https://client.example/cb?", "https://client.example/cb&x=1", "https://client.example./cb",
        "https://[::1%25eth0]/cb", "https://client.example%00.evil.example/cb", "https://client.example%2fcb", "https://client.example/c%62");

    // A1: the first is fatal whatever else is asked, and so it is for the answer to the form.
    [Theory]
    [MemberData(nameof(ForeignUris))]
    public async Task Nobody_is_sent_to_an_address_that_is_not_registered(string uri)
    {
        Client("web");
        Client("house", skips: true);
        foreach (var url in new[] { Url("web", ("redirect_uri", uri)), Url("house", ("redirect_uri", uri)), Url("house", ("redirect_uri", uri), ("scope", "nosuch")) })
        {
            var answer = await Alice.GetAsync(url);
            Assert.Equal(400, (int)answer.StatusCode);
            Assert.Null(answer.Header("Location"));
        }
        // A6
        var stranger = await Http.GetAsync(Url("web", ("redirect_uri", uri), ("prompt", "none")), Ct);
        Assert.Equal(400, (int)stranger.StatusCode);

        // Django's forms take blanks away.
        if (uri.Trim() == Callback) return;
        var page = FieldsOf(await (await Alice.GetAsync(Url("web"))).TextAsync());
        page["redirect_uri"] = uri;
        foreach (var allow in new[] { "Authorize", "" })
        {
            page["allow"] = allow;
            var answer = await PostAsync(Url("web"), page);
            Assert.True(answer.Header("Location") is null, answer.Header("Location"));
        }
        Assert.Equal(0, Count("oauth2_provider_grant"));
    }

    // A2
    [Theory]
    [InlineData("http://127.0.0.1:50123/cb", "http://127.0.0.1/cb", true)]
    [InlineData("http://[::1]:50123/cb", "http://[::1]/cb", true)]
    [InlineData("http://localhost:50123/cb", "http://localhost/cb", false)]
    [InlineData("http://127.0.0.1:50123/else", "http://127.0.0.1/cb", false)]
    [InlineData("https://127.0.0.1:50123/cb", "https://127.0.0.1/cb", false)]
    [InlineData("http://client.example:50123/cb", "http://client.example/cb", false)]
    public async Task A_native_client_may_listen_on_any_port_of_the_loopback(string asked, string registered, bool allowed)
    {
        Client("app", registered, type: "public");
        var answer = await Alice.GetAsync(Url("app", ("redirect_uri", asked)));

        await answer.ShouldBeAsync(allowed ? 200 : 400);
        if (!allowed) return;
        var code = await CodeAsync("app", ("redirect_uri", asked));
        await ExchangeAsync("app", code, ("client_secret", null), ("redirect_uri", registered)).ShouldBeAsync(400);
        await ExchangeAsync("app", code, ("client_secret", null), ("redirect_uri", asked)).ShouldBeAsync(200);
    }

    // A3
    [Fact]
    public async Task Of_two_registered_addresses_one_must_be_named()
    {
        Client("web", $"{Callback} https://client.example/other");
        await ShouldBeErrorPageAsync(await Alice.GetAsync(Url("web", ("redirect_uri", null))), "Missing redirect URI.");

        Client("one");
        await (await Alice.GetAsync(Url("one", ("redirect_uri", null)))).ShouldBeAsync(200);
    }

    // A4
    [Theory]
    [InlineData("client_id")]
    [InlineData("response_type")]
    [InlineData("redirect_uri")]
    [InlineData("scope")]
    [InlineData("state")]
    [InlineData("code_challenge")]
    [InlineData("nonce")]
    [InlineData("prompt")]
    public async Task A_parameter_that_is_sent_twice_is_refused(string name)
    {
        Client("house", skips: true);
        var answer = await Alice.GetAsync(Url("house", ("scope", "read"), ("nonce", "n"), ("prompt", "login")) + $"&{name}=x");

        await ShouldBeErrorPageAsync(answer, $"Duplicate {name} parameter.");
    }

    [Fact]
    public async Task Names_are_told_apart_by_their_case()
    {
        Client("house", skips: true);
        Returned(await Alice.GetAsync(Url("house") + "&Client_Id=x&STATE=y"));
        await ShouldBeErrorPageAsync(await Alice.GetAsync(Url("house", ("client_id", null)) + "&Client_id=house"), "Missing client_id parameter.");
        await ShouldBeErrorPageAsync(await Alice.GetAsync(Url("house") + "&x"), "Unable to parse query string");
    }

    // A5
    [Theory]
    [InlineData("authorization-code", "token")]
    [InlineData("authorization-code", "id_token")]
    [InlineData("authorization-code", "code token")]
    [InlineData("implicit", "code")]
    [InlineData("openid-hybrid", "code")]
    [InlineData("openid-hybrid", "token")]
    [InlineData("client-credentials", "code")]
    [InlineData("authorization-code", "none")]
    public async Task A_client_gets_only_the_responses_of_its_grant(string grantType, string responseType)
    {
        Client("web", grantType: grantType);
        Client("house", grantType: grantType, skips: true);
        var asked = ("response_type", (string?)responseType);
        Assert.Equal("unauthorized_client", Returned(await Alice.GetAsync(Url("web", asked)))["error"]);
        Assert.Equal("unauthorized_client", Returned(await Alice.GetAsync(Url("house", asked)))["error"]);

        // Not by way of the login either.
        var login = await Http.GetAsync(Url("web", asked), Ct);
        var next = System.Web.HttpUtility.ParseQueryString(new Uri(Server.Address, login.Header("Location")).Query)["next"]!;
        Assert.Equal("unauthorized_client", Returned(await Alice.GetAsync(next))["error"]);
        Assert.Equal(0, Count("oauth2_provider_grant"));
        Assert.Equal(0, Count("oauth2_provider_accesstoken"));
    }

    // A7
    [Fact]
    public async Task Without_a_login_prompt_none_says_so_to_the_client()
    {
        Client("web");
        var told = Returned(await Http.GetAsync(Url("web", ("prompt", "none"), ("scope", "openid")), Ct));
        Assert.Equal("login_required", told["error"]);
        Assert.Equal("st-1", told["state"]);
    }

    [Theory]
    [InlineData("none login")]
    [InlineData("none consent")]
    public async Task Prompt_none_stands_alone(string prompt)
    {
        Client("web");
        var told = Returned(await Alice.GetAsync(Url("web", ("prompt", prompt), ("scope", "openid"))));
        Assert.Equal("Prompt none is mutually exclusive with other values.", told["error_description"]);
    }

    [Fact]
    public async Task Prompt_none_asks_nobody()
    {
        Client("web");
        Assert.Equal("consent_required", Returned(await Alice.GetAsync(Url("web", ("prompt", "none"), ("scope", "openid"))))["error"]);

        await ExchangeAsync("web", await CodeAsync("web", ("scope", "openid read"))).ShouldBeAsync(200);
        Returned(await Alice.GetAsync(Url("web", ("prompt", "none"), ("scope", "openid"), ("approval_prompt", "auto")))).ContainsCode();
    }

    [Fact]
    public async Task Prompt_login_leads_to_the_login_once()
    {
        Client("house", skips: true);
        var answer = await Alice.GetAsync(Url("house", ("prompt", "login"), ("state", "a b&c")));
        var location = new Uri(Server.Address, answer.Header("Location"));
        Assert.Equal("/accounts/login/", location.AbsolutePath);
        var next = System.Web.HttpUtility.ParseQueryString(location.Query)["next"]!;
        Assert.DoesNotContain("prompt", next, StringComparison.Ordinal);

        Assert.Equal("a b&c", Returned(await Alice.GetAsync(next))["state"]);
    }

    [Fact]
    public async Task Max_age_asks_for_a_login_that_is_young_enough()
    {
        Client("house", skips: true);
        Clock.Advance(TimeSpan.FromMinutes(5));
        Returned(await Alice.GetAsync(Url("house", ("max_age", "301")))).ContainsCode();
        Returned(await Alice.GetAsync(Url("house", ("max_age", "x")))).ContainsCode();
        Assert.Equal("login_required", Returned(await Alice.GetAsync(Url("house", ("max_age", "299"), ("prompt", "none"))))["error"]);

        var answer = await Alice.GetAsync(Url("house", ("max_age", "0")));
        Assert.StartsWith("/accounts/login/?next=/o/authorize/", answer.Header("Location"), StringComparison.Ordinal);
        Assert.DoesNotContain("max_age", answer.Header("Location"), StringComparison.Ordinal);
    }

    // A7
    [Fact]
    public async Task A_hint_at_another_user_is_no_login_of_theirs()
    {
        Client("front", grantType: "implicit", skips: true, algorithm: "RS256");
        (string, string?)[] openId = [("response_type", "id_token"), ("scope", "openid"), ("nonce", "n")];
        await Users.CreateAsync("bob");
        var bob = await NewBrowser().LogInAsync("bob");
        var hint = ("id_token_hint", (string?)Returned(await bob.GetAsync(Url("front", openId)), separator: '#')["id_token"]);

        Assert.Equal("login_required", Returned(await Alice.GetAsync(Url("front", [.. openId, hint])))["error"]);
        Assert.Contains("id_token", Returned(await bob.GetAsync(Url("front", [.. openId, hint])), separator: '#').Keys);
        Assert.Contains("id_token", Returned(await Alice.GetAsync(Url("front", [.. openId, ("id_token_hint", "x.y.z")])), separator: '#').Keys);
    }

    [Fact]
    public async Task Prompt_create_leads_to_the_registration()
    {
        Client("web");
        await (await Http.GetAsync(Url("web", ("prompt", "create")), Ct)).ShouldBeAsync(400, """{"error":"invalid_request","error_description":"prompt=create is not supported"}""");

        var server = await StartServerAsync(options =>
        {
            options.OAuth.OidcRpInitiatedRegistrationEnabled = true;
            options.OAuth.OidcRpInitiatedRegistrationUrl = "/register/?lang=en";
        });
        var location = (await server.Http.GetAsync(Url("web", ("prompt", "create login")), Ct)).Header("Location")!;
        Assert.StartsWith($"/register/?lang=en&next={Uri.EscapeDataString(server.Address.ToString())}", location, StringComparison.Ordinal);
        Assert.EndsWith("%26prompt%3Dlogin", location, StringComparison.Ordinal);
        await ShouldBeErrorPageAsync(await server.Http.GetAsync(Url("web", ("prompt", "create"), ("redirect_uri", "https://evil.example/")), Ct), "Mismatching redirect URI.");
    }

    // A18
    [Theory]
    [InlineData("a b  c")]
    [InlineData("100%&code=x#y+z")]
    [InlineData("a\r\nSet-Cookie: x=y\nb")]
    [InlineData("\"><script>alert(1)</script>")]
    [InlineData(" é用 ")]
    public async Task State_comes_back_as_it_was(string state)
    {
        Client("web");
        Client("house", skips: true);
        Assert.Equal(state, Returned(await Alice.GetAsync(Url("house", ("state", state))))["state"]);
        Assert.Equal(state, Returned(await Alice.GetAsync(Url("house", ("state", state), ("scope", "nosuch"))))["state"]);
        Assert.Equal(state, Returned(await AllowAsync(Url("web", ("state", state))))["state"]);
        var page = await (await Alice.GetAsync(Url("web", ("state", state)))).TextAsync();
        Assert.DoesNotContain("<script", page, StringComparison.Ordinal);
        var denied = await PostAsync(Url("web", ("state", state)), FieldsOf(page));
        Assert.Equal(state, Returned(denied)["state"]);
        Assert.Null(denied.SetCookie("x"));
    }

    [Fact]
    public async Task A_state_of_4_kB_comes_back()
    {
        Client("house", skips: true);
        var state = new string('s', 4096);
        Assert.Equal(state, Returned(await Alice.GetAsync(Url("house", ("state", state))))["state"]);
    }

    [Fact]
    public async Task What_is_told_to_people_is_escaped()
    {
        Client("house", skips: true);
        var page = await (await Alice.GetAsync(Url("house", ("redirect_uri", "x")) + "&%3Cscript%3E=1&%3Cscript%3E=2")).TextAsync();
        Assert.DoesNotContain("<script", page, StringComparison.Ordinal);
    }

    // A16
    [Fact]
    public async Task Each_response_names_the_issuer()
    {
        var server = await StartServerAsync(options => options.OAuth.CompliantBcpRfc9700AuthzResponseIss = true);
        var issuer = $"{server.Address.GetLeftPart(UriPartial.Authority)}/o";
        Client("house", "https://client.example/cb?iss=evil&a=b", skips: true);
        Client("web");
        Client("front", grantType: "implicit", skips: true);
        var alice = await NewBrowser(server).LogInAsync("alice");

        Assert.Equal(issuer, Returned(await alice.GetAsync(Url("house", ("redirect_uri", null))))["iss"]);
        Assert.Equal(issuer, Returned(await alice.GetAsync(Url("house", ("redirect_uri", null), ("scope", "nosuch"))))["iss"]);
        Assert.Equal(issuer, Returned(await alice.GetAsync(Url("front", ("response_type", "token"))), separator: '#')["iss"]);
        Assert.Equal(issuer, Returned(await server.Http.GetAsync(Url("web", ("prompt", "none")), Ct))["iss"]);
        Assert.Equal(issuer, Returned(await PostAsync(Url("web"), FieldsOf(await (await alice.GetAsync(Url("web"))).TextAsync()), alice))["iss"]);
    }

    [Fact]
    public async Task The_implicit_grant_gives_a_token_in_the_fragment_and_can_be_turned_off()
    {
        Client("front", grantType: "implicit", skips: true);
        var given = Returned(await Alice.GetAsync(Url("front", ("response_type", "token"))), separator: '#');
        Assert.Equal(["access_token", "expires_in", "scope", "state", "token_type"], given.Keys.Order());
        Assert.Equal(1, Count("oauth2_provider_accesstoken"));
        Assert.Equal(0, Count("oauth2_provider_refreshtoken"));

        var server = await StartServerAsync(options => options.OAuth.CompliantBcpRfc9700ImplicitGrant = true);
        var alice = await NewBrowser(server).LogInAsync("alice");
        Assert.Equal("unauthorized_client", Returned(await alice.GetAsync(Url("front", ("response_type", "token"))))["error"]);
    }

    [Theory]
    [InlineData("code token", "access_token,code,expires_in,scope,state,token_type")]
    [InlineData("code id_token", "code,id_token,state")]
    [InlineData("code id_token token", "access_token,code,expires_in,id_token,scope,state,token_type")]
    public async Task A_hybrid_response_has_what_was_asked_for(string responseType, string expected)
    {
        Client("hybrid", grantType: "openid-hybrid", skips: true, algorithm: "RS256");
        var given = Returned(await Alice.GetAsync(Url("hybrid", ("response_type", responseType), ("scope", "openid"), ("nonce", "n-1"))), separator: '#');

        Assert.Equal(expected, string.Join(',', given.Keys.Order()));
        if (responseType.Contains("id_token", StringComparison.Ordinal))
            Assert.Equal("Request is missing mandatory nonce parameter.", Returned(await Alice.GetAsync(Url("hybrid", ("response_type", responseType), ("scope", "openid"))))["error_description"]);
        Returned(await Alice.GetAsync(Url("hybrid", ("response_type", responseType), ("scope", "openid"), ("nonce", "n-1"), ("response_mode", "query"))));
    }

    [Fact]
    public async Task Codes_are_kept_as_Django_keeps_them()
    {
        Client("house", skips: true);
        var code = Returned(await Alice.GetAsync(Url(
            "house", ("scope", "openid read"), ("nonce", "n-1"), ("claims", """{"id_token":{"email":null},"é":[1.50]}"""), ("resource", "https://api.example/v1"))))["code"];

        Assert.Matches("^[A-Za-z0-9]{30}$", code);
        Assert.Equal(
            [$$"""{{code}}|2026-07-01 12:01:00.123456|{{Callback}}|openid read|2026-07-01 12:00:00.123456|2026-07-01 12:00:00.123456|{{Challenge}}|S256|n-1|{"id_token": {"email": null}, "\u00e9": [1.50]}|["https://api.example/v1"]"""],
            Database.Rows("SELECT code, expires, redirect_uri, scope, created, updated, code_challenge, code_challenge_method, nonce, claims, resource FROM oauth2_provider_grant"));
    }

    [Fact]
    public async Task Of_the_real_stack_everything_stays_when_the_profile_is_its()
    {
        var server = await StartServerAsync(options => options.Profile = Profile.Django);
        var alice = await NewBrowser(server).LogInAsync("alice");
        Client("house", skips: true);
        Returned(await alice.GetAsync(Url("house", ("max_age", "0")))).ContainsCode();
        Returned(await alice.GetAsync(Url("house") + "&nonce=a&nonce=b")).ContainsCode();
        Returned(await alice.GetAsync(Url("house", ("code_challenge", "short")))).ContainsCode();
    }

    [Fact]
    public async Task Hostile_requests_are_no_failure_of_ours()
    {
        Client("web");
        foreach (var query in new[] { "?client_id=%00", "?client_id=%ff%fe", "?%", "?=", "?client_id=web&scope=" + new string(' ', 4000), "?claims=[[[[", "?client_id=web&client_id[]=1", "?&&&", "?client_id=web&redirect_uri=%00" })
        {
            var answer = await Alice.GetAsync("/o/authorize/" + query);
            Assert.True((int)answer.StatusCode is 302 or 400, $"{query}: {answer.StatusCode}");
        }
        foreach (var method in new[] { "PUT", "DELETE", "PATCH" }) Assert.Equal(HttpStatusCode.Forbidden, (await Alice.SendAsync(new HttpMethod(method), Url("web"), csrf: false)).StatusCode);
        var options = await Alice.SendAsync(HttpMethod.Options, Url("web"));
        await options.ShouldBeAsync(200);
        Assert.Equal("GET, POST, PUT, HEAD, OPTIONS", options.Header("Allow"));
    }

    protected override void Configure(GatehouseOptions options)
    {
        base.Configure(options);
        OpenId(options);
    }

    private static void OpenId(GatehouseOptions options)
    {
        options.OAuth.OidcEnabled = true;
        options.OAuth.OidcRsaPrivateKey = OpenIdTest.RsaPem;
        options.OAuth.Scopes["openid"] = "OpenID Connect scope";
        options.OAuth.DefaultScopes = ["read", "write"];
    }
}

internal static class ReturnedExtensions
{
    public static void ContainsCode(this Dictionary<string, string> returned) => Assert.True(returned.ContainsKey("code"), string.Join(' ', returned));
}
