using System.Buffers.Text;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Gatehouse.Crypto;
using Xunit;

namespace Gatehouse.Tests.Jwt;

/// <summary>Section J of the security tests, under the profile Safe.</summary>
public sealed class HostileTokenTests : JwtTest
{
    [Theory]
    [InlineData("""{"alg":"none"}""")] // J1
    [InlineData("""{"alg":"None"}""")]
    [InlineData("""{"alg":"nOnE"}""")]
    [InlineData("""{"alg":""}""")]
    [InlineData("""{"typ":"JWT"}""")]
    [InlineData("""{"alg":"HS384"}""")] // J22
    [InlineData("""{"alg":"RS256"}""")]
    [InlineData("""{"alg":["HS256"]}""")]
    [InlineData("""{"alg":"HS256","kid":"../../dev/null"}""")] // J4
    [InlineData("""{"alg":"HS256","kid":"' OR 1=1--"}""")]
    [InlineData("""{"alg":"HS256","kid":5}""")]
    [InlineData("""{"alg":"HS256","kid":null}""")]
    [InlineData("""{"alg":"HS256","kid":"unknown"}""")]
    [InlineData("""{"alg":"HS256","jwk":{"kty":"oct","k":"AAAA"}}""")] // J5
    [InlineData("""{"alg":"HS256","x5c":["AAAA"]}""")]
    [InlineData("""{"alg":"HS256","crit":["exp"]}""")] // J7
    [InlineData("""{"alg":"HS256","crit":[]}""")]
    [InlineData("""{"alg":"HS256","b64":false}""")]
    [InlineData("""{"alg":"HS256","b64":true}""")]
    [InlineData("""{"alg":"HS256","zip":"DEF"}""")] // J13
    [InlineData("""{"alg":"HS256","alg":"HS256"}""")] // J12
    [InlineData("""{"alg":"none","\u0061lg":"HS256"}""")]
    [InlineData("""["alg"]""")]
    [InlineData("""{"alg":"HS256"} """ + "x")]
    [InlineData("")]
    public async Task A_token_with_such_a_header_is_refused_though_its_signature_is_right(string header)
    {
        var alice = await Users.CreateAsync("alice");

        await IsRefusedAsync(Sign(Access(alice), header));
    }

    [Theory]
    [InlineData("exp", "\"4102444800\"")] // J11
    [InlineData("exp", "1e400")]
    [InlineData("exp", "-1")]
    [InlineData("exp", "9223372036854775808")]
    [InlineData("exp", "1000000000000000000")]
    [InlineData("exp", "true")]
    [InlineData("exp", "null")]
    [InlineData("exp", "[]")]
    [InlineData("exp", "NaN")]
    [InlineData("nbf", "4102444800")]
    [InlineData("nbf", "\"1\"")]
    [InlineData("iat", "4102444800")]
    [InlineData("iat", "\"1\"")]
    [InlineData("sub", "5")]
    [InlineData("jti", "5")]
    [InlineData("jti", "\"a\\u0000b\"")]
    [InlineData("name", "\"\\ud800\"")] // J14
    [InlineData("token_type", "\"refresh\"")] // J10
    [InlineData("token_type", "\"logout\"")]
    [InlineData("token_type", "\"sliding\"")]
    [InlineData("token_type", "\"ACCESS\"")]
    [InlineData("token_type", "[\"access\"]")]
    [InlineData("user_id", "1.0")] // J19
    [InlineData("user_id", "1e0")]
    [InlineData("user_id", "true")]
    [InlineData("user_id", "[1]")]
    [InlineData("user_id", "{\"$gt\":0}")]
    [InlineData("user_id", "\"１\"")]
    [InlineData("user_id", "\" 1\"")]
    [InlineData("user_id", "\"01\"")]
    [InlineData("user_id", "\"1e0\"")]
    [InlineData("user_id", "\"-1\"")]
    [InlineData("user_id", "\"alice\"")]
    [InlineData("user_id", "null")]
    [InlineData("user_id", "\"\"")]
    public async Task A_token_with_such_a_claim_is_refused_though_its_signature_is_right(string claim, string value)
    {
        var claims = Access(await Users.CreateAsync("alice"));
        claims.Remove(claim);

        await IsRefusedAsync(Sign(claims.ToJsonString()[..^1] + $",\"{claim}\":{value}}}"));
    }

    // J19
    [Fact]
    public async Task A_user_id_is_a_whole_number_or_its_text()
    {
        var claims = Access(await Users.CreateAsync("alice"));
        Assert.Equal(200, await StatusAsync(Sign(claims)));

        claims["user_id"] = 1;
        Assert.Equal(200, await StatusAsync(Sign(claims)));

        claims["user_id"] = new string('9', 400);
        await IsRefusedAsync(Sign(claims));
    }

