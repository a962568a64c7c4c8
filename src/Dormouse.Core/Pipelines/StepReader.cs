using System.Collections.Immutable;
using System.Text.Json;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Events;

namespace Dormouse.Core.Pipelines;

/// <summary>Reads and judges one step. What is wrong with it is added to the faults of all.</summary>
internal sealed class StepReader(string name, ImmutableArray<string>.Builder faults)
{
    private static readonly string[] Keys = ["endpoint", "revision", "path", "after", "join", "when", "map", "at_once", "input", "retry", "timeout", "on_error"];

    private readonly string _at = "pipeline.steps." + ShownText.Of(name);
    private readonly SortedSet<string> _after = new(StringComparer.Ordinal);
    private PipelineStep _step = new() { Name = name, Endpoint = "" };

    public PipelineStep Read(JsonElement body)
    {
        if (EndpointName.LabelRefusal(name) is { } refusal)
        {
            faults.Add($"{_at}: {refusal}");
        }

        if (body.ValueKind != JsonValueKind.Object)
        {
            faults.Add($"{_at} must be an object with 'endpoint'.");
            return _step;
        }

        var hasMap = body.TryGetProperty("map", out _);
        foreach (var member in body.EnumerateObject())
        {
            Member(member.Name, member.Value, hasMap);
        }

        if (_step.Endpoint.Length == 0 && !body.TryGetProperty("endpoint", out _))
        {
            faults.Add($"{_at}.endpoint is missing: name the endpoint that the step calls.");
        }

        if (!hasMap && body.TryGetProperty("at_once", out _))
        {
            faults.Add($"{_at}.at_once means nothing without 'map'.");
        }

        return _step with { After = [.. _after] };
    }

    private void Member(string key, JsonElement value, bool hasMap)
    {
        switch (key)
        {
            case "endpoint":
                _step = _step with { Endpoint = Text(key, value) };
                if (EndpointName.Refusal(_step.Endpoint) is { } refusal)
                {
                    faults.Add($"{_at}.endpoint: {refusal}");
                }

                break;
            case "revision":
                _step = _step with { Revision = Text(key, value) };
                break;
            case "path":
                _step = _step with { Path = Text(key, value) };
                if (_step.Path is not ['/', ..] || _step.Path.Any(c => c is <= ' ' or > '~' or '#' or '\\'))
                {
                    faults.Add($"{_at}.path is '{ShownText.Of(_step.Path)}'; allowed is a path that begins with '/', percent-encoded, such as /classify?top=3.");
                }

                break;
            case "after":
                After(value);
                break;
            case "join":
                _step = _step with { Join = OneOf(key, value, "all", "any") == "any" ? StepJoin.Any : StepJoin.All };
                break;
            case "when":
                When(value);
                break;
            case "map":
                Map(value);
                break;
            case "at_once":
                _step = _step with { AtOnce = Count($"{_at}.at_once", value, PipelineLimits.CallsAtOnceMax) };
                break;
            case "input":
                _step = _step with { Input = Template(key, value, hasMap) };
                break;
            case "retry":
                Retry(value);
                break;
            case "timeout":
                _step = _step with { Timeout = Duration($"{_at}.timeout", value, TimeSpan.FromMilliseconds(1), TimeSpan.FromHours(24)) };
                break;
            case "on_error":
                _step = _step with { OnError = OneOf(key, value, "fail", "continue") == "continue" ? StepFailure.Continue : StepFailure.Fail };
                break;
            default:
                faults.Add($"{_at} has '{ShownText.Of(key)}'; allowed are {string.Join(", ", Keys)}.");
                break;
        }
    }

    private void After(JsonElement value)
    {
        var names = value.ValueKind == JsonValueKind.Array ? value.EnumerateArray().ToList() : [value];
        if (names.Any(n => n.ValueKind != JsonValueKind.String))
        {
            faults.Add($"{_at}.after is {Shown(value)}; allowed is the name of a step, or a list of names.");
            return;
        }

        _after.UnionWith(names.Select(n => n.GetString()!)); // A string's text is never null.
    }

