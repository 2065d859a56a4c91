using Gatehouse.Permissions;
using Gatehouse.Throttling;
using Microsoft.Extensions.DependencyInjection;

namespace Gatehouse.Views;

/// <summary>A scheme that settings may name. Registered by each feature, and by hosts for their own.</summary>
internal sealed record NamedScheme(Type Type);

/// <summary>Finds the classes that the defaults name: a dotted path means our class of the same last name.</summary>
internal static class DefaultClasses
{
    public static Type Scheme(string name, IServiceProvider services)
    {
        var known = services.GetServices<NamedScheme>().Select(scheme => scheme.Type).ToList();
        return known.Find(type => type.Name == Last(name))
            ?? throw Unknown("DEFAULT_AUTHENTICATION_CLASSES", name, known.Select(type => type.Name));
    }

    public static RequestPermission Permission(string name) => Last(name) switch
    {
        nameof(AllowAny) => new AllowAny(),
        nameof(IsAuthenticated) => new IsAuthenticated(),
        nameof(IsAdminUser) => new IsAdminUser(),
        nameof(IsAuthenticatedOrReadOnly) => new IsAuthenticatedOrReadOnly(),
        _ => throw Unknown(
            "DEFAULT_PERMISSION_CLASSES", name, [nameof(AllowAny), nameof(IsAuthenticated), nameof(IsAdminUser), nameof(IsAuthenticatedOrReadOnly)]),
    };

    public static RequestThrottle Throttle(string name) => Last(name) switch
    {
        nameof(AnonRateThrottle) => new AnonRateThrottle(),
        nameof(UserRateThrottle) => new UserRateThrottle(),
        nameof(ScopedRateThrottle) => new ScopedRateThrottle(),
        _ => throw Unknown(
            "DEFAULT_THROTTLE_CLASSES", name, [nameof(AnonRateThrottle), nameof(UserRateThrottle), nameof(ScopedRateThrottle)]),
    };

    private static string Last(string name) => name[(name.LastIndexOf('.') + 1)..];

    private static ArgumentException Unknown(string setting, string name, IEnumerable<string> known) =>
        new($"{setting} names '{name}', which is not known. Write one of {string.Join(", ", known)}, or set a class of your own where the endpoint is mapped.");
}
