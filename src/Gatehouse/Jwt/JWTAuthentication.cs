using System.Text.Json;
using Gatehouse.Authentication;
using Gatehouse.Users;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.Jwt;

/// <summary>JSON Web Tokens of users, <c>Authorization: Bearer eyJ…</c> (simplejwt <c>JWTAuthentication</c>). The user is looked up at each request.</summary>
public class JWTAuthentication : BaseAuthentication
{
    private readonly JwtTokens tokens;
    private readonly JwtUsers users;
    private readonly TokenBlacklist blacklist;
    private readonly JwtOptions options;
    private readonly TokenClass[] classes;

    internal JWTAuthentication(JwtTokens tokens, JwtUsers users, TokenBlacklist blacklist, GatehouseOptions options)
    {
        this.tokens = tokens;
        this.users = users;
        this.blacklist = blacklist;
        this.options = options.Jwt;
        classes = JwtSetup.AuthTokenClasses(options.Jwt);
    }

    /// <inheritdoc/>
    public override string? Challenge => tokens.Challenge;

    /// <inheritdoc/>
    public sealed override async ValueTask<Outcome> AuthenticateAsync(HttpContext http)
    {
        if (Find(http) is not { } text) return Outcome.NotMine;
        if (text.Length == 0) return Outcome.Fail(JwtError.BadHeader.Write);

        var (token, messages) = await ReadAsync(text, http.RequestAborted);
        if (token is null) return Outcome.Fail(JwtError.InvalidForAll(messages!).Write);
        return token.Claims.TryGetProperty(options.UserIdClaim, out var id) ? await RecogniseAsync(http, token, id) : Outcome.Fail(JwtError.NoUserInToken.Write);
    }

    private protected virtual async ValueTask<Outcome> RecogniseAsync(HttpContext http, JwtToken token, JsonElement id)
    {
        var (isName, user) = await users.FindAsync(id, http.RequestAborted);
        var error =
            !isName ? JwtError.NoUserInToken
            : user is null ? JwtError.UserNotFound
            : options.CheckUserIsActive && !user.IsActive ? JwtError.UserInactive
            : options.CheckRevokeToken && !tokens.IsOfPresentPassword(token.Claims, user) ? JwtError.PasswordChanged
            : null;
        return error is null ? Outcome.Succeed(user, token) : Outcome.Fail(error.Write);
    }

    /// <returns>The token; empty when the header is ours but malformed; null when it is not ours.</returns>
    private string? Find(HttpContext http)
    {
        var headers = http.Request.Headers[options.AuthHeaderName];
        if (headers.Count == 0) return null;
        // Two headers are one to a WSGI server, joined by a comma: nobody may hide a second credential behind a first.
        var words = new HeaderWords(headers.Count == 1 ? headers[0] : string.Join(',', headers.ToArray()));
        if (words.Count == 0) return null;
        foreach (var type in options.AuthHeaderTypes)
            if (words.First.SequenceEqual(type))
                return words.Count == 2 ? words.Second.ToString() : "";
        return null;
    }

    private async ValueTask<(JwtToken? Token, List<(TokenClass, string)>? Messages)> ReadAsync(string text, CancellationToken ct)
    {
        var reading = await tokens.ReadAsync(text);
        var messages = (List<(TokenClass, string)>?)null;
        foreach (var type in classes)
        {
            var wrong = reading.Error;
            if (wrong is null && (type.IsRecorded || !type.ChecksType && tokens.ChecksEveryRefresh) && tokens.Id(reading.Claims) is { } jti && await blacklist.HasAsync(jti, ct)) wrong = JwtTokens.Blacklisted;
            wrong ??= tokens.Refuse(reading.Claims, type);
            if (wrong is null) return (new JwtToken(type, reading.Claims), null);
            (messages ??= []).Add((type, wrong));
        }
        return (null, messages);
    }
}

/// <summary>
/// As <see cref="JWTAuthentication"/>, without a look at the database: the caller is what the token says (simplejwt
/// <c>JWTStatelessUserAuthentication</c>). Deactivated and deleted users pass until the token expires.
/// </summary>
public class JWTStatelessUserAuthentication : JWTAuthentication
{
    private readonly JwtOptions options;

    internal JWTStatelessUserAuthentication(JwtTokens tokens, JwtUsers users, TokenBlacklist blacklist, GatehouseOptions options)
        : base(tokens, users, blacklist, options) => this.options = options.Jwt;

    private protected override ValueTask<Outcome> RecogniseAsync(HttpContext http, JwtToken token, JsonElement id) =>
        new(Outcome.SucceedStateless(options.TokenUserClass is { } make ? make(token) : Make(token, id), token));

    private static TokenUser Make(JwtToken token, JsonElement id) => new()
    {
        Id = id.ToString(),
        Username = token.GetString("username") ?? "",
        Email = token.GetString("email"),
        IsStaff = token.IsTrue("is_staff"),
        IsSuperuser = token.IsTrue("is_superuser"),
    };
}
