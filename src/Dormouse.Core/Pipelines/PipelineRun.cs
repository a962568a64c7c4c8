using System.Buffers;
using System.Collections.Immutable;
using System.Text.Json;
using Dormouse.Core.Events;

namespace Dormouse.Core.Pipelines;

/// <summary>
/// One run of a pipeline: says which calls may be made, is told how they ended, and says how the run ends. It makes no calls itself and knows no time. A run that is made anew with
/// the outcomes that were stored of an earlier one goes on where that one was: what each step gets follows from the definition, the pipeline's input and the outcomes alone.
/// </summary>
/// <param name="id">Of the run, for <c>$.run.id</c>.</param>
/// <param name="stored">Outcomes by <see cref="PipelineCall.Key"/>; these calls are not made again.</param>
/// <remarks>Not safe for several threads at once.</remarks>
public sealed class PipelineRun(PipelineDefinition definition, StepData input, string id, IReadOnlyDictionary<string, CallOutcome> stored)
{
    public const string Json = "application/json";

    private readonly ImmutableDictionary<string, StepProgress> _steps = definition.Steps.ToImmutableDictionary(s => s.Name, s => new StepProgress(s), StringComparer.Ordinal);
    private JsonDocument? _record;
    private PipelineEnd.Failed? _failure;
    private int _running;
    private long _outputBytes;

    /// <summary>Calls that were handed out and have not ended.</summary>
    public int Running => _running;

    /// <summary>It will fail: no further call is made, and those that run are of no use.</summary>
    public bool IsFailing => _failure is not null;

    /// <summary>How it ended; null while calls run or are to be made.</summary>
    public PipelineEnd? End => _running > 0 ? null : IsFailing ? _failure : _steps.Values.All(s => s.HasEnded) ? Answer() : null;

    /// <summary>The calls that may be made now. Each is handed out once.</summary>
    public ImmutableArray<PipelineCall> Begin()
    {
        var calls = ImmutableArray.CreateBuilder<PipelineCall>();
        for (var isMoving = true; isMoving && !IsFailing;)
        {
            isMoving = false;
            foreach (var progress in definition.Steps.Select(s => _steps[s.Name]))
            {
                isMoving |= progress.State == StepState.Waiting && progress.Step.After.All(a => _steps[a].HasEnded) && Open(progress);
                while (!IsFailing && _running < PipelineLimits.CallsAtOnceMax && progress.TakeNext() is { } index)
                {
                    var call = new PipelineCall(progress.Step, progress.Step.Map is null ? null : index, Input(progress, index));
                    _running++;
                    isMoving = true;
                    if (stored.TryGetValue(call.Key, out var known))
                    {
                        Ended(call, known);
                    }
                    else
                    {
                        calls.Add(call);
                    }
                }
            }
        }

        return calls.ToImmutable();
    }

    /// <summary>A call that was handed out has ended, with all its attempts.</summary>
    public void Ended(PipelineCall call, CallOutcome outcome)
    {
        _running--;
        if (IsFailing)
        {
            return;
        }

        var progress = _steps[call.Step.Name];
        _outputBytes += outcome.Output?.Body.Length ?? 0;
        if (_outputBytes > PipelineLimits.OutputBytesMax)
        {
            Refuse(progress, call.Key, $"the outputs of the run's steps have more than {PipelineLimits.OutputBytesMax >> 20} MiB together");
            return;
        }

        if (outcome.Fault is { } fault && call.Step.OnError == StepFailure.Fail)
        {
            progress.Fail(fault);
            _failure = new PipelineEnd.Failed(call.Step, call.Key, fault);
            return;
        }

        progress.Ended(call.Index ?? 0, outcome);
        if (progress.HasEnded)
        {
            Forget();
        }
    }

    /// <summary>Decides whether a step runs at all, and for which items. True: it did something.</summary>
    private bool Open(StepProgress progress)
    {
        var step = progress.Step;
        var skipped = step.After.Count(a => _steps[a].State == StepState.Skipped);
        if (skipped > 0 && (step.Join == StepJoin.All || skipped == step.After.Length))
        {
            progress.Skip();
        }
        else if (step.When is { } when && !when.Matches(Record()))
        {
            progress.Skip();
        }
        else if (step.Map is not { } map)
        {
            progress.Open(null);
            return true;
        }
        else
        {
            Open(progress, map);
        }

        if (progress.HasEnded)
        {
            Forget();
        }

        return true;
    }

