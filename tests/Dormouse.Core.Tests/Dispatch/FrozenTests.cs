using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;

namespace Dormouse.Core.Tests.Dispatch;

/// <summary>Instances that are frozen once they were idle for their keep-alive, and thawed before others are started.</summary>
public sealed class FrozenTests
{
    private static readonly RevisionSpec Spec = EngineHarness.Spec with { IdleTimeout = TimeSpan.FromSeconds(10), FrozenFor = TimeSpan.FromMinutes(5) };

    [Fact]
    public void An_instance_is_frozen_after_its_keep_alive_and_goes_after_frozen_for()
    {
        var (world, instance) = Frozen();

        Assert.Equal(InstanceState.Frozen, Assert.Single(world.Sample.Instances).State);
        Assert.Contains("frozen for at most 5 min", Assert.Single(world.Effects.Changes).Reason, StringComparison.Ordinal);
        Assert.Equal(world.Now + Spec.FrozenFor, world.Effects.WakeAt);
        Assert.Empty(world.Effects.Stops);
        Assert.False(world.Engine.IsEmpty);

        var stop = Assert.Single(world.After(300_000).Wake().Stops);

        Assert.Equal(new InstanceToStop(instance, StopReason.Idle), stop);
        Assert.Contains("was frozen for 5 min", Assert.Single(world.Effects.Changes).Reason, StringComparison.Ordinal);
        world.Gone(instance);
        Assert.True(world.Engine.IsEmpty);
    }

    [Fact]
    public void A_call_thaws_it_and_starts_nothing()
    {
        var (world, instance) = Frozen();

        world.After(1_000).Arrive();

        Assert.Equal((instance, 2L, StartCause.Idle), Assert.Single(world.Effects.Thaws) is var thaw ? (thaw.Instance, thaw.Turn, thaw.Cause) : default);
        Assert.Empty(world.Effects.Starts);
        Assert.Equal([instance], world.Effects.BecameBusy);
        var grant = Assert.Single(world.After(0.5).Apply(Thawed(instance)).Grants);
        Assert.Equal((StartKind.Cold, (StartCause?)StartCause.Idle, Rung.Thaw, (RungReason?)null), (grant.Kind, grant.Cause, grant.Rung, grant.RungReason));
        Assert.Equal((TimeSpan.FromMilliseconds(0.5), TimeSpan.Zero, TimeSpan.Zero), (grant.Start, grant.Queue, grant.Load));
        var learned = world.Engine.Learned.StartTime;
        Assert.Equal(TimeSpan.FromMilliseconds(5), learned);
    }

    [Fact]
    public void What_a_run_after_a_thaw_uses_is_metered_and_the_frozen_time_is_not()
    {
        var (world, instance) = Frozen();
        world.After(60_000).Arrive();
        var lease = Assert.Single(world.After(1).Apply(Thawed(instance)).Grants).Lease;

        var metered = Assert.Single(world.After(3).End(lease).Metered);

        Assert.Equal(3_000, metered.MeteredMicroseconds);
        Assert.Equal(instance, Assert.Single(world.After(10_000).Wake().Freezes).Instance);
        Assert.Equal(3, world.Effects.Freezes[0].Turn);
    }

    [Fact]
    public void A_burst_thaws_what_is_frozen_and_starts_nothing_in_its_place()
    {
        var world = new EngineHarness(Spec with { MaxInstances = 3 });
        var first = world.WarmUp();
        world.Apply(RevisionEvent.FloorChanged(new Core.Scaling.InstanceFloor(2, "from 08:00 to 18:00 UTC")));
        var second = Assert.Single(world.Effects.Starts).Instance;
        world.After(5).Ready(second);
        world.Apply(RevisionEvent.FloorChanged(Core.Scaling.InstanceFloor.None));
        Assert.Equal([first.Number, second.Number], world.After(10_000).Wake().Freezes.Select(f => f.Instance.Number).Order());

        for (var i = 0; i < 2; i++)
        {
            world.Arrive();
            Assert.Equal((1, 0), (world.Effects.Thaws.Count, world.Effects.Starts.Count));
        }
    }

