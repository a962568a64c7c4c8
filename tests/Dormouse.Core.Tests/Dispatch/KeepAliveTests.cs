using Dormouse.Core.Dispatch;
using Dormouse.Core.Instances;

namespace Dormouse.Core.Tests.Dispatch;

/// <summary>Idle instances, kept instances, drain, resume, retire and eviction.</summary>
public sealed class KeepAliveTests
{
    [Fact]
    public void The_last_instance_is_stopped_after_its_keep_alive_and_nothing_is_left()
    {
        var world = new EngineHarness();
        var instance = world.WarmUp();
        Assert.Equal(world.Now + TimeSpan.FromSeconds(60), world.Effects.WakeAt);
        Assert.Empty(world.After(59_999).Wake().Stops);

        world.After(1).Wake();

        Assert.Equal(new InstanceToStop(instance, StopReason.Idle), Assert.Single(world.Effects.Stops));
        var change = Assert.Single(world.Effects.Changes);
        Assert.Equal((1, 0, "idle for 60 s (keep-alive 60 s)"), (change.From, change.To, change.Reason));
        Assert.Equal(MonotonicTime.Never, world.Effects.WakeAt);
        Assert.False(world.Engine.IsEmpty);
        world.Gone(instance);
        Assert.True(world.Engine.IsEmpty);
    }

    [Fact]
    public void The_next_call_after_zero_starts_again_because_it_was_idle()
    {
        var world = new EngineHarness();
        world.Gone(StopIdle(world));

        world.Arrive();

        Assert.Equal(StartCause.Idle, Assert.Single(world.Effects.Starts).Cause);
        Assert.Equal("1 waiting and none runs: first call since it fell to zero", world.Effects.Changes[0].Reason);
    }

    [Theory]
    [InlineData(StartCause.Rollout)]
    [InlineData(StartCause.Idle)]
    public void The_first_start_has_the_cause_the_driver_gave(StartCause cause)
    {
        var world = new EngineHarness(cause: cause);

        world.Arrive();

        Assert.Equal(cause, Assert.Single(world.Effects.Starts).Cause);
    }

    [Fact]
    public void A_stopped_endpoint_finishes_its_runs_on_the_old_instance_and_serves_the_next_call_on_a_new_one()
    {
        var world = new EngineHarness();
        world.WarmUp();
        var running = world.ArriveAndGet();

        Assert.Empty(world.Apply(RevisionEvent.Of(RevisionEventKind.Stop)).Stops);
        Assert.True(world.Engine.IsStopped);
        world.Arrive();
        Assert.False(world.Engine.IsStopped);
        var next = Assert.Single(world.Effects.Starts).Instance;
        var ended = world.After(1).End(running);

        Assert.Equal(new InstanceToStop(running.Instance, StopReason.Requested), Assert.Single(ended.Stops));
        Assert.Empty(ended.Grants);
        Assert.Equal(next, Assert.Single(world.Ready(next).Grants).Lease.Instance);
    }

    [Theory]
    [InlineData(DrainReason.NoTraffic, "drained: no traffic comes any more")]
    [InlineData(DrainReason.Stopped, "the endpoint was stopped; the next call starts it again")]
    [InlineData(DrainReason.Unloaded, "the endpoint was unloaded")]
    public void A_drain_says_why(DrainReason why, string sentence)
    {
        var world = new EngineHarness();
        world.WarmUp();

        Assert.Equal(sentence, Assert.Single(world.Apply(RevisionEvent.Drain(why)).Changes).Reason);
    }

    [Fact]
    public void An_instance_whose_answer_is_still_being_read_takes_calls_and_is_not_idle()
    {
        var world = new EngineHarness(EngineHarness.Spec with { IdleTimeout = TimeSpan.Zero });
        world.Arrive();
        var instance = Assert.Single(world.Effects.Starts).Instance;
        var lease = Assert.Single(world.Ready(instance).Grants).Lease;

        Assert.Empty(world.After(1).End(lease, SlotEnd.Answering).Stops);
        Assert.Empty(world.Apply(RevisionEvent.Of(RevisionEventKind.Drain)).Stops);
        Assert.Empty(world.Apply(RevisionEvent.Evict(instance)).Stops);
        var second = world.ArriveAndGet();
        Assert.Equal(instance, second.Instance);
        Assert.Empty(world.End(second).Stops);

        Assert.Equal(instance, Assert.Single(world.After(500).Apply(RevisionEvent.AnswerLeft(instance)).Stops).Instance);
    }

    [Fact]
    public void The_keep_alive_counts_from_the_last_byte_of_the_answer()
    {
        var world = new EngineHarness();
        world.Arrive();
        var instance = Assert.Single(world.Effects.Starts).Instance;
        var lease = Assert.Single(world.Ready(instance).Grants).Lease;
        world.After(1).End(lease, SlotEnd.Answering);

        world.After(70_000).Apply(RevisionEvent.AnswerLeft(instance));

        Assert.Equal(world.Now + TimeSpan.FromSeconds(60), world.Effects.WakeAt);
        Assert.Equal(StopReason.Idle, Assert.Single(world.After(60_000).Wake().Stops).Reason);
    }

