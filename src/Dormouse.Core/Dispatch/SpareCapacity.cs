using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Dispatch;

/// <summary>
/// Instances kept free above what is busy, while the revision is in use: something waits or runs, or did within the idle time-out. They are started for what runs now and held for the
/// most that ran in the last one to two minutes, so a load that goes up and down does not start and stop them with it.
/// </summary>
internal sealed class SpareCapacity(RevisionSpec spec)
{
    /// <summary>Half of how long a peak is remembered at most.</summary>
    public static readonly TimeSpan PeakWindow = TimeSpan.FromSeconds(60);

    private static readonly TimeSpan PauseMin = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan PauseMax = TimeSpan.FromMinutes(5);

    private MonotonicTime _windowStart;
    private int _peakBefore;
    private int _peak;
    private int _running;
    private int _slots = 1;
    private bool _isBusy;
    private MonotonicTime _busyUntil = new(long.MinValue);
    private TimeSpan _pause;

    public bool IsWanted => spec.SpareInstances > 0;

    /// <summary>Instances to have now, by what runs; 0 = not in use.</summary>
    public int ToStart => _isBusy ? Above(_running) : 0;

    /// <summary>Until when no start is tried; past when none is put off.</summary>
    public MonotonicTime PausedUntil { get; private set; } = new(long.MinValue);

    /// <summary>When the number to hold may become smaller though nothing happens.</summary>
    public MonotonicTime LowersAt { get; private set; } = MonotonicTime.Never;

    /// <summary>Instances that are not stopped for idleness now; 0 = not in use.</summary>
    public int ToHold { get; private set; }

    /// <summary>Takes what is so since now.</summary>
    /// <param name="running">Invocations that run.</param>
    /// <param name="isBusy">Something runs or waits.</param>
    /// <param name="slots">Slots of an instance, at least 1.</param>
    public void Observe(int running, bool isBusy, int slots, MonotonicTime now)
    {
        _slots = slots;
        if (now - _windowStart >= PeakWindow)
        {
            _peakBefore = now - _windowStart < PeakWindow * 2 ? _peak : _running;
            _peak = _running;
            _windowStart = now;
        }

        _busyUntil = _isBusy || isBusy ? now : _busyUntil;
        (_running, _isBusy, _peak) = (running, isBusy, Math.Max(_peak, running));
        var most = Math.Max(_peak, _peakBefore);
        var isInUse = isBusy || now < _busyUntil + spec.IdleTimeout;
        ToHold = isInUse ? Above(most) : 0;
        var forgets = most > running ? _windowStart + PeakWindow : MonotonicTime.Never;
        var falls = isBusy ? MonotonicTime.Never : _busyUntil + spec.IdleTimeout;
        LowersAt = !isInUse ? MonotonicTime.Never : forgets < falls ? forgets : falls;
    }

    /// <summary>The machine had no room for one, or took one back: the next try waits, longer each time.</summary>
    public void NoRoom(MonotonicTime now)
    {
        if (now < PausedUntil)
        {
            return;
        }

        _pause = _pause == TimeSpan.Zero ? PauseMin : _pause * 2 < PauseMax ? _pause * 2 : PauseMax;
        PausedUntil = now + _pause;
    }

    /// <summary>One became ready: there is room.</summary>
    public void HasRoom() => _pause = TimeSpan.Zero;

    private int Above(int running) => Math.Min(spec.MaxInstances, ((running + _slots - 1) / _slots) + spec.SpareInstances);
}
