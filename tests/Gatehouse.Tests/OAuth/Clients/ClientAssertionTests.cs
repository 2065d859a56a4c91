using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Gatehouse.Tests.OAuth.Registration;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Gatehouse.Tests.OAuth.Clients;

/// <summary>C3, C12 of the attack list: clients that sign who they are (RFC 7523).</summary>
public sealed class ClientAssertionTests : OAuthPagesTest
{
    private const string Shared = "a-secret-that-is-long-enough-to-sign-with-it";

    private readonly RSA rsa = RSA.Create(2048);
    private readonly ECDsa ec = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private OutsideServer outside = null!;

    private string Issuer => Server.Address.GetLeftPart(UriPartial.Authority) + "/o";

    protected override void AddServices(IServiceCollection services) => services.AddSingleton(outside.Outside);

    protected override async Task StartAsync()
    {
        outside = await OutsideServer.StartAsync();
        outside.Answer = OutsideServer.Json(Jwks(RsaJwk()));
        await base.StartAsync();
        Secrets.Add(Shared);
        AddSigning("signer", "private_key_jwt", Jwks(RsaJwk(), EcJwk()));
        AddSigning("sharer", "client_secret_jwt");
        AddSigning("fetched", "private_key_jwt", jwksUri: outside.Url("/keys.json"));
        AddSigning("inside", "private_key_jwt", jwksUri: "https://169.254.169.254/keys.json");
    }

