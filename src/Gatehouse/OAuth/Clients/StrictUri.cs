using System.Buffers;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Gatehouse.OAuth.Clients;

/// <summary>
/// A URI that all parsers read alike: Python's <c>urlsplit</c>, which the real stack decides by, browsers (WHATWG), which follow the redirect,
/// and <see cref="Uri"/>. What one of them might repair (a backslash, a tab, <c>127.1</c>, full-width letters, <c>https:/host</c>) is no URI here.
/// </summary>
internal sealed record StrictUri
{
    /// <summary>As Django's <c>MAX_URL_LENGTH</c>, in characters.</summary>
    public const int MaxLength = 2048;

    // They run, read or show something, and lead nowhere.
    private static readonly string[] Dangerous = ["javascript", "data", "vbscript", "file", "blob", "about", "view-source", "filesystem"];
    private static readonly string[] WithAuthority = ["http", "https", "ws", "wss", "ftp"];

    // RFC 3986 without '#': where there is a fragment, nothing here is wanted.
    private static readonly SearchValues<char> Known = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:/?[]@!$&'()*+,;=%");
    private static readonly SearchValues<char> SchemeCharacters = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-.");
    private static readonly SearchValues<char> LabelCharacters = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");
    private static readonly UriCreationOptions AsWritten = new() { DangerousDisablePathAndQueryCanonicalization = true };

    /// <summary>In lower case.</summary>
    public required string Scheme { get; init; }

    /// <summary>Host and port as they are written; empty when there is no <c>//</c>.</summary>
    public required string Authority { get; init; }

    /// <summary>In lower case, an IPv6 address without its brackets; null when there is no authority.</summary>
    public required string? Host { get; init; }

    /// <summary>As it is written: null also where the scheme has a default.</summary>
    public required int? Port { get; init; }

    /// <summary>As it is written; may be empty.</summary>
    public required string Path { get; init; }

    /// <summary>As it is written; null without a <c>?</c>, which is not the same as an empty one.</summary>
    public required string? Query { get; init; }

    /// <summary>Whether a browser would walk up or down the path before it asks: <c>.</c>, <c>..</c>, and their percent-encoded forms.</summary>
    public bool HasDotSegments => Path.Split('/').Any(segment => Dots(segment) > 0);

    /// <summary>The whole, without the port.</summary>
    public string WithoutPort { get; private init; } = "";

    /// <returns>1 for <c>.</c>, 2 for <c>..</c>, however they are encoded; otherwise 0.</returns>
    public static int Dots(string segment) => segment.Replace("%2e", ".", StringComparison.OrdinalIgnoreCase) switch
    {
        "." => 1,
        ".." => 2,
        _ => 0,
    };

    /// <summary>Whether nobody may be sent there, whatever is allowed otherwise.</summary>
    public static bool IsDangerous(string scheme) => Dangerous.Contains(scheme, StringComparer.OrdinalIgnoreCase);

    /// <summary>Whether browsers find a host in it wherever one might be meant, even in <c>https:host</c>.</summary>
    public static bool NeedsAuthority(string scheme) => WithAuthority.Contains(scheme);

