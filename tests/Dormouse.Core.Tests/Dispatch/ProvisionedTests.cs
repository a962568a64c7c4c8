using Dormouse.Core.Dispatch;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;

namespace Dormouse.Core.Tests.Dispatch;

public sealed class ProvisionedTests
{
    private static readonly RevisionSpec Two = EngineHarness.Spec with { Provisioned = 2, IdleTimeout = TimeSpan.FromSeconds(10) };

    [Fact]
    public void Provisioned_instances_start_without_a_call_and_the_reason_says_so()
    {
        var world = new EngineHarness(Two);

        var starts = world.Wake().Starts;

        Assert.Equal(2, starts.Count);
        Assert.Equal("2 instances provisioned, 0 there", Assert.Single(world.Effects.Changes).Reason);
        Assert.False(world.Engine.IsEmpty);
    }

    [Theory]
    [InlineData(3, 2, "min-instances is 3, 0 there")]
    [InlineData(1, 2, "2 instances provisioned, 0 there")]
    [InlineData(0, 1, "1 instance provisioned, 0 there")]
    public void Of_min_instances_and_provisioned_the_larger_is_kept(int min, int provisioned, string reason)
    {
        var world = new EngineHarness(EngineHarness.Spec with { MinInstances = min, Provisioned = provisioned });

        Assert.Equal(Math.Max(min, provisioned), world.Wake().Starts.Count);
        Assert.Equal(reason, Assert.Single(world.Effects.Changes).Reason);
    }

    [Fact]
    public void Calls_go_to_provisioned_instances_first_and_bursts_above_them_are_on_demand()
    {
        var (world, _) = Started(Two);

        var leases = new[] { world.ArriveAndGet(), world.ArriveAndGet() };
        world.Arrive();
        var above = Assert.Single(world.After(20).Wake().Starts).Instance;
        var third = Assert.Single(world.After(5).Ready(above).Grants).Lease;

        Assert.All(leases, l => Assert.True(l.IsProvisioned));
        Assert.False(third.IsProvisioned);
        Assert.Equal(above, third.Instance);
        world.End(leases[1]);
        world.End(third);
        Assert.Equal(leases[1].Instance, world.ArriveAndGet().Instance);
    }

    [Fact]
    public void Deferred_calls_wait_for_those_that_are_coming_and_only_then_for_more()
    {
        var (world, ids) = Started(Two);
        world.End(world.ArriveAndGet());
        var running = new[] { world.ArriveAndGet(), world.ArriveAndGet() };
        world.After(20).Lose(ids[0]);
        var replacement = Assert.Single(world.Effects.Starts).Instance;
        world.End(running[0]);

        for (var i = 0; i < 10; i++)
        {
            world.Arrive(wishes: CallerWishes.None with { IsDeferred = true });
            Assert.Empty(world.Effects.Starts);
        }

        Assert.Empty(world.After(100).Wake().Starts);
        var grant = Assert.Single(world.After(5).Ready(replacement).Grants);
        var starts = world.Effects.Starts.Count;
        Assert.True(grant.Lease.IsProvisioned);
        Assert.True(starts + world.After(100).Wake().Starts.Count > 0, "once all that is paid for runs, more is started");
    }

    [Fact]
    public void A_live_call_does_not_wait_for_those_that_are_coming_when_another_start_is_worth_it()
    {
        var (world, ids) = Started(Two);
        world.End(world.ArriveAndGet());
        world.ArriveAndGet();
        world.ArriveAndGet();
        world.After(20).Lose(ids[0]);
        world.Arrive(wishes: CallerWishes.None with { IsDeferred = true });
        Assert.Empty(world.After(200).Wake().Starts);

        var starts = 0;
        for (var i = 0; i < 6; i++)
        {
            world.Arrive();
            starts += world.Effects.Starts.Count;
        }

        Assert.True(starts > 0, "live calls start what they need");
    }

