using Dormouse.Core.Dispatch;
using Dormouse.Core.Instances;

namespace Dormouse.Core.Tests.Dispatch;

/// <summary>Starts that fail, instances that are lost, hang or break a connection.</summary>
public sealed class InstanceFailureTests
{
    [Fact]
    public void Everyone_who_waits_gets_the_failure_of_the_start_at_once_with_its_reason()
    {
        var world = new EngineHarness();
        world.Arrive();
        var instance = world.Effects.Starts[0].Instance;
        world.Arrive();

        world.After(5).Fail(instance);

        Assert.Equal(2, world.Effects.Refusals.Count);
        Assert.All(world.Effects.Refusals, r =>
        {
            Assert.Equal((RefusalKind.StartFailed, TimeSpan.FromSeconds(1), StartFailureKind.Model), (r.Kind, r.RetryAfter, r.Failure?.Kind));
            Assert.Equal("No instance can start: unknown operator 'Foo' (1 failure; the next try is possible in 1 s).", r.Detail);
        });
        Assert.Empty(world.Effects.Starts);
    }

    [Fact]
    public void While_another_instance_starts_nobody_is_refused()
    {
        var world = new EngineHarness(EngineHarness.Spec with { MinInstances = 2 });
        world.Wake();
        var starts = world.Effects.Starts.Select(s => s.Instance).ToList();
        world.Arrive();

        Assert.Empty(world.Fail(starts[0]).Refusals);
        Assert.Single(world.Ready(starts[1]).Grants);
    }

    [Fact]
    public void Failures_in_a_row_are_tried_again_after_one_two_four_up_to_sixty_seconds()
    {
        var world = new EngineHarness();
        foreach (var seconds in (int[])[1, 2, 4, 8, 16, 32, 60, 60])
        {
            world.Arrive();
            var instance = Assert.Single(world.Effects.Starts).Instance;
            world.Fail(instance);
            world.Gone(instance);

            world.After((seconds * 1_000) - 1).Arrive();
            Assert.Empty(world.Effects.Starts);
            var refusal = Assert.Single(world.Effects.Refusals);
            Assert.Equal((RefusalKind.StartFailed, TimeSpan.FromSeconds(1)), (refusal.Kind, refusal.RetryAfter));
            world.After(1);
        }
    }

    [Fact]
    public void Starts_of_one_try_that_fail_together_count_once()
    {
        var world = new EngineHarness(EngineHarness.Spec with { MinInstances = 4 });
        world.Wake();
        var starts = world.Effects.Starts.Select(s => s.Instance).ToList();

        starts.ForEach(s => world.After(1).Fail(s));

        Assert.Equal(world.Now + TimeSpan.FromSeconds(1), world.Effects.WakeAt);
    }

    [Fact]
    public void Instances_lost_with_the_launcher_are_replaced_at_once()
    {
        var world = new EngineHarness(EngineHarness.Spec with { MinInstances = 1 });
        world.Wake();
        for (var i = 0; i < 10; i++)
        {
            var instance = Assert.Single(world.Effects.Starts).Instance;
            world.After(5).Ready(instance);
            world.Apply(RevisionEvent.InstanceLost(instance, new InstanceLoss(InstanceLossKind.LauncherLost, "signal 9")));
        }
    }

    [Fact]
    public void A_start_that_succeeds_ends_the_row()
    {
        var world = new EngineHarness();
        world.Arrive();
        world.Fail(world.Effects.Starts[0].Instance);
        world.After(1_000).Arrive();
        var ready = world.Effects.Starts[0].Instance;
        var lease = world.After(5).Ready(ready).Grants[0].Lease;
        world.After(60_000).End(lease);
        world.Lose(ready);

        world.Arrive();
        world.Fail(Assert.Single(world.Effects.Starts).Instance);

        Assert.Equal(TimeSpan.FromSeconds(1), Assert.Single(world.Effects.Refusals).RetryAfter);
    }

