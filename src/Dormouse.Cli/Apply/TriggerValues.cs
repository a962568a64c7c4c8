using Dormouse.Cli.Terminal;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Events;
using Dormouse.Protocol.Control;
using YamlDotNet.RepresentationModel;

namespace Dormouse.Cli.Apply;

/// <param name="Node">Where it stands in the file.</param>
internal sealed record WantedTrigger(string Name, TriggerRequest Request, YamlNode Node);

/// <summary>Reads <c>triggers</c> of <c>dormouse.yaml</c>.</summary>
internal sealed class TriggerValues(YamlPlaces places, YamlValues values)
{
    private static readonly string[] Keys = ["kind", "endpoint", "source", "filter", "input", "batch_size", "batch_window", "paused"];

    public IEnumerable<WantedTrigger> Triggers(YamlNode node)
    {
        foreach (var (name, nameNode, body) in values.Entries(node, "triggers"))
        {
            var path = "triggers." + name;
            if (EndpointName.LabelRefusal(name) is { } refusal)
            {
                places.Add(nameNode, path, refusal);
            }

            var request = new TriggerRequest { Kind = "", Endpoint = "" };
            foreach (var (key, keyNode, value) in values.Entries(body, path))
            {
                request = Member(request, key, keyNode, value, path + "." + key);
            }

            foreach (var (key, text) in new[] { ("kind", request.Kind), ("endpoint", request.Endpoint) })
            {
                if (text.Length == 0 && body is YamlMappingNode)
                {
                    places.Add(body, path + "." + key, "Missing: it must be there.");
                }
            }

            yield return new WantedTrigger(name, request, nameNode);
        }
    }

    private TriggerRequest Member(TriggerRequest request, string key, YamlNode keyNode, YamlNode value, string at)
    {
        switch (key)
        {
            case "kind":
                return request with { Kind = values.Text(value, at) ?? "?" };
            case "endpoint":
                return request with { Endpoint = values.Text(value, at) ?? "?" };
            case "source":
                return request with { Source = values.Texts(value, at) };
            case "filter":
                return request with { Filter = Json(value, at, text => EventPattern.Parse(text, out var fault) is null ? fault : null) };
            case "input":
                return request with { Input = Json(value, at, text => EventTemplate.Parse(text, out var fault) is null ? fault : null) };
            case "batch_size":
                return request with { BatchSize = values.Whole(value, at) };
            case "batch_window":
                return request with { BatchWindow = values.Text(value, at) };
            case "paused":
                return request with { Paused = values.Flag(value, at) };
            default:
                places.Add(keyNode, at, "Unknown key." + Suggestions.Question(key, Keys));
                return request;
        }
    }

    private string Json(YamlNode value, string at, Func<string, string?> check)
    {
        var text = YamlJson.Of(value)?.ToJsonString() ?? "null";
        if (check(text) is { } fault)
        {
            places.Add(value, at, fault + ".");
        }

        return text;
    }
}
