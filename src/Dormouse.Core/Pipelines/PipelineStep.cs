using System.Collections.Immutable;
using Dormouse.Core.Events;

namespace Dormouse.Core.Pipelines;

/// <summary>When a step that follows several others runs.</summary>
public enum StepJoin
{
    /// <summary>When none of them was skipped.</summary>
    All,

    /// <summary>When at least one of them was not.</summary>
    Any,
}

/// <summary>What becomes of the pipeline when a step fails.</summary>
public enum StepFailure
{
    /// <summary>It fails with it.</summary>
    Fail,

    /// <summary>It goes on: the step has an error instead of an output.</summary>
    Continue,
}

/// <param name="Attempts">In all, 1 (no other) to <see cref="PipelineLimits.AttemptsMax"/>.</param>
/// <param name="Delay">The longest pause before the second; doubled with each further one.</param>
public sealed record StepRetry(int Attempts, TimeSpan Delay)
{
    /// <summary>Full jitter, as the queue has it: anything up to the delay, doubled with each attempt up to <see cref="PipelineLimits.DelayMax"/>.</summary>
    /// <param name="attempts">Attempts so far, from 1.</param>
    /// <param name="random">0 to 1, 1 not included.</param>
    public TimeSpan Pause(int attempts, double random)
    {
        var longest = Delay * Math.Pow(2, Math.Clamp(attempts - 1, 0, PipelineLimits.AttemptsMax));
        return (longest < PipelineLimits.DelayMax ? longest : PipelineLimits.DelayMax) * random;
    }
}

/// <summary>One step of a pipeline: an endpoint that is called once, or once for each item of a list, when the steps before it have ended.</summary>
public sealed record PipelineStep
{
    /// <summary>A label, unique in its pipeline.</summary>
    public required string Name { get; init; }

    /// <summary>Of the pipeline's tenant.</summary>
    public required string Endpoint { get; init; }

    /// <summary>Number (<c>r3</c>) or tag; null = by traffic when the step runs.</summary>
    public string? Revision { get; init; }

    /// <summary>Path on the endpoint, with its query; null = where an input of its kind goes.</summary>
    public string? Path { get; init; }

    /// <summary>The steps that it waits for: those it names, and those its input, condition or list mention. In ordinal order.</summary>
    public ImmutableArray<string> After { get; init; } = [];

    public StepJoin Join { get; init; }

    /// <summary>The step is skipped unless the record fits; null = it is not.</summary>
    public EventPattern? When { get; init; }

    /// <summary>Path of the list for each of whose items the endpoint is called; null = it is called once.</summary>
    public EventTemplate? Map { get; init; }

    /// <summary>Calls of a mapped step that run at once, 1 to <see cref="PipelineLimits.CallsAtOnceMax"/>.</summary>
    public int AtOnce { get; init; } = PipelineLimits.AtOnceByDefault;

    /// <summary>What the endpoint gets; null = the item, or the output of the only step before it, or of several an object of their outputs, or without one what the pipeline got.</summary>
    public EventTemplate? Input { get; init; }

    public StepRetry Retry { get; init; } = new(1, TimeSpan.FromSeconds(1));

    /// <summary>Longest time of one attempt, its wait for a slot included; null = only what is left to the pipeline.</summary>
    public TimeSpan? Timeout { get; init; }

    public StepFailure OnError { get; init; }
}

/// <summary>Bounds of pipelines.</summary>
public static class PipelineLimits
{
    /// <summary>Runs of a pipeline at once on one server, when its user says nothing.</summary>
    public const int ConcurrencyByDefault = 64;

    public const int StepsMax = 64;

    /// <summary>Items of one list that a step is run for.</summary>
    public const int ItemsMax = 1_000;

    /// <summary>Calls of one run, those of pipelines within it included.</summary>
    public const int CallsMax = 10_000;

    /// <summary>Calls of one pipeline's run that run at once.</summary>
    public const int CallsAtOnceMax = 16;

    public const int AtOnceByDefault = 8;

    /// <summary>Pipelines that are within each other; the outermost counts.</summary>
    public const int DepthMax = 4;

    public const int AttemptsMax = 10;

    /// <summary>Characters of a definition.</summary>
    public const int TextMax = 64 << 10;

    /// <summary>Bytes of the outputs of a run's steps together, those of pipelines within it counted by themselves.</summary>
    public const long OutputBytesMax = 64L << 20;

    /// <summary>No pause between attempts is longer.</summary>
    public static readonly TimeSpan DelayMax = TimeSpan.FromMinutes(1);
}
