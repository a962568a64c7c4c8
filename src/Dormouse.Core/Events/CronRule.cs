namespace Dormouse.Core.Events;

/// <summary>What becomes of times of a schedule at which nothing could be fired.</summary>
public enum MissedRuns
{
    /// <summary>They are passed over.</summary>
    Skip,

    /// <summary>The last of them is made up for.</summary>
    Once,

    /// <summary>Each is made up for, the oldest first, as far back as <see cref="CronPolicy.MissedWithin"/>.</summary>
    All,
}

/// <summary>What becomes of a time at which the invocation of the time before has not ended.</summary>
public enum OverlapRuns
{
    Allow,

    /// <summary>The new one is passed over.</summary>
    Skip,

    /// <summary>The old one is cancelled.</summary>
    Replace,
}

/// <param name="MissedWithin">Older ones are never made up for; 1 min to 7 days.</param>
public sealed record CronPolicy(MissedRuns Missed, TimeSpan MissedWithin, OverlapRuns Overlap);

/// <summary>What a schedule says now.</summary>
public abstract record CronStep
{
    private CronStep()
    {
    }

    /// <summary>This time is to be fired.</summary>
    public sealed record Fire(DateTimeOffset Time) : CronStep;

    /// <summary>All up to this time is passed over.</summary>
    public sealed record Pass(DateTimeOffset Time) : CronStep;

    /// <summary>Nothing before this; null = never.</summary>
    public sealed record Wait(DateTimeOffset? Until) : CronStep;
}

/// <summary>Decides which times of a schedule are fired. What times there are is told by the schedule: zones and changes of clocks are known there.</summary>
public static class CronRule
{
    /// <summary>A time that is fired so much later is still on time.</summary>
    public static readonly TimeSpan OnTime = TimeSpan.FromMinutes(1);

    /// <param name="mark">The last time that was fired or passed over. Later than <paramref name="now"/> after the clock was set back: then nothing is fired twice.</param>
    /// <param name="after">The first time after one.</param>
    /// <param name="before">The last time before one, or at it.</param>
    public static CronStep Next(CronPolicy policy, DateTimeOffset mark, DateTimeOffset now, Func<DateTimeOffset, DateTimeOffset?> after, Func<DateTimeOffset, DateTimeOffset?> before)
    {
        if (after(mark) is not { } next || next > now)
        {
            return new CronStep.Wait(after(mark));
        }

        if (now - next <= OnTime)
        {
            return new CronStep.Fire(next);
        }

        // The last time up to now: the one that was just found, or a later one. Where a change of clocks left one out the schedule may know it in one direction only.
        var last = before(now) is { } known && known > next ? known : next;
        var isLastMissed = now - last > OnTime;
        switch (policy.Missed)
        {
            case MissedRuns.Skip:
                return isLastMissed ? new CronStep.Pass(last) : new CronStep.Fire(last);
            case MissedRuns.Once:
                return now - last <= policy.MissedWithin ? new CronStep.Fire(last) : new CronStep.Pass(last);
            default:
                var oldest = now - policy.MissedWithin;
                return next >= oldest ? new CronStep.Fire(next) : new CronStep.Pass(before(oldest - TimeSpan.FromTicks(1)) is { } skipped && skipped > mark ? skipped : next);
        }
    }
}
