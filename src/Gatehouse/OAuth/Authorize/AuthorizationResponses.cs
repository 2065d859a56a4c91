using System.Globalization;
using System.Text;
using Gatehouse.Audit;
using Gatehouse.Database;
using Gatehouse.Http;
using Gatehouse.OAuth.Clients;
using Gatehouse.OAuth.Grants;
using Gatehouse.OAuth.OpenId;
using Gatehouse.OAuth.Tokens;
using Gatehouse.Statistics;
using Gatehouse.Users;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.OAuth.Authorize;

/// <summary>
/// What a client is told by way of the browser (oauthlib's <c>create_authorization_response</c>): codes, tokens, errors, always by 302, and only
/// to an address that was checked before.
/// </summary>
internal sealed class AuthorizationResponses(Db db, TokenIssuer issuer, IdTokens idTokens, GatehouseOptions root, Counters counters, AuditTrail audit, TimeProvider clock)
{
    private readonly OAuthOptions options = root.OAuth;

    /// <summary>The user has agreed. Code and tokens are written, and a pushed request is used up, in one transaction.</summary>
    /// <param name="http">The request.</param>
    /// <param name="request">What was agreed to.</param>
    /// <param name="user">Who.</param>
    /// <param name="wasAsked">Whether they said so just now; else nobody had to be asked.</param>
    public async Task<IResult> GrantAsync(HttpContext http, AuthorizationRequest request, User user, bool wasAsked)
    {
        var consent = wasAsked ? audit.Of(AuditEvent.ConsentGiven, by: user) : null;
        if (consent is not null) consent = consent with { Client = request.Client.ClientId, Detail = $"Scope {string.Join(' ', request.Scopes)}" };
        var code = request.WantsCode ? TokenText.New() : null;
        var asked = request.WantsIdToken ? new IdTokenRequest(request.Nonce, request.StoredClaims, code) : null;
        var members = new List<(string Name, string? Value)> { ("code", code) };
        if (code is not null) members.Add(("state", Some(request.State)));

        if (request.WantsToken)
        {
            var granted = new Granted { User = user, Resource = request.Resource, IdToken = asked, Consume = (tx, tokens) => WriteAsync(tx, request, user, code, consent, tokens.Now) };
            if (await issuer.IssueAsync(http, request.Client, granted, request.Scopes, request.Resource) is not { } tokens) return UsedUp(http);
            members.Add(("access_token", tokens.AccessToken));
            members.Add(("expires_in", tokens.ExpiresIn.ToString(CultureInfo.InvariantCulture)));
            members.Add(("token_type", "Bearer"));
            members.Add(("scope", tokens.Scope));
            members.Add(("id_token", tokens.IdToken));
        }
        else
        {
            var idToken = asked is null ? null : await idTokens.MakeAsync(http, request.Client, user, request.Scopes, asked);
            if (asked is not null && idToken is null)
                return Refuse(http, new Refusal(new OAuthError("server_error", "There is no key for the client's ID tokens.") { State = request.State }, request.RedirectUri, request.AnswersInFragment));
            var written = await db.WriteAsync(
                async tx =>
                {
                    var now = clock.GetUtcNow();
                    if (!await WriteAsync(tx, request, user, code, consent, now)) return false;
                    if (idToken is not null) await IdTokens.SaveAsync(tx, idToken, now);
                    return true;
                },
                http.RequestAborted);
            if (!written) return UsedUp(http);
            if (idToken is not null) counters.Count(Counted.IdToken);
            members.Add(("id_token", idToken?.Text));
        }
        // Without a code, one that was sent empty comes back as well.
        if (code is null) members.Add(("state", request.State));
        return Redirect(http, request.RedirectUri, [.. members.Where(one => one.Value is not null).Select(one => (one.Name, one.Value!))], request.AnswersInFragment);

        static string? Some(string? text) => string.IsNullOrEmpty(text) ? null : text;
    }

    /// <summary>The user has not agreed.</summary>
    public async Task<IResult> DenyAsync(HttpContext http, Client client, User user, string redirectUri, string? state, string? requestUri)
    {
        var refused = audit.Of(AuditEvent.ConsentRefused, by: user);
        if (refused is not null) refused = refused with { Client = client.ClientId };
        if (requestUri is null)
        {
            await audit.NoteAsync(refused);
        }
        else
        {
            var used = await db.WriteAsync(
                async tx =>
                {
                    if (!await PushedRequests.UseAsync(tx, requestUri, clock.GetUtcNow())) return false;
                    await AuditTrail.WriteAsync(tx, refused);
                    return true;
                },
                http.RequestAborted);
            if (!used) return UsedUp(http);
        }
        return Refuse(http, new Refusal(new OAuthError("access_denied") { State = state }, redirectUri));
    }