    [Fact]
    public void The_instance_above_them_falls_idle_and_they_are_neither_stopped_nor_taken_back()
    {
        var (world, ids) = Started(Two);
        world.ArriveAndGet();
        world.ArriveAndGet();
        world.Arrive();
        var above = Assert.Single(world.After(20).Wake().Starts).Instance;
        var lease = Assert.Single(world.After(5).Ready(above).Grants).Lease;

        Assert.Equal([above], world.End(lease).BecameIdle);
        Assert.Empty(world.Apply(RevisionEvent.Evict(ids[0])).Stops);
        Assert.Equal(new InstanceToStop(above, StopReason.Idle), Assert.Single(world.After(10_000).Wake().Stops));
        Assert.Empty(world.After(3_600_000).Wake().Stops);
    }

    [Fact]
    public void Their_time_counts_from_ready_whether_anything_runs_or_not()
    {
        var world = new EngineHarness(Two);
        var ids = world.Wake().Starts.ConvertAll(s => s.Instance);

        Assert.Equal(0, Meter(world.After(5)));
        world.Ready(ids[0]);
        Assert.Equal(10_000, Meter(world.After(10)));
        world.Ready(ids[1]);
        var lease = world.ArriveAndGet();
        world.After(7).End(lease);
        Assert.Equal(2 * 12_000, Meter(world.After(5)));
        Assert.Equal(0, Meter(world));
    }

    [Fact]
    public void One_that_is_lost_is_not_paid_for_until_another_is_ready_in_its_place()
    {
        var (world, ids) = Started(Two);
        Meter(world);

        var replacement = Assert.Single(world.After(1).Lose(ids[0]).Starts).Instance;

        Assert.Equal(2_000, Meter(world));
        Assert.Equal(3_000, Meter(world.After(3)));
        world.Ready(replacement);
        Assert.Equal(8_000, Meter(world.After(4)));
    }

    [Fact]
    public void An_instance_above_them_steps_into_the_place_of_one_that_is_lost()
    {
        var (world, ids) = Started(Two with { MaxInstances = 3 });
        world.ArriveAndGet();
        world.ArriveAndGet();
        world.Arrive();
        var above = Assert.Single(world.After(20).Wake().Starts).Instance;
        world.After(5).Ready(above);
        Meter(world);

        world.Lose(ids[0]);

        Assert.Empty(world.Effects.Starts);
        Assert.Equal(2 * 3_000, Meter(world.After(3)));
        Assert.Equal([ids[1], above], world.Sample.Instances.Where(i => i.IsProvisioned).Select(i => i.Instance));
    }

    [Theory]
    [InlineData(RevisionEventKind.Stop)]
    [InlineData(RevisionEventKind.Drain)]
    [InlineData(RevisionEventKind.Retire)]
    public void Without_traffic_or_stopped_nothing_is_provisioned_any_more(RevisionEventKind end)
    {
        var (world, _) = Started(Two);
        world.ArriveAndGet();
        Meter(world);

        world.After(1).Apply(RevisionEvent.Of(end));

        Assert.Equal(2_000, Meter(world));
        Assert.Equal(0, Meter(world.After(50)));
        Assert.DoesNotContain(world.Sample.Instances, i => i.IsProvisioned);
    }

    [Fact]
    public void A_start_of_theirs_that_fails_is_tried_again_after_the_back_off()
    {
        var world = new EngineHarness(Two);
        var first = world.Wake().Starts[0].Instance;

        world.After(1).Fail(first);

        Assert.Empty(world.Effects.Starts);
        Assert.Equal(world.Now + TimeSpan.FromSeconds(1), world.Effects.WakeAt);
        Assert.Single(world.After(1_000).Wake().Starts);
    }

    private static (EngineHarness World, List<InstanceId> Instances) Started(RevisionSpec spec)
    {
        var world = new EngineHarness(spec);
        var ids = world.Wake().Starts.ConvertAll(s => s.Instance);
        world.After(5);
        ids.ForEach(i => world.Ready(i));
        return (world, ids);
    }

    private static long Meter(EngineHarness world) => world.Apply(RevisionEvent.Of(RevisionEventKind.MeterProvisioned)).ProvisionedMicroseconds;
}
