using Dormouse.Simulation.Randomness;

namespace Dormouse.Simulation.Worlds;

/// <summary>What callers say of their invocations.</summary>
public sealed record CallerPlan
{
    /// <summary>Nobody says anything.</summary>
    public static readonly CallerPlan Silent = new();

    /// <summary>Share of invocations that name a deadline, 0 to 1.</summary>
    public double WithDeadline { get; init; }

    /// <summary>The deadline, from the arrival on.</summary>
    public Spread Deadline { get; init; } = new Spread.Always(TimeSpan.Zero);
}