    /// <summary>Tells the client, or, where that is in doubt, the user.</summary>
    public IResult Refuse(HttpContext http, Refusal refusal) => refusal switch
    {
        { RedirectUri: { } uri } => Redirect(http, uri, [.. refusal.Error.Members], refusal.InFragment),
        { Error: var error } => new HtmlPage(
            error.Status, "Error", $"<h1>This request was refused</h1>\n<h2>Error: {HtmlPage.Escape(error.Code)}</h2>\n<p>{HtmlPage.Escape(error.Description)}</p>"),
    };

    private IResult UsedUp(HttpContext http) => Refuse(http, new Refusal(PushedRequests.Unknown));

    private IResult Redirect(HttpContext http, string uri, IReadOnlyList<(string Name, string Value)> members, bool inFragment)
    {
        // Schemes that were allowed when the address was registered, and are no more.
        var scheme = uri[..uri.IndexOf(':')].ToLowerInvariant();
        if (!options.AllowedRedirectUriSchemes.Contains(scheme, StringComparer.OrdinalIgnoreCase)) return new SuspiciousRequest();

        var issuer = options.CompliantBcpRfc9700AuthzResponseIss == true ? Issuer.Of(http, root) : null;
        return new DjangoRedirect(scheme + RedirectLocation.Of(uri, members, inFragment, issuer)[scheme.Length..]);
    }

    private async Task<bool> WriteAsync(Tx tx, AuthorizationRequest request, User user, string? code, AuditEntry? consent, DateTimeOffset now)
    {
        if (request.RequestUri is { } uri && !await PushedRequests.UseAsync(tx, uri, now)) return false;
        await AuditTrail.WriteAsync(tx, consent);
        if (code is null) return true;
        await tx.RunAsync(
            InsertCode, ("code", code), ("expires", now.AddSeconds(options.AuthorizationCodeExpireSeconds)), ("redirect_uri", request.RedirectUri),
            ("scope", string.Join(' ', request.Scopes)), ("client", request.Client.Id), ("user", user.Id), ("now", now), ("challenge", request.CodeChallenge ?? ""),
            ("method", request.CodeChallengeMethod ?? ""), ("nonce", request.Nonce ?? ""), ("claims", request.StoredClaims),
            ("resource", TokenText.Resources(request.Resource)));
        return true;
    }

    private static readonly Sql InsertCode = new(
        """
        INSERT INTO oauth2_provider_grant
            (code, expires, redirect_uri, scope, application_id, user_id, created, updated, code_challenge, code_challenge_method, nonce, claims, resource)
        VALUES (@code, @expires, @redirect_uri, @scope, @client, @user, @now, @now, @challenge, @method, @nonce, @claims, @resource)
        """);
}

/// <summary>An address with parameters added, behind <c>?</c> or <c>#</c>.</summary>
internal static class RedirectLocation
{
    /// <param name="uri">What it has of its own stays, save for an <c>iss</c> beside ours (RFC 9207 §2.4).</param>
    /// <param name="members">Encoded as forms are.</param>
    /// <param name="inFragment">Behind the <c>#</c>.</param>
    /// <param name="issuer">Null: not told.</param>
    public static string Of(string uri, IReadOnlyList<(string Name, string Value)> members, bool inFragment, string? issuer)
    {
        if (issuer is not null)
        {
            uri = WithoutIssuer(uri);
            members = [.. members, ("iss", issuer)];
        }
        var location = new StringBuilder(uri);
        var separator = inFragment ? '#' : !uri.Contains('?') ? '?' : uri[^1] is '?' or '&' ? '\0' : '&';
        foreach (var (name, value) in members)
        {
            if (separator != '\0') location.Append(separator);
            location.Append(Quote(name)).Append('=').Append(Quote(value));
            separator = '&';
        }
        return location.ToString();
    }

    /// <summary>Python's <c>quote_plus</c>.</summary>
    public static string Quote(string text) => Uri.EscapeDataString(text).Replace("%20", "+", StringComparison.Ordinal);

    private static string WithoutIssuer(string uri)
    {
        var question = uri.IndexOf('?');
        if (question < 0) return uri;
        var kept = uri[(question + 1)..].Split('&').Where(pair => pair != "iss" && !pair.StartsWith("iss=", StringComparison.Ordinal));
        return string.Join('&', kept) is { Length: > 0 } query ? $"{uri[..question]}?{query}" : uri[..question];
    }
}
