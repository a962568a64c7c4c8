namespace Dormouse.Simulation.Randomness;

/// <summary>What goes wrong while load comes, and how often. All zero: nothing.</summary>
public sealed record FaultPlan
{
    public static readonly FaultPlan None = new();

    /// <summary>Mean time between crashes of a ready instance; zero = it never crashes.</summary>
    public TimeSpan CrashEvery { get; init; }

    /// <summary>Share of starts that end with a failure, 0 to 1.</summary>
    public double FailedStarts { get; init; }

    /// <summary>Share of starts that take <see cref="SlowStartFactor"/> times as long.</summary>
    public double SlowStarts { get; init; }

    public double SlowStartFactor { get; init; } = 20;

    /// <summary>Share of freezes that the machine refuses.</summary>
    public double RefusedFreezes { get; init; }

    /// <summary>Share of thaws that end with a failure.</summary>
    public double FailedThaws { get; init; }

    /// <summary>Share of starts, and of thaws, whose readiness is never heard of: only the start time-out ends them.</summary>
    public double LostReadiness { get; init; }

    /// <summary>
    /// Mean time between jumps of a machine's clock; zero = none. The monotonic clock only jumps forward: the machine stands still (a suspended virtual machine, a long
    /// pause) and all that fell due meanwhile is handled late, at one moment.
    /// </summary>
    public TimeSpan ClockJumpEvery { get; init; }

    /// <summary>How far it jumps.</summary>
    public Spread ClockJump { get; init; } = new Spread.Always(TimeSpan.Zero);

    /// <summary>Mean time from a machine's start until it is lost with all that is on it; zero = never.</summary>
    public TimeSpan MachineLossEvery { get; init; }

    /// <summary>How long it is away. Who calls meanwhile finds nobody.</summary>
    public Spread MachineOutage { get; init; } = new Spread.Always(TimeSpan.FromSeconds(30));

    /// <summary>Share of callers that leave when they have waited for <see cref="Patience"/>.</summary>
    public double ImpatientCallers { get; init; }

    public Spread Patience { get; init; } = new Spread.Always(TimeSpan.Zero);
}
