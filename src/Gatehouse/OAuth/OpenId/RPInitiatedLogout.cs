using Gatehouse.Audit;
using Gatehouse.Database;
using Gatehouse.Http;
using Gatehouse.OAuth.Clients;
using Gatehouse.Sessions;
using Gatehouse.Users;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.OAuth.OpenId;

/// <summary>
/// /o/logout/: a client sends its user here to be logged out, OpenID Connect RP-Initiated Logout (DOT's <c>RPInitiatedLogoutView</c>). Nobody is
/// led anywhere but to an address that the client has registered for it, or home.
/// </summary>
internal sealed class RPInitiatedLogout(GatehouseOptions root, ClientStore clients, IdTokens idTokens, SessionLogin login, Db db, AuditTrail audit, TimeProvider clock)
{
    private const string Allow = "GET, POST, PUT, HEAD, OPTIONS";

    // In the order of the form.
    private static readonly string[] Fields = ["id_token_hint", "logout_hint", "client_id", "post_logout_redirect_uri", "state", "ui_locales"];

    private readonly OAuthOptions options = root.OAuth;

    private readonly RedirectUriRules rules = new(
        root.OAuth.AllowUriWildcards, root.OAuth.AllowLocalhostLoopback, root.OAuth.CompliantBcpRfc9700RedirectUriMatching == true);

    public async Task<IResult> HandleAsync(HttpContext http)
    {
        if (!options.OidcEnabled || !options.OidcRpInitiatedLogoutEnabled) return new EmptyPage(StatusCodes.Status404NotFound);
        switch (http.Request.Method)
        {
            case "GET" or "HEAD":
                return await GetAsync(http, name => http.Request.Query[name].LastOrDefault());
            case "POST" or "PUT":
                var posted = http.Request.Method == "POST" ? await RequestData.ReadAsync(http) : null;
                return posted?.Error ?? await PostAsync(http, name => posted?.Form?.GetValueOrDefault(name));
            case "OPTIONS": return NeverCache.Options(http, Allow);
            default: return NeverCache.MethodNotAllowed(http, Allow);
        }
    }

    private async Task<IResult> GetAsync(HttpContext http, Func<string, string?> sent)
    {
        var request = Request.Of(sent);
        var (found, error) = await ValidateAsync(http, request);
        if (error is not null) return error;
        if (!await MustPromptAsync(http, found.User)) return await LogOutAsync(http, found, request);
        // A hint about the user, or a language, is not given on.
        return await ConfirmAsync(http, found.Client, request, name => name is "logout_hint" or "ui_locales" ? null : sent(name), []);
    }

    private async Task<IResult> PostAsync(HttpContext http, Func<string, string?> sent)
    {
        if (Fields.Where(field => sent(field)?.Contains('\0') == true).ToList() is { Count: > 0 } wrong)
            return await ConfirmAsync(http, client: null, new Request("", "", "", ""), sent, [.. wrong.Select(field => (field, "Null characters are not allowed."))]);

        var request = Request.Of(name => PythonText.Strip(sent(name) ?? ""));
        var (found, error) = await ValidateAsync(http, request);
        if (error is not null) return error;
        var allows = sent("allow") is { Length: > 0 } allow && !allow.Equals("false", StringComparison.OrdinalIgnoreCase);
        return !await MustPromptAsync(http, found.User) || allows
            ? await LogOutAsync(http, found, request)
            : Error("logout_denied", "Logout has been refused by the user.");
    }

    /// <summary>Who asks, and for whom; each null when that is not told.</summary>
    private async Task<((Client? Client, User? User) Found, IResult? Error)> ValidateAsync(HttpContext http, Request request)
    {
        IDToken? hint = null;
        if (request.IdTokenHint.Length > 0)
        {
            hint = await idTokens.LoadAsync(request.IdTokenHint, options.OidcRpInitiatedLogoutAcceptExpiredTokens, http.RequestAborted);
            if (hint is null || !hint.IsFrom(Issuer.Of(http, root))) return (default, InvalidRequest("The ID Token is expired, revoked, malformed, or otherwise invalid."));
            if (request.ClientId.Length > 0 && hint.Client!.ClientId != request.ClientId)
                return (default, InvalidRequest("Mismatch between the Client ID of the ID Token and the Client ID that was provided."));
        }
        var client = hint?.Client;
        if (client is null && request.ClientId.Length > 0)
        {
            client = await clients.FindAsync(request.ClientId, http.RequestAborted);
            // The real stack fails here.
            if (client is null) return (default, InvalidRequest("The client is unknown or no client has been included."));
        }
        return RefuseRedirect(request.PostLogoutRedirectUri, client) is { } why ? (default, InvalidRequest(why)) : ((client, hint?.User), null);
    }

    private string? RefuseRedirect(string uri, Client? client)
    {
        if (uri.Length == 0) return null;
        if (client is null) return "The client is unknown or no client has been included.";
        var scheme = SchemeOf(uri);
        if (scheme.Length == 0) return "A Scheme is required for the redirect URI.";
        if (options.OidcRpInitiatedLogoutStrictRedirectUris && scheme == "http" && client.IsPublic) return "http is only allowed with confidential clients.";
        if (!options.AllowedRedirectUriSchemes.Contains(scheme)) return $"Redirect to scheme \"{scheme}\" is not permitted.";
        return RedirectUris.IsAllowed(uri, client.PostLogoutRedirectUris, rules) ? null : "This client does not have this redirect uri registered.";
    }

