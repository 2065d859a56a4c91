namespace Gatehouse.Http;

/// <summary>What every view has unless it says otherwise (<c>REST_FRAMEWORK</c>).</summary>
public sealed class RestFrameworkOptions
{
    /// <summary>
    /// Schemes in order (<c>DEFAULT_AUTHENTICATION_CLASSES</c>): class names, with or without their path. Default: OAuth 2, JWT, Token,
    /// Session, Basic, so that a missing or wrong credential is a 401 with a challenge. OAuth 2 stands before JWT: it passes on a
    /// <c>Bearer</c> token that it does not know, where JWT refuses it.
    /// </summary>
    public IList<string> DefaultAuthenticationClasses { get; set; } =
        ["OAuth2Authentication", "JWTAuthentication", "TokenAuthentication", "SessionAuthentication", "BasicAuthentication"];

    /// <summary>All of them must agree (<c>DEFAULT_PERMISSION_CLASSES</c>). Default <c>IsAuthenticated</c>, where DRF's is AllowAny.</summary>
    public IList<string> DefaultPermissionClasses { get; set; } = ["IsAuthenticated"];

    /// <summary>Default none (<c>DEFAULT_THROTTLE_CLASSES</c>).</summary>
    public IList<string> DefaultThrottleClasses { get; set; } = [];

    /// <summary>Rates by scope, <c>anon</c> to <c>100/day</c> (<c>DEFAULT_THROTTLE_RATES</c>).</summary>
    public IDictionary<string, string?> DefaultThrottleRates { get; set; } = new Dictionary<string, string?>();

    /// <summary>
    /// How many proxies of ours stand in front, each adding one address to <c>X-Forwarded-For</c> (<c>NUM_PROXIES</c>). Null, the
    /// default: under the profile Django the whole header is believed, as DRF does; otherwise none of it.
    /// </summary>
    public int? NumProxies { get; set; }

    /// <summary>
    /// Whether an answer may be shown as a page: <c>DEFAULT_RENDERER_CLASSES</c> with <c>BrowsableAPIRenderer</c>. Default true.
    /// </summary>
    public bool HasBrowsableApi { get; set; } = true;

    /// <summary>
    /// Media types of bodies that views read (<c>DEFAULT_PARSER_CLASSES</c>). Default: <c>application/json</c>,
    /// <c>application/x-www-form-urlencoded</c>, <c>multipart/form-data</c>.
    /// </summary>
    public IList<string> ParsedMediaTypes { get; set; } = ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"];

    /// <summary>Default <c>non_field_errors</c> (<c>NON_FIELD_ERRORS_KEY</c>).</summary>
    public string NonFieldErrorsKey { get; set; } = "non_field_errors";
}
