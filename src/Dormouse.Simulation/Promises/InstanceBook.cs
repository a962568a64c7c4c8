using Dormouse.Core;

namespace Dormouse.Simulation.Promises;

internal enum BookedState
{
    Starting,
    Ready,
    Draining,

    /// <summary>It stands still with its memory.</summary>
    Frozen,

    /// <summary>Stopped, failed or lost: what ran on it is void.</summary>
    Over,
}

/// <summary>What must be true of one instance, by a plain account of its own.</summary>
internal sealed class InstanceBook(long number)
{
    private MonotonicTime _since;

    public long Number => number;

    public BookedState State { get; set; }

    /// <summary>Invocations that run on it and are not void.</summary>
    public int Running { get; private set; }

    /// <summary>Leases given and not ended, void ones too.</summary>
    public int OpenLeases { get; set; }

    public long EndedRuns { get; set; }

    public long MeteredMicroseconds { get; set; }

    /// <summary>How long at least one ran on it.</summary>
    public TimeSpan Busy { get; private set; }

    public bool IsProvisioned { get; set; }

    /// <summary>Meaningful while it is frozen.</summary>
    public MonotonicTime FrozenUntil { get; set; }

    public bool IsGone { get; set; }

    public bool CountsForMax => State != BookedState.Over;

    public void Change(int running, MonotonicTime now)
    {
        Busy += Running > 0 ? now - _since : TimeSpan.Zero;
        Running += running;
        _since = now;
    }

    public void End(MonotonicTime now)
    {
        Change(-Running, now);
        State = BookedState.Over;
    }
}
