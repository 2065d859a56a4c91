using System.Text.Json;
using Gatehouse.Http;
using Gatehouse.Statistics;
using Gatehouse.Users;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.Jwt;

/// <summary>What the token endpoints share.</summary>
internal sealed class JwtEndpoints(
    JwtTokens tokens, JwtUsers users, TokenBlacklist blacklist, UserAccounts accounts, GatehouseOptions options, Counters counters, IServiceProvider services, TimeProvider clock)
{
    private readonly RefreshCookie cookie = new(options);

    public JwtTokens Tokens => tokens;
    public JwtUsers Users => users;
    public TokenBlacklist Blacklist => blacklist;
    public GatehouseOptions Root => options;
    public JwtOptions Options => options.Jwt;
    public RefreshCookie Cookie => cookie;

    public DateTimeOffset Now => clock.GetUtcNow();

    public Task<(ApiForm Form, IResult? Error)> FormAsync(HttpContext http) => ApiForm.ReadAsync(http, options);

    public IResult Refuse(JwtError error) => error.Answer(tokens.Challenge);

    /// <summary>The user of these credentials (simplejwt <c>TokenObtainSerializer</c>).</summary>
    public async Task<(User? User, IResult? Error)> LogInAsync(HttpContext http)
    {
        var (form, error) = await FormAsync(http);
        if (error is not null) return (null, error);
        var username = form.Text(options.UserModel.UsernameField);
        var password = form.Text("password");
        if (form.Error is { } wrong) return (null, wrong);

        var outcome = await http.GetLogins().CheckAsync(http, username!, password!, FactorAnswer.Of(form), remember: false, http.RequestAborted);
        if (outcome.ApiRefusal is { } refusal) return (null, refusal);
        var user = outcome.Admitted;
        if (user is not null && tokens.MayHaveTokens(user)) return (user, null);

        await accounts.TellAsync(options.Jwt.OnLoginFailed, new LoginFailedEvent(username!.Length > 150 ? username[..150] : username, services));
        return (null, Refuse(JwtError.NoAccountForCredentials));
    }

    /// <summary>Records a login's first token and tells it; false when the user has changed since the password was checked.</summary>
    public async Task<bool> RecordAsync(HttpContext http, User user, NewToken token, DateTimeOffset now)
    {
        if (!await blacklist.RecordAsync(user, token, now, http.RequestAborted)) return false;
        await accounts.TellAsync(options.Jwt.OnLoginSuccess, new UserEvent(user, services));
        return true;
    }

    /// <summary>Reads a token of one kind, the blacklist included.</summary>
    public async ValueTask<(JwtToken? Token, string? Error)> ReadAsync(string text, TokenClass type, CancellationToken ct)
    {
        var reading = await tokens.ReadAsync(text);
        if (reading.Error is { } error) return (null, error);
        if (type.IsRecorded && tokens.Id(reading.Claims) is { } jti && await blacklist.HasAsync(jti, ct))
            return (new JwtToken(type, reading.Claims), JwtTokens.Blacklisted);
        return tokens.Refuse(reading.Claims, type) is { } wrong ? (null, wrong) : (new JwtToken(type, reading.Claims), null);
    }

    /// <summary>Whether a token is on the blacklist, and its user: both are asked for at once.</summary>
    public async ValueTask<(bool IsDead, User? User, JwtError? Refused)> LookUpAsync(JwtToken token, CancellationToken ct)
    {
        var dead = tokens.Id(token.Claims) is { } jti ? blacklist.HasAsync(jti, ct).AsTask() : Task.FromResult(false);
        var named = UserOfAsync(token, ct).AsTask();
        await Task.WhenAll(dead, named);
        var (user, refused) = await named;
        return (await dead, user, refused);
    }

    /// <summary>The user whom a token names; none when it names nobody at all, which simplejwt lets pass at refresh.</summary>
    public async ValueTask<(User? User, JwtError? Error)> UserOfAsync(JwtToken token, CancellationToken ct)
    {
        if (!token.Claims.TryGetProperty(options.Jwt.UserIdClaim, out var id) || IsFalse(id)) return (null, null);
        var (_, user) = await users.FindAsync(id, ct);
        return user is not null && tokens.MayHaveTokens(user)
            ? options.Jwt.CheckRevokeToken && tokens.ChecksEveryRefresh && !tokens.IsOfPresentPassword(token.Claims, user) ? (user, JwtError.PasswordChanged) : (user, null)
            : (user, JwtError.NoAccountForToken);
    }

    /// <summary>The key of the user whom a token names; null when it names nobody, or names them by something else.</summary>
    public UserId? KeyOfUser(JwtToken token) => token.Claims.TryGetProperty(options.Jwt.UserIdClaim, out var id) ? users.KeyOf(id) : null;

    public NewToken Recorded(JwtToken token, string text) => new(text, tokens.Id(token.Claims)!, JwtTokens.ExpiryOf(token.Claims));

    public NewToken Sign(JwtClaims claims) => new(
        tokens.Write(claims), (string)claims[options.Jwt.JtiClaim]!, DateTimeOffset.FromUnixTimeSeconds((long)claims["exp"]!));

    /// <summary>The answer that gives tokens.</summary>
    public ApiJson Give(JwtSerializer? more, params ReadOnlySpan<(string Name, string? Value)> members)
    {
        counters.Count(Counted.Jwt);
        return Ok(more, members);
    }

    public static ApiJson Ok(JwtSerializer? more, params ReadOnlySpan<(string Name, string? Value)> members)
    {
        var copy = members.ToArray();
        var own = more?.Response ?? new Dictionary<string, object?>();
        return ApiJson.Write(StatusCodes.Status200OK, json =>
        {
            json.WriteStartObject();
            foreach (var (name, value) in copy)
                if (value is not null && !own.ContainsKey(name))
                    json.WriteString(name, value);
            foreach (var (name, value) in own)
            {
                json.WritePropertyName(name);
                JsonSerializer.Serialize(json, value, ApiJson.SerializerOptions);
            }
            json.WriteEndObject();
        });
    }

    // What Python takes for false.
    private static bool IsFalse(JsonElement id) => id.ValueKind switch
    {
        JsonValueKind.Null or JsonValueKind.False => true,
        JsonValueKind.String => id.ValueEquals(""),
        JsonValueKind.Number => id.TryGetDouble(out var number) && number == 0,
        _ => false,
    };
}
