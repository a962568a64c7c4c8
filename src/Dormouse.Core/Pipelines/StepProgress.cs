using System.Buffers;
using System.Collections.Immutable;
using System.Text.Json;
using Dormouse.Core.Events;

namespace Dormouse.Core.Pipelines;

/// <summary>Where a step of a run stands.</summary>
internal enum StepState
{
    /// <summary>For the steps before it.</summary>
    Waiting,

    /// <summary>Its calls are made.</summary>
    Open,
    Succeeded,
    Skipped,

    /// <summary>And the pipeline went on, or failed with it.</summary>
    Failed,
}

/// <summary>One step of one run. Owned by its <see cref="PipelineRun"/>.</summary>
internal sealed class StepProgress(PipelineStep step)
{
    private ImmutableArray<JsonElement> _items = [];
    private CallOutcome?[] _outcomes = [];
    private int _next;
    private int _ended;

    public PipelineStep Step => step;

    public StepState State { get; private set; }

    /// <summary>Of a step that succeeded.</summary>
    public StepData? Output { get; private set; }

    /// <summary>Of a step that failed.</summary>
    public CallFault? Fault { get; private set; }

    public int Running => _next - _ended;

    public bool HasEnded => State is StepState.Succeeded or StepState.Skipped or StepState.Failed;

    public JsonElement Item(int index) => _items[index];

    public void Skip() => State = StepState.Skipped;

    public void Fail(CallFault fault) => (State, Fault) = (StepState.Failed, fault);

    /// <param name="items">Null = one call.</param>
    public void Open(ImmutableArray<JsonElement>? items)
    {
        State = StepState.Open;
        _items = items ?? [];
        _outcomes = new CallOutcome?[items?.Length ?? 1];
        Settle();
    }

    /// <summary>The next call to be made: its index, 0 where there is no list; null = none now.</summary>
    public int? TakeNext() => State == StepState.Open && _next < _outcomes.Length && (step.Map is null || Running < step.AtOnce) ? _next++ : null;

    public void Ended(int index, CallOutcome outcome)
    {
        _ended++;
        _outcomes[index] = outcome;
        Settle();
    }

    public void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("state", State switch { StepState.Succeeded => "succeeded", StepState.Skipped => "skipped", _ => "failed" });
        if (Output is { } output)
        {
            DataJson.Write(json, output.Body, output.ContentType, "output", "output_base64");
        }

        if (Fault is { } fault)
        {
            json.WritePropertyName("error");
            Write(json, fault, null);
        }

        if (step.Map is not null && _outcomes.Any(o => o?.Fault is not null))
        {
            json.WriteStartArray("errors");
            for (var i = 0; i < _outcomes.Length; i++)
            {
                if (_outcomes[i]?.Fault is { } one)
                {
                    Write(json, one, i);
                }
            }

            json.WriteEndArray();
        }

        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, CallFault fault, int? index)
    {
        json.WriteStartObject();
        if (index is { } number)
        {
            json.WriteNumber("index", number);
        }

        json.WriteNumber("status", fault.Status);
        json.WriteString("detail", fault.Detail);
        json.WriteEndObject();
    }

    private void Settle()
    {
        if (_ended < _outcomes.Length)
        {
            return;
        }

        if (step.Map is not null)
        {
            (State, Output) = (StepState.Succeeded, List());
        }
        else if (_outcomes[0] is { Output: { } output })
        {
            (State, Output) = (StepState.Succeeded, output);
        }
        else
        {
            Fail(_outcomes[0]!.Fault!); // An outcome without an output has a fault, and every call has ended.
        }
    }

    /// <summary>The outputs in order of the items; null where one failed.</summary>
    private StepData List()
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartArray();
            foreach (var outcome in _outcomes)
            {
                if (outcome?.Output is { } output)
                {
                    DataJson.Write(json, output.Body, output.ContentType);
                }
                else
                {
                    json.WriteNullValue();
                }
            }

            json.WriteEndArray();
        }

        return new StepData(buffer.WrittenMemory, PipelineRun.Json);
    }
}
