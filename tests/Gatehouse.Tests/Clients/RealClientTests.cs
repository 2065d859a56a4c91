using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text.Json;
using Gatehouse.OAuth.Tokens;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Gatehouse.Tests.Clients;

/// <summary>Clients that others wrote (tests/Clients) against this server: with no protocol code of ours, they tell whether it works with what people use.</summary>
public sealed class RealClientTests(ITestOutputHelper output) : GatehouseTest
{
    // Nothing listens there: the scripts read the address and go no further.
    private const string RedirectUri = "http://127.0.0.1:9/cb";
    private const string PostLogoutUri = "http://127.0.0.1:9/bye";
    private const string MetadataUrl = "https://mcp.example/client.json";

    [Theory]
    [InlineData("openid-client.mjs")]
    [InlineData("oauth4webapi.mjs")]
    [InlineData("mcp.mjs")]
    [InlineData("requests_oauthlib_client.py")]
    [InlineData("authlib_client.py")]
    public async Task Every_step_of_a_client_passes(string script)
    {
        var environment = await CreateAsync();

        await ClientScript.PassesAsync(script, environment, output, Ct);
    }

    protected override void Configure(GatehouseOptions options)
    {
        var oauth = options.OAuth;
        oauth.Scopes = new Dictionary<string, string>
        {
            ["read"] = "Read",
            ["write"] = "Write",
            ["groups:write"] = "Change groups",
            ["introspection"] = "Introspect",
            ["openid"] = "Know who you are",
            ["profile"] = "Your name",
            ["email"] = "Your e-mail address",
        };
        oauth.DefaultScopes = ["read"];
        oauth.OidcEnabled = true;
        oauth.OidcRpInitiatedLogoutEnabled = true;
        oauth.CompliantBcpRfc9700AuthzResponseIss = true;
        oauth.DcrEnabled = true;
        oauth.DcrRegistrationPermissionClasses = ["AllowAllDCRPermission"];
        oauth.DcrThrottleRate = "";
        oauth.CimdEnabled = true;
        oauth.CimdMetadataFetcher = (url, _) => Task.FromResult((JsonSerializer.SerializeToElement(new
        {
            client_id = url,
            client_name = "MCP inspector",
            redirect_uris = new[] { RedirectUri },
            grant_types = new[] { "authorization_code", "refresh_token" },
            token_endpoint_auth_method = "none",
        }), TimeSpan.FromMinutes(5)));
        oauth.DeviceFlowInterval = 1;
        oauth.AdditionalClaims = claims =>
        {
            claims["preferred_username"] = claims.User.Username;
            claims["email"] = claims.User.Email;
        };
    }

    // The clients live by the machine's clock.
    protected override void AddServices(IServiceCollection services) => services.AddSingleton(TimeProvider.System);

    protected override void Map(WebApplication app) =>
        app.MapWho("/api/photos/").WithSchemes(typeof(OAuth2ProtectedResourceAuthentication)).RequirePermission(new TokenHasScope("read"));

    private async Task<Dictionary<string, string>> CreateAsync()
    {
        const string Web = "the-secret-of-web", Hs256 = "the-secret-of-hs256-is-its-key-also", Hybrid = "the-secret-of-hybrid", Machine = "the-secret-of-machine",
            Password = "the-secret-of-password", Assertion = "the-secret-of-assertion-is-its-key";
        await Users.CreateAsync("alice", email: "alice@example.com");
        var clients = new TestClients(Database, Secrets);
        Task<long> Redirecting(string id, string? secret, string grant = "authorization-code", string algorithm = "RS256", bool hashed = true) =>
            clients.CreateAsync(id, grant, secret, algorithm: algorithm, hashed: hashed, redirectUris: RedirectUri, postLogoutRedirectUris: PostLogoutUri);

        await Redirecting("web", Web);
        await Redirecting("spa", null);
        await Redirecting("hs256", Hs256, algorithm: "HS256", hashed: false);
        await Redirecting("hybrid", Hybrid, "openid-hybrid");
        await Redirecting("implicit", null, "implicit");
        await clients.CreateAsync("device", "urn:ietf:params:oauth:grant-type:device_code", null);
        await clients.CreateAsync("machine", "client-credentials", Machine);
        await clients.CreateAsync("password", "password", Password);
        clients.Authenticates(await clients.CreateAsync("assertion", "client-credentials", Assertion, hashed: false), "client_secret_jwt");
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        clients.Authenticates(await clients.CreateAsync("key", "client-credentials", "unused"), "private_key_jwt", $$"""{"keys":[{{Jwk(key, isPrivate: false)}}]}""");

        var server = Server.Address.ToString().TrimEnd('/');
        // The port is known only now.
        Server.Get<GatehouseOptions>().OAuth.OAuthDeviceVerificationUriComplete = server + "/o/device/?user_code={user_code}";
        return new Dictionary<string, string>
        {
            ["ISSUER"] = server + "/o",
            ["API"] = server + "/api/photos/",
            ["RESOURCE"] = server + "/api/",
            ["USERNAME"] = "alice",
            ["PASSWORD"] = TestUsers.PasswordOf("alice"),
            ["REDIRECT_URI"] = RedirectUri,
            ["POST_LOGOUT_URI"] = PostLogoutUri,
            ["CLIENT_METADATA_URL"] = MetadataUrl,
            ["WEB_CLIENT_ID"] = "web",
            ["WEB_CLIENT_SECRET"] = Web,
            ["SPA_CLIENT_ID"] = "spa",
            ["HS256_CLIENT_ID"] = "hs256",
            ["HS256_CLIENT_SECRET"] = Hs256,
            ["HYBRID_CLIENT_ID"] = "hybrid",
            ["HYBRID_CLIENT_SECRET"] = Hybrid,
            ["IMPLICIT_CLIENT_ID"] = "implicit",
            ["DEVICE_CLIENT_ID"] = "device",
            ["MACHINE_CLIENT_ID"] = "machine",
            ["MACHINE_CLIENT_SECRET"] = Machine,
            ["PASSWORD_CLIENT_ID"] = "password",
            ["PASSWORD_CLIENT_SECRET"] = Password,
            ["ASSERTION_CLIENT_ID"] = "assertion",
            ["ASSERTION_CLIENT_SECRET"] = Assertion,
            ["KEY_CLIENT_ID"] = "key",
            ["KEY_CLIENT_JWK"] = Jwk(key, isPrivate: true),
        };
    }

    private static string Jwk(ECDsa key, bool isPrivate)
    {
        var parameters = key.ExportParameters(isPrivate);
        var jwk = new Dictionary<string, string>
        {
            ["kty"] = "EC",
            ["crv"] = "P-256",
            ["x"] = Base64Url.EncodeToString(parameters.Q.X),
            ["y"] = Base64Url.EncodeToString(parameters.Q.Y),
        };
        if (isPrivate) jwk["d"] = Base64Url.EncodeToString(parameters.D);
        return JsonSerializer.Serialize(jwk);
    }
}
