using Dormouse.Core;
using Dormouse.Simulation.Randomness;

namespace Dormouse.Simulation.Load;

/// <summary>One endpoint's part of a profile. Nothing is kept but the place where it stands.</summary>
internal sealed class ProfileArrivals(Profile profile, double rate, SeededRandom random) : ArrivalStream
{
    private const double BurstMean = 20;
    private const double DayDepth = 0.8;

    /// <summary>Mean time between two of a burst.</summary>
    private static readonly TimeSpan BurstGap = TimeSpan.FromMilliseconds(20);

    private SeededRandom _random = random;
    private double _ticks;
    private int _leftInBurst;

    public override bool TryNext(out Arrival arrival)
    {
        Move();
        if (_ticks >= profile.Duration.Ticks)
        {
            arrival = default;
            return false;
        }

        arrival = new Arrival(new MonotonicTime((long)_ticks), profile.RunTime.Draw(ref _random));
        return true;
    }

    private void Move()
    {
        switch (profile.Shape)
        {
            case ProfileShape.Steady:
                Pass(1 / rate);
                break;
            case ProfileShape.Bursty when _leftInBurst > 0:
                _leftInBurst--;
                Pass(BurstGap.TotalSeconds);
                break;
            case ProfileShape.Bursty:
                Pass(BurstMean / rate);
                // Geometric with mean 20, the first one included.
                _leftInBurst = (int)(Math.Log(1 - _random.Unit()) / Math.Log(1 - (1 / BurstMean)));
                break;
            case ProfileShape.Diurnal:
                // Thinning: candidates at the highest rate, each kept with the share that its time has of it.
                do
                {
                    Pass(1 / (rate * (1 + DayDepth)));
                }
                while (_ticks < profile.Duration.Ticks && !_random.Happens(Share(_ticks) / (1 + DayDepth)));
                break;
        }
    }

    private void Pass(double meanSeconds) => _ticks += _random.Exponential() * meanSeconds * TimeSpan.TicksPerSecond;

    private static double Share(double ticks) => 1 - (DayDepth * Math.Cos(2 * Math.PI * ticks / TimeSpan.TicksPerDay));
}
