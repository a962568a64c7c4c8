using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Core.Scaling;

namespace Dormouse.Core.Tests.Dispatch;

public sealed class FloorTests
{
    private const string Window = "from 08:00 to 18:00 Europe/Berlin";

    private static readonly RevisionSpec Spec = EngineHarness.Spec with { IdleTimeout = TimeSpan.FromSeconds(10) };

    [Fact]
    public void A_window_that_opens_starts_what_is_missing_and_says_which_window_it_is()
    {
        var world = new EngineHarness(Spec);
        world.WarmUp();

        Assert.Single(Change(world, 2).Starts);

        Assert.Equal($"floor of 2 {Window}, 1 there", Assert.Single(world.Effects.Changes).Reason);
        Assert.False(world.Engine.IsEmpty);
    }

    [Fact]
    public void What_a_floor_keeps_is_neither_stopped_nor_taken_back_until_the_window_closes()
    {
        var world = new EngineHarness(Spec);
        var ids = Change(world, 2).Starts.ConvertAll(s => s.Instance);
        ids.ForEach(i => world.After(1).Ready(i));

        Assert.Empty(world.After(3_600_000).Wake().Stops);
        Assert.Empty(world.Apply(RevisionEvent.Evict(ids[0])).Stops);
        var stops = Change(world.After(1), 0).Stops;

        Assert.Equal(ids, stops.ConvertAll(s => s.Instance));
        Assert.All(stops, s => Assert.Equal(StopReason.Idle, s.Reason));
    }

    [Fact]
    public void The_largest_of_floor_min_instances_and_provisioned_is_kept()
    {
        var world = new EngineHarness(Spec with { MinInstances = 2, Provisioned = 1 });

        Assert.Equal(2, Change(world, 1).Starts.Count);
        Assert.Equal("min-instances is 2, 0 there", Assert.Single(world.Effects.Changes).Reason);
        Assert.Single(Change(world, 3).Starts);
        Assert.Empty(Change(world, 2).Starts);
    }

    [Fact]
    public void An_engine_that_begins_in_mid_window_keeps_its_floor()
    {
        var engine = new RevisionEngine(EngineHarness.Revision, Spec, 1) { Floor = new InstanceFloor(3, Window) };
        var effects = new RevisionEffects();

        engine.Apply(RevisionEvent.Of(RevisionEventKind.Woken), new MonotonicTime(1), effects);

        Assert.Equal(3, effects.Starts.Count);
    }

    [Fact]
    public void A_stopped_endpoint_stays_at_zero_until_the_next_window_opens()
    {
        var world = new EngineHarness(Spec);
        var id = Change(world, 1).Starts[0].Instance;
        world.After(1).Ready(id);

        Assert.Single(world.Apply(RevisionEvent.Of(RevisionEventKind.Stop)).Stops);
        Assert.Empty(Change(world, 1).Starts);
        Assert.Empty(Change(world, 0).Starts);
        Assert.Single(Change(world, 1).Starts);
    }

    [Theory]
    [InlineData(RevisionEventKind.Drain)]
    [InlineData(RevisionEventKind.Retire)]
    public void Without_traffic_no_floor_starts_anything(RevisionEventKind end)
    {
        var world = new EngineHarness(Spec);
        world.Apply(RevisionEvent.Of(end));

        Assert.Empty(Change(world, 2).Starts);
        Assert.True(world.Engine.IsEmpty);
    }

    private static RevisionEffects Change(EngineHarness world, int instances) => world.Apply(RevisionEvent.FloorChanged(new InstanceFloor(instances, Window)));
}
