using Gatehouse.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;

namespace Gatehouse.OAuth;

/// <summary>
/// The parameters of an OAuth request (oauthlib's <c>Request</c>). Of a parameter that is sent twice the last counts, and
/// <see cref="Repeated"/> tells; <c>resource</c> may be sent more than once (RFC 8707 §2).
/// </summary>
internal sealed class OAuthParameters
{
    private readonly Dictionary<string, List<string>> values;

    private OAuthParameters(Dictionary<string, List<string>> values) => this.values = values;

    /// <summary>Whether something in an address was no name with a value (Python's <c>parse_qsl</c>, <c>strict_parsing</c>).</summary>
    public bool IsMalformed { get; private init; }

    /// <summary>Null when it was not sent; empty when it was sent empty.</summary>
    public string? this[string name] => values.TryGetValue(name, out var all) ? all[^1] : null;

    /// <summary>All values of a parameter, in their order.</summary>
    public IReadOnlyList<string> All(string name) => values.TryGetValue(name, out var all) ? all : [];

    /// <summary>Names that were sent more than once.</summary>
    public IEnumerable<string> Repeated => values.Where(one => one.Value.Count > 1).Select(one => one.Key);

    public IEnumerable<string> Names => values.Keys;

    /// <summary>An error when a parameter was sent more than once (RFC 6749 §3.2), other than <c>resource</c>.</summary>
    public OAuthError? RefuseRepeated() =>
        Repeated.FirstOrDefault(name => name != "resource") is not { } twice ? null
        : OAuthError.InvalidRequest(twice.Length <= 40 && twice.All(c => char.IsAsciiLetterOrDigit(c) || c == '_') ? $"Duplicate {twice} parameter." : "Duplicate parameter.");

    /// <summary>Of a form body, as Django's <c>request.POST</c> has them: any other body has none.</summary>
    /// <returns>The parameters, or what to answer when the body could not be read.</returns>
    public static async Task<(OAuthParameters Parameters, IResult? Error)> FromFormAsync(HttpContext http)
    {
        if (!RequestData.IsForm(http.Request)) return (new([]), null);
        var data = await RequestData.ReadAsync(http);
        // Unlike DRF, Django takes forms in UTF-8 alone, and answers what it cannot read with a page.
        var isOdd = data.Error is ApiError { Status: StatusCodes.Status400BadRequest }
            || MediaType.Parse(http.Request.ContentType ?? "") is { Sub: "x-www-form-urlencoded" } type && RequestData.EncodingOf(type) is not null;
        return (Of(data.AllFields), isOdd ? new SuspiciousRequest() : data.Error);
    }

    /// <summary>Of the address.</summary>
    public static OAuthParameters FromQuery(HttpContext http) => FromQuery(http.Request.QueryString.Value ?? "");

    /// <param name="query">With or without its question mark.</param>
    public static OAuthParameters FromQuery(string query)
    {
        var pairs = new List<(string Name, string Value)>();
        // Not http.Request.Query, to which names in upper and lower case are the same.
        foreach (var pair in new QueryStringEnumerable(query)) pairs.Add((pair.DecodeName().ToString(), pair.DecodeValue().ToString()));
        return new(Of(pairs).values) { IsMalformed = query.TrimStart('?') is { Length: > 0 } text && text.Split('&').Any(pair => !pair.Contains('=')) };
    }

    /// <summary>These, and where a name is among them only these, over <paramref name="others"/>.</summary>
    public static OAuthParameters Over(OAuthParameters others, IEnumerable<(string Name, string Value)> pairs)
    {
        var values = new Dictionary<string, List<string>>(others.values, StringComparer.Ordinal);
        foreach (var (name, all) in Of(pairs).values) values[name] = all;
        return new(values);
    }

    public static OAuthParameters Of(IEnumerable<(string Name, string Value)> pairs)
    {
        var values = new Dictionary<string, List<string>>(StringComparer.Ordinal);
        foreach (var (name, value) in pairs)
        {
            if (values.TryGetValue(name, out var all)) all.Add(value);
            else values.Add(name, [value]);
        }
        return new(values);
    }
}
