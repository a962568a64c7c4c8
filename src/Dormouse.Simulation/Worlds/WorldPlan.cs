using System.Collections.Immutable;
using Dormouse.Core;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Core.Usage;
using Dormouse.Simulation.Load;
using Dormouse.Simulation.Randomness;

namespace Dormouse.Simulation.Worlds;

/// <summary>All that a world is made of. The same plan gives the same run, event by event.</summary>
public sealed record WorldPlan
{
    public required ulong Seed { get; init; }

    /// <summary>At least one; an endpoint's place is its index.</summary>
    public required ImmutableArray<EndpointPlan> Endpoints { get; init; }

    /// <summary>When load ends: what instances hold after it is not counted. Whoever still waits or runs then is served.</summary>
    public required TimeSpan Duration { get; init; }

    public MachinePlan Machine { get; init; } = new();

    /// <summary>Machines alike, each a server of its own with its own budget; endpoints are dealt out in turn.</summary>
    public int Machines { get; init; } = 1;

    public PriceBook Prices { get; init; } = PriceBook.Default;

    /// <summary>How often provisioned time is accounted; as the server does it by default.</summary>
    public TimeSpan ProvisionedEvery { get; init; } = TimeSpan.FromMinutes(5);

    public FaultPlan Faults { get; init; } = FaultPlan.None;

    public CallerPlan Callers { get; init; } = CallerPlan.Silent;

    public RunPlan Runs { get; init; } = RunPlan.Free;
}

/// <param name="Name">For reports.</param>
/// <param name="Spec">A valid spec; runtime, limits and policy.</param>
/// <param name="Arrivals">A fresh stream: a world reads it once.</param>
public sealed record EndpointPlan(string Name, RevisionSpec Spec, ArrivalStream Arrivals)
{
    /// <summary>Whose turn its starts take where room is short.</summary>
    public TenantId Tenant { get; init; } = TenantId.Default;

    /// <summary>From when on a schedule asks for how many instances, in order of time; at the beginning for none.</summary>
    public ImmutableArray<PlannedFloor> Floors { get; init; } = [];

    /// <summary>When the revision loses its traffic to another and gets it back, in order of time; at the beginning it has it. Its calls are those that were under way, or name it.</summary>
    public ImmutableArray<PlannedShift> Shifts { get; init; } = [];

    /// <summary>One of so many invocations is deferred: nobody waits for its answer. 0 = none is.</summary>
    public int DeferredEvery { get; init; }
}

/// <param name="Standby">Instances that a handover keeps of it while it has no traffic; null = it has traffic from now on.</param>
public readonly record struct PlannedShift(MonotonicTime At, int? Standby);

public readonly record struct PlannedFloor(MonotonicTime At, int Instances);

/// <summary>What one machine has and how long things take on it.</summary>
public sealed record MachinePlan
{
    /// <summary>Memory that all instances may have together, MiB.</summary>
    public long BudgetMib { get; init; } = 24 * 1024;

    /// <summary>Starts under way at once.</summary>
    public int StartsAtOnceMax { get; init; } = 8;

    /// <summary>Starts that may begin in a second; null = no bound.</summary>
    public double? StartsPerSecond { get; init; }

    /// <summary>Cores that may be reserved for all instances together; null = no bound.</summary>
    public double? ReservableCores { get; init; }

    /// <summary>These bounds as the arbiter takes them.</summary>
    internal MachineLimits Limits => new(BudgetMib, StartsAtOnceMax)
    {
        StartsPerSecond = StartsPerSecond,
        CpuMillis = ReservableCores is { } cores ? (long)Math.Round(cores * 1000) : long.MaxValue,
    };

    /// <summary>From the machine's admission until the model begins to load.</summary>
    public Spread StartTime { get; init; } = new Spread.Lognormal(TimeSpan.FromMilliseconds(25), 0.4);

    public Spread LoadTime { get; init; } = new Spread.Lognormal(TimeSpan.FromMilliseconds(5), 0.4);

    /// <summary>From the order to thaw a frozen instance until it serves.</summary>
    public Spread ThawTime { get; init; } = new Spread.Lognormal(TimeSpan.FromMilliseconds(0.4), 0.4);

    /// <summary>From the order to stop, or a crash, until nothing is left.</summary>
    public Spread StopTime { get; init; } = new Spread.Always(TimeSpan.FromMilliseconds(2));

    /// <summary>From the end of a run until its answer has left the instance; zero = at once.</summary>
    public Spread AnswerTime { get; init; } = new Spread.Always(TimeSpan.Zero);
}
