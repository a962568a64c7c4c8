namespace Dormouse.Core.Pipelines;

/// <summary>What goes into a step or comes out of it, as it was sent.</summary>
public sealed record StepData(ReadOnlyMemory<byte> Body, string? ContentType);

/// <summary>Why a call failed after all its attempts.</summary>
/// <param name="Status">What the endpoint answered, or what stands for it; 400 or more.</param>
/// <param name="Detail">A sentence.</param>
/// <param name="IsRetryable">The same again can succeed without anybody changing anything.</param>
public sealed record CallFault(int Status, string Detail, bool IsRetryable)
{
    /// <summary>No instance had it: there was no slot.</summary>
    public bool IsNotBegun { get; init; }
}

/// <summary>How a call ended: an output or a fault.</summary>
public sealed record CallOutcome
{
    private CallOutcome(StepData? output, CallFault? fault) => (Output, Fault) = (output, fault);

    /// <summary>Null when it failed.</summary>
    public StepData? Output { get; }

    public CallFault? Fault { get; }

    public static CallOutcome Of(StepData output) => new(output, null);

    public static CallOutcome Of(CallFault fault) => new(null, fault);
}

/// <summary>One call of an endpoint that a run wants made.</summary>
/// <param name="Index">Which item of the list it is for, from 0; null = the step has none.</param>
public sealed record PipelineCall(PipelineStep Step, int? Index, StepData Input)
{
    /// <summary>The same in every run of the same definition with the same input: <c>step</c> or <c>step[3]</c>.</summary>
    public string Key => Index is { } index ? string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{Step.Name}[{index}]") : Step.Name;
}

/// <summary>How a run ended.</summary>
public abstract record PipelineEnd
{
    private PipelineEnd()
    {
    }

    public sealed record Answered(StepData Answer) : PipelineEnd;

    /// <param name="Key">Of the call, or the step's name where no call was made.</param>
    public sealed record Failed(PipelineStep Step, string Key, CallFault Fault) : PipelineEnd;
}
