using Dormouse.Core.Dispatch;
using Dormouse.Core.Instances;

namespace Dormouse.Core.Tests.Dispatch;

/// <summary>Deadlines and priorities of callers.</summary>
public sealed class CallerWishesTests
{
    [Fact]
    public void A_deadline_that_has_passed_is_refused_even_when_a_slot_is_free()
    {
        var world = new EngineHarness();
        world.WarmUp();

        var refusal = Refused(world, leftMs: 0);

        Assert.Equal("The caller's deadline had passed when the request came. Nothing was run.", refusal.Detail);
        Assert.Empty(world.Effects.Grants);
    }

    [Fact]
    public void A_free_slot_is_given_however_short_the_deadline_is()
    {
        var world = new EngineHarness();
        world.WarmUp();

        Arrive(world, leftMs: 0.01);

        Assert.Single(world.Effects.Grants);
    }

    [Fact]
    public void Whoever_cannot_wait_for_the_start_is_refused_at_once_and_the_start_goes_on_for_the_next()
    {
        var world = new EngineHarness();
        world.Gone(Stopped(world));

        var refusal = Refused(world, leftMs: 4);

        Assert.Equal("The caller's deadline leaves 4 ms, and the wait for a slot is about 5 ms now. Nothing was run. Retry later or with a later deadline.", refusal.Detail);
        Assert.Equal(TimeSpan.FromSeconds(1), refusal.RetryAfter);
        var start = Assert.Single(world.Effects.Starts);
        Assert.Equal("1 waiting and none runs: first call since it fell to zero", Assert.Single(world.Effects.Changes).Reason);
        Refused(world, leftMs: 4);
        Assert.Empty(world.Effects.Starts);
        world.After(5).Ready(start.Instance);
        world.ArriveAndGet();
    }

    [Fact]
    public void Whoever_can_wait_for_the_start_waits()
    {
        var world = new EngineHarness();
        world.Gone(Stopped(world));

        Arrive(world, leftMs: 6);

        Assert.Empty(world.Effects.Refusals);
        Assert.Single(world.After(5).Ready(Assert.Single(world.Effects.Starts).Instance).Grants);
    }

    [Fact]
    public void A_start_of_unknown_length_is_waited_for_until_the_deadline()
    {
        var world = new EngineHarness();
        Arrive(world, leftMs: 30);
        Assert.Equal(world.Now + TimeSpan.FromMilliseconds(30), world.Effects.WakeAt);

        var refusal = Assert.Single(world.After(30).Wake().Refusals);

        Assert.Equal((RefusalKind.CallerDeadline, "The caller's deadline was reached after 30 ms of waiting for a slot. Nothing was run. Retry later or with a later deadline."), (refusal.Kind, refusal.Detail));
    }

    [Fact]
    public void Who_would_come_too_late_in_the_queue_is_refused_at_once()
    {
        // Runs take 1 ms; one runs, three wait: the fourth would wait 4 ms.
        var world = new EngineHarness(EngineHarness.Spec with { MaxInstances = 1 });
        world.WarmUp();
        world.ArriveAndGet();
        world.Arrive();
        world.Arrive();
        world.Arrive();

        Assert.Contains("is about 4 ms", Refused(world, leftMs: 3.9).Detail, StringComparison.Ordinal);
        Arrive(world, leftMs: 4.1);
        Assert.Empty(world.Effects.Refusals);
    }

    [Fact]
    public void Only_those_served_before_it_count_for_a_priority()
    {
        var world = new EngineHarness(EngineHarness.Spec with { MaxInstances = 1 });
        world.WarmUp();
        world.ArriveAndGet();
        world.Arrive();
        world.Arrive();

        Arrive(world, leftMs: 1.5, QueuePriority.High);

        Assert.Empty(world.Effects.Refusals);
    }

    [Fact]
    public void High_is_served_before_normal_and_normal_before_low_each_in_order()
    {
        var world = new EngineHarness(EngineHarness.Spec with { MaxInstances = 1 });
        world.WarmUp();
        var lease = world.ArriveAndGet();
        long[] tickets =
        [
            Arrive(world, 1000, QueuePriority.Low), Arrive(world, 1000, QueuePriority.Normal), Arrive(world, 1000, QueuePriority.High),
            Arrive(world, 1000, QueuePriority.Normal), Arrive(world, 1000, QueuePriority.High),
        ];
        var served = new List<long>();

        for (var i = 0; i < tickets.Length; i++)
        {
            var grant = Assert.Single(world.End(lease).Grants);
            served.Add(grant.Ticket);
            lease = grant.Lease;
        }

        Assert.Equal([tickets[2], tickets[4], tickets[1], tickets[3], tickets[0]], served);
    }

    private static long Arrive(EngineHarness world, double leftMs, QueuePriority priority = QueuePriority.Normal) =>
        world.Arrive(wishes: new CallerWishes(world.Now + TimeSpan.FromMilliseconds(leftMs), priority));

    private static SlotRefusal Refused(EngineHarness world, double leftMs)
    {
        var ticket = Arrive(world, leftMs);
        var refusal = Assert.Single(world.Effects.Refusals);
        Assert.Equal((ticket, RefusalKind.CallerDeadline), (refusal.Ticket, refusal.Kind));
        return refusal;
    }

    private static InstanceId Stopped(EngineHarness world)
    {
        var instance = world.WarmUp();
        Assert.Single(world.After(60_000).Wake().Stops);
        return instance;
    }
}
