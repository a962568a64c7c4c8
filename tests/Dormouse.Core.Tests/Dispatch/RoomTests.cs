using Dormouse.Core.Dispatch;
using Dormouse.Core.Instances;

namespace Dormouse.Core.Tests.Dispatch;

/// <summary>A revision that waits for the machine's room, and one that gives it.</summary>
public sealed class RoomTests
{
    private static readonly TimeSpan Turn = MachineArbiter.Turn;

    [Theory]
    [InlineData(HoldReason.Memory, "the machine has no memory free to start an instance", "no memory free")]
    [InlineData(HoldReason.Cpu, "the cores that may be reserved (machine.cpu) are reserved for other instances", "lower reserve_cpu")]
    [InlineData(HoldReason.StartRate, "as many instances were started in the last moments as may (machine.starts_per_second)", "raise machine.starts_per_second")]
    public void Scaling_says_once_what_starts_wait_for_and_a_refusal_says_it_too(HoldReason reason, string said, string refused)
    {
        var world = new EngineHarness(EngineHarness.Spec with { MaxInstances = 2, ActivationInstances = 2 });
        world.Arrive(deadlineMs: 5_000);
        world.Arrive(deadlineMs: 5_000);
        var instances = world.Engine.Sample(world.Now).Instances.Select(i => i.Instance).ToList();
        Assert.Equal(2, instances.Count);

        world.Apply(RevisionEvent.InstanceHeld(instances[0], reason));
        Assert.Equal($"{instances[0]} waits: {said}", Assert.Single(world.Effects.Changes).Reason);
        Assert.Equal((InstanceState.Waiting, reason), world.Engine.Sample(world.Now).Instances[0] is var s ? (s.State, s.HeldFor!.Value) : default);
        world.Apply(RevisionEvent.InstanceHeld(instances[1], reason));
        Assert.Empty(world.Effects.Changes);

        world.After(5_000).Apply(RevisionEvent.Of(RevisionEventKind.Woken));
        Assert.All(world.Effects.Refusals, r => Assert.Equal(RefusalKind.NoCapacity, r.Kind));
        Assert.Contains(refused, world.Effects.Refusals[0].Detail, StringComparison.Ordinal);
    }

    [Fact]
    public void One_with_nothing_that_serves_presses_after_a_turn_and_again_every_second()
    {
        var world = new EngineHarness();
        world.Arrive(deadlineMs: 60_000);
        var instance = Assert.Single(world.Effects.Starts).Instance;
        world.Apply(RevisionEvent.InstanceHeld(instance));
        Assert.Null(world.Effects.Pressing);
        Assert.Equal(InstanceState.Waiting, Assert.Single(world.Sample.Instances).State);
        Assert.Equal(world.Now + Turn, world.Effects.WakeAt);

        Assert.Equal(instance, world.After(Turn.TotalMilliseconds).Wake().Pressing);
        Assert.Equal(world.Now + MachineArbiter.PressAgain, world.Effects.WakeAt);
        Assert.Null(world.After(500).Wake().Pressing);
        Assert.Equal(instance, world.After(500).Wake().Pressing);

        world.Apply(RevisionEvent.InstanceAdmitted(instance));
        Assert.Null(world.After(1_000).Wake().Pressing);
        Assert.Equal(InstanceState.Starting, Assert.Single(world.Sample.Instances).State);
    }

    [Fact]
    public void One_that_only_wants_more_than_it_has_does_not_press()
    {
        var world = new EngineHarness();
        world.WarmUp();
        world.ArriveAndGet();
        for (var i = 0; i < 20; i++)
        {
            world.Arrive(deadlineMs: 60_000);
        }

        world.After(1_000).Wake();
        var more = world.Sample.Instances.Where(i => i.State == InstanceState.Starting).Select(i => i.Instance).ToList();
        Assert.NotEmpty(more);
        more.ForEach(i => world.Apply(RevisionEvent.InstanceHeld(i)));

        Assert.Null(world.After(20_000).Wake().Pressing);
    }

    [Fact]
    public void A_busy_instance_that_gives_way_takes_no_more_finishes_what_runs_and_goes_and_the_next_waits_its_turn()
    {
        var world = new EngineHarness(EngineHarness.Spec with { Concurrency = 2, MaxInstances = 1 });
        var instance = world.WarmUp();
        var lease = world.ArriveAndGet();

        world.Apply(RevisionEvent.GiveWay(instance));
        Assert.Empty(world.Effects.Stops);
        Assert.Contains("another endpoint has waited 10 s for room", Assert.Single(world.Effects.Changes).Reason, StringComparison.Ordinal);
        world.Arrive();
        Assert.Empty(world.Effects.Grants);
        world.End(lease);

        Assert.Equal(new InstanceToStop(instance, StopReason.Evicted), Assert.Single(world.Effects.Stops));
        Assert.Equal(StartCause.Eviction, Assert.Single(world.Effects.Starts).Cause);
    }

    [Fact]
    public void An_idle_one_goes_at_once()
    {
        var world = new EngineHarness();
        var instance = world.WarmUp();

        Assert.Equal(new InstanceToStop(instance, StopReason.Evicted), Assert.Single(world.Apply(RevisionEvent.GiveWay(instance)).Stops));
    }

    [Theory]
    [InlineData(1, 0)]
    [InlineData(0, 1)]
    public void What_is_kept_or_provisioned_stays_and_the_machine_is_told(int min, int provisioned)
    {
        var world = new EngineHarness(EngineHarness.Spec with { MinInstances = min, Provisioned = provisioned });
        var instance = world.WarmUp();
        var lease = world.ArriveAndGet();

        world.Apply(RevisionEvent.GiveWay(instance));

        Assert.Equal([instance], world.Effects.BecameBusy);
        Assert.Empty(world.Effects.Changes);
        world.End(lease);
        Assert.Empty(world.Effects.Stops);
    }
}
