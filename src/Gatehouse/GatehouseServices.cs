using Gatehouse.Accounts;
using Gatehouse.Administration;
using Gatehouse.Audit;
using Gatehouse.Authentication;
using Gatehouse.AuthTokens;
using Gatehouse.Crypto;
using Gatehouse.Database;
using Gatehouse.Jwt;
using Gatehouse.Mail;
using Gatehouse.OAuth;
using Gatehouse.OAuth.Authorize;
using Gatehouse.OAuth.Clients;
using Gatehouse.OAuth.Device;
using Gatehouse.OAuth.Grants;
using Gatehouse.OAuth.OpenId;
using Gatehouse.OAuth.Registration;
using Gatehouse.OAuth.Tokens;
using Gatehouse.OpenApi;
using Gatehouse.Permissions;
using Gatehouse.Sessions;
using Gatehouse.Statistics;
using Gatehouse.Testing;
using Gatehouse.Throttling;
using Gatehouse.Users;
using Gatehouse.Views;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;

namespace Gatehouse;

/// <summary>The explicit list of what Gatehouse consists of. Nothing is found by scanning.</summary>
public static class GatehouseServices
{
    /// <summary>
    /// Adds Gatehouse: <c>AddGatehouse(o => o.Database = "sqlite:///app.db")</c>. What stands under <c>Gatehouse</c> in the application's
    /// configuration (appsettings.json, environment) is read first; what the code sets has the last word.
    /// </summary>
    public static IServiceCollection AddGatehouse(this IServiceCollection services, Action<GatehouseOptions>? configure = null) =>
        services.AddGatehouse((provider, options) =>
        {
            if (provider.GetService<IConfiguration>() is { } configuration) GatehouseConfiguration.Apply(configuration.GetSection("Gatehouse"), options);
            configure?.Invoke(options);
        });

