using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Gatehouse.Users;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Gatehouse.Tests.Jwt;

/// <summary><c>JWK_URL</c>, at a server of the test's own.</summary>
public sealed class JwkUrlTests : JwtTest
{
    // Made once: that takes longer than a test.
    private static readonly RSA FirstKey = RSA.Create(2048);
    private static readonly RSA SecondKey = RSA.Create(2048);

    private readonly WebApplication publisher = MakePublisher();
    private int asked;
    private RequestDelegate answer = _ => Task.CompletedTask;
    private User alice = null!;

    protected override void Configure(GatehouseOptions options)
    {
        options.Jwt.Algorithm = "RS256";
        options.Jwt.JwkUrl = $"{publisher.Urls.Single()}/jwks";
    }

    protected override async Task StartAsync()
    {
        publisher.Run(http =>
        {
            Interlocked.Increment(ref asked);
            return answer(http);
        });
        await publisher.StartAsync(Ct);
        Publish(Jwk(FirstKey, "first"));
        await base.StartAsync();
        alice = await Users.CreateAsync("alice");
    }

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        await publisher.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task Keys_are_fetched_when_first_needed_and_kept()
    {
        Assert.Equal(0, asked);
        foreach (var status in await Task.WhenAll(Enumerable.Range(0, 32).Select(_ => StatusAsync(SignedBy(FirstKey, "first"))))) Assert.Equal(200, status);
        for (var i = 0; i < 10; i++) Assert.Equal(200, await StatusAsync(SignedBy(FirstKey, "first")));

        Assert.Equal(1, asked);
        Clock.Advance(TimeSpan.FromMinutes(5));
        Assert.Equal(200, await StatusAsync(SignedBy(FirstKey, "first")));
        Assert.Equal(2, asked);
    }

    [Fact]
    public async Task A_token_is_as_good_when_the_same_key_was_fetched_again()
    {
        Assert.Equal(200, await StatusAsync(SignedBy(FirstKey, "first")));
        Clock.Advance(TimeSpan.FromMinutes(1));
        var token = SignedBy(FirstKey, "first");
        Assert.Equal(200, await StatusAsync(token));

        Clock.Advance(TimeSpan.FromMinutes(4));
        Assert.Equal(200, await StatusAsync(token));
        Assert.Equal(2, asked);
    }

    [Fact]
    public async Task A_token_that_was_good_is_none_when_its_key_s_name_is_another_key_s()
    {
        Assert.Equal(200, await StatusAsync(SignedBy(FirstKey, "first")));
        Clock.Advance(TimeSpan.FromMinutes(1));
        var token = SignedBy(FirstKey, "first");
        for (var i = 0; i < 2; i++) Assert.Equal(200, await StatusAsync(token));

        Publish(Jwk(SecondKey, "first"));
        Clock.Advance(TimeSpan.FromMinutes(4));
        for (var i = 0; i < 2; i++) Assert.Equal(401, await StatusAsync(token));
        Assert.Equal(200, await StatusAsync(SignedBy(SecondKey, "first")));
    }

    [Fact]
    public async Task The_key_must_be_the_one_that_is_named()
    {
        Publish(Jwk(FirstKey, "first"), Jwk(SecondKey, "second"));

        Assert.Equal(200, await StatusAsync(SignedBy(SecondKey, "second")));
        Assert.Equal(401, await StatusAsync(SignedBy(SecondKey, "first")));
        Assert.Equal(401, await StatusAsync(SignedBy(FirstKey, null)));
        Assert.Equal(401, await StatusAsync(SignedBy(FirstKey, "")));
        Assert.Equal(401, await StatusAsync(SignedBy(FirstKey, new string('k', 257))));
        // With the published key as a secret: J2, J3.
        var jwk = Jwk(FirstKey, "first").ToJsonString();
        Assert.Equal(401, await StatusAsync(Sign(Access(alice), """{"alg":"HS256","kid":"first"}""", jwk)));
        Assert.Equal(401, await StatusAsync(Sign(Access(alice), """{"alg":"HS256","kid":"first"}""", FirstKey.ExportSubjectPublicKeyInfoPem())));
        Assert.Equal(1, asked);
    }

    [Fact]
    public async Task A_server_that_signs_names_its_key_so_that_it_is_found_among_the_published()
    {
        var server = await StartServerAsync(options => options.Jwt.SigningKey = FirstKey.ExportPkcs8PrivateKeyPem());
        var (access, refresh) = await ObtainAsync("alice", server);
        await server.Http.AskAsync("/jwt/", "Bearer " + access).ShouldBeAsync(401);

        var name = JsonElement.Parse(Base64Url.DecodeFromChars(access.Split('.')[0])).GetProperty("kid").GetString()!;
        Publish(Jwk(FirstKey, name));
        Clock.Advance(TimeSpan.FromSeconds(30));
        await server.Http.AskAsync("/jwt/", "Bearer " + access).ShouldBeAsync(200);
        await RefreshAsync(refresh, server).ShouldBeAsync(200);
    }

