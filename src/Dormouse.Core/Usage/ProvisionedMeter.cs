namespace Dormouse.Core.Usage;

/// <summary>Instance time of provisioned capacity: the sum over time of how many instances there were. Nothing is rounded until it is taken, and then nothing is lost.</summary>
public struct ProvisionedMeter
{
    private MonotonicTime _last;
    private long _ticks;

    /// <summary>Adds the time since the last call, once for each instance.</summary>
    /// <param name="now">Never earlier than the last one; an earlier one counts as the last one.</param>
    /// <param name="count">Provisioned instances that were ready since the last call; at least 0.</param>
    public void Advance(MonotonicTime now, int count)
    {
        if (now > _last)
        {
            _ticks += (now - _last).Ticks * count;
            _last = now;
        }
    }

    /// <summary>Whole microseconds since the last call; what is left of one is carried on.</summary>
    public long TakeMicroseconds()
    {
        var (whole, rest) = Math.DivRem(_ticks, TimeSpan.TicksPerMicrosecond);
        _ticks = rest;
        return whole;
    }
}
