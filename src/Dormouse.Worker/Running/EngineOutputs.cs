using Dormouse.Protocol.Inference;
using Microsoft.ML.OnnxRuntime;

namespace Dormouse.Worker.Running;

/// <summary>What the engine gave in one run. Its memory goes back when everybody who shares it has disposed it.</summary>
internal sealed class EngineOutputs : IDisposable
{
    private readonly IDisposableReadOnlyCollection<OrtValue> _values;
    private int _owners = 1;

    private EngineOutputs(IDisposableReadOnlyCollection<OrtValue> values) => _values = values;

    internal IReadOnlyList<OrtValue> Values => _values;

    /// <summary>
    /// Runs the model on the calling thread. <paramref name="callerLeft"/> stops it inside the engine (then <see cref="OperationCanceledException"/>);
    /// a fault of the engine becomes an <see cref="InferenceException"/>.
    /// </summary>
    internal static EngineOutputs Run(LoadedModel model, InferRequest request, WantedOutputs wanted, CancellationToken callerLeft)
    {
        using var inputs = new RunInputs(request, model);
        using var options = new RunOptions();
        using var stop = callerLeft.UnsafeRegister(static state => ((RunOptions)state!).Terminate = true, options);
        try
        {
            return new EngineOutputs(model.Session.Run(options, inputs.Names, inputs.Values, wanted.EngineNames));
        }
        catch (OnnxRuntimeException) when (callerLeft.IsCancellationRequested)
        {
            throw new OperationCanceledException(callerLeft);
        }
        catch (OnnxRuntimeException e)
        {
            throw RunFault.Of(e, model);
        }
    }

    /// <summary>One more owner, who disposes it too.</summary>
    internal EngineOutputs Share()
    {
        Interlocked.Increment(ref _owners);
        return this;
    }

    public void Dispose()
    {
        if (Interlocked.Decrement(ref _owners) == 0)
        {
            _values.Dispose();
        }
    }
}
