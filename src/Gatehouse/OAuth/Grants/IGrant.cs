using Gatehouse.Database;
using Gatehouse.OAuth.Clients;
using Gatehouse.OAuth.Tokens;
using Gatehouse.Users;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.OAuth.Grants;

/// <summary>
/// One way to get tokens, RFC 6749 §4. A grant fills in only its own part: what all share is in <see cref="TokenEndpoint"/>, so that a grant
/// cannot forget it.
/// </summary>
internal interface IGrant
{
    /// <summary>The value of <c>grant_type</c>.</summary>
    string GrantType { get; }

    /// <summary>Which clients may use it, by their <see cref="Client.AuthorizationGrantType"/> (DOT's <c>GRANT_TYPE_MAPPING</c>).</summary>
    IReadOnlyList<string> AllowedTo { get; }

    /// <summary>Whether the client must prove who it is, public or not.</summary>
    bool NeedsSecret => false;

    /// <summary>Whether web pages of the client's allowed origins may read the answer (CORS).</summary>
    bool AnswersPages => false;

    /// <summary>Whether its own answer comes before the one whether the client may use it.</summary>
    bool AnswersFirst => false;

    /// <summary>What is wrong before anybody is asked who they are; null: nothing.</summary>
    OAuthError? Check(OAuthParameters parameters) => null;

    /// <summary>What is told to anybody, before the client is known; null: nothing.</summary>
    ValueTask<OAuthError?> CheckBeforeClientAsync(HttpContext http, OAuthParameters parameters) => new((OAuthError?)null);

    /// <summary>An error of this grant with the headers that it has in the real stack.</summary>
    OAuthError Dress(OAuthError error) => error;

    /// <summary>What this request is to be given. Nothing is written yet: that is <see cref="Granted.Consume"/>'s.</summary>
    Task<(Granted? Granted, OAuthError? Error)> GrantAsync(TokenRequest request);
}

/// <summary>A request to the token endpoint whose client is known.</summary>
internal sealed record TokenRequest(HttpContext Http, OAuthParameters Parameters, Client Client);

/// <summary>What a grant gives.</summary>
internal sealed class Granted
{
    /// <summary>Null: the client acts for itself.</summary>
    public User? User { get; init; }

    /// <summary>Null: what the request asks for, or the default.</summary>
    public IReadOnlyList<string>? Scopes { get; init; }

    /// <summary>What the tokens may be good for at the most, RFC 8707; empty: whatever is asked for.</summary>
    public IReadOnlyList<string> Resource { get; init; } = [];

    public bool WithRefreshToken { get; init; }

    /// <summary>The first step of the transaction that writes the tokens: false when somebody else was first, and then nothing is written.</summary>
    public Func<Tx, NewTokens, Task<bool>>? Consume { get; init; }

    /// <summary>What is answered when <see cref="Consume"/> said false.</summary>
    public Func<Task<(TokenAnswer? Answer, OAuthError? Error)>>? Lost { get; init; }

    /// <summary>The refresh token whose pair is replaced.</summary>
    public PreviousToken? Previous { get; init; }

    /// <summary>Without rotation: this access token's row is filled anew, and the refresh token stays.</summary>
    public (long AccessTokenId, string RefreshToken)? Kept { get; init; }

    /// <summary>Tokens that were given before, and are given again.</summary>
    public TokenAnswer? Again { get; init; }

    /// <summary>For the ID token, when <c>openid</c> was granted.</summary>
    public IdTokenRequest? IdToken { get; init; }
}

/// <summary>A refresh token that is used up.</summary>
/// <param name="Id">Of its row.</param>
/// <param name="Family">What it belongs to; null: a token from before there were families, and so are its successors.</param>
/// <param name="Text">As it was presented.</param>
/// <param name="Began">When the family began, where its age is limited; null: nobody asks.</param>
internal sealed record PreviousToken(long Id, Guid? Family, string Text, DateTimeOffset? Began)
{
    public override string ToString() => $"PreviousToken {Id}";
}

/// <summary>What an authorization request asked of the ID token (OpenID Connect Core §3.1.2.1).</summary>
/// <param name="Nonce">Null: none.</param>
/// <param name="Claims">The <c>claims</c> parameter, JSON; empty: none.</param>
/// <param name="Code">For <c>c_hash</c>; null: none.</param>
internal sealed record IdTokenRequest(string? Nonce, string Claims = "", string? Code = null);

/// <summary>The tokens that are about to be written.</summary>
internal sealed record NewTokens(string AccessToken, string? RefreshToken, Guid? Family, DateTimeOffset Now);
