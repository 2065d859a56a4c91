using System.Text.Json.Nodes;
using Xunit;

namespace Gatehouse.Tests.OAuth.OpenId;

/// <summary>Discovery documents: where they are, what they say, and that they say what is so.</summary>
public sealed class ServerMetadataTests : OpenIdTest
{
    private string Origin => Server.Address.GetLeftPart(UriPartial.Authority);

    // C13: the issuer is the one whose address the client used
    [Theory]
    [InlineData("/.well-known/oauth-authorization-server", "")]
    [InlineData("/.well-known/oauth-authorization-server/o", "/o")]
    [InlineData("/.well-known/oauth-authorization-server/o/", "/o")]
    [InlineData("/o/.well-known/oauth-authorization-server", "/o")]
    [InlineData("/o/.well-known/openid-configuration", "/o")]
    [InlineData("/o/.well-known/openid-configuration/", "/o")]
    [InlineData("/.well-known/openid-configuration/o", "/o")]
    public async Task Every_form_names_the_issuer(string path, string issuer)
    {
        var answer = await Http.GetAsync(path, Ct);

        await answer.ShouldBeAsync(200);
        Assert.Equal("*", answer.Header("Access-Control-Allow-Origin"));
        Assert.Equal(Origin + issuer, (string?)(await answer.JsonAsync())["issuer"]);
    }

    [Theory]
    [InlineData("/.well-known/oauth-authorization-server/")]
    [InlineData("/.well-known/oauth-authorization-server/tenant")]
    [InlineData("/.well-known/oauth-authorization-server/o/x")]
    [InlineData("/o/.well-known/oauth-authorization-server/")]
    [InlineData("/o/.well-known/oauth-authorization-server/x")]
    [InlineData("/.well-known/oauth-protected-resource/")]
    [InlineData("/.well-known/openid-configuration")]
    [InlineData("/.well-known/openid-configuration/")]
    [InlineData("/.well-known/openid-configuration/x")]
    [InlineData("/o/.well-known/openid-configuration/x")]
    [InlineData("/.well-known/OAuth-authorization-server")]
    [InlineData("/.well-known/oauth-authorization-server-x")]
    public async Task Nobody_elses_issuer_is_here(string path) => await Http.GetAsync(path, Ct).ShouldBeAsync(404);

    // RFC 9207 §2.4: what the metadata and the responses call it is compared.
    [Fact]
    public async Task Where_responses_name_the_issuer_no_document_gives_it_another_name()
    {
        var server = await StartServerAsync(options => options.OAuth.CompliantBcpRfc9700AuthzResponseIss = true);

        await server.Http.GetAsync("/.well-known/oauth-authorization-server", Ct).ShouldBeAsync(404);
        foreach (var path in (string[])["/.well-known/oauth-authorization-server/o", "/o/.well-known/oauth-authorization-server", "/.well-known/openid-configuration/o"])
            Assert.Equal(server.Address.GetLeftPart(UriPartial.Authority) + "/o", (string?)(await (await server.Http.GetAsync(path, Ct)).JsonAsync())["issuer"]);
    }

    [Fact]
    public async Task A_configured_issuer_is_the_same_everywhere()
    {
        const string issuer = "https://id.example/auth";
        var alice = await Users.CreateAsync("alice");
        AddClient();
        var server = await StartServerAsync(options => options.OAuth.OidcIssEndpoint = issuer);

        foreach (var path in (string[])["/.well-known/oauth-authorization-server", "/o/.well-known/oauth-authorization-server", "/o/.well-known/openid-configuration", "/.well-known/openid-configuration"])
        {
            var document = await (await server.Http.GetAsync(path, Ct)).JsonAsync();
            Assert.Equal(issuer, (string?)document["issuer"]);
            Assert.Equal("https://id.example/o/token/", (string?)document["token_endpoint"]);
        }
        Assert.Equal(issuer, (string?)ClaimsOf(await NewIdTokenAsync(alice, server: server))["iss"]);
        Assert.Equal([issuer], (await (await server.Http.GetAsync("/.well-known/oauth-protected-resource/api", Ct)).JsonAsync())["authorization_servers"]!.AsArray().Select(one => (string?)one));
    }

    [Fact]
    public async Task Each_host_reads_of_itself()
    {
        var server = await StartServerAsync(options =>
        {
            options.AllowedHosts = ["one.example", "two.example"];
            options.Secure.ProxySslHeader = ["X-Forwarded-Proto", "https"];
        });
        async Task<string?> IssuerAsync(string host, string scheme) =>
            (string?)(await (await server.Http.AskAsync("/o/.well-known/openid-configuration", "GET", null, ("Host", host), ("X-Forwarded-Proto", scheme))).JsonAsync())["issuer"];

        for (var round = 0; round < 2; round++)
        {
            Assert.Equal("http://one.example/o", await IssuerAsync("one.example", "http"));
            Assert.Equal("https://one.example/o", await IssuerAsync("one.example", "https"));
            Assert.Equal("https://two.example:444/o", await IssuerAsync("two.example:444", "https"));
        }
        await server.Http.AskAsync("/o/.well-known/openid-configuration", "GET", null, ("Host", "evil.example")).ShouldBeAsync(400);
    }