    // J12
    [Fact]
    public async Task Doubled_members_are_refused_wherever_they_stand()
    {
        var claims = Access(await Users.CreateAsync("alice")).ToJsonString()[..^1];

        await IsRefusedAsync(Sign(claims + $",\"exp\":{Second + 9}}}"));
        await IsRefusedAsync(Sign(claims + ",\"sub\":\"a\",\"sub\":\"b\"}"));
        await IsRefusedAsync(Sign(claims + ",\"x\":{\"a\":1,\"\\u0061\":2}}"));
        await IsRefusedAsync(Sign(claims + ",}"));
        await IsRefusedAsync(Sign(claims + "}/**/"));
    }

    // J11
    [Fact]
    public async Task A_time_counts_to_the_second()
    {
        var claims = Access(await Users.CreateAsync("alice"));
        claims["exp"] = Second + 1;
        claims["nbf"] = Second;
        var token = Sign(claims);
        Assert.Equal(200, await StatusAsync(token));
        Clock.Advance(TimeSpan.FromMicroseconds(876_543));
        Assert.Equal(200, await StatusAsync(token));
        Clock.Advance(TimeSpan.FromMicroseconds(1));
        await IsRefusedAsync(token);

        claims["exp"] = Second + 100.75;
        claims["nbf"] = Second + 1;
        token = Sign(claims);
        await IsRefusedAsync(token);
        Clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(200, await StatusAsync(token));
    }

    // J11
    [Fact]
    public async Task Leeway_moves_both_edges()
    {
        var server = await StartServerAsync(options => options.Jwt.Leeway = TimeSpan.FromSeconds(10));
        var claims = Access(await Users.CreateAsync("alice"));

        async Task<int> Ask(long exp, long nbf, long? iat = null)
        {
            claims["exp"] = exp;
            claims["nbf"] = nbf;
            claims["iat"] = iat ?? Second;
            return (int)(await server.Http.AskAsync("/jwt/", "Bearer " + Sign(claims))).StatusCode;
        }
        Assert.Equal(200, await Ask(Second - 9, Second));
        Assert.Equal(401, await Ask(Second - 10, Second));
        Assert.Equal(200, await Ask(Second + 99, Second + 10));
        Assert.Equal(401, await Ask(Second + 99, Second + 11));
        Assert.Equal(200, await Ask(Second + 99, Second, Second + 10));
        Assert.Equal(401, await Ask(Second + 99, Second, Second + 11));
    }

    // J8, J9
    [Fact]
    public async Task Issuer_and_audience_are_compared_whole()
    {
        var server = await StartServerAsync(options =>
        {
            options.Jwt.Issuer = "https://id.example.com";
            options.Jwt.Audience = ["shop"];
        });
        var alice = await Users.CreateAsync("alice");

        async Task<int> Ask(JsonNode? iss, JsonNode? aud)
        {
            var claims = Access(alice);
            if (iss is not null) claims["iss"] = iss;
            if (aud is not null) claims["aud"] = aud;
            return (int)(await server.Http.AskAsync("/jwt/", "Bearer " + Sign(claims))).StatusCode;
        }
        Assert.Equal(200, await Ask("https://id.example.com", "shop"));
        Assert.Equal(200, await Ask("https://id.example.com", new JsonArray("other", "shop")));
        foreach (var wrong in new JsonNode?[] { null, "https://id.example.com/", "https://id.example", "id.example.com", "https://id.example.com.evil", 5, new JsonArray("https://id.example.com") }) // J8
            Assert.Equal(401, await Ask(wrong, "shop"));
        foreach (var wrong in new JsonNode?[] { null, "sho", "shop2", 5, new JsonArray(), new JsonArray("other"), new JsonArray("shop", 5), "" }) // J9
            Assert.Equal(401, await Ask("https://id.example.com", wrong));
        var (access, _) = await ObtainAsync("alice", server);
        Assert.Equal(("https://id.example.com", "shop"), (ClaimsOf(access).GetProperty("iss").GetString(), ClaimsOf(access).GetProperty("aud").GetString()));
    }

    // J4
    [Fact]
    public async Task A_kid_of_10_kB_is_refused() =>
        await IsRefusedAsync(Sign(Access(await Users.CreateAsync("alice")), $$"""{"alg":"HS256","kid":"{{new string('k', 10_000)}}"}"""));

