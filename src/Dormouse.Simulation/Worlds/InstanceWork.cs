using System.Runtime.InteropServices;
using Dormouse.Core;
using Dormouse.Core.Endpoints;

namespace Dormouse.Simulation.Worlds;

/// <param name="Generation">Of its place in the table when it was handed over: tells whether it is still that invocation.</param>
internal readonly record struct WorkItem(int Place, int Generation, TimeSpan RunTime, MonotonicTime JoinedAt);

/// <summary>
/// What a worker does with the invocations that it was handed, where they share runs (<c>batch_max</c>) or cores (<see cref="RunPlan.Knee"/>). A run begins when one of the instance's
/// lanes is free and it is full or its first invocation has waited for the batch delay; all runs under way share what the instance has.
/// </summary>
/// <param name="lanes">Runs at once.</param>
internal sealed class InstanceWork(int lanes, int batchMax, TimeSpan batchDelay, RunPlan plan)
{
    private readonly Queue<WorkItem> _waiting = new();
    private readonly List<Run> _running = [];
    private readonly List<WorkItem> _ended = [];
    private MonotonicTime _last;

    /// <summary>Grows whenever <see cref="NextAt"/> may be another: makes what was scheduled before stale.</summary>
    public int Version { get; private set; }

    /// <summary>When <see cref="Advance"/> has something to do.</summary>
    public MonotonicTime NextAt { get; private set; } = MonotonicTime.Never;

    /// <summary>Runs under way.</summary>
    public int Runs => _running.Count;

    /// <summary>Most invocations that shared a run which began since this was read last.</summary>
    public int LargestBegun { get; private set; }

    /// <summary>Null where invocations share nothing.</summary>
    public static InstanceWork? Of(RevisionSpec spec, RunPlan plan) =>
        spec.BatchMax > 1 ? new InstanceWork(spec.Concurrency, spec.BatchMax, spec.BatchDelay, plan)
        : plan.Knee > 0 ? new InstanceWork(int.MaxValue, 1, TimeSpan.Zero, plan)
        : null;

    public void Join(in WorkItem item, MonotonicTime now)
    {
        Pass(now);
        _waiting.Enqueue(item);
        Begin(now);
    }

    /// <summary>Lets the time pass. Returns the invocations whose run has ended, until the next call.</summary>
    public ReadOnlySpan<WorkItem> Advance(MonotonicTime now)
    {
        Pass(now);
        _ended.Clear();
        for (var i = 0; i < _running.Count;)
        {
            if (_running[i].LeftTicks > 0.5)
            {
                i++;
                continue;
            }

            _ended.AddRange(_running[i].Items);
            _running.RemoveAt(i);
        }

        Begin(now);
        return CollectionsMarshal.AsSpan(_ended);
    }

    private void Pass(MonotonicTime now)
    {
        var passed = (now - _last).Ticks * Pace();
        foreach (var run in _running)
        {
            run.LeftTicks -= passed;
        }

        _last = now;
    }

    private double Pace() => plan.Knee > 0 && _running.Count > plan.Knee ? (double)plan.Knee / _running.Count : 1;

    private void Begin(MonotonicTime now)
    {
        LargestBegun = 0;
        while (_running.Count < lanes && _waiting.TryPeek(out var first) && (_waiting.Count >= batchMax || now >= first.JoinedAt + batchDelay))
        {
            var items = new WorkItem[Math.Min(batchMax, _waiting.Count)];
            var longest = 0L;
            for (var i = 0; i < items.Length; i++)
            {
                items[i] = _waiting.Dequeue();
                longest = Math.Max(longest, items[i].RunTime.Ticks);
            }

            _running.Add(new Run(items) { LeftTicks = longest * (1 + (plan.BatchGrowth * (items.Length - 1))) });
            LargestBegun = Math.Max(LargestBegun, items.Length);
        }

        NextAt = Next(now);
        Version++;
    }

    private MonotonicTime Next(MonotonicTime now)
    {
        var next = MonotonicTime.Never;
        var pace = Pace();
        foreach (var run in _running)
        {
            var end = now + new TimeSpan((long)Math.Ceiling(Math.Max(0, run.LeftTicks) / pace));
            next = end < next ? end : next;
        }

        if (_running.Count < lanes && _waiting.TryPeek(out var first) && first.JoinedAt + batchDelay is var due && due < next)
        {
            next = due;
        }

        return next;
    }

    private sealed class Run(WorkItem[] items)
    {
        public WorkItem[] Items => items;

        /// <summary>What it would still take alone.</summary>
        public double LeftTicks { get; set; }
    }
}
