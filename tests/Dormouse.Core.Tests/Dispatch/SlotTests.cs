using Dormouse.Core.Dispatch;
using Dormouse.Core.Instances;

namespace Dormouse.Core.Tests.Dispatch;

/// <summary>Who gets which slot, and what its grant says.</summary>
public sealed class SlotTests
{
    [Fact]
    public void The_first_call_starts_one_instance_and_waits_for_it()
    {
        var world = new EngineHarness();

        world.Arrive();

        Assert.Empty(world.Effects.Grants);
        var start = Assert.Single(world.Effects.Starts);
        Assert.Equal(new InstanceToStart(new InstanceId(EngineHarness.Revision, 1), StartCause.First), start);
        var change = Assert.Single(world.Effects.Changes);
        Assert.Equal((3, 0, 1, "1 waiting and none runs: first call"), (change.Revision, change.From, change.To, change.Reason));
    }

    [Fact]
    public void A_cold_grant_tells_queue_start_and_load()
    {
        var world = new EngineHarness();
        var ticket = world.Arrive();
        var instance = world.Effects.Starts[0].Instance;

        var grant = Assert.Single(world.After(6).Ready(instance, startMs: 3, loadMs: 2).Grants);

        Assert.Equal((ticket, StartKind.Cold, (StartCause?)StartCause.First, Rung.Pool), (grant.Ticket, grant.Kind, grant.Cause, grant.Rung));
        Assert.Equal((1.0, 3.0, 2.0), (grant.Queue.TotalMilliseconds, grant.Start.TotalMilliseconds, grant.Load.TotalMilliseconds));
        Assert.Equal(("/run/r3-1", 1L), (grant.Lease.Address, grant.Lease.Epoch));
    }

    [Fact]
    public void A_free_slot_is_given_at_once_and_the_grant_is_warm()
    {
        var world = new EngineHarness();
        world.WarmUp();

        world.After(10).Arrive();

        var grant = Assert.Single(world.Effects.Grants);
        Assert.Equal((StartKind.Warm, null, TimeSpan.Zero, TimeSpan.Zero, TimeSpan.Zero), (grant.Kind, grant.Cause, grant.Queue, grant.Start, grant.Load));
    }

    [Fact]
    public void A_caller_that_waits_for_a_busy_instance_is_queued_not_cold()
    {
        var world = new EngineHarness(EngineHarness.Spec with { MaxInstances = 1 });
        world.WarmUp();
        var lease = world.ArriveAndGet();
        var ticket = world.Arrive();

        var grant = Assert.Single(world.After(7).End(lease).Grants);

        Assert.Equal((ticket, StartKind.Queued, null, 7.0), (grant.Ticket, grant.Kind, grant.Cause, grant.Queue.TotalMilliseconds));
        Assert.Equal((TimeSpan.Zero, TimeSpan.Zero), (grant.Start, grant.Load));
    }

    [Fact]
    public void A_caller_that_came_before_the_instance_was_ready_is_cold_even_when_others_went_first()
    {
        var world = new EngineHarness(EngineHarness.Spec with { MaxInstances = 1 });
        world.Arrive();
        var second = world.Arrive();
        var first = Assert.Single(world.After(5).Ready(new InstanceId(EngineHarness.Revision, 1)).Grants);

        var grant = Assert.Single(world.After(4).End(first.Lease).Grants);

        Assert.Equal((second, StartKind.Cold, 4.0, 3.0, 2.0), (grant.Ticket, grant.Kind, grant.Queue.TotalMilliseconds, grant.Start.TotalMilliseconds, grant.Load.TotalMilliseconds));
    }

    [Fact]
    public void The_least_loaded_instance_is_chosen()
    {
        var world = TwoReady(concurrency: 2);

        var leases = Enumerable.Range(0, 4).Select(_ => world.ArriveAndGet()).ToList();

        Assert.NotEqual(leases[0].Instance, leases[1].Instance);
        Assert.Equal(2, leases.Count(l => l.Instance == leases[0].Instance));
    }

    [Fact]
    public void Among_idle_instances_the_one_used_last_is_chosen_so_that_the_other_grows_old()
    {
        var world = TwoReady(concurrency: 1);
        var lease = world.After(10).ArriveAndGet();
        world.After(10).End(lease);

        var again = world.After(10).ArriveAndGet();

        Assert.Equal(lease.Instance, again.Instance);
    }

    [Fact]
    public void Callers_get_slots_in_the_order_in_which_they_came()
    {
        var world = new EngineHarness(EngineHarness.Spec with { MaxInstances = 1 });
        var tickets = Enumerable.Range(0, 5).Select(_ => world.Arrive()).ToList();
        var granted = new List<long>();
        var grant = Assert.Single(world.Ready(new InstanceId(EngineHarness.Revision, 1)).Grants);

        while (true)
        {
            granted.Add(grant.Ticket);
            world.End(grant.Lease);
            if (world.Effects.Grants.Count == 0)
            {
                break;
            }

            grant = Assert.Single(world.Effects.Grants);
        }

        Assert.Equal(tickets, granted);
    }

