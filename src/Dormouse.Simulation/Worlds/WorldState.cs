using Dormouse.Core;
using Dormouse.Core.Dispatch;
using Dormouse.Simulation.Results;

namespace Dormouse.Simulation.Worlds;

/// <summary>What the parts of a world share.</summary>
internal sealed class WorldState(WorldPlan plan, WorldWatch? watch)
{
    public WorldPlan Plan => plan;

    public WorldWatch? Watch => watch;

    public EventQueue Events { get; } = new();

    public InvocationTable Invocations { get; } = new();

    public WorldTotals Totals { get; } = new(plan.Duration);

    public SimulatedEndpoint[] Endpoints { get; set; } = [];

    /// <summary>The clock of the machine whose event is handled.</summary>
    public MonotonicTime Now { get; set; }

    /// <summary>Engines that exist.</summary>
    public int Engines { get; set; }

    /// <summary>Things go wrong only while load comes.</summary>
    public bool IsLoadOver { get; set; }

    /// <summary>Tests play a broken engine with it: changes effects before anybody sees them.</summary>
    public Action<int, RevisionEvent, RevisionEffects>? Distort { get; set; }
}
