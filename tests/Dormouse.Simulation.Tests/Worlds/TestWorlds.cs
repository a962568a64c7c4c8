using Dormouse.Core;
using Dormouse.Core.Endpoints;
using Dormouse.Simulation.Load;
using Dormouse.Simulation.Promises;
using Dormouse.Simulation.Randomness;
using Dormouse.Simulation.Results;
using Dormouse.Simulation.Worlds;

namespace Dormouse.Simulation.Tests.Worlds;

/// <summary>Worlds whose times are known: a start takes 30 ms, a run 100 ms unless said otherwise.</summary>
internal static class TestWorlds
{
    public static readonly RevisionSpec Spec = new() { Runtime = RuntimeKind.Onnx.Name, MemoryMib = 1024, Concurrency = 1, MaxInstances = 1, IdleTimeout = TimeSpan.FromSeconds(10) };

    public static WorldPlan Plan(double seconds, RevisionSpec spec, params double[] arrivals) =>
        Plan(seconds, spec, arrivals.Select(a => (a, 100.0)));

    public static WorldPlan Plan(double seconds, RevisionSpec spec, IEnumerable<(double Second, double RunMs)> arrivals) => new()
    {
        Seed = 1,
        Duration = TimeSpan.FromSeconds(seconds),
        Endpoints = [new EndpointPlan("e", spec, new RecordedArrivals([.. arrivals.Select(a => new Arrival(At(a.Second), TimeSpan.FromMilliseconds(a.RunMs)))]))],
        Machine = new MachinePlan { StartTime = new Spread.Always(TimeSpan.FromMilliseconds(25)), LoadTime = new Spread.Always(TimeSpan.FromMilliseconds(5)) },
    };

    public static MonotonicTime At(double second) => new((long)Math.Round(second * TimeSpan.TicksPerSecond));

    /// <summary>Runs it with every promise watched.</summary>
    public static WorldTotals Run(WorldPlan plan) => new World(plan, new PromiseWatch(plan)).Run(null, TestContext.Current.CancellationToken);
}
