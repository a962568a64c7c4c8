using System.Buffers;
using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Events;

namespace Dormouse.Core.Pipelines;

/// <summary>Reads and judges a definition: a JSON object with <c>steps</c> (name → step) and <c>output</c>.</summary>
public sealed class PipelineReader
{
    private const int DepthMax = 40;

    private static readonly string[] Keys = ["steps", "output"];

    private readonly ImmutableArray<string>.Builder _faults = ImmutableArray.CreateBuilder<string>();

    private PipelineReader()
    {
    }

    /// <summary>Null with at least one sentence when it is no pipeline; every fault at once, each with the key, the value and what is allowed.</summary>
    public static PipelineDefinition? Read(string json, out ImmutableArray<string> faults)
    {
        if (json.Length > PipelineLimits.TextMax)
        {
            faults = [$"pipeline has {json.Length} characters; at most {PipelineLimits.TextMax} are allowed."];
            return null;
        }

        try
        {
            using var document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = DepthMax });
            var reader = new PipelineReader();
            var definition = reader.Root(document.RootElement);
            faults = reader._faults.ToImmutable();
            return faults.IsEmpty ? definition : null;
        }
        catch (JsonException e)
        {
            faults = [$"pipeline is {JsonFault.Of(json, e, DepthMax)}."];
            return null;
        }
    }

    private PipelineDefinition? Root(JsonElement root)
    {
        if (root.ValueKind != JsonValueKind.Object)
        {
            _faults.Add("pipeline must be an object with 'steps'.");
            return null;
        }

        EventTemplate? output = null;
        var steps = new List<PipelineStep>();
        foreach (var member in root.EnumerateObject())
        {
            switch (member.Name)
            {
                case "steps" when member.Value.ValueKind == JsonValueKind.Object:
                    steps.AddRange(member.Value.EnumerateObject().Select(s => new StepReader(s.Name, _faults).Read(s.Value)));
                    break;
                case "steps":
                    _faults.Add("pipeline.steps must be an object of steps: name → what it calls.");
                    break;
                case "output":
                    output = Output(member.Value);
                    break;
                default:
                    _faults.Add($"pipeline has '{ShownText.Of(member.Name)}'; allowed are {string.Join(" and ", Keys)}.");
                    break;
            }
        }

        if (steps.Count is 0 or > PipelineLimits.StepsMax)
        {
            _faults.Add($"pipeline.steps has {steps.Count} steps; allowed are 1 to {PipelineLimits.StepsMax}.");
            return null;
        }

        foreach (var twice in steps.GroupBy(s => s.Name, StringComparer.Ordinal).Where(g => g.Count() > 1))
        {
            _faults.Add($"pipeline.steps has '{ShownText.Of(twice.Key)}' twice; each name is allowed once.");
        }

        Mentions(steps, output);
        return _faults.Count == 0 && Ordered(steps) is { } ordered ? new PipelineDefinition(Compact(root), ordered, output) : null;
    }

    private EventTemplate? Output(JsonElement value)
    {
        var output = EventTemplate.Parse(value.GetRawText(), out var fault);
        if (output is null)
        {
            _faults.Add($"pipeline.output: {fault}.");
        }
        else
        {
            foreach (var path in output.Paths.Where(p => StepPaths.Fault(p, inMap: false) is not null))
            {
                _faults.Add($"pipeline.output: {StepPaths.Fault(path, inMap: false)}.");
            }
        }

        return output;
    }

    /// <summary>Every step that something names must be there.</summary>
    private void Mentions(List<PipelineStep> steps, EventTemplate? output)
    {
        var names = steps.Select(s => s.Name).ToHashSet(StringComparer.Ordinal);
        var mentions = steps.SelectMany(s => s.After.Select(a => (At: $"pipeline.steps.{s.Name}", Name: a)))
            .Concat(output is null ? [] : StepPaths.Mentioned(output.Paths).Select(n => (At: "pipeline.output", Name: n)));
        foreach (var (at, name) in mentions.Where(m => !names.Contains(m.Name)).Distinct())
        {
            _faults.Add($"{at} names step '{ShownText.Of(name)}', which there is not; there are {string.Join(", ", names)}.");
        }
    }

    /// <summary>Each behind those it waits for; null when that cannot be.</summary>
    private ImmutableArray<PipelineStep>? Ordered(List<PipelineStep> steps)
    {
        var ordered = ImmutableArray.CreateBuilder<PipelineStep>(steps.Count);
        var placed = new HashSet<string>(StringComparer.Ordinal);
        while (ordered.Count < steps.Count)
        {
            var next = steps.Where(s => !placed.Contains(s.Name) && s.After.All(placed.Contains)).ToList();
            if (next.Count == 0)
            {
                _faults.Add($"pipeline.steps has a cycle: {Cycle(steps.Where(s => !placed.Contains(s.Name)).ToDictionary(s => s.Name, StringComparer.Ordinal))}. A step may only wait for steps that do not wait for it.");
                return null;
            }

            ordered.AddRange(next);
            placed.UnionWith(next.Select(s => s.Name));
        }

        return ordered.MoveToImmutable();
    }

    /// <summary>One cycle among steps each of which waits for another of them: from any step on, some name comes a second time.</summary>
    private static string Cycle(Dictionary<string, PipelineStep> left)
    {
        var walked = new List<string>();
        var at = left.Keys.First();
        while (!walked.Contains(at))
        {
            walked.Add(at);
            at = left[at].After.First(left.ContainsKey);
        }

        return string.Join(" waits for ", walked.SkipWhile(n => n != at).Append(at).Select(n => $"'{n}'"));
    }

    private static string Compact(JsonElement root)
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        using (var json = new Utf8JsonWriter(buffer))
        {
            root.WriteTo(json);
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }
}
