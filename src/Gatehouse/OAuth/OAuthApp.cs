using Gatehouse.Database;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Gatehouse.OAuth;

/// <summary>Whether OAuth is served: a Django project without django-oauth-toolkit has no tables for it.</summary>
internal sealed class OAuthApp(OAuthOptions options)
{
    /// <summary>Known once the server has started.</summary>
    public bool IsInstalled { get; private set; } = options.Enabled != false;

    /// <exception cref="SettingException">The settings want what the database has no tables for.</exception>
    public async Task PrepareAsync(Migrations migrations, CancellationToken ct)
    {
        if (options.Enabled == false) return;
        IsInstalled = await migrations.HasAsync("oauth2_provider", ct);
        if (!IsInstalled && options.Enabled == true)
            throw new SettingException(
                "OAuth:Enabled is true, but the database has no tables of django-oauth-toolkit. Add oauth2_provider to the Django project's INSTALLED_APPS "
                + "and run \"python manage.py migrate\", or take the setting out.");
    }

    /// <summary>A group of routes that are a 404 where OAuth is not installed.</summary>
    public IEndpointRouteBuilder Group(IEndpointRouteBuilder routes)
    {
        var group = routes.MapGroup("");
        ((IEndpointConventionBuilder)group).Add(endpoint =>
        {
            var handle = endpoint.RequestDelegate!;
            endpoint.RequestDelegate = http =>
            {
                if (IsInstalled) return handle(http);
                http.Response.StatusCode = StatusCodes.Status404NotFound;
                return Task.CompletedTask;
            };
        });
        return group;
    }
}
