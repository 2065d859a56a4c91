using System.Buffers;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Net.Http.Headers;

namespace Gatehouse.Http;

/// <summary>
/// The body of a request, parsed by its content type: JSON, form or multipart (DRF <c>request.data</c>). Read once, whoever asks first.
/// </summary>
public sealed class RequestData
{
    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private RequestData(JsonElement? json, IReadOnlyDictionary<string, string?>? form, IResult? error)
    {
        Json = json;
        Form = form;
        Error = error;
    }

    /// <summary>The JSON value, when the body was JSON.</summary>
    public JsonElement? Json { get; }

    /// <summary>Fields of a form or multipart body, the last value of each; null for an uploaded file.</summary>
    public IReadOnlyDictionary<string, string?>? Form { get; }

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

    /// <summary>The value of a form field, or null: what Django's <c>request.POST</c> holds. Other bodies are not touched.</summary>
    internal static async Task<string?> FormFieldAsync(HttpContext http, string field)
    {
        var type = MediaType.Parse(http.Request.ContentType ?? "");
        if (!type.Is("application", "x-www-form-urlencoded") && !type.Is("multipart", "form-data")) return null;
        return (await ReadAsync(http)).Form?.GetValueOrDefault(field);
    }

    private static async Task<RequestData> ReadAsync(HttpContext http, GatehouseOptions options)
    {
        var (body, tooLarge) = await ReadBytesAsync(http.Request, options.DataUploadMaxMemorySize, http.RequestAborted);
        if (tooLarge) return Failed(ApiError.TooLarge());

        var contentType = http.Request.ContentType ?? "";
        var type = MediaType.Parse(contentType);
        var isForm = type.Is("application", "x-www-form-urlencoded");
        var isMultipart = type.Is("multipart", "form-data");
        if (body.Length == 0)
            return (isForm || isMultipart) && type.Main != "*" ? Fields([]) : new RequestData(EmptyObject, null, null);

        if (type.Is("application", "json")) return ParseJson(body, type, options.MaxJsonDepth);
        if (isForm) return ParseForm(body, type, options.DataUploadMaxNumberFields);
        if (isMultipart) return await ParseMultipartAsync(body, type, options.DataUploadMaxNumberFields, http.RequestAborted);
        return Failed(ApiError.UnsupportedMediaType(contentType));
    }

    private static readonly JsonElement EmptyObject = JsonDocument.Parse("{}").RootElement;

    private static RequestData Failed(IResult error) => new(null, null, error);

    private static RequestData Fields(Dictionary<string, string?> fields) => new(null, fields, null);

    /// <summary>Length before content: nothing past <paramref name="limit"/> is kept or looked at.</summary>
    private static async Task<(byte[] Body, bool TooLarge)> ReadBytesAsync(HttpRequest request, int limit, CancellationToken ct)
    {
        if (request.ContentLength > limit) return ([], true);
        if (request.ContentLength is 0) return ([], false);

        var buffer = new ArrayBufferWriter<byte>(request.ContentLength is { } known ? (int)known + 1 : 1024);
        while (true)
        {
            var read = await request.Body.ReadAsync(buffer.GetMemory(1), ct);
            if (read == 0) return (buffer.WrittenSpan.ToArray(), false);
            buffer.Advance(read);
            if (buffer.WrittenCount > limit) return ([], true);
        }
    }

    private static RequestData ParseJson(byte[] body, MediaType type, int maxDepth)
    {
        try
        {
            var encoding = EncodingOf(type);
            // Strictly: System.Text.Json itself would let a broken sequence inside a string pass until the string is read.
            var utf8 = encoding is null ? body : Encoding.UTF8.GetBytes(encoding.GetString(body));
            if (encoding is null) StrictUtf8.GetCharCount(body);
            using var document = JsonDocument.Parse(utf8, new JsonDocumentOptions { MaxDepth = maxDepth });
            return new RequestData(document.RootElement.Clone(), null, null);
        }
        catch (Exception error) when (error is JsonException or DecoderFallbackException)
        {
            return Failed(ApiError.Parse("JSON parse error - " + error.Message));
        }
    }

    private static RequestData ParseForm(byte[] body, MediaType type, int mostFields)
    {
        if (body.AsSpan().Count((byte)'&') >= mostFields) return Failed(TooManyFields());

        var fields = new Dictionary<string, string?>();
        foreach (var pair in Encoding.Latin1.GetString(body).Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var equals = pair.IndexOf('=');
            var name = equals < 0 ? pair : pair[..equals];
            fields[Decode(name, type)] = equals < 0 ? "" : Decode(pair[(equals + 1)..], type);
        }
        return Fields(fields);
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
        return (EncodingOf(type) ?? Encoding.UTF8).GetString(bytes, 0, length);
    }

    private static async Task<RequestData> ParseMultipartAsync(byte[] body, MediaType type, int mostFields, CancellationToken ct)
    {
        if (type.Boundary is not { Length: > 0 and <= 200 } boundary)
            return Failed(ApiError.Parse($"Multipart form parse error - Invalid boundary in multipart: {type.Boundary ?? "None"}"));

        // Django takes a body that was cut short for what is there; the reader wants the closing boundary.
        using var stream = new MemoryStream([.. body, .. Encoding.Latin1.GetBytes($"\r\n--{boundary}--\r\n")]);
        var reader = new MultipartReader(boundary, stream) { HeadersCountLimit = 16, HeadersLengthLimit = 8 * 1024, BodyLengthLimit = null };
        var fields = new Dictionary<string, string?>();
        var parts = 0;
        try
        {
            while (await reader.ReadNextSectionAsync(ct) is { } section)
            {
                if (++parts > mostFields) return Failed(TooManyFields());
                if (!ContentDispositionHeaderValue.TryParse(section.ContentDisposition, out var disposition)) continue;
                if (HeaderUtilities.RemoveQuotes(disposition.Name).Value is not { Length: > 0 } name) continue;

                if (disposition.IsFileDisposition())
                {
                    fields[name] = null;
                    continue;
                }
                using var content = new StreamReader(section.Body, EncodingOf(type) ?? Encoding.UTF8, detectEncodingFromByteOrderMarks: false);
                fields[name] = await content.ReadToEndAsync(ct);
            }
        }
        catch (Exception error) when (error is IOException or InvalidDataException)
        {
            return Failed(ApiError.Parse("Multipart form parse error - " + error.Message));
        }
        return Fields(fields);
    }

    private static ApiError TooManyFields() =>
        ApiError.Parse("The number of GET/POST parameters exceeded settings.DATA_UPLOAD_MAX_NUMBER_FIELDS.");

    /// <summary>Null for UTF-8 and for names that nobody knows.</summary>
    private static Encoding? EncodingOf(MediaType type)
    {
        if (type.Charset is null || type.Charset.Equals("utf-8", StringComparison.OrdinalIgnoreCase)) return null;
        try
        {
            var name = type.Charset.ToLowerInvariant() is "latin-1" or "latin1" ? "iso-8859-1" : type.Charset;
            return Encoding.GetEncoding(name);
        }
        catch (ArgumentException)
        {
            return null;
        }
    }
}
