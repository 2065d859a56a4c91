using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Routing.Patterns;

namespace Gatehouse.Views;

/// <summary>
/// Marks endpoints whose path counts to the letter, as in Django. ASP.NET Core's routing forgives case and a trailing slash, which would
/// give one resource several names that rules in front of us do not know.
/// </summary>
internal sealed class DjangoPath
{
    public static readonly DjangoPath Exact = new();

    public enum Match
    {
        Same,
        SlashMissing,
        Different,
    }

    public static Match Compare(RouteEndpoint endpoint, HttpContext http)
    {
        var given = http.Request.Path.Value ?? "";
        if (HasDotSegments(http, given)) return Match.Different;

        var pattern = endpoint.RoutePattern;
        var wanted = pattern.RawText ?? "";
        if (pattern.Parameters.Count == 0)
            return given == wanted ? Match.Same : IsWithoutSlash(given, wanted) ? Match.SlashMissing : Match.Different;

        var parts = given.Split('/');
        for (var i = 0; i < pattern.PathSegments.Count && i + 1 < parts.Length; i++)
            if (pattern.PathSegments[i].Parts is [RoutePatternLiteralPart literal] && literal.Content != parts[i + 1])
                return Match.Different;
        if (pattern.Parameters[^1].IsCatchAll) return Match.Same;
        var slashes = wanted.EndsWith('/') ? 2 : 1;
        return parts.Length == pattern.PathSegments.Count + slashes && (slashes == 1 || parts[^1].Length == 0) ? Match.Same
            : slashes == 2 && parts.Length == pattern.PathSegments.Count + 1 ? Match.SlashMissing
            : Match.Different;
    }

    /// <summary>Kestrel has resolved <c>/a/../b</c> by now; in Django, and to rules in front of us, it is another path.</summary>
    private static bool HasDotSegments(HttpContext http, string given)
    {
        var raw = http.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget.AsSpan();
        if (raw.IndexOf('?') is >= 0 and var query) raw = raw[..query];
        if (raw.SequenceEqual(given) || !raw.StartsWith("/")) return false;
        return Uri.UnescapeDataString(raw.ToString()).Split('/').Any(segment => segment is "." or "..");
    }

    private static bool IsWithoutSlash(string given, string wanted) =>
        wanted.Length == given.Length + 1 && wanted[^1] == '/' && wanted.AsSpan(0, given.Length).SequenceEqual(given);
}
