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
        Backlog = new AnswerBacklog(memoryMib, time);
        _gate = new RunGate(concurrency);
        _idle = new IdleTrim(() => _gate.Inside == 0, time);
        _time = time;
    }

    internal LoadedModel Model { get; }

    internal int MemoryMib { get; }

    /// <summary>Answers that are not read yet.</summary>
    internal AnswerBacklog Backlog { get; }

    /// <summary>
    /// Runs the model and lets <paramref name="answer"/> make the answer, whose bytes must be its own: the request and the engine's outputs are given back,
    /// and the place in the gate, before this returns.
    /// </summary>
    internal async ValueTask<TAnswer> RunAsync<TAnswer>(InferRequest request, Func<ModelRun, TAnswer> answer, CancellationToken callerLeft)
    {
        using (request)
        {
            await _gate.EnterAsync(callerLeft);
            try
            {
                await Backlog.WaitForRoomAsync(callerLeft);
                using var run = ModelRun.Execute(Model, request, _time, callerLeft);
                return answer(run);
            }
            finally
            {
                _gate.Leave();
                _idle.Restart();
            }
        }
    }

    public void Dispose()
    {
        _idle.Dispose();
        _gate.Dispose();
        Model.Dispose();
    }
}
