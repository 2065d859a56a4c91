using System.Net.Http.Headers;
using Gatehouse.AuthTokens;
using Gatehouse.Database;
using Gatehouse.Http;
using Gatehouse.Jwt;
using Gatehouse.OAuth.Clients;
using Gatehouse.OAuth.Grants;
using Gatehouse.OAuth.Tokens;
using Gatehouse.Sessions;
using Gatehouse.Users;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Gatehouse.Testing;

/// <summary>
/// For tests of an application that has Gatehouse in it: settings, users and callers of every kind, without a password being typed. They go by the
/// application's own services and its database, and answer to its real schemes. docs/aspnet-core.md shows them at work.
/// </summary>
public static class TestingExtensions
{
    private const string ClientId = "gatehouse-testing";

    /// <summary>Changes settings after the application's own code has had its say (Django's <c>override_settings</c>).</summary>
    public static IServiceCollection OverrideSettings(this IServiceCollection services, Action<GatehouseOptions> change) =>
        services.AddSingleton(new SettingsOverride(change));

    /// <summary>Makes a user.</summary>
    /// <param name="services">Those of the application, which has started.</param>
    /// <param name="username">Not taken yet.</param>
    /// <param name="password">Null: none, which <see cref="ForceLoginAsync"/> and tokens do not need.</param>
    /// <param name="isStaff">May enter the admin site.</param>
    /// <param name="isSuperuser">Has every permission.</param>
    /// <exception cref="InvalidOperationException">The name is taken.</exception>
    public static async Task<User> CreateUserAsync(
        this IServiceProvider services, string username, string? password = null, bool isStaff = false, bool isSuperuser = false) =>
        await services.GetRequiredService<UserAccounts>().CreateAsync(username, $"{username}@example.com", password, isStaff, isSuperuser)
            ?? throw new InvalidOperationException($"There is a user '{username}' already.");

    /// <summary>Gives a user a permission, <c>auth.add_group</c>; one that the database does not know yet is made.</summary>
    public static async Task GrantAsync(this IServiceProvider services, User user, string permission)
    {
        if (permission.Split('.', 2) is not [{ Length: > 0 } app, { Length: > 0 } codename])
            throw new ArgumentException($"'{permission}' is no permission; write app.codename, for example auth.add_group.", nameof(permission));
        var model = codename[(codename.IndexOf('_', StringComparison.Ordinal) + 1)..];
        await services.GetRequiredService<Db>().WriteAsync(
            async tx =>
            {
                await tx.RunAsync(InsertContentType, ("app", app), ("model", model));
                await tx.RunAsync(InsertPermission, ("app", app), ("model", model), ("codename", codename));
                return await tx.RunAsync(Grant, ("user", user.Id), ("app", app), ("codename", codename));
            },
            CancellationToken.None);
    }

    /// <summary>A browser in which the user is logged in (Django's <c>Client.force_login</c>): <c>factory.CreateDefaultClient(browser)</c>.</summary>
    public static async Task<TestBrowser> ForceLoginAsync(this IServiceProvider services, User user)
    {
        await using var scope = services.CreateAsyncScope();
        var http = new DefaultHttpContext { RequestServices = scope.ServiceProvider };
        await http.LogInAsync(user);
        await BeforeResponse.RunAsync(http);
        var browser = new TestBrowser(services);
        browser.Keep(http.Response.Headers.SetCookie);
        return browser;
    }

    /// <summary>The header of a user's token, which is made if there is none: <c>Token 9944b091…</c>.</summary>
    public static async Task<AuthenticationHeaderValue> TokenAsync(this IServiceProvider services, User user) =>
        new("Token", await services.GetRequiredService<TokenStore>().GetOrCreateAsync(user.Id, CancellationToken.None));

    /// <summary>The header of a new JSON Web Token (simplejwt's <c>AccessToken.for_user</c>): <c>Bearer eyJ…</c>.</summary>
    public static AuthenticationHeaderValue AccessToken(this IServiceProvider services, User user)
    {
        var tokens = services.GetRequiredService<JwtTokens>();
        var claims = tokens.For(user, TokenClass.Access, services.GetRequiredService<TimeProvider>().GetUtcNow());
        return new(services.GetRequiredService<GatehouseOptions>().Jwt.AuthHeaderTypes[0], tokens.Write(claims));
    }

    /// <summary>The header of a new OAuth 2 access token with these scopes: <c>Bearer …</c>. It lives as long as the settings say.</summary>
    /// <param name="services">Those of the application, which has started.</param>
    /// <param name="user">Null: the client acts for itself.</param>
    /// <param name="scopes">As <c>TokenHasScope</c> names them.</param>
    public static async Task<AuthenticationHeaderValue> OAuthTokenAsync(this IServiceProvider services, User? user, params string[] scopes)
    {
        var clients = services.GetRequiredService<ClientStore>();
        if (await clients.FindStoredAsync(ClientId, CancellationToken.None) is not { } client)
        {
            var made = new Client { ClientId = ClientId, ClientType = Client.Confidential, AuthorizationGrantType = GrantTypes.ClientCredentials, Name = "Tests" };
            await services.GetRequiredService<Db>().WriteAsync(
                tx => ClientStore.InsertAsync(tx, made, services.GetRequiredService<TimeProvider>().GetUtcNow()), CancellationToken.None);
            client = (await clients.FindStoredAsync(ClientId, CancellationToken.None))!;
        }
        await using var scope = services.CreateAsyncScope();
        var http = new DefaultHttpContext { RequestServices = scope.ServiceProvider };
        var answer = await services.GetRequiredService<TokenIssuer>().IssueAsync(http, client, new Granted { User = user }, scopes, []);
        return new("Bearer", answer!.AccessToken);
    }

    private static readonly Sql InsertContentType = new(
        "INSERT INTO django_content_type (app_label, model) VALUES (@app, @model) ON CONFLICT (app_label, model) DO NOTHING");

    private static readonly Sql InsertPermission = new(
        """
        INSERT INTO auth_permission (name, content_type_id, codename)
        SELECT @codename, c.id, @codename FROM django_content_type c WHERE c.app_label = @app AND c.model = @model
        ON CONFLICT (content_type_id, codename) DO NOTHING
        """);

    private static readonly Sql Grant = new(
        """
        INSERT INTO auth_user_user_permissions (user_id, permission_id)
        SELECT @user, p.id FROM auth_permission p JOIN django_content_type c ON c.id = p.content_type_id WHERE c.app_label = @app AND p.codename = @codename
        ON CONFLICT (user_id, permission_id) DO NOTHING
        """);
}

/// <summary>The last word on settings.</summary>
internal sealed record SettingsOverride(Action<GatehouseOptions> Change);
