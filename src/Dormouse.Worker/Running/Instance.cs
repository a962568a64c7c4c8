using Dormouse.Protocol.Inference;

namespace Dormouse.Worker.Running;

/// <summary>A loaded model that serves: its guard, its clock and its idle rule.</summary>
internal sealed class Instance : IDisposable
{
    private readonly RunGate _gate;
    private readonly IdleTrim _idle;
    private readonly TimeProvider _time;

    /// <param name="memoryMib">The instance's memory limit.</param>
    internal Instance(LoadedModel model, int concurrency, int memoryMib, TimeProvider time)
    {
        Model = model;
        MemoryMib = memoryMib;
        _gate = new RunGate(concurrency);
        _idle = new IdleTrim(() => _gate.Inside == 0, time);
        _time = time;
    }

    internal LoadedModel Model { get; }

    internal int MemoryMib { get; }

    /// <summary>Runs the model; the place in the gate is given back before this returns, so it is free when the answer starts.</summary>
    internal async ValueTask<ModelRun> RunAsync(InferRequest request, CancellationToken callerLeft)
    {
        await _gate.EnterAsync(callerLeft);
        try
        {
            return ModelRun.Execute(Model, request, _time, callerLeft);
        }
        finally
        {
            _gate.Leave();
            _idle.Restart();
        }
    }

    public void Dispose()
    {
        _idle.Dispose();
        _gate.Dispose();
        Model.Dispose();
    }
}
