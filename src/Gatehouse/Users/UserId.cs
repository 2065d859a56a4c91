using System.Buffers.Binary;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Gatehouse.Users;

/// <summary>The key of a user: a number, as in Django's own user table, or a UUID, where a project's user model has those.</summary>
[JsonConverter(typeof(UserIdJson))]
public readonly record struct UserId
{
    /// <summary>A number.</summary>
    public UserId(long number) => Number = number;

    /// <summary>A UUID.</summary>
    public UserId(Guid uuid) => Uuid = uuid;

    /// <summary>The number; 0 when the key is a UUID.</summary>
    public long Number { get; }

    /// <summary>The UUID; null when the key is a number.</summary>
    public Guid? Uuid { get; }

    /// <summary>For what is kept by user in memory.</summary>
    internal long Hash => Uuid is { } uuid ? BinaryPrimitives.ReadInt64LittleEndian(uuid.ToByteArray()) : Number;

    /// <summary>As Django writes it into sessions and tokens: digits, or a UUID in lower case with dashes.</summary>
    public override string ToString() => Uuid is { } uuid ? uuid.ToString("D") : Number.ToString(CultureInfo.InvariantCulture);

    /// <summary>Reads what <see cref="ToString"/> wrote; false for anything else.</summary>
    public static bool TryParse(string? text, out UserId id)
    {
        if (long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
        {
            id = new UserId(number);
            return true;
        }
        var ok = Guid.TryParseExact(text, "D", out var uuid);
        id = ok ? new UserId(uuid) : default;
        return ok;
    }
}

/// <summary>A number in JSON, or a text, as Django REST framework shows each kind of key.</summary>
internal sealed class UserIdJson : JsonConverter<UserId>
{
    public override UserId Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        reader.TokenType == JsonTokenType.Number ? new UserId(reader.GetInt64())
        : UserId.TryParse(reader.GetString(), out var id) ? id : throw new JsonException("A user's key is a number or a UUID.");

    public override void Write(Utf8JsonWriter writer, UserId value, JsonSerializerOptions options)
    {
        if (value.Uuid is { } uuid) writer.WriteStringValue(uuid);
        else writer.WriteNumberValue(value.Number);
    }
}