    /// <summary>As Python's <c>urlparse</c> reads it; empty when there is none.</summary>
    private static string SchemeOf(string uri)
    {
        var scheme = uri[..Math.Max(0, uri.IndexOf(':'))];
        return scheme.Length > 0 && char.IsAsciiLetter(scheme[0]) && scheme.All(c => char.IsAsciiLetterOrDigit(c) || c is '+' or '-' or '.') ? scheme.ToLowerInvariant() : "";
    }

    /// <summary>RP-Initiated Logout §2: always, unless the token is the visitor's own and a setting has it otherwise. Who is not logged in has nothing to confirm.</summary>
    private async Task<bool> MustPromptAsync(HttpContext http, User? ofToken) =>
        await login.UserAsync(http) is { } visitor && (options.OidcRpInitiatedLogoutAlwaysPrompt || ofToken?.Id != visitor.Id);

    private async Task<IResult> LogOutAsync(HttpContext http, (Client? Client, User? User) found, Request request)
    {
        if (options.OidcRpInitiatedLogoutDeleteTokens && (found.User ?? await login.UserAsync(http)) is { } user)
        {
            var now = clock.GetUtcNow();
            var entry = audit.Of(AuditEvent.TokensEnded);
            if (entry is not null) entry = entry with { About = user.Username, Client = found.Client?.ClientId ?? "", Detail = "OAuth, by logout" };
            await db.WriteAsync(
                async tx =>
                {
                    tx.Lock(UserAccounts.LockOf(user.Id));
                    await tx.RunAsync(RevokeRefresh, ("now", now), ("user", user.Id));
                    await tx.RunAsync(DeleteIdTokens, ("user", user.Id));
                    if (await tx.RunAsync(DeleteAccess, ("user", user.Id)) == 0) return false;
                    await AuditTrail.WriteAsync(tx, entry);
                    return true;
                },
                http.RequestAborted);
        }
        await login.LogOutAsync(http);
        var uri = request.PostLogoutRedirectUri;
        if (uri.Length == 0) return new DjangoRedirect(RequestHost.Origin(http, root) + "/");
        return new DjangoRedirect(request.State.Length == 0 ? uri : $"{uri}{(uri.Contains('?') ? '&' : '?')}state={Uri.EscapeDataString(request.State)}");
    }

    // Those of devices stay, as in the real stack: they have a screen of their own.
    private const string Theirs =
        """
        SELECT t.id FROM oauth2_provider_accesstoken t JOIN oauth2_provider_application a ON a.id = t.application_id WHERE t.user_id = @user
            AND a.authorization_grant_type IN ('authorization-code', 'implicit', 'password', 'client-credentials', 'openid-hybrid')
        """;

    private static readonly Sql RevokeRefresh = new(
        $"UPDATE oauth2_provider_refreshtoken SET revoked = COALESCE(revoked, @now), updated = @now, access_token_id = NULL WHERE access_token_id IN ({Theirs})");

    private static readonly Sql DeleteIdTokens = new(
        $"DELETE FROM oauth2_provider_idtoken WHERE id IN (SELECT id_token_id FROM oauth2_provider_accesstoken WHERE id IN ({Theirs}))");

    private static readonly Sql DeleteAccess = new($"DELETE FROM oauth2_provider_accesstoken WHERE id IN ({Theirs})");

    private async Task<IResult> ConfirmAsync(
        HttpContext http, Client? client, Request request, Func<string, string?> values, IReadOnlyList<(string Field, string Message)> errors)
    {
        var who = await login.UserAsync(http);
        var fields = Fields.Select(field => $"<input type=\"hidden\" name=\"{field}\"{(values(field) is { Length: > 0 } value ? $" value=\"{HtmlPage.Escape(value)}\"" : "")}>\n");
        var html =
            $"<h1>Confirm Logout{(client is null ? "" : $" requested by <bdi>{HtmlPage.EscapeName(client.ToString())}</bdi>")}</h1>\n"
            + (who is null ? "" : $"<p>You are logged in as <bdi>{HtmlPage.EscapeName(who.Username)}</bdi>.</p>\n")
            + $"<form id=\"authorizationForm\" method=\"post\">\n{http.CsrfField()}\n"
            + string.Concat(fields)
            + string.Concat(errors.Select(error => $"<ul class=\"errorlist\"><li>{error.Field}: {error.Message}</li></ul>\n"))
            + "<input type=\"submit\" class=\"quiet\" value=\"Cancel\">\n<input type=\"submit\" name=\"allow\" value=\"Logout\">\n</form>";
        // As on the consent page: where the client's page leads on to, nobody here can know.
        return new HtmlPage(StatusCodes.Status200OK, "Confirm Logout", html) { FormAction = request.PostLogoutRedirectUri.Length > 0 ? null : "'self'" };
    }

    private static HtmlPage InvalidRequest(string description) => Error("invalid_request", description);

    private static HtmlPage Error(string code, string description) =>
        new(StatusCodes.Status400BadRequest, "Error", $"<h1>This request was refused</h1>\n<h2>Error: {code}</h2>\n<p>{HtmlPage.Escape(description)}</p>");

    /// <summary>RP-Initiated Logout §2; empty: not sent.</summary>
    private sealed record Request(string IdTokenHint, string ClientId, string PostLogoutRedirectUri, string State)
    {
        public static Request Of(Func<string, string?> sent) =>
            new(sent("id_token_hint") ?? "", sent("client_id") ?? "", sent("post_logout_redirect_uri") ?? "", sent("state") ?? "");
    }
}
