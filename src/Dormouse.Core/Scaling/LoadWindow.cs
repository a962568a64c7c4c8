namespace Dormouse.Core.Scaling;

/// <summary>Load per second over the last seconds: one bucket a second, in a ring that never grows.</summary>
/// <remarks>The averages are those of Knative's <c>aggregation.TimedFloat64Buckets</c>.</remarks>
public sealed class LoadWindow
{
    private const double Rounding = 1e6;

    private readonly double[] _buckets;
    private long _first;
    private long _last = -1;

    /// <param name="window">At least one second; parts of a second are cut off.</param>
    public LoadWindow(TimeSpan window)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(window, TimeSpan.FromSeconds(1));
        _buckets = new double[(int)Math.Min(window.Ticks / TimeSpan.TicksPerSecond, Array.MaxLength)];
    }

    /// <summary>Adds to a second's bucket. One that is older than the window is left out: its second has been judged.</summary>
    /// <param name="second">Seconds since any start, 0 or more.</param>
    public void Record(long second, double load)
    {
        if (_last < 0 || second - _last >= _buckets.Length)
        {
            Array.Clear(_buckets);
            _first = _last = second;
        }
        else if (second <= _last - _buckets.Length)
        {
            return;
        }

        for (; _last < second; _last++)
        {
            _buckets[Place(_last + 1)] = 0;
        }

        _first = Math.Min(_first, second);
        _buckets[Place(second)] += load;
    }

    /// <summary>Nothing was recorded within the window, the second at its very edge included.</summary>
    public bool IsEmpty(long now) => _last < 0 || now - _last > _buckets.Length;

    /// <summary>Mean load of the window that ends with <paramref name="now"/>, rounded to six places; seconds before the first record do not count.</summary>
    public double Average(long now)
    {
        var silent = now - _last;
        if (_last < 0 || silent >= _buckets.Length)
        {
            return 0;
        }

        var sum = 0.0;
        for (var second = Math.Max(_first, now - _buckets.Length + 1); second <= _last; second++)
        {
            sum += _buckets[Place(second)];
        }

        var seconds = Math.Min(_last - _first + 1, _buckets.Length - silent);
        return Math.Round(sum / seconds * Rounding, MidpointRounding.AwayFromZero) / Rounding;
    }

    private long Place(long second) => second % _buckets.Length;
}
