using Dormouse.Simulation.Randomness;

namespace Dormouse.Simulation.Load;

public enum ProfileShape
{
    /// <summary>Independent callers at an even rate (Poisson).</summary>
    Steady,

    /// <summary>The same number in bursts of 20 on average.</summary>
    Bursty,

    /// <summary>A sine over 24 hours between a fifth and nine fifths of the average, lowest at the start.</summary>
    Diurnal,
}

/// <summary>Made-up load.</summary>
public sealed record Profile
{
    public required ProfileShape Shape { get; init; }

    public required int Endpoints { get; init; }

    /// <summary>Invocations a second over all endpoints, on average.</summary>
    public required double Rate { get; init; }

    public required TimeSpan Duration { get; init; }

    public required Spread RunTime { get; init; }

    /// <summary>The endpoint at place k gets a share that goes with 1 ÷ k^skew (Zipf): 0 = all alike, 1 = few busy and many rarely called.</summary>
    public double Skew { get; init; } = 1;

    public LoadPlan ToLoad()
    {
        var weights = Enumerable.Range(1, Endpoints).Select(k => Math.Pow(k, -Skew)).ToArray();
        var perWeight = Rate / weights.Sum();
        var digits = $"{Endpoints}".Length;
        var endpoints = weights.Select((w, i) => new EndpointLoad(
            "e" + $"{i + 1}".PadLeft(digits, '0'), null, seed => new ProfileArrivals(this, w * perWeight, SeededRandom.For(seed, (ulong)i + 1))));
        return new LoadPlan($"{Shape}".ToLowerInvariant(), Duration, (long)(Rate * Duration.TotalSeconds), [.. endpoints], []);
    }
}
