using System.Text.Json;
using Gatehouse.Database;

namespace Gatehouse.Server;

/// <summary>Reads Django's setting names from a JSON file (<c>--settings FILE</c>) into the options.</summary>
internal static class DjangoSettings
{
    /// <summary>How the note about settings that are not Gatehouse's begins; their names follow, and a full stop.</summary>
    internal const string PassedOver = "Passed over, since they belong to other apps: ";

    // Where a name's first words choose a group of options.
    private static readonly (string Prefix, Func<GatehouseOptions, object> Group)[] Groups =
    [
        ("SESSION_", options => options.Session),
        ("CSRF_", options => options.Csrf),
        ("SECURE_", options => options.Secure),
        ("EMAIL_", options => options.Email),
    ];

    private static readonly HashSet<string> OfTheRoot =
    [
        "SECRET_KEY", "SECRET_KEY_FALLBACKS", "ALLOWED_HOSTS", "LOGIN_URL", "LOGIN_REDIRECT_URL", "LOGOUT_REDIRECT_URL", "PASSWORD_HASHERS",
        "AUTH_PASSWORD_VALIDATORS", "DATA_UPLOAD_MAX_MEMORY_SIZE", "DATA_UPLOAD_MAX_NUMBER_FIELDS",
    ];

    private static readonly Dictionary<string, string> MediaTypes = new()
    {
        ["JSONParser"] = "application/json",
        ["FormParser"] = "application/x-www-form-urlencoded",
        ["MultiPartParser"] = "multipart/form-data",
    };

    // Settings that have one value here. Another one would be ignored silently, so it stops the start.
    private static readonly Dictionary<string, string[]> Fixed = new()
    {
        ["SESSION_ENGINE"] = ["django.contrib.sessions.backends.db"],
        ["SESSION_SERIALIZER"] = ["django.contrib.sessions.serializers.JSONSerializer"],
        ["CSRF_USE_SESSIONS"] = ["false"],
        ["CSRF_FAILURE_VIEW"] = ["django.views.csrf.csrf_failure"],
        ["USE_TZ"] = ["true"],
        ["APPEND_SLASH"] = ["true"],
        ["LANGUAGE_CODE"] = ["en-us", "en", "en-gb"],
        ["USE_X_FORWARDED_PORT"] = ["false"],
        ["EMAIL_USE_LOCALTIME"] = ["false"],
        ["EMAIL_SSL_CERTFILE"] = ["null"],
        ["EMAIL_SSL_KEYFILE"] = ["null"],
    };

    private static readonly Dictionary<string, string[]> FixedInRestFramework = new()
    {
        ["EXCEPTION_HANDLER"] = ["rest_framework.views.exception_handler"],
        ["STRICT_JSON"] = ["true"],
        ["UNICODE_JSON"] = ["true"],
        ["COMPACT_JSON"] = ["true"],
        ["TEST_REQUEST_DEFAULT_FORMAT"] = ["multipart", "json"],
    };

    /// <returns>What was passed over, a line each.</returns>
    public static IReadOnlyList<string> Apply(string file, GatehouseOptions options)
    {
        using var json = Read(file);
        return Apply(json.RootElement, file, options);
    }

