namespace Dormouse.Core.Usage;

/// <summary>
/// Virtual time V of one instance: it advances by dt ÷ running, so invocations that share the instance share its busy time.
/// An invocation pays V(end) − V(start): no microsecond is billed twice and none above its own run time.
/// </summary>
/// <remarks>
/// V is fixed point: 4,096 units to a tick of 100 ns. Each advance rounds down, and so does <see cref="Share"/>, therefore the shares of
/// any set of invocations sum to at most the time the instance was busy. 63 bits hold 7 years of busy time; differences stay right
/// beyond, because a difference of wrapped numbers is the wrapped difference and one run lasts a day at most.
/// </remarks>
public struct InstanceMeter
{
    /// <summary>Units of virtual time in one tick of 100 ns.</summary>
    public const long UnitsPerTick = 4_096;

    private long _units;
    private MonotonicTime _last;

    /// <summary>Virtual time at the last advance, in units of 1 ÷ <see cref="UnitsPerTick"/> tick.</summary>
    public readonly long Units => _units;

    /// <summary>
    /// Advances to <paramref name="now"/> and returns V in units of 1 ÷ <see cref="UnitsPerTick"/> tick. Two values become a share by <see cref="Share"/>.
    /// </summary>
    /// <param name="now">Never earlier than the last one; an earlier one counts as the last one.</param>
    /// <param name="running">Invocations that ran since the last advance; 0 = the instance was idle and V stands still.</param>
    public long Advance(MonotonicTime now, int running)
    {
        if (now <= _last)
        {
            return _units;
        }

        if (running > 0)
        {
            _units = unchecked(_units + ((now - _last).Ticks * UnitsPerTick / running));
        }

        _last = now;
        return _units;
    }

    /// <summary>What an invocation pays that ran from V = <paramref name="start"/> to V = <paramref name="end"/>, µs, rounded down.</summary>
    /// <param name="start">As <see cref="Advance"/> returned it at the run's start.</param>
    /// <param name="end">As <see cref="Advance"/> returned it at the run's end.</param>
    public static long Share(long start, long end) => unchecked(end - start) / (UnitsPerTick * TimeSpan.TicksPerMicrosecond);
}
