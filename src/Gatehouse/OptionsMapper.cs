using System.Collections;
using System.Globalization;
using System.Reflection;
using System.Text.Json;
using System.Xml;

namespace Gatehouse;

/// <summary>
/// Puts values from JSON into options by one rule: underscores drop out and case does not matter. What is not known or does not fit stops
/// the start.
/// </summary>
internal static class OptionsMapper
{
    /// <summary>Sets each member of <paramref name="source"/> on <paramref name="target"/>.</summary>
    /// <exception cref="SettingException">A name is not known, or a value does not fit; the message says what to write.</exception>
    public static void Apply(object target, JsonElement source, string path)
    {
        if (source.ValueKind != JsonValueKind.Object) throw new SettingException($"{path} must be an object of settings.");
        foreach (var member in source.EnumerateObject()) Set(target, member.Name, member.Value, $"{path}: {member.Name}");
    }

    /// <summary>Sets one property, found by its squeezed name.</summary>
    public static void Set(object target, string name, JsonElement value, string path)
    {
        var properties = target.GetType().GetProperties(BindingFlags.Public | BindingFlags.Instance);
        var property = Array.Find(properties, one => Squeeze(one.Name) == Squeeze(name))
            ?? throw new SettingException($"{path} is not a setting of this version. Take it out, or write one of {string.Join(", ", properties.Select(one => one.Name))}.");

        if (property.SetMethod is null) Apply(property.GetValue(target)!, value, path);
        else property.SetValue(target, Convert(value, property.PropertyType, path));
    }

    public static string Squeeze(string name) => name.Replace("_", "", StringComparison.Ordinal).ToUpperInvariant();

    private static object? Convert(JsonElement value, Type type, string path)
    {
        if (Nullable.GetUnderlyingType(type) is { } inner) return value.ValueKind == JsonValueKind.Null ? null : Convert(value, inner, path);
        if (type == typeof(string))
        {
            return value.ValueKind switch
            {
                JsonValueKind.Null => "",
                JsonValueKind.String => value.GetString(),
                _ => throw Wrong(value, path, "a text"),
            };
        }
        if (type == typeof(bool))
        {
            return value.ValueKind switch
            {
                JsonValueKind.True => true,
                JsonValueKind.False => false,
                _ => bool.TryParse(Text(value), out var truth) ? truth : throw Wrong(value, path, "true or false"),
            };
        }
        if (type == typeof(int)) return int.TryParse(Text(value), CultureInfo.InvariantCulture, out var number) ? number : throw Wrong(value, path, "a whole number");
        if (type == typeof(TimeSpan)) return Duration(value) ?? throw Wrong(value, path, "seconds, hh:mm:ss or an ISO 8601 duration such as PT30M");
        if (type == typeof(DateTimeOffset)) return Moment(value) ?? throw Wrong(value, path, "a moment in UTC such as 2026-07-01T12:00:00Z");
        if (type.IsEnum)
        {
            return Text(value) is { } name && Enum.GetNames(type).FirstOrDefault(one => one.Equals(name, StringComparison.OrdinalIgnoreCase)) is { } known
                ? Enum.Parse(type, known)
                : throw Wrong(value, path, string.Join(" or ", Enum.GetNames(type)));
        }
        if (type == typeof(IDictionary<string, string?>) || type == typeof(IDictionary<string, string>))
        {
            if (value.ValueKind != JsonValueKind.Object) throw Wrong(value, path, "an object");
            return Flatten(value, "").ToDictionary(
                member => member.Name,
                member => member.Value.ValueKind == JsonValueKind.Null ? null! : Text(member.Value) ?? throw Wrong(member.Value, $"{path}: {member.Name}", "a text or number"));
        }
        if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IList<>))
        {
            // Flat configuration knows no empty list: [] arrives as an empty text.
            if (value.ValueKind == JsonValueKind.String && value.GetString()!.Length == 0) return Activator.CreateInstance(typeof(List<>).MakeGenericType(type.GetGenericArguments()[0]));
            if (value.ValueKind != JsonValueKind.Array) throw Wrong(value, path, "a list");
            var element = type.GetGenericArguments()[0];
            var list = (IList)Activator.CreateInstance(typeof(List<>).MakeGenericType(element))!;
            foreach (var (item, at) in value.EnumerateArray().Select((item, at) => (item, at))) list.Add(Convert(item, element, $"{path}[{at}]"));
            return list;
        }

        if (type.IsAssignableTo(typeof(Delegate)) || type == typeof(JsonSerializerOptions)) throw new SettingException($"{path} is code: set it where Gatehouse is added.");

        var made = Activator.CreateInstance(type)!;
        Apply(made, value, path);
        return made;
    }

    // .NET's configuration parts names at colons: the scope todos:read arrives as read within todos, and todos itself, if there is one, without a name.
    private static IEnumerable<(string Name, JsonElement Value)> Flatten(JsonElement value, string prefix) => value.EnumerateObject().SelectMany(member =>
        member.Value.ValueKind == JsonValueKind.Object ? Flatten(member.Value, $"{prefix}{member.Name}:")
        : [(member.Name.Length == 0 ? prefix.TrimEnd(':') : prefix + member.Name, member.Value)]);

    private static string? Text(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => value.GetString(),
        JsonValueKind.Number => value.GetRawText(),
        JsonValueKind.True => "true",
        JsonValueKind.False => "false",
        _ => null,
    };

    // With its zone: a moment that means another one on another machine is none.
    private static DateTimeOffset? Moment(JsonElement value) =>
        DateTimeOffset.TryParseExact(
            Text(value), ["yyyy-MM-dd'T'HH:mm:ss.FFFFFF'Z'", "yyyy-MM-dd'T'HH:mm:ss.FFFFFFzzz"], CultureInfo.InvariantCulture,
            DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var moment)
            ? moment
            : null;

    private static TimeSpan? Duration(JsonElement value)
    {
        if (Text(value) is not { } text) return null;
        if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var seconds))
            return Math.Abs(seconds) < TimeSpan.MaxValue.TotalSeconds ? TimeSpan.FromSeconds(seconds) : null;
        if (text.Contains(':')) return TimeSpan.TryParse(text, CultureInfo.InvariantCulture, out var clock) ? clock : null;
        try
        {
            return XmlConvert.ToTimeSpan(text);
        }
        catch (FormatException)
        {
            return null;
        }
    }

    // The value may be a secret: only its kind is told.
    private static SettingException Wrong(JsonElement value, string path, string wanted) => new($"{path} is {Kind(value)}; write {wanted}.");

    private static string Kind(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "a list",
        JsonValueKind.String => "a text that does not fit",
        JsonValueKind.Number => "a number that does not fit",
        JsonValueKind.Null => "null",
        _ => "a truth value",
    };
}
