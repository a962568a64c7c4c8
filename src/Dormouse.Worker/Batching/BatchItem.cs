using Dormouse.Protocol.Inference;
using Dormouse.Worker.Running;

namespace Dormouse.Worker.Batching;

/// <summary>One invocation that may share a run: read and checked, so that nothing of it can spoil its neighbours before the run.</summary>
internal sealed class BatchItem
{
    private readonly TaskCompletionSource<ModelRun> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <param name="request">Must stay until <see cref="Ended"/>.</param>
    /// <param name="readTimes">What reading it has used.</param>
    internal BatchItem(LoadedModel model, InferRequest request, RunTimes readTimes, CancellationToken callerLeft)
    {
        Request = request;
        ReadTimes = readTimes;
        CallerLeft = callerLeft;
        Wanted = WantedOutputs.Of(model, request);
        Rows = RowsOf(request);
    }

    internal InferRequest Request { get; }

    internal WantedOutputs Wanted { get; }

    internal RunTimes ReadTimes { get; }

    internal CancellationToken CallerLeft { get; }

    /// <summary>First dimension of every input; 0 when it cannot be joined with another: no inputs, an empty one, a scalar, or inputs that differ in it.</summary>
    internal long Rows { get; }

    /// <summary>Timestamp of its arrival at the queue.</summary>
    internal long JoinedAt { get; set; }

    /// <summary>Its run, whose outputs must be disposed, or how it failed; cancelled when its caller left in time.</summary>
    internal Task<ModelRun> Ended => _ended.Task;

    /// <summary>Both can be rows of one run: the same inputs of the same types and, but for the first dimension, the same shapes, and the same outputs.</summary>
    internal bool Fits(BatchItem other)
    {
        if (Request.Inputs.Count != other.Request.Inputs.Count || !Wanted.EngineNames.SequenceEqual(other.Wanted.EngineNames))
        {
            return false;
        }

        foreach (var input in Request.Inputs)
        {
            if (other.Input(input.Name) is not { } twin || twin.Datatype != input.Datatype || !twin.Shape.AsSpan(1).SequenceEqual(input.Shape.AsSpan(1)))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>By name: requests may list their inputs in any order.</summary>
    internal InputTensor? Input(string name)
    {
        foreach (var input in Request.Inputs)
        {
            if (input.Name == name)
            {
                return input;
            }
        }

        return null;
    }

    internal void Succeed(ModelRun run)
    {
        if (!_ended.TrySetResult(run))
        {
            run.Dispose();
        }
    }

    internal void Fail(Exception fault) => _ended.TrySetException(fault);

    internal void Leave() => _ended.TrySetCanceled(CallerLeft);

    private static long RowsOf(InferRequest request)
    {
        var rows = 0L;
        foreach (var input in request.Inputs)
        {
            if (input.Shape is not [> 0 and var first, ..] || (rows != 0 && first != rows))
            {
                return 0;
            }

            rows = first;
        }

        return rows;
    }
}
