using Gatehouse.Authentication;
using Gatehouse.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Gatehouse.Throttling;

/// <summary>How often? (DRF <c>BaseThrottle</c>).</summary>
public abstract class RequestThrottle
{
    /// <summary>Counts the request; the verdict says whether it may go on.</summary>
    public abstract ValueTask<Verdict> CountAsync(HttpContext http);
}

/// <summary>What a throttle says.</summary>
/// <param name="Allowed">Whether the request may go on.</param>
/// <param name="Wait">When not: until one may; null when that cannot be told.</param>
public readonly record struct Verdict(bool Allowed, TimeSpan? Wait = null);

/// <summary>Counts by a key in any period (DRF <c>SimpleRateThrottle</c>). Counts survive a restart and are shared by all servers.</summary>
/// <param name="scope">Names the count, and the rate in <c>DEFAULT_THROTTLE_RATES</c>.</param>
/// <param name="rate">A rate of its own; null: that of the settings.</param>
public abstract class SimpleRateThrottle(string scope, string? rate = null) : RequestThrottle
{
    private readonly Rate? own = rate is null ? null : Rate.Parse(rate);

    /// <summary>Names the count.</summary>
    public string Scope => scope;

    /// <summary>Whose count it is; null leaves the request uncounted.</summary>
    protected abstract string? IdentOf(HttpContext http);

    /// <inheritdoc/>
    public override ValueTask<Verdict> CountAsync(HttpContext http) => CountAsync(http, scope, own ?? RateOf(scope, OptionsOf(http)));

    /// <summary>Counts under a scope that is known only now.</summary>
    private protected async ValueTask<Verdict> CountAsync(HttpContext http, string inScope, Rate? rate)
    {
        if (rate is not { } limit || IdentOf(http) is not { } ident) return new Verdict(true);
        return await http.RequestServices.GetRequiredService<ThrottleStore>().CountAsync($"throttle_{inScope}_{ident}", limit, http.RequestAborted);
    }

    /// <summary>The calling user, or else the address (<c>get_ident</c>).</summary>
    protected static string UserOrAddress(HttpContext http) => http.GetIdentity() switch
    {
        { User: { } user } => user.Id.ToString(),
        { TokenUser: { } known } => known.Id,
        _ => Address(http),
    };

    /// <summary>The address, as far as it can be believed.</summary>
    protected static string Address(HttpContext http) => ClientAddress.Of(http, OptionsOf(http));

    /// <summary>Null for a scope whose rate is null: it is not limited.</summary>
    /// <exception cref="ArgumentException">The settings have no such scope.</exception>
    internal static Rate? RateOf(string scope, GatehouseOptions options)
    {
        if (!options.RestFramework.DefaultThrottleRates.TryGetValue(scope, out var text))
            throw new ArgumentException($"No default throttle rate set for '{scope}' scope; add it to DEFAULT_THROTTLE_RATES.");
        return string.IsNullOrEmpty(text) ? null : Rate.Parse(text);
    }

    /// <summary>Finds a missing rate when the server starts, rather than at the first request.</summary>
    internal virtual void Check(GatehouseOptions options, string? viewScope)
    {
        if (own is null) RateOf(scope, options);
    }

    private protected static GatehouseOptions OptionsOf(HttpContext http) => http.RequestServices.GetRequiredService<GatehouseOptions>();
}

/// <summary>Anonymous visitors, by address (DRF <c>AnonRateThrottle</c>, scope <c>anon</c>).</summary>
/// <param name="rate">A rate of its own; null: that of the settings.</param>
public sealed class AnonRateThrottle(string? rate = null) : SimpleRateThrottle("anon", rate)
{
    /// <inheritdoc/>
    protected override string? IdentOf(HttpContext http) => http.GetIdentity().IsAuthenticated ? null : Address(http);
}

/// <summary>Users, and anonymous visitors by address (DRF <c>UserRateThrottle</c>, scope <c>user</c>).</summary>
/// <param name="rate">A rate of its own; null: that of the settings.</param>
public sealed class UserRateThrottle(string? rate = null) : SimpleRateThrottle("user", rate)
{
    /// <inheritdoc/>
    protected override string? IdentOf(HttpContext http) => UserOrAddress(http);
}

/// <summary>
/// One count for all endpoints of a scope (DRF <c>ScopedRateThrottle</c>): the endpoint names it with <c>ThrottleScope("uploads")</c>; without
/// a scope nothing is counted.
/// </summary>
public sealed class ScopedRateThrottle() : SimpleRateThrottle("")
{
    /// <inheritdoc/>
    public override ValueTask<Verdict> CountAsync(HttpContext http) =>
        http.GetEndpoint()?.Metadata.GetMetadata<ThrottleScopeMetadata>() is { } view
            ? CountAsync(http, view.Scope, RateOf(view.Scope, OptionsOf(http)))
            : new(new Verdict(true));

    /// <inheritdoc/>
    protected override string? IdentOf(HttpContext http) => UserOrAddress(http);

    internal override void Check(GatehouseOptions options, string? viewScope)
    {
        if (viewScope is not null) RateOf(viewScope, options);
    }
}

internal sealed record ThrottleScopeMetadata(string Scope);