    [Fact]
    public void A_failure_is_remembered_for_a_minute_after_its_wait_and_then_the_engine_may_be_dropped()
    {
        var world = new EngineHarness();
        world.Arrive();
        var instance = world.Effects.Starts[0].Instance;
        world.Fail(instance);
        world.Gone(instance);
        Assert.False(world.Engine.IsEmpty);
        Assert.Equal(world.Now + TimeSpan.FromSeconds(61), world.Effects.WakeAt);

        world.After(61_000).Wake();

        Assert.True(world.Engine.IsEmpty);
        Assert.Equal(MonotonicTime.Never, world.Effects.WakeAt);
    }

    [Fact]
    public void An_instance_lost_under_load_is_replaced_at_once()
    {
        var world = new EngineHarness(EngineHarness.Spec with { MaxInstances = 1 });
        var lost = world.WarmUp();
        var lease = world.ArriveAndGet();
        world.Arrive();

        world.After(3).Lose(lost);

        Assert.Equal(StartCause.Crash, Assert.Single(world.Effects.Starts).Cause);
        Assert.Empty(world.Effects.Refusals);
        Assert.Equal((1, 0, "r3-1 ended unexpectedly: signal 9"), (world.Effects.Changes[0].From, world.Effects.Changes[0].To, world.Effects.Changes[0].Reason));
        Assert.Equal((0, 1, "1 waiting and none runs: the last instance ended unexpectedly"), (world.Effects.Changes[1].From, world.Effects.Changes[1].To, world.Effects.Changes[1].Reason));
        Assert.Equal(StartCause.Crash, Assert.Single(world.After(5).Ready(world.Effects.Starts[0].Instance).Grants).Cause);
        Assert.Equal(new MeteredRun(lease, 3_000), Assert.Single(world.After(50).End(lease, SlotEnd.Broken).Metered));
    }

    [Fact]
    public void A_run_on_a_lost_instance_is_metered_once_up_to_the_loss_even_after_the_instance_is_gone()
    {
        var world = new EngineHarness();
        var lost = world.WarmUp();
        var lease = world.ArriveAndGet();
        Assert.Empty(world.After(2).Lose(lost).Metered);
        world.After(1).Gone(lost);
        Assert.Empty(world.Sample.Instances);
        Assert.False(world.Engine.IsEmpty);

        Assert.Equal(2_000, Assert.Single(world.After(30).End(lease, SlotEnd.Broken).Metered).MeteredMicroseconds);

        Assert.Empty(world.End(lease, SlotEnd.Broken).Metered);
        Assert.True(world.Engine.IsEmpty);
    }

    [Fact]
    public void Instances_that_complete_runs_are_replaced_however_often_they_are_killed()
    {
        var world = new EngineHarness();
        var instance = world.WarmUp();
        for (var i = 0; i < 200; i++)
        {
            world.After(100).Lose(instance);
            world.Gone(instance);
            world.Arrive(isRetry: true);
            instance = Assert.Single(world.Effects.Starts).Instance;
            var lease = Assert.Single(world.After(5).Ready(instance).Grants).Lease;
            world.After(10).End(lease);
        }
    }

    [Fact]
    public void Instances_that_are_lost_before_they_complete_a_run_back_off_from_the_third_on()
    {
        var world = new EngineHarness();
        for (var i = 0; i < 3; i++)
        {
            world.Arrive();
            var instance = Assert.Single(world.Effects.Starts).Instance;
            var lease = Assert.Single(world.After(5).Ready(instance).Grants).Lease;
            world.After(1).Lose(instance);
            world.End(lease, SlotEnd.Broken);
            world.Gone(instance);
        }

        world.Arrive();

        var refusal = Assert.Single(world.Effects.Refusals);
        Assert.Equal((RefusalKind.StartFailed, StartFailureKind.Crash), (refusal.Kind, refusal.Failure?.Kind));
        Assert.Contains("3 instances in a row ended within 10 s without completing a run; the last: signal 9", refusal.Detail, StringComparison.Ordinal);
        world.After(1_000).Arrive();
        Assert.Single(world.Effects.Starts);
    }