    // J4
    [Fact]
    public async Task An_unknown_kid_fetches_again_but_not_in_a_storm()
    {
        Assert.Equal(200, await StatusAsync(SignedBy(FirstKey, "first")));
        Publish(Jwk(FirstKey, "first"), Jwk(SecondKey, "second"));
        Clock.Advance(TimeSpan.FromSeconds(30));

        Assert.Equal(200, await StatusAsync(SignedBy(SecondKey, "second")));
        Assert.Equal(2, asked);
        foreach (var status in await Task.WhenAll(Enumerable.Range(0, 200).Select(i => StatusAsync(SignedBy(FirstKey, $"unknown-{i}"))))) Assert.Equal(401, status);
        Assert.Equal(2, asked);
        Clock.Advance(TimeSpan.FromSeconds(30));
        await Task.WhenAll(Enumerable.Range(0, 200).Select(i => StatusAsync(SignedBy(FirstKey, $"unknown-{i}"))));
        Assert.Equal(3, asked);
    }

    [Fact]
    public async Task A_withdrawn_key_is_dead_when_the_keys_are_next_fetched()
    {
        Assert.Equal(200, await StatusAsync(SignedBy(FirstKey, "first")));
        Publish(Jwk(SecondKey, "second"));
        Clock.Advance(TimeSpan.FromMinutes(5));

        Assert.Equal(401, await StatusAsync(SignedBy(FirstKey, "first")));
        Assert.Equal(200, await StatusAsync(SignedBy(SecondKey, "second")));
    }

    [Fact]
    public async Task Keys_outlive_an_outage_of_less_than_an_hour()
    {
        Assert.Equal(200, await StatusAsync(SignedBy(FirstKey, "first")));
        answer = Say(503, "");

        Clock.Advance(TimeSpan.FromMinutes(59));
        Assert.Equal(200, await StatusAsync(SignedBy(FirstKey, "first")));
        Clock.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(401, await StatusAsync(SignedBy(FirstKey, "first")));
        Publish(Jwk(FirstKey, "first"));
        Clock.Advance(TimeSpan.FromSeconds(30));
        Assert.Equal(200, await StatusAsync(SignedBy(FirstKey, "first")));
    }

