using System.Buffers;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.Http;

/// <summary>
/// The body of a request, parsed by its content type: JSON, form or multipart (DRF <c>request.data</c>). Read once, whoever asks first.
/// </summary>
public sealed class RequestData
{
    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly IReadOnlyList<(string Name, string Value)>? all;

    private RequestData(JsonElement? json, IReadOnlyDictionary<string, string?>? form, IResult? error, IReadOnlyList<(string Name, string Value)>? all = null)
    {
        Json = json;
        Form = form;
        Error = error;
        this.all = all;
    }

    /// <summary>The JSON value, when the body was JSON.</summary>
    public JsonElement? Json { get; }

    /// <summary>Fields of a form or multipart body, the last value of each; null for an uploaded file.</summary>
    public IReadOnlyDictionary<string, string?>? Form { get; }

    /// <summary>The fields of a form in their order, repeated ones too; of a multipart body each field's last value.</summary>
    internal IEnumerable<(string Name, string Value)> AllFields => all ?? Form?.Where(one => one.Value is not null).Select(one => (one.Key, one.Value!)) ?? [];

    /// <summary>The values of each field of a form, in their order (Django's <c>QueryDict</c>); of a multipart body only the last.</summary>
    public ILookup<string, string> Values() => AllFields.ToLookup(field => field.Name, field => field.Value);

    /// <summary>What Python calls the type of the parsed body: <c>dict</c>, <c>list</c>, <c>str</c>, <c>QueryDict</c> ….</summary>
    public string TypeName => Json is { } json ? ApiForm.PythonType(json) : "QueryDict";

    /// <summary>What to answer when the body could not be read: 400, 413 or 415.</summary>
    public IResult? Error { get; }

    /// <summary>Reads the body, or returns what was read before.</summary>
    public static async Task<RequestData> ReadAsync(HttpContext http)
    {
        if (http.Features.Get<RequestData>() is { } known) return known;

        var options = (GatehouseOptions)http.RequestServices.GetService(typeof(GatehouseOptions))!;
        var data = await ReadAsync(http, options);
        http.Features.Set(data);
        return data;
    }

    internal static bool IsForm(HttpRequest request)
    {
        var type = MediaType.Parse(request.ContentType ?? "");
        return type.Is("application", "x-www-form-urlencoded") || type.Is("multipart", "form-data");
    }

    /// <summary>The value of a form field, or null: what Django's <c>request.POST</c> holds. Other bodies are not touched.</summary>
    internal static async Task<string?> FormFieldAsync(HttpContext http, string field)
    {
        if (!IsForm(http.Request)) return null;
        return (await ReadAsync(http)).Form?.GetValueOrDefault(field);
    }

    private static async Task<RequestData> ReadAsync(HttpContext http, GatehouseOptions options)
    {
        var (body, tooLarge) = await ReadBytesAsync(http.Request, options.DataUploadMaxMemorySize, http.RequestAborted);
        if (tooLarge) return Failed(ApiError.TooLarge());
        // The CSRF check looks for its token here, and an endpoint of minimal APIs wants the body after that.
        if (body.Length > 0) http.Request.Body = new MemoryStream(body, writable: false);

        var contentType = http.Request.ContentType ?? "";
        var type = MediaType.Parse(contentType);
        var isForm = type.Is("application", "x-www-form-urlencoded");
        var isMultipart = type.Is("multipart", "form-data");
        if (body.Length == 0)
            return (isForm || isMultipart) && type.Main != "*" ? Fields([]) : new RequestData(EmptyObject, null, null);

        // Only what the view reads, where that is not everything.
        if (http.Features.Get<ParsedMediaTypes>() is { } parsed && !parsed.Types.Any(one => one.Split('/') is [var main, var sub] && type.Is(main, sub)))
            return Failed(ApiError.UnsupportedMediaType(contentType));
        if (type.Is("application", "json")) return ParseJson(body, type, options.MaxJsonDepth);
        if (isForm) return ParseForm(body, type, options.DataUploadMaxNumberFields);
        if (isMultipart) return ParseMultipart(body, contentType, type, options.DataUploadMaxNumberFields);
        return Failed(ApiError.UnsupportedMediaType(contentType));
    }

    private static readonly JsonElement EmptyObject = JsonDocument.Parse("{}").RootElement;

    private static RequestData Failed(IResult error) => new(null, null, error);

    private static RequestData Fields(Dictionary<string, string?> fields, IReadOnlyList<(string Name, string Value)>? all = null) => new(null, fields, null, all);

    /// <summary>Length before content: nothing past <paramref name="limit"/> is kept or looked at.</summary>
    internal static async Task<(byte[] Body, bool TooLarge)> ReadBytesAsync(HttpRequest request, int limit, CancellationToken ct)
    {
        if (request.ContentLength > limit) return TooLarge(request);
        if (request.ContentLength is 0) return ([], false);

        // What a header promises takes no memory until it comes: a thousand callers may promise the most and send nothing.
        var buffer = new ArrayBufferWriter<byte>((int)Math.Min(request.ContentLength + 1 ?? 1024, 16 * 1024));
        while (true)
        {
            int read;
            try
            {
                read = await request.Body.ReadAsync(buffer.GetMemory(1), ct);
            }
            catch (IOException error) when (error.InnerException is OverflowException)
            {
                throw new BadHttpRequestException("The size of a chunk is no number.", error);
            }
            if (read == 0) return (buffer.WrittenSpan.ToArray(), false);
            buffer.Advance(read);
            if (buffer.WrittenCount > limit) return TooLarge(request);
        }
    }