    [Fact]
    public void A_run_over_its_limit_kills_the_instance_and_voids_the_other_runs()
    {
        var world = new EngineHarness(EngineHarness.Spec with { Concurrency = 2, MaxInstances = 1 });
        var instance = world.WarmUp();
        var slow = world.ArriveAndGet();
        var other = world.ArriveAndGet();
        world.Arrive(deadlineMs: 120_000);

        world.After(60_000).End(slow, SlotEnd.TimedOut);

        Assert.Equal(new InstanceToStop(instance, StopReason.TimedOut), Assert.Single(world.Effects.Stops));
        Assert.Equal(StartCause.Crash, Assert.Single(world.Effects.Starts).Cause);
        Assert.Equal("a run on r3-1 exceeded its limit of 60 s", world.Effects.Changes[0].Reason);
        Assert.Equal(30_000_000, Assert.Single(world.After(10).End(other, SlotEnd.Broken).Metered).MeteredMicroseconds);
        Assert.Equal(1, world.Sample.Queued);
    }

    [Fact]
    public void An_instance_that_broke_a_connection_gets_no_new_slot_finishes_the_others_and_is_stopped()
    {
        var world = new EngineHarness(EngineHarness.Spec with { Concurrency = 3, MaxInstances = 2 });
        var suspect = world.WarmUp();
        var broken = world.ArriveAndGet();
        var other = world.ArriveAndGet();

        Assert.Empty(world.After(1).End(broken, SlotEnd.Broken).Stops);
        world.Arrive();

        Assert.Empty(world.Effects.Grants);
        Assert.Equal(StartCause.Crash, Assert.Single(world.Effects.Starts).Cause);
        Assert.Equal(InstanceState.Draining, world.Sample.Instances.Single(i => i.Instance == suspect).State);
        Assert.Equal(new InstanceToStop(suspect, StopReason.Suspect), Assert.Single(world.After(1).End(other).Stops));
    }

    [Fact]
    public void How_a_suspect_ended_is_said_when_it_ends_before_its_other_runs()
    {
        var world = new EngineHarness(EngineHarness.Spec with { Concurrency = 2 });
        var suspect = world.WarmUp();
        var broken = world.ArriveAndGet();
        world.ArriveAndGet();
        world.After(1).End(broken, SlotEnd.Broken);
        Assert.Equal((1, 0, "r3-1 broke a connection"), (world.Effects.Changes[0].From, world.Effects.Changes[0].To, world.Effects.Changes[0].Reason));

        world.After(1).Lose(suspect);

        var said = Assert.Single(world.Effects.Changes);
        Assert.Equal((0, 0, "r3-1 ended unexpectedly: signal 9"), (said.From, said.To, said.Reason));
    }

    [Fact]
    public void A_suspect_that_runs_nothing_else_is_stopped_at_once()
    {
        var world = new EngineHarness();
        var suspect = world.WarmUp();

        Assert.Equal(new InstanceToStop(suspect, StopReason.Suspect), Assert.Single(world.End(world.ArriveAndGet(), SlotEnd.Broken).Stops));
    }

    [Fact]
    public void An_instance_that_leaves_without_a_word_counts_as_lost()
    {
        var world = new EngineHarness();
        var instance = world.WarmUp();
        world.ArriveAndGet();
        world.Arrive();

        world.Gone(instance);

        Assert.DoesNotContain(world.Sample.Instances, i => i.Instance == instance);
        Assert.Contains(world.Effects.Starts, s => s.Cause == StartCause.Crash);
    }

    [Fact]
    public void What_an_instance_says_after_it_was_stopped_changes_nothing()
    {
        var world = new EngineHarness(EngineHarness.Spec with { StartTimeout = TimeSpan.FromSeconds(1) });
        world.Arrive();
        var instance = world.Effects.Starts[0].Instance;
        world.After(1_000).Wake();

        Assert.Empty(world.Ready(instance).Grants);
        Assert.Empty(world.Fail(instance).Changes);
        Assert.Empty(world.Lose(instance).Changes);
        Assert.Equal(InstanceState.Stopping, Assert.Single(world.Sample.Instances).State);
    }
}
