using Dormouse.Core.Scaling;

namespace Dormouse.Core.Dispatch;

/// <summary>How long callers of one revision will wait, as far as measured times tell.</summary>
internal sealed class WaitForecast(SlotLimit slots, WaitingQueue queue, InstanceTable table)
{
    /// <summary>How long one that comes now would wait at least, as far as times are known; what is not known counts as nothing.</summary>
    public TimeSpan Wait(in Waiter waiter, MonotonicTime now, in LearnedTimes learned)
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
        var rounds = (double)queue.CountBefore(waiter) / (counts.Ready * slots.Current);
        var firstEnd = Math.Max(0, runTicks - table.MeanRunningAge(now).Ticks);
        var byDrain = new TimeSpan((long)Math.Min(firstEnd + (rounds * runTicks), TimeSpan.TicksPerDay));
        return byDrain < byStart ? byDrain : byStart;
    }

    /// <summary>How long the queue would take to drain as runs go now, in whole seconds, 1 s to 60 s.</summary>
    public TimeSpan DrainTime(in LearnedTimes learned)
    {
        var free = Math.Max(1, table.Counts().Ready) * slots.Current;
        var seconds = learned.RunTime is { } runTime ? Math.Ceiling(runTime.TotalSeconds * queue.Count / free) : 1;
        return TimeSpan.FromSeconds(Math.Clamp(seconds, 1, 60));
    }

    /// <summary>A forecast as a time to try again, in whole seconds, 1 s to 60 s.</summary>
    public static TimeSpan RetryTime(TimeSpan wait) => TimeSpan.FromSeconds(Math.Clamp(Math.Ceiling(wait.TotalSeconds), 1, 60));
}
