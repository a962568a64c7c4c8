using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json.Nodes;
using Dormouse.Protocol.Signatures;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Dormouse.Server.Deploying;

/// <summary>A signature as its author writes it: YAML (JSON is a part of YAML) to the canonical JSON that is stored.</summary>
internal static class SignatureText
{
    private const int CharactersMax = 4 << 20;
    private const int DepthMax = 16;

    /// <summary>Null and sentences when the text is no signature.</summary>
    public static string? ToJson(string text, out ImmutableArray<string> errors)
    {
        if (text.Length > CharactersMax)
        {
            errors = [$"The signature has {text.Length:N0} characters; at most {CharactersMax:N0} are allowed."];
            return null;
        }

        JsonNode? json;
        try
        {
            var stream = new YamlStream();
            stream.Load(new StringReader(text));
            if (stream.Documents.Count != 1)
            {
                errors = [$"The signature holds {stream.Documents.Count} YAML documents; one is needed."];
                return null;
            }

            json = Node(stream.Documents[0].RootNode, 0);
        }
        catch (YamlException e)
        {
            errors = [$"The signature is not valid YAML at line {e.Start.Line}: {e.Message}"];
            return null;
        }

        var signature = SignatureRules.Parse(json?.ToJsonString() ?? "null", out errors);
        return signature is null ? null : SignatureRules.ToJson(signature);
    }

    private static JsonNode? Node(YamlNode node, int depth)
    {
        if (depth > DepthMax)
        {
            throw new YamlException(node.Start, node.End, $"It is nested deeper than {DepthMax}.");
        }

        return node switch
        {
            YamlMappingNode mapping => new JsonObject(mapping.Children.Select(pair =>
                KeyValuePair.Create(pair.Key is YamlScalarNode { Value: { } key } ? key : throw new YamlException(pair.Key.Start, pair.Key.End, "A key must be plain text."), Node(pair.Value, depth + 1)))),
            YamlSequenceNode sequence => new JsonArray([.. sequence.Children.Select(child => Node(child, depth + 1))]),
            YamlScalarNode scalar => Scalar(scalar),
            _ => throw new YamlException(node.Start, node.End, "It holds something that is neither text, a list nor a mapping."),
        };
    }

    /// <summary>Quoted scalars are text; plain ones are what the JSON schema of YAML says.</summary>
    private static JsonValue? Scalar(YamlScalarNode scalar)
    {
        var value = scalar.Value ?? "";
        if (scalar.Style is not ScalarStyle.Plain)
        {
            return JsonValue.Create(value);
        }

        return value switch
        {
            "" or "~" or "null" => null,
            "true" => JsonValue.Create(true),
            "false" => JsonValue.Create(false),
            _ when long.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var whole) => JsonValue.Create(whole),
            _ when double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number) => JsonValue.Create(number),
            _ => JsonValue.Create(value),
        };
    }
}
