using System.Text.Json;
using Gatehouse.Jwt;

namespace Gatehouse.Server;

/// <summary>Reads <c>SIMPLE_JWT</c>, all its settings; what is Python code there is a hook of the same name in C#.</summary>
internal static class SimpleJwt
{
    private const string Package = "rest_framework_simplejwt.";

    private static readonly string[] Removed = ["AUTH_HEADER_TYPE", "AUTH_TOKEN_CLASS", "SECRET_KEY", "TOKEN_BACKEND_CLASS"];

    // Setting, simplejwt's own value, and whether the host has a hook in its place.
    private static readonly Dictionary<string, (string Default, Func<JwtOptions, bool> HasHook)> Code = new()
    {
        ["USER_AUTHENTICATION_RULE"] = (Package + "authentication.default_user_authentication_rule", jwt => jwt.UserAuthenticationRule is not null),
        ["ON_LOGIN_SUCCESS"] = (Package + "serializers.default_on_login_success", jwt => jwt.OnLoginSuccess is not null),
        ["ON_LOGIN_FAILED"] = (Package + "serializers.default_on_login_failed", jwt => jwt.OnLoginFailed is not null),
        ["TOKEN_USER_CLASS"] = (Package + "models.TokenUser", jwt => jwt.TokenUserClass is not null),
        ["TOKEN_OBTAIN_SERIALIZER"] = (Package + "serializers.TokenObtainPairSerializer", jwt => jwt.TokenObtainSerializer is not null),
        ["TOKEN_REFRESH_SERIALIZER"] = (Package + "serializers.TokenRefreshSerializer", jwt => jwt.TokenRefreshSerializer is not null),
        ["TOKEN_VERIFY_SERIALIZER"] = (Package + "serializers.TokenVerifySerializer", jwt => jwt.TokenVerifySerializer is not null),
        ["TOKEN_BLACKLIST_SERIALIZER"] = (Package + "serializers.TokenBlacklistSerializer", jwt => jwt.TokenBlacklistSerializer is not null),
        ["SLIDING_TOKEN_OBTAIN_SERIALIZER"] = (Package + "serializers.TokenObtainSlidingSerializer", jwt => jwt.SlidingTokenObtainSerializer is not null),
        ["SLIDING_TOKEN_REFRESH_SERIALIZER"] = (Package + "serializers.TokenRefreshSlidingSerializer", jwt => jwt.SlidingTokenRefreshSerializer is not null),
        ["JSON_ENCODER"] = ("", jwt => jwt.JsonEncoder is not null),
    };

    public static void Apply(JsonElement section, JwtOptions jwt)
    {
        if (section.ValueKind != JsonValueKind.Object) throw new SettingException("SIMPLE_JWT must be an object of settings.");
        foreach (var setting in section.EnumerateObject())
        {
            var (name, value, path) = (setting.Name, setting.Value, $"SIMPLE_JWT: {setting.Name}");
            if (Removed.Contains(name)) throw new SettingException($"{path} was removed from simplejwt long ago; take it out.");
            if (Code.TryGetValue(name, out var code)) RequireHook(path, value, code.Default, code.HasHook(jwt));
            else if (name is "AUDIENCE" or "AUTH_HEADER_TYPES" && value.ValueKind == JsonValueKind.String) SetOne(name == "AUDIENCE" ? jwt.Audience = [] : jwt.AuthHeaderTypes = [], value);
            else if (name == "AUDIENCE" && value.ValueKind == JsonValueKind.Null) jwt.Audience = [];
            else if (name == "AUTH_HEADER_NAME") jwt.AuthHeaderName = value.ValueKind == JsonValueKind.String
                ? GatehouseSetup.HeaderName(value.GetString()!)
                : throw new SettingException("SIMPLE_JWT: AUTH_HEADER_NAME must be the name of a header, for example HTTP_AUTHORIZATION.");
            else OptionsMapper.Set(jwt, name, value, path);
        }
    }

    private static void SetOne(IList<string> list, JsonElement value) => list.Add(value.GetString()!);

    private static void RequireHook(string path, JsonElement value, string standard, bool hasHook)
    {
        var isStandard = value.ValueKind == JsonValueKind.Null || value.ValueKind == JsonValueKind.String && value.ValueEquals(standard);
        if (!isStandard && !hasHook)
            throw new SettingException($"{path} names Python code, which cannot run here. Write it in C# as the hook of that name in GatehouseOptions.Jwt (docs/jwt.md), or take the setting out.");
    }
}
