using Gatehouse.OAuth.Clients;

namespace Gatehouse.Administration;

/// <summary>The models that staff administer, in the order of the index; the last ones are only referred to.</summary>
internal static class AllModels
{
    private const string Auth = "Authentication and Authorization";
    private const string Blacklist = "Token Blacklist";
    private const string OAuth = "Django OAuth Toolkit";

    public static IReadOnlyList<Model> List { get; } =
    [
        new("admin.logentry", "Administration", "log entry", row => (row["action_flag"], row.Text("object_repr")) switch
        {
            (1L, var what) => $"Added “{what}”.",
            (2L, var what) => $"Changed “{what}”.",
            (3L, var what) => $"Deleted “{what}.”",
            _ => "LogEntry Object",
        })
        {
            VerboseNamePlural = "log entries",
            Fields = FieldsOf("admin.logentry", ("action_flag", field => field.With([("1", "Addition"), ("2", "Change"), ("3", "Deletion")]))),
        },

        new("auth.group", Auth, "group", row => row.Text("name")) { TitleSql = "{0}.name", CanAdd = true, CanChange = true, CanDelete = true },

        new("auth.user", Auth, "user", row => row.Text("username"))
        {
            TitleSql = "{0}.username",
            CanAdd = true,
            CanChange = true,
            CanDelete = true,
            Fields = FieldsOf(
                "auth.user", ("password", field => field.Secret()), ("email", field => field.Called("email address")), ("is_staff", field => field.Called("staff status")),
                ("is_superuser", field => field.Called("superuser status")), ("is_active", field => field.Called("active"))),
            Actions =
            [
                new("deactivate", "Deactivate selected users", "They are refused by every scheme from then on, until somebody activates them again.", "auth.change_user", "{0} deactivated."),
                new("activate", "Activate selected users", "They may log in again.", "auth.change_user", "{0} activated."),
                new("log_out", "Log out selected users everywhere",
                    "Their sessions, API tokens, refresh tokens and all that applications hold for them end. JSON Web access tokens live on until they expire.",
                    "auth.change_user", "{0} logged out everywhere."),
            ],
        },

        // DRF's TokenProxy: the same rows, named by their user and not by the secret.
        new("authtoken.token", "Auth Token", "token", row => $"Token of {row.Text("user")} ({row.Text("key")})")
        {
            Name = "tokenproxy",
            KeyColumn = "user_id",
            CanAdd = true,
            CanDelete = true,
            Fields = [new ModelField(new("key", "key", Database.FieldKind.Text)).Secret(), .. FieldsOf("authtoken.token")],
        },

        new("oauth2_provider.accesstoken", OAuth, "access token", row => row.Text("token"))
        {
            Fields = FieldsOf(
                "oauth2_provider.accesstoken", ("token", field => field.Secret()), ("token_checksum", field => field.Secret()),
                ("source_refresh_token", field => field.SetNull())),
            Actions =
            [
                new("revoke_tokens", "Revoke selected access tokens", "They end at once, and the refresh tokens beside them with them.",
                    "oauth2_provider.change_accesstoken", "Revoked {0}."),
            ],
        },

        new("oauth2_provider.application", OAuth, "application", row => row.Text("name") is { Length: > 0 } name ? name : row.Text("client_id"))
        {
            TitleSql = "CASE WHEN {0}.name = '' THEN {0}.client_id ELSE {0}.name END",
            CanAdd = true,
            CanChange = true,
            CanDelete = true,
            Fields = FieldsOf(
                "oauth2_provider.application", ("client_secret", field => field.Secret()), ("client_type", field => field.With(ClientChoices.Types)),
                ("authorization_grant_type", field => field.With(ClientChoices.Grants)),
                ("registration_source", field => field.With([("manual", "Manual"), ("dcr", "Dynamic Client Registration"), ("cimd", "Client ID Metadata Document")]))),
        },

        new("oauth2_provider.devicegrant", OAuth, "device grant", row => $"{row.Text("user_code")} ({row.Text("client_id")})")
        {
            CanDelete = true,
            Fields = FieldsOf("oauth2_provider.devicegrant", ("device_code", field => field.Secret()), ("user_code", field => field.Secret())),
        },

        new("oauth2_provider.grant", OAuth, "grant", row => row.Text("code"))
        {
            CanDelete = true,
            Fields = FieldsOf("oauth2_provider.grant", ("code", field => field.Secret()), ("code_challenge", field => field.Secret()), ("nonce", field => field.Secret())),
        },

        new("oauth2_provider.idtoken", OAuth, "ID token", row => $"JTI: {row.Text("jti")} User: {row.Text("user")}") { TitleSql = null, CanDelete = true },

        new("oauth2_provider.refreshtoken", OAuth, "refresh token", row => row.Text("token"))
        {
            Fields = FieldsOf(
                "oauth2_provider.refreshtoken", ("token", field => field.Secret()), ("token_checksum", field => field.Secret()), ("access_token", field => field.SetNull())),
            Actions =
            [
                new("revoke_tokens", "Revoke selected refresh tokens", "They and the access tokens beside them end at once.",
                    "oauth2_provider.change_refreshtoken", "Revoked {0}."),
            ],
        },

        // Django's admin does not show sessions. Their data is not shown here either: only whose they are.
        new("sessions.session", "Sessions", "session", row => $"{row.Text("session_key")} of {(row["user"] is null ? "nobody" : row.Text("user"))}")
        {
            HasSecretKey = true,
            CanDelete = true,
            Fields =
            [
                new ModelField(new("session_key", "session_key", Database.FieldKind.Text)).Secret(),
                .. FieldsOf("sessions.session", ("session_data", field => field.Secret())),
            ],
        },

        new("token_blacklist.blacklistedtoken", Blacklist, "blacklisted token", row => $"Blacklisted token {row.Text("token")}") { CanDelete = true },

        new("token_blacklist.outstandingtoken", Blacklist, "outstanding token", row => $"Token for {(row["user"] is null ? "nobody" : row.Text("user"))} ({row.Text("jti")})")
        {
            TitleSql = "{0}.jti",
            Fields = FieldsOf("token_blacklist.outstandingtoken", ("token", field => field.Secret()), ("user", field => field.SetNull())),
            Actions =
            [
                new("blacklist", "Blacklist selected outstanding tokens", "They cannot be used any more.", "token_blacklist.add_blacklistedtoken", "Blacklisted {0}."),
            ],
        },

        new("auth.permission", Auth, "permission", row => row.Text("name")) { TitleSql = "{0}.name", IsListed = false },
        new("contenttypes.contenttype", "Content Types", "content type", row => $"{row.Text("app_label")} | {row.Text("model")}") { TitleSql = "{0}.model", IsListed = false },
    ];

    private static readonly Dictionary<string, Model> ByLabel = List.ToDictionary(model => model.StoredLabel);

    /// <summary>The model of the rows that <c>app.model</c> names.</summary>
    public static Model? Find(string storedLabel) => ByLabel.GetValueOrDefault(storedLabel);

    private static ModelField[] FieldsOf(string label, params (string Name, Func<ModelField, ModelField> Change)[] changes)
    {
        var stored = Database.FixtureModels.Find(label)!;
        return
        [
            .. stored.Columns.Concat(stored.Relations).Select(column =>
                Array.Find(changes, change => change.Name == column.Name) is { Change: { } change } ? change(new ModelField(column)) : new ModelField(column)),
        ];
    }
}
