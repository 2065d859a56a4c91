using System.Globalization;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.Http;

/// <summary>Takes the fields that an operation wants out of a body and collects what is wrong with them (a DRF serializer).</summary>
internal sealed class ApiForm
{
    private const string NotText = "Not a valid string.";

    private readonly RequestData data;
    private readonly Dictionary<string, IReadOnlyList<string>> errors = [];

    private ApiForm(RequestData data) => this.data = data;

    /// <summary>What to answer, once all fields have been asked for; null when all are good.</summary>
    public ApiError? Error => errors.Count == 0 ? null : ApiError.Validation(errors);

    /// <returns>The form, or what to answer when the body cannot be one.</returns>
    public static async Task<(ApiForm Form, IResult? Error)> ReadAsync(HttpContext http, GatehouseOptions options)
    {
        var data = await RequestData.ReadAsync(http);
        var error = data.Error;
        if (data.Json is { ValueKind: not JsonValueKind.Object } json)
        {
            error = ApiError.Validation(options.RestFramework.NonFieldErrorsKey, json.ValueKind == JsonValueKind.Null
                ? "No data provided"
                : $"Invalid data. Expected a dictionary, but got {PythonType(json)}.");
        }
        return (new ApiForm(data), error);
    }

    /// <summary>Whether the field was sent at all: what PATCH leaves as it is was not.</summary>
    public bool Has(string field) => data.Form?.ContainsKey(field) ?? data.Json!.Value.TryGetProperty(field, out _);

    public void Fail(string field, params IReadOnlyList<string> messages) => errors[field] = messages;

    /// <summary>A text field (DRF <c>CharField</c>). Null when it is missing or wrong: then <see cref="Error"/> tells.</summary>
    /// <param name="field">Its name.</param>
    /// <param name="required">Missing is an error; when false, a missing field is the empty text.</param>
    /// <param name="trim">Leave out outer white space.</param>
    /// <param name="maxLength">In UTF-16 units.</param>
    /// <param name="before">Checks that come before the length, <paramref name="after"/> those that follow: each a message or null.</param>
    /// <param name="after">See <paramref name="before"/>.</param>
    /// <param name="notText">What is said of a list, an object, a truth value or a file.</param>
    public string? Text(
        string field, bool required = true, bool trim = true, int? maxLength = null, Func<string, string?>? before = null, Func<string, string?>? after = null,
        string notText = NotText)
    {
        var (text, wrong) = Raw(field, notText);
        if (wrong is null && text is null && required) wrong = "This field is required.";
        if (wrong is not null)
        {
            Fail(field, wrong);
            return null;
        }
        if (text is null) return "";
        if (trim) text = PythonText.Strip(text);
        if (text.Length == 0)
        {
            if (required) Fail(field, "This field may not be blank.");
            return required ? null : "";
        }

        var messages = new List<string>();
        var tooLong = text.Length > maxLength;
        // Length before content: no pattern runs over what is too long by far.
        if (!tooLong || text.Length <= 10_000) Add(before?.Invoke(text));
        if (tooLong) Add($"Ensure this field has no more than {maxLength} characters.");
        if (text.Contains('\0')) Add("Null characters are not allowed.");
        if (LoneSurrogate(text) is { } surrogate) Add($"Surrogate characters are not allowed: U+{(int)surrogate:X}.");
        if (!tooLong) Add(after?.Invoke(text));
        if (messages.Count == 0) return text;
        Fail(field, messages);
        return null;

        void Add(string? message)
        {
            if (message is not null) messages.Add(message);
        }
    }

    /// <summary>A text as it is, unchecked and untrimmed; null when there is none.</summary>
    public string? Loose(string field) => Raw(field).Text;

    /// <summary>An object as its JSON; in a form, the text that was sent. Null when there is none.</summary>
    public string? Json(string field) =>
        data.Json is { } json && json.TryGetProperty(field, out var value) && value.ValueKind == JsonValueKind.Object ? value.GetRawText() : Loose(field);

    private (string? Text, string? Wrong) Raw(string field, string notText = NotText)
    {
        if (data.Form is { } form)
            return form.TryGetValue(field, out var text) ? (text, text is null ? notText : null) : (null, null);
        if (!data.Json!.Value.TryGetProperty(field, out var value)) return (null, null);
        return value.ValueKind switch
        {
            JsonValueKind.String => (JsonText(value), null),
            JsonValueKind.Number => (PythonText.Number(value), null),
            JsonValueKind.Null => (null, "This field may not be null."),
            _ => (null, notText),
        };
    }

    /// <summary>A JSON string as it was sent: a lone surrogate, which JSON's escapes can write, is kept for the checks to refuse.</summary>
    internal static string JsonText(JsonElement value)
    {
        try
        {
            return value.GetString()!;
        }
        catch (InvalidOperationException)
        {
            var raw = value.GetRawText().AsSpan()[1..^1];
            var text = new StringBuilder(raw.Length);
            for (var i = 0; i < raw.Length; i++)
            {
                if (raw[i] != '\\')
                {
                    text.Append(raw[i]);
                    continue;
                }
                i++;
                text.Append(raw[i] switch
                {
                    'b' => '\b',
                    'f' => '\f',
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    'u' => (char)ushort.Parse(raw.Slice(i + 1, 4), NumberStyles.HexNumber, CultureInfo.InvariantCulture),
                    var other => other,
                });
                if (raw[i] == 'u') i += 4;
            }
            return text.ToString();
        }
    }

    internal static char? LoneSurrogate(string text)
    {
        for (var i = 0; i < text.Length; i++)
        {
            if (!char.IsSurrogate(text[i])) continue;
            if (i + 1 < text.Length && char.IsSurrogatePair(text[i], text[i + 1])) i++;
            else return text[i];
        }
        return null;
    }

    /// <summary>Python's name of the type, as DRF's message gives it.</summary>
    internal static string PythonType(JsonElement json) => json.ValueKind switch
    {
        JsonValueKind.Object => "dict",
        JsonValueKind.Array => "list",
        JsonValueKind.String => "str",
        JsonValueKind.True or JsonValueKind.False => "bool",
        JsonValueKind.Number => json.GetRawText().AsSpan().IndexOfAny('.', 'e', 'E') < 0 ? "int" : "float",
        _ => "NoneType",
    };
}
