using Dormouse.Core.Endpoints;
using Dormouse.Core.Scaling;

namespace Dormouse.Core.Dispatch;

/// <summary>How long waiting takes as things stand, by the start and run times measured so far.</summary>
internal sealed class WaitForecast(RevisionSpec spec, WaitingQueue queue, InstanceTable table)
{
    /// <summary>How long one that comes now would wait at least, as far as times are known; what is not known counts as nothing.</summary>
    public TimeSpan For(in Waiter waiter, in LearnedTimes learned, MonotonicTime now)
    {
        var counts = table.Counts();
        var byStart = learned.StartTime is not { } startTime ? TimeSpan.Zero
            : counts.Starting > 0 ? table.MeanStartLeft(now, startTime)
            : counts.Live == 0 ? startTime
            : TimeSpan.MaxValue;
        if (counts.Ready == 0)
        {
            return byStart;
        }

        // Each slot ends a run every run time; the first ends come after what is left of those that run now.
        var runTicks = learned.RunTime?.Ticks ?? 0;
        var rounds = (double)queue.CountBefore(waiter) / (counts.Ready * spec.Concurrency);
        var firstEnd = Math.Max(0, runTicks - table.MeanRunningAge(now).Ticks);
        var byDrain = new TimeSpan((long)Math.Min(firstEnd + (rounds * runTicks), TimeSpan.TicksPerDay));
        return byDrain < byStart ? byDrain : byStart;
    }

    /// <summary>How long the queue would take to drain as runs go now, in whole seconds, 1 s to 60 s.</summary>
    public TimeSpan Drain(in LearnedTimes learned)
    {
        var slots = Math.Max(1, table.Counts().Ready) * spec.Concurrency;
        var seconds = learned.RunTime is { } runTime ? Math.Ceiling(runTime.TotalSeconds * queue.Count / slots) : 1;
        return TimeSpan.FromSeconds(Math.Clamp(seconds, 1, 60));
    }
}
