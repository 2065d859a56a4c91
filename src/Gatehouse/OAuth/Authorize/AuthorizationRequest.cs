using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Gatehouse.Database;
using Gatehouse.OAuth.Clients;
using Gatehouse.OAuth.Grants;
using Gatehouse.OAuth.Tokens;

namespace Gatehouse.OAuth.Authorize;

/// <summary>What a client asks a user for, checked: RFC 6749 §4.1.1 and §4.2.1, OpenID Connect Core §3.1.2.1.</summary>
internal sealed record AuthorizationRequest
{
    public required Client Client { get; init; }

    /// <summary>Registered for the client; where it sent none, its only one.</summary>
    public required string RedirectUri { get; init; }

    public required string ResponseType { get; init; }

    public required IReadOnlyList<string> Scopes { get; init; }

    public string? State { get; init; }

    public string? ResponseMode { get; init; }

    /// <summary>RFC 7636; null: none.</summary>
    public string? CodeChallenge { get; init; }

    public string? CodeChallengeMethod { get; init; }

    public string? Nonce { get; init; }

    /// <summary>The parameter <c>claims</c>: of an OpenID request JSON as Python writes it, <c>null</c> when it was not sent; otherwise the text as it came.</summary>
    public string? Claims { get; init; }

    /// <summary>What the tokens are to be good for, RFC 8707; empty: everything.</summary>
    public IReadOnlyList<string> Resource { get; init; } = [];

    /// <summary>The pushed request that it came from (RFC 9126), used up by the response; null: it came in the address.</summary>
    public string? RequestUri { get; init; }

    /// <summary>Whether it is a request of OpenID Connect. One for an access token alone is none.</summary>
    public bool IsOpenId { get; init; }

    public bool WantsCode => ResponseTypes.HasCode(ResponseType);

    public bool WantsToken => ResponseTypes.Has(ResponseType, "token");

    public bool WantsIdToken => IsOpenId && ResponseTypes.Has(ResponseType, "id_token");

    /// <summary>Whether the response stands behind the <c>#</c>: so it does by default where it holds tokens.</summary>
    public bool AnswersInFragment => ResponseMode switch
    {
        "query" => false,
        "fragment" => true,
        _ => ResponseType != "code",
    };

    /// <summary>What is kept with the code: JSON of the claims, <c>{}</c> for none, and for what is nothing to Python.</summary>
    public string StoredClaims => IsOpenId
        ? Claims is null or "null" or "false" or "0" or "\"\"" or "[]" ? "{}" : Claims
        : string.IsNullOrEmpty(Claims) ? "{}" : PythonJson.Write(new StringBuilder(), Claims, ascii: true).ToString();
}

/// <summary>The values of <c>response_type</c>; the order of their words counts, as in the real stack.</summary>
internal static class ResponseTypes
{
    public static bool IsImplicit(string? type) => type is "token" or "id_token" or "id_token token";

    public static bool IsHybrid(string? type) => type is "code token" or "code id_token" or "code id_token token";

    /// <summary>Whether only OpenID Connect knows it.</summary>
    public static bool NeedsOpenId(string type) => IsHybrid(type) || type is "id_token" or "id_token token";

    public static bool HasCode(string type) => type == "code" || IsHybrid(type);

    public static bool Has(string type, string word) => type.Split(' ').Contains(word);
}

/// <summary>An authorization request that is refused.</summary>
/// <param name="Error">Why.</param>
/// <param name="RedirectUri">Whom to tell: the client, at this address of its own. Null: the user, with a page.</param>
/// <param name="InFragment">Whether the client is told behind the <c>#</c>.</param>
internal sealed record Refusal(OAuthError Error, string? RedirectUri = null, bool InFragment = false);

/// <summary>Checks authorization requests in the order of the real stack (oauthlib's <c>validate_authorization_request</c> of each grant).</summary>
internal sealed class AuthorizationRequests(ClientStore clients, Scopes scopes, OAuthOptions options)
{
    private const int LongestValue = 16 * 1024;
    private static readonly string[] NeverTwice = ["client_id", "response_type", "redirect_uri", "scope", "state"];