    public override async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        await base.DisposeAsync();
        await outside.DisposeAsync();
        rsa.Dispose();
        ec.Dispose();
    }

    [Fact]
    public async Task A_client_is_who_has_its_key()
    {
        await PresentAsync(Sign("signer")).ShouldBeAsync(200);
        await PresentAsync(Sign("signer", "ES256")).ShouldBeAsync(200);
        await PresentAsync(Sign("signer", "PS256")).ShouldBeAsync(200);
        await PresentAsync(Sign("sharer", "HS256")).ShouldBeAsync(200);
        await PresentAsync(Sign("fetched")).ShouldBeAsync(200);
        await PresentAsync(Sign("signer"), null, ("client_id", "signer")).ShouldBeAsync(200);
    }

    [Theory]
    [InlineData("o")]
    [InlineData("o/")]
    [InlineData("o/token/")]
    public async Task It_is_made_for_the_issuer_or_the_token_endpoint(string path) =>
        await PresentAsync(Sign("signer", claims: claims => claims["aud"] = $"{Server.Address}{path}")).ShouldBeAsync(200);

    // Once, whoever tries.
    [Fact]
    public async Task Of_64_callers_with_one_assertion_one_gets_in()
    {
        for (var round = 0; round < 5; round++)
        {
            var assertion = Sign("signer");
            var answers = await Task.WhenAll(Enumerable.Range(0, 64).Select(_ => PresentAsync(assertion)));
            Assert.Single(answers, answer => (int)answer.StatusCode == 200);
            Assert.All(answers, answer => Assert.True((int)answer.StatusCode is 200 or 401));
        }
    }

    [Fact]
    public async Task It_is_used_once_even_when_the_server_has_started_again_meanwhile()
    {
        var assertion = Sign("signer", claims: claims => claims["aud"] = "https://id.example/o");
        void Name(GatehouseOptions options) => options.OAuth.OidcIssEndpoint = "https://id.example/o";
        var first = await StartServerAsync(Name);
        await PresentAsync(assertion, first.Http).ShouldBeAsync(200);
        await first.StopAsync();

        await IsNobodyAsync(assertion, (await StartServerAsync(Name)).Http);
    }

    public static TheoryData<string> Wrong =>
    [
        "aud list", "aud missing", "aud of another", "aud prefix", "aud number", "exp missing", "exp past", "exp far", "exp text", "exp huge", "nbf ahead", "iat ahead", "jti missing", "jti empty",
        "jti number", "jti long", "sub of another", "iss of another", "sub missing", "sub number",
    ];

    [Theory]
    [MemberData(nameof(Wrong))]
    public async Task Whatever_is_wrong_it_is_nobody(string what)
    {
        var now = Clock.Now.ToUnixTimeSeconds();
        await IsNobodyAsync(Sign("signer", claims: claims =>
        {
            switch (what)
            {
                // RFC 7523 would take it; who is named beside us could use it here.
                case "aud list": claims["aud"] = new JsonArray(Issuer, "https://other.example"); break;
                case "aud missing": claims.Remove("aud"); break;
                case "aud of another": claims["aud"] = "https://other.example/o"; break;
                case "aud prefix": claims["aud"] = Issuer + "x"; break;
                case "aud number": claims["aud"] = 1; break;
                case "exp missing": claims.Remove("exp"); break;
                case "exp past": claims["exp"] = now - 61; break;
                case "exp far": claims["exp"] = now + 361; break;
                case "exp text": claims["exp"] = $"{now + 60}"; break;
                case "exp huge": claims["exp"] = 1e300; break;
                case "nbf ahead": claims["nbf"] = now + 61; break;
                case "iat ahead": claims["iat"] = now + 61; break;
                case "jti missing": claims.Remove("jti"); break;
                case "jti empty": claims["jti"] = ""; break;
                case "jti number": claims["jti"] = 7; break;
                case "jti long": claims["jti"] = new string('j', 1025); break;
                case "sub of another": claims["sub"] = "sharer"; break;
                case "iss of another": claims["iss"] = "sharer"; break;
                case "sub missing": claims.Remove("sub"); break;
                default: claims["sub"] = 1; break;
            }
        }));
    }

    [Fact]
    public async Task An_algorithm_is_the_clients_or_none()
    {
        await IsNobodyAsync(Unsigned("none"));
        await IsNobodyAsync(Unsigned("None"));
        await IsNobodyAsync(Unsigned("nOnE"));
        await IsNobodyAsync(Unsigned(""));
        // The public key as a secret, as PEM and as JSON.
        await IsNobodyAsync(SignWith("signer", "HS256", Encoding.ASCII.GetBytes(rsa.ExportSubjectPublicKeyInfoPem())));
        await IsNobodyAsync(SignWith("signer", "HS256", Encoding.ASCII.GetBytes(RsaJwk().ToJsonString())));
        await IsNobodyAsync(SignWith("signer", "HS256", Encoding.ASCII.GetBytes(Shared)));
        await IsNobodyAsync(Sign("sharer", "RS256"));
        await IsNobodyAsync(SignWith("sharer", "HS256", []));
        using var strangers = RSA.Create(2048);
        await IsNobodyAsync(Sign("signer", key: strangers));
        // A key that comes along is nobody's.
        await IsNobodyAsync(Sign("signer", key: strangers, header: header => header["jwk"] = RsaJwk(strangers)));
        await IsNobodyAsync(Sign("signer", key: strangers, header: header => header["jku"] = "https://client.test/keys.json"));
        Assert.Empty(outside.Resolved);
    }

    [Fact]
    public async Task Nothing_else_counts_beside_it()
    {
        await IsNobodyAsync(Sign("sharer", "HS256"), null, ("client_secret", Shared));
        await IsNobodyAsync(Sign("signer"), null, ("client_id", "sharer"));
        await IsNobodyAsync("x");
        await IsNobodyAsync("");
        await IsNobodyAsync(new string('a', 100_000));
        await IsNobodyAsync("eyJ.eyJ.x");
        await ErrorAsync(TokenAsync(null, ("grant_type", "client_credentials"), ("client_assertion", Sign("signer"))), 401, "invalid_client");
        await ErrorAsync(TokenAsync(null, ("grant_type", "client_credentials"), ("client_assertion", Sign("signer")), ("client_assertion_type", "urn:x")), 401, "invalid_client");
        // Who registered to sign gets in by no secret.
        await ErrorAsync(TokenAsync(null, ("grant_type", "client_credentials"), ("client_id", "sharer"), ("client_secret", Shared)), 401, "invalid_client");
    }

    // C12
    [Fact]
    public async Task Keys_are_not_fetched_from_inside()
    {
        await IsNobodyAsync(Sign("inside"));

        Assert.Empty(outside.Resolved);
        Assert.Contains(Log.Lines, line => line.Contains("169.254.169.254, which is not public", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Keys_are_kept_and_those_that_fail_are_left_alone_for_a_while()
    {
        for (var time = 0; time < 5; time++) await PresentAsync(Sign("fetched")).ShouldBeAsync(200);
        Assert.Single(outside.Resolved);

        // A key that nobody knows makes it look again, but not each time.
        using var strangers = RSA.Create(2048);
        Clock.Advance(TimeSpan.FromSeconds(31));
        for (var time = 0; time < 5; time++) await IsNobodyAsync(Sign("fetched", key: strangers));
        Assert.Equal(2, outside.Resolved.Count);
    }

    private void AddSigning(string id, string method, string jwks = "", string jwksUri = "")
    {
        var key = AddClient(id, "confidential", "client-credentials", Shared);
        Database.Execute($"UPDATE oauth2_provider_application SET hash_client_secret = 0 WHERE id = {key}");
        Database.Execute($"INSERT INTO gatehouse_oauth_client (application_id, auth_method, jwks, jwks_uri) VALUES ({key}, '{method}', '{jwks}', '{jwksUri}')");
    }

    private async Task<HttpResponseMessage> PresentAsync(string assertion, HttpClient? http = null, params (string Name, string Value)[] more) => await TokenAsync(
        http, [("grant_type", "client_credentials"), ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"), ("client_assertion", assertion), .. more]);

    private Task IsNobodyAsync(string assertion, HttpClient? http = null, params (string Name, string Value)[] more) =>
        ErrorAsync(PresentAsync(assertion, http, more), 401, "invalid_client");

    private JsonObject Claims(string client) => new()
    {
        ["iss"] = client,
        ["sub"] = client,
        ["aud"] = Issuer,
        ["jti"] = Guid.NewGuid().ToString("N"),
        ["exp"] = Clock.Now.ToUnixTimeSeconds() + 60,
    };

    private string Sign(string client, string algorithm = "RS256", Action<JsonObject>? claims = null, RSA? key = null, Action<JsonObject>? header = null)
    {
        if (algorithm == "HS256") return SignWith(client, algorithm, Encoding.ASCII.GetBytes(Shared));
        var text = Unsigned(algorithm, client, claims, header);
        var bytes = Encoding.ASCII.GetBytes(text[..^1]);
        var signature = algorithm switch
        {
            "RS256" => (key ?? rsa).SignData(bytes, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1),
            "PS256" => (key ?? rsa).SignData(bytes, HashAlgorithmName.SHA256, RSASignaturePadding.Pss),
            _ => ec.SignData(bytes, HashAlgorithmName.SHA256),
        };
        return text + Base64Url.EncodeToString(signature);
    }

    private string SignWith(string client, string algorithm, byte[] secret)
    {
        var text = Unsigned(algorithm, client);
        return text + Base64Url.EncodeToString(HMACSHA256.HashData(secret, Encoding.ASCII.GetBytes(text[..^1])));
    }

    /// <summary>With its second dot, and nothing behind it.</summary>
    private string Unsigned(string algorithm, string client = "signer", Action<JsonObject>? claims = null, Action<JsonObject>? header = null)
    {
        var (head, body) = (new JsonObject { ["alg"] = algorithm, ["typ"] = "JWT" }, Claims(client));
        header?.Invoke(head);
        claims?.Invoke(body);
        return $"{Encode(head)}.{Encode(body)}.";

        static string Encode(JsonObject json) => Base64Url.EncodeToString(JsonSerializer.SerializeToUtf8Bytes(json));
    }

    private static string Jwks(params JsonObject[] keys) => new JsonObject { ["keys"] = new JsonArray([.. keys]) }.ToJsonString();

    private JsonObject RsaJwk(RSA? of = null)
    {
        var key = (of ?? rsa).ExportParameters(false);
        return new() { ["kty"] = "RSA", ["n"] = Base64Url.EncodeToString(key.Modulus), ["e"] = Base64Url.EncodeToString(key.Exponent) };
    }

    private JsonObject EcJwk()
    {
        var key = ec.ExportParameters(false);
        return new() { ["kty"] = "EC", ["crv"] = "P-256", ["x"] = Base64Url.EncodeToString(key.Q.X), ["y"] = Base64Url.EncodeToString(key.Q.Y) };
    }
}
