using System.Collections.Immutable;

namespace Dormouse.Simulation.Randomness;

/// <summary>How a duration is spread. Draws are at least zero.</summary>
public abstract record Spread
{
    private Spread()
    {
    }

    public abstract TimeSpan Draw(ref SeededRandom random);

    public sealed record Always(TimeSpan Value) : Spread
    {
        public override TimeSpan Draw(ref SeededRandom random) => Value;
    }

    /// <summary>Evenly between two values.</summary>
    public sealed record Even(TimeSpan Min, TimeSpan Max) : Spread
    {
        public override TimeSpan Draw(ref SeededRandom random) => Min + ((Max - Min) * random.Unit());
    }

    /// <summary>Median × e^(deviation × normal): what start and run times mostly look like.</summary>
    /// <param name="Deviation">Of the logarithm; 0.4 puts the 95th percentile at 1.9 × the median.</param>
    public sealed record Lognormal(TimeSpan Median, double Deviation) : Spread
    {
        public override TimeSpan Draw(ref SeededRandom random) => Scale(Median, Math.Exp(Deviation * random.Normal()));
    }

    /// <summary>Straight lines between measured quantiles.</summary>
    /// <param name="Points">Share (0 to 1) and value, both ascending, at least one; below the first and above the last the value stays.</param>
    public sealed record Quantiles(ImmutableArray<QuantilePoint> Points) : Spread
    {
        public override TimeSpan Draw(ref SeededRandom random)
        {
            var share = random.Unit();
            for (var i = 0; i < Points.Length; i++)
            {
                if (share < Points[i].Share)
                {
                    return i == 0 ? Points[0].Value : Between(Points[i - 1], Points[i], share);
                }
            }

            return Points[^1].Value;
        }

        private static TimeSpan Between(in QuantilePoint low, in QuantilePoint high, double share) =>
            low.Value + ((high.Value - low.Value) * ((share - low.Share) / (high.Share - low.Share)));
    }

    /// <summary>At most a year, whatever the tail says.</summary>
    private static TimeSpan Scale(TimeSpan value, double factor) => new((long)Math.Min(value.Ticks * factor, TimeSpan.TicksPerDay * 365.0));
}

public readonly record struct QuantilePoint(double Share, TimeSpan Value);