    [Fact]
    public async Task What_is_off_is_not_offered()
    {
        var plain = await (await Http.GetAsync("/o/.well-known/openid-configuration", Ct)).JsonAsync();
        Assert.Null(plain["registration_endpoint"]);
        Assert.Null(plain["authorization_response_iss_parameter_supported"]);
        Assert.Contains("plain", Texts(plain["code_challenge_methods_supported"]));
        Assert.Equal(["RS256", "HS256"], Texts(plain["id_token_signing_alg_values_supported"]));

        var server = await StartServerAsync(options =>
        {
            options.Profile = Profile.Strict;
            options.OAuth.DcrEnabled = true;
            options.OAuth.CimdEnabled = true;
            options.OAuth.OidcRpInitiatedLogoutEnabled = false;
        });
        foreach (var path in (string[])["/o/.well-known/openid-configuration", "/o/.well-known/oauth-authorization-server"])
        {
            var strict = await (await server.Http.GetAsync(path, Ct)).JsonAsync();
            Assert.Equal(["S256"], Texts(strict["code_challenge_methods_supported"]));
            Assert.True((bool)strict["authorization_response_iss_parameter_supported"]!);
            Assert.True((bool)strict["client_id_metadata_document_supported"]!);
            Assert.EndsWith("/o/register/", (string?)strict["registration_endpoint"], StringComparison.Ordinal);
            Assert.Null(strict["end_session_endpoint"]);
            Assert.All(Texts(strict["response_types_supported"]), type => Assert.Contains("code", type, StringComparison.Ordinal));
            Assert.DoesNotContain("password", Texts(strict["grant_types_supported"]));
            Assert.DoesNotContain("implicit", Texts(strict["grant_types_supported"]));
        }
    }

    [Fact]
    public async Task Without_OpenID_Connect_there_is_RFC_8414_alone()
    {
        var server = await StartServerAsync(options => options.OAuth.OidcEnabled = false);

        foreach (var path in (string[])["/o/.well-known/openid-configuration", "/.well-known/openid-configuration", "/o/.well-known/jwks.json", "/o/userinfo/", "/o/logout/"])
            await server.Http.GetAsync(path, Ct).ShouldBeAsync(404);
        var document = await (await server.Http.GetAsync("/.well-known/oauth-authorization-server", Ct)).JsonAsync();
        Assert.Null(document["jwks_uri"]);
        Assert.False(File.Exists(Path.Combine(Database.Folder, "oidc-keys.json")));
    }

    [Fact]
    public async Task A_resource_is_told_who_gives_tokens_for_it()
    {
        var server = await StartServerAsync(options =>
        {
            options.OAuth.OAuth2ProtectedResourceName = "Orders";
            options.OAuth.OAuth2ProtectedResourceTosUri = "https://api.example/terms";
        });
        var origin = server.Address.GetLeftPart(UriPartial.Authority);

        await server.Http.GetAsync("/.well-known/oauth-protected-resource/api/v1/", Ct).ShouldBeAsync(200, new JsonObject
        {
            ["resource"] = origin + "/api/v1",
            ["authorization_servers"] = new JsonArray(origin + "/o"),
            ["scopes_supported"] = new JsonArray("email", "openid", "profile", "read"),
            ["bearer_methods_supported"] = new JsonArray("header"),
            ["resource_name"] = "Orders",
            ["resource_tos_uri"] = "https://api.example/terms",
        }.ToJsonString());
    }

    [Fact]
    public async Task The_keys_may_be_kept_for_a_while()
    {
        var answer = await Http.GetAsync("/o/.well-known/jwks.json", Ct);

        Assert.Equal("public, max-age=3600, stale-while-revalidate=3600, stale-if-error=3600",
            string.Join(", ", answer.Header("Cache-Control")!.Split(", ").Order(StringComparer.Ordinal).OrderBy(word => Array.FindIndex(["public", "max", "stale-while", "stale-if"], word.StartsWith))));
        Assert.True(JsonNode.DeepEquals(await JwksAsync(), (await (await Http.GetAsync("/.well-known/jwks.json", Ct)).JsonAsync())["keys"]));
    }

    private static List<string> Texts(JsonNode? list) => [.. list!.AsArray().Select(one => (string)one!)];
}
