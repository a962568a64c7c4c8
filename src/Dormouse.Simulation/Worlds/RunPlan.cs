namespace Dormouse.Simulation.Worlds;

/// <summary>How runs of one instance bear upon each other.</summary>
public sealed record RunPlan
{
    /// <summary>Not at all: a run takes what its arrival says.</summary>
    public static readonly RunPlan Free = new();

    /// <summary>
    /// Runs at once on one instance that do not slow each other, at least 1; with n above it each goes on at knee ÷ n of its pace, as on so many cores. 0 = any number.
    /// </summary>
    public int Knee { get; init; }

    /// <summary>What each further invocation adds to a run that several share, as a share of the longest of them; 0 = nothing, 1 = as much as a run of its own.</summary>
    public double BatchGrowth { get; init; } = 0.25;
}
