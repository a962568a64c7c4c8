using Dormouse.Core.Dispatch;

namespace Dormouse.Core.Tests.Dispatch;

public sealed class OverflowAdviceTests
{
    private static readonly CallerWishes CanOverflow = CallerWishes.None with { CanOverflow = true };

    [Fact]
    public void A_full_queue_sends_away_who_can_overflow_in_place_of_a_refusal()
    {
        var engine = new EngineHarness(EngineHarness.Spec with { MaxInstances = 1, QueueLimit = 1 });
        engine.WarmUp();
        engine.Arrive();
        engine.Arrive(wishes: CanOverflow);

        engine.Arrive(wishes: CanOverflow);
        Assert.Equal((RefusalKind.QueueFull, OverflowAdvice.InPlaceOfRefusal), Refusal(engine));

        engine.Arrive();
        Assert.Equal((RefusalKind.QueueFull, OverflowAdvice.None), Refusal(engine));
    }

    [Fact]
    public void A_forecast_beyond_the_queue_time_out_sends_away_at_once_and_only_who_can()
    {
        var engine = new EngineHarness(EngineHarness.Spec with { MaxInstances = 1 });
        engine.WarmUp();
        for (var i = 0; i < 11; i++)
        {
            engine.Arrive();
        }

        // Ten wait behind a run of 1 ms each.
        engine.Arrive(deadlineMs: 5, wishes: CanOverflow);
        Assert.Equal((RefusalKind.QueueTimeout, OverflowAdvice.InPlaceOfWaiting), Refusal(engine));

        engine.Arrive(deadlineMs: 60, wishes: CanOverflow);
        Assert.Empty(engine.Effects.Refusals);

        engine.Arrive(deadlineMs: 5);
        Assert.Empty(engine.Effects.Refusals);
    }

    [Fact]
    public void A_callers_deadline_that_cannot_be_kept_sends_away_and_one_that_has_passed_does_not()
    {
        var engine = new EngineHarness(EngineHarness.Spec with { MaxInstances = 1 });
        engine.WarmUp();
        for (var i = 0; i < 11; i++)
        {
            engine.Arrive();
        }

        engine.Arrive(wishes: CanOverflow with { Deadline = engine.Now + TimeSpan.FromMilliseconds(3) });
        Assert.Equal((RefusalKind.CallerDeadline, OverflowAdvice.InPlaceOfRefusal), Refusal(engine));

        engine.Arrive(wishes: CanOverflow with { Deadline = engine.Now });
        Assert.Equal((RefusalKind.CallerDeadline, OverflowAdvice.None), Refusal(engine));
    }

    [Fact]
    public void A_free_slot_is_taken_whoever_can_overflow()
    {
        var engine = new EngineHarness();
        engine.WarmUp();

        engine.Arrive(wishes: CanOverflow);

        Assert.Single(engine.Effects.Grants);
    }

    [Fact]
    public void Without_room_for_an_instance_who_can_overflow_goes_after_half_a_second()
    {
        var engine = new EngineHarness();
        var going = engine.Arrive(wishes: CanOverflow);
        var start = Assert.Single(engine.Effects.Starts).Instance;
        engine.Arrive();
        engine.Apply(RevisionEvent.InstanceHeld(start));
        Assert.Empty(engine.Effects.Refusals);
        Assert.Equal(engine.Now + TimeSpan.FromMilliseconds(500), engine.Effects.WakeAt);

        engine.After(500).Wake();

        Assert.Equal(going, Assert.Single(engine.Effects.Refusals).Ticket);
        Assert.Equal((RefusalKind.NoCapacity, OverflowAdvice.InPlaceOfWaiting), Refusal(engine));
        Assert.Equal(1, engine.Sample.Queued);
    }

    [Fact]
    public void Room_that_comes_in_time_keeps_them()
    {
        var engine = new EngineHarness();
        engine.Arrive(wishes: CanOverflow);
        var start = Assert.Single(engine.Effects.Starts).Instance;
        engine.Apply(RevisionEvent.InstanceHeld(start));
        engine.After(400).Apply(RevisionEvent.InstanceAdmitted(start));

        engine.After(200).Wake();
        Assert.Empty(engine.Effects.Refusals);

        Assert.Single(engine.Ready(start).Grants);
    }

    [Fact]
    public void Failing_starts_and_a_deleted_endpoint_send_nobody_away()
    {
        var engine = new EngineHarness();
        engine.Arrive(wishes: CanOverflow);
        engine.Fail(Assert.Single(engine.Effects.Starts).Instance);
        Assert.Equal((RefusalKind.StartFailed, OverflowAdvice.None), Refusal(engine));

        engine.Apply(RevisionEvent.Of(RevisionEventKind.Retire));
        engine.Arrive(wishes: CanOverflow);
        Assert.Equal((RefusalKind.Retired, OverflowAdvice.None), Refusal(engine));
    }

    private static (RefusalKind, OverflowAdvice) Refusal(EngineHarness engine)
    {
        var refusal = Assert.Single(engine.Effects.Refusals);
        return (refusal.Kind, refusal.Overflow);
    }
}
