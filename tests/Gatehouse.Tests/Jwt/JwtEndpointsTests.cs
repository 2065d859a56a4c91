using System.Text.Json;
using Gatehouse.Tests.Crypto;
using Gatehouse.Users;
using Xunit;

namespace Gatehouse.Tests.Jwt;

public sealed class JwtEndpointsTests : JwtTest
{
    protected override void Configure(GatehouseOptions options)
    {
        options.Jwt.RotateRefreshTokens = true;
        options.Jwt.BlacklistAfterRotation = true;
        options.Jwt.AuthTokenClasses = ["AccessToken", "SlidingToken"];
    }

    [Fact]
    public async Task A_pair_has_the_claims_of_simplejwt_in_its_order_and_its_refresh_token_is_recorded()
    {
        await Users.CreateAsync("alice");

        var (access, refresh) = await ObtainAsync("alice");

        Assert.Equal(Encode("""{"alg":"HS256","typ":"JWT"}"""), refresh.Split('.')[0]);
        Assert.Equal(["token_type", "exp", "iat", "jti", "user_id"], ClaimsOf(refresh).EnumerateObject().Select(claim => claim.Name));
        Assert.Equal(["token_type", "exp", "iat", "jti", "user_id"], ClaimsOf(access).EnumerateObject().Select(claim => claim.Name));
        Assert.Equal(Second + 86_400, ClaimsOf(refresh).GetProperty("exp").GetInt64());
        Assert.Equal(Second + 300, ClaimsOf(access).GetProperty("exp").GetInt64());
        Assert.Equal(
            [$"{refresh}|2026-07-01 12:00:00.123456|2026-07-02 12:00:00|1|{ClaimsOf(refresh).GetProperty("jti")}"],
            Database.Rows("SELECT token, created_at, expires_at, user_id || '', jti FROM token_blacklist_outstandingtoken"));
        await Http.AskAsync("/jwt/", "Bearer " + access).ShouldBeAsync(200, """{"user":"alice","scheme":"JWTAuthentication","auth":"JwtToken"}""");
    }

    [Fact]
    public async Task The_tokens_of_the_real_stack_are_read_and_written_to_the_byte()
    {
        var vector = PasswordVectors.All.GetProperty("jwt");
        var key = PasswordVectors.All.GetProperty("secret_key").GetString()!;
        var codec = new Gatehouse.Crypto.JwtCodec(new Gatehouse.Crypto.SigningKeys([Gatehouse.Crypto.SigningKey.Parse("HS256", key)]));

        Assert.Equal(vector.GetProperty("token").GetString(), codec.Write(JsonSerializer.SerializeToUtf8Bytes(vector.GetProperty("claims"))));
        Assert.True(JsonElement.DeepEquals(vector.GetProperty("claims"), codec.Read(vector.GetProperty("token").GetString()!)!.Value));
        await Task.CompletedTask;
    }

    [Fact]
    public async Task A_rotated_token_is_dead_and_its_successor_works()
    {
        await Users.CreateAsync("alice");
        var (_, first) = await ObtainAsync("alice");

        var (access, second) = await PairAsync(await RefreshAsync(first));

        await RefreshAsync(first).ShouldBeAsync(401, Blacklisted);
        await PostAsync("/api/token/verify/", new { token = first }).ShouldBeAsync(400, """{"non_field_errors":["Token is blacklisted"]}""");
        await PostAsync("/api/token/verify/", new { token = access }).ShouldBeAsync(200, "{}");
        await RefreshAsync(second).ShouldBeAsync(200);
        Assert.Equal(["3|2"], Database.Rows("SELECT (SELECT count(*) FROM token_blacklist_outstandingtoken) || '', (SELECT count(*) FROM token_blacklist_blacklistedtoken) || ''"));
    }

    [Fact]
    public async Task Blacklisting_says_200_once()
    {
        await Users.CreateAsync("alice");
        var (_, refresh) = await ObtainAsync("alice");

        await PostAsync("/api/token/blacklist/", new { refresh }).ShouldBeAsync(200, "{}");
        await PostAsync("/api/token/blacklist/", new { refresh }).ShouldBeAsync(401, Blacklisted);
        await RefreshAsync(refresh).ShouldBeAsync(401, Blacklisted);
    }

    // J20, R11
    [Fact]
    public async Task Tokens_of_deactivated_deleted_and_recreated_users_are_refused()
    {
        var alice = await Users.CreateAsync("alice");
        var (access, refresh) = await ObtainAsync("alice");

        await Users.DeactivateAsync(alice);
        await Http.AskAsync("/jwt/", "Bearer " + access).ShouldBeAsync(401, """{"detail":"User is inactive","code":"user_inactive"}""");
        await RefreshAsync(refresh).ShouldBeAsync(401, """{"detail":"No active account found for the given token."}""");

        Database.Execute("UPDATE token_blacklist_outstandingtoken SET user_id = NULL; DELETE FROM auth_user");
        await Users.CreateAsync("alice");
        await Http.AskAsync("/jwt/", "Bearer " + access).ShouldBeAsync(401, """{"detail":"User not found","code":"user_not_found"}""");
        await RefreshAsync(refresh).ShouldBeAsync(401, """{"detail":"No active account found for the given token."}""");
    }