    [Fact]
    public void A_suspect_instance_stays_until_its_last_answer_has_left()
    {
        var world = new EngineHarness(EngineHarness.Spec with { Concurrency = 2 });
        world.Arrive();
        var instance = Assert.Single(world.Effects.Starts).Instance;
        var answered = Assert.Single(world.Ready(instance).Grants).Lease;
        var broken = world.ArriveAndGet();
        world.End(answered, SlotEnd.Answering);

        Assert.Empty(world.End(broken, SlotEnd.Broken).Stops);

        Assert.Equal(new InstanceToStop(instance, StopReason.Suspect), Assert.Single(world.Apply(RevisionEvent.AnswerLeft(instance)).Stops));
    }

    [Fact]
    public void With_no_keep_alive_an_instance_is_stopped_when_its_run_ends()
    {
        var world = new EngineHarness(EngineHarness.Spec with { IdleTimeout = TimeSpan.Zero });
        world.Arrive();
        var grant = Assert.Single(world.Ready(world.Effects.Starts[0].Instance).Grants);

        Assert.Equal(StopReason.Idle, Assert.Single(world.After(1).End(grant.Lease).Stops).Reason);
    }

    [Fact]
    public void The_longest_idle_is_stopped_first_and_min_instances_stay()
    {
        var world = new EngineHarness(EngineHarness.Spec with { MinInstances = 1 });
        world.Wake();
        var first = Assert.Single(world.Effects.Starts).Instance;
        world.After(5).Ready(first);
        var held = world.ArriveAndGet();
        world.Arrive();
        world.After(60).Wake(); // The run is older than a start takes: another instance is worth it.
        var second = Assert.Single(world.Effects.Starts).Instance;
        var other = Assert.Single(world.After(5).Ready(second).Grants).Lease;
        world.After(1_000).End(held);
        world.After(1_000).End(other);

        world.After(59_000).Wake();

        Assert.Equal(new InstanceToStop(first, StopReason.Idle), Assert.Single(world.Effects.Stops));
        Assert.Equal(MonotonicTime.Never, world.Effects.WakeAt);
        Assert.Empty(world.After(1_000_000).Wake().Stops);
    }

    [Fact]
    public void Min_instances_start_without_a_call_and_are_replaced_when_lost()
    {
        var world = new EngineHarness(EngineHarness.Spec with { MinInstances = 2 });
        Assert.False(world.Engine.IsEmpty);

        world.Wake();

        Assert.Equal([StartCause.First, StartCause.First], world.Effects.Starts.Select(s => s.Cause));
        Assert.Equal("min-instances is 2, 0 there", Assert.Single(world.Effects.Changes).Reason);
        var ids = world.Effects.Starts.Select(s => s.Instance).ToList();
        ids.ForEach(i => world.Ready(i));
        Assert.Equal(StartCause.Crash, Assert.Single(world.After(20_000).Lose(ids[0]).Starts).Cause);
    }

    [Fact]
    public void Min_instances_that_fail_are_tried_again_after_the_back_off_without_a_call()
    {
        var world = new EngineHarness(EngineHarness.Spec with { MinInstances = 1 });
        world.Wake();
        world.Fail(world.Effects.Starts[0].Instance);
        Assert.Equal(world.Now + TimeSpan.FromSeconds(1), world.Effects.WakeAt);

        Assert.Single(world.After(1_000).Wake().Starts);
    }

    [Fact]
    public void A_drained_revision_finishes_what_runs_and_waits_and_then_stops_all()
    {
        var world = new EngineHarness(EngineHarness.Spec with { MinInstances = 1, MaxInstances = 1 });
        world.Wake();
        var instance = world.Effects.Starts[0].Instance;
        world.Ready(instance);
        var running = world.ArriveAndGet();
        world.Arrive();

        Assert.Empty(world.Apply(RevisionEvent.Of(RevisionEventKind.Drain)).Stops);
        var second = Assert.Single(world.After(1).End(running).Grants).Lease;
        Assert.Equal(new InstanceToStop(instance, StopReason.Requested), Assert.Single(world.After(1).End(second).Stops));

        world.Gone(instance);
        Assert.True(world.Engine.IsEmpty);
    }

    [Fact]
    public void A_draining_revision_still_starts_an_instance_for_a_caller()
    {
        var world = new EngineHarness();
        world.Apply(RevisionEvent.Of(RevisionEventKind.Drain));

        world.Arrive();

        var instance = Assert.Single(world.Effects.Starts).Instance;
        var lease = Assert.Single(world.After(5).Ready(instance).Grants).Lease;
        Assert.Equal(StopReason.Requested, Assert.Single(world.After(1).End(lease).Stops).Reason);
    }