    [Fact]
    public void Retries_go_to_the_head_in_their_own_order_also_when_the_queue_is_full()
    {
        var world = new EngineHarness(EngineHarness.Spec with { MaxInstances = 1, QueueLimit = 1 });
        world.WarmUp();
        var lease = world.ArriveAndGet();
        var arrival = world.Arrive();
        var firstRetry = world.Arrive(isRetry: true);
        Assert.Empty(world.Effects.Refusals);
        var secondRetry = world.Arrive(isRetry: true);

        var order = new List<long>();
        for (var i = 0; i < 3; i++)
        {
            var grant = Assert.Single(world.End(lease).Grants);
            order.Add(grant.Ticket);
            lease = grant.Lease;
        }

        Assert.Equal([firstRetry, secondRetry, arrival], order);
    }

    [Fact]
    public void A_caller_that_left_frees_its_place()
    {
        var world = new EngineHarness(EngineHarness.Spec with { MaxInstances = 1 });
        world.WarmUp();
        var lease = world.ArriveAndGet();
        var gone = world.Arrive();
        var next = world.Arrive();

        world.Apply(RevisionEvent.CallerLeft(gone));
        Assert.Equal((1, 100L), (world.Sample.Queued, world.Sample.QueuedBytes));

        Assert.Equal(next, Assert.Single(world.End(lease).Grants).Ticket);
    }

    [Fact]
    public void An_end_of_a_lease_counts_once_and_only_for_its_own_epoch()
    {
        var world = new EngineHarness();
        world.WarmUp();
        var lease = world.ArriveAndGet();

        Assert.Empty(world.After(1).End(lease with { Epoch = 99 }).Metered);
        Assert.Empty(world.End(lease with { Id = 99 }).Metered);
        Assert.Equal(new MeteredRun(lease, 1_000), Assert.Single(world.End(lease).Metered));
        Assert.Empty(world.End(lease).Metered);
    }

    [Fact]
    public void Two_that_share_an_instance_share_its_busy_time()
    {
        var world = new EngineHarness(EngineHarness.Spec with { Concurrency = 2, MaxInstances = 1 });
        world.WarmUp();
        var one = world.ArriveAndGet();
        var two = world.After(10).ArriveAndGet();

        var first = Assert.Single(world.After(10).End(one).Metered);
        var second = Assert.Single(world.After(10).End(two).Metered);

        Assert.Equal((15_000L, 15_000L), (first.MeteredMicroseconds, second.MeteredMicroseconds));
    }

    [Fact]
    public void An_instance_that_batches_gets_as_many_as_all_its_runs_can_share()
    {
        var world = new EngineHarness(EngineHarness.Spec with { Concurrency = 2, BatchMax = 3, MaxInstances = 1 });
        world.WarmUp();

        var leases = Enumerable.Range(0, 6).Select(_ => world.ArriveAndGet()).ToList();
        world.Arrive();

        Assert.Empty(world.Effects.Grants);
        Assert.Single(world.After(1).End(leases[0]).Grants);
    }

    [Fact]
    public void Those_that_share_a_run_share_its_time()
    {
        var world = new EngineHarness(EngineHarness.Spec with { Concurrency = 1, BatchMax = 4, MaxInstances = 1 });
        world.WarmUp();
        var leases = Enumerable.Range(0, 4).Select(_ => world.ArriveAndGet()).ToList();
        world.After(20);

        var shares = leases.Select(lease => Assert.Single(world.End(lease).Metered).MeteredMicroseconds);

        Assert.All(shares, share => Assert.Equal(5_000, share));
    }

    [Fact]
    public void Events_about_what_it_does_not_know_are_ignored()
    {
        var world = new EngineHarness();
        var stranger = new InstanceId(EngineHarness.Revision, 77);

        world.Apply(RevisionEvent.CallerLeft(5));
        world.Ready(stranger);
        world.Fail(stranger);
        world.Lose(stranger);
        world.Gone(stranger);
        world.Apply(RevisionEvent.Evict(stranger));
        world.End(new SlotLease(1, stranger, "", 77));

        Assert.True(world.Engine.IsEmpty);
        Assert.Equal(MonotonicTime.Never, world.Effects.WakeAt);
    }

    private static EngineHarness TwoReady(int concurrency)
    {
        var world = new EngineHarness(EngineHarness.Spec with { Concurrency = concurrency, MinInstances = 2 });
        world.Wake();
        var starts = world.Effects.Starts.Select(s => s.Instance).ToList();
        Assert.Equal(2, starts.Count);
        starts.ForEach(s => world.Ready(s));
        return world;
    }
}
