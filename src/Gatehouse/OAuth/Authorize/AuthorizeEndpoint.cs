using System.Globalization;
using System.Text;
using Gatehouse.Crypto;
using Gatehouse.Database;
using Gatehouse.Http;
using Gatehouse.OAuth.OpenId;
using Gatehouse.OAuth.Tokens;
using Gatehouse.Sessions;
using Gatehouse.Users;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.OAuth.Authorize;

/// <summary>
/// GET and POST /o/authorize/: a client asks by way of the browser, and the user answers (DOT's <c>AuthorizationView</c>, RFC 6749 §3.1). A page of
/// Django's kind: it acts for whoever is logged in on the session, and its form has a CSRF token.
/// </summary>
internal sealed class AuthorizeEndpoint(
    AuthorizationRequests requests, AuthorizationResponses responses, PushedRequests pushed, SessionLogin login, IdTokens idTokens, Scopes scopes, Db db, GatehouseOptions root, TimeProvider clock)
{
    private const string Allow = "GET, POST, PUT, HEAD, OPTIONS";

    private readonly OAuthOptions options = root.OAuth;
    private readonly DjangoSigner signer = new("gatehouse.oauth.consent", [root.SecretKey, .. root.SecretKeyFallbacks]);

    public async Task<IResult> HandleAsync(HttpContext http)
    {
        var user = await login.UserAsync(http);
        if (user is null) return await AnswerStrangerAsync(http);
        return http.Request.Method switch
        {
            "GET" or "HEAD" => await AskAsync(http, user),
            "POST" or "PUT" => await AnswerAsync(http, user),
            "OPTIONS" => NeverCache.Options(http, Allow),
            _ => NeverCache.MethodNotAllowed(http, Allow),
        };
    }

    /// <summary>Nobody is logged in (<c>handle_no_permission</c>).</summary>
    private async Task<IResult> AnswerStrangerAsync(HttpContext http)
    {
        var (asked, unknown) = await AskedAsync(http, OAuthParameters.FromQuery(http));
        if (unknown is not null) return responses.Refuse(http, unknown);
        var prompts = Prompts(asked.Parameters);
        if (prompts.Contains("none"))
        {
            var (request, refusal) = await ReadAsync(asked, http);
            if (refusal is not null) return responses.Refuse(http, refusal);
            return responses.Refuse(http, RefuseNone(request!, prompts) ?? Tell(request!, new OAuthError("login_required")));
        }
        if (prompts.Contains("create")) return await LeadToRegistrationAsync(http, asked) ?? http.RedirectToLogin();
        return prompts.Contains("login") ? await LeadToLoginAsync(http, asked) : http.RedirectToLogin();
    }

    private async Task<IResult> AskAsync(HttpContext http, User user)
    {
        var (asked, unknown) = await AskedAsync(http, OAuthParameters.FromQuery(http));
        if (unknown is not null) return responses.Refuse(http, unknown);
        var (request, refusal) = await ReadAsync(asked, http);
        if (request is null) return responses.Refuse(http, refusal!);

        var prompts = Prompts(asked.Parameters);
        if (request.IsOpenId && RefuseNone(request, prompts) is { } wrong) return responses.Refuse(http, wrong);
        if (prompts.Contains("create") && !options.OidcRpInitiatedRegistrationEnabled) return CreateIsUnsupported;
        if (prompts.Contains("login")) return await LeadToLoginAsync(http, asked);
        if (await IsSomebodyElseAsync(request, asked.Parameters, user, http.RequestAborted))
            return responses.Refuse(http, Tell(request, new OAuthError("login_required", "Session user does not match client supplied user.")));
        if (await IsTooLongAgoAsync(asked.Parameters, user, http.RequestAborted))
            return prompts.Contains("none") ? responses.Refuse(http, Tell(request, new OAuthError("login_required"))) : await LeadToLoginAsync(http, asked);

        if (await IsAgreedAsync(request, asked.Parameters, prompts, user, http.RequestAborted)) return await responses.GrantAsync(http, request, user, wasAsked: false);
        if (request.IsOpenId && prompts.Contains("none")) return responses.Refuse(http, Tell(request, new OAuthError("consent_required")));
        return ConsentPage.Show(http, request, user, scopes.All, options.ConsentBoundToRequest == true ? Bind(http, user) : null);
    }

    private async Task<IResult> AnswerAsync(HttpContext http, User user)
    {
        IReadOnlyDictionary<string, string?> posted = new Dictionary<string, string?>();
        if (RequestData.IsForm(http.Request))
        {
            var data = await RequestData.ReadAsync(http);
            if (data.Error is not null) return new SuspiciousRequest();
            posted = data.Form!;
        }
        if (ConsentPage.Errors(posted) is { Count: > 0 } errors) return ConsentPage.ShowAgain(http, posted, errors);
        string Field(string name) => PythonText.Strip(posted.GetValueOrDefault(name) ?? "");

        // Django's checkbox: anything but nothing and "false".
        var agreed = posted.GetValueOrDefault("allow") is { Length: > 0 } allow && !allow.Equals("false", StringComparison.OrdinalIgnoreCase);
        return options.ConsentBoundToRequest == true ? await AnswerBoundAsync(http, user, Field, agreed) : await AnswerUnboundAsync(http, user, Field, agreed);
    }

    /// <summary>
    /// The request is the one that the page was shown for, by the field that binds it, or else the one in the address that the form is posted
    /// to. The form can only say yes, no, or yes to fewer scopes.
    /// </summary>
    private async Task<IResult> AnswerBoundAsync(HttpContext http, User user, Func<string, string> field, bool agreed)
    {
        var query = field("consent") is { Length: > 0 } binding ? Unbind(binding, user) : http.Request.QueryString.Value;
        if (string.IsNullOrEmpty(query)) return Refuse("The form belongs to no authorization request.");
        var (asked, unknown) = await AskedAsync(http, OAuthParameters.FromQuery(query));
        if (unknown is not null) return responses.Refuse(http, unknown);
        var (request, refusal) = await ReadAsync(asked, http);
        if (request is null) return responses.Refuse(http, refusal!);

        foreach (var name in ConsentPage.Fields)
        {
            if (name is "state" or "scope" || field(name) is not { Length: > 0 } value) continue;
            if (Normal(value) != Normal(ConsentPage.Initial(request, name) ?? "")) return Refuse("The form does not belong to this authorization request.");
        }
        var granted = Scopes.Split(field("scope"))!;
        if (!granted.All(request.Scopes.Contains)) return Refuse("The form does not belong to this authorization request.");
        return agreed
            ? await responses.GrantAsync(http, request with { Scopes = granted }, user, wasAsked: true)
            : await responses.DenyAsync(http, request.Client, user, request.RedirectUri, request.State, request.RequestUri);

        IResult Refuse(string why) => responses.Refuse(http, new Refusal(OAuthError.InvalidRequest(why)));

        // Browsers make CR LF of every line end.
        static string Normal(string text) => PythonText.Strip(text).ReplaceLineEndings("\n");
    }

    /// <summary>As the real stack takes it: the form is a request of its own, in front of the one in the address.</summary>
    private async Task<IResult> AnswerUnboundAsync(HttpContext http, User user, Func<string, string> field, bool agreed)
    {
        var sent = OAuthParameters.FromQuery(http);
        var (asked, unknown) = await AskedAsync(http, sent);
        if (unknown is not null) return responses.Refuse(http, unknown);
        var parameters = OAuthParameters.Over(asked.Parameters, ConsentPage.Fields
            .Where(name => name is "client_id" or "redirect_uri" or "response_type" or "state" or "scope" || field(name).Length > 0)
            .Where(name => name != "resource").Select(name => (name, field(name)))
            .Concat(TokenText.Words(field("resource")).Select(one => ("resource", one))));

        if (!agreed)
        {
            var (target, fatal) = await requests.TargetAsync(parameters, sent, http.RequestAborted);
            if (target is not var (client, redirectUri)) return responses.Refuse(http, new Refusal(fatal!));
            return Resources.Refuse(parameters.All("resource")) is { } misdirected
                ? responses.Refuse(http, new Refusal(misdirected with { State = parameters["state"] }, redirectUri))
                : await responses.DenyAsync(http, client, user, redirectUri, parameters["state"], asked.RequestUri);
        }
        var (request, refusal) = await requests.ReadAsync(parameters, sent, asked.RequestUri, http.RequestAborted);
        if (request is null) return responses.Refuse(http, refusal! with { InFragment = ResponseTypes.IsImplicit(parameters["response_type"]) || parameters["response_mode"] == "fragment" });
        return await responses.GrantAsync(http, request, user, wasAsked: true);
    }

    /// <summary>What is asked: in the address, or, where that names one, in a pushed request.</summary>
    private async Task<(Asked Asked, Refusal? Unknown)> AskedAsync(HttpContext http, OAuthParameters sent)
    {
        if (!options.ParEnabled || sent["request_uri"] is not { } uri || !uri.StartsWith(PushedRequests.Prefix, StringComparison.Ordinal)) return (new Asked(sent, sent), null);
        return await pushed.FindAsync(uri, sent["client_id"], http.RequestAborted) is { } found
            ? (new Asked(found, sent, uri), null)
            : (new Asked(sent, sent), new Refusal(PushedRequests.Unknown));
    }

    private async Task<(AuthorizationRequest? Request, Refusal? Refusal)> ReadAsync(Asked asked, HttpContext http)
    {
        var (request, refusal) = await requests.ReadAsync(asked.Parameters, asked.RequestUri is null ? asked.Sent : null, asked.RequestUri, http.RequestAborted);
        return request is { RequestUri: null } && options is { ParEnabled: true, RequirePushedAuthorizationRequests: true }
            ? (null, Tell(request, OAuthError.InvalidRequest("Pushed authorization request required.")))
            : (request, refusal);
    }

    private static HashSet<string> Prompts(OAuthParameters parameters) => [.. TokenText.Words(parameters["prompt"] ?? "")];

    /// <summary><c>prompt=none</c> stands alone.</summary>
    private static Refusal? RefuseNone(AuthorizationRequest request, HashSet<string> prompts) =>
        request.IsOpenId && prompts.Count > 1 && prompts.Contains("none")
            ? Tell(request, OAuthError.InvalidRequest("Prompt none is mutually exclusive with other values."))
            : null;

    private static Refusal Tell(AuthorizationRequest request, OAuthError error) => new(error with { State = request.State }, request.RedirectUri);

    /// <summary>Whether nobody needs to be asked: an application of the house, or consent that was given before (<c>approval_prompt=auto</c>).</summary>
    private async Task<bool> IsAgreedAsync(AuthorizationRequest request, OAuthParameters parameters, HashSet<string> prompts, User user, CancellationToken ct)
    {
        if (request.Client.SkipAuthorization) return true;
        if ((parameters["approval_prompt"] ?? options.RequestApprovalPrompt) != "auto") return false;
        if (options.HeedOpenIdRequest == true && prompts.Contains("consent")) return false;

        var tokens = await db.AllAsync(LiveTokens, ct, ("user", user.Id), ("client", request.Client.Id), ("now", clock.GetUtcNow()));
        return tokens.Exists(token => request.Scopes.All(TokenText.Words(token.Scope).Contains) && (options.ConsentBoundToRequest != true || Covers(token.Resource)));

        bool Covers(IReadOnlyList<string> granted) => granted.Count == 0 || request.Resource.Count > 0 && request.Resource.All(granted.Contains);
    }

    private static readonly Sql<(string Scope, IReadOnlyList<string> Resource)> LiveTokens = new(
        "SELECT DISTINCT scope, resource FROM oauth2_provider_accesstoken WHERE user_id = @user AND application_id = @client AND expires > @now",
        row => (row.Text(0), TokenText.Resources(row.Text(1))));

    /// <summary>Whether the user logged in longer ago than <c>max_age</c> seconds.</summary>
    private async Task<bool> IsTooLongAgoAsync(OAuthParameters parameters, User user, CancellationToken ct)
    {
        if (options.HeedOpenIdRequest != true || !int.TryParse(parameters["max_age"], NumberStyles.None, CultureInfo.InvariantCulture, out var seconds)) return false;
        return await db.FirstAsync(LastLogin, ct, ("user", user.Id)) is not { Time: { } last } || last.AddSeconds(seconds) <= clock.GetUtcNow();
    }

    /// <summary>Whether the client means another user, by an ID token that this server gave it; one that is none of ours says nothing.</summary>
    private async Task<bool> IsSomebodyElseAsync(AuthorizationRequest request, OAuthParameters parameters, User user, CancellationToken ct) =>
        options.HeedOpenIdRequest == true && request.IsOpenId && parameters["id_token_hint"] is { Length: > 0 } hint
        && await idTokens.LoadAsync(hint, evenExpired: true, ct) is { User: { } meant } && meant.Id != user.Id;

    private static readonly Sql<LoginTime> LastLogin = new("SELECT u.last_login FROM auth_user u WHERE u.id = @user", row => new LoginTime(row.TimeOrNull(0)));

    private sealed record LoginTime(DateTimeOffset? Time);

    /// <summary>To log in anew, and back here without what asked for it (<c>handle_prompt_login</c>).</summary>
    private async Task<IResult> LeadToLoginAsync(HttpContext http, Asked asked)
    {
        if (asked.RequestUri is { } uri)
        {
            await pushed.DropPromptAsync(uri, http.RequestAborted);
            return http.RedirectToLogin();
        }
        var next = http.Request.PathBase.ToUriComponent() + http.Request.Path.ToUriComponent() + QueryWithout(asked.Sent, "prompt", options.HeedOpenIdRequest == true ? "max_age" : "prompt");
        return new DjangoRedirect($"{root.LoginUrl}{(root.LoginUrl.Contains('?') ? '&' : '?')}next={Uri.EscapeDataString(next).Replace("%2F", "/", StringComparison.Ordinal)}");
    }

    /// <summary>To register first, and back here (<c>handle_prompt_create</c>); null: a user who is there already needs no account.</summary>
    private async Task<IResult?> LeadToRegistrationAsync(HttpContext http, Asked asked)
    {
        if (!options.OidcRpInitiatedRegistrationEnabled || options.OidcRpInitiatedRegistrationUrl is not { Length: > 0 } registration) return CreateIsUnsupported;
        var (_, refusal) = await ReadAsync(asked, http);
        if (refusal is not null) return responses.Refuse(http, refusal);

        var others = Prompts(asked.Sent).Where(prompt => prompt != "create").ToList();
        var query = QueryWithout(asked.Sent, "prompt", "prompt");
        if (others.Count > 0) query += (query.Length > 0 ? "&" : "?") + "prompt=" + RedirectLocation.Quote(string.Join(' ', others));
        if (asked.RequestUri is { } uri) await pushed.DropPromptAsync(uri, http.RequestAborted);
        var next = RequestHost.Origin(http, root) + http.Request.PathBase.ToUriComponent() + http.Request.Path.ToUriComponent() + query;
        return new DjangoRedirect(RedirectLocation.Of(registration, [("next", next)], inFragment: false, issuer: null));
    }

    // parse_qsl drops what is empty; of what was sent twice the last stays.
    private static string QueryWithout(OAuthParameters parameters, params string[] names)
    {
        var pairs = parameters.Names.Except(names).Where(name => name.Length > 0 && parameters[name] is { Length: > 0 })
            .Select(name => $"{RedirectLocation.Quote(name)}={RedirectLocation.Quote(parameters[name]!)}");
        return string.Join('&', pairs) is { Length: > 0 } query ? "?" + query : "";
    }

    private static IResult CreateIsUnsupported { get; } = ApiError.Named(
        StatusCodes.Status400BadRequest, ("error", "invalid_request"), ("error_description", "prompt=create is not supported"));

    private string Bind(HttpContext http, User user) =>
        signer.Sign(Encoding.UTF8.GetBytes($"{user.Id}{http.Request.QueryString.Value}"), clock.GetUtcNow());

    private string? Unbind(string binding, User user)
    {
        if (signer.Verify(binding) is not { } bytes) return null;
        var text = Encoding.UTF8.GetString(bytes);
        var start = user.Id.ToString() + "?";
        return text.StartsWith(start, StringComparison.Ordinal) ? text[(start.Length - 1)..] : null;
    }

    /// <param name="Parameters">What is asked.</param>
    /// <param name="Sent">What stands in the address.</param>
    /// <param name="RequestUri">Where the first came from, if not from the second.</param>
    private sealed record Asked(OAuthParameters Parameters, OAuthParameters Sent, string? RequestUri = null);
}