    [Fact]
    public void A_draining_revision_whose_callers_left_stops_its_start()
    {
        var world = new EngineHarness();
        var ticket = world.Arrive();
        world.Apply(RevisionEvent.Of(RevisionEventKind.Drain));

        Assert.Equal(StopReason.Requested, Assert.Single(world.Apply(RevisionEvent.CallerLeft(ticket)).Stops).Reason);
    }

    [Fact]
    public void A_resumed_revision_starts_its_min_instances_again()
    {
        var world = new EngineHarness(EngineHarness.Spec with { MinInstances = 1 });
        world.Apply(RevisionEvent.Of(RevisionEventKind.Drain));
        Assert.True(world.Engine.IsEmpty);

        Assert.Single(world.Apply(RevisionEvent.Of(RevisionEventKind.Resume)).Starts);
    }

    [Fact]
    public void A_drained_revision_is_empty_although_it_remembers_a_failure()
    {
        var world = new EngineHarness();
        world.Arrive();
        var instance = world.Effects.Starts[0].Instance;
        world.Fail(instance);
        world.Gone(instance);

        world.Apply(RevisionEvent.Of(RevisionEventKind.Drain));

        Assert.True(world.Engine.IsEmpty);
    }

    [Fact]
    public void A_retired_revision_refuses_who_waits_and_who_comes_finishes_what_runs_and_stops_all()
    {
        var world = new EngineHarness(EngineHarness.Spec with { MaxInstances = 1 });
        var instance = world.WarmUp();
        var lease = world.ArriveAndGet();
        var waiting = world.Arrive();

        world.Apply(RevisionEvent.Of(RevisionEventKind.Retire));
        Assert.Equal((waiting, RefusalKind.Retired, TimeSpan.Zero), (world.Effects.Refusals[0].Ticket, world.Effects.Refusals[0].Kind, world.Effects.Refusals[0].RetryAfter));
        world.Arrive();
        Assert.Equal(RefusalKind.Retired, Assert.Single(world.Effects.Refusals).Kind);
        Assert.Equal(new InstanceToStop(instance, StopReason.Retired), Assert.Single(world.After(1).End(lease).Stops));

        world.Gone(instance);
        Assert.True(world.Engine.IsEmpty);
    }

    [Fact]
    public void A_retired_revision_stops_its_starts()
    {
        var world = new EngineHarness();
        world.Arrive();

        Assert.Equal(StopReason.Retired, Assert.Single(world.Apply(RevisionEvent.Of(RevisionEventKind.Retire)).Stops).Reason);
    }

    [Fact]
    public void An_idle_instance_can_be_taken_back_and_the_next_start_says_so()
    {
        var world = new EngineHarness();
        var instance = world.WarmUp();
        Assert.Equal([instance], world.Effects.BecameIdle);

        world.After(2_000).Apply(RevisionEvent.Evict(instance));

        Assert.Equal(new InstanceToStop(instance, StopReason.Evicted), Assert.Single(world.Effects.Stops));
        Assert.Equal("idle for 2 s and the machine needed its room", Assert.Single(world.Effects.Changes).Reason);
        world.Arrive();
        Assert.Equal(StartCause.Eviction, Assert.Single(world.Effects.Starts).Cause);
    }

    [Fact]
    public void A_busy_instance_cannot_be_taken_back_and_the_arbiter_is_told()
    {
        var world = new EngineHarness();
        var instance = world.WarmUp();
        world.ArriveAndGet();
        Assert.Equal([instance], world.Effects.BecameBusy);

        world.Apply(RevisionEvent.Evict(instance));

        Assert.Empty(world.Effects.Stops);
        Assert.Equal([instance], world.Effects.BecameBusy);
    }

    [Fact]
    public void A_kept_instance_is_never_offered_and_cannot_be_taken_back()
    {
        var world = new EngineHarness(EngineHarness.Spec with { MinInstances = 1 });
        world.Wake();
        var instance = world.Effects.Starts[0].Instance;

        Assert.Empty(world.Ready(instance).BecameIdle);
        Assert.Empty(world.Apply(RevisionEvent.Evict(instance)).Stops);
    }

    [Fact]
    public void A_sample_shows_what_is_there()
    {
        var world = new EngineHarness(EngineHarness.Spec with { MaxInstances = 1 });
        var instance = world.WarmUp();
        Assert.Equal(world.Now, Assert.Single(world.Sample.Instances).IdleSince);
        world.ArriveAndGet();
        world.Arrive(bytes: 7);

        var sample = world.Sample;

        Assert.Equal((1, 7L, 1, false), (sample.Queued, sample.QueuedBytes, sample.Running, sample.IsDraining));
        Assert.Equal((instance, InstanceState.Ready, 1, null), (sample.Instances[0].Instance, sample.Instances[0].State, sample.Instances[0].Running, sample.Instances[0].IdleSince));
    }

    private static InstanceId StopIdle(EngineHarness world)
    {
        world.WarmUp();
        return Assert.Single(world.After(60_000).Wake().Stops).Instance;
    }
}
