using Gatehouse.Administration;

namespace Gatehouse.Admin;

/// <summary>How the site shows a model (Django's <c>ModelAdmin</c>).</summary>
/// <param name="List">Fields of the list; <c>pk</c> is the key. The first leads to the object.</param>
internal sealed record ModelAdmin(params string[] List)
{
    /// <summary>Fields that words are looked for in; those of a reference by <c>user.username</c>.</summary>
    public string[] Search { get; init; } = [];

    public Filter[] Filters { get; init; } = [];

    /// <summary>The order without another: a field, with - before it for the last first. All of these have an index.</summary>
    public string Order { get; init; } = "-pk";

    /// <summary>The form, in parts; empty: objects can only be looked at.</summary>
    public Fieldset[] Form { get; init; } = [];

    /// <summary>The form of a new object, where it is another.</summary>
    public Fieldset[]? AddForm { get; init; }

    /// <summary>Fields that the form shows and does not take.</summary>
    public string[] ReadOnly { get; init; } = [];

    private static readonly string[] ByClientAndUser = ["application.client_id", "application.name", "user.username", "user.email"];

    public static ModelAdmin Of(Model model) => All[model.ToString()];

    private static readonly Dictionary<string, ModelAdmin> All = new()
    {
        ["admin.logentry"] = new("action_time", "user", "content_type", "object_repr", "action_flag", "change_message")
        {
            Search = ["object_repr", "user.username"],
            Filters = [new("action_flag", FilterKind.Choice), new("action_time", FilterKind.Since)],
        },
        ["auth.group"] = new("name") { Search = ["name"], Order = "name", Form = [new(null, "name", "permissions")] },
        ["auth.user"] = new("username", "email", "first_name", "last_name", "is_staff", "is_active", "last_login")
        {
            Search = ["username", "first_name", "last_name", "email"],
            Order = "username",
            Filters = [new("is_staff", FilterKind.YesNo), new("is_superuser", FilterKind.YesNo), new("is_active", FilterKind.YesNo), new("groups", FilterKind.Object)],
            Form =
            [
                new(null, "username", "password"), new("Personal info", "first_name", "last_name", "email"),
                new("Permissions", "is_active", "is_staff", "is_superuser", "groups", "user_permissions"), new("Important dates", "last_login", "date_joined"),
            ],
            AddForm = [new(null, "username", "usable_password", "password1", "password2")],
            ReadOnly = ["password", "last_login", "date_joined"],
        },
        ["authtoken.tokenproxy"] = new("key", "user", "created") { Search = ["user.username"], AddForm = [new(null, "user")] },
        ["oauth2_provider.accesstoken"] = new("pk", "token", "user", "application", "expires", "scope")
        {
            Search = ByClientAndUser,
            Filters = [new("application", FilterKind.Object), new("expires", FilterKind.Expiry)],
        },
        ["oauth2_provider.application"] = new("name", "client_id", "user", "client_type", "authorization_grant_type", "registration_source")
        {
            Search = ["name", "client_id", "user.username", "user.email"],
            Filters =
            [
                new("client_type", FilterKind.Choice), new("authorization_grant_type", FilterKind.Choice), new("skip_authorization", FilterKind.YesNo),
                new("registration_source", FilterKind.Choice),
            ],
            Form =
            [
                new(null, "name", "client_type", "authorization_grant_type", "redirect_uris"),
                new("Credentials", "client_id", "client_secret", "hash_client_secret"),
                new("More", "user", "post_logout_redirect_uris", "allowed_origins", "algorithm", "skip_authorization"),
                new("How it came to be", "registration_source", "cimd_expires_at", "created", "updated"),
            ],
            AddForm =
            [
                new(null, "name", "client_type", "authorization_grant_type", "redirect_uris"),
                new("Credentials", "client_id", "client_secret", "hash_client_secret"),
                new("More", "user", "post_logout_redirect_uris", "allowed_origins", "algorithm", "skip_authorization"),
            ],
            ReadOnly = ["registration_source", "cimd_expires_at", "created", "updated"],
        },
        ["oauth2_provider.devicegrant"] = new("pk", "user_code", "client_id", "user", "status", "expires") { Search = ["client_id", "user.username"], Filters = [new("expires", FilterKind.Expiry)] },
        ["oauth2_provider.grant"] = new("pk", "code", "application", "user", "expires") { Search = ByClientAndUser, Filters = [new("expires", FilterKind.Expiry)] },
        ["oauth2_provider.idtoken"] = new("jti", "user", "application", "expires")
        {
            Search = ByClientAndUser,
            Filters = [new("application", FilterKind.Object), new("expires", FilterKind.Expiry)],
        },
        ["oauth2_provider.refreshtoken"] = new("pk", "token", "user", "application", "created", "revoked")
        {
            Search = ByClientAndUser,
            Filters = [new("application", FilterKind.Object), new("revoked", FilterKind.Null)],
        },
        ["sessions.session"] = new("session_key", "user", "expire_date") { Order = "-expire_date", Filters = [new("expire_date", FilterKind.Expiry)] },
        ["token_blacklist.blacklistedtoken"] = new("token", "blacklisted_at") { Search = ["token.jti"] },
        ["token_blacklist.outstandingtoken"] = new("jti", "user", "created_at", "expires_at")
        {
            Search = ["jti", "user.username"],
            Filters = [new("expires_at", FilterKind.Expiry)],
        },
    };
}

/// <summary>A part of a form.</summary>
internal sealed record Fieldset(string? Title, params string[] Fields);

/// <summary>A filter of a list.</summary>
internal sealed record Filter(string Field, FilterKind Kind);

internal enum FilterKind
{
    YesNo,
    Choice,

    /// <summary>One of the objects that there are.</summary>
    Object,

    /// <summary>Past or to come.</summary>
    Expiry,

    /// <summary>Today, the last seven days, this month, this year.</summary>
    Since,

    /// <summary>Nothing there, or something.</summary>
    Null,
}