    // J10
    [Fact]
    public async Task A_token_of_one_kind_is_none_of_another()
    {
        var alice = await Users.CreateAsync("alice");
        foreach (var kind in new[] { "access", "sliding", "logout", "refresh " })
        {
            var claims = Refresh(alice);
            claims["token_type"] = kind;
            const string Wrong = """{"detail":"Token has wrong type","code":"token_not_valid"}""";
            await RefreshAsync(Sign(claims)).ShouldBeAsync(401, Wrong);
            await PostAsync("/api/token/blacklist/", new { refresh = Sign(claims) }).ShouldBeAsync(401, Wrong);
            if (kind != "sliding") await PostAsync("/api/token/sliding/refresh/", new { token = Sign(claims) }).ShouldBeAsync(401, Wrong);
        }
    }

    // J16, J17
    [Fact]
    public async Task Only_the_one_spelling_of_a_token_is_accepted()
    {
        var token = Sign(Access(await Users.CreateAsync("alice")));
        var parts = token.Split('.');
        // 32 bytes are 43 characters, of which the last holds two bits that stand for nothing.
        const string Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        var spare = token[..^1] + Digits[Digits.IndexOf(token[^1], StringComparison.Ordinal) + 1];

        string[] wrong =
        [
            spare, token + "=", token + "==", $"{parts[0]}=.{parts[1]}.{parts[2]}", token.Replace('-', '+').Replace('_', '/') + "+", token + ".", "." + token, token + "." + parts[2],
            $"{parts[0]}.{parts[1]}", $"{parts[0]}.{parts[1]}.", $"{parts[0]}..{parts[2]}", $".{parts[1]}.{parts[2]}", $"{token}.{parts[1]}.{parts[2]}", token + "A", token[..^1],
            $$"""{"payload":"{{parts[1]}}","protected":"{{parts[0]}}","signature":"{{parts[2]}}"}""", token + "%00", token + ",", "\u00e9" + token,
        ];
        foreach (var one in wrong) await IsRefusedAsync(one);
        Assert.Equal(200, await StatusAsync(token));
    }

