using System.Buffers.Text;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Gatehouse.Crypto;
using Gatehouse.Database;
using Gatehouse.OAuth.Clients;
using Gatehouse.OAuth.OpenId;
using Gatehouse.Users;
using Microsoft.Extensions.Logging;

namespace Gatehouse.OAuth.Tokens;

/// <summary>
/// An API's look at tokens of another server, RFC 7662 §2 (DOT's <c>_get_token_from_authentication_server</c>). What that server says is kept as a row
/// without a client, until the token ends or <c>RESOURCE_SERVER_TOKEN_CACHING_SECONDS</c> are over; its users come to be users here, by their names.
/// </summary>
internal sealed class RemoteIntrospection : IDisposable
{
    private const int MostBytes = 64 * 1024;
    private const int MostAtOnce = 64;
    private const int LongestUsername = 150;
    private const int LongestScope = 8 * 1024;
    private const int MostResources = 100;

    private readonly Db db;
    private readonly OAuthTokens tokens;
    private readonly UserAccounts accounts;
    private readonly OAuthOptions options;
    private readonly TimeProvider clock;
    private readonly ILogger log;
    private readonly HttpClient http;
    private readonly AuthenticationHeaderValue? authorization;
    private readonly JwtCodec? signer;
    private readonly Dictionary<string, Task<AccessToken?>> flights = [];
    private readonly Lock gate = new();
    private readonly SemaphoreSlim places = new(MostAtOnce);

