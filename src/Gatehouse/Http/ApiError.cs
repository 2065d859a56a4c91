using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.Http;

/// <summary>An expected failure, answered as DRF's exception handler does. One factory for each kind fixes status and text.</summary>
public sealed class ApiError : IResult
{
    private const string Forbidden = "You do not have permission to perform this action.";

    private readonly Action<Utf8JsonWriter> body;

    private ApiError(int status, Action<Utf8JsonWriter> body)
    {
        Status = status;
        this.body = body;
    }

    /// <summary>The HTTP status.</summary>
    public int Status { get; }

    /// <summary>For the <c>WWW-Authenticate</c> header of a 401.</summary>
    internal string? Challenge { get; init; }

    /// <summary>For the <c>Retry-After</c> header, whole seconds.</summary>
    internal long? RetryAfter { get; init; }

    /// <summary><c>{"detail": …}</c> with any status.</summary>
    public static ApiError Detail(int status, string detail) => new(status, json =>
    {
        json.WriteStartObject();
        json.WriteString("detail", detail);
        json.WriteEndObject();
    });

    /// <summary>400 with messages by field (DRF <c>ValidationError</c>).</summary>
    public static ApiError Validation(IReadOnlyDictionary<string, IReadOnlyList<string>> errors) => new(StatusCodes.Status400BadRequest, json =>
    {
        json.WriteStartObject();
        foreach (var (field, messages) in errors)
        {
            json.WriteStartArray(field);
            foreach (var message in messages) json.WriteStringValue(message);
            json.WriteEndArray();
        }
        json.WriteEndObject();
    });

    /// <summary>400 with one field's one message.</summary>
    public static ApiError Validation(string field, string message) =>
        Validation(new Dictionary<string, IReadOnlyList<string>> { [field] = [message] });

    internal static ApiError Named(int status, string name, string text) => Named(status, (name, text));

    internal static ApiError Named(int status, params (string Name, string Text)[] members) => new(status, json =>
    {
        json.WriteStartObject();
        foreach (var (name, text) in members) json.WriteString(name, text);
        json.WriteEndObject();
    });

    internal static ApiError Parse(string message) => Detail(StatusCodes.Status400BadRequest, message);

    /// <summary>401 with the first scheme's challenge, or 403 where it has none (DRF <c>APIView.handle_exception</c>).</summary>
    internal static ApiError Unauthenticated(string detail, string? challenge) => Unauthenticated(Detail(0, detail).body, challenge);

    internal static ApiError Unauthenticated(Action<Utf8JsonWriter> body, string? challenge) =>
        challenge is null
            ? new ApiError(StatusCodes.Status403Forbidden, body)
            : new ApiError(StatusCodes.Status401Unauthorized, body) { Challenge = challenge };

    internal static ApiError PermissionDenied(string? message = null) =>
        Detail(StatusCodes.Status403Forbidden, message ?? Forbidden);

    /// <param name="more">Members beside the detail.</param>
    internal static ApiError PermissionDenied(Action<Utf8JsonWriter> more) => new(StatusCodes.Status403Forbidden, json =>
    {
        json.WriteStartObject();
        json.WriteString("detail", Forbidden);
        more(json);
        json.WriteEndObject();
    });

    internal static ApiError NotFound() => Detail(StatusCodes.Status404NotFound, "Not found.");

    internal static ApiError MethodNotAllowed(string method) =>
        Detail(StatusCodes.Status405MethodNotAllowed, $"Method \"{method}\" not allowed.");

    internal static ApiError NotAcceptable() =>
        Detail(StatusCodes.Status406NotAcceptable, "Could not satisfy the request Accept header.");

    internal static ApiError UnsupportedMediaType(string? type) =>
        Detail(StatusCodes.Status415UnsupportedMediaType, $"Unsupported media type \"{type}\" in request.");

    internal static ApiError TooLarge() =>
        Detail(StatusCodes.Status413PayloadTooLarge, "Request body exceeded settings.DATA_UPLOAD_MAX_MEMORY_SIZE.");

    /// <param name="wait">Until a request may succeed; null when that cannot be told.</param>
    internal static ApiError Throttled(TimeSpan? wait)
    {
        var seconds = wait is { } w ? (long)Math.Ceiling(w.TotalSeconds) : (long?)null;
        var text = "Request was throttled.";
        if (seconds is { } s) text += $" Expected available in {s} second{(s == 1 ? "" : "s")}.";
        return new ApiError(StatusCodes.Status429TooManyRequests, Detail(0, text).body) { RetryAfter = seconds };
    }

    internal static ApiError Unavailable(TimeSpan retryAfter) =>
        new(StatusCodes.Status503ServiceUnavailable, Detail(0, "Service temporarily unavailable, try again later.").body)
        {
            RetryAfter = Math.Max(1, (long)Math.Ceiling(retryAfter.TotalSeconds)),
        };

    /// <inheritdoc/>
    public async Task ExecuteAsync(HttpContext httpContext)
    {
        httpContext.Features.Get<HtmlRendering>()?.Prepare(httpContext);
        await BeforeResponse.RunAsync(httpContext);
        var headers = httpContext.Response.Headers;
        if (Challenge is not null) headers.WWWAuthenticate = Challenge;
        if (RetryAfter is { } seconds) headers.RetryAfter = seconds.ToString(System.Globalization.CultureInfo.InvariantCulture);
        await ApiJson.SendAsync(httpContext, Status, ApiJson.Bytes(body));
    }
}
