using System.Collections.Immutable;
using System.Text.Json;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Deploy;

/// <summary>Settings over settings: what the upper says counts, what it leaves out is the lower's. Of the environment and of secrets each entry counts by itself.</summary>
internal static class SettingsOverlay
{
    public static RevisionSettings Over(RevisionSettings upper, RevisionSettings lower)
    {
        // Through their document, so that no member can be forgotten here.
        var merged = Document(lower);
        foreach (var (name, value) in Document(upper))
        {
            merged[name] = value?.DeepClone();
        }

        var settings = merged.Deserialize(ControlJson.Default.RevisionSettings) ?? upper;
        return settings with
        {
            Environment = Entries(upper.Environment, lower.Environment),
            Secrets = Entries(upper.Secrets, lower.Secrets),
            SecretFiles = Entries(upper.SecretFiles, lower.SecretFiles),
        };
    }

    private static ImmutableSortedDictionary<string, string>? Entries(ImmutableSortedDictionary<string, string>? upper, ImmutableSortedDictionary<string, string>? lower)
    {
        var entries = (lower ?? ImmutableSortedDictionary<string, string>.Empty).SetItems(upper ?? ImmutableSortedDictionary<string, string>.Empty);
        return entries.IsEmpty ? null : entries;
    }

    private static System.Text.Json.Nodes.JsonObject Document(RevisionSettings settings)
    {
        var document = JsonSerializer.SerializeToNode(settings, ControlJson.Default.RevisionSettings)!.AsObject(); // Not null: settings are an object.
        foreach (var name in document.Where(m => m.Value is null).Select(m => m.Key).ToArray())
        {
            document.Remove(name);
        }

        return document;
    }
}