    /// <summary>Who asks, and where the answer goes: until both are known, nobody is sent anywhere.</summary>
    public async Task<((Client Client, string RedirectUri)? Target, OAuthError? Error)> TargetAsync(OAuthParameters parameters, OAuthParameters? sent, CancellationToken ct)
    {
        if (sent is { IsMalformed: true }) return Fatal("Unable to parse query string");
        if (NeverTwice.FirstOrDefault((sent ?? parameters).Repeated.Contains) is { } twice) return Fatal($"Duplicate {twice} parameter.");
        if (options.RefuseAmbiguousRequests == true && (sent ?? parameters).RefuseRepeated() is { } repeated) return Fatal(repeated.Description);
        if (parameters.Names.Any(one => parameters.All(one).Any(value => value.Length > LongestValue))) return Fatal("A parameter is too long.");

        if (string.IsNullOrEmpty(parameters["client_id"])) return Fatal("Missing client_id parameter.");
        if (await clients.FindAsync(parameters["client_id"], ct) is not { } client) return Fatal("Invalid client_id parameter value.");

        var rules = new RedirectUriRules(options.AllowUriWildcards, options.AllowLocalhostLoopback, options.CompliantBcpRfc9700RedirectUriMatching == true);
        if (parameters["redirect_uri"] is { } asked)
        {
            if (!AbsoluteUri.IsOne(asked)) return Fatal("Invalid redirect URI.");
            return RedirectUris.IsAllowed(asked, client.RedirectUris, rules) ? ((client, asked), null) : Fatal("Mismatching redirect URI.");
        }
        if (client.RedirectUris is not [var only]) return Fatal("Missing redirect URI.");
        return RedirectUris.IsAllowed(only, client.RedirectUris, rules) ? ((client, only), null) : Fatal("Invalid redirect URI.");

        static ((Client, string)?, OAuthError) Fatal(string description) => (null, OAuthError.InvalidRequest(description) with { IsFatal = true });
    }

    /// <param name="parameters">What is asked.</param>
    /// <param name="sent">Where it matters what was sent twice; null: in <paramref name="parameters"/>.</param>
    /// <param name="requestUri">Of the pushed request that they come from.</param>
    /// <param name="ct">Ends it.</param>
    public async Task<(AuthorizationRequest? Request, Refusal? Refusal)> ReadAsync(
        OAuthParameters parameters, OAuthParameters? sent, string? requestUri, CancellationToken ct)
    {
        var state = parameters["state"];
        var (target, fatal) = await TargetAsync(parameters, sent, ct);
        if (target is not var (client, redirectUri)) return (null, new Refusal(fatal! with { State = state }));

        var (request, error) = Read(client, redirectUri, parameters);
        return error switch
        {
            null => (request! with { RequestUri = requestUri }, null),
            { IsFatal: true } => (null, new Refusal(error with { State = state })),
            _ => (null, new Refusal(error with { State = state }, redirectUri)),
        };
    }

    private (AuthorizationRequest? Request, OAuthError? Error) Read(Client client, string redirectUri, OAuthParameters parameters)
    {
        if (parameters["response_type"] is not { } type) return Refuse(OAuthError.InvalidRequest("Missing response_type parameter."));
        var isImplicit = ResponseTypes.IsImplicit(type);
        if (!isImplicit && !type.Contains("code", StringComparison.Ordinal) && type != "none" || !options.OidcEnabled && ResponseTypes.NeedsOpenId(type))
            return Refuse(new("unsupported_response_type"));
        if (!MayUse(client, type)) return Refuse(OAuthError.UnauthorizedClient);

        var (challenge, method) = (parameters["code_challenge"], parameters["code_challenge_method"]);
        if (isImplicit) challenge = method = null;
        else if (ReadChallenge(client, challenge, ref method) is { } unproved) return Refuse(unproved);

        var (chosen, beyond) = scopes.Choose(client, parameters["scope"]);
        if (beyond is not null) return Refuse(beyond);

        var request = new AuthorizationRequest
        {
            Client = client,
            RedirectUri = redirectUri,
            ResponseType = type,
            Scopes = chosen,
            State = parameters["state"],
            ResponseMode = parameters["response_mode"],
            CodeChallenge = challenge,
            CodeChallengeMethod = challenge is null ? null : method,
            Nonce = parameters["nonce"],
            Claims = parameters["claims"],
            Resource = parameters.All("resource"),
            IsOpenId = options.OidcEnabled && chosen.Contains("openid") && type != "token",
        };
        if (request.IsOpenId)
        {
            if (!TryReadClaims(request.Claims, out var claims)) return Refuse(OAuthError.InvalidRequest("Malformed claims parameter") with { IsFatal = true });
            request = request with { Claims = claims };
            if (ResponseTypes.Has(type, "id_token") && string.IsNullOrEmpty(request.Nonce)) return Refuse(OAuthError.InvalidRequest("Request is missing mandatory nonce parameter."));
        }
        return Resources.Refuse(request.Resource) is { } misdirected ? Refuse(misdirected) : (request, null);

        static (AuthorizationRequest?, OAuthError?) Refuse(OAuthError error) => (null, error);
    }

