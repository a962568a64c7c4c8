using System.Globalization;
using System.Text.Json.Nodes;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Dormouse.Cli.Apply;

/// <summary>A YAML node as JSON: plain scalars become numbers, booleans and null by YAML's core schema, quoted ones stay text.</summary>
internal static class YamlJson
{
    public static JsonNode? Of(YamlNode node) => node switch
    {
        YamlMappingNode mapping => new JsonObject(mapping.Children.Select(c => KeyValuePair.Create(((c.Key as YamlScalarNode)?.Value) ?? "", Of(c.Value)))),
        YamlSequenceNode sequence => new JsonArray([.. sequence.Children.Select(Of)]),
        YamlScalarNode { Style: ScalarStyle.Plain } scalar => Plain(scalar.Value),
        YamlScalarNode scalar => JsonValue.Create(scalar.Value),
        _ => null,
    };

    private static JsonValue? Plain(string? text) => text switch
    {
        null or "" or "~" or "null" => null,
        "true" => JsonValue.Create(true),
        "false" => JsonValue.Create(false),
        _ when long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var whole) => JsonValue.Create(whole),
        // Words such as "nan" and "infinity" are no numbers in JSON: they stay text and are refused where a number is needed.
        _ when double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number) && !char.IsLetter(text[0]) => JsonValue.Create(number),
        _ => JsonValue.Create(text),
    };
}
