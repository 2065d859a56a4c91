using Gatehouse.Database;
using Gatehouse.Permissions;
using Gatehouse.Sessions;
using Gatehouse.Users;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Gatehouse.Accounts;

internal static class AccountsRoutes
{
    public static void MapAccounts(this IEndpointRouteBuilder routes, GatehouseOptions options)
    {
        var path = options.Accounts.Path.TrimEnd('/');
        var services = routes.ServiceProvider;
        var accounts = services.GetRequiredService<UserAccounts>();
        var login = services.GetRequiredService<SessionLogin>();
        var csrf = services.GetRequiredService<Csrf>();
        var db = services.GetRequiredService<Db>();

        routes.MapView(path + "/register/", "Register", view => view.Post(http => Register.HandleAsync(http, accounts, csrf, options)).PostFields = Register.Fields).RequirePermission(new AllowAny());
        routes.MapView(path + "/login/", "Login", view => view.Post(http => Login.HandleAsync(http, accounts, login, csrf, options)).FormFields = Login.Fields).RequirePermission(new AllowAny());
        routes.MapView(path + "/logout/", "Logout", view => view.Post(http => Logout.HandleAsync(http, login)).TakesNoBody = true).RequirePermission(new IsAuthenticated());
        routes.MapView(path + "/profile/", "Profile", view => view.Get(Profile.HandleAsync)).RequirePermission(new IsAuthenticated());
        routes.MapView(path + "/users/", "Users", view => view.Get(http => UserList.HandleAsync(http, db))).RequirePermission(new IsAdminUser());

        routes.MapLoginPage("/accounts/login/");
        routes.MapLogoutPage("/accounts/logout/");
        routes.MapLoginPage("/api-auth/login/", new LoginPageOptions { NamesSubmit = true });
        routes.MapLogoutPage("/api-auth/logout/");
        routes.MapPage("/accounts/profile/", ProfilePage.HandleAsync);
    }
}
