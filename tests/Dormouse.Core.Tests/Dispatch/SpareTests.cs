using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;

namespace Dormouse.Core.Tests.Dispatch;

public sealed class SpareTests
{
    private static readonly RevisionSpec One = EngineHarness.Spec with { SpareInstances = 1, IdleTimeout = TimeSpan.FromSeconds(10) };

    [Fact]
    public void Nothing_is_spare_at_zero()
    {
        var world = new EngineHarness(One);

        Assert.Empty(world.Wake().Starts);
        Assert.True(world.Engine.IsEmpty);
    }

    [Fact]
    public void A_run_that_takes_the_last_free_slot_starts_the_next_instance_where_there_is_room_and_says_why()
    {
        var world = new EngineHarness(One);
        world.Arrive();
        var first = Assert.Single(world.Effects.Starts).Instance;

        var start = Assert.Single(world.After(5).Ready(first).Starts);

        Assert.True(start.IsExpecting);
        Assert.Equal("1 instance spare above 1 running on 1 instance of 1 slot", Assert.Single(world.Effects.Changes).Reason);
        world.After(5).Ready(start.Instance);
        Assert.Equal(StartKind.Warm, ArriveAndGet(world).Kind);
    }

    [Fact]
    public void Free_slots_of_busy_instances_do_not_count_as_spare_instances()
    {
        var world = new EngineHarness(One with { Concurrency = 4, MaxInstances = 3 });
        world.Arrive();
        var first = Assert.Single(world.Effects.Starts).Instance;
        var second = Assert.Single(world.After(5).Ready(first).Starts).Instance;
        world.After(5).Ready(second);

        Enumerable.Range(0, 3).ToList().ForEach(_ => Assert.Empty(ArriveAndGetEffects(world).Starts));

        Assert.Single(ArriveAndGetEffects(world).Starts);
    }

    [Fact]
    public void Max_instances_bound_what_is_spare()
    {
        var world = new EngineHarness(One with { SpareInstances = 3, MaxInstances = 2 });
        world.Arrive();

        Assert.Equal(2, world.Effects.Starts.Count + world.After(5).Ready(world.Effects.Starts[0].Instance).Starts.Count);
        Assert.Equal(2, world.Sample.Instances.Length);
    }

    [Fact]
    public void What_is_spare_goes_with_the_use_and_not_before()
    {
        var (world, lease) = TwoWithOneRunning(One);

        Assert.Empty(world.After(100_000).Wake().Stops);
        Assert.Empty(world.End(lease).Stops);
        Assert.Empty(world.After(9_000).Wake().Stops);
        world.After(1_000).Wake();

        Assert.Equal(2, world.Effects.Stops.Count);
        Assert.True(world.Sample.Instances.All(i => i.State == InstanceState.Stopping));
    }

    /// <summary>The load goes up and down every second for ten minutes; without a memory of the peak the third instance would come and go with it.</summary>
    [Fact]
    public void A_load_that_goes_up_and_down_neither_starts_nor_stops_anything()
    {
        var (world, first) = TwoWithOneRunning(One with { IdleTimeout = TimeSpan.FromMilliseconds(300) });
        var (starts, stops) = (0, 0);
        for (var i = 0; i < 300; i++)
        {
            var second = ArriveAndGet(world.After(1_000)).Lease;
            starts += world.Effects.Starts.Count;
            world.Effects.Starts.ToList().ForEach(s => world.After(5).Ready(s.Instance));
            stops += world.After(1_000).End(second).Stops.Count;
            stops += world.After(400).Wake().Stops.Count;
        }

        Assert.Equal((1, 0), (starts, stops));
        Assert.Equal(3, world.Sample.Instances.Length);
        Assert.Empty(world.After(50_000).Wake().Stops);
        for (var i = 0; i < 80; i++)
        {
            stops += world.After(1_000).Wake().Stops.Count;
        }

        Assert.Equal(1, stops);
        Assert.Equal(2, world.Sample.Instances.Count(i => i.State == InstanceState.Ready));
        world.End(first);
    }

    [Fact]
    public void Without_room_the_next_try_waits_longer_each_time()
    {
        var world = new EngineHarness(One);
        world.Arrive();
        world.After(5).Ready(world.Effects.Starts[0].Instance);

        foreach (var seconds in (int[])[5, 10, 20, 40, 80, 160, 300, 300])
        {
            var declined = world.Apply(RevisionEvent.InstanceDeclined(world.Effects.Starts[0].Instance));
            Assert.Equal("spare capacity is wanted, but the machine has no room to spare", Assert.Single(declined.Changes).Reason);
            Assert.Empty(world.After((seconds * 1_000) - 1).Wake().Starts);
            Assert.Single(world.After(1).Wake().Starts);
        }
    }

    [Fact]
    public void The_machine_takes_back_what_is_spare_and_it_does_not_come_again_at_once()
    {
        var (world, _) = TwoWithOneRunning(One);
        var spare = world.Sample.Instances.Single(i => i.IdleSince is not null).Instance;

        Assert.Equal(StopReason.Evicted, Assert.Single(world.After(1).Apply(RevisionEvent.Evict(spare)).Stops).Reason);

        Assert.Empty(world.Effects.Starts);
        Assert.Single(world.After(5_000).Wake().Starts);
    }

    [Fact]
    public void A_start_of_one_that_fails_waits_for_the_back_off()
    {
        var world = new EngineHarness(One);
        world.Arrive();
        var spare = Assert.Single(world.After(5).Ready(world.Effects.Starts[0].Instance).Starts).Instance;

        Assert.Empty(world.After(1).Fail(spare).Starts);

        Assert.Single(world.After(1_000).Wake().Starts);
    }

    [Theory]
    [InlineData(RevisionEventKind.Drain)]
    [InlineData(RevisionEventKind.Stop)]
    [InlineData(RevisionEventKind.Retire)]
    public void Nothing_is_spare_without_traffic(RevisionEventKind end)
    {
        var (world, lease) = TwoWithOneRunning(One);

        world.Apply(RevisionEvent.Of(end));
        world.End(lease);

        Assert.Empty(world.Effects.Starts);
        Assert.True(world.Sample.Instances.All(i => i.State == InstanceState.Stopping));
    }

    private static (EngineHarness World, SlotLease Lease) TwoWithOneRunning(RevisionSpec spec)
    {
        var world = new EngineHarness(spec);
        world.Arrive();
        var ready = world.After(5).Ready(world.Effects.Starts[0].Instance);
        var lease = Assert.Single(ready.Grants).Lease;
        world.After(5).Ready(Assert.Single(ready.Starts).Instance);
        return (world, lease);
    }

    private static SlotGrant ArriveAndGet(EngineHarness world)
    {
        world.Arrive();
        return Assert.Single(world.Effects.Grants);
    }

    private static RevisionEffects ArriveAndGetEffects(EngineHarness world)
    {
        world.ArriveAndGet();
        return world.Effects;
    }
}
