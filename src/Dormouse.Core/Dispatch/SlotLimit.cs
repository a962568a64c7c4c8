using Dormouse.Core.Endpoints;
using Dormouse.Core.Scaling;

namespace Dormouse.Core.Dispatch;

/// <summary>
/// How many slots each instance of one revision has now: what its spec says, or what <see cref="ConcurrencyRule"/> makes of its runs. Instances of a revision are alike
/// and share a machine, so they share what is learned.
/// </summary>
internal sealed class SlotLimit
{
    /// <summary>Runs of a window at least, and at most. Between them it ends when its mean is known well enough.</summary>
    private const int RunsMin = 16;

    private const int RunsMax = 400;

    /// <summary>Standard error of a window's mean ÷ the mean.</summary>
    private const double ErrorMax = 0.06;

    private readonly RevisionSpec _spec;
    private MonotonicTime _began;
    private int _runs;
    private long _runningSum;
    private double _sum;
    private double _squares;
    private int _told;

    /// <param name="learned">What an earlier engine of the revision had found; null = begin anew.</param>
    public SlotLimit(RevisionSpec spec, ConcurrencyState? learned)
    {
        _spec = spec;
        State = !spec.IsConcurrencyAuto ? null : learned is { } known ? known with { Limit = Math.Min(known.Limit, spec.Concurrency) } : new ConcurrencyState(spec.FirstConcurrency);
        _told = State?.Limit ?? 0;
    }

    /// <summary>Null where the spec gives a number.</summary>
    public ConcurrencyState? State { get; private set; }

    /// <summary>Slots of an instance now, 1 to <see cref="RevisionSpec.Slots"/>. One that has more taken is given no more until it has fewer.</summary>
    public int Current => State?.Slots ?? _spec.Slots;

    /// <summary>A run ended. Returns the change that is worth telling: the limit moved by a quarter or more since it was told last.</summary>
    public LimitChange? Ended(in EndedRun run, MonotonicTime now)
    {
        if (State is not { } state)
        {
            return null;
        }

        if (run.End == SlotEnd.TimedOut)
        {
            return Decide(state, new ConcurrencyWindow(TimeSpan.Zero, 0, HasTimedOut: true), now);
        }

        // One that began under another limit says nothing of this one, and an instance's first run also warms it.
        if (run.End is not (SlotEnd.Completed or SlotEnd.Answering) || run.StartedAt < _began || run.IsFirst)
        {
            return null;
        }

        _runs++;
        _runningSum += run.Running;
        _sum += run.Time.Ticks;
        _squares += (double)run.Time.Ticks * run.Time.Ticks;
        return IsKnown(state) ? Decide(state, new ConcurrencyWindow(new TimeSpan((long)(_sum / _runs)), _runningSum / (double)_runs), now) : null;
    }

    private bool IsKnown(in ConcurrencyState state)
    {
        if (_runs < Math.Max(RunsMin, 2 * state.Slots))
        {
            return false;
        }

        var mean = _sum / _runs;
        var variance = Math.Max(0, (_squares / _runs) - (mean * mean));
        return _runs >= RunsMax || variance / _runs <= ErrorMax * ErrorMax * mean * mean;
    }

    private LimitChange? Decide(in ConcurrencyState state, in ConcurrencyWindow window, MonotonicTime now)
    {
        var next = ConcurrencyRule.Next(state, window, _spec.Concurrency);
        State = next;
        (_runs, _runningSum, _sum, _squares, _began) = (0, 0, 0, 0, now);
        if (Math.Abs(next.Limit - _told) * 4 < _told || next.Limit == _told)
        {
            return null;
        }

        var change = new LimitChange(_told, next.Limit, window.HasTimedOut, state.IsProbing ? state.LoadedMean : window.MeanRun, next.Baseline);
        _told = next.Limit;
        return change;
    }
}

/// <summary>A run that ended, as the limit looks at it.</summary>
/// <param name="Running">Runs on its instance when it ended, itself included.</param>
/// <param name="IsFirst">None had completed on its instance before.</param>
internal readonly record struct EndedRun(SlotEnd End, MonotonicTime StartedAt, TimeSpan Time, int Running, bool IsFirst);

/// <summary>The limit of a revision is another one.</summary>
/// <param name="Loaded">Mean run time with the old limit.</param>
/// <param name="Unloaded">With half of it or less.</param>
internal readonly record struct LimitChange(int From, int To, bool IsAfterTimeOut, TimeSpan Loaded, TimeSpan? Unloaded);
