using System.Buffers.Text;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Gatehouse.Crypto;
using Gatehouse.Jwt;
using Xunit;

namespace Gatehouse.Tests.Jwt;

/// <summary>Keys in all their forms, and which of several a token is checked with.</summary>
public sealed class JwtKeysTests : JwtTest
{
    private static readonly byte[] Claims = """{"a":1}"""u8.ToArray();

    protected override Task StartAsync() => Task.CompletedTask;

    private static void AssertReads(string algorithm, string full, params string[] forms)
    {
        var token = new JwtCodec(new SigningKeys([SigningKey.Parse(algorithm, full)])).Write(Claims);
        foreach (var form in forms)
        {
            var key = SigningKey.Parse(algorithm, form);
            Assert.NotNull(new JwtCodec(new SigningKeys([key])).Read(token));
            Assert.Equal(SigningKey.Parse(algorithm, full).Thumbprint, key.Thumbprint);
        }
    }

    [Theory]
    [InlineData("RS256")]
    [InlineData("PS512")]
    public void An_RSA_key_comes_as_PEM_of_either_kind_as_certificate_and_as_JWK(string algorithm)
    {
        using var rsa = RSA.Create(2048);
        var parameters = rsa.ExportParameters(true);
        var full = Jwk("RSA", ("n", parameters.Modulus), ("e", parameters.Exponent), ("d", parameters.D), ("p", parameters.P), ("q", parameters.Q), ("dp", parameters.DP), ("dq", parameters.DQ), ("qi", parameters.InverseQ));
        var half = Jwk("RSA", ("n", parameters.Modulus), ("e", parameters.Exponent));
        using var certificate = new CertificateRequest("CN=keys", rsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1).CreateSelfSigned(Clock.Now, Clock.Now.AddDays(1));

        foreach (var signs in new[] { rsa.ExportPkcs8PrivateKeyPem(), rsa.ExportRSAPrivateKeyPem(), full })
            AssertReads(algorithm, signs, rsa.ExportPkcs8PrivateKeyPem(), rsa.ExportSubjectPublicKeyInfoPem(), rsa.ExportRSAPublicKeyPem(), certificate.ExportCertificatePem(), full, half, "\n" + half);
        Assert.True(SigningKey.Parse(algorithm, full).CanSign);
        Assert.False(SigningKey.Parse(algorithm, half).CanSign);
        // The last two are for public exponents that would make every message its own signature, or none.
        foreach (var wrong in new[]
        {
            rsa.ExportEncryptedPkcs8PrivateKeyPem("password", new PbeParameters(PbeEncryptionAlgorithm.Aes128Cbc, HashAlgorithmName.SHA256, 1)), "no key", half.Replace("RSA", "EC", StringComparison.Ordinal),
            half.Insert(1, "\"alg\":\"ES256\","), Jwk("RSA", ("n", parameters.Modulus)), Jwk("RSA", ("n", parameters.Modulus), ("e", parameters.Exponent), ("d", parameters.D)),
            Jwk("RSA", ("n", parameters.Modulus), ("e", [1])), Jwk("RSA", ("n", parameters.Modulus), ("e", [1, 0])),
        })
            AssertRefused(algorithm, wrong, parameters.D!);
    }

    [Theory]
    [InlineData("ES256", "P-256")]
    [InlineData("ES384", "P-384")]
    [InlineData("ES512", "P-521")]
    public void An_elliptic_key_is_of_the_curve_of_its_algorithm(string algorithm, string curve)
    {
        using var ec = ECDsa.Create(ECCurve.CreateFromFriendlyName("nist" + curve.Replace("-", "", StringComparison.Ordinal)));
        var parameters = ec.ExportParameters(true);
        var full = Jwk("EC", ("x", parameters.Q.X), ("y", parameters.Q.Y), ("d", parameters.D)).Insert(1, $"\"crv\":\"{curve}\",");
        var half = Jwk("EC", ("x", parameters.Q.X), ("y", parameters.Q.Y)).Insert(1, $"\"crv\":\"{curve}\",");
        using var certificate = new CertificateRequest("CN=keys", ec, HashAlgorithmName.SHA256).CreateSelfSigned(Clock.Now, Clock.Now.AddDays(1));

        foreach (var signs in new[] { ec.ExportPkcs8PrivateKeyPem(), ec.ExportECPrivateKeyPem(), full })
            AssertReads(algorithm, signs, ec.ExportECPrivateKeyPem(), ec.ExportSubjectPublicKeyInfoPem(), certificate.ExportCertificatePem(), full, half);
        foreach (var other in new[] { "ES256", "ES384", "ES512", "RS256", "HS256" }.Where(other => other != algorithm))
            foreach (var form in new[] { ec.ExportPkcs8PrivateKeyPem(), full })
                AssertRefused(other, form, parameters.D!);
        // A point that is not on the curve.
        AssertRefused(algorithm, Jwk("EC", ("x", parameters.Q.X), ("y", parameters.Q.X)).Insert(1, $"\"crv\":\"{curve}\","), parameters.D!);
    }

