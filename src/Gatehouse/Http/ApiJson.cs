using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.Http;

/// <summary>A JSON answer as DRF's JSONRenderer writes it: compact, UTF-8 as it is, snake_case.</summary>
public sealed class ApiJson : IResult
{
    // More than any body that is read may have.
    private const int MaxDepth = 1000;

    internal static readonly JsonWriterOptions WriterOptions = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        MaxDepth = MaxDepth,
    };

    private readonly int status;
    private readonly ReadOnlyMemory<byte> utf8;

    internal ApiJson(int status, ReadOnlyMemory<byte> utf8)
    {
        this.status = status;
        this.utf8 = utf8;
    }

    /// <summary>How values become JSON. Anyone may pass it on to a source-generated context.</summary>
    public static JsonSerializerOptions SerializerOptions { get; } = new(JsonSerializerDefaults.Web)
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DictionaryKeyPolicy = null,
        MaxDepth = MaxDepth,
    };

    /// <summary>200 with <paramref name="value"/>.</summary>
    public static ApiJson Ok<T>(T value) => new(StatusCodes.Status200OK, JsonSerializer.SerializeToUtf8Bytes(value, SerializerOptions));

    /// <summary>201 with <paramref name="value"/>.</summary>
    public static ApiJson Created<T>(T value) => new(StatusCodes.Status201Created, JsonSerializer.SerializeToUtf8Bytes(value, SerializerOptions));

    /// <summary>An answer without a body: what DRF sends for a <c>Response()</c> without data.</summary>
    public static ApiJson Empty(int status = StatusCodes.Status200OK) => new(status, default);

    internal static ApiJson Ok<T>(T value, JsonTypeInfo<T> type) => new(StatusCodes.Status200OK, JsonSerializer.SerializeToUtf8Bytes(value, type));

    internal static ApiJson Created<T>(T value, JsonTypeInfo<T> type) =>
        new(StatusCodes.Status201Created, JsonSerializer.SerializeToUtf8Bytes(value, type));

    /// <summary>200 with <c>{"detail": …}</c>.</summary>
    internal static ApiJson Detail(string text) => Write(StatusCodes.Status200OK, json =>
    {
        json.WriteStartObject();
        json.WriteString("detail", text);
        json.WriteEndObject();
    });

    /// <summary>For what has no type of its own; <paramref name="write"/> is called once, now.</summary>
    internal static ApiJson Write(int status, Action<Utf8JsonWriter> write) => new(status, Bytes(write));

    internal static ReadOnlyMemory<byte> Bytes(Action<Utf8JsonWriter> write)
    {
        var buffer = new System.Buffers.ArrayBufferWriter<byte>(256);
        using (var writer = new Utf8JsonWriter(buffer, WriterOptions)) write(writer);
        return buffer.WrittenMemory;
    }

    /// <inheritdoc/>
    public async Task ExecuteAsync(HttpContext httpContext)
    {
        httpContext.Features.Get<HtmlRendering>()?.Prepare(httpContext);
        await BeforeResponse.RunAsync(httpContext);
        await SendAsync(httpContext, status, utf8);
    }

    internal static Task SendAsync(HttpContext http, int status, ReadOnlyMemory<byte> utf8)
    {
        if (http.Features.Get<HtmlRendering>() is { } page) return page.Send(http, status, utf8);

        var response = http.Response;
        response.StatusCode = status;
        response.ContentLength = utf8.Length;
        if (utf8.IsEmpty) return Task.CompletedTask;

        response.ContentType = "application/json";
        return response.BodyWriter.WriteAsync(utf8, http.RequestAborted).AsTask();
    }
}
