using Dormouse.Protocol.Inference;
using Dormouse.Protocol.Problems;
using Dormouse.Worker.Running;

namespace Dormouse.Worker.Batching;

/// <summary>
/// Runs a batch and ends all its items. One that cannot run together, or whose outputs do not have the batch's rows, is repeated one by one, so that only the
/// item at fault fails.
/// </summary>
internal sealed class BatchRunner(LoadedModel model, TimeProvider time)
{
    private bool _hasToldUnsplit;

    /// <summary>Runs on the calling thread. Does not throw: faults end items.</summary>
    internal void Run(Batch batch)
    {
        var present = new List<BatchItem>(batch.Items.Count);
        foreach (var item in batch.Items)
        {
            if (item.CallerLeft.IsCancellationRequested)
            {
                item.Leave();
            }
            else
            {
                present.Add(item);
            }
        }

        try
        {
            if (present.Count > 1 && TryRunTogether(present))
            {
                return;
            }
        }
        catch (Exception fault) when (fault is InferenceException or OutOfMemoryException)
        {
            // One of them is at fault, or there is no room for all at once.
        }
        catch (OperationCanceledException)
        {
            // All left while it ran.
        }
        catch (Exception fault)
        {
            present.ForEach(item => item.Fail(fault));
            return;
        }

        foreach (var item in present)
        {
            RunAlone(item);
        }
    }

    /// <summary>False when the outputs cannot be told apart.</summary>
    private bool TryRunTogether(List<BatchItem> items)
    {
        var began = time.GetTimestamp();
        var clock = RunClock.Start(model.Threads, time);
        var rows = items.Sum(item => item.Rows);
        using var left = new LastCaller(items);
        EngineOutputs? outputs = null;
        try
        {
            using (var joined = BatchInputs.Join(items, rows))
            {
                outputs = EngineOutputs.Run(model, joined, items[0].Wanted, left.Token);
            }

            if (items[0].Wanted.WhyNotSplit(outputs, rows) is { } reason)
            {
                TellUnsplit(reason);
                return false;
            }

            var times = clock.Times;
            var first = 0L;
            foreach (var item in items)
            {
                // Not a microsecond of the engine's work counts twice; the wait for its end was everybody's.
                var own = new RunTimes(item.ReadTimes.RunMicroseconds + times.RunMicroseconds, item.ReadTimes.CpuMicroseconds + (times.CpuMicroseconds * item.Rows / rows));
                var part = new BatchPart(rows, Wait(item, began), IsFirst: first == 0);
                item.Succeed(new ModelRun(outputs.Share(), item.Wanted, own, new RowRange(first, item.Rows, rows), part));
                first += item.Rows;
            }

            return true;
        }
        finally
        {
            outputs?.Dispose();
        }
    }

    private void RunAlone(BatchItem item)
    {
        var began = time.GetTimestamp();
        var clock = RunClock.Start(model.Threads, time);
        try
        {
            var outputs = EngineOutputs.Run(model, item.Request, item.Wanted, item.CallerLeft);
            item.Succeed(new ModelRun(outputs, item.Wanted, item.ReadTimes + clock.Times, null, new BatchPart(item.Rows, Wait(item, began), IsFirst: true)));
        }
        catch (OperationCanceledException)
        {
            item.Leave();
        }
        catch (InferenceException fault)
        {
            item.Fail(new FailedRunException(fault.Code, item.ReadTimes + clock.Times, fault));
        }
        catch (OutOfMemoryException fault)
        {
            item.Fail(new FailedRunException(ProblemCode.MemoryExceeded, item.ReadTimes + clock.Times, fault));
        }
        catch (Exception fault)
        {
            item.Fail(fault);
        }
    }

    private long Wait(BatchItem item, long until) => (long)time.GetElapsedTime(item.JoinedAt, until).TotalMicroseconds;

    private void TellUnsplit(string reason)
    {
        if (!_hasToldUnsplit)
        {
            _hasToldUnsplit = true;
            Console.Error.WriteLine($"Batching gains nothing on these inputs: {reason} Such batches run one by one. Deploy without --batch-max.");
        }
    }

    /// <summary>Stops a run in the engine once nobody waits for any part of it.</summary>
    private sealed class LastCaller : IDisposable
    {
        private readonly CancellationTokenSource _all = new();
        private readonly List<CancellationTokenRegistration> _each = [];
        private int _waiting;

        internal LastCaller(List<BatchItem> items)
        {
            _waiting = items.Count;
            foreach (var item in items)
            {
                _each.Add(item.CallerLeft.UnsafeRegister(static state => ((LastCaller)state!).Left(), this));
            }
        }

        internal CancellationToken Token => _all.Token;

        public void Dispose()
        {
            // Waits for one that is being called: none comes after this.
            _each.ForEach(registration => registration.Dispose());
            _all.Dispose();
        }

        private void Left()
        {
            if (Interlocked.Decrement(ref _waiting) == 0)
            {
                _all.Cancel();
            }
        }
    }
}
