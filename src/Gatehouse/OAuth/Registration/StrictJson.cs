using System.Text.Json;

namespace Gatehouse.OAuth.Registration;

/// <summary>JSON that means one thing only: no member twice, every text Unicode, no deeper than metadata ever is.</summary>
internal static class StrictJson
{
    private const int MaxDepth = 32;

    /// <returns>Null for anything else; never throws.</returns>
    public static JsonElement? Parse(ReadOnlyMemory<byte> utf8)
    {
        try
        {
            // A text that is none ("\ud800") shows only when it is read.
            var reader = new Utf8JsonReader(utf8.Span, new JsonReaderOptions { MaxDepth = MaxDepth });
            while (reader.Read())
                if (reader.TokenType is JsonTokenType.String or JsonTokenType.PropertyName) _ = reader.GetString();
            using var json = JsonDocument.Parse(utf8, new JsonDocumentOptions { MaxDepth = MaxDepth, AllowDuplicateProperties = false });
            return json.RootElement.Clone();
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    /// <returns>Null when it is no array, or something in it is no text.</returns>
    public static IReadOnlyList<string>? Texts(JsonElement value) =>
        value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(one => one.ValueKind == JsonValueKind.String)
            ? [.. value.EnumerateArray().Select(one => one.GetString()!)]
            : null;
}
