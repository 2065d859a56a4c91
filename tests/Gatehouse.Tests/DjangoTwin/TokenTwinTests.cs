using System.Text.Json.Nodes;
using Gatehouse.Crypto;
using Gatehouse.Tests.Database;
using Gatehouse.Tests.Jwt;
using Xunit;

namespace Gatehouse.Tests.DjangoTwin;

/// <summary>DRF's tokens and JSON Web Tokens made on one side and used, rotated and ended on the other.</summary>
public abstract class TokenTwinTests(Twin twin) : TwinTest(twin)
{
    [Theory, MemberData(nameof(BothWays))]
    public async Task Both_sides_give_one_token_and_take_it_until_it_is_gone(Side there, Side here)
    {
        var alice = await RegisterAsync(there);
        var credentials = new { username = alice, password = TestUsers.PasswordOf(alice) };
        var token = (string)(await PostAsync(there, "/api-token-auth/", credentials))["token"]!;

        Assert.Equal(token, (string)(await PostAsync(here, "/api-token-auth/", credentials))["token"]!);
        Assert.Equal(alice, await WhoAsync(here, "Token " + token));

        await DjangoAsync("Token.objects.filter(key=given).delete()", token);
        await Http(here).AskAsync("/api/accounts/profile/", "Token " + token).ShouldBeAsync(401, """{"detail":"Invalid token."}""");
    }

    [Theory, MemberData(nameof(BothWays))]
    public async Task A_token_renewed_there_ends_the_old_one_here(Side there, Side here)
    {
        var alice = await RegisterAsync(here);
        var old = (string)(await PostAsync(here, "/api-token-auth/", new { username = alice, password = TestUsers.PasswordOf(alice) }))["token"]!;

        var output = there == Side.Django ? (await Twin.Django.RunAsync("call_command('drf_create_token', given, reset_token=True)", alice)).Output : await GatehouseAsync("drf_create_token", "-r", alice);

        var renewed = output.Split(' ').First(word => word.Length == 40);
        Assert.Null(await WhoAsync(here, "Token " + old));
        Assert.Equal(alice, await WhoAsync(here, "Token " + renewed));
    }

    [Theory, MemberData(nameof(BothWays))]
    public async Task An_access_token_of_there_is_good_here(Side there, Side here)
    {
        var (alice, pair) = await ObtainAsync(there);

        Assert.Equal(alice, await WhoAsync(here, $"Bearer {pair["access"]}"));
        foreach (var path in new[] { "/probe/scheme/jwt/", "/probe/scheme/jwtstateless/" })
            await Http(here).AskAsync(path, $"Bearer {pair["access"]}").ShouldBeAsync(200);
        foreach (var name in new[] { "access", "refresh" })
            await PostAsync(here, "/api/token/verify/", new { token = (string)pair[name]! });
        Assert.Null(await WhoAsync(here, $"Bearer {pair["refresh"]}"));
    }

    [Theory, MemberData(nameof(BothWays))]
    public async Task A_refresh_token_of_there_is_rotated_here_and_dead_there(Side there, Side here)
    {
        var (alice, pair) = await ObtainAsync(there);
        var old = (string)pair["refresh"]!;

        var next = await PostAsync(here, "/api/token/refresh/", new { refresh = old });

        foreach (var side in new[] { there, here })
        {
            await RefusedAsync(side, "/api/token/refresh/", old);
            await PostAsync(side, "/api/token/verify/", new { token = old }, 400);
            Assert.Equal(alice, await WhoAsync(side, $"Bearer {next["access"]}"));
        }
        // And on and on, in turn; each token is on record, and all but the last are blacklisted.
        next = await PostAsync(there, "/api/token/refresh/", new { refresh = (string)next["refresh"]! });
        next = await PostAsync(here, "/api/token/refresh/", new { refresh = (string)next["refresh"]! });
        var rows = await DjangoAsync("""
            tokens = OutstandingToken.objects.filter(user__username=given).order_by('id')
            result = [[hasattr(token, 'blacklistedtoken') for token in tokens], tokens.last().token, [len(token.jti) for token in tokens]]
            """, alice);
        Assert.Equal("[true,true,true,false]", rows![0]!.ToJsonString());
        Assert.Equal((string)next["refresh"]!, (string)rows[1]!);
        Assert.Equal("[32,32,32,32]", rows[2]!.ToJsonString());
    }

