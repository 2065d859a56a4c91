using Gatehouse.Tests.Database;
using Gatehouse.Tests.Jwt;
using Xunit;

namespace Gatehouse.Tests.OAuth.Authorize;

/// <summary>Codes, by several processes, and at their sudden end.</summary>
public sealed class CodeProcessTests : IDisposable
{
    private static readonly (string, string)[] Settings = [("Gatehouse__PasswordHashers__0", "md5")];

    private readonly TempFolder folder = new();
    private readonly TestDatabase database;
    private int codes;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public CodeProcessTests() => database = TestDatabase.Of(folder);

    public void Dispose()
    {
        database.Dispose();
        folder.Dispose();
    }

    // A14, R1, R16
    [Fact]
    public async Task Of_64_exchanges_at_once_by_two_processes_one_gets_tokens()
    {
        await using var one = GatehouseProcess.Serve(folder.Path, environment: [.. Settings, .. database.Settings]);
        await using var other = GatehouseProcess.Serve(folder.Path, environment: [.. Settings, .. database.Settings]);
        using var http = new HttpClient { BaseAddress = await one.AddressAsync() };
        using var otherHttp = new HttpClient { BaseAddress = await other.AddressAsync() };
        Prepare();
        for (var round = 0; round < JwtTest.RoundsOr(5); round++)
        {
            var code = NewCode();
            var answers = await Task.WhenAll(Enumerable.Range(0, 64).Select(i => ExchangeAsync(i % 2 == 0 ? http : otherHttp, code)));
            Assert.Single(answers, answer => (int)answer.StatusCode == 200);
            Assert.All(answers, answer => Assert.True((int)answer.StatusCode is 200 or 400, $"{(int)answer.StatusCode}"));
        }
        Assert.Equal(["0|0|0"], Rows("SELECT (SELECT count(*) FROM oauth2_provider_grant) || '|' || (SELECT count(*) FROM oauth2_provider_accesstoken) || '|' || (SELECT count(*) FROM oauth2_provider_refreshtoken WHERE revoked IS NULL)"));
    }

    // R7: whatever moment it is, a code is there, or its tokens are.
    [Fact]
    public async Task After_kill_9_a_code_or_its_tokens_are_there()
    {
        var random = new Random(20260703);
        var rounds = Math.Max(3, JwtTest.RoundsOr(0) / 10);
        for (var round = 0; round < rounds; round++)
        {
            await using var gatehouse = GatehouseProcess.Serve(folder.Path, environment: [.. Settings, .. database.Settings]);
            using var http = new HttpClient { BaseAddress = await gatehouse.AddressAsync() };
            if (round == 0) Prepare();
            var left = random.Next(1, 100);
            await Task.WhenAll(Enumerable.Range(0, 8).Select(async _ =>
            {
                while (true)
                {
                    var code = NewCode();
                    try
                    {
                        await ExchangeAsync(http, code).ShouldBeAsync(200);
                    }
                    catch (HttpRequestException)
                    {
                        return;
                    }
                    if (Interlocked.Decrement(ref left) == 0) gatehouse.Kill();
                }
            }));
            await gatehouse.EndAsync();

            // Each code is still to be used, or was used for one pair.
            Assert.Equal([$"{codes}"], Rows("SELECT (SELECT count(*) FROM oauth2_provider_grant) + (SELECT count(*) FROM gatehouse_oauth_used_code) || ''"));
            Assert.Equal(
                Rows("SELECT count(*) || '' FROM gatehouse_oauth_used_code"),
                Rows("SELECT count(*) || '' FROM gatehouse_oauth_used_code c JOIN oauth2_provider_accesstoken t ON t.token_checksum = c.token_checksum JOIN oauth2_provider_refreshtoken r ON r.access_token_id = t.id AND CAST(r.token_family AS text) = c.token_family"));
            Assert.Equal(Rows("SELECT count(*) || '' FROM gatehouse_oauth_used_code"), Rows("SELECT count(*) || '' FROM oauth2_provider_accesstoken"));
            Assert.Empty(database.BrokenReferences());
        }
    }

    private void Prepare()
    {
        Rows(AuthorizeTest.ClientRow("web"));
        Rows(
            """
            INSERT INTO auth_user (id, password, last_login, is_superuser, username, last_name, email, is_staff, is_active, date_joined, first_name)
            VALUES (7, '!', NULL, FALSE, 'alice', '', '', FALSE, TRUE, '2026-01-01 00:00:00', '')
            """);
    }

    private string NewCode()
    {
        var code = $"code-{Interlocked.Increment(ref codes)}";
        Rows(
            $"""
            INSERT INTO oauth2_provider_grant (code, expires, redirect_uri, scope, application_id, user_id, created, updated, code_challenge, code_challenge_method, nonce, claims, resource)
            SELECT '{code}', '2199-01-01 00:00:00', '{Callback}', 'read', id, 7, '2026-01-01 00:00:00', '2026-01-01 00:00:00', '{Verifier}', 'plain', '', '', '[]'
            FROM oauth2_provider_application
            """);
        return code;
    }

    private const string Callback = "https://client.example/cb";
    private const string Verifier = "a-code-verifier-that-is-long-enough-0123456789-abcdefghij";

    private static Task<HttpResponseMessage> ExchangeAsync(HttpClient http, string code) => http.PostAsync(
        "/o/token/",
        new FormUrlEncodedContent(new Dictionary<string, string>
        {
            ["grant_type"] = "authorization_code",
            ["client_id"] = "web",
            ["client_secret"] = "secret-of-web",
            ["code"] = code,
            ["redirect_uri"] = Callback,
            ["code_verifier"] = Verifier,
        }),
        Ct);

    private List<string> Rows(string sql) => database.Rows(sql);
}
