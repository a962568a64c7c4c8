using Dormouse.Protocol.Inference;
using Dormouse.Protocol.Problems;
using Dormouse.Worker.Pictures;

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
        Pictures = new PictureMemory(memoryMib, concurrency);
        Backlog = new AnswerBacklog(memoryMib, time);
        _gate = new RunGate(concurrency);
        _idle = new IdleTrim(() => _gate.Inside == 0, time);
        _time = time;
    }

    internal LoadedModel Model { get; }

    internal int MemoryMib { get; }

    /// <summary>Answers that are not read yet.</summary>
    internal AnswerBacklog Backlog { get; }

    internal PictureMemory Pictures { get; }

    /// <summary>
    /// Runs the model on what <paramref name="read"/> gives, which is part of the run, and lets <paramref name="answer"/> make the answer, whose bytes must be its own: the request and the engine's outputs are given back,
    /// and the place in the gate, before this returns.
    /// </summary>
    /// <exception cref="FailedRunException">The request or the run is at fault.</exception>
    internal async ValueTask<TAnswer> RunAsync<TAnswer>(Func<InferRequest> read, Func<ModelRun, TAnswer> answer, CancellationToken callerLeft)
    {
        await _gate.EnterAsync(callerLeft);
        try
        {
            await Backlog.WaitForRoomAsync(callerLeft);
            return Run(read, answer, callerLeft);
        }
        finally
        {
            _gate.Leave();
            _idle.Restart();
        }
    }

    private TAnswer Run<TAnswer>(Func<InferRequest> read, Func<ModelRun, TAnswer> answer, CancellationToken callerLeft)
    {
        var clock = RunClock.Start(Model.Threads, _time);
        try
        {
            using var request = read();
            using var run = ModelRun.Execute(Model, request, clock, callerLeft);
            return answer(run);
        }
        catch (InferenceException e)
        {
            throw new FailedRunException(e.Code, clock.Times, e);
        }
        catch (OutOfMemoryException e)
        {
            throw new FailedRunException(ProblemCode.MemoryExceeded, clock.Times, e);
        }
    }

    public void Dispose()
    {
        _idle.Dispose();
        _gate.Dispose();
        Model.Dispose();
    }
}
