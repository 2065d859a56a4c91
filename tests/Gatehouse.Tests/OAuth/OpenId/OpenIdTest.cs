using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Gatehouse.Database;
using Gatehouse.OAuth.Tokens;
using Gatehouse.Permissions;
using Gatehouse.Users;
using Microsoft.AspNetCore.Builder;
using Xunit;

namespace Gatehouse.Tests.OAuth.OpenId;

/// <summary>A server with OpenID Connect on, and clients and tokens written past it.</summary>
public abstract class OpenIdTest : GatehouseTest
{
    protected const string ClientSecret = "a-client-secret-that-is-long-enough-to-sign";
    protected const string Bye = "https://client.example/bye";

    private static readonly Lazy<string> Rsa = new(() => NewRsa());

    /// <summary>The same in all tests: making one takes longer than most of them.</summary>
    internal static string RsaPem => Rsa.Value;

    protected static string NewRsa(int bits = 2048)
    {
        using var rsa = RSA.Create(bits);
        return rsa.ExportPkcs8PrivateKeyPem();
    }

    protected static string NewP256()
    {
        using var ec = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return ec.ExportPkcs8PrivateKeyPem();
    }

    protected string Issuer => Server.Address.GetLeftPart(UriPartial.Authority) + "/o";

    protected override void Configure(GatehouseOptions options)
    {
        options.OAuth.OidcEnabled = true;
        options.OAuth.OidcRsaPrivateKey = RsaPem;
        options.OAuth.OidcRpInitiatedLogoutEnabled = true;
        options.OAuth.Scopes = new Dictionary<string, string> { ["openid"] = "OpenID", ["profile"] = "Profile", ["email"] = "Email", ["read"] = "Read" };
        options.OAuth.AdditionalClaims = claims =>
        {
            claims["preferred_username"] = claims.User.Username;
            claims["email"] = claims.User.Email;
            claims["department"] = "navigation";
        };
        options.OAuth.AdditionalClaimNames = ["preferred_username", "email", "department"];
    }

    protected override void Map(WebApplication app) =>
        app.MapWho("/oauth/").WithSchemes(typeof(OAuth2Authentication)).RequirePermission(new IsAuthenticated());

    protected void AddClient(
        string id = "web", string algorithm = "RS256", string grant = "authorization-code", string type = "confidential", string secret = ClientSecret, string logoutUris = Bye) =>
        Database.Execute(
            $"""
            INSERT INTO oauth2_provider_application
                (redirect_uris, client_type, authorization_grant_type, client_secret, name, user_id, skip_authorization, created, updated, algorithm,
                 post_logout_redirect_uris, hash_client_secret, allowed_origins, registration_source, cimd_expires_at, client_id)
            VALUES ('https://client.example/cb', '{type}', '{grant}', '{secret}', 'Client {id}', NULL, FALSE, '2026-01-01 00:00:00', '2026-01-01 00:00:00', '{algorithm}',
                 '{logoutUris}', FALSE, '', 'manual', NULL, '{id}')
            """);

    /// <summary>A pair of tokens, as a login by code leaves it.</summary>
    protected (string Access, string Refresh) AddTokens(User user, string client = "web", string scope = "openid profile email")
    {
        var (access, refresh) = (RandomNumberGenerator.GetHexString(30), RandomNumberGenerator.GetHexString(30));
        Secrets.Add(access);
        Secrets.Add(refresh);
        var (now, end) = (Row.FormatTime(Clock.Now), Row.FormatTime(Clock.Now.AddHours(10)));
        var application = $"(SELECT id FROM oauth2_provider_application WHERE client_id = '{client}')";
        Database.Execute(
            $"""
            INSERT INTO oauth2_provider_accesstoken (token, token_checksum, expires, scope, application_id, user_id, created, updated, source_refresh_token_id, id_token_id, resource)
            VALUES ('{access}', '{TokenText.Checksum(access)}', '{end}', '{scope}', {application}, {user.Id}, '{now}', '{now}', NULL, NULL, '[]');
            INSERT INTO oauth2_provider_refreshtoken (token, token_checksum, access_token_id, application_id, user_id, created, updated, revoked, token_family, resource)
            VALUES ('{refresh}', '{TokenText.Checksum(refresh)}', (SELECT MAX(id) FROM oauth2_provider_accesstoken), {application}, {user.Id}, '{now}', '{now}', NULL, '{Guid.NewGuid():N}', '[]')
            """);
        return (access, refresh);
    }

    protected Task<HttpResponseMessage> RefreshAsync(string refresh, string client = "web", string? scope = null, TestServer? server = null, string secret = ClientSecret)
    {
        var form = new Dictionary<string, string> { ["grant_type"] = "refresh_token", ["refresh_token"] = refresh, ["client_id"] = client, ["client_secret"] = secret };
        if (scope is not null) form["scope"] = scope;
        return (server ?? Server).Http.PostAsync("/o/token/", new FormUrlEncodedContent(form), Ct);
    }

    /// <summary>Refreshes new tokens of the user, and gives what came.</summary>
    protected async Task<JsonNode> NewTokensAsync(User user, string client = "web", string scope = "openid profile email", TestServer? server = null)
    {
        var answer = await RefreshAsync(AddTokens(user, client, scope).Refresh, client, server: server);
        await answer.ShouldBeAsync(200);
        var tokens = await answer.JsonAsync();
        // Not the ID token: as a hint it stands in addresses, which frameworks log.
        foreach (var name in (string[])["access_token", "refresh_token"])
            if ((string?)tokens[name] is { } token)
                Secrets.Add(token);
        return tokens;
    }

    protected async Task<string> NewIdTokenAsync(User user, string client = "web", TestServer? server = null) =>
        (string)(await NewTokensAsync(user, client, server: server))["id_token"]!;

    protected static JsonNode Decode(string token, int part) => JsonNode.Parse(Base64Url.DecodeFromChars(token.Split('.')[part]))!;

    protected static JsonNode ClaimsOf(string token) => Decode(token, 1);

    protected async Task<JsonArray> JwksAsync(TestServer? server = null) =>
        (await (await (server ?? Server).Http.GetAsync("/o/.well-known/jwks.json", Ct)).JsonAsync())["keys"]!.AsArray();

    /// <summary>As any relying party would, by the published keys alone.</summary>
    protected static bool IsSignedBy(JsonArray keys, string token)
    {
        var header = Decode(token, 0);
        var key = Assert.Single(keys, key => (string?)key!["kid"] == (string?)header["kid"] && (string?)key["alg"] == (string?)header["alg"])!;
        var signed = Encoding.ASCII.GetBytes(token[..token.LastIndexOf('.')]);
        var signature = Base64Url.DecodeFromChars(token.AsSpan(token.LastIndexOf('.') + 1));
        byte[] Member(string name) => Base64Url.DecodeFromChars((string)key[name]!);
        if ((string?)key["kty"] == "RSA")
        {
            using var rsa = RSA.Create(new RSAParameters { Modulus = Member("n"), Exponent = Member("e") });
            return rsa.VerifyData(signed, signature, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        }
        using var ec = ECDsa.Create(new ECParameters { Curve = ECCurve.NamedCurves.nistP256, Q = new ECPoint { X = Member("x"), Y = Member("y") } });
        return ec.VerifyData(signed, signature, HashAlgorithmName.SHA256);
    }
}
