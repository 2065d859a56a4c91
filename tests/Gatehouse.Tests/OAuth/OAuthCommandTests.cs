using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Gatehouse.Tests.Jwt;
using Microsoft.Data.Sqlite;
using Xunit;

namespace Gatehouse.Tests.OAuth;

/// <summary><c>createapplication</c> and <c>cleartokens</c> as a process, and devices at a server's sudden end.</summary>
public sealed class OAuthCommandTests : IDisposable
{
    private static readonly (string, string)[] Cheap = [("Gatehouse__PasswordHashers__0", "md5")];

    private readonly TempFolder folder = new();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public void Dispose() => folder.Dispose();

    [Fact]
    public async Task Createapplication_prints_the_secret_that_it_made()
    {
        var made = await RunAsync("createapplication", "confidential", "client-credentials", "--name", "Nightly report", "--client-id", "report");
        var chosen = await RunAsync(
            "createapplication", "public", "authorization-code", "--client-secret", "chosen", "--no-hash-client-secret", "--redirect-uris", "https://a.example/cb https://b.example/cb",
            "--skip-authorization", "--post-logout-redirect-uris", "https://a.example/bye", "--client-id", "chosen-one");

        Assert.Equal((0, ""), (made.Code, made.Errors));
        Assert.Matches("^New application Nightly report created successfully.\nclient_secret: [A-Za-z0-9]{128}$", made.Output);
        Assert.Equal((0, "New application chosen-one created successfully."), (chosen.Code, chosen.Output));
        Assert.Equal("public|authorization-code|chosen|0|https://a.example/cb https://b.example/cb|https://a.example/bye|1|manual", Rows(
            "SELECT client_type || '|' || authorization_grant_type || '|' || client_secret || '|' || hash_client_secret || '|' || redirect_uris || '|' || post_logout_redirect_uris || '|' || skip_authorization || '|' || registration_source FROM oauth2_provider_application WHERE client_id = 'chosen-one'").Single());
        Assert.DoesNotContain(made.Output[^128..], Rows("SELECT client_secret FROM oauth2_provider_application WHERE client_id = 'report'").Single(), StringComparison.Ordinal);

        await using var gatehouse = GatehouseProcess.Serve(folder.Path, environment: Cheap);
        using var http = new HttpClient { BaseAddress = await gatehouse.AddressAsync() };
        using var form = Form("grant_type=client_credentials&client_id=report&client_secret=" + made.Output[^128..]);
        await http.PostAsync("/o/token/", form, Ct).ShouldBeAsync(200);
    }

    [Fact]
    public async Task Createapplication_tells_what_is_wrong_field_by_field()
    {
        await RunAsync("createapplication", "public", "implicit", "--redirect-uris", "https://a.example", "--client-id", "taken");

        var wrong = await RunAsync("createapplication", "nosuch", "implicit", "--client-id", "taken", "--user", "7");
        var usage = await RunAsync("createapplication", "public");

        Assert.Equal(
            (1, "Please correct the following errors:\n - client_type: [\"Value 'nosuch' is not a valid choice.\"]\n - redirect_uris: ['redirect_uris cannot be empty with grant_type implicit']\n"
                + " - user: ['user instance with id 7 does not exist.']"),
            (wrong.Code, wrong.Errors));
        Assert.Equal(2, usage.Code);
        var taken = await RunAsync("createapplication", "public", "password", "--client-id", "taken");
        Assert.Equal((1, "Please correct the following errors:\n - client_id: ['Application with this Client ID already exists.']"), (taken.Code, taken.Errors));
        Assert.Single(Rows("SELECT client_id FROM oauth2_provider_application"));
    }

    // RFC 7523: the client signs with the key whose public half was registered.
    [Fact]
    public async Task Createapplication_registers_clients_that_sign()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var point = key.ExportParameters(false).Q;
        var jwk = $$"""{"kty":"EC","crv":"P-256","x":"{{Base64Url.EncodeToString(point.X)}}","y":"{{Base64Url.EncodeToString(point.Y)}}"}""";
        await File.WriteAllTextAsync(folder["keys.json"], $$"""{"keys":[{{jwk}}]}""", Ct);
        await File.WriteAllTextAsync(folder["none.json"], """{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}""", Ct);
        string[] ask = ["createapplication", "confidential", "client-credentials", "--client-id", "signer", "--token-endpoint-auth-method"];

        foreach (var (arguments, why) in new (string[], string)[]
        {
            (["private_key_jwt"], "either jwks or jwks_uri"),
            (["private_key_jwt", "--jwks", "none.json"], "no public key in it"),
            (["private_key_jwt", "--jwks", "nosuch.json"], "--jwks"),
            (["private_key_jwt", "--jwks-uri", "http://client.example/keys"], "Enter an https address"),
            (["private_key_jwt", "--jwks", "keys.json", "--jwks-uri", "https://client.example/keys"], "either jwks or jwks_uri"),
            (["client_secret_jwt", "--client-secret", "short"], "needs 32 characters"),
            (["client_secret_jwt", "--jwks", "keys.json"], "Only a client that authenticates by private_key_jwt"),
            (["tls_client_auth"], "is not a valid choice"),
        })
        {
            var refused = await RunAsync([.. ask, .. arguments]);
            Assert.Equal(1, refused.Code);
            Assert.Contains(why, refused.Errors, StringComparison.Ordinal);
        }
        Assert.Equal(0, (await RunAsync([.. ask, "private_key_jwt", "--jwks", "keys.json"])).Code);