    [Theory]
    [InlineData(200, "")]
    [InlineData(200, "not JSON")]
    [InlineData(200, "[]")]
    [InlineData(200, "{}")]
    [InlineData(200, """{"keys":null}""")]
    [InlineData(200, """{"keys":{}}""")]
    [InlineData(200, """{"keys":[5]}""")]
    [InlineData(200, """{"keys":[],"keys":[GOOD]}""")]
    [InlineData(200, """{"keys":[GOOD]""")]
    [InlineData(200, """{"keys":[{"kid":"\ud800"}]}""")]
    [InlineData(404, """{"keys":[GOOD]}""")]
    [InlineData(206, """{"keys":[GOOD]}""")]
    [InlineData(302, """{"keys":[GOOD]}""")]
    public async Task What_is_no_set_of_keys_is_refused_and_logged(int status, string body)
    {
        var good = body.Replace("GOOD", Jwk(FirstKey, "first").ToJsonString(), StringComparison.Ordinal);
        answer = Say(status, good, location: $"{publisher.Urls.Single()}/elsewhere");

        Assert.Equal(401, await StatusAsync(SignedBy(FirstKey, "first")));
        Assert.Equal(1, asked);
        Assert.Contains(Log.Lines, line => line.Contains("The keys of JWK_URL could not be fetched from 127.0.0.1", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("""{"kty":"RSA","kid":"odd"}""")]
    [InlineData("""{"kty":"RSA","kid":"odd","n":"AQAB","e":"AQAB"}""")]
    [InlineData("""{"kty":"RSA","kid":"odd","n":5,"e":[]}""")]
    [InlineData("""{"kty":"RSA","kid":"odd","n":"!","e":"AQAB"}""")]
    [InlineData("""{"kty":"RSA","kid":"odd","alg":5}""")]
    [InlineData("""{"kty":"EC","kid":"odd"}""")]
    [InlineData("""{"kty":"oct","kid":"odd","k":"AAAA"}""")]
    [InlineData("""{"kty":5,"kid":"odd"}""")]
    [InlineData("""{"kty":"RSA"}""")]
    [InlineData("""{"kid":5}""")]
    public async Task A_key_that_is_none_leaves_the_others_usable(string odd)
    {
        Publish(JsonNode.Parse(odd)!, Jwk(FirstKey, "first"));

        Assert.Equal(200, await StatusAsync(SignedBy(FirstKey, "first")));
        Assert.Equal(401, await StatusAsync(SignedBy(FirstKey, "odd")));
    }

    [Fact]
    public async Task An_elliptic_key_without_its_curve_leaves_the_others_usable()
    {
        using var ec = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var point = ec.ExportParameters(false).Q;
        var good = new JsonObject { ["kty"] = "EC", ["crv"] = "P-256", ["kid"] = "good", ["x"] = Base64Url.EncodeToString(point.X), ["y"] = Base64Url.EncodeToString(point.Y) };
        Publish(JsonNode.Parse("""{"kty":"EC","kid":"odd","x":"AAAA","y":"AAAA"}""")!, good);
        var server = await StartServerAsync(options => options.Jwt.Algorithm = "ES256");
        var signed = $"{Encode("""{"alg":"ES256","kid":"good"}""")}.{Encode(Access(alice).ToJsonString())}";
        var token = $"{signed}.{Base64Url.EncodeToString(ec.SignData(Encoding.ASCII.GetBytes(signed), HashAlgorithmName.SHA256))}";

        await server.Http.AskAsync("/jwt/", "Bearer " + token).ShouldBeAsync(200);
    }

    [Fact]
    public async Task A_key_for_encryption_verifies_nothing()
    {
        var key = Jwk(FirstKey, "first");
        key["use"] = "enc";
        Publish(key);

        Assert.Equal(401, await StatusAsync(SignedBy(FirstKey, "first")));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task More_than_64_KiB_is_refused_and_not_read_to_its_end(bool withLength)
    {
        const long Endless = 1L << 40;
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        answer = async http =>
        {
            if (withLength) http.Response.ContentLength = Endless;
            var blanks = Encoding.ASCII.GetBytes(new string(' ', 8192));
            try
            {
                for (long sent = 0; sent < Endless; sent += blanks.Length) await http.Response.Body.WriteAsync(blanks, http.RequestAborted);
            }
            catch (Exception error) when (error is OperationCanceledException or IOException)
            {
                ended.SetResult();
            }
        };

        Assert.Equal(401, await StatusAsync(SignedBy(FirstKey, "first")));
        await ended.Task.WaitAsync(Ct);
        Assert.Equal(1, asked);
    }

    // Each takes the five seconds of patience.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_answer_that_does_not_end_is_given_up_and_held_up_one_fetch_only(bool begins)
    {
        var gaveUp = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        answer = async http =>
        {
            if (begins) await http.Response.WriteAsync("{", http.RequestAborted);
            if (begins) await http.Response.Body.FlushAsync(http.RequestAborted);
            using var aborted = http.RequestAborted.Register(gaveUp.SetResult);
            await gaveUp.Task;
        };

        foreach (var status in await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => StatusAsync(SignedBy(FirstKey, "first"))))) Assert.Equal(401, status);
        await gaveUp.Task.WaitAsync(Ct);
        Assert.Equal(401, await StatusAsync(SignedBy(FirstKey, "first")));
        Assert.Equal(1, asked);
    }

    private static WebApplication MakePublisher()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        var app = builder.Build();
        app.Urls.Add("http://127.0.0.1:0");
        return app;
    }

    private void Publish(params JsonNode[] keys) => answer = Say(200, new JsonObject { ["keys"] = new JsonArray([.. keys.Select(key => key.DeepClone())]) }.ToJsonString());

    private static RequestDelegate Say(int status, string body, string? location = null) => http =>
    {
        http.Response.StatusCode = status;
        if (location is not null) http.Response.Headers.Location = location;
        return http.Response.WriteAsync(body, http.RequestAborted);
    };

    private static JsonObject Jwk(RSA key, string id)
    {
        var parameters = key.ExportParameters(false);
        return new JsonObject { ["kty"] = "RSA", ["kid"] = id, ["n"] = Base64Url.EncodeToString(parameters.Modulus), ["e"] = Base64Url.EncodeToString(parameters.Exponent) };
    }

    private string SignedBy(RSA key, string? id)
    {
        var header = new JsonObject { ["alg"] = "RS256" };
        if (id is not null) header["kid"] = id;
        var signed = $"{Encode(header.ToJsonString())}.{Encode(Access(alice).ToJsonString())}";
        return $"{signed}.{Base64Url.EncodeToString(key.SignData(Encoding.ASCII.GetBytes(signed), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1))}";
    }
}