    private void Open(StepProgress progress, EventTemplate map)
    {
        using var list = JsonDocument.Parse(Written(json => map.Write(json, Record())));
        var root = list.RootElement;
        if (root.ValueKind != JsonValueKind.Array)
        {
            Refuse(progress, progress.Step.Name, $"{map.Paths.First()} is {Kind(root.ValueKind)}; 'map' needs a list");
        }
        else if (root.GetArrayLength() > PipelineLimits.ItemsMax)
        {
            Refuse(progress, progress.Step.Name, $"{map.Paths.First()} has {root.GetArrayLength()} items; at most {PipelineLimits.ItemsMax} are run");
        }
        else
        {
            progress.Open([.. root.EnumerateArray().Select(e => e.Clone())]);
        }
    }

    /// <summary>The step cannot be run with what there is.</summary>
    private void Refuse(StepProgress progress, string key, string why)
    {
        var fault = new CallFault(422, why, IsRetryable: false);
        progress.Fail(fault);
        _failure = new PipelineEnd.Failed(progress.Step, key, fault);
    }

    private StepData Input(StepProgress progress, int index)
    {
        var step = progress.Step;
        if (step.Input is { } template)
        {
            var more = step.Map is null ? null : new Dictionary<string, JsonElement> { [StepPaths.Item] = progress.Item(index), [StepPaths.Index] = JsonElement.Parse(index.ToString(System.Globalization.CultureInfo.InvariantCulture)) };
            return new StepData(Written(json => template.Write(json, Record(), more)), Json);
        }

        return step switch
        {
            { Map: not null } => new StepData(Written(progress.Item(index).WriteTo), Json),
            { After: [] } => input,
            { After: [var only] } => _steps[only].Output ?? new StepData(Written(json => json.WriteNullValue()), Json),
            _ => new StepData(Written(json => WriteOutputs(json, step.After)), Json),
        };
    }

    private PipelineEnd.Answered Answer()
    {
        if (definition.Output is { } template)
        {
            return new PipelineEnd.Answered(new StepData(Written(json => template.Write(json, Record())), Json));
        }

        return new PipelineEnd.Answered(
            definition.Last is not [var only] ? new StepData(Written(json => WriteOutputs(json, definition.Last)), Json)
            : _steps[only].Output ?? new StepData(Written(json => json.WriteNullValue()), Json));
    }

    /// <summary>An object: name of a step → its output, or null.</summary>
    private void WriteOutputs(Utf8JsonWriter json, ImmutableArray<string> names)
    {
        json.WriteStartObject();
        foreach (var name in names)
        {
            json.WritePropertyName(name);
            if (_steps[name].Output is { } output)
            {
                DataJson.Write(json, output.Body, output.ContentType);
            }
            else
            {
                json.WriteNullValue();
            }
        }

        json.WriteEndObject();
    }

    /// <summary>What paths and conditions see. Steps that have not ended are not in it: nothing that runs now may see them.</summary>
    private JsonElement Record() => (_record ??= JsonDocument.Parse(Written(json =>
    {
        json.WriteStartObject();
        DataJson.Write(json, input.Body, input.ContentType, StepPaths.Input, StepPaths.InputBase64);
        json.WriteStartObject(StepPaths.Run);
        json.WriteString("id", id);
        json.WriteEndObject();
        json.WriteStartObject(StepPaths.Steps);
        foreach (var progress in definition.Steps.Select(s => _steps[s.Name]).Where(s => s.HasEnded))
        {
            json.WritePropertyName(progress.Step.Name);
            progress.Write(json);
        }

        json.WriteEndObject();
        json.WriteEndObject();
    }))).RootElement;

    private void Forget()
    {
        _record?.Dispose();
        _record = null;
    }

    private static ReadOnlyMemory<byte> Written(Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        using (var json = new Utf8JsonWriter(buffer))
        {
            write(json);
        }

        return buffer.WrittenMemory;
    }

    private static string Kind(JsonValueKind kind) => kind switch
    {
        JsonValueKind.Null or JsonValueKind.Undefined => "null, or not there",
        JsonValueKind.Object => "an object",
        JsonValueKind.String => "a text",
        JsonValueKind.Number => "a number",
        _ => "true or false",
    };
}
