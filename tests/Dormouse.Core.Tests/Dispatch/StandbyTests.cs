using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Tests.Dispatch;

/// <summary>What a handover keeps of a revision that has no traffic.</summary>
public sealed class StandbyTests
{
    private static readonly RevisionSpec Spec = EngineHarness.Spec with { IdleTimeout = TimeSpan.FromSeconds(10), MinInstances = 1, Provisioned = 3 };

    [Fact]
    public void Before_the_traffic_comes_as_many_start_as_are_asked_for_and_they_stay()
    {
        var world = new EngineHarness(Spec);

        var starts = Drain(world, 2, isNext: true).Starts.ConvertAll(s => s.Instance);

        Assert.Equal(2, starts.Count);
        Assert.Equal("2 instances to be ready before the traffic comes, 0 there", Assert.Single(world.Effects.Changes).Reason);
        starts.ForEach(i => world.After(1).Ready(i));
        Assert.Empty(world.After(3_600_000).Wake().Stops);
        Assert.Empty(world.Apply(RevisionEvent.Evict(starts[0])).Stops);
        Assert.False(world.Engine.IsEmpty);
        Assert.DoesNotContain(world.Sample.Instances, i => i.IsProvisioned);
    }

    [Fact]
    public void When_the_traffic_comes_their_idle_time_out_begins()
    {
        var world = new EngineHarness(Spec with { MinInstances = 0, Provisioned = 0 });
        var starts = Drain(world, 2, isNext: true).Starts.ConvertAll(s => s.Instance);
        starts.ForEach(i => world.After(1).Ready(i));
        world.After(600_000);

        Assert.Empty(world.Apply(RevisionEvent.Of(RevisionEventKind.Resume)).Stops);
        Assert.Equal(StartKind.Warm, Take(world));
        Assert.Empty(world.After(9_000).Wake().Stops);
        Assert.NotEmpty(world.After(2_000).Wake().Stops);
    }

    [Fact]
    public void After_the_traffic_went_so_many_stay_and_the_others_go()
    {
        var world = new EngineHarness(Spec);
        var starts = world.Wake().Starts.ConvertAll(s => s.Instance);
        starts.ForEach(i => world.After(1).Ready(i));

        Assert.Single(Drain(world, 2, isNext: false).Stops);

        Assert.Empty(world.After(3_600_000).Wake().Stops);
        Assert.Equal(0, world.Apply(RevisionEvent.Of(RevisionEventKind.MeterProvisioned)).ProvisionedMicroseconds / TimeSpan.MicrosecondsPerSecond);
        Assert.Equal(2, Drain(world, 0, isNext: false).Stops.Count);
    }

    [Fact]
    public void One_that_is_lost_while_it_is_kept_is_started_again()
    {
        var world = new EngineHarness(Spec);
        var lost = Assert.Single(Drain(world, 1, isNext: false).Starts).Instance;
        world.After(1).Ready(lost);

        var again = Assert.Single(world.After(60_000).Lose(lost).Starts);

        Assert.NotEqual(lost, again.Instance);
        Assert.Equal("1 instance kept for a way back after the traffic went, 0 there", world.Effects.Changes[^1].Reason);
    }

    [Fact]
    public void A_failed_start_is_tried_again_later()
    {
        var world = new EngineHarness(Spec);
        var first = Assert.Single(Drain(world, 1, isNext: true).Starts).Instance;

        var failed = world.After(1).Fail(first);
        var wakeAt = failed.WakeAt;

        Assert.Empty(failed.Starts);
        Assert.True(wakeAt > world.Now && wakeAt < MonotonicTime.Never);
        Assert.Single(world.After((wakeAt - world.Now).TotalMilliseconds).Wake().Starts);
    }

    [Fact]
    public void Its_bound_is_max_instances_and_a_stop_ends_it()
    {
        var world = new EngineHarness(Spec);

        Assert.Equal(4, Drain(world, 9, isNext: true).Starts.Count);
        Assert.Equal(4, world.Apply(RevisionEvent.Of(RevisionEventKind.Stop)).Stops.Count);
        world.Wake();

        Assert.Empty(world.Effects.Starts);
    }

    private static RevisionEffects Drain(EngineHarness world, int instances, bool isNext) =>
        world.Apply(RevisionEvent.Drain(DrainReason.NoTraffic, new Standby(instances, isNext)));

    private static StartKind Take(EngineHarness world)
    {
        world.Arrive();
        var grant = Assert.Single(world.Effects.Grants);
        world.After(1).End(grant.Lease);
        return grant.Kind;
    }
}
