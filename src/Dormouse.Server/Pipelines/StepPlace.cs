using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Pipelines;

namespace Dormouse.Server.Pipelines;

/// <summary>Where a call stands: in which run of a pipeline, and how deep.</summary>
/// <param name="Run">What all calls of the outermost run share.</param>
/// <param name="Prefix">Of the keys of calls here: empty in the outermost pipeline, <c>outer/</c> in the one that its step <c>outer</c> calls.</param>
/// <param name="Depth">From 1.</param>
internal sealed record StepPlace(StepRun Run, string Prefix, int Depth)
{
    public string KeyOf(PipelineCall call) => Prefix + call.Key;

    /// <summary>Of a pipeline that this call calls.</summary>
    public StepPlace Inside(PipelineCall call) => new(Run, KeyOf(call) + "/", Depth + 1);
}

/// <summary>One run of a pipeline, with those within it.</summary>
/// <param name="trace">Headers by which those who trace see it and its calls as one.</param>
internal sealed class StepRun(InvocationId id, ImmutableArray<KeyValuePair<string, string>> trace, StepLog log)
{
    private int _calls;

    public InvocationId Id => id;

    public StepLog Log => log;

    public ImmutableArray<KeyValuePair<string, string>> Trace => trace;

    /// <summary>False when the run has made as many calls as it may.</summary>
    public bool TryCall() => Interlocked.Increment(ref _calls) <= PipelineLimits.CallsMax;
}