    private void When(JsonElement value)
    {
        var pattern = EventPattern.Parse(value.GetRawText(), out var fault);
        _step = _step with { When = pattern };
        if (pattern is null)
        {
            faults.Add($"{_at}.when: {fault}.");
            return;
        }

        foreach (var member in value.EnumerateObject())
        {
            if (!StepPaths.IsMember(member.Name))
            {
                faults.Add($"{_at}.when has '{ShownText.Of(member.Name)}'; allowed are input and steps: what there is before the step runs.");
            }
        }

        if (value.TryGetProperty(StepPaths.Steps, out var steps) && steps.ValueKind == JsonValueKind.Object)
        {
            _after.UnionWith(steps.EnumerateObject().Select(s => s.Name));
        }
    }

    private void Map(JsonElement value)
    {
        var map = value.ValueKind == JsonValueKind.String ? Template("map", value, inMap: false) : null;
        if (map is null || !map.Paths.Any())
        {
            faults.Add($"{_at}.map is {Shown(value)}; allowed is the path of a list, such as $.input.images or $.steps.split.output.");
            return;
        }

        _step = _step with { Map = map };
    }

    private EventTemplate? Template(string key, JsonElement value, bool inMap)
    {
        var template = EventTemplate.Parse(value.GetRawText(), out var fault);
        if (template is null)
        {
            faults.Add($"{_at}.{key}: {fault}.");
            return null;
        }

        foreach (var path in template.Paths)
        {
            if (StepPaths.Fault(path, inMap) is { } wrong)
            {
                faults.Add($"{_at}.{key}: {wrong}.");
            }
        }

        _after.UnionWith(StepPaths.Mentioned(template.Paths));
        return template;
    }

    private void Retry(JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.Object)
        {
            faults.Add($"{_at}.retry is {Shown(value)}; allowed is an object of attempts and delay, such as {{\"attempts\": 3, \"delay\": \"1s\"}}.");
            return;
        }

        foreach (var member in value.EnumerateObject())
        {
            _step = member.Name switch
            {
                "attempts" => _step with { Retry = _step.Retry with { Attempts = Count($"{_at}.retry.attempts", member.Value, PipelineLimits.AttemptsMax) } },
                "delay" => _step with { Retry = _step.Retry with { Delay = Duration($"{_at}.retry.delay", member.Value, TimeSpan.Zero, PipelineLimits.DelayMax) } },
                _ => Unknown(member.Name),
            };
        }
    }

    private PipelineStep Unknown(string key)
    {
        faults.Add($"{_at}.retry has '{ShownText.Of(key)}'; allowed are attempts and delay.");
        return _step;
    }

    private string Text(string key, JsonElement value)
    {
        if (value.ValueKind == JsonValueKind.String && value.GetString() is { Length: > 0 } text)
        {
            return text;
        }

        faults.Add($"{_at}.{key} is {Shown(value)}; a text is needed.");
        return "?";
    }

    private string OneOf(string key, JsonElement value, params ReadOnlySpan<string> allowed)
    {
        if (value.ValueKind == JsonValueKind.String && allowed.Contains(value.GetString()!)) // A string's text is never null.
        {
            return value.GetString()!; // As above.
        }

        faults.Add($"{_at}.{key} is {Shown(value)}; allowed are '{string.Join("' and '", allowed)}'.");
        return allowed[0];
    }

    private int Count(string at, JsonElement value, int max)
    {
        if (value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var count) && count >= 1 && count <= max)
        {
            return count;
        }

        faults.Add($"{at} is {Shown(value)}; allowed is a whole number from 1 to {max}.");
        return 1;
    }

    private TimeSpan Duration(string at, JsonElement value, TimeSpan min, TimeSpan max)
    {
        if (value.ValueKind == JsonValueKind.String && Durations.TryParse(value.GetString(), out var time) && time >= min && time <= max)
        {
            return time;
        }

        faults.Add($"{at} is {Shown(value)}; allowed is {Durations.Forms}, from {Durations.Format(min)} to {Durations.Format(max)}.");
        return max;
    }

    private static string Shown(JsonElement value) => ShownText.Of(value.GetRawText());
}