    /// <exception cref="SettingException">The key to sign with is none.</exception>
    public RemoteIntrospection(Db db, OAuthTokens tokens, UserAccounts accounts, OAuthOptions options, TimeProvider clock, ILogger<RemoteIntrospection> log)
    {
        (this.db, this.tokens, this.accounts, this.options, this.clock, this.log) = (db, tokens, accounts, options, clock, log);
        // To the one address of the settings and to no other: no redirects, and nothing that the caller says is part of it.
        http = new HttpClient(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            AutomaticDecompression = DecompressionMethods.None,
            ActivityHeadersPropagator = null,
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
        })
        {
            Timeout = TimeSpan.FromSeconds(options.ResourceServerIntrospectionTimeoutSeconds),
            MaxResponseContentBufferSize = MostBytes,
        };
        if (options.ResourceServerAuthToken.Length > 0) authorization = new("Bearer", options.ResourceServerAuthToken);
        else if (options.ResourceServerIntrospectionCredentials is [var id, var secret]) authorization = new("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{id}:{secret}")));
        else if (options.ResourceServerIntrospectionJwtPrivateKey.Length > 0) signer = SignerOf(options);
    }

    /// <summary>Whether there is a server to ask, and something to ask with.</summary>
    public bool IsOn => options.ResourceServerIntrospectionUrl.Length > 0 && (authorization is not null || signer is not null);

    /// <summary>The token as the other server has it; null when it is not active there, or that server cannot be understood. Of many callers at once, one asks.</summary>
    public async Task<AccessToken?> AskAsync(string token, CancellationToken ct)
    {
        if (token.Length > TokenText.Longest) return null;
        var checksum = TokenText.Checksum(token);
        Task<AccessToken?>? flight;
        lock (gate)
            if (!flights.TryGetValue(checksum, out flight)) flights[checksum] = flight = Task.Run(() => FlyAsync(token, checksum), CancellationToken.None);
        return await flight.WaitAsync(ct);
    }

    public void Dispose()
    {
        http.Dispose();
        places.Dispose();
    }

    private async Task<AccessToken?> FlyAsync(string token, string checksum)
    {
        try
        {
            using var patience = new CancellationTokenSource(http.Timeout);
            await places.WaitAsync(patience.Token);
            try
            {
                // Kept by another flight since this caller looked: it need not be asked again.
                if (await tokens.FindAsync(token, patience.Token) is { } kept && clock.GetUtcNow() < kept.Expires) return kept;
                return await KeepAsync(token, checksum, await FetchAsync(token, patience.Token));
            }
            finally
            {
                places.Release();
            }
        }
        catch (Exception error) when (error is HttpRequestException or OperationCanceledException or IOException or JsonException or InvalidOperationException)
        {
            log.IntrospectionFailed(error is OperationCanceledException ? $"no answer within {http.Timeout.TotalSeconds} s" : error.Message);
            return null;
        }
        finally
        {
            lock (gate) flights.Remove(checksum);
        }
    }

    private async Task<Said?> FetchAsync(string token, CancellationToken ct)
    {
        var form = new List<KeyValuePair<string, string>> { new("token", token) };
        if (signer is not null)
        {
            form.Add(new("client_id", options.ResourceServerIntrospectionJwtClientId));
            form.Add(new("client_assertion_type", ClientAssertions.Type));
            form.Add(new("client_assertion", NewAssertion(signer)));
        }
        using var request = new HttpRequestMessage(HttpMethod.Post, options.ResourceServerIntrospectionUrl) { Content = new FormUrlEncodedContent(form) };
        request.Headers.Authorization = authorization;
        using var answer = await http.SendAsync(request, ct);
        if (answer.StatusCode != HttpStatusCode.OK) throw new HttpRequestException($"the answer was {(int)answer.StatusCode}");
        using var json = JsonDocument.Parse(await answer.Content.ReadAsByteArrayAsync(ct), new JsonDocumentOptions { AllowDuplicateProperties = false, MaxDepth = 16 });
        return Read(json.RootElement);
    }

    /// <summary>Null: not active, or not to be understood; what limits a token must not be passed over.</summary>
    private Said? Read(JsonElement json)
    {
        if (json.ValueKind != JsonValueKind.Object || !json.TryGetProperty("active", out var active) || active.ValueKind != JsonValueKind.True) return null;
        var latest = clock.GetUtcNow().AddSeconds(options.ResourceServerTokenCachingSeconds);
        var expires = latest;
        if (json.TryGetProperty("exp", out var exp))
        {
            if (exp.ValueKind != JsonValueKind.Number || !exp.TryGetDouble(out var seconds) || !(Math.Abs(seconds) < 1e11)) return Odd("exp");
            if (DateTimeOffset.UnixEpoch.AddSeconds(seconds) is var end && end < latest) expires = end;
        }
        if (json.TryGetProperty("scope", out var scope) && (scope.ValueKind != JsonValueKind.String || scope.GetString()!.Length > LongestScope)) return Odd("scope");
        var username = json.TryGetProperty("username", out var name) ? name.ValueKind == JsonValueKind.String ? name.GetString() : "" : null;
        if (username is "" or { Length: > LongestUsername } || username?.Contains('\0') == true) return Odd("username");
        string[] resource = [];
        if (json.TryGetProperty("aud", out var audience))
        {
            if (audience.ValueKind == JsonValueKind.String) resource = [audience.GetString()!];
            else if (audience.ValueKind == JsonValueKind.Array && audience.GetArrayLength() <= MostResources && audience.EnumerateArray().All(one => one.ValueKind == JsonValueKind.String))
                resource = [.. audience.EnumerateArray().Select(one => one.GetString()!)];
            else return Odd("aud");
        }
        return new Said(username, scope.ValueKind == JsonValueKind.String ? scope.GetString()! : "", expires, resource);
    }

    private Said? Odd(string member)
    {
        log.IntrospectionFailed($"the answer's {member} makes no sense");
        return null;
    }

    private async Task<AccessToken?> KeepAsync(string token, string checksum, Said? said)
    {
        if (said is null) return null;
        User? user = null;
        if (said.Username is { } username)
        {
            user = await accounts.FindAsync(username, CancellationToken.None)
                ?? await accounts.CreateAsync(username, "", password: null) ?? await accounts.FindAsync(username, CancellationToken.None);
            if (user is null) return Refuse();
        }
        var now = clock.GetUtcNow();
        await db.WriteAsync(
            tx => tx.RunAsync(
                Keep, ("token", options.CompliantBcpRfc9700TokenStorage == true ? "" : token), ("checksum", checksum), ("expires", said.Expires), ("scope", said.Scope),
                ("user", user?.Id), ("now", now), ("resource", TokenText.Resources(said.Resource))),
            CancellationToken.None);
        return await tokens.FindAsync(token, CancellationToken.None);

        // Written otherwise there than a name can be here.
        AccessToken? Refuse()
        {
            Odd("username");
            return null;
        }
    }

    private string NewAssertion(JwtCodec signer)
    {
        var (id, now) = (options.ResourceServerIntrospectionJwtClientId, clock.GetUtcNow().ToUnixTimeSeconds());
        return signer.Write(IdTokens.Write(new Dictionary<string, object?>
        {
            ["iss"] = id,
            ["sub"] = id,
            ["aud"] = options.ResourceServerIntrospectionJwtAudience,
            ["jti"] = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32)),
            ["iat"] = now,
            ["nbf"] = now,
            ["exp"] = now + options.ResourceServerIntrospectionJwtLifetime,
        }).Span);
    }

    private static JwtCodec SignerOf(OAuthOptions options)
    {
        const string setting = "OAUTH2_PROVIDER: RESOURCE_SERVER_INTROSPECTION_JWT_PRIVATE_KEY";
        string? why = null;
        string[] algorithms = options.ResourceServerIntrospectionJwtAlg.Length > 0 ? [options.ResourceServerIntrospectionJwtAlg] : ["RS256", "ES256", "ES384", "ES512"];
        foreach (var algorithm in algorithms)
        {
            try
            {
                var key = SigningKey.Parse(algorithm, options.ResourceServerIntrospectionJwtPrivateKey, options.ResourceServerIntrospectionJwtKid);
                var isNamed = options.ResourceServerIntrospectionJwtKid.Length > 0 || options.ResourceServerIntrospectionJwtPrivateKey.Contains("\"kid\"", StringComparison.Ordinal);
                return key.CanSign ? new JwtCodec(new SigningKeys([key], namesKeys: isNamed)) : throw new SettingException($"{setting} is a public key.");
            }
            catch (ArgumentException error)
            {
                why ??= error.Message;
            }
        }
        throw new SettingException($"{setting}: {why}");
    }

    // A row of our own client stays ours, whatever another server says.
    private static readonly Sql Keep = new(
        """
        INSERT INTO oauth2_provider_accesstoken (token, token_checksum, expires, scope, application_id, user_id, created, updated, source_refresh_token_id, id_token_id, resource)
        VALUES (@token, @checksum, @expires, @scope, NULL, @user, @now, @now, NULL, NULL, @resource)
        ON CONFLICT (token_checksum) DO UPDATE SET token = excluded.token, expires = excluded.expires, scope = excluded.scope, user_id = excluded.user_id,
            created = excluded.created, updated = excluded.updated, resource = excluded.resource
        WHERE oauth2_provider_accesstoken.application_id IS NULL
        """);

    private sealed record Said(string? Username, string Scope, DateTimeOffset Expires, string[] Resource);
}

internal static partial class IntrospectionLog
{
    [LoggerMessage(1602, LogLevel.Error, "Introspection: the authentication server could not be asked: {Reason}")]
    public static partial void IntrospectionFailed(this ILogger logger, string reason);
}
