using Dormouse.Protocol.Inference;
using Dormouse.Protocol.Problems;
using Dormouse.Worker.Batching;
using Dormouse.Worker.Pictures;

namespace Dormouse.Worker.Running;

/// <summary>A loaded model that serves: its guard, its clock and its idle rule.</summary>
internal sealed class Instance : IDisposable
{
    private readonly RunGate _gate;

    /// <summary>Reading that is part of a run (pictures): no more of it at once than runs.</summary>
    private readonly SemaphoreSlim _reading;

    /// <summary>Null where batching is off.</summary>
    private readonly BatchQueue? _batches;

    private readonly IdleTrim _idle;
    private readonly TimeProvider _time;

    /// <param name="load">How much at once.</param>
    /// <param name="memoryMib">The instance's memory limit.</param>
    internal Instance(LoadedModel model, InstanceLoad load, int memoryMib, TimeProvider time)
    {
        Model = model;
        MemoryMib = memoryMib;
        Pictures = new PictureMemory(memoryMib, load.RunsAtOnce);
        Backlog = new AnswerBacklog(memoryMib, time);
        _gate = new RunGate(load.Slots, load.InsideMax);
        _reading = new SemaphoreSlim(load.RunsAtOnce);
        _batches = load.BatchMax > 1 ? new BatchQueue(load.RunsAtOnce, load.BatchMax, load.BatchDelay, new BatchRunner(model, time).Run, time) : null;
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
            return _batches is { } batches
                ? await RunInBatchAsync(batches, read, answer, callerLeft)
                : Run(read, answer, callerLeft);
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

    private async ValueTask<TAnswer> RunInBatchAsync<TAnswer>(BatchQueue batches, Func<InferRequest> read, Func<ModelRun, TAnswer> answer, CancellationToken callerLeft)
    {
        var times = default(RunTimes);
        try
        {
            var (request, readTimes) = await ReadAsync(read, callerLeft);
            times = readTimes;
            using (request)
            {
                var item = new BatchItem(Model, request, readTimes, callerLeft);
                batches.Add(item);
                await using var left = callerLeft.UnsafeRegister(static state => ((LeavingItem)state!).Leave(), new LeavingItem(batches, item));
                using var run = await item.Ended;
                times = run.Times;
                return answer(run);
            }
        }
        catch (InferenceException e)
        {
            throw new FailedRunException(e.Code, times, e);
        }
        catch (OutOfMemoryException e)
        {
            throw new FailedRunException(ProblemCode.MemoryExceeded, times, e);
        }
    }

    private async ValueTask<(InferRequest Request, RunTimes Times)> ReadAsync(Func<InferRequest> read, CancellationToken callerLeft)
    {
        await _reading.WaitAsync(callerLeft);
        var clock = RunClock.Start(Model.Threads, _time);
        try
        {
            return (read(), clock.Times);
        }
        catch (InferenceException e)
        {
            throw new FailedRunException(e.Code, clock.Times, e);
        }
        finally
        {
            _reading.Release();
        }
    }

    private sealed record LeavingItem(BatchQueue Queue, BatchItem Item)
    {
        internal void Leave() => Queue.Leave(Item);
    }

    public void Dispose()
    {
        _batches?.Dispose();
        _reading.Dispose();
        _idle.Dispose();
        _gate.Dispose();
        Model.Dispose();
    }
}

/// <summary>How much an instance takes at once.</summary>
/// <param name="RunsAtOnce">Runs in the engine, at least 1.</param>
/// <param name="BatchMax">Rows of a run that invocations may share; 1 = none is shared.</param>
/// <param name="BatchDelay">How long a batch waits for more though a run is free.</param>
internal readonly record struct InstanceLoad(int RunsAtOnce, int BatchMax = 1, TimeSpan BatchDelay = default, int InsideMax = 0)
{
    /// <summary>Invocations that it is given at once.</summary>
    internal int Slots => RunsAtOnce * BatchMax;
}
