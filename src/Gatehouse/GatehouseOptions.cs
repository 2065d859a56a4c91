using Gatehouse.Accounts;
using Gatehouse.Audit;
using Gatehouse.AuthTokens;
using Gatehouse.Database;
using Gatehouse.Http;
using Gatehouse.Jwt;
using Gatehouse.Mail;
using Gatehouse.OAuth;
using Gatehouse.OpenApi;
using Gatehouse.Sessions;
using Gatehouse.Users;

namespace Gatehouse;

/// <summary>Which of the stack's open doors stay open. Each point is one option that the profile sets (docs/deviations.md).</summary>
public enum Profile
{
    /// <summary>As Django for every honest client, closed where the stack leaves a door open. The default.</summary>
    Safe,

    /// <summary>Every answer as the real stack gives it.</summary>
    Django,

    /// <summary>As <see cref="Safe"/>, and OAuth 2.1 and RFC 9700 where OAuth is concerned.</summary>
    Strict,
}

/// <summary>All settings of Gatehouse. Each property names the Django setting that it mirrors.</summary>
/// <remarks>
/// In appsettings.json and the environment they stand under <c>Gatehouse</c>; <c>--settings FILE</c> reads Django's names.
/// Not a record: its <c>ToString</c> would print the key into a log.
/// </remarks>
public sealed class GatehouseOptions
{
    /// <summary>Default <see cref="Profile.Safe"/>.</summary>
    public Profile Profile { get; set; } = Profile.Safe;

    /// <summary>
    /// <c>sqlite:///relative.db</c>, <c>sqlite:////absolute.db</c> or <c>postgresql://user:password@host:5432/name</c> (<c>DATABASES</c>). Empty,
    /// the default: <c>gatehouse.db</c> in <see cref="DataFolder"/>.
    /// </summary>
    public string Database { get; set; } = "";

    /// <summary>Where the program keeps what it makes for itself: database and secret key. Default <c>gatehouse-data</c>.</summary>
    public string DataFolder { get; set; } = "gatehouse-data";

    /// <summary>Signs sessions (<c>SECRET_KEY</c>). Empty, the default: the file <c>secret-key</c> in <see cref="DataFolder"/>.</summary>
    public string SecretKey { get; set; } = "";

    /// <summary>Whether <see cref="SecretKey"/> was made at this start, and whether the database has users already is not known yet.</summary>
    internal bool IsSecretKeyDoubtful { get; set; }

    /// <summary>Former keys that still verify (<c>SECRET_KEY_FALLBACKS</c>).</summary>
    public IList<string> SecretKeyFallbacks { get; set; } = [];

    /// <summary>
    /// Tokens that were issued before this moment are refused: JSON Web Tokens by their <c>iat</c>, and without one; OAuth's access, refresh and
    /// registration tokens by when they were written. For after a backup was restored, when what had been revoked since is alive again. Null, the
    /// default: all are taken.
    /// </summary>
    public DateTimeOffset? TokensNotBefore { get; set; }

    /// <summary>
    /// Host names that are served; <c>.example.com</c> covers subdomains, <c>*</c> all (<c>ALLOWED_HOSTS</c>). Default: this machine's own.
    /// </summary>
    public IList<string> AllowedHosts { get; set; } = [];

    /// <summary>Where a person is sent to log in (<c>LOGIN_URL</c>). Default <c>/accounts/login/</c>.</summary>
    public string LoginUrl { get; set; } = "/accounts/login/";

    /// <summary>Where the login page leads without a <c>next</c> (<c>LOGIN_REDIRECT_URL</c>). Default <c>/accounts/profile/</c>.</summary>
    public string LoginRedirectUrl { get; set; } = "/accounts/profile/";

    /// <summary>Where the logout page leads (<c>LOGOUT_REDIRECT_URL</c>). Default: the login page.</summary>
    public string LogoutRedirectUrl { get; set; } = "/accounts/login/";

    /// <summary>
    /// Password hash formats, Django's class paths or algorithm names; the first makes new hashes, all verify (<c>PASSWORD_HASHERS</c>).
    /// Empty, the default: Django's own list.
    /// </summary>
    public IList<string> PasswordHashers { get; set; } = [];

    /// <summary>The project's own user model (<c>AUTH_USER_MODEL</c>).</summary>
    public UserModelOptions UserModel { get; } = new();

    /// <summary>What a new password must pass (<c>AUTH_PASSWORD_VALIDATORS</c>). Null, the default: Django's four.</summary>
    public IList<PasswordValidatorOptions>? AuthPasswordValidators { get; set; }

    /// <summary>Password hashing at once, and waiting, before logins are answered with 503.</summary>
    public PasswordWorkOptions PasswordWork { get; } = new();

    /// <summary>The audit log.</summary>
    public AuditOptions Audit { get; } = new();

    /// <summary>Clearing rows whose time is over, inside the server.</summary>
    public SweeperOptions Sweeper { get; } = new();

    /// <summary>The longest body that is read, in bytes (<c>DATA_UPLOAD_MAX_MEMORY_SIZE</c>). Default 2,621,440.</summary>
    public int DataUploadMaxMemorySize { get; set; } = 2_621_440;

    /// <summary>The most fields of a form (<c>DATA_UPLOAD_MAX_NUMBER_FIELDS</c>). Default 1,000.</summary>
    public int DataUploadMaxNumberFields { get; set; } = 1_000;

    /// <summary>The deepest nesting of a JSON body, at most 900. Default 512.</summary>
    public int MaxJsonDepth { get; set; } = 512;

    /// <summary>Whether paths that nothing serves get Django's Not Found page. The program sets it; an application has pages of its own.</summary>
    public bool AnswersUnknownPaths { get; set; }

    /// <summary>Schemes, permissions and throttles that views have by default (<c>REST_FRAMEWORK</c>).</summary>
    public RestFrameworkOptions RestFramework { get; } = new();

    /// <summary><c>SESSION_*</c>.</summary>
    public SessionOptions Session { get; } = new();

    /// <summary><c>CSRF_*</c>.</summary>
    public CsrfOptions Csrf { get; } = new();

    /// <summary><c>SECURE_*</c>, <c>X_FRAME_OPTIONS</c>, <c>USE_X_FORWARDED_HOST</c>.</summary>
    public SecurityOptions Secure { get; } = new();

    /// <summary>DRF's tokens.</summary>
    public AuthTokenOptions AuthToken { get; } = new();

    /// <summary>JSON Web Tokens (<c>SIMPLE_JWT</c>).</summary>
    public JwtOptions Jwt { get; } = new();

    /// <summary>OAuth 2 and OpenID Connect (<c>OAUTH2_PROVIDER</c>).</summary>
    public OAuthOptions OAuth { get; } = new();

    /// <summary>Registration and the accounts API.</summary>
    public AccountsOptions Accounts { get; } = new();

    /// <summary>The description of the API.</summary>
    public OpenApiOptions OpenApi { get; } = new();

    /// <summary><c>EMAIL_*</c>, <c>DEFAULT_FROM_EMAIL</c>.</summary>
    public EmailOptions Email { get; } = new();

    /// <summary>What host code wants to be told.</summary>
    public GatehouseEvents Events { get; } = new();
}
