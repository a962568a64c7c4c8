using Dormouse.Core.Dispatch;
using Dormouse.Core.Instances;

namespace Dormouse.Core.Tests.Dispatch;

/// <summary>How long and how many may wait, and what they are told.</summary>
public sealed class QueueLimitTests
{
    [Fact]
    public void A_full_queue_refuses_at_once_with_the_time_it_takes_to_drain()
    {
        var world = new EngineHarness(EngineHarness.Spec with { MaxInstances = 1, QueueLimit = 3 });
        world.WarmUp();
        var lease = world.ArriveAndGet();
        world.After(10_000).End(lease); // The mean run time is now 1 + (10,000 − 1) ÷ 4 = 2,500.75 ms.
        world.ArriveAndGet();
        world.Arrive();
        world.Arrive();
        world.Arrive();

        var ticket = world.Arrive();

        var refusal = Assert.Single(world.Effects.Refusals);
        Assert.Equal((ticket, RefusalKind.QueueFull, TimeSpan.FromSeconds(8)), (refusal.Ticket, refusal.Kind, refusal.RetryAfter));
        Assert.Equal("The queue is full (3 of 3 invocations). Retry later or raise queue_limit.", refusal.Detail);
        Assert.Equal(3, world.Sample.Queued);
    }

    [Fact]
    public void Retry_after_is_at_least_a_second()
    {
        var world = new EngineHarness(EngineHarness.Spec with { MaxInstances = 1, QueueLimit = 1 });
        world.Arrive();

        world.Arrive();

        Assert.Equal(TimeSpan.FromSeconds(1), Assert.Single(world.Effects.Refusals).RetryAfter);
    }

    [Fact]
    public void Bodies_that_wait_are_bounded_in_bytes()
    {
        var world = new EngineHarness(EngineHarness.Spec with { QueueLimitBytes = 2 << 20 });
        world.Arrive(bytes: 1 << 20);

        world.Arrive(bytes: (1 << 20) + 1);

        var refusal = Assert.Single(world.Effects.Refusals);
        Assert.Equal(RefusalKind.QueueFull, refusal.Kind);
        Assert.Contains("1MiB of 2MiB of bodies; this one has 1048577B", refusal.Detail, StringComparison.Ordinal);
        world.Arrive(bytes: 1 << 20);
        Assert.Empty(world.Effects.Refusals);
    }

    [Fact]
    public void Who_waited_too_long_for_a_busy_instance_is_told_so()
    {
        var world = new EngineHarness(EngineHarness.Spec with { MaxInstances = 1 });
        world.WarmUp();
        world.ArriveAndGet();
        var ticket = world.Arrive(deadlineMs: 2_000);
        world.Arrive();

        world.After(2_000).Wake();

        var refusal = Assert.Single(world.Effects.Refusals);
        Assert.Equal((ticket, RefusalKind.QueueTimeout), (refusal.Ticket, refusal.Kind));
        Assert.Equal(
            "Waited 2 s for a slot; 1 instance of 1 slot had none free and 1 more wait. Retry later, or raise queue_timeout or max_instances.", refusal.Detail);
    }

    [Fact]
    public void Who_waited_too_long_for_a_start_is_told_so()
    {
        var world = new EngineHarness();
        world.Arrive(deadlineMs: 2_000);

        world.After(2_000).Wake();

        Assert.Equal(RefusalKind.StartTimeout, Assert.Single(world.Effects.Refusals).Kind);
    }

    [Fact]
    public void Who_waited_too_long_for_the_machine_is_told_so_and_the_start_is_taken_back()
    {
        var world = new EngineHarness();
        world.Arrive(deadlineMs: 70_000);
        var instance = world.Effects.Starts[0].Instance;
        world.Apply(RevisionEvent.InstanceHeld(instance));

        world.After(70_000).Wake();

        Assert.Equal(RefusalKind.NoCapacity, Assert.Single(world.Effects.Refusals).Kind);
        Assert.Equal(new InstanceToStop(instance, StopReason.Requested), Assert.Single(world.Effects.Stops));
        world.Gone(instance);
        Assert.True(world.Engine.IsEmpty);
    }

    [Fact]
    public void The_engine_wakes_for_the_earliest_deadline_not_the_first_in_the_queue()
    {
        var world = new EngineHarness();
        world.Arrive(deadlineMs: 5_000);
        var early = world.Arrive(deadlineMs: 1_000);
        Assert.Equal(world.Now + TimeSpan.FromSeconds(1), world.Effects.WakeAt);

        world.After(1_000).Wake();

        Assert.Equal(early, Assert.Single(world.Effects.Refusals).Ticket);
        Assert.Equal(world.Now + TimeSpan.FromSeconds(4), world.Effects.WakeAt);
    }

    [Fact]
    public void A_start_that_takes_too_long_is_stopped_and_everyone_who_waits_is_told()
    {
        var world = new EngineHarness(EngineHarness.Spec with { StartTimeout = TimeSpan.FromSeconds(5) });
        world.Arrive();
        var instance = world.Effects.Starts[0].Instance;
        world.Arrive();

        world.After(5_000).Wake();

        Assert.Equal(new InstanceToStop(instance, StopReason.StartTimedOut), Assert.Single(world.Effects.Stops));
        Assert.Equal(2, world.Effects.Refusals.Count);
        Assert.All(world.Effects.Refusals, r => Assert.Equal(
            (RefusalKind.StartTimeout, "No instance became ready within the start time-out of 5 s. Retry later or raise start_timeout."), (r.Kind, r.Detail)));
        Assert.Empty(world.Effects.Starts);

        world.After(999).Arrive();
        Assert.Equal(RefusalKind.StartFailed, Assert.Single(world.Effects.Refusals).Kind);
        world.After(1).Arrive();
        Assert.Equal(StartCause.Crash, Assert.Single(world.Effects.Starts).Cause);
    }

    [Fact]
    public void The_start_time_out_stands_still_while_the_machine_has_no_room()
    {
        var world = new EngineHarness(EngineHarness.Spec with { StartTimeout = TimeSpan.FromSeconds(5) });
        world.Arrive();
        var instance = world.Effects.Starts[0].Instance;
        world.After(1_000).Apply(RevisionEvent.InstanceHeld(instance));
        Assert.Empty(world.After(20_000).Wake().Stops);

        world.Apply(RevisionEvent.InstanceAdmitted(instance));

        Assert.Empty(world.After(4_999).Wake().Stops);
        Assert.Single(world.After(1).Wake().Stops);
    }
}