    [Fact]
    public void Where_nothing_can_be_frozen_instances_are_stopped_and_the_next_start_says_so()
    {
        var (world, instance) = Frozen();

        var stop = Assert.Single(world.Apply(RevisionEvent.FreezeRefused(instance)).Stops);
        Assert.Equal(new InstanceToStop(instance, StopReason.Idle), stop);
        world.Gone(instance);
        world.Arrive();
        var next = Assert.Single(world.Effects.Starts).Instance;
        var grant = Assert.Single(world.After(5).Ready(next).Grants);

        Assert.Equal((Rung.Pool, RungReason.FreezeRefused), (grant.Rung, grant.RungReason));
        world.After(1).End(grant.Lease);
        Assert.Equal(next, Assert.Single(world.After(10_000).Wake().Stops).Instance);
        Assert.Empty(world.Effects.Freezes);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_thaw_that_fails_or_takes_too_long_is_followed_by_a_start_at_once(bool isFailure)
    {
        var (world, instance) = Frozen();
        world.Arrive();

        var effects = isFailure
            ? world.After(1).Fail(instance)
            : world.After(5_000).Wake();

        Assert.Equal(isFailure ? 0 : 1, effects.Stops.Count);
        Assert.Empty(effects.Refusals);
        var next = Assert.Single(effects.Starts);
        Assert.Equal(StartCause.Crash, next.Cause);
        var grant = Assert.Single(world.After(5).Ready(next.Instance).Grants);
        Assert.Equal(RungReason.ThawFailed, grant.RungReason);
        world.End(grant.Lease);
    }

    [Fact]
    public void The_machine_may_take_it_back_and_is_refused_while_it_thaws()
    {
        var (world, instance) = Frozen();
        world.Arrive();
        Assert.Equal([instance], world.Apply(RevisionEvent.Evict(instance)).BecameBusy);
        var lease = Assert.Single(world.Apply(Thawed(instance)).Grants).Lease;
        world.End(lease);
        Assert.Single(world.After(10_000).Wake().Freezes);

        Assert.Equal(StopReason.Evicted, Assert.Single(world.Apply(RevisionEvent.Evict(instance)).Stops).Reason);
        world.Gone(instance);
        world.Arrive();
        Assert.Equal(StartCause.Eviction, Assert.Single(world.Effects.Starts).Cause);
    }

    [Fact]
    public void Nothing_stays_frozen_without_traffic_or_when_the_endpoint_stops_or_is_deleted()
    {
        foreach (var end in new[] { RevisionEvent.Drain(DrainReason.NoTraffic), RevisionEvent.Of(RevisionEventKind.Stop), RevisionEvent.Of(RevisionEventKind.Retire) })
        {
            var (world, instance) = Frozen();
            Assert.Equal(instance, Assert.Single(world.Apply(end).Stops).Instance);
        }
    }

    [Fact]
    public void What_is_to_be_kept_is_thawed_for_it()
    {
        var (world, instance) = Frozen();

        world.Apply(RevisionEvent.FloorChanged(new Core.Scaling.InstanceFloor(1, "from 08:00 to 18:00 UTC")));

        Assert.Equal(instance, Assert.Single(world.Effects.Thaws).Instance);
        Assert.Empty(world.Effects.Starts);
    }

    private static RevisionEvent Thawed(InstanceId instance) => RevisionEvent.InstanceReady(
        instance, new InstanceReady($"/run/{instance}", Rung.Thaw, TimeSpan.FromMilliseconds(0.5), TimeSpan.Zero, "{}", true));

    private static (EngineHarness World, InstanceId Instance) Frozen()
    {
        var world = new EngineHarness(Spec);
        var instance = world.WarmUp();
        var freeze = Assert.Single(world.After(10_000).Wake().Freezes);
        Assert.Equal(new InstanceToFreeze(instance, 1), freeze);
        return (world, instance);
    }
}