    [Theory, MemberData(nameof(BothWays))]
    public async Task A_refresh_token_blacklisted_there_is_refused_here(Side there, Side here)
    {
        var (_, pair) = await ObtainAsync(here);

        await PostAsync(there, "/api/token/blacklist/", new { refresh = (string)pair["refresh"]! });

        await RefusedAsync(here, "/api/token/refresh/", (string)pair["refresh"]!);
        await PostAsync(here, "/api/token/blacklist/", new { refresh = (string)pair["refresh"]! }, 401);
    }

    [Theory, MemberData(nameof(BothWays))]
    public async Task A_sliding_token_of_there_works_here_is_renewed_here_and_ends_when_blacklisted(Side there, Side here)
    {
        var alice = await RegisterAsync(there);
        var token = (string)(await PostAsync(there, "/api/token/sliding/", new { username = alice, password = TestUsers.PasswordOf(alice) }))["token"]!;
        Assert.Equal(alice, await WhoAsync(here, "Bearer " + token));

        var next = (string)(await PostAsync(here, "/api/token/sliding/refresh/", new { token }))["token"]!;
        Assert.Equal(alice, await WhoAsync(there, "Bearer " + next));

        await DjangoAsync("from rest_framework_simplejwt.tokens import SlidingToken; SlidingToken(given).blacklist()", next);
        foreach (var side in new[] { there, here })
        {
            Assert.Null(await WhoAsync(side, "Bearer " + next));
            await PostAsync(side, "/api/token/sliding/refresh/", new { token = next }, 401);
        }
    }

    [Theory, MemberData(nameof(EachSide))]
    public async Task Tokens_that_Django_let_expire_are_refused_by_both(Side side)
    {
        var alice = await RegisterAsync(Side.Gatehouse);
        var tokens = await DjangoAsync("""
            from datetime import timedelta
            from rest_framework_simplejwt.tokens import AccessToken, RefreshToken, SlidingToken
            user = User.objects.get(username=given)
            result = []
            for kind in (AccessToken, RefreshToken, SlidingToken):
                token = kind.for_user(user)
                token.set_exp(lifetime=-timedelta(seconds=1))
                result.append(str(token))
            """, alice);

        Assert.Null(await WhoAsync(side, $"Bearer {tokens![0]}"));
        await RefusedAsync(side, "/api/token/refresh/", (string)tokens[1]!, "Token is expired");
        Assert.Null(await WhoAsync(side, $"Bearer {tokens[2]}"));
    }

    // The other way: SimpleJwtTokensTests.
    [Fact]
    public async Task Tokens_that_Gatehouse_signs_are_good_for_simplejwt_by_every_algorithm()
    {
        var made = SimpleJwtTokensTests.Recorded.EnumerateArray().Select(one =>
        {
            var algorithm = one.GetProperty("algorithm").GetString()!;
            var signing = one.GetProperty("signing_key").GetString()!;
            var codec = new JwtCodec(new SigningKeys([SigningKey.Parse(algorithm, signing)]));
            return new { algorithm, signing, verifying = one.GetProperty("verifying_key").GetString(), token = codec.Write("""{"token_type":"access","exp":4102444800,"jti":"1","name":"Jörg 😀"}"""u8) };
        }).ToList();

        var read = await DjangoAsync("""
            from rest_framework_simplejwt.backends import TokenBackend
            result = [TokenBackend(one['algorithm'], one['signing'], one['verifying']).decode(one['token'])['name'] for one in given]
            """, made);

        Assert.Equal(12, made.Count);
        Assert.All(read!.AsArray(), name => Assert.Equal("Jörg 😀", (string)name!));
    }

