using System.Collections.Immutable;
using System.Globalization;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Dormouse.Server.Hosting.Settings;

/// <summary>
/// Reads <c>server.yaml</c>: sections with keys, scalars only. Kept apart from its callers so that the YAML library is loaded only when there is a file.
/// </summary>
internal static class YamlSettings
{
    /// <exception cref="ServerStartException">The text is no YAML, or not sections with plain values.</exception>
    public static ImmutableArray<Setting> Read(string text, string fileName)
    {
        var stream = new YamlStream();
        try
        {
            stream.Load(new StringReader(text));
        }
        catch (YamlException e)
        {
            throw Invalid($"{fileName} line {e.Start.Line} is not valid YAML: {e.Message}", e);
        }

        if (stream.Documents.Count == 0)
        {
            return [];
        }

        if (stream.Documents is not [{ RootNode: YamlMappingNode root }])
        {
            throw Invalid($"{fileName} must hold one mapping of sections, such as 'server:' with 'listen: http://127.0.0.1:8080' under it.");
        }

        var settings = ImmutableArray.CreateBuilder<Setting>();
        foreach (var (name, node) in root.Children)
        {
            AddSection(settings, Scalar(name, fileName), node, fileName);
        }

        return settings.ToImmutable();
    }

    private static void AddSection(ImmutableArray<Setting>.Builder settings, string section, YamlNode node, string fileName)
    {
        if (node is YamlScalarNode { Value: null or "" })
        {
            return;
        }

        if (node is YamlScalarNode { Value: { } text })
        {
            // A key outside of its section, or a section with a value: whoever knows the keys says which.
            settings.Add(new Setting(Setting.Canonical(section), section, text, $"{fileName} line {Line(node)}"));
            return;
        }

        if (node is not YamlMappingNode keys)
        {
            throw Invalid($"{fileName} line {Line(node)}: '{section}' is a section and holds a list; put keys with one value each under it, indented.");
        }

        foreach (var (name, value) in keys.Children)
        {
            var written = section + "." + Scalar(name, fileName);
            settings.Add(new Setting(Setting.Canonical(written), written, Scalar(value, fileName, written), $"{fileName} line {Line(value)}"));
        }
    }

    private static string Scalar(YamlNode node, string fileName, string? key = null) => node is YamlScalarNode { Value: { } value }
        ? value
        : throw Invalid($"{fileName} line {Line(node)}: {key ?? "a name"} is {(node is YamlMappingNode ? "a mapping" : "a list")}; one plain value is needed here.");

    private static string Line(YamlNode node) => node.Start.Line.ToString(CultureInfo.InvariantCulture);

    private static ServerStartException Invalid(string message, Exception? inner = null) => new(ServerStartFailure.Settings, message, inner);
}