    // J13, J14
    [Fact]
    public async Task Long_and_deep_tokens_cost_nothing()
    {
        var alice = await Users.CreateAsync("alice");
        var codec = Server.Get<JwtCodec>();
        var deep = Access(alice).ToJsonString()[..^1] + ",\"x\":" + new string('[', 2000) + new string(']', 2000) + "}";
        string[] tokens = [Sign(new JsonObject { ["x"] = new string('x', 1_000_000) }), Sign(deep), $"{Encode("""{"alg":"dir","enc":"A128GCM","zip":"DEF"}""")}..AAAA.{new string('A', 7000)}.AAAA"];
        foreach (var token in tokens) Assert.Null(codec.Read(token));

        // What is not unpacked, or not read to its end, takes no memory: less than one of them is long.
        var before = GC.GetAllocatedBytesForCurrentThread();
        foreach (var token in tokens) Assert.Null(codec.Read(token));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 100_000);
        await IsRefusedAsync(tokens[2]);
    }

    // J6
    [Fact]
    public async Task An_address_in_a_header_is_never_asked()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var url = $"http://{listener.LocalEndpoint}/keys";
        var alice = await Users.CreateAsync("alice");

        foreach (var member in new[] { "jku", "x5u" }) await IsRefusedAsync(Sign(Access(alice), $$"""{"alg":"HS256","{{member}}":"{{url}}"}"""));

        Assert.False(listener.Pending());
    }

    // J2, J3, J15
    [Fact]
    public void A_public_key_is_no_secret_and_a_signature_has_one_form()
    {
        using var rsa = RSA.Create(2048);
        using var ec = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var claims = Encoding.UTF8.GetBytes("""{"exp":4102444800}""");
        var rsaCodec = new JwtCodec(new SigningKeys([SigningKey.Parse("RS256", rsa.ExportPkcs8PrivateKeyPem())]));
        var ecCodec = new JwtCodec(new SigningKeys([SigningKey.Parse("ES256", ec.ExportPkcs8PrivateKeyPem())]));
        var pem = rsa.ExportSubjectPublicKeyInfoPem();
        var parameters = rsa.ExportParameters(false);
        var jwk = $$"""{"kty":"RSA","n":"{{Base64Url.EncodeToString(parameters.Modulus)}}","e":"{{Base64Url.EncodeToString(parameters.Exponent)}}"}""";
        foreach (var key in new[] { pem, pem + "\n", pem.Trim(), jwk }) Assert.Null(rsaCodec.Read(Sign("""{"exp":4102444800}""", key: key)));

        var token = ecCodec.Write(claims);
        Assert.NotNull(ecCodec.Read(token));
        var signed = token[..token.LastIndexOf('.')];
        var raw = Base64Url.DecodeFromChars(token.AsSpan(signed.Length + 1));
        var bytes = Encoding.ASCII.GetBytes(signed);
        var order = Convert.FromHexString("FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551");
        byte[][] wrong =
        [
            new byte[64], [.. order, .. order], [.. raw[..32], .. new byte[32]], [.. new byte[32], .. raw[32..]], [.. raw[32..], .. raw[..32]], raw[..63], [.. raw, 0],
            ec.SignData(bytes, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence), [.. raw[..63], (byte)(raw[63] ^ 1)],
        ];
        foreach (var signature in wrong) Assert.Null(ecCodec.Read($"{signed}.{Base64Url.EncodeToString(signature)}"));
    }

    [Theory]
    [InlineData("HS256")]
    [InlineData("HS384")]
    [InlineData("HS512")]
    [InlineData("RS256")]
    [InlineData("RS384")]
    [InlineData("RS512")]
    [InlineData("PS256")]
    [InlineData("PS384")]
    [InlineData("PS512")]
    [InlineData("ES256")]
    [InlineData("ES384")]
    [InlineData("ES512")]
    public void Every_algorithm_signs_and_verifies_with_PEM_and_public_halves(string algorithm)
    {
        var (full, half) = Keys(algorithm);
        var writer = new JwtCodec(new SigningKeys([SigningKey.Parse(algorithm, full)]));
        var reader = new JwtCodec(new SigningKeys([SigningKey.Parse(algorithm, half)]));
        var token = writer.Write("""{"a":1}"""u8);

        // Twice: the second time it is remembered.
        for (var i = 0; i < 2; i++) Assert.Equal("""{"a":1}""", reader.Read(token)?.GetRawText());
        Assert.Null(reader.Read(token[..^5] + (token[^5] == 'A' ? 'B' : 'A') + token[^4..]));
    }

    private static (string Full, string Half) Keys(string algorithm)
    {
        if (algorithm[0] == 'H') return (SecretKey + SecretKey, SecretKey + SecretKey);
        if (algorithm[0] == 'E')
        {
            using var ec = ECDsa.Create(algorithm switch { "ES256" => ECCurve.NamedCurves.nistP256, "ES384" => ECCurve.NamedCurves.nistP384, _ => ECCurve.NamedCurves.nistP521 });
            return (ec.ExportPkcs8PrivateKeyPem(), ec.ExportSubjectPublicKeyInfoPem());
        }
        using var rsa = RSA.Create(2048);
        return (rsa.ExportPkcs8PrivateKeyPem(), rsa.ExportSubjectPublicKeyInfoPem());
    }

    // J24. Each signature that was right once is remembered, save of HS: no mutation may be taken for it.
    [Theory]
    [InlineData("HS256", 20_000)]
    [InlineData("RS256", 3_000)]
    [InlineData("PS256", 3_000)]
    [InlineData("ES256", 3_000)]
    public void Mutated_tokens_are_refused(string algorithm, int few)
    {
        var count = int.TryParse(Environment.GetEnvironmentVariable("GATEHOUSE_TEST_FUZZ"), out var wanted) ? wanted : few;
        var codec = new JwtCodec(new SigningKeys([SigningKey.Parse(algorithm, Keys(algorithm).Full)]));
        var good = Enumerable.Range(0, 20).Select(i => codec.Write(Encoding.UTF8.GetBytes($$"""{"token_type":"access","exp":{{Second + i}},"jti":"{{i}}","user_id":"{{i}}"}"""))).ToArray();
        var known = good.ToHashSet();
        foreach (var token in good) Assert.NotNull(codec.Read(token));

        for (var i = 0; i < count; i++)
        {
            var token = Mutate(good);
            if (!known.Contains(token)) Assert.True(codec.Read(token) is null, $"Accepted: {token}");
        }
    }

    private static string Mutate(string[] good)
    {
        const string Letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ ";
        var token = good[RandomNumberGenerator.GetInt32(good.Length)];
        var at = RandomNumberGenerator.GetInt32(token.Length);
        switch (RandomNumberGenerator.GetInt32(6))
        {
            case 0: return $"{token[..at]}{Letters[RandomNumberGenerator.GetInt32(Letters.Length)]}{token[(at + 1)..]}";
            case 1: return token.Remove(at, 1);
            case 2: return token.Insert(at, Letters[RandomNumberGenerator.GetInt32(Letters.Length)].ToString());
            case 3: return token[..at] + (char)(token[at] ^ (1 << RandomNumberGenerator.GetInt32(8))) + token[(at + 1)..];
            case 4:
                var other = good[RandomNumberGenerator.GetInt32(good.Length)];
                return token[..at] + (at < other.Length ? other[at..] : "");
            default:
                var parts = token.Split('.');
                parts[RandomNumberGenerator.GetInt32(3)] = good[RandomNumberGenerator.GetInt32(good.Length)].Split('.')[RandomNumberGenerator.GetInt32(3)];
                return string.Join('.', parts);
        }
    }
}
