using Dormouse.Core;

namespace Dormouse.Server.Dispatch;

/// <summary>
/// One timer for all revisions that want to be woken. A wish that moved later is not taken out: its owner is woken early, sees that
/// nothing is due and asks again. So the hot path, which pushes an idle deadline back with every run, touches the wheel about once per deadline.
/// </summary>
internal sealed class TimerWheel : IDisposable
{
    private readonly Lock _wheel = new();
    private readonly PriorityQueue<Action<MonotonicTime>, long> _wishes = new();
    private readonly MonotonicClock _clock;
    private readonly ITimer _timer;
    private long _armedTicks = long.MaxValue;

    public TimerWheel(MonotonicClock clock)
    {
        _clock = clock;
        _timer = clock.Time.CreateTimer(static state => ((TimerWheel)state!).Fire(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Calls <paramref name="wake"/> with <paramref name="at"/> from a timer thread when it has come.</summary>
    public void Schedule(MonotonicTime at, Action<MonotonicTime> wake)
    {
        lock (_wheel)
        {
            _wishes.Enqueue(wake, at.Ticks);
            ArmLocked();
        }
    }

    public void Dispose() => _timer.Dispose();

    private void Fire()
    {
        List<(Action<MonotonicTime> Wake, MonotonicTime At)> due = [];
        lock (_wheel)
        {
            _armedTicks = long.MaxValue;
            var now = _clock.Now.Ticks;
            while (_wishes.TryPeek(out _, out var at) && at <= now)
            {
                due.Add((_wishes.Dequeue(), new MonotonicTime(at)));
            }

            ArmLocked();
        }

        foreach (var (wake, at) in due)
        {
            wake(at);
        }
    }

    private void ArmLocked()
    {
        if (!_wishes.TryPeek(out _, out var first) || first >= _armedTicks)
        {
            return;
        }

        _armedTicks = first;
        // Timers count whole milliseconds and may fire early: round up, so that the wish is due when it fires.
        var wait = TimeSpan.FromTicks(Math.Max(0, first - _clock.Now.Ticks));
        _timer.Change(TimeSpan.FromMilliseconds(Math.Min(Math.Ceiling(wait.TotalMilliseconds), int.MaxValue)), Timeout.InfiniteTimeSpan);
    }
}
