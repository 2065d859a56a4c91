using System.Buffers.Text;
using System.Text.Json;
using Gatehouse.Crypto;
using Gatehouse.Tests.Docs;
using Xunit;

namespace Gatehouse.Tests.Jwt;

/// <summary>Tokens that simplejwt itself made, of each kind by each algorithm (tests/DjangoTwin/jwt). The other way: <c>TokenTwinTests</c>.</summary>
public sealed class SimpleJwtTokensTests : JwtTest
{
    internal static JsonElement Recorded { get; } = JsonElement.Parse(File.ReadAllText(Path.Combine(DocPage.Root, "tests/Gatehouse.Tests/Jwt/simplejwt.json")));

    public static IEnumerable<TheoryDataRow<string>> Algorithms => SigningKey.Algorithms.Select(name => new TheoryDataRow<string>(name));

    protected override Task StartAsync() => Task.CompletedTask;

    [Theory, MemberData(nameof(Algorithms))]
    public async Task Tokens_of_the_real_stack_are_good_here(string algorithm)
    {
        var one = Recorded.EnumerateArray().Single(one => one.GetProperty("algorithm").GetString() == algorithm);
        var (signing, verifying) = (one.GetProperty("signing_key").GetString()!, one.GetProperty("verifying_key").GetString()!);
        var (access, refresh, sliding) = (Token("access"), Token("refresh"), Token("sliding"));
        string Token(string kind) => one.GetProperty("tokens").GetProperty(kind).GetString()!;
        await Users.CreateAsync("alice");
        var server = await StartServerAsync(options =>
        {
            (options.Jwt.Algorithm, options.Jwt.SigningKey, options.Jwt.VerifyingKey) = (algorithm, signing, verifying);
            (options.Jwt.Issuer, options.Jwt.Audience) = ("https://id.example.com", ["stock"]);
            options.Jwt.AuthTokenClasses = ["AccessToken", "SlidingToken"];
            options.Jwt.RotateRefreshTokens = options.Jwt.BlacklistAfterRotation = true;
        });

        foreach (var token in new[] { access, sliding })
            await server.Http.AskAsync("/jwt/", "Bearer " + token).ShouldBeAsync(200, """{"user":"alice","scheme":"JWTAuthentication","auth":"JwtToken"}""");
        await server.Http.AskAsync("/jwt/", "Bearer " + refresh).ShouldBeAsync(401);
        foreach (var token in new[] { access, refresh, sliding })
            await PostAsync("/api/token/verify/", new { token }, server).ShouldBeAsync(200, "{}");
        await PostAsync("/api/token/sliding/refresh/", new { token = sliding }, server).ShouldBeAsync(200);
        var (_, next) = await PairAsync(await RefreshAsync(refresh, server));
        await RefreshAsync(refresh, server).ShouldBeAsync(401, Blacklisted);
        Assert.Equal("Jörg 😀", ClaimsOf(next).GetProperty("name").GetString());

        // HS and RS sign the same thing in one way only: ours is theirs to the byte.
        if (algorithm[0] is not ('H' or 'R')) return;
        var codec = new JwtCodec(new SigningKeys([SigningKey.Parse(algorithm, signing)]));
        foreach (var token in new[] { access, refresh, sliding }) Assert.Equal(token, codec.Write(Base64Url.DecodeFromChars(token.Split('.')[1])));
    }
}
