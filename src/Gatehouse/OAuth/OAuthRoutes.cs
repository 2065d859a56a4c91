using Gatehouse.Database;
using Gatehouse.Http;
using Gatehouse.OAuth.Authorize;
using Gatehouse.OAuth.Clients;
using Gatehouse.OAuth.Device;
using Gatehouse.OAuth.Grants;
using Gatehouse.OAuth.OpenId;
using Gatehouse.OAuth.Registration;
using Gatehouse.OAuth.Tokens;
using Gatehouse.Users;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Gatehouse.OAuth;

internal static class OAuthRoutes
{
    public static void MapOAuth(this IEndpointRouteBuilder routes, GatehouseOptions options)
    {
        var path = options.OAuth.Path;
        var services = routes.ServiceProvider;
        var app = services.GetRequiredService<OAuthApp>();
        routes = app.Group(routes);

        // authorization
        routes.MapPage(path + "authorize/", services.GetRequiredService<AuthorizeEndpoint>().HandleAsync);
        if (options.OAuth.ParEnabled) routes.MapOAuthEndpoint(path + "par/", "POST", services.GetRequiredService<PushEndpoint>().HandleAsync,
            form: "The OAuth 2.0 pushed authorization request endpoint (RFC 9126 section 2.1)");

        // tokens
        if (options.OAuth.PasswordChangeEndsTokens == true) services.GetRequiredService<UserAccounts>().AlsoWithEachNewPassword.Add(
            (tx, user, now) => app.IsInstalled ? OAuthTokens.RevokeAllAsync(tx, user, now) : Task.CompletedTask);
        routes.MapOAuthEndpoint(path + "token/", "POST", services.GetRequiredService<TokenEndpoint>().HandleAsync,
            form: "The OAuth 2.0 token endpoint (RFC 6749 section 3.2)");

        routes.MapOAuthEndpoint(path + "revoke_token/", "POST", services.GetRequiredService<RevokeToken>().HandleAsync,
            form: "The OAuth 2.0 token revocation endpoint (RFC 7009 section 2.1)");
        routes.MapOAuthEndpoint(path + "introspect/", "GET, POST, HEAD", services.GetRequiredService<IntrospectToken>().HandleAsync, answersAll: true,
            form: "The OAuth 2.0 token introspection endpoint (RFC 7662 section 2.1)");

        // devices
        var devices = services.GetRequiredService<DevicePages>();
        routes.MapOAuthEndpoint(path + "device-authorization/", "POST", services.GetRequiredService<DeviceAuthorization>().HandleAsync,
            form: "The OAuth 2.0 device authorization endpoint (RFC 8628 section 3.1)");
        routes.MapUserPage(path + "device/", UserPages.FormMethods, devices.EnterAsync);
        routes.MapUserPage(path + "device-confirm/{client_id}/{user_code}", UserPages.FormMethods, devices.ConfirmAsync);
        routes.MapUserPage(path + "device-grant-status/{client_id}/{user_code}", UserPages.ReadMethods, devices.StatusAsync);

        // OpenID Connect and metadata
        routes.MapOpenId(options);

        // registration
        if (options.OAuth.CimdEnabled) services.GetRequiredService<ClientStore>().Resolve = services.GetRequiredService<ClientIdMetadata>().ResolveAsync;
        if (options.OAuth.DcrEnabled)
        {
            var registration = services.GetRequiredService<DynamicClientRegistration>();
            routes.MapOAuthEndpoint(path + "register/", "POST", registration.RegisterAsync);
            routes.MapOAuthEndpoint(path + "register/{client_id}/", "GET, PUT, DELETE, HEAD", registration.ManageAsync);
        }
        else
        {
            foreach (var below in new[] { "register/", "register/{client_id}/" })
                routes.MapCsrfExemptPage(path + below, _ => Task.FromResult<IResult>(ApiError.Named(StatusCodes.Status404NotFound, "error", "not_found")));
        }

        // pages for people
        var applications = services.GetRequiredService<ApplicationPages>();
        routes.MapUserPage(path + "applications/", UserPages.ReadMethods, applications.ListAsync);
        routes.MapUserPage(path + "applications/register/", UserPages.FormMethods, applications.RegisterAsync);
        routes.MapUserPage(path + "applications/{id}/", UserPages.ReadMethods, applications.DetailAsync);
        routes.MapUserPage(path + "applications/{id}/update/", UserPages.FormMethods, applications.UpdateAsync);
        routes.MapUserPage(path + "applications/{id}/delete/", UserPages.DeleteMethods, applications.DeleteAsync);
        var tokens = services.GetRequiredService<AuthorizedTokensPages>();
        routes.MapUserPage(path + "authorized_tokens/", UserPages.ReadMethods, tokens.ListAsync);
        routes.MapUserPage(path + "authorized_tokens/{id}/delete/", UserPages.DeleteMethods, tokens.DeleteAsync);
    }

    /// <summary>An endpoint for programs: one method and OPTIONS, no cookies, no CSRF protection; what fails is told as JSON.</summary>
    /// <param name="routes">The application.</param>
    /// <param name="path">With its trailing slash.</param>
    /// <param name="methods">As in <c>Allow</c>.</param>
    /// <param name="handler">Answers them.</param>
    /// <param name="first">Done with every request, OPTIONS and refusals included: for headers that all answers have.</param>
    /// <param name="answersAll">Whether the handler itself refuses other methods, once it knows who asks.</param>
    /// <param name="form">What to call the endpoint where a body that is no form is refused (<c>REQUIRE_FORM_ENCODED_REQUEST_BODY</c>); null: it is not.</param>
    public static void MapOAuthEndpoint(
        this IEndpointRouteBuilder routes, string path, string methods, Func<HttpContext, Task<IResult>> handler, Action<HttpContext>? first = null,
        bool answersAll = false, string? form = null)
    {
        var allow = methods + ", OPTIONS";
        var allowed = methods.Split(", ");
        routes.MapCsrfExemptPage(path, async http =>
        {
            first?.Invoke(http);
            if (http.Request.Method == "OPTIONS") return NeverCache.Options(http, allow);
            if (!answersAll && !allowed.Contains(http.Request.Method)) return NeverCache.MethodNotAllowed(http, allow);
            if (form is not null && FormBody.Refuse(http, form) is { } refused) return refused;
            try
            {
                return await handler(http);
            }
            catch (Exception error) when (error is OverloadedException or DatabaseUnavailableException)
            {
                http.Response.Headers.RetryAfter = error is OverloadedException busy ? ((int)Math.Ceiling(busy.RetryAfter.TotalSeconds)).ToString(System.Globalization.CultureInfo.InvariantCulture) : "1";
                return new OAuthError("temporarily_unavailable", Status: StatusCodes.Status503ServiceUnavailable);
            }
        });
    }
}
