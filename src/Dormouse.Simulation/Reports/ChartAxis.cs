using System.Globalization;

namespace Dormouse.Simulation.Reports;

/// <summary>Maps values to places along one side of a chart, with a handful of round marks.</summary>
internal sealed class ChartAxis
{
    private readonly double _min;
    private readonly double _max;
    private readonly bool _isLogarithmic;
    private readonly Func<double, string> _name;

    private ChartAxis(double min, double max, bool isLogarithmic, Func<double, string> name) =>
        (_min, _max, _isLogarithmic, _name) = (min, max, isLogarithmic, name);

    /// <summary>From 0 to the round number above the largest value.</summary>
    public static ChartAxis FromZero(double largest, Func<double, string>? name = null)
    {
        var step = Step(largest);
        return new ChartAxis(0, Math.Max(step, Math.Ceiling((largest / step) - 1e-9) * step), false, name ?? Number);
    }

    /// <summary>From 0 to exactly this value.</summary>
    public static ChartAxis Exactly(double largest, Func<double, string> name) => new(0, largest, false, name);

    /// <summary>Powers of ten around the values, all above 0.</summary>
    public static ChartAxis Logarithmic(double smallest, double largest, Func<double, string>? name = null)
    {
        var (low, high) = (Math.Floor(Math.Log10(smallest)), Math.Ceiling(Math.Log10(largest)));
        return new ChartAxis(Math.Pow(10, low), Math.Pow(10, Math.Max(high, low + 1)), true, name ?? Number);
    }

    /// <summary>0 at the low end, 1 at the high end.</summary>
    public double Place(double value) => _isLogarithmic
        ? (Math.Log10(Math.Max(value, _min)) - Math.Log10(_min)) / (Math.Log10(_max) - Math.Log10(_min))
        : (value - _min) / (_max - _min);

    public IEnumerable<(double Place, string Name)> Marks()
    {
        if (_isLogarithmic)
        {
            for (var value = _min; value <= _max * 1.001; value *= 10)
            {
                yield return (Place(value), _name(value));
            }

            yield break;
        }

        var step = Step(_max);
        for (var i = 0; i * step <= _max * 1.0001; i++)
        {
            yield return (Place(i * step), _name(i * step));
        }
    }

    public static string Number(double value) => value switch
    {
        >= 1e9 => (value / 1e9).ToString("0.##", CultureInfo.InvariantCulture) + " G",
        >= 1e6 => (value / 1e6).ToString("0.##", CultureInfo.InvariantCulture) + " M",
        >= 1e4 => (value / 1e3).ToString("0.##", CultureInfo.InvariantCulture) + " k",
        _ => value.ToString("0.###", CultureInfo.InvariantCulture),
    };

    /// <summary>1, 2 or 5 times a power of ten that divides the range into four to eight.</summary>
    private static double Step(double range)
    {
        if (range <= 0)
        {
            return 1;
        }

        var power = Math.Pow(10, Math.Floor(Math.Log10(range / 4)));
        return (range / 4 / power) switch
        {
            < 2 => power,
            < 5 => 2 * power,
            _ => 5 * power,
        };
    }
}