    /// <returns>Null for what is not read alike by all, or has a fragment or user information; never throws.</returns>
    public static StrictUri? Read(string text, int maxLength = MaxLength)
    {
        if (text.Length == 0 || text.Length > maxLength || text.AsSpan().ContainsAnyExcept(Known) || !HasWholeEscapes(text)) return null;

        var colon = text.IndexOf(':');
        if (colon < 1 || !char.IsAsciiLetter(text[0]) || text.AsSpan(0, colon).ContainsAnyExcept(SchemeCharacters)) return null;
        var scheme = text[..colon].ToLowerInvariant();
        if (IsDangerous(scheme)) return null;

        var rest = text[(colon + 1)..];
        var (authority, host, port) = ("", (string?)null, "");
        if (rest.StartsWith("//", StringComparison.Ordinal))
        {
            var end = rest.AsSpan(2).IndexOfAny('/', '?') is >= 0 and var at ? at + 2 : rest.Length;
            authority = rest[2..end];
            rest = rest[end..];
            (host, port) = SplitPort(authority);
            if (!IsHost(host) || !IsPort(port)) return null;
        }
        else if (NeedsAuthority(scheme))
        {
            return null;
        }
        var question = rest.IndexOf('?');
        var read = new StrictUri
        {
            Scheme = scheme,
            Authority = authority,
            Host = host?.Trim('[', ']').ToLowerInvariant(),
            Port = port.Length > 0 ? int.Parse(port[1..], CultureInfo.InvariantCulture) : null,
            Path = question < 0 ? rest : rest[..question],
            Query = question < 0 ? null : rest[(question + 1)..],
            WithoutPort = host is null ? text : $"{text[..colon]}://{host}{rest}",
        };
        // Brackets belong to IPv6 addresses, and to the names of query fields in PHP.
        return read.Path.AsSpan().ContainsAny('[', ']') || !read.IsReadAlikeByDotNet(text) ? null : read;
    }

    private static bool HasWholeEscapes(string text)
    {
        for (var at = text.IndexOf('%'); at >= 0; at = text.IndexOf('%', at + 1))
            if (at + 2 >= text.Length || !char.IsAsciiHexDigit(text[at + 1]) || !char.IsAsciiHexDigit(text[at + 2])) return false;
        return true;
    }

    // host, "" or host, ":port"
    private static (string Host, string Port) SplitPort(string authority)
    {
        var colon = authority.IndexOf(':', Math.Max(0, authority.LastIndexOf(']')));
        return colon < 0 ? (authority, "") : (authority[..colon], authority[colon..]);
    }

    private static bool IsPort(string port) =>
        port.Length == 0 || port.Length is > 1 and < 7 && port[1] is >= '1' and <= '9'
        && int.TryParse(port.AsSpan(1), NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number <= 65535;

    private static bool IsHost(string host)
    {
        if (host is ['[', .. var address, ']'])
            return address.All(c => char.IsAsciiHexDigit(c) || c is ':' or '.') && IPAddress.TryParse(address, out var ip) && ip.AddressFamily == AddressFamily.InterNetworkV6
                && (!address.Contains('.') || IsIPv4(address[(address.LastIndexOf(':') + 1)..].Split('.')));
        var labels = host.Split('.');
        if (host.Length > 253 || labels.Any(label => label.Length is 0 or > 63 || label.AsSpan().ContainsAnyExcept(LabelCharacters))) return false;

        // Browsers take a last label that is a number for the end of an IPv4 address, in any of its spellings.
        var last = labels[^1];
        var isNumber = last.All(char.IsAsciiDigit) || last.StartsWith("0x", StringComparison.OrdinalIgnoreCase) && last.Skip(2).All(char.IsAsciiHexDigit);
        return !isNumber || IsIPv4(labels);
    }

    // No leading zeros: to some, they mean octal.
    private static bool IsIPv4(string[] parts) => parts.Length == 4
        && parts.All(part => byte.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number.ToString(CultureInfo.InvariantCulture) == part);

    private bool IsReadAlikeByDotNet(string text)
    {
        if (!Uri.TryCreate(text, AsWritten, out var uri) || uri.Scheme != Scheme || uri.UserInfo.Length > 0 || uri.Fragment.Length > 0) return false;
        // Uri.AbsolutePath can throw for a:b?c; without an authority there is nothing in front of a path to take for it.
        if (Host is null) return uri.Host.Length == 0;

        var sameHost = Host.Contains(':')
            ? IPAddress.TryParse(uri.Host, out var theirs) && theirs.Equals(IPAddress.Parse(Host))
            : uri.Host.Equals(Host, StringComparison.OrdinalIgnoreCase);
        return sameHost && (Port is null ? uri.IsDefaultPort : uri.Port == Port) && (uri.AbsolutePath == Path || Path.Length == 0 && uri.AbsolutePath == "/");
    }
}
