using Dormouse.Protocol.Inference;
using Microsoft.ML.OnnxRuntime;

namespace Dormouse.Worker.Running;

/// <summary>One run of the model. Owns the engine's outputs: dispose it as soon as the answer has copies of them.</summary>
internal sealed class ModelRun : IDisposable
{
    private readonly IDisposableReadOnlyCollection<OrtValue> _values;

    private ModelRun(IDisposableReadOnlyCollection<OrtValue> values, RunTimes times)
    {
        _values = values;
        Times = times;
    }

    /// <summary>What it took, with what was read for it on the same clock.</summary>
    internal RunTimes Times { get; }

    /// <summary>The outputs asked for, in the order asked for.</summary>
    internal List<OutputTensor> Outputs { get; } = [];

    /// <summary>
    /// Runs the model on the calling thread. <paramref name="callerLeft"/> stops it inside the engine (then <see cref="OperationCanceledException"/>);
    /// a fault of the engine becomes an <see cref="InferenceException"/>.
    /// </summary>
    internal static ModelRun Execute(LoadedModel model, InferRequest request, RunClock clock, CancellationToken callerLeft)
    {
        var wanted = WantedOutputs.Of(model, request);
        using var inputs = new RunInputs(request, model);
        using var options = new RunOptions();
        using var stop = callerLeft.UnsafeRegister(static state => ((RunOptions)state!).Terminate = true, options);
        ModelRun run;
        try
        {
            var values = model.Session.Run(options, inputs.Names, inputs.Values, wanted.EngineNames);
            run = new ModelRun(values, clock.Times);
        }
        catch (OnnxRuntimeException) when (callerLeft.IsCancellationRequested)
        {
            throw new OperationCanceledException(callerLeft);
        }
        catch (OnnxRuntimeException e)
        {
            throw RunFault.Of(e, model);
        }

        try
        {
            wanted.Convert(run._values, run.Outputs);
            return run;
        }
        catch
        {
            run.Dispose();
            throw;
        }
    }

    public void Dispose() => _values.Dispose();
}