    /// <param name="settings">What the file holds, or a part of it.</param>
    /// <param name="file">The file: relative names count from its folder.</param>
    /// <param name="options">Where they go.</param>
    /// <returns>What was passed over, a line each.</returns>
    public static IReadOnlyList<string> Apply(JsonElement settings, string file, GatehouseOptions options)
    {
        var notes = new List<string>();
        var others = new List<string>();
        foreach (var setting in settings.EnumerateObject())
        {
            var (name, value) = (setting.Name, setting.Value);
            if (name == "DATABASES") options.Database = Database(value, Path.GetDirectoryName(Path.GetFullPath(file))!);
            else if (name == "REST_FRAMEWORK") RestFramework(value, options, notes);
            else if (name == "SIMPLE_JWT") SimpleJwt.Apply(value, options.Jwt);
            else if (name == "OAUTH2_PROVIDER") OAuth2Provider.Apply(value, options.OAuth, notes);
            else if (OAuth2Provider.IsModel(name)) OAuth2Provider.RequireModel(name, value);
            else if (name == "AUTH_USER_MODEL") OptionsMapper.Set(options.UserModel, "MODEL", value, name);
            else if (name == "AUTHENTICATION_BACKENDS") RequireFixed(name, value, ["django.contrib.auth.backends.ModelBackend"]);
            else if (Fixed.TryGetValue(name, out var allowed)) RequireFixed(name, value, allowed);
            else if (name == "SECURE_PROXY_SSL_HEADER") options.Secure.ProxySslHeader = ProxyHeader(value);
            else if (name is "X_FRAME_OPTIONS") OptionsMapper.Set(options.Secure, "FRAME_OPTIONS", value, name);
            else if (name is "USE_X_FORWARDED_HOST") OptionsMapper.Set(options.Secure, name, value, name);
            else if (name == "DEFAULT_FROM_EMAIL") OptionsMapper.Set(options.Email, name, value, name);
            else if (name == "PASSWORD_RESET_TIMEOUT") OptionsMapper.Set(options.Accounts, name, value, name);
            // For mail to ADMINS and MANAGERS, which Django's own apps send.
            else if (name == "EMAIL_SUBJECT_PREFIX") others.Add(name);
            else if (OfTheRoot.Contains(name)) OptionsMapper.Set(options, name, value, name);
            else if (Array.Find(Groups, one => name.StartsWith(one.Prefix, StringComparison.Ordinal)) is { Prefix: not null } group)
                OptionsMapper.Set(group.Group(options), name[group.Prefix.Length..], value, name);
            else others.Add(name);
        }
        if (others.Count > 0) notes.Add($"{PassedOver}{string.Join(", ", others)}.");
        return notes;
    }