    // CHECK_REVOKE_TOKEN is on in the twin's settings.
    [Theory, MemberData(nameof(BothWays))]
    public async Task A_password_changed_there_ends_the_tokens_made_here(Side there, Side here)
    {
        var (alice, pair) = await ObtainAsync(here);
        const string Next = "Another-battery-staple-7";

        if (there == Side.Django) await DjangoAsync("user = User.objects.get(username=given[0]); user.set_password(given[1]); user.save()", new[] { alice, Next });
        else await Twin.RunAsync(["changepassword", alice], $"{Next}\n{Next}\n");

        foreach (var side in new[] { there, here })
        {
            Assert.Null(await WhoAsync(side, $"Bearer {pair["access"]}"));
            // A refresh asks for the claim in Gatehouse alone; but a password that Gatehouse sets ends the refresh tokens themselves.
            if (side == Side.Gatehouse || there == Side.Gatehouse) await PostAsync(side, "/api/token/refresh/", new { refresh = (string)pair["refresh"]! }, 401);
        }
    }

    [Fact]
    public async Task A_user_logged_out_by_Gatehouse_cannot_refresh_in_Django()
    {
        var (alice, pair) = await ObtainAsync(Side.Django);

        await GatehouseAsync("logoutuser", alice);

        await RefusedAsync(Side.Django, "/api/token/refresh/", (string)pair["refresh"]!);
    }

    [Theory, MemberData(nameof(EachSide))]
    public async Task Flushing_expired_tokens_on_one_side_leaves_the_live_and_the_blacklisted_ones(Side sweeper)
    {
        var (alice, pair) = await ObtainAsync(Side.Gatehouse);
        var next = await PostAsync(Side.Django, "/api/token/refresh/", new { refresh = (string)pair["refresh"]! });
        await DjangoAsync("""
            from datetime import datetime, timezone
            past = datetime(2020, 1, 1, tzinfo=timezone.utc)
            OutstandingToken.objects.create(user=User.objects.get(username=given), jti=given, token='long gone', created_at=past, expires_at=past)
            """, alice);

        if (sweeper == Side.Django) await DjangoAsync("call_command('flushexpiredtokens')");
        else await GatehouseAsync("flushexpiredtokens");

        Assert.Equal("[2,0]", (await DjangoAsync(
            "tokens = OutstandingToken.objects.filter(user__username=given); result = [tokens.count(), tokens.filter(jti=given).count()]", alice))!.ToJsonString());
        foreach (var side in new[] { Side.Django, Side.Gatehouse }) await RefusedAsync(side, "/api/token/refresh/", (string)pair["refresh"]!);
        await PostAsync(Side.Django, "/api/token/refresh/", new { refresh = (string)next["refresh"]! });
    }

    private async Task<(string Username, JsonNode Pair)> ObtainAsync(Side side)
    {
        var alice = await RegisterAsync(side);
        return (alice, await PostAsync(side, "/api/token/", new { username = alice, password = TestUsers.PasswordOf(alice) }));
    }

    private async Task RefusedAsync(Side side, string path, string refresh, string detail = "Token is blacklisted")
    {
        var answer = await PostAsync(side, path, new { refresh }, 401);
        Assert.Equal((detail, "token_not_valid"), ((string)answer["detail"]!, (string)answer["code"]!));
    }
}

[Collection(OnSqlite.Name), Trait(TestDatabase.SqliteOnly, "yes")]
public sealed class TokenTwinTestsOnSqlite(SqliteTwin twin) : TokenTwinTests(twin);

[Collection(OnPostgres.Name), Trait(TestDatabase.SqliteOnly, "yes")]
public sealed class TokenTwinTestsOnPostgres(PostgresTwin twin) : TokenTwinTests(twin);
