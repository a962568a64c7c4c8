using System.Collections.Immutable;
using System.Globalization;
using Dormouse.Protocol.Control;
using YamlDotNet.RepresentationModel;

namespace Dormouse.Cli.Apply;

/// <summary>Reads values of a YAML file by their kind. What is none becomes a mistake with its place, and null.</summary>
internal sealed class YamlValues(YamlPlaces places)
{
    public string? Text(YamlNode node, string at) => node is YamlScalarNode { Value: { Length: > 0 } value } ? value : Refuse(node, at, "A text is needed here.");

    public int? Whole(YamlNode node, string at)
    {
        if (node is YamlScalarNode { Value: var text } && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value))
        {
            return value;
        }

        Refuse(node, at, "A whole number is needed here.");
        return null;
    }

    public ImmutableArray<string>? List(YamlNode node, string at)
    {
        if (node is YamlSequenceNode list)
        {
            return [.. list.Children.Select(c => Text(c, at)).OfType<string>()];
        }

        Refuse(node, at, "A list of texts is needed here.");
        return null;
    }

    public ConcurrencySetting? Concurrency(YamlNode node, string at)
    {
        if (node is YamlScalarNode { Value: { } text } && ConcurrencySetting.Parse(text) is { } value)
        {
            return value;
        }

        Refuse(node, at, $"A whole number, '{ConcurrencySetting.AutoText}' or '{ConcurrencySetting.UnlimitedText}' is needed here.");
        return null;
    }

    public double? Number(YamlNode node, string at)
    {
        if (node is YamlScalarNode { Value: var text } && double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var value))
        {
            return value;
        }

        Refuse(node, at, "A number is needed here.");
        return null;
    }

    public bool? Flag(YamlNode node, string at)
    {
        if (node is YamlScalarNode { Value: "true" or "false" } scalar)
        {
            return scalar.Value == "true";
        }

        Refuse(node, at, "true or false is needed here.");
        return null;
    }

    public IEnumerable<(string Key, YamlNode KeyNode, YamlNode Value)> Entries(YamlNode node, string at)
    {
        if (node is not YamlMappingNode mapping)
        {
            places.Add(node, at, "A mapping (key: value) is needed here.");
            yield break;
        }

        foreach (var (keyNode, value) in mapping.Children)
        {
            if (keyNode is YamlScalarNode { Value: { Length: > 0 } key })
            {
                yield return (key, keyNode, value);
            }
            else
            {
                places.Add(keyNode, at, "A key must be a word.");
            }
        }
    }

    public ImmutableSortedDictionary<string, string> Texts(YamlNode node, string at)
    {
        var texts = ImmutableSortedDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        foreach (var (key, _, value) in Entries(node, at))
        {
            if (Text(value, at + "." + key) is { } text)
            {
                texts[key] = text;
            }
        }

        return texts.ToImmutable();
    }

    /// <summary>A list of NAME or VARIABLE=NAME, or a mapping of VARIABLE: NAME.</summary>
    public ImmutableSortedDictionary<string, string>? Secrets(YamlNode node, string at) =>
        node is YamlMappingNode ? Texts(node, at) : List(node, at) is { } list ? Deploy.SecretOptions.Pairs(list) : null;

    private string? Refuse(YamlNode node, string at, string sentence)
    {
        places.Add(node, at, sentence + (node is YamlScalarNode { Value: { } value } ? $" It is '{value}'." : ""));
        return null;
    }
}