    internal static JsonDocument Read(string file)
    {
        try
        {
            var json = JsonDocument.Parse(
                File.ReadAllBytes(file), new JsonDocumentOptions { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true });
            return json.RootElement.ValueKind == JsonValueKind.Object ? json : throw new SettingException($"{file} must hold one JSON object of settings.");
        }
        catch (JsonException error)
        {
            throw new SettingException($"{file} is no JSON: {error.Message}", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new SettingException($"The settings file cannot be read: {error.Message}", error);
        }
    }

    private static void RestFramework(JsonElement section, GatehouseOptions options, List<string> notes)
    {
        if (section.ValueKind != JsonValueKind.Object) throw new SettingException("REST_FRAMEWORK must be an object of settings.");

        // DRF's own defaults go with DRF's settings: a project that leaves one out means DRF's, not ours.
        options.RestFramework.DefaultAuthenticationClasses = ["SessionAuthentication", "BasicAuthentication"];
        options.RestFramework.DefaultPermissionClasses = ["AllowAny"];
        foreach (var setting in section.EnumerateObject())
        {
            var path = $"REST_FRAMEWORK: {setting.Name}";
            if (FixedInRestFramework.TryGetValue(setting.Name, out var allowed)) RequireFixed(path, setting.Value, allowed);
            else if (setting.Name == "DEFAULT_RENDERER_CLASSES") options.RestFramework.HasBrowsableApi = HasBrowsableApi(path, setting.Value);
            else if (setting.Name == "DEFAULT_PARSER_CLASSES") options.RestFramework.ParsedMediaTypes = [.. Names(path, setting.Value, MediaTypes.Keys).Select(name => MediaTypes[name])];
            else OptionsMapper.Set(options.RestFramework, setting.Name, setting.Value, path);
        }

        if (!section.TryGetProperty("DEFAULT_PERMISSION_CLASSES", out _))
            notes.Add("REST_FRAMEWORK: has no DEFAULT_PERMISSION_CLASSES, so it is DRF's: AllowAny. Gatehouse's own default is IsAuthenticated.");
    }

    private static bool HasBrowsableApi(string path, JsonElement value)
    {
        var names = Names(path, value, ["JSONRenderer", "BrowsableAPIRenderer"]);
        return names.Contains("JSONRenderer")
            ? names.Contains("BrowsableAPIRenderer")
            : throw new SettingException($"{path} must hold JSONRenderer: Gatehouse's answers are JSON.");
    }

    /// <summary>The last names of class paths, each of them known.</summary>
    private static List<string> Names(string path, JsonElement value, IReadOnlyCollection<string> known)
    {
        if (value.ValueKind != JsonValueKind.Array || value.GetArrayLength() == 0) throw new SettingException($"{path} must be a list of class names.");
        var names = value.EnumerateArray().Select(Plain).Select(name => name[(name.LastIndexOf('.') + 1)..]).ToList();
        return names.Find(name => !known.Contains(name)) is { } other
            ? throw new SettingException($"{path} names {other}, which this version does not have. Write some of {string.Join(", ", known)}.")
            : names;
    }

    public static void RequireFixed(string name, JsonElement value, string[] allowed)
    {
        var given = value.ValueKind == JsonValueKind.Array ? value.EnumerateArray().Select(Plain).ToArray() : [Plain(value)];
        if (Array.Find(given, one => !allowed.Contains(one)) is { } other)
            throw new SettingException($"{name} is {other}, which this version does not support. Take the setting out, or write {string.Join(" or ", allowed)}.");
    }

    private static string Plain(JsonElement value) => value.ValueKind == JsonValueKind.String ? value.GetString()! : value.GetRawText();

    private static string Database(JsonElement databases, string folder)
    {
        if (databases.ValueKind != JsonValueKind.Object || !databases.TryGetProperty("default", out var database) || database.ValueKind != JsonValueKind.Object)
            throw new SettingException("DATABASES must hold an object 'default' with ENGINE and NAME.");
        var engine = database.TryGetProperty("ENGINE", out var e) ? Plain(e) : null;
        var name = database.TryGetProperty("NAME", out var n) ? Plain(n) : null;
        if (engine is not ("django.db.backends.sqlite3" or "django.db.backends.postgresql") || string.IsNullOrEmpty(name))
            throw new SettingException(
                $"DATABASES: default: ENGINE {engine ?? "is missing"}; this version supports django.db.backends.sqlite3 with the file as NAME, and django.db.backends.postgresql with NAME, USER, PASSWORD, HOST and PORT.");
        if (engine == "django.db.backends.sqlite3") return "sqlite:///" + Path.Combine(folder, name);

        var options = database.TryGetProperty("OPTIONS", out var o) && o.ValueKind == JsonValueKind.Object
            ? o.EnumerateObject().Where(one => !OfDjangosDriver.Contains(one.Name)).Select(one => (one.Name, Plain(one.Value))).ToList()
            : [];
        try
        {
            return DatabaseUrl.OfDjango(name, Text("USER"), Text("PASSWORD"), Text("HOST"), Text("PORT"), options);
        }
        catch (ArgumentException error)
        {
            throw new SettingException($"DATABASES: default: {error.Message}", error);
        }

        string Text(string key) => database.TryGetProperty(key, out var value) && value.ValueKind is not JsonValueKind.Null ? Plain(value) : "";
    }

    // How Django's driver talks to the server, and what it pools: ours has its own ways.
    private static readonly HashSet<string> OfDjangosDriver = ["pool", "server_side_binding", "client_encoding"];

    private static List<string> ProxyHeader(JsonElement value) =>
        value.ValueKind == JsonValueKind.Array && value.GetArrayLength() == 2 && value.EnumerateArray().All(one => one.ValueKind == JsonValueKind.String)
            ? [value[0].GetString()!, value[1].GetString()!]
            : throw new SettingException("SECURE_PROXY_SSL_HEADER takes a header and its value, for example [\"HTTP_X_FORWARDED_PROTO\", \"https\"].");
}