    /// <summary>What is left of the body is not read, so the client must not send its next request behind it. RFC 9110 §15.5.14.</summary>
    private static (byte[] Body, bool TooLarge) TooLarge(HttpRequest request)
    {
        request.HttpContext.Response.Headers.Connection = "close";
        return ([], true);
    }

    private static RequestData ParseJson(byte[] body, MediaType type, int maxDepth)
    {
        try
        {
            var encoding = EncodingOf(type);
            // Strictly: System.Text.Json itself would let a broken sequence inside a string pass until the string is read.
            var utf8 = encoding is null ? body : Encoding.UTF8.GetBytes(encoding.GetString(body).TrimStart('\uFEFF'));
            if (encoding is null) StrictUtf8.GetCharCount(body);
            using var document = JsonDocument.Parse(utf8, new JsonDocumentOptions { MaxDepth = maxDepth });
            if (utf8.AsSpan().IndexOf("\\u"u8) >= 0) CheckNames(utf8, maxDepth);
            return new RequestData(document.RootElement.Clone(), null, null);
        }
        catch (Exception error) when (error is JsonException or DecoderFallbackException or InvalidOperationException)
        {
            return Failed(ApiError.Parse("JSON parse error - " + error.Message));
        }
    }

    /// <summary>A name that is no Unicode could not even be compared with those that are looked for.</summary>
    /// <exception cref="InvalidOperationException">There is one.</exception>
    private static void CheckNames(ReadOnlySpan<byte> utf8, int maxDepth)
    {
        var reader = new Utf8JsonReader(utf8, new JsonReaderOptions { MaxDepth = maxDepth });
        while (reader.Read())
            if (reader is { TokenType: JsonTokenType.PropertyName, ValueIsEscaped: true })
                reader.GetString();
    }

    private static RequestData ParseForm(byte[] body, MediaType type, int mostFields)
    {
        if (body.AsSpan().Count((byte)'&') >= mostFields) return Failed(new SuspiciousRequest());

        var fields = new Dictionary<string, string?>();
        var all = new List<(string Name, string Value)>();
        // Raw bytes that are no UTF-8 are Latin-1 (QueryDict); escapes are decoded one by one.
        if (EncodingOf(type) is null && !Utf8.IsValid(body)) body = Encoding.UTF8.GetBytes(Encoding.Latin1.GetString(body));
        foreach (var pair in Encoding.Latin1.GetString(body).Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var equals = pair.IndexOf('=');
            var name = Decode(equals < 0 ? pair : pair[..equals], type);
            var value = equals < 0 ? "" : Decode(pair[(equals + 1)..], type);
            fields[name] = value;
            all.Add((name, value));
        }
        return Fields(fields, all);
    }

    /// <summary>Python's <c>unquote_plus</c>: an escape that is none stays as it is, bytes that are no UTF-8 become U+FFFD.</summary>
    private static string Decode(string text, MediaType type)
    {
        var bytes = new byte[text.Length];
        var length = 0;
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] == '%' && i + 2 < text.Length && char.IsAsciiHexDigit(text[i + 1]) && char.IsAsciiHexDigit(text[i + 2]))
            {
                bytes[length++] = Convert.FromHexString(text.AsSpan(i + 1, 2))[0];
                i += 2;
            }
            else
            {
                bytes[length++] = text[i] == '+' ? (byte)' ' : (byte)text[i];
            }
        }
        return (EncodingOf(type) is { } own ? Lenient(own) : Encoding.UTF8).GetString(bytes, 0, length);
    }

    private static RequestData ParseMultipart(byte[] body, string contentType, MediaType type, int mostFields)
    {
        if (!contentType.StartsWith("multipart/", StringComparison.Ordinal))
            return Failed(ApiError.Parse($"Multipart form parse error - Invalid Content-Type: {contentType}"));
        if (type.Boundary is not { Length: > 0 and <= 1024 } boundary)
            return Failed(ApiError.Parse($"Multipart form parse error - Invalid boundary in multipart: {(type.Boundary is null or { Length: 0 } ? type.Boundary ?? "None" : "too long")}"));

        return MultipartForm.Read(body, boundary, EncodingOf(type) is { } own ? Lenient(own) : Encoding.UTF8, mostFields) is { } fields ? Fields(fields) : Failed(new SuspiciousRequest());
    }

    /// <summary>In forms, what cannot be decoded becomes U+FFFD.</summary>
    private static Encoding Lenient(Encoding strict)
    {
        var lenient = (Encoding)strict.Clone();
        lenient.DecoderFallback = DecoderFallback.ReplacementFallback;
        return lenient;
    }

    /// <summary>Null for UTF-8 and for names that nobody knows.</summary>
    internal static Encoding? EncodingOf(MediaType type)
    {
        if (type.Charset is null || type.Charset.Equals("utf-8", StringComparison.OrdinalIgnoreCase)) return null;
        try
        {
            var name = type.Charset.ToLowerInvariant() switch
            {
                "latin-1" or "latin1" => "iso-8859-1",
                "ascii" => "us-ascii",
                ['c', 'p', .. var page] => "windows-" + page,
                var other => other,
            };
            return CodePagesEncodingProvider.Instance.GetEncoding(name, EncoderFallback.ReplacementFallback, DecoderFallback.ExceptionFallback)
                ?? Encoding.GetEncoding(name, EncoderFallback.ReplacementFallback, DecoderFallback.ExceptionFallback);
        }
        catch (Exception error) when (error is ArgumentException or NotSupportedException)
        {
            return null;
        }
    }
}

/// <summary>Set where a view reads some kinds of bodies only.</summary>
internal sealed record ParsedMediaTypes(IReadOnlyList<string> Types);
