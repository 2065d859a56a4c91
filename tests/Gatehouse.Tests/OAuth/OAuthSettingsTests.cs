using System.Reflection;
using System.Text.Json;
using Gatehouse.OAuth;
using Gatehouse.Server;
using Gatehouse.Tests.Database;
using Xunit;

namespace Gatehouse.Tests.OAuth;

public sealed class OAuthSettingsTests : GatehouseTest
{
    protected override Task StartAsync() => Task.CompletedTask;

    private static void Apply(string section, GatehouseOptions options) => OAuth2Provider.Apply(JsonElement.Parse(section), options.OAuth, []);

    private async Task<string> RefusalAsync(Action<GatehouseOptions> configure) => (await Assert.ThrowsAsync<SettingException>(() => StartServerAsync(configure))).Message;

    private static string Defaults => File.ReadAllText(Path.Combine(DatabaseFile.Root, "tests", "Gatehouse.Tests", "OAuth", "oauth2-provider-defaults.json"));

    [Fact]
    public async Task Every_setting_of_the_toolkit_is_read_and_its_defaults_are_ours()
    {
        GatehouseOptions? read = null;
        await StartServerAsync(options =>
        {
            options.Profile = Profile.Django;
            Apply(Defaults, options);
            read = options;
        });

        GatehouseOptions? own = null;
        await StartServerAsync(options => (options.Profile, own) = (Profile.Django, options));
        foreach (var property in typeof(OAuthOptions).GetProperties(BindingFlags.Public | BindingFlags.Instance))
        {
            // Dotted paths there, last names here.
            if (property.Name.EndsWith("PermissionClasses", StringComparison.Ordinal)) continue;
            Assert.True(
                JsonSerializer.Serialize(Plain(property.GetValue(own!.OAuth))) == JsonSerializer.Serialize(Plain(property.GetValue(read!.OAuth))), property.Name);
        }

        static object? Plain(object? value) => value is Delegate or ScopesBackend ? value.GetType().Name : value;
    }

    [Theory]
    [InlineData("""{"NO_SUCH_THING":1}""", "NO_SUCH_THING")]
    [InlineData("""{"_SCOPES":[]}""", "_SCOPES")]
    [InlineData("""{"SCOPES":{}}""", "SCOPES")]
    [InlineData("""{"SCOPES":{"two words":"x"}}""", "SCOPES")]
    [InlineData("""{"DEFAULT_SCOPES":["admin"]}""", "DEFAULT_SCOPES")]
    [InlineData("""{"ACCESS_TOKEN_EXPIRE_SECONDS":0}""", "ACCESS_TOKEN_EXPIRE_SECONDS")]
    [InlineData("""{"REFRESH_TOKEN_GRACE_PERIOD_SECONDS":-1}""", "REFRESH_TOKEN_GRACE_PERIOD_SECONDS")]
    [InlineData("""{"REQUEST_APPROVAL_PROMPT":"never"}""", "REQUEST_APPROVAL_PROMPT")]
    [InlineData("""{"CLIENT_SECRET_GENERATOR_LENGTH":8}""", "CLIENT_SECRET_GENERATOR_LENGTH")]
    [InlineData("""{"CLIENT_SECRET_HASHER":"nosuch"}""", "CLIENT_SECRET_HASHER")]
    [InlineData("""{"ALLOWED_REDIRECT_URI_SCHEMES":["https","JavaScript"]}""", "ALLOWED_REDIRECT_URI_SCHEMES")]
    [InlineData("""{"ALLOWED_REDIRECT_URI_SCHEMES":[]}""", "ALLOWED_REDIRECT_URI_SCHEMES")]
    [InlineData("""{"OIDC_ISS_ENDPOINT":"https://id.example.com/?a=1"}""", "OIDC_ISS_ENDPOINT")]
    [InlineData("""{"AUTHENTICATION_SERVER_EXP_TIME_ZONE":"Europe/Paris"}""", "AUTHENTICATION_SERVER_EXP_TIME_ZONE")]
    [InlineData("""{"RESOURCE_SERVER_INTROSPECTION_CREDENTIALS":["id"]}""", "RESOURCE_SERVER_INTROSPECTION_CREDENTIALS")]
    [InlineData("""{"RESOURCE_SERVER_AUTH_TOKEN":"token"}""", "RESOURCE_SERVER_INTROSPECTION_URL")]
    [InlineData("""{"REQUIRE_PUSHED_AUTHORIZATION_REQUESTS":true,"PAR_ENABLED":false}""", "REQUIRE_PUSHED_AUTHORIZATION_REQUESTS")]
    [InlineData("""{"CIMD_ALLOWED_HOSTS":["client.example"]}""", "HostAllowlistCIMDPermission")]
    [InlineData("""{"OAUTH2_VALIDATOR_CLASS":"app.Validator"}""", "AdditionalClaims")]
    [InlineData("""{"SCOPES_BACKEND_CLASS":"app.Scopes"}""", "ScopesBackend")]
    [InlineData("""{"ACCESS_TOKEN_GENERATOR":"app.make"}""", "AccessTokenGenerator")]
    [InlineData("""{"PKCE_REQUIRED":"app.rule"}""", "PkceRequiredFor")]
    [InlineData("""{"OAUTH2_BACKEND_CLASS":"oauth2_provider.oauth2_backends.JSONOAuthLibCore"}""", "OAUTH2_BACKEND_CLASS")]
    [InlineData("""{"APPLICATION_MODEL":"app.Application"}""", "APPLICATION_MODEL")]
    [InlineData("""{"EXTRA_SERVER_KWARGS":{"x":1}}""", "EXTRA_SERVER_KWARGS")]
    public async Task A_setting_that_cannot_work_stops_the_start_with_its_name(string section, string name) =>
        Assert.Contains(name, await RefusalAsync(options => Apply(section, options)), StringComparison.Ordinal);

