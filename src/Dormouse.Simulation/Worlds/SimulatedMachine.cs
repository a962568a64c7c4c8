using Dormouse.Core;
using Dormouse.Core.Instances;
using Dormouse.Simulation.Randomness;

namespace Dormouse.Simulation.Worlds;

/// <summary>One machine: its budget, its luck, its clock.</summary>
internal sealed class SimulatedMachine(int index, MachinePlan plan, ulong seed)
{
    /// <summary>Streams below it belong to endpoints.</summary>
    private const ulong FirstStream = 1UL << 32;

    /// <summary>Draws start times and faults.</summary>
    private SeededRandom _random = SeededRandom.For(seed, FirstStream + (ulong)index);

    public int Index => index;

    public MachinePlan Plan => plan;

    public MachineArbiter Arbiter { get; private set; } = new(plan.Limits);

    /// <summary>When the arbiter is to look again; Never = not at all.</summary>
    public MonotonicTime LooksAt { get; set; } = MonotonicTime.Never;

    /// <summary>Nobody is there to take an invocation.</summary>
    public bool IsDown { get; set; }

    public ref SeededRandom Random => ref _random;

    /// <summary>What falls due before it is handled then.</summary>
    public MonotonicTime FrozenUntil { get; set; }

    /// <summary>All that it held is gone.</summary>
    public void Clear()
    {
        Arbiter = new MachineArbiter(plan.Limits);
        LooksAt = MonotonicTime.Never;
    }
}
