using Dormouse.Core;

namespace Dormouse.Simulation.Results;

/// <summary>What happened when, in equal steps from the start of the load to its end; what comes later is left out.</summary>
public sealed class Timeline
{
    /// <summary>Enough for a chart that is read on one screen.</summary>
    public const int Steps = 240;

    private readonly long _stepTicks;
    private readonly long[] _arrivals = new long[Steps];
    private readonly long[] _coldStarts = new long[Steps];
    private readonly double[] _mibTicks = new double[Steps];

    public Timeline(TimeSpan duration) => _stepTicks = Math.Max(1, (duration.Ticks + Steps - 1) / Steps);

    public TimeSpan Step => new(_stepTicks);

    public IReadOnlyList<long> Arrivals => _arrivals;

    /// <summary>Invocations that waited for a start, at the time when they got their slot.</summary>
    public IReadOnlyList<long> ColdStarts => _coldStarts;

    /// <summary>Mean memory that instances held in each step, MiB.</summary>
    public IReadOnlyList<double> HeldMib => [.. _mibTicks.Select(m => m / _stepTicks)];

    public void Arrived(MonotonicTime at) => Count(_arrivals, at);

    public void StartedCold(MonotonicTime at) => Count(_coldStarts, at);

    public void Held(MonotonicTime from, MonotonicTime to, int memoryMib)
    {
        for (var at = from.Ticks; at < to.Ticks;)
        {
            var step = at / _stepTicks;
            if (step >= Steps)
            {
                return;
            }

            var end = Math.Min(to.Ticks, (step + 1) * _stepTicks);
            _mibTicks[step] += (double)(end - at) * memoryMib;
            at = end;
        }
    }

    private void Count(long[] counts, MonotonicTime at)
    {
        if (at.Ticks / _stepTicks is var step && step < Steps)
        {
            counts[step]++;
        }
    }
}
