namespace Gatehouse.Http;

/// <summary><c>CSRF_TRUSTED_ORIGINS</c>: exact origins, and <c>https://*.example.com</c> for subdomains.</summary>
internal sealed class TrustedOrigins
{
    private readonly HashSet<string> exact = [];
    private readonly HashSet<string> hosts = [];
    private readonly List<(string Scheme, string Suffix)> wild = [];

    public TrustedOrigins(IEnumerable<string> origins)
    {
        foreach (var origin in origins)
        {
            var split = origin.IndexOf("://", StringComparison.Ordinal);
            if (split < 0)
                throw new ArgumentException($"CSRF_TRUSTED_ORIGINS: '{origin}' has no scheme; write https://{origin}.");
            var host = origin[(split + 3)..];
            if (host.StartsWith("*.", StringComparison.Ordinal)) wild.Add((origin[..split], host[1..]));
            else
            {
                exact.Add(origin);
                hosts.Add(host);
            }
        }
    }

    public bool Allows(string origin)
    {
        if (exact.Contains(origin)) return true;
        var split = origin.IndexOf("://", StringComparison.Ordinal);
        return split > 0 && wild.Exists(one => one.Scheme == origin[..split] && RequestHost.IsSubdomain(origin[(split + 3)..], one.Suffix));
    }

    public bool AllowsHost(string host) => hosts.Contains(host) || wild.Exists(one => RequestHost.IsSubdomain(host, one.Suffix));
}
