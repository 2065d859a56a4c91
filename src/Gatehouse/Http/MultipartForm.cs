using System.Text;

namespace Gatehouse.Http;

/// <summary>
/// The fields of a multipart body, read as leniently as Django's <c>MultiPartParser</c> reads them: parts that make no sense are passed
/// over, a body that is cut short counts as far as it goes.
/// </summary>
internal static class MultipartForm
{
    private const int MaxHeaderLength = 8 * 1024;

    /// <param name="body">All of it; its length is limited before.</param>
    /// <param name="boundary">From the content type.</param>
    /// <param name="encoding">Of names and values.</param>
    /// <param name="mostFields">How many fields there may be.</param>
    /// <returns>The last value of each field, null for an uploaded file; null when there are too many.</returns>
    public static Dictionary<string, string?>? Read(ReadOnlySpan<byte> body, string boundary, Encoding encoding, int mostFields)
    {
        var mark = Encoding.Latin1.GetBytes("--" + boundary);
        var fields = new Dictionary<string, string?>();
        var parts = 0;
        while (!body.IsEmpty)
        {
            var at = body.IndexOf(mark);
            var part = at < 0 ? body : body[..at];
            body = at < 0 ? [] : body[(at + mark.Length)..];
            // The line break before a boundary belongs to the boundary.
            if (at >= 0 && part.EndsWith("\n"u8)) part = part[..^1];
            if (at >= 0 && part.EndsWith("\r"u8)) part = part[..^1];

            var header = part.IndexOf("\r\n\r\n"u8);
            if (header is < 0 or > MaxHeaderLength) continue;
            if (ReadHeader(Encoding.Latin1.GetString(part[..header]), encoding) is not { } about) continue;
            if (++parts > mostFields) return null;
            fields[about.Name] = about.IsFile ? null : Value(part[(header + 4)..], about.IsBase64, encoding);
        }
        return fields;
    }

    private static string Value(ReadOnlySpan<byte> raw, bool isBase64, Encoding encoding) =>
        encoding.GetString(isBase64 && PythonText.Base64(Encoding.Latin1.GetString(raw)) is { } decoded ? decoded : raw);

    private static (string Name, bool IsFile, bool IsBase64)? ReadHeader(string header, Encoding encoding)
    {
        string? name = null;
        bool isFile = false, isBase64 = false;
        foreach (var line in header.Split("\r\n"))
        {
            var colon = line.IndexOf(':');
            if (colon < 0) continue;
            var (value, parameters) = Parameters(line[(colon + 1)..], encoding);
            switch (line[..colon].Trim().ToLowerInvariant())
            {
                case "content-disposition":
                    name = parameters.GetValueOrDefault("name")?.Trim();
                    if (parameters.TryGetValue("filename", out var file) && file.Length > 0)
                    {
                        // A name that leaves nothing behind its last slash is no file, and no field either.
                        file = file[(file.LastIndexOfAny(['/', '\\']) + 1)..].Trim();
                        if (file is "" or "." or "..") return null;
                        isFile = true;
                    }
                    break;
                case "content-transfer-encoding":
                    isBase64 = value == "base64";
                    break;
            }
        }
        return name is null ? null : (name, isFile, isBase64);
    }

    private static (string Value, Dictionary<string, string> Parameters) Parameters(string text, Encoding encoding)
    {
        var parts = Split(text);
        var parameters = new Dictionary<string, string>();
        foreach (var part in parts.Skip(1))
        {
            var equals = part.IndexOf('=');
            if (equals < 0) continue;
            var name = part[..equals].Trim().ToLowerInvariant();
            var value = part[(equals + 1)..].Trim();
            if (name.EndsWith('*') && value.Split('\'') is [_, _, var extended])
            {
                parameters[name[..^1]] = Uri.UnescapeDataString(extended);
                continue;
            }
            if (value is ['"', .., '"'] && value.Length >= 2)
                value = value[1..^1].Replace("\\\\", "\\", StringComparison.Ordinal).Replace("\\\"", "\"", StringComparison.Ordinal);
            parameters[name] = encoding.GetString(Encoding.Latin1.GetBytes(value));
        }
        return (parts[0].Trim().ToLowerInvariant(), parameters);
    }

    /// <summary>At semicolons that are not inside quotes.</summary>
    private static List<string> Split(string text)
    {
        var parts = new List<string>();
        var (start, quoted) = (0, false);
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] == '\\' && quoted) i++;
            else if (text[i] == '"') quoted = !quoted;
            else if (text[i] == ';' && !quoted)
            {
                parts.Add(text[start..i]);
                start = i + 1;
            }
        }
        parts.Add(text[start..]);
        return parts;
    }
}
