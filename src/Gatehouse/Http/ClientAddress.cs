using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.Http;

/// <summary>Whose request a throttle counts (DRF <c>BaseThrottle.get_ident</c>).</summary>
internal static class ClientAddress
{
    public static string Of(HttpContext http, GatehouseOptions options)
    {
        var forwarded = http.Request.Headers["X-Forwarded-For"].ToString();
        if (options.RestFramework.NumProxies is { } proxies)
        {
            if (proxies == 0 || forwarded.Length == 0) return Remote(http, options);
            var addresses = forwarded.Split(',');
            return Forwarded(addresses[^Math.Min(proxies, addresses.Length)].Trim(), options);
        }
        // DRF believes the whole header, so that anyone may choose a fresh count: only faithful mode does.
        return options.Profile == Profile.Django && forwarded.Length > 0
            ? string.Concat(forwarded.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))
            : Remote(http, options);
    }

    private static string Remote(HttpContext http, GatehouseOptions options) => http.Connection.RemoteIpAddress is { } address ? Network(address, options) : "";

    /// <summary>Some proxies write the port too, which is another for each connection.</summary>
    private static string Forwarded(string text, GatehouseOptions options) =>
        options.Profile != Profile.Django && text.AsSpan().ContainsAny('.', ':') && IPEndPoint.TryParse(text, out var endpoint) ? Network(endpoint.Address, options) : text;

    private static string Network(IPAddress address, GatehouseOptions options)
    {
        if (address.IsIPv4MappedToIPv6) address = address.MapToIPv4();
        if (options.Profile == Profile.Django || address.AddressFamily != AddressFamily.InterNetworkV6) return address.ToString();

        // One subscriber has a whole /64 of IPv6 to choose from.
        var bytes = address.GetAddressBytes();
        bytes.AsSpan(8).Clear();
        return new IPAddress(bytes) + "/64";
    }
}
