using Dormouse.Protocol.Inference;

namespace Dormouse.Worker.Running;

/// <summary>One invocation's run of the model. Owns the engine's outputs, or shares them: dispose it once, as soon as the answer has copies of them.</summary>
/// <param name="times">What it took, with what was read for it.</param>
/// <param name="rows">Its rows of the outputs; null = all.</param>
/// <param name="batch">Null where batching is off.</param>
internal sealed class ModelRun(EngineOutputs outputs, WantedOutputs wanted, RunTimes times, RowRange? rows = null, BatchPart? batch = null) : IDisposable
{
    internal RunTimes Times => times;

    internal BatchPart? Batch => batch;

    /// <summary>Runs the model on the calling thread (<see cref="EngineOutputs.Run"/>).</summary>
    internal static ModelRun Execute(LoadedModel model, InferRequest request, RunClock clock, CancellationToken callerLeft)
    {
        var wanted = WantedOutputs.Of(model, request);
        var outputs = EngineOutputs.Run(model, request, wanted, callerLeft);
        return new ModelRun(outputs, wanted, clock.Times);
    }

    /// <summary>The outputs asked for, in the order asked for; their memory is the engine's.</summary>
    internal List<OutputTensor> Outputs() => wanted.Convert(outputs.Values, rows);

    public void Dispose() => outputs.Dispose();
}

/// <summary>Rows of an output that belong to one invocation.</summary>
/// <param name="All">The first dimension of the output.</param>
internal readonly record struct RowRange(long First, long Count, long All);

/// <summary>An invocation's part in a run that others may share.</summary>
/// <param name="Rows">Rows of the whole run; 0 when its inputs have none.</param>
/// <param name="WaitMicroseconds">From the moment it was read to the beginning of the run.</param>
/// <param name="IsFirst">One of each run is: it counts the run.</param>
internal sealed record BatchPart(long Rows, long WaitMicroseconds, bool IsFirst);