    internal static IServiceCollection AddGatehouse(this IServiceCollection services, Action<IServiceProvider, GatehouseOptions> fill)
    {
        services.AddSingleton(provider =>
        {
            var options = new GatehouseOptions();
            fill(provider, options);
            foreach (var change in provider.GetServices<SettingsOverride>()) change.Change(options);
            GatehouseSetup.Complete(options);
            return options;
        });
        services.TryAddSingleton(TimeProvider.System);

        // foundation
        services.AddSingleton(s => Db.Open(s.GetRequiredService<GatehouseOptions>().Database));
        services.AddSingleton<UserModel>();
        services.AddSingleton(s => new Migrations(
            s.GetRequiredService<Db>(), s.GetRequiredService<TimeProvider>(), s.GetRequiredService<GatehouseOptions>().OAuth.Enabled != false, s.GetRequiredService<UserModel>()));
        services.AddSingleton<Fixtures>();
        services.AddSingleton<Counters>();
        services.AddHttpContextAccessor();
        services.AddSingleton<AuditTrail>().AddSingleton<AuditSeal>();
        services.AddSingleton(s => new AuditLog(s.GetRequiredService<Db>(), s.GetRequiredService<AuditSeal>(), s.GetRequiredService<AuditTrail>(), s.GetRequiredService<GatehouseOptions>()));
        services.AddSingleton(s => GatehouseSetup.PasswordHashes(s.GetRequiredService<GatehouseOptions>(), s.GetRequiredService<ILogger<PasswordHashes>>()));
        services.AddSingleton(s => GatehouseSetup.PasswordWork(s.GetRequiredService<GatehouseOptions>().PasswordWork));
        services.AddSingleton(s => GatehouseSetup.PasswordPolicy(s.GetRequiredService<GatehouseOptions>()));
        services.AddSingleton(s => new UserAccounts(
            s.GetRequiredService<Db>(), s.GetRequiredService<UserModel>(), s.GetRequiredService<PasswordHashes>(), s.GetRequiredService<PasswordWork>(), s.GetRequiredService<PasswordPolicy>(),
            s.GetRequiredService<GatehouseOptions>(), s.GetRequiredService<AuditTrail>(), s, s.GetRequiredService<TimeProvider>(), s.GetRequiredService<ILogger<UserAccounts>>()));

        services.AddSingleton<KnownDevices>();
        services.AddSingleton<LoginLimits>();
        services.AddSingleton<Passkeys>();
        services.AddSingleton<SecondFactors>();
        services.AddSingleton<Logins>();

        // the three questions
        services.AddSingleton<EndpointPlans>();
        services.AddSingleton<ThrottleStore>();
        services.AddPermission<AllowAny>().AddPermission<IsAuthenticated>().AddPermission<IsAdminUser>().AddPermission<IsAuthenticatedOrReadOnly>();
        services.AddThrottle(() => new AnonRateThrottle()).AddThrottle(() => new UserRateThrottle()).AddThrottle(() => new ScopedRateThrottle());
        services.AddAuthenticationScheme<BasicAuthentication>(s => new BasicAuthentication(s.GetRequiredService<UserAccounts>()));

        // features
        services.AddSingleton<SessionDevices>();
        services.AddSingleton<SessionStore>();
        services.AddSingleton<SessionLogin>();
        services.AddSingleton<Csrf>();
        services.AddAuthenticationScheme(s => new SessionAuthentication(s.GetRequiredService<SessionLogin>(), s.GetRequiredService<Csrf>()));
        services.AddSingleton(s => new TokenStore(s.GetRequiredService<Db>(), s.GetRequiredService<Counters>(), s.GetRequiredService<AuditTrail>(), s.GetRequiredService<TimeProvider>()));
        services.AddAuthenticationScheme<TokenAuthentication>(s => new TokenAuthentication(s.GetRequiredService<TokenStore>()));

        services.AddSingleton(s => JwtSetup.Keys(s.GetRequiredService<GatehouseOptions>(), s.GetRequiredService<TimeProvider>(), s.GetRequiredService<ILogger<SigningKeys>>()));
        services.AddSingleton(s => new JwtCodec(
            s.GetRequiredService<SigningKeys>(), s.GetRequiredService<GatehouseOptions>().Jwt.MaxTokenLength, s.GetRequiredService<GatehouseOptions>().Jwt.RememberedSignatures));
        services.AddSingleton<JwtTokens>();
        services.AddSingleton<JwtUsers>();
        services.AddSingleton(s => new TokenBlacklist(
            s.GetRequiredService<Db>(), s.GetRequiredService<GatehouseOptions>(), s.GetRequiredService<UserAccounts>(), s.GetRequiredService<AuditTrail>(), s, s.GetRequiredService<TimeProvider>(),
            s.GetRequiredService<ILogger<TokenBlacklist>>()));
        services.AddAuthenticationScheme(s => new JWTAuthentication(
            s.GetRequiredService<JwtTokens>(), s.GetRequiredService<JwtUsers>(), s.GetRequiredService<TokenBlacklist>(), s.GetRequiredService<GatehouseOptions>()));
        services.AddAuthenticationScheme(s => new JWTStatelessUserAuthentication(
            s.GetRequiredService<JwtTokens>(), s.GetRequiredService<JwtUsers>(), s.GetRequiredService<TokenBlacklist>(), s.GetRequiredService<GatehouseOptions>()));

        services.AddOAuth();

        // what the sweeper clears
        services.AddSingleton<Sweeper>();
        services.AddSingleton<ISweep, ClearSessions>();
        services.AddSingleton<FlushExpired>().AddSingleton<ISweep>(s => s.GetRequiredService<FlushExpired>());
        services.AddSingleton<ISweep>(s => s.GetRequiredService<ClearTokens>());
        services.AddSingleton<ISweep>(s => s.GetRequiredService<ThrottleStore>());
        services.AddSingleton<ISweep>(s => s.GetRequiredService<Counters>());
        services.AddSingleton<ISweep>(s => s.GetRequiredService<AuditLog>());

        // for the admin site
        services.AddSingleton(s => new AdminDatabase(s.GetRequiredService<Db>(), s.GetRequiredService<SessionStore>(), s.GetRequiredService<GatehouseOptions>()));
        services.AddSingleton(s => new AdminOperations(
            s.GetRequiredService<Db>(), s.GetRequiredService<AdminDatabase>(), s.GetRequiredService<UserAccounts>(), s.GetRequiredService<SessionStore>(),
            s.GetRequiredService<ClientRegistration>(), s.GetRequiredService<ClientSecrets>(), s.GetRequiredService<AuditTrail>(), s.GetRequiredService<GatehouseOptions>(), s.GetRequiredService<TimeProvider>()));

        services.AddSingleton(s => new SigningKeyList(
            s.GetRequiredService<OidcKeys>(), s.GetRequiredService<Db>(), s.GetRequiredService<AdminDatabase>(), s.GetRequiredService<AuditTrail>(), s.GetRequiredService<GatehouseOptions>(),
            s.GetRequiredService<TimeProvider>()));

        services.AddSingleton(s => new RecentActivity(s.GetRequiredService<Counters>()));
        services.AddSingleton(s => new ServerState(
            s.GetRequiredService<Db>(), s.GetRequiredService<Migrations>(), s.GetRequiredService<SigningKeyList>(), s.GetRequiredService<GatehouseOptions>(), s.GetRequiredService<TimeProvider>()));

        services.AddSingleton<OpenApiDocument>();
        services.AddSingleton(s => EmailBackend.Of(s.GetRequiredService<GatehouseOptions>().Email, s.GetRequiredService<TimeProvider>()));
        services.AddSingleton<Outbox>();
        services.AddHostedService(s => s.GetRequiredService<Outbox>());
        services.AddSingleton<PasswordResetTokenGenerator>();
        services.AddSingleton<PasswordReset>();
        services.AddSingleton<PasswordChange>();
        services.AddSingleton<EmailVerification>();
        services.AddSingleton<SignUpPage>();
        services.AddSingleton<ProfilePages>();
        services.AddSingleton<SessionPages>();
        services.AddSingleton<TokenPages>();
        services.AddSingleton<DeleteAccount>();
        services.AddSingleton<SecondFactorStep>();
        services.AddSingleton<SecondFactorPages>();
        services.AddSingleton<PasskeyPages>();
        // what notbefore ends
        services.AddSingleton<IIssued, IssuedSessions>().AddSingleton<IIssued, IssuedAuthTokens>().AddSingleton<IIssued, IssuedJwts>().AddSingleton<IIssued, IssuedOAuthTokens>();

        services.AddSingleton<GatehouseRoutes.Mapped>();
        services.AddHostedService<GatehouseStart>();
        services.AddHostedService<SweeperLoop>();
        services.AddHostedService<CountersLoop>();
        services.AddHostedService<AuditLoop>();
        return services;
    }

