using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Gatehouse.Jwt;

/// <summary>The claims of a token that is being made, in the order in which they are written.</summary>
public sealed class JwtClaims
{
    private static readonly JsonWriterOptions Writing = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly OrderedDictionary<string, object?> values = [];

    internal JwtClaims()
    {
    }

    /// <summary>Adds a claim, or changes it where it stands: a text, a number, a truth value, or anything that becomes JSON.</summary>
    public object? this[string name]
    {
        get => values.GetValueOrDefault(name);
        set => values[name] = value;
    }

    /// <summary>Takes a claim out.</summary>
    public bool Remove(string name) => values.Remove(name);

    /// <summary>Whether it is there, null or not.</summary>
    public bool Contains(string name) => values.ContainsKey(name);

    internal static JwtClaims Of(JsonElement claims)
    {
        var copy = new JwtClaims();
        foreach (var claim in claims.EnumerateObject()) copy[claim.Name] = claim.Value;
        return copy;
    }

    internal JwtClaims Without(HashSet<string> names, JwtClaims start)
    {
        foreach (var (name, value) in values)
            if (!names.Contains(name))
                start[name] = value;
        return start;
    }

    internal void WriteTo(Utf8JsonWriter json, JsonSerializerOptions? encoder)
    {
        json.WriteStartObject();
        foreach (var (name, value) in values)
        {
            json.WritePropertyName(name);
            switch (value)
            {
                case null: json.WriteNullValue(); break;
                case string text: json.WriteStringValue(text); break;
                case long number: json.WriteNumberValue(number); break;
                case int number: json.WriteNumberValue(number); break;
                case bool truth: json.WriteBooleanValue(truth); break;
                case JsonElement element: element.WriteTo(json); break;
                default: JsonSerializer.Serialize(json, value, encoder); break;
            }
        }
        json.WriteEndObject();
    }

    internal ReadOnlyMemory<byte> ToUtf8(JsonSerializerOptions? encoder)
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        using (var json = new Utf8JsonWriter(buffer, Writing)) WriteTo(json, encoder);
        return buffer.WrittenMemory;
    }
}
