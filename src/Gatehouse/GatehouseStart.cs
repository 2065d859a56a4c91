using Gatehouse.AuthTokens;
using Gatehouse.Crypto;
using Gatehouse.Database;
using Gatehouse.Jwt;
using Gatehouse.Mail;
using Gatehouse.OAuth;
using Gatehouse.OAuth.OpenId;
using Gatehouse.Sessions;
using Gatehouse.Users;
using Gatehouse.Views;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Gatehouse;

/// <summary>Before the first request: settings are checked to the last, the database is brought up to date.</summary>
internal sealed class GatehouseStart(IServiceProvider services, GatehouseOptions options, Migrations migrations, EndpointPlans plans) : IHostedService
{
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        _ = services.GetRequiredService<PasswordHashes>();
        _ = services.GetRequiredService<PasswordPolicy>();
        _ = services.GetRequiredService<EmailBackend>();
        if (options.TokensNotBefore > services.GetRequiredService<TimeProvider>().GetUtcNow())
            throw new SettingException("TokensNotBefore is still to come: until then even new tokens would be refused. Write a moment that is past, such as that of the restore.");
        var accounts = services.GetRequiredService<UserAccounts>();
        if (options.AuthToken.CreateForNewUsers)
            accounts.AlsoWithEachUser.Add((tx, user, now) => tx.RunAsync(AuthToken.Insert, ("key", AuthToken.NewKey()), ("now", now), ("user", user)));
        accounts.AlsoWithEachNewPassword.Add((tx, user, _) => SessionDevices.ForgetAsync(tx, user));
        accounts.AlsoWithEachDeletedUser.Add(async (tx, user) =>
        {
            await SecondFactors.DeleteAsync(tx, user);
            await Accounts.EmailVerification.DeleteAsync(tx, user);
            await SessionDevices.ForgetAsync(tx, user);
        });
        try
        {
            plans.Prepare(services.GetService<GatehouseRoutes.Mapped>()?.Sources ?? []);
        }
        catch (ArgumentException error)
        {
            throw new SettingException(error.Message, error);
        }
        if (options.OAuth.OidcEnabled) services.GetRequiredService<OidcKeys>().Prepare();
        await migrations.ApplyAsync(cancellationToken);
        await services.GetRequiredService<UserModel>().PrepareAsync(cancellationToken);
        if (options.IsSecretKeyDoubtful && await accounts.AnyAsync(cancellationToken)) throw SecretKeyFile.Refuse(options.DataFolder, services.GetRequiredService<Db>().Name);
        await services.GetRequiredService<OAuthApp>().PrepareAsync(migrations, cancellationToken);
        await services.GetRequiredService<TokenBlacklist>().PrepareAsync(cancellationToken);
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