    [Theory]
    [InlineData("""{"OAUTH2_BACKEND_CLASS":"oauth2_provider.core.backends_oauthlib.OAuthLibCore"}""")]
    [InlineData("""{"SCOPES_BACKEND_CLASS":"oauth2_provider.core.scopes.SettingsScopes"}""")]
    [InlineData("""{"APPLICATION_ADMIN_CLASS":"oauth2_provider.authorization_server.admin.ApplicationAdmin"}""")]
    [InlineData("""{"CIMD_METADATA_FETCHER":"oauth2_provider.authorization_server.cimd.SafeMetadataFetcher"}""")]
    [InlineData("""{"RESOURCE_SERVER_TOKEN_RESOURCE_VALIDATOR":"oauth2_provider.resource_server.validators.validate_resource_as_url_prefix"}""")]
    [InlineData("""{"DCR_REGISTRATION_PERMISSION_CLASSES":["oauth2_provider.authorization_server.dcr.IsAuthenticatedDCRPermission"]}""")]
    public async Task The_toolkits_own_classes_are_known_wherever_its_versions_keep_them(string section)
    {
        await StartServerAsync(options => Apply(section, options));
        await Http.GetAsync("/health/live", Ct).ShouldBeAsync(200);
    }

    [Fact]
    public async Task What_has_no_effect_beside_another_setting_stops_the_start()
    {
        Assert.Contains("OAuth:DeviceUserCodeThrottleRate", await RefusalAsync(options => options.OAuth.DeviceUserCodeThrottleRate = "often"), StringComparison.Ordinal);
        Assert.Contains("OAuth:DcrThrottleRate", await RefusalAsync(options => options.OAuth.DcrThrottleRate = "often"), StringComparison.Ordinal);
        Assert.Contains("REFRESH_TOKEN_GRACE_PERIOD_SECONDS", await RefusalAsync(options =>
        {
            options.OAuth.CompliantBcpRfc9700TokenStorage = true;
            options.OAuth.RefreshTokenGracePeriodSeconds = 60;
            options.OAuth.AccessTokenGenerator = () => "token";
        }), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Strict_closes_each_point_of_rfc_9700_and_what_is_set_has_the_last_word()
    {
        GatehouseOptions? strict = null;
        await StartServerAsync(options =>
        {
            options.Profile = Profile.Strict;
            options.OAuth.CompliantBcpRfc9700TokenStorage = false;
            strict = options;
        });

        foreach (var property in typeof(OAuthOptions).GetProperties().Where(one => one.Name.StartsWith("CompliantBcp", StringComparison.Ordinal)))
            Assert.True((bool?)property.GetValue(strict!.OAuth) == (property.Name != nameof(OAuthOptions.CompliantBcpRfc9700TokenStorage)), property.Name);
        Assert.True(strict!.OAuth.RefreshTokenReuseProtection);
    }
}
