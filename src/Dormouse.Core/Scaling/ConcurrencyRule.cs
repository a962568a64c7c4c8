namespace Dormouse.Core.Scaling;

/// <summary>What the rule remembers. A value: the limit of a revision outlives its engine.</summary>
/// <param name="Limit">Runs that an instance may have at once, at least 1.</param>
public readonly record struct ConcurrencyState(int Limit)
{
    /// <summary>Mean run time with half the limit or less, as last measured; null while nothing is known.</summary>
    public TimeSpan? Baseline { get; init; }

    /// <summary>Half the limit is given, to see what a run takes then.</summary>
    public bool IsProbing { get; init; }

    /// <summary>Mean run time with the whole limit, just before the probe. Meaningful while <see cref="IsProbing"/>.</summary>
    public TimeSpan LoadedMean { get; init; }

    /// <summary>The next measured window is followed by a probe.</summary>
    public bool MustProbe { get; init; }

    /// <summary>Windows since the last probe.</summary>
    public int SinceProbe { get; init; }

    /// <summary>Windows for which the limit is not raised.</summary>
    public int Hold { get; init; }

    /// <summary>Slots of an instance now: the limit, and half of it while probing; at least 1.</summary>
    public int Slots => IsProbing ? Math.Max(1, Limit / 2) : Limit;
}

/// <summary>What was measured since the last decision.</summary>
/// <param name="MeanRun">Mean time of the runs that began and ended within it.</param>
/// <param name="MeanRunning">How many ran on a run's instance when it ended, itself included; the mean over the runs.</param>
/// <param name="HasTimedOut">A run was ended by its time-out: the rest does not count.</param>
public readonly record struct ConcurrencyWindow(TimeSpan MeanRun, double MeanRunning, bool HasTimedOut = false);

/// <summary>
/// How many runs an instance should have at once when nobody has said so: as many as do not make each other slower. Up to the knee of a server more at once is more a
/// second at the same run time; beyond it every further run only makes all of them longer.
/// </summary>
/// <remarks>
/// Additive increase, multiplicative decrease (as Clipper, NSDI 2017, finds batch sizes), with the gradient of Netflix's concurrency-limits as signal: the ratio of the loaded run time
/// to the unloaded one. That library takes the least or the long-term mean run time for unloaded, which either never forgets or slowly takes load for normal; here it is measured by giving half the limit for one window
/// (as TCP BBR empties its queue now and then), and no limit is lowered without such a comparison. So a server that got slower for other reasons does not lower it.
/// </remarks>
public static class ConcurrencyRule
{
    /// <summary>Runs may take this much longer with the whole limit than with half of it. On a server with a sharp knee k the limit thus stays between k and 1.3 × k + 1.</summary>
    public const double Tolerance = 1.3;

    /// <summary>Below this ratio there is room for more.</summary>
    private const double Room = 1.15;

    /// <summary>Share of the limit that must be in use for a window to say something of it.</summary>
    private const double InUse = 0.75;

    private const int ProbeEvery = 24;
    private const int HoldAfterCut = 8;

    /// <summary>A part of the limit is added: at least one, an eighth of a large one.</summary>
    private const int GrowthDivisor = 8;

    /// <summary>The state after one more window.</summary>
    /// <param name="limitMax">At least 1.</param>
    /// <remarks>Worked example: two cores, runs of 10 ms. With 4 at once a run takes 20 ms, with 2 at once 10: the ratio is 2, so ceil(4 ÷ 2) = 2.</remarks>
    public static ConcurrencyState Next(in ConcurrencyState state, in ConcurrencyWindow window, int limitMax)
    {
        if (window.HasTimedOut)
        {
            return state with { Limit = Math.Max(1, state.Limit / 2), IsProbing = false, MustProbe = true, Hold = HoldAfterCut };
        }

        if (state.IsProbing)
        {
            return Probed(state, window.MeanRun);
        }

        if (window.MeanRunning < InUse * state.Limit)
        {
            return window.MeanRunning <= Math.Max(1, state.Limit / 2.0) ? state with { Baseline = window.MeanRun, SinceProbe = 0 } : state;
        }

        return state.Limit == 1 ? Alone(state, window.MeanRun, limitMax) : Loaded(state, window.MeanRun, limitMax);
    }

    private static ConcurrencyState Alone(in ConcurrencyState state, TimeSpan mean, int limitMax) =>
        state with { Baseline = mean, MustProbe = false, SinceProbe = 0, Hold = Math.Max(0, state.Hold - 1), Limit = state.Hold > 0 ? 1 : Math.Min(2, limitMax) };

    private static ConcurrencyState Loaded(in ConcurrencyState state, TimeSpan mean, int limitMax)
    {
        var ratio = state.Baseline is { } baseline ? Ratio(mean, baseline) : double.PositiveInfinity;
        if (ratio > Tolerance || state.MustProbe || state.SinceProbe >= ProbeEvery)
        {
            return state with { IsProbing = true, LoadedMean = mean, SinceProbe = 0 };
        }

        var grown = ratio <= Room && state.Hold == 0 ? Math.Min(limitMax, state.Limit + Math.Max(1, state.Limit / GrowthDivisor)) : state.Limit;
        return state with { Limit = grown, SinceProbe = state.SinceProbe + 1, Hold = Math.Max(0, state.Hold - 1) };
    }

    private static ConcurrencyState Probed(in ConcurrencyState state, TimeSpan mean)
    {
        var ratio = Ratio(state.LoadedMean, mean);
        var compared = state with { IsProbing = false, Baseline = mean, SinceProbe = 0 };
        return ratio > Tolerance
            ? compared with { Limit = Math.Clamp((int)Math.Ceiling(state.Limit / ratio), 1, state.Limit - 1), MustProbe = true, Hold = HoldAfterCut }
            : compared with { MustProbe = false };
    }

    private static double Ratio(TimeSpan loaded, TimeSpan unloaded) => loaded.Ticks / (double)Math.Max(1, unloaded.Ticks);
}
