using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Configuration;

namespace Gatehouse;

/// <summary>Options in .NET's own form: <c>Gatehouse</c> in appsettings.json, <c>Gatehouse__…</c> in the environment.</summary>
internal static class GatehouseConfiguration
{
    public static void Apply(IConfigurationSection section, GatehouseOptions options)
    {
        if (!section.Exists()) return;
        using var json = JsonDocument.Parse(Tree(section)!.ToJsonString());
        OptionsMapper.Apply(options, json.RootElement, "Gatehouse");
    }

    // Configuration is flat text; a section whose children are 0, 1, 2 … was a list.
    private static JsonNode? Tree(IConfigurationSection section)
    {
        var children = section.GetChildren().ToList();
        if (children.Count == 0) return section.Value is null ? null : JsonValue.Create(section.Value);
        if (children.Select((child, at) => child.Key == at.ToString(System.Globalization.CultureInfo.InvariantCulture)).All(same => same))
            return new JsonArray([.. children.Select(Tree)]);
        var tree = new JsonObject(children.Select(child => KeyValuePair.Create(child.Key, Tree(child))));
        if (!string.IsNullOrEmpty(section.Value)) tree[""] = section.Value;
        return tree;
    }
}
