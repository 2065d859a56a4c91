using Gatehouse.Permissions;
using Gatehouse.Throttling;
using Microsoft.Extensions.DependencyInjection;

namespace Gatehouse.Views;

/// <summary>A scheme that settings may name. Registered by each feature, and by hosts for their own.</summary>
internal sealed record NamedScheme(Type Type);

/// <summary>A permission that settings may name, and that needs nothing in its constructor.</summary>
internal sealed record NamedPermission(string Name, Func<RequestPermission> Make);

/// <summary>The same for throttles.</summary>
internal sealed record NamedThrottle(string Name, Func<RequestThrottle> Make);

/// <summary>Finds the classes that the defaults name: a dotted path means our class of the same last name.</summary>
internal static class DefaultClasses
{
    public static Type Scheme(string name, IServiceProvider services)
    {
        var known = services.GetServices<NamedScheme>().Select(scheme => scheme.Type).ToList();
        return known.Find(type => type.Name == Last(name))
            ?? throw Unknown("DEFAULT_AUTHENTICATION_CLASSES", name, known.Select(type => type.Name));
    }

    public static RequestPermission Permission(string name, IServiceProvider services)
    {
        var known = services.GetServices<NamedPermission>().ToList();
        return (known.Find(one => one.Name == Last(name)) ?? throw Unknown("DEFAULT_PERMISSION_CLASSES", name, known.Select(one => one.Name))).Make();
    }

    public static RequestThrottle Throttle(string name, IServiceProvider services)
    {
        var known = services.GetServices<NamedThrottle>().ToList();
        return (known.Find(one => one.Name == Last(name)) ?? throw Unknown("DEFAULT_THROTTLE_CLASSES", name, known.Select(one => one.Name))).Make();
    }

    private static string Last(string name) => name[(name.LastIndexOf('.') + 1)..];

    private static ArgumentException Unknown(string setting, string name, IEnumerable<string> known) =>
        new($"{setting} names '{name}', which is not known. Write one of {string.Join(", ", known)}, or set a class of your own where the endpoint is mapped.");
}
