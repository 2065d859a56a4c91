namespace Gatehouse.Http;

/// <summary>A media type with its parameters, matched as DRF does (<c>rest_framework.utils.mediatypes</c>).</summary>
internal readonly struct MediaType
{
    private MediaType(string main, string sub, string? charset, string? boundary, bool hasParameters)
    {
        Main = main;
        Sub = sub;
        Charset = charset;
        Boundary = boundary;
        HasParameters = hasParameters;
    }

    public string Main { get; }
    public string Sub { get; }
    public string? Charset { get; }
    public string? Boundary { get; }
    public bool HasParameters { get; }

    /// <summary>0 for <c>*/*</c>, 1 for <c>text/*</c>, 2 for a type, 3 for one with parameters other than <c>q</c>.</summary>
    public int Precedence => Main == "*" ? 0 : Sub == "*" ? 1 : HasParameters ? 3 : 2;

    public bool Is(string main, string sub) => (Main == "*" || Main == main) && (Sub == "*" || Sub == sub);

    public static MediaType Parse(string text)
    {
        var parts = text.Split(';');
        var full = parts[0].Trim().ToLowerInvariant();
        var slash = full.IndexOf('/');
        string? charset = null, boundary = null;
        var others = false;
        foreach (var part in parts.AsSpan(1))
        {
            var equals = part.IndexOf('=');
            if (equals < 0) continue;
            var value = part[(equals + 1)..].Trim().Trim('"');
            switch (part[..equals].Trim().ToLowerInvariant())
            {
                case "q": continue;
                case "charset": charset = value; break;
                case "boundary": boundary = value; break;
            }
            others = true;
        }
        return slash < 0 ? new(full, "", charset, boundary, others) : new(full[..slash], full[(slash + 1)..], charset, boundary, others);
    }
}