        await using var gatehouse = GatehouseProcess.Serve(folder.Path, environment: Cheap);
        using var http = new HttpClient { BaseAddress = await gatehouse.AddressAsync() };
        var now = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        var text = Base64Url.EncodeToString("""{"alg":"ES256"}"""u8) + "." + Base64Url.EncodeToString(Encoding.ASCII.GetBytes(
            $$"""{"iss":"signer","sub":"signer","aud":"{{http.BaseAddress!.GetLeftPart(UriPartial.Authority)}}/o","jti":"1","exp":{{now + 60}}}"""));
        var assertion = text + "." + Base64Url.EncodeToString(key.SignData(Encoding.ASCII.GetBytes(text), HashAlgorithmName.SHA256));
        using var form = Form($"grant_type=client_credentials&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer&client_assertion={assertion}");
        await http.PostAsync("/o/token/", form, Ct).ShouldBeAsync(200);
    }

    [Fact]
    public async Task Cleartokens_says_what_it_did_and_what_it_cannot()
    {
        await RunAsync("createapplication", "public", "password", "--client-id", "app");
        Execute(
            """
            INSERT INTO oauth2_provider_accesstoken (token, token_checksum, expires, scope, application_id, created, updated, resource)
            VALUES ('x', 'x', '2020-01-01', 'read', 1, '2020-01-01', '2020-01-01', '[]')
            """);

        var first = await RunAsync("cleartokens");
        var second = await GatehouseProcess.RunAsync(folder.Path, ["cleartokens"], environment: [.. Cheap, ("Gatehouse__OAuth__RefreshTokenExpireSeconds", "60")]);

        Assert.Equal((0, "1 tokens deleted."), (first.Code, first.Output));
        Assert.StartsWith("REFRESH_TOKEN_EXPIRE_SECONDS is not set (or is 0), so refresh tokens never age-expire.", first.Errors, StringComparison.Ordinal);
        Assert.Equal((0, "0 tokens deleted.", ""), (second.Code, second.Output, second.Errors));
    }

    // D5: whatever moment it is, a device has its tokens once: from the answer, or lost with it.
    [Fact]
    public async Task After_kill_9_no_device_code_gives_tokens_twice()
    {
        await RunAsync("createapplication", "public", "urn:ietf:params:oauth:grant-type:device_code", "--client-id", "tv");
        Execute("INSERT INTO auth_user (password, is_superuser, username, last_name, email, is_staff, is_active, date_joined, first_name) VALUES ('!', 0, 'alice', '', '', 0, 1, '2026-01-01', '')");
        var random = new Random(20260703);
        var rounds = Math.Max(3, JwtTest.RoundsOr(0) / 10);
        for (var round = 0; round < rounds; round++)
        {
            var codes = Enumerable.Range(0, 100).Select(i => $"device-{round}-{i}").ToList();
            foreach (var code in codes)
                Execute($"INSERT INTO oauth2_provider_devicegrant (device_code, user_code, interval, expires, status, client_id, last_checked, user_id, scope) VALUES ('{code}', '{code}', 5, '2099-01-01', 'authorized', 'tv', '2026-01-01', 1, 'read')");
            await using (var gatehouse = GatehouseProcess.Serve(folder.Path, environment: Cheap))
            {
                using var http = new HttpClient { BaseAddress = await gatehouse.AddressAsync() };
                var left = random.Next(1, codes.Count);
                await Task.WhenAll(codes.Concat(codes).Select(async code =>
                {
                    await TryRedeemAsync(http, code);
                    if (Interlocked.Decrement(ref left) == 0) gatehouse.Kill();
                }));
            }
            await using var again = GatehouseProcess.Serve(folder.Path, environment: Cheap);
            using var after = new HttpClient { BaseAddress = await again.AddressAsync() };
            foreach (var code in codes) Assert.Contains(await TryRedeemAsync(after, code), new int?[] { 200, 400 });

            var tokens = $"{(round + 1) * codes.Count}";
            Assert.Equal($"{tokens}|{tokens}", Rows("SELECT (SELECT count(*) FROM oauth2_provider_accesstoken) || '|' || (SELECT count(*) FROM oauth2_provider_refreshtoken)").Single());
        }
    }

    private static async Task<int?> TryRedeemAsync(HttpClient http, string code)
    {
        try
        {
            using var form = Form("grant_type=urn:ietf:params:oauth:grant-type:device_code&client_id=tv&device_code=" + code);
            return (int)(await http.PostAsync("/o/token/", form, Ct)).StatusCode;
        }
        catch (HttpRequestException)
        {
            return null;
        }
    }

    private static StringContent Form(string body) => new(body, System.Text.Encoding.UTF8, "application/x-www-form-urlencoded");

    private Task<(int Code, string Output, string Errors)> RunAsync(params string[] arguments) => GatehouseProcess.RunAsync(folder.Path, arguments, environment: Cheap);

    private List<string> Rows(string sql)
    {
        using var connection = Connect();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        using var reader = command.ExecuteReader();
        var rows = new List<string>();
        while (reader.Read()) rows.Add(reader.GetString(0));
        return rows;
    }

    private void Execute(string sql)
    {
        using var connection = Connect();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    private SqliteConnection Connect()
    {
        var connection = new SqliteConnection($"Data Source={Directory.GetFiles(folder.Path, "*.db", SearchOption.AllDirectories).Single()};Pooling=False");
        connection.Open();
        return connection;
    }
}
