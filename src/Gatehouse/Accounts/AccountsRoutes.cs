using Gatehouse.Permissions;
using Microsoft.AspNetCore.Routing;

namespace Gatehouse.Accounts;

internal static class AccountsRoutes
{
    public static void MapAccounts(this IEndpointRouteBuilder routes, GatehouseOptions options)
    {
        var path = options.Accounts.Path.TrimEnd('/');
        routes.MapView(path + "/register/", "Register", view => view.Post(Register.HandleAsync).PostFields = Register.Fields).RequirePermission(new AllowAny());
        routes.MapView(path + "/login/", "Login", view => view.Post(Login.HandleAsync)).RequirePermission(new AllowAny());
        routes.MapView(path + "/logout/", "Logout", view => view.Post(Logout.HandleAsync)).RequirePermission(new IsAuthenticated());
        routes.MapView(path + "/profile/", "Profile", view => view.Get(Profile.Handle)).RequirePermission(new IsAuthenticated());
        routes.MapView(path + "/users/", "Users", view => view.Get(UserList.HandleAsync)).RequirePermission(new IsAdminUser());

        routes.MapLoginPage("/accounts/login/");
        routes.MapLogoutPage("/accounts/logout/");
        routes.MapLoginPage("/api-auth/login/", new LoginPageOptions { NamesSubmit = true });
        routes.MapLogoutPage("/api-auth/logout/");
        routes.MapPage("/accounts/profile/", ProfilePage.HandleAsync);
    }
}