    // R12
    [Fact]
    public async Task A_sliding_token_slides_until_its_refresh_time_and_no_further()
    {
        var alice = await Users.CreateAsync("alice");
        var token = (string)(await (await PostAsync("/api/token/sliding/", new { username = "alice", password = TestUsers.PasswordOf("alice") })).JsonAsync())["token"]!;
        Assert.Equal(["token_type", "exp", "iat", "jti", "refresh_exp", "user_id"], ClaimsOf(token).EnumerateObject().Select(claim => claim.Name));
        Assert.Equal(200, await StatusAsync(token));

        var jti = ClaimsOf(token).GetProperty("jti").GetString();
        var late = Refresh(alice);
        late["token_type"] = "sliding";
        late["jti"] = jti;
        late["refresh_exp"] = Second + 60;
        var slid = (string)(await (await PostAsync("/api/token/sliding/refresh/", new { token = Sign(late) })).JsonAsync())["token"]!;
        Assert.Equal(Second + 60, ClaimsOf(slid).GetProperty("exp").GetInt64());
        Assert.Equal(jti, ClaimsOf(slid).GetProperty("jti").GetString());

        Clock.Advance(TimeSpan.FromSeconds(61));
        await PostAsync("/api/token/sliding/refresh/", new { token = Sign(late) })
            .ShouldBeAsync(401, """{"detail":"Token 'refresh_exp' claim has expired","code":"token_not_valid"}""");
    }

    [Fact]
    public async Task A_stateless_caller_is_what_the_token_says()
    {
        var claims = Access(new User { Id = new UserId(77), Username = "" });
        claims["username"] = "from elsewhere";
        claims["is_staff"] = true;

        await Http.AskAsync("/stateless/", "Bearer " + Sign(claims)).ShouldBeAsync(200, """{"id":"77","username":"from elsewhere","is_staff":true}""");
        await IsRefusedAsync(Sign(claims));
    }

    [Fact]
    public async Task The_profile_of_a_stateless_caller_is_what_the_token_says()
    {
        var server = await StartServerAsync(options => options.RestFramework.DefaultAuthenticationClasses = ["JWTStatelessUserAuthentication"]);
        var claims = Access(new User { Id = new UserId(77), Username = "" });

        await server.Http.AskAsync("/api/accounts/profile/", "Bearer " + Sign(claims)).ShouldBeAsync(200, """{"id":77,"username":"","email":null,"is_staff":false}""");
        claims["user_id"] = "alice";
        claims["username"] = "alice";
        claims["email"] = "alice@example.com";
        claims["is_staff"] = true;
        await server.Http.AskAsync("/api/accounts/profile/", "Bearer " + Sign(claims))
            .ShouldBeAsync(200, """{"id":"alice","username":"alice","email":"alice@example.com","is_staff":true}""");
    }

    [Fact]
    public async Task Logging_out_everywhere_ends_all_refresh_tokens_of_the_user_and_no_others()
    {
        var alice = await Users.CreateAsync("alice");
        await Users.CreateAsync("bob");
        var (_, one) = await ObtainAsync("alice");
        var (_, two) = await PairAsync(await RefreshAsync((await ObtainAsync("alice")).Refresh));
        var (_, other) = await ObtainAsync("bob");

        Assert.Equal(2, await Server.Get<Gatehouse.Jwt.TokenBlacklist>().LogOutEverywhereAsync(alice.Id, Ct));

        await RefreshAsync(one).ShouldBeAsync(401, Blacklisted);
        await RefreshAsync(two).ShouldBeAsync(401, Blacklisted);
        await RefreshAsync(other).ShouldBeAsync(200);
    }

    [Fact]
    public async Task Expired_tokens_are_flushed_once_no_clock_could_take_them_for_alive()
    {
        await Users.CreateAsync("alice");
        var (_, refresh) = await ObtainAsync("alice");
        await RefreshAsync(refresh).ShouldBeAsync(200);
        var blacklist = Server.Get<Gatehouse.Jwt.TokenBlacklist>();

        Clock.Advance(TimeSpan.FromDays(1.5));
        Assert.Equal(0, await blacklist.FlushExpiredAsync(ct: Ct));
        Clock.Advance(TimeSpan.FromDays(1));
        Assert.Equal(2, await blacklist.FlushExpiredAsync(ct: Ct));

        Assert.Empty(Database.Rows("SELECT jti FROM token_blacklist_outstandingtoken UNION ALL SELECT CAST(token_id AS text) FROM token_blacklist_blacklistedtoken"));
    }

    // R17
    [Fact]
    public async Task A_clock_that_is_moved_revives_no_token_and_gives_none_a_negative_life()
    {
        await Users.CreateAsync("alice");
        var (_, old) = await ObtainAsync("alice");
        var (access, next) = await PairAsync(await RefreshAsync(old));

        Clock.Advance(TimeSpan.FromHours(-1));
        await RefreshAsync(old).ShouldBeAsync(401, """{"detail":"Token is invalid","code":"token_not_valid"}""");
        await IsRefusedAsync(access);
        Clock.Advance(TimeSpan.FromHours(1));
        await RefreshAsync(old).ShouldBeAsync(401, Blacklisted);
        Clock.Advance(TimeSpan.FromDays(1));
        await RefreshAsync(next).ShouldBeAsync(401, """{"detail":"Token is expired","code":"token_not_valid"}""");
        await IsRefusedAsync(access);
    }
}
