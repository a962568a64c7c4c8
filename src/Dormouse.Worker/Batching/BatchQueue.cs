namespace Dormouse.Worker.Batching;

/// <summary>
/// Where invocations wait for a run and for each other. While a run is free a batch begins once it is full or its delay is over, counted from its first
/// item; while all are taken the batches grow. Batches begin in the order in which they were formed.
/// </summary>
/// <remarks>
/// An item joins the batch of its kind that forms. One that does not fit into its rows closes it and begins the next, so nobody is passed for ever. An item with more rows than a batch may have, or that
/// cannot be joined, is a batch of its own. How many may wait is the gate's to say (<see cref="Running.RunGate"/>).
/// </remarks>
internal sealed class BatchQueue : IDisposable
{
    private readonly int _runsAtOnce;
    private readonly int _rowsMax;
    private readonly TimeSpan _delay;
    private readonly Action<Batch> _run;
    private readonly TimeProvider _time;
    private readonly ITimer _timer;
    private readonly Lock _formingLock = new();
    private readonly List<Batch> _forming = [];
    private int _running;

    /// <param name="runsAtOnce">Batches in the engine at once, at least 1.</param>
    /// <param name="rowsMax">Rows of a batch, at least 1.</param>
    /// <param name="delay">How long a batch with room waits for more though a run is free.</param>
    /// <param name="run">Runs a batch on the calling thread and ends all its items; must not throw.</param>
    internal BatchQueue(int runsAtOnce, int rowsMax, TimeSpan delay, Action<Batch> run, TimeProvider time)
    {
        (_runsAtOnce, _rowsMax, _delay, _run, _time) = (runsAtOnce, rowsMax, delay, run, time);
        _timer = time.CreateTimer(static state => ((BatchQueue)state!).DelayOver(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Takes an item in. When that makes its batch due and a run is free, the batch runs on the calling thread before this returns.</summary>
    internal void Add(BatchItem item)
    {
        Batch? own = null;
        lock (_formingLock)
        {
            item.JoinedAt = _time.GetTimestamp();
            JoinLocked(item);
            while (TakeDueLocked() is { } due)
            {
                if (due.Contains(item))
                {
                    own = due;
                }
                else
                {
                    RunElsewhere(due);
                }
            }

            SetTimerLocked();
        }

        if (own is not null)
        {
            Run(own);
        }
    }

    /// <summary>The caller left: takes the item out unless its run has begun.</summary>
    internal void Leave(BatchItem item)
    {
        var isOut = false;
        lock (_formingLock)
        {
            for (var i = 0; i < _forming.Count && !isOut; i++)
            {
                isOut = _forming[i].Remove(item);
                if (isOut && _forming[i].IsEmpty)
                {
                    _forming.RemoveAt(i);
                }
            }

            SetTimerLocked();
        }

        if (isOut)
        {
            item.Leave();
        }
    }

    public void Dispose() => _timer.Dispose();

    private void JoinLocked(BatchItem item)
    {
        var isLoner = item.Rows == 0 || item.Rows > _rowsMax;
        if (!isLoner && _forming.FindLast(batch => batch.Takes(item)) is { } batch)
        {
            if (batch.HasRoom(item, _rowsMax))
            {
                batch.Add(item);
                batch.CloseWhenFull(_rowsMax);
                return;
            }

            batch.Close();
        }

        var next = new Batch(item);
        next.CloseWhenFull(_rowsMax);
        if (isLoner)
        {
            next.Close();
        }

        _forming.Add(next);
    }

    /// <summary>The oldest batch that is due, with a run for it; null when there is none.</summary>
    private Batch? TakeDueLocked()
    {
        if (_running == _runsAtOnce)
        {
            return null;
        }

        for (var i = 0; i < _forming.Count; i++)
        {
            var batch = _forming[i];
            if (batch.IsClosed || DelayLeft(batch) <= TimeSpan.Zero)
            {
                _forming.RemoveAt(i);
                _running++;
                return batch;
            }
        }

        return null;
    }

    private TimeSpan DelayLeft(Batch batch) => _delay - _time.GetElapsedTime(batch.FormedAt);

    /// <summary>What is not due now is so when its delay is over, if a run is free then; the end of a run looks as well.</summary>
    private void SetTimerLocked()
    {
        if (_delay > TimeSpan.Zero)
        {
            // In order of forming, and all with one delay: the first is due first. A timer cuts parts of a millisecond off and would come too early.
            var next = _running == _runsAtOnce || _forming.Count == 0
                ? Timeout.InfiniteTimeSpan
                : TimeSpan.FromMilliseconds(Math.Max(0, Math.Ceiling(DelayLeft(_forming[0]).TotalMilliseconds)));
            _timer.Change(next, Timeout.InfiniteTimeSpan);
        }
    }

    private void DelayOver()
    {
        lock (_formingLock)
        {
            BeginDueLocked();
        }
    }

    private void Run(Batch batch)
    {
        _run(batch);
        lock (_formingLock)
        {
            _running--;
            BeginDueLocked();
        }
    }

    private void BeginDueLocked()
    {
        while (TakeDueLocked() is { } due)
        {
            RunElsewhere(due);
        }

        SetTimerLocked();
    }

    private void RunElsewhere(Batch batch) =>
        ThreadPool.UnsafeQueueUserWorkItem(static work => work.Queue.Run(work.Batch), (Queue: this, Batch: batch), preferLocal: false);
}
