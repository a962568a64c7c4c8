using Dormouse.Cli.Terminal;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Dormouse.Cli.Apply;

/// <summary>Collects what is wrong in a YAML file, each with file, line and key; all is told at once.</summary>
internal sealed class YamlPlaces(string file)
{
    private readonly List<(long Line, string Text)> _errors = [];

    public void Add(YamlNode node, string key, string sentence) =>
        _errors.Add((node.Start.Line, $"{file}:{node.Start.Line}: {(key.Length == 0 ? "" : key + ": ")}{sentence.ReplaceLineEndings(" ")}"));

    /// <summary>A mistake in a value of an endpoint.</summary>
    public void Add(WantedEndpoint endpoint, string key, string sentence) => Add(endpoint.Nodes[key], endpoint.Path + "." + key, sentence);

    public void ThrowIfAny()
    {
        if (_errors.Count > 0)
        {
            throw new CommandException(ExitCodes.Refused, "file_invalid", string.Join(Environment.NewLine, _errors.OrderBy(e => e.Line).Select(e => e.Text)));
        }
    }

    /// <summary>The file's one document; not YAML, out of bounds, empty or several documents end here.</summary>
    public static YamlNode Load(string file, string text)
    {
        var stream = new YamlStream();
        try
        {
            YamlBounds.Check(text);
            stream.Load(new StringReader(text));
        }
        catch (YamlException e)
        {
            throw new CommandException(ExitCodes.Refused, "file_invalid", $"{file}:{e.Start.Line}: {e.Message}");
        }

        if (stream.Documents is not [{ RootNode: var root } document])
        {
            throw new CommandException(ExitCodes.Refused, "file_invalid", $"{file} holds {stream.Documents.Count} YAML documents; exactly one is needed.");
        }

        return document.AllNodes.OfType<YamlMappingNode>().SelectMany(m => m.Children.Keys).FirstOrDefault(k => k is not YamlScalarNode) is { } key
            ? throw new CommandException(ExitCodes.Refused, "file_invalid", $"{file}:{key.Start.Line}: A key is {(key is YamlMappingNode ? "a mapping" : "a list")}; it must be plain text.")
            : root;
    }
}
