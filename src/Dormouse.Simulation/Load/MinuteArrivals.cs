using Dormouse.Core;
using Dormouse.Simulation.Randomness;

namespace Dormouse.Simulation.Load;

/// <param name="Minute">From 0.</param>
/// <param name="Count">At least 1.</param>
public readonly record struct MinuteCount(int Minute, int Count);

/// <summary>Counts per minute as arrivals: those of a minute come at random moments of it.</summary>
/// <param name="minutes">Minutes in which some came, ascending.</param>
public sealed class MinuteArrivals(IReadOnlyList<MinuteCount> minutes, Spread runTime, SeededRandom random) : ArrivalStream
{
    private SeededRandom _random = random;
    private long[] _ticks = [];
    private int _count;
    private int _next;
    private int _nextMinute;

    public override bool TryNext(out Arrival arrival)
    {
        if (_next == _count && !Fill())
        {
            arrival = default;
            return false;
        }

        arrival = new Arrival(new MonotonicTime(_ticks[_next++]), runTime.Draw(ref _random));
        return true;
    }

    private bool Fill()
    {
        if (_nextMinute == minutes.Count)
        {
            return false;
        }

        var (minute, count) = minutes[_nextMinute++];
        _ticks = _ticks.Length < count ? new long[count] : _ticks;
        for (var i = 0; i < count; i++)
        {
            _ticks[i] = (minute * TimeSpan.TicksPerMinute) + (long)(_random.Unit() * TimeSpan.TicksPerMinute);
        }

        Array.Sort(_ticks, 0, count);
        (_next, _count) = (0, count);
        return true;
    }
}
