using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Tests.Dispatch;

/// <summary>The harness begins at a whole second.</summary>
public sealed class LoadTargetTests
{
    private static readonly RevisionSpec Half = EngineHarness.Spec with { Concurrency = 4, TargetUtilization = 0.5, IdleTimeout = TimeSpan.FromSeconds(5) };

    [Fact]
    public void A_load_above_the_target_starts_the_next_instance_and_says_why()
    {
        var world = Started(Half, out var first);
        Run(world, 3);

        var start = Assert.Single(Pass(world, 2, until: e => e.Starts.Count > 0).Starts);

        Assert.NotEqual(first, start.Instance);
        Assert.True(start.IsExpecting);
        Assert.Matches("^load of [0-9.]+ on average, target 2 an instance: 2 instances, 1 there$", Assert.Single(world.Effects.Changes).Reason);
    }

    [Fact]
    public void A_load_at_the_target_starts_nothing()
    {
        var world = Started(Half, out _);
        Run(world, 2);

        Assert.Empty(Pass(world, 120, until: e => e.Starts.Count > 0).Starts);
    }

    [Fact]
    public void An_idle_instance_stays_while_the_load_of_the_last_minute_asks_for_it()
    {
        var world = Started(Half, out _);
        var leases = Run(world, 4);
        var second = Pass(world, 4, until: e => e.Starts.Count > 0).Starts[0].Instance;
        world.Ready(second);
        Pass(world, 60);
        leases.ForEach(l => world.End(l));

        var ended = world.Now;
        Pass(world, 200, until: e => e.Stops.Count > 0);
        Assert.InRange((world.Now - ended).TotalSeconds, 20, 45); // The average falls below one instance's target.
        Pass(world, 200, until: e => e.Stops.Count > 0);

        Assert.InRange((world.Now - ended).TotalSeconds, 58, 66); // The last minute holds nothing.
        Assert.Equal(MonotonicTime.Never, world.Wake().WakeAt);
    }

    [Fact]
    public void A_scale_down_delay_keeps_the_largest_answer_longer()
    {
        var world = Started(Half with { TargetUtilization = null, ScaleDownDelay = TimeSpan.FromSeconds(100) }, out _);
        var lease = Run(world, 1)[0];
        Pass(world, 10);
        world.End(lease);

        var ended = world.Now;
        Pass(world, 400, until: e => e.Stops.Count > 0);

        Assert.InRange((world.Now - ended).TotalSeconds, 155, 170);
    }

    [Fact]
    public void Without_a_target_the_idle_time_out_alone_counts()
    {
        var world = Started(Half with { TargetUtilization = null }, out _);
        var lease = Run(world, 1)[0];
        Pass(world, 30);
        world.End(lease);

        Assert.Single(world.After(5_000).Wake().Stops);
    }

    [Fact]
    public void The_machine_takes_back_what_only_the_load_asks_for()
    {
        var world = Started(Half, out var first);
        var lease = Run(world, 1)[0];
        Pass(world, 10);
        world.End(lease);

        Assert.Single(world.After(1).Apply(RevisionEvent.Evict(first)).Stops);
    }

    private static EngineHarness Started(RevisionSpec spec, out Core.Instances.InstanceId first)
    {
        var world = new EngineHarness(spec);
        world.Arrive();
        first = world.Effects.Starts[0].Instance;
        world.End(Assert.Single(world.After(5).Ready(first).Grants).Lease);
        return world;
    }

    private static List<SlotLease> Run(EngineHarness world, int count) => [.. Enumerable.Range(0, count).Select(_ => world.ArriveAndGet())];

    /// <summary>Wakes the engine whenever it asks for it, until something happens or the seconds are over.</summary>
    private static RevisionEffects Pass(EngineHarness world, int seconds, Predicate<RevisionEffects>? until = null)
    {
        var end = world.Now + TimeSpan.FromSeconds(seconds);
        while (world.Effects.WakeAt <= end)
        {
            world.After((world.Effects.WakeAt - world.Now).TotalMilliseconds).Wake();
            if (until?.Invoke(world.Effects) is true)
            {
                return world.Effects;
            }
        }

        world.After((end - world.Now).TotalMilliseconds).Wake();
        return world.Effects;
    }
}