    [Fact]
    public void A_secret_is_a_text_or_a_JWK()
    {
        var secret = RandomNumberGenerator.GetBytes(32);
        var text = Convert.ToHexString(secret);

        AssertReads("HS256", text, text, Jwk("oct", ("k", Encoding.ASCII.GetBytes(text))));
        // What looks like JSON and is no JWK is a secret like any other.
        AssertReads("HS256", $$"""{"not":"a key","{{text}}":1}""", $$"""{"not":"a key","{{text}}":1}""");
        AssertRefused("HS256", Jwk("oct", ("k", secret[..31])), secret);
        AssertRefused("HS256", Jwk("oct", ("k", secret)).Replace("\"oct\"", "\"RSA\"", StringComparison.Ordinal), secret);
        AssertRefused("HS256", "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC7", secret);
    }

    private static void AssertRefused(string algorithm, string text, byte[] secret)
    {
        var message = Assert.ThrowsAny<ArgumentException>(() => SigningKey.Parse(algorithm, text)).Message;
        Assert.DoesNotContain(Base64Url.EncodeToString(secret), message, StringComparison.Ordinal);
        Assert.True(message.Length < 200, message);
    }

    private static string Jwk(string kty, params (string Name, byte[]? Value)[] members)
    {
        var jwk = new JsonObject { ["kty"] = kty };
        foreach (var (name, value) in members) jwk[name] = Base64Url.EncodeToString(value);
        return jwk.ToJsonString();
    }

    [Fact]
    public async Task Of_several_keys_the_first_signs_and_a_token_is_checked_with_the_one_that_it_names()
    {
        using var ec = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var keys = new[] { "first", "second", "third" }.Select(name => $"{name} secret of 32 bytes and more than that").ToArray();
        var server = await StartServerAsync(options =>
        {
            options.Jwt.SigningKey = keys[0];
            options.Jwt.VerifyingKeys =
            [
                new JwtKeyOptions { Key = keys[1], Id = "second" }, new JwtKeyOptions { Key = Jwk("oct", ("k", Encoding.ASCII.GetBytes(keys[2]))).Insert(1, "\"kid\":\"third\",") },
                new JwtKeyOptions { Key = ec.ExportSubjectPublicKeyInfoPem(), Algorithm = "ES256", Id = "fourth" },
            ];
        });
        var alice = await Users.CreateAsync("alice");
        async Task<int> Ask(string token) => (int)(await server.Http.AskAsync("/jwt/", "Bearer " + token)).StatusCode;
        string Header(string? kid, string algorithm = "HS256") => JsonSerializer.Serialize(new SortedDictionary<string, string?>(StringComparer.Ordinal) { ["alg"] = algorithm, ["kid"] = kid, ["typ"] = "JWT" });

        var (access, _) = await ObtainAsync("alice", server);
        var own = JsonElement.Parse(Base64Url.DecodeFromChars(access.Split('.')[0])).GetProperty("kid").GetString();
        Assert.Equal(SigningKey.Parse("HS256", keys[0]).Id, own);
        Assert.Equal(Sign(Encoding.UTF8.GetString(Base64Url.DecodeFromChars(access.Split('.')[1])), Header(own), keys[0]), access);

        var names = new[] { own, "second", "third" };
        for (var name = 0; name < 3; name++)
            for (var key = 0; key < 3; key++)
                Assert.Equal(name == key ? 200 : 401, await Ask(Sign(Access(alice), Header(names[name]), keys[key])));
        foreach (var key in keys) Assert.Equal(200, await Ask(Sign(Access(alice), key: key)));
        Assert.Equal(401, await Ask(Sign(Access(alice), Header("fourth"), ec.ExportSubjectPublicKeyInfoPem())));
        Assert.Equal(401, await Ask(Sign(Access(alice), Header("unknown"), keys[0])));
        Assert.Equal(401, await Ask(Sign(Access(alice), Header(own, "ES256"), keys[0])));
        var token = new JwtCodec(new SigningKeys([SigningKey.Parse("ES256", ec.ExportPkcs8PrivateKeyPem(), "fourth")], namesKeys: true)).Write(Encoding.UTF8.GetBytes(Access(alice).ToJsonString()));
        for (var i = 0; i < 2; i++) Assert.Equal(200, await Ask(token));
    }

    [Fact]
    public async Task Under_the_profile_Django_an_unknown_kid_is_passed_over_where_there_is_one_key()
    {
        var alice = await Users.CreateAsync("alice");
        var token = Sign(Access(alice), """{"alg":"HS256","kid":"unknown","typ":"JWT"}""");
        foreach (var (profile, option, several, status) in new (Profile, bool?, bool, int)[]
        {
            (Profile.Django, null, false, 200), (Profile.Django, null, true, 401), (Profile.Django, false, false, 401), (Profile.Safe, null, false, 401), (Profile.Safe, true, false, 200),
        })
        {
            var server = await StartServerAsync(options =>
            {
                (options.Profile, options.Jwt.IgnoreUnknownKeyId) = (profile, option);
                if (several) options.Jwt.VerifyingKeys = [new JwtKeyOptions { Key = SecretKey + "2" }];
            });
            await server.Http.AskAsync("/jwt/", "Bearer " + token).ShouldBeAsync(status);
        }
    }

    [Fact]
    public async Task Two_keys_of_one_name_stop_the_start()
    {
        foreach (var second in new[] { new JwtKeyOptions { Key = SecretKey }, new JwtKeyOptions { Key = SecretKey + "2", Id = SigningKey.Parse("HS256", SecretKey).Id } })
            Assert.Contains("VerifyingKeys holds a key twice", (await Assert.ThrowsAsync<SettingException>(() => StartServerAsync(options => options.Jwt.VerifyingKeys = [second]))).Message, StringComparison.Ordinal);
    }
}