    /// <summary>DOT <c>validate_response_type</c>.</summary>
    private bool MayUse(Client client, string type) => client.AuthorizationGrantType switch
    {
        GrantTypes.AuthorizationCode => type == "code",
        GrantTypes.Implicit => ResponseTypes.IsImplicit(type) && options.CompliantBcpRfc9700ImplicitGrant != true,
        GrantTypes.OpenIdHybrid => ResponseTypes.IsHybrid(type),
        _ => false,
    };

    private OAuthError? ReadChallenge(Client client, string? challenge, ref string? method)
    {
        if (challenge is null) return Pkce.IsRequired(client, options) ? OAuthError.InvalidRequest("Code challenge required.") : null;
        method ??= Pkce.Plain;
        if (method is not (Pkce.Plain or Pkce.S256)) return OAuthError.InvalidRequest("Transform algorithm not supported.");
        if (method == Pkce.Plain && options.CompliantBcpRfc9700PkceMethod == true)
            return OAuthError.InvalidRequest("Unsupported \"plain\" code_challenge_method; use \"S256\".");
        return options.StrictPkce == true && !Pkce.IsWellFormed(challenge, method) ? OAuthError.InvalidRequest("Malformed code_challenge.") : null;
    }

    private static bool TryReadClaims(string? text, out string json)
    {
        json = "null";
        if (string.IsNullOrEmpty(text)) return true;
        try
        {
            using var claims = JsonDocument.Parse(text);
            json = PythonJson.Write(new StringBuilder(), claims.RootElement, ascii: true).ToString();
            return true;
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            return false;
        }
    }
}

/// <summary>What RFC 3986 calls an absolute URI, as oauthlib's <c>is_absolute_uri</c> reads it: it tells "invalid" from "mismatching", no more.</summary>
internal static class AbsoluteUri
{
    private const int Longest = 8 * 1024;

    private const string Unreserved = @"A-Za-z0-9\-._~!$&'()*+,;=";
    private const string Character = $"(?:[{Unreserved}:@]|%[0-9A-Fa-f]{{2}})";
    private const string Host = $@"(?:\[(?:[A-Fa-f0-9:]+[:$][A-Fa-f0-9]{{1,4}}|v[0-9A-Fa-f]+\.[{Unreserved}:]+)\]|(?:[{Unreserved}]|%[0-9A-Fa-f]{{2}})*)";

    // Without backtracking, since anybody may send anything.
    private static readonly Regex Pattern = new(
        $@"^[A-Za-z][A-Za-z0-9+\-.]*:(?://(?:(?:[{Unreserved}:]|%[0-9A-Fa-f]{{2}})@)?{Host}(?::[0-9]*)?(?:/{Character}*)*|/(?:{Character}+(?:/{Character}*)*)?|{Character}+(?:/{Character}*)*|)"
        + $@"(?:\?(?:{Character}|[/?])*)?$",
        RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);

    public static bool IsOne(string text) => text.Length <= Longest && Pattern.IsMatch(text);
}
