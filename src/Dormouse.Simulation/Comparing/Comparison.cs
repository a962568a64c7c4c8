using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Simulation.Load;
using Dormouse.Simulation.Randomness;
using Dormouse.Simulation.Results;
using Dormouse.Simulation.Worlds;

namespace Dormouse.Simulation.Comparing;

/// <summary>What policies are compared on, beside the load.</summary>
public sealed record Grounds
{
    public required ulong Seed { get; init; }

    public int Machines { get; init; } = 1;

    /// <summary>Cores of one machine: what defaults of concurrency and instances go by.</summary>
    public int Cores { get; init; } = 8;

    public MachinePlan Machine { get; init; } = new();

    public FaultPlan Faults { get; init; } = FaultPlan.None;

    public CallerPlan Callers { get; init; } = CallerPlan.Silent;

    public RunPlan Runs { get; init; } = RunPlan.Free;

    /// <summary>Expands a spec's scheduled floors over a load of this length, which needs a calendar; null = they are left out.</summary>
    public Func<RevisionSpec, TimeSpan, ImmutableArray<PlannedFloor>>? Floors { get; init; }
}

public sealed record PolicyResult(Policy Policy, WorldTotals Totals);

/// <summary>Runs one load under several policies. All get the same arrivals with the same run times, and machines with the same luck.</summary>
public static class Comparison
{
    /// <summary>The spec of every endpoint under a policy; endpoints alike share one.</summary>
    /// <exception cref="PolicyException">A setting is not allowed.</exception>
    public static ImmutableArray<RevisionSpec> Specs(LoadPlan load, Policy policy, Grounds grounds)
    {
        var facts = new MachineFacts(grounds.Cores, (int)Math.Min(int.MaxValue, grounds.Machine.BudgetMib)) { ReservableCores = grounds.Machine.ReservableCores ?? grounds.Cores };
        var byMemory = new Dictionary<int, RevisionSpec>();
        var specs = ImmutableArray.CreateBuilder<RevisionSpec>(load.Endpoints.Length);
        foreach (var endpoint in load.Endpoints)
        {
            var mib = Math.Max(endpoint.MemoryMib ?? 0, endpoint.MemoryMib is null ? 0 : SpecRules.MemoryMibMin);
            if (!byMemory.TryGetValue(mib, out var spec))
            {
                var wishes = policy.Wishes with { Memory = policy.Wishes.Memory ?? (mib == 0 ? null : $"{mib}MiB") };
                spec = SpecRules.Apply(wishes, facts) switch
                {
                    SpecOutcome.Accepted accepted => accepted.Spec,
                    SpecOutcome.Refused refused => throw new PolicyException(policy.Name, refused.Errors),
                    _ => throw new InvalidOperationException("A third outcome."),
                };
                byMemory.Add(mib, spec);
            }

            specs.Add(spec);
        }

        return specs.DrainToImmutable();
    }

    /// <summary>Runs the load under one policy.</summary>
    /// <param name="progress">Hears how much virtual time has passed.</param>
    public static PolicyResult Run(LoadPlan load, Policy policy, Grounds grounds, IProgress<TimeSpan>? progress, CancellationToken cancellationToken)
    {
        var specs = Specs(load, policy, grounds);
        // Endpoints alike share a spec, and so its windows.
        var floors = specs.Where(s => !s.Floors.IsEmpty).Distinct().ToDictionary(s => s, s => grounds.Floors?.Invoke(s, load.Duration) ?? []);
        var world = new World(new WorldPlan
        {
            Seed = grounds.Seed,
            Duration = load.Duration,
            Machines = grounds.Machines,
            Machine = grounds.Machine,
            Faults = grounds.Faults,
            Callers = grounds.Callers,
            Runs = grounds.Runs,
            Endpoints = [.. load.Endpoints.Select((e, i) => new EndpointPlan(e.Name, specs[i], e.Open(grounds.Seed)) { Floors = floors.GetValueOrDefault(specs[i], []) })],
        });
        return new PolicyResult(policy, world.Run(progress, cancellationToken));
    }
}