    /// <summary>Adds a scheme of your own that settings may name and that needs no more than services in its constructor.</summary>
    public static IServiceCollection AddAuthenticationScheme<TScheme>(this IServiceCollection services) where TScheme : BaseAuthentication =>
        services.AddAuthenticationScheme(s => ActivatorUtilities.CreateInstance<TScheme>(s));

    private static void AddOAuth(this IServiceCollection services)
    {
        services.AddSingleton(s => s.GetRequiredService<GatehouseOptions>().OAuth);
        services.AddSingleton<OAuthApp>();
        services.AddSingleton(s => new Scopes(s.GetRequiredService<OAuthOptions>() is var oauth && oauth.ScopesBackend is { } own ? own : new SettingsScopes(oauth)));

        // clients
        services.AddSingleton<ClientStore>();
        services.AddSingleton<ClientSecrets>();
        services.AddSingleton<ClientAssertions>();
        services.AddSingleton<ClientAuthentication>();
        services.AddSingleton<ClientRules>();
        services.AddSingleton<ClientRegistration>();
        services.AddSingleton<ApplicationPages>();

        // tokens
        services.AddSingleton<OAuthTokens>();
        services.AddSingleton<TokenIssuer>();
        services.AddSingleton<AuthorizedTokensPages>();
        services.AddSingleton<ClearTokens>();
        services.AddSingleton<Successors>();
        services.AddSingleton<RevokeToken>();
        services.AddSingleton<IntrospectToken>();

        // grants
        services.AddSingleton<IGrant, AuthorizationCodeGrant>();
        services.AddSingleton<IGrant, ClientCredentialsGrant>();
        services.AddSingleton<IGrant, PasswordGrant>();
        services.AddSingleton<IGrant, RefreshTokenGrant>();
        services.AddSingleton<TokenEndpoint>();

        // authorization
        services.AddSingleton<AuthorizationRequests>();
        services.AddSingleton<AuthorizationResponses>();
        services.AddSingleton<PushedRequests>();
        services.AddSingleton<AuthorizeEndpoint>();
        services.AddSingleton<PushEndpoint>();

        // devices
        services.AddSingleton<IGrant, DeviceCodeGrant>();
        services.AddSingleton<DeviceAuthorization>();
        services.AddSingleton<DevicePages>();

        // OpenID Connect
        services.AddSingleton<OidcKeys>();
        services.AddSingleton<IdTokens>();
        services.AddSingleton<ServerMetadata>();
        services.AddSingleton<UserInfo>();
        services.AddSingleton<RPInitiatedLogout>();

        // registration
        services.TryAddSingleton(new Outside());
        services.AddSingleton<ClientIdMetadata>();
        services.AddSingleton<DynamicClientRegistration>();

        // protecting APIs
        services.AddSingleton<RemoteIntrospection>();
        services.AddSingleton<BearerTokens>();
        services.AddAuthenticationScheme(s => new OAuth2Authentication(s.GetRequiredService<BearerTokens>()));
        services.AddAuthenticationScheme(s => new OAuth2ProtectedResourceAuthentication(s));
        services.AddPermission(() => new TokenHasScope()).AddPermission(() => new IsAuthenticatedOrTokenHasScope());
        services.AddPermission(() => new TokenHasReadWriteScope()).AddPermission(() => new TokenHasResourceScope());
        services.AddThrottle(() => new OAuth2ClientRateThrottle()).AddThrottle(() => new OAuth2UserOrClientRateThrottle());
    }

    private static IServiceCollection AddPermission<TPermission>(this IServiceCollection services) where TPermission : RequestPermission, new() =>
        services.AddPermission(() => new TPermission());

    private static IServiceCollection AddPermission<TPermission>(this IServiceCollection services, Func<TPermission> make) where TPermission : RequestPermission =>
        services.AddSingleton(new NamedPermission(typeof(TPermission).Name, make));

    private static IServiceCollection AddThrottle<TThrottle>(this IServiceCollection services, Func<TThrottle> make) where TThrottle : RequestThrottle =>
        services.AddSingleton(new NamedThrottle(typeof(TThrottle).Name, make));

    private static IServiceCollection AddAuthenticationScheme<TScheme>(this IServiceCollection services, Func<IServiceProvider, TScheme> make)
        where TScheme : BaseAuthentication => services.AddSingleton(make).AddSingleton(new NamedScheme(typeof(TScheme)));
}
